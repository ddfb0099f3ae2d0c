"""Layers by a name that is the same in every process, and which of them stay as they are."""

import fnmatch
import re
from collections import Counter
from typing import Any

from dltrain.config.blocks import Stage
from dltrain.data import HEAD
from dltrain.errors import KeyProblem
from dltrain.lazy import keras
from dltrain.registry import suggestion


def named_layers(model: Any) -> dict[str, Any]:
    """Returns the layers with weights by name, in the network's order; those of a network within it as `outer/inner`.

    A name that Keras made up counts what was built before: it is counted anew here, within the network and the class.
    """
    named: dict[str, Any] = {}
    seen: Counter[str] = Counter()
    for layer in model.layers:
        name, own = layer.name, snake_case(type(layer))
        if re.fullmatch(rf"{own}(_\d+)?", name):
            name = f"{own}_{seen[own]}" if seen[own] else own
            seen[own] += 1
        if isinstance(layer, keras.Model):
            named |= {f"{name}/{inner}": found for inner, found in named_layers(layer).items()}
        elif layer.weights:
            named[name] = layer
    return named


def loose_weights(model: Any) -> list[Any]:
    """Returns the weights that lie in none of these layers: those that a class of the user's has itself."""
    held = {id(weight) for layer in named_layers(model).values() for weight in layer.weights}
    return [weight for weight in model.weights if id(weight) not in held]


def head_of(named: dict[str, Any]) -> str:
    """Returns which of the layers is the head: the one that belongs to the classes, else the last."""
    return HEAD if HEAD in named else list(named)[-1]


def freeze(model: Any, patterns: tuple[str, ...]) -> None:
    """Makes layers keep their weights, and their statistics.

    Args:
        model: a built network.
        patterns: names of layers, with `*`, `?` and `[...]` as in file names.

    Raises:
        ValueError: if a pattern fits no layer with weights, or if nothing is left to train.
    """
    named = named_layers(model)
    problems = []
    for index, pattern in enumerate(patterns):
        found = [name for name in named if fnmatch.fnmatchcase(name, pattern)]
        if not found:
            there = suggestion(pattern.strip("*?"), list(named), "there are")
            problems.append(
                KeyProblem(f"freeze[{index}]", f"must be the name of a layer with weights, got {pattern!r}{there}")
            )
        for name in found:
            named[name].trainable = False
    if problems:
        raise ExceptionGroup("freeze", problems)
    if patterns and not model.trainable_weights:
        raise KeyProblem("freeze", "must leave something to train: it names every layer")


def kept_in(named: dict[str, Any], stage: Stage) -> list[str]:
    """Returns which layers keep their weights and statistics in a stage, by name.

    Raises:
        ValueError: if the stage begins at no layer with weights.
    """
    names = list(named)
    first = 0
    if stage.train_from is not None:
        pattern = head_of(named) if stage.train_from == "head" else stage.train_from
        found = [index for index, name in enumerate(names) if fnmatch.fnmatchcase(name, pattern)]
        if not found:
            there = suggestion(pattern.strip("*?"), names, "there are")
            raise KeyProblem("train_from", f"must be the name of a layer with weights, or head, got {pattern!r}{there}")
        first = found[0]
    return [
        name
        for index, name in enumerate(names)
        if index < first
        or (stage.freeze_batch_normalization and isinstance(named[name], keras.layers.BatchNormalization))
    ]


def freeze_for(model: Any, stage: Stage) -> None:
    """Makes the layers keep their weights that do so in a stage; ValueError if it begins at no layer."""
    named = named_layers(model)
    for name in kept_in(named, stage):
        named[name].trainable = False


def snake_case(cls: type) -> str:
    """Returns the name that Keras gives a layer of a class: batch_normalization for BatchNormalization."""
    words = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", cls.__name__))
    return re.sub("([a-z])([A-Z])", r"\1_\2", words).lower()
