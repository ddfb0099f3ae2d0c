"""report.html and figures/: what a run was worth, at its end or whenever it is asked for."""

from collections.abc import Sequence
from typing import Any

from dltrain import plugins
from dltrain.config import experiment as experiments
from dltrain.config.experiment import Config
from dltrain.config.origins import settings
from dltrain.errors import DltrainError, Interrupted, RunError, TrainingError
from dltrain.report.outcome import Evidence
from dltrain.report.page import render, write
from dltrain.report.story import tell
from dltrain.runs import folder
from dltrain.runs.folder import Run
from dltrain.runs.settings import origins_of
from dltrain.training import checkpoints
from dltrain.training.evidence import Stopped, gather
from dltrain.training.learner import Learner
from dltrain.training.progress import Reporter
from dltrain.training.setup import begin, compare, enough_memory, refuse_changed, restored
from dltrain.training.signals import StopRequest
from dltrain.training.state import State

KNOWS = '<section id="data">'
"""What is in a report that the network and the data had a part in."""


def report(run: Run, reporter: Reporter) -> dict[str, Any]:
    """Writes the report of a run, as far as it is: what is missing is said.

    Args:
        run: whose; it may be going on.
        reporter: what says how it goes.

    Returns:
        {"run", "report", "bytes", "figures": [paths], "missing": [words]}

    Raises:
        RunError: if nothing new could be said, and the report that there is says more.
        TrainingError: if it cannot be written.
    """
    folder.refuse_links(run)
    config, evidence, troubles = None, None, []
    try:
        config = experiments.load(run.config, reads_data=False)
        evidence = _asked(config, run, reporter)
    except (DltrainError, OSError) as error:
        troubles.append(f"Without what the network and the data have to say: {error}")
        reporter.warn(troubles[0])
        if run.report.is_file() and KNOWS in run.report.read_text(encoding="utf-8", errors="replace"):
            raise RunError(
                f"{run.report}: stays as it is, it says more than could be said now; "
                "move it away to have one of the run's folder alone"
            ) from None
    written = _write(run, config, evidence, troubles)
    for words in written["missing"]:
        if words not in troubles:
            reporter.warn(words)
    return written


def report_at_end(config: Config, learner: Learner, run: Run, model: Any) -> None:
    """Writes the report of a run that has just ended; says so where that fails.

    Args:
        config: what was done.
        learner: what was trained.
        run: where it is kept.
        model: the network with its best weights.

    Raises:
        Interrupted: if a signal asks to stop; the run stays finished.
    """
    reporter, evidence, troubles = learner.reporter, None, []
    with StopRequest() as stop:
        try:
            try:
                evidence = gather(config.experiment, model, learner.splits, stop.__bool__)
            except (Stopped, OSError):
                raise
            except Exception as error:
                troubles.append(f"Without what the network and the data have to say: {_reason(error)}")
                reporter.warn(f"report: {troubles[0]}")
            written = _write(run, config, evidence, troubles, stop)
        except Stopped:
            raise Interrupted(
                "stopped while the report is made",
                stop.exit_code or 130,
                f"the run is finished, for the report: dltrain report {run.path}",
            ) from None
        except Exception as error:  # the run went well: it does not fail for its report
            reporter.warn(f"no report: {_reason(error)}; the run is finished. Once more: dltrain report {run.path}")
        else:
            reporter.say(f"report: {written['report']}")


def _reason(error: Exception) -> str:
    words = plugins.fault(error) or " ".join(str(error).split())
    return words if isinstance(error, DltrainError | OSError) else f"{type(error).__name__}: {words}"[:500]


def _asked(config: Config, run: Run, reporter: Reporter) -> Evidence:
    """Builds the run's network with its best weights so far, and asks it.

    Raises:
        DltrainError: if config, data or checkpoint cannot be used.
    """
    with config.blame("train"):
        config.experiment.train.examples_per_batch  # noqa: B018  (a number in a run's config, or a ValueError)
    saved = checkpoints.load(run, "best")
    spec = State.of(saved).spec
    devices, splits = begin(config, reporter, like=spec)
    refuse_changed(run, splits, spec)
    compare(config, splits, saved, reporter)
    with enough_memory(config):
        return gather(config.experiment, restored(config, saved, devices).model, splits)


def _write(
    run: Run,
    config: Config | None,
    evidence: Evidence | None,
    troubles: Sequence[str],
    stop: StopRequest | None = None,
) -> dict[str, Any]:
    said = settings(config, origins_of(run)) if config else []
    told = tell(run, said, evidence, troubles)
    page, files = render(told)
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
        "missing": list(told.warnings),
    }
