"""The layers of a network written in YAML: their names, their arguments, and how they are made.

Names and arguments are checked without Keras, against a table of them: `_layers.json`, written by
tests/models/layer_table.py. Nothing here takes a path, a function or a module: a block names a class of the table and
gives it plain values.
"""

import ast
import dataclasses
import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dltrain.errors import KeyProblem
from dltrain.lazy import keras
from dltrain.registry import LAYERS, nearest, suggestion

_TABLE = Path(__file__).with_suffix(".json")
_OWN = Path(__file__).parents[1] / "layers"

_CODE = "it runs code, which a config cannot contain"
_WORDS = "it needs a vocabulary, of words or from a file, but the inputs of a network are numbers"
_TARGETS = "it also changes targets; use the block augment for that"
REFUSED = {
    "Lambda": _CODE,
    **dict.fromkeys(("TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer"), _CODE),
    **dict.fromkeys(("TextVectorization", "StringLookup", "IntegerLookup"), _WORDS),
    **dict.fromkeys(("CutMix", "MixUp", "MaxNumBoundingBoxes"), _TARGETS),
    "InputLayer": "the input is the dataset's",
    "Pipeline": "list its layers themselves",
    "Wrapper": "it is a base class and does nothing",
}
"""Layers of Keras that a config may not choose, with the reason."""

LISTED = {
    **dict.fromkeys(("Add", "Average", "Concatenate", "Maximum", "Minimum", "Multiply", "HashedCrossing"), (2, None)),
    **dict.fromkeys(("Dot", "Subtract"), (2, 2)),
    **dict.fromkeys(("Attention", "AdditiveAttention"), (2, 3)),
}
"""Layers that take a list of inputs: the least and the greatest number."""

SEVERAL = dict.fromkeys(("MultiHeadAttention", "GroupQueryAttention"), (2, 3))
"""Layers that take several inputs as separate arguments."""

# Keras would learn these from data that it is shown before training.
_NEEDED = {"Normalization": ("mean", "variance"), "Discretization": ("bin_boundaries",)}
# A wrapper's `layer`, as `layer` is the key of the class: {layer: TimeDistributed, of: {layer: Dense, units: 8}}.
_RENAMED = {"layer": "of"}
_CELLS = ("cell", "cells")
_LAYERS = ("of", "backward_layer", *_CELLS)
_BLOCKS = ("layer", "initializer", "regularizer", "constraint")


def head_key(kind: str) -> str:
    """Returns the key that names a block's class: `layer` leaves `name` free for the layer's own."""
    return "layer" if kind == "layer" else "name"


def choices(kind: str) -> dict[str, dict[str, bool]]:
    """Returns {name: {argument: is required}} of all choices of a kind: layer, initializer, activation ..."""
    if kind != "layer" or not LAYERS.names():
        return _table(kind)
    return _table(kind) | {
        name: {field.name: field.default is dataclasses.MISSING for field in dataclasses.fields(LAYERS[name])}
        for name in LAYERS.names()
    }


@functools.cache
def _table(kind: str) -> dict[str, dict[str, bool]]:
    table = json.loads(_TABLE.read_text())[kind]
    found = {name: {_plain(word): word.endswith("*") for word in words.split()} for name, words in table.items()}
    if kind == "layer":
        for name, needed in _NEEDED.items():
            found[name] |= dict.fromkeys(needed, True)
        found |= {name: arguments for name, arguments in _own_layers(found).items() if name not in found}
    return found


def _plain(word: str) -> str:
    argument = word.removesuffix("*")
    return _RENAMED.get(argument, argument)


def _own_layers(of_keras: dict[str, dict[str, bool]]) -> dict[str, dict[str, bool]]:
    """Returns the arguments of dltrain's own layers, read from their text: importing them takes TensorFlow's start."""
    shared = dict.fromkeys(("activity_regularizer", "trainable", "dtype"), False)
    found = {}
    for path in sorted(_OWN.glob("*.py")):
        known = dict(of_keras)
        for item in ast.parse(path.read_text(encoding="utf-8")).body:
            if not isinstance(item, ast.ClassDef):
                continue
            starts = [part for part in item.body if isinstance(part, ast.FunctionDef) and part.name == "__init__"]
            parents = [ast.unparse(parent).rpartition(".")[2] for parent in item.bases]
            inherited = next((known[name] for name in parents if name in known), shared)
            known[item.name] = _arguments(starts[0].args) | shared if starts else inherited
            if not item.name.startswith("_") and item.decorator_list:
                found[item.name] = known[item.name]
    return found


def _arguments(signature: ast.arguments) -> dict[str, bool]:
    positional = signature.args[1:]
    required = len(positional) - len(signature.defaults)
    found = {item.arg: index < required for index, item in enumerate(positional)}
    return found | {
        item.arg: default is None for item, default in zip(signature.kwonlyargs, signature.kw_defaults, strict=True)
    }


def inputs_of(layer: str) -> tuple[int, int | None]:
    """Returns the least and the greatest number of inputs that a layer takes."""
    return (LISTED | SEVERAL).get(layer, (1, 1))


def faults(kind: str, block: dict[str, Any], path: str) -> Iterator[KeyProblem]:
    """Yields what is wrong with a block, each at the key that it is about.

    Args:
        kind: what the block describes.
        block: its keys; a layer's `inputs` are not among them.
        path: its key path.
    """
    key = head_key(kind)
    chosen = block.get(key)
    if not isinstance(chosen, str):
        meant = next((word for word in block if word in choices(kind)), None)
        words = "got no word" if key in block else "but it is missing"
        hint = f"; write {{{key}: {meant}, ...}}" if meant else ""
        yield KeyProblem(f"{path}.{key}", f"must be the name of {_a(kind)}, {words}{hint}")
        return
    if chosen in REFUSED and kind == "layer":
        yield KeyProblem(f"{path}.{key}", f"must not be {chosen}: {REFUSED[chosen]}")
        return
    if chosen not in choices(kind):
        yield KeyProblem(f"{path}.{key}", f": no {kind} {chosen!r}{_meant(kind, chosen)}")
        return
    arguments = choices(kind)[chosen]
    for argument, value in block.items():
        if argument in arguments:
            yield from _value_faults(argument, value, f"{path}.{argument}")
        elif argument not in (key, "name"):
            yield KeyProblem(
                f"{path}.{argument}", f"is not an argument of {chosen}{suggestion(argument, list(arguments), 'it has')}"
            )
    for argument, is_required in arguments.items():
        if is_required and argument not in block:
            yield KeyProblem(f"{path}.{argument}", f"is missing: {chosen} needs it")


def _value_faults(argument: str, value: Any, path: str) -> Iterator[KeyProblem]:
    kind = _kind(argument)
    if isinstance(value, tuple) and (kind is None or argument in _CELLS):
        for index, item in enumerate(value):
            yield from _value_faults(argument, item, f"{path}[{index}]")
    elif isinstance(value, dict) and kind in _BLOCKS:
        yield from faults(str(kind), value, path)
    elif isinstance(value, dict):
        yield KeyProblem(path, "must be a single value, got a block")
    elif kind is None or value is None:
        return
    elif kind == "layer":
        yield KeyProblem(path, f"must be a layer, for example {{layer: Dense, units: 8}}, got {value!r}")
    elif not isinstance(value, str):
        yield KeyProblem(path, f"must be the name of {_a(kind)}, got {value!r}")
    elif value not in choices(kind):
        yield KeyProblem(path, f": no {kind} {value!r}{_meant(kind, value)}")


def _kind(argument: str) -> str | None:
    """Returns the kind of an argument's value, an initializer for `bias_initializer`; none for plain values."""
    last = argument.rpartition("_")[2]
    return "layer" if argument in _LAYERS else last if last in (*_BLOCKS[1:], "activation") else None


def _meant(kind: str, word: str) -> str:
    """Returns the nearest name, whatever its case and underscores: Keras has no `batch_normalization`."""
    names = [name for name in choices(kind) if kind != "layer" or name not in REFUSED]
    folded = {name.replace("_", "").lower(): name for name in names}
    near = nearest(word.replace("_", "").lower(), list(folded))
    if near:
        return f', did you mean "{folded[near.split(chr(34))[1]]}"?'
    return "; use a layer of keras.layers or dltrain.layers" if kind == "layer" else suggestion(word, names)


def json_schema() -> dict[str, Any]:
    """Returns the JSON Schema of a layer's block: the names of classes, and the arguments of each."""
    names = {name: arguments for name, arguments in choices("layer").items() if name not in REFUSED}
    own = {"type": "string", "pattern": r"^\w+\.\w+$"}
    activation = {"anyOf": [{"enum": [*choices("activation")]}, {"not": {"type": "string"}}]}
    return {
        "type": "object",
        "properties": {"layer": {"anyOf": [{"enum": [*names]}, own], "description": "a class of Keras's layers"}},
        "required": ["layer"],
        "allOf": [
            {
                "if": {"properties": {"layer": {"const": name}}, "required": ["layer"]},
                "then": {
                    "properties": {
                        **{key: {} for key in ("layer", "name", "inputs")},
                        **{argument: activation if _kind(argument) == "activation" else {} for argument in arguments},
                    },
                    "required": [argument for argument, is_required in arguments.items() if is_required],
                    "additionalProperties": False,
                },
            }
            for name, arguments in names.items()
        ],
    }


def make(kind: str, block: dict[str, Any]) -> Any:
    """Returns the object that a block without faults describes.

    Raises:
        Exception: whatever the class raises at values that it refuses.
    """
    key = head_key(kind)
    if kind == "layer" and block[key] in LAYERS.names():
        made = LAYERS[block[key]](**{name: value for name, value in block.items() if name not in (key, "name")}).build()
        made.name = block.get("name", made.name)
        return made
    original = {ours: theirs for theirs, ours in _RENAMED.items()} if kind == "layer" else {}
    arguments = {original.get(name, name): _made(name, value) for name, value in block.items() if name != key}
    return _found(kind, block[key])(**arguments)


def _made(argument: str, value: Any) -> Any:
    if isinstance(value, dict):
        return make(str(_kind(argument)), value)
    return [_made(argument, item) for item in value] if argument in _CELLS and isinstance(value, tuple) else value


def _found(kind: str, name: str) -> Any:
    of_keras = getattr(keras, f"{kind}s")
    if hasattr(of_keras, name):
        return getattr(of_keras, name)
    import dltrain.layers  # noqa: F401  (registers them)

    return keras.saving.get_registered_object(f"dltrain>{name}")


def _a(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"
