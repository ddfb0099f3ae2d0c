"""The optional parts of predicted classes and labels: the likeliest, all probabilities."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dltrain.lazy import np


def extras(
    kind: str, names: Sequence[str], outputs: np.ndarray, shares: np.ndarray, options: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    """Yields for each example what was asked for: beyond 1, the likeliest as `top`; all as `probabilities`.

    Args:
        kind: class or label.
        names: what they are called.
        outputs: logits, (examples, names), by which they are ordered.
        shares: their probabilities, likewise.
        options: `top_k`, how many of the likeliest; `probabilities`, whether that of each.
    """
    top_k = options.get("top_k", 1)
    order = np.argsort(-outputs, axis=1, kind="stable")[:, :top_k].tolist()
    for row, places in zip(shares.tolist(), order, strict=True):
        found: dict[str, Any] = {}
        if top_k > 1:
            found["top"] = [{kind: names[place], "probability": row[place]} for place in places]
        if options.get("probabilities"):
            found["probabilities"] = dict(zip(names, row, strict=True))
        yield found
