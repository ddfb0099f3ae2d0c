import numpy as np
import pytest

from dltrain.datasets.npy import NPY
from dltrain.errors import DataError

X = np.arange(20 * 4, dtype=np.float32).reshape(20, 4)
Y = np.arange(20) % 2


@pytest.fixture
def saved(tmp_path):
    """Returns a function that stores each array in a file and returns the dataset of these files."""

    def save(fields=None, **arrays) -> NPY:
        for key, array in arrays.items():
            np.save(tmp_path / f"{key}.npy", array)
        return NPY(**{key: tmp_path / f"{key}.npy" for key in arrays}, **(fields or {}))

    return save


@pytest.mark.parametrize("inputs", [X, np.zeros((20, 3, 3), np.uint8)])
def test_inputs_stay_on_disk_where_nothing_is_split_off(saved, inputs):
    dataset = saved({"validation_fraction": 0.0}, inputs=inputs, targets=Y, test_inputs=inputs, test_targets=Y)
    splits = dataset.load()
    assert isinstance(splits.train.inputs, np.memmap)
    assert isinstance(splits.test.inputs, np.memmap)
    assert splits.train.inputs.shape[1:] == dataset.spec().input.shape


def test_a_test_file_is_the_whole_test_part(saved):
    splits = saved(inputs=X, targets=Y, test_inputs=X[:3] + 500, test_targets=Y[:3]).load()
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [18, 2, 3]
    np.testing.assert_array_equal(splits.test.inputs, X[:3] + 500)


def test_a_test_file_without_its_labels_is_refused_and_the_other_way_round(saved):
    with pytest.raises(ValueError, match="^test_inputs needs test_targets"):
        saved(inputs=X, targets=Y, test_inputs=X)
    with pytest.raises(ValueError, match="^test_targets needs test_inputs"):
        saved(inputs=X, targets=Y, test_targets=Y)


def test_messages_begin_with_the_key_of_the_file(saved, tmp_path):
    with pytest.raises(ValueError, match="^inputs no such file"):
        NPY(inputs=tmp_path / "none.npy", targets=tmp_path / "none.npy").spec()
    with pytest.raises(ValueError, match="^targets targets.npy must be one label"):
        saved(inputs=X, targets=np.eye(2)[Y]).spec()
    with pytest.raises(ValueError, match=r"^test_targets test_targets.npy has labels .*: 5, 6, 7, 8, 9 and 1 more"):
        saved(inputs=X, targets=Y, test_inputs=X[:6], test_targets=np.arange(5, 11)).spec()


def test_files_that_are_no_arrays_or_cut_off_are_refused(saved, tmp_path):
    dataset = saved(inputs=X, targets=Y)
    dataset.inputs.write_bytes(dataset.inputs.read_bytes()[:-8])
    with pytest.raises(DataError, match="^dataset.inputs cannot be read"):
        dataset.load()
    dataset.inputs.write_text("hello")
    with pytest.raises(ValueError, match="^inputs cannot be read"):
        dataset.spec()


@pytest.mark.parametrize("inputs", [X.astype(object), X[:0]])
def test_objects_and_nothing_are_refused_without_mapping_them(saved, inputs):
    with pytest.raises(DataError, match=r"^dataset\.inputs inputs\.npy (must contain numbers|contains no values)"):
        saved(inputs=inputs, targets=Y[: len(inputs)]).load()
