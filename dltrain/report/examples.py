"""The chapters of a report that need the network: the task's own, mistakes, Grad-CAM, first filters, and the data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dltrain.data import Feature, Ragged, named, unnamed
from dltrain.data.feature import shape_words
from dltrain.data.showing import Lines, Picture, Shown, Text
from dltrain.figures.examples import Lines as Curves
from dltrain.figures.mosaic import Filters
from dltrain.figures.reading import Marked, tabled
from dltrain.report import parts
from dltrain.report.outcome import Evidence, Example, Mistake
from dltrain.report.parts import WIDE, Chapter, Figure, Gallery, Table

LONGEST_TEXT = 1000
"""Letters of a text that are shown among the mistakes."""

MOST_CURVES = 12
"""Mistakes that are drawn as curves."""

Seen = tuple[Feature, list[Shown]]
"""An input, and what each of some examples looks like."""


def chapters_of(evidence: Evidence) -> list[Chapter]:
    """Returns the chapters that need the network."""
    chapters = list(evidence.chapters)
    if evidence.mistakes is not None:
        worst = _mistakes(evidence) if evidence.wrong else [Table(evidence.mistakes.title, (), ())]
        chapters.append(Chapter("Mistakes", worst))
    looks: list[Any] = []
    if any(example.weights is not None for example in evidence.right):
        looks.append(_attention(evidence))
    if evidence.filters is not None:
        count, height, width, _ = evidence.filters.shape
        note = f"{count} filters of {height} x {width}; grey is 0, each filter is scaled to its largest weight"
        looks.append(Figure("filters", Filters("Weights of the first layer", note, evidence.filters)))
    chapters.append(Chapter("What the network looks at", looks))
    chapters.append(_data(evidence))
    return chapters


def _mistakes(evidence: Evidence) -> list[parts.Part]:
    """Returns the worst mistakes as pictures, or as rows, with curves above them where they are such."""
    mistakes = evidence.mistakes
    if mistakes is None:
        raise ValueError("the task has no mistakes to show")
    items = _shown(evidence, evidence.wrong)
    pictures = _pictures(items)
    others: list[Picture | None] = [*_pictures(_shown(evidence, evidence.compared))] if evidence.compared else []
    if pictures:
        found = [
            _pictured(
                picture,
                (f"predicted: {mistake.predicted}", f"actual: {mistake.actual}", mistake.certainty),
                example.place,
                other,
            )
            for picture, example, mistake, other in zip(
                pictures, evidence.wrong, mistakes.worst, others or [None] * len(pictures), strict=True
            )
        ]
        of_which = "between them, of the example alone" if others else "below each image"
        below = f"{of_which}, Grad-CAM in orange: the places that raise the score of the prediction"
        has_maps = any(picture.overlay is not None for picture in pictures)
        pairs = "the example, then the one that it was compared with" if others else ""
        notes = filter(None, [mistakes.note, pairs, below * has_maps, pictures[0].note])
        return [Gallery("mistakes", mistakes.title, found, "; ".join(notes))]
    names: list[str] = []
    rows: list[list[str]] = [[] for _ in evidence.wrong]
    for feature, of_input in items:
        more, cells = tabled(feature.caption, of_input)
        names += more
        rows = [[*row, *added] for row, added in zip(rows, cells, strict=True)]
    lines = [
        (_named(example.place), mistake.predicted, mistake.actual, mistake.certainty, *row)
        for example, mistake, row in zip(evidence.wrong, mistakes.worst, rows, strict=True)
    ]
    is_marked = any(isinstance(cell, Marked) for line in lines for cell in line)
    is_shaded = any(isinstance(item, Lines) and item.weights is not None for _, of_input in items for item in of_input)
    what = "words" * is_marked or "steps" * is_shaded
    below = f"{what} in orange spoke for the prediction, in blue against it: gradient times input" if what else ""
    notes = filter(None, [mistakes.note, below])
    columns = ("example", "predicted", "actual", "", *names)
    has_texts = any(isinstance(item, Text) for _, of_input in items for item in of_input)
    of_words, longest = (len(columns), LONGEST_TEXT) if has_texts else (4, Table.longest)
    table = Table(mistakes.title, columns, lines, "; ".join(notes), of_words, shown=25, longest=longest)
    return [*_curves(items, mistakes.worst), table]


def _curves(items: Sequence[Seen], worst: Sequence[Mistake]) -> list[parts.Part]:
    """Returns a figure of the first of some mistakes as curves; none where no input is such."""
    for _, of_input in items:
        lines = [item for item in of_input if isinstance(item, Lines) and item.over][:MOST_CURVES]
        if lines:
            shown = worst[: len(lines)]
            predicted, actual = (
                [f"predicted {each.predicted}" for each in shown],
                [f"actual {each.actual}" for each in shown],
            )
            weights = [item.weights for item in lines]
            panel = Curves([item.values for item in lines], predicted, actual, weights, columns=4)
            return [Figure("mistakes", panel, WIDE)]
    return []


def _shown(evidence: Evidence, examples: Sequence[Example], like: Example | None = None) -> list[Seen]:
    """Returns what each input of some examples looks like.

    Args:
        evidence: with what the data are.
        examples: one at least.
        like: the one whose range is the scale; none for that of all.
    """
    features = evidence.outcome.data.inputs
    values = [named(features, example.inputs) for example in examples]
    scale = None if like is None else named(features, like.inputs)
    weights = [example.weights for example in examples] if len(features) == 1 else None
    return [
        (
            feature,
            feature.show(
                _stored(feature, [each[name] for each in values]),
                weights,
                None if scale is None else _stored(feature, [scale[name]]),
            ),
        )
        for name, feature in features.items()
    ]


def _stored(feature: Feature, rows: list[Any]) -> Any:
    """Returns values of a feature, each by itself, as they are stored together."""
    return Ragged.of(rows, rows[0].dtype) if feature.shape[:1] == (None,) else np.stack(rows)


def _pictures(shown: Sequence[Seen]) -> list[Picture]:
    """Returns the pictures of the first input that has some; none where no input has."""
    for _, items in shown:
        pictures = [item for item in items if isinstance(item, Picture)]
        if pictures:
            return pictures
    return []


def _pictured(picture: Picture, lines: Sequence[str], place: str, other: Picture | None = None) -> parts.Picture:
    overlay = [] if picture.overlay is None else [picture.overlay]
    beside = [] if other is None else [other]
    sounds = [each.sound for each in (picture, *beside) if each.sound is not None]
    return parts.Picture([picture.pixels, *overlay, *(each.pixels for each in beside)], lines, place, sounds)


def _named(place: str) -> str:
    """Returns where an example came from without the folders."""
    return place.rpartition("/")[2] or place


def _attention(evidence: Evidence) -> Gallery:
    data, examples = evidence.outcome.data, evidence.right
    pictures = _pictures(_shown(evidence, examples, examples[0]))
    targets = [named(data.targets, example.target) for example in examples]
    words = data.words(
        unnamed({name: _stored(each, [of[name] for of in targets]) for name, each in data.targets.items()})
    )
    found = [
        _pictured(picture, (line,), example.place)
        for picture, line, example in zip(pictures, words, examples, strict=True)
    ]
    note = (
        "Grad-CAM in orange: the places that raise the score of the prediction, at the last feature map before pooling"
    )
    has_mistakes = evidence.mistakes is not None and len(evidence.mistakes.wrong)
    are_right = has_mistakes or data.groups(evidence.outcome.targets) is not None
    title = "Correct predictions" if are_right else "Examples"
    return Gallery("attention", title, found, "; ".join(filter(None, [note, pictures[0].note])))


def _data(evidence: Evidence) -> Chapter:
    rows = [(part, f"{count:,}", evidence.fingerprint.get(part, "")) for part, count in evidence.examples.items()]
    shape = " and ".join(shape_words(each.shape, " x ") for each in evidence.outcome.data.inputs.values())
    tables = [Table("Parts", ("part", "examples", "fingerprint"), rows, f"one example: {shape} numbers")]
    findings = [(severity, words) for severity, words in evidence.findings]
    note = (
        "by the quick checks; for all checks: dltrain inspect CONFIG" if findings else "the quick checks found nothing"
    )
    tables.append(Table("Findings", ("", "") if findings else (), findings, note, words=2, longest=1000))
    return Chapter("Data", tables)
