"""What each feature says of its stored values where data are looked at: findings, columns, vectors, identity."""

import numpy as np
import pytest

from dltrain.data import DataSpec, Features, Finding, Parts, Pieces, Ragged, Split, Splits
from dltrain.data.finding import ORDER
from dltrain.data.trees import joined
from dltrain.features._series.tables import Layout
from dltrain.features.audio import Audio
from dltrain.features.boxes import Boxes
from dltrain.features.class_label import ClassLabel
from dltrain.features.future import Future
from dltrain.features.identity import Identity
from dltrain.features.image import Image
from dltrain.features.labels import Labels
from dltrain.features.numbers import Numbers
from dltrain.features.sentence import Sentence
from dltrain.features.series import Series
from dltrain.features.table import Column, Table
from dltrain.features.tags import Tags
from dltrain.features.tokens import Tokens
from dltrain.features.vector import Vector
from dltrain.features.whole_series import WholeSeries
from dltrain.inspection.findings import KINDS, examine
from dltrain.inspection.fingerprint import fingerprint
from dltrain.inspection.inspected_data import InspectedData
from dltrain.inspection.joined import Joined
from dltrain.registry import FEATURES

COUNT = 12
RANDOM = np.random.RandomState(0)
TABLE = Table(
    columns=(
        Column(name="size", source="size"),
        Column(name="of", source="text", part="word", word="of"),
        Column(name="kind", source="kind", part="category", categories=("a", "b")),
    )
)
CODES = np.stack([RANDOM.rand(COUNT), np.zeros(COUNT), np.arange(COUNT) % 3], axis=1).astype(np.float32)
TOKENS = Tokens(kind="words", max_length=9).fit([[f"word{row} and word{row + 1}" for row in range(COUNT)]])
SENTENCE = Sentence(kind="words", max_length=9).fit([[[f"word{row}", "and"] for row in range(COUNT + 1)]])
EACH = {
    "class_label": (ClassLabel(class_names=("a", "b")), np.arange(COUNT, dtype=np.int32) % 2),
    "identity": (Identity(class_names=("a", "b")), np.arange(COUNT, dtype=np.int32) % 2 - 1),
    "image": (Image(shape=(40, 36, 3)), RANDOM.randint(0, 256, (COUNT, 40, 36, 3)).astype(np.uint8)),
    "labels": (Labels(class_names=("a", "b", "c")), (RANDOM.rand(COUNT, 3) > 0.5).astype(np.float32)),
    "numbers": (Numbers(names=("x", "y")), RANDOM.rand(COUNT, 2).astype(np.float32)),
    "table": (TABLE, CODES),
    "vector": (Vector(shape=(4,)), RANDOM.rand(COUNT, 4).astype(np.float32)),
    "series": (Series(window=3, layout=Layout(targets=("y",))), RANDOM.rand(COUNT, 3, 1).astype(np.float32)),
    "whole_series": (
        WholeSeries(channels=2),
        Ragged.of([RANDOM.rand(3 + row % 4, 2) for row in range(COUNT)], np.float32),
    ),
    "future": (Future(horizon=2, names=("y",)), RANDOM.rand(COUNT, 2, 1).astype(np.float32)),
    "tokens": (TOKENS, TOKENS.encode([f"word{row} and word{row + 1}" for row in range(COUNT)]).stored),
    "sentence": (SENTENCE, SENTENCE.encode([[f"word{row}", "and", f"word{row + 1}"] for row in range(COUNT)]).stored),
    "tags": (Tags(tag_names=("O", "B-X")), Ragged.of([np.array([0, -1, row % 2]) for row in range(COUNT)], np.int32)),
    "boxes": (
        Boxes(class_names=("a", "b")),
        Ragged.of([np.array([[0.1, 0.2, 0.5, 0.5 + row / 40, row % 2, 0, 0]]) for row in range(COUNT)], np.float32),
    ),
    "audio": (
        Audio(rate=1_000, samples=256, window=32, hop=16, bands=8),
        (RANDOM.rand(COUNT, 256) - 0.5).astype(np.float32),
    ),
}
"""Of each feature an example, and stored values with nothing odd about them."""


def parts_of(stored):
    return Parts({"train": stored}, lambda part, index: f"{part}[{index}]")


def test_each_registered_feature_is_here():
    assert EACH.keys() == set(FEATURES.names())


@pytest.mark.parametrize("brief", [False, True])
@pytest.mark.parametrize("name", EACH)
def test_values_with_nothing_odd_are_left_alone(name, brief):
    feature, stored = EACH[name]
    assert list(feature.findings(parts_of(stored), brief)) == []


@pytest.mark.parametrize("name", EACH)
def test_columns_are_numbers_each_with_a_name_of_its_own(name):
    feature, stored = EACH[name]
    if feature.has_columns:
        columns = feature.columns_of(stored)
        assert columns.shape[0] == COUNT
        assert len({feature.column(index) for index in range(columns.shape[1])}) == columns.shape[1]
        # Trees predict integers as classes and floats as numbers.
        assert (columns.dtype.kind == "i") == (name in ("class_label", "identity", "labels"))
    else:
        assert name in ("audio", "boxes", "image", "tokens", "sentence", "tags", "series", "future", "whole_series")


@pytest.mark.parametrize("name", EACH)
def test_vectors_are_finite_and_near_where_values_are_alike(name):
    feature, stored = EACH[name]
    twice = joined([stored, stored[:1]])
    vectors = feature.vectors(twice)
    if name in ("audio", "image", "table", "tokens", "sentence", "vector", "whole_series"):
        assert vectors.dtype == np.float32
        assert np.isfinite(vectors).all()
        distances = ((vectors[:-1] - vectors[-1]) ** 2).sum(axis=1)
        assert distances.argmin() == 0
        assert distances[0] < distances[1:].min()
    else:
        assert vectors is None


@pytest.mark.parametrize("name", EACH)
def test_values_in_several_parts_are_seen_one_by_one_and_have_the_same_vectors(name):
    feature, stored = EACH[name]
    parts = Joined([stored[:5], stored[5:]])
    assert [np.asarray(each).tolist() for each in parts] == [np.asarray(each).tolist() for each in stored]
    vectors = feature.vectors(stored)
    if vectors is not None:
        np.testing.assert_array_equal(feature.vectors(parts), vectors)


@pytest.mark.parametrize("name", EACH)
def test_moments_have_names_once_a_feature_has_learnt_them(name):
    feature, stored = EACH[name]
    learnt = feature.adapt(Pieces(stored)).moments()
    assert len({row.name for row in learnt}) == len(learnt)
    assert len(learnt) == {"image": 3, "numbers": 2, "table": 2, "vector": 4, "whole_series": 2}.get(name, 0)


def test_names_in_messages():
    names = [feature.column(0) for name, (feature, _) in EACH.items() if name != "whole_series"]
    assert names == [
        "the class",
        "the identity",
        "channel 0",
        "target 'a'",
        "target 'x'",
        "column 'size'",
        "feature 0",
    ] + [f"{name} 0" for name in ("series", "future", "tokens", "sentence", "tags", "boxes", "audio")]
    assert Vector(shape=(3, 2)).column(1) == "channel 1"
    assert [WholeSeries(channels=2, names=names).column(0) for names in ((), ("x", "y"))] == ["channel 1", "x"]


def test_words_that_are_counted_may_be_constant_and_numbers_may_not():
    feature, stored = EACH["table"]
    stored = stored.copy()
    assert feature.column(1) == "column 'of'"
    assert not list(feature.findings(parts_of(stored), False))
    stored[:, 0] = 5
    (finding,) = feature.findings(parts_of(stored), False)
    assert (finding.kind, finding.where) == ("constant columns", ("column 'size'",))


def test_figures_of_numbers_are_by_name():
    feature, _ = EACH["numbers"]
    figures = feature.statistics(np.array([[1, 5], [3, 5]], np.float32))
    assert figures["x"] == {"mean": 2.0, "standard_deviation": 1.0, "minimum": 1.0, "maximum": 3.0}
    assert figures["y"]["standard_deviation"] == 0.0


@pytest.mark.parametrize("name", EACH)
def test_values_of_one_feature_and_of_several_have_a_fingerprint(name):
    feature, stored = EACH[name]
    other, numbers = EACH["vector"]
    target, labels = EACH["class_label"]
    spec = DataSpec.of(feature, target)
    several = DataSpec(Features({"one": feature, "other": other}), Features({"label": target}))
    found = [
        fingerprint(Splits(spec, Split(stored, labels))),
        fingerprint(Splits(several, Split({"one": stored, "other": numbers}, labels))),
        fingerprint(Splits(several, Split({"one": stored, "other": numbers[::-1]}, labels))),
    ]
    assert len({each["train"] for each in found}) == 3


def test_names_of_columns_and_classes_are_what_values_are():
    named = {"class_label": ["a", "b"], "labels": ["a", "b", "c"], "table": ["size", "of", "kind"]}
    nameless = dict.fromkeys(("image", "numbers", "vector", "whole_series"), [])
    known = {name: list(feature.identity()) for name, (feature, _) in EACH.items()}
    assert known | named | nameless == known


@pytest.mark.parametrize("name", EACH)
def test_values_of_one_feature_and_of_several_are_looked_at(name):
    feature, stored = EACH[name]
    other, numbers = EACH["vector"]
    target, labels = EACH["class_label"]
    spec = DataSpec(Features({"one": feature, "other": other}), Features({"label": target}))
    train = Split({"one": stored, "other": numbers}, labels)
    test = Split({"one": stored[:2], "other": numbers[:2]}, labels[:2])
    kinds = [finding.kind for finding in examine(InspectedData(Splits(spec, train, test=test).with_statistics()))]
    assert "leak" in kinds
    test = Split({"one": stored[:2], "other": numbers[3:5]}, labels[:2])
    kinds = [finding.kind for finding in examine(InspectedData(Splits(spec, train, test=test).with_statistics()))]
    assert "leak" not in kinds  # examples are the same where all their inputs are


def test_findings_are_told_in_one_order_whoever_finds_them(monkeypatch):
    found = [Finding(kind, severity, "") for kind in ["of a plugin", *reversed(KINDS)] for severity in reversed(ORDER)]
    monkeypatch.setattr("dltrain.inspection.findings._CHECKS", {lambda data: found: False})
    data = InspectedData(Splits(DataSpec.of(*(EACH[name][0] for name in ("vector", "numbers"))), Split(CODES, CODES)))
    told = [(finding.severity, finding.kind) for finding in examine(data) if finding.message == ""]
    assert told == [(severity, kind) for severity in ORDER for kind in [*KINDS, "of a plugin"]]
