"""Evidence for a report: predictions on held-out data, baselines, mistakes, Grad-CAM and first filters."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from dltrain.config.experiment import Experiment
from dltrain.data import PARTS, Groups, Outcome, Splits, spaced, trees
from dltrain.engine.tensors import tensors
from dltrain.errors import TrainingError
from dltrain.inference import outputs
from dltrain.inference.grad_cam import first_filters, grad_cam, only_image
from dltrain.inference.outputs import BATCH, finite
from dltrain.inspection.findings import examine
from dltrain.inspection.inspected_data import InspectedData
from dltrain.lazy import tf
from dltrain.report.outcome import Evidence, Example

MOST_EXAMPLES = 10_000
"""Examples that the network answers for a report, evenly spaced ones of more."""

MOST_MISTAKES = 25
"""Of the worst, shown one by one."""

MOST_SHOWN = 12
"""Right answers of which is shown what the network looks at."""


def gather(experiment: Experiment, model: Any, splits: Splits, stopped: Callable[[], bool] = lambda: False) -> Evidence:
    """Collects what a report shows of a network and its data.

    Args:
        experiment: with the task that says what answers mean.
        model: with the weights that are reported on.
        splits: the data; the test part is asked, or validation, or training, the first that there is.
        stopped: asked between batches.

    Raises:
        Stopped: once `stopped` is true.
        DataError: if an example cannot be read.
        TrainingError: if an output of the network is not finite.
    """
    name, whole = next((name, splits.parts[name]) for name in reversed(PARTS) if name in splits.parts)
    spec, task = splits.spec, experiment.task
    places = spaced(len(whole), MOST_EXAMPLES)
    part = whole if len(places) == len(whole) else whole.take(places)
    size = min(experiment.train.examples_per_batch, BATCH)
    outcome = outputs.outcome(task, spec, model, name, part, size, stopped)
    lost = int((~finite(outcome.outputs)).sum())
    if lost:
        raise TrainingError(f"the network's output is not finite for {lost:,} of {len(part):,} examples")
    baselines = task.baselines(spec, splits.train, whole)
    mistakes = task.mistakes(outcome, MOST_MISTAKES)
    wrong = [] if mistakes is None else [each.position for each in mistakes.worst]
    not_right = set(wrong) | (set() if mistakes is None else set(mistakes.wrong))
    inspected = InspectedData(splits, brief=True)

    def examples(positions: list[int]) -> list[Example]:
        if not positions:
            return []
        taken = part.take(np.array(positions))
        inputs = trees.read(taken.inputs, slice(None))
        seen = grad_cam(model, task, spec, inputs, size)
        return [
            Example(trees.at(inputs, index), trees.at(taken.targets, index), trees.at(outcome.outputs, position),
                    inspected.place(name, int(places[position])), None if seen is None else seen[index])
            for index, position in enumerate(positions)
        ]  # fmt: skip

    shown_wrong = examples(wrong)
    return Evidence(
        outcome,
        {name: len(split) for name, split in splits.parts.items()},
        measured(task, outcome),
        {words: measured(task, Outcome(spec, name, whole, outputs=answers)) for words, answers in baselines.items()},
        task.chapters(outcome),
        mistakes,
        shown_wrong,
        examples(_varied(spec.groups(part.targets), len(part), not_right)) if only_image(spec) else [],
        first_filters(model, spec),
        [(finding.severity, finding.line) for finding in examine(inspected)],
        splits.fingerprint,
    )


def measured(task: Any, outcome: Outcome) -> dict[str, float]:
    """Returns the task's metrics of outputs that were collected; without those that such a part cannot have.

    Keras metrics of a task whose `prepare` changes batches are not among them: an evaluation measures these.

    Args:
        task: the task.
        outcome: outputs; of a baseline, they may be (1, outputs), the same for all examples.
    """
    data, split, outputs = outcome.data, outcome.known, outcome.outputs
    # The targets that `prepare` makes are of inputs that it changes too: these outputs are of others.
    made, count = task.build_metrics(data) if task.prepare(data) is None else [], len(split)
    of_target = made if isinstance(made, dict) else {"": made}
    metrics = {f"{name}_{each.name}" if name else each.name: (name, each)
               for name, some in of_target.items() for each in some}  # fmt: skip
    if trees.count(outputs) == 1 < count:
        outputs = trees.mapped(lambda each: np.broadcast_to(each, (count, *each.shape[1:])), outputs)
    for start in range(0, count if metrics else 0, MOST_EXAMPLES):
        some = slice(start, start + MOST_EXAMPLES)
        targets = tensors(data.targets, trees.taken(outcome.targets, some))
        predicted = tf.nest.map_structure(tf.constant, trees.taken(outputs, some))
        for name, metric in metrics.values():
            metric.update_state(*((targets[name], predicted[name]) if name else (targets, predicted)))
    found = {column: float(metric.result()) for column, (_, metric) in metrics.items()}
    found |= task.measure(dataclasses.replace(outcome, outputs=outputs))
    undefined = task.undefined(data, split)
    return {name: value for name, value in found.items() if name not in undefined}


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
