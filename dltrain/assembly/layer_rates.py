"""Learning rates that shrink from layer to layer with the distance from the head."""

from typing import Any

from dltrain.checkpoints.layer_names import named_layers


def layer_shares(model: Any, decay: float) -> dict[str, float]:
    """Returns the factor of each layer's learning rate, by the layer's name: 1 for the last layer with a kernel.

    Each layer with a kernel, a weight of two dimensions or more, lies one deeper than the next such one; a layer
    without one, for example a normalisation, gets the factor of the layer before it.

    K. Clark et al., "ELECTRA: pre-training text encoders as discriminators rather than generators", 2020, and H. Bao et
    al., "BEiT: BERT pre-training of image transformers", 2022, fine-tune in this way.

    Args:
        model: a built network.
        decay: the factor from one layer to the next deeper one.
    """
    named, numbers, number = named_layers(model), {}, -1
    for name, layer in named.items():
        number += any(len(weight.shape) > 1 for weight in layer.weights)
        numbers[name] = max(number, 0)
    return {name: decay ** (max(number, 0) - own) for name, own in numbers.items()}


def weight_shares(model: Any, decay: float) -> tuple[float, ...]:
    """Returns the factor of each trainable weight, in the model's order; 1 for weights outside of layers."""
    named = named_layers(model)
    by_weight = {
        id(weight): share for name, share in layer_shares(model, decay).items() for weight in named[name].weights
    }
    return tuple(by_weight.get(id(weight), 1.0) for weight in model.trainable_variables)
