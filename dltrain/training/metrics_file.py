"""metrics.csv, written row by row and continued by a resumed run."""

import csv
import io
import os
from typing import Any

from dltrain.errors import TrainingError
from dltrain.runs.folder import Run, write_text


class MetricsFile:
    """metrics.csv: a row per epoch, on disk as soon as the epoch is done.

    Args:
        run: where the file is.
        epoch: rows beyond this epoch are cut off: a resumed run does them again.
    """

    def __init__(self, run: Run, epoch: int) -> None:
        self._run, self._path = run, run.metrics
        rows = [row for row in run.read_metrics() if int(row["epoch"]) <= epoch]
        self.columns: list[str] = list(rows[0]) if rows else []
        if run.metrics.exists():
            write_text(run.metrics, self._text([self.columns, *(list(row.values()) for row in rows)]) if rows else "")

    def append(self, row: dict[str, Any]) -> None:
        """Adds a row.

        Raises:
            TrainingError: if it cannot be written.
        """
        lines = [] if self.columns else [list(row)]
        self.columns = self.columns or list(row)
        lines.append([row.get(column, "") for column in self.columns])
        try:
            with self._path.open("a", encoding="utf-8", newline="") as file:
                file.write(self._text(lines))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise TrainingError(f"{self._path}: cannot be written: {error.strerror}; {self._run.kept}") from None

    @staticmethod
    def _text(lines: list[list[Any]]) -> str:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(lines)
        return text.getvalue()
