"""Examples in words and pictures: what a target says, what a row of a table holds, how an image is drawn."""

from __future__ import annotations

from typing import Any

import numpy as np

from dltrain.data import DataSpec
from dltrain.figures.distributions import cell
from dltrain.figures.panels import number

CELLS = 9
"""Columns of which the values of a few examples are shown."""


def label(spec: DataSpec, target: Any) -> str:
    """Returns what a target says."""
    if spec.numbers:
        return ", ".join(number(value) for value in target)
    if np.ndim(target) == 0:
        return spec.class_names[int(target)]
    return ", ".join(name for name, has in zip(spec.class_names, target, strict=True) if has) or "none"


def drawable(images: np.ndarray, reference: np.ndarray) -> tuple[list[np.ndarray], str]:
    """Returns images as bytes, grey or of three colours, on the scale of others; and what must be said of it."""
    said = []
    there = images.shape[-1]
    used = 3 if there >= 3 else 1
    if used != there:
        said.append(f"channels 1 to 3 of {there}" if used == 3 else f"channel 1 of {there}")
    images, reference = images[..., :used], reference[..., :used]
    low, high = 0.0, 255.0
    if reference.dtype != np.uint8:
        low, high = float(reference.min()), float(reference.max())
        said.append(f"{number(low)} is drawn black, {number(high)} white")
    scaled = (images.astype(np.float64) - low) / ((high - low) or 1.0) * 255
    drawn = np.clip(scaled.round(), 0, 255).astype(np.uint8)
    return list(drawn[..., 0] if used == 1 else drawn), ", ".join(said)


def cells(spec: DataSpec, stored: np.ndarray) -> tuple[list[str], list[list[str]]]:
    """Returns the names of the first columns of a table, and what each example has in them."""
    names: list[str] = []
    rows: list[list[str]] = [[] for _ in stored]
    shown = [index for index, column in enumerate(spec.columns) if column.part in ("value", "day", "category")]
    for index in shown[:CELLS]:
        column = spec.columns[index]
        names.append(column.source)
        flags = [
            other for other, flag in enumerate(spec.columns) if (flag.source, flag.part) == (column.source, "missing")
        ]
        for row, values in zip(rows, stored, strict=True):
            row.append("(missing)" if flags and values[flags[0]] else cell(column, float(values[index])))
    return names, rows
