"""`--trust`, or a yes at the terminal: only then the files that `plugins:` names are run."""

import sys
from typing import Annotated

import typer

from dltrain.errors import printable
from dltrain.plugins import loading as plugins


def _trust(wanted: bool) -> bool:
    plugins.trusts_all = wanted
    plugins.ask = _ask
    return wanted


def _ask(question: str) -> bool:
    """Asks where there is somebody to answer; a file that was answered for is not asked about again."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    return typer.confirm(f"{printable(question)}. Run it?", err=True)


Trust = Annotated[
    bool, typer.Option("--trust", callback=_trust, help="Run the Python files that CONFIG's `plugins:` names.")
]
