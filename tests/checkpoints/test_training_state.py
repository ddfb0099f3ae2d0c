"""What a checkpoint says of the training is held against its whole type, however deep something else stands in it."""

import copy
import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from dltrain.checkpoints.store import Checkpoint
from dltrain.checkpoints.training_state import TrainingState
from dltrain.data import DataSpec, Pieces
from dltrain.data.plain_types import misfit
from dltrain.errors import CheckpointError
from dltrain.features.class_label import ClassLabel
from dltrain.features.image import Image
from dltrain.features.numbers import Numbers
from dltrain.features.table import Column, Table
from dltrain.features.vector import Vector

COLUMNS = Column("a", "a", fill=1.5), Column("b", "b", "category", categories=("x", "y"))
EYE = np.eye(3, dtype=np.float32)
SPECS = {
    "table": DataSpec.of(Table(columns=COLUMNS), Numbers(names=("y",))),
    "image": DataSpec.of(Image(shape=(4, 4, 3)), ClassLabel(class_names=("cat", "dog"))),
    "vector": DataSpec.of(
        Vector(shape=(3,)).adapt(Pieces(np.eye(3, dtype=np.float32))), ClassLabel(class_names=("a",))
    ),
}
STATE = {
    "examples": 100,
    "targets": "abc",
    "step": 7,
    "epoch": 1,
    "seconds": 1.5,
    "means": {"loss": 0.5},
    "best": {"monitor": "val_loss", "value": float("nan"), "epoch": 1, "step": 7},
    "patience": {"monitor": "val_loss", "best": None, "wait": 2},
    "plateau": {"scale": 0.5, "best": None, "wait": 1, "cooldown": 0},
    "halted_by": [{"name": "mine"}],
    "fingerprint": {"train": "0123"},
    "changes": [{"step": 5, "train.epochs": [1, 2]}],
}
OTHERS = [None, True, -1, 0, 1.5, "x", "", [], {}, [1], ["x"], {"a": 1}, 10**40, -(10**40), [[[]]], float("inf")]


def saved(state):
    return Checkpoint(Path("last.npz"), {}, json.loads(json.dumps(state)))


def places(value, path=()):
    """Yields the path of every value within a value."""
    yield path
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(inner, (*path, key))


def replaced(value, path, other):
    changed = copy.deepcopy(value)
    holder = changed
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = other
    return changed


@pytest.mark.parametrize("name", SPECS)
def test_a_state_is_read_as_it_was_written(name):
    state = {**STATE, "data": SPECS[name].plain()}
    read = TrainingState.of(saved(state))
    assert read.spec == SPECS[name]
    assert json.dumps(dataclasses.asdict(read), sort_keys=True) == json.dumps(
        {**state, "stage": 0, "stopped": False, "restores": 0}, sort_keys=True
    )


@pytest.mark.parametrize("name", SPECS)
def test_whatever_stands_at_whatever_place_is_of_its_type_or_refused(name):
    state = {**STATE, "data": json.loads(json.dumps(SPECS[name].plain()))}
    refused = taken = 0
    for path in [*places(state)][1:]:
        for other in OTHERS:
            try:
                read = TrainingState.of(saved(replaced(state, path, other)))
            except CheckpointError as error:
                assert "was written by another version of dltrain" in str(error)
                refused += 1
            else:
                assert misfit(read, TrainingState) is None
                assert isinstance(read.spec, DataSpec)
                taken += 1
    assert refused > taken


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("best", {"monitor": "loss", "value": "0.5", "epoch": 1, "step": 7}),
        ("best", {"monitor": "loss", "value": 0.5, "epoch": 1}),
        ("patience", {"monitor": "loss", "best": None, "wait": None}),
        ("plateau", {"scale": "1"}),
        ("means", {"loss": [1.0]}),
        ("changes", [[]]),
        ("changes", [{"train.epochs": [1, 2]}]),
        ("halted_by", ["mine"]),
        ("fingerprint", {"train": 1}),
        ("step", -1),
        ("step", True),
        ("stage", -1),
        ("seconds", True),
    ],
)
def test_inner_types_that_are_wrong_are_refused(key, value):
    with pytest.raises(CheckpointError, match="another version"):
        TrainingState.of(saved({**STATE, "data": SPECS["image"].plain(), key: value}))


@pytest.mark.parametrize(
    ("value", "hint", "place"),
    [
        (1, float, None),
        (True, int, ""),
        (True, float, ""),
        (2**63, int, ""),
        (float("nan"), float, None),
        ((1, None), tuple[int | None, ...], None),
        ((1, "x"), tuple[int | None, ...], ".1"),
        ((1, 2, 3), tuple[int, int], ""),
        ([{"a": [1]}], list[dict[str, list[int]]], None),
        ([{"a": [1.5]}], list[dict[str, list[int]]], ".0.a.0"),
        (Column("a", "a", fill="x"), Column, ".fill"),
        (Column("a", "a"), Table, ""),
    ],
)
def test_the_place_of_what_is_of_another_type_is_found(value, hint, place):
    assert misfit(value, hint) == place
