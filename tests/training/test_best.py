import math

from dltrain.training.best import Best


def best_of(losses, **settings):
    """Returns the epoch that is best in the end, and the epochs that were when they came."""
    best = Best("loss", larger_is_better=False, **settings)
    taken = [epoch for epoch, loss in enumerate(losses, 1) if best.update({"loss": loss, "epoch": epoch, "step": 0})]
    return best.state["epoch"], taken


def test_of_equal_epochs_the_later_is_the_best():
    assert best_of([0.5, 0.7, 0.5, 0.6]) == (3, [1, 3])


def test_nan_is_best_only_where_nothing_else_is():
    nan = math.nan
    assert best_of([0.5, nan, 0.9, 0.4]) == (4, [1, 4])
    assert best_of([nan, nan, 0.9, 1.0]) == (3, [1, 2, 3])


def test_the_latest_epoch_is_the_best_where_that_is_asked_for():
    assert best_of([0.5, 0.7, 0.6], is_latest=True) == (3, [1, 2, 3])
