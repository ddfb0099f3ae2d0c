"""A check for words that give the class away."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

from dltrain.data import Finding, Groups, Terms, spaced
from dltrain.inspection.findings import check
from dltrain.inspection.inspected_data import InspectedData
from dltrain.inspection.joined import Joined
from dltrain.lazy import np

ROWS = 20_000
"""Training examples, evenly spaced, that are looked at."""
INSIDE, OUTSIDE = 0.5, 0.01
"""Shares of a class's examples, at least, and of all others, at most, that have a word which gives it away."""
RIGHT = 0.95
"""Of the examples that have the word, this share at least are of the class."""
LUCK = 1e-3
"""The most words that may be so by chance, among all words, where words say nothing of classes."""
MOST = 5
"""Words of a class that are named, the most frequent first."""


class _Word(NamedTuple):
    term: int
    inside: int
    outside: int


@check(brief=False)
def give_away(data: InspectedData) -> Iterator[Finding]:
    """Words that predict a class, or a label, nearly perfectly, and that half of its training examples have."""
    chosen = spaced(len(data.splits.train), ROWS)
    for feature, parts in data.inputs:
        # Taken, not read: only what is made of words is read for them.
        if not data.groups or (terms := feature.terms(Joined([parts["train"]]).take(chosen))) is None:
            continue
        found = [line for groups in data.groups for line in _lines(terms, groups["train"].take(chosen))]
        if found:
            yield Finding(
                "give-away words",
                "warning",
                f"{_words(len(found))} away: a network may learn nothing else",
                tuple(found),
                "is it known before the class is, also of texts to come? If not (a source's name, a mark of whoever "
                "labelled them), take it out of the texts",
            )


def _lines(terms: Terms, groups: Groups) -> Iterator[str]:
    every, sizes = np.bincount(terms.terms, minlength=terms.count), groups.counts
    found = terms.in_groups(groups, np.ones(len(terms.terms), np.int64))
    for name, inside, (words, own) in zip(groups.names, sizes.tolist(), found, strict=True):
        outside = len(groups.members) - inside
        for word in _telling(words, own, every, inside, outside)[:MOST]:
            yield (
                f"{terms.name(word.term)!r} gives {name!r} away: in {word.inside:,} of {inside:,} examples of it "
                f"({word.inside / inside:.1%}), and {word.outside:,} of {outside:,} others "
                f"({word.outside / outside:.1%}), train part"
            )


def _telling(words: np.ndarray, own: np.ndarray, every: np.ndarray, inside: int, outside: int) -> list[_Word]:
    """Returns words that examples of a class have, and no others, the most frequent first.

    Args:
        words: those that its examples have.
        own: how many of these have each of them.
        every: how many of all examples have each word there is.
        inside: the number of its examples.
        outside: the number of all others.
    """
    if not (inside and outside and len(words)):
        return []
    others = every[words] - own
    # Were a class drawn anew for each example, so many of one class in a row would be as rare as this.
    luck = math.log(LUCK / len(every)) / math.log(inside / (inside + outside))
    is_telling = (own >= max(INSIDE * inside, luck)) & (others <= OUTSIDE * outside) & (own >= RIGHT * every[words])
    found = [_Word(int(words[at]), int(own[at]), int(others[at])) for at in np.flatnonzero(is_telling)]
    return sorted(found, key=lambda word: (word.outside - word.inside, word.term))


def _words(count: int) -> str:
    return "1 word gives a class" if count == 1 else f"{count:,} words give classes"
