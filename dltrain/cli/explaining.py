"""`dltrain show --explain`: where each value comes from."""

import dataclasses
from pathlib import Path

from dltrain.cli.arguments import echo, one_line, print_json, sort_words
from dltrain.config import document
from dltrain.config import experiment as experiments
from dltrain.config.provenance import Explained, annotated, origins, under
from dltrain.config.provenance import explain as explained
from dltrain.errors import ConfigError
from dltrain.runs import folder
from dltrain.runs.settings import provenance_of


def explain(words: list[str], runs: Path, as_json: bool) -> None:
    """Prints the values of a CONFIG or RUN with their places; where words name keys, those, with what they mean.

    Args:
        words: CONFIG or RUN, overrides, and keys such as optimizer.learning_rate, in any order; of a RUN, it first.
        runs: the folder that runs lie in.
        as_json: print {"explained": [{"key", "value", "origin", "over", "must_be", "help"}]}.
    """
    overrides_and_configs = [word for word in words if "=" in word or word.endswith((".yaml", ".yml"))]
    given = sort_words(overrides_and_configs)
    others = [word for word in words if word not in overrides_and_configs]
    if given.config is None and not others:
        raise ConfigError(["show needs a CONFIG, a file that ends in .yaml, or a RUN"])
    if given.config is not None:
        keys, config = others, experiments.load(given.config, given.overrides, reads_data=False)
        found = origins(config)
    else:
        keys, run = others[1:], folder.find(others[0], runs)
        config = experiments.load(run.config, given.overrides, reads_data=False)
        changed = {key: place for key, place in origins(config).items() if place.startswith("argument ")}
        found = provenance_of(run) | changed
    rows = explained(config, found)
    chosen = [row for key in keys for row in under(rows, key)] if keys else rows
    if as_json:
        print_json({"explained": [dataclasses.asdict(row) for row in chosen]})
    elif not keys:
        echo(annotated(config, rows))
    else:
        echo("\n".join(_words(row) for row in chosen))


def _words(row: Explained) -> str:
    before = [f"instead of {_inline(each['value'])}, {each['origin']}" for each in row.over]
    lines = [f"{row.key}: {_inline(row.value)}", f"from {row.origin}", *before, row.help]
    if row.must_be:
        lines.append(f"must be {row.must_be}")
    return "\n  ".join(one_line(line) for line in lines if line)


def _inline(value: object) -> str:
    """Returns a value as YAML in a line."""
    return document.dump([value], width=10**6, in_line=True).strip()[1:-1]
