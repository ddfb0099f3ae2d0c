"""What answers are worth, held against scikit-learn and against what is counted by hand."""

import numpy as np
import pytest

from dltrain.report.scores import BINS, calibration, confusion, per_class, ranking, sigmoid, softmax


@pytest.fixture
def scored():
    random = np.random.RandomState(0)
    has = random.rand(400) < 0.3
    return np.round(random.rand(400) + 0.4 * has, 2), has  # rounded: scores that are equal


def test_areas_are_those_of_scikit_learn(scored):
    from sklearn.metrics import average_precision_score, roc_auc_score

    scores, has = scored
    found = ranking(scores, has)
    assert found.area == pytest.approx(roc_auc_score(has, scores))
    assert found.average_precision == pytest.approx(average_precision_score(has, scores))


def test_a_curve_goes_from_nothing_to_everything(scored):
    found = ranking(*scored)
    assert (found.false_alarms[0], found.found[0]) == (0, 0)
    assert (found.false_alarms[-1], found.found[-1]) == (1, 1)
    assert (np.diff(found.false_alarms) >= 0).all()
    assert (np.diff(found.found) >= 0).all()
    assert found.precision[-1] == scored[1].mean()


@pytest.mark.parametrize("has", [np.zeros(3, bool), np.ones(3, bool)])
def test_where_all_or_none_have_it_there_is_no_curve(has):
    assert ranking(np.arange(3.0), has) is None


def test_precision_recall_and_f1_are_those_of_scikit_learn():
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    random = np.random.RandomState(1)
    actual, predicted = random.randint(4, size=200), random.randint(4, size=200)
    counts = confusion(actual, predicted, 4)
    found = per_class(np.diag(counts), counts.sum(axis=1), counts.sum(axis=0))
    assert (counts == confusion_matrix(actual, predicted)).all()
    assert np.allclose(found, precision_recall_fscore_support(actual, predicted)[:3])


def test_a_class_that_never_occurs_has_no_recall():
    found = per_class(np.array([0, 2]), np.array([0, 2]), np.array([0, 2]))
    assert np.isnan(found.recall[0])
    assert found.recall[1] == 1


def test_the_calibration_error_is_the_mean_gap_weighted_by_counts():
    found = calibration(np.array([0.95, 0.95, 0.95, 0.95, 0.5]), np.array([True, True, True, False, True]))
    assert found.error == pytest.approx((4 * 0.2 + 1 * 0.5) / 5)
    assert found.counts.sum() == 5
    assert len(found.counts) == BINS


def test_probabilities_of_huge_logits_are_finite():
    logits = np.array([[1e30, -1e30], [0.0, 0.0]], np.float32)
    assert (softmax(logits) == [[1, 0], [0.5, 0.5]]).all()
    assert (sigmoid(logits) == [[1, 0], [0.5, 0.5]]).all()
