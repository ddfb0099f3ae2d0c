"""The story of one run: status, config, environment and files."""

from typing import Any

from dltrain.errors import RunError
from dltrain.runs.folder import Run, within
from dltrain.runs.listing import Entry
from dltrain.runs.selection import spelled
from dltrain.runs.settings import read

LONGEST = 110
"""Letters of a block's settings in one line."""


def story(each: Entry) -> dict[str, Any]:
    """Returns a run for `--json`: how it goes, its config, its environment, and the sizes of its files in bytes.

    Raises:
        RunError: if it is damaged.
    """
    if each.status == "damaged":
        raise RunError(f"{each.run.path}: is damaged: {each.reason}")
    return {
        **each.to_plain(),
        "parameters": each.summary.get("parameters"),
        "examples_per_second": each.summary.get("examples_per_second"),
        "device": each.summary.get("device"),
        "precision": each.summary.get("precision"),
        "fingerprints": each.summary.get("data"),
        "restores": each.summary.get("restores"),
        "skipped_examples": each.summary.get("skipped_examples"),
        "changes": each.summary.get("changes") or [],
        "last_epoch": each.rows[-1] if each.rows else None,
        "environment": each.run.read_environment(),
        "files": _sizes(each.run),
        "config": read(each.run),
    }


def config_lines(config: dict[str, Any]) -> list[tuple[str, str]]:
    """Returns a config in a line for each block, its choice first, without what is none, false or empty."""
    lines, top = [], []
    for key, value in config.items():
        if _is_nothing(value) or key == "name":
            continue
        if not isinstance(value, dict):
            top.append(f"{key} {spelled(value)}")
            continue
        kept = [f"{name} {spelled(item)}" for name, item in value.items() if name != "name" and not _is_nothing(item)]
        text = "  ".join([*([str(value["name"])] if "name" in value else []), *([", ".join(kept)] if kept else [])])
        lines.append((key, text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."))
    return [*([("config", ", ".join(top))] if top else []), *lines]


def _is_nothing(value: Any) -> bool:
    return value is False or value == "none" or value in ([], {})


def _sizes(run: Run) -> dict[str, int]:
    """Returns what is in the folder with its size; of a folder that of the files in it, each counted once."""
    sizes = {}
    for path in sorted(run.path.iterdir()):
        if not path.name.startswith("."):
            is_folder = path.is_dir() and not path.is_symlink()
            inside = [each.lstat() for each in (within(path) if is_folder else [path])]
            sizes[path.name] = sum({status.st_ino: status.st_size for status in inside}.values())
    return sizes
