"""Makes a run's folder as this version leaves it, with its data and what eval and predict say of it today.

    python tests/old_runs/make.py VERSION [NAME ...]      # into tests/old_runs/VERSION; without NAME, all of them

A folder, once committed, is never made again: `tests/test_old_runs.py` asks later versions about it.
"""

import csv
import json
import os
import sys
from pathlib import Path

import numpy as np
from typer.testing import CliRunner

from dltrain.cli import app

SHORT = """\
optimizer: {name: adam, learning_rate: 0.01}
train: {epochs: 2, batch_size: 8}
checkpoint: {keep: 2}
report: false
"""
CONFIGS = {
    "images": """\
dataset: {name: digits, test_fraction: 0.5, validation_fraction: 0.2}
augment: [{name: pad_and_crop, padding: 1}]
model: {name: cnn, stages: [{filters: 4, batch_normalization: before, pool: max}], dense: [8]}
task: {name: classification, label_smoothing: 0.1}
schedule: {name: cosine, warmup_epochs: 1}
""",
    "table": """\
dataset: {name: csv, path: data/table.csv, target: grade, one_hot_up_to: 5, words: 6}
model: {name: mlp, units: [8], dropout: 0.2}
task: {name: classification, class_weights: balanced}
""",
    "numbers": """\
dataset: {name: csv, path: data/table.csv, target: [price, size], kind: numbers, ignore: [said, day], weight: weight}
model: {name: mlp, units: [8], normalization: layer}
""",
    "labels": """\
dataset: {name: csv, path: data/table.csv, target: [warm, far], kind: labels, split: part, ignore: [said, key]}
model: {name: mlp, units: [8]}
""",
    "arrays": """\
dataset: {name: npz, path: data/arrays.npz}
model: {name: mlp, units: [8]}
""",
    "folder": """\
dataset: {name: image_folder, path: data, size: [8, 6], resize: fit}
augment: [{name: flip}]
model: {name: mlp, units: [4]}
""",
}
COUNT = 90


def row(number: int) -> dict[str, object]:
    grade = "abc"[(number + number // 7) % 3]
    return {
        "key": f"key-{number:03}",
        "size": (number * 37 % 101) / 10,
        "room": ["kitchen", "hall", "", "bath"][number % 4],
        "street": f"street {number % 13}",
        "age": "" if number % 9 == 0 else number * 7 % 50,
        "day": "" if number % 17 == 0 else f"2021-{number % 12 + 1:02}-{number % 28 + 1:02}",
        "said": f"a {'bright' if grade == 'a' else 'dark'} place with {'a view' if number % 2 else 'no window'} indeed",
        "weight": 1 + number % 3,
        "part": ["train", "train", "train", "validation", "test"][number % 5],
        "warm": int(number % 3 == 0),
        "far": int(number % 5 < 2),
        "price": 100 + number * 13 % 71,
        "grade": grade,
    }


def write_table(path: Path, numbers: range, **others: object) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, row(0), lineterminator="\n")
        writer.writeheader()
        writer.writerows(row(number) | others for number in numbers)


def write_data(name: str, folder: Path) -> str:
    """Writes what the run learns from and what it is asked about; returns the path of the latter."""
    random = np.random.RandomState(0)
    if name in ("table", "numbers", "labels"):
        write_table(folder / "table.csv", range(COUNT))
        write_table(folder / "asked.csv", range(200, 204), room="attic", age="")
        return "data/asked.csv"
    if name == "arrays":
        labels = np.arange(COUNT) % 3
        inputs = random.normal(labels[:, None], 1.0, (COUNT, 5)).astype(np.float32)
        np.savez_compressed(folder / "arrays.npz", x=inputs, y=labels)
        np.save(folder / "asked.npy", inputs[:3] + 0.5)
        return "data/asked.npy"
    if name == "images":
        np.save(folder / "asked.npy", random.randint(0, 256, (3, 8, 8)).astype(np.uint8))
        return "data/asked.npy"
    import tensorflow as tf

    for part, count in (("train", 6), ("test", 2)):
        for label, kind in enumerate(("dark", "light")):
            (folder / part / kind).mkdir(parents=True)
            for number in range(count):
                pixels = random.randint(100 * label, 100 * label + 150, (10 + number, 9, 3)).astype(np.uint8)
                (folder / part / kind / f"{number}.png").write_bytes(tf.io.encode_png(pixels).numpy())
    return "data/test"


def ask(*words: str) -> str:
    """Returns what a command prints on standard output."""
    done = CliRunner().invoke(app, list(words), catch_exceptions=False)
    if done.exit_code:
        raise SystemExit(f"dltrain {' '.join(words)}: {done.output}")
    return done.stdout


def make(name: str, folder: Path) -> None:
    (folder / "data").mkdir(parents=True)
    os.chdir(folder)
    asked = write_data(name, folder / "data")
    Path(f"{name}.yaml").write_text(CONFIGS[name] + SHORT)
    ask("fit", f"{name}.yaml", "--quiet")
    answers = {
        "eval": json.loads(ask("eval", f"{name}-001", "--json")),
        "asked": asked,
        "predict": json.loads(ask("predict", f"{name}-001", asked, "--json"))["predictions"],
        "test": json.loads(ask("predict", f"{name}-001", "--split", "test", "--json"))["predictions"][:4],
    }
    run = folder / "runs" / f"{name}-001"
    for path in run.rglob("*"):
        if path.name in ("log.txt", ".lock"):
            path.unlink()
    (run / "config.yaml").write_text((run / "config.yaml").read_text().replace(f"{folder}/", "../../"))
    environment = run / "environment.json"
    words = {"command": ["dltrain", "fit", f"{name}.yaml"], "platform": "Linux", "git": None}
    known = json.loads(environment.read_text()) | words
    environment.write_text(json.dumps(known, indent=2) + "\n")
    Path("said.json").write_text(json.dumps(answers, indent=1).replace(f"{folder}/", "") + "\n")


if __name__ == "__main__":
    for each in sys.argv[2:] or CONFIGS:
        make(each, Path(__file__).resolve().parent / sys.argv[1] / each)
