import numpy as np
import pytest
import sklearn.datasets

from dltrain.registry import DATASETS, TASKS


@pytest.mark.parametrize(("name", "rows"), [("iris", 150), ("wine", 178), ("breast_cancer", 569), ("diabetes", 442)])
def test_every_row_is_there_once_in_its_own_units(name, rows):
    scaled = {"scaled": False} if name == "diabetes" else {}
    inputs, targets = getattr(sklearn.datasets, f"load_{name}")(return_X_y=True, **scaled)
    dataset = DATASETS[name]()
    splits = dataset.load()
    parts = (splits.train, splits.validation, splits.test)
    assert sum(map(len, parts)) == rows
    assert len(splits.test) / rows == pytest.approx(0.2, abs=0.02)
    found = [
        [*row, target] for part in parts for row, target in zip(part.inputs, part.targets.reshape(-1), strict=True)
    ]
    expected = np.column_stack([inputs, targets]).astype(np.float32)
    assert sorted(map(tuple, np.array(found, np.float32))) == sorted(map(tuple, expected))
    assert splits.spec.input.shape == (len(splits.spec.input.columns),) == inputs.shape[1:]
    assert splits.spec.input.columns == dataset.spec().input.columns
    TASKS[dataset.task]().check(splits.spec)
    assert splits.spec.input.mean == pytest.approx(splits.train.inputs.mean(axis=0), rel=1e-4)


def test_classes_are_in_the_order_of_their_labels():
    for name in ("iris", "breast_cancer"):
        assert DATASETS[name].class_names == tuple(getattr(sklearn.datasets, f"load_{name}")().target_names)


def test_the_target_is_known_by_its_training_part():
    splits = DATASETS["diabetes"](test_fraction=0.5).load()
    (target,) = splits.spec.target.each
    assert (target.name, target.mean) == ("progression", pytest.approx(splits.train.targets.mean()))
    assert target.standard_deviation == pytest.approx(splits.train.targets.std())
