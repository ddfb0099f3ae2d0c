"""How alike two examples are to a run's network, and whether they are of one identity."""

from __future__ import annotations

from typing import Any

from dltrain.console import Reporter
from dltrain.errors import UserError
from dltrain.inference import prediction
from dltrain.inference.prediction import Noticed
from dltrain.runs.folder import Run


def compare(run: Run, examples: tuple[str, str], reporter: Reporter) -> dict[str, Any]:
    """Compares two examples by the best weights of a run that verifies.

    Args:
        run: a run whose task says how alike examples are.
        examples: what names them, such as files: one example each.
        reporter: what says how it goes.

    Returns:
        {"run", "examples", "score", "threshold", "same"}: the threshold is that of the validation part, at its equal
        error rate; none, as is whether they are the same, where the run has no such.

    Raises:
        UserError: if the run does not verify, or an example cannot be used.
    """
    predictor = prediction.load(run, "best", reporter)
    outputs, noticed = [], Noticed()
    for name in examples:
        request = next(iter(predictor.reader.read([name], 2)), None)
        if request is None or len(request.names) != 1:
            raise UserError(f"{name}: must be one example, {predictor.reader.takes}")
        if request.problems:
            raise UserError(f"{name}: {request.problems[0]}")
        noticed.add({"input": name, "notices": request.notices.get(0, [])})
        outputs.append(predictor.outputs(request.inputs))
    for line in noticed.lines:
        reporter.say(line)
    score = predictor.task.likeness(predictor.spec, *outputs)
    if score is None:
        raise UserError(f"{run.path}: does not say how alike two examples are: a run of task verification does")
    measured = run.read_summary().get("validation") or {}
    threshold = measured.get("threshold")
    same = None if threshold is None else bool(score >= threshold)
    return {"run": run.name, "examples": [*examples], "score": score, "threshold": threshold, "same": same}
