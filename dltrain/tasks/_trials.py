"""Trials of verification: pairs of examples, what is known of them, and how often they are taken for the other kind."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from dltrain.data import DataSpec, Split, named
from dltrain.data.statistics import cosines
from dltrain.features.identity import IDENTITY, NUMBER, TRIALS
from dltrain.lazy import np

_AT_ONCE = 4096
"""Trials whose vectors are gathered together."""


@dataclass(frozen=True)
class Trials:
    """Pairs of examples.

    Args:
        first: positions of one example, (trials,).
        second: of the other.
        are_same: whether both are of one identity, (trials,), bool.
    """

    first: np.ndarray
    second: np.ndarray
    are_same: np.ndarray

    @property
    def are_of_both_kinds(self) -> bool:
        """Whether some are of one identity and some of different ones."""
        return bool(self.are_same.any() and not self.are_same.all())

    def scores(self, vectors: np.ndarray) -> np.ndarray:
        """Returns the cosine of the two vectors of each trial, (trials,), float64.

        Args:
            vectors: of the examples, (examples, numbers).
        """
        found = np.zeros(len(self.first))
        for start in range(0, len(found), _AT_ONCE):
            some = slice(start, start + _AT_ONCE)
            found[some] = cosines(vectors[self.first[some]], vectors[self.second[some]])
        return found


def identities(data: DataSpec, split: Split) -> np.ndarray:
    """Returns a whole number for each example, alike where they are of one identity; -1 where it is not known."""
    if IDENTITY in split.metadata:
        _, found = np.unique(np.asarray(split.metadata[IDENTITY]), return_inverse=True)
        return np.asarray(found, np.int64)
    stored = named(data.targets, split.targets)
    return np.asarray(next(iter(stored.values())), np.int64)


def counted(data: DataSpec, split: Split) -> tuple[int, int]:
    """Returns how many trials of one identity there can be, and of different ones."""
    if TRIALS in split.metadata:
        are_same = _of_list(split).are_same
        return int(are_same.sum()), int((~are_same).sum())
    found = identities(data, split)
    counts = np.bincount(found[found >= 0]).astype(object)  # of Python's numbers, which have no largest
    same = sum(count * (count - 1) // 2 for count in counts)
    total = sum(counts)
    return int(same), int(total * (total - 1) // 2 - same)


def trials_of(data: DataSpec, split: Split, most: int, seed: int) -> Trials:
    """Returns the trials of a part: its own, or as many as there can be of each kind, drawn where these are too many.

    Args:
        data: what the data are.
        split: the part.
        most: half as many of one identity are drawn at most, and half as many of different ones.
        seed: of the drawing.
    """
    if TRIALS in split.metadata:
        return _of_list(split)
    found = identities(data, split)
    order = np.argsort(found, kind="stable")
    order = order[found[order] >= 0]
    ordered = found[order]
    ends = np.searchsorted(ordered, ordered, side="right")
    places = np.arange(len(order))
    same = _drawn(ends - places - 1, places + 1, most // 2, seed)
    other = _drawn(len(order) - ends, ends, most // 2, seed)
    first, second = (np.concatenate([one, two]) for one, two in zip(same, other, strict=True))
    return Trials(order[first], order[second], np.arange(len(first)) < len(same[0]))


def _drawn(counts: np.ndarray, starts: np.ndarray, most: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the two places of some pairs, none of them twice.

    Args:
        counts: how many places behind each one make a pair with it.
        starts: the first of these.
        most: how many pairs are drawn, at most.
        seed: of the drawing.
    """
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    chosen = range(total) if total <= most else sorted(random.Random(seed).sample(range(total), most))
    numbers = np.array(chosen, np.int64)
    first = np.searchsorted(ends, numbers, side="right")
    return first, starts[first] + numbers - (ends[first] - counts[first])


def _of_list(split: Split) -> Trials:
    """Returns the trials that a part has, without those of which one example is not in it."""
    numbers: Any = np.asarray(split.metadata[NUMBER])
    listed: Any = split.metadata[TRIALS]
    order = np.argsort(numbers)
    asked, are_same = listed.values.T
    place = np.minimum(np.searchsorted(numbers, asked, sorter=order), len(order) - 1)
    second = order[place]
    is_there = numbers[second] == asked
    first = np.repeat(np.arange(len(numbers)), listed.lengths)
    return Trials(first[is_there], second[is_there], are_same[is_there].astype(bool))


@dataclass(frozen=True)
class ErrorRates:
    """How often trials are judged wrongly, by the score from which on two examples are taken for one identity.

    Args:
        thresholds: falling, (points,); the first is infinite.
        misses: the share of trials of one identity that is rejected, falling.
        false_alarms: the share of those of different identities that is accepted, rising.
    """

    thresholds: np.ndarray
    misses: np.ndarray
    false_alarms: np.ndarray

    @classmethod
    def of(cls, scores: np.ndarray, are_same: np.ndarray) -> ErrorRates:
        """Returns those of all thresholds that differ.

        Args:
            scores: of the trials, of which there are both kinds.
            are_same: whether each is of one identity.
        """
        order = np.argsort(-scores, kind="stable")
        scores, are_same = scores[order], are_same[order]
        last = np.append(scores[1:] != scores[:-1], True)  # equal scores are accepted together
        accepted, wrongly = np.cumsum(are_same)[last], np.cumsum(~are_same)[last]
        return cls(
            np.append(np.inf, scores[last]),
            1 - np.append(0, accepted) / accepted[-1],
            np.append(0, wrongly) / wrongly[-1],
        )

    @property
    def equal(self) -> tuple[float, float]:
        """The rate at which misses and false alarms are equally many, and the threshold there.

        Between two thresholds the rates are taken for a straight line; a threshold stands halfway to the next score.
        """
        apart = self.false_alarms - self.misses
        after = int(np.argmax(apart >= 0))
        before = after - 1
        share = -apart[before] / (apart[after] - apart[before])
        rate = self.false_alarms[before] + share * (self.false_alarms[after] - self.false_alarms[before])
        chosen = after if before == 0 or apart[after] <= -apart[before] else before
        following = self.thresholds[min(chosen + 1, len(self.thresholds) - 1)]
        return float(rate), float((self.thresholds[chosen] + following) / 2)

    def least_cost(self, prior: float) -> float:
        """Returns the least cost of any threshold, where both kinds of error cost 1; a constant answer costs 1.

        NIST 2016 Speaker Recognition Evaluation Plan, section 3.1.

        Args:
            prior: the share of trials that is of one identity.
        """
        costs = prior * self.misses + (1 - prior) * self.false_alarms
        return float(costs.min() / min(prior, 1 - prior))
