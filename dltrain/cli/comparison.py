"""`dltrain compare` and `dltrain plot`: runs side by side, and their curves."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from dltrain.cli.arguments import RUNS, Json, Runs, echo, one_line, print_json, run_names
from dltrain.errors import RunError
from dltrain.runs import comparison_table, selection
from dltrain.runs.compare import Comparison
from dltrain.runs.compare import compare as compared
from dltrain.runs.curves import Curve, curves, metrics
from dltrain.runs.folder import find
from dltrain.runs.listing import Entry, entry

Out = Annotated[Path | None, typer.Option(help="The PNG to write; by default in the working directory.")]
PngOrHtml = Annotated[
    Path | None,
    typer.Option(
        help="A .png for the curves, or .html for the whole comparison; by default a PNG in the working directory."
    ),
]
Picture = Annotated[bool, typer.Option("--png/--no-png", help="Draw the curves as a PNG.")]
Metrics = Annotated[
    list[str] | None, typer.Option("--metric", metavar="NAME", help="A metric to show; may be repeated.")
]
LONGEST = 40
"""Letters of a config's value in a table."""


def compare(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN",
            autocompletion=run_names,
            help="Runs, names after --seeds or --folds, or patterns such as 'cnn-seed*': each of two or more is a "
            "group. Other runs are one group if they differ only in the seed or fold.",
        ),
    ],
    metric: Metrics = None,
    out: PngOrHtml = None,
    png: Picture = True,
    runs: Runs = RUNS,
    as_json: Json = False,
) -> None:
    """Compare runs: how configs and metrics differ, and whether by more than seed noise."""
    from dltrain.figures.place import require_place

    is_page = out is not None and out.suffix.lower() == ".html"
    if out is not None:
        require_place(out, (".png", ".html"))
    together = selection.resolve_each(names, runs)
    found = compared([each for entries in together for each in entries], together)
    groups = _drawable(found) if found.measured else {}
    wanted = metrics([run for group in groups.values() for run in group], metric or []) if groups else []
    if not as_json:
        _print_comparison(found)
    for note in found.notes:
        echo(f"note: {one_line(note)}", err=True)
    path = None
    if is_page or (png and groups):
        from dltrain.cli import pictures

        place = out or pictures.place("compare", list(groups))
        path = _drawn(place, lambda: pictures.comparison(found, groups, wanted, is_page))
    elif out is not None:
        echo(f"note: {out} is not written: the runs have no curves", err=True)
    if as_json:
        print_json({**found.to_plain(), "path": path})
    elif path:
        echo(f"curves  {path}")


def plot(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="RUN", autocompletion=run_names, help="Runs; without any, the newest."),
    ] = None,
    metric: Metrics = None,
    out: Out = None,
    png: Picture = True,
    runs: Runs = RUNS,
    as_json: Json = False,
) -> None:
    """Plot the curves of runs, in the terminal and as a PNG."""
    from dltrain.figures.place import require_place

    if out is not None:
        require_place(out)
    chosen = selection.resolve(names, runs) if names else [entry(find(None, runs))]
    named = [each.run.name for each in chosen]
    drawn = {
        name if named.count(name) == 1 else str(each.run.path): curves(each)
        for name, each in zip(named, chosen, strict=True)
    }
    wanted = metrics(list(drawn.values()), metric or [])

    from dltrain.cli import pictures

    if not as_json:
        echo("\n".join(f"{one_line(each.run.name)}  {each.status}, {each.epochs} epochs" for each in chosen) + "\n")
        pictures.print_plots(drawn, wanted if metric else _first_shown(chosen, wanted))
    path = None
    if png:
        place = out or pictures.place("plot", list(drawn))
        best = chosen[0].best if len(chosen) == 1 else None
        path = _drawn(place, lambda: pictures.plot(drawn, wanted, best))
    if as_json:
        columns = {
            name: {column: {"epochs": curve.epochs, "values": curve.values} for column, curve in run.items()}
            for name, run in drawn.items()
        }
        print_json({"curves": columns, "path": path})
    elif path:
        echo(f"curves  {path}")


def _drawn(place: Path, draw: Callable[[], bytes]) -> str:
    from dltrain.cli import pictures
    from dltrain.figures.place import require_place

    require_place(place, (place.suffix.lower(),))
    pictures.write(place, draw())
    return str(place)


def _first_shown(chosen: Sequence[Entry], there: list[str]) -> list[str]:
    """Returns what the terminal shows: the loss, and what says which epoch is best."""
    monitors = {each.best["monitor"].removeprefix("val_") for each in chosen if each.best}
    measured = [name for name in there if name not in ("loss", "learning_rate")][:1]
    others = [name for name in there if name in monitors - {"loss"}] or measured
    return [name for name in there if name == "loss" or name in others]


def _drawable(found: Comparison) -> dict[str, list[dict[str, Curve]]]:
    """Returns the curves of each group; what has none is noted."""
    groups = {}
    for group in found.groups:
        drawn = []
        for each in group.entries:
            try:
                drawn.append(curves(each))
            except RunError as error:
                found.notes.append(str(error))
        if drawn:
            groups[group.label] = drawn
    return groups


def _print_comparison(found: Comparison) -> None:
    from dltrain.cli.tables import Column, letters_for, print_table, shortened

    letters = letters_for(len(found.groups), LONGEST)
    full = [group.label for group in found.groups]
    labels = [shortened(one_line(label), letters) for label in full]
    print_table(
        [
            Column("group", full),
            Column("n", [str(len(group.entries)) for group in found.groups], is_number=True),
            Column("seeds", [comparison_table.seeds(group) for group in found.groups]),
            Column("runs", [comparison_table.run_names(group) for group in found.groups]),
        ],
        expendable=["runs", "seeds"],
    )
    echo("")
    if shown := comparison_table.config_rows(found):
        columns = zip(*([shortened(one_line(cell), letters) for cell in cells] for _, cells in shown), strict=True)
        print_table([Column("config", [key for key, _ in shown]), *map(Column, labels, columns)])
    else:
        echo("config  the same in all runs")
    if measured := comparison_table.measured_rows(found):
        echo("")
        titles = comparison_table.measured_columns(measured, labels)
        cells = zip(*(cells for _, cells in measured), strict=True)
        numbers = [Column(title, column, is_number=True) for title, column in zip(titles, cells, strict=True)]
        print_table([Column(comparison_table.measured_title(found), [name for name, _ in measured]), *numbers])
    if said := comparison_table.verdicts(found):
        echo("")
        for words in said:
            echo(one_line(words))
        if len(labels) > 2:
            echo(
                f"each is compared with {one_line(full[0])}; among many comparisons some look large by chance", err=True
            )
