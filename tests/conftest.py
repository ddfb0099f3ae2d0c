import json
import logging
import os
from contextlib import contextmanager

import pytest
from at_home import at_home

from dltrain.engine.compiled_loop import Engine
from dltrain.importing import import_tensorflow
from dltrain.runs.folder import Run

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"


@pytest.fixture(autouse=True)
def no_reports(request, monkeypatch):
    """Ends the runs of tests without their report, which takes a second each; those about it ask for `reports`."""
    if "reports" not in request.fixturenames:
        monkeypatch.setattr("dltrain.training.trainer.report_at_end", lambda *_: None)


@pytest.fixture
def reports():
    """Runs end with their report, as outside of tests."""


@pytest.fixture(scope="session")
def tensorflow():
    """TensorFlow, started as the command starts it."""
    import_tensorflow()
    import tensorflow

    return tensorflow


CONFIG = """\
name: {stem}
seed: {seed}
dataset: {{name: digits, validation_fraction: 0.1}}
model: {{name: {model}, units: [8]}}
task: {{name: {task}, metrics: [accuracy]}}
optimizer: {{name: adam, learning_rate: {rate}}}
train: {{epochs: {epochs}, steps: none}}
checkpoint: {{every_epochs: 1, monitor: none}}
"""


@pytest.fixture
def make_run(tmp_path):
    """Returns a function that makes a run's folder under runs/, as one that was trained leaves it, without training."""

    def make(name, accuracies=(0.5, 0.9, 0.8), status="finished", test=0.85, seed=0, saved=True, **config):
        run = Run(tmp_path / "runs" / name)
        run.checkpoints.mkdir(parents=True)
        settings = {"stem": name.rpartition("-")[0], "seed": seed, "model": "mlp", "task": "classification"}
        settings |= {"rate": 0.01, "epochs": 3, **config}
        run.config.write_text(CONFIG.format(**settings))
        lines = ["epoch,step,seconds,learning_rate,loss,accuracy,val_loss,val_accuracy"]
        for epoch, value in enumerate(accuracies, start=1):
            lines.append(f"{epoch},{10 * epoch},{1.5 * epoch},0.01,{1 - value},{value},{1.1 - value},{value}")
        run.metrics.write_text("\n".join([*lines, ""]) if accuracies else "")
        best = max(accuracies, default=None)
        summary = {
            "status": status,
            "epochs": len(accuracies),
            "seconds": 1.5 * len(accuracies),
            "parameters": 1000,
            "best": {"monitor": "val_accuracy", "value": best, "epoch": accuracies.index(best) + 1} if best else None,
            "validation": {"loss": 0.3, "accuracy": best} if status == "finished" else None,
            "test": {"loss": 0.4, "accuracy": test} if status == "finished" else None,
            "error": "the loss is not finite" if status == "failed" else None,
        }
        run.summary.write_text(json.dumps(summary))
        run.log.write_text("epoch 1/3\n")
        if saved:
            for file in ("best.npz", "last.npz"):
                (run.checkpoints / file).write_bytes(b"0" * 1000)
        return run

    return make


@pytest.fixture(autouse=True)
def nothing_of_another_test():
    """What is logged in a test never goes to the log of a run of the test before, and its plugins are forgotten."""
    with at_home():
        yield
    logging.getLogger("dltrain").handlers.clear()


class Killed(BaseException):
    """What nothing expects."""


@pytest.fixture
def killed_after(monkeypatch):
    """Returns a context that ends where the engine is asked for more than some steps; nothing is saved then."""

    @contextmanager
    def killed_after(step):
        original = Engine.train

        def train(self, feed, done, count):
            if done + count > step:
                raise Killed
            return original(self, feed, done, count)

        with monkeypatch.context() as patch, pytest.raises(Killed):
            patch.setattr(Engine, "train", train)
            yield

    return killed_after
