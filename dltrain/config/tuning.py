"""The `tune` block: what `dltrain tune` searches, how, and for how long."""

import math
from dataclasses import dataclass
from typing import Any, Literal

from dltrain.errors import KeyProblem
from dltrain.fields import PositiveFloat, PositiveInt


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """The values to try for a key: numbers from `low` to `high`, or one of `choices`.

    Args:
        low: the smallest value; where both ends are whole numbers, only whole numbers are tried.
        high: the largest value, included.
        log: sample evenly on a logarithmic scale, as suits learning rates.
        step: distance between two values; none for any value, or for 1 between whole numbers.
        choices: the values to choose from, of any kind.
        when: use this key only in trials in which other keys of the space, listed before it, have these values: one
            value or a list.
    """

    low: int | float | None = None
    high: int | float | None = None
    log: bool = False
    step: int | PositiveFloat | None = None
    choices: tuple[Any, ...] = ()
    when: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        if self.choices:
            given = [key for key in ("low", "high", "log", "step") if getattr(self, key) not in (None, False)]
            if given:
                raise KeyProblem(given[0], "must not be given together with choices")
            if any(self.choices.count(each) > 1 for each in self.choices):
                raise KeyProblem("choices", "must not contain a value twice")
            return
        if self.low is None or self.high is None:
            key = "choices" if self.low is None and self.high is None else "low" if self.low is None else "high"
            what = "choices, or low and high" if key == "choices" else "a number"
            raise KeyProblem(key, f"is missing: give {what}")
        if not self.low < self.high:
            raise KeyProblem("low", f"must be below high, {self.high}, got {self.low}")
        if self.log and self.low <= 0:
            raise KeyProblem("low", f"must be above 0 on a logarithmic scale, got {self.low}")
        if self.step is not None:
            if self.log:
                raise KeyProblem("step", "must not be given together with log")
            if self.step <= 0 or self.step > self.high - self.low:
                raise KeyProblem(
                    "step", f"must be above 0 and at most high - low, {self.high - self.low:g}, got {self.step}"
                )
            if self.is_whole and not isinstance(self.step, int):
                raise KeyProblem("step", f"must be a whole number between whole numbers, got {self.step}")

    @property
    def is_whole(self) -> bool:
        """Whether only whole numbers are tried."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    @property
    def ends(self) -> tuple[Any, ...]:
        """The values that are checked beforehand: every choice, or both ends of the range."""
        if self.choices:
            return self.choices
        if self.step is None or self.low is None or self.high is None:
            return self.low, self.high
        return self.low, self.low + math.floor((self.high - self.low) / self.step + 1e-9) * self.step


@dataclass(frozen=True, kw_only=True)
class Tune:
    """The search that `dltrain tune` does; `dltrain fit` ignores it.

    Args:
        trials: number of trials, including failed and pruned ones; none for as many as `minutes` allow.
        minutes: no trial starts after this many minutes, added up over all resumes; none for no limit.
        sampler: tpe, which learns from finished trials (J. Bergstra et al., "Algorithms for hyper-parameter
            optimization", 2011; its first 10 are random), or random.
        pruner: which trials end early: median, those that are worse than half of the others at the same epoch, once 5
            trials are done and a tenth of the epochs is over; hyperband (L. Li et al., 2018), most trials after few
            epochs, from the first trial on; none, no trial.
        monitor: a column of metrics.csv that is measured on the validation part; none for checkpoint.monitor, or else
            the column that the task monitors. A trial counts by its best epoch, whose weights are kept.
        workers: number of trials that run at the same time, each in its own process, on the same device.
        storage: none for study.db in the search's folder; or a database URL, so that several machines search together
            with the same config and `name`. The URL is saved with the search: keep passwords elsewhere, for example in
            ~/.pgpass.
        space: what to search: keys of this config, for example optimizer.learning_rate, each with the values to try.
    """

    trials: PositiveInt | None = None
    minutes: PositiveFloat | None = None
    sampler: Literal["tpe", "random"] = "tpe"
    pruner: Literal["median", "hyperband", "none"] = "median"
    monitor: str | None = None
    workers: PositiveInt = 1
    storage: str | None = None
    space: dict[str, Parameter]

    def __post_init__(self) -> None:
        if self.trials is None and self.minutes is None:
            raise KeyProblem("trials", "is missing: set trials or minutes, the length of the search")
        if not self.space:
            raise KeyProblem("space", "must contain at least one key to search")
        if self.monitor is not None and not self.monitor.startswith("val_"):
            raise KeyProblem(
                "monitor", f"must be measured on the validation part, for example val_loss, got {self.monitor!r}"
            )
