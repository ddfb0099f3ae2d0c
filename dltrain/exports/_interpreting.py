"""Converter and interpreter of the two LiteRT formats."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dltrain.data import unnamed
from dltrain.data.trees import Tree
from dltrain.exports import Batch
from dltrain.lazy import keras, np, tf


def converter(model: Any) -> Any:
    """Returns a converter from a Keras model to LiteRT, limited to LiteRT's own operations."""
    named = getattr(model, "input", None)
    if isinstance(named, dict):  # which the converter calls with a list
        inputs = {name: keras.Input(each.shape[1:], dtype=each.dtype, name=name) for name, each in named.items()}
        model = keras.Model([*inputs.values()], model(inputs))
    return tf.lite.TFLiteConverter.from_keras_model(model)


def converted(converter: Any) -> bytes:
    """Converts a model and returns the content of the file.

    Raises:
        ValueError: if the network steps through sequences, as LSTM and GRU do: LiteRT has no such loop.
    """
    try:
        return converter.convert()
    except Exception as error:
        if "TensorList" not in str(error):
            raise
        raise ValueError(
            "LiteRT has no layers that step through a sequence, such as LSTM and GRU; onnx and saved_model have them"
        ) from None


def one_by_one(inputs: Batch) -> Iterator[dict[str, np.ndarray]]:
    """Yields batches of one example."""
    for place in range(len(next(iter(inputs.values())))):
        yield {name: values[place : place + 1] for name, values in inputs.items()}


def answers(path: Path, inputs: Batch) -> Tree:
    """Runs a LiteRT file on examples, one after the other as on a phone; returns (examples, *outputs), or several."""
    interpreter = importlib.import_module("ai_edge_litert.interpreter").Interpreter(model_path=str(path))
    call = interpreter.get_signature_runner()
    wanted = [*call.get_input_details()]  # of one input, Keras's own name
    found = []
    for one in one_by_one(inputs):
        given = one if len(one) > 1 else dict.fromkeys(wanted, *one.values())
        found.append(call(**given))
    return unnamed({name: np.concatenate([each[name] for each in found]) for name in found[0]})
