"""What neither a machine nor a change of the code may change: order, cuts, draws, fingerprints and first losses.

The values were measured once. Where one is another, runs that were begun before cannot be resumed or repeated.
"""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from specs import data_spec

from dltrain.assembly.oversampling import epoch_positions
from dltrain.config import experiment as experiments
from dltrain.console import Reporter
from dltrain.data import DataSpec, Groups, Split, split_off
from dltrain.engine.order import Order
from dltrain.engine.preparation import Preparation
from dltrain.features.audio import Audio
from dltrain.features.boxes import Boxes
from dltrain.inspection.fingerprint import fingerprint
from dltrain.registry import AUGMENTATIONS, DATASETS
from dltrain.runs.folder import Run
from dltrain.training import trainer

TABLE = Path(__file__).parent / "old_runs" / "0.1.0" / "table" / "data" / "table.csv"

POSITIONS = [
    ({"batch_size": 8}, [[0, 1, 2, 3, 4, 5, 6, 7], [8, 9, 10, 11, 12, 13, 14, 15], [8, 9, 10, 11, 12, 13, 14, 15]]),
    (
        {"batch_size": 8, "seed": 0},
        [[12, 9, 1, 16, 4, 10, 3, 14], [7, 15, 17, 11, 0, 6, 19, 18], [4, 5, 7, 6, 10, 9, 11, 18]],
    ),
    ({"batch_size": 8, "replicas": 2, "seed": 7}, [[15, 6, 3, 8], [11, 0, 1, 2], [9, 1, 15, 12]]),
    (
        {"batch_size": 4, "seed": 7, "accumulate": 2},
        [[15, 6, 3, 8, 11, 0, 1, 2], [5, 10, 17, 4, 13, 16, 12, 14], [12, 11, 18, 9, 0, 1, 2, 10]],
    ),
    (
        {"batch_size": 4, "replicas": 2, "seed": 7, "accumulate": 2},
        [[15, 6, 11, 0], [3, 8, 1, 2], [18, 6, 15, 12]],
    ),
    (
        {"examples": 12, "batch_size": 6, "seed": 3, "rows": np.arange(12) // 2},
        [[5, 5, 1, 4, 0, 1], [2, 4, 3, 3, 0, 2], [3, 1, 0, 2, 5, 5]],
    ),
]


@pytest.mark.parametrize("settings, expected", POSITIONS)
def test_portions_hold_the_same_examples(tensorflow, settings, expected):
    order = Order(**{"examples": 20, **settings})
    seen = [order.positions(tensorflow.constant(portion, "int64")).numpy().tolist() for portion in (0, 1, 5)]
    assert seen == expected


LABELS = np.repeat([0, 1, 2], [12, 5, 3]).astype(np.int32)
NUMBERS = np.zeros((20, 1), np.float32)


@pytest.mark.parametrize(
    "targets, fraction, seed, expected",
    [
        (LABELS, 0.25, 0, [4, 6, 11, 15, 17]),
        (LABELS, 0.25, 3, [1, 4, 5, 15, 18]),
        (LABELS, "fold 2 of 4", 0, [3, 8, 11, 13, 17]),
        (NUMBERS, 0.25, 0, [1, 8, 10, 18, 19]),
        (NUMBERS, 0.25, 3, [1, 2, 4, 14, 17]),
        (NUMBERS, "fold 2 of 4", 0, [0, 1, 2, 7, 17]),
    ],
)
def test_parts_hold_the_same_examples(targets, fraction, seed, expected):
    groups = Groups((), targets) if targets.ndim == 1 else None
    _, taken = split_off(Split(np.arange(20)[:, None], targets), fraction, seed, groups)
    assert taken.inputs[:, 0].tolist() == expected


FINGERPRINTS = {
    "digits": {"train": "31662f9fe560ee4a", "validation": "e1a9dbc8ad00eafd", "test": "7239b25e2de3e56c"},
    "iris": {"train": "04eb76b68750aca1", "validation": "75aa6a2e8b570454", "test": "371e3f0cf1934978"},
    "diabetes": {"train": "72fe43e5d3a9a70d", "validation": "1c6bcda220587bd1", "test": "2b6148038320f416"},
    "synthetic": {"train": "bec16bf3c7d04554", "validation": "69809e0a17106422", "test": "4cc7ac053c1a9f38"},
}


@pytest.mark.parametrize("name", FINGERPRINTS)
def test_the_same_data_have_the_same_fingerprint(name):
    assert fingerprint(DATASETS[name]().load()) == FINGERPRINTS[name]


TABLES = {
    "grade": {"train": "6e2798f8be280118", "validation": "519e593335afab10", "test": "ba2df753b92cf39c"},
    "price": {"train": "d1f524321e86bb6a", "validation": "aa19f4445ca602a0", "test": "064fc9c042eefd1c"},
    ("warm", "far"): {"train": "d4580eebdc7573b6", "validation": "0f79cb5f536408b4", "test": "153daa40e1638605"},
}


@pytest.mark.parametrize("target", TABLES)
def test_the_same_table_has_the_same_fingerprint(target):
    assert fingerprint(DATASETS["csv"](path=TABLE, target=target).load()) == TABLES[target]


IMAGES = np.random.RandomState(0).randint(0, 256, (4, 6, 5, 3)).astype(np.uint8)
SPEC = data_spec((6, 5, 3), ("a", "b"), (10.25, 20.5, 30.125), (1.0, 1.0, 1.0))
MOVED = {
    "flip": ["6e795b12d179a628", "910cba65d01c4f28"],
    "pad_and_crop": ["915b8f34e0e11d34", "1081b36961eff30e"],
    "translate": ["e152f95492dc45d1", "a342dcb17a8d255b"],
    "noise": ["d2d9145c213dbcb5", "e1da61440c8d41a0"],
}
"""Of those that move whole pixels: a digest of three batches, alone and behind another augmentation."""
MEANS = {
    "brightness": [100.265, 100.673, 69.124, 145.916],
    "contrast": [124.597, 122.019, 112.905, 128.701],
    "cutmix": [126.044, 116.922, 113.667, 116.133],
    "expand": [33.951, 24.981, 32.028, 128.533],
    "grayscale": [125.544, 121.378, 112.511, 128.533],
    "hue": [125.526, 121.117, 113.236, 128.258],
    "mixup": [128.531, 121.386, 121.378, 127.646],
    "photometric": [101.086, 102.193, 118.303, 128.543],
    "randaugment": [57.535, 124.729, 127.964, 129.516],
    "random_erasing": [125.544, 117.833, 113.156, 128.533],
    "random_resized_crop": [139.776, 127.114, 117.094, 125.488],
    "rotate": [119.432, 115.681, 103.995, 120.994],
    "saturation": [124.597, 122.019, 112.905, 128.467],
    "trivialaugment": [125.711, 128.385, 118.438, 126.883],
    "zoom": [102.29, 102.06, 72.642, 125.335],
}
"""Of the others: each image's mean in the third batch."""

CLIPS = np.random.RandomState(0).uniform(-1, 1, (4, 800)).astype(np.float32)
HEARD = {
    "gain": [-38.431, 32.329, 13.661, -27.287],
    "speed": [-71.919, 43.405, -36.601, 28.72],
    "time_shift": [-21.555, 17.029, 34.599, 3.592],
    "white_noise": [-54.412, 43.405, 26.749, -20.83],
}
"""Of those of sounds: 1,000 times the mean of each clip's first 100 samples in the third batch."""


BOXES = np.array([[[0.1, 0.2, 0.6, 0.9, 0, 0, 0]], [[-1] * 7], [[0, 0, 1, 1, 1, 0, 0]], [[0.5, 0.5, 1, 1, 0, 0, 0]]])
BOXED = {
    "iou_crop": [117.992, 121.378, 137.281, 128.533, 6.591],
    "mixup_boxes": [127.913, 122.439, 113.156, 123.926, 13.6],
    "mosaic": [114.15, 127.353, 97.759, 128.533, 15.073],
}
"""Of those of images with boxes: each image's mean in the third batch, and the sum of all corners."""


def batches(tensorflow, *names, numbers=(0, 1, 7)):
    built = [AUGMENTATIONS[name]() for name in names]
    mixing = [augmentation.build(SPEC) for augmentation in built if getattr(augmentation, "mixes", False)]
    single = [augmentation.build(SPEC) for augmentation in built if not getattr(augmentation, "mixes", False)]
    prepare = Preparation(single, None, 5, mixing, lambda targets: tensorflow.one_hot(targets, 2))
    return [prepare(tensorflow.constant(number, "int64"), IMAGES, np.arange(4) % 2)[0].numpy() for number in numbers]


def digest(arrays):
    return hashlib.sha256(np.concatenate(arrays).tobytes()).hexdigest()[:16]


@pytest.mark.parametrize("name", MOVED)
def test_whole_pixels_move_as_they_did(tensorflow, name):
    seen = [digest(batches(tensorflow, name)), digest(batches(tensorflow, "flip", name))]
    assert seen == MOVED[name]


@pytest.mark.parametrize("name", MEANS)
def test_other_changes_are_drawn_as_they_were(tensorflow, name):
    (images,) = batches(tensorflow, name, numbers=[7])
    assert images.mean(axis=(1, 2, 3)).tolist() == pytest.approx(MEANS[name], abs=0.02)


@pytest.mark.parametrize("name", HEARD)
def test_changes_of_sounds_are_drawn_as_they_were(tensorflow, name):
    data = DataSpec.of(Audio(rate=8_000, samples=800, window=200, hop=80))
    prepare = Preparation([AUGMENTATIONS[name]().build(data)], seed=5, data=data)
    clips = prepare(tensorflow.constant(7, "int64"), CLIPS, np.zeros((4, 0), np.float32))[0].numpy()
    assert (1_000 * clips[:, :100].mean(axis=1)).tolist() == pytest.approx(HEARD[name], abs=0.02)


@pytest.mark.parametrize("name", BOXED)
def test_boxes_are_moved_as_they_were(tensorflow, name):
    data = DataSpec.of(SPEC.input, Boxes(class_names=("a", "b")))
    prepare = Preparation([AUGMENTATIONS[name]().build(data)], seed=5, data=data)
    images, rows = prepare(tensorflow.constant(7, "int64"), IMAGES, BOXES.astype(np.float32))
    corners = rows.numpy()[rows.numpy()[..., 4] >= 0][:, :4].sum()
    found = [*images.numpy().mean(axis=(1, 2, 3)).tolist(), float(corners)]
    assert found == pytest.approx(BOXED[name], abs=0.02)


def test_each_augmentation_has_values_here():
    # What masks of spectrograms draw from is Keras's.
    assert sorted([*MOVED, *MEANS, *HEARD, *BOXED, "spec_augment"]) == AUGMENTATIONS.names()


CONFIGS = {
    "mlp": """
dataset: {name: digits, test_fraction: 0.8}
model: {name: mlp, units: [32], dropout: 0.2}
optimizer: {name: adam, learning_rate: 0.002}
""",
    "table": f"""
dataset: {{name: csv, path: {TABLE}, target: grade, one_hot_up_to: 5, words: 6}}
model: {{name: mlp, units: [16]}}
optimizer: {{name: sgd, learning_rate: 0.05, momentum: 0.9}}
""",
    "cnn": """
dataset: {name: digits, test_fraction: 0.8}
augment: [{name: pad_and_crop, padding: 1}, {name: flip}, {name: mixup}]
model: {name: cnn, stages: [{filters: 4, batch_normalization: before, pool: max}], dense: [8]}
optimizer: {name: adam, learning_rate: 0.002}
""",
}
LOSSES = {
    "mlp": [2.581305, 2.3587413, 2.160814],
    "table": [1.2582879, 1.2781429, 1.2410325],
    "cnn": [2.3589396, 2.377009, 2.3298185],
}
"""The mean of each of the first epochs, of one to four steps."""


@pytest.mark.parametrize("name", CONFIGS)
def test_the_first_losses_are_the_same_to_six_digits(tensorflow, tmp_path, name):
    path = tmp_path / f"{name}.yaml"
    path.write_text(CONFIGS[name] + "train: {epochs: 3, batch_size: 64}\n")
    run = Run(Path(trainer.fit(experiments.load(path), Reporter(quiet=True), tmp_path / "runs")["run"]))
    assert [float(row["loss"]) for row in run.read_metrics()] == pytest.approx(LOSSES[name], rel=3e-6)


def test_oversampling_repeats_the_same_examples(tmp_path):
    path = tmp_path / "small.yaml"
    path.write_text(CONFIGS["mlp"] + "train: {epochs: 1, oversample: true}\n")
    split = Split(np.zeros((10, 1)), np.repeat([0, 1, 2], [5, 3, 2]))
    rows = epoch_positions(experiments.load(path).experiment, data_spec((1,), ("a", "b", "c")), split)
    assert rows.tolist() == [2, 0, 1, 3, 4, 5, 7, 6, 5, 7, 8, 9, 8, 9, 8]
