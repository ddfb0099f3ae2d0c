"""Sample data in common file formats, made offline: to try a source, a config or dltrain itself."""

from __future__ import annotations

import csv
import importlib
import json
import math
import os
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from dltrain.datasets._samples.box_files import WRITERS, Image
from dltrain.datasets._samples.docstrings import Passage, passages, versions
from dltrain.datasets._samples.entities import entities
from dltrain.datasets._samples.glyphs import glyphs
from dltrain.datasets._samples.reviews import reviews
from dltrain.datasets._samples.scenes import CLASSES, PARTS, scene
from dltrain.datasets._samples.topics import topics
from dltrain.errors import DataError
from dltrain.fields import Seed
from dltrain.lazy import np, tf
from dltrain.registry import SAMPLES, Choice

_FEW = 300
"""Labelled docstrings, where pretraining has to make up for the others."""


@dataclass(frozen=True, kw_only=True)
class Sample(Choice):
    """The contract of all samples.

    Args:
        seed: seed of the order and of everything random; the same seed makes the same files.
    """

    needs_tensorflow: ClassVar[bool] = False
    formats: ClassVar[tuple[str, ...]] = ()
    """Those that it can be written in, where it has the key `format`."""

    seed: Seed = 0

    def make(self, folder: Path) -> dict[str, int]:
        """Makes the files in a temporary folder and moves them into place together.

        Args:
            folder: the new folder; it may exist, but must be empty.

        Returns:
            the number of files and their size: {"files", "bytes"}.

        Raises:
            DataError: if the folder is not empty or cannot be written, or a package is missing.
        """
        try:
            if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
                raise DataError(f"{folder} exists and is not empty: name another folder")
            target = folder.resolve()
            target.parent.mkdir(parents=True, exist_ok=True)
            aside = target.with_name(f".{target.name}-{os.getpid()}")
            aside.mkdir()
            try:
                self.write(aside)
                sizes = [path.stat().st_size for path in aside.rglob("*") if path.is_file()]
                aside.replace(target)
            finally:
                shutil.rmtree(aside, ignore_errors=True)
        except OSError as error:
            raise DataError(f"{folder} cannot be written: {error.strerror or error}") from None
        return {"files": len(sizes), "bytes": sum(sizes)}

    def write(self, folder: Path) -> None:
        """Writes the files into an existing folder."""
        raise NotImplementedError


@SAMPLES.register("shapes")
class Shapes(Sample):
    """900 + 300 JPEGs of circles, squares and triangles, in folders of parts and classes; or scenes with boxes.

    Each image is 80 to 120 pixels wide and high and shows one shape, of the same area in each class, rotated at random,
    on a background of changing colour, under noise. Some shapes are hardly darker or lighter than the background.

    With another format than folders, 1,200 + 150 + 300 scenes of 96 to 128 pixels with up to five circles, squares,
    stars and triangles, and the boxes around them: on textured ground, among clutter, partly hidden by each other.

    Args:
        format: folders, one shape an image in a folder of its class; voc, coco, yolo or table, scenes with boxes in
            that format.
    """

    needs_tensorflow: ClassVar[bool] = True

    formats: ClassVar[tuple[str, ...]] = ("folders", *WRITERS)

    format: Literal["folders", "voc", "coco", "yolo", "table"] = "folders"

    def write(self, folder: Path) -> None:
        """Writes train/circle/000.jpg and so on; or what the format of boxes has."""
        random = np.random.RandomState(self.seed)
        if self.format != "folders":
            WRITERS[self.format](folder, _scenes(random), CLASSES)
            return
        for part, count in (("train", 300), ("test", 100)):
            for name, corners in (("circle", 0), ("square", 4), ("triangle", 3)):
                (folder / part / name).mkdir(parents=True)
                for number in range(count):
                    content = tf.io.encode_jpeg(_shape(random, corners), quality=90).numpy()
                    (folder / part / name / f"{number:03}.jpg").write_bytes(content)


def _scenes(random: np.random.RandomState) -> Iterator[Image]:
    """Yields the scenes of all parts, numbered from 1."""
    parts = [part for part, count in PARTS.items() for _ in range(count)]
    return (Image(part, f"{number:06}", *scene(random)) for number, part in enumerate(parts, 1))


def _shape(random: np.random.RandomState, corners: int) -> np.ndarray:
    """Returns an image of a shape, (height, width, 3), uint8; a circle has no corners."""
    height, width = random.randint(80, 121, 2)
    # Apothem that gives each shape the area of a circle of this radius.
    radius = random.uniform(0.18, 0.28) * min(height, width)
    inner = radius * math.sqrt(math.pi / (corners * math.tan(math.pi / corners))) if corners else radius
    rows, columns = np.mgrid[:height, :width].astype(float)
    rows -= random.uniform(0.45, 0.55) * height
    columns -= random.uniform(0.45, 0.55) * width
    angles = random.uniform(0, 2 * math.pi) + 2 * math.pi * np.arange(corners) / max(corners, 1)
    sides = [rows * math.sin(angle) + columns * math.cos(angle) for angle in angles] or [np.hypot(rows, columns)]
    cover = np.clip(inner - np.max(sides, axis=0) + 0.5, 0, 1)[..., None]
    ground, slope = random.uniform(40, 215, 3), random.uniform(-40, 40, (2, 3))
    behind = ground + rows[..., None] / height * slope[0] + columns[..., None] / width * slope[1]
    colour = ground + random.choice([-1, 1]) * random.uniform(25, 100) + random.uniform(-10, 10, 3)
    image = behind * (1 - cover) + colour * cover + random.normal(0, random.uniform(3, 20), (height, width, 3))
    pixels: np.ndarray = np.clip(image.round(), 0, 255).astype(np.uint8)
    return pixels


@SAMPLES.register("digits_png")
class DigitsPNG(Sample):
    """scikit-learn's 1,797 handwritten digits as grey PNGs of 8x8 pixels, a folder per digit."""

    needs_tensorflow: ClassVar[bool] = True

    def write(self, folder: Path) -> None:
        """Writes 0/0000.png and so on, numbered in an order of the seed's."""
        images, labels = _digits()
        for digit in range(10):
            (folder / str(digit)).mkdir()
        for number, row in enumerate(np.random.RandomState(self.seed).permutation(len(labels))):
            path = folder / str(labels[row]) / f"{number:04}.png"
            path.write_bytes(tf.io.encode_png(images[row]).numpy())


@SAMPLES.register("digits_tfrecord")
class DigitsTFRecord(Sample):
    """The same digits as TFRecord files, gzip, in three shards: an encoded PNG and a label in each example."""

    needs_tensorflow: ClassVar[bool] = True

    def write(self, folder: Path) -> None:
        """Writes digits-00000-of-00003.tfrecord.gz and so on, in an order of the seed's."""
        images, labels = _digits()
        order = np.random.RandomState(self.seed).permutation(len(labels))
        for shard in range(3):
            path = folder / f"digits-{shard:05}-of-00003.tfrecord.gz"
            with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
                for row in order[shard::3]:
                    writer.write(_example(images[row], int(labels[row])).SerializeToString())


def _example(image: np.ndarray, label: int) -> Any:
    png = tf.train.BytesList(value=[tf.io.encode_png(image).numpy()])
    number = tf.train.Int64List(value=[label])
    features = {"image": tf.train.Feature(bytes_list=png), "label": tf.train.Feature(int64_list=number)}
    return tf.train.Example(features=tf.train.Features(feature=features))


def _digits() -> tuple[np.ndarray, np.ndarray]:
    """Returns the scans, (1797, 8, 8, 1), uint8 in 0-255, and their labels."""
    from sklearn.datasets import load_digits

    scans, labels = load_digits(return_X_y=True)
    return np.rint(scans.reshape(-1, 8, 8, 1) * (255 / 16)).astype(np.uint8), labels


@SAMPLES.register("glyphs")
class Glyphs(Sample):
    """20,000 letters of an alphabet that the seed invents, 100 classes, grey, 8x8 pixels: glyphs.npz.

    Written and scanned like scikit-learn's digits: to pretrain on before training on digits.
    """

    def write(self, folder: Path) -> None:
        """Writes glyphs.npz with x, (20000, 8, 8), uint8, and y, labels of 0 to 99, letter after letter."""
        images, labels = glyphs(np.random.RandomState(self.seed), letters=100, examples=200)
        np.savez_compressed(folder / "glyphs.npz", x=images, y=labels)


@SAMPLES.register("reviews")
class Reviews(Sample):
    """12,000 invented film reviews, positive or negative by what is negated and conceded, not by words: reviews.csv."""

    def write(self, folder: Path) -> None:
        """Writes reviews.csv with text and label."""
        rows = [[*each] for each in reviews(np.random.RandomState(self.seed), 12_000)]
        _write_csv(folder / "reviews.csv", ["text", "label"], rows)


@SAMPLES.register("topics")
class Topics(Sample):
    """3,000 documents in invented words, each about several of five topics and mostly about one: topics.csv."""

    def write(self, folder: Path) -> None:
        """Writes topics.csv with text and topic."""
        rows = [[*each] for each in topics(np.random.RandomState(self.seed), 3_000)]
        _write_csv(folder / "topics.csv", ["text", "topic"], rows)


@SAMPLES.register("docstrings")
class Docstrings(Sample):
    """19,000 docstrings of six installed packages, from NumPy to TensorFlow, the class the package: docstrings.csv."""

    def write(self, folder: Path) -> None:
        """Writes docstrings.csv with text, masked, label, file and part; few.csv, with 300 of the train part; and the
        packages' versions, manifest.json."""
        random = np.random.RandomState(self.seed)
        found = passages(random)
        _write_csv(folder / "docstrings.csv", [*Passage._fields], ([*each] for each in found))
        train = [each for each in found if each.part == "train"]
        few = [train[place] for place in sorted(random.permutation(len(train))[:_FEW])]
        few += [each for each in found if each.part != "train"]
        _write_csv(folder / "few.csv", [*Passage._fields], ([*each] for each in few))
        counts = Counter(each.label for each in found)
        manifest = {"versions": versions(), "passages": dict(counts), "seed": self.seed}
        (folder / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")


@SAMPLES.register("entities")
class Entities(Sample):
    """5,500 sentences of invented news, persons, places, organisations and events tagged: train.conll and so on.

    Half of the names of the other parts are not in the train part, and many may be of any type: the words around them
    say which, often far from them. Words such as May, Will and Reading are names in some sentences alone.
    """

    def write(self, folder: Path) -> None:
        """Writes train.conll, validation.conll and test.conll: a word and its tag per line, ten to a document."""
        counts = {"train": 4000, "validation": 500, "test": 1000}
        for part, sentences in entities(np.random.RandomState(self.seed), counts).items():
            lines = []
            for number, sentence in enumerate(sentences):
                lines += ["-DOCSTART- O\n"] if number % 10 == 0 else []
                lines.append("".join(f"{word} {tag}\n" for word, tag in sentence))
            (folder / f"{part}.conll").write_text("\n".join(lines), encoding="utf-8")


@SAMPLES.register("wine_csv")
class WineCSV(Sample):
    """178 wines, 13 measurements, three cultivars: wine.csv (scikit-learn, UCI; Forina et al. 1991)."""

    def write(self, folder: Path) -> None:
        """Writes wine.csv."""
        _write_csv(folder / "wine.csv", *_wine(self.seed))


@SAMPLES.register("wine_parquet")
class WineParquet(Sample):
    """The same wines as wine.parquet; needs the package polars."""

    def write(self, folder: Path) -> None:
        """Writes wine.parquet."""
        try:
            polars = importlib.import_module("polars")
        except ImportError:
            raise DataError("wine_parquet needs the package polars: pip install polars") from None
        header, rows = _wine(self.seed)
        polars.DataFrame(rows, schema=header, orient="row").write_parquet(folder / "wine.parquet")


@SAMPLES.register("breast_cancer_csv")
class BreastCancerCSV(Sample):
    """569 tumours, 30 measurements, malignant or benign: breast_cancer.csv (scikit-learn, UCI; Wolberg et al. 1993)."""

    def write(self, folder: Path) -> None:
        """Writes breast_cancer.csv."""
        from sklearn.datasets import load_breast_cancer

        _write_csv(folder / "breast_cancer.csv", *_table(load_breast_cancer(), "diagnosis", self.seed))


@SAMPLES.register("diabetes_csv")
class DiabetesCSV(Sample):
    """442 patients, 10 measurements, how far the disease went in a year: diabetes.csv (Efron et al. 2004)."""

    def write(self, folder: Path) -> None:
        """Writes diabetes.csv, in the units of the measurements."""
        from sklearn.datasets import load_diabetes

        _write_csv(folder / "diabetes.csv", *_table(load_diabetes(scaled=False), "progression", self.seed))


def _wine(seed: int) -> tuple[list[str], list[list[Any]]]:
    from sklearn.datasets import load_wine

    return _table(load_wine(), "cultivar", seed)


def _table(loaded: Any, target: str, seed: int) -> tuple[list[str], list[list[Any]]]:
    """Returns the names of the columns, the target's last, and the rows in an order of the seed's."""
    names = loaded.get("target_names")
    targets = loaded.target.tolist() if names is None else [str(names[number]) for number in loaded.target]
    rows = [[*values, aim] for values, aim in zip(loaded.data.tolist(), targets, strict=True)]
    header = [str(name).replace(" ", "_") for name in loaded.feature_names] + [target]
    return header, [rows[row] for row in np.random.RandomState(seed).permutation(len(rows))]


def _write_csv(path: Path, header: list[str], rows: Iterable[list[Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
