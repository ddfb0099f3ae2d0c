"""The report of a run, in its order: results, training, mistakes, data, config, environment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dltrain.errors import RunError
from dltrain.figures.curves import Chart, Line
from dltrain.report.examples import chapters_of
from dltrain.report.outcome import Evidence
from dltrain.report.page import Claim, Report
from dltrain.report.parts import Chapter, Figure, Table
from dltrain.runs import listing
from dltrain.runs.folder import Run
from dltrain.wording import duration, metric

Measured = dict[str, Mapping[str, float | None]]
"""Loss and metrics by part; none for what is undefined for it."""

NOT_MEASURED = ("epoch", "step", "seconds", "learning_rate")
"""Columns of metrics.csv that measure nothing."""


def run_report(
    run: Run, settings: Sequence[tuple[str, str, str]], evidence: Evidence | None, troubles: Sequence[str]
) -> Report:
    """Returns the report of a run, as far as its folder can be read.

    Args:
        run: the run.
        settings: its config: key, value, and where that came from, which is "default" for those that were not written.
        evidence: the network's predictions and what they show; none where the network cannot be built.
        troubles: what is missing, and why.
    """
    warnings = list(troubles)

    def read(what: Any, otherwise: Any) -> Any:
        try:
            return what()
        except RunError as error:
            warnings.append(str(error))
            return otherwise

    summary = read(run.read_summary, {})
    rows = read(run.read_metrics, [])
    environment = run.read_environment()
    if not environment:
        warnings.append(f"{run.environment}: cannot be read")
    warnings += _state(listing.entry(run).status, summary, rows)
    if (left_out := summary.get("skipped_examples")) and isinstance(left_out, int):
        warnings.append(f"{left_out:,} example{'s' * (left_out > 1)} left out, as unusable: log.txt names them.")
    if evidence and evidence.outcome.part == "train":
        warnings.append(
            "There is no test or validation part: all metrics are of the train part, on which it was trained."
        )
    values = {key: value for key, value, _ in settings}
    chapters = [
        Chapter("Result", [_results(summary, evidence)] if evidence or _measured(summary) else []),
        Chapter("Training", [*curves(rows, summary), _timing(summary, rows)], _training_note(summary, rows, values)),
        *(chapters_of(evidence) if evidence else []),
        Chapter("Config", [_config(settings)] if settings else []),
        Chapter("Environment", [_environment(environment)] if environment else []),
    ]
    return Report(
        run.name,
        _lead(values, summary),
        _claims(summary, evidence, rows),
        warnings,
        [chapter for chapter in chapters if chapter.parts],
    )


def _state(status: str, summary: dict[str, Any], rows: list[dict[str, str]]) -> list[str]:
    """Returns what must be said of a run that is not finished, whose status is one of `listing.STATUSES`."""
    done = f"{len(rows):,} epoch{'' if len(rows) == 1 else 's'} done"
    if summary.get("status") == "finished":  # also while the process that trained it makes this page
        return []
    if status == "damaged":  # which is said already
        status = str(summary.get("status"))
    if status == "running":
        return [f"This run was still training when the report was written: {done}. `dltrain report` writes it again."]
    if not summary:
        return [f"This run has no summary: {done}."]
    ends = {"failed": "failed", "interrupted": "was interrupted", "dead": "ended without a message"}
    how = (ends | {"pruned": "was pruned by a search"}).get(status, f"is {status}")
    return [f"This run {how}: {done}. {summary.get('error') or ''}".strip()]


def _lead(values: Mapping[str, str], summary: dict[str, Any]) -> str:
    weights = summary.get("parameters")
    words = [
        f"{values['model.name']} on {values['dataset.name']}"
        if {"model.name", "dataset.name"} <= values.keys()
        else "",
        f"{weights:,} weights" if isinstance(weights, int) else "",
        f"{summary['epochs']:,} epochs" if isinstance(summary.get("epochs"), int) else "",
        duration(summary["seconds"]) if isinstance(summary.get("seconds"), int | float) else "",
        str(summary.get("device") or ""),
    ]
    return " · ".join(filter(None, words))


def _measured(summary: dict[str, Any]) -> Measured:
    """Returns what was measured with the best weights, by part, test before validation."""
    found = {part: listing.measured(summary, part) for part in ("test", "validation")}
    return {part: metrics for part, metrics in found.items() if metrics}


def _claims(summary: dict[str, Any], evidence: Evidence | None, rows: list[dict[str, str]]) -> list[Claim]:
    """Returns the headline: a metric, and what it would be without looking at the inputs."""
    measured = _measured(summary)
    count = None
    if measured:
        part, metrics = next(iter(measured.items()))
        count = evidence.examples.get(part) if evidence else None
        words = "best weights"
    elif evidence:
        part, metrics, count = evidence.outcome.part, evidence.metrics, len(evidence.outcome.targets)
        words = "best weights" if summary.get("status") == "finished" else "best weights so far"
    else:
        part, words = "validation", f"epoch {rows[-1]['epoch']}" if rows else ""
        last = {name: listing.as_float(value) if value else None for name, value in rows[-1].items()} if rows else {}
        metrics = {name.removeprefix("val_"): value for name, value in last.items() if name.startswith("val_")}
    best = summary.get("best")
    monitor = str(best.get("monitor")).removeprefix("val_") if isinstance(best, dict) else ""
    names = [name for name in metrics if name != "loss"] or list(metrics)
    if not names:
        return []
    name = monitor if monitor in names else names[0]
    size = f" of {count:,} examples" if count else ""
    claims = [Claim(name, _shown(metrics[name]), f"{part} part{size}, {words}")]
    for baseline, values in (evidence.baselines if evidence else {}).items():
        if name in values:
            claims.append(Claim(f"{name} of a baseline", _shown(values[name]), baseline, is_lesser=True))
    return claims


def _results(summary: dict[str, Any], evidence: Evidence | None) -> Table:
    measured = _measured(summary)
    if not measured and evidence:
        measured = {evidence.outcome.part: evidence.metrics}
    names = list(dict.fromkeys(name for metrics in measured.values() for name in metrics))
    columns: dict[str, Mapping[str, float | None]] = dict(measured)
    columns |= evidence.baselines if evidence else {}
    rows = [[name, *(_shown(values[name]) if name in values else "" for values in columns.values())] for name in names]
    note = "measured with the weights that were kept"
    if evidence and evidence.baselines:
        whole = evidence.examples.get(evidence.outcome.part, 0)
        note += "; a baseline knows less than a network, as its name says"
        if len(evidence.outcome.targets) < whole:
            note += (
                f"; the figures below are of {len(evidence.outcome.targets):,} of the {whole:,} examples, evenly spaced"
            )
    return Table("Measured", ["", *columns], rows, note)


def curves(rows: list[dict[str, str]], summary: dict[str, Any]) -> list[Figure]:
    """Returns a figure of each measure over the epochs, and of the learning rate."""
    if not rows:
        return []
    epochs = np.array([int(row["epoch"]) for row in rows])
    columns = {name: np.array([listing.as_float(row[name]) for row in rows]) for name in rows[0]}
    best = summary.get("best")
    at = best.get("epoch") if isinstance(best, dict) else None
    found = []
    for name in dict.fromkeys(each.removeprefix("val_") for each in columns if each not in NOT_MEASURED):
        of_part = {"train": columns.get(name), "validation": columns.get(f"val_{name}")}
        lines = [
            Line(part, epochs, values, hue)
            for hue, (part, values) in enumerate(of_part.items())
            if values is not None and not np.isnan(values).all()
        ]
        if not lines:
            continue
        is_loss = name.endswith("loss")
        kept = at if isinstance(at, int) and at in epochs else None
        found.append(Figure(f"curve-{_slug(name)}", Chart(name, lines, kept, is_loss, is_named=True)))
    if "learning_rate" in columns:
        rate = Line("at the last step of each epoch", epochs, columns["learning_rate"])
        found.append(Figure("learning-rate", Chart("learning rate", [rate], from_zero=True, is_named=True)))
    return found


def _training_note(summary: dict[str, Any], rows: list[dict[str, str]], values: Mapping[str, str]) -> str:
    best = summary.get("best")
    if not isinstance(best, dict) or not {"monitor", "value", "epoch"} <= best.keys():
        return ""
    is_validated = any(name.startswith("val_") for name in rows[0]) if rows else True
    if not is_validated and values.get("checkpoint.monitor") == "none":
        words = f"There is no validation part: the weights of the last epoch, {best['epoch']}, are kept."
    else:
        words = f"Best epoch: {best['epoch']}, with {best['monitor']} {_shown(best['value'])}."
    restores = summary.get("restores")
    return words + (
        f" Training went back to a checkpoint {restores} times: the loss was not finite." if restores else ""
    )


def _timing(summary: dict[str, Any], rows: list[dict[str, str]]) -> Table:
    seconds = np.array([listing.as_float(row.get("seconds", "")) for row in rows])
    seconds = seconds[np.isfinite(seconds)]
    speed = summary.get("examples_per_second")
    found = [("total", duration(summary["seconds"]))] if isinstance(summary.get("seconds"), int | float) else []
    if len(seconds):
        found.append(("first epoch, start included", duration(seconds[0])))
    if len(seconds) > 1:
        found.append(("each later epoch, median", duration(float(np.median(np.diff(seconds))))))
    if isinstance(speed, int | float):
        found.append(("examples per second", f"{speed:,.0f}"))
    for key in ("steps", "precision"):
        if summary.get(key):
            found.append((key, f"{summary[key]:,}" if isinstance(summary[key], int) else str(summary[key])))
    return Table("Time", ("", ""), found)


def _config(settings: Sequence[tuple[str, str, str]]) -> Table:
    """Returns the settings, those that were written down first."""
    order = sorted(settings, key=lambda setting: setting[2] == "default")
    said = [setting for setting in order if setting[2] != "default"]
    note = "the keys that were set; click to see those with their default"
    return Table("Settings", ("key", "value", "from"), order, note, words=3, shown=max(len(said), 1), longest=300)


def _environment(environment: dict[str, Any]) -> Table:
    rows = []
    for key, value in environment.items():
        if key == "origins" or value in (None, {}, []):
            continue
        if isinstance(value, list):
            shown = " ".join(map(str, value))
        elif isinstance(value, dict):
            shown = ", ".join(f"{name} {_word(item)}" for name, item in value.items())
        else:
            shown = str(value)
        rows.append((key, shown))
    return Table("Versions and machine", ("", ""), rows, words=2, shown=50, longest=500)


def _word(value: Any) -> str:
    return {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)


def _shown(value: Any) -> str:
    return metric(None if value is None else listing.as_float(value))


def _slug(name: str) -> str:
    return "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in name)
