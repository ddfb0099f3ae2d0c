"""MODEL_CARD.md: what an exported network is, what it takes and gives, what it was worth, and where that ends."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dltrain.config.experiment import Config
from dltrain.data import DataSpec, Split, Splits
from dltrain.inference.evidence import measured
from dltrain.inspection.findings import examine
from dltrain.inspection.inspected_data import InspectedData
from dltrain.lazy import np
from dltrain.report.markdown import code, plain, table
from dltrain.runs import folder
from dltrain.runs.folder import Run

NAME = "MODEL_CARD.md"
FEW = 20
"""Examples of a class below which its result is mostly chance."""
MOST = 1000
"""Classes or columns that are listed."""


def write_card(
    run: Run,
    config: Config,
    saved: Any,
    splits: Splits,
    place: Path,
    contract: dict[str, Any],
    files: Sequence[dict[str, Any]],
    others: Sequence[str],
) -> Path:
    """Writes the card of what was exported, of all that the run knows.

    Args:
        run: the run.
        config: its config.
        saved: the checkpoint whose weights these are.
        splits: its data.
        place: the folder.
        contract: "activation" that outputs end in, or none, and whether "normalization" is inside.
        files: what it is the card of, each with "format", "path", "bytes" and "words".
        others: files beside them that hold other weights, or take or give something else.
    """
    spec, experiment, summary = splits.spec, config.experiment, run.read_summary()
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
            [f"Not described here, of other weights, inputs or outputs: {', '.join(map(plain, others))}.", ""]
            * bool(others)
        ),
        *_contract(spec, experiment, contract),
        *_results(config, saved, splits, summary),
        *_data(splits, summary),
        *_training(run, config, summary),
        *_limits(splits, summary),
    ]
    path = place / NAME
    folder.write_text(path, "\n".join(lines) + "\n")
    return path


def _contract(spec: DataSpec, experiment: Any, contract: dict[str, Any]) -> list[str]:
    inside = contract["normalization"]
    shape = ", ".join(["batch", *map(str, spec.input_shape)])
    lines = ["## Input and output", ""]
    if spec.is_image:
        colours = {1: "grey", 3: "red, green, blue"}.get(spec.input_shape[-1], "as in the data")
        values = "raw, 0 to 255" if inside else "normalised by the numbers below"
        lines.append(f"`inputs`: float32, ({shape}): height, width, channels ({colours}); values {values}.")
        resize = getattr(experiment.dataset, "resize", None)
        if resize:
            lines.append(
                f"Outside of the network: decoding, turning as EXIF says, white behind what is transparent, and "
                f"bringing to {spec.input_shape[0]}x{spec.input_shape[1]} pixels (`resize: {plain(resize)}`)."
            )
    else:
        lines.append(f"`inputs`: float32, ({shape}): the numbers of an example, in this order.")
        if spec.columns:
            words = "Outside of the network: making these numbers of a row. "
            lines += [f"{words}A missing value becomes `fill`; a category its number, 0 where it is none of them.", ""]
            rows = [
                (place, each.name, each.part, f"{each.fill:g}", "; ".join(each.categories[:MOST]) or each.word or "")
                for place, each in enumerate(spec.columns[:MOST])
            ]
            lines += table(("place", "number", "is", "fill", "categories, from 1; or the word that is counted"), rows)
    lines.append("")
    if not inside and spec.mean is not None and spec.standard_deviation is not None:
        lines += ["Subtract the mean and divide by the deviation before:", ""]
        pairs = zip(spec.mean, spec.standard_deviation, strict=True)
        lines += [*table(("place", "mean", "deviation"), [(place, *pair) for place, pair in enumerate(pairs)]), ""]
    else:
        lines += ["Normalisation by the training part's mean and deviation is inside of the network.", ""]
    lines.append(f"`outputs`: float32, (batch, {spec.outputs}): {_meaning(spec, contract['activation'])}")
    lines.append("")
    told = [target.name for target in spec.numbers] or spec.class_names[:MOST]
    what = "target" if spec.numbers else "class" if spec.exclusive else "label"
    lines += table(("place", what), list(enumerate(told)))
    hidden = max(len(spec.class_names) - MOST, 0)
    return [*lines, *([f"... and {hidden:,} more, in the order of their names' sorting."] if hidden else []), ""]


def _meaning(spec: DataSpec, activation: str | None) -> str:
    if spec.numbers:
        return "the targets in their own units."
    if activation is None:
        return "logits; " + ("softmax" if spec.exclusive else "sigmoid") + " makes probabilities of them."
    if spec.exclusive:
        return "the probability of each class; they sum to 1."
    return "the probability of each label; an example has those above 0.5."


def _results(config: Config, saved: Any, splits: Splits, summary: dict[str, Any]) -> list[str]:
    lines = ["## Results", ""]
    task, parts = config.experiment.task, {"test": splits.test, "validation": splits.validation}
    rows: list[tuple[object, ...]] = []
    for name, part in parts.items():
        metrics = summary.get(name)
        if part is None or not isinstance(metrics, dict):
            continue
        rows.append((name, f"{len(part):,}", "this network", *_numbers(metrics, metrics)))
        if hasattr(task, "baselines"):
            for words, outputs in task.baselines(splits.spec, splits.train.targets).items():
                found = measured(task, splits.spec, part.targets, outputs)
                rows.append((name, f"{len(part):,}", words, *_numbers(metrics, found)))
    if not rows:
        return [*lines, "Nothing was held out, or the run did not end: what it is worth was not measured.", ""]
    shown = next(metrics for metrics in (summary.get("test"), summary.get("validation")) if isinstance(metrics, dict))
    lines += [*table(("part", "examples", "what", *shown), rows), ""]
    if saved.path.name != "best.npz":
        lines += [f"Measured with the best weights; the files hold those of `{plain(saved.path.name)}`.", ""]
    return lines


def _numbers(names: dict[str, Any], metrics: dict[str, Any]) -> list[str]:
    return [f"{metrics[name]:.4g}" if isinstance(metrics.get(name), int | float) else "" for name in names]


def _data(splits: Splits, summary: dict[str, Any]) -> list[str]:
    told = {"training": "train", "validation": "validation", "test": "test"}
    known = summary.get("data") or {}
    rows = [(name, f"{len(part):,}", known.get(told[name], "")) for name, part in splits.parts.items()]
    lines = ["## Data", "", *table(("part", "examples", "fingerprint"), rows), ""]
    counts = _counts(splits)
    if counts is not None:
        names = splits.spec.class_names[:MOST]
        each = [(name, *(int(of_part[place]) for of_part in counts.values())) for place, name in enumerate(names)]
        lines += [*table(("class" if splits.spec.exclusive else "label", *counts), each), ""]
    return lines


def _counts(splits: Splits) -> dict[str, np.ndarray] | None:
    if not splits.spec.class_names:
        return None

    def counted(part: Split) -> np.ndarray:
        if part.targets.ndim == 1:
            return np.bincount(part.targets, minlength=len(splits.spec.class_names))
        return (part.targets > 0.5).sum(axis=0)

    return {name: counted(part) for name, part in splits.parts.items()}


def _training(run: Run, config: Config, summary: dict[str, Any]) -> list[str]:
    best = summary.get("best") or {}
    lines = ["## Training", ""]
    facts = [f"{summary.get(key):,} {key}" for key in ("epochs", "steps") if isinstance(summary.get(key), int)]
    if isinstance(summary.get("seconds"), int | float):
        facts.append(
            f"{summary['seconds']:,.0f} s on {plain(summary.get('device'))} in {plain(summary.get('precision'))}"
        )
    if best:
        facts.append(f"best epoch {best.get('epoch')}, by {plain(best.get('monitor'))}")
    lines += [", ".join(facts) + ".", "", *code(run.config.read_text(encoding="utf-8"), "yaml"), ""]
    rows = [
        (key, value if isinstance(value, str | int) else json.dumps(value))
        for key, value in run.read_environment().items()
        if key in ("dltrain", "tensorflow", "keras", "numpy", "python", "platform", "devices", "cpu", "git") and value
    ]
    return lines + (["## Environment", "", *table(("what", "value"), rows), ""] if rows else [])


def _limits(splits: Splits, summary: dict[str, Any]) -> list[str]:
    """Returns what the run knows of where its results end; no more."""
    found = ["The results are of data from the same source, split as above; of other data nothing is known."]
    test = splits.test
    if test is None:
        found.append("There is no test part: the validation part was tuned on, and flatters.")
    else:
        accuracy = (summary.get("test") or {}).get("accuracy")
        if isinstance(accuracy, float) and splits.spec.exclusive and splits.spec.class_names:
            low, high = _interval(accuracy, len(test))
            found.append(
                f"{len(test):,} test examples: the accuracy may as well be {low:.3f} to {high:.3f} (95 %, Wilson)."
            )
    counts = _counts(splits)
    for part, of_part in (counts or {}).items():
        rare = [splits.spec.class_names[place] for place in np.flatnonzero(of_part < FEW)]
        if rare and part != "validation":
            more = f" and {len(rare) - 10} more" if len(rare) > 10 else ""
            found.append(f"Fewer than {FEW} examples in the {part} part: {', '.join(map(plain, rare[:10]))}{more}.")
    if summary.get("skipped_examples"):
        found.append(f"{summary['skipped_examples']:,} examples could not be used and were left out.")
    findings = examine(InspectedData(splits, brief=True))
    found += [f"Of the data ({finding.severity}): {plain(finding.line)}." for finding in findings]
    return ["## Limits", "", *(f"- {words}" for words in found)]


def _interval(share: float, count: int) -> tuple[float, float]:
    """Returns Wilson's interval of 95 % for a share (E. B. Wilson 1927)."""
    z = 1.96
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * np.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return float(middle - half), float(middle + half)
