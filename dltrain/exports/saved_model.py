"""TensorFlow's SavedModel folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from dltrain.data import unnamed
from dltrain.data.trees import Tree, mapped
from dltrain.exports import Batch, Export, Takes
from dltrain.lazy import np, tf
from dltrain.registry import EXPORTS


@EXPORTS.register("saved_model")
class SavedModel(Export):
    """A SavedModel folder, for TensorFlow Serving, C++, Java and Go; needs no Python class of its layers."""

    file: ClassVar[str] = "saved_model"

    def write(self, model: Any, path: Path, takes: Takes, calibration: Batch) -> None:
        """Writes the network, with the endpoints `serve` and `serving_default`."""
        model.export(path, format="tf_saved_model", verbose=False)

    def answers(self, path: Path, inputs: Batch) -> Tree:
        """Calls the folder's endpoint on examples; returns (examples, *outputs), a dict where there are several."""
        loaded = tf.saved_model.load(str(path))  # whose variables live as long as it does
        serve = loaded.signatures["serving_default"]
        wanted = serve.structured_input_signature[1]  # of one input, Keras's own name
        given = inputs if len(inputs) > 1 else dict.fromkeys(wanted, *inputs.values())
        return mapped(np.asarray, unnamed(serve(**{name: tf.constant(given[name]) for name in wanted})))
