"""Windows of time series."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self

from dltrain.data.feature import Encoded, Feature, Plain, shape_words, shortened, statistic, tupled, typed
from dltrain.data.transforms import NOT_NEGATIVE, Transform, transformed, undone
from dltrain.features._arrays.encoding import ArrayEncoding
from dltrain.features._channels import EXTREME
from dltrain.features._series.ends import UNDATED, facts, of_objects
from dltrain.features._series.frequency import Frequency
from dltrain.features._series.tables import Layout
from dltrain.lazy import keras, np
from dltrain.registry import FEATURES

if TYPE_CHECKING:
    from dltrain.data.finding import Finding
    from dltrain.data.parts import Parts
    from dltrain.data.proposal import Entries, Keys, Proposal
    from dltrain.data.request import Reader
    from dltrain.data.showing import Shown
    from dltrain.figures.page import Panel

Scaling = Literal["standard", "last_value", "none"]


@FEATURES.register("series")
class Series(Feature):
    """A window of a series: the steps before a forecast, and what is known ahead of the steps that it is of.

    A stored value is (window, channels), float32; where channels are known ahead, (window + horizon, channels), whose
    last `horizon` rows have these alone, and 0 for all others. Channels are in the order of `channels`: targets first,
    then past covariates, then those that are known ahead.

    What a network may ask: behind `preprocess` a window is (window, `model_shape[1]`), the channels in their order,
    and behind them those that are known ahead once more, as they are `horizon` steps later: so any network over steps,
    from the past alone, knows what is ahead. `targets` says how many channels, the first ones, are forecast; `ahead`
    how many steps are known ahead; `known_ahead(inputs)` has what is known of each step of the forecast by itself. The
    targets are in the scale of their window, which `data.head(x, inputs)` undoes: see `Forecasting.head` for the shapes
    of x.

    Raw values are lists of steps, each an object of a value for each column; or nested lists as `decode` returns them.

    Args:
        window: steps of the past.
        horizon: steps that are forecast; 0 where none are, and a window is classified.
        layout: what the columns of a table are.
        frequency: the grid of times.
        scaling: of targets: standard, by mean and deviation of the window; last_value, by its last value; none, by
            mean and deviation of the train part. Covariates are always scaled by those of the train part.
        transform: of targets, before they are scaled: none, sqrt, log1p or symlog.
        season: steps after which the targets repeat themselves most; 1 for none that was found.
        mean: of each channel over the train part; of targets that are transformed, as all that follows.
        deviation: likewise; 1 where it is constant.
        spread: of each target, the deviation of a window's values from its last one.
        floor: of each target, the least that a window's deviation counts as: a tenth of the median window's.
    """

    window: int = 1
    horizon: int = 0
    layout: Layout = Layout()
    frequency: Frequency = Frequency()
    scaling: Scaling = "standard"
    transform: Transform = "none"
    season: int = statistic(1)
    mean: tuple[float, ...] | None = statistic(None)
    deviation: tuple[float, ...] | None = statistic(None)
    spread: tuple[float, ...] | None = statistic(None)
    floor: tuple[float, ...] | None = statistic(None)

    @property
    def channels(self) -> tuple[str, ...]:
        """What a step consists of."""
        return self.layout.channels

    @property
    def targets(self) -> int:
        """How many channels are forecast, the first ones."""
        return len(self.layout.answered)

    @property
    def known(self) -> int:
        """How many channels are known ahead, the last ones."""
        return len(self.layout.known) + len(self.layout.circles)

    @property
    def ahead(self) -> int:
        """Steps behind the window of which something is known: the horizon, or 0."""
        return self.horizon if self.known else 0

    @property
    def shape(self) -> tuple[int, int]:
        """(window, channels), or (window + horizon, channels)."""
        return self.window + self.ahead, len(self.channels)

    @property
    def model_shape(self) -> tuple[int, int]:
        """(window, channels and those known ahead)."""
        return self.window, len(self.channels) + self.known

    def preprocess(self, x: Any, name: str = "normalization") -> Any:
        """Returns windows in their own scale, (batch, *model_shape)."""
        from dltrain.layers.window_scaling import WindowScaling

        return WindowScaling(**self._scale, name=name)(x)

    def known_ahead(self, inputs: Any) -> Any:
        """Returns what is known of each step that is forecast, (batch, horizon, known); asked only where `known`."""
        from dltrain.layers.window_scaling import KnownAhead

        return KnownAhead(**self._scale, name="known_ahead")(inputs)

    def in_units(self, outputs: Any, inputs: Any) -> Any:
        """Returns outputs in the scale of their windows, (batch, horizon, targets, outputs), in the targets' units."""
        from dltrain.layers.window_scaling import WindowUnits

        return WindowUnits(**self._scale, name="units")(outputs, inputs)

    def moments_of(self, x: Any) -> tuple[Any, Any]:
        """Returns what is subtracted from the targets of windows, and their scale, each (batch, 1, targets)."""
        from dltrain.layers.window_scaling import WindowScaling

        return WindowScaling(**self._scale).moments(x)

    def transformed(self, values: Any) -> Any:
        """Returns targets, or outputs, in the scale of the transform, in which the loss is taken."""
        return transformed(values, self.transform, keras.ops)

    def refused(self, targets: np.ndarray) -> np.ndarray:
        """Returns which values of targets the transform does not take."""
        return targets < 0 if self.transform in NOT_NEGATIVE else np.zeros(targets.shape, bool)

    @property
    def refusal(self) -> str:
        """Why it does not take them, behind the value."""
        return f"but transform: {self.transform} takes values of 0 or more; use symlog, which takes all, or none"

    @property
    def _scale(self) -> dict[str, Any]:
        """The arguments of layers that scale."""
        channels, targets = len(self.channels), self.targets
        return {
            "window": self.window,
            "targets": targets,
            "known": self.known,
            "scaling": self.scaling,
            "mean": [*(self.mean or (0.0,) * channels)],
            "deviation": [*(self.deviation or (1.0,) * channels)],
            "spread": [*(self.spread or (1.0,) * targets)],
            "floor": [*(self.floor or (1e-6,) * targets)],
            "transform": self.transform,
        }

    def adapt(self, pieces: Any) -> Self:
        """Returns the feature with means and deviations of windows of the train part, and of what is in them."""
        windows = np.concatenate([np.asarray(piece) for piece in pieces]).astype(np.float64)
        windows[..., : self.targets] = transformed(windows[..., : self.targets], self.transform, np)
        past, known = windows[:, : self.window], len(self.channels) - self.known
        own = past.reshape(-1, len(self.channels))
        mean, deviation = own.mean(axis=0), own.std(axis=0)
        if self.known:
            whole = windows[..., known:].reshape(-1, self.known)
            mean[known:], deviation[known:] = whole.mean(axis=0), whole.std(axis=0)
        targets = past[..., : self.targets]
        spread = np.sqrt(((targets - targets[:, -1:]) ** 2).mean(axis=(0, 1)))
        of_windows = targets.std(axis=1)
        floor = 0.1 * np.where(
            np.median(of_windows, axis=0) > 0, np.median(of_windows, axis=0), of_windows.mean(axis=0)
        )
        deviation, spread, floor = (np.where(each > 0, each, 1.0) for each in (deviation, spread, floor))
        fields = {"mean": mean, "deviation": deviation, "spread": spread, "floor": floor}
        return self.replaced(**{name: tuple(values.tolist()) for name, values in fields.items()})

    def encode(self, raws: Sequence[Any]) -> Encoded:
        """Returns windows: the last steps of lists of objects, or nested lists of numbers as they are."""
        rows, times, names = [], [], []
        problems: dict[int, str] = {}
        for place, raw in enumerate(raws):
            if not isinstance(raw, list) or not raw:
                problems[place] = f"must be a list of steps, got {shortened(raw)}"
                continue
            if isinstance(raw[0], list):
                encoded = ArrayEncoding(self.shape).encode([raw])
                if encoded.problems:
                    problems[place] = encoded.problems[0]
                    continue
                own = encoded.stored[0, : self.window, : self.targets]
                if (refused := self.refused(own)).any():
                    problems[place] = f"has {own[refused][0]:g} among its targets, {self.refusal}"
                    continue
                found = [(row, UNDATED, "") for row in encoded.stored]
            else:
                try:
                    found = [of_objects(self, raw)]
                except ValueError as error:
                    problems[place] = str(error)
                    continue
            for row, time, name in found:
                rows.append(row)
                times.append(time)
                names.append(name)
        stored = np.stack(rows).astype(np.float32) if rows else np.zeros((0, *self.shape), np.float32)
        return Encoded(stored, problems, metadata=facts(times, names))

    def decode(self, stored: Any) -> list[Any]:
        """Returns windows as nested lists of numbers, (window, channels)."""
        return list(np.asarray(stored[:]).tolist())

    def reader(self) -> Reader:
        """Returns what reads tables of steps, and lists of steps in requests."""
        from dltrain.features._series.reader import SeriesReader

        return SeriesReader(self)

    def signature(self) -> Plain:
        """Returns shape, channels and scaling, and how far apart steps are."""
        return {
            "name": self.registered_name,
            "window": self.window,
            "horizon": self.horizon,
            "channels": [*self.channels],
            "targets": self.targets,
            "known": self.known,
            "scaling": self.scaling,
            "transform": self.transform,
            "step": [self.frequency.unit, self.frequency.step],
        }

    def difference(self, other: Any) -> str:
        """Returns which of these differs."""
        mine, others = self.signature(), other.signature()
        key = next(key for key in mine if mine[key] != others[key])
        if key == "step":
            return f"steps of {self.frequency.words}, got {other.frequency.words}"
        return f"series with {key} {mine[key]}, got {others[key]}"

    def findings(self, parts: Parts, brief: bool) -> Iterable[Finding]:
        """Returns constant series, sudden changes of level, covariates that are the target, and strange test parts."""
        from dltrain.features._series.findings import findings

        return findings(self, parts, brief)

    def words(self, stored: Any) -> list[str]:
        """Returns the last values of each target in one line."""
        from dltrain.wording import number

        lasts = np.asarray(stored[:])[:, self.window - 1, : self.targets]
        return [", ".join(f"{number(value)}" for value in row) + " at last" for row in lasts]

    def show(self, stored: Any, weights: Any = None, like: Any = None) -> list[Shown]:
        """Returns the targets of each window as lines."""
        from dltrain.data.showing import Lines

        values = np.asarray(stored[:])[:, : self.window, : self.targets].astype(np.float64)
        return [Lines(each[:, 0] if self.targets == 1 else each) for each in values]

    def panels(self, parts: Mapping[str, Any]) -> Sequence[Panel]:
        """Returns how the values of each channel are distributed in the first part."""
        from dltrain.figures.distributions import channels

        part, values = next(iter(parts.items()))
        past = np.asarray(values[:])[:, : self.window]
        statistics = (self.mean, self.deviation) if self.transform == "none" else (None, None)
        return channels("channel", past, part, *statistics, self.channels)

    def describe(self, preprocessed: bool = False) -> list[str]:
        """Returns how long windows are, and the order of their channels."""
        from dltrain.report.markdown import table

        roles = ["target"] * self.targets + ["past"] * len(self.layout.past) + ["known ahead"] * self.known
        ahead = (
            f" The last {self.ahead} steps are those of the forecast: channels that are known ahead have their values "
            "there, all others are 0."
            if self.ahead
            else ""
        )
        return [
            f"windows of {self.window} steps, {self.frequency.words}, {len(self.channels)} channels",
            f"{shape_words(self.shape, ' x ')} numbers in their own units, the oldest step first.{ahead} "
            "The network itself scales them, and answers in the targets' units.",
            "",
            *table(("channel", "name", "role"), [*zip(range(len(roles)), self.channels, roles, strict=True)]),
        ]

    def request_schema(self) -> dict[str, Any]:
        """Returns the schema of a list of steps."""
        layout = self.layout
        named = {name: {"type": ["number", "null"]} for name in (*layout.answered, *layout.past, *layout.known)}
        step = {"type": "object", "properties": {layout.time: {"type": ["string", "number"]}, **named}}
        words = f"a list of {self.window} steps or more: objects of {', '.join([layout.time, *named])}"
        if layout.known:
            words += f"; then {self.horizon} more with {', '.join(layout.known)} alone"
        return {"type": "array", "items": step, "description": words}

    def corners(self) -> list[np.ndarray]:
        """Returns zeros, the same value throughout, and values far from the mean."""
        mean, deviation = (np.array(self._scale[name]) for name in ("mean", "deviation"))
        waves = EXTREME * deviation * np.where(np.arange(self.shape[0]) % 2, 1, -1)[:, None]
        found = [np.zeros(self.shape, np.float32)]
        for row in (np.broadcast_to(mean, self.shape), mean + waves):
            targets = undone(row[:, : self.targets], self.transform, np)
            targets = np.where(self.refused(targets), 0, targets)
            found.append(np.concatenate([targets, row[:, self.targets :]], axis=1).astype(np.float32))
        for row in found:
            row[self.window :, : len(self.channels) - self.known] = 0
        return found

    def starter(self, examples: Proposal) -> dict[str, Keys | Entries]:
        """Returns the network that `init` writes."""
        advice = "DLinear; or nbeats, tcn, patch_tst, gru: dltrain list model"
        rate: Keys = {"learning_rate": (0.001, "the peak; the first thing to try others of")}
        return {"model": {"name": ("linear_forecast", advice)}, "optimizer": rate}

    @classmethod
    def of_plain(cls, fields: Mapping[str, Any]) -> Feature:
        """Returns the feature whose fields were written as JSON.

        Raises:
            TypeError: if they are not those of this version.
        """
        given = {key: value for key, value in fields.items() if key != "name"}
        for key, kind in (("layout", Layout), ("frequency", Frequency)):
            if not isinstance(given.get(key), Mapping):
                raise TypeError(f"{key} is of another type")
            given[key] = kind(**{name: tupled(value) for name, value in given[key].items()})
        return typed(cls(**{key: value if dataclasses.is_dataclass(value) else tupled(value)
                            for key, value in given.items()}))  # fmt: skip
