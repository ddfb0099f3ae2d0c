"""Weights & Biases."""

import hashlib
import os
from pathlib import Path
from typing import Any, Literal

from dltrain.errors import UserError
from dltrain.registry import TRACKERS
from dltrain.trackers import Tracker
from dltrain.trackers._tracking import check_installed, measured, results


@TRACKERS.register("wandb")
class WeightsAndBiases(Tracker):
    """A run in Weights & Biases: the config, a value per epoch of each metric, the results as its summary.

    Nothing leaves the machine unless `mode` is online. Needs its package: pip install 'dltrain[wandb]'.

    Args:
        project: name of the project, which groups runs.
        entity: the team or user that they belong to; none for your own.
        mode: offline writes into the folder of runs, for a later `wandb sync runs/wandb/offline-run-*`; online sends
            during training, after `wandb login`.
    """

    project: str = "dltrain"
    entity: str | None = None
    mode: Literal["offline", "online"] = "offline"

    def check_installed(self) -> None:
        """Raises KeyProblem where its package is not installed."""
        check_installed("wandb", "Weights & Biases")

    def start(self, run: Path, config: dict[str, Any]) -> "_WandbRun":
        """Starts a run in Weights & Biases, or continues with one that was started before."""
        settings = run.resolve().parent / "wandb" / "settings"
        if settings.exists():
            raise UserError(
                f"{settings}: wandb obeys it, even about the server that your key is sent to; remove it, or move the "
                "settings to your own ~/.config/wandb/settings"
            )
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        import wandb

        number = hashlib.blake2b(str(run.resolve()).encode(), digest_size=4).hexdigest()
        return _WandbRun(
            wandb.init(
                project=self.project,
                entity=self.entity,
                name=run.name,
                id=f"{run.name}-{number}",
                dir=str(run.resolve().parent),  # it makes links, which a run's folder must not hold
                mode=self.mode,
                resume="allow",
                config=config,
                settings=wandb.Settings(console="off", silent=True, save_code=False),
            )
        )


class _WandbRun:
    def __init__(self, kept: Any) -> None:
        self._kept = kept
        kept.define_metric("*", step_metric="epoch")

    def epoch(self, row: dict[str, Any], model: Any) -> None:
        """Logs an epoch's numbers to the dashboard."""
        self._kept.log({"epoch": row["epoch"], **measured(row)})

    def end(self, summary: dict[str, Any]) -> None:
        """Logs the results, and whether the run succeeded."""
        self._kept.summary.update(results(summary))
        self._kept.finish(exit_code=0 if summary["status"] == "finished" else 1)
