import numpy as np
import pytest
from specs import data_spec

from dltrain.tasks.classification import Classification

DATA = data_spec((4,), ("cat", "dog", "owl"))
LOGITS = np.array([[2.0, 0.5, -1.0], [0.0, 1.0, 3.0]], np.float32)
LABELS = np.array([0, 1], np.int32)


def log_softmax(logits):
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


def test_the_loss_is_cross_entropy_on_logits(tensorflow):
    expected = -log_softmax(LOGITS)[[0, 1], LABELS].mean()
    measured = Classification().loss(DATA)(LABELS, LOGITS)
    assert np.mean(measured) == pytest.approx(expected, rel=1e-6)


def test_label_smoothing_spreads_a_share_over_all_classes(tensorflow):
    wanted = np.eye(3)[LABELS] * 0.9 + 0.1 / 3
    expected = -(wanted * log_softmax(LOGITS)).sum(axis=1)
    measured = Classification(label_smoothing=0.1).loss(DATA)(LABELS, LOGITS)
    np.testing.assert_allclose(measured, expected, rtol=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_of_soft_labels_is_the_mixture_of_the_losses(tensorflow, smoothing):
    task = Classification(label_smoothing=smoothing)
    loss = task.loss(DATA)
    first, second = np.array([0, 1], np.int32), np.array([2, 1], np.int32)
    one, other = (np.asarray(task.soft_targets(DATA, labels)) for labels in (first, second))
    np.testing.assert_array_equal(one, np.eye(3, dtype=np.float32)[first])
    expected = 0.75 * np.asarray(loss(first, LOGITS)) + 0.25 * np.asarray(loss(second, LOGITS))
    np.testing.assert_allclose(loss(0.75 * one + 0.25 * other, LOGITS), expected, rtol=1e-5)


def test_metrics_of_soft_labels_ask_for_the_largest_share(tensorflow):
    data = data_spec((4,), tuple("abcdefg"))
    logits = np.array([[7, 6, 5, 4, 3, 2, 1], [7, 6, 5, 4, 3, 2, 1]], np.float32)
    soft = np.array([[0.6, 0.4, 0, 0, 0, 0, 0], [0, 0, 0, 0.9, 0, 0, 0.1]], np.float32)
    for labels in (soft, soft.argmax(axis=1)):
        accuracy, top_5 = Classification(metrics=("accuracy", "top_5_accuracy")).build_metrics(data)
        accuracy.update_state(labels, logits)
        top_5.update_state(labels, logits)
        assert (float(accuracy.result()), float(top_5.result())) == (0.5, 1.0)


def test_metrics_carry_the_names_of_the_config(tensorflow):
    data = data_spec((4,), tuple("abcdefg"))
    metrics = Classification(metrics=("accuracy", "top_5_accuracy")).build_metrics(data)
    assert [metric.name for metric in metrics] == ["accuracy", "top_5_accuracy"]


def test_balanced_weights_are_scikit_learns():
    from sklearn.utils.class_weight import compute_class_weight

    targets = np.array([0] * 10 + [1] * 5 + [2], np.int32)
    expected = compute_class_weight("balanced", classes=np.arange(3), y=targets)
    np.testing.assert_allclose(Classification(class_weights="balanced").weights(DATA, targets), expected, rtol=1e-6)


def test_weights_by_name_are_one_where_a_class_is_not_named():
    assert list(Classification(class_weights={"dog": 3.0}).weights(DATA, LABELS)) == [1, 3, 1]
    assert Classification().weights(DATA, LABELS) is None


def test_what_does_not_fit_the_data_is_refused():
    with pytest.raises(ValueError, match='^class_weights.dgo is not one of the classes, did you mean "dog"'):
        Classification(class_weights={"dgo": 3.0}).check(DATA)
    with pytest.raises(ValueError, match="^metrics must not hold top_5_accuracy"):
        Classification(metrics=("top_5_accuracy",)).check(DATA)


def test_the_first_metric_is_monitored_and_only_losses_should_fall():
    assert Classification().monitor == "val_accuracy"
    assert Classification(metrics=()).monitor == "val_loss"
    assert Classification().larger_is_better("val_accuracy")
    assert not Classification().larger_is_better("val_loss")


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("weighted", [False, True])
def test_auc_and_f1_are_scikit_learns(tensorflow, classes, weighted):
    from sklearn.metrics import f1_score, roc_auc_score

    random = np.random.RandomState(0)
    logits = random.normal(size=(600, classes)).astype(np.float32)
    labels = (logits + random.normal(size=logits.shape)).argmax(axis=1).astype(np.int32)
    weights = random.uniform(size=600).astype(np.float32) if weighted else None
    metrics = Classification(metrics=("auc", "f1")).build_metrics(data_spec((4,), tuple("abc"[:classes])))
    for metric in metrics:
        for part in range(0, 600, 200):
            some = None if weights is None else weights[part : part + 200]
            metric.update_state(labels[part : part + 200], logits[part : part + 200], sample_weight=some)
    probabilities = np.exp(log_softmax(logits))
    scores, average = (probabilities[:, 1], "binary") if classes == 2 else (probabilities, "macro")
    auc = roc_auc_score(labels, scores, multi_class="ovr", sample_weight=weights)
    f1 = f1_score(labels, logits.argmax(axis=1), average=average, sample_weight=weights)
    assert float(metrics[0].result()) == pytest.approx(auc, abs=1e-3)
    assert float(metrics[1].result()) == pytest.approx(f1, rel=1e-5)


def test_numbers_and_labels_are_no_classes():
    from dltrain.features.numbers import Number as Target

    with pytest.raises(ValueError, match="^name: classification needs classes, the data have numbers"):
        Classification().check(data_spec((4,), targets=(Target("price"),)))
    with pytest.raises(ValueError, match="the data have labels: multilabel"):
        Classification().check(data_spec((4,), ("a", "b"), exclusive=False))


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize(("scale", "prior"), [(1.0, 0.0), (0.1, -7.0), (0.5, 12.0), (12.0, 0.0), (60.0, 0.0)])
def test_auc_is_scikit_learns_where_probabilities_are_small_or_confident(tensorflow, classes, scale, prior):
    from sklearn.metrics import roc_auc_score

    random = np.random.RandomState(1)
    logits = random.normal(size=(3000, classes)).astype(np.float32)
    labels = (logits + 2 * random.normal(size=logits.shape)).argmax(axis=1).astype(np.int32)
    logits = logits * np.float32(scale) + np.float32(prior) * np.eye(classes, dtype=np.float32)[-1]
    exact = logits.astype(float)
    others = [np.logaddexp.reduce(np.delete(exact, index, axis=1), axis=1) for index in range(classes)]
    odds = exact - np.stack(others, axis=1)
    (metric,) = Classification(metrics=("auc",)).build_metrics(data_spec((4,), tuple("abcde"[:classes])))
    metric.update_state(labels, logits)
    expected = np.mean([roc_auc_score(labels == label, odds[:, label]) for label in range(classes)])
    assert float(metric.result()) == pytest.approx(expected, abs=1e-3)


def test_classes_that_no_example_has_do_not_count(tensorflow):
    from sklearn.metrics import f1_score, roc_auc_score

    random = np.random.RandomState(2)
    logits = random.normal(size=(400, 4)).astype(np.float32)
    labels = (logits + random.normal(size=logits.shape))[:, :3].argmax(axis=1).astype(np.int32)
    auc, f1 = Classification(metrics=("auc", "f1")).build_metrics(data_spec((4,), tuple("abcd")))
    for metric in (auc, f1):
        metric.update_state(labels, logits)
    odds = log_softmax(logits)
    expected = np.mean([roc_auc_score(labels == label, odds[:, label]) for label in range(3)])
    assert float(auc.result()) == pytest.approx(expected, abs=1e-3)
    expected = f1_score(labels, logits.argmax(axis=1), labels=[0, 1, 2], average="macro")
    assert float(f1.result()) == pytest.approx(expected, rel=1e-5)
