"""What a run learnt of its data is what any other data of the same kind are taken for: nothing is learnt anew."""

import dataclasses
import sys
import types
import wave

import numpy as np
import pytest
from PIL import Image

from dltrain.data import Features, Ragged
from dltrain.data.ragged import filled
from dltrain.datasets._samples.box_files import WRITERS
from dltrain.datasets._samples.box_files import Image as BoxedImage
from dltrain.plugins import loading as plugins
from dltrain.registry import DATASETS

PIXELS = np.random.RandomState(0).randint(0, 256, (40, 4, 4, 1)).astype(np.uint8)
LABELS = np.arange(40) % 2
WITHIN = ("breast_cancer", "diabetes", "digits", "iris", "wine")
DOWNLOADS = ("cifar10", "cifar100", "fashion_mnist", "mnist")


def of_keras(name, monkeypatch):
    cls = DATASETS[name]
    x = np.random.RandomState(0).randint(0, 256, (100, *cls().spec().input.shape)).astype(np.uint8)
    y = np.arange(100) % len(cls.class_names)
    source = types.SimpleNamespace(load_data=lambda: ((x, y), (x, y)))
    monkeypatch.setattr(f"keras.datasets.{name}", source)
    return cls()


def of_tfds(monkeypatch):
    label = types.SimpleNamespace(names=["cat", "dog"])
    info = types.SimpleNamespace(features={"label": label}, supervised_keys=("image", "label"))
    stub = types.ModuleType("tensorflow_datasets")
    stub.load = lambda builder, split, **_: (dict.fromkeys(split, (PIXELS, LABELS)), info)
    stub.as_numpy = lambda read: read
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", stub)
    return DATASETS["tfds"](builder="pets")


def of_python(monkeypatch, kind):
    targets = LABELS if kind == "classes" else LABELS * 1.5
    monkeypatch.setattr(plugins, "function", lambda name: lambda: (PIXELS, targets))
    return DATASETS["python"](function="mine.load", kind=kind)


def of_records(tensorflow, folder, kind):
    train = tensorflow.train
    with tensorflow.io.TFRecordWriter(str(folder / "a.tfrecord")) as file:
        for row in range(40):
            x = train.Feature(float_list=train.FloatList(value=[row / 2, -row]))
            y = train.Feature(int64_list=train.Int64List(value=[row % 2])) if kind == "ints" else x
            file.write(train.Example(features=train.Features(feature={"x": x, "y": y})).SerializeToString())
    from dltrain.datasets.tfrecord import Feature

    shape = () if kind == "ints" else (2,)
    features = {"x": Feature(kind="floats", shape=(2,)), "y": Feature(kind=kind, shape=shape)}
    return DATASETS["tfrecord"](path=folder / "a.tfrecord", features=features, target="y")


def of_folder(folder):
    for row, pixels in enumerate(PIXELS):
        place = folder / "images" / "ab"[LABELS[row]]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels[..., 0]).save(place / f"{row}.png")
    return DATASETS["image_folder"](path=folder / "images", size=4)


def of_table(folder, target):
    lines = [f"{row}{'' if row % 5 else '.5'},{'red' if row % 3 else ''},{row % 2},{row * 1.5}" for row in range(40)]
    (folder / "a.csv").write_text("\n".join(["n,colour,kind,size", *lines]))
    return DATASETS["csv"](path=folder / "a.csv", target=target)


def of_arrays(folder, name):
    np.save(folder / "x.npy", PIXELS)
    np.save(folder / "y.npy", LABELS)
    np.savez(folder / "a.npz", x=PIXELS, y=LABELS)
    keys = {"inputs": folder / "x.npy", "targets": folder / "y.npy"} if name == "npy" else {"path": folder / "a.npz"}
    return DATASETS[name](**keys)


def of_california(monkeypatch):
    x = np.random.RandomState(0).standard_normal((40, 8))
    source = types.SimpleNamespace(load_data=lambda: ((x, x[:, 0]), (x, x[:, 0])))
    monkeypatch.setattr("keras.datasets.california_housing", source)
    return DATASETS["california_housing"]()


def of_texts(folder, name):
    texts = [f"text {row} is {'good' if row % 2 else 'bad'}" for row in range(40)]
    (folder / "a.csv").write_text("\n".join(["text,label", *(f"{text},{row % 2}" for row, text in enumerate(texts))]))
    for row, text in enumerate(texts):
        (folder / f"texts/{row % 2}").mkdir(parents=True, exist_ok=True)
        (folder / f"texts/{row % 2}/{row}.txt").write_text(text)
    return DATASETS[name](path=folder / {"text_table": "a.csv", "text_folder": "texts"}[name])


def of_text_files(folder):
    for row in range(12):
        (folder / "texts").mkdir(exist_ok=True)
        (folder / f"texts/{row}.txt").write_text(f"text {row}\n\nanother of {row}")
    return DATASETS["text_files"](path=folder / "texts")


def of_series(folder):
    days = np.datetime64("2024-01-01") + np.arange(40)
    lines = [f"{day},{row % 7},{row % 3}" for row, day in enumerate(days)]
    (folder / "a.csv").write_text("\n".join(["time,y,k", *lines]))
    return DATASETS["time_series"](path=folder / "a.csv", target="y", known=("k",), window=4, horizon=2)


def of_whole_series(folder, name):
    if name == "ts":
        lines = [f"{','.join('1' * (2 + row % 3))},{row}:{'ab'[row % 2]}" for row in range(40)]
        (folder / "a.ts").write_text("\n".join(["@univariate true", "@classLabel true a b", "@data", *lines]))
        return DATASETS[name](path=folder / "a.ts")
    lines = [f"{row},{step},{row + step},{'ab'[row % 2]}" for row in range(40) for step in range(2 + row % 3)]
    (folder / "a.csv").write_text("\n".join(["id,t,x,kind", *lines]))
    return DATASETS[name](path=folder / "a.csv", series="id", time="t", target="kind")


def of_sounds(folder):
    for row in range(20):
        (folder / f"sounds/{row % 2}").mkdir(parents=True, exist_ok=True)
        with wave.open(str(folder / f"sounds/{row % 2}/{row}.wav"), "wb") as file:
            file.setparams((1, 1, 1_000, 0, "NONE", ""))
            file.writeframes(bytes(range(row, 200 + row)))
    return DATASETS["audio_folder"](path=folder / "sounds", rate=1_000, clip_seconds=0.1, bands=4)


def of_boxes(folder, name):
    kind, below = {"coco": ("coco", ""), "voc": ("voc", ""), "yolo": ("yolo", "data.yaml")}.get(
        name, ("table", "boxes.csv")
    )
    pixels = np.zeros((20, 30, 3), np.uint8)
    images = [
        BoxedImage(
            ("train", "train", "validation", "test")[row // 3],
            f"{row}",
            pixels + row,
            [("ab"[row % 2], (row, 2, row + 5, 9), False)] * (row % 3),
        )
        for row in range(12)
    ]
    (folder / kind).mkdir()
    WRITERS[kind](folder / kind, images, ("a", "b"))
    return DATASETS[name](path=folder / kind / below, size=8)


def of_sentences(folder):
    lines = [f"Ada B-PER\nis O\n{row} O\nin O\nRome B-LOC\n" for row in range(40)]
    (folder / "a.conll").write_text("\n".join(lines))
    return DATASETS["conll"](path=folder / "a.conll")


def of_keras_texts(name, monkeypatch):
    texts = [[1 + row % 3, 2, 1 + row % 2] for row in range(40)]
    source = types.SimpleNamespace(
        load_data=lambda **_: ((texts, LABELS), (texts, LABELS)),
        get_word_index=lambda: {"good": 1, "bad": 2, "film": 3},
    )
    monkeypatch.setattr(f"keras.datasets.{name}", source)
    return DATASETS[name]()


MADE = {
    **{name: lambda tf, folder, patch, name=name: of_keras(name, patch) for name in DOWNLOADS},
    **{
        name: lambda *_, name=name: DATASETS[name]() for name in ("breast_cancer", "diabetes", "digits", "iris", "wine")
    },
    "california_housing": lambda tf, folder, patch: of_california(patch),
    "synthetic": lambda *_: DATASETS["synthetic"](shape=(3,), train_examples=40),
    "csv": lambda tf, folder, patch: of_table(folder, "kind"),
    "csv of numbers": lambda tf, folder, patch: of_table(folder, "size"),
    "audio_folder": lambda tf, folder, patch: of_sounds(folder),
    "image_folder": lambda tf, folder, patch: of_folder(folder),
    **{
        name: lambda tf, folder, patch, name=name: of_boxes(folder, name)
        for name in ("box_table", "coco", "voc", "yolo")
    },
    "npy": lambda tf, folder, patch: of_arrays(folder, "npy"),
    "npz": lambda tf, folder, patch: of_arrays(folder, "npz"),
    "python": lambda tf, folder, patch: of_python(patch, "classes"),
    "python of numbers": lambda tf, folder, patch: of_python(patch, "numbers"),
    **{name: lambda tf, folder, patch, name=name: of_texts(folder, name) for name in ("text_folder", "text_table")},
    "time_series": lambda tf, folder, patch: of_series(folder),
    **{name: lambda tf, folder, patch, name=name: of_whole_series(folder, name) for name in ("ts", "series_table")},
    "text_files": lambda tf, folder, patch: of_text_files(folder),
    "conll": lambda tf, folder, patch: of_sentences(folder),
    **{name: lambda tf, folder, patch, name=name: of_keras_texts(name, patch) for name in ("imdb", "reuters")},
    "tfds": lambda tf, folder, patch: of_tfds(patch),
    "tfrecord": lambda tf, folder, patch: of_records(tf, folder, "ints"),
    "tfrecord of numbers": lambda tf, folder, patch: of_records(tf, folder, "floats"),
}


def test_each_dataset_is_here():
    assert {name.partition(" ")[0] for name in MADE} == set(DATASETS.names())


def moved(features):
    """Features that learnt another mean, and another longest example."""
    return Features(
        {
            name: feature.replaced(
                **({"mean": tuple(value + 1 for value in feature.mean)} if _has_mean(feature) else {}),
                lengths=tuple(value + 1 for value in feature.lengths),
            )
            for name, feature in features.items()
        }
    )


def _has_mean(feature):
    return bool(getattr(feature, "mean", None))


@pytest.mark.parametrize("name", MADE)
def test_data_are_described_by_what_the_run_learnt(tensorflow, tmp_path, monkeypatch, name):
    dataset = MADE[name](tensorflow, tmp_path, monkeypatch)
    own = dataset.load()
    like = dataclasses.replace(own.spec, inputs=moved(own.spec.inputs), targets=moved(own.spec.targets))
    assert like != own.spec
    found = dataset.load(like)
    assert found.spec == like
    assert own.spec == dataset.load().spec
    for part, split in own.parts.items():
        one, other = (
            filled(each) if isinstance(each, Ragged) else each for each in (split.targets, found.parts[part].targets)
        )
        np.testing.assert_array_equal(one, other)
