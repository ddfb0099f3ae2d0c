"""`dltrain verify` and `dltrain reproduce`: can a result be repeated?"""

from typing import Annotated, Any

import typer

from dltrain.cli.arguments import RUNS, Json, Quiet, Runs, RunWords, Verbose, echo, finite_number, print_json, run_words
from dltrain.cli.trust import Trust
from dltrain.runs import folder


def verify(
    words: RunWords = None,
    steps: Annotated[int, typer.Option(min=1, help="Steps to replay, at most to the end of the epoch.")] = 50,
    trust: Trust = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    runs: Runs = RUNS,
    as_json: Json = False,
) -> None:
    """Replay steps from a run's config and from a checkpoint; name the first step and tensor that differ, if any do."""
    name, overrides = run_words(words or [], "verify")
    found = folder.find(name, runs)

    from dltrain.console import Reporter
    from dltrain.replication import verify as verification

    result = verification.verify(found, steps, Reporter(quiet or as_json, verbose), overrides)
    print_json(result) if as_json else echo(_verified_words(result))
    if not result["repeatable"]:
        raise typer.Exit(1)


def reproduce(
    words: RunWords = None,
    tolerance: Annotated[
        float,
        typer.Option(
            min=0, callback=finite_number, help="How far the final metrics may differ where the environment differs."
        ),
    ] = 0.02,
    trust: Trust = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    runs: Runs = RUNS,
    as_json: Json = False,
) -> None:
    """Train a finished run again, as a new run, and compare: exactly, or within a tolerance on another machine."""
    name, overrides = run_words(words or [], "reproduce")
    found = folder.find(name, runs)

    from dltrain.console import Reporter
    from dltrain.replication import reproduce as reproduction

    result = reproduction.reproduce(found, runs, tolerance, Reporter(quiet, verbose), overrides)
    print_json(result) if as_json else echo(_reproduced_words(result, tolerance))
    if not result["reproduced"]:
        raise typer.Exit(1)


def _verified_words(result: dict[str, Any]) -> str:
    lines = []
    for replay in result["replays"]:
        difference = replay["difference"]
        words = (
            f"identical to {' and '.join(replay['compared_with'])}, bit for bit"
            if difference is None
            else f"DIFFERS at step {difference['step']} in {difference['tensor']}, between {difference['between']}"
        )
        lines.append(f"from {replay['start']}, {replay['steps']} steps: {words}")
    verdict = "repeatable" if result["repeatable"] else "NOT repeatable; try deterministic: true"
    return "\n".join([*lines, *result["notes"], f"{result['run']} on {result['device']}: {verdict}"])


def _reproduced_words(result: dict[str, Any], tolerance: float) -> str:
    lines = [f"environment  {key}: {then} -> {now}" for key, (then, now) in result["environment"].items()]
    lines += [f"{name}  {then:.6g} -> {now:.6g}" for name, (then, now) in result["metrics"].items()]
    row, weights = result["first_difference"], result["largest_weight_difference"]
    if row is not None:
        lines.append(
            f"metrics.csv first differs in epoch {row['epoch']}, {row['column']}: {row['then']} -> {row['now']}"
        )
    if weights:
        lines.append(f"the last weights differ by at most {weights:.3g}")
    lines += result["notes"]
    if result["exact"]:
        verdict = "reproduced bit for bit"
    elif result["reproduced"]:
        verdict = f"reproduced within {tolerance:g}, in another environment"
    elif result["environment"]:
        verdict = f"NOT reproduced: differs by more than {tolerance:g}"
    else:
        verdict = "NOT reproduced, in the same environment"
    return "\n".join([*lines, f"{result['run']} again as {result['again']}: {verdict}"])
