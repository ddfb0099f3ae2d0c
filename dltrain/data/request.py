"""What a user gives a trained network to answer for, in pieces: nothing is held in memory that is not needed now."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from dltrain.lazy import np


@dataclass(frozen=True)
class Request:
    """Some examples, in the order in which they came.

    Args:
        names: what each is called: a file, file and line, or array and row.
        inputs: of those that can be used, (usable, *input_shape).
        problems: why an example cannot be used, by its position among the names.
        total: how many there are in all pieces together; none where that is not known.
    """

    names: Sequence[str]
    inputs: np.ndarray
    problems: dict[int, str] = field(default_factory=dict)
    total: int | None = None


class Reader(Protocol):
    """Reads what a run can be asked about, as its training data were read."""

    @property
    def takes(self) -> str:
        """What may be given, for messages."""

    def read(self, sources: Sequence[str], size: int) -> Iterator[Request]:
        """Yields the examples of files, folders and `-` (standard input), at most `size` at a time."""

    def read_values(self, values: Sequence[Any]) -> Request:
        """Returns examples that came as JSON."""

    def read_file(self, name: str, content: bytes) -> Request:
        """Returns the examples of a file that came without a place on this machine."""
