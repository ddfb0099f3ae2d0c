"""Learning rates that shrink from layer to layer with the distance from the head."""

from typing import Any

from dltrain.checkpoints.layer_names import named_layers
from dltrain.keras_internals import followers
from dltrain.lazy import keras

_TABLES = {"embeddings", "rel_embedding", "positions", "token"}
"""Names of the weights that Keras's, KerasHub's and our own layers have as tables of tokens, segments and positions."""


def layer_shares(model: Any, decay: float) -> dict[str, float]:
    """Returns the factor of each layer's learning rate, by the layer's name: 1 for the last layer with a kernel.

    Each layer lies as deep as there are layers with a kernel behind it, on the longest way to an output: layers side by
    side, such as several heads, have one factor, and so have all tables that a network begins with.

    K. Clark et al., "ELECTRA: pre-training text encoders as discriminators rather than generators", 2020, and H. Bao et
    al., "BEiT: BERT pre-training of image transformers", 2022, fine-tune in this way.

    Args:
        model: a built network.
        decay: the factor from one layer to the next deeper one.
    """
    depths, _ = _depths(model, 0)
    return {name: decay ** depths.get(id(layer), 0) for name, layer in named_layers(model).items()}


def weight_shares(model: Any, decay: float) -> tuple[float, ...]:
    """Returns the factor of each trainable weight, in the model's order; 1 for weights outside of layers."""
    named = named_layers(model)
    by_weight = {
        id(weight): share for name, share in layer_shares(model, decay).items() for weight in named[name].weights
    }
    return tuple(by_weight.get(id(weight), 1.0) for weight in model.trainable_variables)


def _depths(model: Any, behind: int) -> tuple[dict[int, int], int]:
    """Returns how many layers with a kernel are behind each layer, by its id, and behind what comes before all.

    Args:
        model: a network, or one within it.
        behind: how many are behind the network.
    """
    found, before = dict[int, int](), dict[int, int]()
    for layer, after in reversed(followers(model)):
        # A layer that is used twice can follow one that follows it.
        depth = max((before[id(each)] for each in after if id(each) in before), default=behind)
        if isinstance(layer, keras.Model):
            inner, before[id(layer)] = _depths(layer, depth)
            found |= inner
        else:
            has_kernel = isinstance(layer, keras.Layer) and any(map(_is_kernel, layer.weights))
            found[id(layer)], before[id(layer)] = depth, depth + has_kernel
    return found, max(before.values(), default=behind)


def _is_kernel(weight: Any) -> bool:
    """Whether a weight multiplies what it gets: tables have as many dimensions, and only look up or add."""
    return len(weight.shape) > 1 and weight.name not in _TABLES
