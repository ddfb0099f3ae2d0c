"""MLflow."""

import json
import logging
import os
import time
from pathlib import Path
from typing import Any

from dltrain.registry import TRACKERS
from dltrain.trackers import Tracker
from dltrain.trackers._tracking import check_installed, flat, measured, results

PARAMETERS = 100
"""The most values that MLflow accepts at a time."""

VALUE_LETTERS = 6000
"""The longest parameter that MLflow accepts."""

STATUS = {"finished": "FINISHED", "interrupted": "KILLED"}
FILES = ("config.yaml", "metrics.csv", "summary.json", "environment.json", "report.html")


@TRACKERS.register("mlflow")
class MLflow(Tracker):
    """A run in MLflow: the config as parameters, a value per epoch of each metric, the run's small files as artifacts.

    A resumed run continues there too: mlflow.json in its folder names both. Needs MLflow: pip install
    'dltrain[mlflow]'.

    Args:
        experiment: name of the MLflow experiment, which groups runs.
        uri: address of the MLflow store, for example http://localhost:5000; none for MLFLOW_TRACKING_URI or, if that is
            not set, the file mlflow.db in the folder of runs: `mlflow ui --backend-store-uri sqlite:///runs/mlflow.db`.
    """

    experiment: str = "dltrain"
    uri: str | None = None

    def check_installed(self) -> None:
        """Raises KeyProblem where its package is not installed."""
        check_installed("mlflow", "MLflow")

    def start(self, run: Path, config: dict[str, Any]) -> "_MLflowRun":
        """Starts a run in MLflow, or continues with one that was started before."""
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        import mlflow

        for name in ("mlflow", "alembic"):  # which it gives levels of their own when it is imported
            logging.getLogger(name).setLevel(logging.WARNING)
        logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)
        place, known = run / "mlflow.json", None
        if place.is_file():
            known = json.loads(place.read_text(encoding="utf-8"))
        uri = known["uri"] if known else self._uri(run)
        client = mlflow.MlflowClient(uri)
        if known is None:
            number = client.create_run(self._experiment(client, run, uri), run_name=run.name).info.run_id
            place.write_text(json.dumps({"uri": uri, "run_id": number}, indent=2) + "\n", encoding="utf-8")
        else:
            number = known["run_id"]
            client.update_run(number, status="RUNNING")
        return _MLflowRun(client, number, run, config, is_new=known is None)

    def _uri(self, run: Path) -> str:
        return self.uri or os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{run.resolve().parent / 'mlflow.db'}"

    def _experiment(self, client: Any, run: Path, uri: str) -> str:
        found = client.get_experiment_by_name(self.experiment)
        if found is not None:
            return str(found.experiment_id)
        # A server knows where to put files, a file beside the runs would put them into the working directory.
        place = (run.resolve().parent / "mlflow" / self.experiment).as_uri() if uri.startswith("sqlite:") else None
        return str(client.create_experiment(self.experiment, artifact_location=place))


class _MLflowRun:
    def __init__(self, client: Any, number: str, run: Path, config: dict[str, Any], is_new: bool) -> None:
        from mlflow.entities import Metric, Param

        self._client, self._number, self._run, self._metric = client, number, run, Metric
        if is_new:  # MLflow refuses to change them: the changes of a resumed run are in its log
            settings = [Param(key, text[:VALUE_LETTERS]) for key, text in flat(config).items()]
            for first in range(0, len(settings), PARAMETERS):
                client.log_batch(number, params=settings[first : first + PARAMETERS])

    def epoch(self, row: dict[str, Any], model: Any) -> None:
        """Logs an epoch's numbers."""
        self._log(measured(row), row["epoch"])

    def end(self, summary: dict[str, Any]) -> None:
        """Logs the results and the small files, and sets the final status."""
        self._log(results(summary), summary["epochs"])
        for name in FILES:
            if (self._run / name).is_file():
                self._client.log_artifact(self._number, str(self._run / name))
        self._client.set_terminated(self._number, STATUS.get(summary["status"], "FAILED"))

    def _log(self, values: dict[str, float], epoch: int) -> None:
        now = int(time.time() * 1000)
        self._client.log_batch(self._number, [self._metric(name, value, now, epoch) for name, value in values.items()])
