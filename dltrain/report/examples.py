"""What is told of a network that was asked: its task's chapters, its mistakes, what it looks at, and its data."""

from __future__ import annotations

from typing import Any

import numpy as np

from dltrain.figures.mosaic import Filters
from dltrain.figures.panels import number
from dltrain.figures.reading import cells, drawable, label
from dltrain.report.drawing import overlaid
from dltrain.report.outcome import Evidence, Example
from dltrain.report.parts import Chapter, Figure, Gallery, Picture, Table


def chapters_of(evidence: Evidence) -> list[Chapter]:
    """Returns the chapters that need the network."""
    chapters = list(evidence.chapters)
    if evidence.mistakes is not None:
        parts = [_mistakes(evidence)] if evidence.wrong else []
        title = "Mistakes"
        chapters.append(Chapter(title, parts or [Table(evidence.mistakes.title, (), ())]))
    looks: list[Any] = []
    if any(example.attention is not None for example in evidence.right):
        looks.append(_attention(evidence))
    if evidence.filters is not None:
        count, height, width, _ = evidence.filters.shape
        note = f"{count} of {height} x {width} weights; grey is 0, each as bright as its largest weight"
        looks.append(Figure("filters", Filters("Weights of the first layer", note, evidence.filters)))
    chapters.append(Chapter("What the network looks at", looks))
    chapters.append(_data(evidence))
    return chapters


def _mistakes(evidence: Evidence) -> Gallery | Table:
    """Returns the worst mistakes as pictures, or as rows."""
    spec, mistakes = evidence.outcome.data, evidence.mistakes
    if mistakes is None:
        raise ValueError("a task that tells no mistakes has none to show")
    inputs = np.stack([example.inputs for example in evidence.wrong])
    if spec.is_image:
        drawn, said = drawable(inputs, inputs)
        pictures = [
            Picture(
                _with_attention(image, example),
                (f"told: {mistake.told}", f"true: {mistake.truth}", mistake.certainty),
                example.place,
            )
            for image, example, mistake in zip(drawn, evidence.wrong, mistakes.worst, strict=True)
        ]
        below = "below each, in orange, what spoke for the answer (Grad-CAM)"
        has_maps = any(example.attention is not None for example in evidence.wrong)
        return Gallery(
            "mistakes", mistakes.title, pictures, "; ".join(filter(None, [mistakes.note, below * has_maps, said]))
        )
    names, rows = cells(spec, inputs)
    if not spec.columns:
        flat = inputs.reshape(len(inputs), -1)[:, :6]
        names = [f"feature {index + 1}" for index in range(flat.shape[1])]
        rows = [[number(value) for value in row] for row in flat]
    found = [
        (_named(example.place), mistake.told, mistake.truth, mistake.certainty, *row)
        for example, mistake, row in zip(evidence.wrong, mistakes.worst, rows, strict=True)
    ]
    return Table(mistakes.title, ("example", "told", "true", "", *names), found, mistakes.note, words=4, shown=25)


def _named(place: str) -> str:
    """Returns where an example came from without the folders."""
    return place.rpartition("/")[2] or place


def _attention(evidence: Evidence) -> Gallery:
    spec, examples = evidence.outcome.data, evidence.right
    drawn, said = drawable(np.stack([example.inputs for example in examples]), examples[0].inputs)
    pictures = [
        Picture(_with_attention(image, example), (label(spec, example.target),), example.place)
        for image, example in zip(drawn, examples, strict=True)
    ]
    note = "Grad-CAM: in orange, the places that speak for the answer, in the last feature map before it is pooled"
    has_mistakes = evidence.mistakes is not None and len(evidence.mistakes.wrong)
    title = "Right answers" if has_mistakes or not spec.numbers else "Examples"
    return Gallery("attention", title, pictures, "; ".join(filter(None, [note, said])))


def _with_attention(image: np.ndarray, example: Example) -> list[np.ndarray]:
    return [image] if example.attention is None else [image, overlaid(image, example.attention)]


def _data(evidence: Evidence) -> Chapter:
    rows = [
        (part, f"{count:,}", evidence.fingerprint.get("train" if part == "training" else part, ""))
        for part, count in evidence.examples.items()
    ]
    shape = " x ".join(map(str, evidence.outcome.data.input_shape))
    parts = [Table("Parts", ("part", "examples", "fingerprint"), rows, f"one example: {shape} numbers")]
    findings = [(severity, words) for severity, words in evidence.findings]
    note = "of a quick look; `dltrain inspect CONFIG` looks longer" if findings else "a quick look finds nothing wrong"
    parts.append(Table("Findings", ("", "") if findings else (), findings, note, words=2, longest=1000))
    return Chapter("Data", parts)
