"""`dltrain report`: the results of a run on one page."""

from dltrain.cli.arguments import RUNS, Json, Quiet, Runs, RunWords, Verbose, echo, print_json, run_words
from dltrain.cli.trust import Trust
from dltrain.runs import folder


def report(
    words: RunWords = None,
    trust: Trust = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    runs: Runs = RUNS,
    as_json: Json = False,
) -> None:
    """Write RUN's report.html and figures/ again: results, curves, mistakes, calibration, config, data.

    `fit` writes them when it ends, unless `report: false`. The report of a run that is still training is partial, and
    so is one without the run's data, which `dataset.path=...` finds where they were moved.
    """
    name, overrides = run_words(words or [], "report")
    found = folder.find(name, runs)

    from dltrain.console import Reporter
    from dltrain.inference import report as reporting

    written = reporting.report(found, Reporter(quiet or as_json, verbose), overrides)
    print_json(written) if as_json else echo(written["report"])
