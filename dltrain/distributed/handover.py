"""The run that the chief resumes, sent to all other workers: only its machine needs the run folder."""

import json
import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

from dltrain.distributed.peers import Peers
from dltrain.errors import TrainingError
from dltrain.runs.folder import Run
from dltrain.untrusted import Unreadable, parsing


class Handover:
    """A run's summary and checkpoints on one worker; on the chief, those that it offers.

    `changes` holds the differences from the run's own config, before and after, by key path; `received` is the run as
    the chief sent it, none for a new run and on the chief itself.
    """

    def __init__(self) -> None:
        self.changes: dict[str, Any] = {}
        self.received: Run | None = None
        self._offered: Run | None = None
        self._scratch: Path | None = None

    def offer(self, run: Run, changes: dict[str, Any]) -> None:
        """Records the run that the chief resumes and its changes, to be sent to the others when they connect."""
        self._offered, self.changes = run, changes

    def exchange(self, peers: Peers) -> None:
        """Sends the summary and the checkpoints of the chief's run to all others, each into its own scratch folder.

        All checkpoints, by their names: a loss that is not finite sends all workers back to the same one.

        Raises:
            TrainingError: a worker is lost, or the files cannot be written.
        """
        mine = json.dumps([self.changes, _files(self._offered)]).encode()
        changes, files = _checked(peers.share(mine if peers.cluster.is_chief else None), peers)
        for names in files:
            if self._offered is not None:
                peers.share((self._offered.path / names[0]).read_bytes())
                continue
            if self.received is None:
                self.changes, self.received = changes, Run(self.scratch / "resumed")
                self.received.checkpoints.mkdir(parents=True)
            content = peers.share()
            first, *others = (self.received.path / name for name in names)
            try:
                first.write_bytes(content)
                for other in others:
                    os.link(first, other)
            except OSError as error:
                raise TrainingError(f"{first}: cannot be written: {error.strerror or error}") from None

    @property
    def scratch(self) -> Path:
        """A temporary folder of this worker: only the chief writes the run folder."""
        if self._scratch is None:
            self._scratch = Path(tempfile.mkdtemp(prefix="dltrain-worker-"))
        return self._scratch

    def clear(self) -> None:
        """Removes the temporary folder of this worker."""
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)


def _checked(shared: bytes, peers: Peers) -> tuple[dict[str, Any], list[list[str]]]:
    """Returns the changes and the files' names; raises a TrainingError where they are not such as a chief shares."""
    try:
        with parsing():
            changes, files = json.loads(shared)
            if not isinstance(changes, dict) or not all(names and all(map(_NAME.fullmatch, names)) for names in files):
                raise ValueError("other files than a run's")
    except Unreadable as error:
        raise TrainingError(f"{peers.cluster.named(0)} shares what no chief does: {error}") from None
    return changes, files


_NAME = re.compile(r"summary\.json|checkpoints/[\w.-]+\.npz")
"""What a run hands over: nothing is written anywhere else."""


def _files(run: Run | None) -> list[list[str]]:
    """Returns a run's summary and checkpoints, relative to its folder: for each file all of its names."""
    if run is None:
        return []
    found: dict[tuple[int, int], list[str]] = {}
    for path in [run.summary, *sorted(run.checkpoints.glob("*.npz"))]:
        if path.is_file():
            status = path.stat()
            found.setdefault((status.st_dev, status.st_ino), []).append(str(path.relative_to(run.path)))
    return list(found.values())
