"""How far apart the steps of a series are: found of its times, and told; times <-> whole numbers of steps."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from dltrain.lazy import np

if TYPE_CHECKING:
    import polars as pl

SECOND = 1_000_000
"""Microseconds: instants are whole numbers of these since 1970."""
DAY = 86_400 * SECOND

Unit = Literal["months", "microseconds", "numbers"]

_UNITS: dict[str, tuple[Unit, int]] = {
    "second": ("microseconds", SECOND),
    "minute": ("microseconds", 60 * SECOND),
    "hour": ("microseconds", 3600 * SECOND),
    "day": ("microseconds", DAY),
    "week": ("microseconds", 7 * DAY),
    "month": ("months", 1),
    "quarter": ("months", 3),
    "year": ("months", 12),
}
_CYCLES = {
    ("months", 1): (12,),
    ("months", 3): (4,),
    ("microseconds", DAY): (7, 365),
    ("microseconds", 7 * DAY): (52,),
    ("microseconds", 3600 * SECOND): (24, 168),
    ("microseconds", 1800 * SECOND): (48, 336),
    ("microseconds", 900 * SECOND): (96, 672),
    ("microseconds", 600 * SECOND): (144,),
    ("microseconds", 60 * SECOND): (60, 1440),
}
"""Steps of a year, a week, a day: where a season is looked for first."""


@dataclass(frozen=True)
class Frequency:
    """A grid of times, a step apart.

    Args:
        unit: what is counted: months; microseconds; or the whole numbers that stand in place of times.
        step: how many of these a step is.
        phase: what is left of a time of the grid, in these, when it is divided by the step.
        day: of the month, where months are counted; 0 for the last one.
        offset: microseconds from midnight, where months are counted.
    """

    unit: Unit = "numbers"
    step: int = 1
    phase: int = 0
    day: int = 1
    offset: int = 0

    @property
    def words(self) -> str:
        """How far apart steps are, such as "1 hour"."""
        if self.unit == "numbers":
            return f"{self.step} apart"
        names = [name for name, (unit, size) in _UNITS.items() if unit == self.unit and self.step % size == 0]
        if not names:
            return f"{self.step / SECOND:g} seconds"
        name = names[-1]
        count = self.step // _UNITS[name][1]
        return f"{count} {name}{'s' * (count > 1)}"

    @property
    def cycles(self) -> tuple[int, ...]:
        """Steps of a year, a week or a day, as far as people live by them; empty where they do not."""
        return _CYCLES.get((self.unit, self.step), ())

    def ordinals(self, instants: np.ndarray) -> np.ndarray:
        """Returns how many steps each time is from the grid's first, rounded down.

        Args:
            instants: microseconds since 1970, or the numbers in place of times, int64.
        """
        return (self._counted(instants) - self.phase) // self.step

    def is_on(self, instants: np.ndarray) -> np.ndarray:
        """Returns which times are on the grid."""
        found = self._counted(instants) % self.step == self.phase
        if self.unit != "months":
            return found
        months, days, rest = _dates(instants)
        wanted = np.minimum(self.day, _last_days(months)) if self.day else _last_days(months)
        return found & (days == wanted) & (rest == self.offset)

    def instants(self, ordinals: np.ndarray) -> np.ndarray:
        """Returns the times of steps: the way back of `ordinals`."""
        counted = np.asarray(ordinals, np.int64) * self.step + self.phase
        if self.unit != "months":
            return counted
        last = _last_days(counted)
        days = np.minimum(self.day, last) if self.day else last
        firsts = (counted - 1970 * 12).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
        return (firsts + days - 1) * DAY + self.offset

    def after(self, instants: np.ndarray, count: int) -> np.ndarray:
        """Returns some times and those of the steps behind each, (times, count), on the grid that each is on itself."""
        instants = np.asarray(instants, np.int64)
        steps = self.step * np.arange(count)
        if self.unit != "months":
            return instants[:, None] + steps
        months, days, rest = _dates(instants)
        later = months[:, None] + steps
        wanted = np.where(self.day == 0, 31, np.maximum(days, self.day))[:, None]
        firsts = (later - 1970 * 12).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
        return (firsts + np.minimum(wanted, _last_days(later)) - 1) * DAY + rest[:, None]

    def _counted(self, instants: np.ndarray) -> np.ndarray:
        return _dates(instants)[0] if self.unit == "months" else np.asarray(instants, np.int64)


def parsed(words: str) -> tuple[Unit, int]:
    """Returns unit and step of words such as "15 minutes".

    Raises:
        ValueError: if they are none.
    """
    found = re.fullmatch(rf"(?:([1-9][0-9]{{0,8}}) )?({'|'.join(_UNITS)})s?", words)
    if not found:
        raise ValueError(f"must be auto or such as 1 hour, 15 minutes, 1 month, got {words!r}")
    unit, size = _UNITS[found[2]]
    return unit, int(found[1] or 1) * size


def found_of(instants: np.ndarray, gaps: np.ndarray, are_numbers: bool) -> Frequency:
    """Finds the grid that times are on: the commonest step between neighbours, which divides most others.

    Args:
        instants: microseconds since 1970, or the numbers in place of times, in order within each series.
        gaps: between neighbours of one series, each above 0.
        are_numbers: whether they are no times.
    """
    step = _commonest(gaps)
    if are_numbers:
        return Frequency("numbers", step, int(instants[0]) % step)
    is_long = len(gaps) and step >= 28 * DAY
    months, days, rest = _dates(instants if is_long else instants[:0])
    if is_long and (rest == rest[0]).all():
        last = _last_days(months)
        largest = int(days.max())
        for day in (int(days[0]), largest, 0):
            wanted = np.minimum(day, last) if day else last
            if (days == wanted).all():
                order = np.diff(months)
                count = _commonest(order[order > 0])
                return Frequency("months", count, int(months[0]) % count, day, int(rest[0]))
    return Frequency("microseconds", step, int(instants[0]) % step)


def of(unit: Unit, step: int, instants: np.ndarray) -> Frequency:
    """Returns the grid of a step that was asked for, as the first time has it.

    Args:
        unit: what is counted.
        step: how many.
        instants: the times; one at least.
    """
    if unit != "months":
        return Frequency(unit, step, int(instants[0]) % step)
    months, days, rest = _dates(instants)
    is_last = bool((days == _last_days(months)).all()) and len(np.unique(days)) > 1
    day = 0 if is_last else int(days.max())
    return Frequency("months", step, int(months[0]) % step, day, int(rest[0]))


def texts(frequency: Frequency, instants: np.ndarray, zone: str | None = None) -> list[str]:
    """Returns times as people write them: ISO 8601, with the offset where a zone is known."""
    if frequency.unit == "numbers":
        return [str(number) for number in instants.tolist()]
    if zone is not None:
        import polars as pl

        local = pl.Series(instants, dtype=pl.Int64).cast(pl.Datetime("us", "UTC")).dt.convert_time_zone(zone)
        return [each.isoformat() for each in local.to_list()]
    is_day = bool((instants % DAY == 0).all()) and frequency.step % (1 if frequency.unit == "months" else DAY) == 0
    stamps = instants.astype("datetime64[us]").astype("datetime64[D]" if is_day else "datetime64[s]")
    return [str(stamp) for stamp in stamps]


def calendar(instants: np.ndarray, zone: str | None) -> dict[str, np.ndarray]:
    """Returns hour (0 to below 24), weekday (0 is Monday) and month (0 is January) of times, as clocks have them.

    Args:
        instants: microseconds since 1970.
        zone: whose clocks; none for those that wrote the times.
    """
    if zone is not None:
        instants = local(instants, zone)
    months, _, rest = _dates(instants)
    return {
        "hour": rest / (3600 * SECOND),
        "weekday": (instants // DAY + 3) % 7,
        "month": months % 12,
    }


def local(instants: np.ndarray, zone: str) -> np.ndarray:
    """Returns what clocks of a zone show at some instants, as if it were UTC."""
    import polars as pl

    found = pl.Series(instants, dtype=pl.Int64).cast(pl.Datetime("us", "UTC")).dt.convert_time_zone(zone)
    return found.dt.replace_time_zone(None).dt.timestamp("us").to_numpy()


def instants_of(clocks: np.ndarray, is_second: np.ndarray, zone: str) -> pl.Series:
    """Returns the instants at which clocks of a zone show some times; null where none does, in spring.

    Args:
        clocks: what they show, as if it were UTC, in microseconds.
        is_second: whether a time that they show twice, in autumn, is meant for the second time.
        zone: whose clocks.
    """
    import polars as pl

    which = pl.Series(np.where(is_second, "latest", "earliest"))
    shown = pl.DataFrame({"clock": pl.Series(clocks, dtype=pl.Int64).cast(pl.Datetime("us")), "which": which})
    found = shown.select(pl.col("clock").dt.replace_time_zone(zone, ambiguous=pl.col("which"), non_existent="null"))
    return found.to_series().dt.convert_time_zone("UTC").dt.timestamp("us")


def _dates(instants: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns months since the year 0, day of the month, and microseconds since midnight."""
    instants = np.asarray(instants, np.int64)
    days = instants // DAY
    stamps = days.astype("datetime64[D]")
    months = stamps.astype("datetime64[M]")
    return months.astype(np.int64) + 1970 * 12, (stamps - months).astype(np.int64) + 1, instants - days * DAY


def _last_days(months: np.ndarray) -> np.ndarray:
    """Returns how many days months have."""
    firsts = (np.asarray(months, np.int64) - 1970 * 12).astype("datetime64[M]")
    return ((firsts + 1).astype("datetime64[D]") - firsts.astype("datetime64[D]")).astype(np.int64)


def _commonest(gaps: np.ndarray) -> int:
    if not len(gaps):
        return 1
    values, counts = np.unique(gaps, return_counts=True)
    return int(values[counts.argmax()])
