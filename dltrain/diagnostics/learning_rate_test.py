"""A learning-rate range test: trains for a while at a growing rate and records the loss; nothing is kept."""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

from dltrain.assembly.data import start_and_load
from dltrain.assembly.out_of_memory import enough_memory
from dltrain.config.experiment import Config, Experiment
from dltrain.console import Reporter
from dltrain.diagnostics.learning_rate_curve import Watch, analyze
from dltrain.errors import ConfigError, TrainingError
from dltrain.lazy import keras
from dltrain.schedules import Plan, Schedule
from dltrain.training.batch_size import with_batch_size
from dltrain.training.learner import Learner

RULE = "where the smoothed loss falls fastest"


@dataclass(frozen=True)
class Sweep(Schedule):
    """A schedule that grows by a constant factor each step; with a peak of 1 it is the rate itself.

    Args:
        low: the rate of the first step.
        high: the rate of the last one.
        steps: how many there are.
    """

    low: float
    high: float
    steps: int

    def check(self, plan: Plan) -> None:
        """Accepts every run: the sweep has its own length."""

    def multiplier(self, step: Any, plan: Plan) -> Any:
        """Returns the rate at a step."""
        ops = keras.ops
        growth = math.log(self.high / self.low) / (self.steps - 1)
        return self.low * ops.exp(growth * ops.cast(step, "float32"))


def find_rate(config: Config, reporter: Reporter, low: float, high: float, steps: int) -> dict[str, Any]:
    """Trains at rates from `low` to `high`, otherwise as the config says, and analyses the loss.

    L. N. Smith, "Cyclical learning rates", 2017, section 3.3. The rate grows by a constant factor, as S. Gugger and
    fastai have it, where Smith adds a constant amount; the loss is that of each batch.

    Args:
        config: the experiment.
        reporter: for messages and progress.
        low: the first rate.
        high: the last rate.
        steps: optimizer steps from one to the other.

    Returns:
        {"suggested", "lowest": rates or none, "rule", "ended": "at the last rate", "blown up" or "not finite",
        "device", "rates", "losses", "smoothed": lists, "ignored": keys that had no effect, "notes"}

    Raises:
        UserError: something the user can fix.
        TrainingError: the loss of the first step is not finite, or memory runs out.
    """
    plain, ignored = _swept(config, Sweep(low, high, steps))
    if ignored:
        reporter.say(f"ignored: {', '.join(ignored)}; the test sets the learning rate itself")
    devices, splits = start_and_load(plain, reporter, trains=True)
    with enough_memory(plain):
        plain = with_batch_size(plain, splits, devices, reporter)
    with enough_memory(plain), reporter:
        learner = Learner(plain, splits, devices, reporter, fresh=True)
        rates, losses, ended = _measured(learner, steps)
    reading = analyze(rates[: len(losses)], losses, ended == ENDED)
    return {
        "suggested": reading.suggested,
        "lowest": reading.lowest,
        "rule": RULE,
        "ended": ended,
        "device": devices.label,
        "rates": rates[: len(losses)],
        "losses": losses,
        "smoothed": list(reading.smoothed),
        "ignored": ignored,
        "notes": list(reading.notes),
    }


ENDED = "at the last rate"


def _swept(config: Config, sweep: Sweep) -> tuple[Config, list[str]]:
    """Returns the config with the sweep as its learning rate, and the keys that have no effect with it.

    Raises:
        ConfigError: if its optimizer takes no learning rate.
    """
    experiment: Experiment = config.experiment
    optimizer = experiment.optimizer
    if optimizer.learning_rate is None:
        raise ConfigError([f"optimizer.name {optimizer.registered_name} has no learning_rate to test"])
    ignored = [f"stages ({len(experiment.stages)})"] if experiment.stages else []
    if experiment.schedule.registered_name != "constant" or experiment.schedule.warmup_epochs:
        ignored.append(f"schedule {experiment.schedule.registered_name}")
    swept = dataclasses.replace(
        experiment, optimizer=dataclasses.replace(optimizer, learning_rate=1.0), schedule=sweep, stages=()
    )
    return dataclasses.replace(config, experiment=swept), ignored


def _measured(learner: Learner, steps: int) -> tuple[list[float], list[float], str]:
    """Returns the rates, the loss of each step as far as they are finite, and how it ended."""
    reporter, engine, batches, watch = learner.reporter, learner.network.engine, learner.training_feed(), Watch()
    rates, losses = [learner.network.rate_at(step) for step in range(steps)], list[float]()
    for step in range(steps):
        _, is_finite = engine.train(batches, step, 1)
        loss = engine.metrics()["loss"]
        engine.reset()
        if not (is_finite and math.isfinite(loss)):
            if not losses:
                raise TrainingError(
                    f"the loss of the first step is not finite, at learning rate {rates[0]:.3g}: look for NaN and huge "
                    "values in the data"
                )
            return rates, losses, "not finite"
        losses.append(loss)
        if reporter.shows_steps:
            reporter.step("learning-rate test", step + 1, steps, f"rate {rates[step]:.2e}  loss {loss:.4g}")
        if watch.blown_up(loss):
            return rates, losses, "blown up"
    return rates, losses, ENDED
