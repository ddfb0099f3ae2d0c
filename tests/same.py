"""Whether two checkouts do the same: every config of `configs/` that runs offline, and each command on its run.

So do the configs of `tests/old_runs`, on the data that lie beside them, and some variants of what is in `configs/`.

    python tests/same.py REV                     # REV against the working tree
    python tests/same.py REV REV2 --text         # two revisions; differences of text fail too
    python tests/same.py HEAD --only iris cnn --quick
    python tests/same.py HEAD --list

Each checkout works in an empty folder of its own with the same relative paths, one after the other, with the
interpreter that runs this script. `--quick` does without all commands but fit, eval, predict and --resume.

Numbers are compared bit for bit: exit codes, the arrays of checkpoints and of model.keras, metrics.csv but for its
seconds, summary.json but for its times, what eval says and predict answers. A difference there ends in exit code 1.
All other files and all that is printed is text: times, speeds, paths and versions are taken out, differences are shown
as diffs, and fail only with `--text`. A summary may say which way its metrics are better.

A config that both refuse in the same way is skipped, with what they said: data that are downloaded (every address is
refused here), or not there. Data of `datasets make` are made first, by each checkout.
"""

import argparse
import csv
import difflib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import yaml

ROOT = Path(__file__).resolve().parents[1]
OLD = ROOT / "tests" / "old_runs" / "0.1.0"
QUICK = ("fit", "eval", "predict", "resume")
STAGES = "stages=[{epochs: 1, image_size: 4, train_from: head}, {learning_rate: 0.001}]"
MIXED = "augment=[{name: flip}, {name: rotate}, {name: noise}, {name: mixup}, {name: cutmix}]"
VARIANTS = {
    "resnet-stages": ("resnet", [STAGES, "optimizer.ema_momentum=0.9"]),
    "cnn-mixed": ("cnn", [MIXED, "task.name=classification", "task.class_weights=balanced"]),
    "mlp-accumulate": ("mlp", ["train.accumulate_steps=2", "train.oversample=true", "train.precision=mixed_bfloat16"]),
    "iris-monitor": ("iris", ["dataset.validation_fraction=0.2", "checkpoint.monitor=val_accuracy"]),
    "lenet5-student": ("lenet5", ["teacher.run=lenet5", "teacher.temperature=2.0"]),
}
"""What no config of `configs/` asks for: the config that it is made of, and what is changed in it."""

WHEN = re.compile(r"second|minute|duration|elapsed|speed|time$|_ms$|started|ended|memory|command|^git$|^dltrain$")
"""Names of JSON's keys and of columns whose values differ from day to day."""

DIRECTIONS = {"monitor", "larger_is_better"}
"""Keys of a summary that say which way a metric is better: an earlier version does not have them."""

NOISE = [
    (re.compile(r"^(?:[IWE]0000 |WARNING: All log messages before).*\n", re.M), ""),
    (re.compile(r"\x1b\[[0-9;]*m"), ""),
    (re.compile(r'"(\w+)": (?:-?[\d.e+-]+|"[^"]*"|null)'), lambda m: f'"{m[1]}": T' if WHEN.search(m[1]) else m[0]),
    (re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?)?(?:[.+]\S+)?"), "DATE"),
    (re.compile(r"\b\d+(?::\d\d)+\b"), "T"),
    (re.compile(r"^input,truth\b", re.MULTILINE), "input,actual"),  # a column of predict, renamed in 0.2.0
    (re.compile(r"[\d.,]+ ?(?:k|M)?(?= ?examples/s)"), "N"),
    (re.compile(r"\b[\d.,]+ ?(?:ns|us|µs|ms|s|min|h|seconds?|minutes?|hours?)\b"), "T"),
    (re.compile(r"\b[\d.,]+ ?(?:k|M|G)(?:B|iB|FLOP)/s"), "N"),
    (re.compile(r"(?<=per second</td><td>)[\d.,]+"), "N"),
    (re.compile(r"\b[\d.,]+ (?:kB|MB|GB|bytes)\b|(?<=onnx \| )[\d,]+|(?<=\"bytes\": )\d+"), "SIZE"),
    (re.compile(r"dltrain \d+\.\d+\.\d+\S*"), "dltrain VERSION"),
    (re.compile(r"[ ─━═]{2,}"), "  "),
]


class Checkout:
    """One side: where its code lies, and the folder that it works in."""

    def __init__(self, name: str, code: Path, work: Path) -> None:
        self.name, self.code, self.work = name, code, work
        work.mkdir()
        dead = "http://127.0.0.1:9"  # nothing listens there: what would be downloaded is refused at once
        proxies = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), dead)
        own = {"PYTHONPATH": str(code), "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "100", "NO_COLOR": "1"}
        self.environment = os.environ | proxies | own | {"KERAS_HOME": str(work.parent / "no-keras-home")}

    def run(self, *words: str) -> tuple[int, str, str]:
        """Returns exit code, standard output and standard error of `dltrain WORDS`."""
        command = [sys.executable, "-m", "dltrain", *words]
        done = subprocess.run(command, cwd=self.work, env=self.environment, capture_output=True, text=True)
        return done.returncode, self.plain(done.stdout), self.plain(done.stderr)

    def plain(self, text: str) -> str:
        """Returns text without what differs from day to day and from folder to folder."""
        text = text.replace(str(self.work), "WORK").replace(str(self.code), "CODE")
        for pattern, replacement in NOISE:
            text = pattern.sub(replacement, text)
        return text


def checkout(revision: str | None, folder: Path) -> Checkout:
    """Returns a side: an export of the revision, or the working tree where there is none."""
    if revision is None:
        return Checkout("working tree", ROOT, folder.with_name("work2"))
    folder.mkdir()
    archive = subprocess.run(["git", "archive", revision], cwd=ROOT, capture_output=True, check=True).stdout
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive, check=True)
    return Checkout(revision, folder, folder.with_name(f"work{folder.name}"))


def configs(folder: Path) -> dict[str, tuple[Path, list[str], dict[str, Any]]]:
    """Returns what to run by its name: the file, what is changed in it, what it says; first what others need."""
    paths = sorted([*folder.glob("*.yaml"), *folder.glob("old/*/*.yaml")])
    found = {path.stem: (path, [], yaml.safe_load(path.read_text())) for path in paths}
    found = {name: (path, ["name=" + name] * ("name" in said), said) for name, (path, _, said) in found.items()}
    for name, (base, changes) in VARIANTS.items():
        path, _, said = found[base]
        found[name] = path, [f"name={name}", *changes], said
    needed = {needs(*each[1:]) for each in found.values()}
    return dict(sorted(found.items(), key=lambda item: item[0] not in needed))


def needs(changes: list[str], said: dict[str, Any]) -> str | None:
    """Returns the name of the run that a config begins with or learns from."""
    teachers = [change.partition("=")[2] for change in changes if change.startswith("teacher.run=")]
    return teachers[0] if teachers else said["model"].get("weights")


def small(said: dict[str, Any], epochs: int) -> list[str]:
    """Returns what makes a run short: seconds for each config."""
    warmup = ["schedule.warmup_epochs=1"] if said.get("schedule", {}).get("warmup_epochs", 0) > 1 else []
    return [f"train.epochs={epochs}" if "epochs" in said["train"] else f"train.steps={10 * epochs}", *warmup]


def walk(name: str, config: str, changes: list[str], said: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """Returns each command of the walk, `fit` first: a name and its words."""
    run, experiment = f"{name}-001", [config, *changes, *small(said, 2)]
    longer = [change for change in small(said, 3) if change.startswith("train.")]
    return [
        ("fit", ["fit", *experiment]),
        ("check", ["check", config]),
        ("show config", ["show", *experiment]),
        ("explain", ["show", "--no-layers", "--explain", *experiment]),
        ("inspect", ["inspect", *experiment]),
        ("inspect json", ["inspect", "--json", *experiment]),
        ("preview", ["preview", *experiment]),
        ("lr-find", ["lr-find", "--json", *experiment]),
        ("show run", ["show", run]),
        ("eval", ["eval", "--json", run]),
        ("eval train", ["eval", run, "--split", "train", "--checkpoint", "last"]),
        ("predict", ["predict", run, "--split", "test", "--format", "csv"]),
        ("predict table", ["predict", run, "--split", "train"]),
        ("report", ["report", run]),
        ("export", ["export", run, "--format", "keras", "--format", "onnx"]),
        ("verify", ["verify", run, "--steps", "5"]),
        ("reproduce", ["reproduce", run]),
        ("runs", ["runs"]),
        ("resume", ["fit", "--resume", run, *longer]),
        ("eval resumed", ["eval", "--json", run]),
        ("compare", ["compare", run, run.replace("-001", "-002"), "--no-png"]),
    ]


def as_numbers(path: Path) -> Any:
    """Returns what of a file must be the same bits, as something to compare; none where it is text."""
    if path.suffix == ".npz":
        arrays = np.load(path)
        kept = {key: arrays[key] for key in arrays if key != "dltrain.json"}
        return {key: (str(array.dtype), array.shape, array.tobytes()) for key, array in kept.items()}
    if path.suffix == ".keras":
        seen: dict[str, Any] = {}
        with zipfile.ZipFile(path) as parts, h5py.File(io.BytesIO(parts.read("model.weights.h5"))) as file:
            file.visititems(
                lambda key, item: seen.update({key: bytes(item[()].tobytes())} if hasattr(item, "dtype") else {})
            )
            return seen | {"config": re.sub(rb'"shared_object_id": \d+', b"", parts.read("config.json"))}
    if path.suffix == ".onnx":  # the file itself says where the code lay that wrote it
        import onnx

        graph = onnx.load(path).graph
        weights = {array.name: array.raw_data or array.SerializeToString() for array in graph.initializer}
        return weights | {"operations": [(node.op_type, *node.output) for node in graph.node]}
    if path.name == "metrics.csv":
        rows = list(csv.DictReader(path.open()))
        return {f"row {row}": [(k, v) for k, v in each.items() if not WHEN.search(k)] for row, each in enumerate(rows)}
    if path.name == "summary.json":
        summary = json.loads(path.read_text())
        return timeless({key: value for key, value in summary.items() if key not in DIRECTIONS})
    return None


def timeless(value: Any) -> Any:
    """Returns JSON without times."""
    if isinstance(value, dict):
        return {key: timeless(each) for key, each in value.items() if not WHEN.search(key)}
    return [timeless(each) for each in value] if isinstance(value, list) else value


def as_text(path: Path, side: Checkout) -> str:
    """Returns the text of a file without what differs from day to day; of others, a word for their bytes."""
    if path.suffix == ".npz":
        return side.plain(json.dumps(json.loads(np.load(path)["dltrain.json"].tobytes()), indent=1))
    try:
        return side.plain(path.read_text())
    except UnicodeDecodeError:
        return f"{len(path.read_bytes())} bytes, {hash(path.read_bytes()):x}"


def differences(one: Any, two: Any) -> str:
    """Returns which keys of two dictionaries differ, or that the values do."""
    if not (isinstance(one, dict) and isinstance(two, dict)):
        return "differs"
    keys = [key for key in one | two if one.get(key) != two.get(key)]
    return f"{', '.join(keys[:4])}{' ...' if len(keys) > 4 else ''} of {len(one | two)}"


def diff(one: str, two: str, what: str, names: list[str]) -> str:
    lines = difflib.unified_diff(
        one.splitlines(), two.splitlines(), f"{what} ({names[0]})", f"{what} ({names[1]})", n=1, lineterm=""
    )
    return "\n".join(line[:300] for line in list(lines)[:60])


def compare(
    name: str, sides: list[Checkout], commands: list[tuple[str, list[str]]]
) -> tuple[str, list[str], list[str]]:
    """Runs the commands on both sides; returns why it was skipped, differences in numbers, and in text."""
    numbers, texts, names = [], [], [side.name for side in sides]
    before = [files(side.work) for side in sides]
    for what, words in commands:
        (code, out, err), (code2, out2, err2) = (side.run(*words) for side in sides)
        if code != code2:
            numbers.append(f"{what}: exit code {code}, then {code2}: {(err2 or out2).strip()[-500:]}")
        if what.startswith("eval") and "--json" in words or what == "predict":
            numbers += [f"{what}: {diff(out, out2, what, names)}"] if out != out2 else []
        texts += [
            diff(*pair, f"dltrain {' '.join(words)}", names)
            for pair in ((out, out2), (err, err2))
            if pair[0] != pair[1]
        ]
        if what == "fit" and code == code2 != 0:
            why = err.strip().splitlines()[0] if code == 2 else err.strip()[-300:]
            if code != 2 or name in VARIANTS:  # nothing was compared, though it should have been
                numbers.append(f"fit ends with {code} on both sides: {why}")
            return why, numbers, texts
        if code == code2 != 0:
            print(f"  {name}: {what} ends with {code} on both sides: {err.strip().splitlines()[-1:]}")
    made = [
        {path for path, when in files(side.work).items() if old.get(path) != when}
        for side, old in zip(sides, before, strict=True)
    ]
    for path in sorted(made[0] ^ made[1]):
        holds_numbers = as_numbers(sides[path not in made[0]].work / path) is not None
        (numbers if holds_numbers else texts).append(f"{path} is on one side alone")
    for path in sorted(made[0] & made[1]):
        one, two = (as_numbers(side.work / path) for side in sides)
        if one != two:
            numbers.append(f"{path}: {differences(one, two)}")
        # An SVG has names that are drawn. What the other checkpoints say beside arrays is much the same.
        if path.name == "last.npz" or (one is None and path.suffix != ".svg"):
            one, two = (as_text(side.work / path, side) for side in sides)
            texts += [diff(one, two, str(path), names)] if one != two else []
    return "", numbers, texts


def files(work: Path) -> dict[Path, int]:
    found = (
        path
        for folder in work.iterdir()
        if folder.name not in ("configs", "data")
        for path in [folder, *folder.rglob("*")]
    )
    return {
        path.relative_to(work): path.stat().st_mtime_ns for path in found if path.is_file() and path.name != ".lock"
    }


def make_data(sides: list[Checkout], paths: list[Path]) -> list[str]:
    """Makes what configs look for in ../data, on both sides; returns what is made differently."""
    samples = json.loads(subprocess_output(sides[0], "datasets", "make", "--json"))["samples"]
    wanted = set(re.findall(r"\.\./data/(\w+)", "".join(path.read_text() for path in paths)))
    problems = []
    for folder in sorted(wanted):
        for sample in (each for each in (folder, f"{folder}_csv") if each in samples):
            for side in sides:
                subprocess_output(side, "datasets", "make", sample, f"data/{folder}")
            made = [
                {p.relative_to(s.work): p.read_bytes() for p in (s.work / "data" / folder).rglob("*") if p.is_file()}
                for s in sides
            ]
            problems += [f"datasets make {sample}: {differences(*made)}"] if made[0] != made[1] else []
    return problems


def subprocess_output(side: Checkout, *words: str) -> str:
    code, out, err = side.run(*words)
    if code:
        sys.exit(f"{side.name}: dltrain {' '.join(words)}: {err}")
    return out


def main() -> int:
    """Compares, prints a line per config, and returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("revisions", nargs="+", metavar="REV", help="one, or two; the second is the working tree")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="these configs and variants alone")
    parser.add_argument("--quick", action="store_true", help=f"{', '.join(QUICK)} alone")
    parser.add_argument("--text", action="store_true", help="text that differs fails too")
    parser.add_argument("--list", action="store_true", help="name what would be run")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="same-") as folder:
        first, second = (given.revisions + [None])[:2]
        sides = [checkout(first, Path(folder) / "1"), checkout(second, Path(folder) / "2")]
        failed, differing = run(sides, given.only, given.quick, given.list)
    print(f"{failed} differences of numbers, {differing} of text")
    return 1 if failed or (given.text and differing) else 0


def run(sides: list[Checkout], names: list[str], quick: bool, only_list: bool) -> tuple[int, int]:
    """Walks through the configs, prints a line for each, and returns how many differences there are."""
    for side in sides:
        shutil.copytree(sides[0].code / "configs", side.work / "configs")
        for old in OLD.iterdir():  # small tables, arrays and folders of images
            shutil.copytree(old, side.work / "configs" / "old" / old.name, ignore=shutil.ignore_patterns("runs"))
    todo = configs(sides[0].work / "configs")
    if names:
        names = [*names, *filter(None, (needs(*todo[name][1:]) for name in names))]
        todo = {name: each for name, each in todo.items() if name in names}
    if only_list:
        print("\n".join(todo))
        return 0, 0
    numbers = make_data(sides, [path for path, *_ in todo.values()])
    print(*numbers, sep="\n") if numbers else None
    failed, differing = len(numbers), 0
    for name, (path, changes, said) in todo.items():
        commands = walk(name, str(path.relative_to(sides[0].work)), changes, said)
        if quick:
            commands = [each for each in commands if each[0] in QUICK]
        skipped, numbers, texts = compare(name, sides, commands)
        state = "DIFFERS" if numbers else f"skipped: {skipped}" if skipped else "same"
        print(f"{name}: {state}", *numbers, sep="\n  ", flush=True)
        print(f"  {len(texts)} differences of text", *texts, sep="\n", flush=True) if texts else None
        failed, differing = failed + len(numbers), differing + len(texts)
    return failed, differing


if __name__ == "__main__":
    sys.exit(main())
