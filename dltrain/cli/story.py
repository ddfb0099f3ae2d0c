"""`dltrain show RUN`: the config, progress and results of a run."""

from typing import Any

from dltrain import wording
from dltrain.cli.arguments import echo, one_line, print_json
from dltrain.runs.listing import Entry, measured
from dltrain.runs.selection import change_lines
from dltrain.runs.story import config_lines, story

WIDTH = 13


def show_run(run: Entry, as_json: bool) -> None:
    """Prints a run's story.

    Raises:
        RunError: if the run is damaged.
    """
    summary = story(run)
    if as_json:
        print_json(summary)
        return
    planned = f", {summary['planned']} planned" if summary["planned"] and summary["status"] != "finished" else ""
    _line(
        summary["name"],
        f"{summary['status']}: {summary['epochs']} epochs in {wording.duration(summary['seconds'])}{planned}",
    )
    if summary["reason"]:
        _line("", summary["reason"])
    if summary["best"]:
        so_far = "" if summary["status"] == "finished" else ", so far"
        best = summary["best"]
        value = wording.metric_line({best["monitor"]: best["value"]})
        _line("best", f"{value} in epoch {best['epoch']}{so_far}")
    for part in ("validation", "test"):
        if metrics := measured(summary, part):
            _line(part, f"{wording.metric_line(metrics)}  (best weights)")
            for name, why in summary["undefined"].get(part, {}).items():
                _line("", f"{name} undefined: {why}")
    if summary["last_epoch"]:
        _line(
            "last epoch",
            "  ".join(
                f"{key} {_short(text)}"
                for key, text in summary["last_epoch"].items()
                if key not in ("epoch", "step", "seconds")
            ),
        )
    else:
        _line("last epoch", "no epoch is finished")
    _numbers(summary)
    for key, text in config_lines(summary["config"]):
        _line(key, text)
    for change in summary["changes"]:
        lines = change_lines({key: values for key, values in change.items() if key != "step"})
        _line("changed", f"after step {change['step']}: {'; '.join(lines)}")
    files = [f"{name} {wording.size(size)}" for name, size in summary["files"].items()]
    _line("files", f"{summary['run']}/: {', '.join(files)}")


def _numbers(summary: dict[str, Any]) -> None:
    if summary["parameters"]:
        _line("network", f"{summary['parameters']:,} weights")
    if summary["examples_per_second"]:
        _line(
            "speed", f"{summary['examples_per_second']:,.0f} examples/s on {summary['device']}, {summary['precision']}"
        )
    made = summary["environment"]
    if made:
        versions = ", ".join(f"{name} {made.get(name)}" for name in ("dltrain", "tensorflow", "keras", "python"))
        _line("made with", f"{versions}; {made.get('cpu')}, {made.get('cores')} cores")
        if isinstance(typed := made.get("command"), list):
            _line("command", " ".join(["dltrain", *map(str, typed[1:])]))
    if summary["restores"] or summary["skipped_examples"]:
        _line(
            "troubles",
            f"went back to a checkpoint {summary['restores']} times, {summary['skipped_examples']} examples skipped",
        )


def _line(name: str, text: str) -> None:
    echo(f"{name.ljust(WIDTH)} {one_line(text)}".rstrip())


def _short(text: str) -> str:
    if not text:
        return wording.metric(None)
    try:
        return wording.metric(float(text))
    except ValueError:
        return text
