"""`dltrain compare` and `dltrain plot`: runs side by side, and their curves."""

import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from dltrain.cli.arguments import RUNS, Json, Runs, echo, figure, one_line, print_json, run_names
from dltrain.errors import RunError
from dltrain.runs import selection
from dltrain.runs.compare import Comparison, Group, Measured
from dltrain.runs.compare import compare as compared
from dltrain.runs.curves import Curve, curves, metrics
from dltrain.runs.folder import find
from dltrain.runs.listing import Entry, entry
from dltrain.runs.seed_noise import Verdict

Out = Annotated[Path | None, typer.Option(help="The PNG to write; without it one in the working directory.")]
Picture = Annotated[bool, typer.Option("--png/--no-png", help="Draw the curves as a PNG, which takes a second.")]
Metrics = Annotated[list[str] | None, typer.Option("--metric", metavar="NAME", help="This metric; again for more.")]
LONGEST = 40
"""Letters of a config's value in a table."""


def compare(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN",
            autocompletion=run_names,
            help="Runs, or patterns: 'cnn-seed*'. Those that differ in the seed are one.",
        ),
    ],
    metric: Metrics = None,
    out: Out = None,
    png: Picture = True,
    runs: Runs = RUNS,
    as_json: Json = False,
) -> None:
    """Compare runs: what differs in configs and metrics, and whether by more than seed noise."""
    _require_place(out)
    found = compared(selection.resolve(names, runs))
    groups = _drawable(found) if found.measured else {}
    wanted = metrics([run for group in groups.values() for run in group], metric or []) if groups else []
    if not as_json:
        _print_comparison(found)
    for note in found.notes:
        echo(f"note: {one_line(note)}", err=True)
    path = None
    if png and groups:
        from dltrain.cli import pictures

        place = out or pictures.place("compare", list(groups))
        path = _drawn(place, lambda: pictures.picture_of_groups(groups, wanted))
    if as_json:
        print_json({**found.to_plain(), "path": path})
    elif path:
        echo(f"curves  {path}")


def plot(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="RUN", autocompletion=run_names, help="Runs; none for the newest."),
    ] = None,
    metric: Metrics = None,
    out: Out = None,
    png: Picture = True,
    runs: Runs = RUNS,
    as_json: Json = False,
) -> None:
    """Plot the curves of runs, in the terminal and as a PNG."""
    _require_place(out)
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
        pictures.print_plots(drawn, wanted if metric else _foremost(chosen, wanted))
    path = None
    if png:
        place = out or pictures.place("plot", list(drawn))
        best = chosen[0].best if len(chosen) == 1 else None
        path = _drawn(place, lambda: pictures.picture_of_runs(drawn, wanted, best))
    if as_json:
        columns = {
            name: {column: {"epochs": curve.epochs, "values": curve.values} for column, curve in run.items()}
            for name, run in drawn.items()
        }
        print_json({"curves": columns, "path": path})
    elif path:
        echo(f"curves  {path}")


def _require_place(out: Path | None) -> None:
    from dltrain.figures.place import require_place

    if out is not None:
        require_place(out)


def _drawn(place: Path, draw: Callable[[], bytes]) -> str:
    from dltrain.cli import pictures

    _require_place(place)
    pictures.write(place, draw())
    return str(place)


def _foremost(chosen: Sequence[Entry], there: list[str]) -> list[str]:
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
            Column("seeds", [_seed_words(group) for group in found.groups]),
            Column("runs", [_run_words(group) for group in found.groups]),
        ],
        expendable=["runs", "seeds"],
    )
    echo("")
    shown = {key: values for key, values in found.config.items() if not _is_idle(values)}
    if shown:
        columns = [
            [shortened(_value_words(values[index]), letters) for values in shown.values()]
            for index in range(len(labels))
        ]
        print_table([Column("config", list(shown)), *map(Column, labels, columns)])
    else:
        echo("config  the same in all of them")
    if found.measured:
        echo("")
        columns = [[_measured_words(each.values[index]) for each in found.measured] for index in range(len(labels))]
        title = "mean (sd)" if any(len(group.entries) > 1 for group in found.groups) else "metric"
        rows = [Column(title, [each.name for each in found.measured])]
        rows += [Column(label, cells, is_number=True) for label, cells in zip(labels, columns, strict=True)]
        if len(labels) == 2:
            rows.append(Column("difference", [_difference_words(each) for each in found.measured], is_number=True))
            probabilities = [_p_words(each) for each in found.measured]
            rows += [Column("p", probabilities, is_number=True)] if any(probabilities) else []
        print_table(rows)
    if found.headline:
        echo("")
        for label, verdict in zip(full[1:], found.headline.verdicts, strict=True):
            if verdict:
                echo(one_line(f"{found.headline.name}: {verdict_words(full[0], label, verdict)}"))
        if len(labels) > 2:
            echo(f"each beside {one_line(full[0])}; of many comparisons some seem large by chance", err=True)


def verdict_words(first: str, second: str, verdict: Verdict) -> str:
    """Returns what is said of the difference between two groups."""
    n = f"n = {verdict.n[0]}" if verdict.n[0] == verdict.n[1] else f"n = {verdict.n[0]} and {verdict.n[1]}"
    digits = 4 if abs(verdict.difference) >= 0.001 else 7
    size = f"{abs(verdict.difference):.{digits}f}"
    words = f"{second} is {'higher' if verdict.difference > 0 else 'lower'} than {first} by {size}"
    if verdict.difference == 0:
        words = f"{second} and {first} are equal"
    if verdict.p is None or verdict.interval is None:
        said = "no difference" if verdict.is_larger is False else "whether that is more than seed noise cannot be told"
        return f"{words}; {said} ({n}: {verdict.reason})"
    low, high = verdict.interval
    said = "more than seed noise" if verdict.is_larger else "NOT more than seed noise"
    interval = f"95 % interval {low:.{digits}f} to {high:.{digits}f}"
    return f"{words}: {said} ({verdict.test}, {n}, p = {_p(verdict.p)}; {interval})"


def _difference_words(each: Measured) -> str:
    if not all(each.values):
        return ""
    first, second = (statistics.fmean(values.values()) for values in each.values)
    return ("+" if second >= first else "-") + figure(abs(second - first))


def _p_words(each: Measured) -> str:
    verdict = each.verdicts[0]
    return "" if verdict is None or verdict.p is None else _p(verdict.p)


def _p(value: float) -> str:
    return f"{value:.3f}" if value >= 0.001 else f"{value:.1e}"


def _measured_words(values: dict[int, float]) -> str:
    if not values:
        return "-"
    mean = figure(statistics.fmean(values.values()))
    return mean if len(values) == 1 else f"{mean} ({figure(statistics.stdev(values.values()))})"


def _seed_words(group: Group) -> str:
    seeds = group.seeds
    is_range = len(seeds) > 2 and seeds == [*range(seeds[0], seeds[0] + len(seeds))]
    return f"{seeds[0]} to {seeds[-1]}" if is_range else ", ".join(map(str, seeds))


def _run_words(group: Group) -> str:
    names = [each.run.name for each in group.entries]
    return ", ".join(names) if len(names) <= 2 else f"{names[0]} to {names[-1]}"


def _is_idle(values: list[Any]) -> bool:
    """Whether a key says nothing: it is of one side's choice alone, and none or false there."""
    return None in values and all(value in (None, "none", False) or value == [] for value in values)


def _value_words(value: Any) -> str:
    return "-" if value is None else one_line(selection.spelled(value))
