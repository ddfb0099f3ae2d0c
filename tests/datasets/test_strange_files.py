"""What is no file, is too large, or unpacks without end: every source refuses it in a line, and waits for none."""

import gzip
import io
import json
import os
import resource
import zipfile

import numpy as np
import polars as pl
import pytest

from dltrain.data import digests
from dltrain.data.request import LineReader
from dltrain.data.size_limit import SizeLimit
from dltrain.datasets.csv import CSV
from dltrain.datasets.image_folder import ImageFolder
from dltrain.datasets.npy import NPY
from dltrain.datasets.npz import NPZ
from dltrain.datasets.tfrecord import Feature, TFRecord
from dltrain.errors import DataError
from dltrain.features.class_label import ClassLabel
from dltrain.features.image import Image
from dltrain.features.table import Table
from dltrain.features.vector import Vector

FEATURES = {"x": Feature(kind="floats"), "label": Feature(kind="ints")}
SOURCES = {
    "a.npz": lambda path: NPZ(path=path),
    "a.npy": lambda path: NPY(inputs=path, targets=path),
    "a.csv": lambda path: CSV(path=path, target="y"),
    "a.jsonl": lambda path: CSV(path=path, target="y"),
    "a.csv.gz": lambda path: CSV(path=path, target="y"),
    "a.parquet": lambda path: CSV(path=path, target="y"),
    "a.txt": lambda path: ImageFolder(path=path),
    "a.zip": lambda path: ImageFolder(path=path),
    "a.tfrecord": lambda path: TFRecord(path=path, features=FEATURES),
}


def pipe(path):
    os.mkfifo(path)


def device(path):
    path.symlink_to("/dev/zero")


def endless(path):
    path.symlink_to(path)


def sparse(path):
    with path.open("wb") as file:
        file.truncate(40 * 10**9)


def refused(dataset):
    """Returns the one line that refuses it."""
    with pytest.raises(DataError) as caught:
        dataset.load()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("strange", [pipe, device, endless, sparse])
@pytest.mark.parametrize("name", SOURCES)
def test_every_source_refuses_what_is_no_file_of_a_sane_size(tensorflow, tmp_path, monkeypatch, name, strange):
    monkeypatch.setenv("DLTRAIN_CACHE", str(tmp_path / "cache"))
    strange(tmp_path / name)
    words = refused(SOURCES[name](tmp_path / name))
    assert str(tmp_path / name) in words or "which is empty" in words  # a tar of nothing but zeros
    if strange in (pipe, device):
        assert "regular file" in words
    elif strange is sparse and name not in ("a.npy", "a.zip"):  # of which only the beginning is read
        assert "40,000,000,000 bytes" in words
        assert "set dataset.max_megabytes" in words


@pytest.mark.parametrize("strange", [pipe, device, endless, sparse])
def test_an_image_that_is_no_file_is_skipped_by_name(tensorflow, tmp_path, strange):
    for label in ("cat", "dog"):
        (tmp_path / label).mkdir()
        for number in range(4):
            pixels = tensorflow.zeros([4, 4, 3], tensorflow.uint8)
            (tmp_path / label / f"{number}.png").write_bytes(tensorflow.io.encode_png(pixels).numpy())
    strange(tmp_path / "cat" / "odd.png")
    source = {"path": tmp_path, "size": 4, "test_fraction": 0.0, "validation_fraction": 0.0}
    with pytest.raises(DataError, match=r"odd.png: no image that can be used: "):
        ImageFolder(**source).load().train.inputs[:]
    (skipped,) = ImageFolder(**source, on_bad_example="skip").load().skipped
    assert "odd.png" in skipped
    found = digests.of_files([*tmp_path.glob("*/*.png")])
    assert len(set(found.tolist())) == 2  # eight images are the same


@pytest.mark.parametrize("strange", [pipe, device, endless, sparse])
@pytest.mark.parametrize(
    ("feature", "name"),
    [
        (Image(shape=(4, 4, 3)), "a.png"),
        (Image(shape=(4, 4, 3)), "a.npz"),
        (Vector(shape=(3,)), "a.npy"),
        (Vector(shape=(3,)), "a.npz"),
        (Table(), "a.csv"),
        (Table(), "a.csv.gz"),
        (Table(), "a.parquet"),
    ],
)
def test_every_reader_of_requests_refuses_them(tensorflow, tmp_path, feature, name, strange):
    strange(tmp_path / name)
    answers = [*feature.reader().read([str(tmp_path / name)], 10)]
    assert [[*answer.names] for answer in answers] == [[str(tmp_path / name)]]
    assert answers[0].problems[0]


def test_lines_of_a_pipe_are_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.txt")
    (answer,) = LineReader(ClassLabel(class_names=("a", "b"))).read([str(tmp_path / "a.txt")], 10)
    assert answer.problems == {0: "must be a regular file, is a named pipe"}


def test_a_line_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("dltrain.data.request.LONGEST_LINE", 99)
    (tmp_path / "a.txt").write_text("a\n" + "b" * 99 + "\n" + "c" * 100)
    answers = [*LineReader(ClassLabel(class_names=("a", "b"))).read([str(tmp_path / "a.txt")], 1)]
    assert [answer.names for answer in answers][-1] == [str(tmp_path / "a.txt")]
    assert "a line of more than 99" in answers[-1].problems[0]


def gzipped(path, start, piece, count):
    with gzip.open(path, "wb") as file:
        file.write(start)
        for _ in range(count):
            file.write(piece)


def npz(path, count):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, shape in (("x", (count, 1)), ("y", (count,))):
            content = io.BytesIO()
            np.save(content, np.zeros(shape, np.uint8))
            archive.writestr(f"{name}.npy", content.getvalue())


def bombs(folder):
    """Yields files of some kilobytes that unpack to hundreds of megabytes, each with its source."""
    gzipped(folder / "bomb.csv.gz", b"x,y\n", b"1,2\n" * 2**18, 300)
    yield CSV, {"path": folder / "bomb.csv.gz", "target": "y"}
    npz(folder / "bomb.npz", 150_000_000)
    yield NPZ, {"path": folder / "bomb.npz"}
    pl.DataFrame({"x": ["a" * 10**6] * 300, "y": [0, 1] * 150}).write_parquet(folder / "texts.parquet")
    yield CSV, {"path": folder / "texts.parquet", "target": "y"}
    zeros = pl.zeros(20_000_000, eager=True, dtype=pl.UInt8)
    pl.DataFrame({"x": zeros, "y": zeros}).write_parquet(folder / "rows.parquet")
    yield CSV, {"path": folder / "rows.parquet", "target": "y"}
    keys = "\n".join(json.dumps({f"k{number}": 1}) for number in range(8_000))
    (folder / "keys.jsonl").write_text(keys)
    yield CSV, {"path": folder / "keys.jsonl", "target": "k0"}


def test_what_unpacks_to_far_more_than_its_size_is_refused_until_a_key_allows_it(tmp_path):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for source, keys in bombs(tmp_path):
        words = refused(source(**keys))
        assert "and unpacks to more than 1" in words
        assert "set dataset.max_megabytes" in words
        with pytest.raises(DataError, match=r"more than 1,000,000|at most 1,000,000 are read"):
            source(**keys, max_megabytes=1).load()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1_000_000  # kilobytes


def test_a_key_allows_more(tmp_path):
    text = "x,y\n" + "1,2\n" * 40_000_000
    with gzip.open(tmp_path / "a.csv.gz", "wb", 9) as file:
        file.write(text.encode())
    path = tmp_path / "a.csv.gz"
    with pytest.raises(OSError, match="unpacks to more than 1"):
        SizeLimit().content(path, is_gzip=True)
    assert len(SizeLimit(200).content(path, is_gzip=True)) == len(text)
    with pytest.raises(OSError, match="unpacks to more than 100,000,000"):
        SizeLimit(100).content(path, is_gzip=True)


def test_a_header_that_states_more_than_there_is_takes_no_memory(tmp_path):
    content = io.BytesIO()
    np.lib.format.write_array_header_1_0(content, {"descr": "<f8", "fortran_order": False, "shape": (10**9,)})
    (tmp_path / "a.npy").write_bytes(content.getvalue() + b"\0" * 80)
    assert "is greater than file size" in refused(NPY(inputs=tmp_path / "a.npy", targets=tmp_path / "a.npy"))
    request = Vector(shape=(3,)).reader().read_file("a.npy", (tmp_path / "a.npy").read_bytes())
    assert "it ends before the 1000000000 values of float64" in request.problems[0]


@pytest.mark.parametrize("header", [b"{'descr': ('<f8', 'fortran_order': False, 'shape': (3,), }", b"{", b"\xff" * 20])
def test_a_header_of_damaged_python_is_refused(tmp_path, header):
    content = b"\x93NUMPY\x01\x00" + (len(header) + 1).to_bytes(2, "little") + header + b"\n" + b"\0" * 24
    (tmp_path / "a.npy").write_bytes(content)
    assert "cannot be read" in refused(NPY(inputs=tmp_path / "a.npy", targets=tmp_path / "a.npy"))
    request = Vector(shape=(3,)).reader().read_file("a.npy", content)
    assert "cannot be read" in request.problems[0]


def test_a_field_may_be_as_long_as_a_document(tmp_path):
    long = "word " * 40_000
    rows = [f'{number},"{long if number == 3 else "few"}",{number % 2}' for number in range(20)]
    (tmp_path / "a.csv").write_text("\n".join([f'n,"{long}",y', *rows]))
    spec = CSV(path=tmp_path / "a.csv", target="y", text=(long.strip(),)).spec()
    assert {column.source for column in spec.input.columns} == {"n", long.strip()}
    (tmp_path / "odd.csv").write_text("\n".join([f"n,{long},y", *rows, '1,a"b"c,0']))
    assert CSV(path=tmp_path / "odd.csv", target="y", on_bad_example="skip").spec()


def test_columns_are_looked_for_once_however_many_there_are(tmp_path, monkeypatch):
    """Each list of a table's columns is as long as there are columns."""
    original, asked = pl.DataFrame.columns, []
    counted = property(lambda frame: asked.append(1) or original.fget(frame), original.fset)
    monkeypatch.setattr(pl.DataFrame, "columns", counted)
    counts = []
    for columns in (10, 40):
        names = [f"c{number}" for number in range(columns)]
        rows = [",".join(f'"{row},{number}"' for number in range(columns)) + f",{row % 2}" for row in range(30)]
        (tmp_path / f"{columns}.csv").write_text("\n".join([",".join([*names, "y"]), *rows]))
        asked.clear()
        CSV(path=tmp_path / f"{columns}.csv", target="y").load()
        counts.append(len(asked))
    assert counts[0] == counts[1]
