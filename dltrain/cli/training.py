"""`dltrain fit` and `dltrain eval`."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from dltrain.cli.arguments import (
    RUNS,
    Json,
    Quiet,
    Runs,
    RunWords,
    Verbose,
    Words,
    config_words,
    echo,
    print_json,
    run_words,
    sort_words,
)
from dltrain.cli.series import AUTO, config_of, fit_series
from dltrain.cli.trust import Trust
from dltrain.config import blocks
from dltrain.config import experiment as experiments
from dltrain.config.experiment import Config
from dltrain.distributed.cluster import Cluster, find
from dltrain.errors import ConfigError, DltrainError, RunError
from dltrain.runs import folder
from dltrain.runs.folder import Run
from dltrain.runs.listing import measured
from dltrain.wording import metric, metric_line, size


def fit(
    words: Annotated[
        list[str] | None, typer.Argument(metavar="CONFIG [KEY=VALUE]...", help="A YAML file, and keys to override.")
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Resume a run: `fit --resume [RUN]`; without RUN, the newest. `fit CONFIG --resume auto` resumes if "
            "there is a checkpoint, else starts a new run.",
        ),
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="With --resume: resume although the changes make it another experiment.")
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Try everything once (a batch, an evaluation, saving and loading) and keep nothing."
        ),
    ] = False,
    profile: Annotated[
        bool, typer.Option("--profile", help="Record some steps for TensorBoard, and list the slowest operations.")
    ] = False,
    folds: Annotated[
        int | None,
        typer.Option(
            min=2,
            max=10**6,
            help="Cross-validate: train a run for each of N held-out shares, then show mean and deviation.",
        ),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(
            min=2,
            max=10**6,
            help="Train N runs, with seed, seed + 1, ...; then show mean and deviation, the seed noise.",
        ),
    ] = None,
    rank: Annotated[
        int | None,
        typer.Option(
            min=0, max=65535, metavar="N", help="Which of the config's cluster.workers this process is; 0 is the chief."
        ),
    ] = None,
    trust: Trust = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    runs: Runs = RUNS,
    as_json: Json = False,
) -> None:
    """Train what CONFIG describes, into a new folder under runs/."""
    given = sort_words(words or [])
    if folds is not None or seeds is not None:
        one_run = {"--dry-run": dry_run, "--profile": profile, "--resume RUN": resume and given.run != AUTO}
        one_run |= {"--rank": rank is not None}
        fit_series(given, folds, seeds, one_run, runs, resume, force, quiet, verbose, as_json)
        return
    for option, is_given in (("--resume", resume), ("--profile", profile), ("--rank", rank is not None)):
        if dry_run and is_given:
            raise ConfigError([f"--dry-run starts anew and keeps nothing: it cannot be combined with {option}"])
    if resume:
        run, config, changes = _resumed(given, rank, runs, force)
    elif force:
        raise ConfigError(["--force needs --resume"])
    else:
        run, config, changes = None, experiments.load(config_of(given), given.overrides), {}
    cluster = None if dry_run else _cluster(config, rank)

    from dltrain.console import Reporter
    from dltrain.diagnostics import rehearsal
    from dltrain.training import trainer
    from dltrain.training.resume import Resume

    reporter = Reporter(quiet or (cluster is not None and not cluster.is_chief), verbose)
    if config.tune is not None:
        reporter.say(f"fit ignores the tune block; to search, type: dltrain tune {given.config}")
    if dry_run:
        found = rehearsal.rehearse(config, reporter, runs)
        print_json(found) if as_json else echo(_rehearsal_words(found))
        return
    if cluster is not None and not cluster.is_chief:
        run = None  # only the chief has a run to resume: it gives its state to the others
    summary = trainer.fit(config, reporter, runs, Resume(run, changes, force), profile, cluster=cluster)
    if as_json:
        print_json(summary)
        return
    if summary["run"] is None:
        return
    for split in ("validation", "test"):
        if metrics := measured(summary, split):
            echo(f"{split} (best weights)  {metric_line(metrics)}")
    for split, of_split in summary.get("baselines", {}).items():
        echo_baselines(split, of_split)
    echo(f"run  {summary['run']}")


def evaluate(
    words: RunWords = None,
    split: Annotated[
        Literal["train", "validation", "test"] | None,
        typer.Option(help="The part of the data; by default the test part, or all of other data.", show_default=False),
    ] = None,
    checkpoint: Annotated[Literal["best", "last"], typer.Option(help="Which weights to use.")] = "best",
    trust: Trust = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    runs: Runs = RUNS,
    as_json: Json = False,
) -> None:
    """Evaluate a run's network on a part of its data, or on other data: `eval RUN dataset.path=other.csv`."""
    name, overrides = run_words(words or [], "eval")
    found = folder.find(name, runs)

    from dltrain.console import Reporter
    from dltrain.inference import evaluation

    result = evaluation.evaluate(found, split, checkpoint, Reporter(quiet or as_json, verbose), overrides)
    if as_json:
        print_json(result)
    else:
        line = metric_line(result["metrics"])
        echo(f"{result['run']}  {checkpoint} weights  {result['split']} ({result['examples']} examples)  {line}")
        echo_baselines(result["split"], result.get("baselines", {}))


def bench(
    words: Annotated[
        list[str], typer.Argument(metavar="CONFIG [KEY=VALUE]...", help="A YAML file, and keys to override.")
    ],
    trust: Trust = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    runs: Runs = RUNS,
    as_json: Json = False,
) -> None:
    """Measure CONFIG's speed: examples/s, where the time of a step goes, and what would be faster."""
    path, overrides = config_words(words, "bench")
    config = experiments.load(path, overrides)

    from dltrain.assembly.pretrained import resolved
    from dltrain.console import Reporter
    from dltrain.diagnostics import bench

    found = bench.bench(resolved(config, runs, fresh=False), Reporter(quiet, verbose))
    print_json(found) if as_json else echo(_bench_words(found))


def echo_baselines(split: str, baselines: Mapping[str, Mapping[str, float | None]]) -> None:
    """Prints what those measure on a part who know less than a network.

    Args:
        split: the part.
        baselines: metrics, by what they are called.
    """
    width = max(map(len, baselines), default=0)
    for name, metrics in baselines.items():
        echo(f"{split}, {name.ljust(width)}  {metric_line(metrics)}")


def _resumed(
    given: Words, rank: int | None, runs: Path, force: bool
) -> tuple[Run | None, Config, dict[str, tuple[Any, Any]]]:
    """Returns the run to resume, its config, changes included, and what changed; no run where one is to start.

    Nor is there a run for a worker that is not the chief, which gets it from there.

    Raises:
        ConfigError: if a change would make it another experiment.
        RunError: if there is no such run.
    """
    config = None if given.config is None else experiments.load(given.config, given.overrides, reads_data=False)
    if config is not None and (cluster := _cluster(config, rank)) is not None and not cluster.is_chief:
        return None, config.checked(), {}
    try:
        run = folder.find(_meant(given.run, config), runs)
    except RunError:
        if given.run != AUTO or config is None:
            raise
        run = None
    if given.run == AUTO and config is not None and run is not None:
        run = _same(run, config, runs)
    if given.run == AUTO and config is not None and (run is None or run.saved is None):
        echo("--resume auto: there is no checkpoint to resume from, so a new run starts", err=True)
        return None, config.checked(), {}
    if run is None:
        raise RunError("--resume auto found no run to resume; to start one, type: dltrain fit CONFIG --resume auto")
    from dltrain.training.resume import resumed_config

    # Its plugins and data may lie elsewhere now: only the config with the overrides is checked against them.
    moved = [word for word in given.overrides if word.startswith("plugins=")]
    before = experiments.load(run.config, moved, reads_data=False)
    after = (before.with_overrides(*given.overrides) if config is None else config).checked()
    after, changes = resumed_config(
        run, before, after, runs, lambda text: echo(text, err=True), force, sizes_anew=given.run != AUTO
    )
    return run, after, changes


def _same(newest: Run, config: Config, runs: Path) -> Run:
    """Returns the newest run of the same name that a config describes exactly; else the newest of the name.

    Args:
        newest: the newest run of the config's name.
        config: what is to be trained.
        runs: the folder of runs.
    """
    from dltrain.training.resume import resumed_config

    for run in reversed(folder.named_like(newest, runs)):
        if run.saved is None:
            continue
        try:
            changes = resumed_config(run, experiments.load(run.config), config.checked(), runs, lambda _: None, True)[1]
        except DltrainError:
            continue
        if not changes:
            if run.path != newest.path:
                echo(f"--resume auto: {run.path} has this config, {newest.path} another", err=True)
            return run
    return newest


def _cluster(config: Config, rank: int | None) -> Cluster | None:
    """Returns with whom this process trains; none where it is alone."""
    settings = config.experiment.cluster or blocks.Cluster()
    return find(settings.workers, settings.wait_minutes, rank, os.environ, settings.key_file)


def _meant(asked: str | None, config: Config | None) -> str | None:
    """Returns the RUN, else the folder of the run that the CONFIG lies in, else the CONFIG's name; none without."""
    run = None if asked == AUTO else asked
    if run or config is None:
        return run
    around = Run(config.text.path.parent)
    if config.text.path == around.config and around.checkpoints.is_dir():
        return str(around.path)
    return config.experiment.name


def _rehearsal_words(rehearsal: dict[str, Any]) -> str:
    left = rehearsal["unopened_examples"]
    tried = f"everything works but {left:,} examples, which were not opened" if left else "everything works"
    return (
        f"dry run on {rehearsal['device']}: {tried}; nothing was kept\n"
        f"{rehearsal['parameters']:,} weights, {rehearsal['steps_per_epoch']} steps per epoch, "
        f"loss of the first batch {metric(rehearsal['loss'])}\n"
        f"a checkpoint takes {size(rehearsal['checkpoint_bytes'])} on disk, "
        f"peak memory {size(rehearsal['peak_memory_bytes'])}"
    )


def _bench_words(found: dict[str, Any]) -> str:
    times = found["milliseconds"]
    parts = [(name, value) for name, value in times.items() if name != "step" and (name != "wait" or value)]
    products, bare = found["products"], found["keras"]
    lines = [
        f"{found['examples_per_second']:,.0f} examples/s on {found['device']}, {found['precision']}, "
        f"batch_size {found['batch_size']}",
        f"step time  {times['step']:.3g} ms",
        *(f"  {name:<9}{value:8.3g} ms  {value / times['step']:4.0%}" for name, value in parts),
        f"matrix multiplication  {products['used'] / 1e9:,.0f} of the {products['measured'] / 1e9:,.0f} GFLOP/s "
        f"measured here, {products['share']:.0%}",
        f"bound by {found['bound_by']}",
    ]
    if bare:
        lines.append(
            f"Keras's fit  {bare['examples_per_second']:,.0f} examples/s of plain arrays in memory, "
            f"dltrain {bare['dltrain_examples_per_second']:,.0f} of the same: {bare['ratio']:.2f} times"
        )
    lines += [f"try {key}  {ratio:.2f} times the examples/s" for key, ratio in found["try"].items()]
    return "\n".join(lines + found["notes"])
