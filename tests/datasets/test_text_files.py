"""Texts without classes: paragraphs of files, whole files in one part."""

import numpy as np
import pytest

from dltrain.datasets.text_files import TextFiles
from dltrain.errors import AbsentData, KeyProblem
from dltrain.tasks.masked_lm import MaskedLanguageModel

KEYS = {"tokenizer": "words", "test_fraction": 0.25, "validation_fraction": 0.25}


def write(folder, count=12):
    for number in range(count):
        place = folder / f"deep{number % 3}" / f"{number}.txt"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(f"first of file{number}\nin two lines\n\n  \nsecond of file{number}\n\n\n")
    return folder


def words_of(splits, part):
    return splits.spec.input.words(splits.parts[part].inputs)


def test_paragraphs_are_texts_and_a_file_is_in_one_part(tmp_path):
    splits = TextFiles(path=write(tmp_path / "texts"), **KEYS).load()
    assert not splits.spec.targets
    MaskedLanguageModel().check(splits.spec)
    assert {part: len(split) for part, split in splits.parts.items()} == {"train": 14, "validation": 4, "test": 6}
    places = {part: [split.provenance[row] for row in range(len(split))] for part, split in splits.parts.items()}
    of_part = {part: {place.rpartition(":")[0] for place in some} for part, some in places.items()}
    assert sum(map(len, of_part.values())) == len(set().union(*of_part.values())) == 12
    assert {place.rpartition(":")[2] for place in places["train"]} == {"1", "5"}


def test_whole_files_may_be_texts(tmp_path):
    splits = TextFiles(path=write(tmp_path / "texts"), paragraphs=False, **KEYS).load()
    assert sum(len(split) for split in splits.parts.values()) == 12
    assert all("in two lines second" in words for words in words_of(splits, "train"))


def test_folders_of_parts_are_the_parts(tmp_path):
    for part, count in (("train", 5), ("test", 2)):
        write(tmp_path / "texts" / part, count)
    splits = TextFiles(path=tmp_path / "texts", tokenizer="words", validation_fraction=0.2).load()
    assert {part: len(split) for part, split in splits.parts.items()} == {"train": 8, "validation": 2, "test": 4}
    assert np.all(splits.train.targets.shape == (8, 0))


def test_what_cannot_be_used_is_named(tmp_path):
    with pytest.raises(AbsentData, match="must be a folder of .txt files"):
        TextFiles(path=tmp_path / "none").files()
    (tmp_path / "empty").mkdir()
    with pytest.raises(KeyProblem, match="has no .txt file to train on"):
        TextFiles(path=tmp_path / "empty").files()
    (write(tmp_path / "texts") / "deep0/bad.txt").write_text(" \n")
    with pytest.raises(Exception, match=r"bad.txt:1: is an empty text"):
        TextFiles(path=tmp_path / "texts", **KEYS).load()
    splits = TextFiles(path=tmp_path / "texts", on_bad_example="skip", **KEYS).load()
    assert len(splits.skipped) == 1
