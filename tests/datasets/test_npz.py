import numpy as np
import pytest

from dltrain.datasets.npz import NPZ
from dltrain.errors import DataError

X = np.arange(20 * 4, dtype=np.float32).reshape(20, 4)
Y = np.arange(20) % 2


@pytest.fixture
def saved(tmp_path):
    """Returns a function that stores arrays and returns the dataset of that file."""

    def save(fields=None, **arrays) -> NPZ:
        np.savez(tmp_path / "data.npz", **arrays)
        return NPZ(path=tmp_path / "data.npz", **(fields or {}))

    return save


def refused(dataset: NPZ) -> str:
    """Returns the one line that refuses it, the same in `spec` and `load`."""
    with pytest.raises(ValueError) as early:
        dataset.spec()
    with pytest.raises(DataError) as late:
        dataset.load()
    message = str(early.value)
    assert str(late.value) == f"dataset.{message}"
    assert message.startswith("path ")
    assert "\n" not in message
    return message


def test_a_grey_image_gets_a_channel_axis_and_stays_bytes(saved):
    dataset = saved(x=np.zeros((20, 5, 6), np.uint8), y=Y)
    assert dataset.spec().input.shape == (5, 6, 1)
    assert dataset.load().train.inputs.dtype == np.uint8


@pytest.mark.parametrize("dtype", [np.float64, np.int64, np.float16, bool, ">f4"])
def test_other_numbers_become_float32(saved, dtype):
    inputs = saved(x=X.astype(dtype), y=Y).load().train.inputs
    assert inputs.dtype == np.float32
    assert inputs.dtype.isnative


def test_labels_of_any_numbering_become_classes_in_their_order(saved):
    splits = saved({"test_fraction": 0.0, "validation_fraction": 0.0}, x=X, y=np.where(Y, -3, 100)).load()
    assert splits.spec.target.class_names == ("-3", "100")
    assert splits.train.targets.tolist() == [1, 0] * 10


def test_labels_may_be_strings(saved):
    splits = saved({"test_fraction": 0.0, "validation_fraction": 0.0}, x=X, y=np.array(["dog", "cat"] * 10)).load()
    assert splits.spec.target.class_names == ("cat", "dog")
    assert splits.train.targets.tolist() == [1, 0] * 10


def test_sets_of_the_files_own_are_kept_whole(saved):
    names = ("train", "validation", "test")
    arrays = {f"x_{name}": X + 100 * index for index, name in enumerate(names)}
    splits = saved(**arrays, **{f"y_{name}": Y for name in names}).load()
    for part, name in ((splits.train, "train"), (splits.validation, "validation"), (splits.test, "test")):
        np.testing.assert_array_equal(part.inputs, arrays[f"x_{name}"])


def test_a_test_set_of_the_files_own_takes_nothing_from_the_training_examples(saved):
    splits = saved(x=X, y=Y, x_test=X[:4] + 500, y_test=Y[:4]).load()
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [18, 2, 4]


def test_what_is_not_there_is_named(saved, tmp_path):
    assert "no such file" in refused(NPZ(path=tmp_path / "none.npz"))
    assert "must be a regular file, is a folder" in refused(NPZ(path=tmp_path))
    assert "has no array y; it has" in refused(saved(x=X))
    assert 'has no array y_train, did you mean "y_trains"?' in refused(saved(x_train=X, y_trains=Y))
    assert "has no array y_test" in refused(saved(x=X, y=Y, x_test=X))
    assert "x_val that is not used" in refused(saved(x=X, y=Y, x_val=X, y_val=Y))
    assert "it has none" in refused(saved())


def test_a_file_that_is_no_archive_or_is_cut_off_is_refused(saved, tmp_path):
    (tmp_path / "text.npz").write_text("hello")
    assert "not a zip file" in refused(NPZ(path=tmp_path / "text.npz"))
    dataset = saved(x=X, y=Y)
    dataset.path.write_bytes(dataset.path.read_bytes()[:-50])
    assert "cannot be read" in refused(dataset)


def test_a_flipped_byte_is_refused(saved):
    dataset = saved(x=X, y=Y)
    data = bytearray(dataset.path.read_bytes())
    data[300] ^= 1
    dataset.path.write_bytes(data)
    with pytest.raises(DataError, match="CRC"):
        dataset.load()


def test_python_objects_are_never_unpickled(saved):
    assert "Python objects" in refused(saved(x=X, y=np.array(["a", None] * 10, object)))
    with pytest.raises(ValueError, match="must contain numbers, got object"):
        saved(x=X.astype(object), y=Y).spec()


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (X, Y[:-1], "equally many, got 20 and 19"),
        (X, Y * 0, "at least 2 classes, got only 0"),
        (X, np.eye(2)[Y], "argmax"),
        (X, Y + 0.5, "whole numbers or strings, got float64"),
        (X, np.int64(3), "one label per example"),
        (X[:, 0], Y, "must be (examples, features)"),
        (X[:0], Y[:0], "contains no values"),
        (X.astype(str), Y, "must contain numbers"),
        (X.astype(complex), Y, "must contain numbers"),
    ],
)
def test_arrays_that_cannot_be_learnt_from_are_refused(saved, x, y, message):
    assert message in refused(saved(x=x, y=y))


def test_a_test_set_that_does_not_fit_the_training_set_is_refused(saved):
    assert "labels that the train part does not have: 7" in refused(saved(x=X, y=Y, x_test=X[:1], y_test=np.array([7])))
    assert "of shape (4,)" in refused(saved(x=X, y=Y, x_test=X[:2, :3], y_test=Y[:2]))
    assert "got strings" in refused(saved(x=X, y=Y, x_test=X[:2], y_test=np.array(["0", "1"])))


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_values_that_are_not_finite_in_float32_are_refused_with_their_row(saved, value):
    x = X.astype(np.float64)
    x[13, 2] = value
    with pytest.raises(DataError, match="NaN or infinite values, first in row 13"):
        saved(x=x, y=Y).load()


def test_other_arrays_take_the_classes_of_the_run(saved):
    known = saved(x=X, y=np.array(["cat", "dog"])[Y]).load().spec
    other = saved(x=X[:4], y=np.array(["dog"] * 4))
    splits = other.load(known)
    assert splits.spec.target.class_names == ("cat", "dog")
    assert set(splits.train.targets) == {1}
    with pytest.raises(DataError, match="has labels that the run does not have: cow"):
        saved(x=X[:4], y=np.array(["dog", "cow"] * 2)).load(known)
