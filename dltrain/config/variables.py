"""Environment variables in a config's texts: `${NAME}`, `${NAME:default}`, and `$${` for a `${` that means itself.

The run's config.yaml holds what they were, so that it repeats the run anywhere, and a tracker may send it elsewhere. So
a variable whose name looks like that of a secret (a token, a password, a key) is refused, whoever wrote the config;
tools that need one (W&B, MLflow) read it from the environment themselves.
"""

import os
import re

_PLACE = re.compile(r"\$\{(?P<inside>[^{}\n]*)(?P<end>\}?)")
_CONTENT = re.compile(r"(?P<name>[A-Za-z_]\w*)(?::(?P<default>.*))?", re.ASCII)

_SECRET = re.compile(
    r"(?:.*_)?(?:TOKEN|SECRET|PASSWORD|PASSWD|PASS|PWD|(?:API)?KEY|CREDENTIALS?|AUTH)S?(?:_.*)?",
    re.IGNORECASE | re.DOTALL,
)

# Characters that end a plain scalar, and private ones of which YAML knows nothing.
_SHIELD = {ord(character): 0xE000 + index for index, character in enumerate("{}[]:,# ")}
_SHIELDED = {private: plain for plain, private in _SHIELD.items()}


def shield(text: str) -> str:
    """Returns YAML text in which `${...}` is one word, within `{...}` and `[...]` too; as long as it was."""
    return re.sub(r"\$\{[^{}\n]*\}", lambda match: match[0].translate(_SHIELD), text)


def unshield(text: str) -> str:
    """Returns a scalar of shielded text as it was written."""
    return text.translate(_SHIELDED)


def escaped(text: str) -> str:
    """Escapes a text so that a config that contains it reads back as the same text."""
    return text.replace("${", "$${")


def expand(text: str) -> tuple[str, tuple[str, ...]]:
    """Replaces each variable by its value; returns the text, and a remark for each variable: `from $NAME`.

    Raises:
        ExceptionGroup: of a ValueError for each place that names no variable, or one that is not set.
    """
    told: list[str] = []
    problems: list[ValueError] = []

    def value(match: re.Match[str]) -> str:
        content = _CONTENT.fullmatch(match["inside"])
        default = content["default"] if content else None
        if content is None or not match["end"]:
            problems.append(
                ValueError(f"must be ${{NAME}} or ${{NAME:default}}, got {match[0]!r}; for a plain ${{ write $${{")
            )
        elif default is not None and default.startswith("-"):
            rest = default.removeprefix("-")
            words = f"for the default {rest!r} write ${{{content['name']}:{rest}}}, for {default!r} put a blank before"
            problems.append(ValueError(f"must not have :- as in a shell, got {match[0]!r}; {words}"))
        elif _SECRET.fullmatch(content["name"]):
            name = content["name"]
            problems.append(
                ValueError(
                    f"{name} looks like the name of a secret, and config.yaml would store its value: use another"
                )
            )
        elif content["name"] in os.environ:
            told.append(f"from ${content['name']}")
            return os.environ[content["name"]]
        elif default is not None:
            told.append(f"${content['name']} is not set")
            return default.strip()
        else:
            name = content["name"]
            words = f"type {name}=... before the command, or give a default: ${{{name}:...}}"
            problems.append(ValueError(f"the environment variable {name} is not set; {words}"))
        return ""

    # Every second part is the `${` of a `$${`, which stays.
    parts = re.split(r"\$(\$\{)", text)
    expanded = "".join(part if index % 2 else _PLACE.sub(value, part) for index, part in enumerate(parts))
    if problems:
        raise ExceptionGroup("variables", problems)
    return expanded, tuple(dict.fromkeys(told))
