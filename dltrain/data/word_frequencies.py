"""How often words occur, and what word2vec's sub-sampling leaves of the frequent ones."""

from __future__ import annotations

from typing import Any

from dltrain.lazy import np


def kept(counts: Any, sample: float | None) -> np.ndarray:
    """Returns the share of each word's occurrences that sub-sampling leaves, (vocabulary,), float32.

    word2vec's rule, sqrt(t / f) + t / f for a word of frequency f, at most 1; 0 for what is no word.

    Args:
        counts: how often each word occurs, (vocabulary,).
        sample: the frequency t from which on words are left out; none to leave out none.
    """
    counts = np.asarray(counts, np.float64)
    found = np.ones(len(counts))
    if sample is not None:
        ratio = sample * counts.sum() / np.maximum(counts, 1)
        found = np.minimum(np.sqrt(ratio) + ratio, 1)
    return np.where(counts > 0, found, 0).astype(np.float32)
