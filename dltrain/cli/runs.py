"""`dltrain runs`, `logs`, `rm` and `gc`: list runs, print their logs, remove them."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from dltrain import wording
from dltrain.cli.arguments import RUNS, Json, Runs, echo, one_line, print_json, run_names
from dltrain.errors import RunError
from dltrain.runs import removal, selection
from dltrain.runs.following import log_lines
from dltrain.runs.listing import Entry, entries, entry, is_open
from dltrain.runs.removal import Removal

STYLES = {"running": "cyan", "finished": "green", "interrupted": "yellow", "pruned": "dim", "empty": "dim"}
"""Styles of a status; all others are red."""

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def list_runs(
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="WORD", help="Show only runs whose name, model, data or status contains it."),
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE",
            help="Show only runs that match: model=resnet, status=finished or any key of the config; may be repeated.",
        ),
    ] = None,
    sort: Annotated[
        str,
        typer.Option(
            metavar="KEY", help=f"{', '.join(selection.ORDERS)}; a metric such as test.accuracy; a key of the config."
        ),
    ] = "newest",
    reverse: Annotated[bool, typer.Option("--reverse", help="Reverse the order.")] = False,
    runs: Runs = RUNS,
    as_json: Json = False,
) -> None:
    """List the runs: model, data, best value, epochs, time and status."""
    found = entries(runs)
    chosen = selection.order(selection.select(found, words or [], where or []), sort)
    if reverse:
        chosen.reverse()
    if as_json:
        print_json({"runs": [each.to_plain() for each in chosen]})
    elif not chosen:
        none = "no run matches" if found else "no runs yet; `dltrain fit configs/resnet.yaml` makes one"
        echo(f"{runs}/: {none}", err=True)
    else:
        _print_runs(chosen, sort)


def logs(
    run: Annotated[
        str | None,
        typer.Argument(
            metavar="RUN", autocompletion=run_names, help="A run; without one, the run whose log is the newest."
        ),
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Follow the log until the run ends.")] = False,
    runs: Runs = RUNS,
) -> None:
    """Print the log of a run; with -f, follow it."""
    chosen = selection.resolve([run], runs)[0] if run else _spoke_last(runs)
    for line in log_lines(chosen.run, follow):
        echo(line)
    if follow:
        ended = entry(chosen.run)
        echo(f"{ended.run.path}: {ended.status}" + (f": {one_line(ended.reason)}" if ended.reason else ""), err=True)


def remove(
    names: Annotated[
        list[str],
        typer.Argument(metavar="RUN", autocompletion=run_names, help="Full names, folders, or patterns: 'try-*'."),
    ],
    yes: Yes = False,
    runs: Runs = RUNS,
    as_json: Json = False,
) -> None:
    """Remove whole runs, after asking."""
    _remove(removal.named(names, runs), "rm", yes, as_json)


def collect(
    failed: Annotated[
        bool, typer.Option("--failed", help="Also runs that failed but have a checkpoint to resume from.")
    ] = False,
    checkpoints: Annotated[
        bool, typer.Option("--checkpoints", help="Also checkpoints of finished runs, except the best and the newest.")
    ] = False,
    yes: Yes = False,
    runs: Runs = RUNS,
    as_json: Json = False,
) -> None:
    """Remove, after asking, runs that ended before they saved anything."""
    _remove(removal.waste(entries(runs), failed, checkpoints), "gc", yes, as_json)


def _spoke_last(root: Path) -> Entry:
    there = [each for each in entries(root) if is_open(each.run.path) and each.run.log.exists()]
    if not there:
        raise RunError(f"no run in {root}/ has written a log yet")
    return max(there, key=lambda each: each.run.log.stat().st_mtime)


def _remove(found: list[Removal], command: str, yes: bool, as_json: bool) -> None:
    if not found:
        echo("nothing to remove", err=True)
    elif not yes:
        for each in found:
            echo(_removal_words(each), err=True)
        total = wording.size(sum(each.bytes for each in found))
        if not _may_ask():
            raise RunError(
                f"{command} must ask before it removes these ({total}), but there is no terminal to answer; add --yes"
            )
        if not typer.confirm(f"Remove for good, {total}?", err=True):
            echo("nothing was removed", err=True)
            return
    for each in found:
        removal.remove(each)
        if not as_json:
            echo(f"removed  {_removal_words(each)}")
    if as_json:
        print_json({"removed": [each.to_plain() for each in found], "bytes": sum(each.bytes for each in found)})


def _removal_words(each: Removal) -> str:
    what = "" if each.is_whole else f"{len(each.paths)} old checkpoint{'' if len(each.paths) == 1 else 's'}, "
    others = f", with {', '.join(each.others)}, which dltrain did not write" if each.others else ""
    return one_line(f"{each.run.path}  {each.status}  {what}{wording.size(each.bytes)}{others}")


def _may_ask() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _print_runs(found: list[Entry], sort: str) -> None:
    from dltrain.cli.tables import Column, print_table

    columns = [
        Column("name", [each.run.name for each in found]),
        Column("model", [str(each.settings.get("model.name", "")) for each in found]),
        Column("data", [str(each.settings.get("dataset.name", "")) for each in found]),
        Column("best", [best_words(each) for each in found]),
        Column("epochs", [_progress(each) for each in found], is_number=True),
        Column("time", [wording.duration(each.seconds) if each.seconds else "" for each in found], is_number=True),
        Column("status", [each.status for each in found], styles=[STYLES.get(each.status, "red") for each in found]),
    ]
    if sort not in selection.ORDERS:
        columns.insert(4, Column(sort, [_value(each, sort) for each in found], is_number=True))
    print_table(columns, expendable=["time", "data", "epochs", "model", "best"])
    for each in found:
        if each.status in ("damaged", "dead", "failed"):
            echo(f"{one_line(each.run.name)}: {each.status}: {one_line(each.reason)}", err=True)


def _value(entry: Entry, key: str) -> str:
    value = selection.values(entry).get(key)
    return "" if value is None else wording.metric(value) if isinstance(value, float) else selection.spelled(value)


def best_words(entry: Entry) -> str:
    """Returns the best value of a run and what it is of; a run that is still training may find a better one."""
    best = entry.best
    return f"{best['monitor']} {wording.metric(best['value'])}" if best else ""


def _progress(entry: Entry) -> str:
    total = entry.planned.removesuffix(" epochs")
    return f"{entry.epochs}/{total}" if total.isdecimal() and entry.status != "finished" else str(entry.epochs or "")
