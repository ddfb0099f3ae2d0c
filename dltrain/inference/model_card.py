"""MODEL_CARD.md: files, inputs and outputs, results, data, training and limits of an exported network."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dltrain import untrusted
from dltrain.config.document import MAX_BYTES
from dltrain.config.experiment import Config
from dltrain.data import DataSpec, Splits
from dltrain.data.feature import shape_words
from dltrain.data.spec import INPUTS
from dltrain.inference.evidence import baseline_metrics
from dltrain.inspection.findings import examine
from dltrain.inspection.inspected_data import InspectedData
from dltrain.lazy import np
from dltrain.report.markdown import code, plain, table
from dltrain.runs import folder
from dltrain.runs.folder import Run
from dltrain.runs.listing import measured
from dltrain.wording import duration, metric

NAME = "MODEL_CARD.md"
_ABSENT = "The data were not at hand when the card was written"
FEW = 20
"""Examples of a class below which its result is mostly chance."""
MOST = 1000
"""Classes whose examples are counted."""


def write_card(
    run: Run,
    config: Config,
    saved: Any,
    spec: DataSpec,
    splits: Splits | None,
    place: Path,
    contract: dict[str, Any],
    files: Sequence[dict[str, Any]],
    others: Sequence[str],
) -> Path:
    """Writes the model card of the exported files, from the run's config, data and summary.

    Args:
        run: the run.
        config: its config.
        saved: the checkpoint whose weights these are.
        spec: what it was trained on.
        splits: its data; none where they are not on this machine.
        place: the folder.
        contract: "activation" that outputs end in, or none, and whether "normalization" is inside.
        files: what it is the card of, each with "format", "path", "bytes" and "words".
        others: files beside them that hold other weights, or take or give something else.
    """
    experiment, summary = config.experiment, run.read_summary()
    names = (experiment.model.registered_name, experiment.dataset.registered_name, experiment.task.registered_name)
    lines = [
        f"# {plain(run.name)}",
        "",
        f"A network of the kind `{names[0]}` for {plain(names[2])} on the data of `{names[1]}`: "
        f"{summary.get('parameters', 0):,} weights, trained by dltrain. The numbers below are this run's own.",
        "",
        "## Files",
        "",
        *table(
            ("file", "format", "bytes", "compared with Keras after it was written"),
            [(each["path"], each["format"], f"{each['bytes']:,}", each["words"]) for each in files],
        ),
        "",
        *(
            [f"Not described here, because weights, inputs or outputs differ: {', '.join(map(plain, others))}.", ""]
            * bool(others)
        ),
        *_contract(spec, experiment, contract),
        *_results(config, saved, spec, splits, summary),
        *_data(splits, summary),
        *_training(run, config, summary),
        *_limits(splits, summary),
    ]
    path = place / NAME
    folder.write_text(path, "\n".join(lines) + "\n")
    return path


def _contract(data: DataSpec, experiment: Any, contract: dict[str, Any]) -> list[str]:
    lines = ["## Input and output", ""]
    for name, feature in data.inputs.items():
        people, *exactly = feature.describe(preprocessed=not contract["normalization"])
        first, *others = exactly or [f"{people}."]
        called = INPUTS if len(data.inputs) == 1 else name
        lines.append(f"`{called}`: {feature.dtype}, {_shape(feature.shape)}: {first}")
        lines += [*others, ""]
    lines += experiment.dataset.describe(data)
    meaning = experiment.task.describe(data)[1:]
    said = meaning[-1] if contract["activation"] else meaning[0]
    own = contract["shape"]  # then targets are no outputs
    if isinstance(own, dict):
        lines += [
            f"- `{name}`: {dtype}, {_shape(tuple(rest)) if rest else '(batch,)'}"
            for name, (dtype, *rest) in own.items()
        ]
        return [*lines, "", said, "", *(line for each in data.targets.values() for line in each.describe()[2:]), ""]
    shape = experiment.task.output_shape(data) if own is None else tuple(own)
    for name, each in (shape if isinstance(shape, dict) else {"outputs": shape}).items():
        lines += [f"`{name}`: float32, {_shape(each)}: {said}", ""]
    for name, feature in data.targets.items() if own is None else ():
        lines += [f"{name}:", ""] * (len(data.targets) > 1)
        lines += [*feature.describe()[1:], ""]
    return lines


def _shape(shape: Any) -> str:
    """Returns the shape of a batch in words."""
    if shape == ():
        return "(batch,)"
    return f"(batch, {shape_words(shape, ', ')})" if isinstance(shape, tuple) else "as the network has them"


def _results(config: Config, saved: Any, spec: DataSpec, splits: Splits | None, summary: dict[str, Any]) -> list[str]:
    lines = ["## Results", ""]
    rows: list[tuple[object, ...]] = []
    for name in ("test", "validation"):
        metrics, part = measured(summary, name), splits.part(name) if splits else None
        if metrics is None or (splits and part is None):
            continue
        rows.append((name, f"{len(part):,}" if part else "", "this network", *_numbers(metrics, metrics)))
        if splits is None or part is None:
            continue
        for words, found in baseline_metrics(config.experiment, splits, name).items():
            rows.append((name, f"{len(part):,}", words, *_numbers(metrics, found)))
    if not rows:
        return [*lines, "There are no metrics: no part was held out, or the run did not end.", ""]
    shown = next(filter(None, (summary.get("test"), summary.get("validation"))))
    lines += [*table(("part", "examples", "what", *shown), rows), ""]
    for name, feature in spec.inputs.items():
        if feature.views > 1:
            words = f"Outputs were averaged over {feature.views} views of each example's {plain(name)}"
            lines += [f"{words}; the files take one view at a time.", ""]
    if saved.path.name != "best.npz":
        lines += [f"Measured with the best weights; the files hold those of `{plain(saved.path.name)}`.", ""]
    return lines


def _numbers(names: Mapping[str, Any], metrics: Mapping[str, Any]) -> list[str]:
    return [metric(metrics[name]) if name in metrics else "" for name in names]


def _data(splits: Splits | None, summary: dict[str, Any]) -> list[str]:
    known = summary.get("data") or {}
    if splits is None:
        return ["## Data", "", *table(("part", "fingerprint"), [*known.items()]), "", f"{_ABSENT}.", ""]
    rows = [(name, f"{len(part):,}", known.get(name, "")) for name, part in splits.parts.items()]
    lines = ["## Data", "", *table(("part", "examples", "fingerprint"), rows), ""]
    groups = splits.spec.groups(splits.train.targets)
    if groups is not None:
        counts = _counts(splits)
        each = [
            (name, *(int(of_part[place]) for of_part in counts.values()))
            for place, name in enumerate(groups.names[:MOST])
        ]
        lines += [*table(("class" if groups.are_exclusive else "label", *counts), each), ""]
    return lines


def _counts(splits: Splits) -> dict[str, np.ndarray]:
    """Returns how many examples of each part are in each group of the target; nothing where there are no groups."""
    found = {name: splits.spec.groups(part.targets) for name, part in splits.parts.items()}
    return {name: groups.counts for name, groups in found.items() if groups is not None}


def _training(run: Run, config: Config, summary: dict[str, Any]) -> list[str]:
    best = summary.get("best") or {}
    lines = ["## Training", ""]
    words = [f"{summary.get(key):,} {key}" for key in ("epochs", "steps") if isinstance(summary.get(key), int)]
    if isinstance(summary.get("seconds"), int | float):
        words.append(
            f"{duration(summary['seconds'])} on {plain(summary.get('device'))} in {plain(summary.get('precision'))}"
        )
    if best:
        words.append(f"best epoch {best.get('epoch')} by {plain(best.get('monitor'))}")
    lines += [", ".join(words) + ".", "", *code(untrusted.content(run.config, MAX_BYTES).decode(), "yaml"), ""]
    rows = [
        (key, value if isinstance(value, str | int) else json.dumps(value))
        for key, value in run.read_environment().items()
        if key in ("dltrain", "tensorflow", "keras", "numpy", "python", "platform", "devices", "cpu", "git") and value
    ]
    return lines + (["## Environment", "", *table(("what", "value"), rows), ""] if rows else [])


def _limits(splits: Splits | None, summary: dict[str, Any]) -> list[str]:
    """Returns the known limits of the results."""
    found = ["The results hold for data from the same source, split as above; other data were not tested."]
    if splits is None:
        return ["## Limits", "", *(f"- {words}" for words in [*found, f"{_ABSENT}: nothing more is known here."])]
    test, groups = splits.test, splits.spec.groups(splits.train.targets)
    if test is None:
        found.append("There is no test part: the validation part chose the weights, so its metrics are optimistic.")
    else:
        accuracy = (summary.get("test") or {}).get("accuracy")
        if isinstance(accuracy, float) and groups is not None and groups.are_exclusive:
            low, high = _interval(accuracy, len(test))
            found.append(
                f"Accuracy on {len(test):,} test examples: 95 % confidence interval {low:.3f}-{high:.3f} (Wilson)."
            )
    for part, of_part in _counts(splits).items():
        rare = [groups.names[place] for place in np.flatnonzero(of_part < FEW)] if groups else []
        if rare and part != "validation":
            more = f" and {len(rare) - 10} more" if len(rare) > 10 else ""
            found.append(f"Fewer than {FEW} examples in the {part} part: {', '.join(map(plain, rare[:10]))}{more}.")
    if summary.get("skipped_examples"):
        found.append(f"{summary['skipped_examples']:,} examples could not be used and were skipped.")
    findings = examine(InspectedData(splits, brief=True))
    found += [f"Data, {finding.severity}: {plain(finding.line)}." for finding in findings]
    return ["## Limits", "", *(f"- {words}" for words in found)]


def _interval(share: float, count: int) -> tuple[float, float]:
    """Returns Wilson's interval of 95 % for a share (E. B. Wilson 1927)."""
    z = 1.96
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * np.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return float(middle - half), float(middle + half)
