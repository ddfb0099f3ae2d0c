"""A task with targets, outputs, losses and weights by name goes through the commands as any other does."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from dltrain.cli import app
from dltrain.runs.folder import Run

PLUGIN = Path(__file__).parent / "plugins" / "both.py"
CONFIG = """\
plugins: [{plugin}]
dataset: {{name: both}}
model: {{name: two_heads}}
task: {{name: kind_and_sizes}}
optimizer: {{name: sgd, learning_rate: 0.1}}
train: {{epochs: 3, batch_size: 20}}
"""


def said(*words):
    result = CliRunner().invoke(app, [*map(str, words), "--trust", "--json"])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def data():
    """Returns numbers, kinds and sizes as the plugin makes them."""
    x = np.random.RandomState(0).standard_normal((60, 3)).astype(np.float32)
    return x, (x[:, 0] > 0.3).astype(int), np.stack([x[:, 1] + x[:, 2], x[:, 1] - x[:, 2]], axis=1)


def test_several_targets_go_through_every_command(tensorflow, reports, tmp_path):
    import keras

    (tmp_path / "both.yaml").write_text(CONFIG.format(plugin=PLUGIN))
    said("preview", tmp_path / "both.yaml", "--out", tmp_path / "preview.png")
    summary = said("fit", tmp_path / "both.yaml", "--runs", tmp_path / "runs")
    run = Run(tmp_path / "runs" / "both-001")
    assert "warning" not in run.log.read_text()

    model = keras.models.load_model(run.model, compile=False)
    x, kinds, sizes = data()
    outputs = {name: np.asarray(values) for name, values in model(x[40:]).items()}
    shares = np.exp(outputs["kind"]) / np.exp(outputs["kind"]).sum(axis=1, keepdims=True)
    wanted = {
        "loss": -np.log(shares[np.arange(20), kinds[40:]]).mean() + ((outputs["sizes"] - sizes[40:]) ** 2).mean(),
        "kind_accuracy": (shares.argmax(axis=1) == kinds[40:]).mean(),
        "sizes_mae": np.abs(outputs["sizes"] - sizes[40:]).mean(),
    }
    assert {name: summary["test"][name] for name in wanted} == pytest.approx(wanted, rel=1e-4)
    measured = said("eval", run.path)["metrics"]
    assert measured == pytest.approx(summary["test"], rel=1e-5)
    assert {"loss", "kind_accuracy", "sizes_mae"} <= measured.keys()

    rows = said("predict", run.path, "--split", "test")["predictions"]
    assert [row["kind"] for row in rows] == [("long", "short")[place] for place in shares.argmax(axis=1)]
    assert [row["actual"]["kind"] for row in rows] == [("long", "short")[kind] for kind in kinds[40:]]
    assert np.array([row["actual"]["sizes"] for row in rows]) == pytest.approx(sizes[40:], rel=1e-4)
    np.save(tmp_path / "x.npy", x[:3])
    rows = said("predict", run.path, tmp_path / "x.npy")["predictions"]
    assert np.array([row["sizes"] for row in rows]) == pytest.approx(np.asarray(model(x[:3])["sizes"]), rel=1e-4)

    assert said("report", run.path)["missing"] == []
    forms = [word for form in ("keras", "saved_model", "onnx", "litert") for word in ("--format", form)]
    found = said("export", run.path, *forms, "-o", tmp_path / "exports")
    assert found["refused"] == {}
    assert all(each["difference"] <= each["limit"] for each in found["exports"])
    card = Path(found["card"]).read_text()
    assert "`kind`: float32, (batch, 2)" in card


def test_class_weights_and_examples_weights_are_multiplied_target_by_target(tensorflow):
    from dltrain.engine.preparation import Preparation

    targets = {"kind": np.array([0, 1, 1]), "sizes": np.zeros((3, 2), np.float32)}
    number, x, of_class = tensorflow.constant(0, "int64"), np.zeros((3, 1)), {"kind": np.float32([2, 5])}

    def weights(of_class, given):
        found = Preparation(class_weights=of_class)(number, x, targets, given)[2]
        return {name: np.asarray(values).tolist() for name, values in found.items()}

    assert weights(of_class, None) == {"kind": [2, 5, 5], "sizes": [1, 1, 1]}
    each = {"kind": np.float32([1, 2, 3]), "sizes": np.float32([4, 5, 6])}
    assert weights(of_class, each) == {"kind": [2, 10, 15], "sizes": [4, 5, 6]}
    assert weights(of_class, np.float32([1, 2, 3])) == {"kind": [2, 10, 15], "sizes": [1, 2, 3]}


@pytest.mark.parametrize(
    ("shapes", "words"),
    [
        ({"kind": (2,), "sizes": (3,)}, r"returns \[2\] for kind and \[3\] for sizes numbers"),
        ({"kind": (2,)}, r"returns \[2\] for kind numbers"),
        ((4,), r"returns \[4\] numbers for an example, the data need 2 for kind and 2 for sizes"),
    ],
)
def test_a_network_that_ends_in_other_outputs_is_refused(tensorflow, shapes, words):
    import keras

    from dltrain.assembly.network import _check_outputs
    from dltrain.errors import ConfigError

    each = shapes if isinstance(shapes, dict) else {"only": shapes}
    made = {name: keras.Input(shape) for name, shape in each.items()}
    with pytest.raises(ConfigError, match=words):
        _check_outputs(made if isinstance(shapes, dict) else made["only"], {"kind": (2,), "sizes": (2,)}, "mine")
    _check_outputs(made if isinstance(shapes, dict) else made["only"], shapes, "mine")


def test_outputs_of_several_targets_agree_where_each_does(tensorflow):
    from dltrain.tasks import Task

    one = {"a": np.array([[1.0], [2.0], [3.0]]), "b": np.zeros((3, 2))}
    other = {"a": np.array([[1.0], [2.5], [3.0]]), "b": np.array([[0, 0], [0, 0], [0, 0.1]])}
    assert Task().agree(None, one, other).tolist() == [True, False, False]
