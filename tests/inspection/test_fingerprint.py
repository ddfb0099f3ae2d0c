"""The fingerprint: the same for the same data, whoever asks, and another for others."""

import dataclasses
import os
import subprocess
import sys

import numpy as np
import pytest
from specs import data_spec

from dltrain.data import DataSpec, Ragged, Split, Splits
from dltrain.datasets.image_folder import ImageFolder
from dltrain.features.class_label import ClassLabel
from dltrain.features.identity import IDENTITY, NUMBER, STRANGER, TRIALS, Identity
from dltrain.inspection import fingerprint as module
from dltrain.inspection.fingerprint import fingerprint
from dltrain.registry import DATASETS

SCRIPT = """
from dltrain.inspection.fingerprint import fingerprint
from dltrain.registry import DATASETS
print(fingerprint(DATASETS["digits"]().load()))
"""


def test_it_is_the_same_in_every_process():
    seen = {
        subprocess.run(
            [sys.executable, "-c", SCRIPT], env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True, text=True
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert seen == {str(fingerprint(DATASETS["digits"]().load()))}


@pytest.mark.parametrize("limit", [module.FULL_BYTES, 0])
def test_one_pixel_one_label_and_one_class_change_their_part_alone(limit, monkeypatch):
    monkeypatch.setattr(module, "FULL_BYTES", limit)
    splits = DATASETS["digits"]().load()
    before = fingerprint(splits)
    images, targets = splits.test.inputs.copy(), splits.test.targets.copy()
    images[100, 3, 4, 0] ^= 1
    targets[5] = (targets[5] + 1) % 10
    for fields in ({"inputs": images}, {"targets": targets}):
        after = fingerprint(dataclasses.replace(splits, test=dataclasses.replace(splits.test, **fields)))
        assert after["test"] != before["test"]
        assert after["train"] == before["train"]
    names = splits.spec.with_target(ClassLabel(class_names=tuple("abcdefghij")))
    assert not set(fingerprint(dataclasses.replace(splits, spec=names)).values()) & set(before.values())


def test_other_trials_and_other_owners_of_strangers_change_their_part_alone():
    names = ("ann", "bob")
    spec = DataSpec.of(data_spec((3,), names).input, Identity(class_names=names))
    train = Split(np.zeros((4, 3), np.float32), np.array([0, 1, 0, 1], np.int32))

    def found(same, owner="cid"):
        trials = Ragged.of([np.array([[1, same]]), np.zeros((0, 2), np.int64)], np.int64, (2,))
        facts = {NUMBER: np.arange(2), TRIALS: trials, IDENTITY: np.array(["cid", owner])}
        test = Split(np.zeros((2, 3), np.float32), np.full(2, STRANGER, np.int32), metadata=facts)
        return fingerprint(Splits(spec, train, test=test))

    assert found(1) == found(1)
    for other in (found(0), found(1, "dan")):
        assert other["train"] == found(1)["train"]
        assert other["test"] != found(1)["test"]


def test_the_order_of_bytes_does_not_matter():
    inputs, targets = np.arange(12, dtype=np.float32).reshape(4, 3), np.array([0, 1, 0, 1], np.int32)
    spec = data_spec((3,), ("a", "b"))
    big = Split(inputs.astype(">f4"), targets.astype(">i4"))
    assert fingerprint(Splits(spec, big)) == fingerprint(Splits(spec, Split(inputs, targets)))


def test_files_count_by_name_size_and_content_wherever_they_lie(tensorflow, tmp_path):
    random = np.random.RandomState(0)
    for name in ("cat", "dog"):
        for number in range(4):
            path = tmp_path / "here" / name / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            image = random.randint(0, 256, (8, 8, 3)).astype(np.uint8)
            path.write_bytes(tensorflow.io.encode_png(image).numpy())

    def of(folder):
        return fingerprint(ImageFolder(path=folder, size=8, test_fraction=0.0, validation_fraction=0.0).load())

    before = of(tmp_path / "here")
    (tmp_path / "here").rename(tmp_path / "there")
    assert of(tmp_path / "there") == before
    image[2, 3, 1] ^= 1
    path = tmp_path / "there" / "dog" / "3.png"
    path.write_bytes(tensorflow.io.encode_png(image).numpy())
    assert of(tmp_path / "there") != before
