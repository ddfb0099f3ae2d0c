"""The options of a run's task: what a prediction may hold besides the predicted value."""

import re
from collections.abc import Mapping
from typing import Any

from dltrain.errors import KeyProblem, OptionError

KNOWN: Mapping[str, type] = {"top_k": int, "probabilities": bool}
"""Those that can be asked for of any run; one whose task does not have them says why."""

NONE = {"top_k": 1, "probabilities": False}
"""Values that ask for nothing."""


def names(task: Any) -> list[str]:
    """Returns what a run can be asked for."""
    return list({**KNOWN, **task.options})


def parsed(task: Any, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Returns options that came as text or JSON, as what they are.

    Args:
        task: the run's.
        asked: values by name, each one of `names`.

    Raises:
        KeyProblem: if one is not of its type.
    """
    kinds = {**KNOWN, **task.options}
    return {name: _parsed(name, kinds[name], value) for name, value in asked.items()}


def chosen(task: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the options that ask for something.

    Raises:
        OptionError: if the task does not have one of them.
    """
    wanted = {name: value for name, value in options.items() if NONE.get(name) != value}
    for name in wanted:
        if name not in task.options:
            raise OptionError(KeyProblem(name.replace("_", "-"), f": {task.no_option}"))
    return wanted


def _parsed(name: str, kind: type, value: Any) -> Any:
    text = str(value)
    if kind is bool:
        if text.lower() not in ("true", "false"):
            raise KeyProblem(name, "must be true or false")
        return text.lower() == "true"
    if kind is int:
        if isinstance(value, bool) or not re.fullmatch(r"[1-9]\d{0,5}", text):
            raise KeyProblem(name, "must be a whole number from 1")
        return int(text)
    if kind is float:
        try:
            return float(text)
        except ValueError:
            raise KeyProblem(name, "must be a number") from None
    return text
