"""`dltrain tune`: search for better settings."""

import dataclasses
import shlex
import shutil
from pathlib import Path
from typing import Annotated, Any

import typer

from dltrain.cli.arguments import RUNS, Json, Quiet, Runs, Verbose, echo, print_json, sort_words
from dltrain.cli.trust import Trust
from dltrain.config import document
from dltrain.config import experiment as experiments
from dltrain.config.changes import differences
from dltrain.config.experiment import Config
from dltrain.config.tuning import Tune
from dltrain.errors import ConfigError, RunError, TrainingError
from dltrain.runs import folder
from dltrain.runs.folder import DEFAULT_ROOT, Run
from dltrain.runs.lock import owning
from dltrain.wording import metric

AUTO, SHOWN = "auto", 5


def tune(
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="CONFIG [KEY=VALUE]...", help="A YAML file with a `tune` block, and keys to override."),
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, max=1024, help="Trials at a time, one process each.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Resume a search: `tune --resume FOLDER`, `tune CONFIG --resume auto`.")
    ] = False,
    trust: Trust = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    runs: Runs = RUNS,
    as_json: Json = False,
) -> None:
    """Search for better settings: train trials with values from CONFIG's `tune.space`; write best.yaml.

    Trials are compared on the validation part alone; the test part is not looked at.
    """
    given = sort_words(words or [])
    from dltrain.tuning.study import SEARCH, Study, optuna

    optuna()
    if given.run and not resume:
        raise ConfigError(
            [f"{given.run!r} is neither a CONFIG (.yaml) nor KEY=VALUE; to resume a search in a folder, add --resume"]
        )
    loaded = None if given.config is None else experiments.load(given.config, given.overrides)
    place = _resumed(given.run, loaded, runs) if resume else None
    config, block, monitor = _searched(loaded, given.overrides, place)
    is_new = place is None
    if place is None:
        place = folder.numbered(runs, f"{str(config.experiment.name)[:80]}-tune")
        folder.write_text(place / SEARCH, experiments.dump(config.experiment, block))
    if workers is not None:
        block = dataclasses.replace(block, workers=workers)

    from dltrain.tuning.outcome import conclude
    from dltrain.tuning.search import Search
    from dltrain.tuning.worker import Unusable

    def say(text: str) -> None:
        if not quiet:
            echo(text, err=True)

    command = ["dltrain", "tune", "--resume", str(place)]
    with owning(Run(place)):
        with config.blame("tune"):
            try:
                study = Study(place, config.experiment, block, monitor)
            except ValueError:
                if is_new:
                    shutil.rmtree(place)  # it holds nothing yet
                raise
        say(f"search: {place}")
        if is_new and study.known:
            say(f"joins the study {config.experiment.name!r} in tune.storage, which has {study.known} trials")
        try:
            Search(place, study, block, monitor, say, verbose).run(shlex.join(command))
        except Unusable as error:
            with config.blame("tune"):
                raise ValueError(str(error)) from None
        found = conclude(place, study, monitor)
    if found["best"] is None:
        first = next((row["error"] for row in found["trials"] if row["error"]), "no message")
        raise TrainingError(f"{place}: none of {len(found['trials'])} trials finished; the first error: {first}")
    print_json(found) if as_json else _print(found, study.larger_is_better, runs)


def _resumed(asked: str | None, config: Config | None, runs: Path) -> Path | None:
    """Returns the folder of the search that is resumed; none where `auto` finds none.

    Raises:
        RunError: if there is no such search.
    """
    from dltrain.tuning.study import SEARCH

    if asked not in (None, AUTO):
        for place in (Path(str(asked)), runs / str(asked)):
            if (place / SEARCH).is_file():
                return place
        raise RunError(f"no search in {asked}: there is no {SEARCH}")
    stem = "*" if config is None else str(config.experiment.name)[:80]
    found = sorted(runs.glob(f"{stem}-tune-*/{SEARCH}"), key=lambda file: file.stat().st_mtime)
    if found:
        return found[-1].parent
    if asked == AUTO and config is not None:
        echo("--resume auto: there is no search to resume, so a new one starts", err=True)
        return None
    raise RunError(f"no search in {runs}/ to resume")


def _searched(config: Config | None, overrides: list[str], place: Path | None) -> tuple[Config, Tune, str]:
    """Returns what is trained, what is searched, and what a trial is worth; of a resumed search, as it was.

    Raises:
        ConfigError: with every problem found, or if a resumed search would be another one.
    """
    from dltrain.tuning import space, storage
    from dltrain.tuning.monitor import monitored
    from dltrain.tuning.study import SEARCH

    before = None if place is None else experiments.load(place / SEARCH)
    if config is None and before is not None:
        config = before.with_overrides(*overrides).checked()
    if config is None:
        raise ConfigError(["tune needs a CONFIG, a file that ends in .yaml, got none"])
    block = storage.located(config, space.check(config))
    config, monitor = monitored(config, block)
    if before is not None:
        old, new = experiments.to_plain(before.tune), experiments.to_plain(block)
        differ = [*differences(before.experiment, config.experiment)]
        differ += [f"tune.{key}" for key in new if old[key] != new[key] and key not in ("trials", "minutes", "workers")]
        problems = [
            str(document.locate(config.root, key).problem(f"{key} cannot change when the search {place} is resumed"))
            for key in differ
        ]
        if problems:
            raise ConfigError([*problems, "start a new search without --resume, or restore the config"])
    return config, block, monitor


def _print(found: dict[str, Any], larger_is_better: bool, runs: Path) -> None:
    from dltrain.cli.tables import print_rows
    from dltrain.tuning.outcome import summary
    from dltrain.tuning.search import ranked

    rows: list[list[Any]] = [["trial", found["monitor"], "values"]]
    for row in ranked(found["trials"], larger_is_better)[:SHOWN]:
        values = (f"{key}={value:.4g}" if isinstance(value, float) else f"{key}={value}"
                  for key, value in row["values"].items())  # fmt: skip
        rows.append([row["trial"], metric(row["value"]), "  ".join(values)])
    place = [] if runs == DEFAULT_ROOT else ["--runs", str(runs)]
    print_rows(rows, {0, 1})
    lines = [
        "",
        summary(found["trials"]),
        *(f"importance  {key}  {share:.0%}" for key, share in found["importances"].items()),
        f"report  {found['report']}",
        f"trials  dltrain runs --runs {found['study']} --sort best",
        f"try  {shlex.join(['dltrain', 'fit', found['config'], *place])}",
    ]
    echo("\n".join(lines))
