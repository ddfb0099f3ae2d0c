"""The types of config fields beyond Python's own: ranges and closed lists of names.

A registered class writes `units: PositiveInt`; the config loader checks the range, points at the key and names the
range, and `dltrain list` shows it. Checks that need several fields belong into the class's `__post_init__`, which
raises `KeyProblem("depth", "must be 6n + 2, got 21")`: the user sees it at the key's line.
"""

import re
from dataclasses import dataclass
from typing import Annotated, Literal


@dataclass(frozen=True)
class Range:
    """A range of numbers.

    Args:
        minimum: the smallest value allowed, none for no bound.
        maximum: the largest value allowed, none for no bound.
        open_minimum: excludes the minimum itself.
        open_maximum: excludes the maximum itself.
    """

    minimum: float | None = None
    maximum: float | None = None
    open_minimum: bool = False
    open_maximum: bool = False

    def __contains__(self, value: float) -> bool:
        above = self.minimum is None or (value > self.minimum if self.open_minimum else value >= self.minimum)
        below = self.maximum is None or (value < self.maximum if self.open_maximum else value <= self.maximum)
        return above and below  # NaN fails every comparison: it is in no range that has a bound

    def __str__(self) -> str:
        words = []
        if self.minimum is not None:
            words.append(f"{'above' if self.open_minimum else 'at least'} {_shown(self.minimum)}")
        if self.maximum is not None:
            words.append(f"{'below' if self.open_maximum else 'at most'} {_shown(self.maximum)}")
        return " and ".join(words)


def _shown(bound: float) -> str:
    return str(int(bound)) if bound == int(bound) else str(bound)


class Fold:
    """One of several shares of equal size, as a config names it: fold 2 of 5."""

    def __contains__(self, text: str) -> bool:
        try:
            return bool(parse_fold(text))
        except ValueError:
            return False

    def __str__(self) -> str:
        return "such as fold 1 of 5"


def parse_fold(text: str) -> tuple[int, int]:
    """Parses a fold into its number, counted from 1, and the number of folds.

    Raises:
        ValueError: if the text does not have this form.
    """
    found = re.fullmatch(r"fold (\d{1,6}) of (\d{1,6})", text)
    number, count = (int(found[1]), int(found[2])) if found else (0, 0)
    if not 1 <= number <= count >= 2:
        raise ValueError(f"a fold must have the form: fold 1 of 5, got {text!r}")
    return number, count


PositiveInt = Annotated[int, Range(minimum=1)]
NonNegativeInt = Annotated[int, Range(minimum=0)]
PositiveFloat = Annotated[float, Range(minimum=0, open_minimum=True)]
NonNegativeFloat = Annotated[float, Range(minimum=0)]
# NumPy and TensorFlow take seeds of this size alike.
Seed = Annotated[int, Range(minimum=0, maximum=2**31 - 1)]
# A share that may be nothing but never all: dropout rates, momentum, split fractions.
Fraction = Annotated[float, Range(minimum=0, maximum=1, open_maximum=True)]
# A share that may be all but never nothing.
Share = Annotated[float, Range(minimum=0, maximum=1, open_minimum=True)]
# What is held out: a share at random, or one of several shares that together are all examples.
HeldOut = Fraction | Annotated[str, Fold()]
# How often something happens, never and always included.
Probability = Annotated[float, Range(minimum=0, maximum=1)]

Activation = Literal[
    "relu",
    "relu6",
    "leaky_relu",
    "elu",
    "selu",
    "gelu",
    "silu",
    "mish",
    "sigmoid",
    "tanh",
    "softmax",
    "softplus",
    "linear",
]
Initializer = Literal[
    "glorot_uniform",
    "glorot_normal",
    "he_uniform",
    "he_normal",
    "lecun_uniform",
    "lecun_normal",
    "orthogonal",
    "random_normal",
    "random_uniform",
    "truncated_normal",
    "zeros",
]
# Of batch, layer and group normalisation; `dltrain.models._normalization` makes the layer.
Normalization = Literal["none", "batch", "layer", "group"]
