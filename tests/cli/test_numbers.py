"""Every option that takes a number says which it takes, and refuses the others in words."""

import inspect
import typing

import pytest
from typer.testing import CliRunner

from dltrain.cli import app

WORDS = {"plan": ["none.yaml", "--workers", "2"], "launch": ["none.yaml"]}
COMMANDS = {each.name: each.callback for each in app.registered_commands}
COMMANDS |= {
    f"datasets {each.name}": each.callback for each in app.registered_groups[0].typer_instance.registered_commands
}


def options():
    """The command, the option and the type of each option that takes a number."""
    for command, function in COMMANDS.items():
        hints = typing.get_type_hints(function, include_extras=True)
        for key in inspect.signature(function).parameters:
            kind, *said = typing.get_args(hints[key]) or [hints[key]]
            while typing.get_origin(kind) is typing.Annotated:
                kind, *said = typing.get_args(kind)
            for number in (int, float):
                if number in (kind, *typing.get_args(kind)):
                    names = [said[0].default, *(said[0].param_decls or ())]
                    longs = [name for name in names if isinstance(name, str) and name.startswith("--")]
                    yield command, longs[0] if longs else f"--{key.replace('_', '-')}", number


OPTIONS = list(options())


def test_options_are_found():
    assert {("serve", "--max-megabytes", float), ("fit", "--folds", int), ("plan", "--link", float)} <= {*OPTIONS}


@pytest.mark.parametrize(("command", "option", "kind"), OPTIONS)
@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e999", "x", "", str(10**30), "9" * 5000])
def test_a_number_that_no_option_takes_is_refused_by_name(tmp_path, monkeypatch, command, option, kind, value):
    if kind is float and value == str(10**30):
        pytest.skip("a rate may be that large")
    monkeypatch.chdir(tmp_path)
    words = [*command.split(), *WORDS.get(command, ["none.yaml"]), option, value]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 2, result.output
    assert option in result.stderr and "No such option" not in result.stderr and "Traceback" not in result.stderr
    assert not list(tmp_path.iterdir())
