"""Writes dltrain/models/_layers.json from the installed Keras: python tests/models/layer_table.py"""

import inspect
import json
from pathlib import Path

import dltrain.models
from dltrain.engine.device import import_tensorflow

TABLE = Path(dltrain.models.__file__).parent / "_layers.json"
KINDS = {"layer": "Layer", "initializer": "Initializer", "regularizer": "Regularizer", "constraint": "Constraint"}
UNUSED = {"self", "name", "args", "kwargs"}
# Of the parent of all layers, whose other arguments are about inputs that a network in a list does not have.
SHARED = ["activity_regularizer", "trainable", "dtype"]
# Settings of Keras's quantised inference: they change nothing that is trained.
QUANTISED = {"quantization_config", "gptq_unpacked_column_size"}


def table():
    """Returns {kind: {name: its arguments, a star behind those that are required}} of Keras's public names."""
    import keras

    found = {kind: _classes(getattr(keras, f"{kind}s"), parent) for kind, parent in KINDS.items()}
    functions = inspect.getmembers(keras.activations, inspect.isfunction)
    found["activation"] = {name: "" for name, _ in functions if name not in ("get", "serialize", "deserialize")}
    return found


def text():
    return json.dumps(table(), indent=1) + "\n"


def _classes(module, parent):
    base = getattr(module, parent)
    classes = inspect.getmembers(module, inspect.isclass)
    return {name: _arguments(cls, base) for name, cls in classes if issubclass(cls, base) and cls is not base}


def _arguments(cls, base):
    parameters = inspect.signature(cls).parameters
    words = [
        name + "*" * (parameter.default is parameter.empty)
        for name, parameter in parameters.items()
        if name not in UNUSED | QUANTISED
    ]
    if base.__name__ == "Layer" and "kwargs" in parameters:
        words += [name for name in SHARED if name not in parameters]
    return " ".join(words)


if __name__ == "__main__":
    import_tensorflow()
    TABLE.write_text(text())
