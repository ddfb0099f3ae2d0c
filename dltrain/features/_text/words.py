"""The words of stored texts, each as a number that is the same for the same word: what texts are compared by."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from dltrain.data.ragged import Ragged
from dltrain.lazy import np

PIECE = 2**20
"""Tokens that are looked at at a time."""
_ODD = 0x9E3779B97F4A7C15


@dataclass(frozen=True)
class Words:
    """Words of some texts, one behind the other.

    Args:
        codes: a number for each, the same for the same tokens alone (64 bits), uint64.
        texts: the position of the text that each is of, rising, int64.
        tokens: ids of all their tokens.
        starts: where the tokens of each begin, and where the last ends, (words + 1,).
    """

    codes: np.ndarray
    texts: np.ndarray
    tokens: np.ndarray
    starts: np.ndarray


def words_of(stored: Ragged, begins: np.ndarray, kept: np.ndarray) -> Iterator[Words]:
    """Yields the words of texts, some texts at a time.

    Args:
        stored: ids of each text.
        begins: which tokens begin a word, by their ids.
        kept: which tokens are looked at; the others are as if they were not there, likewise.
    """
    first = 0
    while first < len(stored):
        last = max(first + 1, int(np.searchsorted(stored.offsets, stored.offsets[first] + PIECE, "right")) - 1)
        some = stored[first:last]
        ids, texts = np.asarray(some.values, np.int64), np.repeat(np.arange(first, last), some.lengths)
        chosen = kept[ids]
        ids, texts = ids[chosen], texts[chosen]
        is_first = begins[ids] | np.concatenate([[True], texts[1:] != texts[:-1]])[: len(ids)]
        starts = np.flatnonzero(is_first)
        places = np.arange(len(ids)) - np.repeat(starts, np.diff(np.append(starts, len(ids))))
        codes = np.add.reduceat(mixed(ids + 1, places), starts) if len(starts) else np.zeros(0, np.uint64)
        yield Words(codes, texts[starts], ids, np.append(starts, len(ids)))
        first = last


def mixed(numbers: np.ndarray, places: np.ndarray | int) -> np.ndarray:
    """Returns a random-looking number for each whole number at its place; sums of them tell sequences apart, uint64."""
    found = np.asarray(numbers).astype(np.uint64) * np.uint64(_ODD)
    found += np.asarray(places).astype(np.uint64) * np.uint64(0xD1B54A32D192ED03)
    found ^= found >> np.uint64(32)
    found *= np.uint64(0xD6E8FEB86659FD93)
    found ^= found >> np.uint64(32)
    found *= np.uint64(0xD6E8FEB86659FD93)
    return found ^ (found >> np.uint64(32))


@dataclass(frozen=True)
class Counted:
    """How often texts have words: each that a text has is there once.

    Args:
        texts: the position of the text, (found,).
        words: the number of the word, from 0, (found,).
        counts: how often the text has it, (found,).
        tokens: ids of the tokens of each word, by its number.
    """

    texts: np.ndarray
    words: np.ndarray
    counts: np.ndarray
    tokens: Callable[[int], list[int]]


def counted(words: Iterable[Words], neighbours: bool) -> Counted:
    """Returns how often texts have words.

    Args:
        words: of the texts.
        neighbours: also pairs of words that stand beside each other, as if these were words.
    """
    pieces, ids, begins, ends = [], [], [], []
    before = 0
    for some in words:
        codes, texts, starts = some.codes, some.texts, some.starts + before
        start, end = starts[:-1], starts[1:]
        if neighbours and len(codes) > 1:
            are_one = texts[:-1] == texts[1:]
            pairs = (mixed(codes[:-1], 1) + mixed(codes[1:], 2))[are_one]
            codes, texts = np.append(codes, pairs), np.append(texts, texts[:-1][are_one])
            start, end = np.append(start, start[:-1][are_one]), np.append(end, end[1:][are_one])
        order = np.lexsort((codes, texts))
        codes, texts = codes[order], texts[order]
        is_new = np.concatenate([[True], (codes[1:] != codes[:-1]) | (texts[1:] != texts[:-1])])[: len(codes)]
        places = np.flatnonzero(is_new)
        pieces.append((texts[places], codes[places], np.diff(np.append(places, len(codes)))))
        begins.append(start[order][places])
        ends.append(end[order][places])
        ids.append(some.tokens)
        before += len(some.tokens)
    empty = np.zeros(0, np.int64)
    texts, codes, counts = map(np.concatenate, zip(*pieces, strict=True)) if pieces else (empty, empty, empty)
    begin, end = (np.concatenate([empty, *each]) for each in (begins, ends))
    _, firsts, numbers = np.unique(codes, return_index=True, return_inverse=True)
    tokens = np.concatenate([empty, *ids])
    return Counted(texts, numbers, counts, lambda word: tokens[begin[firsts[word]] : end[firsts[word]]].tolist())
