"""Curves as people see them: in letters in the terminal, and as a PNG."""

import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from dltrain.cli.arguments import one_line
from dltrain.errors import RunError
from dltrain.figures.terminal import MARKS, draw
from dltrain.runs.curves import Curve
from dltrain.runs.folder import replacing

Curves = dict[str, Curve]
"""A run's columns by name."""

COLOURS = ("cyan", "magenta", "yellow", "green", "red", "blue")
WIDEST, HEIGHT = 100, 14
LONGEST = 40
"""Letters of a name in a file's name."""


def print_plots(runs: dict[str, Curves], metrics: Sequence[str]) -> None:
    """Prints a plot for each metric: training and validation of one run, or a curve for each of several."""
    console = Console(highlight=False, soft_wrap=True)
    has_colours = console.color_system is not None and not console.no_color
    in_ascii = "utf" not in console.encoding.lower()
    for metric in metrics:
        strokes = _strokes(runs, metric)
        in_dots = not in_ascii and (has_colours or len(strokes) == 1)
        styles = [COLOURS[stroke.hue % len(COLOURS)] if has_colours else "" for stroke in strokes]
        heading = Text(one_line(metric), "bold" if has_colours else "")
        for index, stroke in enumerate(strokes):
            mark = "──" if in_dots else MARKS[index % len(MARKS)]
            heading.append("   ").append(mark, styles[index]).append(f" {one_line(stroke.name)}")
        console.print(heading)
        curves = [(stroke.curve.epochs, stroke.curve.values) for stroke in strokes]
        for cells in draw(curves, min(console.width, WIDEST), HEIGHT, in_dots, in_ascii):
            line = Text()
            for letter, of in cells:
                line.append(letter, "" if of is None else styles[of])
            line.rstrip()
            console.print(line)
        console.print()


def picture_of_runs(runs: dict[str, Curves], metrics: Sequence[str], best: dict[str, Any] | None) -> bytes:
    """Returns a PNG of the curves of runs, each by itself.

    Args:
        runs: by name.
        metrics: what to draw.
        best: the best epoch of the one run, which is marked; none for several runs.
    """
    from dltrain.figures.curves import Chart, Legend, Line, page

    charts = []
    names = dict(enumerate(runs)) if len(runs) > 1 else {}
    for metric in metrics:
        strokes = _strokes(runs, metric)
        names |= {stroke.hue: stroke.name for stroke in strokes}
        lines = [Line(stroke.curve.epochs, stroke.curve.values, stroke.hue) for stroke in strokes]
        is_marked = best is not None and best["monitor"].removeprefix("val_") == metric
        mark = (best["epoch"], best["value"]) if best is not None and is_marked else None
        charts.append(Chart(_title(metric, [*runs.values()]), lines, mark, is_linear=metric == "learning_rate"))
    facts = {"best": f"{best['monitor']} {best['value']:.4g} in epoch {best['epoch']}"} if best else {}
    return page(", ".join(runs), facts, Legend([names[hue] for hue in sorted(names)]), charts).render()


def picture_of_groups(groups: dict[str, list[Curves]], metrics: Sequence[str]) -> bytes:
    """Returns a PNG of groups of runs: the mean of each, and a band of one standard deviation to each side."""
    from dltrain.figures.curves import Chart, Legend, Line, page

    charts = []
    for metric in metrics:
        lines = []
        for hue, runs in enumerate(groups.values()):
            curves = [curve for run in runs if (curve := _foremost(run, metric))]
            if len(curves) == 1:
                lines.append(Line(curves[0].epochs, curves[0].values, hue))
            elif curves:
                lines.append(_mean(curves, hue))
        if lines:
            everything = [run for runs in groups.values() for run in runs]
            charts.append(Chart(_title(metric, everything), lines, is_linear=metric == "learning_rate"))
    names = [f"{label} ({len(runs)} seeds)" if len(runs) > 1 else label for label, runs in groups.items()]
    has_bands = any(len(runs) > 1 for runs in groups.values())
    legend = Legend(names, "line: mean of the seeds; band: one standard deviation to each side" if has_bands else "")
    return page(", ".join(groups), {}, legend, charts).render()


def place(command: str, names: Sequence[str]) -> Path:
    """Returns the PNG's name where none was given."""
    words = [name.strip("*-")[:LONGEST] for name in names[:3]] + [f"{len(names) - 3}-more"] * (len(names) > 3)
    return Path(f"{command}-{re.sub(r'[^A-Za-z0-9_.-]', '_', '-'.join(words))}.png")


def write(out: Path, content: bytes) -> None:
    """Writes a picture.

    Raises:
        RunError: if that cannot be done.
    """
    try:
        with replacing(out) as aside:
            aside.write_bytes(content)
    except OSError as error:
        raise RunError(f"{out}: cannot be written: {error.strerror or error}") from None


@dataclass(frozen=True)
class _Stroke:
    """A curve to draw: which colour it has everywhere, and its name."""

    hue: int
    name: str
    curve: Curve


def _strokes(runs: dict[str, Curves], metric: str) -> list[_Stroke]:
    """Returns what is drawn for a metric: of several runs a curve each, of one run training and validation."""
    if len(runs) > 1:
        named = {name: _foremost(run, metric) for name, run in runs.items()}
    else:
        (run,) = runs.values()
        named = {"training": run.get(metric), "validation": run.get(f"val_{metric}")}
    return [_Stroke(hue, name, curve) for hue, (name, curve) in enumerate(named.items()) if curve]


def _foremost(run: Curves, metric: str) -> Curve | None:
    """Returns the curve that counts: on the validation part, where there is one."""
    return run.get(f"val_{metric}") or run.get(metric)


def _title(metric: str, runs: Sequence[Curves]) -> str:
    words = metric.replace("_", " ")
    if metric == "learning_rate" or len(runs) == 1:
        return words
    parts = {"validation" if f"val_{metric}" in run else "training" for run in runs if _foremost(run, metric)}
    return f"{words} ({' or '.join(sorted(parts))})"


def _mean(curves: Sequence[Curve], hue: int) -> Any:
    from dltrain.figures.curves import Line

    epochs = sorted(set.intersection(*(set(curve.epochs) for curve in curves)))
    at = [dict(zip(curve.epochs, curve.values, strict=True)) for curve in curves]
    values = [[each[epoch] for each in at] for epoch in epochs]
    return Line(
        epochs, [statistics.fmean(each) for each in values], hue, deviations=[statistics.stdev(each) for each in values]
    )
