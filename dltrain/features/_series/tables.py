"""Rows of a table -> series on one grid; times that do not fit are named by file and line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Literal

from dltrain.data.noticing import notice
from dltrain.errors import KeyProblem
from dltrain.features._arrays.encoding import LOSES
from dltrain.features._series import frequency as frequencies
from dltrain.features._series.frequency import SECOND, Frequency
from dltrain.features._series.large_numbers import lost_channels
from dltrain.features._series.windows import Collection
from dltrain.features._tables.files import SHOWN, Table
from dltrain.features._tables.times import are_instants, as_times, is_day_first
from dltrain.features._tables.values import as_text, as_values, with_points
from dltrain.lazy import np
from dltrain.registry import suggestion

if TYPE_CHECKING:
    import polars as pl

    from dltrain.features.series import Series

CALENDAR = ("hour", "weekday", "month")
_CIRCLES = {"hour": 24, "weekday": 7, "month": 12}
_EMPTY = 20
"""Steps without a row for each row, of so many that a time must be wrong."""
_OFFSET = r"(?i):[0-9]{2}.*(?:z|utc|gmt|[+-][0-9]{2}(?::?[0-9]{2})?)$"
_MONTH = r"^[0-9]{4}-[0-9]{2}$"
_QUARTER = r"^([0-9]{4})[ -]?[Qq]([1-4])$"

OnGap = Literal["error", "fill", "split"]


@dataclass(frozen=True)
class Layout:
    """What the columns of a table are.

    Args:
        time: the column of times.
        targets: those that are forecast; in wide form each is a series of its own.
        past: known up to now.
        known: known ahead, as far as the horizon.
        calendar: hour, weekday, month: made of the time.
        series: the column that says which series a row is of; none for one.
        is_wide: whether each target is a series of its own.
        zone: whose clocks times without an offset are of; none where that does not matter.
        on_gap: what happens where steps or values are missing: error, fill or split.
    """

    time: str = "time"
    targets: tuple[str, ...] = ()
    past: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    calendar: tuple[str, ...] = ()
    series: str | None = None
    is_wide: bool = False
    zone: str | None = None
    on_gap: OnGap = "error"

    @property
    def answered(self) -> tuple[str, ...]:
        """What is forecast of each series: the targets, or in wide form "value"."""
        return ("value",) if self.is_wide else self.targets

    @property
    def channels(self) -> tuple[str, ...]:
        """What a step consists of: targets, past covariates, then those that are known ahead."""
        return *self.answered, *self.past, *self.known, *self.circles

    @property
    def circles(self) -> tuple[str, ...]:
        """The calendar's channels: sine and cosine of the hour's angle on a clock, and so on."""
        return tuple(f"{name} {wave}" for name in self.calendar for wave in ("sine", "cosine"))


def collected(table: Table, layout: Layout, grid: Frequency | str = "auto", is_asked: bool = False) -> Collection:
    """Returns the series of a table.

    Args:
        table: the rows.
        layout: what its columns are.
        grid: the grid that is known; or the words of one that is asked for, or auto.
        is_asked: whether a trained network is asked to go on with them: then what comes behind a series' end, and gaps
            that are older than a window, are no problem.

    Raises:
        KeyProblem: if a row cannot be used, each named by file and line.
    """
    frame = table.frame
    _check_columns(frame.columns, layout)
    if not layout.is_wide:
        codes, names = _series(table, layout)
        values = values_of(table, (*layout.targets, *layout.past, *layout.known))
        return _on_grid(table, layout, grid, codes, names, values, is_asked)
    wide = [values_of(table, (name, *layout.past, *layout.known)) for name in layout.targets]
    codes = np.repeat(np.arange(len(wide)), len(frame))
    return _on_grid(table, layout, grid, codes, layout.targets, np.concatenate(wide), is_asked)


def _check_columns(there: Sequence[str], layout: Layout) -> None:
    single = {"time": layout.time, "series": layout.series}
    asked = [*single.items(), *((key, name) for key, names in _lists(layout).items() for name in names)]
    for key, name in asked:
        if name is not None and name not in there:
            raise KeyProblem(key, f"is not a column of the table: {name!r}{suggestion(name, [*there])}")


def _lists(layout: Layout) -> dict[str, tuple[str, ...]]:
    return {"target": layout.targets, "past": layout.past, "known": layout.known}


def _series(table: Table, layout: Layout) -> tuple[np.ndarray, tuple[str, ...]]:
    """Returns which series each row is of, and their names, in the order in which they begin."""
    if layout.series is None:
        return np.zeros(len(table.frame), np.int64), ("",)
    column = as_text(table.frame[layout.series])
    _refuse(table, column.is_null().to_numpy(), "series", lambda _: f"{layout.series} is missing")
    names = column.unique(maintain_order=True)
    places = {name: place for place, name in enumerate(names.to_list())}
    return column.replace_strict(places).to_numpy().astype(np.int64), tuple(places)


def values_of(table: Table, names: Sequence[str]) -> np.ndarray:
    """Returns the numbers of some columns, (rows, columns), float64."""
    found = []
    for name in names:
        numbers = as_values(with_points(table.frame[name], are_decimal=False))
        stray = (numbers.is_null() & table.frame[name].is_not_null()).to_numpy()
        _refuse(table, stray, "path", partial(_no_number, table, name))
        found.append(numbers.to_numpy().astype(np.float64))
    return np.stack(found, axis=1) if found else np.zeros((len(table.frame), 0))


def _no_number(table: Table, name: str, row: int) -> str:
    return f"{name} must be a number, got {table.frame[name][row]!r}"


def _on_grid(
    table: Table,
    layout: Layout,
    grid: Frequency | str,
    codes: np.ndarray,
    names: tuple[str, ...],
    values: np.ndarray,
    is_asked: bool,
) -> Collection:
    """Puts rows on their places of the grid.

    Args:
        table: where messages point.
        layout: what the columns are.
        grid: as `collected` has it.
        codes: which series each row is of, (rows,); of several times the table's rows, one behind the other.
        names: of the series.
        values: (rows, columns).
        is_asked: as `collected` has it.
    """
    instants, are_numbers = times(table, layout)
    rows = np.arange(len(codes)) % len(instants)
    if (codes[1:] < codes[:-1]).any():  # else series stand one behind the other, and nothing is copied
        order = np.argsort(codes, kind="stable")
        codes, rows, values = codes[order], rows[order], values[order]
    instants = instants[rows]
    _check_order(table, layout, codes, rows, instants)
    is_next = codes[1:] == codes[:-1]
    gaps = np.diff(instants)[is_next]
    frequency = _frequency(grid, instants, gaps, are_numbers)
    refuse_rows(
        table, rows[~frequency.is_on(instants)], "frequency",
        lambda row: f"{table.frame[layout.time][row]} is not on the grid of times, {frequency.words}: resample, "
        "or set another frequency",
    )  # fmt: skip
    ordinals = frequency.ordinals(instants)
    starts = np.flatnonzero(np.append(True, codes[1:] != codes[:-1]))
    ends = np.append(starts[1:], len(codes))
    if not isinstance(grid, Frequency):
        _refuse_lost(layout, values, starts, ends, [names[code] for code in codes[starts]])
    if layout.on_gap == "error" and not is_asked:
        _refuse_gaps(table, layout, rows, codes, ordinals, values)
    firsts = ordinals[starts]
    lengths = ordinals[ends - 1] - firsts + 1
    if lengths.sum() > max(_EMPTY * len(codes), 1000):
        far = int(rows[1:][is_next][np.diff(ordinals)[is_next].argmax()])
        words = f"{table.place(far)}: its time is {np.diff(ordinals)[is_next].max():,} steps behind the one before"
        raise KeyProblem("time", f"leaves most of the grid, {frequency.words}, empty: {words}")
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    places = ordinals - np.repeat(firsts - offsets[:-1], ends - starts)
    circles = len(layout.circles)
    whole = np.full((offsets[-1], values.shape[1] + circles), np.nan, np.float32)
    whole[places, : values.shape[1]] = values
    of_step = np.full(offsets[-1], -1, np.int64)
    of_step[places] = rows
    known = tuple(names[code] for code in codes[starts])
    made = Collection(whole, offsets, firsts, known, of_step, frequency, layout.channels)
    if circles:
        whole[:, values.shape[1] :] = circles_of(layout, frequency, frequency.instants(made.ordinals))
    return _filled(made, layout, table, is_asked) if layout.on_gap == "fill" else made


def times(table: Table, layout: Layout) -> tuple[np.ndarray, bool]:
    """Returns the time of each row, microseconds since 1970, or the whole number in its place; and whether it is that.

    Raises:
        KeyProblem: if a row has none.
    """
    import polars as pl

    column = table.frame[layout.time]
    numbers = column.cast(pl.Float64, strict=False)
    if not numbers.null_count() and not are_instants(column) and not _are_days(column):
        stray = (numbers != numbers.round()).to_numpy() | (numbers.abs() > 2**53).to_numpy()
        _refuse(table, stray, "time", lambda row: f"{layout.time} must be a time or a whole number, got {column[row]}")
        return numbers.to_numpy().astype(np.int64), True
    distinct, places = _distinct(column) if layout.series is not None else (column, slice(None))
    days, seconds = _clocks(distinct)
    _refuse(
        table, np.isnan(days)[places], "time",
        lambda row: f"{layout.time} must be a date or time, such as 2020-12-31 23:59, or a whole number, "
        f"got {column[row]!r}",
    )  # fmt: skip
    clocks = days.astype(np.int64) * frequencies.DAY + np.rint(np.nan_to_num(seconds) * SECOND).astype(np.int64)
    if layout.zone is None or np.isnan(seconds).all():
        return clocks[places], False
    has_offset = (
        distinct.str.contains(_OFFSET).to_numpy()
        if distinct.dtype == pl.String
        else np.full(len(distinct), bool(distinct.dtype == pl.Datetime and distinct.dtype.time_zone))  # type: ignore[attr-defined]
    )
    return _of_zone(table, layout, clocks[places], has_offset[places]), False


def _distinct(column: pl.Series) -> tuple[pl.Series, np.ndarray]:
    """Returns the different values of a column, and which of them each is: many series have the same times."""
    import polars as pl

    distinct = column.unique().alias("value")
    numbered = pl.DataFrame([distinct]).with_row_index("place").lazy()
    rows = pl.DataFrame([column.alias("value")]).lazy()
    found = rows.join(numbered, on="value", how="left", nulls_equal=True, maintain_order="left").select("place")
    return distinct, found.collect()["place"].to_numpy()


def _clocks(column: pl.Series) -> tuple[np.ndarray, np.ndarray]:
    """Returns days since 1970 and seconds of the day, float64; NaN where there are none."""
    import polars as pl

    if column.dtype == pl.String:
        is_month, is_quarter = column.str.contains(_MONTH), column.str.contains(_QUARTER)
        if is_month.any():
            column = pl.select(pl.when(is_month).then(column + "-01").otherwise(column)).to_series()
        if is_quarter.any():
            found = column.str.extract_groups(_QUARTER).struct.unnest()
            starts = found["1"] + "-" + (found["2"].cast(pl.Int64) * 3 - 2).cast(pl.String).str.zfill(2) + "-01"
            column = pl.select(pl.coalesce(starts, column)).to_series()
    read = as_times(column, is_day_first(column))
    return read["days"].cast(pl.Float64).to_numpy(), read["seconds"].to_numpy()


def _are_days(column: pl.Series) -> bool:
    """Whether numbers are days written as 20200131."""
    text = as_text(column)
    return bool(text.str.contains(r"^(?:19|20)[0-9]{6}$").all())


def _of_zone(table: Table, layout: Layout, clocks: np.ndarray, has_offset: np.ndarray) -> np.ndarray:
    """Returns the instants of what clocks of the zone showed, unless they came with an offset."""
    codes, _ = (np.zeros(len(clocks), np.int64), ()) if layout.series is None else _series(table, layout)
    seen = np.lexsort((np.arange(len(clocks)), clocks, codes))
    again = np.zeros(len(clocks), bool)
    again[seen[1:]] = (clocks[seen[1:]] == clocks[seen[:-1]]) & (codes[seen[1:]] == codes[seen[:-1]])
    found = frequencies.instants_of(clocks, again, str(layout.zone))
    _refuse(
        table, found.is_null().to_numpy() & ~has_offset, "time_zone",
        lambda row: f"clocks of {layout.zone} never show {table.frame[layout.time][row]}: they were put forward",
    )  # fmt: skip
    return np.where(has_offset, clocks, found.fill_null(0).to_numpy())


def _check_order(table: Table, layout: Layout, codes: np.ndarray, rows: np.ndarray, instants: np.ndarray) -> None:
    is_next = codes[1:] == codes[:-1]
    gaps = np.diff(instants)
    before = dict(zip(rows[1:].tolist(), rows[:-1].tolist(), strict=True)) if (is_next & (gaps <= 0)).any() else {}
    column = table.frame[layout.time]
    refuse_rows(
        table, rows[1:][is_next & (gaps == 0)], "time",
        lambda row: f"{layout.time} {column[row]} is there twice, before at {table.place(before[row])}: keep one row"
        + ("" if layout.series else "; of several series, name the column that tells them apart: dataset.series"),
    )  # fmt: skip
    refuse_rows(
        table, rows[1:][is_next & (gaps < 0)], "time",
        lambda row: f"{layout.time} {column[row]} comes behind {column[before[row]]}: rows must be in order of time",
    )  # fmt: skip


def _frequency(grid: Frequency | str, instants: np.ndarray, gaps: np.ndarray, are_numbers: bool) -> Frequency:
    if isinstance(grid, Frequency):
        if are_numbers != (grid.unit == "numbers"):
            kinds = ("times", "whole numbers")
            raise KeyProblem("time", f"must be {kinds[not are_numbers]} as in training, got {kinds[are_numbers]}")
        return replace(frequencies.of(grid.unit, grid.step, instants), day=grid.day)
    if grid == "auto":
        if not len(gaps):
            raise KeyProblem("frequency", "cannot be found of a single time: set it, such as 1 hour")
        return frequencies.found_of(instants, gaps, are_numbers)
    if are_numbers:
        raise KeyProblem("frequency", "must be auto where whole numbers stand in place of times")
    unit, step = frequencies.parsed(grid)
    return frequencies.of(unit, step, instants)


def _refuse_lost(
    layout: Layout, values: np.ndarray, starts: np.ndarray, ends: np.ndarray, names: Sequence[str]
) -> None:
    """Raises KeyProblem where float32 loses what changes in a target; says so of covariates."""
    lost = lost_channels(lambda number: values[starts[number] : ends[number]], len(starts))
    for channel, number in lost.items():
        name = names[number] if layout.is_wide and not channel else layout.channels[channel]
        words = f"{name!r}{f' of series {names[number]!r}' * (layout.series is not None)} {LOSES}"
        if channel < len(layout.answered):
            raise KeyProblem("target", words)
        notice(words, is_warning=True)


def _refuse_gaps(
    table: Table,
    layout: Layout,
    rows: np.ndarray,
    codes: np.ndarray,
    ordinals: np.ndarray,
    values: np.ndarray,
) -> None:
    """Raises KeyProblem where steps are missing, or values between others of their column."""
    is_next = codes[1:] == codes[:-1]
    apart = np.diff(ordinals)
    wide = is_next & (apart > 1)
    missing = dict(zip(rows[1:][wide].tolist(), (apart[wide] - 1).tolist(), strict=True))
    column, advice = table.frame[layout.time], "on_gap: fill repeats the value before, split has no window across it"

    def steps(row: int) -> str:
        are = "steps are" if missing[row] > 1 else "step is"
        return f"{missing[row]:,} {are} missing before {column[row]}; {advice}"

    def lacks(name: str, row: int) -> str:
        return f"{name} is missing at {column[row]}; {advice}"

    refuse_rows(table, rows[1:][wide], "on_gap", steps)
    names = ("a target" if layout.is_wide else layout.targets[0], *layout.targets[1 : len(layout.answered)])
    for place, name in enumerate((*names, *layout.past, *layout.known)):
        inner = _inner(np.isfinite(values[:, place]), codes)
        refuse_rows(table, rows[inner], "on_gap", partial(lacks, name))


def _inner(is_known: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Returns which values are not known but have known ones before and behind them in their series."""
    if is_known.all():
        return ~is_known
    places = np.arange(len(codes))
    found = places[is_known]
    series = int(codes[-1]) + 1
    first, last = np.full(series, len(codes)), np.full(series, -1)
    np.minimum.at(first, codes[is_known], found)
    np.maximum.at(last, codes[is_known], found)
    return ~is_known & (places > first[codes]) & (places < last[codes])


def _filled(made: Collection, layout: Layout, table: Table, is_asked: bool) -> Collection:
    """Returns series in which what is missing has the value before it; nothing from behind it is used."""
    targets, columns = len(layout.answered), len(made.channels) - len(layout.circles)
    values, codes = made.values, made.series
    is_known = np.isfinite(values[:, :columns])
    inner = np.stack([_inner(is_known[:, place], codes) for place in range(columns)], axis=1)
    if not inner.any():
        return made
    places = np.arange(len(values))
    filled = values.copy()
    for column in range(columns):
        before = np.maximum.accumulate(np.where(is_known[:, column], places, -1))
        filled[inner[:, column], column] = values[before[inner[:, column]], column]
    count, first = int(inner.any(axis=1).sum()), int(np.flatnonzero(inner.any(axis=1))[0])
    row = int(made.rows[: first + 1].max())
    if not is_asked:
        notice(
            f"{count:,} of {len(values):,} steps were missing or lacked a value, and have the value before: the first "
            f"behind {table.place(row)}; what was filled in is not measured"
        )
    return replace(made, values=filled, filled=inner[:, :targets])


def refuse_values(table: Table, collection: Collection, feature: Series) -> None:
    """Raises KeyProblem where a target has a value that the feature's transform does not take."""
    targets = collection.values[:, : feature.targets]
    steps, channels = np.nonzero(feature.refused(targets) & (collection.rows >= 0)[:, None])
    rows = collection.rows[steps]

    def why(row: int) -> str:
        place = np.flatnonzero(rows == row)[0]
        series = np.searchsorted(collection.offsets, steps[place], side="right") - 1
        name = collection.names[series] if feature.layout.is_wide else collection.channels[channels[place]]
        return f"{name} is {targets[steps[place], channels[place]]:g}, {feature.refusal}"

    refuse_rows(table, np.unique(rows), "transform", why)


def circles_of(layout: Layout, frequency: Frequency, instants: np.ndarray) -> np.ndarray:
    """Returns sine and cosine of the hour, the weekday and the month of times, (times, 2 * parts), float32."""
    if frequency.unit == "numbers":
        raise KeyProblem("calendar", f"needs dates or times, the column {layout.time} has whole numbers")
    found = frequencies.calendar(instants, layout.zone)
    angles = [2 * np.pi * found[name] / _CIRCLES[name] for name in layout.calendar]
    waves = [wave(angle) for angle in angles for wave in (np.sin, np.cos)]
    return np.stack(waves, axis=1).astype(np.float32)


def _refuse(table: Table, is_bad: np.ndarray, key: str, why: Callable[[int], str]) -> None:
    refuse_rows(table, np.flatnonzero(is_bad), key, why)


def refuse_rows(table: Table, bad: np.ndarray, key: str, why: Callable[[int], str]) -> None:
    """Raises KeyProblem, which names the first of some rows, if there are any."""
    if not len(bad):
        return
    shown = "\n".join(f"{table.place(row)}: {why(row)}" for row in bad[:SHOWN].tolist())
    more = f"\n... and {len(bad) - SHOWN:,} more" if len(bad) > SHOWN else ""
    raise KeyProblem(key, f"cannot be used as the table stands:\n{shown}{more}")
