"""ROUGE: how much of a reference a summary has, by words, by pairs of words and by their longest common order.

C.-Y. Lin, "ROUGE: a package for automatic evaluation of summaries", 2004. The same numbers as the package rouge-score
without stemming, whose words these are: runs of a to z and 0 to 9, in small letters.
"""

from __future__ import annotations

import re
from collections import Counter

NAMES = ("rouge1", "rouge2", "rougeL")


def rouge(reference: str, summary: str) -> dict[str, float]:
    """Returns F of ROUGE-1, ROUGE-2 and ROUGE-L by name, 0 to 1; that of the texts as one line."""
    one, other = (re.findall(r"[a-z0-9]+", text.lower()) for text in (reference, summary))
    found = {name: _of_runs(one, other, size) for name, size in (("rouge1", 1), ("rouge2", 2))}
    return found | {"rougeL": _f(_longest_common(one, other), len(one), len(other))}


def _of_runs(one: list[str], other: list[str], size: int) -> float:
    first, second = (
        Counter(tuple(words[place : place + size]) for place in range(len(words) - size + 1)) for words in (one, other)
    )
    return _f((first & second).total(), first.total(), second.total())


def _f(shared: int, wanted: int, got: int) -> float:
    """Returns the harmonic mean of what share of one is in the other, and the other way round."""
    return 2 * shared / (wanted + got) if shared else 0.0


def _longest_common(one: list[str], other: list[str]) -> int:
    """Returns how many words both have in the same order, others between them or not."""
    row = [0] * (len(other) + 1)
    for word in one:
        before = 0
        for place, each in enumerate(other, 1):
            before, row[place] = row[place], before + 1 if word == each else max(row[place], row[place - 1])
    return row[-1]
