"""Numbers to predict."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

from dltrain.data.feature import Encoded, Feature, fitted, shortened, statistic
from dltrain.data.finding import Finding
from dltrain.data.statistics import Moments, statistics_of
from dltrain.features._channels import EXTREME
from dltrain.lazy import np
from dltrain.registry import FEATURES

if TYPE_CHECKING:
    from dltrain.data.parts import Parts
    from dltrain.figures.page import Panel


@dataclass(frozen=True)
class Number:
    """One of them.

    Args:
        name: what it is called.
        mean: over the train part.
        standard_deviation: likewise; 1 where it is constant.
    """

    name: str
    mean: float = 0.0
    standard_deviation: float = 1.0


@FEATURES.register("numbers")
class Numbers(Feature):
    """One or several numbers in units of their own, float32.

    Args:
        names: what they are called.
        mean: of each over the train part; none before it is known.
        standard_deviation: likewise; 1 where it is constant.
    """

    task: ClassVar[str] = "regression"
    plural: ClassVar[str] = "numbers"

    names: tuple[str, ...] = fitted(())
    mean: tuple[float, ...] | None = statistic(None)
    standard_deviation: tuple[float, ...] | None = statistic(None)

    @property
    def shape(self) -> tuple[int]:
        """How many numbers there are."""
        return (len(self.names),)

    def adapt(self, pieces: Iterable[np.ndarray]) -> Self:
        """Returns the feature with mean and deviation of each number."""
        mean, deviation = statistics_of(pieces, len(self.names))
        return self.replaced(mean=mean, standard_deviation=deviation)

    def mismatch(self, other: Feature) -> str | None:
        """Returns that the numbers are others; none where they are the same."""
        if not isinstance(other, Numbers):
            return f"it predicts {self.plural}, got {other.plural}"
        if self.names == other.names:
            return None
        mine, others = (", ".join(each.names[:10]) for each in (self, other))
        return f"it predicts {mine}, got {others}"

    @property
    def each(self) -> tuple[Number, ...]:
        """The numbers one by one."""
        return tuple(map(Number, self.names, self.offsets, self.scales))

    @property
    def offsets(self) -> list[float]:
        """The mean of each number; 0 before it is known."""
        return list(self.mean or (0.0,) * len(self.names))

    @property
    def scales(self) -> list[float]:
        """The standard deviation of each number; 1 before it is known."""
        return list(self.standard_deviation or (1.0,) * len(self.names))

    def fault(self, stored: Any) -> str | None:
        """Returns that there are more or fewer numbers than the feature has."""
        if stored.shape[1:] != self.shape:
            return f"targets must be {self.shape[0]} numbers each, got {list(stored.shape[1:])}"
        return None

    def encode(self, raws: Any) -> Encoded:
        """Returns numbers that are given by name; an example without one of them cannot be used."""
        rows, problems = [], {}
        for place, raw in enumerate(raws):
            if not isinstance(raw, Mapping):
                problems[place] = f"must be an object of {', '.join(self.names)}, got {shortened(raw)}"
            elif missing := [name for name in self.names if not _is_number(raw.get(name))]:
                problems[place] = f"{missing[0]} must be a number, got {shortened(raw.get(missing[0]))}"
            else:
                rows.append([raw[name] for name in self.names])
        return Encoded(np.array(rows, np.float32).reshape(-1, len(self.names)), problems)

    def decode(self, stored: Any) -> list[dict[str, float]]:
        """Returns the numbers by name."""
        rows = np.asarray(stored).astype(np.float64).tolist()
        return [dict(zip(self.names, row, strict=True)) for row in rows]

    @property
    def has_columns(self) -> bool:
        """Always."""
        return True

    def column(self, index: int) -> str:
        """Returns what a number is called in messages."""
        return f"target {self.names[index]!r}"

    def moments(self) -> list[Moments]:
        """Returns mean and deviation of each number."""
        values = zip(self.offsets, self.scales, strict=True)
        return [Moments(self.column(index), *pair) for index, pair in enumerate(values)]

    def statistics(self, stored: Any) -> dict[str, dict[str, float]]:
        """Returns mean, deviation and range of each number by its name."""
        return {
            name: {
                "mean": float(values.mean(dtype=float)),
                "standard_deviation": float(values.std(dtype=float)),
                "minimum": float(values.min()),
                "maximum": float(values.max()),
            }
            for name, values in zip(self.names, np.asarray(stored).T, strict=True)
        }

    def identity(self) -> tuple[str, ...]:
        """Returns nothing: the values alone count."""
        return ()

    def findings(self, parts: Parts, brief: bool) -> Iterable[Finding]:
        """Returns numbers that are always the same."""
        values = parts["train"]
        same = np.flatnonzero((values == values[0]).all(axis=0)).tolist()
        if same:
            yield Finding(
                "constant target",
                "warning",
                f"{len(same)} targets are the same in all training examples: nothing can be learnt",
                tuple(f"{self.column(index)}: {values[0, index]:g}" for index in same),
                "check dataset.target and dataset.split",
            )

    @property
    def caption(self) -> str:
        """What the numbers are called."""
        return ", ".join(self.names)

    def words(self, stored: Any) -> list[str]:
        """Returns the numbers of each example in one line."""
        from dltrain.wording import number

        return [", ".join(number(value) for value in values) for values in np.asarray(stored)]

    def panels(self, parts: Mapping[str, Any]) -> Sequence[Panel]:
        """Returns how each of the first numbers is distributed, in each part."""
        from dltrain.figures.distributions import MOST_HISTOGRAMS, compared

        return [
            compared(f"To predict: {each.name}", {part: stored[:, place] for part, stored in parts.items()},
                     each.mean, each.standard_deviation)
            for place, each in enumerate(self.each[:MOST_HISTOGRAMS])
        ]  # fmt: skip

    def describe(self, preprocessed: bool = False) -> list[str]:
        """Returns what is to be predicted, and the place of each number."""
        from dltrain.report.markdown import table

        people = f"{len(self.names)} numbers to predict" if len(self.names) > 1 else f"{self.caption} to predict"
        return [people, *table(("place", "target"), list(enumerate(self.names)))]

    def corners(self) -> list[np.ndarray]:
        """Returns zeros, and numbers far from the mean."""
        mean, deviation = np.array(self.offsets), np.array(self.scales)
        rows = (np.zeros(self.shape), mean - EXTREME * deviation, mean + EXTREME * deviation)
        return [row.astype(np.float32) for row in rows]


def _is_number(value: Any) -> bool:
    """Whether a value is a number that float32 can hold."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= float(np.finfo("f").max)
