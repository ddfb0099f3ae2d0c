"""Names of layers that are the same in every process."""

import re
from collections import Counter
from typing import Any

from dltrain.data.spec import HEAD
from dltrain.lazy import keras


def named_layers(model: Any) -> dict[str, Any]:
    """Returns the layers with weights by name, in the network's order; those of a network within it as `outer/inner`.

    A name that Keras generated depends on the networks built before: it is counted again here, within the network and
    the class.
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
    """Returns the weights outside of these layers, which a user's model class owns itself."""
    held = {id(weight) for layer in named_layers(model).values() for weight in layer.weights}
    return [weight for weight in model.weights if id(weight) not in held]


def heads_of(named: dict[str, Any]) -> list[str]:
    """Returns the names of the head's layers, which a task makes, one for each target or several; else the last one."""
    return [name for name in named if name == HEAD or name.startswith(f"{HEAD}_")] or list(named)[-1:]


def snake_case(cls: type) -> str:
    """Returns the name that Keras gives a layer of a class: batch_normalization for BatchNormalization."""
    words = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", cls.__name__))
    return re.sub("([a-z])([A-Z])", r"\1_\2", words).lower()
