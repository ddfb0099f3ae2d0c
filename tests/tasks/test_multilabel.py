import numpy as np
import pytest
from specs import data_spec

from dltrain.features.numbers import Number as Target
from dltrain.tasks.multilabel import Multilabel

DATA = data_spec((4,), ("red", "round", "sweet"), exclusive=False)
RANDOM = np.random.RandomState(0)
LOGITS = RANDOM.normal(size=(400, 3)).astype(np.float32)
LABELS = (LOGITS + RANDOM.normal(size=(400, 3)) > [0, 0.5, 1]).astype(np.float32)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_loss_is_binary_cross_entropy_on_logits(tensorflow, smoothing):
    probabilities = 1 / (1 + np.exp(-LOGITS.astype(float)))
    wanted = LABELS * (1 - smoothing) + smoothing / 2
    expected = -(wanted * np.log(probabilities) + (1 - wanted) * np.log(1 - probabilities)).mean()
    assert float(Multilabel(label_smoothing=smoothing).loss(DATA)(LABELS, LOGITS)) == pytest.approx(expected, rel=1e-5)


def test_metrics_are_scikit_learns(tensorflow):
    from sklearn.metrics import f1_score, roc_auc_score

    metrics = Multilabel().build_metrics(DATA)
    for metric in metrics:
        for part in range(0, 400, 100):
            metric.update_state(LABELS[part : part + 100], LOGITS[part : part + 100])
    assert [metric.name for metric in metrics] == ["auc", "accuracy", "f1"]
    auc, accuracy, f1 = (float(metric.result()) for metric in metrics)
    assert auc == pytest.approx(roc_auc_score(LABELS, LOGITS), abs=1e-3)
    assert accuracy == pytest.approx(((LOGITS > 0) == LABELS).mean(), rel=1e-6)
    assert f1 == pytest.approx(f1_score(LABELS, LOGITS > 0, average="macro"), rel=1e-5)


def test_what_does_not_fit_the_data_is_refused():
    with pytest.raises(ValueError, match="the data have numbers: regression"):
        Multilabel().check(data_spec((4,), targets=(Target("price"),)))
    with pytest.raises(ValueError, match="needs labels, the data have classes: classification"):
        Multilabel().check(data_spec((4,), ("a", "b")))
    with pytest.raises(ValueError, match="^metrics must not name one twice"):
        Multilabel(metrics=("f1", "f1"))
    assert Multilabel().weights(DATA, LABELS) is None


def test_the_first_metric_is_monitored_and_only_losses_should_fall():
    assert Multilabel().monitor == "val_auc"
    assert Multilabel(metrics=()).monitor == "val_loss"
    assert Multilabel().larger_is_better("val_auc")
    assert not Multilabel().larger_is_better("val_loss")
