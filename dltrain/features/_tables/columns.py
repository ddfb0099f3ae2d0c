"""Columns of many kinds -> one matrix of numbers; all that is learnt of the train part is kept in `Column`s."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from dltrain.data.progress import announce
from dltrain.errors import KeyProblem
from dltrain.features.table import Column
from dltrain.lazy import np
from dltrain.registry import nearest

if TYPE_CHECKING:
    import polars as pl

Role = Literal["numeric", "categorical", "text", "dates", "ignore"]

MOST_CATEGORIES = 10_000
"""Of a column with more, the most frequent are known; the others count as unseen."""

FEW = 20
"""Distinct values up to which words are categories, and whole numbers classes."""

MOSTLY = 0.9
"""Share of numbers from which on a column is one of numbers, in which other words are missing values."""

_STROKES = r"\d\d?/\d\d?/\d{4}"
_DATE_PARTS = ("year", "month", "weekday", "day")
# A stroke is American unless the file has one such as 13/1/2020. Of eight digits only a given column is one, for they
# are a number too.
_DATES = {r"\d{4}-\d\d?-\d\d?": "%Y-%m-%d", r"\d{4}/\d\d?/\d\d?": "%Y/%m/%d", r"\d\d?\.\d\d?\.\d{4}": "%d.%m.%Y"}
_DATES |= {_STROKES: "%m/%d/%Y", r"\d{8}": "%Y%m%d"}
_KEY = re.compile(r"(^|[_ .-])(id|Id|ID)$|[a-z](Id|ID)$|^(?i:index|row)$")


@dataclass(frozen=True)
class Encoding:
    """How columns become numbers.

    Args:
        impute: what takes the place of a missing number: median or mean of the train part, or zero.
        one_hot_up_to: categories up to which a column is one-hot; beyond it a vector is learnt for each.
        words: how many of the most frequent words of a text column are counted.
    """

    impute: Literal["median", "mean", "zero"]
    one_hot_up_to: int
    words: int


def learn(frame: pl.DataFrame, rows: np.ndarray, given: dict[str, Role], encoding: Encoding) -> tuple[Column, ...]:
    """Learns what each number of an example is: plain numbers first, then categories.

    Args:
        frame: the columns to learn from.
        rows: positions of the train part; no other row is looked at.
        given: what a column is, where the user said it.
        encoding: how columns become numbers.

    Raises:
        ValueError: if a column that the user named has no values.
    """
    numbers: list[Column] = []
    categories: list[Column] = []
    for name in frame.columns:
        if given.get(name) == "ignore":
            continue
        series = frame[name].gather(rows)
        if name in given:
            role, why = given[name], ""
            if series.null_count() == len(series):
                raise KeyProblem(role, f"names {name!r}, which has no values in the train part; name it under ignore")
        else:
            role, why = _looks(series, frame[name])
        if why:
            announce(f"column {name!r} is not used: {why}; to use it, name it under numeric, categorical or text")
        if role == "numeric":
            numbers += _numeric(series, encoding.impute)
        elif role == "dates":
            numbers += _dates(series, frame[name])
        elif role == "text":
            numbers += [Column(f"{name} {word}", name, "word", word=word) for word in _frequent(series, encoding.words)]
        elif role == "categorical":
            categories.append(_categorical(series, encoding.one_hot_up_to))
    return (*numbers, *categories)


def _looks(series: pl.Series, whole: pl.Series) -> tuple[Role, str]:
    """Returns what a column is by its values, and why it is left out if it is; `whole` is that of all parts."""
    import polars as pl

    values = series.drop_nulls()
    if not len(values):
        return "ignore", "it has no values"
    if len(values) == len(series) and not (values != values[0]).any():
        return "ignore", f"each row has the same value, {values[0]!r}"
    if series.dtype in (pl.Date, pl.Datetime):
        return "dates", ""
    numbers = as_numbers(values)
    if numbers.null_count() == 0:
        is_key = _KEY.search(series.name) and numbers.n_unique() == len(series) > FEW
        if is_key and (numbers == numbers.round()).all():
            return "ignore", "it is a different whole number in each row, and named like a key"
        return "numeric", ""
    if as_dates(values, is_day_first(whole))["date"].null_count() == 0:
        return "dates", ""
    distinct = values.n_unique()
    if distinct > FEW and numbers.count() >= MOSTLY * len(values):
        return "numeric", ""
    if distinct <= max(FEW, len(values) ** 0.5):
        return "categorical", ""
    if as_text(values).str.count_matches(r"\w+").mean() >= 3:  # type: ignore[operator]
        return "text", ""
    if distinct > MOSTLY * len(values):
        return "ignore", "it is a different word in almost each row"
    return "categorical", ""


def _numeric(series: pl.Series, impute: str) -> list[Column]:
    numbers = as_numbers(series)
    known = numbers.drop_nulls()
    middle: Any = 0.0 if impute == "zero" else known.median() if impute == "median" else known.mean()
    columns = [Column(series.name, series.name, fill=float(middle or 0.0))]
    if numbers.null_count():
        columns.append(Column(f"{series.name} missing", series.name, "missing"))
    return columns


def _dates(series: pl.Series, whole: pl.Series) -> list[Column]:
    """Returns a column for each part of a date; how the numbers of one are ordered is seen from all rows."""
    day_first = is_day_first(whole)
    found = as_dates(series, day_first)
    if not day_first and _is_either(whole):
        announce(
            f"column {series.name!r}: 3/4/2020 is read as the 4th of March; no date shows which number is the month"
        )
    parts = (*_DATE_PARTS, "hour") if found["hour"].count() else _DATE_PARTS
    columns = []
    for part in parts:
        middle: Any = _date_part(found, part).median()
        columns.append(Column(f"{series.name} {part}", series.name, part, float(middle or 0.0), day_first=day_first))
    return columns


def _categorical(series: pl.Series, one_hot_up_to: int) -> Column:
    counted = as_text(series).drop_nulls().alias("category").value_counts()
    counted = counted.sort(by=["count", "category"], descending=[True, False]).head(MOST_CATEGORIES)
    known = tuple(sorted(counted["category"].to_list()))
    # The rule of fast.ai's tables: wide enough to tell the categories apart, and no wider.
    width = None if len(known) <= one_hot_up_to else min(600, round(1.6 * len(known) ** 0.56))
    return Column(series.name, series.name, "category", categories=known, embedding=width)


def _frequent(series: pl.Series, words: int) -> list[str]:
    counted = _words(series).explode().drop_nulls().alias("word").value_counts()
    return counted.sort(by=["count", "word"], descending=[True, False]).head(words)["word"].to_list()


def _words(series: pl.Series) -> pl.Series:
    """Returns the words of each row, in small letters."""
    return as_text(series).fill_null("").str.to_lowercase().str.extract_all(r"\w+")


def encode(frame: pl.DataFrame, columns: tuple[Column, ...]) -> np.ndarray:
    """Returns the numbers of each row, (rows, columns), float32, with what was learnt before.

    Raises:
        ValueError: if a column is not there.
    """
    absent = [name for name in dict.fromkeys(column.source for column in columns) if name not in frame.columns]
    if absent:
        near = nearest(absent[0], frame.columns)
        raise KeyProblem("path", f"has no column {', '.join(map(repr, absent))}, which the run was trained on{near}")
    matrix = np.zeros((len(frame), len(columns)), np.float32)
    of_source: dict[str, list[tuple[int, Column]]] = {}
    for index, column in enumerate(columns):
        of_source.setdefault(column.source, []).append((index, column))
    for source, members in of_source.items():
        series = frame[source]
        if members[0][1].part == "word":
            _count_words(series, {column.word: index for index, column in members}, matrix)
        else:
            for (index, _), numbers in zip(members, _numbers(series, [column for _, column in members]), strict=True):
                matrix[:, index] = numbers.to_numpy()
    return matrix


def _numbers(series: pl.Series, columns: list[Column]) -> list[pl.Series]:
    """Returns the numbers that one column becomes."""
    import polars as pl

    if columns[0].part == "category":
        codes = pl.DataFrame({"text": columns[0].categories}).with_row_index("code", offset=1)
        found = as_text(series).alias("text").to_frame().join(codes, on="text", how="left", maintain_order="left")
        return [found["code"].fill_null(0).cast(pl.Float32)]
    if columns[0].part in ("value", "missing"):
        numbers = as_numbers(series)
        return [
            numbers.is_null().cast(pl.Float32)
            if column.part == "missing"
            else numbers.fill_null(column.fill).cast(pl.Float32)
            for column in columns
        ]
    found = as_dates(series, columns[0].day_first)
    return [_date_part(found, column.part).fill_null(column.fill).cast(pl.Float32) for column in columns]


def strays(frame: pl.DataFrame, columns: tuple[Column, ...]) -> dict[str, tuple[str, pl.Series]]:
    """Returns which values are there but none of what their column is, which are taken for missing.

    Returns:
        of each column that has some: what it is, and whether each row is one.
    """
    found: dict[str, tuple[str, pl.Series]] = {}
    for column in columns:
        if column.source in found or column.part not in ("value", "year"):
            continue
        series, is_number = frame[column.source], column.part == "value"
        read = as_numbers(series) if is_number else as_dates(series, column.day_first)["date"]
        wrong = read.is_null() & series.is_not_null()
        if wrong.any():
            found[column.source] = "numbers" if is_number else "dates", wrong
    return found


def _count_words(series: pl.Series, places: dict[str | None, int], matrix: np.ndarray) -> None:
    """Adds log(1 + count) of each known word of each row."""
    import polars as pl

    known = pl.DataFrame({"word": list(places), "place": list(places.values())}, schema_overrides={"place": pl.Int64})
    for start in range(0, len(series), 100_000):  # every word becomes a row for a moment
        words = _words(series[start : start + 100_000]).alias("word").to_frame().with_row_index("row", offset=start)
        counted = words.explode("word").join(known, on="word").group_by("row", "place").len()
        matrix[counted["row"].to_numpy(), counted["place"].to_numpy()] = np.log1p(counted["len"].to_numpy())


def as_numbers(series: pl.Series) -> pl.Series:
    """Returns a column as 64-bit numbers; what is none, not finite in float32 or missing is null."""
    numbers = _raw_numbers(series)
    return numbers.set((numbers.abs() > _FLOAT32) | numbers.is_nan(), None)


def beyond_float32(series: pl.Series) -> pl.Series:
    """Returns which values are numbers that float32 cannot hold, in a column of which most are numbers."""
    numbers = _raw_numbers(series)
    beyond = (numbers.abs() > _FLOAT32).fill_null(False)
    is_numeric = numbers.count() > (len(series) - series.null_count()) / 2
    return beyond if is_numeric else beyond & False


_FLOAT32 = 3.4028234663852886e38


def _raw_numbers(series: pl.Series) -> pl.Series:
    import polars as pl

    if series.dtype.is_temporal():
        series = series.to_physical()
    elif series.dtype in (pl.Categorical, pl.Enum):
        series = series.cast(pl.String)
    return series.cast(pl.Float64, strict=False)


def as_text(series: pl.Series) -> pl.Series:
    """Returns a column as text, whole numbers without a point: other files may write 1 for 1.0."""
    import polars as pl

    text = series.cast(pl.String)
    return text.str.replace(r"^([+-]?\d+)\.0+$", "$1") if text.str.contains(r"\.0+$").any() else text


def is_day_first(series: pl.Series) -> bool:
    """Whether any date of a column, written with strokes, can only begin with the day."""
    firsts, _ = _stroke_numbers(series)
    return bool((firsts > 12).any())


def _is_either(series: pl.Series) -> bool:
    """Whether a column has dates written with strokes, and any of them may begin with the month or the day."""
    firsts, seconds = _stroke_numbers(series)
    return len(firsts) > 0 and not ((firsts > 12) | (seconds > 12)).any() and bool((firsts != seconds).any())


def _stroke_numbers(series: pl.Series) -> tuple[pl.Series, pl.Series]:
    import polars as pl

    if series.dtype != pl.String:
        return pl.Series(dtype=pl.Int8), pl.Series(dtype=pl.Int8)
    dates = series.filter(series.str.contains(f"^{_STROKES}([T ]|$)"))
    firsts, seconds = (dates.str.extract(r"^(\d+)/(\d+)", group).cast(pl.Int8) for group in (1, 2))
    return firsts, seconds


def as_dates(series: pl.Series, day_first: bool = False) -> pl.DataFrame:
    """Returns `date` and `hour` of a column, by the clock that wrote it; null where there is none.

    Args:
        series: the column.
        day_first: whether the first number of a date written with strokes is the day.
    """
    import polars as pl

    if series.dtype == pl.Datetime:
        return pl.DataFrame({"date": series.dt.date(), "hour": series.dt.hour()})
    if series.dtype == pl.Date:
        return series.alias("date").to_frame().with_columns(hour=pl.lit(None, pl.Int8))
    text = as_text(series).alias("text")
    form = rf"^({'|'.join(_DATES)})(?:[T ](\d\d?):\d\d\S*)?$"
    found = text.to_frame().select(
        date=pl.col("text").str.extract(form, 1), hour=pl.col("text").str.extract(form, 2).cast(pl.Int8, strict=False)
    )
    patterns = (_DATES | {_STROKES: "%d/%m/%Y"} if day_first else _DATES).values()
    dates = [pl.col("date").str.to_date(pattern, strict=False) for pattern in patterns]
    return found.with_columns(date=pl.coalesce(dates))


def is_date(series: pl.Series) -> bool:
    """Whether a column is of dates or times; of texts, where there are more of them than classes are."""
    import polars as pl

    if series.dtype in (pl.Date, pl.Datetime, pl.Time):
        return True
    known = series.drop_nulls()
    if series.dtype != pl.String or known.n_unique() <= FEW or as_numbers(known).count():
        return False
    return as_dates(known, is_day_first(known))["date"].null_count() == 0


def _date_part(found: pl.DataFrame, part: str) -> pl.Series:
    dates = found["date"]
    match part:
        case "year":
            return dates.dt.year()
        case "month":
            return dates.dt.month()
        case "weekday":
            return dates.dt.weekday()
        case "hour":
            return found["hour"]
        case _:
            return dates.to_physical()  # days since 1970
