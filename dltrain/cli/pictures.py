"""Plots of curves: as letters in the terminal, as a PNG, and on a page."""

import io
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from dltrain.cli.arguments import one_line
from dltrain.errors import RunError
from dltrain.figures import curves
from dltrain.figures.page import Page, Row
from dltrain.figures.terminal import MARKS, draw
from dltrain.report import overlay
from dltrain.report.comparison import comparison_report
from dltrain.report.overlay import Curves
from dltrain.report.page import render
from dltrain.runs.compare import Comparison
from dltrain.runs.folder import replacing
from dltrain.wording import metric as written

COLOURS = ("cyan", "magenta", "yellow", "green", "red", "blue")
WIDEST, HEIGHT = 100, 14
LONGEST = 40
"""Letters of a name in a file's name."""
_LONGEST_FILE = 150
"""Letters of the name of a picture's file."""


def print_plots(runs: dict[str, Curves], metrics: Sequence[str]) -> None:
    """Prints a plot for each metric: train and validation of one run, or a curve for each of several."""
    console = Console(highlight=False, soft_wrap=True)
    has_colours = console.color_system is not None and not console.no_color
    in_ascii = "utf" not in console.encoding.lower()
    for metric in metrics:
        strokes = overlay.strokes(runs, metric)
        in_dots = not in_ascii and (has_colours or len(strokes) == 1)
        styles = [COLOURS[stroke.hue % len(COLOURS)] if has_colours else "" for stroke in strokes]
        heading = Text(one_line(metric), "bold" if has_colours else "")
        for index, stroke in enumerate(strokes):
            mark = "──" if in_dots else MARKS[index % len(MARKS)]
            heading.append("   ").append(mark, styles[index]).append(f" {one_line(stroke.name)}")
        console.print(heading)
        lines = [(stroke.curve.epochs, stroke.curve.values) for stroke in strokes]
        for cells in draw(lines, min(console.width, WIDEST), HEIGHT, in_dots, in_ascii):
            line = Text()
            for letter, of in cells:
                line.append(letter, "" if of is None else styles[of])
            line.rstrip()
            console.print(line)
        console.print()


def plot(runs: dict[str, Curves], metrics: Sequence[str], best: dict[str, Any] | None) -> bytes:
    """Returns a PNG of the curves of runs, each by itself.

    Args:
        runs: by name.
        metrics: what to draw.
        best: the best epoch of the one run, which is marked; none for several runs.
    """
    legend, charts = overlay.of_runs(runs, metrics, best)
    summary = {"best": f"{best['monitor']} {written(best['value'])} in epoch {best['epoch']}"} if best else {}
    return curves.page(", ".join(runs), summary, legend, charts).render()


def comparison(found: Comparison, groups: dict[str, list[Curves]], metrics: Sequence[str], is_page: bool) -> bytes:
    """Returns the curves of groups of runs as a PNG, or the whole comparison as an HTML page."""
    legend, charts = overlay.of_groups(groups, metrics)
    if not is_page:
        return curves.page(", ".join(groups), {}, legend, charts).render()
    page, _ = render(comparison_report(found, legend, charts))
    return page.encode()


def place(command: str, names: Sequence[str]) -> Path:
    """Returns the PNG's name where none was given."""
    words = [name.strip("*-")[:LONGEST] for name in names[:3]] + [f"{len(names) - 3}-more"] * (len(names) > 3)
    return Path(f"{command}-{re.sub(r'[^A-Za-z0-9_.-]', '_', '-'.join(words))}.png")


@dataclass
class PictureFolder:
    """Writes an image of each prediction into a folder, called like what was predicted.

    Args:
        path: of the folder.
        names: of files that are written.
    """

    path: Path
    names: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, path: Path) -> "PictureFolder":
        """Returns the folder, made where it is not there.

        Raises:
            RunError: if that cannot be done.
        """
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(f"--pictures {path}: cannot be made: {error.strerror or error}") from None
        return cls(path)

    def add(self, piece: Any, drawn: Sequence[Any]) -> None:
        """Writes images.

        Args:
            piece: the examples that were asked about.
            drawn: of those that can be used, (height, width, 3), uint8.

        Raises:
            RunError: if there are none, or a file cannot be written.
        """
        from PIL import Image

        usable = [name for place, name in enumerate(piece.names) if place not in piece.problems]
        if len(drawn) != len(usable):
            raise RunError("--pictures: the run's task draws nothing on examples; detection does")
        for name, pixels in zip(usable, drawn, strict=True):
            stem = re.sub(r"[^\w.-]", "_", Path(str(name)).stem)[-_LONGEST_FILE:] or "image"
            numbered = (f"{stem}-{number}" for number in itertools.count(2))
            chosen = next(each for each in itertools.chain([stem], numbered) if each not in self.names)
            self.names.add(chosen)
            file = io.BytesIO()
            Image.fromarray(pixels).save(file, "PNG")
            write(self.path / f"{chosen}.png", file.getvalue())


def write_panels(out: Path, title: str, panels: Sequence[Any]) -> None:
    """Writes what predictions look like, two panels beside each other.

    Args:
        out: the file.
        title: of the page.
        panels: what is drawn.

    Raises:
        RunError: if there are none, or the file cannot be written.
    """
    if not panels:
        raise RunError("--png: the run's task draws no predictions, or there are none")
    pairs = [tuple(panels[start : start + 2]) for start in range(0, len(panels), 2)]
    write(out, Page(title, {}, tuple(Row(pair, columns=min(2, len(panels))) for pair in pairs)).render())


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
