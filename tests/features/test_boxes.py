"""Boxes: raw values, what is odd about them, how they are drawn, and where images lie in their originals."""

import numpy as np
import pytest

from dltrain.data import Parts, Ragged, Split, Splits
from dltrain.datasets._boxes.twins import twins
from dltrain.features._boxes.columns import CORNERS, of_original, of_window
from dltrain.features._images.decoding import Decoding
from dltrain.features.boxes import Boxes
from dltrain.features.image import Image

BOXES = Boxes(class_names=("a", "b"))
ONE = {"box": [1, 2, 5, 6], "class": "a"}


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (
            {"size": [10, 20], "objects": [{**ONE, "box": [1, 2, 22, 6]}]},
            "object 0: the box [1, 2, 22, 6] lies outside",
        ),
        (
            {"size": [10, 20], "objects": [ONE, {**ONE, "box": [5, 2, 5, 6]}]},
            "object 1: the box [5, 2, 5, 6] has no area",
        ),
        ({"size": [10, 20], "objects": [{**ONE, "box": [5, 2, 4, 6]}]}, "has no area: x_max must be above x_min"),
        ({"size": [10, 20], "objects": [{**ONE, "class": "c"}]}, "no class 'c': the classes are a, b"),
        ({"size": [10, 20], "objects": [{**ONE, "box": [1, 2, 5, float("nan")]}]}, "box must be 4 numbers"),
        ({"size": [10, 20], "objects": [{**ONE, "difficult": 1}]}, "difficult and crowd must be true or false"),
        ({"size": [0, 20], "objects": []}, "size must be height and width"),
        ({"objects": [ONE]}, "lies outside of the image"),
        ({"size": [10, 20]}, "must be an object of size and objects"),
    ],
)
def test_boxes_that_cannot_be_used_are_problems_in_words(raw, words):
    encoded = BOXES.encode([raw, {"size": [10, 20], "objects": []}])
    assert words in encoded.problems[0]
    assert len(encoded.stored) == 1 and encoded.stored.lengths.tolist() == [0]


def test_boxes_up_to_a_pixel_outside_are_cut_and_noticed():
    encoded = BOXES.encode([{"size": [10, 20], "objects": [{**ONE, "box": [-0.5, 0, 20.9, 10]}]}])
    np.testing.assert_allclose(encoded.stored.values[0, CORNERS], [0, 0, 1, 1])
    assert "1 of 1 boxes that end up to a pixel outside" in encoded.notices[0]


def test_classes_are_learnt_sorted_unless_they_are_known():
    raws = [[{"objects": [{"class": "z"}, {"class": "b"}]}], [{"objects": []}]]
    assert Boxes().fit(raws).class_names == ("b", "z")
    assert BOXES.fit(raws).class_names == ("a", "b")


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ([0, 0, 1, 1, 2, 0, 0], "classes must be 0 to 1, got 2 at position 1"),
        ([0, 0, 1, 1, 0.5, 0, 0], "classes must be 0 to 1, got 0.5"),
        ([0.5, 0, 0.5, 1, 0, 0, 0], "boxes must have an area, got [0.5, 0, 0.5, 1] at position 1"),
        ([0, 0, 1.5, 1, 0, 0, 0], "boxes must be within 0 and 1"),
    ],
)
def test_stored_boxes_that_are_none_are_found(row, words):
    stored = Ragged.of([np.zeros((0, 7)), np.array([row])], np.float32, (7,))
    assert words in BOXES.fault(stored)
    assert BOXES.fault(stored.take([0])) is None


def test_which_images_have_which_classes():
    stored = Ragged.of([np.array([[0, 0, 1, 1, 1, 0, 0]] * 2), np.zeros((0, 7))], np.float32, (7,))
    groups = BOXES.groups(stored)
    assert groups.members.tolist() == [[False, True], [False, False]] and groups.counts.tolist() == [0, 1]


def parts_of(rows):
    return Parts({"train": Ragged.of([np.array(each) for each in rows], np.float32)}, lambda part, at: f"{part}[{at}]")


def test_boxes_that_are_there_twice_and_tiny_ones_are_found():
    rows = [
        [[0.1, 0.1, 0.5, 0.5, 0, 0, 0], [0.1, 0.1, 0.5, 0.501, 0, 0, 0], [0.1, 0.1, 0.5, 0.5, 1, 0, 0]],
        [[0.1, 0.1, 0.105, 0.5, 1, 0, 0], [0.1, 0.1, 0.5, 0.5, 1, 0, 0]],
    ]
    doubled, tiny = BOXES.findings(parts_of(rows), brief=False)
    assert (doubled.kind, doubled.severity, doubled.where) == ("doubled boxes", "warning", ("train[0]: a",))
    assert (tiny.kind, tiny.where) == ("tiny boxes", ("train[1]: b",))
    assert not list(BOXES.findings(parts_of(rows), brief=True))


def test_images_that_are_nearly_the_same_with_other_boxes_are_found():
    random = np.random.RandomState(0)
    images = random.randint(0, 256, (4, 40, 40, 3)).astype(np.uint8)
    images[3] = np.clip(images[0].astype(int) + 3, 0, 255)
    box = [0.1, 0.1, 0.5, 0.5, 0, 0, 0]
    same = [[box], [box], [box], [[0.1, 0.12, 0.5, 0.5, 0, 0, 0]]]
    less = [[box, [0.6, 0.6, 0.9, 0.9, 1, 0, 0]], [box], [box], [box]]
    spec = data_of(Image(shape=(40, 40, 3)))
    for rows, wanted in ((same, []), (less, ["train[0] ~ train[3]: b"])):
        stored = Ragged.of([np.array(each) for each in rows], np.float32)
        found = list(twins(Splits(spec, Split(images, stored))))
        assert [place for each in found for place in each.where] == wanted


def data_of(image):
    from dltrain.data import DataSpec

    return DataSpec.of(image, BOXES)


def test_objects_are_drawn_on_pictures_in_the_colours_of_their_classes():
    stored = Ragged.of(
        [np.array([[0.2, 0.2, 0.8, 0.8, 0, 0, 0]]), np.array([[0.2, 0.2, 0.8, 0.8, 1, 0, 0]]), np.zeros((0, 7))],
        np.float32,
    )
    black = [np.zeros((30, 40, 3), np.uint8)] * 3
    one, other, none = BOXES.outlined(black, stored)
    assert one.shape == (150, 200, 3) and none.max() == 0
    assert not np.array_equal(one, other)
    lines = np.flatnonzero(one.max(axis=(1, 2)))
    assert (lines[0], lines[-1]) == (pytest.approx(30, abs=2), pytest.approx(120, abs=2))
    grey = BOXES.outlined([np.zeros((30, 40), np.uint8)], np.full((1, 2, 7), -1.0))
    assert grey[0].max() == 0


@pytest.mark.parametrize("resize", ["stretch", "fit", "crop"])
@pytest.mark.parametrize("size", [(60, 90), (91, 40), (33, 33)])
def test_a_window_says_where_the_pixels_of_the_result_come_from(tensorflow, resize, size):
    """A white square of the original is where its corners, as shares of the window, lie in the result."""
    height, width = size
    pixels = np.zeros((height, width, 3), np.uint8)
    box = np.array([width // 2 - 8, height // 2 - 6, width // 2 + 7, height // 2 + 9], np.float64)
    left, top, right, bottom = box.astype(int)
    pixels[top:bottom, left:right] = 255
    decoding = Decoding(48, 64, 3, resize, fast=False)
    image = decoding.decoded(tensorflow.io.encode_png(pixels).numpy())[..., 0] > 127
    window = np.array(decoding.window(height, width))
    corners = of_window(box, window) * [64, 48, 64, 48]
    down, across = np.flatnonzero(image.any(axis=1)), np.flatnonzero(image.any(axis=0))
    np.testing.assert_allclose([across[0], down[0], across[-1] + 1, down[-1] + 1], corners, atol=1.01)
    np.testing.assert_allclose(of_original(of_window(box, window), window), box)
