"""Figures and tables of a report on the tags of words: measures of each type, confusion, the worst sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dltrain.figures.answers import MOST_NAMED, Confusion
from dltrain.figures.reading import Piece, Pieced
from dltrain.report.classes import counted
from dltrain.report.parts import Chapter, Figure, Part, Table
from dltrain.report.scores import confusion, per_class

MOST_SENTENCES = 25
"""Of the worst, shown one by one."""
LONGEST = 1000
"""Letters of a sentence that are shown."""


@dataclass(frozen=True)
class TaggedSentence:
    """A sentence with what is right and what a network makes of it.

    Args:
        words: as many as have tags.
        actual: the right tag of each.
        predicted: the predicted tag of each.
        shares: the probability of each predicted tag.
        place: where the sentence came from.
    """

    words: Sequence[str]
    actual: Sequence[str]
    predicted: Sequence[str]
    shares: Sequence[float]
    place: str


Spans = Callable[[Sequence[str]], Sequence[tuple[str, int, int]]]
"""Returns the type, the start and the end of each span that tags mark."""


def chapters(
    sentences: Sequence[TaggedSentence], kinds: Mapping[str, str], spans: Spans | None, part: str, lost: int = 0
) -> list[Chapter]:
    """Returns what a report says of tags.

    Args:
        sentences: of a part, each with a word at least.
        kinds: the type of each tag, such as PER of B-PER: what is taken for what.
        spans: finds spans in tags; none where these mark none.
        part: what the sentences are called.
        lost: words behind the cut of their sentence.
    """
    names = [*dict.fromkeys(kinds.values())]
    places = {tag: names.index(kind) for tag, kind in kinds.items()}
    actual = np.array([places[tag] for each in sentences for tag in each.actual], np.int64)
    predicted = np.array([places[tag] for each in sentences for tag in each.predicted], np.int64)
    counts = confusion(actual, predicted, len(names))
    parts: list[Part] = [_of_types(sentences, spans) if spans else _of_tags(names, counts)]
    wrong = int(counts.sum() - np.trace(counts))
    note = f"{part} part: {wrong:,} of {len(actual):,} words are taken for another type; darker: a larger share"
    if lost:
        note += f"; words behind the cut of their sentence, which count nowhere: {lost:,}"
    if len(names) > MOST_NAMED:
        note += f"; each cell sums neighbouring tags of the {len(names):,}"
    panel = Confusion("Confusion of words", note, names, counts)
    parts.append(Figure("confusion", panel, panel.width))
    return [Chapter("Spans" if spans else "Tags", parts), Chapter("Mistakes", [_worst(sentences, kinds, spans)])]


def _of_types(sentences: Sequence[TaggedSentence], spans: Spans) -> Table:
    """Returns the measures of each type of spans, and of all together."""
    right, wanted, said, odd = Counter[str](), Counter[str](), Counter[str](), 0
    for each in sentences:
        actual, predicted = {*spans(each.actual)}, {*spans(each.predicted)}
        right.update(kind for kind, *_ in actual & predicted)
        wanted.update(kind for kind, *_ in actual)
        said.update(kind for kind, *_ in predicted)
        odd += sum(each.predicted[start].startswith("I") for _, start, _ in predicted)
    rows = [_measures(kind, right[kind], wanted[kind], said[kind]) for kind in sorted({*wanted, *said})]
    if len(rows) > 1:
        rows.insert(0, _measures("all together", right.total(), wanted.total(), said.total()))
    note = "a span is right whose type, first and last word are; -: nothing to divide by"
    if odd:
        note += f"; predicted spans that begin with I, which conlleval takes for B: {odd:,}"
    return Table("By type", ("", "actual", "predicted", "precision", "recall", "F1"), rows, note)


def _of_tags(names: Sequence[str], counts: np.ndarray) -> Table:
    """Returns the measures of each tag."""
    triples = zip(names, np.diag(counts), counts.sum(axis=1), counts.sum(axis=0), strict=True)
    rows = [_measures(name, *map(int, numbers)) for name, *numbers in triples]
    return Table("By tag", ("", "actual", "predicted", "precision", "recall", "F1"), rows, "words of each tag")


def _measures(name: str, right: int, wanted: int, said: int) -> tuple[str, ...]:
    found = per_class(*(np.array([count]) for count in (right, wanted, said)))
    shown = ("-" if np.isnan(value[0]) else f"{value[0]:.3f}" for value in found)
    return (name, f"{wanted:,}", f"{said:,}", *shown)


def _worst(sentences: Sequence[TaggedSentence], kinds: Mapping[str, str], spans: Spans | None) -> Table:
    """Returns the sentences with the most mistakes, those first that are short for so many."""
    hues = {kind: number for number, kind in enumerate(dict.fromkeys(kinds.values()))}
    found = []
    for each in sentences:
        actual, predicted = (_marked(tags, spans) for tags in (each.actual, each.predicted))
        missed, false = len(actual - predicted), len(predicted - actual)
        if missed + false:
            found.append((missed, false, each, actual, predicted))
    found.sort(key=lambda one: (-one[0] - one[1], len(one[2].words), one[2].place))
    rows: list[tuple[str, ...]] = []
    for missed, false, each, actual, predicted in found[:MOST_SENTENCES]:
        words = f"{missed} missed, {false} false" if spans else f"{missed} wrong"
        sure = min(each.shares)
        rows.append(
            (
                each.place.rpartition("/")[2] or each.place,
                Pieced(_pieces(each.words, actual, predicted, hues)),
                Pieced(_pieces(each.words, predicted, actual, hues)),
                f"{words}; the least sure word {sure:.1%}",
            )
        )
    title = counted(len(rows), len(found), "sentence with a mistake", "sentences with mistakes")
    note = "a colour for each type; underlined: not in the other column" if rows else ""
    columns = ("example", "actual", "predicted", "") if rows else ()
    return Table(title, columns, rows, note, len(columns), MOST_SENTENCES, LONGEST)


def _marked(tags: Sequence[str], spans: Spans | None) -> set[tuple[str, int, int]]:
    """Returns what is coloured: spans, or words where tags mark none."""
    if spans is not None:
        return {*spans(tags)}
    return {(tag, place, place + 1) for place, tag in enumerate(tags)}


def _pieces(words: Sequence[str], marked: set[Any], others: set[Any], hues: Mapping[str, int]) -> list[Piece]:
    """Returns a sentence in pieces: spans, and the words between them."""
    found, done = [], 0
    for span in sorted(marked, key=lambda each: each[1]):
        kind, start, end = span
        found += [Piece(word) for word in words[done:start]]
        found.append(Piece(" ".join(words[start:end]), kind, hues[kind], span not in others))
        done = end
    return found + [Piece(word) for word in words[done:]]
