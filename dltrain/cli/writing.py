"""`dltrain schema` and `dltrain init`: help to write a config."""

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated

import typer

from dltrain.cli.arguments import Json, echo, print_json
from dltrain.cli.trust import Trust
from dltrain.config import bases, starter, templates
from dltrain.config import experiment as experiments
from dltrain.config.json_schema import json_schema
from dltrain.errors import ConfigError, KeyProblem, OptionError
from dltrain.plugins import loading as plugins
from dltrain.registry import suggestion


def schema(
    config: Annotated[
        Path | None, typer.Argument(metavar="[CONFIG]", help="A YAML file whose `plugins:` are included.")
    ] = None,
    files: Annotated[
        list[Path] | None,
        typer.Option("--plugins", metavar="FILE", help="A Python file with plugins to include; may be repeated."),
    ] = None,
    trust: Trust = False,
) -> None:
    """Print the JSON Schema of a config, with which an editor completes keys and underlines mistakes.

    `dltrain schema > schema.json`, then as a config's first line `# yaml-language-server: $schema=schema.json`.
    """
    with redirect_stdout(sys.stderr):  # what a plugin prints is no schema
        if config is not None and (problems := experiments.run_plugins(bases.read(config), config)):
            raise ConfigError(problems)
        try:
            plugins.load([file.absolute() for file in files or []], "--plugins")
        except KeyProblem as error:
            raise OptionError(error) from None
    print_json(json_schema(own_names=not plugins.loaded))


def init(
    words: Annotated[
        str | None, typer.Argument(metavar="PATH|TEMPLATE", help="A folder or file of data, or the name of a template.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", help="The config to write; by default NAME.yaml.", show_default=False),
    ] = None,
    target: Annotated[str | None, typer.Option(help="The column of a table to predict.", show_default=False)] = None,
    list_templates: Annotated[bool, typer.Option("--list", help="List the templates.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing config.")] = False,
    as_json: Json = False,
) -> None:
    """Write a config to start with: propose one for PATH (images, texts, a table, arrays), or copy a TEMPLATE."""
    if list_templates:
        found = templates.titles()
        width = max(map(len, found), default=0)
        table = "\n".join(f"{name.ljust(width)}  {title}" for name, title in found.items())
        print_json({"templates": found}) if as_json else echo(table)
        return
    if words is None:
        raise ConfigError(["init needs a PATH (images, texts, a table, arrays) or a TEMPLATE: dltrain init --list"])
    path = Path(words)
    if path.exists() or _is_pattern(words):
        file = out or Path(f"{templates.name_of(path)}.yaml")
        starter.refuse_if_there(file, force)
        dataset, proposal = starter.propose(path, target)
        starter.write(file, dataset, proposal)
        said = [f"{path}: {proposal.found[0]}", *proposal.found[1:]]
        steps = ["check", "inspect", "preview", "fit"]
    elif words in templates.titles():
        if target is not None:
            raise ConfigError([f"--target names the column of a table, {words} is a template"])
        file = out or Path(f"{words}.yaml")
        starter.refuse_if_there(file, force)
        templates.copy(words, file)
        said = [templates.titles()[words]]
        steps = ["check", "fit"]
    else:
        there = suggestion(words, list(templates.titles()), "the templates are")
        raise ConfigError([f"{words}: no such file or folder, and no such template{there}"])
    following = [f"dltrain {step} {file}" for step in steps]
    if as_json:
        print_json({"config": str(file), "found": said, "next": following})
        return
    echo("\n  ".join(said))
    echo("\n  ".join([f"{file} is written; look at it, then:", *following]))


def _is_pattern(words: str) -> bool:
    return any(letter in words for letter in "*?[")
