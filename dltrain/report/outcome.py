"""The evidence that a report is made of: predictions, metrics, mistakes, examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dltrain.data import Outcome
from dltrain.report.parts import Chapter

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Evidence", "Example", "Mistake", "Mistakes", "Outcome"]


@dataclass(frozen=True)
class Mistake:
    """An example with a wrong prediction.

    Args:
        position: in the outcome.
        actual: the actual value, in words.
        predicted: the predicted value, in words.
        certainty: how sure it is, or how far off.
        beside: the position of the example that it was compared with; none where it stands alone.
    """

    position: int
    actual: str
    predicted: str
    certainty: str
    beside: int | None = None


@dataclass(frozen=True)
class Mistakes:
    """The worst mistakes of a network.

    Args:
        title: how many of how many they are.
        worst: the worst first.
        note: what else there is to say.
        wrong: positions of all that are wrong, where an answer is right or wrong.
    """

    title: str
    worst: list[Mistake]
    note: str = ""
    wrong: Sequence[int] = ()


@dataclass(frozen=True)
class Example:
    """An example that a report shows.

    Args:
        inputs: (*shape).
        target: what is right.
        outputs: of the network.
        place: where it came from.
        weights: how much each place of an image (Grad-CAM), or each token of a text, raises the score of the
            prediction, -1 to 1; none where unknown.
    """

    inputs: np.ndarray
    target: Any
    outputs: np.ndarray
    place: str
    weights: np.ndarray | None


@dataclass(frozen=True)
class Evidence:
    """What a report shows of a network and its data.

    Args:
        outcome: the network's answers.
        examples: in each part of the data, by the part's name.
        metrics: loss and metrics of that part; none for what is undefined for it.
        baselines: metrics of answers that ignore the inputs, by what they are called.
        chapters: what the task says of them.
        mistakes: the worst; none where the task does not tell.
        wrong: the examples of these, in their order.
        right: examples of different targets beside them, with `grad_cam`.
        filters: weights of the first layer, (filters, height, width, channels), where they are pictures.
        findings: what a quick look at the data finds, severity and words.
        fingerprint: of each part of the data.
        compared: the examples that those in `wrong` were compared with, in the same order, without what the network
            looks at; none where they stand alone.
    """

    outcome: Outcome
    examples: dict[str, int]
    metrics: Mapping[str, float | None]
    baselines: dict[str, dict[str, float]]
    chapters: list[Chapter]
    mistakes: Mistakes | None
    wrong: list[Example]
    right: list[Example]
    filters: np.ndarray | None
    findings: list[tuple[str, str]]
    fingerprint: dict[str, str]
    compared: Sequence[Example] = ()
