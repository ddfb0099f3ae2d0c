"""What the two LiteRT formats share: the converter, and the interpreter that phones have."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from dltrain.lazy import np, tf


def converter(model: Any) -> Any:
    """Returns what makes LiteRT's bytes of a Keras model, of LiteRT's own operations alone."""
    return tf.lite.TFLiteConverter.from_keras_model(model)


def answers(path: Path, inputs: np.ndarray) -> np.ndarray:
    """Returns what the file says of examples, one after the other as on a phone, (examples, outputs)."""
    interpreter = importlib.import_module("ai_edge_litert.interpreter").Interpreter(model_path=str(path))
    interpreter.allocate_tensors()
    taken, told = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    found = []
    for each in inputs:
        interpreter.set_tensor(taken, each[np.newaxis])
        interpreter.invoke()
        found.append(interpreter.get_tensor(told)[0])
    return np.stack(found)
