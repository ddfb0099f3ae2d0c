"""Pictures of curves: every run is drawn, whatever it is called and however long it was."""

import io

import numpy as np
import pytest

from dltrain.figures.curves import HUES, POINTS, Chart, Legend, Line, page, thinned
from dltrain.figures.sheet import Box, paper


def pixels(charts, names=("a",), faint=""):
    from matplotlib.image import imread

    image = imread(io.BytesIO(page("title", {}, Legend(names, faint), charts).render()))
    return (image[..., :3] * 255).round().astype(int)


def count(image, hue):
    wanted = [int(HUES[hue][index : index + 2], 16) for index in (1, 3, 5)]
    return int((np.abs(image - wanted).sum(axis=-1) < 12).sum())


@pytest.mark.parametrize("epochs", [1, 2, 300])
@pytest.mark.parametrize("values", [lambda x: 1 / x, lambda x: 0 * x + 0.5, lambda x: -x, lambda x: 10.0 ** (-x % 9)])
def test_a_run_of_any_length_is_drawn(epochs, values):
    x = np.arange(1, epochs + 1)
    image = pixels([Chart("loss", [Line("a", [*x], [*values(x)])], best=1, may_be_logarithmic=True)])
    legend = count(pixels([Chart("loss", [Line("a", [1], [1.0], hue=1)])]), 0)
    assert count(image, 0) > legend + 20


def test_each_hue_is_seen_and_a_band_lies_around_the_mean():
    lines = [Line("a", [1, 2, 3], [hue, hue + 1, hue], hue) for hue in range(len(HUES))]
    image = pixels([Chart("loss", lines)], names=[f"run {hue}" for hue in range(len(HUES))])
    assert all(count(image, hue) > 500 for hue in range(len(HUES)))
    plain = pixels([Chart("loss", [Line("a", [1, 2], [1.0, 2.0])])])
    banded = pixels([Chart("loss", [Line("a", [1, 2], [1.0, 2.0], deviations=[0.3, 0.3])])])
    assert (banded != 255).sum() > (plain != 255).sum() + 5000


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "_hidden", "$x^$", "\x1b[31m\n", "n" * 300, "名"])
def test_names_are_written_as_they_are(name):
    assert count(pixels([Chart(name, [Line("a", [1, 2], [1.0, 2.0])])], names=[name]), 0) > 100


def drawn(*values, **looks):
    """The axes as they are drawn."""
    with paper(400, 300) as sheet:
        lines = [Line("train", np.arange(1, len(values) + 1), np.array(values))]
        chart = Chart("loss", lines, is_named=True, **looks)
        chart.draw(sheet, Box(0, 0, 400, chart.height))
        sheet.png()
        return sheet._figure.axes[0]


def test_of_a_long_run_no_peak_is_lost():
    values = np.zeros(10_000)
    values[[17, 8123]] = 5, -5
    epochs, kept = thinned(np.arange(1, 10_001), values)
    assert len(epochs) <= POINTS + 2
    assert {18, 8124} <= set(epochs.tolist())
    assert (kept.min(), kept.max()) == (-5, 5)


def test_a_stretch_that_is_not_finite_leaves_a_gap():
    values = np.ones(10_000)
    values[2000:4000] = np.nan
    epochs, kept = thinned(np.arange(1, 10_001), values)
    assert np.isnan(kept[(epochs > 2100) & (epochs < 3900)]).all()


def test_a_loss_over_orders_of_magnitude_is_logarithmic_and_an_accuracy_never():
    assert drawn(100.0, 1.0, 0.01, may_be_logarithmic=True).get_yscale() == "log"
    assert drawn(100.0, 1.0, 0.01).get_yscale() == "linear"


def test_two_epochs_have_whole_numbers_below_them():
    axes = drawn(2.0, 1.0, best=2)
    assert [place for place in axes.get_xticks() if 1 <= place <= 2] == [1, 2]


def test_nothing_finite_is_drawn_as_nothing():
    assert drawn(np.nan, may_be_logarithmic=True)
