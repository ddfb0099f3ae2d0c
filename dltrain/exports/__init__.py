"""What a network may be exported to: one format per file, its stem the name (`-` for `_`)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from dltrain.lazy import np
from dltrain.registry import Choice

Takes = Mapping[str, Any]
"""What a network takes: a TensorSpec, (batch, *shape), by the name of each of its inputs."""

Batch = Mapping[str, np.ndarray]
"""Examples as a network takes them, (examples, *shape), by the name of each of its inputs."""


def called(inputs: Mapping[str, Any]) -> Any:
    """Returns inputs as a network is called with them: the value itself where there is one, else the values by name."""
    return next(iter(inputs.values())) if len(inputs) == 1 else dict(inputs)


class Export(Choice):
    """What every format is: it writes a network, and says what the file answers in the runtime that it is for.

    Attributes:
        file: the name of what is written; a folder, where it has no suffix.
        needs: modules that must be there.
        extra: what of dltrain brings them, as in `pip install 'dltrain[onnx]'`.
        tolerance: the largest difference of outputs, relative to max(1, |output|).
        agreement: the share of examples that must be answered as before, in place of `tolerance`, where the format's
            numbers are coarser by design.
    """

    file: ClassVar[str]
    needs: ClassVar[tuple[str, ...]] = ()
    extra: ClassVar[str] = ""
    tolerance: ClassVar[float] = 1e-5
    agreement: ClassVar[float | None] = None

    def write(self, model: Any, path: Path, takes: Takes, calibration: Batch) -> None:
        """Writes the network.

        Args:
            model: a Keras model in float32.
            path: a place that is free.
            takes: its inputs, by name.
            calibration: training examples, which show what values occur.
        """
        raise NotImplementedError

    def answers(self, path: Path, inputs: Batch) -> np.ndarray:
        """Returns what the file says of examples, (examples, *outputs).

        Args:
            path: what was written.
            inputs: the examples.
        """
        raise NotImplementedError
