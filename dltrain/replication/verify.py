"""Whether a run is repeatable: replays of the same steps, compared bit by bit with each other and with the run."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from dltrain.assembly.data import as_before
from dltrain.assembly.out_of_memory import enough_memory
from dltrain.checkpoints import store
from dltrain.checkpoints.training_state import TrainingState
from dltrain.config import experiment as experiments
from dltrain.console import Reporter
from dltrain.digest import digest
from dltrain.errors import CheckpointError, RunError
from dltrain.inference.trained_run import TrainedRun
from dltrain.runs.folder import Run
from dltrain.runs.listing import as_float
from dltrain.training.learner import Learner


@dataclass(frozen=True)
class Difference:
    """The first difference between two computations of the same state.

    Args:
        step: the first step after which they differ.
        tensor: the first variable, or column of metrics.csv, that differs.
        between: what was compared.
    """

    step: int
    tensor: str
    between: str


def verify(run: Run, steps: int, reporter: Reporter, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Replays steps from the config and from a checkpoint, each twice, and compares them with what the run recorded.

    Args:
        run: a run with a checkpoint.
        steps: how many to replay; none goes beyond the end of its epoch.
        reporter: for messages and progress.
        overrides: `key.path=value` arguments, such as dataset.path=moved.csv.

    Returns:
        {"run", "device", "repeatable", "replays": [{"start", "steps", "compared_with", "difference"}], "notes"};
        `start` is "config" or a checkpoint's name, `difference` {"step", "tensor", "between"} or none.

    Raises:
        UserError: if config, data or checkpoints cannot be used.
        TrainingError: if memory runs out.
    """
    trained = TrainedRun.of(run, experiments.load(run.config, [*overrides], reads_data=False), "last", reporter)
    config, state = trained.config, trained.state
    devices, splits = trained.begin()
    splits = as_before(config, splits, trained.saved, force=False)
    trained.compare(splits)
    notes = []

    def network() -> Learner:
        return Learner(config, splits, devices, Reporter(quiet=True), fresh=True)

    replays = []
    with enough_memory(config):
        per_epoch = network().plan.steps_per_epoch
        if state.changes:
            notes.append("the config changed during the run: only a replay from a checkpoint can be compared with it")
        count = min(steps, per_epoch)
        reporter.say(f"replaying {count} steps from the config, twice")
        replay = _Replay(network, None, count)
        difference = replay.twice()
        if difference is None and count == per_epoch and not state.changes and not state.restores:
            difference = replay.against_row(run)
        replays.append(_result("config", replay, difference))
        origin, goal = _chosen(run, state, per_epoch)
        if origin is None:
            notes.append("no earlier checkpoint with the run's present config: nothing to replay from a checkpoint")
        else:
            count = min(steps, per_epoch - origin % per_epoch)
            reporter.say(f"replaying {count} steps from the checkpoint after step {origin}, twice")
            replay = _Replay(network, store.load_step(run, origin), count)
            difference = replay.twice()
            if goal is not None and goal - origin <= count and difference is None:
                difference = replay.against_checkpoint(store.load_step(run, goal))
            elif goal is not None and goal - origin > count:
                notes.append(f"--steps {goal - origin} would reach the next checkpoint and compare with it")
            replays.append(_result(f"step-{origin:08d}.npz", replay, difference))
    return {
        "run": run.name,
        "device": devices.label,
        "repeatable": all(replay["difference"] is None for replay in replays),
        "replays": replays,
        "notes": notes,
    }


def _chosen(run: Run, state: TrainingState, per_epoch: int) -> tuple[int | None, int | None]:
    """Returns the steps of the newest two checkpoints in one epoch: where to start, and where to compare; or of one.

    Only states since the run was last changed or returned to a checkpoint count: others were trained differently.
    """
    steps = []
    for step in store.steps(run):
        with suppress(CheckpointError):
            found = TrainingState.of(store.load_step(run, step))
            if (found.changes, found.restores) == (state.changes, state.restores):
                steps.append(step)
    pairs = [
        (earlier, later)
        for earlier, later in zip(steps, steps[1:], strict=False)
        if later <= earlier + per_epoch - earlier % per_epoch
    ]
    return pairs[-1] if pairs else (steps[-2], None) if len(steps) > 1 else (None, None)


def _result(start: str, replay: "_Replay", difference: Difference | None) -> dict[str, Any]:
    return {
        "start": start,
        "steps": replay.count,
        "compared_with": replay.compared,
        "difference": None if difference is None else asdict(difference),
    }


class _Replay:
    """Some steps, replayed repeatedly.

    Args:
        network: builds the network again.
        saved: the checkpoint to start from; none to start from the config alone.
        count: how many steps.
    """

    def __init__(self, network: Callable[[], Learner], saved: store.Checkpoint | None, count: int) -> None:
        self._network, self._saved, self.count = network, saved, count
        self.compared: list[str] = []
        self._digests: list[dict[str, str]] = []
        self._metrics: dict[str, float] = {}
        self._step = 0

    def twice(self) -> Difference | None:
        """Replays the steps twice, each with a newly built network; returns where the second differs from the first."""
        self.compared.append("a second replay")
        self._digests = [digests for _, digests in self._states()]
        for index, (step, digests) in enumerate(self._states()):
            for name, found in digests.items():
                if found != self._digests[index][name]:
                    return Difference(step, self._paths[name], "two replays")
        return None

    def against_row(self, run: Run) -> Difference | None:
        """Compares the epoch's means with the first row of metrics.csv."""
        rows = run.read_metrics()
        if not rows or int(rows[0]["step"]) != self._step:
            return None
        self.compared.append("metrics.csv")
        for name, value in self._metrics.items():
            if rows[0].get(name) and as_float(rows[0][name]) != value:
                return Difference(self._step, name, "the replay and the first row of metrics.csv")
        return None

    def against_checkpoint(self, goal: store.Checkpoint) -> Difference | None:
        """Compares the state after the checkpoint's step with it, metrics apart, which an epoch's end resets."""
        self.compared.append(goal.path.name)
        start = 0 if self._saved is None else self._saved.state["step"]
        state = self._digests[goal.state["step"] - start - 1]
        for name, path in self._paths.items():
            if not name.startswith("metrics/") and digest(goal.arrays[name]) != state[name]:
                return Difference(goal.state["step"], path, f"the replay and {goal.path.name}")
        return None

    def _states(self) -> Iterator[tuple[int, dict[str, str]]]:
        """Yields the number of each step that is done and the digest of each variable after it."""
        learner = self._network()
        if self._saved is not None:
            learner.restore(self._saved)
        feed = learner.training_feed()
        variables = learner.network.variables
        self._paths = {name: f"{variable.path} ({name.partition('/')[0]})" for name, variable in variables.items()}
        for _ in range(self.count):
            learner.state.step, finite = learner.network.engine.train(feed, learner.state.step, 1)
            if not finite:
                raise RunError(f"the loss is not finite at step {learner.state.step}: nothing to compare after it")
            yield (
                learner.state.step,
                {name: digest(np.asarray(variable)) for name, variable in variables.items()},
            )
        self._step, self._metrics = learner.state.step, learner.network.engine.metrics()
