"""What a dataset proposes to make of a path of the user's: the word that datasets and `dltrain init` share."""

from dataclasses import dataclass, field
from typing import Any

Keys = dict[str, tuple[Any, str]]
"""The keys of a block that `init` writes: values, and what is said beside them."""


@dataclass(frozen=True)
class Entry:
    """An entry of a list in a config.

    Args:
        value: its keys.
        words: what is said beside it.
        is_chosen: otherwise it is written as a comment.
    """

    value: dict[str, Any]
    words: str
    is_chosen: bool = True


@dataclass(frozen=True)
class Entries:
    """A block of a config that is a list.

    Args:
        words: what is said beside its name.
        entries: of the list.
    """

    words: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class Proposal:
    """A dataset's block for data that were looked at.

    Args:
        keys: of the block, without its name; paths as Path.
        remarks: what is to be said beside a key: why, and what else there is.
        found: what was seen, a line each.
        examples: how many there are, in all parts together.
        counts: examples of each class; empty where there are no classes.
        photographs: whether the inputs are images of several sizes or large ones, as a camera makes them.
        has_target: whether something is to be predicted of the inputs, and not they themselves.
    """

    keys: dict[str, Any]
    remarks: dict[str, str] = field(default_factory=dict)
    found: tuple[str, ...] = ()
    examples: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    photographs: bool = False
    has_target: bool = True
