"""What the two LiteRT formats share: the converter, and the interpreter that phones have."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from dltrain.lazy import np, tf


def converter(model: Any) -> Any:
    """Returns what makes LiteRT's bytes of a Keras model, of LiteRT's own operations alone."""
    return tf.lite.TFLiteConverter.from_keras_model(model)


def converted(converter: Any) -> bytes:
    """Returns the file's content.

    Raises:
        ValueError: if the network steps through sequences, as LSTM and GRU do: LiteRT alone has no such loop.
    """
    try:
        return converter.convert()
    except Exception as error:
        if "TensorList" not in str(error):
            raise
        raise ValueError(
            "layers that step through a sequence, such as LSTM and GRU, are not in LiteRT; onnx and saved_model have "
            "them"
        ) from None


def answers(path: Path, inputs: np.ndarray) -> np.ndarray:
    """Returns what the file says of examples, one after the other as on a phone, (examples, outputs)."""
    interpreter = importlib.import_module("ai_edge_litert.interpreter").Interpreter(model_path=str(path))
    interpreter.allocate_tensors()
    takes, gives = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    found = []
    for each in inputs:
        interpreter.set_tensor(takes, each[np.newaxis])
        interpreter.invoke()
        found.append(interpreter.get_tensor(gives)[0])
    return np.stack(found)
