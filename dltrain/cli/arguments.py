"""Words of the command line: a CONFIG ends in .yaml, key=value is an override, any other word is a RUN."""

import json
import math
import re
import sys
from contextlib import redirect_stdout
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer

from dltrain.errors import ConfigError, printable
from dltrain.runs.folder import DEFAULT_ROOT, all_runs, finite


def _json_alone(context: typer.Context, wanted: bool) -> bool:
    """Leaves standard output to `print_json`: what a plugin prints goes to standard error."""
    if wanted:
        token = _output.set(sys.stdout)
        context.call_on_close(lambda: _output.reset(token))
        context.with_resource(redirect_stdout(sys.stderr))
    return wanted


_output: ContextVar[TextIO | None] = ContextVar("output", default=None)
Json = Annotated[bool, typer.Option("--json", callback=_json_alone, help="Print one JSON object on standard output.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print only warnings, errors and results.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Print more details.")]
Runs = Annotated[Path, typer.Option("--runs", help="The folder of the runs.")]
RUNS = DEFAULT_ROOT


def finite_number(value: float | None) -> float | None:
    """Returns what an option was given; inf and nan are numbers to Python, which few things can be."""
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"must be a finite number, got {value}")
    return value


@dataclass(frozen=True)
class Words:
    """The sorted words.

    Args:
        config: the CONFIG, if one was given.
        run: the RUN, if one was given.
        overrides: key=value words.
    """

    config: Path | None
    run: str | None
    overrides: list[str]


def sort_words(words: list[str]) -> Words:
    """Sorts words into CONFIG, RUN and overrides.

    Raises:
        ConfigError: if there are two of what there can be one of.
    """
    overrides = [word for word in words if re.match(r"[\w.\[\]]+=", word)]
    configs = [word for word in words if word not in overrides and word.endswith((".yaml", ".yml"))]
    runs = [word for word in words if word not in overrides and word not in configs]
    for kind, given in (("CONFIG", configs), ("RUN", runs)):
        if len(given) > 1:
            raise ConfigError([f"one {kind} at a time, got {' and '.join(given)}; an override has the form key=value"])
    return Words(Path(configs[0]) if configs else None, runs[0] if runs else None, overrides)


def config_words(words: list[str], command: str) -> tuple[Path, list[str]]:
    """Returns the CONFIG and the overrides of a command that takes no RUN.

    Raises:
        ConfigError: if there is no CONFIG, or a RUN.
    """
    given = sort_words(words)
    if given.config is None or given.run:
        raise ConfigError([f"{command} needs a CONFIG, a file that ends in .yaml, got {given.run or 'none'}"])
    return given.config, given.overrides


def run_words(words: list[str], command: str) -> tuple[str | None, list[str]]:
    """Returns the RUN and the overrides of a command that uses a run as it is, perhaps on a moved copy of its data.

    Raises:
        ConfigError: if there is a CONFIG, or an override of what the run was trained with.
    """
    given = sort_words(words)
    if given.config is not None:
        raise ConfigError([f"{command} needs a RUN, got the CONFIG {given.config}"])
    strange = [word for word in given.overrides if not is_of_use(word)]
    if strange:
        raise ConfigError(
            [f"{word}: {command} overrides only dataset.KEY, device, plugins, strict and train.batch_size"
             for word in strange]
        )  # fmt: skip
    return given.run, given.overrides


def is_of_use(word: str) -> bool:
    """Whether a word overrides what says where and how a trained run is used, not what was trained."""
    return word.startswith(("dataset.", "device=", "plugins=", "strict=", "train.batch_size=")) and "=" in word


def run_names(context: typer.Context, incomplete: str) -> list[str]:
    """Returns the names of runs with which the shell may complete a word."""
    root = Path(context.params.get("runs") or RUNS)
    return [run.name for run in all_runs(root) if run.name.startswith(incomplete)]


RunWords = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[RUN] [KEY=VALUE]...",
        autocompletion=run_names,
        help="A run (without one, the newest) and keys to override, such as dataset.path=other.csv.",
    ),
]


def echo(text: str, err: bool = False) -> None:
    """Prints a text, to standard output or to standard error."""
    typer.echo(printable(text), err=err)


def one_line(text: str) -> str:
    """Returns a text, which may come from a stranger's folder, as it can stand in a line."""
    return printable(text).replace("\n", "\\n").replace("\t", "\\t")


def print_json(value: Any) -> None:
    """Prints the one JSON object of `--json`. A number that is not finite becomes null."""
    typer.echo(json.dumps(finite(value), indent=2, allow_nan=False), file=_output.get())
