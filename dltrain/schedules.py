"""The learning rate over time, as factors of the optimizer's `learning_rate`, the peak."""

import math
from dataclasses import dataclass
from typing import Annotated, Any

from dltrain.errors import KeyProblem
from dltrain.fields import Fraction, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, Range
from dltrain.lazy import keras
from dltrain.registry import SCHEDULES, Choice

Factor = Annotated[float, Range(minimum=0, maximum=1, open_minimum=True, open_maximum=True)]


@dataclass(frozen=True)
class Plan:
    """The length of a run.

    Args:
        steps_per_epoch: steps in one epoch.
        total_steps: steps of the whole run.
    """

    steps_per_epoch: int
    total_steps: int


State = dict[str, Any]
"""State that a schedule with a monitor keeps from epoch to epoch: JSON numbers, `scale` among them."""


class Schedule(Choice):
    """The contract of every schedule: a multiplier of the peak at each step, and optionally one that follows a metric.

    Attributes:
        monitor: the column of metrics.csv that the schedule follows; none for a fixed schedule.
        warmup_epochs: epochs of the warm-up; none for a schedule without this key.
    """

    monitor: str | None = None
    warmup_epochs: float | None = None

    def warmup(self, plan: Plan) -> int:
        """Returns the steps of the warm-up; by default there is none."""
        return 0

    def check(self, plan: Plan) -> None:
        """Checks that the schedule fits the run's length; by default it fits any.

        Raises:
            KeyProblem: if it does not.
        """

    def multiplier(self, step: Any, plan: Plan) -> Any:
        """Returns the factor of the peak at a step, float32.

        Args:
            step: the steps before it, a number or a tensor of them.
            plan: how long the run is.
        """
        raise NotImplementedError

    def initial_state(self) -> State | None:
        """Returns the state before the first epoch; its `scale` multiplies the learning rate. None for no state."""
        return None

    def after_epoch(self, value: float, state: State, larger_is_better: bool) -> State:
        """Returns the state after an epoch; called only if there is a state and `monitor` names a column.

        Args:
            value: the monitored value of the epoch; NaN is no improvement.
            state: the state before it.
            larger_is_better: whether more is better.
        """
        return state


@dataclass(frozen=True, kw_only=True)
class WarmUpSchedule(Schedule):
    """The base of dltrain's own schedules: a linear warm-up, from almost nothing to the peak.

    Args:
        warmup_epochs: epochs in which the learning rate rises to its peak, fractions allowed; 0 for no warm-up.
        warmup_steps: the same in steps; give one of the two.
    """

    warmup_epochs: NonNegativeFloat = 0.0
    warmup_steps: NonNegativeInt = 0

    def __post_init__(self) -> None:
        if self.warmup_epochs and self.warmup_steps:
            raise KeyProblem("warmup_steps", "must not be given together with warmup_epochs")

    def warmup(self, plan: Plan) -> int:
        """Returns the steps of the warm-up."""
        return self.warmup_steps or round(self.warmup_epochs * plan.steps_per_epoch)

    def check(self, plan: Plan) -> None:
        """Raises KeyProblem where the warm-up leaves no steps."""
        if self.warmup(plan) >= plan.total_steps:
            key = "warmup_steps" if self.warmup_steps else "warmup_epochs"
            raise KeyProblem(
                key, f"must be shorter than the run: the warm-up takes {self.warmup(plan)} of {plan.total_steps} steps"
            )

    def multiplier(self, step: Any, plan: Plan) -> Any:
        """Returns the factor of the peak at a step, float32.

        Args:
            step: steps done before, a number or a scalar tensor.
            plan: how long the run is.
        """
        ops, warmup = keras.ops, self.warmup(plan)
        step = ops.cast(step, "float32")
        shape = ops.cast(self._shape(ops.maximum(step - warmup, 0.0), warmup, plan), "float32")
        return ops.where(step < warmup, (step + 1.0) / max(warmup, 1), shape) if warmup else shape

    def _shape(self, since: Any, warmup: int, plan: Plan) -> Any:
        """Returns the multiplier `since` steps after the warm-up's end."""
        raise NotImplementedError


@SCHEDULES.register("constant")
class Constant(WarmUpSchedule):
    """The same learning rate throughout."""

    def _shape(self, since: Any, warmup: int, plan: Plan) -> Any:
        return 1.0


@SCHEDULES.register("step")
class Step(WarmUpSchedule):
    """Drops by a factor after given epochs or steps of the run; as in He et al. 2015, section 4.2.

    Args:
        drop_at_epochs: epochs after which the learning rate drops, in rising order; give this or `drop_at_steps`.
        drop_at_steps: the same in steps.
        factor: factor of each drop, above 0 and below 1; the paper's 0.1.
    """

    drop_at_epochs: tuple[PositiveFloat, ...] = ()
    drop_at_steps: tuple[PositiveInt, ...] = ()
    factor: Factor = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        if bool(self.drop_at_epochs) == bool(self.drop_at_steps):
            raise KeyProblem("drop_at_epochs", "or drop_at_steps must be given, but not both")
        for key in ("drop_at_epochs", "drop_at_steps"):
            times = getattr(self, key)
            if list(times) != sorted(set(times)):
                raise KeyProblem(key, f"must be in rising order, got {list(times)}")

    def check(self, plan: Plan) -> None:
        """Raises KeyProblem where a drop lies beyond the run's end."""
        super().check(plan)
        last = self._drops(plan)[-1]
        if last >= plan.total_steps:
            key = "drop_at_steps" if self.drop_at_steps else "drop_at_epochs"
            raise KeyProblem(
                key, f"must be within the run's {plan.total_steps} steps, but the last drop is after step {last}"
            )

    def _drops(self, plan: Plan) -> list[int]:
        return list(self.drop_at_steps) or [round(epoch * plan.steps_per_epoch) for epoch in self.drop_at_epochs]

    def _shape(self, since: Any, warmup: int, plan: Plan) -> Any:
        passed = sum(keras.ops.cast(since + warmup >= drop, "float32") for drop in self._drops(plan))
        return keras.ops.power(self.factor, passed)


@SCHEDULES.register("cosine")
class Cosine(WarmUpSchedule):
    """Half a cosine, from the peak down to a share of it at the run's end.

    I. Loshchilov and F. Hutter, "SGDR: stochastic gradient descent with warm restarts", 2016, equation 5, without
    restarts.

    Args:
        final_fraction: the last learning rate over the peak, 0 to below 1.
    """

    final_fraction: Fraction = 0.0

    def _shape(self, since: Any, warmup: int, plan: Plan) -> Any:
        done = _share_done(since, warmup, plan)
        return self.final_fraction + (1 - self.final_fraction) * 0.5 * (1.0 + keras.ops.cos(math.pi * done))


@SCHEDULES.register("cosine_log")
class CosineLog(WarmUpSchedule):
    """Cosine cycles from 0 to the peak and back, each twice as long as the one before.

    D. Holzmüller, L. Grinsztajn and I. Steinwart, "Better by default: Strong pre-tuned MLPs and boosted trees on
    tabular data", 2024, section 3 ("coslog4"). `warmup_epochs` and `warmup_steps` are refused: each cycle begins at 0.

    Args:
        cycles: how many; the paper's 4.
    """

    cycles: PositiveInt = 4

    def __post_init__(self) -> None:
        _refuse_warmup(self, "each cycle of cosine_log rises from 0 by itself")

    def _shape(self, since: Any, warmup: int, plan: Plan) -> Any:
        done = _share_done(since, warmup, plan)
        turns = keras.ops.log(1.0 + (2**self.cycles - 1) * done) / math.log(2)
        return 0.5 * (1.0 - keras.ops.cos(2 * math.pi * turns))


@SCHEDULES.register("exponential")
class Exponential(WarmUpSchedule):
    """Falls smoothly, by the same factor in equally many epochs.

    Args:
        decay_rate: the factor, above 0 and at most 1.
        decay_epochs: epochs in which it falls by that factor.
    """

    decay_rate: Annotated[float, Range(minimum=0, maximum=1, open_minimum=True)] = 0.9
    decay_epochs: PositiveFloat = 1.0

    def _shape(self, since: Any, warmup: int, plan: Plan) -> Any:
        return keras.ops.power(self.decay_rate, since / (self.decay_epochs * plan.steps_per_epoch))


@SCHEDULES.register("polynomial")
class Polynomial(WarmUpSchedule):
    """Falls from the peak to a share of it at the run's end as a power of the time left; linear by default.

    Args:
        power: exponent: 1 falls linearly, a larger one faster at first.
        final_fraction: the last learning rate over the peak, 0 to below 1.
    """

    power: PositiveFloat = 1.0
    final_fraction: Fraction = 0.0

    def _shape(self, since: Any, warmup: int, plan: Plan) -> Any:
        left = keras.ops.power(1.0 - _share_done(since, warmup, plan), self.power)
        return self.final_fraction + (1 - self.final_fraction) * left


@SCHEDULES.register("one_cycle")
class OneCycle(WarmUpSchedule):
    """Rises from a share of the peak to the peak, then falls to almost nothing, along half cosines.

    L. N. Smith and N. Topin, "Super-convergence", 2018, section 3; cosines in place of the paper's lines. The rise is
    the warm-up: `warmup_epochs` and `warmup_steps` are refused.

    Args:
        rise_fraction: share of the run in which it rises, above 0 and below 1.
        initial_fraction: the first learning rate over the peak, 0 to below 1.
        final_fraction: the last learning rate over the peak, 0 to below 1.
    """

    rise_fraction: Factor = 0.3
    initial_fraction: Fraction = 0.04
    final_fraction: Fraction = 4e-6

    def __post_init__(self) -> None:
        _refuse_warmup(self, "one_cycle has its own warm-up, set by rise_fraction")

    def _shape(self, since: Any, warmup: int, plan: Plan) -> Any:
        done = _share_done(since, warmup, plan)
        rising = _half_cosine(self.initial_fraction, 1.0, done / self.rise_fraction)
        falling = _half_cosine(1.0, self.final_fraction, (done - self.rise_fraction) / (1 - self.rise_fraction))
        return keras.ops.where(done < self.rise_fraction, rising, falling)


@SCHEDULES.register("plateau")
class Plateau(WarmUpSchedule):
    """Drops by a factor each time the monitored value has stopped improving.

    As A. Krizhevsky et al. 2012, section 5, did by hand. Its state belongs to the checkpoint.

    Args:
        monitor: the column of metrics.csv that the schedule follows.
        factor: factor of each drop, above 0 and below 1.
        patience: epochs without improvement before a drop.
        min_delta: a change smaller than this does not count as an improvement.
        cooldown: epochs after a drop that do not count for patience.
        minimum_fraction: the smallest learning rate over the peak, 0 to below 1.
    """

    monitor: str = "val_loss"
    factor: Factor = 0.1
    patience: PositiveInt = 10
    min_delta: NonNegativeFloat = 1e-4
    cooldown: NonNegativeInt = 0
    minimum_fraction: Fraction = 0.0

    def _shape(self, since: Any, warmup: int, plan: Plan) -> Any:
        return 1.0

    def initial_state(self) -> State:
        """Returns the state before the first epoch; `scale` multiplies the learning rate."""
        return {"scale": 1.0, "best": None, "wait": 0, "cooldown": 0}

    def after_epoch(self, value: float, state: State, larger_is_better: bool) -> State:
        """Returns the state after an epoch.

        Args:
            value: the monitored value of the epoch; NaN is no improvement.
            state: the state before it.
            larger_is_better: whether more is better.
        """
        cooldown = max(state["cooldown"] - 1, 0)
        worst = -math.inf if larger_is_better else math.inf
        change = value - (worst if state["best"] is None else state["best"])
        if (change if larger_is_better else -change) > self.min_delta:
            return {**state, "best": float(value), "wait": 0, "cooldown": cooldown}
        wait = 0 if state["cooldown"] else state["wait"] + 1
        if wait < self.patience:
            return {**state, "wait": wait, "cooldown": cooldown}
        scale = max(state["scale"] * self.factor, self.minimum_fraction)
        return {**state, "scale": scale, "wait": 0, "cooldown": self.cooldown}


def _refuse_warmup(schedule: WarmUpSchedule, reason: str) -> None:
    for key in ("warmup_epochs", "warmup_steps"):
        if getattr(schedule, key):
            raise KeyProblem(key, f"must be left out: {reason}")


def _share_done(since: Any, warmup: int, plan: Plan) -> Any:
    """Returns the finished share of the run after the warm-up: 0 at its first step, almost 1 at its last."""
    return keras.ops.clip(since / (plan.total_steps - warmup), 0.0, 1.0)


def _half_cosine(start: float, end: float, share: Any) -> Any:
    return end + (start - end) * 0.5 * (1.0 + keras.ops.cos(math.pi * keras.ops.clip(share, 0.0, 1.0)))


def learning_rate(schedule: Any, peak: float, plan: Plan, scale: Any = 1.0, first_step: int = 0) -> Any:
    """Returns the Keras schedule whose value at a step is peak * multiplier(first_step + step) * scale.

    Args:
        schedule: a registered schedule.
        peak: the largest learning rate.
        plan: how long the run is.
        scale: a number or variable: the present factor of the plateau schedule.
        first_step: steps of the run before the optimizer's first one.
    """

    class LearningRate(keras.optimizers.schedules.LearningRateSchedule):
        def __call__(self, step: Any) -> Any:
            return peak * schedule.multiplier(step + first_step, plan) * keras.ops.cast(scale, "float32")

    return LearningRate()
