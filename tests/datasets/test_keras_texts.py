"""IMDB and Reuters in the format that Keras downloads: words come back, the published test part stays apart."""

import importlib
import json
import urllib.error

import numpy as np
import pytest

from dltrain.errors import DataError
from dltrain.registry import DATASETS

NAMES = ["imdb", "reuters"]
WORDS = ["the", "film", "oil", "was", "good", "price", "fell", "rose"]


@pytest.fixture
def home(tensorflow, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr("keras.src.backend.config._KERAS_DIR", str(tmp_path))
    return tmp_path / "datasets"


@pytest.fixture(params=NAMES)
def cached(request, home, monkeypatch):
    """The name of a dataset whose files, in the real format, lie where Keras then finds them; its texts and classes."""
    name = request.param
    classes, random = len(DATASETS[name].class_names), np.random.RandomState(0)
    numbers = [random.randint(1, len(WORDS) + 1, random.randint(1, 9)).tolist() for _ in range(60)]
    labels = np.arange(60) % min(classes, 6)
    home.mkdir()
    texts = np.empty(60, object)
    texts[:] = numbers
    parts = {"x": texts, "y": labels}
    if name == "imdb":
        parts = {"x_train": texts[:40], "y_train": labels[:40], "x_test": texts[40:], "y_test": labels[40:]}
    np.savez(home / f"{name}.npz", **parts)
    (home / f"{name}_word_index.json").write_text(json.dumps({word: at for at, word in enumerate(WORDS, 1)}))
    source = importlib.import_module(f"keras.src.datasets.{name}")
    monkeypatch.setattr(source, "get_file", lambda fname, *_, **__: str(home / fname))
    known = [(" ".join(WORDS[number - 1] for number in text), int(y)) for text, y in zip(numbers, labels, strict=True)]
    return name, known


def pairs(spec, part):
    return [*zip(spec.input.words(part.inputs), part.targets.tolist(), strict=True)]


def test_every_text_comes_back_with_its_words_and_class(cached):
    name, known = cached
    dataset = DATASETS[name](tokenizer="words", validation_fraction=0.25)
    splits = dataset.load()
    found = [pair for part in splits.parts.values() for pair in pairs(splits.spec, part)]
    assert sorted(found) == sorted(known)
    if name == "imdb":
        assert sorted(pairs(splits.spec, splits.test)) == sorted(known[40:])
        assert {part: len(split) for part, split in splits.parts.items()} == {
            "train": 30,
            "validation": 10,
            "test": 20,
        }
    assert splits.spec.target.class_names == DATASETS[name].class_names
    assert dataset.sizes() == {part: len(split) for part, split in splits.parts.items()}


@pytest.mark.parametrize("name", NAMES)
def test_offline_one_line_says_which_files_to_put_where(home, monkeypatch, capsys, name):
    def urlretrieve(origin, target, progress):
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setattr("keras.src.utils.file_utils.urlretrieve", urlretrieve)
    dataset = DATASETS[name]()
    assert dataset.spec() is None and dataset.sizes() is None
    with pytest.raises(
        DataError, match=rf"^dataset {name} cannot be downloaded \(Name or service not known\)"
    ) as error:
        dataset.load()
    assert str(home / f"{name}.npz") in str(error.value) and "\n" not in str(error.value)
    assert capsys.readouterr().out == ""


def test_a_damaged_file_gives_one_line(cached, home):
    name, _ = cached
    (home / f"{name}_word_index.json").write_text("<html>not found</html>")
    with pytest.raises(DataError, match=rf"dataset {name} cannot be read: a file is incomplete or damaged"):
        DATASETS[name]().load()


@pytest.mark.parametrize(("name", "count"), [("imdb", 2), ("reuters", 46)])
def test_every_class_has_its_own_name(name, count):
    assert len(set(DATASETS[name].class_names)) == count
