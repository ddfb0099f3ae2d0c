"""Parts of whole classes: what is asked of a network that has seen none of theirs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from dltrain.errors import KeyProblem
from dltrain.fields import HeldOut, parse_fold

Files = dict[str, dict[str, list[Path]]]
"""Of each class of each part."""


Example = TypeVar("Example")


def with_held_out_classes(
    found: Mapping[str, Mapping[str, list[Example]]], fractions: Mapping[str, HeldOut], seed: int
) -> dict[str, dict[str, list[Example]]]:
    """Returns the examples of each class of each part, with classes of the train part held out for the other parts.

    Args:
        found: those of the parts that there are, the train part among them.
        fractions: the share of the train part's classes that each other part gets, in the order in which they are
            taken; unused where there is such a part.
        seed: of which ones. A class more or less leaves the order of the others as it is.

    Raises:
        KeyProblem: if a part has fewer than two classes, or fewer are left to train on.
    """
    parts = {part: dict(classes) for part, classes in found.items()}
    for part, fraction in fractions.items():
        if part in found or not fraction:
            continue
        names = sorted(parts["train"], key=lambda name: hashlib.sha256(f"{seed} {name}".encode()).digest())
        if isinstance(fraction, str):
            number, count = parse_fold(fraction)
            if len(names) < 2 * count:
                words = (
                    f"has {count} folds of {len(names)} classes, at most {len(names) // 2} have two each to tell apart"
                )
                raise KeyProblem(f"{part}_fraction", words)
            taken = names[number - 1 :: count]
        else:
            taken = names[: max(1, round(fraction * len(names)))]
        if len(taken) < 2:
            words = f"holds out {len(taken)} of {len(names)} classes: at least 2 are needed to tell apart"
            raise KeyProblem(f"{part}_fraction", f"{words}; {2 / max(len(names), 1):.2g} gives 2, 0 gives no such part")
        parts[part] = {name: parts["train"].pop(name) for name in sorted(taken)}
        if len(parts["train"]) < 2:
            words = f"leaves {len(parts['train'])} of {len(names)} classes to train on, at least 2 are needed"
            raise KeyProblem(f"{part}_fraction", words)
    return parts
