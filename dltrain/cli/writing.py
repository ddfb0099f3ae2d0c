"""`dltrain schema`: what helps to write a config."""

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated

import typer

from dltrain import plugins
from dltrain.cli.arguments import print_json
from dltrain.cli.trust import Trust
from dltrain.config import bases
from dltrain.config import experiment as experiments
from dltrain.config.json_schema import json_schema


def schema(
    config: Annotated[
        Path | None, typer.Argument(metavar="[CONFIG]", help="A YAML file whose `plugins:` are to be chosen too.")
    ] = None,
    files: Annotated[
        list[Path] | None, typer.Option("--plugins", metavar="FILE", help="A Python file of yours, likewise.")
    ] = None,
    trust: Trust = False,
) -> None:
    """Print the JSON Schema of a config: an editor that knows it completes keys and underlines mistakes.

    `dltrain schema > schema.json`, then as a config's first line `# yaml-language-server: $schema=schema.json`.
    """
    with redirect_stdout(sys.stderr):  # what a plugin prints is no schema
        if config is not None:
            experiments.run_plugins(bases.read(config), config)
        plugins.load([file.absolute() for file in files or []], "--plugins")
    print_json(json_schema(own_names=not plugins.loaded))
