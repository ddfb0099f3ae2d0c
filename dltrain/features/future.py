"""Steps that are to be forecast."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

from dltrain.data.feature import Encoded, Feature, shortened, statistic
from dltrain.features._channels import EXTREME
from dltrain.features._series.windows import Windows
from dltrain.lazy import np
from dltrain.registry import FEATURES

if TYPE_CHECKING:
    from dltrain.figures.page import Panel


@FEATURES.register("future")
class Future(Feature):
    """The steps behind a window, (horizon, targets), float32, in the targets' units; NaN where one was not measured.

    Args:
        horizon: how many steps.
        names: of the targets.
        mean: of each over the train part.
        deviation: likewise; 1 where it is constant.
    """

    task: ClassVar[str] = "forecasting"
    plural: ClassVar[str] = "steps to forecast"
    may_lack: ClassVar[bool] = True

    horizon: int = 1
    names: tuple[str, ...] = ()
    mean: tuple[float, ...] | None = statistic(None)
    deviation: tuple[float, ...] | None = statistic(None)

    @property
    def shape(self) -> tuple[int, int]:
        """(horizon, targets)."""
        return self.horizon, len(self.names)

    def adapt(self, pieces: Iterable[np.ndarray]) -> Self:
        """Returns the feature with mean and deviation of each target."""
        values = np.concatenate([np.asarray(piece).reshape(-1, len(self.names)) for piece in pieces]).astype(np.float64)
        known = np.isfinite(values)
        counts = np.maximum(known.sum(axis=0), 1)
        mean = np.where(known, values, 0).sum(axis=0) / counts
        deviation = np.sqrt((np.where(known, values - mean, 0) ** 2).sum(axis=0) / counts)
        deviation = np.where(deviation > 0, deviation, 1.0)
        return self.replaced(mean=tuple(mean.tolist()), deviation=tuple(deviation.tolist()))

    def mismatch(self, other: Feature) -> str | None:
        """Returns that other steps are forecast; none where they are the same."""
        if not isinstance(other, Future):
            return f"it forecasts {self.plural}, got {other.plural or other.registered_name}"
        if (self.horizon, self.names) == (other.horizon, other.names):
            return None
        mine, others = (f"{each.horizon} steps of {', '.join(each.names[:10])}" for each in (self, other))
        return f"it forecasts {mine}, got {others}"

    def encode(self, raws: Sequence[Any]) -> Encoded:
        """Returns lists of steps, each an object of a number, or none, for each target."""
        rows: list[np.ndarray] = []
        problems = {}
        for place, raw in enumerate(raws):
            if not isinstance(raw, list) or len(raw) != self.horizon:
                problems[place] = f"must be a list of {self.horizon} steps, got {shortened(raw)}"
            elif wrong := [step for step in raw if not isinstance(step, dict) or not self._are_numbers(step)]:
                problems[place] = f"each step must be an object of {', '.join(self.names)}, got {shortened(wrong[0])}"
            else:
                of_steps = [[step[name] for name in self.names] for step in raw]
                rows.append(np.array([[np.nan if each is None else each for each in step] for step in of_steps]))
        stored = np.stack(rows).astype(np.float32) if rows else np.zeros((0, *self.shape), np.float32)
        return Encoded(stored, problems)

    def _are_numbers(self, step: Mapping[str, Any]) -> bool:
        most = float(np.finfo("f").max)
        return all(
            name in step
            and (
                step[name] is None
                or (
                    isinstance(step[name], int | float) and not isinstance(step[name], bool) and abs(step[name]) <= most
                )
            )
            for name in self.names
        )

    def decode(self, stored: Any) -> list[list[dict[str, float | None]]]:
        """Returns lists of steps, each a number by target; none for what was not measured."""
        rows = np.asarray(stored[:]).astype(np.float64).tolist()
        return [
            [{name: value if value == value else None for name, value in zip(self.names, step, strict=True)}
             for step in row]
            for row in rows
        ]  # fmt: skip

    @property
    def caption(self) -> str:
        """What is forecast."""
        return ", ".join(self.names)

    def words(self, stored: Any) -> list[str]:
        """Returns the first and the last step in one line."""
        from dltrain.wording import number

        found = []
        for row in np.asarray(stored[:]):
            ends = (", ".join(map(number, row[place])) for place in ((0, -1) if self.horizon > 1 else (0,)))
            found.append(" to ".join(ends))
        return found

    def fault(self, stored: Any) -> str | None:
        """Returns that there are more or fewer steps or targets than the feature has."""
        if tuple(stored.shape[1:]) != self.shape:
            return f"targets must be {self.shape[0]} steps of {self.shape[1]}, got {list(stored.shape[1:])}"
        return None

    def panels(self, parts: Mapping[str, Any]) -> Sequence[Panel]:
        """Returns the series with their parts, and what repeats itself in the train part."""
        from dltrain.features._series.drawing import of_parts

        return of_parts(self.names, parts) if isinstance(next(iter(parts.values())), Windows) else []

    def describe(self, preprocessed: bool = False) -> list[str]:
        """Returns what is forecast."""
        return [f"{self.horizon} steps of {self.caption} to forecast", f"(steps, targets): {', '.join(self.names)}."]

    def corners(self) -> list[np.ndarray]:
        """Returns zeros, and values far from the mean."""
        mean, deviation = (
            np.array(self.mean or [0.0] * len(self.names)),
            np.array(self.deviation or [1.0] * len(self.names)),
        )
        rows = (np.zeros(self.shape), np.broadcast_to(mean + EXTREME * deviation, self.shape))
        return [row.astype(np.float32) for row in rows]
