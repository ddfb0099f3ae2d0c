"""A run's devices and data made ready: loaded, looked at, and held against what a checkpoint was made of."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterable
from concurrent.futures import Future

from dltrain.assembly.contract import require
from dltrain.checkpoints.store import Checkpoint
from dltrain.checkpoints.training_state import TrainingState
from dltrain.config.experiment import Config
from dltrain.console import Reporter
from dltrain.data import PARTS, DataSpec, Finding, Ragged, Split, Splits, trees
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
"""Findings, and examples that cannot be used, that the terminal names; the log names all of these examples."""


def begin(
    config: Config,
    reporter: Reporter,
    trains: bool = False,
    like: DataSpec | None = None,
    workers: Workers | None = None,
) -> tuple[Devices, Splits]:
    """Makes devices and data ready, both at the same time: importing TensorFlow takes seconds.

    Args:
        config: what to make ready.
        reporter: what says how it goes.
        trains: training follows: look at the data, say what is wrong with them, and check that all fits together.
        like: what a run was trained on, whose fillings, categories and classes are used instead of learning anew.
        workers: with whom it is done; none for this process alone.

    Raises:
        UserError: if one of them cannot be used.
    """
    loaded: Future[tuple[Splits, list[Finding]]] = Future()

    def read() -> None:
        try:
            splits = load(config, trains, like)
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
    workers.require_same("data", [f"{part} {value}" for part, value in sorted(splits.fingerprint.items())])
    _say_skipped(splits.skipped, reporter)
    _say_findings(findings, config.experiment.strict, reporter)
    return devices, splits


def _say_skipped(skipped: tuple[str, ...], reporter: Reporter) -> None:
    for message in skipped[:SHOWN]:
        reporter.warn(f"left out: {message}")
    for message in skipped[SHOWN:]:
        reporter.note(f"left out: {message}")
    if len(skipped) > SHOWN:
        reporter.warn(f"left out: {len(skipped) - SHOWN} more, which log.txt names")


def _say_findings(findings: list[Finding], strict: bool, reporter: Reporter) -> None:
    """Warns of what is wrong with the data, in a line each.

    Raises:
        DataError: under `strict`, if there is anything.
    """
    lines = [finding.line for finding in findings]
    more = [f"{len(lines) - SHOWN} more findings: dltrain inspect CONFIG"] if len(lines) > SHOWN else []
    if lines and strict:
        raise DataError("\n".join([*lines[:SHOWN], *more, "strict: true makes errors of these; strict=false goes on"]))
    for line in [*lines[:SHOWN], *more]:
        reporter.warn(line)


def start(config: Config, reporter: Reporter, workers: Workers | None = None) -> Devices:
    """Makes the config's devices ready and says what was found.

    Raises:
        DeviceError: if a device that was asked for is not there.
        ClusterError: if the workers do not come or do not fit together.
    """
    chosen = config.experiment
    if workers is not None and workers.words:
        reporter.say(workers.words)
    devices = device.start(chosen.device, chosen.train.precision, chosen.deterministic, workers)
    reporter.say(devices.description)
    if devices.noise:
        reporter.detail(devices.noise)
    for warning in devices.warnings:
        reporter.warn(warning)
    return devices


def load(config: Config, trains: bool = False, like: DataSpec | None = None) -> Splits:
    """Loads the config's data, checks that network and task can take them, and takes their fingerprint.

    Args:
        config: what to load.
        trains: training follows: check that all fits together.
        like: what a run was trained on.

    Raises:
        UserError: if they cannot be used.
    """
    with config.blame("dataset"):
        splits = config.experiment.dataset.load(like)
    if trains:
        require(config, splits)
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


def as_before(splits: Splits, saved: Checkpoint, force: bool) -> Splits:
    """Returns the data with the statistics that the run began with.

    Raises:
        DataError: if the data are others than they were.
    """
    state = TrainingState.of(saved)
    spec = state.spec
    if spec.mismatch(splits.spec) or len(splits.train) != state.examples:
        raise DataError(
            f"{saved.path}: the training data have changed since: other shapes, classes or number of examples "
            f"(now {len(splits.train)}, then {state.examples}); start a new run: dltrain fit CONFIG"
        )
    if (spec, state.targets) != (splits.spec, targets_digest(splits.train)) and not force:
        what = "labels" if spec == splits.spec else "values, by their statistics"
        raise DataError(
            f"{saved.path}: the training data have changed since: other {what}; "
            "start a new run: dltrain fit CONFIG, or go on with --force, and with the statistics of before"
        )
    return dataclasses.replace(splits, spec=spec)


def compare(
    config: Config, splits: Splits, saved: Checkpoint, reporter: Reporter, parts: Iterable[str] = PARTS
) -> None:
    """Warns of parts of the data whose content is no longer what it was when the checkpoint was made.

    Raises:
        DataError: under `strict`, if there are some.
    """
    was, now = TrainingState.of(saved).fingerprint, splits.fingerprint
    changed = [part for part in parts if was and was.get(part) != now.get(part)]
    if not changed:
        return
    words = f"{saved.path}: the {' and '.join(changed)} data have changed since, by their fingerprint"
    if config.experiment.strict:
        raise DataError(f"{words}; strict: true makes an error of it, strict=false or a new run goes on")
    reporter.warn(f"{words}: results cannot be compared with those of before")
