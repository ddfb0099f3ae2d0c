"""Columns of many kinds -> one matrix of numbers; all that is learnt of the train part is kept in `Column`s."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from dltrain.data.noticing import notice
from dltrain.errors import KeyProblem
from dltrain.features._tables import text_tokens, times
from dltrain.features._tables.times import are_instants, as_times, is_day_first, is_time
from dltrain.features._tables.values import (
    are_written_numbers,
    as_numbers,
    as_text,
    as_values,
    known_categories,
    respelt,
    with_points,
)
from dltrain.features.table import OF_TEXTS, Column
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

_DATE_PARTS = ("year", "month", "weekday", "day")
BETWEEN_HOURS = "training had whole hours, minutes are not used"
FINEST = 1000
"""Parts of a column's standard deviation that float32 must tell apart."""

_TIME_NAME = re.compile(r"(?i)(time|date|stamp|epoch)|(^|_)ts$|_(at|on)$")
_KEY = re.compile(r"(^|[_ .-])(id|Id|ID)$|[a-z](Id|ID)$|^(?i:index|row)$")


@dataclass(frozen=True)
class Encoding:
    """How columns become numbers.

    Args:
        impute: what takes the place of a missing number: median or mean of the train part, or zero.
        one_hot_up_to: categories up to which a column is one-hot; beyond it a vector is learnt for each.
        words: how many of the most frequent words, or tokens, of a text column are counted.
        ignore_case: whether categories that differ in case alone are one.
        tokenizer: what makes tokens of texts, as the `tokenizers` library writes it; empty for words.
    """

    impute: Literal["median", "mean", "zero"]
    one_hot_up_to: int
    words: int
    ignore_case: bool = False
    tokenizer: str = ""


def texts(frame: pl.DataFrame, rows: np.ndarray, given: Mapping[str, Role]) -> list[pl.Series]:
    """Returns the columns of texts that `learn` would find, the train part alone; its arguments are the same."""
    found = [(frame[name].gather(rows), frame[name]) for name in frame.columns]
    return [series for series, whole in found if (given.get(whole.name) or _looks(series, whole)[0]) == "text"]


def learn(
    frame: pl.DataFrame, rows: np.ndarray, given: dict[str, Role], encoding: Encoding, commas: Collection[str] = ()
) -> tuple[Column, ...]:
    """Learns what each number of an example is: plain numbers first, then categories.

    Args:
        frame: the columns to learn from, with decimal points.
        rows: positions of the train part; no other row is looked at.
        given: what a column is, where the user said it.
        encoding: how columns become numbers.
        commas: the columns that had decimal commas instead.

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
        if role == "categorical" and name not in given:
            _notice_numbers(series.drop_nulls())
        if role != "dates" and name not in given and (likeness := times.resemblance(series.drop_nulls())):
            notice(f"column {name!r} {likeness}")
        if why:
            notice(f"column {name!r} is not used: {why}; to use it, name it under numeric, categorical or text")
        if role == "numeric":
            numbers += _numeric(series, encoding.impute, name in commas)
        elif role == "dates":
            numbers += _dates(series, frame[name])
        elif role == "text":
            numbers += [
                Column(f"{name} {word}", name, part, word=word, is_complete=not series.null_count())
                for part, word in _frequent(series, encoding)
            ]
        elif role == "categorical":
            categories.append(_categorical(series, encoding.one_hot_up_to, encoding.ignore_case))
    return (*numbers, *categories)


def looks(series: pl.Series) -> Role:
    """Returns what a column is by its values."""
    return _looks(series, series)[0]


def _looks(series: pl.Series, whole: pl.Series) -> tuple[Role, str]:
    """Returns what a column is by its values, and why it is left out if it is; `whole` is that of all parts."""
    import polars as pl

    values = series.drop_nulls()
    if not len(values):
        return "ignore", "it has no values"
    if len(values) == len(series) and not (values != values[0]).any():
        return "ignore", f"each row has the same value, {values[0]!r}"
    if series.dtype in (pl.Date, pl.Datetime, pl.Time):
        return "dates", ""
    numbers = as_numbers(values)
    if numbers.null_count() == 0:
        if _TIME_NAME.search(series.name) and are_instants(values):
            return "dates", ""
        is_key = _KEY.search(series.name) and numbers.n_unique() == len(series) > FEW
        if is_key and (numbers == numbers.round()).all():
            return "ignore", "it is a different whole number in each row, and named like a key"
        return "numeric", ""
    are_times, distinct = is_time(as_times(values, is_day_first(whole))), values.n_unique()
    if are_times.all() or (distinct > FEW and are_times.sum() >= MOSTLY * len(values)):
        return "dates", ""
    if distinct > FEW and numbers.count() >= MOSTLY * len(values):
        return "numeric", ""
    if distinct <= max(FEW, len(values) ** 0.5):
        return "categorical", ""
    if as_text(values).str.count_matches(r"\w+").mean() >= 3:  # type: ignore[operator]
        return "text", ""
    if distinct > MOSTLY * len(values):
        return "ignore", "it is a different word in almost each row"
    return "categorical", ""


def _notice_numbers(values: pl.Series) -> None:
    """Says that a column of categories looks like one of numbers, where it does."""
    numbers, count = as_numbers(values), values.n_unique()
    words = f"column {values.name!r} is read as {count} categories, not as numbers"
    if are_written_numbers(values):
        notice(f"{words}: they have separators or signs, for example {values[0]!r}; write numbers as 1600.5")
    elif numbers.count() * 2 > len(values):
        other = values.filter(numbers.is_null())
        commonest = other.value_counts().sort(by=["count", values.name], descending=[True, False])[values.name][0]
        notice(
            f"{words}: {len(other)} of {len(values)} values are none, for example {commonest!r}; if these mean that a "
            "value is missing, add them to missing_values"
        )


def _numeric(series: pl.Series, impute: str, decimal_comma: bool) -> list[Column]:
    numbers = as_numbers(series)
    known = numbers.drop_nulls()
    middle: Any = 0.0 if impute == "zero" else known.median() if impute == "median" else known.mean()
    offset = _offset(known)
    if offset:
        notice(
            f"column {series.name!r}: {offset:.17g} is subtracted before its values become float32, which is too coarse"
        )
    is_complete, fill = not numbers.null_count(), float(middle or 0.0) - offset
    columns = [
        Column(series.name, series.name, fill=fill, offset=offset, decimal_comma=decimal_comma, is_complete=is_complete)
    ]
    if not is_complete:
        columns.append(Column(f"{series.name} missing", series.name, "missing", is_complete=False))
    return columns


def _offset(known: pl.Series) -> float:
    """Returns what to subtract from numbers whose differences float32 would lose; 0 for most columns."""
    deviation: Any = known.std() or 0.0
    largest: Any = known.abs().max() or 0.0
    is_lost = float(np.spacing(np.float32(largest))) > deviation / FINEST > 0
    return float(round(known.median())) if is_lost else 0.0  # type: ignore[arg-type]


def _dates(series: pl.Series, whole: pl.Series) -> list[Column]:
    """Returns a column for each part of a date; how the numbers of one are ordered is seen from all rows."""
    day_first = is_day_first(whole)
    found = as_times(series, day_first)
    for words in times.notices(whole):
        notice(f"column {series.name!r}: {words}")
    parts = [*_DATE_PARTS] if found["days"].count() else []
    if found["seconds"].count():
        parts.append("hour" if (found["seconds"].drop_nulls() % 3600 == 0).all() else "time")
    columns, is_complete = [], bool(is_time(found).all())
    for part in parts:
        middle: Any = _date_part(found, part).median()
        fill = float(middle or 0.0)
        columns.append(
            Column(f"{series.name} {part}", series.name, part, fill, day_first=day_first, is_complete=is_complete)
        )
    return columns


def _categorical(series: pl.Series, one_hot_up_to: int, ignore_case: bool) -> Column:
    counts = known_categories(as_text(series), ignore_case)
    commonest = sorted(counts, key=lambda name: (-counts[name], name))[:MOST_CATEGORIES]
    known = tuple(sorted(commonest))
    # The rule of fast.ai's tables: wide enough to tell the categories apart, and no wider.
    width = None if len(known) <= one_hot_up_to else min(600, round(1.6 * len(known) ** 0.56))
    return Column(
        series.name, series.name, "category", categories=known, embedding=width, ignore_case=ignore_case,
        is_complete=not series.null_count(),
    )  # fmt: skip


def _frequent(series: pl.Series, encoding: Encoding) -> list[tuple[str, str]]:
    if encoding.tokenizer:
        return [("token", token) for token in text_tokens.frequent(series, encoding.tokenizer, encoding.words)]
    counted = _words(series).explode().drop_nulls().alias("word").value_counts()
    ranked = counted.sort(by=["count", "word"], descending=[True, False])["word"]
    return [("word", word) for word in ranked.head(encoding.words)]


def _words(series: pl.Series) -> pl.Series:
    """Returns the words of each row, in small letters."""
    return as_text(series).fill_null("").str.to_lowercase().str.extract_all(r"\w+")


def pointed(frame: pl.DataFrame, columns: Iterable[Column]) -> pl.DataFrame:
    """Returns rows whose numbers have decimal points, by what training had."""
    of_source = {each.source: each.decimal_comma for each in columns if each.part == "value" and each.source in frame}
    return frame.with_columns([with_points(frame[name], are_decimal) for name, are_decimal in of_source.items()])


def encode(frame: pl.DataFrame, columns: tuple[Column, ...], tokenizer: str = "") -> np.ndarray:
    """Returns the numbers of each row, (rows, columns), float32, with what was learnt before.

    Args:
        frame: the rows.
        columns: what each number is.
        tokenizer: of their texts, where tokens are counted.

    Raises:
        ValueError: if a column is not there.
    """
    there = {*frame.columns}
    absent = [name for name in dict.fromkeys(column.source for column in columns) if name not in there]
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
        elif members[0][1].part == "token":
            places = {column.word: index for index, column in members}
            text_tokens.add_counts(series, tokenizer, places, matrix)
        else:
            for (index, _), numbers in zip(members, _numbers(series, [column for _, column in members]), strict=True):
                matrix[:, index] = numbers.to_numpy()
    return matrix


def _numbers(series: pl.Series, columns: list[Column]) -> list[pl.Series]:
    """Returns the numbers that one column becomes."""
    import polars as pl

    if columns[0].part == "category":
        return [_codes(series, columns[0]).fill_null(0).cast(pl.Float32)]
    if columns[0].part in ("value", "missing"):
        numbers = as_values(series)
        return [
            numbers.is_null().cast(pl.Float32)
            if column.part == "missing"
            else (numbers - column.offset).fill_null(column.fill).cast(pl.Float32)
            for column in columns
        ]
    found = as_times(series, columns[0].day_first)
    return [_date_part(found, column.part).fill_null(column.fill).cast(pl.Float32) for column in columns]


def _codes(series: pl.Series, column: Column) -> pl.Series:
    """Returns the position of each row's category, counted from 1; null where it is missing or unknown."""
    import polars as pl

    codes = pl.DataFrame({"text": column.categories}, schema={"text": pl.String}).with_row_index("code", offset=1)
    text = as_text(series).alias("text")
    found = text.to_frame().join(codes, on="text", how="left", maintain_order="left")["code"]
    strange = text.filter(found.is_null() & text.is_not_null()).unique()
    spelt = respelt(strange.to_list(), column.categories, column.ignore_case) if len(strange) else {}
    if not spelt:
        return found
    places = {name: place for place, name in enumerate(column.categories, 1)}
    others = text.replace_strict(
        {word: places[name] for word, name in spelt.items()}, default=None, return_dtype=pl.UInt32
    )
    return found.fill_null(others)


def strays(frame: pl.DataFrame, columns: tuple[Column, ...]) -> dict[str, tuple[str, pl.Series]]:
    """Returns which values are there but none of what their column is, which are taken for missing or unknown.

    Returns:
        of each column that has some: what it is, numbers, dates or categories, and whether each row is one.
    """
    found: dict[str, tuple[str, pl.Series]] = {}
    for column in columns:
        if column.source in found or column.part in ("missing", *OF_TEXTS):
            continue
        series = frame[column.source]
        if column.part == "category":
            what, is_known = "categories", _codes(series, column).is_not_null()
        elif column.part == "value":
            what, is_known = "numbers", as_values(series).is_not_null()
        else:
            what, is_known = "dates", is_time(as_times(series, column.day_first))
        wrong = ~is_known & series.is_not_null()
        if wrong.any():
            found[column.source] = what, wrong
    return found


def between_hours(frame: pl.DataFrame, columns: Iterable[Column]) -> dict[str, pl.Series]:
    """Returns which times have minutes where training had whole hours alone, by column: only their hour is used."""
    found = {}
    for column in columns:
        if column.part == "hour":
            seconds = as_times(frame[column.source], column.day_first)["seconds"]
            if (between := (seconds % 3600 != 0).fill_null(False)).any():
                found[column.source] = between
    return found


def _count_words(series: pl.Series, places: dict[str | None, int], matrix: np.ndarray) -> None:
    """Adds log(1 + count) of each known word of each row."""
    import polars as pl

    known = pl.DataFrame({"word": list(places), "place": list(places.values())}, schema_overrides={"place": pl.Int64})
    for start in range(0, len(series), 100_000):  # every word becomes a row for a moment
        words = _words(series[start : start + 100_000]).alias("word").to_frame().with_row_index("row", offset=start)
        counted = words.explode("word").join(known, on="word").group_by("row", "place").len()
        matrix[counted["row"].to_numpy(), counted["place"].to_numpy()] = np.log1p(counted["len"].to_numpy())


def is_date(series: pl.Series) -> bool:
    """Whether a column is of dates or times; of texts, where there are more of them than classes are."""
    import polars as pl

    if series.dtype in (pl.Date, pl.Datetime, pl.Time):
        return True
    known = series.drop_nulls()
    if series.dtype != pl.String or known.n_unique() <= FEW or as_numbers(known).count():
        return False
    return bool(is_time(as_times(known, is_day_first(known))).all())


def _date_part(found: pl.DataFrame, part: str) -> pl.Series:
    """Returns a part of dates and times: hour is a whole number of them, time is hours exactly."""
    import polars as pl

    dates = found["days"].cast(pl.Date)
    match part:
        case "year":
            return dates.dt.year()
        case "month":
            return dates.dt.month()
        case "weekday":
            return dates.dt.weekday()
        case "hour":
            return (found["seconds"] / 3600).floor()
        case "time":
            return found["seconds"] / 3600
        case _:
            return found["days"]
