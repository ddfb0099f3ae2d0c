"""The values of a column as numbers and as categories: a value means the same in each format that a table can have."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from decimal import Context, Decimal
from typing import TYPE_CHECKING

from dltrain.data.noticing import notice

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
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_COMMA = r"^([+-]?[0-9]+),([0-9]+)((?:[eE][+-]?[0-9]+)?)$"
_PLAIN_COMMA = r"^([+-]?[0-9]+),([0-9]{1,2}|[0-9]{4,})((?:[eE][+-]?[0-9]+)?)$"
"""A number with a comma that can only be decimal: three digits behind it may be thousands."""


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


def decimal_commas(frame: pl.DataFrame) -> list[str]:
    """Returns the columns of texts that are all numbers, some with a decimal comma; says so, and where that is open."""
    import polars as pl

    found: list[str] = []
    for name in frame.columns:
        if frame[name].dtype != pl.String or not frame[name].str.contains(",", literal=True).any():
            continue
        values = frame[name].drop_nulls()
        example = values.filter(values.str.contains(",", literal=True))[0]
        if values.str.contains(r"^[+-]?(0|[1-9]\d{0,2}(,\d{3})*)(\.\d+)?$").all():
            notice(
                f"column {name!r} has commas that may separate thousands or decimals, as in {example!r}: it is read as "
                "words; write numbers without thousands, or with a decimal point"
            )
        elif values.str.contains(r"^[+-]?\d+(,\d+)?([eE][+-]?\d+)?$").all():
            found.append(name)
            notice(f"column {name!r} has decimal commas: {example!r} is read as {example.replace(',', '.')}")
    return found


def with_points(series: pl.Series, are_decimal: bool) -> pl.Series:
    """Returns numbers with points for decimal commas, each cell by itself.

    Args:
        series: numbers as they are written.
        are_decimal: whether commas are known to be decimal; elsewhere those are left that may separate thousands.
    """
    import polars as pl

    if series.dtype != pl.String:
        return series
    return series.str.replace(_COMMA if are_decimal else _PLAIN_COMMA, "$1.$2$3")


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

    The spellings of `true` and `false` are one each where a column has both of them alone and one word for each, beside
    1 and 0; true, True and TRUE are one word everywhere, as are those that differ in case where that is to be ignored.
    The commonest spelling is the category's name.

    Args:
        text: the column, of a run's train part.
        ignore_case: whether case means nothing.
    """
    counted = text.drop_nulls().alias("text").value_counts()
    counts = dict(zip(counted["text"].to_list(), counted["count"].to_list(), strict=True))
    meaning = _meaning(counts, ignore_case)
    spellings: dict[object, dict[str, int]] = {}
    for word in sorted(counts):
        spellings.setdefault(meaning(word), {})[word] = counts[word]
    return {max(each, key=lambda word: each[word]): sum(each.values()) for each in spellings.values()}


def respelt(texts: Iterable[str], categories: Iterable[str], ignore_case: bool = False) -> dict[str, str]:
    """Returns which category each text is another spelling of; those that are none are missing.

    A number is the same with zeros before it, a point behind it or an exponent, as other formats write it, unless the
    categories themselves differ in that; so are truth values, and case where it is ignored.

    Args:
        texts: values that are not among the categories as they stand.
        categories: those that are known.
        ignore_case: whether case means nothing.
    """
    known, found = [*categories], dict[str, str]()
    texts = [*texts]
    for meaning in (_number, _meaning(known, ignore_case)):
        by_meaning = _unique({word: meaning(word) for word in known})
        found |= {
            text: by_meaning[meaning(text)] for text in texts if text not in found and meaning(text) in by_meaning
        }
    return found


def _meaning(words: Iterable[str], ignore_case: bool) -> Callable[[str], object]:
    """Returns what tells what a word means where several may mean the same.

    Words for truth alone mean true or false; but where several mean the same, as on and yes do, they are told apart.
    """
    known = {word.lower() for word in words}
    if {TRUTH.get(word) for word in known} == {True, False}:
        plain = Counter(TRUTH[word] for word in known - {"1", "0"})
        return _truth if max(plain.values(), default=1) == 1 else str.lower
    return str.casefold if ignore_case else _word


def _word(word: str) -> str:
    """Returns a word; programs write true and false each in their own case."""
    return word.lower() if word.lower() in ("true", "false") else word


def _truth(word: str) -> bool | None:
    return TRUTH.get(word.lower())


def _number(word: str) -> str | None:
    """Returns a number in one notation, with all of its digits; none for other words."""
    if not _NUMBER.fullmatch(word):
        return None
    exact = Decimal(word).normalize(Context(prec=len(word)))
    return str(exact if exact else abs(exact))


def _unique(meanings: Mapping[str, object]) -> dict[object, str]:
    """Returns the word of each meaning that only one has."""
    counts = Counter(meanings.values())
    return {means: word for word, means in meanings.items() if means is not None and counts[means] == 1}
