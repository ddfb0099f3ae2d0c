"""The page asks nothing of any other, and shows what the data say letter by letter."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from dltrain.figures.answers import Confusion
from dltrain.figures.curves import Chart, Line
from dltrain.figures.mosaic import Filters
from dltrain.report.drawing import drawn, image, inline, overlaid
from dltrain.report.page import Claim, Report, render, text
from dltrain.report.parts import Chapter, Figure, Gallery, Picture, Table

STRANGE = ['<script>alert("x")</script>', "'\"&</td>", "a\x00\x1b[31m\u202e\ud800", "b" * 300, "$x^2$ ${style}", ""]


@pytest.fixture(scope="module")
def report():
    counts = np.arange(len(STRANGE) ** 2).reshape(len(STRANGE), -1)
    figure = Figure("confusion", Confusion("<b>title</b>", "<i>note</i>", STRANGE, counts))
    picture = Picture([np.zeros((3, 4), np.uint8), np.zeros((3, 4, 3), np.uint8)], STRANGE, STRANGE[0])
    table = Table(STRANGE[0], STRANGE, [STRANGE] * 20, STRANGE[1], words=3)
    parts = [
        figure,
        table,
        Gallery("pictures", STRANGE[0], [picture] * 2, STRANGE[1]),
    ]
    claims = [Claim(*STRANGE[:3]), Claim(*STRANGE[3:], is_lesser=True)]
    return Report(STRANGE[0], STRANGE[1], claims, STRANGE, [Chapter(STRANGE[0], parts, STRANGE[0])])


@pytest.fixture(scope="module")
def page(report):
    return render(report)[0]


def test_nothing_from_data_becomes_markup(page):
    assert not re.search(r"<(script|b>title|i>note)", page)
    assert page.count("&lt;script&gt;") > 20
    tags = set(re.findall(r"<([a-zA-Z]\w*)", page))
    assert not tags & {"script", "iframe", "object", "embed", "form", "base"}
    assert not re.findall(r"<[^>]*\son\w+=", page)


def test_every_tag_that_is_opened_is_closed(page):
    body = page[page.index("<body>") : page.index("</html>")]
    body = re.sub(r"<(img|br|meta|link)([^>]*?)/?>", r"<\1\2/>", body)
    ElementTree.fromstring(body.replace("xlink:href", "href"))


def test_the_page_refers_to_nothing_outside_of_itself(page):
    assert "default-src 'none'" in page
    addresses = re.findall(r"""(?:href|src)=["']([^"']*)|url\(([^)]*)""", page)
    assert {first or second for first, second in addresses if not (first or second).startswith(("#", "data:"))} == set()
    assert "@import" not in page


def test_control_characters_are_shown_as_escapes_and_long_names_lose_their_middle():
    assert text(STRANGE[2]) == r"a\x00\x1b[31m\u202e\ud800"
    shown = text("a" + "b" * 300 + "c", 20)
    assert (shown[0], shown[-1], len(shown)) == ("a", "c", 21)


def test_the_same_report_is_the_same_page_and_the_same_files(report):
    assert render(report) == render(report)


def test_a_figure_follows_the_readers_colours(page):
    drawing = page[page.index("<svg") : page.index("</svg>")]
    assert "var(--ink)" in drawing
    assert not re.search(r"#[0-9a-f]{6}", drawing)


def test_the_figures_come_as_files_that_stand_alone(report):
    _, files = render(report)
    assert files.keys() == {"confusion.svg", "confusion.png", "pictures.svg", "pictures.png"}
    assert files["confusion.png"].startswith(b"\x89PNG")
    ElementTree.fromstring(files["confusion.svg"].decode())
    assert b"var(" not in files["confusion.svg"]


def test_text_that_looks_like_a_colour_stays_as_it_is():
    svg, _ = drawn(Figure("f", Chart("#1a1a1a", [Line("#ffffff", [1], [1.0])], is_named=True)))
    shown = inline(svg, "#1a1a1a")
    assert ">#1a1a1a<" in shown
    assert ">#ffffff<" in shown


def test_what_two_figures_refer_to_within_themselves_is_apart():
    pictures = [inline(drawn(Figure(name, Filters("", "", np.ones((2, 3, 3, 1)))))[0], "") for name in ("a", "b")]
    first, second = (set(re.findall(r' id="([^"]*)"', each)) for each in pictures)
    assert not first & second


def test_large_images_are_made_small_and_small_ones_stay():
    address, is_small = image(np.random.RandomState(0).randint(256, size=(900, 700, 3)).astype(np.uint8))
    assert not is_small
    assert len(address) < 40_000
    assert image(np.zeros((8, 8), np.uint8))[1]


def test_heat_colours_only_the_places_where_it_is():
    heated = overlaid(np.full((1, 2), 100, np.uint8), np.array([[0.0, 1.0]]))
    assert heated[0, 0].tolist() == [100, 100, 100]
    assert heated[0, 1, 0] > heated[0, 1, 1] > heated[0, 1, 2]
