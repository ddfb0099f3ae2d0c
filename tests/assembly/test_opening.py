"""Broken files are found before the first step, or while training, and all that are known are named."""

import json
import threading

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from dltrain.assembly import opening
from dltrain.assembly.opening import Opening
from dltrain.cli import app
from dltrain.console import Reporter
from dltrain.data import DataSpec, Examples, Split, Splits
from dltrain.datasets._images import files
from dltrain.errors import DataError
from dltrain.features.class_label import ClassLabel
from dltrain.features.vector import Vector

CONFIG = """\
dataset: {name: image_folder, path: photos, size: 8, cache: CACHE}
model: {name: mlp, units: [4]}
optimizer: {name: sgd, learning_rate: 0.01}
train: {epochs: 1, batch_size: 8}
report: false
"""


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """A config and, of 48 images in three parts, the names of five that are broken in the part that is asked for."""
    monkeypatch.chdir(tmp_path)

    def make(part="test", cache="memory"):
        (tmp_path / "c.yaml").write_text(CONFIG.replace("CACHE", cache))
        broken = []
        for each in ("train", "validation", "test"):
            for label in ("dark", "light"):
                folder = tmp_path / "photos" / each / label
                folder.mkdir(parents=True)
                for number in range(8):
                    path = folder / f"{number}.png"
                    Image.new("RGB", (9, 9), "black" if label == "dark" else "white").save(path)
                    if each == part and len(broken) < 5 and number % 2:
                        path.write_bytes(b"no image")
                        broken.append(str(path.relative_to(tmp_path)))
        return broken

    return make


def invoke(*words):
    return CliRunner().invoke(app, list(words))


@pytest.mark.parametrize("cache", ["memory", "none"])
@pytest.mark.parametrize("part", ["train", "test"])
@pytest.mark.parametrize("words", [("fit", "c.yaml"), ("fit", "c.yaml", "--dry-run")])
def test_all_broken_files_are_named_before_anything_is_written(photos, tmp_path, part, words, cache):
    broken = photos(part, cache)
    done = invoke(*words)
    assert done.exit_code == 2, done.output
    assert all(name in done.stderr for name in broken)
    assert f"{len(broken)} of 48 images cannot be used\n" in done.stderr
    assert "dataset.on_bad_example: skip" in done.stderr
    assert not (tmp_path / "runs").exists()


def test_where_they_are_too_many_to_name_the_message_says_how_to_name_them(photos, monkeypatch):
    broken = photos()
    monkeypatch.setattr(files, "MOST_NAMED", 2)
    done = invoke("fit", "c.yaml")
    words = "dltrain inspect CONFIG dataset.on_bad_example=skip"
    assert f"5 of 48 images cannot be used; to name all, type: {words}" in done.stderr
    named = invoke(*words.replace("CONFIG", "c.yaml").split()[1:], "--json")
    assert all(name in named.stdout for name in broken), named.output


def test_what_training_does_not_wait_for_is_said_as_soon_as_it_is_found(photos, tmp_path, monkeypatch):
    broken = photos()
    monkeypatch.setattr(opening, "FIRST", 0.0)
    monkeypatch.setattr(opening, "SHORT", -1.0)
    slow = threading.Event()
    opened = files.ImageFiles.opened

    def later(images):
        yield 0
        slow.wait(10)
        yield from opened(images)

    monkeypatch.setattr(files.ImageFiles, "opened", later)
    monkeypatch.setattr("dltrain.training.loop.Loop._say_epoch", lambda *_: slow.set())
    done = invoke("fit", "c.yaml")
    assert done.exit_code == 1, done.output
    assert "48 of 48 examples are opened while training" in done.stderr
    assert all(name in done.stderr for name in broken)
    run = tmp_path / "runs" / "c-001"
    assert "dltrain fit --resume runs/c-001" in done.stderr
    summary = json.loads((run / "summary.json").read_text())
    assert (summary["status"], summary["epochs"]) == ("failed", 1)
    assert (run / "checkpoints" / "best.npz").is_file()
    assert "the run will end where it needs these examples" in (run / "log.txt").read_text()
    for name in broken:
        Image.new("RGB", (9, 9)).save(tmp_path / name)
    assert invoke("fit", "--resume", "c-001", "-q").exit_code == 0


class Slow(Examples):
    shape, dtype = (100, 1), np.dtype(np.float32)

    def __init__(self):
        self.count = 0

    def __len__(self):
        return 100

    def opened(self):
        for _ in range(100):
            self.count += 1
            yield self.count


def test_examples_that_take_seconds_are_waited_for_and_the_end_ends_the_rest(monkeypatch):
    spec = DataSpec.of(Vector(shape=(1,)), ClassLabel(class_names=("a", "b")))
    slow = Slow()
    splits = Splits(spec, Split(slow, np.zeros(100, np.int32)))
    with Opening(splits, Reporter(quiet=True)) as found:
        assert found.wait() == 0
    assert slow.count == 100


def test_what_is_wrong_with_opening_is_raised(monkeypatch):
    class Broken(Slow):
        def opened(self):
            raise DataError("broken.bin: is broken")
            yield

    splits = Splits(DataSpec.of(Vector(shape=(1,)), ClassLabel(class_names=("a", "b"))), Split(Broken()))
    with Opening(splits, Reporter(quiet=True)) as found, pytest.raises(DataError, match=r"^broken\.bin"):
        found.wait()
