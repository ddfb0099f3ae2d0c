"""Evidence for a report: predictions on held-out data, baselines, mistakes, Grad-CAM and first filters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from dltrain.assembly.batches import evaluation_feed, plain_preparation
from dltrain.config.experiment import Experiment
from dltrain.data import PARTS, DataSpec, Groups, Outcome, Split, Splits, spaced, trees
from dltrain.engine.compiled_loop import Engine
from dltrain.engine.device import Devices
from dltrain.engine.tensors import tensors
from dltrain.errors import TrainingError
from dltrain.inference import outputs
from dltrain.inference.grad_cam import first_filters, grad_cam, only_image
from dltrain.inference.gradient_times_input import gradient_times_input
from dltrain.inference.outputs import BATCH, Stopped, arrays, finite, joined
from dltrain.inference.part_metrics import evaluated
from dltrain.inspection.findings import examine
from dltrain.inspection.inspected_data import InspectedData
from dltrain.lazy import tf
from dltrain.report.outcome import Evidence, Example

MOST_EXAMPLES = 10_000
"""Examples that the network answers for a report, evenly spaced ones of more."""

_MOST_NUMBERS = 2**25
"""Of outputs that baselines end in, at a time."""

MOST_MISTAKES = 25
"""Of the worst, shown one by one."""

MOST_SHOWN = 12
"""Right answers of which is shown what the network looks at."""


def gather(
    experiment: Experiment,
    engine: Engine,
    devices: Devices,
    splits: Splits,
    known: Mapping[str, Any],
    stopped: Callable[[], bool] = lambda: False,
) -> Evidence:
    """Collects what a report shows of a network and its data.

    Args:
        experiment: with the task that says what answers mean.
        engine: the network, with the weights that are reported on.
        devices: what shares a batch of its.
        splits: the data; the test part is asked, or validation, or training, the first that there is.
        known: loss and metrics of parts that were measured with these weights before, by the part's name.
        stopped: asked between batches.

    Raises:
        Stopped: once `stopped` is true.
        DataError: if an example cannot be read.
        TrainingError: if an output of the network is not finite.
    """
    name, whole = next((name, splits.parts[name]) for name in reversed(PARTS) if name in splits.parts)
    spec, task, model = splits.spec, experiment.task, engine.model
    places = spaced(len(whole), MOST_EXAMPLES)
    part = whole if len(places) == len(whole) else whole.take(places)
    size = min(experiment.train.examples_per_batch, BATCH)
    outcome = outputs.outcome(task, spec, model, name, part, size, stopped)
    lost = int((~finite(outcome.outputs)).sum())
    if lost:
        raise TrainingError(f"the network's output is not finite for {lost:,} of {len(part):,} examples")
    metrics = known.get(name)
    if metrics is None:
        feed = evaluation_feed(experiment, spec, part, devices)
        metrics = evaluated(engine, task, spec, name, part, feed, stopped, outcome)
    if metrics is None:
        raise Stopped
    mistakes = task.mistakes(outcome, MOST_MISTAKES)
    wrong = [] if mistakes is None else [each.position for each in mistakes.worst]
    not_right = set(wrong) | (set() if mistakes is None else set(mistakes.wrong))
    inspected = InspectedData(splits, brief=True)

    def examples(positions: list[int], are_explained: bool = True) -> list[Example]:
        if not positions:
            return []
        taken = part.take(np.array(positions))
        inputs, targets = (trees.read(tree, slice(None)) for tree in (taken.inputs, taken.targets))
        seen: Any = grad_cam(model, task, spec, inputs, size) if are_explained else None
        if seen is None and are_explained:
            seen = gradient_times_input(model, task, spec, inputs, size)
        return [
            Example(trees.at(inputs, index), trees.at(targets, index), trees.at(outcome.outputs, position),
                    inspected.place(name, int(places[position])), None if seen is None else seen[index])
            for index, position in enumerate(positions)
        ]  # fmt: skip

    shown_wrong = examples(wrong)
    return Evidence(
        outcome,
        {name: len(split) for name, split in splits.parts.items()},
        metrics,
        baseline_metrics(experiment, splits, name),
        task.chapters(outcome),
        mistakes,
        shown_wrong,
        examples(_varied(spec.groups(part.targets), len(part), not_right)) if only_image(spec) else [],
        first_filters(model, spec),
        [(finding.severity, finding.line) for finding in examine(inspected)],
        splits.fingerprint,
        examples([each.beside for each in mistakes.worst if each.beside is not None] if mistakes else [], False),
    )


def baseline_metrics(experiment: Experiment, splits: Splits, name: str) -> dict[str, dict[str, float]]:
    """Returns the metrics that the task's baselines have on a part, by what they are called.

    Args:
        experiment: with the task.
        splits: the data.
        name: of the part.
    """
    task, data, part = experiment.task, splits.spec, splits.parts[name]
    undefined = task.undefined(data, part)
    found = {}
    for words, answers in task.baselines(data, splits.train, part).items():
        values = measured(experiment, data, name, part, answers)
        found[words] = {metric: value for metric, value in values.items() if metric not in undefined}
    return found


def measured(experiment: Experiment, data: DataSpec, name: str, part: Split, outputs: Any) -> dict[str, float]:
    """Returns the metrics of a network that would end in these outputs.

    Args:
        experiment: with the task.
        data: what the data are.
        name: of the part.
        part: its examples.
        outputs: (examples, *outputs), or (1, *outputs), the same for all examples; or a dict of such.
    """
    task, prepare = experiment.task, plain_preparation(experiment, data)
    made, count, collected = task.build_metrics(data), len(part), []
    of_target = made if isinstance(made, dict) else {"": made}
    metrics = {f"{name}_{each.name}" if name else each.name: (name, each)
               for name, some in of_target.items() for each in some}  # fmt: skip
    if trees.count(outputs) == 1 < count:
        outputs = trees.mapped(lambda each: np.broadcast_to(each, (count, *each.shape[1:])), outputs)

    @tf.function(autograph=False)
    def prepared(inputs: Any, targets: Any, positions: Any) -> Any:
        return prepare(tf.constant(0, tf.int64), inputs, targets, positions=positions)[1]

    needs_inputs = prepare.last is not None or bool(task.part_metrics)
    numbers = sum(int(np.prod(each.shape[1:])) for each in trees.leaves(outputs))
    size = max(1, min(MOST_EXAMPLES, _MOST_NUMBERS // max(numbers, 1)))
    for start in range(0, count if metrics or task.part_metrics else 0, size):
        positions = np.arange(start, min(start + size, count))
        some = part.take(positions)
        targets = tensors(data.targets, some.targets) if data.targets else tf.constant(some.targets)
        predicted = tf.nest.map_structure(tf.constant, trees.taken(outputs, positions))
        if needs_inputs:
            inputs = tensors(data.inputs, some.inputs)
        if task.part_metrics:
            collected.append(arrays(task.inference(data, lambda *_, so=predicted, **__: so)(inputs)))
        if prepare.last is not None:
            targets = prepared(inputs, targets, tf.constant(positions))
        for name, metric in metrics.values():
            metric.update_state(*((targets[name], predicted[name]) if name else (targets, predicted)))
    found = {column: float(metric.result()) for column, (_, metric) in metrics.items()}
    if task.part_metrics:
        found |= task.measure(Outcome(data, name, part, part.metadata, joined(collected)))
    return found


def _varied(groups: Groups | None, count: int, without: set[int]) -> list[int]:
    """Returns the positions of examples of different groups: the first of each group, then the second of each."""
    labels = groups.members if groups and groups.are_exclusive else np.arange(count)
    seen: dict[int, int] = {}
    ranks = []
    for position, label in enumerate(labels.tolist()):
        if position not in without and seen.get(label, 0) < MOST_SHOWN:
            ranks.append((seen.get(label, 0), label, position))
            seen[label] = seen.get(label, 0) + 1
    return [position for *_, position in sorted(ranks)[:MOST_SHOWN]]
