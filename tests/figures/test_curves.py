"""Pictures of curves: every run is drawn, whatever it is called and however long it was."""

import io

import numpy as np
import pytest

from dltrain.figures.curves import HUES, Chart, Legend, Line, page


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
    image = pixels([Chart("loss", [Line([*x], [*values(x)])], mark=(1, float(values(x)[0])))])
    legend = count(pixels([Chart("loss", [Line([1], [1.0], hue=1)])]), 0)
    assert count(image, 0) > legend + 20


def test_each_hue_is_seen_and_a_band_lies_around_the_mean():
    lines = [Line([1, 2, 3], [hue, hue + 1, hue], hue) for hue in range(len(HUES))]
    image = pixels([Chart("loss", lines)], names=[f"run {hue}" for hue in range(len(HUES))])
    assert all(count(image, hue) > 500 for hue in range(len(HUES)))
    plain = pixels([Chart("loss", [Line([1, 2], [1.0, 2.0])])])
    banded = pixels([Chart("loss", [Line([1, 2], [1.0, 2.0], deviations=[0.3, 0.3])])])
    assert (banded != 255).sum() > (plain != 255).sum() + 5000


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "_hidden", "$x^$", "\x1b[31m\n", "n" * 300, "名"])
def test_names_are_written_as_they_are(name):
    assert count(pixels([Chart(name, [Line([1, 2], [1.0, 2.0])])], names=[name]), 0) > 100
