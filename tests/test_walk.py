"""The walk: a modality that dltrain knows nothing of, and each feature that it has, go through every command.

A modality is done when its recipe is in RECIPES and nothing of it in NOT_YET.
"""

import dataclasses
import inspect
import json
import logging
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from at_home import at_home
from typer.testing import CliRunner

from dltrain import registry
from dltrain.cli import app
from dltrain.data.trees import taken
from dltrain.plugins import loading as plugins
from dltrain.registry import KINDS
from dltrain.runs.folder import Run
from dltrain.wording import metric

PLUGINS = Path(__file__).parent / "plugins"
ACTUAL = "actual"
"""What `predict --split` calls what is right."""
COPIES = 10
"""Examples that are there twice where `inspect` has something to find."""
CUT = 4
"""Steps of a run that is killed; its last checkpoint is of the third, within an epoch."""
FORMATS = ("keras", "saved_model", "onnx")
TAIL = """
optimizer: {name: adam, learning_rate: 0.02}
train: {epochs: 8, batch_size: 16}
checkpoint: {every_steps: 3}
report: false
"""
PARTS = "validation_fraction: 0.2, test_fraction: 0.2"
MLP = "model: {name: mlp, units: [16]}"
ONE_RUN = ("fit", "eval", "predict", "serve", "report")
NOT_YET: dict[tuple[str, str], str] = {}
"""Why a recipe does not go through a command."""


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How a walk begins: small data in a real format, and what must come of them.

    Args:
        features: what an example consists of, then what is asked of it.
        write: writes the data into a folder, and what is to be asked; some examples twice where it is told to.
        config: dataset, model and task.
        source: what `init` looks at, in the folder.
        counts: examples in each part.
        asked: what `predict` gets, in the folder.
        lines: the same for standard input.
        instances: the same for /predict, as JSON.
        tensors: the same as the network takes it; by name where there are several inputs.
        answers: what outputs of the network mean, (examples, ...): the answers of `predict`.
        measure: a metric of `eval` by its name, from the answers about a part and what is right; none where they
            do not tell it.
        plugins: files that it needs.
        commands: those that it is walked through, where another recipe goes through the others; none for all.
        outputs: computes what the network ends in; none for the network itself, opened with Keras.
        falls: the column of metrics.csv that shows that something is learnt.
        falls_to: below which share of its first value it must be at last.
        undefined: metrics that held-out parts cannot have.
    """

    features: tuple[str, ...]
    write: Callable[[Path, int], None]
    config: str
    source: str
    counts: dict[str, int]
    asked: Callable[[Path], list[str]]
    lines: Callable[[Path], str]
    instances: Callable[[Path], list[Any]]
    tensors: Callable[[Path], Any]
    answers: Callable[[Any], list[dict[str, Any]]]
    measure: Callable[[list[dict[str, Any]]], tuple[str, float]]
    outputs: Callable[[Any, Path], Any] | None = None
    plugins: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    falls: str = "val_loss"
    falls_to: float = 0.8
    undefined: tuple[str, ...] = ()


def softmax(logits):
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


def sigmoid(logits):
    return 1 / (1 + np.exp(-np.asarray(logits, np.float64)))


def classes(*names):
    """Returns what makes answers about classes of logits."""

    def answers(outputs):
        return [{"class": names[row.argmax()], "probability": row.max()} for row in softmax(outputs)]

    return answers


def accuracy(rows):
    return "accuracy", np.mean([row["class"] == row[ACTUAL] for row in rows])


def write_images(folder, copies):
    from PIL import Image

    random = np.random.RandomState(0)
    for number in range(60):
        name = ("bright", "dark")[number % 2]
        pixels = random.randint(0, 128, (8, 8, 3)) + 100 * (name == "bright")
        place = folder / "images" / name / f"{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.astype(np.uint8)).save(place)
        if number < copies:
            shutil.copy(place, place.with_stem(f"copy{number}"))


def images(folder):
    return sorted((folder / "images" / "bright").glob("*.png"))[:5]


def image_tensors(folder):
    from PIL import Image

    return np.stack([np.asarray(Image.open(file), np.float32) for file in images(folder)])


def image_instances(folder):
    return image_tensors(folder).astype(int).tolist()


_OBJECT = (
    "<object><name>{}</name><bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox></object>"
)


def write_scenes(folder, copies):
    """Writes images of a bright or a dark square on grey ground, every tenth of nothing, as Pascal VOC has them."""
    from PIL import Image

    random, root = np.random.RandomState(0), folder / "scenes"
    for place in ("JPEGImages", "Annotations"):
        (root / place).mkdir(parents=True, exist_ok=True)
    for number in range(60):
        name, side = ("bright", "dark")[number % 2], random.randint(10, 18)
        left, top = random.randint(0, 32 - side, 2)
        pixels, objects = random.randint(110, 140, (32, 32, 3)), ""
        if number % 10 < 9:
            pixels[top : top + side, left : left + side] += 100 if name == "bright" else -100
            objects = _OBJECT.format(name, left + 1, top + 1, left + side, top + side)
        xml = f"<annotation><size><width>32</width><height>32</height><depth>3</depth></size>{objects}</annotation>"
        for stem in (str(number), *[f"copy{number}"] * (number < copies)):
            Image.fromarray(pixels.astype(np.uint8)).save(root / "JPEGImages" / f"{stem}.png")
            (root / "Annotations" / f"{stem}.xml").write_text(xml)


def scenes(folder):
    return [folder / "scenes" / "JPEGImages" / f"{number}.png" for number in (1, 4, 6, 9, 15)]


def scene_tensors(folder):
    from PIL import Image

    return np.stack([np.asarray(Image.open(file), np.float32) for file in scenes(folder)])


def iou(one, other):
    one, other = np.asarray(one), np.asarray(other)
    common = np.maximum(np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2]), 0).prod()
    return common / ((one[2:] - one[:2]).prod() + (other[2:] - other[:2]).prod() - common)


def boxes_of(outputs):
    """Returns what anchors of a score of 0.5 or more say, in pixels, without those that a surer one overlaps."""
    found = []
    for logits, offsets, anchors, variances in zip(*np.split(outputs, [3, 7, 11], axis=2), strict=True):
        shares, offsets = softmax(logits.astype(np.float64))[:, 1:], offsets * variances
        centres, sizes = anchors[:, :2] + offsets[:, :2] * anchors[:, 2:], anchors[:, 2:] * np.exp(offsets[:, 2:])
        corners = 32 * np.clip(np.concatenate([centres - sizes / 2, centres + sizes / 2], axis=1), 0, 1)
        kept = []
        for place in np.argsort(-shares, axis=None, kind="stable"):
            anchor, of_class = divmod(int(place), 2)
            name, score, box = ("bright", "dark")[of_class], shares[anchor, of_class], corners[anchor]
            rivals = [each["box"] for each in kept if each["class"] == name]
            if score >= 0.5 and all(iou(box, rival) <= 0.45 for rival in rivals):
                kept.append({"class": name, "score": round(score, 6), "box": [round(x, 2) for x in box.tolist()]})
        found.append({"boxes": kept})
    return found


def precision_of_boxes(rows):
    """Returns the mean over both classes of the area under precision over recall."""
    found = []
    for name in ("bright", "dark"):
        actual = [[each for each in row[ACTUAL]["objects"] if each["class"] == name] for row in rows]
        said = [(-each["score"], place, each["box"]) for place, row in enumerate(rows) for each in row["boxes"]
                if each["class"] == name]  # fmt: skip
        taken_, hits = set(), []
        for _, place, box in sorted(said, key=lambda each: each[0]):
            shares = [iou(box, 32 * np.array(each["box"])) for each in actual[place]]
            best = int(np.argmax(shares)) if shares else -1
            hits.append(bool(shares) and shares[best] >= 0.5 and (place, best) not in taken_)
            taken_ |= {(place, best)} if hits[-1] else set()
        right = np.cumsum(hits)
        precision = np.maximum.accumulate((right / np.arange(1, len(hits) + 1))[::-1])[::-1]
        found.append(precision[np.array(hits, bool)].sum() / sum(map(len, actual)))
    return "map_50", np.mean(found)


def write_sounds(folder, copies):
    """Writes sounds of a second or less, in two files formats; low ones and high ones."""
    soundfile = pytest.importorskip("soundfile")
    random = np.random.RandomState(0)
    for number in range(60):
        name = ("high", "low")[number % 2]
        time = np.arange(random.randint(300, 900)) / 1000
        samples = 0.5 * np.sin(2 * np.pi * (300 - 200 * (name == "low")) * time + random.uniform(0, 6))
        samples += 0.2 * random.standard_normal(len(time))
        place = folder / "sounds" / name / f"{number}{('.wav', '.flac')[number % 3 == 0]}"
        place.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(place, np.clip(samples, -1, 1), 1000)
        if number < copies:
            shutil.copy(place, place.with_stem(f"copy{number}"))


def write_voices(folder, copies):
    """Writes six sounds of each of ten, whose tones are of another pitch."""
    soundfile = pytest.importorskip("soundfile")
    random = np.random.RandomState(0)
    for number in range(60):
        time = np.arange(random.randint(300, 900)) / 1000
        samples = 0.5 * np.sin(2 * np.pi * (80 + 35 * (number % 10)) * time + random.uniform(0, 6))
        place = folder / "sounds" / f"voice{number % 10}" / f"{number}.wav"
        place.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(place, np.clip(samples + 0.1 * random.standard_normal(len(time)), -1, 1), 1000)
        if number < copies:
            shutil.copy(place, place.with_stem(f"copy{number}"))


def voices(folder):
    return sorted((folder / "sounds" / "voice3").glob("*.wav"))[:5]


def embeddings(model, folder):
    """Returns what stands before the layer of cosines, of length 1."""
    layer = model.get_layer("logits")
    kept = type(model)(model.inputs, layer.input)
    found = kept.predict(sound_clips(folder, voices(folder)), verbose=0)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def sounds(folder):
    return sorted((folder / "sounds" / "high").glob("*.wav"))[:5]


def sound_clips(folder, files=None):
    """Returns the middle of each, a fifth of a second, from its 16-bit samples."""
    import wave

    clips = []
    for file in files or sounds(folder):
        with wave.open(str(file)) as opened:
            samples = np.frombuffer(opened.readframes(opened.getnframes()), "<i2") / np.float32(32768)
        clips.append(samples[(len(samples) - 200) // 2 :][:200])
    return np.stack(clips)


def write_table(folder, copies):
    random = np.random.RandomState(0)
    rows = []
    for _ in range(120):
        size, kind = random.uniform(0, 10), "abc"[random.randint(3)]
        rows.append(f"{size:.3f},{kind},{2 * size + 'abc'.index(kind):.3f},{int(size > 5)},{int(kind == 'a')}")
    header = "size,kind,y,big,is_a"
    (folder / "table.csv").write_text("\n".join([header, *rows, *rows[:copies], ""]))
    (folder / "asked.csv").write_text("\n".join(["size,kind", "1.5,a", "7.25,c", "4,strange", ""]))


def table_instances(_):
    return [{"size": 1.5, "kind": "a"}, {"size": 7.25, "kind": "c"}, {"size": 4, "kind": "strange"}]


def table_tensors(_):
    return np.array([[1.5, 1], [7.25, 3], [4, 0]], np.float32)  # an unknown kind is 0


def write_notes(folder, copies):
    random = np.random.RandomState(0)
    rows = []
    for _ in range(120):
        size, is_large = random.uniform(0, 10), random.randint(2)
        note = "It is a room" + is_large * ", very very very large" + " room room"
        rows.append(f'{size:.3f},"{note} {random.randint(99)}",{2 * size + 5 * is_large:.3f}')
    (folder / "houses.csv").write_text("\n".join(["size,note,y", *rows, *rows[:copies], ""]))
    asked = [f'{each["size"]},"{each["note"] or ""}"' for each in note_instances(folder)]
    (folder / "asked.csv").write_text("\n".join(["size,note", *asked, ""]))


def note_instances(_):
    return [{"size": 1.5, "note": "Very nice room"}, {"size": 7.25, "note": None}, {"size": 4, "note": "very, very"}]


def note_tensors(_):
    return np.log1p([[np.expm1(1.5), 1, 1], [np.expm1(7.25), 0, 0], [np.expm1(4), 0, 2]]).astype(np.float32)


def label_answers(outputs):
    names, shares = ("big", "is_a"), sigmoid(outputs)
    chosen = [[place for place in range(2) if row[place] > 0.5] for row in shares]
    return [
        {"labels": [names[place] for place in places], "probability": [row[place] for place in places]}
        for places, row in zip(chosen, shares, strict=True)
    ]


def label_accuracy(rows):
    names = ("big", "is_a")
    return "accuracy", np.mean([[(name in row["labels"]) == (name in row[ACTUAL]) for name in names] for row in rows])


def number_answers(outputs):
    return [{"values": {"y": row[0]}} for row in np.asarray(outputs, np.float64)]


def error(rows):
    return "mae", np.mean([abs(row["values"]["y"] - row[ACTUAL]["y"]) for row in rows])


def write_vectors(folder, copies):
    random = np.random.RandomState(0)
    labels = np.arange(120) % 3
    vectors = (random.standard_normal((120, 4)) + 2 * labels[:, None]).astype(np.float32)
    twice = [*range(120), *range(copies)]
    np.savez(folder / "vectors.npz", x=vectors[twice], y=labels[twice])
    np.save(folder / "asked.npy", vectors[:5])


def write_beads(folder, copies):
    lines = bead_lines()
    (folder / "strings.beads").write_text("\n".join([*lines, *lines[:copies], ""]))
    (folder / "asked.txt").write_text("".join(f"{string}\n" for string in ASKED))


ASKED = ("RGGB", "YYYYYYYYYYYYYYY", "B", "RX?XG")
"""One longer than any string of the data, one as short as can be, one with beads of unknown colours."""


def bead_lines():
    """Returns 150 different strings, none a part of another's answer, with their marks by brute force."""
    random, strings = np.random.RandomState(0), {}
    while len(strings) < 150:
        beads = [str(bead) for bead in random.choice([*"RGBY"], random.randint(3, 10))]
        marks = [
            any(beads[other] == bead for other in (place - 1, place + 1) if 0 <= other < len(beads))
            for place, bead in enumerate(beads)
        ]
        strings["".join(beads)] = "".join("01"[int(mark)] for mark in marks)
    return [f"{string} {marks}" for string, marks in strings.items()]


def bead_codes(string):
    return [2 + "BGRY".find(bead) if bead in "BGRY" else 1 for bead in string]


def bead_tensors(_):
    longest = max(map(len, ASKED))
    return np.array([bead_codes(string) + [0] * (longest - len(string)) for string in ASKED], np.int32)


def bead_outputs(model, _):
    """Returns the logits of each string by itself, from weights alone."""
    weights = {layer.name: [np.asarray(weight, np.float64) for weight in layer.get_weights()] for layer in model.layers}
    (colours,), (kernel, bias), (last, last_bias) = weights["colours"], weights["window"], weights["logits"]
    found = []
    for string in ASKED:
        vectors = np.pad(colours[bead_codes(string)], [(1, 1), (0, 0)])
        hidden = bias + sum(vectors[shift : shift + len(string)] @ kernel[shift] for shift in range(3))
        found.append((np.maximum(hidden, 0) @ last + last_bias)[:, 0])
    return found


def bead_answers(outputs):
    return [{"marks": "".join("01"[int(logit > 0)] for logit in row), "probabilities": sigmoid(row)} for row in outputs]


def bead_loss(rows):
    losses = []
    for row in rows:
        of_right = [
            share if mark == "1" else 1 - share for mark, share in zip(row[ACTUAL], row["probabilities"], strict=True)
        ]
        losses.append(-np.mean(np.log(of_right)))
    return "loss", np.mean(losses)


def write_pairs(folder, copies):
    """Writes tall and wide pictures, of which the sign of the numbers says as much as the pixels do."""
    random, lines = np.random.RandomState(0), []
    for number in range(120):
        is_tall = number % 2
        pixels = random.randint(0, 200, (4, 4, 1)) + 55 * np.eye(4, dtype=int)[:, :, None] * is_tall
        sizes = random.standard_normal(2) + (2 * is_tall - 1)
        example = {"picture": pixels.tolist(), "sizes": [round(float(size), 3) for size in sizes]}
        lines.append(json.dumps({**example, "kind": ("wide", "tall")[is_tall]}))
    (folder / "pairs.jsonl").write_text("\n".join([*lines, *lines[:copies], ""]))
    asked = [{key: value for key, value in json.loads(line).items() if key != "kind"} for line in lines[:4]]
    (folder / "asked.jsonl").write_text("".join(f"{json.dumps(each)}\n" for each in asked))


def pairs(folder):
    return [json.loads(line) for line in (folder / "asked.jsonl").read_text().splitlines()]


def pair_tensors(folder):
    return {name: np.array([each[name] for each in pairs(folder)], np.float32) for name in ("picture", "sizes")}


def write_texts(folder, copies):
    random, words = np.random.RandomState(0), ("film", "plot", "actor", "scene", "music", "story")
    for number in range(60):
        name = ("bad", "good")[number % 2]
        told = f"The {words[random.randint(6)]} was {('dull', 'fine')[number % 2]}"
        place = folder / "texts" / name / f"{number}.txt"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(f"{told}: {' '.join(random.choice(words, random.randint(2, 9)))} {number}.")
        if number < copies:
            shutil.copy(place, place.with_stem(f"copy{number}"))


def texts(folder):
    return sorted((folder / "texts" / "good").glob("*.txt"))[:5]


def text_tensors(folder):
    """Reads the texts as a stranger does, with what lies in the run's folder."""
    tokenizers = pytest.importorskip("tokenizers")
    file = next(folder.rglob("runs*/*/tokenizer.json"))
    made = tokenizers.Tokenizer.from_file(str(file))
    rows = [made.encode(file.read_text()).ids for file in texts(folder)]
    longest = max(map(len, rows))
    return np.array([row + [0] * (longest - len(row)) for row in rows], np.int32)


def hidden_vocabulary():
    """Returns the tokenizer of sentences, whose words are known before."""
    from dltrain.features.tokens import Tokens

    words = [[word for each in SENTENCES for word in each] + [str(number) for number in range(60)]]
    return Tokens(kind="words", max_length=20).fit([[" ".join(each) for each in words]])


SENTENCES = (("rain", "falls", "in", "the", "cold", "autumn"), ("birds", "sing", "on", "a", "warm", "morning"))


def write_sentences(folder, copies):
    rows = [" ".join(SENTENCES[number % 2]) + f" {number}" for number in range(60)]
    (folder / "sentences.csv").write_text("\n".join(["text", *rows, *rows[:copies], ""]))
    (folder / "tokenizer.json").write_text(hidden_vocabulary().tokenizer)
    (folder / "asked.txt").write_text("".join(f"[MASK] {' '.join(each[1:])} 7\n" for each in SENTENCES))


def write_documents(folder, copies):
    random = np.random.RandomState(0)
    rows = []
    for number in range(60):
        words = [[f"{letter}{place}" for place in range(12)] for letter in "ab"][number % 2]
        rows.append(f"{' '.join(random.choice(words, 12))} d{number % 7},{'ab'[number % 2]}")
    (folder / "documents.csv").write_text("\n".join(["text,topic", *rows, *rows[:copies], ""]))
    (folder / "asked.txt").write_text("".join(f"{text}\n" for text in DOCUMENTS))


DOCUMENTS = ("a1 a2 a3 strange a1", "b7 b8 b9", "a4")


def document_tensors(folder):
    tokenizers = pytest.importorskip("tokenizers")
    made = tokenizers.Tokenizer.from_file(str(next(folder.rglob("runs*/*/tokenizer.json"))))
    rows = [made.encode(text).ids for text in DOCUMENTS]
    return np.array([row + [0] * (max(map(len, rows)) - len(row)) for row in rows], np.int32)


def hidden_answers(outputs):
    """Returns the likeliest word in place of each text's first one."""
    names = {number: token for token, number in hidden_vocabulary().ids().items()}
    return [{"masks": [names[int(row[1].argmax())]]} for row in outputs]


def sentences(folder):
    return (folder / "asked.txt").read_text().splitlines()


def write_series(folder, copies):
    """Writes two shops' sales, which repeat themselves after six days; and, as a third shop, some of the first's."""
    random, lines = np.random.RandomState(0), {}
    for shop, level in (("north", 100), ("south", 20)):
        days = np.datetime64("2024-01-01") + np.arange(120)
        sales = level * (1 + 0.3 * np.sin(2 * np.pi * np.arange(120) / 6)) + random.normal(0, level / 30, 120)
        lines[shop] = [
            f"{day},{shop},{sold:.3f},{place % 5}" for place, (day, sold) in enumerate(zip(days, sales, strict=True))
        ]
    whole = [line for rows in lines.values() for line in rows]
    twice = [line.replace("north", "twin") for line in lines["north"][: copies + 14]] if copies else []
    (folder / "sales.csv").write_text("\n".join(["day,shop,sold,staff", *whole, *twice, ""]))
    behind = np.datetime64("2024-04-30") + np.arange(3)
    known = [f"{day},{shop},,{step % 5}" for shop in lines for step, day in enumerate(behind)]
    asked = [*lines["north"], *known[:3], *lines["south"], *known[3:]]
    (folder / "asked.csv").write_text("\n".join(["day,shop,sold,staff", *asked, ""]))


def series_instances(folder):
    rows = [dict(zip(("day", "shop", "sold", "staff"), line.split(","), strict=True))
            for line in (folder / "asked.csv").read_text().splitlines()[1:]]  # fmt: skip
    return [[{**row, "sold": float(row["sold"]) if row["sold"] else None} for row in rows if row["shop"] == shop]
            for shop in ("north", "south")]  # fmt: skip


def series_tensors(folder):
    """Returns the last 12 days of each shop, and the 3 days whose staff is known."""
    found = []
    for rows in series_instances(folder):
        past, ahead = rows[-15:-3], rows[-3:]
        steps = [[each["sold"], float(each["staff"])] for each in past] + [
            [0.0, float(each["staff"])] for each in ahead
        ]
        found.append(steps)
    return np.array(found, np.float32)


def series_answers(outputs):
    days, found = ["2024-04-30", "2024-05-01", "2024-05-02"], []
    for shop, of_shop in zip(("north", "south"), np.asarray(outputs, np.float64)[..., 0].tolist(), strict=True):
        steps = [{"time": day, "values": {"sold": sold}} for day, sold in zip(days, of_shop, strict=True)]
        found.append({"series": shop, "steps": steps})
    return found


def series_error(rows):
    sizes = [abs(step["values"]["sold"] - actual["sold"]) for row in rows
             for step, actual in zip(row["steps"], row[ACTUAL], strict=True)]  # fmt: skip
    return "mae", np.mean(sizes)


def write_gestures(folder, copies):
    """Writes series of 6 to 14 steps, of two channels, which rise together or against each other."""
    random, cases = np.random.RandomState(0), {"TRAIN": [], "TEST": []}
    for number in range(80):
        name, steps = ("same", "other")[number % 2], random.randint(6, 15)
        one = np.linspace(-1, 1, steps) + random.normal(0, 0.3, steps)
        two = (1 if name == "same" else -1) * np.linspace(-1, 1, steps) + random.normal(0, 0.3, steps)
        channels = (",".join(f"{value:.3f}" for value in channel) for channel in (one, two))
        cases["TRAIN" if number < 60 else "TEST"].append(f"{':'.join(channels)}:{name}")
    cases["TRAIN"] += cases["TRAIN"][:copies]
    header = "@problemName Gestures\n@univariate false\n@dimensions 2\n@equalLength false\n@classLabel true same other"
    for part, lines in cases.items():
        (folder / f"Gestures_{part}.ts").write_text("\n".join([header, "@data", *lines, ""]))
    (folder / "asked.ts").write_text("\n".join([header, "@data", *cases["TEST"][:4], ""]))


def gestures(folder):
    lines = (folder / "asked.ts").read_text().split("@data\n")[1].split()
    channels = [[[*map(float, channel.split(","))] for channel in line.split(":")[:-1]] for line in lines]
    return [[*map(list, zip(*each, strict=True))] for each in channels]


def gesture_tensors(folder):
    found = gestures(folder)
    longest = max(map(len, found))
    return np.array([each + [[np.nan, np.nan]] * (longest - len(each)) for each in found], np.float32)


def write_panels(folder, copies):
    """Writes series as `write_gestures` does, of one channel and of one length, and a row for each step."""
    random, rows, asked = np.random.RandomState(0), [], []
    for number in range(60 + copies):
        random = np.random.RandomState(number % 60)
        name = ("rises", "falls")[number % 2]
        values = (1 if name == "rises" else -1) * np.linspace(-1, 1, 8) + random.normal(0, 0.3, 8)
        rows += [f"s{number},{step},{value:.3f},{name}" for step, value in enumerate(values)]
    asked = [row.rpartition(",")[0] for row in rows[:24]]
    (folder / "panels.csv").write_text("\n".join(["id,step,level,kind", *rows, ""]))
    (folder / "asked.csv").write_text("\n".join(["id,step,level", *asked, ""]))


def panels(folder):
    rows = [line.split(",") for line in (folder / "asked.csv").read_text().splitlines()[1:]]
    return [[float(row[2]) for row in rows if row[0] == f"s{number}"] for number in range(3)]


NAMES = {"Ada": "PER", "Carl": "PER", "Rome": "LOC", "Oslo": "LOC"}
TAGS = ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")


def tagged_vocabulary():
    """Returns the tokenizer of sentences with names, of a token for each word."""
    from dltrain.features.tokens import Tokens

    words = [*NAMES, "lives", "in", "sings", *map(str, range(60))]
    return Tokens(kind="words", max_length=20, lowercase=False).fit([[" ".join(words)]])


def write_tagged(folder, copies):
    random, texts = np.random.RandomState(0), []
    for number in range(60):
        words = [random.choice([*NAMES]), random.choice(["lives", "sings"]), "in", random.choice([*NAMES]), str(number)]
        words = words[random.randint(3) :]
        tags = [f"B-{NAMES[word]}" if word in NAMES else "O" for word in words]
        texts.append("".join(f"{word} {tag}\n" for word, tag in zip(words, tags, strict=True)))
    (folder / "names.conll").write_text("\n".join([*texts, *texts[:copies]]))
    (folder / "tokenizer.json").write_text(tagged_vocabulary().tokenizer)
    (folder / "asked.txt").write_text("Ada lives in Oslo 7\nin Rome\n")


def tagged(folder):
    return [line.split() for line in (folder / "asked.txt").read_text().splitlines()]


def tagged_tensors(folder):
    """Reads sentences as a stranger does, with what lies in the run's folder."""
    tokenizers = pytest.importorskip("tokenizers")
    made = tokenizers.Tokenizer.from_file(str(next(folder.rglob("runs*/*/tokenizer.json"))))
    rows = [made.encode(words, is_pretokenized=True).ids for words in tagged(folder)]
    return np.array([row + [0] * (max(map(len, rows)) - len(row)) for row in rows], np.int32)


def tag_answers(outputs):
    counts = (5, 2)
    return [
        {"tags": [TAGS[row[place].argmax()] for place in range(1, 1 + count)]}
        for row, count in zip(outputs, counts, strict=True)
    ]


def tag_accuracy(rows):
    pairs = [pair for row in rows for pair in zip(row["tags"], row[ACTUAL], strict=True)]
    return "accuracy", np.mean([one == other for one, other in pairs])


TABLE_PARTS = {"train": 77, "validation": 19, "test": 24}
TABLE: dict[str, Any] = {
    "write": write_table,
    "source": "table.csv",
    "counts": TABLE_PARTS,
    "asked": lambda folder: [str(folder / "asked.csv")],
    "lines": lambda folder: (folder / "asked.csv").read_text(),
    "instances": table_instances,
    "tensors": table_tensors,
}
RECIPES = {
    "beads": Recipe(
        features=("beads", "marks"),
        plugins=("beads",),
        write=write_beads,
        config=f"plugins: [{PLUGINS / 'beads.py'}]\ndataset: {{name: beads, path: strings.beads, {PARTS}}}\n"
        "model: {name: bead_window}\ntask: {name: same_neighbour}",
        source="strings.beads",
        counts={"train": 96, "validation": 24, "test": 30},
        asked=lambda folder: [str(folder / "asked.txt")],
        lines=lambda folder: (folder / "asked.txt").read_text(),
        instances=lambda _: [*ASKED],
        tensors=bead_tensors,
        outputs=bead_outputs,
        answers=bead_answers,
        measure=bead_loss,
    ),
    "image_folder": Recipe(
        features=("image", "class_label"),
        write=write_images,
        config=f"dataset: {{name: image_folder, path: images, size: 8, {PARTS}}}\n{MLP}",
        source="images",
        counts={"train": 38, "validation": 10, "test": 12},
        asked=lambda folder: [*map(str, images(folder))],
        lines=lambda folder: "".join(f"{file}\n" for file in images(folder)),
        instances=image_instances,
        tensors=image_tensors,
        answers=classes("bright", "dark"),
        measure=accuracy,
    ),
    "voc": Recipe(
        features=("image", "boxes"),
        write=write_scenes,
        config=f"dataset: {{name: voc, path: scenes, size: 32, {PARTS}}}\n"
        "model: {name: ssd, feature_maps: 1, first_stride: 4, scales: [0.4, 0.55], aspect_ratios: [1], "
        "backbone: {name: cnn, stages: [{filters: 8, pool: max}, {filters: 16, pool: max}]}}\n"
        "task: {name: detection, metrics: [map_50, map], score_threshold: 0.5, candidates: 100}",
        source="scenes",
        counts={"train": 38, "validation": 10, "test": 12},
        asked=lambda folder: [*map(str, scenes(folder))],
        lines=lambda folder: "".join(f"{file}\n" for file in scenes(folder)),
        instances=lambda folder: scene_tensors(folder).astype(int).tolist(),
        tensors=scene_tensors,
        answers=boxes_of,
        measure=precision_of_boxes,
    ),
    "text_folder": Recipe(
        features=("tokens", "class_label"),
        write=write_texts,
        config=f"dataset: {{name: text_folder, path: texts, tokenizer: words, {PARTS}}}\n"
        "model: {name: text_cnn, width: 8, filters: 8}",
        source="texts",
        counts={"train": 38, "validation": 10, "test": 12},
        asked=lambda folder: [*map(str, texts(folder))],
        lines=lambda folder: "".join(f"{file.read_text()}\n" for file in texts(folder)),
        instances=lambda folder: [file.read_text() for file in texts(folder)],
        tensors=text_tensors,
        answers=classes("bad", "good"),
        measure=accuracy,
    ),
    "hidden tokens": Recipe(
        features=("tokens",),
        write=write_sentences,
        config=f"dataset: {{name: text_table, path: sentences.csv, label_column: none, tokenizer: tokenizer.json, "
        f"max_length: 20, {PARTS}}}\nmodel: {{name: transformer, width: 16, depth: 1}}\ntask: {{name: masked_lm}}",
        source="sentences.csv",
        counts={"train": 38, "validation": 10, "test": 12},
        asked=lambda folder: [str(folder / "asked.txt")],
        lines=lambda folder: (folder / "asked.txt").read_text(),
        instances=sentences,
        tensors=lambda folder: hidden_vocabulary().encode(sentences(folder)).stored.padded(0).astype(np.int32),
        answers=hidden_answers,
        measure=None,
        commands=("check", "show", "inspect", "preview", "fit", "resume", "predict", "stdin", "serve", "page")
        + ("report", "export", "compare"),
    ),
    "documents": Recipe(
        features=("tokens", "class_label"),
        write=write_documents,
        config=f"dataset: {{name: text_table, path: documents.csv, label_column: topic, tokenizer: words, {PARTS}}}\n"
        "model: {name: doc2vec, width: 8}\ntask: {name: document_words}",
        source="documents.csv",
        counts={"train": 38, "validation": 10, "test": 12},
        asked=lambda folder: [str(folder / "asked.txt")],
        lines=lambda folder: (folder / "asked.txt").read_text(),
        instances=lambda _: [*DOCUMENTS],
        tensors=document_tensors,
        answers=lambda outputs: [{"vector": row} for row in outputs],
        measure=None,
        commands=("check", "show", "inspect", "preview", "fit", "resume", "predict", "stdin", "serve", "page")
        + ("report", "export", "compare"),
        falls="loss",
        falls_to=1,  # vectors begin near 0, where slopes are small
        undefined=("loss",),
    ),
    "time_series": Recipe(
        features=("series", "future"),
        write=write_series,
        config="dataset: {name: time_series, path: sales.csv, time: day, target: sold, series: shop, known: [staff], "
        "window: 12, horizon: 3, transform: sqrt, test: 24, validation: 12}\nmodel: {name: linear_forecast}",
        source="sales.csv",
        counts={"train": 140, "validation": 20, "test": 44},
        asked=lambda folder: [str(folder / "asked.csv")],
        lines=lambda folder: (folder / "asked.csv").read_text(),
        instances=series_instances,
        tensors=series_tensors,
        answers=series_answers,
        measure=series_error,
    ),
    "ts files": Recipe(
        features=("whole_series", "class_label"),
        write=write_gestures,
        config="dataset: {name: ts, path: Gestures_TRAIN.ts, validation_fraction: 0.2}\n"
        "model: {name: inception_time, filters: 4, bottleneck: 4, depth: 3, kernel_sizes: [6, 3]}",
        source="Gestures_TRAIN.ts",
        counts={"train": 48, "validation": 12, "test": 20},
        asked=lambda folder: [str(folder / "asked.ts")],
        lines=lambda folder: "".join(f"{json.dumps(each)}\n" for each in gestures(folder)),
        instances=gestures,
        tensors=gesture_tensors,
        answers=classes("same", "other"),
        measure=accuracy,
    ),
    "series_table": Recipe(
        features=("whole_series", "class_label"),
        write=write_panels,
        config="dataset: {name: series_table, path: panels.csv, series: id, time: step, target: kind, scaling: series, "
        f"{PARTS}}}\nmodel: {{name: gru, units: [8]}}",
        source="panels.csv",
        counts={"train": 38, "validation": 10, "test": 12},
        asked=lambda folder: [str(folder / "asked.csv")],
        lines=lambda folder: "".join(f"{json.dumps(each)}\n" for each in panels(folder)),
        instances=panels,
        tensors=lambda folder: np.array(panels(folder), np.float32)[..., None],
        answers=classes("falls", "rises"),
        measure=accuracy,
        commands=(*ONE_RUN, "check", "inspect", "preview", "resume", "stdin"),
    ),
    "conll": Recipe(
        features=("sentence", "tags"),
        write=write_tagged,
        config=f"dataset: {{name: conll, path: names.conll, tokenizer: tokenizer.json, {PARTS}}}\n"
        "model: {name: lstm, width: 8, units: [8]}",
        source="names.conll",
        counts={"train": 38, "validation": 10, "test": 12},
        asked=lambda folder: [str(folder / "asked.txt")],
        lines=lambda folder: (folder / "asked.txt").read_text(),
        instances=tagged,
        tensors=tagged_tensors,
        answers=tag_answers,
        measure=tag_accuracy,
    ),
    "audio_folder": Recipe(
        features=("audio", "class_label"),
        write=write_sounds,
        config="dataset: {name: audio_folder, path: sounds, rate: 1000, clip_seconds: 0.2, front_end: log_mel, "
        f"window_milliseconds: 32, hop_milliseconds: 16, bands: 8, {PARTS}}}\n"
        "model: {name: cnn, stages: [{filters: 4, pool: max}], dense: []}",
        source="sounds",
        counts={"train": 38, "validation": 10, "test": 12},
        asked=lambda folder: [*map(str, sounds(folder))],
        lines=lambda folder: "".join(f"{file}\n" for file in sounds(folder)),
        instances=lambda folder: sound_clips(folder).tolist(),
        tensors=sound_clips,
        answers=classes("high", "low"),
        measure=accuracy,
    ),
    "strangers": Recipe(
        features=("audio", "identity"),
        write=write_voices,
        config="dataset: {name: audio_folder, path: sounds, rate: 1000, clip_seconds: 0.2, front_end: log_mel, "
        f"window_milliseconds: 32, hop_milliseconds: 16, bands: 8, hold_out: classes, {PARTS}}}\n"
        "model: {name: cnn, stages: [{filters: 4, pool: max}], dense: []}",
        source="sounds",
        counts={"train": 36, "validation": 12, "test": 12},
        asked=lambda folder: [*map(str, voices(folder))],
        lines=lambda folder: "".join(f"{file}\n" for file in voices(folder)),
        instances=lambda folder: sound_clips(folder, voices(folder)).tolist(),
        tensors=lambda folder: sound_clips(folder, voices(folder)),
        outputs=embeddings,
        answers=lambda outputs: [{"embedding": row} for row in outputs],
        measure=None,
        commands=("check", "show", "preview", "fit", "resume", "predict", "stdin", "serve", "page")
        + ("report", "export", "compare"),
        falls="loss",
        undefined=("loss",),
    ),
    "csv of numbers": Recipe(
        features=("table", "numbers"),
        config="dataset: {name: csv, path: table.csv, target: y, kind: numbers, ignore: [big, is_a], "
        f"{PARTS}}}\n{MLP}",
        answers=number_answers,
        measure=error,
        **TABLE,
    ),
    "csv of tokens": Recipe(
        features=("table", "numbers"),
        write=write_notes,
        config="dataset: {name: csv, path: houses.csv, target: y, kind: numbers, text: [note], tokenizer: words, "
        f"words: 2, {PARTS}}}\n{MLP}",
        source="houses.csv",
        counts=TABLE_PARTS,
        asked=lambda folder: [str(folder / "asked.csv")],
        lines=lambda folder: (folder / "asked.csv").read_text(),
        instances=note_instances,
        tensors=note_tensors,
        answers=number_answers,
        measure=error,
        commands=(*ONE_RUN, "check", "preview", "resume", "stdin", "export"),
    ),
    "csv of labels": Recipe(
        features=("table", "labels"),
        config="dataset: {name: csv, path: table.csv, target: [big, is_a], kind: labels, ignore: [y], "
        f"{PARTS}}}\n{MLP}",
        answers=label_answers,
        measure=label_accuracy,
        commands=(*ONE_RUN, "check", "show", "inspect", "preview", "resume", "stdin", "page", "export", "compare"),
        **TABLE,
    ),
    "pairs": Recipe(
        features=("image", "class_label"),
        plugins=("pairs",),
        write=write_pairs,
        config=f"plugins: [{PLUGINS / 'pairs.py'}]\ndataset: {{name: pairs, path: pairs.jsonl, {PARTS}}}\n"
        "model: {name: pair_network}",
        source="pairs.jsonl",
        counts={"train": 77, "validation": 19, "test": 24},
        asked=lambda folder: [str(folder / "asked.jsonl")],
        lines=lambda folder: (folder / "asked.jsonl").read_text(),
        instances=pairs,
        tensors=pair_tensors,
        answers=classes("tall", "wide"),
        measure=accuracy,
        commands=(*ONE_RUN, "check", "show", "inspect", "preview", "resume", "stdin", "page", "export", "compare"),
    ),
    "npz": Recipe(
        features=("vector", "class_label"),
        write=write_vectors,
        config=f"dataset: {{name: npz, path: vectors.npz, {PARTS}}}\n{MLP}",
        source="vectors.npz",
        counts={"train": 78, "validation": 18, "test": 24},
        asked=lambda folder: [str(folder / "asked.npy")],
        lines=lambda folder: f"{folder / 'asked.npy'}\n",
        instances=lambda folder: np.load(folder / "asked.npy").tolist(),
        tensors=lambda folder: np.load(folder / "asked.npy"),
        answers=classes("0", "1", "2"),
        measure=accuracy,
    ),
}


def walks(command, only=tuple(RECIPES)):
    """Parametrises a test by the recipes that go through a command; those in NOT_YET are expected to fail."""

    def marks(name):
        reason = NOT_YET.get((name, command))
        return [pytest.mark.xfail(strict=True, reason=reason)] if reason else []

    names = [name for name in only if not RECIPES[name].commands or command in RECIPES[name].commands]
    return pytest.mark.parametrize("walk", [pytest.param(name, marks=marks(name)) for name in names], indirect=True)


@dataclasses.dataclass
class Walk:
    """A recipe at work in a folder; its run is trained when it is first asked for."""

    recipe: Recipe
    folder: Path

    def __post_init__(self):
        self.recipe.write(self.folder, 0)
        self.config.write_text(f"{self.recipe.config}\n{TAIL}")
        self.trained = None
        self.resumed = None

    @property
    def config(self):
        return self.folder / "walk.yaml"

    @property
    def run(self):
        return Run(self.folder / "runs" / "walk-001")

    def fit(self):
        """Returns the summary of the run that all commands share."""
        if self.trained is None:
            self.trained = answer("fit", self.config, "--runs", self.folder / "runs")
        return self.trained

    def network(self):
        """Returns the run's best network, as a stranger opens it."""
        import keras

        self.fit()
        return keras.models.load_model(self.run.model, compile=False)

    def expected(self):
        """Returns the right answers to what is asked, without dltrain."""
        outputs = self.recipe.outputs or (lambda model, folder: model.predict(self.recipe.tensors(folder), verbose=0))
        return self.recipe.answers(outputs(self.network(), self.folder))

    def is_answered(self, rows):
        """Makes sure that the answers are right."""
        for row, expected in zip(rows, self.expected(), strict=True):
            found = {key: row[key] for key in expected}
            assert flat(found) == pytest.approx(flat(expected), rel=1e-4, abs=1e-5)


def flat(value, name=""):
    """Returns what a tree of JSON holds by the way to it; numbers as such, all else as a number of its own."""
    if isinstance(value, dict):
        return {key: item for name_, each in value.items() for key, item in flat(each, f"{name}.{name_}").items()}
    if isinstance(value, list | tuple | np.ndarray):
        return {key: item for place, each in enumerate(value) for key, item in flat(each, f"{name}[{place}]").items()}
    return {f"{name}={value}": 1} if isinstance(value, str) else {name: value}


@pytest.fixture(scope="module")
def walk(request, tensorflow, tmp_path_factory):
    recipe = RECIPES[request.param]
    with pytest.MonkeyPatch.context() as patch, at_home():
        folder = tmp_path_factory.mktemp("walk")
        patch.setenv("DLTRAIN_CACHE", str(folder / "cache"))
        yield Walk(recipe, folder)
    logging.getLogger("dltrain").handlers.clear()  # which write to a log in this folder


def dltrain(*words, code=0, given=None):
    """Runs a command in this process; returns what it printed."""
    result = CliRunner().invoke(app, [*map(str, words)], input=given)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result


TAKE_TRUST = ("check", "inspect", "preview", "fit", "eval", "predict", "export", "report", "show")


def answer(command, *words, code=0, given=None):
    """Returns the JSON that a command prints."""
    trust = ("--trust",) if command in TAKE_TRUST else ()
    return json.loads(dltrain(command, *words, *trust, "--json", code=code, given=given).stdout)


@walks("check")
def test_check_takes_the_config_and_names_a_key_that_is_wrong(walk):
    (found,) = answer("check", walk.config)["configs"]
    assert (found["good"], found["problems"]) == (True, [])
    wrong = walk.config.with_name("wrong.yaml")
    wrong.write_text(walk.config.read_text().replace("dataset: {", "dataset: {strnge: 1, "))
    (found,) = answer("check", wrong, code=2)["configs"]
    assert not found["good"]
    assert "strnge" in str(found["problems"])


@walks("show")
def test_show_has_every_default_and_the_layers(walk):
    text = dltrain("show", walk.config, "--trust").output
    parameters = walk.fit()["parameters"]
    keys = [key for block in ("dataset", "model") for key in yaml.safe_load(walk.run.config.read_text())[block]]
    assert [key for key in keys if f"{key}:" not in text] == []
    assert f"{parameters:,}" in text


@walks("inspect")
def test_inspect_counts_the_examples_and_finds_those_that_are_there_twice(walk):
    found = answer("inspect", walk.config)
    assert found["examples"] == walk.recipe.counts
    assert not {"leak", "duplicates"} & {each["kind"] for each in found["findings"]}
    twice = walk.folder / "twice"
    twice.mkdir()
    walk.recipe.write(twice, COPIES)
    shutil.copy(walk.config, twice)
    found = answer("inspect", twice / "walk.yaml")
    doubles = [each for each in found["findings"] if each["kind"] in ("leak", "duplicates")]
    assert sum(int(each["message"].split()[0]) for each in doubles) == COPIES


@walks("preview")
def test_preview_draws_examples(walk):
    out = walk.folder / "preview.png"
    found = answer("preview", walk.config, "--out", out)
    assert sum(found["examples"].values()) == sum(walk.recipe.counts.values())
    assert found["shown"] > 0
    assert out.read_bytes().startswith(b"\x89PNG")


@walks("fit")
def test_fit_learns_and_leaves_a_run_that_explains_itself(walk):
    summary = walk.fit()
    assert (summary["status"], summary["epochs"]) == ("finished", 8)
    rows = walk.run.read_metrics()
    assert float(rows[-1][walk.recipe.falls]) < walk.recipe.falls_to * float(rows[0][walk.recipe.falls])
    for part in ("validation", "test"):
        assert {name for name, value in summary[part].items() if value is None} == {*walk.recipe.undefined}
        assert all(math.isfinite(value) for name, value in summary[part].items() if value is not None)
    assert answer("check", walk.run.config)["configs"][0]["good"]
    trained = walk.network().trainable_weights
    assert sum(math.prod(weight.shape) for weight in trained) == summary["parameters"]


def arrays(run):
    with np.load(run.checkpoints / "last.npz") as file:
        return {name: file[name] for name in file.files if not name.endswith(".json")}  # where the seconds are


def rows_of(run):
    return [{key: value for key, value in row.items() if key != "seconds"} for row in run.read_metrics()]


def are_same(one, other):
    """Makes sure that two runs end with the same bits."""
    found, wanted = arrays(one), arrays(other)
    assert found.keys() == wanted.keys()
    assert [name for name in wanted if not np.array_equal(found[name], wanted[name])] == []
    assert rows_of(one) == rows_of(other)


class Killed(BaseException):
    """What nothing expects."""


@walks("resume")
def test_a_run_that_was_cut_within_an_epoch_ends_with_the_same_bits(walk, monkeypatch):
    from dltrain.engine.compiled_loop import Engine

    original = Engine.train

    def train(self, feed, done, count):
        if done + count > CUT:
            raise Killed
        return original(self, feed, done, count)

    whole = walk.fit()
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Engine, "train", train)
        dltrain("fit", walk.config, "--runs", walk.folder / "cut", "--quiet", "--trust")
    cut = Run(walk.folder / "cut" / "walk-001")
    summary = answer("fit", "--resume", cut.path)
    assert summary["steps"] == whole["steps"]
    are_same(cut, walk.run)


@walks("kill", only=("beads",))
def test_a_process_that_is_killed_resumes_to_the_same_bits(walk):
    walk.fit()
    runs = walk.folder / "killed"
    command = [sys.executable, "-m", "dltrain", "fit", walk.config, "--runs", runs, "--quiet", "--trust"]
    process = subprocess.Popen(
        [*map(str, command)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    run = Run(runs / "walk-001")
    deadline = time.monotonic() + 60
    while not (run.checkpoints / "last.npz").exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    words = process.communicate()[1].decode()
    assert process.returncode == -signal.SIGKILL, words
    assert not run.summary.exists() or json.loads(run.summary.read_text())["status"] != "finished"
    answer("fit", "--resume", run.path)
    are_same(run, walk.run)


@walks("eval")
def test_eval_measures_what_the_answers_say(walk):
    walk.fit()
    found = answer("eval", walk.run.path)
    rows = answer("predict", walk.run.path, "--split", "test")["predictions"]
    assert found["examples"] == len(rows) == walk.recipe.counts["test"]
    name, value = walk.recipe.measure(rows)
    assert found["metrics"][name] == pytest.approx(value, rel=1e-4)
    assert found["metrics"] == pytest.approx(walk.fit()["test"], rel=1e-5)


@walks("predict")
def test_predict_answers_as_the_network_does(walk):
    walk.fit()
    found = answer("predict", walk.run.path, *walk.recipe.asked(walk.folder))
    assert (found["examples"], found["failed"]) == (len(walk.recipe.instances(walk.folder)), 0)
    walk.is_answered(found["predictions"])
    one = answer("predict", walk.run.path, *walk.recipe.asked(walk.folder), "--batch-size", "1")
    walk.is_answered(one["predictions"])


@walks("stdin")
def test_predict_reads_standard_input(walk):
    walk.fit()
    found = answer("predict", walk.run.path, "-", given=walk.recipe.lines(walk.folder))
    walk.is_answered(found["predictions"])


def client(walk):
    testclient = pytest.importorskip("fastapi.testclient", reason="pip install 'dltrain[serve]' httpx")
    from dltrain.console import Reporter
    from dltrain.inference import prediction
    from dltrain.serving import app as serving
    from dltrain.serving.gate import LOOPBACK

    walk.fit()
    predictor = prediction.load(walk.run, "best", Reporter(quiet=True))
    serving.warm(predictor)
    gate = serving.create(predictor, walk.run.name, LOOPBACK, 1_000_000, 32)
    return testclient.TestClient(gate, base_url="http://127.0.0.1:8000")


@walks("serve")
def test_serve_answers_as_predict_does(walk):
    asked = client(walk)
    reply = asked.post("/predict", json={"instances": walk.recipe.instances(walk.folder)})
    assert reply.status_code == 200, reply.text
    walk.is_answered(reply.json()["predictions"])
    assert asked.get("/health").json()["status"] == "ok"
    wrong = asked.post("/predict", json={"instances": [7, walk.recipe.instances(walk.folder)[0]]})
    assert ["error" in row for row in wrong.json()["predictions"]] == [True, False]


@walks("notices", only=("beads",))
def test_what_was_noticed_of_an_example_is_in_its_answer_and_counted(walk):
    walk.fit()
    noticed = [None, None, None, ["unknown colours: X"]]
    done = dltrain("predict", walk.run.path, *walk.recipe.asked(walk.folder), "--trust", "--json")
    assert [row.get("notices") for row in json.loads(done.stdout)["predictions"]] == noticed
    first = f"{walk.folder / 'asked.txt'}:4: unknown colours: X"
    assert f"notice: in 1 of 4 examples: unknown colours: X; the first {first}\n" in done.stderr
    reply = client(walk).post("/predict", json={"instances": walk.recipe.instances(walk.folder)})
    assert [row.get("notices") for row in reply.json()["predictions"]] == noticed


@walks("page")
def test_the_servers_page_asks_for_what_the_network_takes(walk):
    page = client(walk).get("/")
    assert page.status_code == 200
    assert walk.run.name in page.text
    assert "<script>" in page.text


def reopened(form, path, inputs):
    """Returns the outputs of an exported network, in the runtime that it is for.

    Args:
        form: the name of the format.
        path: what was written.
        inputs: an array; a dict of such by name where the network has several inputs.
    """
    if form == "keras":
        import keras

        return keras.models.load_model(path, compile=False).predict(inputs, verbose=0)
    if form == "saved_model":
        import tensorflow

        loaded = tensorflow.saved_model.load(str(path))  # whose variables live as long as it does
        return loaded.serve(tensorflow.nest.map_structure(tensorflow.constant, inputs)).numpy()
    onnxruntime = pytest.importorskip("onnxruntime", reason="pip install 'dltrain[onnx]'")
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    given = inputs if isinstance(inputs, dict) else {session.get_inputs()[0].name: inputs}
    return session.run(None, given)[0]


def ends_alike(walk, inputs, folder):
    """Makes sure that an exported network, in its own runtime, ends in what the run's does."""
    walk.fit()
    words = [word for form in FORMATS for word in ("--format", form)]
    found = answer("export", walk.run.path, *words, "--logits", "-o", folder)
    assert [each["format"] for each in found["exports"]] == [*FORMATS]
    assert walk.run.name in Path(found["card"]).read_text()
    expected = walk.network().predict(inputs, verbose=0)
    for each in found["exports"]:
        assert each["difference"] <= each["limit"]
        for some in (inputs, taken(inputs, slice(1))):
            outputs = reopened(each["format"], each["path"], some)
            assert outputs == pytest.approx(expected[: len(outputs)], rel=1e-4, abs=1e-5), each["format"]
        assert len(outputs) == 1


@walks(
    "export",
    only=(
        "beads",
        "pairs",
        "image_folder",
        "hidden tokens",
        "documents",
        "conll",
        "csv of numbers",
        "time_series",
        "ts files",
    ),
)
def test_exports_end_in_what_the_network_does(walk, tmp_path):
    ends_alike(walk, taken(walk.recipe.tensors(walk.folder), slice(2)), tmp_path / "exports")


@walks("corners", only=("beads", "csv of numbers"))
def test_exports_end_in_the_same_for_what_training_did_not_have(walk, tmp_path):
    ends_alike(walk, walk.recipe.tensors(walk.folder)[2:], tmp_path / "exports")


@walks("report")
def test_report_writes_a_page(walk):
    walk.fit()
    found = answer("report", walk.run.path)
    assert found["missing"] == []
    page = (walk.run.path / "report.html").read_text()
    assert walk.run.name in page
    assert found["bytes"] == len(page.encode())
    found = walk.fit()["test"]
    assert metric(next(found[name] for name in ("loss", *found) if found[name] is not None)) in page


@walks("compare")
def test_compare_finds_no_difference_between_a_run_and_its_copy(walk):
    walk.fit()
    copy = walk.run.path.with_name("walk-002")
    shutil.copytree(walk.run.path, copy)
    found = answer("compare", "walk-001", "walk-002", "--no-png", "--runs", walk.run.path.parent)
    shutil.rmtree(copy)
    assert found["config"] == {}
    means = {
        each["metric"]: [group["mean"] for group in each["groups"]]
        for each in found["metrics"]
        if each["part"] == "test"
    }
    known = walk.fit()["test"].items()
    assert means == {name: [value, value] for name, value in known if name not in walk.recipe.undefined}


@walks("init")
def test_init_writes_a_config_that_is_good(walk):
    target = ("--target", "y") if walk.recipe.source == "table.csv" else ()
    if walk.recipe.plugins:
        answer("check", walk.config)  # which loads the plugin
    out = walk.folder / "begun.yaml"
    found = answer("init", walk.folder / walk.recipe.source, "-o", out, *target)
    assert found["config"] == str(out)
    name = f"name: {walk.recipe.config.split('dataset: {name: ')[1].split(',')[0]}"
    assert name in out.read_text().split("model:")[0]
    assert answer("check", out)["configs"][0]["good"]


@walks("colours", only=("beads",))
def test_a_run_gives_its_features_to_other_data(walk):
    """Nothing is learnt anew: the other file has its colours in other shares, and one that the run does not know."""
    walk.fit()
    other = walk.folder / "other.beads"
    other.write_text("".join(f"{string} {'0' * len(string)}\n" for string in ASKED))
    found = answer("eval", walk.run.path, f"dataset.path={other}")
    rows = [
        {ACTUAL: "0" * len(string), "probabilities": sigmoid(row)}
        for string, row in zip(ASKED, bead_outputs(walk.network(), walk.folder), strict=True)
    ]
    assert found["metrics"]["loss"] == pytest.approx(bead_loss(rows)[1], rel=1e-4)


def test_no_registered_feature_is_without_a_recipe():
    own = {name for name in registry.FEATURES.names() if registry.FEATURES[name].__module__.startswith("dltrain.")}
    walked = {name for recipe in RECIPES.values() if not recipe.plugins for name in recipe.features}
    assert own == walked


def loaded(stem):
    """Returns the classes that a plugin registers, by their kind."""
    plugins.trusts_all = True
    plugins.load([PLUGINS / f"{stem}.py"], "test_walk.py")
    own = {each.kind: [cls for cls in map(each.__getitem__, each.names()) if cls.__module__ == stem] for each in KINDS}
    return {kind: found for kind, found in own.items() if found}


WRITTEN = {
    "marks": {"shape", "dtype", "encode", "decode"},
    "beads": {"shape", "dtype", "encode", "decode", "colours", "fit"},
    "same_neighbour": {"accepts", "output_shape", "loss", "inference", "answers"},
}
"""All that the modality of the test has to write; beads learn their colours, too."""


def own_names(cls):
    """Returns what a class writes itself, without what dataclasses and the registry add."""
    written = next(each for each in cls.__mro__ if each.__module__ == cls.__module__)
    names = {name for each in cls.__mro__ if each.__module__ == written.__module__ for name in vars(each)}
    return {name for name in names if not name.startswith("_")} - {"registered_name"}


@pytest.fixture
def home(tensorflow):
    with at_home():
        yield


@pytest.mark.parametrize(("kind", "name"), [("feature", "marks"), ("feature", "beads"), ("task", "same_neighbour")])
def test_a_feature_writes_four_names_and_a_task_five(home, kind, name):
    found = {cls.registered_name: cls for cls in loaded("beads")[kind]}
    assert own_names(found[name]) == WRITTEN[name]


@pytest.mark.parametrize("strings", [["RGGB", "B"], ["R?"], ["YYYYYYYYYYYYYYYYYYYY"]])
def test_beads_come_back_as_they_went_in(home, strings):
    features = {cls.registered_name: cls for cls in loaded("beads")["feature"]}
    beads = features["beads"]().fit([["RG"], ["BY"]])
    assert beads.decode(beads.encode(strings).stored) == strings
    assert beads.of_plain(json.loads(json.dumps(beads.plain()))) == beads
    assert beads.encode(["X", 3, "", "RG"]).problems.keys() == {1, 2}
    assert beads.encode(["X", 3, "", "RG"]).notices.keys() == {0}
    marks = features["marks"]()
    assert marks.decode(marks.encode(["0110", "0"]).stored) == ["0110", "0"]


STUBS = {
    "detection": "",
    "masked_language": "",
    "speaker_embedding": "",
    "scaled_windows": "",
}
"""Files that declare signatures, and why the contract is too narrow for them; none where it is not.

What they do at work is in test_micro_tasks.py.
"""


def declared(stem):
    return pytest.param(stem, marks=[pytest.mark.xfail(strict=True, reason=STUBS[stem])] if STUBS[stem] else [])


@pytest.mark.parametrize("stem", [*map(declared, STUBS)])
def test_the_contract_has_all_that_a_stub_declares(home, stem):
    """No name, and no parameter, that the base class of its kind lacks."""
    found = loaded(stem)
    assert {"task"} <= found.keys()
    for classes_ in found.values():
        for cls in classes_:
            bases = [each for each in cls.__mro__ if each.__module__.startswith("dltrain.")]
            base = next(each for each in bases if each.__name__ in ("Feature", "Task", "Augmentation", "Change"))
            fields = {field.name for field in dataclasses.fields(cls)}
            for name in own_names(cls):
                assert name in fields or any(name in vars(each) or name in annotations(each) for each in bases), name
                written, wanted = getattr(cls, name), getattr(base, name, None)
                if inspect.isfunction(written) and inspect.isfunction(wanted):
                    assert [*inspect.signature(written).parameters] == [
                        each.name
                        for each in inspect.signature(wanted).parameters.values()
                        if each.kind is not each.VAR_KEYWORD
                    ], f"{stem}: {cls.__name__}.{name}"


def annotations(cls):
    return vars(cls).get("__annotations__", {})


@pytest.mark.parametrize("name", ["beads", "pairs"])
def test_a_network_for_one_input_of_one_shape_refuses_others(home, name, tmp_path):
    recipe = RECIPES[name]
    recipe.write(tmp_path, 0)
    config = tmp_path / "mlp.yaml"
    before, _, task = recipe.config.partition("model: ")
    config.write_text(f"{before}{MLP}\n{task.partition(chr(10))[2]}\n{TAIL}")
    (found,) = answer("check", config, code=2)["configs"]
    assert "mlp needs one input whose examples are of one shape" in str(found["problems"])
