"""A starter config for the user's data, with a comment beside each key."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dltrain.config import document
from dltrain.config import experiment as experiments
from dltrain.data import DataSpec
from dltrain.data.proposal import Entries, Keys, Proposal
from dltrain.errors import ConfigError, KeyProblem, UserError
from dltrain.plugins import loading as plugins
from dltrain.registry import DATASETS, MODELS, TASKS

COLUMN = 34
"""Column at which the comments start."""

_EPOCHS = (10, 20, 30, 50, 100)


def propose(path: Path, target: str | None) -> tuple[str, Proposal]:
    """Finds the dataset that can read a path, and proposes its block.

    Raises:
        ConfigError: if there is none, or the data cannot be used.
    """
    every: list[tuple[str, type[Any]]] = [(name, DATASETS[name]) for name in DATASETS.names()]
    for name, dataset in sorted(every, key=lambda each: not each[1].proposes_first):
        with _refusing(path):
            proposal = dataset.proposed(path, target)
            if proposal is not None:
                dataset(**proposal.keys).spec()  # which looks closer
        if proposal is not None:
            if target is not None and target not in map(proposal.keys.get, ("target", "label_column")):
                raise ConfigError([f"--target names the column of a table: {path} is read by {name}"])
            return name, proposal
    is_empty = path.is_dir() and not any(path.iterdir())
    held = "is empty" if is_empty else "contains nothing that a dataset of dltrain can read"
    raise ConfigError(
        [f"{path}: {held}: expected a folder of images or texts per class, images with boxes (as VOC, COCO or YOLO "
         "have them, or a .csv), a table (.csv, .tsv, .parquet, .jsonl), a folder of texts (.txt), or arrays (.npz, "
         ".npy); `dltrain list dataset` names other sources"]
    )  # fmt: skip


@contextmanager
def _refusing(path: Path) -> Iterator[None]:
    """Turns what a dataset says of a path into a message about the path, for there is no config yet."""
    try:
        yield
    except (ValueError, ExceptionGroup) as error:
        errors = error.exceptions if isinstance(error, ExceptionGroup) else [error]
        raise ConfigError([f"{path}: {_words(each, path)}" for each in errors]) from None


def _words(error: Exception, path: Path) -> str:
    """Returns an error of a dataset without the key `path`, for there is no config to find it in, and the path."""
    if not isinstance(error, KeyProblem) or error.key != "path":
        return str(error)
    return error.words.removeprefix(": ").removeprefix(f"{path}: ").removeprefix(f"{path} ")


def refuse_if_there(path: Path, replaces: bool) -> None:
    """Checks that a config can be written, before the data are read.

    Raises:
        UserError: if there is a file that is not to be replaced, or no folder for it, or the name is no config's.
    """
    if path.suffix not in (".yaml", ".yml"):
        raise UserError(f"{path} must end in .yaml, as a config does")
    if not path.parent.is_dir():
        raise UserError(f"{path}: there is no folder {path.parent}")
    if path.exists() and not replaces:
        raise UserError(f"{path} exists already: add --force to replace it, or -o FILE to write another file")


def write(path: Path, dataset: str, proposal: Proposal) -> None:
    """Writes a config with comments, after loading it as a check.

    Args:
        path: the file.
        dataset: the name of the dataset.
        proposal: its block.

    Raises:
        UserError: if it cannot be written.
    """
    block: Any = DATASETS[dataset]
    made = block(**proposal.keys)
    aside = path.with_name(f".{path.stem}.{os.getpid()}.yaml")
    try:
        content = text(path, dataset, proposal, made.spec(), made.task)
        aside.write_text(content, encoding="utf-8", errors="backslashreplace")
        experiments.load(aside)
        aside.replace(path)
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror}") from None
    finally:
        aside.unlink(missing_ok=True)


def text(path: Path, dataset: str, proposal: Proposal, spec: DataSpec, task: str) -> str:
    """Returns the config.

    Args:
        path: the file that it is for: paths are relative to its folder.
        dataset: the name of the dataset.
        proposal: its block.
        spec: what the data are.
        task: what they ask for.
    """
    keys = {key: _relative(value, path.parent) for key, value in proposal.keys.items()}
    block = {key: (value, proposal.remarks.get(key, "")) for key, value in keys.items()}
    suggested = spec.starter(proposal)
    length = _train(proposal) | suggested.get("train", {})
    blocks: dict[str, Keys] = {
        "dataset": {"name": (dataset, f"all keys: dltrain list dataset {dataset}"), **block},
        "model": _model(spec, suggested),
        "task": _task(task, spec, proposal),
        "optimizer": {
            "name": ("adam", "or sgd with momentum: 0.9 and learning_rate: 0.1; all: dltrain list optimizer"),
            "learning_rate": (0.003, "the peak rate; the first key to tune"),
            **suggested.get("optimizer", {}),
        },
        "schedule": {"name": ("cosine", "falls to 0 at the end"), "warmup_epochs": (1, "rises to the peak first")},
        "train": length,
        "early_stopping": {
            "patience": (
                max(5, length["epochs"][0] // 5),
                "epochs without improvement; `early_stopping: none` never stops early",
            )
        },
    }
    lines = [f"# {line}" for line in (f"{path.stem}: " + proposal.found[0], *proposal.found[1:])]
    lines += [
        f"# A first guess, meant to be changed. What a key means: dltrain show {path} --explain train.batch_size",
        f"# Run:  dltrain fit {path}",
        *_plugin_lines(path, dataset, spec),
        "seed: 0",
        _commented("device: auto", "the first GPU, else the CPU"),
    ]
    for name, values in blocks.items():
        if name == "model" and "augment" in suggested:
            lines += _list("augment", suggested["augment"])
        lines += [f"{name}:", *(_line(key, value, words) for key, (value, words) in values.items())]
    return "\n".join([*lines, ""])


def _model(spec: DataSpec, suggested: dict[str, Any]) -> Keys:
    """Returns the model that the input suggests, else one of its plugin, else mlp."""
    beside = [name for name in MODELS.names() if MODELS[name].__module__ == _home(spec)] if _home(spec) else []
    first: Keys = {"name": ((beside or ["mlp"])[0], "other models: dltrain list model")}
    model: Keys = suggested.get("model", first)
    return model


def _home(spec: DataSpec) -> str | None:
    """Returns the module of the plugin that the inputs are from; none where dltrain has them."""
    modules = [type(feature).__module__ for feature in spec.inputs.values()]
    return next((module for module in modules if module in _plugins()), None)


def _plugins() -> dict[str, Path]:
    return {path.stem: path for path in plugins.loaded}


def _plugin_lines(path: Path, dataset: str, spec: DataSpec) -> list[str]:
    """Returns the line of the plugin that the dataset, or the inputs, are from."""
    known = _plugins()
    modules = dict.fromkeys([DATASETS[dataset].__module__, _home(spec)])
    files = [_relative(known[module], path.parent) for module in modules if module in known]
    return [f"plugins: {document.dump([files], width=10**6, in_line=True).strip()[1:-1]}"] if files else []


def _list(name: str, block: Entries) -> list[str]:
    """Returns the lines of a block that is a list."""
    lines = [_commented(f"{name}:", block.words)]
    for entry in block.entries:
        keys = document.dump([entry.value], width=10**6, in_line=True).strip()[1:-1]
        lines.append(_commented(f"  {'' if entry.is_chosen else '# '}- {keys}", entry.words))
    return lines


def _task(task: str, spec: DataSpec, proposal: Proposal) -> Keys:
    kind: Any = TASKS[task]
    return {"name": (task, "what the targets need"), **kind().starter(spec, proposal)}


def _train(proposal: Proposal) -> Keys:
    is_large = proposal.photographs
    sizes = {500: 16, 5000: 32, 50_000: 32 if is_large else 128}
    batch = next((size for most, size in sizes.items() if proposal.examples < most), 32 if is_large else 256)
    while batch > max(1, proposal.examples // 3):  # small classes may leave no more for training
        batch //= 2
    per_epoch = max(1, proposal.examples * 7 // 10 // batch)
    epochs = min(_EPOCHS, key=lambda each: abs(each - 4000 / per_epoch))
    return {
        "epochs": (epochs, f"passes over the train part, of about {per_epoch:,} steps each"),
        "batch_size": (batch, "auto: the largest that fits into memory"),
        "precision": ("float32", "mixed_float16 or mixed_bfloat16 on a GPU: faster"),
    }


def _line(key: str, value: Any, words: str) -> str:
    return _commented(f"  {key}: {document.dump([value], width=10**6, in_line=True).strip()[1:-1]}", words)


def _commented(start: str, words: str) -> str:
    return f"{start.ljust(COLUMN - 2)}  # {words}" if words else start


def _relative(value: Any, folder: Path) -> Any:
    """Returns a path as the config in a folder says it: relative, where it does not lead far away."""
    if not isinstance(value, Path):
        return value
    relative = os.path.relpath(value.absolute(), folder.absolute())
    return str(value.absolute()) if relative.startswith("../../..") else relative
