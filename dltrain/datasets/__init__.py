"""Data sources: one per file, the file's stem its registered name; each returns Splits."""

from typing import Any

from dltrain.data import DataSpec
from dltrain.data.request import Reader


def reader(dataset: Any, spec: DataSpec) -> Reader:
    """Returns what reads examples for a trained network: the dataset's own, or that of the run's inputs.

    Args:
        dataset: the block of the run's config. Where it has a method `reader(spec)`, that is called.
        spec: what the run was trained on, with all that was learnt of it.
    """
    if hasattr(dataset, "reader"):
        return dataset.reader(spec)
    return spec.inputs.reader()
