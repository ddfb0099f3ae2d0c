"""What a part cannot tell is no number; what it can tell is exact."""

import numpy as np
import pytest
from specs import data_spec, outcome_of, split_of

from dltrain.features.numbers import Number as Target
from dltrain.registry import TASKS
from dltrain.tasks._metrics import area, odds

NAMES = ("a", "b", "c")
LABELS = data_spec((4,), NAMES, exclusive=False)


def classes(count):
    return data_spec((4,), NAMES[:count])


PARTS = {
    "two classes": ("classification", classes(2), [0, 1, 1, 0], set()),
    "the first of two": ("classification", classes(2), [0, 0, 0], {"auc", "f1"}),
    "the second of two": ("classification", classes(2), [1, 1, 1], {"auc"}),
    "one example": ("classification", classes(2), [0], {"auc", "f1"}),
    "two of three": ("classification", classes(3), [2, 0, 2], set()),
    "one of three": ("classification", classes(3), [1, 1], {"auc"}),
    "some labels": ("multilabel", LABELS, [[0, 1, 0], [0, 0, 0]], set()),
    "a label that all have": ("multilabel", LABELS, [[0, 1, 0], [0, 1, 0]], {"auc"}),
    "no labels": ("multilabel", LABELS, [[0, 0, 0], [0, 0, 0]], {"auc", "f1"}),
}


@pytest.mark.parametrize("name", PARTS)
def test_a_metric_is_undefined_exactly_where_it_is_no_number(tensorflow, name):
    kind, spec, targets, expected = PARTS[name]
    targets = np.array(targets, np.int32 if kind == "classification" else np.float32)
    outputs = np.random.RandomState(0).standard_normal((len(targets), len(spec.target.class_names))).astype(np.float32)
    task = TASKS[kind](metrics=("auc", "f1", "accuracy"))
    assert set(task.undefined(spec, split_of(targets))) == expected
    metrics = task.build_metrics(spec)
    for metric in metrics:
        metric.update_state(targets, outputs)
    found = {metric.name: float(metric.result()) for metric in metrics}
    found |= task.measure(outcome_of(spec, targets, outputs))
    assert {metric for metric, value in found.items() if np.isnan(value)} == expected
    assert TASKS[kind](metrics=("accuracy",)).undefined(spec, split_of(targets)) == {}


@pytest.mark.parametrize(
    ("targets", "expected"),
    [([[1.0, 2.0], [2.0, 2.0]], {"r2"}), ([[1.0, 2.0]], {"r2"}), ([[1.0, 2.0], [2.0, 3.0]], set())],
)
def test_r2_is_undefined_where_a_target_does_not_vary(targets, expected):
    spec = data_spec((4,), targets=(Target("x"), Target("y")))
    part = split_of(np.array(targets, np.float32))
    assert set(TASKS["regression"]().undefined(spec, part)) == expected
    assert TASKS["regression"](metrics=("mae",)).undefined(spec, part) == {}


@pytest.mark.parametrize("kind", ["spread", "tied", "narrow", "confident"])
@pytest.mark.parametrize("count", [2, 3])
def test_the_area_of_a_whole_part_is_scikit_learns(kind, count):
    from sklearn.metrics import roc_auc_score

    random = np.random.RandomState(3)
    logits = random.standard_normal((500, count)).astype(np.float32)
    targets = (logits + 2 * random.standard_normal(logits.shape)).argmax(axis=1).astype(np.int32)
    logits = {"spread": logits, "tied": np.round(logits), "narrow": 3 + logits * 1e-5, "confident": 40 * logits}[kind]
    logits = logits.astype(np.float32)
    exact = logits.astype(np.float64)
    others = [np.logaddexp.reduce(np.delete(exact, index, axis=1), axis=1) for index in range(count)]
    scores = np.round(exact - np.stack(others, axis=1), 12)  # equal up to rounding is equal
    spec, task = classes(count), TASKS["classification"](metrics=("auc",))
    found = task.measure(outcome_of(spec, targets, logits))["auc"]
    each = [roc_auc_score(targets == label, scores[:, label]) for label in range(count)]
    assert found == pytest.approx(each[1] if count == 2 else np.mean(each), abs=1e-9)
    np.testing.assert_allclose(odds(logits), scores, rtol=1e-9, atol=1e-9)


def test_the_area_of_labels_is_scikit_learns_and_equal_scores_count_half():
    from sklearn.metrics import roc_auc_score

    random = np.random.RandomState(4)
    scores = np.round(random.standard_normal((300, 3)), 1)
    has = scores + random.standard_normal(scores.shape) > 0
    assert area(scores, has) == pytest.approx(roc_auc_score(has, scores))
    assert area(np.zeros((4, 1)), np.array([[1], [0], [0], [1]], bool)) == 0.5
    assert np.isnan(area(np.full((4, 1), np.nan), np.array([[1], [0], [0], [1]], bool)))


def test_a_whole_part_is_measured_by_ranks_and_a_monitor_is_named_once():
    assert TASKS["multilabel"]().metric_names == ["auc", "accuracy", "f1"]
    assert TASKS["classification"]().part_metrics == ()
    assert TASKS["classification"](metrics=("accuracy", "auc")).part_metrics == ("auc",)
