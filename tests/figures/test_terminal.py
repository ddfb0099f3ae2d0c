"""A plot in letters has its curves where the scales say."""

import pytest

from dltrain.figures.terminal import MARKS, draw


def text(cells):
    return ["".join(letter for letter, _ in line) for line in cells]


def plot(curves, width=50, height=12, in_dots=False, in_ascii=False):
    return text(draw(curves, width, height, in_dots, in_ascii))


def test_a_rising_line_goes_from_the_lower_left_to_the_upper_right():
    lines = plot([([1, 100], [0.0, 1.0])])
    assert len(lines) == 12
    assert {len(line) for line in lines[:11]} == {50}
    assert lines[0].strip().startswith("1 │")
    assert lines[0].endswith(MARKS[0])
    assert lines[9].strip().startswith(f"0 │{MARKS[0]}")
    assert lines[-1].split() == ["1", "epoch", "100"]


def test_in_dots_a_cell_has_eight():
    cells = draw([([1, 2], [0.0, 1.0])], 30, 8, True, False)
    drawn = {(letter, curve) for line in cells for letter, curve in line if curve is not None}
    assert all(0x2800 < ord(letter) <= 0x28FF and curve == 0 for letter, curve in drawn)


def test_of_several_curves_each_has_its_mark():
    lines = plot([([1, 2, 3], [0, 0, 0]), ([1, 2, 3], [1, 1, 1])])
    assert set(lines[0].partition("│")[2]) == {MARKS[1]}
    assert set(lines[9].partition("│")[2]) == {MARKS[0]}


@pytest.mark.parametrize(
    "curve", [([1], [0.5]), ([7], [0.0]), ([1, 2], [3.0, 3.0]), ([1, 300], [1e-12, 1e12]), ([1, 2], [-1e300, 1e300])]
)
@pytest.mark.parametrize(("width", "height"), [(1, 1), (20, 5), (200, 60)])
def test_any_values_on_any_terminal_are_drawn(curve, width, height):
    for in_dots in (True, False):
        cells = draw([curve], width, height, in_dots, not in_dots)
        assert any(index == 0 for line in cells for _, index in line)


def test_where_there_is_only_ascii_there_is_nothing_else():
    assert "".join(plot([([1, 2], [1.0, 2.0])], in_ascii=True)).isascii()


def test_values_far_apart_stand_on_a_logarithmic_scale():
    lines = plot([([1, 2, 3], [1e-4, 1e-2, 1.0])])
    rows = [row for row, line in enumerate(lines) if MARKS[0] in line]
    assert rows == list(range(10))  # a straight line, which on a linear scale this is not
