"""What stands on a sheet is what the data say, letter by letter, and the same bytes each time."""

import io
import subprocess
import sys

import numpy as np
import pytest

from dltrain.figures.examples import Lines, Pictures, Rows
from dltrain.figures.page import MARGIN, WIDTH, Page, Row
from dltrain.figures.panels import Bands, Bars, Curve, Histogram, Shares
from dltrain.figures.sheet import is_ours, paper
from dltrain.wording import number

STRANGE = ["$x^2$", "$unclosed", "[red]", "\x1b[31m", "\u202e", "a\nb", "\\frac{1}", "%s {0}", "x" * 3000, "\udc80", ""]


def pixels(png):
    from matplotlib.image import imread

    return imread(io.BytesIO(png), format="png")[..., :3]


@pytest.fixture
def page():
    bars = Bars("Classes", STRANGE, {"train": list(range(11)), "test": [0] * 11}, "… 3 more", 5)
    histogram = Histogram("$h$", "note", np.array([0.0, 1.0, 2.0]), {"train": np.array([1.0, 0.0])}, 0.5, 0.5)
    rows = (
        Row(
            (Pictures([np.zeros((4, 4), np.uint8)] * 11, [np.full((4, 4), 255, np.uint8)] * 11, STRANGE),), "$pictures"
        ),
        Row((Lines(np.zeros((11, 3)), STRANGE), Rows(STRANGE[:3], [STRANGE[3:6]]))),
        Row((bars, histogram, Shares("[s]", "$", STRANGE[:6], [0.0] * 6))),
        Row((Bands("$b", "", np.zeros((5, 7)), np.zeros(7)), Curve("$c", np.array([1]), np.array([0.1]), 0, 1))),
    )
    return Page("$title", {name[:20]: name for name in STRANGE}, rows)


def test_a_page_of_strange_names_is_drawn_and_is_the_same_each_time(page):
    png = page.render()
    assert pixels(png).shape[1] == WIDTH
    assert page.render() == png
    assert is_ours(png[:1024])


def test_the_users_matplotlibrc_changes_nothing(page):
    import matplotlib

    png = page.render()
    with matplotlib.rc_context({"text.usetex": True, "axes.facecolor": "red", "savefig.dpi": 30}):
        assert page.render() == png


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("$x^2$ [red]", "$x^2$ [red]"),
        ("\x1b[31m\u202e\n\t", "\\x1b[31m\\u202e\\n\\t"),
        ("\udc80 \U000f0000", "\\udc80 \\U000f0000"),
    ],
)
def test_text_is_shown_as_text(words, shown):
    with paper(100, 100) as sheet:
        assert sheet.fitted(words, 10_000) == shown


def test_formulas_are_not_interpreted():
    with paper(100, 100) as sheet:
        sheet.write(0, 0, "$x^2$", 100)
        (text,) = sheet._figure.texts
        assert not text.get_parse_math()


def test_a_name_that_is_too_long_keeps_both_ends():
    with paper(100, 100) as sheet:
        shown = sheet.fitted("a bird that was seen at dawn", 100)
    assert shown.startswith("a bir")
    assert shown.endswith("dawn")
    assert "…" in shown


def test_long_words_are_wrapped_and_the_last_line_shortened():
    with paper(100, 100) as sheet:
        assert sheet.wrapped("one two three four five six", 60, most=2) == ["one two", "three four five six"]


def test_the_stored_image_stands_above_the_one_that_is_trained_on():
    pictures = Pictures([np.zeros((4, 4), np.uint8)], [np.full((4, 4), 200, np.uint8)], ["a"])
    found = pixels(Page("", {}, (Row((pictures,)),)).render())
    x = MARGIN + Pictures.GUTTER + Pictures.SIDE // 2
    column = (found[:, x, 0] * 255).round().astype(int).tolist()
    assert column.index(0) < column.index(200)


@pytest.mark.parametrize(
    ("value", "words"),
    [(0, "0"), (1294, "1,294"), (12.5, "12.5"), (0.0025, "0.0025"), (1e-9, "1e-09"), (2.5e12, "2.5e+12"),
     (-3.10, "-3.1"), (100, "100"), (float("nan"), "nan")],
)  # fmt: skip
def test_numbers_are_short(value, words):
    assert number(value) == words


def test_nothing_else_is_taken_for_our_page(page):
    assert not is_ours(b"")
    assert not is_ours(b"\x89PNG\r\n\x1a\n" + b"another")
    assert not is_ours(b"tEXtSoftware\0dltrain")


def test_matplotlib_is_imported_where_something_is_drawn_and_pyplot_never():
    script = (
        "import sys\nimport dltrain.figures.distributions\nassert 'matplotlib' not in sys.modules\n"
        "from dltrain.figures.page import Page\nPage('', {}, ()).render()\n"
        "assert 'matplotlib' in sys.modules\nassert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
