"""The error for a loss or a weight that is not finite, with what to try."""

import dataclasses

from dltrain.config.experiment import Experiment
from dltrain.errors import TrainingError
from dltrain.schedules import Plan


class NotFinite(TrainingError):
    """The loss or a weight is NaN or infinite.

    Args:
        event: which value is not finite, and where in the run.
        advice: what to try.
        kept: what can be resumed, where there is a run.
    """

    def __init__(self, event: str, advice: str, kept: str = "") -> None:
        self.event, self.advice = event, advice
        super().__init__(f"{'; '.join(filter(None, (event, kept)))}.\n{advice}")


def not_finite(what: str, experiment: Experiment, plan: Plan, step: int, rate: float) -> NotFinite:
    """Returns the error with advice that suits the experiment.

    Args:
        what: the value: the loss, or the name of a weight.
        experiment: what was being done.
        plan: how long the run is.
        step: steps done, the one included that failed.
        rate: that step's learning rate.
    """
    epoch = (step - 1) // plan.steps_per_epoch + 1
    return NotFinite(
        f"{what} is not finite at step {step} (epoch {epoch}), learning rate {rate:.4g}",
        f"Try a smaller optimizer.learning_rate{_warm_up_words(experiment, plan)} or optimizer.global_clipnorm=1; "
        "look for NaN and huge values in the data."
        + (
            " Or set train.on_nan=restore, which returns to the last checkpoint by itself."
            if experiment.train.on_nan == "stop"
            else ""
        ),
    )


def _warm_up_words(experiment: Experiment, plan: Plan) -> str:
    """Returns how to ask for a warm-up, nothing where there is one or the schedule takes none."""
    schedule = experiment.schedule
    if schedule.warmup_epochs != 0:
        return ""
    try:
        dataclasses.replace(schedule, warmup_epochs=1.0).check(plan)
    except ValueError:
        return ""
    # The name too: the config may have left the whole block to its defaults.
    return f", schedule.name={schedule.registered_name} schedule.warmup_epochs=1"
