"""`dltrain verify-speaker`: two files, the validation part's threshold, and what follows."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from dltrain.cli import app

soundfile = pytest.importorskip("soundfile")
CONFIG = """
dataset: {name: audio_folder, path: sounds, rate: 1000, clip_seconds: 0.2, window_milliseconds: 32,
          hop_milliseconds: 16, bands: 8, hold_out: classes, validation_fraction: 0.3, test_fraction: 0.3}
model: {name: cnn, stages: [{filters: 4, pool: max}], dense: []}
optimizer: {name: adam, learning_rate: 0.02}
train: {epochs: 1, batch_size: 8}
report: false
"""


def run(*words):
    return CliRunner().invoke(app, [*map(str, words)])


@pytest.fixture(scope="module")
def trained(tmp_path_factory, tensorflow):
    folder = tmp_path_factory.mktemp("speakers")
    random = np.random.RandomState(0)
    for number in range(40):
        place = folder / "sounds" / f"s{number % 10}" / f"{number:02}.wav"
        place.parent.mkdir(parents=True, exist_ok=True)
        tone = np.sin(2 * np.pi * (60 + 40 * (number % 10)) * np.arange(300) / 1000)
        soundfile.write(place, 0.5 * tone + 0.05 * random.standard_normal(300), 1000)
    (folder / "net.yaml").write_text(CONFIG)
    done = run("fit", folder / "net.yaml", "--runs", folder / "runs", "--quiet")
    assert done.exit_code == 0, done.output
    return folder


def told(folder, one, other):
    done = run("verify-speaker", folder / "runs" / "net-001", one, other, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_the_score_is_the_cosine_of_what_predict_gives_and_the_threshold_that_of_the_validation_part(trained):
    files = [trained / "sounds" / "s0" / "00.wav", trained / "sounds" / "s7" / "17.wav"]
    found = told(trained, *files)
    done = run("predict", trained / "runs" / "net-001", *files, "--json")
    one, other = (np.array(row["embedding"]) for row in json.loads(done.stdout)["predictions"])
    summary = json.loads((trained / "runs" / "net-001" / "summary.json").read_text())
    assert found["score"] == pytest.approx(one @ other, abs=1e-5)
    assert found["threshold"] == summary["validation"]["threshold"] != summary["test"]["threshold"]
    assert found["same"] == (found["score"] >= found["threshold"])
    itself = told(trained, files[0], files[0])
    assert (itself["score"], itself["same"]) == (pytest.approx(1), True)


def test_without_a_threshold_the_score_stands_alone(trained):
    path = trained / "runs" / "net-001" / "summary.json"
    kept = path.read_text()
    path.write_text(json.dumps({**json.loads(kept), "validation": None}))
    try:
        found = told(trained, *[trained / "sounds" / "s0" / "00.wav"] * 2)
    finally:
        path.write_text(kept)
    assert (found["threshold"], found["same"]) == (None, None)


def test_what_is_not_one_sound_is_refused(trained):
    file = trained / "sounds" / "s0" / "00.wav"
    for other, words in [
        (trained / "none.wav", "none.wav: cannot be read"),
        (trained / "sounds" / "s0", "must be one example"),
        (trained / "net.yaml", "net.yaml"),
    ]:
        done = run("verify-speaker", trained / "runs" / "net-001", file, other)
        assert done.exit_code == 2
        assert words in done.output
