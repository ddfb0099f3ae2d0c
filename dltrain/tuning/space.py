"""The search space: checked before anything is trained, and drawn from for each trial."""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dltrain.config import document
from dltrain.config.document import Mark, Problem, Source
from dltrain.config.experiment import Config, to_plain
from dltrain.config.schema import locate_value
from dltrain.config.tuning import Parameter, Tune
from dltrain.errors import ConfigError, Problems
from dltrain.registry import suggestion

FIXED = ("name", "plugins", "tune", "dataset.name", "task.name", "checkpoint.monitor", "report")
"""Keys that are the same in all trials: their values could not be compared, or would have no effect."""

Values = Mapping[str, Any]
"""What a trial has for the keys of the space, those that are conditional included where their condition holds."""


def arguments(values: Values) -> list[str]:
    """Returns the `key.path=value` arguments that give a config these values."""
    return [f"{key}={spelled(value)}" for key, value in values.items()]


def spelled(value: Any) -> str:
    """Returns a value as an argument has it: bare where that says the same, else as JSON, which is YAML."""
    plain = to_plain(value)
    if isinstance(plain, str):
        read = document.parse(Source("", plain, Path())) if plain.isprintable() and ": " not in plain else None
        if read is not None and read.value == plain and " #" not in plain:
            return plain
    return json.dumps(plain, ensure_ascii=False)


def holds(parameter: Parameter, values: Values) -> bool:
    """Whether the condition of a key holds for these values of others."""
    return all(key in values and values[key] in _listed(wanted) for key, wanted in (parameter.when or {}).items())


def draw(space: Mapping[str, Parameter], one: Callable[[str, Parameter], Any]) -> dict[str, Any]:
    """Returns values for the keys of the space, in its order.

    Args:
        space: what to look for.
        one: returns a key's value; asked only where its condition holds.
    """
    values: dict[str, Any] = {}
    for key, parameter in space.items():
        if holds(parameter, values):
            values[key] = one(key, parameter)
    return values


def check(config: Config) -> Tune:
    """Makes sure that the config can be trained with each choice and at both ends of each range.

    Args:
        config: what a search was asked of.

    Returns:
        what to look for.

    Raises:
        ConfigError: with every problem found.
    """
    if config.tune is None:
        words = "the tune block is missing: set tune.space, what to search, and tune.trials or tune.minutes, how long"
        raise ConfigError([locate_value(config.root).problem(words)])
    space, checked = config.tune.space, _Check(config)
    sound = {key: parameter for key, parameter in space.items() if checked.is_sound(key, parameter, space)}
    for key, parameter in sound.items():
        for value in parameter.ends:
            for context in _contexts(key, parameter, space):
                checked.load(draw(sound, _forced({**context, key: value})))
    if checked.problems:
        found: Problems = [*sorted(checked.problems.values(), key=_place)]
        raise ConfigError(found)
    return config.tune


class _Check:
    """One check of a space, and what it has found so far."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._block = config.root.value["tune"].value["space"]
        self.problems: dict[str, Problem] = {}

    def is_sound(self, key: str, parameter: Parameter, space: Mapping[str, Parameter]) -> bool:
        """Whether a key may be looked for, and its condition is one of the space."""
        before = len(self.problems)
        if not re.fullmatch(r"\w+(\.\w+|\[\d+\])*", key):
            self._add(key, f"tune.space must hold keys such as optimizer.learning_rate, got {key!r}")
        if any(key == fixed or key.startswith(f"{fixed}.") for fixed in FIXED):
            self._add(key, f"tune.space must not hold {key}: it is the same in all trials")
        if any(override.partition("=")[0] == key for override in self._config.text.overrides):
            self._add(key, f"{key} is in tune.space: remove it from the arguments")
        earlier = list(space)[: list(space).index(key)]
        for other, wanted in (parameter.when or {}).items():
            where = f"tune.space.{key}.when"
            if other not in space:
                known = suggestion(other, earlier) if earlier else f"; no key stands before {key}"
                self._add(key, f"{where} must name keys of the space, got {other!r}{known}", "when")
            elif other not in earlier:
                self._add(key, f"{where}: {other} must stand before {key}", "when")
            elif choices := space[other].choices:
                strange = [each for each in _listed(wanted) if each not in choices]
                if strange:
                    words = ", ".join(map(spelled, choices))
                    self._add(key, f"{where}: {other} must be one of {words}, got {spelled(strange[0])}", "when")
        return len(self.problems) == before

    def load(self, values: Values) -> None:
        """Loads the config with some values; a problem is reported at the key that it comes from."""
        given = dict(zip(values, arguments(values), strict=True))
        try:
            self._config.with_overrides("tune=none", *given.values()).checked()
        except ConfigError as error:
            keys = {argument: key for key, argument in given.items()}
            for problem in error.problems:
                if isinstance(problem, Problem) and (key := keys.get(problem.mark.source.name)):
                    self._add(key, f"tune.space: {problem.first_line}")
                else:
                    first = problem if isinstance(problem, str) else problem.headline
                    self._add(next(reversed(given)), f"tune.space: with {' '.join(given.values())}: {first}")

    def _add(self, key: str, message: str, within: str = "") -> None:
        block = self._block.value[key]
        mark = block.keys[within] if within else self._block.keys[key]
        self.problems.setdefault(message, Problem(mark, message))


def _contexts(key: str, parameter: Parameter, space: Mapping[str, Parameter]) -> list[dict[str, Any]]:
    """Returns values of other keys with which a key is checked: those of its condition, and each name of its block."""
    found: list[dict[str, Any]] = [{}]
    fixed = parameter.when or {}
    for other, wanted in fixed.items():
        found = [{**context, other: value} for context in found for value in _listed(wanted)]
    for other, names in space.items():
        block = other.removesuffix(".name")
        if other.endswith(".name") and other != key and key.startswith(f"{block}.") and other not in fixed:
            found = [{**context, other: name} for context in found for name in names.choices]
    return [_with_conditions(context, space) for context in found]


def _with_conditions(context: dict[str, Any], space: Mapping[str, Parameter]) -> dict[str, Any]:
    """Adds what must hold so that the keys of a context are looked for."""
    for key in [*context]:
        for other, wanted in (space[key].when or {}).items():
            context = _with_conditions({other: _listed(wanted)[0], **context}, space)
    return context


def _forced(values: Values) -> Callable[[str, Parameter], Any]:
    """Returns what draws the given values, and the first of all others."""
    return lambda key, parameter: values.get(key, parameter.ends[0])


def _listed(wanted: Any) -> tuple[Any, ...]:
    return wanted if isinstance(wanted, tuple) else (wanted,)


def _place(problem: Problem) -> tuple[int, int]:
    mark: Mark = problem.mark
    return mark.line, mark.column
