"""Export formats: one per file, its stem the name (`-` for `_`)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from dltrain.data.trees import Tree
from dltrain.lazy import np
from dltrain.registry import Choice

Takes = Mapping[str, Any]
"""The inputs of a network: a TensorSpec, (batch, *shape), by the name of each; a length that differs is none."""

Batch = Mapping[str, np.ndarray]
"""Examples as inputs of a network, (examples, *shape), of their features' types, by the name of each input."""


def called(inputs: Mapping[str, Any]) -> Any:
    """Returns inputs as a network is called with them: the value itself where there is one, else the values by name."""
    return next(iter(inputs.values())) if len(inputs) == 1 else dict(inputs)


class Export(Choice):
    """The contract of every format: it writes a network, and runs the written file in the runtime that it is for.

    Attributes:
        file: name of the file; of a folder, if it has no suffix.
        needs: modules that must be installed.
        extra: the extra of dltrain that installs them, as in `pip install 'dltrain[onnx]'`.
        tolerance: the largest difference of outputs, relative to max(1, |output|), of forecasts to their largest.
        agreement: share of examples whose predictions must stay the same; replaces `tolerance` for formats with coarser
            numbers.
        holds_vectors: whether it holds tables of vectors that a network has learnt, and not the network: a
            `VectorExport`.
    """

    holds_vectors: ClassVar[bool] = False
    file: ClassVar[str]
    needs: ClassVar[tuple[str, ...]] = ()
    extra: ClassVar[str] = ""
    tolerance: ClassVar[float] = 1e-5
    agreement: ClassVar[float | None] = None

    def write(self, model: Any, path: Path, takes: Takes, calibration: Batch) -> None:
        """Writes a network in this format.

        Args:
            model: a Keras model in float32.
            path: the file or folder to write, which does not exist.
            takes: the inputs of the model.
            calibration: training examples, which show the range of values.
        """
        raise NotImplementedError

    def answers(self, path: Path, inputs: Batch) -> Tree:
        """Runs the written file on examples; returns (examples, *outputs), a dict by name where there are several.

        Args:
            path: the written file or folder.
            inputs: the examples.
        """
        raise NotImplementedError


class VectorExport(Export):
    """The contract of formats that hold tables of vectors that a network has learnt, and not the network.

    Attributes:
        suffix: of each file, whose stem is what the vectors are of.
    """

    holds_vectors: ClassVar[bool] = True
    suffix: ClassVar[str]
    file: ClassVar[str] = ""
    tolerance: ClassVar[float] = 0.0

    def write_vectors(self, path: Path, names: list[str], vectors: np.ndarray) -> None:
        """Writes a table.

        Args:
            path: the file, which does not exist.
            names: of the vectors.
            vectors: (names, numbers), float32.
        """
        raise NotImplementedError

    def read_vectors(self, path: Path) -> np.ndarray:
        """Reads the vectors of a written file, (names, numbers)."""
        raise NotImplementedError
