"""The docstrings of installed packages: real English that is on every machine with dltrain; nothing is imported."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from dltrain.data.progress import with_progress
from dltrain.errors import DataError
from dltrain.lazy import np

PACKAGES = {
    "numpy": "numpy",
    "scipy": "scipy",
    "scikit-learn": "sklearn",
    "matplotlib": "matplotlib",
    "tensorflow": "tensorflow",
    "keras": "keras",
}
"""The packages, which dltrain itself needs, and the folder of each."""

LEAST_WORDS = 20
"""Docstrings with fewer words are left out: they are mostly alike."""

_NAMES = [
    "numpy",
    "np",
    "scipy",
    "sp",
    "scikit-learn",
    "scikit",
    "learn",
    "sklearn",
    "matplotlib",
    "mpl",
    "pyplot",
    "plt",
    "tensorflow",
    "tf",
    "keras",
]
_OWN = re.compile(rf"\b(?:{'|'.join(map(re.escape, _NAMES))})\b", re.IGNORECASE)
_TEST_SHARE, _VALIDATION_SHARE = 0.2, 0.1


class Passage(NamedTuple):
    """A docstring of a package.

    Args:
        text: as it is written, without indentation.
        masked: the same with `_` for the packages' names and what they are called in code.
        label: the package.
        file: where it stands, below the package.
        part: train, validation or test: whole files are in one part, so that what a file repeats is never in two.
    """

    text: str
    masked: str
    label: str
    file: str
    part: str


def versions() -> dict[str, str]:
    """Returns the version of each package."""
    return {package: version(package) for package in PACKAGES}


def passages(random: np.random.RandomState) -> list[Passage]:
    """Returns the docstrings of all packages; copies once, and none that stands in two packages.

    Args:
        random: draws the part of each file.

    Raises:
        DataError: if a package is not installed.
    """
    found: dict[str, tuple[str, str, str]] = {}
    shared: set[str] = set()
    for package, folder in PACKAGES.items():
        for file, text in _docstrings(package, folder):
            key = " ".join(text.split())
            known = found.setdefault(key, (text, package, file))
            if known[1] != package:
                shared.add(key)
    own = [value for key, value in found.items() if key not in shared]
    files = sorted({(package, file) for _, package, file in own})
    draws = dict(zip(files, random.random_sample(len(files)), strict=True))
    return [
        Passage(text, _OWN.sub("_", text), package, file, _part(draws[package, file])) for text, package, file in own
    ]


def _part(draw: float) -> str:
    if draw < _TEST_SHARE:
        return "test"
    return "validation" if draw < _TEST_SHARE + _VALIDATION_SHARE else "train"


def _docstrings(package: str, folder: str) -> Iterator[tuple[str, str]]:
    """Yields the file and the text of each docstring of a package that is long enough."""
    place = find_spec(folder)
    if place is None or place.origin is None:
        raise DataError(f"the package {package} is not installed: pip install {package}")
    root = Path(place.origin).parent
    for path in with_progress(f"reading the docstrings of {package}", sorted(root.rglob("*.py"))):
        try:
            with warnings.catch_warnings(action="ignore"):  # about the escapes in others' code
                tree = ast.parse(path.read_bytes())
        except (SyntaxError, ValueError):  # a template, or for another Python
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                text = ast.get_docstring(node) or ""
                if len(text.split()) >= LEAST_WORDS:
                    yield path.relative_to(root).as_posix(), text.encode("utf-8", "replace").decode()
