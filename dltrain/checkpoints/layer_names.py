"""Layers by a name that is the same in every process."""

import re
from collections import Counter
from typing import Any

from dltrain.data.spec import HEAD
from dltrain.lazy import keras


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


def snake_case(cls: type) -> str:
    """Returns the name that Keras gives a layer of a class: batch_normalization for BatchNormalization."""
    words = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", cls.__name__))
    return re.sub("([a-z])([A-Z])", r"\1_\2", words).lower()
