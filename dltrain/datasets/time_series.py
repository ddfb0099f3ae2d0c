"""Series in a table: long, a row per step, or wide, a column per series."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from dltrain.data import PARTS, DataSpec, Features, Provenance, Split, Splits
from dltrain.data.noticing import notice
from dltrain.data.proposal import Proposal
from dltrain.data.size_limit import SizeLimit
from dltrain.data.transforms import Transform
from dltrain.datasets._sources.whole import Whole
from dltrain.datasets._tables.time_series_proposal import series_table
from dltrain.errors import KeyProblem
from dltrain.features._series import frequency as frequencies
from dltrain.features._series.season import season_of
from dltrain.features._series.tables import Layout, OnGap, collected, refuse_values
from dltrain.features._series.windows import Collection, Windows
from dltrain.features._tables.encoding import MISSING
from dltrain.features._tables.files import matching, read
from dltrain.features.future import Future
from dltrain.features.series import Scaling, Series
from dltrain.fields import HeldOut, PositiveInt, parse_fold
from dltrain.lazy import np
from dltrain.registry import DATASETS

if TYPE_CHECKING:
    from dltrain.data.request import Reader

HeldBack = HeldOut | PositiveInt | str
"""What is held back at the end: a share, a number of steps, or a date."""


@dataclass(frozen=True)
class _Cuts:
    """From which step of the grid on each part has its targets, and where the last one ends.

    Args:
        begin: of the train part.
        validation: the first of the validation part.
        test: the first of the test part.
        end: behind the last.
    """

    begin: int
    validation: int
    test: int
    end: int

    @property
    def parts(self) -> dict[str, tuple[int, int]]:
        """First step, and the one behind the last, of each part that has any."""
        bounds = (self.begin, self.validation, self.test, self.end)
        found = zip(PARTS, zip(bounds[:-1], bounds[1:], strict=True), strict=True)
        return {part: span for part, span in found if span[0] < span[1]}


@DATASETS.register("time_series")
class TimeSeries(Whole):
    """Series to forecast, in a table: CSV, TSV, Parquet or JSON lines, one file or several by a pattern.

    In long form a row is a step of a series; in wide form a step of all of them, each a column. Times are dates, times
    or whole numbers, in their order and at equal distances, which are found and said. An example is a window of the
    past and the `horizon` behind it. The parts follow each other in time: no target is in two parts, while the window
    before a target may reach into the part before. Everything is learnt from the train part. Windows are gathered from
    the series when they are needed: thousands take no more memory than the series.

    Args:
        path: the file, relative to the config's folder; or a pattern, such as data/*.csv, for files with the same
            columns, whose rows are in the order of time when the files are in that of their names.
        time: the column of times.
        target: the column to forecast, or a list; in wide form the series, none for all columns that are nothing else.
        form: long or wide.
        series: the column that says which series a row is of; none where there is one.
        past: columns that are known up to now, and may help to forecast the target.
        known: columns that are known ahead, such as holidays; `predict` needs their values for the steps to forecast.
        calendar: hour, weekday, month, made of the time; each is an angle on a clock's face.
        window: steps of the past that a forecast is made from.
        horizon: steps that are forecast.
        stride: steps from one window to the next, counted from the end of each part.
        frequency: auto, or how far apart steps are, such as 1 hour, 15 minutes, 1 month.
        time_zone: whose clocks times without an offset are of, such as Europe/Berlin: then an hour that clocks show
            twice in autumn, or never in spring, is no fault, and the calendar is theirs; none where that does not
            matter.
        on_gap: what happens where steps or values are missing: error names them; fill repeats the value before, and
            never measures what was filled in; split has no window across them.
        scaling: of the target in each window, undone in the outputs: standard, by mean and deviation of the window, so
            that series of any size count the same; last_value, by its last value and one deviation for all series, that
            of windows from their last value in the train part, so that a window's own spread says something: for series
            of like size; none, by mean and deviation of the train part, for series of one level.
        transform: of the target, before it is scaled, undone in the outputs: sqrt, for counts, which vary the more the
            larger they are; log1p, where values vary in proportion to their size; symlog, log1p of the size with the
            sign, for values of both signs; none. The loss is taken of transformed values, forecasts and metrics are in
            the target's units. A forecast may be negative even where no value may.
        season: steps after which the series repeat themselves, for the seasonal naive forecast and mase; auto finds it,
            none longer than the window.
        delimiter: the character that separates the fields of a CSV file; auto infers it from the header.
        encoding: character encoding of a CSV or JSON lines file.
        missing_values: texts that mean a missing value.
        max_megabytes: the most that a file may have, as in the dataset csv.
        test: what is held out for testing at the end: a share of the steps, a number of steps (24), or the date of its
            first target (2020-01-31).
        validation: likewise, of what is before the test part.
    """

    test_fraction: ClassVar[HeldOut] = 0.0  # type: ignore[misc]
    validation_fraction: ClassVar[HeldOut] = 0.0  # type: ignore[misc]
    split_seed: ClassVar[int] = 0  # type: ignore[misc]

    path: Path
    time: str = "time"
    target: str | tuple[str, ...] | None = None
    form: Literal["long", "wide"] = "long"
    series: str | None = None
    past: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    calendar: tuple[Literal["hour", "weekday", "month"], ...] = ()
    window: PositiveInt
    horizon: PositiveInt
    stride: PositiveInt = 1
    frequency: str = "auto"
    time_zone: str | None = None
    on_gap: OnGap = "error"
    scaling: Scaling = "standard"
    transform: Transform = "none"
    season: PositiveInt | Literal["auto"] = "auto"
    delimiter: str = "auto"
    encoding: str = "utf-8"
    missing_values: tuple[str, ...] = MISSING
    max_megabytes: PositiveInt | None = None
    test: HeldBack = 0.2
    validation: HeldBack = 0.1

    def __post_init__(self) -> None:
        if self.form == "long" and not self._targets:
            raise KeyProblem("target", "must name the column to forecast, or a list, unless form is wide")
        if self.form == "wide" and self.series is not None:
            raise KeyProblem("series", "must be none in wide form, where each column is a series")
        named = {self.time: "time"}
        of_series = () if self.series is None else (self.series,)
        for key, names in (
            ("series", of_series),
            ("target", self._targets),
            ("past", self.past),
            ("known", self.known),
        ):
            for name in names:
                if name in named:
                    raise KeyProblem(key, f"names {name!r}, which is already in {named[name]}")
                named[name] = key
        if len(set(self.calendar)) < len(self.calendar):
            raise KeyProblem("calendar", "must name each part once")
        if (self.known or self.calendar) and self.window < self.horizon:
            raise KeyProblem(
                "window",
                f"must be at least the horizon, {self.horizon}, where columns are known ahead, got {self.window}",
            )
        if self.frequency != "auto":
            try:
                frequencies.parsed(self.frequency)
            except ValueError as error:
                raise KeyProblem("frequency", str(error)) from None
        if self.time_zone is not None and not _is_zone(self.time_zone):
            raise KeyProblem("time_zone", f"must be a zone such as Europe/Berlin, got {self.time_zone!r}")
        if self.season != "auto" and self.season > self.window:
            raise KeyProblem("season", f"must be at most the window, {self.window}, got {self.season}")

    @property
    def _targets(self) -> tuple[str, ...]:
        return () if self.target is None else (self.target,) if isinstance(self.target, str) else self.target

    @classmethod
    def proposed(cls, path: Path, target: str | None) -> Proposal | None:
        """Proposes the block that reads series; none where the path is no table with a column of times in order."""
        return series_table(path, target, cls, MISSING)

    @classmethod
    def fractions(cls) -> dict[str, str]:
        """Returns the keys that hold something back, by part."""
        return {"test": "test", "validation": "validation"}

    def fold(self, part: str, number: int, count: int) -> dict[str, Any]:
        """Returns the key that holds out one of several stretches with rolling origin.

        The time is divided into one stretch more than there are folds: fold 1 holds out the second of them and is
        trained on the first, fold 2 holds out the third and is trained on the first two, and so on; what is behind the
        held-out one is not used.
        """
        return {part: f"fold {number} of {count}"}

    def reader(self, spec: DataSpec) -> Reader:
        """Returns a reader of series that a trained network goes on with."""
        from dltrain.features._series.reader import SeriesReader

        limit = SizeLimit(self.max_megabytes)
        return SeriesReader(spec.input, self.delimiter, self.encoding, self.missing_values, limit)

    def files(self) -> list[Path]:
        """Returns the file, or those that the pattern matches."""
        return matching(self.path)

    def splits(self, like: DataSpec | None) -> Splits:
        """Returns the parts, each windows of the series.

        Raises:
            ValueError: if the series cannot be used.
        """
        limit = SizeLimit(self.max_megabytes)
        table = read(self.path, self.delimiter, self.encoding, self.missing_values, skip=False, limit=limit)
        layout = self._layout(table.frame.columns)
        grid = self.frequency if like is None else like.input.frequency
        collection = collected(table, layout, grid)
        if like is None:
            notice(_found(collection))
        cuts = self._cuts(collection, len(layout.answered))
        collection = replace(collection, parts=cuts.parts)
        if like is None:
            most = max(self.window, 2)
            season = season_of(collection, cuts.validation, len(layout.answered), most)
            season = season if self.season == "auto" else self.season
            feature = Series(
                window=self.window, horizon=self.horizon, layout=layout, frequency=collection.frequency,
                scaling=self.scaling, transform=self.transform, season=season,
            )  # fmt: skip
            target = Future(horizon=self.horizon, names=layout.answered)
            if self.season == "auto":
                notice(f"season: {season} steps" if season > 1 else "season: none was found")
        else:
            feature, target = like.input, like.target
        refuse_values(table, collection, feature)
        place = replace(table, frame=table.frame.clear()).place  # which keeps no values
        del table
        parts = self._parts(collection, feature, cuts, place)
        train = parts.pop("train")
        spec = DataSpec(Features.of(feature), Features.of(target)) if like is None else like
        return Splits(spec, train, **parts).with_statistics(like)

    def _layout(self, columns: list[str]) -> Layout:
        others = {self.time, *self.past, *self.known}
        targets = self._targets or tuple(name for name in columns if name not in others)
        if not targets:
            raise KeyProblem(
                "target", f"must name a column to forecast, {self.path.name} has none beside {self.time!r}"
            )
        return Layout(
            self.time, targets, self.past, self.known, self.calendar, self.series, self.form == "wide",
            self.time_zone, self.on_gap,
        )  # fmt: skip

    def _cuts(self, collection: Collection, targets: int) -> _Cuts:
        """Returns where the parts begin: the same time in all series."""
        ordinals = collection.ordinals
        measured = ordinals[np.isfinite(collection.values[:, :targets]).any(axis=1)]
        if not len(measured):
            raise KeyProblem("target", "has no value at all")
        begin, end = int(measured.min()), int(measured.max()) + 1
        end, test = self._held_back("test", collection, begin, end)
        test, validation = self._held_back("validation", collection, begin, test)
        if validation <= begin:
            raise KeyProblem("test", "and validation leave nothing for training")
        return _Cuts(begin, validation, test, end)

    def _held_back(self, key: str, collection: Collection, begin: int, end: int) -> tuple[int, int]:
        """Returns where a part ends, and where it begins."""
        asked = getattr(self, key)
        if isinstance(asked, str):
            if asked.startswith("fold "):
                number, count = parse_fold(asked)
                bounds = [begin + (end - begin) * place // (count + 1) for place in range(count + 2)]
                return bounds[number + 1], bounds[number]
            return end, min(max(self._step_of(key, asked, collection), begin), end)
        steps = asked if isinstance(asked, int) else round(asked * (end - begin))
        return end, end - steps

    def _step_of(self, key: str, text: str, collection: Collection) -> int:
        """Returns the first step of the grid that is not before a date."""
        import polars as pl

        from dltrain.features._tables.times import as_times

        read_ = as_times(pl.Series([text]))
        if read_["days"][0] is None or collection.frequency.unit == "numbers":
            raise KeyProblem(
                key,
                f"must be a share, a number of steps, or a date such as 2020-01-31 of series with times, got {text!r}",
            )
        seconds = read_["seconds"][0] or 0.0
        instant = np.array([int(read_["days"][0]) * frequencies.DAY + round(seconds * frequencies.SECOND)])
        if self.time_zone is not None:
            instant = frequencies.instants_of(instant, np.array([False]), self.time_zone).to_numpy()
        found = int(collection.frequency.ordinals(instant)[0])
        on_time = int(collection.frequency.instants(np.array([found]))[0]) >= int(instant[0])
        return found if on_time else found + 1

    def _parts(self, collection: Collection, feature: Series, cuts: _Cuts, place: Any) -> dict[str, Any]:
        """Returns the windows of each part."""
        origins = self._origins(collection, feature)
        ordinals = collection.ordinals[origins]
        if not len(origins):
            self._refuse_short(collection)
        series, errors = collection.series, naive_errors(collection, feature, cuts.validation)
        names = np.empty(len(collection.names), object)
        names[:] = collection.names
        blank = len(feature.channels) - feature.known
        parts: dict[str, Any] = dict.fromkeys(PARTS)
        for part, (first, end) in cuts.parts.items():
            inside = (ordinals >= first) & (ordinals + self.horizon <= end)
            inside &= (end - self.horizon - ordinals) % self.stride == 0
            own = origins[inside]
            if not len(own):
                key = part if part != "train" else "test"
                steps = f"{end - first:,} step{'s' * (end - first > 1)}"
                hint = f"window and horizon need {self.window + self.horizon}" if part == "train" else "make it longer"
                raise KeyProblem(
                    key if part != "train" else "window",
                    f"leaves the {part} part no window: it has {steps}, the horizon is {self.horizon}; {hint}",
                )
            starts = own - self.window
            inputs = Windows(
                collection, starts, feature.shape[0], feature.shape[1],
                self.window if feature.ahead else None, blank,
            )  # fmt: skip
            targets = Windows(collection, own, self.horizon, feature.targets, as_measured=True)
            instants = collection.frequency.instants(collection.ordinals[own])
            metadata = {"time": instants, "series": names[series[own]], "naive_error": errors[series[own]]}
            parts[part] = Split(inputs, targets, None, Provenance(place, collection.rows[own]), metadata)
        return parts

    def _origins(self, collection: Collection, feature: Series) -> np.ndarray:
        """Returns the steps with which a forecast may begin: there is a window before them, and a horizon behind."""
        values, window, horizon = collection.values, self.window, self.horizon
        steps = len(values)
        known = np.isfinite(values)
        is_target = known[:, : feature.targets]
        if collection.filled is not None:
            is_target = is_target & ~collection.filled
        needed = is_target.any(axis=1) if self.on_gap == "fill" else is_target.all(axis=1)
        before, behind = known.all(axis=1), known[:, : feature.targets].all(axis=1)
        if feature.known:
            behind &= known[:, values.shape[1] - feature.known :].all(axis=1)

        def counts(flags: np.ndarray) -> np.ndarray:
            return np.concatenate([[0], np.cumsum(flags)])

        first = np.repeat(collection.offsets[:-1], np.diff(collection.offsets))
        last = np.repeat(collection.offsets[1:], np.diff(collection.offsets))
        found = np.arange(steps)
        found = found[(found - window >= first) & (found + horizon <= last)]
        for flags, start, end, least in (
            (before, -window, 0, window),
            (behind, 0, horizon, horizon),
            (needed, 0, horizon, 1 if self.on_gap == "fill" else horizon),
        ):
            summed = counts(flags)
            found = found[summed[found + end] - summed[found + start] >= least]
        return found

    def _refuse_short(self, collection: Collection) -> None:
        lengths = np.diff(collection.offsets)
        longest = int(lengths.argmax())
        name = f"the longest series, {collection.names[longest]!r}," if len(lengths) > 1 else "the series"
        raise KeyProblem(
            "window",
            f"and horizon need {self.window} + {self.horizon} steps in a row without a gap, {name} has "
            f"{lengths[longest]:,} steps",
        )


def naive_errors(collection: Collection, feature: Series, end: int) -> np.ndarray:
    """Returns how wrong the value a season before is in the train part of each series: what mase divides by.

    Args:
        collection: the series.
        feature: with the season.
        end: the step of the grid behind the train part.

    Returns:
        (series, targets), float32; NaN where there is none, or it is 0.
    """
    found = np.full((len(collection.names), feature.targets), np.nan, np.float32)
    for number in range(len(found)):
        where = collection.before(number, end)
        values = collection.values[where, : feature.targets].astype(np.float64)
        if collection.filled is not None:
            values[collection.filled[where]] = np.nan
        errors = np.abs(values[feature.season :] - values[: max(len(values) - feature.season, 0)])
        counts = np.isfinite(errors).sum(axis=0)
        sums = np.where(np.isfinite(errors), errors, 0).sum(axis=0)
        usable = (counts > 0) & (sums > 0)
        found[number, usable] = sums[usable] / counts[usable]
    return found


def _found(collection: Collection) -> str:
    lengths = np.diff(collection.offsets)
    count = len(lengths)
    words = f"steps are {collection.frequency.words}" + (" apart" if collection.frequency.unit != "numbers" else "")
    ends = collection.frequency.instants(np.array([collection.ordinals.min(), collection.ordinals.max()]))
    first, last = frequencies.texts(collection.frequency, ends)
    of_series = (
        f"{count:,} series of {lengths.min():,} to {lengths.max():,} steps" if count > 1 else f"{lengths[0]:,} steps"
    )
    return f"{words}: {of_series}, {first} to {last}"


def _is_zone(name: str) -> bool:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    if not re.fullmatch(r"[A-Za-z0-9_+\-/]{1,64}", name):
        return False
    try:
        return bool(ZoneInfo(name))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
