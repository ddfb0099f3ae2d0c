"""A feature with several views goes through every command: evaluation averages them, a request is one."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from dltrain.cli import app
from dltrain.runs.folder import Run

PLUGIN = Path(__file__).parent / "plugins" / "crops.py"
CONFIG = """\
plugins: [{plugin}]
dataset: {{name: crops, path: series.json, size: {size}, form: {form}}}
augment: [{{name: louder}}]
model: {{name: sums}}
optimizer: {{name: adam, learning_rate: 0.03}}
train: {{epochs: 3, batch_size: 8}}
"""
ASKED = [[0.2, 0.9, 0.4, 0.5], [-0.3, 0.1, 0.0, 0.7]]
LONGER = [0.5] * 31


def said(*words, given=None):
    result = CliRunner().invoke(app, [*map(str, words), "--trust", "--json"], input=given)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def softmax(logits):
    shares = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return shares / shares.sum(axis=-1, keepdims=True)


def views(steps, size):
    """Returns crops from the beginning, the middle and the end."""
    size = size or len(steps) // 2
    last = len(steps) - size
    return [steps[shift:][:size] for shift in (0, last // 2, last)]


@pytest.mark.parametrize(("size", "form"), [(4, "array"), (0, "array"), (0, "ragged")])
def test_views_are_averaged_by_every_command_and_a_request_is_one(tensorflow, reports, tmp_path, size, form):
    import keras

    from dltrain.console import Reporter
    from dltrain.inference import prediction

    random = np.random.RandomState(0)
    series = [
        {"kind": kind, "steps": np.round(random.uniform(low, low + 1, random.randint(9, 20)), 3).tolist()}
        for kind, low in [("low", -0.6), ("high", -0.4)] * 21
    ]
    (tmp_path / "series.json").write_text(json.dumps(series))
    (tmp_path / "crops.yaml").write_text(CONFIG.format(plugin=PLUGIN, size=size, form=form))
    assert said("preview", tmp_path / "crops.yaml", "--out", tmp_path / "preview.png")["shown"] == 8
    summary = said("fit", tmp_path / "crops.yaml", "--runs", tmp_path / "runs")
    run = Run(tmp_path / "runs" / "crops-001")
    assert "warning" not in run.log.read_text()

    model, names = keras.models.load_model(run.model, compile=False), ("high", "low")
    tested = series[-14:]
    logits = np.array(
        [np.mean([model(np.array([view], "float32"))[0] for view in views(each["steps"], size)], 0) for each in tested]
    )
    actual = np.array([names.index(each["kind"]) for each in tested])
    shares = softmax(logits)
    loss, accuracy = -np.log(shares[np.arange(14), actual]).mean(), (shares.argmax(1) == actual).mean()
    assert summary["test"] == pytest.approx({"loss": loss, "accuracy": accuracy}, rel=1e-4)
    assert said("eval", run.path)["metrics"] == pytest.approx(summary["test"], rel=1e-4)

    rows = said("predict", run.path, "--split", "test", "--probabilities")["predictions"]
    assert [[row["probabilities"][name] for name in names] for row in rows] == pytest.approx(shares, rel=1e-3)

    asked = ASKED if size else [*ASKED, LONGER]
    (tmp_path / "asked.txt").write_text("".join(f"{json.dumps(each)}\n" for each in asked))
    single = [softmax(np.asarray(model(np.array([each], "float32"))[0])) for each in asked]
    rows = said("predict", run.path, tmp_path / "asked.txt", "--probabilities")["predictions"]
    assert [[row["probabilities"][name] for name in names] for row in rows] == pytest.approx(np.array(single), rel=1e-3)
    predictor = prediction.load(run, "best", Reporter(quiet=True))
    predictor.warm()
    ((rows, _),) = prediction.predictions(predictor, [predictor.reader.read_values(asked)], {})
    assert [row["probability"] for row in rows] == pytest.approx([each.max() for each in single], rel=1e-3)

    page = (run.path / "report.html").read_text()
    assert '<section id="data">' in page
    assert said("report", run.path)["missing"] == []
    found = said("export", run.path, "--format", "keras", "-o", tmp_path / "exports")
    assert found["refused"] == {}
    assert f"averaged over {3} views" in Path(found["card"]).read_text()
