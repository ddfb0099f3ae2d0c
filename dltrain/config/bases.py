"""`base: ./other.yaml`: a config that states only how it differs from another one, which may itself have a base.

Blocks are merged key by key, lists replaced, and a block whose `name` changes is replaced as a whole: the base's other
keys belong to the former choice. A relative path stays relative to the file in which it stands.
"""

import dataclasses
from pathlib import Path

from dltrain.config import document
from dltrain.config.document import Node
from dltrain.errors import ConfigError
from dltrain.registry import nearest

KEY = "base"
MAX_FILES = 16


def read(path: Path) -> Node:
    """Reads a config file and its bases into one tree, without the `base` key.

    Raises:
        ConfigError: if one of the files cannot be read or the bases form a circle; with every problem found in a file.
    """
    chain, nodes = [path], [document.read(path)]
    while (named := nodes[-1].value.get(KEY)) is not None:
        chain.append(_found(named, chain))
        nodes.append(document.read(chain[-1]))
    tree = without(nodes.pop())
    while nodes:
        tree = merged(without(nodes.pop()), tree)
    return tree


def merged(node: Node, base: Node, is_root: bool = True) -> Node:
    """Lays a config over its base and returns the result.

    Args:
        node: the config; its values win.
        base: the config that it builds on.
        is_root: whether this is a whole config, whose `name` names the run and chooses no class.
    """
    if not isinstance(node.value, dict) or not isinstance(base.value, dict):
        return dataclasses.replace(node, over=base)
    names = [each.value["name"].value for each in (node, base) if "name" in each.value]
    if not is_root and len(names) == 2 and names[0] != names[1]:
        values = {**node.value, "name": dataclasses.replace(node.value["name"], over=base.value["name"])}
        return dataclasses.replace(node, value=values, over=base)
    values = {
        key: merged(value, base.value[key], is_root=False) if key in base.value else value
        for key, value in node.value.items()
    }
    rest = {key: value for key, value in base.value.items() if key not in values}
    return dataclasses.replace(node, value=values | rest, keys={**base.keys, **node.keys})


def without(node: Node) -> Node:
    """Returns a config without its `base` key."""
    values, keys = ({key: each for key, each in of.items() if key != KEY} for of in (node.value, node.keys))
    return dataclasses.replace(node, value=values, keys=keys)


def _found(named: Node, chain: list[Path]) -> Path:
    """Returns the file that the key names.

    Raises:
        ConfigError: if it is not there, or stands in the chain already.
    """
    if named.unknown:
        raise ConfigError(named.unknowns)
    text = named.value
    if not isinstance(text, str) or not text:
        raise _problem(named, f"must be the path of one YAML file, got {_shown(named)}")
    try:
        path = Path(named.mark.source.name).parent / Path(text).expanduser()
        if not path.is_file():
            there = [file.name for file in path.parent.glob("*.y*ml")] if path.parent.is_dir() else []
            raise _problem(named, f"must be an existing YAML file, got {text!r}{nearest(path.name, sorted(there))}")
        met = [file.resolve() for file in chain]
        if path.resolve() in met:
            circle = [*chain[met.index(path.resolve()) :], path]
            raise _problem(named, f"must not form a circle: {' -> '.join(map(str, circle))}")
    except (OSError, ValueError, RuntimeError):  # a name that is too long, a NUL, the home of an unknown user
        raise _problem(named, f"must be an existing YAML file, got {text[:80]!r}") from None
    if len(chain) >= MAX_FILES:
        raise _problem(named, f"must not lead through more than {MAX_FILES} files")
    return path


def _problem(named: Node, words: str) -> ConfigError:
    return ConfigError([named.mark.problem(f"{KEY} {words}")])


def _shown(named: Node) -> str:
    if isinstance(named.value, list):
        return "a list; a config has one base, which may have a base itself"
    return "a block" if isinstance(named.value, dict) else "nothing" if not named.value else repr(named.value)
