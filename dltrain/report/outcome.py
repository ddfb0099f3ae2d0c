"""What a network makes of one part of the data, and what a task may say of it in the run's report.

A task, a plugin's too, has any of these methods; what it does not have is left out of the report.

    def baselines(self, data: DataSpec, targets: np.ndarray) -> dict[str, np.ndarray]:
        '''Returns outputs for any example, (outputs,), that ignore its inputs, by what they are called.'''

    def chapters(self, outcome: Outcome) -> list[Chapter]:
        '''Returns figures and tables of how good the outputs are.'''

    def mistakes(self, outcome: Outcome, most: int) -> Mistakes:
        '''Returns the examples that are most wrong, at most so many.'''
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dltrain.data import DataSpec
from dltrain.report.parts import Chapter

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Outcome:
    """What a network makes of one part of the data.

    Args:
        data: what the data are.
        part: of the data, such as "test".
        targets: as the dataset has them, (examples,) or (examples, outputs).
        outputs: of the network: logits, or numbers in the targets' units, (examples, outputs), float32.
    """

    data: DataSpec
    part: str
    targets: np.ndarray
    outputs: np.ndarray


@dataclass(frozen=True)
class Mistake:
    """An example that the network gets wrong.

    Args:
        position: in the outcome.
        truth: what is right.
        told: what the network says.
        certainty: how sure it is, or how far off.
    """

    position: int
    truth: str
    told: str
    certainty: str


@dataclass(frozen=True)
class Mistakes:
    """The worst of them.

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
    """An example as the dataset has it.

    Args:
        inputs: (*input_shape).
        target: what is right.
        outputs: of the network.
        place: where it came from.
        attention: how much each place of an image speaks for the answer, 0 to 1; none where that is not known.
    """

    inputs: np.ndarray
    target: Any
    outputs: np.ndarray
    place: str
    attention: np.ndarray | None


@dataclass(frozen=True)
class Evidence:
    """All of it.

    Args:
        outcome: the network's answers.
        examples: in each part of the data, by the part's name.
        metrics: of these answers.
        baselines: metrics of answers that ignore the inputs, by what they are called.
        chapters: what the task says of them.
        mistakes: the worst; none where the task does not tell.
        wrong: the examples of these, in their order.
        right: examples of different targets beside them, with `attention`.
        filters: weights of the first layer, (filters, height, width, channels), where they are pictures.
        findings: what a quick look at the data finds, severity and words.
        fingerprint: of each part of the data.
    """

    outcome: Outcome
    examples: dict[str, int]
    metrics: dict[str, float]
    baselines: dict[str, dict[str, float]]
    chapters: list[Chapter]
    mistakes: Mistakes | None
    wrong: list[Example]
    right: list[Example]
    filters: np.ndarray | None
    findings: list[tuple[str, str]]
    fingerprint: dict[str, str]
