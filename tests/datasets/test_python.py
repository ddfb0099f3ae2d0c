import numpy as np
import pytest

from dltrain.datasets.python import Python
from dltrain.errors import DataError
from dltrain.plugins import loading as plugins

X = np.arange(40, dtype=np.float64).reshape(20, 2)
Y = np.array(["no", "yes"])[np.arange(20) % 2]


@pytest.fixture
def returning(tensorflow, monkeypatch):
    """Returns a function that makes the dataset of what a user's function would return."""

    def make(value, **fields) -> Python:
        def load(scale: float = 1.0):
            return value() if callable(value) else value

        monkeypatch.setattr(plugins, "function", lambda name: load)
        return Python(function="mine.load", **fields)

    return make


def test_two_arrays_are_split_and_words_are_classes(returning):
    splits = returning((X, Y)).load()
    assert splits.spec.target.class_names == ("no", "yes")
    assert [len(part) for part in splits.parts.values()] == [14, 2, 4]
    assert splits.train.inputs.dtype == np.float32


def test_parts_of_its_own_are_kept(returning):
    splits = returning({"train": (X[:16], Y[:16]), "test": (X[16:], Y[16:])}, validation_fraction=0.0).load()
    assert [len(part) for part in splits.parts.values()] == [16, 4]
    assert (splits.test.inputs == X[16:]).all()


def test_a_tf_dataset_of_examples_is_read(returning, tensorflow):
    def examples():
        return tensorflow.data.Dataset.from_tensor_slices((X, Y)).map(lambda x, y: (x * 2, y))

    splits = returning(examples, test_fraction=0.0, validation_fraction=0.0).load()
    assert (splits.train.inputs == X * 2).all()
    assert splits.spec.target.class_names == ("no", "yes")


def test_numbers_are_a_regression(returning):
    dataset = returning((X, X[:, 0] * 3), kind="numbers")
    assert dataset.task == "regression"
    assert dataset.load().train.targets.shape == (14, 1)


def test_other_data_take_the_classes_of_the_run(returning):
    known = returning((X, Y)).load().spec
    assert set(returning((X[:3], Y[1:2].repeat(3))).load(known).train.targets) == {1}


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (X, "function must return inputs and targets, two arrays or one tf.data.Dataset"),
        ((X, Y[:3]), "the array of inputs and the labels must be equally many, got 20 and 3"),
        ({"training": (X, Y)}, "function must return train, and optionally validation and test, got training"),
        ((X * np.nan, Y), "the array of inputs contains NaN or infinite values"),
        ((X, np.zeros(20, int)), "must contain at least 2 classes"),
    ],
)
def test_what_cannot_be_used_is_said(returning, value, words):
    with pytest.raises(DataError, match=words):
        returning(value).load()


def test_a_dataset_without_end_is_refused(returning, tensorflow):
    endless = lambda: tensorflow.data.Dataset.from_tensor_slices((X, Y)).repeat()  # noqa: E731
    with pytest.raises(DataError, match=r"an infinite tf.data.Dataset for train: remove repeat\(\)"):
        returning(endless).load()


def test_a_dataset_of_batches_is_refused(returning, tensorflow):
    batches = lambda: tensorflow.data.Dataset.from_tensor_slices(X).batch(4)  # noqa: E731
    with pytest.raises(DataError, match="must return a tf.data.Dataset of"):
        returning(batches).load()


def test_arguments_are_held_against_the_function(returning):
    with pytest.raises(ValueError, match=r"arguments do not fit mine.load\(scale: float = 1.0\): .*'scael'"):
        returning((X, Y), arguments={"scael": 2})


def test_no_function_but_one_of_a_plugin_is_called():
    with pytest.raises(
        ValueError, match="function must be module.function, with the module a file in plugins, got 'os.system'"
    ):
        Python(function="os.system")


def test_a_list_in_the_config_is_a_list_to_the_function(tensorflow, monkeypatch):
    seen = []

    def load(sizes, more):
        seen.append((sizes, more.pop("depths")))
        return X, Y

    monkeypatch.setattr(plugins, "function", lambda name: load)
    dataset = Python(function="mine.load", arguments={"sizes": (1, (2, 3)), "more": {"depths": (4,)}})
    dataset.load()
    dataset.load()
    assert seen == [([1, [2, 3]], [4])] * 2
