"""What holds for every dataset that cuts its own parts."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from dltrain.data import Splits, channel_statistics
from dltrain.registry import DATASETS


@pytest.fixture(params=["digits", "synthetic", "npz", "npy"])
def make(request, tmp_path):
    """Returns a function that makes the dataset with some fields set."""
    random = np.random.RandomState(0)
    x, y = random.randint(0, 256, (90, 6, 6)).astype(np.uint8), np.arange(90) % 3
    np.savez(tmp_path / "a.npz", x=x, y=y)
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", y)
    given = {
        "npz": {"path": tmp_path / "a.npz"},
        "npy": {"inputs": tmp_path / "x.npy", "targets": tmp_path / "y.npy"},
        "synthetic": {"shape": (6, 6, 1), "train_examples": 90, "validation_examples": 30, "test_examples": 30},
    }.get(request.param, {})
    seed = "data_seed" if request.param == "synthetic" else "split_seed"
    return lambda seed_value=0: DATASETS[request.param](**given, **{seed: seed_value})


def parts(splits: Splits) -> list:
    return [splits.train, splits.validation, splits.test]


def rows(split) -> list[bytes]:
    return [row.tobytes() for row in np.asarray(split.inputs)]


def test_no_example_is_in_two_parts(make):
    seen = [set(rows(part)) for part in parts(make().load())]
    assert not seen[0] & seen[1]
    assert not seen[0] & seen[2]
    assert not seen[1] & seen[2]


def test_the_same_seed_gives_the_same_parts_and_another_gives_others(make):
    first, again, other = (parts(make(seed).load()) for seed in (3, 3, 4))
    for one, two, three in zip(first, again, other, strict=True):
        np.testing.assert_array_equal(one.inputs, two.inputs)
        np.testing.assert_array_equal(one.targets, two.targets)
        assert rows(one) != rows(three)


def test_every_class_is_in_every_part(make):
    splits = make().load()
    for part in parts(splits):
        shares = np.bincount(part.targets, minlength=len(splits.spec.target.class_names)) / len(part)
        assert shares.min() > 0.5 / len(shares)


def test_what_is_loaded_is_what_the_spec_said(make):
    said, splits = make().spec(), make().load()
    assert (said.input.shape, said.target.class_names) == (splits.spec.input.shape, splits.spec.target.class_names)
    for part in parts(splits):
        assert part.inputs.shape[1:] == said.input.shape
        assert part.inputs.dtype == np.uint8
        assert part.targets.dtype == np.int32


def test_the_statistics_are_those_of_the_training_part(make):
    splits = make().load()
    assert (splits.spec.input.mean, splits.spec.input.standard_deviation) == channel_statistics(splits.train.inputs)


def test_specs_need_neither_tensorflow_nor_sklearn():
    names = ["cifar10", "cifar100", "digits", "fashion_mnist", "mnist", "synthetic"]
    code = f"""
import sys
from dltrain.registry import DATASETS
for name in {names}:
    assert DATASETS[name]().spec().target.class_names
assert not {{"tensorflow", "keras", "sklearn"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


@pytest.mark.parametrize("fractions", [(0.2, 0.1), (0.0, 0.0), ("fold 2 of 5", 0.3), (0.0, "fold 3 of 4"), (0.5, 0.5)])
@pytest.mark.parametrize("name", ["digits", "iris", "wine", "breast_cancer", "diabetes"])
def test_sizes_are_those_of_the_loaded_parts(name, fractions):
    dataset = DATASETS[name](test_fraction=fractions[0], validation_fraction=fractions[1])
    assert dataset.sizes() == sizes_of_loaded(dataset)


def test_sizes_of_other_sources_are_those_of_their_parts(tmp_path):
    labels = np.array([0] * 7 + [1] * 5 + [2] * 2 + [3])
    values = np.arange(30, dtype=np.float32).reshape(15, 2)
    np.savez(tmp_path / "one.npz", x=values, y=labels)
    np.savez(tmp_path / "own.npz", x_train=values, y_train=labels, x_test=values[:4], y_test=labels[:4])
    np.save(tmp_path / "inputs.npy", values)
    np.save(tmp_path / "targets.npy", labels)
    rows = [f"{first},{second},class {label}" for (first, second), label in zip(values, labels, strict=True)]
    (tmp_path / "table.csv").write_text("\n".join(["a,b,kind", *rows]))
    for number, label in enumerate(labels):
        folder = tmp_path / "images" / str(label)
        folder.mkdir(parents=True, exist_ok=True)
        PIL.Image.new("L", (4, 4), number).save(folder / f"{number}.png")
    for dataset in (
        DATASETS["npz"](path=tmp_path / "one.npz"),
        DATASETS["npz"](path=tmp_path / "own.npz", validation_fraction=0.4),
        DATASETS["npy"](inputs=tmp_path / "inputs.npy", targets=tmp_path / "targets.npy", test_fraction=0.5),
        DATASETS["csv"](path=tmp_path / "table.csv", target="kind"),
        DATASETS["image_folder"](path=tmp_path / "images", size=4, validation_fraction=0.3),
        DATASETS["synthetic"](train_examples=9, validation_examples=0, test_examples=3),
    ):
        assert dataset.sizes() == sizes_of_loaded(dataset), dataset


def sizes_of_loaded(dataset):
    return {name: len(part) for name, part in dataset.load().parts.items()}
