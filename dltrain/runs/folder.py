"""The run folder: names, files, the newest run. Standard library only."""

import csv
import json
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from dltrain import untrusted
from dltrain.errors import RunError
from dltrain.runs import summary

DEFAULT_ROOT = Path("runs")
MOST_BYTES = 256 * 2**20
"""How large a table or a JSON file of a run may be: a million epochs in metrics.csv are smaller."""
MOST_LEVELS = 32
_LARGEST = 2**63
_OWN_COLUMNS = re.compile("seconds|learning_rate|loss|val_.*", re.DOTALL)
"""Of numbers in every run; another column may be one of words, which somebody added."""
_RESTORE = "restore the file, or move it away to start a new one"


@dataclass(frozen=True)
class Run:
    """One run's folder.

    Args:
        path: the folder.
    """

    path: Path

    @property
    def name(self) -> str:
        """The folder's own name, such as resnet-003."""
        return self.path.resolve().name  # "." has no name of its own

    @property
    def config(self) -> Path:
        """The experiment with all defaults filled in."""
        return self.path / "config.yaml"

    @property
    def environment(self) -> Path:
        """Versions, devices and command line."""
        return self.path / "environment.json"

    @property
    def metrics(self) -> Path:
        """A row per epoch."""
        return self.path / "metrics.csv"

    @property
    def summary(self) -> Path:
        """Status, metrics, times and more, as a JSON object."""
        return self.path / "summary.json"

    @property
    def checkpoints(self) -> Path:
        """The folder of saved states."""
        return self.path / "checkpoints"

    @property
    def last_checkpoint(self) -> Path:
        """The newest state."""
        return self.checkpoints / "last.npz"

    @property
    def saved(self) -> int | None:
        """When a state was last saved, in nanoseconds since 1970; none if nothing is saved."""
        times = []
        for path in self.checkpoints.glob("[!.]*.npz"):
            with suppress(OSError):  # a run that is under way removes old ones; a link may lead nowhere
                times.append(path.stat().st_mtime_ns)
        return max(times, default=None)

    @property
    def kept(self) -> str:
        """What of the run can be resumed after something could not be written, in words."""
        return "there is no checkpoint yet" if self.saved is None else "the last checkpoint is intact"

    @property
    def model(self) -> Path:
        """The network with its best weights."""
        return self.path / "model.keras"

    @property
    def log(self) -> Path:
        """The lines that the terminal showed, without colour."""
        return self.path / "log.txt"

    @property
    def report(self) -> Path:
        """The report of the run, an HTML page."""
        return self.path / "report.html"

    @property
    def figures(self) -> Path:
        """The report's figures, each as PNG and SVG."""
        return self.path / "figures"

    @property
    def exports(self) -> Path:
        """The network in other formats, and its model card."""
        return self.path / "exports"

    @property
    def lock(self) -> Path:
        """The lock of the process that works on the run."""
        return self.path / ".lock"

    @property
    def plugins(self) -> Path:
        """Copies of the user's own code that ran."""
        return self.path / "plugins"

    @property
    def profile(self) -> Path:
        """The trace of some steps, where one was asked for."""
        return self.path / "profile"

    def read_environment(self) -> dict[str, Any]:
        """Returns environment.json; empty where it cannot be read: the run is none the worse for it."""
        try:
            found = _read(self.environment, _json)
        except (FileNotFoundError, RunError):
            return {}
        return found if isinstance(found, dict) else {}

    def read_summary(self) -> dict[str, Any]:
        """Returns the summary, empty where there is none yet.

        Raises:
            RunError: if the file is damaged, or a value in it is of another type than a run writes.
        """
        try:
            return summary.require(_read(self.summary, _json))
        except FileNotFoundError:
            return {}
        except ValueError as error:
            raise RunError(f"{self.summary}: {error}") from None

    def read_metrics(self) -> list[dict[str, str]]:
        """Returns the rows of metrics.csv by column name, empty where there is none; a torn last line is left out.

        Raises:
            RunError: if the file is damaged, or was edited so that it is no table of steps any more.
        """
        try:
            return _read(self.metrics, self._rows)
        except FileNotFoundError:
            return []

    def _rows(self, text: str) -> list[dict[str, str]]:
        rows: list[dict[str, str]] = []
        lines: list[int] = []
        reader = csv.DictReader(text[: text.rfind("\n") + 1].splitlines())
        for row in reader:
            # A row that is too long has the key None, one that is too short the value None.
            numbers = (row.get("epoch") or "", row.get("step") or "")
            if None in row or None in row.values() or not all(re.fullmatch(r"\d{1,18}", number) for number in numbers):
                raise RunError(
                    f"{self.metrics}:{reader.line_num}: must have a value in each column and whole numbers as epoch "
                    f"and step, comma-separated; {_RESTORE}"
                )
            rows.append(row)
            lines.append(reader.line_num)
        for name in rows[0] if rows else ():
            wrong = [index for index, row in enumerate(rows) if row[name] and not _is_number(row[name])]
            is_of_words = len(wrong) == sum(bool(row[name]) for row in rows) and not _OWN_COLUMNS.fullmatch(name)
            if wrong and not is_of_words:
                text = rows[wrong[0]][name]
                raise RunError(
                    f"{self.metrics}:{lines[wrong[0]]}: {name} must be a number, got {text[:40]!r}; {_RESTORE}"
                )
        return rows


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _read(path: Path, parse: Callable[[str], Any]) -> Any:
    """Returns what is in a file of a run, which may come from a stranger.

    Raises:
        FileNotFoundError: if there is no such file.
        RunError: if it is damaged.
    """
    try:
        with untrusted.parsing():
            return parse(untrusted.content(path, MOST_BYTES).decode())
    except FileNotFoundError:
        raise
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror}") from None
    except untrusted.Unreadable as error:
        raise RunError(f"{path}: cannot be read: {error}") from None


def _json(text: str) -> Any:
    """Returns the value of a JSON text, which has numbers of 64 bits and a few levels, as what a run writes."""

    def whole(digits: str) -> int:
        if len(digits) > 20 or abs(int(digits)) >= _LARGEST:
            raise ValueError(f"has the number {digits[:20]}..., which is too large")
        return int(digits)

    found = json.loads(text, parse_int=whole)
    level = [found]
    for _ in range(MOST_LEVELS):
        held = [value for value in level if isinstance(value, dict | list)]
        level = [inner for value in held for inner in (value.values() if isinstance(value, dict) else value)]
    if level:
        raise ValueError(f"has more than {MOST_LEVELS} levels")
    return found


def create(root: Path, name: str) -> Run:
    """Makes a new run's folder, as `numbered` does.

    Raises:
        RunError: if the folder cannot be made.
    """
    with _making(root):
        run = Run(numbered(root, name))
        run.checkpoints.mkdir()
        return run


def numbered(root: Path, name: str) -> Path:
    """Makes a new folder, `<name>-<NNN>` with the next free number; safe beside others who do the same.

    Raises:
        RunError: if the folder cannot be made.
    """
    with _making(root):
        root.mkdir(parents=True, exist_ok=True)
        taken = [_number(path.name, name) for path in root.iterdir()]
        number = max((number for number in taken if number is not None), default=0)
        while True:
            number += 1
            path = root / f"{name}-{number:03d}"
            try:
                path.mkdir()  # atomic: of two that try, one gets the number
            except FileExistsError:
                continue
            return path


@contextmanager
def _making(root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RunError(
            f"{root}: cannot make a run folder there: {error.strerror}; choose another with --runs"
        ) from None


def find(reference: str | None, root: Path) -> Run:
    """Returns the run that the user means.

    Args:
        reference: a folder, a run's name (`resnet-003`), a stem (`resnet`: its newest), or none for the newest that
            has a checkpoint.
        root: the folder that runs lie in.

    Raises:
        RunError: if there is none.
    """
    if reference is not None:
        for path in (Path(reference), root / reference):
            if (path / "config.yaml").is_file():
                return Run(path)
            if path.is_dir() and reference not in ("", ".") and not _stem_runs(root, reference):
                raise RunError(f"{path}: is not a run folder: it has no config.yaml")
        if runs := _stem_runs(root, reference):
            return runs[-1]
        raise RunError(f"no run {reference!r} in {root}/{_meant(reference, root)}")
    saved = [(run.saved, run) for run in all_runs(root) if run.saved is not None]
    if saved:
        return max(saved, key=lambda item: item[0])[1]
    raise RunError(f"no run with a checkpoint in {root}/; `dltrain fit configs/resnet.yaml` makes one")


def all_runs(root: Path) -> list[Run]:
    """Returns the runs of a folder, by name."""
    return [Run(path.parent) for path in sorted(root.glob("*/config.yaml"))]


def newest(root: Path, stem: str) -> Run | None:
    """Returns the newest run of a stem, none if there is none."""
    return next(reversed(_stem_runs(root, stem)), None)


def named_like(run: Run, root: Path) -> list[Run]:
    """Returns the runs of a folder that have the name of one, the newest last: of resnet-003 all that begin so."""
    return _stem_runs(root, re.sub(r"-\d{3,}$", "", run.name)) or [run]


def _stem_runs(root: Path, stem: str) -> list[Run]:
    numbered = [(number, run) for run in all_runs(root) if (number := _number(run.name, stem)) is not None]
    return [run for _, run in sorted(numbered, key=lambda item: item[0])]


def _number(folder: str, name: str) -> int | None:
    match = re.fullmatch(re.escape(name) + r"-(\d{3,})", folder)
    return int(match[1]) if match else None


def _meant(reference: str, root: Path) -> str:
    """Returns a hint: the run of the nearest name, or the runs that there are."""
    names = [run.name for run in all_runs(root)]
    if near := get_close_matches(reference, names + [name.rpartition("-")[0] for name in names], n=1):
        return f', did you mean "{near[0]}"?'
    return f"; there are {', '.join(names[-10:])}" if names else "; there are no runs yet"


def write_text(path: Path, text: str) -> None:
    """Writes a file so that it is complete or as it was, never half; names that are no UTF-8 as elsewhere."""
    with replacing(path) as aside:
        aside.write_text(text, encoding="utf-8", errors="backslashreplace")


def write_json(path: Path, value: Any) -> None:
    """Writes a value as JSON, complete or not at all. A number that is not finite becomes null, as JSON has none."""
    write_text(path, json.dumps(finite(value), indent=2, allow_nan=False) + "\n")


def finite(value: Any) -> Any:
    """Returns the value with each number that is not finite as None: JSON has no NaN."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and value - value != 0 else value


class replacing:
    """A context in which a file is written aside; leaving it flushes the file to disk and renames it into place.

    Args:
        path: the file's final name. What is written aside keeps its suffix, and is gone afterwards whatever happens.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        stem = os.fsdecode(os.fsencode(path.stem)[:200])  # a name may have 255 bytes
        self._aside = path.with_name(f".{stem}.{os.getpid()}{path.suffix}")

    def __enter__(self) -> Path:
        self._aside.unlink(missing_ok=True)  # of a process of the same number that was killed
        return self._aside

    def __exit__(self, failed: type[BaseException] | None, *_: object) -> None:
        try:
            if not failed:
                descriptor = os.open(self._aside, os.O_RDONLY)
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)
                self._aside.replace(self._path)
                sync_folder(self._path.parent)
        finally:
            self._aside.unlink(missing_ok=True)  # a rename onto another name of the same file leaves both


def sync_folder(folder: Path) -> None:
    """Flushes a folder's entries to disk, so that a rename in it survives a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def tidy(run: Run) -> None:
    """Removes what processes that were killed had begun to write; only who holds the run's lock may."""
    for path in [*run.path.iterdir(), *run.checkpoints.iterdir(), *run.figures.glob(".*")]:
        if re.fullmatch(r"\..+\.\d+(\.\w+)?", path.name):
            path.unlink(missing_ok=True)


def within(folder: Path) -> Iterator[Path]:
    """Yields all files, links and folders in a folder, however deep; what cannot be read is left out."""
    waiting = [folder]
    while waiting:
        try:
            there = [*os.scandir(waiting.pop())]
        except OSError:
            continue
        yield from (Path(each) for each in there)
        waiting += [Path(each) for each in there if each.is_dir(follow_symlinks=False)]


def require_own_files(run: Run) -> None:
    """Makes sure that writing into a run's folder, which may come from a stranger, writes to files in it alone.

    Raises:
        RunError: if something in it is a symbolic link, or neither a file nor a folder.
    """
    for path in within(run.path):
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            raise RunError(
                f"{path}: is a symbolic link; a run writes only into its own folder: replace the link by the file"
            )
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            raise RunError(f"{path}: is neither a file nor a folder; a run consists of these alone: remove it")
