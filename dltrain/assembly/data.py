"""A run's devices and data: started, loaded, inspected, and compared with those of a checkpoint."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future

from dltrain.assembly.contract import check_contract
from dltrain.checkpoints.store import Checkpoint
from dltrain.checkpoints.training_state import TrainingState
from dltrain.config.experiment import Config
from dltrain.console import Reporter
from dltrain.data import PARTS, DataSpec, Finding, Ragged, Split, Splits, trees
from dltrain.data.noticing import Noticed
from dltrain.digest import digest
from dltrain.distributed.workers import Workers
from dltrain.engine import device
from dltrain.engine.device import Devices
from dltrain.errors import DataError
from dltrain.inspection.findings import examine
from dltrain.inspection.fingerprint import fingerprint
from dltrain.inspection.inspected_data import InspectedData
from dltrain.lazy import np, starting

SHOWN = 5
"""How many findings and how many unusable examples the terminal shows; the log names all of these examples."""


def start_and_load(
    config: Config,
    reporter: Reporter,
    trains: bool = False,
    like: Callable[[], DataSpec | None] = lambda: None,
    workers: Workers | None = None,
) -> tuple[Devices, Splits]:
    """Starts the devices and loads the data, both at the same time: importing TensorFlow takes seconds.

    Args:
        config: the experiment.
        reporter: for messages and progress.
        trains: whether training follows: then the data are inspected, and everything is checked to fit together.
        like: returns the data that a run was trained on, whose fillings, categories, classes and statistics are used,
            once the workers have connected; none to learn them from these data.
        workers: the processes that train together; none for this process alone.

    Raises:
        UserError: if devices or data cannot be used.
    """
    loaded: Future[tuple[Splits, list[Finding]]] = Future()

    def read() -> None:
        try:
            splits = load(config, trains, like())
            loaded.set_result((splits, examine(InspectedData(splits, brief=True)) if trains else []))
        except BaseException as error:
            loaded.set_exception(error)

    workers = workers or Workers()
    with starting:
        reading = threading.Thread(target=read, name="load", daemon=True)
        if workers.count == 1:
            reading.start()
        devices = start(config, reporter, workers)
    if workers.count > 1:  # the strategy of several wants to be the first to use TensorFlow: data may use it, too
        reading.start()
    splits, findings = loaded.result()
    workers.check_same("data", [f"{part} {value}" for part, value in sorted(splits.fingerprint.items())])
    _say_noticed(splits.noticed, reporter)
    _say_skipped(splits.skipped, reporter)
    _say_findings(findings, config.experiment.strict, reporter)
    return devices, splits


def _say_noticed(noticed: tuple[Noticed, ...], reporter: Reporter) -> None:
    for each in noticed:
        (reporter.warn if each.is_warning else reporter.say)(each.words)


def _say_skipped(skipped: tuple[str, ...], reporter: Reporter) -> None:
    for message in skipped[:SHOWN]:
        reporter.warn(f"left out: {message}")
    for message in skipped[SHOWN:]:
        reporter.note(f"left out: {message}")
    if len(skipped) > SHOWN:
        reporter.warn(f"left out: {len(skipped) - SHOWN} more, which log.txt names")


def _say_findings(findings: list[Finding], strict: bool, reporter: Reporter) -> None:
    """Warns of each finding about the data, in a line.

    Raises:
        DataError: under `strict`, if there is anything.
    """
    lines = [finding.line for finding in findings]
    more = [f"{len(lines) - SHOWN} more findings: dltrain inspect CONFIG"] if len(lines) > SHOWN else []
    if lines and strict:
        raise DataError(
            "\n".join(
                [
                    *lines[:SHOWN],
                    *more,
                    "strict: true turns these warnings into errors; to train all the same, add strict=false",
                ]
            )
        )
    for line in [*lines[:SHOWN], *more]:
        reporter.warn(line)


def start(config: Config, reporter: Reporter, workers: Workers | None = None) -> Devices:
    """Starts the config's devices and reports them.

    Raises:
        ConfigError: if a requested device does not exist.
        ClusterError: if workers do not connect or do not fit together.
    """
    chosen = config.experiment
    if workers is not None and workers.words:
        reporter.say(workers.words)
        workers.warn = reporter.warn
    with config.blame(""):
        devices = device.start(chosen.device, chosen.train.precision, chosen.deterministic, workers)
    reporter.say(devices.description)
    if devices.noise:
        reporter.detail(devices.noise)
    for warning in devices.warnings:
        reporter.warn(warning)
    return devices


def load(config: Config, trains: bool = False, like: DataSpec | None = None) -> Splits:
    """Loads the config's data, checks that network and task accept them, and computes their fingerprint.

    Args:
        config: the experiment.
        trains: whether training follows: then everything is checked to fit together.
        like: the data that a run was trained on.

    Raises:
        UserError: if they cannot be used.
    """
    with config.blame("dataset"):
        splits = config.experiment.dataset.load(like)
    if like is not None and like.mismatch(splits.spec) is None:
        splits = dataclasses.replace(splits, spec=like)
    if trains:
        check_contract(config, splits)
    else:
        config.check(splits.spec)
    return dataclasses.replace(splits, fingerprint=fingerprint(splits))


def targets_digest(split: Split) -> str:
    """Returns what tells the targets of a part from others."""
    if isinstance(split.targets, np.ndarray):
        return digest(split.targets)
    found = []
    for array in trees.leaves(trees.read(split.targets, slice(None))):
        found += [digest(array.values), digest(array.offsets)] if isinstance(array, Ragged) else [digest(array)]
    return digest(np.frombuffer("\n".join(found).encode(), np.uint8))


def as_before(config: Config, splits: Splits, saved: Checkpoint, force: bool) -> Splits:
    """Returns the data with the statistics that the run started with.

    Args:
        config: the experiment.
        splits: the data, loaded like those of the checkpoint.
        saved: the checkpoint that training resumes from.
        force: take data with other labels or values.

    Raises:
        DataError: if the data have changed.
    """
    state = TrainingState.of(saved)
    spec, learnt = state.spec, splits
    if state.fingerprint.get("train") != splits.fingerprint["train"]:  # what would have been learnt of other data
        with config.blame("dataset"):
            learnt = config.experiment.dataset.load()
    if spec.mismatch(learnt.spec) or len(splits.train) != state.examples:
        raise DataError(
            f"{saved.path}: the training data have changed since: other shapes, classes or number of examples "
            f"(now {len(splits.train)}, then {state.examples}); start a new run: dltrain fit CONFIG"
        )
    if (spec, state.targets) != (learnt.spec, targets_digest(learnt.train)) and not force:
        what = "labels" if spec == learnt.spec else "values, by their statistics"
        raise DataError(
            f"{saved.path}: the training data have changed since: other {what}; "
            "start a new run: dltrain fit CONFIG, or add --force to resume with the old statistics"
        )
    return dataclasses.replace(splits, spec=spec)


def compare(
    config: Config, splits: Splits, saved: Checkpoint, reporter: Reporter, parts: Iterable[str] = PARTS
) -> None:
    """Warns of parts of the data whose content has changed since the checkpoint was made.

    Raises:
        DataError: under `strict`, if there are some.
    """
    was, now = TrainingState.of(saved).fingerprint, splits.fingerprint
    changed = [part for part in parts if was and was.get(part) != now.get(part)]
    if not changed:
        return
    words = f"{saved.path}: the {' and '.join(changed)} data have changed since, as their fingerprint shows"
    if config.experiment.strict:
        raise DataError(f"{words}; strict: true makes this an error; add strict=false, or start a new run")
    reporter.warn(f"{words}: results cannot be compared with earlier ones")
