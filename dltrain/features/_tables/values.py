"""The values of a column as numbers and as categories: a value means the same in each format that a table can have."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

TRUTH = {
    **dict.fromkeys(("true", "yes", "t", "y", "on", "1"), True),
    **dict.fromkeys(("false", "no", "f", "n", "off", "0"), False),
}
"""How truth values are written, in small letters."""

_FLOAT32 = 3.4028234663852886e38
_DIGITS = r"(?:[0-9]{1,3}(?:[,.'  ][0-9]{3})+(?:[.,][0-9]+)?|[0-9]+(?:[.,][0-9]+)?)"
_MONEY = r"(?:[$€£¥₹]|USD|EUR|GBP|CHF|JPY)"
_WRITTEN = rf"^\(?[-+]?\s?{_MONEY}?\s?[-+]?{_DIGITS}\s?(?:%|{_MONEY})?\)?$"
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?")


def as_numbers(series: pl.Series) -> pl.Series:
    """Returns a column as 64-bit numbers; what is none, not finite in float32 or missing is null."""
    numbers = _raw_numbers(series)
    return numbers.set((numbers.abs() > _FLOAT32) | numbers.is_nan(), None)


def as_values(series: pl.Series) -> pl.Series:
    """Returns the same of a column that is known to be one of numbers, in which `true` is 1 and `false` is 0."""
    import polars as pl

    numbers = as_numbers(series)
    if series.dtype != pl.String or not (numbers.is_null() & series.is_not_null()).any():
        return numbers
    return numbers.fill_null(series.str.to_lowercase().replace_strict({"true": 1.0, "false": 0.0}, default=None))


def beyond_float32(series: pl.Series) -> pl.Series:
    """Returns which values are numbers that float32 cannot hold, in a column of which most are numbers."""
    numbers = _raw_numbers(series)
    beyond = (numbers.abs() > _FLOAT32).fill_null(False)
    is_numeric = numbers.count() > (len(series) - series.null_count()) / 2
    return beyond if is_numeric else beyond & False


def _raw_numbers(series: pl.Series) -> pl.Series:
    import polars as pl

    if series.dtype.is_temporal():
        series = series.to_physical()
    elif series.dtype in (pl.Categorical, pl.Enum):
        series = series.cast(pl.String)
    return series.cast(pl.Float64, strict=False)


def are_written_numbers(values: pl.Series) -> bool:
    """Whether texts are all numbers as people write them: with separators, signs of money or percent."""
    return bool(len(values)) and bool(as_text(values).str.contains(_WRITTEN).all())


def as_text(series: pl.Series) -> pl.Series:
    """Returns a column as text, whole numbers without a point: other files may write 1 for 1.0."""
    import polars as pl

    text = series.cast(pl.String)
    return text.str.replace(r"^([+-]?\d+)\.0+$", "$1") if text.str.contains(r"\.0+$").any() else text


def known_categories(text: pl.Series, ignore_case: bool = False) -> dict[str, int]:
    """Returns the categories of a column with how often each occurs: spellings of one are counted together.

    The spellings of `true` and `false` are one each where a column has both of them alone, and those that differ in
    case where that is to be ignored; the commonest spelling is the category's name.

    Args:
        text: the column, of a run's train part.
        ignore_case: whether case means nothing.
    """
    counted = text.drop_nulls().alias("text").value_counts()
    counts = dict(zip(counted["text"].to_list(), counted["count"].to_list(), strict=True))
    meaning = _meaning(counts, ignore_case)
    if meaning is None:
        return counts
    spellings: dict[object, dict[str, int]] = {}
    for word in sorted(counts):
        spellings.setdefault(meaning(word), {})[word] = counts[word]
    return {max(each, key=lambda word: each[word]): sum(each.values()) for each in spellings.values()}


def respelt(texts: Iterable[str], categories: Iterable[str], ignore_case: bool = False) -> dict[str, str]:
    """Returns which category each text is another spelling of; those that are none are missing.

    A whole number is the same with zeros before it or a point behind it, as other formats write it, unless the
    categories themselves differ in that; so are truth values, and case where it is ignored.

    Args:
        texts: values that are not among the categories as they stand.
        categories: those that are known.
        ignore_case: whether case means nothing.
    """
    known, found = [*categories], dict[str, str]()
    texts = [*texts]
    for meaning in filter(None, (_number, _meaning(known, ignore_case))):
        by_meaning = _unique({word: meaning(word) for word in known})
        found |= {
            text: by_meaning[meaning(text)] for text in texts if text not in found and meaning(text) in by_meaning
        }
    return found


def _meaning(words: Iterable[str], ignore_case: bool) -> Callable[[str], object] | None:
    """Returns what tells what a word means where several may mean the same: truth values, or words in any case."""
    if {_truth(word) for word in words} == {True, False}:
        return _truth
    return str.casefold if ignore_case else None


def _truth(word: str) -> bool | None:
    return TRUTH.get(word.lower())


def _number(word: str) -> str | None:
    """Returns a number without what does not change it; none for other words."""
    if not _NUMBER.fullmatch(word):
        return None
    whole, _, part = word.lstrip("+-").partition(".")
    digits = (whole.lstrip("0") or "0") + ("." + part).rstrip("0").rstrip(".")
    return f"-{digits}" if word.startswith("-") and digits != "0" else digits


def _unique(meanings: Mapping[str, object]) -> dict[object, str]:
    """Returns the word of each meaning that only one has."""
    counts = Counter(meanings.values())
    return {means: word for word, means in meanings.items() if means is not None and counts[means] == 1}
