"""Curves keep their peaks, whatever their length."""

import numpy as np

from dltrain.figures.history import POINTS, History, _thinned
from dltrain.figures.sheet import Box, paper


def drawn(history):
    """The axes as they are drawn."""
    with paper(400, 300) as sheet:
        history.draw(sheet, Box(0, 0, 400, history.height))
        sheet.png()
        return sheet._figure.axes[0]


def test_of_a_long_run_no_peak_is_lost():
    values = np.zeros(10_000)
    values[[17, 8123]] = 5, -5
    epochs, kept = _thinned(np.arange(1, 10_001), values)
    assert len(epochs) <= POINTS + 2
    assert {18, 8124} <= set(epochs.tolist())
    assert (kept.min(), kept.max()) == (-5, 5)


def test_a_stretch_that_is_not_finite_leaves_a_gap():
    values = np.ones(10_000)
    values[2000:4000] = np.nan
    epochs, kept = _thinned(np.arange(1, 10_001), values)
    assert np.isnan(kept[(epochs > 2100) & (epochs < 3900)]).all()


def test_a_loss_over_orders_of_magnitude_is_logarithmic_and_an_accuracy_never():
    falling = {"training": np.array([100.0, 1.0, 0.01])}
    epochs = np.arange(1, 4)
    assert drawn(History("loss", epochs, falling, may_be_logarithmic=True)).get_yscale() == "log"
    assert drawn(History("accuracy", epochs, falling)).get_yscale() == "linear"


def test_two_epochs_have_whole_numbers_below_them():
    axes = drawn(History("loss", np.array([1, 2]), {"training": np.array([2.0, 1.0])}, best=2))
    inside = [place for place in axes.get_xticks() if 1 <= place <= 2]
    assert inside == [1, 2]


def test_nothing_finite_is_drawn_as_nothing():
    assert drawn(History("loss", np.array([1]), {"training": np.array([np.nan])}, may_be_logarithmic=True))
