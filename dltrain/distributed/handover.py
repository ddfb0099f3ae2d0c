"""What the chief resumes from, handed on to all others: only its machine need have the run's folder."""

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from dltrain.distributed.peers import Peers
from dltrain.errors import TrainingError
from dltrain.runs.folder import Run


class Handover:
    """A run's summary and checkpoints, as one worker has them; of the chief, those that it brings.

    `changes` is what differs from the config that the run had, before and after, by key path; `received` is the run as
    the chief handed it on, none where a new one begins, and to the chief itself.
    """

    def __init__(self) -> None:
        self.changes: dict[str, Any] = {}
        self.received: Run | None = None
        self._brought: Run | None = None
        self._scratch: Path | None = None

    def bring(self, run: Run, changes: dict[str, Any]) -> None:
        """Notes what the chief resumes, and with what changes: the others get it when they meet."""
        self._brought, self.changes = run, changes

    def exchange(self, peers: Peers) -> None:
        """Gives all others the summary and the checkpoints that the chief goes on from, in a folder of their own.

        All checkpoints, by their names: a loss that is not finite sends all workers back to the same one.

        Raises:
            TrainingError: one is lost, or the files cannot be kept.
        """
        mine = json.dumps([self.changes, _files(self._brought)]).encode()
        changes, files = json.loads(peers.share(mine if peers.cluster.is_chief else None))
        for names in files:
            if self._brought is not None:
                peers.share((self._brought.path / names[0]).read_bytes())
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
        """A folder for what this worker keeps for itself: only the chief writes the run's."""
        if self._scratch is None:
            self._scratch = Path(tempfile.mkdtemp(prefix="dltrain-worker-"))
        return self._scratch

    def clear(self) -> None:
        """Removes what this worker kept for itself."""
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)


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
