"""`dltrain inspect`: a thorough check of the data that a config names, and of how both fit, without training."""

import dataclasses
from typing import Any

from dltrain.assembly.contract import contract_problems
from dltrain.config.experiment import Config
from dltrain.data import Finding, unnamed
from dltrain.importing import import_tensorflow
from dltrain.inspection.findings import examine
from dltrain.inspection.fingerprint import fingerprint
from dltrain.inspection.inspected_data import InspectedData


def inspect(config: Config) -> dict[str, Any]:
    """Inspects the data that a config names.


    Examples that cannot be used are left out and named, whatever `on_bad_example` says.

    Returns:
        {"dataset", "shape", "examples": {part: number}, "classes": {class: {part: number}},
        "targets": {target: {part: {"mean", "standard_deviation", "minimum", "maximum"}}}, "fingerprint": {part: hash},
        "findings": [the fields of each `Finding`]}; no classes where there are numbers to predict, and the reverse. The
        input's shape is that of the largest example; a dict by name where there are several inputs.

    Raises:
        UserError: if the data cannot be read or used at all.
    """
    dataset = config.experiment.dataset
    if dataset.reads_with_tensorflow:  # which says much unless it is started here
        import_tensorflow()
    is_asked = dataset.on_bad_example == "skip"
    if dataset.on_bad_example is not None:
        dataset = dataclasses.replace(dataset, on_bad_example="skip")
    with config.blame("dataset"):
        splits = dataset.load()
        odd = tuple(dataset.findings(splits))
    data = InspectedData(splits, skips=is_asked, of_source=odd)
    return {
        "dataset": dataset.registered_name,
        "shape": unnamed({name: list(each.max_shape) for name, each in splits.spec.inputs.items()}),
        "examples": {name: len(part) for name, part in data.parts.items()},
        "classes": _classes(data),
        "targets": _targets(data),
        "fingerprint": fingerprint(splits),
        "findings": [
            dataclasses.asdict(finding)
            for finding in [
                *(Finding("contract", "error", str(problem)) for problem in contract_problems(config, splits)),
                *examine(data),
            ]
        ],
    }


def _classes(data: InspectedData) -> dict[str, dict[str, int]]:
    return {
        name: {part: int(found.counts[label]) for part, found in groups.items()}
        for groups in data.groups
        for label, name in enumerate(groups["train"].names)
    }


def _targets(data: InspectedData) -> dict[str, dict[str, dict[str, float]]]:
    found: dict[str, dict[str, dict[str, float]]] = {}
    for feature, parts in data.targets:
        for part, values in parts.items():
            for name, figures in feature.statistics(values).items():
                found.setdefault(name, {})[part] = figures
    return found
