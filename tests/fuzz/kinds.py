"""What is made of other bytes: for each kind of file good ones, and what reads them as dltrain's commands do."""

from __future__ import annotations

import base64
import gzip
import io
import json
import random
import struct
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from mutations import mutated

Read = Callable[[Path], None]
Change = Callable[[random.Random, bytes], bytes]


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    Args:
        good: makes files, by name.
        read: reads one; what it may raise is a message for the user.
        change: makes other bytes of good ones.
        needs_tensorflow: whether it is read with TensorFlow.
    """

    good: Callable[[], dict[str, bytes]]
    read: Read
    change: Change = mutated
    needs_tensorflow: bool = False


def answered(reader: Any, path: Path) -> None:
    """Reads a file as `predict` does, and as `serve` does that gets it without a place."""
    for request in reader.read([str(path)], 100):
        assert request.names
    reader.read_file(path.name, path.read_bytes())


def arrays() -> dict[str, bytes]:
    """Returns .npy and .npz files of three numbers an example."""
    x, y = np.arange(60, dtype=np.float32).reshape(20, 3), np.arange(20) % 2
    files = {"a.npy": npy(x), "b.npy": npy(np.asfortranarray(x.astype(">f8"))), "c.npy": npy(np.array(["a", "b"] * 10))}
    for name, save in (("a.npz", np.savez), ("b.npz", np.savez_compressed)):
        content = io.BytesIO()
        save(content, x=x, y=y)
        files[name] = content.getvalue()
    return files


def npy(array: np.ndarray) -> bytes:
    """Returns an .npy file."""
    content = io.BytesIO()
    np.save(content, array)
    return content.getvalue()


def read_arrays(path: Path) -> None:
    """Reads arrays as data and as a request."""
    from dltrain.datasets.npy import NPY
    from dltrain.datasets.npz import NPZ
    from dltrain.features.vector import Vector

    answered(Vector(shape=(3,)).reader(), path)
    source: Any = NPZ(path=path) if path.suffix == ".npz" else NPY(inputs=path, targets=path)
    source.spec()
    source.load()


def tables() -> dict[str, bytes]:
    """Returns tables in every format."""
    import polars as pl

    rows = [
        {"x": n / 2, "word": "abc"[n % 3], "day": f"2020-01-{n + 1:02}", "y": ["no", "yes"][n % 2]} for n in range(20)
    ]
    frame, parquet = pl.DataFrame(rows), io.BytesIO()
    frame.write_parquet(parquet)
    text = frame.write_csv(quote_style="non_numeric").encode()
    lines = "\n".join(map(json.dumps, rows)).encode()
    return {
        "a.csv": text, "b.tsv": frame.write_csv(separator="\t").encode(), "c.csv.gz": gzip.compress(text),
        "d.jsonl": lines, "e.parquet": parquet.getvalue(), "f.csv": text.decode().encode("utf-16"),
    }  # fmt: skip


def read_tables(path: Path) -> None:
    """Reads a table as data and as a request."""
    from dltrain.datasets.csv import CSV
    from dltrain.features.table import Column, Table

    columns = Column("x", "x"), Column("word", "word", "category", categories=("a", "b"))
    answered(Table(columns=columns, mean=(0.0, 0.0), standard_deviation=(1.0, 1.0)).reader(), path)
    encoding = "utf-16" if path.name.startswith("f") else "utf-8"
    CSV(path=path, target="y", on_bad_example="skip", encoding=encoding).load()


def archives() -> dict[str, bytes]:
    """Returns archives in every format."""
    files = {"dark/1.png": b"one", "light/deep/2.png": b"two" * 200, "dark/" + "a" * 150: b""}
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    found = {"a.zip": zipped.getvalue()}
    for name, mode, form in (
        ("b.tar", "w", tarfile.PAX_FORMAT), ("c.tar", "w", tarfile.GNU_FORMAT),
        ("d.tar.gz", "w:gz", tarfile.PAX_FORMAT),
        ("e.tar.xz", "w:xz", tarfile.USTAR_FORMAT), ("f.tar.bz2", "w:bz2", tarfile.GNU_FORMAT),
    ):  # fmt: skip
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode=mode, format=form) as tar:
            for file, content in files.items():
                member = tarfile.TarInfo(file if form != tarfile.USTAR_FORMAT else file[:90])
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
        found[name] = packed.getvalue()
    return found


def read_archives(path: Path) -> None:
    """Lists an archive and unpacks it."""
    from dltrain.datasets._images.archives import Archive

    Archive(path).listed()
    unpacked = Archive(path).unpacked()
    assert unpacked.resolve().is_relative_to((path.parent / "cache").resolve())


def labels() -> dict[str, bytes]:
    """Returns tables of images."""
    text = "path,label,split\n" + "".join(f"{n}.png,{['cat', 'dog'][n % 2]},train\n" for n in range(8))
    return {"a.csv": text.encode(), "b.txt": text.replace(",", "\t").encode(), "c.csv": f'"path";{text[5:]}'.encode()}


def read_labels(path: Path) -> None:
    """Lists the images of a table, all of which exist."""
    from dltrain.datasets.image_folder import ImageFolder

    for number in range(8):
        (path.parent / f"{number}.png").touch()
    source = ImageFolder(path=path)
    source.spec()
    source._listing(())


def images() -> dict[str, bytes]:
    """Returns small images in every format."""
    from PIL import Image

    picture = Image.fromarray(np.random.RandomState(0).randint(0, 256, (9, 13, 3)).astype(np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    files = {}
    for name, options in (
        ("a.jpg", {"format": "JPEG", "exif": exif}), ("b.jpg", {"format": "JPEG", "progressive": True}),
        ("c.png", {"format": "PNG", "exif": exif}), ("d.gif", {"format": "GIF"}), ("e.bmp", {"format": "BMP"}),
        ("f.webp", {"format": "WEBP"}), ("g.webp", {"format": "WEBP", "lossless": True, "exif": exif}),
        ("h.gif", {"format": "GIF", "save_all": True, "append_images": [picture.rotate(90)]}),
    ):  # fmt: skip
        content = io.BytesIO()
        picture.save(content, **options)
        files[name] = content.getvalue()
    return files


def read_images(path: Path) -> None:
    """Decodes an image from a file, and from a request in base64."""
    from dltrain.features._images.decoding import Decoding
    from dltrain.features.image import Image

    encoded = Image(shape=(8, 8, 3)).encode([path, {"b64": base64.b64encode(path.read_bytes()).decode()}])
    assert len(encoded.stored) + len(encoded.problems) == 2
    Decoding(8, 8, 3, "fit", fast=True)(path)


def records() -> dict[str, bytes]:
    """Returns TFRecord files."""
    import tensorflow as tf

    content = b""
    for number in range(12):
        features = {
            "x": tf.train.Feature(float_list=tf.train.FloatList(value=[number, 1.0])),
            "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[number % 2])),
        }
        content += record(tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString())
    return {"a.tfrecord": content, "b.tfrecord.gz": gzip.compress(content)}


def record(content: bytes) -> bytes:
    """Returns a record with its checksums."""
    head = struct.pack("<Q", len(content))
    return head + checksum(head) + content + checksum(content)


def checksum(content: bytes) -> bytes:
    """Returns the masked CRC-32C."""
    from dltrain.datasets._sources.records import _TABLE

    found = 0xFFFFFFFF
    for byte in content:
        found = _TABLE[(found ^ byte) & 0xFF] ^ found >> 8
    found ^= 0xFFFFFFFF
    return struct.pack("<I", ((found >> 15 | found << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def changed_record(random_: random.Random, good: bytes) -> bytes:
    """Changes bytes; every other time those of one record, whose checksums are then right again."""
    if good.startswith(b"\x1f\x8b") and random_.random() < 0.7:
        return gzip.compress(changed_record(random_, gzip.decompress(good)))
    if random_.random() < 0.5 or len(good) < 16 or good.startswith(b"\x1f\x8b"):
        return mutated(random_, good)
    if random_.random() < 0.3:
        head = struct.pack("<Q", random_.choice((0, 1, 2**31, 2**40, 2**63, 2**64 - 1)))
        return good + head + checksum(head) + bytes(20)
    size = struct.unpack("<Q", good[:8])[0]
    return record(mutated(random_, good[12 : 12 + size])) + good[16 + size :]


def read_records(path: Path) -> None:
    """Reads TFRecord files as data."""
    from dltrain.datasets.tfrecord import Feature, TFRecord

    features = {"x": Feature(kind="floats", shape=(2,)), "label": Feature(kind="ints")}
    TFRecord(path=path, features=features).load()


def checkpoints() -> dict[str, bytes]:
    """Returns a checkpoint with the state of a training."""
    from dltrain.data import DataSpec
    from dltrain.features.class_label import ClassLabel
    from dltrain.features.table import Column, Table

    spec = DataSpec.of(Table(columns=(Column("a", "a"),)), ClassLabel(class_names=("x", "y")))
    best = {"monitor": "loss", "value": 0.5, "epoch": 1, "step": 7}
    state = {"data": spec.plain(), "examples": 10, "targets": "abc", "step": 7, "epoch": 1, "best": best}
    arrays = {f"model/{number:04}": np.full((3, number + 1), number, np.float32) for number in range(3)}
    manifest = json.dumps({"variables": [*arrays], "state": state}).encode()
    content = io.BytesIO()
    np.savez(content, **arrays, **{"dltrain.json": np.frombuffer(manifest, np.uint8)})
    return {"last.npz": content.getvalue()}


def changed_member(random_: random.Random, good: bytes) -> bytes:
    """Changes bytes; mostly those of one member of a zip file, whose checksum is then right again."""
    if random_.random() < 0.3 or not good.startswith(b"PK"):
        return mutated(random_, good)
    with zipfile.ZipFile(io.BytesIO(good)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = random_.choice([*members])
    change = changed_json if name == "dltrain.json.npy" else mutated
    members[name] = change(random_, members[name])
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for member, held in members.items():
            archive.writestr(member, held)
    return content.getvalue()


def changed_json(random_: random.Random, member: bytes) -> bytes:
    """Changes the bytes of the manifest, or a value in it."""
    if random_.random() < 0.3:
        return mutated(random_, member)
    manifest = json.loads(np.load(io.BytesIO(member)).tobytes())
    holder: Any = {"": manifest}
    key: Any = ""
    while isinstance(holder[key], dict | list) and holder[key] and random_.random() < 0.85:
        holder = holder[key]
        key = random_.choice([*holder]) if isinstance(holder, dict) else random_.randrange(len(holder))
    holder[key] = random_.choice([None, True, -1, 2**70, 1e300, "", "x", [], {}, [[1]], {"a": None}])
    return npy(np.frombuffer(json.dumps(manifest).encode(), np.uint8))


def read_checkpoints(path: Path) -> None:
    """Reads a checkpoint as a run that resumes."""
    from dltrain.checkpoints import store
    from dltrain.checkpoints.training_state import TrainingState

    state = TrainingState.of(store.load_file(path))
    assert isinstance(state.step, int)
    assert state.spec.inputs


_MODELS: list[Any] = []


def network() -> Any:
    """Returns a small network, the same in each call."""
    import keras

    if not _MODELS:
        inputs = keras.Input((4,))
        _MODELS.append(keras.Model(inputs, keras.layers.Dense(2)(keras.layers.Dense(3)(inputs))))
    return _MODELS[0]


def weights() -> dict[str, bytes]:
    """Returns files of weights that Keras wrote."""
    import tempfile

    files = {}
    with tempfile.TemporaryDirectory() as folder:
        network().save_weights(Path(folder) / "a.weights.h5")
        network().save(Path(folder) / "b.keras")
        for path in Path(folder).iterdir():
            files[path.name] = path.read_bytes()
    return files


def read_weights(path: Path) -> None:
    """Reads the weights of a network."""
    from dltrain.checkpoints import weight_files

    assert weight_files.read(path, network())


def lines() -> dict[str, bytes]:
    """Returns texts of a value a line."""
    return {"a.txt": b"cat\ndog\n", "b.jsonl": b'{"label": "cat", "x": [1, 2, 3]}\n{"label": null, "x": 1}\n"cat"\n'}


def read_lines(path: Path) -> None:
    """Reads values of one feature, and of several."""
    from dltrain.data.request import LineReader, ObjectReader
    from dltrain.features.class_label import ClassLabel
    from dltrain.features.vector import Vector

    label = ClassLabel(class_names=("cat", "dog"))
    answered(LineReader(label), path)
    answered(ObjectReader({"label": label, "x": Vector(shape=(3,))}), path)


def series() -> dict[str, bytes]:
    """Returns .ts files of one length and of several, and tables of whole series."""
    one = "# said\n@problemName x\n@univariate true\n@seriesLength 3\n@classLabel true a b\n@data\n1,2,3:a\n3,?,1:b\n"
    two = "@dimensions 2\n@equalLength false\n@targetLabel true\n@data\n1,2:3,4:0.5\n1:2:1e3\n-1,NaN,2:1,2,3:2\n"
    rows = [f"{row},{step},{row + step / 2},{'ab'[row % 2]}" for row in range(12) for step in range(2 + row % 3)]
    table = "\n".join(["id,t,x,kind", *rows]).encode()
    return {"a.ts": one.encode(), "b.ts": two.encode(), "c.csv": table, "d.csv.gz": gzip.compress(table)}


def read_series(path: Path) -> None:
    """Reads series as data and as a request."""
    from dltrain.datasets.series_table import SeriesTable
    from dltrain.datasets.ts import TS
    from dltrain.features.whole_series import WholeSeries

    answered(WholeSeries(channels=2 if path.name.startswith("b") else 1, on_missing="fill").reader(), path)
    if path.suffix == ".ts":
        TS(path=path, on_missing="fill", test_fraction=0.0, validation_fraction=0.0).load()
    else:
        SeriesTable(path=path, series="id", time="t", target="kind", on_missing="fill").load()


KINDS = {
    "series": Kind(series, read_series),
    "arrays": Kind(arrays, read_arrays),
    "tables": Kind(tables, read_tables),
    "archives": Kind(archives, read_archives),
    "labels": Kind(labels, read_labels),
    "images": Kind(images, read_images, needs_tensorflow=True),
    "records": Kind(records, read_records, changed_record, needs_tensorflow=True),
    "checkpoints": Kind(checkpoints, read_checkpoints, changed_member),
    "weights": Kind(weights, read_weights, changed_member, needs_tensorflow=True),
    "lines": Kind(lines, read_lines),
}
