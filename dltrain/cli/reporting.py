"""`dltrain report`: what a run was worth, on one page."""

from typing import Annotated

import typer

from dltrain.cli.arguments import RUNS, Json, Quiet, Runs, Verbose, echo, print_json
from dltrain.cli.trust import Trust
from dltrain.runs import folder


def report(
    run: Annotated[str | None, typer.Argument(metavar="[RUN]", help="A run, none for the newest.")] = None,
    trust: Trust = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    runs: Runs = RUNS,
    as_json: Json = False,
) -> None:
    """Write RUN's report.html and figures/ anew: results, curves, mistakes, calibration, config, data.

    `fit` writes them at its end, unless `report: false`. Of a run that is still going: as far as it is.
    """
    found = folder.find(run, runs)

    from dltrain.console import Reporter
    from dltrain.inference import report as reporting

    written = reporting.report(found, Reporter(quiet or as_json, verbose))
    print_json(written) if as_json else echo(written["report"])
