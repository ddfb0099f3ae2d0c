"""What a person types: the `dltrain` command. Nothing here imports TensorFlow before a command's body needs it."""

import errno
import io
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer
from rich.markup import escape
from typer.core import TyperGroup

from dltrain import __version__
from dltrain.cli import (
    comparison,
    data,
    datasets,
    inspection,
    launching,
    machine,
    planning,
    rates,
    repetition,
    reporting,
    runs,
    training,
    tuning,
    using,
    writing,
)
from dltrain.cli.arguments import echo
from dltrain.errors import DltrainError, UserError
from dltrain.plugins import loading as plugins
from dltrain.signals import Stoppable, Stopped


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
            if (words := _unwritable(error)) is not None:
                sys.stdout = io.StringIO()  # Python's last act is to flush it
                echo(words, err=True)
                raise typer.Exit(DltrainError.exit_code) from None
            if (words := plugins.fault(error)) is None:
                raise
            echo(words, err=True)
            raise typer.Exit(UserError.exit_code) from None
        except Stopped as error:
            echo(error.words, err=True)
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt:
            echo("interrupted", err=True)
            raise typer.Exit(130) from None


def _unwritable(error: Exception) -> str | None:
    """Returns that standard output cannot be written, as on a full disk; none for another error, or a closed pipe."""
    if not isinstance(error, OSError) or error.filename is not None:
        return None
    if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO):
        return None
    return f"standard output: cannot be written: {error.strerror}; all else that the command did is done"


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
    "Use": {"predict": using.predict, "export": using.export, "serve": using.serve},
    "Tidy up": {"rm": runs.remove, "gc": runs.collect},
}
for _panel, _commands in _PANELS.items():
    for _name, _command in _commands.items():
        app.command(_name, help=escape(_command.__doc__ or ""), rich_help_panel=_panel)(_command)
app.command(
    "launch",
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
