"""Dates and times as people and programs write them -> days since 1970 and seconds of the day; nothing is guessed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_NAMES = (
    "january|february|march|april|june|july|august|september|october|november|december|"
    "jan|feb|mar|apr|may|jun|jul|aug|sept|sep|oct|nov|dec"
)
_YEAR = r"[0-9]{4}|[0-9][0-9]"
_DATE = (
    r"(?P<y1>[0-9]{4})[-/.](?P<m1>[0-9][0-9]?)[-/.](?P<d1>[0-9][0-9]?)"
    r"|(?P<y2>[0-9]{4})(?P<m2>[0-9][0-9])(?P<d2>[0-9][0-9])"
    rf"|(?P<d3>[0-9][0-9]?)\.(?P<m3>[0-9][0-9]?)\.(?P<y3>{_YEAR})"
    rf"|(?P<a>[0-9][0-9]?)[-/](?P<b>[0-9][0-9]?)[-/](?P<y4>{_YEAR})"
    rf"|(?P<d5>[0-9][0-9]?)(?:st|nd|rd|th)?[ -]?(?P<m5>{_NAMES})\.?,?[ -]?(?P<y5>{_YEAR})"
    rf"|(?P<m6>{_NAMES})\.? (?P<d6>[0-9][0-9]?)(?:st|nd|rd|th)?,? (?P<y6>{_YEAR})"
)
_WEEKDAY = r"(?:(?:mon|tues?|wed(?:nes)?|thu(?:rs?)?|fri|sat(?:ur)?|sun)(?:day)?\.?,? )?"
_CLOCK = (
    r"(?P<hour>[0-9][0-9]?)(?::(?P<minute>[0-9][0-9])(?::(?P<second>[0-9][0-9](?:[.,][0-9]+)?))?)?"
    r"(?: ?(?P<half>[ap])\.?m\.?)?(?: ?(?P<offset>z|utc|gmt|[+-][0-9][0-9](?::?[0-9][0-9])?))?"
)
_FORM = rf"(?i-u)^(?:{_WEEKDAY}(?P<date>{_DATE}))?(?:^|$|[T ]|, )(?:{_CLOCK})?$"
_LIKE = (
    rf"(?i-u)^(?:{_WEEKDAY}(?:{_DATE})[T ,]+[0-9][0-9]?[:.h][0-9][0-9]|[0-9][0-9]?:[0-9][0-9])"
    r"(?:[:.][0-9][0-9](?:[.,][0-9]+)?)?[ a-z/_()+.:-]{0,20}$"
)
"""What looks like a time: a clock, mostly behind a date, and perhaps words behind it, as of a zone."""
_PAIR = rf"^([0-9][0-9]?)[-/]([0-9][0-9]?)[-/](?:{_YEAR})(?:[T ,]|$)"
_DAY = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_PLAIN = {f"^{_DAY}$": "%Y-%m-%d", f"^{_DAY} [0-9]{{2}}:[0-9]{{2}}:[0-9]{{2}}$": "%Y-%m-%d %H:%M:%S"}
"""Forms that most programs write, which polars reads fifty times as fast."""
_EPOCH = r"^-?[0-9]{9,19}(?:\.[0-9]+)?$"
_UNITS = {"seconds": 1e11, "milliseconds": 1e14, "microseconds": 1e17, "nanoseconds": 1e20}
"""Of times since 1970, each with what all of them are below: seconds up to the year 5138, and so on."""
_FIRST = 1e8
"""Seconds since 1970 from which on a number is taken for a time: 1973."""
_COMMON = ("seconds", "milliseconds")
_EARLIEST = 978_307_200
"""Seconds since 1970 from which on numbers look like times: 2001."""
_SOON = 2_051_222_400
"""Seconds since 1970 up to which a number under any name looks like a time: 2035."""
MOSTLY = 0.9
"""Share of values that look like times from which on a column does."""
PIVOT = 68
"""Two-digit years up to this one are 20xx, the others 19xx, as POSIX has it."""
DAY = 86_400


def as_times(series: pl.Series, day_first: bool = False) -> pl.DataFrame:
    """Returns `days` since 1970 (Int64) and `seconds` of the day (Float64) of a column; null where there are none.

    A time with an offset from UTC becomes UTC, another is taken as its clock wrote it. Times of the day alone have no
    days, dates alone no seconds. Numbers are seconds, or milliseconds and so on by their size, since 1970.

    Args:
        series: the column, of texts, numbers, dates or times.
        day_first: whether 3/4/2020 is in April.
    """
    import polars as pl

    if series.dtype == pl.Datetime:
        if series.dtype.time_zone:  # type: ignore[attr-defined]
            series = series.dt.convert_time_zone("UTC")
        instants = series.dt.timestamp("us")
        days = instants // (DAY * 1_000_000)
        return pl.DataFrame({"days": days, "seconds": (instants - days * DAY * 1_000_000) / 1e6})
    if series.dtype == pl.Date:
        return pl.DataFrame({"days": series.to_physical().cast(pl.Int64), "seconds": _nothing(series)})
    if series.dtype == pl.Time:
        return pl.DataFrame({"days": _nothing(series).cast(pl.Int64), "seconds": series.to_physical() / 1e9})
    text = series.cast(pl.String).str.strip_chars().alias("text")
    for form, pattern in _PLAIN.items():
        if text.str.contains(form).all():
            found = as_times(text.str.to_datetime(pattern, strict=False))
            return found if "%H" in pattern else found.with_columns(seconds=_nothing(series))
    known = text.unique()
    read = pl.concat([known.to_frame(), _written(known, day_first), _since_1970(known)], how="horizontal").select(
        "text", days=pl.coalesce("days", "epoch_days"), seconds=pl.coalesce("seconds", "epoch_seconds")
    )
    return text.to_frame().join(read, on="text", how="left", maintain_order="left").drop("text")


def is_time(found: pl.DataFrame) -> pl.Series:
    """Returns which rows of `as_times` are dates or times."""
    return found["days"].is_not_null() | found["seconds"].is_not_null()


def is_day_first(series: pl.Series) -> bool:
    """Whether any date of a column, written as two numbers and a year, can only begin with the day."""
    firsts, _ = _pairs(series)
    return bool((firsts > 12).any())


def notices(series: pl.Series) -> list[str]:
    """Returns what is not plain about the dates of a column, a clause each."""
    import polars as pl

    firsts, seconds = _pairs(series)
    found = []
    if len(firsts) and not ((firsts > 12) | (seconds > 12)).any() and (firsts != seconds).any():
        found.append("3/4/2020 is read as the 4th of March; no date shows which number is the month")
    text = series.cast(pl.String).str.strip_chars().unique()
    groups = _groups(text)
    years = pl.concat([groups[name] for name in ("y3", "y4", "y5", "y6")])
    if (years.str.len_chars() == 2).any():
        found.append(f"years of two digits are 2000 to 20{PIVOT} and 19{PIVOT + 1} to 1999")
    if groups["offset"].is_not_null().any() or (series.dtype == pl.Datetime and series.dtype.time_zone):  # type: ignore[attr-defined]
        found.append("times with an offset are converted to UTC")
    for unit in _units(text).drop_nulls().unique().sort().to_list():
        found.append(f"whole numbers are {unit} since 1970")
    return found


def are_instants(series: pl.Series, end: float = 4_102_444_800) -> bool:
    """Whether whole numbers are all of one size that times since 1970 have, from 2001 to 2100 or another end."""
    import polars as pl

    numbers = series.cast(pl.Float64, strict=False)
    if numbers.null_count() or not (numbers == numbers.round()).all():
        return False
    units = _units(_whole(series)).unique()
    if len(units) != 1 or units[0] is None:
        return False
    seconds = numbers * (1e11 / _UNITS[units[0]])
    return bool(((seconds >= _EARLIEST) & (seconds < end)).all())


def resemblance(values: pl.Series) -> str:
    """Returns whether values look like times that `as_times` reads if asked to, or would in another form.

    Args:
        values: those of a column that was not taken for one of dates.

    Returns:
        what they look like, and how to have them read; nothing where they do not.
    """
    import polars as pl

    if not (len(values) and (values.dtype.is_numeric() or values.dtype == pl.String)):
        return ""
    numbers = values.cast(pl.Float64, strict=False)
    if not numbers.null_count():
        least, most = float(numbers.min()), float(numbers.max())  # type: ignore[arg-type]
        if least >= _EARLIEST and are_instants(values, _SOON):
            unit = _units(_whole(values))[0]
            return f"looks like {unit} since 1970; if it is, name it under dates" if unit in _COMMON else ""
        are_days = least >= 1900_01_01 and most <= 2099_12_31 and is_time(as_times(_whole(values))).all()
        return "looks like days written as 20200131; if it is, name it under dates" if are_days else ""
    known = values.unique().cast(pl.String).str.strip_chars()
    like = known.filter(known.str.contains(_LIKE))
    if len(like) < MOSTLY * len(known):
        return ""
    example = f"such as {like.sort()[0]!r}"
    return f"looks like times, {example}; write 2020-03-04 10:00 or 10:00, +01:00 for a zone, then name it under dates"


def _whole(values: pl.Series) -> pl.Series:
    import polars as pl

    return values.cast(pl.String).str.replace(r"\.0+$", "")


def _nothing(series: pl.Series) -> pl.Series:
    import polars as pl

    return pl.Series(name=series.name, values=[None] * len(series), dtype=pl.Float64)


def _pairs(series: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Returns both numbers before the year of dates whose order they do not show."""
    import polars as pl

    if series.dtype != pl.String:
        return pl.Series(dtype=pl.Int8), pl.Series(dtype=pl.Int8)
    dates = series.str.strip_chars()
    dates = dates.filter(dates.str.contains(_PAIR))
    firsts, seconds = (dates.str.extract(_PAIR, group).cast(pl.Int8) for group in (1, 2))
    return firsts, seconds


def _groups(text: pl.Series) -> pl.DataFrame:
    """Returns the parts of dates and times, as `_FORM` names them; ISO 8601 may be without its marks."""
    basic = text.str.replace(r"^([0-9]{8})\.0+$", "$1").str.replace(r"^([0-9]{8}T[0-9]{2})([0-9]{2})", "$1:$2")
    basic = basic.str.replace(r"^([0-9]{8}T[0-9]{2}:[0-9]{2})([0-9]{2})", "$1:$2")
    return basic.str.extract_groups(_FORM).struct.unnest()


def _written(text: pl.Series, day_first: bool) -> pl.DataFrame:
    import polars as pl

    groups = _groups(text)
    first, second = ("b", "a") if day_first else ("a", "b")
    month = pl.coalesce("m5", "m6").str.to_lowercase().str.slice(0, 3)
    named = month.replace_strict({name: str(place) for place, name in enumerate(_MONTHS, 1)}, default=None)
    year = pl.coalesce("y1", "y2", "y3", "y4", "y5", "y6")
    short = year.cast(pl.Int64, strict=False)
    long = pl.when(year.str.len_chars() == 2).then(short + pl.when(short <= PIVOT).then(2000).otherwise(1900))
    parts = groups.with_columns(
        year=long.otherwise(short).cast(pl.String).str.zfill(4),
        month=pl.coalesce("m1", "m2", "m3", first, named).str.zfill(2),
        day=pl.coalesce("d1", "d2", "d3", second, "d5", "d6").str.zfill(2),
    )
    hour, minute = (pl.col(name).cast(pl.Int64, strict=False) for name in ("hour", "minute"))
    second_ = pl.col("second").str.replace(",", ".", literal=True).cast(pl.Float64)
    half = pl.col("half").str.to_lowercase()
    is_clock = (
        (pl.col("minute").is_not_null() | half.is_not_null())
        & (minute.fill_null(0) < 60)
        & (second_.fill_null(0) < 60)
        & pl.when(half.is_null()).then(hour < 24).otherwise((hour > 0) & (hour < 13))
    )
    hours = pl.when(half.is_null()).then(hour).otherwise(hour % 12 + pl.when(half == "p").then(12).otherwise(0))
    sign = pl.when(pl.col("offset").str.starts_with("-")).then(-1).otherwise(1)
    digits = pl.col("offset").str.extract(r"^[+-]([0-9]{2})", 1).cast(pl.Int64).fill_null(0) * 3600
    minutes = pl.col("offset").str.extract(r"^[+-][0-9]{2}:?([0-9]{2})$", 1).cast(pl.Int64).fill_null(0) * 60
    shift = pl.when(pl.col("offset").is_null()).then(0).otherwise(sign * (digits + minutes))
    clock = hours * 3600.0 + minute.fill_null(0) * 60.0 + second_.fill_null(0)
    found = parts.select(
        has_date=pl.col("date").is_not_null(),
        has_clock=pl.col("hour").is_not_null(),
        days=pl.concat_str("year", "month", "day", separator="-").str.to_date("%Y-%m-%d", strict=False)
        .cast(pl.Int32).cast(pl.Int64),
        clock=pl.when(is_clock).then(clock - shift),
    )  # fmt: skip
    is_good = pl.lit(True)
    for has, part in (("has_date", "days"), ("has_clock", "clock")):
        is_good &= ~pl.col(has) | pl.col(part).is_not_null()
    over = (pl.col("clock").fill_null(0.0) / DAY).floor()
    return found.select(
        days=pl.when(is_good).then(pl.col("days") + over.cast(pl.Int64)),
        seconds=pl.when(is_good).then(pl.col("clock") - over * DAY),
    )


def _units(text: pl.Series) -> pl.Series:
    """Returns the unit of each number that may be a time since 1970; null for others."""
    import polars as pl

    numbers = text.filter(text.str.contains(_EPOCH)).cast(pl.Float64).abs()
    sizes = numbers.to_frame("size").select(
        pl.when(pl.col("size") >= _FIRST).then(
            pl.coalesce(*(pl.when(pl.col("size") < most).then(pl.lit(unit)) for unit, most in _UNITS.items()))
        )
    )
    return sizes.to_series()


def _since_1970(text: pl.Series) -> pl.DataFrame:
    import polars as pl

    size = pl.col("number").abs()
    seconds = pl.coalesce(
        *(pl.when(size < most).then(pl.col("number") * (1e11 / most)) for most in _UNITS.values()), pl.lit(None)
    )
    found = text.to_frame().select(
        number=pl.when(pl.col("text").str.contains(_EPOCH)).then(pl.col("text")).cast(pl.Float64, strict=False)
    )
    instant = found.select(instant=pl.when(size >= _FIRST).then(seconds))
    days = (pl.col("instant") / DAY).floor()
    return instant.select(epoch_days=days.cast(pl.Int64), epoch_seconds=(pl.col("instant") - days * DAY).round(6))
