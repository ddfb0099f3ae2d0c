"""Columns of many kinds -> one matrix of numbers; all that is learnt of the training part is kept in `Column`s."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from dltrain.data import Column
from dltrain.datasets._telling import tell
from dltrain.lazy import np

if TYPE_CHECKING:
    import polars as pl

Role = Literal["numeric", "categorical", "text", "dates", "ignore"]

MOST_CATEGORIES = 10_000
"""Of a column with more, the most frequent are known; the others count as unseen."""

_DATE_PARTS = ("year", "month", "weekday", "day")
_TIME_PARTS = (*_DATE_PARTS, "hour")


@dataclass(frozen=True)
class Encoding:
    """How columns become numbers.

    Args:
        impute: what takes the place of a missing number: median or mean of the training part, or zero.
        one_hot_up_to: categories up to which a column is one-hot; beyond it a vector is learnt for each.
        words: how many of the most frequent words of a text column are counted.
    """

    impute: Literal["median", "mean", "zero"]
    one_hot_up_to: int
    words: int


def roles(frame: pl.DataFrame, given: dict[str, Role]) -> dict[str, Role]:
    """Returns what each column of a table is: as given, else as it looks."""
    found: dict[str, Role] = {}
    for series in frame.iter_columns():
        role, why = (given[series.name], "") if series.name in given else _looks(series)
        found[series.name] = role
        if why:
            tell(f"column {series.name!r} is left out: {why}; name it under numeric, categorical or text to use it")
    return found


def _looks(series: pl.Series) -> tuple[Role, str]:
    import polars as pl

    values = series.drop_nulls()
    distinct = values.n_unique()
    if distinct == 0:
        return "ignore", "it has no values"
    if distinct == 1 and len(values) == len(series):
        return "ignore", f"each row has the same value, {values[0]!r}"
    if series.dtype.is_temporal():
        return ("dates" if series.dtype in (pl.Date, pl.Datetime) else "numeric"), ""
    if series.dtype == pl.Boolean:
        return "categorical", ""
    if series.dtype.is_numeric():
        is_key = series.dtype.is_integer() and distinct == len(series) > 20
        if is_key and re.search(r"(^|[_ ])id$|^(id|index|row)$|Id$|ID$", series.name):
            return "ignore", "it is a different whole number in each row, and called like a key"
        return "numeric", ""
    if distinct <= max(20, len(values) ** 0.5):
        return "categorical", ""
    if values.cast(pl.String).str.count_matches(r"\w+").mean() >= 3:  # type: ignore[operator]
        return "text", ""
    if distinct > 0.9 * len(values):
        return "ignore", "it is a different word in almost each row"
    return "categorical", ""


def fit(frame: pl.DataFrame, found: dict[str, Role], encoding: Encoding) -> tuple[Column, ...]:
    """Learns from the training part what each number of an example is: plain numbers first, then categories."""
    numbers: list[Column] = []
    categories: list[Column] = []
    for name, role in found.items():
        series = frame[name]
        if role == "numeric":
            numbers += _numeric(series, encoding.impute)
        elif role == "dates":
            numbers += _dates(series)
        elif role == "text":
            numbers += [Column(f"{name} {word}", name, "word", word=word) for word in _frequent(series, encoding.words)]
        elif role == "categorical":
            categories.append(_categorical(series, encoding.one_hot_up_to))
    return (*numbers, *categories)


def _numeric(series: pl.Series, impute: str) -> list[Column]:
    numbers = as_numbers(series)
    known = numbers.drop_nulls()
    middle: Any = 0.0 if impute == "zero" else known.median() if impute == "median" else known.mean()
    columns = [Column(series.name, series.name, fill=float(middle or 0.0))]
    if numbers.null_count():
        columns.append(Column(f"{series.name} missing", series.name, "missing"))
    return columns


def _dates(series: pl.Series) -> list[Column]:
    import polars as pl

    parts = _TIME_PARTS if series.dtype == pl.Datetime else _DATE_PARTS
    columns = []
    for part in parts:
        middle: Any = _date_part(series, part).median()
        columns.append(Column(f"{series.name} {part}", series.name, part, fill=float(middle or 0.0)))
    return columns


def _categorical(series: pl.Series, one_hot_up_to: int) -> Column:
    counted = as_text(series).drop_nulls().value_counts(sort=True).head(MOST_CATEGORIES)
    known = tuple(sorted(counted[series.name].to_list()))
    # The rule of fast.ai's tables: wide enough to tell the categories apart, and no wider.
    width = None if len(known) <= one_hot_up_to else min(600, round(1.6 * len(known) ** 0.56))
    return Column(series.name, series.name, "category", categories=known or ("",), embedding=width)


def _frequent(series: pl.Series, words: int) -> list[str]:
    counted = _words(series).value_counts(sort=True)
    counted = counted.sort(by=["count", "word"], descending=[True, False]).head(words)
    return counted["word"].to_list()


def _words(series: pl.Series) -> pl.Series:
    """Returns every word of a text column, in small letters."""
    import polars as pl

    return (
        as_text(series)
        .fill_null("")
        .str.to_lowercase()
        .str.extract_all(r"\w+")
        .explode()
        .alias("word")
        .cast(pl.String)
        .drop_nulls()
    )


def encode(frame: pl.DataFrame, columns: tuple[Column, ...]) -> np.ndarray:
    """Returns the numbers of each row, (rows, columns), float32, with what was learnt before.

    Raises:
        ValueError: if a column is not there.
    """
    matrix = np.zeros((len(frame), len(columns)), np.float32)
    for index, column in enumerate(columns):
        if column.source not in frame.columns:
            raise ValueError(f"has no column {column.source!r}")
        if column.part != "word":
            matrix[:, index] = _number(frame[column.source], column).to_numpy()
    for source in dict.fromkeys(column.source for column in columns if column.part == "word"):
        places = {column.word: index for index, column in enumerate(columns) if column.word and column.source == source}
        _count_words(frame[source], places, matrix)
    return matrix


def _number(series: pl.Series, column: Column) -> pl.Series:
    import polars as pl

    match column.part:
        case "value":
            return as_numbers(series).fill_null(column.fill).cast(pl.Float32)
        case "missing":
            return as_numbers(series).is_null().cast(pl.Float32)
        case "category":
            codes = {category: float(code) for code, category in enumerate(column.categories, 1)}
            return as_text(series).replace_strict(codes, default=0.0, return_dtype=pl.Float32).fill_null(0.0)
        case _:
            return _date_part(series, column.part).fill_null(column.fill).cast(pl.Float32)


def _count_words(series: pl.Series, places: dict[str, int], matrix: np.ndarray) -> None:
    """Adds log(1 + count) of each known word of each row."""
    import polars as pl

    text = as_text(series).fill_null("").str.to_lowercase()
    for start in range(0, len(text), 100_000):  # every word becomes a row for a moment
        part = pl.DataFrame(
            {"row": range(start, min(start + 100_000, len(text))), "word": text[start : start + 100_000]}
        )
        found = part.with_columns(pl.col("word").str.extract_all(r"\w+")).explode("word")
        counted = found.filter(pl.col("word").is_in(list(places))).group_by("row", "word").len()
        columns = [places[word] for word in counted["word"].to_list()]
        matrix[counted["row"].to_numpy(), columns] = np.log1p(counted["len"].to_numpy())


def as_numbers(series: pl.Series) -> pl.Series:
    """Returns a column as 64-bit numbers; what is none, not finite or missing is null."""
    import polars as pl

    if series.dtype.is_temporal():
        series = series.to_physical()
    numbers = series.cast(pl.Float64, strict=False)
    return numbers.set(~numbers.is_finite().fill_null(True), None)


def as_text(series: pl.Series) -> pl.Series:
    """Returns a column as text."""
    import polars as pl

    return series.cast(pl.String)


def _date_part(series: pl.Series, part: str) -> pl.Series:
    import polars as pl

    if not series.dtype.is_temporal():
        series = as_text(series).str.to_datetime(strict=False)
    match part:
        case "year":
            return series.dt.year()
        case "month":
            return series.dt.month()
        case "weekday":
            return series.dt.weekday()
        case "hour":
            return series.dt.hour()
        case _:
            return series.cast(pl.Date).to_physical()
