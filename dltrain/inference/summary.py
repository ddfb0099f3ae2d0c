"""Summaries of a text by sentences of its own, chosen by their vectors."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from dltrain.data.statistics import of_length_1
from dltrain.errors import DataError, UserError
from dltrain.inference.prediction import Predictor

RELEVANCE = 0.7
"""Of maximal marginal relevance: how much nearness to the whole counts, against being unlike what is chosen."""

_BETWEEN = re.compile(r"(?<=[.!?])\s+(?=[\"'(\[]*[A-Z0-9])|(?<=[.!?][\"')\]])\s+(?=[\"'(\[]*[A-Z0-9])|\n\s*\n")
_SHORTENED = re.compile(r"\b(?:Mr|Mrs|Ms|Dr|Prof|St|vs|e\.g|i\.e|cf|No|Fig)\.$")


def summarize(predictor: Predictor, text: str, count: int, method: str) -> dict[str, Any]:
    """Chooses sentences of a text.

    J. Carbonell and J. Goldstein, "The use of MMR, diversity-based reranking for reordering documents and producing
    summaries", 1998.

    Args:
        predictor: a run's network that embeds texts.
        text: the text.
        count: sentences to choose.
        method: centroid, those nearest to the mean of all; mmr, one after the other, near to it and unlike those
            chosen before.

    Returns:
        {"sentences": [{"place": counted from 1, "cosine": with the mean, "text"}] in their order, "of": how many there
        are, "summary": the chosen ones as a text}

    Raises:
        DataError: if there is no sentence with a word that the network knows.
        UserError: if the network gives no vectors.
    """
    sentences = sentences_of(text)
    if not sentences:
        raise DataError("the text has no sentences")
    request = predictor.reader.read_values(sentences)
    usable = [place for place in range(len(sentences)) if place not in request.problems]
    outputs = predictor.outputs(request.inputs)
    if not isinstance(outputs, dict) or "vectors" not in outputs:
        raise UserError("the run's network gives no vectors of texts: summaries need a run that embeds documents")
    is_known = np.asarray(outputs["known"]) > 0
    places = [place for place, known in zip(usable, is_known, strict=True) if known]
    if not places:
        raise DataError("the text has no sentence with a word that the run's network knows")
    units = of_length_1(np.asarray(outputs["vectors"])[is_known])
    middle = units @ of_length_1(units.mean(axis=0))
    chosen = sorted(
        by_relevance(units, middle, count) if method == "mmr" else np.argsort(-middle, kind="stable")[:count]
    )
    found = [{"place": places[row] + 1, "cosine": float(middle[row]), "text": sentences[places[row]]} for row in chosen]
    return {"sentences": found, "of": len(sentences), "summary": " ".join(str(each["text"]) for each in found)}


def by_relevance(units: np.ndarray, middle: np.ndarray, count: int) -> list[int]:
    """Returns rows by maximal marginal relevance, the most relevant first.

    Args:
        units: vectors of length 1, (sentences, numbers).
        middle: their cosines with the whole, (sentences,).
        count: how many rows.
    """
    chosen: list[int] = []
    most = np.zeros(len(units))
    for _ in range(min(count, len(units))):
        worth = RELEVANCE * middle - (1 - RELEVANCE) * most * bool(chosen)
        worth[chosen] = -np.inf
        best = int(worth.argmax())
        most = np.maximum(most, units @ units[best]) if chosen else units @ units[best]
        chosen.append(best)
    return chosen


def sentences_of(text: str) -> Sequence[str]:
    """Returns the sentences of a text: up to a full stop, question or exclamation mark before a capital or digit."""
    found: list[str] = []
    for piece in (" ".join(each.split()) for each in _BETWEEN.split(text)):
        if found and _SHORTENED.search(found[-1]):
            found[-1] += f" {piece}"
        elif piece:
            found.append(piece)
    return found
