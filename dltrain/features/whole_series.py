"""Whole series, each an example."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from dltrain.data.feature import Encoded, Feature, Notice, Plain, fitted, shape_words, shortened, statistic
from dltrain.data.noticing import notice
from dltrain.data.ragged import Ragged
from dltrain.data.statistics import SAMPLE, spaced
from dltrain.features._arrays.encoding import LOSES
from dltrain.features._channels import EXTREME, Channels
from dltrain.features._series.large_numbers import lost_channels
from dltrain.lazy import np
from dltrain.registry import FEATURES

if TYPE_CHECKING:
    from dltrain.data.finding import Finding
    from dltrain.data.parts import Parts
    from dltrain.data.proposal import Entries, Keys, Proposal
    from dltrain.data.request import Reader
    from dltrain.data.showing import Shown
    from dltrain.figures.page import Panel

Scaling = Literal["train", "series"]
OnMissing = Literal["error", "fill"]

COMPARED = 128
"""Steps by which series are compared, whatever their length."""


@FEATURES.register("whole_series")
class WholeSeries(Channels):
    """A series from its first step to its last, of which something is asked as a whole.

    A stored value is (steps, channels), float32. In a batch, shorter series are filled up with NaN behind their end:
    `present` says which steps there are, and what `preprocess` makes of the others is 0.

    Raw values are lists of numbers, of one channel; lists of steps, each a list of a number for each channel; or
    objects of a list for each channel, by its name. A number that is missing is null.

    Args:
        steps: how many each has; none where lengths differ.
        channels: how many numbers a step has.
        names: of the channels; empty where they have none.
        step_names: of the columns of a table whose rows are series; empty where it is none.
        scaling: train, by mean and deviation of each channel over the train part; series, by those of each series.
        on_missing: error, or fill: a straight line between the neighbours takes the place of numbers that are missing,
            at the ends of a series its nearest number.
        within: where `scaling` is series, the root mean square over the series of the train part of each channel's
            deviation in a series; 1 where it is constant.
    """

    padding: ClassVar[float] = float("nan")
    _channel: ClassVar[str] = "channel"

    steps: int | None = None
    channels: int = 1
    names: tuple[str, ...] = fitted(())
    step_names: tuple[str, ...] = fitted(())
    scaling: Scaling = "train"
    on_missing: OnMissing = "error"
    within: tuple[float, ...] | None = statistic(None)

    @property
    def shape(self) -> tuple[int | None, int]:
        """(steps, channels)."""
        return self.steps, self.channels

    def adapt(self, pieces: Any) -> Self:
        """Returns the feature with mean and deviation of each channel, and the longest series."""
        values = (piece.values if isinstance(piece, Ragged) else piece for piece in pieces)
        found = super().adapt(values).replaced(lengths=Feature.adapt(self, pieces).lengths)
        if self.scaling == "train":
            return found
        variances = [np.asarray(each, np.float64).var(axis=0) for piece in pieces for each in piece]
        within = np.sqrt(np.mean(variances, axis=0)) if variances else np.ones(self.channels)
        return found.replaced(within=tuple(np.where(within > 0, within, 1.0).tolist()))

    def present(self, x: Any, name: str = "mask") -> Any:
        """Returns which steps there are, (batch, steps), bool; none where all series are of one length."""
        from dltrain.layers.series_scaling import StepMask

        return StepMask(name=name)(x) if self.steps is None else None

    def preprocess(self, x: Any, name: str = "normalization") -> Any:
        """Returns series with mean 0 and deviation 1 of each channel; 0 behind their end."""
        from dltrain.layers.series_scaling import SeriesScaling

        if self.steps is not None and self.scaling == "train":
            return super().preprocess(x, name)
        is_own = self.scaling == "series"
        mean, deviation = list(self._means), list((self.within if is_own else None) or self._deviations)
        return SeriesScaling(mean, deviation, is_own, name=name)(x)

    @property
    def _means(self) -> Sequence[float]:
        return self.mean or (0.0,) * self.channels

    @property
    def _deviations(self) -> Sequence[float]:
        return self.standard_deviation or (1.0,) * self.channels

    @property
    def _names(self) -> tuple[str, ...]:
        return self.names

    def unnormalized(self) -> tuple[Self, Any] | None:
        """Returns none where a series has its own scale, or lengths differ."""
        return super().unnormalized() if self.steps is not None and self.scaling == "train" else None

    @property
    def averaging_problem(self) -> str | None:
        """Why there is nothing between two series; none where all are of one length."""
        return "series of different length" if self.steps is None else None

    def encode(self, raws: Sequence[Any]) -> Encoded:
        """Returns series as arrays, with notices of what was filled in."""
        rows, problems = [], {}
        notices: dict[int, str | Sequence[str]] = {}
        for place, raw in enumerate(raws):
            try:
                row = self._checked(self._array(raw))
                missing = np.isnan(row)
                if missing.any():
                    notices[place] = self._filled(row, missing)
            except ValueError as error:
                problems[place] = str(error)
                notices.pop(place, None)
                continue
            rows.append(row)
        if self.steps is None:
            return Encoded(Ragged.of(rows, np.float32, (self.channels,)), problems, notices)
        stored = np.stack(rows) if rows else np.zeros((0, self.steps, self.channels), np.float32)
        return Encoded(stored, problems, notices)

    def _array(self, raw: Any) -> np.ndarray:
        """Returns a raw value as (steps, channels), float64, NaN where a number is missing.

        Raises:
            ValueError: if it is none.
        """
        if isinstance(raw, Mapping):
            if absent := [name for name in self.names if name not in raw]:
                raise ValueError(f"has no {', '.join(absent)}")
            if not self.names:
                raise ValueError(f"must be {self._wanted}, got an object")
            lengths = {name: len(raw[name]) if isinstance(raw[name], list) else None for name in self.names}
            if len({*lengths.values()}) > 1 or None in lengths.values():
                raise ValueError(f"must be an object of equally long lists, {', '.join(self.names)}")
            raw = [*zip(*(raw[name] for name in self.names), strict=True)]
        if not isinstance(raw, list | np.ndarray) or not len(raw):
            raise ValueError(f"must be {self._wanted}, got {shortened(raw)}")
        try:
            array = np.array(raw)
            if array.dtype.kind not in "iufO":  # texts and truth values are no numbers
                raise ValueError
            array = array.astype(np.float64)
        except (ValueError, TypeError, OverflowError):
            raise ValueError(f"must be {self._wanted}") from None
        if array.ndim == 1 and self.channels == 1:
            array = array[:, None]
        if array.ndim != 2 or array.shape[1] != self.channels:
            raise ValueError(f"must be {self._wanted}, got shape {shape_words(array.shape)}")
        return array

    def _checked(self, array: np.ndarray) -> np.ndarray:
        """Returns the same as float32.

        Raises:
            ValueError: if it is of another length, or holds what float32 cannot.
        """
        if self.steps is not None and len(array) != self.steps:
            raise ValueError(f"must have {self.steps:,} steps, as all series of the train part, got {len(array):,}")
        with np.errstate(over="ignore"):
            row = array.astype(np.float32)
        if np.isinf(row).any():
            step, channel = np.argwhere(np.isinf(row))[0]
            words = "is infinite, or beyond float32, which ends at 3.4e38"
            raise ValueError(f"{self._place(step, channel)} {words}")
        return row

    def _filled(self, row: np.ndarray, missing: np.ndarray) -> Notice:
        """Draws straight lines in place of what is missing; says how much that is.

        Raises:
            ValueError: if nothing is to be filled in, or a channel has no number.
        """
        if self.on_missing == "error":
            step, channel = np.argwhere(missing)[0]
            words = "to draw a line between its neighbours, set dataset.on_missing: fill"
            raise ValueError(f"{self._place(step, channel)} is missing; {words}")
        places = np.arange(len(row))
        for channel, absent in enumerate(missing.T):
            if absent.all():
                raise ValueError(f"{self.column(channel)} has no number")
            if absent.any():
                row[absent, channel] = np.interp(places[absent], places[~absent], row[~absent, channel])
        count = int(missing.sum())
        kind = "they lie on a line between their neighbours"
        if missing[[0, -1]].any():
            kind += ", at the ends on the nearest number"
        return Notice(f"{count:,} of {row.size:,} numbers were missing: {kind}", f"numbers that were missing: {kind}")

    def _place(self, step: int, channel: int) -> str:
        return f"step {step + 1}" + (f" of {self.column(channel)}" if self.channels > 1 else "")

    @property
    def _wanted(self) -> str:
        """What a raw value must be."""
        length = "" if self.steps is None else f"{self.steps:,} "
        if self.channels == 1:
            return f"a list of {length}numbers"
        return f"a list of {length}steps of {self.channels} numbers"

    def decode(self, stored: Any) -> list[Any]:
        """Returns series as lists of steps, each a list of numbers."""
        return [np.asarray(each).tolist() for each in stored]

    def column(self, index: int) -> str:
        """Returns what a channel is called in messages."""
        return self.names[index] if self.names else f"channel {index + 1}"

    def identity(self) -> Sequence[str]:
        """Returns the names of the channels."""
        return self.names

    def reader(self) -> Reader:
        """Returns what reads .ts files, arrays, and lists of numbers in requests."""
        from dltrain.features._series.whole_reader import WholeSeriesReader

        return WholeSeriesReader(self)

    def signature(self) -> Plain:
        """Returns length, channels and scaling."""
        return {
            "name": self.registered_name,
            "steps": self.steps,
            "channels": self.channels,
            "names": [*self.names],
            "scaling": self.scaling,
        }

    def difference(self, other: Any) -> str:
        """Returns which of these differs."""
        if self.names != other.names:
            mine, others = (", ".join(each.names[:10]) or "no names" for each in (self, other))
            return f"channels {mine}, got {others}"
        return f"series with scaling {self.scaling}, got {other.scaling}"

    def vectors(self, stored: Any) -> np.ndarray:
        """Returns series of one length, in the scale that a network sees, (examples, numbers), float32."""
        steps = min(self.max_shape[0], COMPARED)
        mean, deviation = (np.array(each, np.float64) for each in (self._means, self._deviations))
        floor = 1e-3 * np.array(self.within or self._deviations)
        found = np.empty((len(stored), steps, self.channels), np.float32)
        for place, each in enumerate(stored):
            x = np.asarray(each, np.float64)
            if self.scaling == "series":
                mean, own = x.mean(axis=0), x.std(axis=0)
                x = (x - mean) / np.maximum(own, floor)
            else:
                x = (x - mean) / deviation
            at = np.linspace(0, len(x) - 1, steps)
            found[place] = np.stack([np.interp(at, np.arange(len(x)), column) for column in x.T], axis=1)
        return found.reshape(len(stored), -1)

    def findings(self, parts: Parts, brief: bool) -> Iterable[Finding]:
        """Returns series and channels that never change, and a test part that is unlike the train part."""
        from dltrain.features._series.whole_findings import findings

        return findings(self, parts, brief)

    def words(self, stored: Any) -> list[str]:
        """Returns the length and the range of each series."""
        from dltrain.wording import number

        return [f"{len(each):,} steps, {number(np.min(each))} to {number(np.max(each))}" for each in stored]

    def show(self, stored: Any, weights: Any = None, like: Any = None) -> list[Shown]:
        """Returns the channels of each series as lines over its steps."""
        from dltrain.data.showing import Lines

        weights = [None] * len(stored) if weights is None else weights
        found = (np.asarray(each, np.float64) for each in stored)
        return [
            Lines(each[:, 0] if self.channels == 1 else each, "steps", of_steps)
            for each, of_steps in zip(found, weights, strict=True)
        ]

    def panels(self, parts: Mapping[str, Any]) -> Sequence[Panel]:
        """Returns how the values of each channel are distributed in the first part; and how long series are."""
        from dltrain.figures.distributions import channels, compared

        part, stored = next(iter(parts.items()))
        values = stored.values if isinstance(stored, Ragged) else np.asarray(stored)
        found = channels(self._channel, values, part, self.mean, self.standard_deviation, self.names)
        if self.steps is not None:
            return found
        lengths = {name: each.lengths for name, each in parts.items()}
        first = lengths[part]
        return [compared("Steps of a series", lengths, float(first.mean()), float(first.std())), *found]

    def describe(self, preprocessed: bool = False) -> list[str]:
        """Returns how long series are, the order of their channels, and how they are scaled."""
        from dltrain.report.markdown import table

        length = f"{self.steps:,} steps" if self.steps is not None else f"up to {self.max_shape[0]:,} steps"
        of_channels = f"{self.channels} channel{'s' * (self.channels > 1)}"
        more = "" if self.steps else " In a batch, shorter series are filled up with NaN behind their end."
        named = ["", *table(("channel", "name"), [*enumerate(self.names)])] if self.names else []
        scale = (
            ["", "The network itself scales each series by its own mean and standard deviation."]
            if self.scaling == "series"
            else self._normalization(preprocessed)
        )
        return [
            f"whole series, {length} of {of_channels}",
            f"(steps, channels) numbers in their own units, the first step first.{more}",
            *named,
            *scale,
        ]

    def request_schema(self) -> dict[str, Any]:
        """Returns the schema of a list of numbers, or of steps."""
        number: dict[str, Any] = {"type": ["number", "null"] if self.on_missing == "fill" else "number"}
        step = number
        if self.channels > 1:
            step = {"type": "array", "items": number, "minItems": self.channels, "maxItems": self.channels}
        sides = {} if self.steps is None else {"minItems": self.steps, "maxItems": self.steps}
        words = self._wanted
        if self.names and self.channels > 1:
            words += f", {', '.join(self.names)}; or an object of a list of numbers for each of these"
        return {"type": "array", "items": step, **sides, "description": words}

    def corners(self) -> list[np.ndarray]:
        """Returns zeros, the mean throughout, and values far from it; where lengths differ, one step alone too."""
        mean, deviation = (np.array(each) for each in (self._means, self._deviations))
        longest = self.max_shape[0]
        waves = EXTREME * deviation * np.where(np.arange(longest) % 2, 1, -1)[:, None]
        rows = [np.zeros((longest, self.channels)), np.broadcast_to(mean, (longest, self.channels)), mean + waves]
        rows += [mean[None] + deviation] if self.steps is None else []
        return [row.astype(np.float32) for row in rows]

    def starter(self, examples: Proposal) -> dict[str, Keys | Entries]:
        """Returns the network that `init` writes."""
        advice = "or resnet_1d, lstm, gru: dltrain list model"
        rate: Keys = {"learning_rate": (0.001, "the peak; the first thing to try others of")}
        return {"model": {"name": ("inception_time", advice)}, "optimizer": rate}


def of_arrays(rows: Sequence[np.ndarray], **fields: Any) -> WholeSeries:
    """Returns the feature that some series are of, (steps, channels) each: fixed where all are equally long."""
    lengths = {len(row) for row in rows}
    made = WholeSeries(steps=lengths.pop() if len(lengths) == 1 else None, channels=rows[0].shape[1], **fields)
    some = rows if made.scaling == "series" else [np.concatenate([rows[place] for place in spaced(len(rows), SAMPLE)])]
    for channel in lost_channels(some.__getitem__, len(some)):
        notice(f"{made.column(channel)} {LOSES}", is_warning=True)
    return made
