"""One page about an experiment, before any training: its examples as the network sees them, its data, its schedule."""

from pathlib import Path
from typing import Any

import numpy as np

from dltrain.assembly.contract import plan_for, require
from dltrain.assembly.data import begin
from dltrain.assembly.network import assemble
from dltrain.assembly.out_of_memory import enough_memory
from dltrain.config.experiment import Config, Experiment
from dltrain.console import Reporter
from dltrain.data import DataSpec, Split, Splits
from dltrain.diagnostics.first_steps import DECODED, FirstExamples, first_examples
from dltrain.engine.device import Devices
from dltrain.errors import TrainingError
from dltrain.figures.distributions import MOST_COLUMNS, channels, class_counts, columns, target_histograms
from dltrain.figures.examples import Lines, Pictures, Rows
from dltrain.figures.page import Page, Panel, Row
from dltrain.figures.panels import Curve, number
from dltrain.figures.place import require_place
from dltrain.figures.reading import cells, drawable, label
from dltrain.inference.experiment_summary import facts
from dltrain.runs.folder import replacing
from dltrain.schedules import Plan, learning_rate
from dltrain.training.batch_size import with_batch_size

VALUES = 2**24
"""Numbers that distributions are taken from, at most."""

POINTS = 2000
"""Of the learning rate's curve: more than the page has pixels for it."""


def preview(config: Config, out: Path, reporter: Reporter) -> dict[str, Any]:
    """Draws the page; nothing else is written.

    Args:
        config: what to look at.
        out: the PNG file to write.
        reporter: what says how it goes.

    Returns:
        {"path", "dataset", "examples": {part: count}, "classes", "left_out", "input_shape", "shown", "weights",
        "steps_per_epoch", "steps"}

    Raises:
        UserError: something the user can mend; nothing was written.
        TrainingError: memory runs out, or the page cannot be written.
    """
    require_place(out)
    devices, splits = begin(config, reporter)
    config = with_batch_size(config, splits, devices, reporter)
    with enough_memory(config):
        counts, page = collect(config, splits, devices)
    content = page.render()
    require_place(out)
    try:
        with replacing(out) as aside:
            aside.write_bytes(content)
    except OSError as error:
        raise TrainingError(f"{out}: cannot be written: {error.strerror or error}") from None
    return {"path": str(out), **counts}


def collect(config: Config, splits: Splits, devices: Devices) -> tuple[dict[str, Any], Page]:
    """Returns what the page says, as counts and as the page.

    Raises:
        UserError: where config and data do not fit, as training would.
    """
    experiment, spec = config.experiment, splits.spec
    require(config, splits)
    plan = plan_for(config, splits, devices.replicas)
    engine = assemble(config, spec, devices, experiment.optimizer.learning_rate)
    weights = sum(int(np.prod(weight.shape)) for weight in engine.model.trainable_weights)
    first = first_examples(experiment, splits, devices)
    values = _sample(splits.train, experiment.seed)
    counts = {
        "dataset": experiment.dataset.registered_name,
        "examples": {part: len(split) for part, split in splits.parts.items()},
        "classes": len(spec.class_names),
        "left_out": len(splits.skipped),
        "input_shape": list(spec.input_shape),
        "shown": len(first.targets),
        "weights": weights,
        "steps_per_epoch": plan.steps_per_epoch,
        "steps": plan.total_steps,
    }
    outcome = target_histograms(splits) if spec.numbers else [class_counts(splits)]
    rows = [_examples(experiment, spec, first), *_value_rows(spec, values, [*outcome, curve(experiment, plan)])]
    return counts, Page(str(experiment.name), facts(experiment, splits, plan, weights), tuple(rows))


def _sample(train: Split, seed: int) -> np.ndarray:
    """Returns some training inputs to take distributions from."""
    inputs = train.inputs
    most = max(VALUES // int(np.prod(inputs.shape[1:])), 16)
    if not isinstance(inputs, np.ndarray):
        most = min(most, DECODED)
    if len(inputs) <= most:
        return np.asarray(inputs[:])
    chosen = np.random.RandomState(seed).choice(len(inputs), most, replace=False)
    return np.asarray(inputs[np.sort(chosen)])


def curve(experiment: Experiment, plan: Plan) -> Curve:
    """Returns the learning rate over the run, as far as it is known beforehand."""
    schedule, peak = experiment.schedule, experiment.optimizer.learning_rate
    steps = np.unique(np.linspace(0, plan.total_steps - 1, POINTS).astype(int))
    rates = np.broadcast_to(np.asarray(learning_rate(schedule, peak, plan)(steps)), steps.shape)
    warmup = schedule.warmup(plan)
    note = f"{schedule.registered_name}: {number(rates[0])} at first, peak {number(peak)}, {number(rates[-1])} at last"
    if warmup:
        note += f"; {warmup:,} steps of warm-up"
    if schedule.initial_state() is not None:
        note += f"; falls when {schedule.monitor} no longer improves, which nobody knows beforehand"
    return Curve(note, steps + 1, rates, warmup, plan.steps_per_epoch)


def _examples(experiment: Experiment, spec: DataSpec, first: FirstExamples) -> Row:
    labels = [label(spec, target) for target in first.targets]
    heading = "Training examples of the first steps"
    if spec.columns:
        return Row((_table(spec, first.stored[:6], labels),), heading)
    if not spec.is_image:
        return Row((Lines(first.stored[:16].astype(np.float64), labels[:16]),), f"{heading}: values over features")
    drawn, scale = drawable(first.stored, first.stored)
    if experiment.augment:
        changes = ", ".join(block.registered_name for block in experiment.augment)
        heading += f", and below each what the network is trained on: after {changes}"
        if not first.is_exact:
            heading += f" (drawn in a batch of {DECODED}: training draws others)"
    else:
        heading += ": nothing changes them (augment: [])"
    changed = drawable(first.seen, first.stored)[0] if experiment.augment else ()
    return Row((Pictures(drawn, changed, labels),), f"{heading}; {scale}" if scale else heading)


def _table(spec: DataSpec, stored: np.ndarray, labels: list[str]) -> Rows:
    names, rows = cells(spec, stored)
    target = ", ".join(target.name for target in spec.numbers) or "label"
    return Rows([target, *names], [[label, *row] for label, row in zip(labels, rows, strict=False)])


def _value_rows(spec: DataSpec, values: np.ndarray, others: list[Panel]) -> list[Row]:
    """Returns rows of what the values are, with the other panels where they fit."""
    if not spec.columns:
        panels = channels(spec, values)
        if len(panels) == 1:
            return [Row((*others[:1], *panels, *others[1:]))]
        return [Row(tuple(others)), Row(tuple(panels))]
    panels, per_row = columns(spec, values), 5
    above = [others] if len(others) <= 3 else [others[:-1], others[-1:]]
    more = len({column.source for column in spec.columns}) - len(panels)
    heading = "Columns, training part" + (f": the first {MOST_COLUMNS}, {more} more not shown" if more else "")
    tiles = [tuple(panels[start : start + per_row]) for start in range(0, len(panels), per_row)]
    return [
        *(Row(tuple(row)) for row in above),
        *(Row(tile, heading * (not index), per_row) for index, tile in enumerate(tiles)),
    ]
