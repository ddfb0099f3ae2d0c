"""Other values within plain data, as of YAML and JSON: of another type, out of every range, missing, or too many."""

from __future__ import annotations

import copy
import random
from typing import Any

VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 3.5, -0.0, 1e300, 10**9, 2**63, 2**70, float("nan"), float("inf")),
    *(
        "",
        " ",
        "x",
        "none",
        "null",
        "true",
        "0",
        "-1",
        "1e5",
        "auto",
        "=1+1",
        "a b",
        "\0",
        "\x1b[31m",
        "\n",
        "é",
        "𝕏",
        "\ud800",
    ),
    *(
        "..",
        "/",
        "/dev/zero",
        "x" * 300,
        "x" * 100_000,
        "$",
        "${HOME}",
        "${",
        "$${",
        "a.b",
        "a=b",
        "[",
        "{",
        "- a",
        "&a",
    ),
    *([], {}, [[]], [{}], [None], [1], [1, 2], ["x"], ["x", "x"], [0] * 1000, {"a": 1}, {"": None}, {"name": "x"}),
    *({"name": None}, {"name": ["x"]}, {1: 2}, {None: 1}, {"name": "x", "name ": "y"}),
)


def changed(random_: random.Random, good: Any) -> Any:
    """Returns a copy of plain data with one to four changes."""
    holder = {"": copy.deepcopy(good)}
    for _ in range(random_.choice((1, 1, 2, 4))):
        _change(random_, *_place(random_, holder))
    return holder[""]


def _place(random_: random.Random, holder: Any) -> tuple[Any, Any]:
    """Returns a mapping or list, and the key or position of a value in it."""
    key: Any = ""
    while isinstance(holder[key], dict | list) and holder[key] and random_.random() < 0.85:
        holder = holder[key]
        key = random_.choice([*holder]) if isinstance(holder, dict) else random_.randrange(len(holder))
    return holder, key


def _change(random_: random.Random, holder: Any, key: Any) -> None:
    value, way = holder[key], random_.random()
    if way < 0.55:
        holder[key] = copy.deepcopy(random_.choice(VALUES))
    elif way < 0.65 and key != "":
        del holder[key]
    elif way < 0.75 and isinstance(holder, dict) and key != "":
        holder[random_.choice(("x", "", "name", "a b", "\x1b", str(key) + "_", str(key).upper(), 1, None))] = value
    elif way < 0.8 and isinstance(holder, list):
        holder *= random_.choice((2, 100))
    elif isinstance(value, bool) or not isinstance(value, int | float):
        holder[key] = [value] if way < 0.9 else {"a": value}
    else:
        holder[key] = random_.choice((-value, value * 1000, value / 3, str(value), value + 0.5, [value] * 3))
