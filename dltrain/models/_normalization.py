"""Batch, layer and group normalisation as one choice."""

from typing import Any

from dltrain.errors import KeyProblem
from dltrain.fields import Normalization
from dltrain.lazy import keras


def normalized(x: Any, kind: Normalization, name: str, *, groups: int = 8, **batch: Any) -> Any:
    """Normalises x; returns x itself where the kind is none: a convolution before it then needs a bias.

    Batch: S. Ioffe and C. Szegedy 2015. Layer: J. L. Ba, J. R. Kiros and G. E. Hinton 2016, here over the channels of
    each position alone. Group: Y. Wu and K. He 2018, over height, width and the channels of a group.

    Args:
        x: (batch, ..., channels).
        kind: none, batch, layer or group.
        name: name of the layer.
        groups: number of groups of group normalisation; must divide the channels. The paper's 32 are too many for 16
            channels.
        batch: more arguments of Keras's BatchNormalization (momentum, epsilon).
    """
    match kind:
        case "batch":
            return keras.layers.BatchNormalization(name=name, **batch)(x)
        case "layer":
            return keras.layers.LayerNormalization(epsilon=1e-5, name=name)(x)
        case "group":
            return keras.layers.GroupNormalization(groups, epsilon=1e-5, name=name)(x)
    return x


def check_groups(
    kind: Normalization, groups: int, channels: int, key: str = "normalization_groups"
) -> list[KeyProblem]:
    """Returns the problem of groups that do not divide the channels, in a list; an empty one where there is none."""
    if kind != "group" or channels % groups == 0:
        return []
    return [KeyProblem(key, f"must divide the {channels} channels that are normalised, got {groups}")]
