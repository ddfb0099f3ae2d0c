"""Untrusted archives of files: which folders are in one, and how it is unpacked, once.

zipfile and tarfile read the members here and write none: names are checked and bytes are counted as they come, which
stops what the extraction filters allow: links within the folder, two members of one name, and bombs.
"""

from __future__ import annotations

import bz2
import errno
import fcntl
import gzip
import hashlib
import lzma
import os
import re
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path, PurePosixPath
from typing import IO, Any

from dltrain import cache, untrusted
from dltrain.data.progress import announce, with_progress
from dltrain.datasets._images.tar_stream import Refused, TarStream, too_large
from dltrain.errors import KeyProblem
from dltrain.untrusted import Unreadable, parsing

KINDS = ".zip, .tar, .tar.gz, .tgz, .tar.xz, .tar.bz2"
MOST_FILES = 1_000_000
MOST_BYTES = 200 * 10**9
MOST_GROWTH = 100
"""An archive may unpack to this many times its size, plus `FREE_GROWTH` bytes; photographs hardly grow at all."""
FREE_GROWTH = 100 * 10**6

_PIECE = 2**20
_DECOMPRESSION: dict[bytes, Callable[[Any], Any]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}
_Member = tuple[str, Callable[[], IO[bytes]] | None]
"""A name in the archive, and a function that opens the file; none for a folder."""


@dataclass(frozen=True)
class Listed:
    """A folder in an archive that is not unpacked: the part of `Path` that is needed to find folders by name.

    Args:
        archive: the archive.
        place: the path of this folder in it.
        folders: the places of all folders in it.
    """

    archive: Path
    place: PurePosixPath
    folders: frozenset[PurePosixPath]

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.place.name

    def __truediv__(self, name: str) -> Listed:
        return replace(self, place=self.place / name)

    def __str__(self) -> str:
        return str(self.archive / self.place)

    def is_dir(self) -> bool:
        """Whether there is such a folder."""
        return self.place in self.folders

    def iterdir(self) -> Iterator[Listed]:
        """Yields the folders in it."""
        return (replace(self, place=place) for place in self.folders if place.parent == self.place != place)


class Archive:
    """An archive of files, unpacked into dltrain's cache at most once.

    If there is a single folder at its top, the content of this folder counts as that of the archive. Members whose name
    starts with a dot, or that lie below such a one or `__MACOSX`, are ignored.

    Args:
        path: the file; its first bytes decide its kind.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def listed(self) -> Path | Listed:
        """Returns the folder of the archive's content, as far as it can be listed without unpacking it.

        Raises:
            KeyProblem: if the archive is damaged or must not be unpacked.
        """
        if self._unpacked.is_dir():
            return self._unpacked
        folders: set[PurePosixPath] = set()
        with self._explained():
            for place, opened in self._members():
                folders.update([place, *place.parents] if opened is None else place.parents)
        top = _only(folder.name for folder in folders if len(folder.parts) == 1)
        return Listed(self._path, PurePosixPath(top), frozenset(folders))

    def unpacked(self) -> Path:
        """Unpacks the archive unless that was done before, and returns the folder of its content.

        Raises:
            KeyProblem: as above, or if it cannot be written.
        """
        target = self._unpacked
        if target.is_dir():
            return target
        with self._explained():
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.with_suffix(".lock").open("ab") as lock:
                try:
                    self._wait_for(lock)
                except OSError as error:
                    raise Refused(
                        f"{target.parent} cannot be locked: {error.strerror}; set DLTRAIN_CACHE to another folder"
                    ) from None
                if not target.is_dir():  # another process may have been first
                    self._unpack(target)
        return target

    @cached_property
    def _unpacked(self) -> Path:
        """The folder for exactly this version of the file; it exists only once it is complete."""
        state = self._path.stat()
        known = f"{self._path.resolve()}\0{state.st_size}\0{state.st_mtime_ns}"
        key = hashlib.sha256(known.encode(errors="surrogateescape")).hexdigest()[:32]
        return cache.folder("archives") / key

    @property
    def _limit(self) -> int:
        return min(MOST_BYTES, MOST_GROWTH * self._path.stat().st_size + FREE_GROWTH)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            with parsing():
                yield
        except Refused as error:
            raise KeyProblem("path", f"must not be unpacked: {self._path}: {error}") from None
        except OSError as error:
            if error.errno == errno.EINVAL:  # which a wrong offset leads to
                raise self._damaged(error) from error
            at = f" at {error.filename}" if error.filename else ""
            raise KeyProblem("path", f"cannot be unpacked: {self._path}: {error.strerror}{at}") from None
        except Unreadable as error:
            raise self._damaged(error) from error

    def _damaged(self, error: Exception) -> KeyProblem:
        words = f"must be a folder or an intact archive ({KINDS}), got {self._path}: {error}"
        return KeyProblem("path", words)

    def _wait_for(self, lock: IO[bytes]) -> None:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            announce(f"waiting for another process, which is unpacking {self._path}")
            fcntl.flock(lock, fcntl.LOCK_EX)

    def _unpack(self, target: Path) -> None:
        for left in target.parent.glob(f"{target.name}-*"):  # by a process that was killed
            shutil.rmtree(left)
        beside = target.with_name(f"{target.name}-{os.getpid()}")
        beside.mkdir()
        try:
            self._write(beside)
            top = _only(entry.name for entry in os.scandir(beside) if entry.is_dir())
            os.sync()  # the name must not outlive the files when the power fails
            (beside / top).rename(target)
        finally:
            shutil.rmtree(beside, ignore_errors=True)

    def _write(self, folder: Path) -> None:
        limit, room, written = self._limit, shutil.disk_usage(folder).free, 0
        for place, opened in with_progress(f"unpacking {self._path} into {folder.parent}", self._members()):
            target = folder / place
            try:
                (target if opened is None else target.parent).mkdir(parents=True, exist_ok=True)
                if opened is None:
                    continue
                with opened() as source, target.open("xb") as file:
                    while piece := source.read(_PIECE):
                        written += len(piece)
                        if written > limit:
                            raise too_large(limit)
                        if written > room:
                            raise Refused(
                                f"it needs more than the {room / 1e9:.1f} GB that are free in {folder.parent}; "
                                "set DLTRAIN_CACHE to another folder"
                            )
                        file.write(piece)
            except (FileExistsError, NotADirectoryError):
                raise Refused(f"it contains {str(place)!r} twice") from None

    def _members(self) -> Iterator[tuple[PurePosixPath, Callable[[], IO[bytes]] | None]]:
        """Yields path and opener of each file and folder to unpack; a file must be read before the next one.

        Raises:
            Refused: at the first member that must not be unpacked.
        """
        with untrusted.opened(self._path) as file:
            start = file.read(6)
            file.seek(0)
            members = _zipped(file) if start.startswith(b"PK") else _tarred(file, start, self._limit)
            folders: set[PurePosixPath] = set()
            for count, (name, opened) in enumerate(members):
                place = _place(name)
                folders.update(place.parents)
                if count + len(folders) > MOST_FILES:
                    raise Refused(f"it contains more than {MOST_FILES:,} files and folders")
                if place.parts and not any(part.startswith(".") or part == "__MACOSX" for part in place.parts):
                    yield place, opened


def _zipped(file: IO[bytes]) -> Iterator[_Member]:
    with zipfile.ZipFile(file) as archive:
        for member in archive.infolist():
            name = member.filename
            if stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise Refused(f"{name!r} is a link or a device")
            if member.flag_bits & 1:
                raise Refused(f"{name!r} is encrypted; unpack it yourself and set path to the folder")
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise Refused(f"{name!r} is neither stored nor deflated; unpack it yourself and set path to the folder")
            yield name, None if name.endswith(("/", "\\")) else partial(archive.open, member)


def _tarred(file: IO[bytes], start: bytes, limit: int) -> Iterator[_Member]:
    openers = [open_ for magic, open_ in _DECOMPRESSION.items() if start.startswith(magic)]
    decompressed, is_packed = (openers or [lambda it: it])[0], bool(openers)
    content: Any = TarStream(decompressed(file), limit)
    with tarfile.open(fileobj=content, mode="r:") as archive:
        while (member := archive.next()) is not None:
            archive.members = []  # type: ignore[attr-defined]  # a million of them would take a gigabyte
            if not (member.isreg() or member.isdir()) or member.issparse() or member.size < 0:
                raise Refused(f"{member.name!r} is a link, a device or a sparse file")
            content.is_header = False
            yield member.name, None if member.isdir() else partial(_opened, archive, member)
            content.is_header = True
    # tarfile takes a header that it cannot read for the end, and gzip has its checksum there.
    if content.last != bytes(tarfile.BLOCKSIZE):
        raise Unreadable("it is damaged or cut off")
    content.is_header = False
    while is_packed and content.read(_PIECE):
        pass


def _opened(archive: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    opened = archive.extractfile(member)
    if opened is None:
        raise TypeError(f"{member.name!r} is not a file")
    return opened


def _place(name: str) -> PurePosixPath:
    """Returns where a member belongs, relative to the folder; some programs for Windows write backslashes."""
    place = PurePosixPath(name.replace("\\", "/"))
    if place.is_absolute() or ".." in place.parts or re.match("[A-Za-z]:", str(place)):
        raise Refused(f"{name!r} would lie outside its folder")
    return place


def _only(names: Iterable[str]) -> str:
    """Returns the name if there is a single one, else that of the folder itself."""
    found = list(names)
    return found[0] if len(found) == 1 else ""
