"""Analysis of a learning-rate test: where the loss falls fastest, where it is lowest, or that it shows neither."""

import math
from dataclasses import dataclass

import numpy as np

SPREAD = 0.03
"""Standard deviation of the bell that losses are smoothed with, as a share of the steps."""
LEAST_FALL = 0.01
"""Share of the loss that it must fall by at least."""
BLOWN_UP = 4.0
"""How many times the lowest loss is taken for a blow-up; fastai's (S. Gugger, J. Howard, 2018) too."""


@dataclass(frozen=True)
class Analysis:
    """The result of the analysis.

    Args:
        smoothed: the losses, each the mean of those around it.
        suggested: the learning rate of the steepest descent; none where the loss does not fall.
        lowest: the learning rate at which the smoothed loss is lowest.
        notes: remarks for the user.
    """

    smoothed: tuple[float, ...]
    suggested: float | None
    lowest: float
    notes: tuple[str, ...] = ()


def analyze(rates: list[float], losses: list[float], ended: bool) -> Analysis:
    """Analyses the losses of a learning-rate test.

    The suggestion is the learning rate, below that of the lowest loss, at which the smoothed loss falls fastest over
    the logarithm of the rate. L. N. Smith ("Cyclical learning rates", 2017, section 3.3) looks at accuracy, by eye.

    Args:
        rates: rising by a constant factor.
        losses: finite, at each of them.
        ended: whether the test reached its last rate, without a blow-up.
    """
    values = np.array(losses)
    smoothed = smooth(values)
    noise = float(np.median(np.abs(values - smoothed)))  # which a blow-up does not affect
    least = max(3 * noise, LEAST_FALL * abs(float(smoothed[0])))
    # Behind a rise to where it began, the loss may fall again: of what the blow-up left.
    has_fallen = np.minimum.accumulate(smoothed) < smoothed[0] - least
    lost = has_fallen & (smoothed >= smoothed[0])
    lowest = int(smoothed[: int(lost.argmax()) if lost.any() else None].argmin())
    before = smoothed[: lowest + 1]
    at = rates[lowest]
    if lowest < 2 or before.max() - before[-1] < least:
        words = f"the loss does not fall between {rates[0]:.3g} and {rates[-1]:.3g} by more than batches differ:  " + (
            "try a larger --to or more --steps" if ended else "try a smaller --from"
        )
        return Analysis(tuple(smoothed.tolist()), None, at, (words,))
    slope = np.gradient(before, math.log(rates[1] / rates[0]))
    steepest = int(slope[:-1].argmin())
    notes = []
    if ended and lowest >= len(rates) - 2:
        notes.append(f"the loss still falls at {rates[-1]:.3g}: try a larger --to")
    return Analysis(tuple(smoothed.tolist()), rounded(rates[steepest]), at, tuple(notes))


def smooth(values: np.ndarray) -> np.ndarray:
    """Smooths values by Gaussian-weighted means: unlike a running mean, this shifts nothing."""
    places = np.arange(len(values))
    width = max(1.0, SPREAD * len(values))
    weights = np.exp(-(((places[:, None] - places) / width) ** 2) / 2)
    return (weights @ values) / weights.sum(axis=1)


def rounded(rate: float) -> float:
    """Rounds a rate to two digits: the test is no more precise."""
    return float(f"{rate:.1e}")


class Watch:
    """Detects during the test that the loss has blown up."""

    def __init__(self) -> None:
        self._mean, self._count, self._lowest = 0.0, 0, math.inf

    def blown_up(self, loss: float) -> bool:
        """Takes in a loss; returns whether the running mean is far above the lowest that it was."""
        self._count += 1
        self._mean = 0.8 * self._mean + 0.2 * loss
        mean = self._mean / (1 - 0.8**self._count)  # else it would begin at 0
        self._lowest = min(self._lowest, mean)
        return mean > self._lowest + (BLOWN_UP - 1) * abs(self._lowest)
