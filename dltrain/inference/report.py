"""Writing report.html and figures/ of a run, at its end or on request."""

from collections.abc import Mapping, Sequence
from typing import Any

from dltrain import untrusted
from dltrain.assembly.out_of_memory import enough_memory
from dltrain.config import experiment as experiments
from dltrain.config.experiment import Config
from dltrain.config.provenance import settings
from dltrain.console import Reporter
from dltrain.data import Splits
from dltrain.engine.compiled_loop import Engine
from dltrain.engine.device import Devices
from dltrain.errors import DltrainError, Interrupted, RunError, TrainingError
from dltrain.inference.evidence import gather
from dltrain.inference.outputs import Stopped
from dltrain.inference.trained_run import TrainedRun
from dltrain.plugins import loading as plugins
from dltrain.report.outcome import Evidence
from dltrain.report.page import render, write
from dltrain.report.story import run_report
from dltrain.runs import folder
from dltrain.runs.folder import Run
from dltrain.runs.settings import provenance_of
from dltrain.signals import StopRequest

KNOWS = '<section id="data">'
"""What is in a report that the network and the data had a part in."""


def report(run: Run, reporter: Reporter, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Writes the report of a run, and warns of each part that is missing.

    Args:
        run: whose; it may be going on.
        reporter: what says how it goes.
        overrides: `key.path=value` arguments, such as dataset.path=moved.csv.

    Returns:
        {"run", "report", "bytes", "figures": [paths], "missing": [words]}

    Raises:
        RunError: if nothing new could be said, and the report that there is says more.
        TrainingError: if it cannot be written.
    """
    folder.require_own_files(run)
    config, evidence, troubles = None, None, []
    try:
        config = experiments.load(run.config, [*overrides], reads_data=False)
        evidence = _asked(config, run, reporter)
    except (DltrainError, OSError) as error:
        moved = config and _absence(config)
        advice = f"; if the data were moved, type: dltrain report {run.path} dataset.path=..." if moved else ""
        troubles.append(f"The report lacks the results of network and data: {error}{advice}")
        reporter.warn(troubles[0])
        if _knows(run):
            raise RunError(
                f"{run.report}: is kept, because a new report could show less; "
                "move it away to write one from the run's folder alone"
            ) from None
    written = _write(run, config, evidence, troubles)
    for words in written["missing"]:
        if words not in troubles:
            reporter.warn(words)
    return written


def report_at_end(
    config: Config,
    splits: Splits,
    run: Run,
    engine: Engine,
    devices: Devices,
    measured: Mapping[str, Any],
    reporter: Reporter,
) -> None:
    """Writes the report of a run that has just ended, and warns if that fails.

    Args:
        config: what was done.
        splits: what it was trained on.
        run: where it is kept.
        engine: the network with its best weights.
        devices: what shares a batch of its.
        measured: loss and metrics of the parts that were held out, by name.
        reporter: what says how it goes.

    Raises:
        Interrupted: if a signal asks to stop; the run stays finished.
    """
    evidence, troubles = None, list[str]()
    reporter.say("writing the report")
    with StopRequest() as stop:
        try:
            try:
                evidence = gather(config.experiment, engine, devices, splits, measured, stop.__bool__)
            except (Stopped, OSError):
                raise
            except Exception as error:
                troubles.append(f"The report lacks the results of network and data: {_reason(error)}")
                reporter.warn(f"report: {troubles[0]}")
            written = _write(run, config, evidence, troubles, stop)
        except Stopped:
            raise Interrupted(
                "stopped while writing the report",
                stop.exit_code or 130,
                f"the run is finished; to write its report, type: dltrain report {run.path}",
            ) from None
        except Exception as error:  # the run went well: it does not fail for its report
            reporter.warn(
                f"the run is finished, but has no report: {_reason(error)}; "
                f"to try again, type: dltrain report {run.path}"
            )
        else:
            reporter.say(f"report: {written['report']}")


def _knows(run: Run) -> bool:
    """Whether the report that there is was made with network and data."""
    try:
        return KNOWS.encode() in untrusted.content(run.report, folder.MOST_BYTES)
    except OSError:
        return False


def _absence(config: Config) -> str | None:
    """Returns why the data are not on this machine, where that is what is wrong."""
    try:
        return config.absence()
    except DltrainError:
        return None


def _reason(error: Exception) -> str:
    words = plugins.fault(error) or " ".join(str(error).split())
    return words if isinstance(error, DltrainError | OSError) else f"{type(error).__name__}: {words}"[:500]


def _asked(config: Config, run: Run, reporter: Reporter) -> Evidence:
    """Builds the run's network with its best weights so far, and collects evidence.

    Raises:
        DltrainError: if config, data or checkpoint cannot be used.
    """
    trained = TrainedRun.of(run, config, "best", reporter)
    devices, splits = trained.own_data()
    with enough_memory(config):
        return gather(config.experiment, trained.network(devices), devices, splits, _known(run))


def _known(run: Run) -> Mapping[str, Any]:
    """Returns what was measured when the run ended, by part, as far as its summary can be read."""
    try:
        return run.read_summary()
    except RunError:
        return {}


def _write(
    run: Run,
    config: Config | None,
    evidence: Evidence | None,
    troubles: Sequence[str],
    stop: StopRequest | None = None,
) -> dict[str, Any]:
    said = settings(config, provenance_of(run)) if config else []
    content = run_report(run, said, evidence, troubles)
    page, files = render(content)
    if stop:
        raise Stopped
    try:
        write(run, page, files)
    except OSError as error:
        raise TrainingError(f"{error.filename or run.report}: cannot be written: {error.strerror or error}") from None
    return {
        "run": str(run.path),
        "report": str(run.report),
        "bytes": len(page.encode()),
        "figures": [str(run.figures / name) for name in files],
        "missing": list(content.warnings),
    }
