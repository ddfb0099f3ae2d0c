"""`dltrain show RUN`: what a run was and how it went."""

from typing import Any

from dltrain import wording
from dltrain.cli.arguments import echo, one_line, print_json
from dltrain.runs.listing import Entry
from dltrain.runs.story import config_lines, story

WIDTH = 13


def show_run(run: Entry, as_json: bool) -> None:
    """Prints a run's story.

    Raises:
        RunError: if the run is damaged.
    """
    told = story(run)
    if as_json:
        print_json(told)
        return
    planned = f", {told['planned']} planned" if told["planned"] and told["status"] != "finished" else ""
    _line(told["name"], f"{told['status']}: {told['epochs']} epochs in {wording.duration(told['seconds'])}{planned}")
    if told["reason"]:
        _line("", told["reason"])
    if told["best"]:
        so_far = "" if told["status"] == "finished" else ", so far"
        best = told["best"]
        value = wording.metric_line({best["monitor"]: best["value"]})
        _line("best", f"{value} in epoch {best['epoch']}{so_far}")
    for part in ("validation", "test"):
        if told[part]:
            _line(part, f"{wording.metric_line(told[part])}  (best weights)")
    if told["last_epoch"]:
        _line(
            "last epoch",
            "  ".join(
                f"{key} {_short(text)}"
                for key, text in told["last_epoch"].items()
                if key not in ("epoch", "step", "seconds")
            ),
        )
    else:
        _line("last epoch", "none is done yet")
    _numbers(told)
    for key, text in config_lines(told["config"]):
        _line(key, text)
    for change in told["changes"]:
        _line("changed", str(change))
    files = [f"{name} {wording.size(size)}" for name, size in told["files"].items()]
    _line("files", f"{told['run']}/: {', '.join(files)}")


def _numbers(told: dict[str, Any]) -> None:
    if told["parameters"]:
        _line("network", f"{told['parameters']:,} weights")
    if told["examples_per_second"]:
        _line("speed", f"{told['examples_per_second']:,.0f} examples/s on {told['device']}, {told['precision']}")
    made = told["environment"]
    if made:
        versions = ", ".join(f"{name} {made.get(name)}" for name in ("dltrain", "tensorflow", "keras", "python"))
        _line("made with", f"{versions}; {made.get('cpu')}, {made.get('cores')} cores")
        if isinstance(typed := made.get("command"), list):
            _line("command", " ".join(["dltrain", *map(str, typed[1:])]))
    if told["restores"] or told["skipped_examples"]:
        _line("troubles", f"sent back {told['restores']} times, {told['skipped_examples']} examples left out")


def _line(name: str, text: str) -> None:
    echo(f"{name.ljust(WIDTH)} {one_line(text)}".rstrip())


def _short(text: str) -> str:
    try:
        return wording.metric(float(text))
    except ValueError:
        return text
