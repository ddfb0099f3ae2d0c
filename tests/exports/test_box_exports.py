"""Exports of detectors: the suppression is within them, and gives the same boxes, of images without any too."""

import json

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from dltrain.cli import app

CONFIG = """
dataset: {name: voc, path: shapes, size: 48}
model:
  name: ssd
  backbone: {name: cnn, stages: [{filters: 8, strides: 2, pool: max, normalization: batch}]}
  feature_maps: 2
  first_stride: 4
  extra_filters: 8
task: {name: detection, metrics: [map_50], candidates: 100, most: 20, score_threshold: 0.2}
optimizer: {name: adam, learning_rate: 0.01}
train: {epochs: 1, batch_size: 16}
report: false
"""


@pytest.fixture(scope="module")
def run(tensorflow, tmp_path_factory):
    folder = tmp_path_factory.mktemp("detector")
    assert dltrain("datasets", "make", "shapes", folder / "all", "--format", "voc").exit_code == 0
    lists = folder / "all" / "ImageSets" / "Main"
    for file in lists.glob("*.txt"):
        file.write_text("\n".join(file.read_text().split()[:32]) + "\n")
    (folder / "all").rename(folder / "shapes")
    (folder / "config.yaml").write_text(CONFIG)
    done = dltrain("fit", folder / "config.yaml", "--runs", folder / "runs", "--quiet")
    assert done.exit_code == 0, done.output
    return folder / "runs" / "config-001"


def dltrain(*words):
    return CliRunner().invoke(app, [*map(str, words)])


def test_formats_hold_the_suppression_and_agree_box_by_box(run, tmp_path):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("ai_edge_litert")
    done = dltrain(
        "export", run, "--format", "onnx", "--format", "litert", "--format", "keras", "-o", tmp_path, "--json"
    )
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["refused"] == {}
    assert [each["difference"] <= each["limit"] for each in found["exports"]] == [True] * 3
    card = (tmp_path / "MODEL_CARD.md").read_text()
    for line in ("- `boxes`: float32, (batch, 20, 4)", "- `count`: int32, (batch,)", "| 0 | circle |"):
        assert line in card


def test_an_image_without_any_box_has_none_in_onnx_and_litert(run, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    litert = pytest.importorskip("ai_edge_litert.interpreter")
    config = yaml.safe_load((run / "config.yaml").read_text())
    config["task"]["score_threshold"] = 1.0
    (run / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    done = dltrain("export", run, "--format", "onnx", "--format", "litert", "-o", tmp_path)
    assert done.exit_code == 0, done.output
    images = np.zeros((3, 48, 48, 3), np.float32)
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"), providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_outputs()]
    assert dict(zip(names, session.run(None, {"inputs": images}), strict=True))["count"].tolist() == [0, 0, 0]
    interpreter = litert.Interpreter(str(tmp_path / "model.tflite"))
    runner = interpreter.get_signature_runner()
    assert runner(**{next(iter(runner.get_input_details())): images})["count"].tolist() == [0, 0, 0]


def test_predict_writes_a_row_for_each_box_and_pictures(run, tmp_path):
    images = sorted((run.parents[1] / "shapes" / "JPEGImages").glob("*"))[:3]
    words = ("predict", run, *images, "--option", "threshold=0.2", "-o", tmp_path / "boxes.csv")
    done = dltrain(*words, "--pictures", tmp_path / "drawn")
    assert done.exit_code == 0, done.output
    heading, *rows = (tmp_path / "boxes.csv").read_text().splitlines()
    assert heading == "input,class,score,x_min,y_min,x_max,y_max,error"
    assert {row.split(",")[0] for row in rows} == {*map(str, images)}
    assert sorted(file.stem for file in (tmp_path / "drawn").iterdir()) == [file.stem for file in images]
