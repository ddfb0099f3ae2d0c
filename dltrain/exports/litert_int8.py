"""LiteRT with 8-bit integers."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from dltrain.data.trees import Tree
from dltrain.exports import Batch, Export, Takes, _interpreting
from dltrain.lazy import tf
from dltrain.registry import EXPORTS


@EXPORTS.register("litert-int8")
class LiteRTInt8(Export):
    """A .tflite file of 8-bit weights and sums, a quarter of the size; needs pip install 'dltrain[litert]'.

    Ranges are measured on training examples. Inputs and outputs are of the same types as in the other formats.
    """

    file: ClassVar[str] = "model_int8.tflite"
    needs: ClassVar[tuple[str, ...]] = ("ai_edge_litert",)
    extra: ClassVar[str] = "litert"
    agreement: ClassVar[float] = 0.95

    def write(self, model: Any, path: Path, takes: Takes, calibration: Batch) -> None:
        """Writes the network; `calibration` shows the range of values."""
        converter = _interpreting.converter(model)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([*each.values()] for each in _interpreting.one_by_one(calibration))
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        path.write_bytes(_interpreting.converted(converter))

    def answers(self, path: Path, inputs: Batch) -> Tree:
        """Runs the 8-bit file on examples; returns (examples, *outputs)."""
        return _interpreting.answers(path, inputs)
