"""The shipped configs, to start from: `configs/` of the checkout, or the copy in an installed dltrain."""

import os
import re
from pathlib import Path

import dltrain
from dltrain.errors import UserError

_PACKAGE = Path(dltrain.__file__).parent
_PLACES = (_PACKAGE / "templates", _PACKAGE.parent / "configs")


def titles() -> dict[str, str]:
    """Returns the first line of each template, by its name."""
    return {path.stem: _title(path.read_text(encoding="utf-8")) for path in sorted(_folder().glob("*.yaml"))}


def copy(name: str, path: Path) -> None:
    """Writes a template, its paths and commands as for the new file, and for `data` and `runs` of the working folder.

    Raises:
        UserError: if it cannot be written.
    """
    text = (_folder() / f"{name}.yaml").read_text(encoding="utf-8")
    text = text.replace(f"configs/{name}.yaml", str(path))
    text = re.sub(r"configs/(?=\w+\.yaml)", "", text)
    here = os.path.relpath(os.curdir, path.parent)
    text = re.sub(r"(?<= )\.\./(data|runs)", lambda found: os.path.normpath(f"{here}/{found[1]}"), text)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror}") from None


def name_of(path: Path) -> str:
    """Returns what a config of some data is called: as they are."""
    stem = path.name if path.is_dir() else path.name.partition(".")[0]
    words = re.sub(r"[^A-Za-z0-9_-]+", "-", stem or path.resolve().name).strip("-_")
    return words or "config"


def _folder() -> Path:
    return next((place for place in _PLACES if place.is_dir()), _PLACES[0])


def _title(text: str) -> str:
    return text.partition("\n")[0].removeprefix("# ")
