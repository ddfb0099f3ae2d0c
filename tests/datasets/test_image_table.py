"""Images that a CSV names: what it may look like, and what is said of one that cannot be used."""

import re

import numpy as np
import pytest

from dltrain.datasets.image_folder import ImageFolder
from dltrain.errors import AbsentData, DataError

NAMES = [f"{label}{number}.png" for label in ("cat", "dog") for number in range(5)]
LINES = [f"{name},{name[:3]}" for name in NAMES]


@pytest.fixture
def table(tensorflow, tmp_path):
    """Returns what writes labels.csv, beside dark cats and light dogs, and gives the source of it."""
    (tmp_path / "data").mkdir()
    for name in NAMES:
        image = np.full((8, 8, 3), 200 if name.startswith("dog") else 20, np.uint8)
        (tmp_path / "data" / name).write_bytes(tensorflow.io.encode_png(image).numpy())

    def table(*lines, name="labels.csv", encoding="utf-8", **fields):
        path = tmp_path / "data" / name
        path.write_bytes("\n".join(lines).encode(encoding))
        return ImageFolder(path=path, size=8, **fields)

    return table


def refused(source):
    """Returns the one message with which the source is refused, with the table's own folder left out."""
    with pytest.raises((ValueError, DataError)) as caught:
        source.spec()
        source.load()
    message = str(caught.value).removeprefix("dataset.")
    assert re.match("(path|path_column|label_column|split_column) ", message)
    return message.replace(f"{source.path.parent}/", "")


def right(part):
    """Whether cats are dark and dogs are light."""
    return ((part.inputs[:].mean(axis=(1, 2, 3)) > 100) == part.targets).all()


@pytest.mark.parametrize("header", ["path,label", "file,class", "FileName, Label", "image,label"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_each_line_is_an_example(table, header, delimiter):
    source = table(*(line.replace(",", delimiter) for line in (header, *LINES)))
    assert source.spec().target.class_names == ("cat", "dog")
    splits = source.load()
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [7, 1, 2]
    assert right(splits.train)
    assert right(splits.validation)
    assert right(splits.test)


def test_files_may_be_named_in_many_ways(table, tmp_path):
    (tmp_path / "data" / "cat0.png").rename(tmp_path / "outside.png")
    (tmp_path / "data" / "deep").mkdir()
    (tmp_path / "data" / "cat1.png").rename(tmp_path / "data" / "deep" / "cat, 1.png")
    (tmp_path / "data" / "cat4.png").rename(tmp_path / "data" / "no suffix")
    named = ["../outside.png", r"deep\cat, 1.png", tmp_path / "data" / "cat2.png", "./cat3", "no suffix"]
    lines = [f'"{name}", "cat"' for name in named] + LINES[5:]
    source = table("path,label", *lines, test_fraction=0.0, validation_fraction=0.0)
    splits = source.load()
    assert len(splits.train) == 10
    assert right(splits.train)


def test_what_spreadsheets_write_is_read(table):
    lines = ["path;label", "", *(line.replace(",", ";") for line in LINES), ";", ""]
    assert table(*(f"{line}\r" for line in lines), encoding="utf-8-sig").spec().target.class_names == ("cat", "dog")
    quoted = ('"' + line.replace(",", '";"') + '"' for line in ("path,label", *LINES))
    assert table(*quoted).spec().target.class_names == ("cat", "dog")


def test_columns_and_parts_may_be_named(table):
    parts = ["train"] * 3 + ["Val", "TEST"] + ["training"] * 3 + ["valid", "testing"]
    lines = [f"{number},{line},{part}" for number, (line, part) in enumerate(zip(LINES, parts, strict=True))]
    splits = table("id,path,label,split", *lines).load()
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [6, 2, 2]
    assert right(splits.test)
    columns = {"path_column": "photo", "label_column": "Animal", "split_column": "fold"}
    again = table("id,photo,animal,fold", *lines, **columns).load()
    np.testing.assert_array_equal(again.test.inputs[:], splits.test.inputs[:])


def test_numbers_are_sorted_as_such(table):
    lines = [f"{name},{number}" for number, name in enumerate([*NAMES, *NAMES][:10], 1)]
    assert table("path,label", *lines).spec().target.class_names == tuple(map(str, range(1, 11)))


def test_labels_are_read_without_quotes_and_in_every_script(table):
    names = table("path,label", *LINES[:5], 'dog0.png,"Größe, 狗"').spec().target.class_names
    assert names == ("Größe, 狗", "cat")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "labels.csv:1: has no column path or file or filename or image; it has nothing"),
        (["path,label"], "labels.csv names no image"),
        (["pth,label", *LINES], "labels.csv:1: has no column path or file .*, did you mean \"path\"|'pth', 'label'"),
        (
            ["path,lable", *LINES],
            r"labels.csv:1: has no column label or class, did you mean .lable.\?; it has 'path'",
        ),
        (LINES, "labels.csv:1: has no column path .* and path_column may name one of them"),
        (["path,label,label", *LINES], "labels.csv:1: has two columns label"),
        (
            ["path,label", *LINES, "a,b,c", "d"],
            r"csv:12: has 3 fields, line 1 has 2\nlabels.csv:13: has 1 fields",
        ),
        (["path,label", *LINES, "a.png,"], "labels.csv:12: has no label"),
        (["path,label", *LINES, ",cat"], "labels.csv:12: has no file"),
        (["path,label", '"cat0.png,cat', *LINES], "labels.csv:2: cannot be separated into fields: unexpected end"),
        (['"path,label', *LINES], "labels.csv:1: cannot be separated into fields: unexpected end"),
        (["path,label", *LINES[:5]], "labels.csv has only the class cat"),
        (
            ["path,label,split", *(f"{line},trian" for line in LINES)],
            "labels.csv:2: 'trian' is not a part, .* \"train\"",
        ),
        (["path,label,split", *(f"{line},test" for line in LINES)], "has no line with the part train, only with test"),
        (
            ["path,label,split", *(f"{line},train" for line in LINES), "x.png,dgo,test"],
            "labels.csv:12: 'dgo' is not a class of the train part, did you mean \"dog\"",
        ),
        (["path,label", *LINES, "./cat1.png,dog"], "labels.csv:12: ./cat1.png is already in line 3"),
        (["path,label", *LINES, "gone.png,dog", "/gone,cat"], r"labels.csv:12: no such file: gone.png\n.*:13: no such"),
        (["path,label", *LINES, "../data,dog"], "labels.csv:12: must be a regular file"),
        (["path,label", *LINES, "../secret,dog"], "labels.csv:12: ../secret is outside of the table's folder"),
        (["path,label", *LINES, "\0,dog"], "labels.csv:12: is not text"),
    ],
)
def test_a_table_that_cannot_be_used_says_where_and_why(table, tmp_path, lines, message):
    (tmp_path / "secret").write_text("of no one's concern")
    assert re.search(message, refused(table(*lines)), re.DOTALL)


def test_of_many_lines_ten_are_named(table):
    message = refused(table("path,label", *LINES, *(f"gone{number}.png,cat" for number in range(12))))
    assert message.count("no such file") == 10
    assert "and 2 more\ndataset.on_bad_example: skip leaves out missing files" in message


def test_another_encoding_is_named_with_its_line(table):
    assert "labels.csv:7: the byte 0xf6 is not UTF-8" in refused(
        table("path,label", *LINES[:5], "dog1.png,schön", encoding="latin-1")
    )
    assert "labels.csv:1: is UTF-16" in refused(table("path,label", *LINES, encoding="utf-16"))


@pytest.mark.parametrize("key", ["path_column", "label_column", "split_column"])
def test_a_column_that_is_named_and_not_there_is_blamed_on_its_key(table, key):
    message = refused(table("path,label,split", *(f"{line},train" for line in LINES), **{key: "labl"}))
    assert message.startswith(f'{key} labels.csv:1: has no column labl, did you mean "label"?')


def test_columns_need_a_table(tmp_path):
    with pytest.raises(ValueError, match=r"^label_column needs a path to a table \(\.csv"):
        ImageFolder(path=tmp_path, label_column="label")


def test_a_table_that_is_not_there_is_absent(tmp_path):
    with pytest.raises(AbsentData, match=r"^path no such file: .*labels\.csv"):
        ImageFolder(path=tmp_path / "labels.csv").spec()


def test_files_that_are_not_there_are_skipped_if_so_asked(table):
    lines = ["path,label", *LINES, "gone.png,cat"]
    splits = table(*lines, on_bad_example="skip", test_fraction=0.0, validation_fraction=0.0).load()
    assert len(splits.train) == 10
    (message,) = splits.skipped
    assert re.search(r"labels\.csv:12: no such file: .*gone\.png", message)
    message = refused(table(*lines, "bird.png,bird", on_bad_example="skip"))
    assert "labels.csv has no existing train image of bird" in message


def test_a_class_of_one_image_is_trained_on_and_said(table):
    splits = table("path,label", *LINES[:9], "dog4.png,fox").load()
    assert (splits.train.targets == 2).sum() == 1
    absent = {"validation": "dog, fox", "test": "fox"}
    assert [each.words for each in splits.noticed if "fox" in each.words] == [
        f"the {part} part has no image of {names}: too few to be in every part" for part, names in absent.items()
    ]
