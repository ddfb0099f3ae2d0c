"""The picture of a search: each trial that has a value is drawn; only one trained to its end can be the best."""

import math

import pytest

from dltrain.figures.history import History
from dltrain.figures.sheet import Box, paper

ENDS = ["pruned", "finished", "failed", "finished", "finished"]


def drawn(values, statuses, larger_is_better=True):
    """The lines as they are drawn: the best so far, then the dots."""
    panel = History("val_accuracy", values, statuses, larger_is_better)
    with paper(400, 310) as sheet:
        panel.draw(sheet, Box(0, 0, 400, panel.height))
        sheet.png()
        return [[*map(float, line.get_ydata())] for line in sheet._figure.axes[0].lines]


@pytest.mark.parametrize("larger_is_better, best", [(True, [0.5, 0.5, 0.7, 0.7]), (False, [0.5, 0.5, 0.5, 0.4])])
def test_a_trial_that_was_cut_short_is_not_the_best_so_far(larger_is_better, best):
    line, full, hollow = drawn([0.9, 0.5, None, 0.7, 0.4], ENDS, larger_is_better)
    assert math.isnan(line[0]) and line[1:] == best
    assert full == [0.5, 0.7, 0.4] and hollow == [0.9]


def test_a_search_in_which_all_failed_is_drawn_too():
    line, full, hollow = drawn([None], ["failed"])
    assert math.isnan(line[0]) and not full and not hollow
