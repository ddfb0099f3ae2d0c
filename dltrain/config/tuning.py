"""The `tune` block: what `dltrain tune` looks for, how, and for how long."""

import math
from dataclasses import dataclass
from typing import Any, Literal

from dltrain.errors import KeyProblem
from dltrain.fields import PositiveFloat, PositiveInt


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """What a key may be: a number from `low` to `high`, or one of `choices`.

    Args:
        low: the smallest value; whole numbers at both ends are drawn as whole numbers.
        high: the largest value, which may be drawn too.
        log: draw evenly on a logarithmic scale, as learning rates ask for.
        step: between two values; none for any, of whole numbers 1.
        choices: values of any kind.
        when: only in trials in which other keys of the space, written before this one, have these values: a value or
            a list of some.
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
                raise KeyProblem(given[0], "must not be given beside choices")
            if any(self.choices.count(each) > 1 for each in self.choices):
                raise KeyProblem("choices", "must differ from each other")
            return
        if self.low is None or self.high is None:
            key = "choices" if self.low is None and self.high is None else "low" if self.low is None else "high"
            what = "choices, or low and high" if key == "choices" else "a number"
            raise KeyProblem(key, f"is missing: a key is looked for in {what}")
        if not self.low < self.high:
            raise KeyProblem("low", f"must be below high, {self.high}, got {self.low}")
        if self.log and self.low <= 0:
            raise KeyProblem("low", f"must be above 0 on a logarithmic scale, got {self.low}")
        if self.step is not None:
            if self.log:
                raise KeyProblem("step", "must not be given beside log")
            if self.step <= 0 or self.step > self.high - self.low:
                raise KeyProblem(
                    "step", f"must be above 0 and at most high - low, {self.high - self.low:g}, got {self.step}"
                )
            if self.is_whole and not isinstance(self.step, int):
                raise KeyProblem("step", f"must be a whole number between whole numbers, got {self.step}")

    @property
    def is_whole(self) -> bool:
        """Whether it is drawn as a whole number."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    @property
    def ends(self) -> tuple[Any, ...]:
        """What stands for all values when they are checked: every choice, or both ends of the range."""
        if self.choices:
            return self.choices
        if self.step is None or self.low is None or self.high is None:
            return self.low, self.high
        return self.low, self.low + math.floor((self.high - self.low) / self.step + 1e-9) * self.step


@dataclass(frozen=True, kw_only=True)
class Tune:
    """What `dltrain tune` looks for; `dltrain fit` trains without a search.

    Args:
        trials: how many in all, those that fail or are cut short included; none for as many as `minutes` allow.
        minutes: no trial begins after so many, over all resumes; none for no such limit.
        sampler: tpe, which learns from trials that are done (J. Bergstra et al., "Algorithms for hyper-parameter
            optimization", 2011; its first 10 are drawn at random), or random.
        pruner: which trials are cut short: median, those that are worse than half of the others at the same epoch, once
            5 are done, and not before a tenth of the epochs; hyperband (L. Li et al., 2018), which gives few trials
            many epochs, from the first on; none.
        monitor: a column of metrics.csv that is measured on the validation part; none for checkpoint.monitor, or what
            the task monitors. A trial is worth its best epoch, whose weights are kept.
        workers: trials at the same time, each in a process of its own, on the same device.
        storage: none for study.db in the search's folder; a database URL, for several machines that search together:
            the same config, under the same `name`. It is written down with the search: passwords belong elsewhere,
            such as ~/.pgpass.
        space: what to look for: a key of this config, such as optimizer.learning_rate, and what it may be.
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
            raise KeyProblem("trials", "is missing (or minutes): how long to search")
        if not self.space:
            raise KeyProblem("space", "must hold at least one key to look for")
        if self.monitor is not None and not self.monitor.startswith("val_"):
            raise KeyProblem(
                "monitor", f"must be measured on the validation part, such as val_loss, got {self.monitor!r}"
            )
