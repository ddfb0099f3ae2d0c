"""Vectors with names as word2vec's text format has them: a line of both sizes, then a name and numbers a line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from dltrain import untrusted
from dltrain.errors import DataError
from dltrain.lazy import np

MOST_BYTES = 2**33
_HEAD = 2**12


def write_word_vectors(path: Path, names: Sequence[str], vectors: np.ndarray) -> None:
    """Writes vectors; in names, what is no letter, digit or sign but space becomes `_`, as the format needs it.

    Args:
        path: the file.
        names: of the vectors.
        vectors: (names, numbers), float32: written as the shortest decimals that are the same numbers.
    """
    with path.open("w", encoding="utf-8") as file:
        file.write(f"{len(vectors)} {vectors.shape[1]}\n")
        for name, vector in zip(names, np.asarray(vectors, np.float32), strict=True):
            file.write(f"{named(name)} {' '.join(map(str, vector))}\n")


def named(name: str) -> str:
    """Returns a name without spaces."""
    return "_".join(name.split()) or "_"


def is_word_vectors(path: Path) -> bool:
    """Whether a file begins as the format does: with two whole numbers in the first line."""
    if not path.is_file():
        return False
    try:
        with untrusted.opened(path) as file:
            line = file.read(_HEAD).split(b"\n", 1)[0].split()
    except OSError:
        return False
    return len(line) == 2 and all(word.isdigit() for word in line)


def read_word_vectors(path: Path) -> tuple[list[str], np.ndarray]:
    """Returns names and vectors, (names, numbers), float32.

    Raises:
        DataError: if a line is no vector; with its number.
    """
    lines = _lines(path)
    count, width = (int(word) for word in next(lines).split())
    names, rows = list[str](), list[np.ndarray]()
    for number, line in enumerate(lines, 2):
        name, *words = line.rstrip().split(" ")
        try:
            row = np.array(words, np.float32)
            is_good = len(row) == width and bool(np.isfinite(row).all())
        except ValueError:
            is_good = False
        if not is_good:
            raise DataError(f"{path}:{number}: must be a word and {width} finite numbers, got {line.strip()[:60]!r}")
        names.append(name)
        rows.append(row)
    if len(names) != count:
        raise DataError(f"{path}: says in line 1 that it has {count} vectors, it has {len(names)}")
    if not names:
        raise DataError(f"{path}: has no vectors")
    return names, np.stack(rows)


def _lines(path: Path) -> Iterator[str]:
    """Yields the lines of a file.

    Raises:
        DataError: if it cannot be read, or is no UTF-8.
    """
    try:
        content = untrusted.content(path, MOST_BYTES).decode()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: must be UTF-8: {error.reason} at byte {error.start}") from None
    yield from content.removesuffix("\n").split("\n")
