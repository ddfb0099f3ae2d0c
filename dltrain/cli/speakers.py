"""`dltrain verify-speaker`: whether two sounds are of one speaker."""

from typing import Annotated

import typer

from dltrain.cli.arguments import RUNS, Json, Quiet, Runs, Verbose, echo, print_json
from dltrain.cli.trust import Trust
from dltrain.runs import folder
from dltrain.wording import metric


def verify(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run of task verification.")],
    one: Annotated[str, typer.Argument(metavar="FILE", help="A sound file; of a run on other data, one such example.")],
    other: Annotated[str, typer.Argument(metavar="FILE", help="Another.")],
    trust: Trust = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    runs: Runs = RUNS,
    as_json: Json = False,
) -> None:
    """Tell whether two sounds are of one speaker, by the best weights of RUN.

    The score is the cosine of their embeddings. They are of one speaker from the threshold on at which the validation
    part has as many misses as false alarms; without such a part the score stands alone.
    """
    found = folder.find(run, runs)

    from dltrain.console import Reporter
    from dltrain.inference import likeness

    told = likeness.compare(found, (one, other), Reporter(quiet or as_json, verbose))
    if as_json:
        print_json(told)
        return
    threshold = "none: the run has no validation part with trials of both kinds"
    if told["threshold"] is not None:
        threshold = f"{metric(told['threshold'])} (validation part, at its equal error rate)"
    echo(f"score      {metric(told['score'])}")
    echo(f"threshold  {threshold}")
    if told["same"] is not None:
        echo("the same speaker" if told["same"] else "two speakers")
