"""The texts of a table's columns as counts of tokens, by one tokenizer for all of them."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from dltrain.features._tables.values import as_text
from dltrain.features._text import tokenizing
from dltrain.lazy import np

if TYPE_CHECKING:
    import polars as pl

_BEFORE = f"\x1f{secrets.token_hex(16)}\x1f"
"""What stands before each token in a cell of tokens: drawn anew in each process, so that no text of a user has it."""


def learnt(
    columns: Iterable[pl.Series], kind: tokenizing.Kind, vocabulary_size: int, lowercase: bool, strip_accents: bool
) -> str:
    """Returns a tokenizer that is learnt of the texts of columns.

    Args:
        columns: of the train part.
        kind: words, wordpiece, bpe or unigram.
        vocabulary_size: the most tokens, the special ones among them.
        lowercase: take A for a.
        strip_accents: take é for e.
    """
    texts = [text for series in columns for text in as_text(series).drop_nulls().to_list()]
    return tokenizing.learnt(kind, texts, vocabulary_size, lowercase, strip_accents, max_length=None)


def frequent(series: pl.Series, tokenizer: str, count: int) -> list[str]:
    """Returns the most frequent tokens of a column, but for special ones such as that of the unknown."""
    total, made = Counter[int](), tokenizing.tokenizer(tokenizer)
    for counts in _counted(series, tokenizer):
        total.update(counts)
    special = tokenizing.special_ids(tokenizer)
    known = {made.id_to_token(number): often for number, often in total.items() if number not in special}
    return sorted(known, key=lambda token: (-known[token], token))[:count]


def add_counts(series: pl.Series, tokenizer: str, places: Mapping[str | None, int], matrix: np.ndarray) -> None:
    """Adds log(1 + count) of each known token of each row, at its place."""
    made = tokenizing.tokenizer(tokenizer)
    of_token = {made.token_to_id(token): place for token, place in places.items()}
    for row, counts in enumerate(_counted(series, tokenizer)):
        for number, often in counts.items():
            if (place := of_token.get(number)) is not None:
                matrix[row, place] = np.log1p(often)


def as_cell(tokens: Iterable[str]) -> str:
    """Returns the cell that stands for tokens themselves, of which no text need be made."""
    return "".join(f"{_BEFORE}{token}" for token in tokens)


def _counted(series: pl.Series, tokenizer: str) -> Iterator[Counter[int]]:
    """Yields how often each token is in each row, by its id; nothing is in a row without a text."""
    made = tokenizing.tokenizer(tokenizer)
    for texts in tokenizing.pieces(as_text(series).fill_null("").to_list()):
        for text, found in zip(texts, made.encode_batch(texts, add_special_tokens=False), strict=True):
            if text.startswith(_BEFORE):
                ids = map(made.token_to_id, text.split(_BEFORE)[1:])
                yield Counter(number for number in ids if number is not None)
            else:
                yield Counter(found.ids)
