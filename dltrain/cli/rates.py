"""`dltrain lr-find`: a test that suggests a learning rate."""

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from dltrain.cli.arguments import Json, Quiet, Verbose, config_words, echo, print_json
from dltrain.cli.trust import Trust
from dltrain.config import experiment as experiments
from dltrain.errors import ConfigError
from dltrain.figures.terminal import draw

WIDEST, HEIGHT = 90, 14

LOWEST, HIGHEST = 1e-38, 1e38
"""Learning rates that can be tried: weights are float32."""


def find_rate(
    words: Annotated[
        list[str], typer.Argument(metavar="CONFIG [KEY=VALUE]...", help="A YAML file, and keys to override.")
    ],
    low: Annotated[float, typer.Option("--from", help="The first learning rate.")] = 1e-6,
    high: Annotated[float, typer.Option("--to", help="The last learning rate.")] = 10.0,
    steps: Annotated[
        int, typer.Option(min=20, max=1_000_000, help="Optimizer steps from the first to the last.")
    ] = 150,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Also draw the curve into this PNG file.")] = None,
    trust: Trust = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    as_json: Json = False,
) -> None:
    """Suggest a learning rate: train CONFIG with rising rates, one step each, and show the loss. Nothing is kept."""
    path, overrides = config_words(words, "lr-find")
    if not 0 < low < high < float("inf"):
        raise ConfigError([f"--from must be above 0 and below --to, got --from {low:g} --to {high:g}"])
    if low < LOWEST or high > HIGHEST:
        raise ConfigError([f"learning rates must be {LOWEST:g} to {HIGHEST:g}, got --from {low:g} --to {high:g}"])
    if out is not None:
        from dltrain.figures.place import require_place

        require_place(out)
    config = experiments.load(path, overrides)

    from dltrain.console import Reporter
    from dltrain.diagnostics import learning_rate_test

    found = learning_rate_test.find_rate(config, Reporter(quiet or as_json, verbose), low, high, steps)
    if out is not None:
        from dltrain.cli import pictures

        pictures.write(out, _picture(path, found))
    if as_json:
        print_json(found)
        return
    _print_plot(found)
    _say(found, ["dltrain", "fit", str(path), *overrides])
    if out is not None:
        echo(f"figure  {out}")


def _print_plot(found: dict[str, Any]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    smoothed, rates = found["smoothed"], found["rates"]
    in_ascii = "utf" not in console.encoding.lower()
    console.print("loss, smoothed")
    ends = f"{rates[0]:.1e}", f"{rates[-1]:.1e}"
    curve = list(range(len(smoothed))), smoothed
    for line in draw(
        [curve], min(console.width, WIDEST), HEIGHT, not in_ascii, in_ascii, "learning rate, logarithmic", ends
    ):
        console.print("".join(letter for letter, _ in line).rstrip(), markup=False)


def _say(found: dict[str, Any], command: list[str]) -> None:
    rates = found["rates"]
    how = {"blown up": "the loss blew up", "not finite": "the loss was no longer finite"}.get(found["ended"])
    echo(f"{len(rates)} steps on {found['device']}" + (f"; stopped at {rates[-1]:.2e}, {how}" if how else ""))
    if found["suggested"] is None:
        echo("no suggestion")
    else:
        echo(f"suggested  {found['suggested']:g}, {found['rule']}; the loss is lowest at {found['lowest']:.2g}")
    for note in found["notes"]:
        echo(f"note  {note}")
    if found["suggested"] is not None:
        key = "optimizer.learning_rate="
        words = [*(word for word in command if not word.startswith(key)), f"{key}{found['suggested']:g}"]
        echo(f"try  {shlex.join(words)}")


def _picture(config: Path, found: dict[str, Any]) -> bytes:
    from dltrain.figures.page import Page, Row
    from dltrain.figures.rates import Rates

    suggested = found["suggested"]
    summary = {"Suggested": "none" if suggested is None else f"{suggested:g}, {found['rule']}", "Ended": found["ended"]}
    summary |= {"Note": "; ".join(found["notes"])} if found["notes"] else {}
    note = "dots: the loss of each batch; line: smoothed"
    panel = Rates(note, found["rates"], found["losses"], found["smoothed"], suggested)
    return Page(f"Learning-rate test of {config.name}", summary, (Row((panel,)),)).render()
