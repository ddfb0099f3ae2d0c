import sys
import types

import numpy as np
import pytest

from dltrain.datasets.tfds import TFDS
from dltrain.errors import DataError

IMAGES = np.arange(40 * 16, dtype=np.uint8).reshape(40, 4, 4, 1)
LABELS = np.arange(40, dtype=np.int64) % 2


@pytest.fixture
def installed(monkeypatch):
    """Stands for TensorFlow Datasets; returns what it was asked for."""
    asked = {}

    def load(builder, split, **settings):
        if builder == "none":
            raise ValueError("Dataset none\nnot found")
        asked.update(settings, builder=builder, split=split)
        label = types.SimpleNamespace(names=["cat", "dog"])
        info = types.SimpleNamespace(features={"label": label}, supervised_keys=("image", "label"))
        return dict.fromkeys(split, (IMAGES, LABELS)), info

    stub = types.ModuleType("tensorflow_datasets")
    stub.load, stub.as_numpy = load, lambda read: read
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", stub)
    return asked


def test_without_the_extra_one_line_names_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    with pytest.raises(DataError, match=r"^dataset tfds needs TensorFlow Datasets: pip install 'dltrain\[tfds\]'$"):
        TFDS(builder="mnist").load()


def test_pairs_become_parts_with_the_names_of_the_classes(installed, tmp_path):
    splits = TFDS(builder="pets", train="train[:90%]", folder=tmp_path).load()
    assert installed["split"] == {"train": "train[:90%]", "test": "test"}
    assert (installed["builder"], installed["data_dir"]) == ("pets", str(tmp_path))
    assert splits.spec.target.class_names == ("cat", "dog")
    assert splits.spec.input.shape == (4, 4, 1)
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [36, 4, 40]
    np.testing.assert_array_equal(splits.test.inputs, IMAGES)
    assert TFDS(builder="pets").spec() is None


def test_what_cannot_be_had_is_one_line(installed):
    with pytest.raises(DataError, match="^dataset tfds none cannot be loaded: Dataset none not found$"):
        TFDS(builder="none").load()
