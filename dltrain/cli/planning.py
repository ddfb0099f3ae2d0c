"""`dltrain plan`: what a run would do on a cluster."""

import math
from typing import Annotated, Any

import typer

from dltrain.cli.arguments import RUNS, Json, Quiet, Runs, Verbose, config_words, echo, print_json
from dltrain.cli.trust import Trust
from dltrain.config import experiment as experiments
from dltrain.errors import ConfigError
from dltrain.wording import size


def plan(
    words: Annotated[
        list[str], typer.Argument(metavar="CONFIG [KEY=VALUE]...", help="A YAML file, and keys to override.")
    ],
    workers: Annotated[int, typer.Option(min=1, max=65536, help="Machines that train together, one process on each.")],
    devices: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=1024,
            help="GPUs of each machine; by default as many as the config's `device` lists, else 1.",
            show_default=False,
        ),
    ] = None,
    link: Annotated[
        float | None,
        typer.Option(
            help="Gbit/s between two machines; by default 10, or with --shared 2.4, measured between two processes on "
            "two cores.",
            show_default=False,
        ),
    ] = None,
    latency: Annotated[
        float | None,
        typer.Option(
            help="Latency of a message in microseconds; by default 400, as measured between two processes.",
            show_default=False,
        ),
    ] = None,
    shared: Annotated[
        bool, typer.Option("--shared", help="All workers run on this machine and share its cores, as with `launch`.")
    ] = False,
    measure: Annotated[
        bool,
        typer.Option(
            "--measure/--no-measure", help="Measure a step on this machine and estimate the time on the cluster."
        ),
    ] = True,
    trust: Trust = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    runs: Runs = RUNS,
    as_json: Json = False,
) -> None:
    """Estimate CONFIG on a cluster: batch, steps, memory, bytes exchanged and step time."""
    path, overrides = config_words(words, "plan")
    if link is not None and not 0 < link < math.inf:
        raise ConfigError([f"--link must be a number of Gbit/s above 0, got {link:g}"])
    if latency is not None and not 0 <= latency < math.inf:
        raise ConfigError([f"--latency must be a number of microseconds of at least 0, got {latency:g}"])
    config = experiments.load(path, overrides)

    from dltrain.assembly.pretrained import resolved
    from dltrain.console import Reporter
    from dltrain.diagnostics import cluster_plan
    from dltrain.distributed import cost_model

    listed = config.experiment.device
    ring = cost_model.Ring(
        workers,
        devices or (len(listed) if isinstance(listed, tuple) else 1),
        link or (cost_model.LOCAL_LINK if shared else cost_model.LINK),
        cost_model.LATENCY if latency is None else latency,
        shared,
    )
    found = cluster_plan.plan(resolved(config, runs, fresh=False), ring, Reporter(quiet, verbose), measure)
    print_json(found) if as_json else _print(found)


def _print(found: dict[str, Any]) -> None:
    from dltrain.cli.tables import print_rows

    exchanged, parts = found["all_reduced"], found["memory"]
    accumulated = found["accumulate_steps"]
    step = f", {accumulated} batches a step" if accumulated > 1 else ""
    lines = [
        f"replicas       {found['replicas']}: {found['workers']} workers of {found['devices']}",
        f"batch          {found['global_batch']} examples, {found['batch_per_replica']} on each replica{step}",
        f"steps          {found['steps']:,}, {found['steps_per_epoch']:,} per epoch",
        f"learning rate  {found['learning_rate']:g}, as configured: more replicas do not change it",
        f"memory         {size(sum(parts.values()))} per replica, without the data: "
        + ", ".join(f"{name} {size(count)}" for name, count in parts.items()),
        _exchange_words(exchanged) if found["replicas"] > 1 else "exchange       none",
    ]
    if found["scaling"]:
        heading = ["workers", "examples each", "step ms", "compute", "exchange", "examples/s", "efficiency"]
        echo("\n".join([*lines, ""]))
        print_rows([heading, *map(_row, found["scaling"])], range(len(heading)))
        lines = [
            "",
            f"a step computes on {found['device']}, then exchanges in a ring of R replicas: each all-reduce takes "
            f"2 (R - 1) x (bytes / R / {found['link_gigabits']:g} Gbit/s + {found['latency_microseconds']:g} us)",
        ]
    echo("\n".join(lines + found["notes"]))


def _exchange_words(exchanged: dict[str, Any]) -> str:
    statistics = exchanged["batch_normalization"]
    of_statistics = f", statistics of batch normalisation {size(statistics)}" if statistics else ""
    times = exchanged["times"]
    return (
        f"exchange       {size(exchanged['bytes'])} all-reduced per step, in {times} all-reduces: gradients "
        f"{size(exchanged['gradients'])}{of_statistics}; each replica sends {size(exchanged['sent'])}"
    )


def _row(row: dict[str, Any]) -> list[str]:
    times = row["milliseconds"]
    return [
        str(row["workers"]),
        str(row["batch_per_replica"]),
        *(f"{times[name]:.3g}" for name in ("step", "compute", "exchange")),
        f"{row['examples_per_second']:,.0f}",
        f"{row['efficiency']:.0%}",
    ]
