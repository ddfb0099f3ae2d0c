"""Texts in folders and in tables become parts of tokens; what cannot be used is named."""

import tarfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from dltrain.datasets.text_folder import TextFolder
from dltrain.datasets.text_table import TextTable
from dltrain.errors import AbsentData, DataError, KeyProblem

GOOD, BAD = ("a fine film", "really good acting", "the plot was great"), ("a dull film", "bad acting", "an awful plot")


def write_folder(folder, copies=10, parts=("",)):
    for part in parts:
        for name, texts in (("good", GOOD), ("bad", BAD)):
            place = folder / part / name
            place.mkdir(parents=True)
            for number in range(copies):
                (place / f"{number:02}.txt").write_text(f"{texts[number % 3]} {part} number {number}")
    return folder


def in_words(split, spec):
    return sorted(spec.input.words(split.inputs))


def test_a_folder_per_class_is_split_by_class(tmp_path):
    splits = TextFolder(path=write_folder(tmp_path / "texts"), test_fraction=0.2, validation_fraction=0.25).load()
    assert splits.spec.target.class_names == ("bad", "good")
    assert {name: np.bincount(part.targets).tolist() for name, part in splits.parts.items()} == {
        "train": [6, 6], "validation": [2, 2], "test": [2, 2],
    }  # fmt: skip
    every = [words for part in splits.parts.values() for words in in_words(part, splits.spec)]
    assert len({*every}) == 20
    places = [splits.train.provenance[row] for row in range(len(splits.train))]
    assert splits.spec.input.words(splits.train.inputs) == [
        " ".join(Path(place).read_text().split()) for place in places
    ]


def test_folders_of_parts_are_the_parts_and_teach_nothing_but_the_train_part(tmp_path):
    folder = write_folder(tmp_path / "texts", 3, ("Train", "test", "val"))
    (folder / "test/good/00.txt").write_text("zebra")
    splits = TextFolder(path=folder, tokenizer="words").load()
    assert {name: len(part) for name, part in splits.parts.items()} == {"train": 6, "validation": 6, "test": 6}
    assert "zebra" not in splits.spec.input.tokenizer
    assert any("tokens that are unknown" in each.words for each in splits.noticed)


def test_an_archive_is_a_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("DLTRAIN_CACHE", str(tmp_path / "cache"))
    write_folder(tmp_path / "texts")
    with tarfile.open(tmp_path / "texts.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "texts", "texts")
    one, other = (TextFolder(path=tmp_path / name).load() for name in ("texts", "texts.tar.gz"))
    assert in_words(one.test, one.spec) == in_words(other.test, other.spec)


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "is an empty text"), (b" \n", "is an empty text"), (b"caf\xe9", "must be UTF-8, got the byte 0xe9 at 3")],
)
def test_a_text_that_cannot_be_used_is_named_or_left_out(tmp_path, content, words):
    folder = write_folder(tmp_path / "texts")
    (folder / "good/03.txt").write_bytes(content)
    with pytest.raises(DataError, match=f"good/03.txt: {words}"):
        TextFolder(path=folder).load()
    splits = TextFolder(path=folder, on_bad_example="skip").load()
    assert sum(map(len, splits.parts.values())) == 19
    assert [each for each in splits.skipped if words in each]


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda folder: None, AbsentData, "must be a folder"),
        (lambda folder: folder.mkdir(), KeyProblem, "found none"),
        (lambda folder: write_folder(folder / "a"), KeyProblem, "found only a"),
        (lambda folder: (write_folder(folder), (folder / "none").mkdir()), KeyProblem, "has no .txt file"),
        (
            lambda folder: (write_folder(folder, 2, ("train", "test")), (folder / "test/new").mkdir()),
            KeyProblem,
            "has the class new",
        ),
    ],
)
def test_folders_that_are_no_classes_are_refused(tmp_path, change, error, words):
    change(tmp_path / "texts")
    with pytest.raises(error, match=words):
        TextFolder(path=tmp_path / "texts").spec()


def write_table(path, **columns):
    rows = {"text": [*GOOD, *BAD] * 10, "label": ["yes"] * 3 + ["no"] * 3, **columns}
    count = len(rows["text"])
    frame = pl.DataFrame({name: (values * count)[:count] for name, values in rows.items()})
    {".csv": frame.write_csv, ".jsonl": frame.write_ndjson, ".parquet": frame.write_parquet}[path.suffix](path)
    return path


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_a_table_means_the_same_in_each_format(tmp_path, suffix):
    table = TextTable(path=write_table(tmp_path / f"a{suffix}"), test_fraction=0.5)
    splits = table.load()
    assert splits.spec.target.class_names == ("no", "yes")
    assert {name: len(part) for name, part in splits.parts.items()} == table.sizes()
    reference = TextTable(path=write_table(tmp_path / "reference.csv"), test_fraction=0.5).load()
    np.testing.assert_array_equal(splits.test.inputs.values, reference.test.inputs.values)
    np.testing.assert_array_equal(splits.test.targets, reference.test.targets)


def test_labels_may_be_numbers_or_several(tmp_path):
    path = write_table(tmp_path / "a.csv", stars=[1.5, 2.0, 4.25], old=[0, 1], new=["true", "false"])
    numbers = TextTable(path=path, label_column="stars", kind="numbers")
    assert numbers.task == "regression" and numbers.load().train.targets.dtype == np.float32
    several = TextTable(path=path, label_column=("old", "new"))
    assert several.task == "multilabel"
    assert several.load().spec.target.class_names == ("old", "new")


def test_pairs_of_texts_have_both(tmp_path):
    path = write_table(tmp_path / "a.csv", other=["why so", "it is"])
    spec = TextTable(path=path, pair_column="other").load().spec
    assert spec.input.has_pairs
    reader = TextTable(path=path, pair_column="other").reader(spec)
    (request,) = reader.read([str(path)], 100)
    assert len(request.inputs) == 60 and " | why so" in spec.input.words(request.inputs)[0]


def test_a_column_names_the_parts(tmp_path):
    path = write_table(tmp_path / "a.csv", part=["train", "test", "val"])
    parts = TextTable(path=path, split="part", label_column="label").load().parts
    assert {name: len(part) for name, part in parts.items()} == {"train": 20, "validation": 20, "test": 20}


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"text_column": "txt"}, "text_column is not a column of a.csv: 'txt', did you mean \"text\""),
        ({"pair_column": "other"}, "pair_column is not a column"),
        ({"label_column": "stars"}, "label_column is not a column"),
        ({"label_column": "price"}, "label_column 'price' holds numbers that are not written plainly"),
        ({"tokenizer": "absent.json"}, "tokenizer cannot be read"),
        ({"label_column": "gap"}, "has no gap"),
    ],
)
def test_a_mistake_is_told_at_its_key(tmp_path, keys, words):
    path = write_table(tmp_path / "a.csv", price=["$1,600.00", "$2,700.50"], gap=["a", "b", None])
    if "tokenizer" in keys:
        keys = {"tokenizer": tmp_path / keys["tokenizer"]}
    with pytest.raises(ValueError) as caught:
        TextTable(path=path, **keys).spec()
    assert words in str(caught.value)


def test_a_run_gives_its_tokenizer_and_classes_to_other_data(tmp_path):
    first = TextTable(path=write_table(tmp_path / "a.csv")).load()
    path = write_table(tmp_path / "b.csv", text=["zebra film", "good zebra"], label=["no", "yes"])
    assert TextTable(path=path).load(first.spec).spec is first.spec
    strange = write_table(tmp_path / "c.csv", label=["maybe", "no"])
    with pytest.raises(DataError, match="'maybe'"):
        TextTable(path=strange).load(first.spec)


def test_what_a_user_asks_about_is_read_from_tables_and_lines(tmp_path):
    path = write_table(tmp_path / "a.csv")
    table = TextTable(path=path)
    reader = table.reader(table.spec())
    assert len(next(reader.read([str(path)], 100)).inputs) == 60
    (tmp_path / "lines.txt").write_text("a fine film\n\nbad acting\n")
    (lines,) = reader.read([str(tmp_path / "lines.txt")], 10)
    assert [*lines.names] == [f"{tmp_path / 'lines.txt'}:1", f"{tmp_path / 'lines.txt'}:3"]
    pl.DataFrame({"other": ["x"]}).write_csv(tmp_path / "other.csv")
    (wrong,) = reader.read([str(tmp_path / "other.csv")], 10)
    assert wrong.problems == {0: "has no column 'text'"}
