"""LiteRT, which was TensorFlow Lite."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from dltrain.data.trees import Tree
from dltrain.exports import Batch, Export, Takes, _interpreting
from dltrain.registry import EXPORTS


@EXPORTS.register("litert")
class LiteRT(Export):
    """A .tflite file in float32, for phones and small machines; needs pip install 'dltrain[litert]'."""

    file: ClassVar[str] = "model.tflite"
    needs: ClassVar[tuple[str, ...]] = ("ai_edge_litert",)
    extra: ClassVar[str] = "litert"
    tolerance: ClassVar[float] = 1e-4

    def write(self, model: Any, path: Path, takes: Takes, calibration: Batch) -> None:
        """Writes the network."""
        path.write_bytes(_interpreting.converted(_interpreting.converter(model)))

    def answers(self, path: Path, inputs: Batch) -> Tree:
        """Runs the float32 file on examples; returns (examples, *outputs)."""
        return _interpreting.answers(path, inputs)
