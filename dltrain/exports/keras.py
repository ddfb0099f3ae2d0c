"""Keras's own file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from dltrain.data.trees import Tree, mapped
from dltrain.exports import Batch, Export, Takes, called
from dltrain.lazy import keras, np
from dltrain.registry import EXPORTS


@EXPORTS.register("keras")
class Keras(Export):
    """A .keras file: `keras.models.load_model` opens it, on TensorFlow, JAX or PyTorch."""

    file: ClassVar[str] = "model.keras"

    def write(self, model: Any, path: Path, takes: Takes, calibration: Batch) -> None:
        """Writes the network."""
        model.save(path)

    def answers(self, path: Path, inputs: Batch) -> Tree:
        """Runs the reloaded Keras model on examples; returns (examples, *outputs), a dict where there are several."""
        return mapped(np.asarray, keras.models.load_model(path)(called(inputs), training=False))
