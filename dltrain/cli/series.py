"""`dltrain fit --folds` and `--seeds`: several runs of one experiment, and their mean."""

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

from dltrain.cli.arguments import Words, echo, print_json
from dltrain.config import experiment as experiments
from dltrain.errors import ConfigError
from dltrain.runs.folder import DEFAULT_ROOT
from dltrain.wording import metric

AUTO = "auto"
"""The RUN of `--resume auto`."""


def config_of(given: Words) -> Path:
    """Returns the CONFIG with which `fit` starts.

    Raises:
        ConfigError: if none was given, or a RUN beside it.
    """
    if given.config is None:
        what = f"got {given.run!r}" if given.run else "got none"
        raise ConfigError([f"fit needs a CONFIG, a file that ends in .yaml, {what}; to resume a RUN, add --resume"])
    if given.run:
        raise ConfigError([f"{given.run!r} is neither a CONFIG (.yaml) nor KEY=VALUE; to resume a RUN, add --resume"])
    return given.config


def fit_series(
    given: Words, folds: int | None, seeds: int | None, one_run: dict[str, bool], runs: Path, resume: bool, force: bool,
    quiet: bool, verbose: bool, as_json: bool
) -> None:  # fmt: skip
    """Trains the runs of a series, and prints mean and deviation.

    Args:
        given: the CONFIG and what to change in it.
        folds: how many of them, or
        seeds: how many of them.
        one_run: which options were given that are for one run.
        runs: the folder that runs lie in.
        resume: keep what is finished, and go on with what was cut.
        force: let runs go on although it is another experiment.
        quiet: say less.
        verbose: say more.
        as_json: print one JSON object.

    Raises:
        ConfigError: if an option does not go with it.
    """
    kind, count = ("folds", folds) if folds else ("seeds", seeds or 0)
    for option, is_given in {**one_run, "--seeds": None not in (folds, seeds)}.items():
        if is_given:
            hint = "; type CONFIG --resume auto" if option.startswith("--resume") else ""
            raise ConfigError([f"--{kind} trains several runs and cannot be combined with {option}{hint}"])
    if force and not resume:
        raise ConfigError(["--force needs --resume"])
    path, overrides = config_of(replace(given, run=None if resume else given.run)), given.overrides

    from dltrain.console import Reporter
    from dltrain.replication.folds import cross_validate
    from dltrain.replication.seeds import train_seeds
    from dltrain.replication.series import Series

    place = [] if runs == DEFAULT_ROOT else ["--runs", str(runs)]
    words = ["dltrain", "fit", str(path), *overrides, f"--{kind}", str(count), "--resume", "auto", *place]
    series = Series(experiments.load(path, overrides), runs, lambda: Reporter(quiet, verbose), resume, force)
    trains = cross_validate if kind == "folds" else train_seeds
    found = trains(series, count, shlex.join(words))
    if as_json:
        print_json(found)
    elif kind == "folds":
        _print(found, [found["held_out"]], f"mean of {count} folds")
    else:
        _print(found, ["validation", "test"], f"mean of {count} seeds")
        echo(f"compare  {shlex.join(['dltrain', 'compare', _pattern(found['runs']), *place])} OTHER...")


def _print(found: dict[str, Any], parts: list[str], mean: str) -> None:
    """Prints the metrics of each run on some parts, and the mean of all runs."""
    from dltrain.cli.tables import print_rows

    columns = [(f"{part} {name}", values) for part in parts for name, values in (found[part] or {}).items()]
    rows: list[list[Any]] = [["run", *(name for name, _ in columns)]]
    for index, run in enumerate(found["runs"]):
        rows.append([run, *(metric(values["values"][index]) for _, values in columns)])
    print_rows(rows, range(1, len(columns) + 1))
    echo("")
    for part in ("validation", "test"):
        for name, values in (found[part] or {}).items():
            center, spread = metric(values["mean"]), metric(values["standard_deviation"])
            ends = f"{metric(values['minimum'])} to {metric(values['maximum'])}"
            echo(f"{part} {name} (best weights)  {mean} {center}, sd {spread}, {ends}")


def _pattern(runs: list[str]) -> str:
    """Returns a pattern of names that these runs fit."""
    return f"{Path(runs[0]).name.rpartition('-seed')[0]}-seed*"
