"""What a person types: the `dltrain` command. Nothing here imports TensorFlow before a command's body needs it."""

import errno
import inspect
import io
import logging
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from typer.core import TyperGroup

from dltrain import __version__
from dltrain.cli import (
    comparison,
    data,
    datasets,
    documents,
    inspection,
    launching,
    machine,
    planning,
    rates,
    repetition,
    reporting,
    runs,
    speakers,
    training,
    tuning,
    using,
    writing,
)
from dltrain.cli.arguments import echo
from dltrain.errors import DltrainError, UserError
from dltrain.plugins import loading as plugins
from dltrain.signals import Stoppable, Stopped

_log = logging.getLogger("dltrain")
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


class _Commands(TyperGroup):
    """Turns what went wrong into a message and an exit code; what is our own fault keeps its traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            with Stoppable():
                return super().invoke(ctx)
        except DltrainError as error:
            echo(str(error), err=True)
            raise typer.Exit(error.exit_code) from None
        except Exception as error:
            if (words := plugins.fault(error) or _of_the_system(error)) is None:
                raise
            echo(words, err=True)
            raise typer.Exit(UserError.exit_code) from None
        except Stopped as error:
            echo(error.words, err=True)
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt:
            echo("interrupted", err=True)
            raise typer.Exit(130) from None

    def main(self, *arguments: Any, **how: Any) -> Any:
        try:
            try:
                return super().main(*arguments, **how)
            finally:
                sys.stdout.flush()
        except OSError as error:
            if error.filename is not None or error.errno not in (*_FULL, errno.EPIPE):
                raise
            sys.stdout = io.StringIO()  # Python's last act is to flush it
            if error.errno != errno.EPIPE:  # whoever reads no more knows it
                echo(f"standard output: cannot be written: {error.strerror}; the command ended there", err=True)
            sys.exit(DltrainError.exit_code)


def _of_the_system(error: Exception) -> str | None:
    """Returns what the system said about a file, such as that its name is too long; none of another error."""
    if not isinstance(error, OSError):
        return None
    if error.errno == errno.ENOENT:
        try:
            Path.cwd()
        except FileNotFoundError:
            return "the working directory was removed: change to another one"
    if error.filename is None or error.strerror is None:
        return None
    _log.debug("%s", "".join(traceback.format_exception(error)).rstrip())
    return f"{os.fsdecode(error.filename)}: {error.strerror}"


def _help(command: Callable[..., None]) -> str:
    """Returns a command's help as it is written: in dltrain[serve] the extra is no markup."""
    return escape(inspect.getdoc(command) or "")


app = typer.Typer(
    cls=_Commands,
    help="Train Keras networks described in YAML.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_PANELS: dict[str, dict[str, Callable[..., None]]] = {
    "Write a config": {"init": writing.init, "schema": writing.schema},
    "Train": {"fit": training.fit, "tune": tuning.tune, "bench": training.bench},
    "Look first": {
        "check": inspection.check,
        "inspect": data.inspect,
        "show": inspection.show,
        "preview": inspection.preview,
        "lr-find": rates.find_rate,
        "plan": planning.plan,
        "list": inspection.list_choices,
        "devices": machine.devices,
    },
    "Look afterwards": {
        "runs": runs.list_runs,
        "report": reporting.report,
        "plot": comparison.plot,
        "compare": comparison.compare,
        "logs": runs.logs,
        "eval": training.evaluate,
        "verify": repetition.verify,
        "reproduce": repetition.reproduce,
    },
    "Use": {
        "predict": using.predict,
        "similar": documents.similar,
        "summarize": documents.summarize,
        "verify-speaker": speakers.verify,
        "export": using.export,
        "serve": using.serve,
    },
    "Tidy up": {"rm": runs.remove, "gc": runs.collect},
}
for _panel, _commands in _PANELS.items():
    for _name, _command in _commands.items():
        app.command(_name, help=_help(_command), rich_help_panel=_panel)(_command)
app.command(
    "launch",
    help=_help(launching.launch),
    rich_help_panel="Train",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)(launching.launch)
_datasets = typer.Typer(help="Make small data to try things on.", no_args_is_help=True)
_datasets.command("make")(datasets.make)
app.add_typer(_datasets, name="datasets", rich_help_panel="Look first")


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        libraries = ", ".join(f"{name} {version(name)}" for name in ("tensorflow", "keras"))
        echo(f"dltrain {__version__} ({libraries}, Python {sys.version.split()[0]})")
        raise typer.Exit


@app.callback()
def _options(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print versions and exit.")
    ] = False,
) -> None:
    """Train Keras networks described in YAML."""
