import gzip
import importlib
import pickle
import urllib.error
from pathlib import Path

import numpy as np
import pytest

from dltrain.errors import DataError
from dltrain.registry import DATASETS

NAMES = ["mnist", "fashion_mnist", "cifar10", "cifar100"]


def write_mnist(folder: Path, x: np.ndarray, y: np.ndarray) -> None:
    np.savez(folder / "mnist.npz", x_train=x, y_train=y, x_test=x[:20], y_test=y[:20])


def write_fashion_mnist(folder: Path, x: np.ndarray, y: np.ndarray) -> None:
    for prefix, count in (("train", len(x)), ("t10k", 20)):
        with gzip.open(folder / f"{prefix}-images-idx3-ubyte.gz", "wb") as file:
            file.write(np.array([2051, count, 28, 28], ">i4").tobytes() + x[:count].tobytes())
        with gzip.open(folder / f"{prefix}-labels-idx1-ubyte.gz", "wb") as file:
            file.write(np.array([2049, count], ">i4").tobytes() + y[:count].tobytes())


def pickled(path: Path, x: np.ndarray, labels: dict[bytes, list[int]]) -> None:
    path.parent.mkdir(exist_ok=True)
    planes = np.ascontiguousarray(x.transpose(0, 3, 1, 2)).reshape(len(x), -1)
    path.write_bytes(pickle.dumps({b"data": planes, **labels}))


def write_cifar10(folder: Path, x: np.ndarray, y: np.ndarray) -> None:
    batches = folder / "cifar-10-batches-py"
    repeats = 10_000 // len(x)  # Keras reads five batches of exactly 10,000
    pickled(batches / "data_batch_1", x.repeat(repeats, axis=0), {b"labels": y.repeat(repeats).tolist()})
    for number in range(2, 6):
        (batches / f"data_batch_{number}").symlink_to("data_batch_1")
    pickled(batches / "test_batch", x[:20], {b"labels": y[:20].tolist()})


def write_cifar100(folder: Path, x: np.ndarray, y: np.ndarray) -> None:
    for name, count in (("train", len(x)), ("test", 20)):
        pickled(folder / "cifar-100-python" / name, x[:count], {b"fine_labels": y[:count].tolist()})


@pytest.fixture
def cached(tensorflow, tmp_path, monkeypatch):
    """Returns a function that puts files of a dataset's real format where Keras then finds them."""

    def put(name: str) -> tuple[np.ndarray, np.ndarray]:
        height, width, channels = DATASETS[name]().spec().input.shape
        random = np.random.RandomState(0)
        x = random.randint(0, 256, (200, height, width, channels)).astype(np.uint8)
        y = (np.arange(200) % len(DATASETS[name].class_names)).astype(np.uint8)
        globals()[f"write_{name}"](tmp_path, x[..., 0] if channels == 1 else x, y)
        source = importlib.import_module(f"keras.src.datasets.{name}")

        def get_file(fname: str, *_, extract: bool = False, **__) -> str:
            return str(tmp_path if extract else tmp_path / fname)

        monkeypatch.setattr(source, "get_file", get_file)
        return x, y

    return put


@pytest.mark.parametrize("name", NAMES)
def test_the_published_test_set_stays_apart_and_whole(cached, name):
    x, y = cached(name)
    splits = DATASETS[name](validation_fraction=0.25).load()
    np.testing.assert_array_equal(splits.test.inputs, x[:20])
    np.testing.assert_array_equal(splits.test.targets, y[:20])
    assert len(splits.validation) / (len(splits.train) + len(splits.validation)) in (0.25, 0.5)  # of 2 per class: 1
    for part in (splits.train, splits.validation, splits.test):
        assert part.inputs.shape[1:] == splits.spec.input.shape
        assert (part.inputs.dtype, part.targets.dtype) == (np.uint8, np.int32)
    assert splits.spec.input.mean is not None


@pytest.mark.parametrize("name", NAMES)
def test_offline_one_line_says_which_file_to_put_where(tensorflow, tmp_path, monkeypatch, capsys, name):
    wanted = []

    def urlretrieve(origin, target, progress):
        wanted.append((origin.rpartition("/")[2], target))
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr("keras.src.backend.config._KERAS_DIR", str(tmp_path))
    monkeypatch.setattr("keras.src.utils.file_utils.urlretrieve", urlretrieve)
    with pytest.raises(
        DataError, match=rf"^dataset {name} cannot be downloaded \(Name or service not known\)"
    ) as error:
        DATASETS[name]().load()
    message, [(file, target)] = str(error.value), wanted
    assert file in message
    # A folder is enough where the file keeps its name.
    assert target in message or (Path(target).name == file and str(Path(target).parent) in message)
    assert "\n" not in message
    assert "http" not in message
    assert capsys.readouterr().out == ""  # standard output is for results


@pytest.mark.parametrize(
    ("name", "file", "damage"),
    [
        ("mnist", "mnist.npz", "text"),  # cut short: NumPy leaves the file open, and Keras's checksum comes before it
        ("fashion_mnist", "train-images-idx3-ubyte.gz", "text"),
        ("fashion_mnist", "train-images-idx3-ubyte.gz", "cut"),
        ("fashion_mnist", "t10k-labels-idx1-ubyte.gz", "cut"),
        ("cifar100", "cifar-100-python/train", "text"),
        ("cifar100", "cifar-100-python/train", "cut"),
    ],
)
def test_a_damaged_file_gives_one_line(cached, tmp_path, name, file, damage):
    cached(name)
    data = (tmp_path / file).read_bytes()
    (tmp_path / file).write_bytes(data[: len(data) // 2] if damage == "cut" else b"<html>not found</html>")
    with pytest.raises(DataError, match=rf"^dataset {name} cannot be read: a file is incomplete or damaged") as error:
        DATASETS[name]().load()
    assert "\n" not in str(error.value)


def test_labels_outside_the_known_classes_are_refused(cached, tmp_path):
    x, y = cached("mnist")
    write_mnist(tmp_path, x[..., 0], y + 1)
    with pytest.raises(DataError, match="labels must be 0 to 9"):
        DATASETS["mnist"]().load()


@pytest.mark.parametrize("name", NAMES)
def test_every_class_has_its_own_name(name):
    assert len(set(DATASETS[name].class_names)) == (100 if name == "cifar100" else 10)


def write_california_housing(folder: Path, count: int = 100) -> tuple[np.ndarray, np.ndarray]:
    x = np.random.RandomState(0).uniform(1, 9, (count, 8))
    y = x[:, 7] * 50_000
    np.savez(folder / "california_housing.npz", x=x, y=y)
    return x, y


@pytest.fixture
def housing(tensorflow, tmp_path, monkeypatch):
    source = importlib.import_module("keras.src.datasets.california_housing")
    monkeypatch.setattr(source, "get_file", lambda fname, **_: str(tmp_path / fname))
    return DATASETS["california_housing"]()


def test_houses_keep_the_test_part_that_keras_chooses(housing, tmp_path):
    x, y = write_california_housing(tmp_path)
    import keras

    _, (x_test, y_test) = keras.datasets.california_housing.load_data()
    splits = housing.load()
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [72, 8, 20]
    np.testing.assert_array_equal(splits.test.inputs, x_test.astype(np.float32))
    np.testing.assert_array_equal(splits.test.targets[:, 0], y_test.astype(np.float32))
    assert splits.spec.input.columns[7].name == "median_income"
    assert splits.spec.target.each[0].mean == pytest.approx(splits.train.targets.mean(), rel=1e-5)


def test_houses_that_cannot_be_read_give_one_line(housing, tmp_path):
    with pytest.raises(DataError, match="^dataset california_housing cannot be downloaded") as error:
        housing.load()
    assert "california_housing.npz" in str(error.value)
    np.savez(tmp_path / "california_housing.npz", x=np.ones((100, 3)), y=np.ones(100))
    with pytest.raises(DataError, match="a file is incomplete or damaged .there must be 8 numbers per example"):
        housing.load()
