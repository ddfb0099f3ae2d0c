"""`dltrain inspect`: check the data before training."""

from typing import Annotated, Any

import typer

from dltrain.cli.arguments import Json, Quiet, config_words, echo, print_json
from dltrain.cli.trust import Trust
from dltrain.config import experiment as experiments
from dltrain.errors import UserError

PLACES = 10
"""Provenance of a finding that are shown; `--json` has all."""
CLASSES = 30
"""Classes up to which each one's counts are shown; beyond it the largest and the smallest."""


def inspect(
    words: Annotated[
        list[str], typer.Argument(metavar="CONFIG [KEY=VALUE]...", help="A YAML file, and keys to override.")
    ],
    trust: Trust = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Check CONFIG's data for leaks, duplicates, doubtful labels, unusable files and more."""
    path, overrides = config_words(words, "inspect")
    config = experiments.load(path, overrides)

    from dltrain.console import Reporter
    from dltrain.diagnostics import data_report

    Reporter(quiet or as_json)  # which prints what the dataset logs
    found = data_report.inspect(config)
    print_json(found) if as_json else _print(found)
    refused = {"error", "warning"} if config.experiment.strict else {"error"}
    if refused & {finding["severity"] for finding in found["findings"]}:
        raise typer.Exit(UserError.exit_code)


def _print(found: dict[str, Any]) -> None:
    from dltrain.cli.tables import print_rows

    shape = "x".join(map(str, found["shape"]))
    sizes = ", ".join(f"{count:,} {part}" for part, count in found["examples"].items())
    echo(f"{found['dataset']}: {sizes} examples of {shape}\n")
    if found["classes"]:
        print_rows(_class_rows(found), range(1, len(found["examples"]) + 1))
        echo("")
    if found["targets"]:
        print_rows(_target_rows(found), range(2, 6))
        echo("")
    blocks = ["\n".join(f"fingerprint  {part}  {value}" for part, value in found["fingerprint"].items())]
    blocks += [_finding_words(finding) for finding in found["findings"]] or ["nothing found"]
    echo("\n\n".join(blocks))


def _class_rows(found: dict[str, Any]) -> list[list[Any]]:
    parts, classes = list(found["examples"]), list(found["classes"].items())
    if len(classes) > CLASSES:
        classes.sort(key=lambda item: -item[1]["train"])
        left_out = (f"... {len(classes) - CLASSES} more", dict.fromkeys(parts, "..."))
        classes = [*classes[: CLASSES // 2], left_out, *classes[-CLASSES // 2 :]]
    return [["class", *parts], *([name, *(counts[part] for part in parts)] for name, counts in classes)]


def _target_rows(found: dict[str, Any]) -> list[list[Any]]:
    numbers = ["mean", "standard_deviation", "minimum", "maximum"]
    return [["target", "part", "mean", "deviation", "minimum", "maximum"]] + [
        [name, part, *(f"{values[number]:.6g}" for number in numbers)]
        for name, parts in found["targets"].items()
        for part, values in parts.items()
    ]


def _finding_words(finding: dict[str, Any]) -> str:
    where, more = finding["where"][:PLACES], len(finding["where"]) - PLACES
    lines = [f"{finding['severity']}: {finding['kind']}: {finding['message']}", *(f"    {place}" for place in where)]
    lines += [f"    ... and {more:,} more"] if more > 0 else []
    return "\n".join(lines + ([f"    -> {finding['advice']}"] if finding["advice"] else []))
