"""`dltrain report`: the results of a run on one page."""

from typing import Annotated

import typer

from dltrain.cli.arguments import RUNS, Json, Quiet, Runs, Verbose, echo, print_json
from dltrain.cli.trust import Trust
from dltrain.runs import folder


def report(
    run: Annotated[str | None, typer.Argument(metavar="[RUN]", help="A run; without one, the newest.")] = None,
    trust: Trust = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    runs: Runs = RUNS,
    as_json: Json = False,
) -> None:
    """Write RUN's report.html and figures/ again: results, curves, mistakes, calibration, config, data.

    `fit` writes them when it ends, unless `report: false`. The report of a run that is still training is partial.
    """
    found = folder.find(run, runs)

    from dltrain.console import Reporter
    from dltrain.inference import report as reporting

    written = reporting.report(found, Reporter(quiet or as_json, verbose))
    print_json(written) if as_json else echo(written["report"])
