"""`dltrain preview`: a page of the examples as the network sees them, the data and the schedule, before training."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dltrain.assembly.contract import check_contract, plan_for
from dltrain.assembly.data import start_and_load
from dltrain.assembly.network import assemble
from dltrain.assembly.out_of_memory import enough_memory
from dltrain.config.experiment import Config, Experiment
from dltrain.console import Reporter
from dltrain.data import DataSpec, Groups, Splits, named, showing, spaced, trees, unnamed
from dltrain.diagnostics.first_steps import DECODED, FirstExamples, first_examples
from dltrain.diagnostics.word_odds import telling_words
from dltrain.engine.device import Devices
from dltrain.errors import UserError
from dltrain.figures.distributions import MOST_CLASSES, distributed
from dltrain.figures.examples import Lines, Pictures, Rows
from dltrain.figures.page import Page, Panel, Row
from dltrain.figures.panels import Curve
from dltrain.figures.place import require_place
from dltrain.figures.reading import tabled
from dltrain.inference.experiment_summary import summary
from dltrain.inspection.joined import Joined
from dltrain.runs.folder import replacing
from dltrain.schedules import Plan, learning_rate
from dltrain.training.batch_size import with_batch_size
from dltrain.wording import number

VALUES = 2**24
"""The most numbers that distributions are computed from."""

MOST_COLUMNS, TILES = 25, 5
"""The most columns of a table whose distributions are drawn, and how many are drawn side by side."""

MOST_PANELS = 5
"""Distributions of targets that stand beside each other, the learning rate among them; more take two rows."""

MOST_LINES, MOST_ROWS = 16, 6
"""Examples that are shown as lines, and as rows of a table or words."""

MOST_TEXTS, MOST_WORDS = 20_000, 12
"""Training examples whose words are counted, and words of a class that are shown."""

POINTS = 2000
"""Points of the learning rate's curve: more than the page has pixels for it."""


def preview(config: Config, out: Path, reporter: Reporter) -> dict[str, Any]:
    """Draws the preview page; writes nothing else.

    Args:
        config: the experiment.
        out: the PNG file to write.
        reporter: for messages and progress.

    Returns:
        {"path", "dataset", "examples": {part: count}, "classes", "left_out", "shape", "shown", "weights",
        "steps_per_epoch", "steps"}

    Raises:
        UserError: something the user can fix, such as a page that cannot be written; nothing was written.
        TrainingError: memory runs out.
    """
    require_place(out)
    devices, splits = start_and_load(config, reporter)
    config = with_batch_size(config, splits, devices, reporter)
    with enough_memory(config):
        counts, page = collect(config, splits, devices)
    content = page.render()
    require_place(out)
    try:
        with replacing(out) as aside:
            aside.write_bytes(content)
    except OSError as error:
        raise UserError(f"{out}: cannot be written: {error.strerror or error}") from None
    return {"path": str(out), **counts}


def collect(config: Config, splits: Splits, devices: Devices) -> tuple[dict[str, Any], Page]:
    """Collects the content of the page; returns it as counts and as the page.

    Raises:
        UserError: where config and data do not fit together.
    """
    experiment, spec = config.experiment, splits.spec
    check_contract(config, splits)
    plan = plan_for(config, splits, devices.replicas)
    engine = assemble(config, spec, devices, experiment.optimizer.learning_rate)
    weights = sum(int(np.prod(weight.shape)) for weight in engine.model.trainable_weights)
    first = first_examples(experiment, splits, devices)
    groups = spec.groups(splits.train.targets)
    counts = {
        "dataset": experiment.dataset.registered_name,
        "examples": {part: len(split) for part, split in splits.parts.items()},
        "classes": len(groups.names) if groups else 0,
        "left_out": len(splits.skipped),
        "shape": unnamed({name: list(each.max_shape) for name, each in spec.inputs.items()}),
        "shown": len(first),
        "weights": weights,
        "steps_per_epoch": plan.steps_per_epoch,
        "steps": plan.total_steps,
    }
    inputs = _inputs(experiment, splits, first)
    others = [*_targets(splits), *experiment.task.panels(spec, splits.train, engine.model), curve(experiment, plan)]
    rows = [
        *(_examples(experiment, spec, first, each) for each in inputs),
        *_value_rows(inputs, others),
        *_word_rows(splits, groups),
    ]
    return counts, Page(str(experiment.name), summary(experiment, splits, plan, weights), tuple(rows))


def _sample(inputs: Any, size: int, seed: int) -> Any:
    """Samples stored values of an input to compute distributions from.

    Args:
        inputs: inputs of the train part.
        size: numbers of the largest example.
        seed: seed of the sample.
    """
    most = max(VALUES // max(size, 1), 16)
    if not trees.is_read(inputs):
        most = min(most, DECODED)
    if len(inputs) <= most:
        return trees.read(inputs, slice(None))
    chosen = np.random.RandomState(seed).choice(len(inputs), most, replace=False)
    return trees.read(inputs, np.sort(chosen))


def curve(experiment: Experiment, plan: Plan) -> Curve:
    """Computes the learning rate over the run, as far as it is known beforehand."""
    schedule, peak = experiment.schedule, experiment.optimizer.learning_rate
    steps = np.unique(np.linspace(0, plan.total_steps - 1, POINTS).astype(int))
    rates = np.broadcast_to(np.asarray(learning_rate(schedule, peak, plan)(steps)), steps.shape)
    warmup = schedule.warmup(plan)
    note = f"{schedule.registered_name}: {number(rates[0])} at first, peak {number(peak)}, {number(rates[-1])} at last"
    if warmup:
        note += f"; {warmup:,} steps of warm-up"
    if schedule.initial_state() is not None:
        note += f"; falls when {schedule.monitor} no longer improves, which is not known beforehand"
    return Curve(note, steps + 1, rates, warmup, plan.steps_per_epoch)


@dataclass(frozen=True)
class _Input:
    """The content of the page about one input.

    Args:
        name: the input's name; empty where there is only one.
        items: drawings of examples of the first steps.
        changed: drawings of the same as the network is trained on them; none where nothing changes them.
        panels: distributions of values of the train part.
    """

    name: str
    items: list[showing.Shown]
    changed: list[showing.Shown]
    panels: list[Panel]

    @property
    def are_rows(self) -> bool:
        """Whether examples are rows of a table, so that the panels are of its columns."""
        return isinstance(self.items[0], showing.Row)


def _inputs(experiment: Experiment, splits: Splits, first: FirstExamples) -> list[_Input]:
    spec, found = splits.spec, []
    stored, seen = named(spec.inputs, first.stored), named(spec.inputs, first.seen)
    inputs, part = named(spec.inputs, splits.train.inputs), next(iter(splits.parts))
    for name, feature in spec.inputs.items():
        items = feature.show(stored[name])
        is_changed = experiment.augment and isinstance(items[0], showing.Picture)
        changed = feature.show(seen[name], like=stored[name]) if is_changed else []
        for augmentation in experiment.augment if changed and len(spec.inputs) == 1 else ():
            changed = augmentation.shown(spec, changed, experiment.seed)
        values = _sample(inputs[name], math.prod(feature.max_shape), experiment.seed)
        panels = distributed(feature, {part: values})
        found.append(_Input(name if len(spec.inputs) > 1 else "", items, changed, panels))
    return found


def _targets(splits: Splits) -> list[Panel]:
    """Returns the distributions of the targets, in each part."""
    data = splits.spec
    features = data.targets
    parts = {part: named(features, split.targets) for part, split in splits.parts.items()}
    return [
        panel
        for name, feature in features.items()
        for panel in distributed(feature, {part: targets[name] for part, targets in parts.items()})
    ]


def _examples(experiment: Experiment, data: DataSpec, first: FirstExamples, of_input: _Input) -> Row:
    labels = data.words(first.targets) or [""] * len(first)
    heading = "Training examples of the first steps" + (f": {of_input.name}" if of_input.name else "")
    items = of_input.items
    match items[0]:
        case showing.Picture(note=note):
            if experiment.augment:
                changes = ", ".join(block.registered_name for block in experiment.augment)
                heading += f", and below each what the network is trained on: after {changes}"
                if not first.is_exact:
                    heading += f" (changed in a batch of {DECODED}: in training the random changes differ)"
            else:
                heading += ": nothing changes them (augment: [])"
            raw, seen = ([each.pixels for each in images if isinstance(each, showing.Picture)] for images in
                         (items, of_input.changed))  # fmt: skip
            raw, seen = (_outlined(data, images, targets) for images, targets in
                         ((raw, first.targets), (seen, first.trained_targets)))  # fmt: skip
            mixes = any(block.mixes for block in experiment.augment)
            panel: Panel = Pictures(raw, seen, labels, _mixed_words(data, first) if mixes else ())
            heading += f"; {note}" if note else ""
        case showing.Lines() | showing.Sound():
            lines = [each.values if isinstance(each, showing.Lines) else each.samples for each in items[:MOST_LINES]
                     if isinstance(each, showing.Lines | showing.Sound)]  # fmt: skip
            panel = Lines(lines, labels[:MOST_LINES])
            over = items[0].over or "features" if isinstance(items[0], showing.Lines) else ""
            heading += f": values over {over}" if over else ": samples over time"
        case _:
            asked = [", ".join(each.caption for each in data.targets.values())] if data.targets else []
            caption = of_input.name or next(iter(data.inputs.values())).caption
            tokens = [each.tokens for each in items[:MOST_ROWS] if isinstance(each, showing.Text)]
            names, rows = tabled("text" if any(tokens) else caption, items[:MOST_ROWS])
            cells = [[*([label] if asked else []), *row] for label, row in zip(labels, rows, strict=False)]
            if any(tokens):
                names = [*names, "as the network sees it: its tokens"]
                cells = [[*row, " · ".join(of_row)] for row, of_row in zip(cells, tokens, strict=True)]
            panel = Rows([*asked, *names], cells)
    return Row((panel,), heading)


def _outlined(data: DataSpec, images: list[np.ndarray], targets: Any) -> list[np.ndarray]:
    """Returns pictures of inputs with the targets on them that have places."""
    for name, feature in data.targets.items() if images else ():
        if feature.has_places:
            images = feature.outlined(images, named(data.targets, targets)[name])
    return images


def _word_rows(splits: Splits, groups: Groups | None) -> list[Row]:
    """Returns the words of each class, or label, that stand out most in the train part.

    Args:
        splits: the data.
        groups: of the examples of the train part; none where none belong together.
    """
    if groups is None:
        return []
    spec, found = splits.spec, []
    chosen = spaced(len(splits.train), MOST_TEXTS)
    groups = groups.take(chosen)
    shown = sorted(np.argsort(-groups.counts, kind="stable")[:MOST_CLASSES].tolist())
    for name, values in named(spec.inputs, splits.train.inputs).items():
        # Taken, not read: only what is made of words is read for them.
        terms = spec.inputs[name].terms(Joined([values]).take(chosen))
        if terms is None:
            continue
        words = telling_words(terms, groups, MOST_WORDS, shown)
        rows = [[groups.names[at], "   ".join(of_class) or "none"] for at, of_class in zip(shown, words, strict=True)]
        more = f"; the {len(rows)} largest of {len(groups.names):,} classes" if len(groups.names) > len(rows) else ""
        heading = f"The words that stand out most (log-odds), train part{more}"
        heading += f": {name}" if len(spec.inputs) > 1 else ""
        found.append(Row((Rows(["label", "more frequent than in all others, the plainest first"], rows),), heading))
    return found


def _mixed_words(data: DataSpec, first: FirstExamples) -> list[str]:
    """Returns what the network is trained to answer to each mixed example: shares of classes, else the values."""
    groups, trained = data.groups(first.targets), first.trained_targets
    if groups is None:
        return data.words(trained)
    return [
        " + ".join(f"{shares[at]:.0%} {groups.names[at]}" for at in np.argsort(-shares) if shares[at] >= 0.005)
        or "none"
        for shares in trained
    ]


def _value_rows(inputs: Sequence[_Input], others: list[Panel]) -> list[Row]:
    """Returns rows of the distributions of values, with the other panels where they fit."""
    only = inputs[0]
    if len(inputs) == 1 == len(only.panels) and not only.are_rows:
        return [Row((*others[:1], *only.panels, *others[1:]))]
    is_full = any(each.are_rows for each in inputs) and len(others) > 3
    half = -(-len(others) // 2) if len(others) > MOST_PANELS else len(others)
    above = [others[:-1], others[-1:]] if is_full else [others[:half], others[half:]]
    rows = [Row(tuple(each)) for each in above if each]
    for each in inputs:
        if each.are_rows:
            rows += _tiles(each)
        elif each.panels:
            rows.append(Row(tuple(each.panels), each.name))
    return rows


def _tiles(of_input: _Input) -> list[Row]:
    panels, more = of_input.panels[:MOST_COLUMNS], len(of_input.panels) - MOST_COLUMNS
    heading = "Columns, train part" + (f": the first {MOST_COLUMNS}, {more} more not shown" if more > 0 else "")
    heading += f" ({of_input.name})" if of_input.name else ""
    tiles = [tuple(panels[start : start + TILES]) for start in range(0, len(panels), TILES)]
    return [Row(tile, heading * (not index), TILES) for index, tile in enumerate(tiles)]
