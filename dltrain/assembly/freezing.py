"""Which layers keep their weights."""

import fnmatch
from typing import Any

from dltrain.checkpoints.layer_names import heads_of, named_layers
from dltrain.config.blocks import Stage
from dltrain.errors import KeyProblem
from dltrain.keras_internals import freeze_whole
from dltrain.lazy import keras
from dltrain.registry import suggestion


def freeze(model: Any, patterns: tuple[str, ...]) -> None:
    """Freezes layers: their weights and their statistics stay as they are.

    Args:
        model: a built network.
        patterns: names of layers, with `*`, `?` and `[...]` as in file names.

    Raises:
        ValueError: if a pattern fits no layer with weights, or if nothing is left to train.
    """
    named = named_layers(model)
    problems = []
    for index, pattern in enumerate(patterns):
        found = [name for name in named if fnmatch.fnmatchcase(name, pattern)]
        if not found:
            there = suggestion(pattern.strip("*?"), list(named), "there are")
            problems.append(
                KeyProblem(f"freeze[{index}]", f"must be the name of a layer with weights, got {pattern!r}{there}")
            )
        for name in found:
            freeze_whole(named[name])
    if problems:
        raise ExceptionGroup("freeze", problems)
    if patterns and not model.trainable_weights:
        raise KeyProblem("freeze", "must leave something to train: it names every layer")


def kept_in(named: dict[str, Any], stage: Stage) -> list[str]:
    """Returns the names of the layers that a stage freezes.

    Raises:
        ValueError: if the stage's first layer does not exist or has no weights.
    """
    names = list(named)
    first = 0
    if stage.train_from is not None:
        pattern = heads_of(named)[0] if stage.train_from == "head" else stage.train_from
        found = [index for index, name in enumerate(names) if fnmatch.fnmatchcase(name, pattern)]
        if not found:
            there = suggestion(pattern.strip("*?"), names, "there are")
            raise KeyProblem("train_from", f"must be the name of a layer with weights, or head, got {pattern!r}{there}")
        first = found[0]
    return [
        name
        for index, name in enumerate(names)
        if index < first
        or (stage.freeze_batch_normalization and isinstance(named[name], keras.layers.BatchNormalization))
    ]


def freeze_for(model: Any, stage: Stage) -> None:
    """Freezes the layers that a stage does not train; ValueError if its first layer does not exist."""
    named = named_layers(model)
    for name in kept_in(named, stage):
        freeze_whole(named[name])
