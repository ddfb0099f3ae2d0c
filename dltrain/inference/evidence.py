"""What a report needs the network for: its answers on held-out data, what to hold them against, what it looks at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dltrain.config.experiment import Experiment
from dltrain.data import DataSpec, Split, Splits, spaced
from dltrain.errors import TrainingError
from dltrain.inference.grad_cam import attention, first_filters
from dltrain.inspection.findings import examine
from dltrain.inspection.inspected_data import InspectedData
from dltrain.lazy import tf
from dltrain.report.outcome import Evidence, Example, Outcome

MOST_EXAMPLES = 10_000
"""Examples that the network answers for a report, evenly spaced ones of more."""

MOST_MISTAKES = 25
"""Of the worst, shown one by one."""

MOST_SHOWN = 12
"""Right answers of which is shown what the network looks at."""

BATCH = 256
"""Examples at a time, at most: nothing is compiled for so few."""


class Stopped(Exception):
    """A signal asked to stop."""


def gather(experiment: Experiment, model: Any, splits: Splits, stopped: Callable[[], bool] = lambda: False) -> Evidence:
    """Asks the network.

    Args:
        experiment: with the task that says what answers mean.
        model: with the weights that are reported on.
        splits: the data; the test part is asked, or validation, or training, the first that there is.
        stopped: asked between batches.

    Raises:
        Stopped: once `stopped` is true.
        DataError: if an example cannot be read.
        TrainingError: if what the network says is not finite.
    """
    name = next(name for name in ("test", "validation", "train") if getattr(splits, name))
    spec, task, whole = splits.spec, experiment.task, getattr(splits, name)
    places = spaced(len(whole), MOST_EXAMPLES)
    part = whole if len(places) == len(whole) else whole.take(places)
    size = min(experiment.train.examples_per_batch, BATCH)
    outputs = answers(model, part, size, stopped)
    lost = int((~np.isfinite(outputs)).any(axis=1).sum())
    if lost:
        raise TrainingError(f"what the network says is not finite for {lost:,} of {len(part):,} examples")
    outcome = Outcome(spec, "training" if name == "train" else name, part.targets, outputs)
    baselines = task.baselines(spec, splits.train.targets)
    mistakes = task.mistakes(outcome, MOST_MISTAKES)
    wrong = [] if mistakes is None else [each.position for each in mistakes.worst]
    not_right = set(wrong) | (set() if mistakes is None else set(mistakes.wrong))
    inspected = InspectedData(splits, brief=True)

    def examples(positions: list[int]) -> list[Example]:
        if not positions:
            return []
        taken = part.take(np.array(positions))
        inputs = np.asarray(taken.inputs[:])
        seen = attention(model, spec, inputs, size)
        return [
            Example(inputs[index], taken.targets[index], outputs[position],
                    inspected.place(name, int(places[position])), None if seen is None else seen[index])
            for index, position in enumerate(positions)
        ]  # fmt: skip

    shown_wrong = examples(wrong)
    return Evidence(
        outcome,
        {name: len(split) for name, split in splits.parts.items()},
        measured(task, spec, part.targets, outputs),
        {words: measured(task, spec, whole.targets, constant) for words, constant in baselines.items()},
        task.chapters(outcome),
        mistakes,
        shown_wrong,
        examples(_varied(part.targets, not_right)) if spec.is_image else [],
        first_filters(model, spec),
        [(finding.severity, finding.line) for finding in examine(inspected)],
        splits.fingerprint,
    )


def answers(model: Any, part: Split, size: int, stopped: Callable[[], bool]) -> np.ndarray:
    """Returns the network's outputs for a part of the data, (examples, outputs), float32."""
    found = []
    for start in range(0, len(part), size):
        if stopped():
            raise Stopped
        batch = np.asarray(part.inputs[start : start + size])
        found.append(np.asarray(model(tf.convert_to_tensor(batch, tf.float32), training=False), np.float32))
    return np.concatenate(found)


def measured(task: Any, spec: DataSpec, targets: np.ndarray, outputs: np.ndarray) -> dict[str, float]:
    """Returns the task's metrics.

    Args:
        task: the task.
        spec: what the data are.
        targets: what is right.
        outputs: of the network; or (outputs,), the same for all.
    """
    metrics = task.build_metrics(spec)
    for start in range(0, len(targets), MOST_EXAMPLES):
        wanted = targets[start : start + MOST_EXAMPLES]
        constant = np.broadcast_to(outputs, (len(wanted), *outputs.shape))
        told = constant if outputs.ndim == 1 else outputs[start : start + MOST_EXAMPLES]
        for metric in metrics:
            metric.update_state(tf.constant(wanted), tf.constant(told))
    return {metric.name: float(metric.result()) for metric in metrics}


def _varied(targets: np.ndarray, without: set[int]) -> list[int]:
    """Returns the positions of examples of different targets: the first of each class, then the second of each."""
    labels = targets if targets.ndim == 1 else np.arange(len(targets))
    seen: dict[int, int] = {}
    ranks = []
    for position, label in enumerate(labels.tolist()):
        if position not in without and seen.get(label, 0) < MOST_SHOWN:
            ranks.append((seen.get(label, 0), label, position))
            seen[label] = seen.get(label, 0) + 1
    return [position for *_, position in sorted(ranks)[:MOST_SHOWN]]
