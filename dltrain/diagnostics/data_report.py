"""inspect: a thorough look at the data that a config names, and at whether it fits them, without training."""

import dataclasses
from typing import Any

from dltrain.assembly.contract import broken
from dltrain.config.experiment import Config
from dltrain.importing import import_tensorflow
from dltrain.inspection.findings import Finding, examine
from dltrain.inspection.fingerprint import fingerprint
from dltrain.inspection.subject import Subject


def inspect(config: Config) -> dict[str, Any]:
    """Looks at the data.

    Examples that cannot be used are left out, and named, whatever the config says of them.

    Returns:
        {"dataset", "input_shape", "examples": {part: number}, "classes": {class: {part: number}},
        "targets": {target: {part: {"mean", "standard_deviation", "minimum", "maximum"}}}, "fingerprint": {part: hash},
        "findings": [the fields of each `Finding`]}; no classes where there are numbers to predict, and the reverse.

    Raises:
        UserError: if the data cannot be had or used at all.
    """
    dataset = config.experiment.dataset
    if dataset.reads_with_tensorflow:  # which says much unless it is started here
        import_tensorflow()
    is_asked = dataset.on_bad_example == "skip"
    if dataset.on_bad_example is not None:
        dataset = dataclasses.replace(dataset, on_bad_example="skip")
    with config.blame("dataset"):
        splits = dataset.load()
    subject = Subject(splits, skips=is_asked)
    return {
        "dataset": dataset.registered_name,
        "input_shape": list(splits.spec.input_shape),
        "examples": {name: len(part) for name, part in subject.parts.items()},
        "classes": _classes(subject),
        "targets": _targets(subject),
        "fingerprint": fingerprint(splits),
        "findings": [
            dataclasses.asdict(finding)
            for finding in [
                *(Finding("contract", "error", str(problem)) for problem in broken(config, splits)),
                *examine(subject),
            ]
        ],
    }


def _classes(subject: Subject) -> dict[str, dict[str, int]]:
    counts = subject.counts or {}
    return {
        name: {part: int(found[label]) for part, found in counts.items()}
        for label, name in enumerate(subject.spec.class_names)
    }


def _targets(subject: Subject) -> dict[str, dict[str, dict[str, float]]]:
    return {
        target.name: {
            name: {
                "mean": float(part.targets[:, index].mean(dtype=float)),
                "standard_deviation": float(part.targets[:, index].std(dtype=float)),
                "minimum": float(part.targets[:, index].min()),
                "maximum": float(part.targets[:, index].max()),
            }
            for name, part in subject.parts.items()
        }
        for index, target in enumerate(subject.spec.numbers)
    }
