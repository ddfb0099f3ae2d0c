"""What is said and drawn of boxes: kinds of mistakes, chapters, pictures, the anchors of preview."""

import dataclasses

import numpy as np
import pytest
from specs import data_spec

from dltrain.data import Outcome, Ragged, Split
from dltrain.data.spec import Features
from dltrain.features.boxes import Boxes
from dltrain.figures.boxes import Outline, outlined
from dltrain.registry import MODELS, TASKS
from dltrain.report.drawing import drawn
from dltrain.report.parts import Figure, Gallery, Table
from dltrain.tasks._box_kinds import KINDS, BoxKinds
from dltrain.tasks._precision import Detections, Objects

DATA = dataclasses.replace(
    data_spec((32, 32, 3), ("a", "b"), (100.0,) * 3, (50.0,) * 3),
    targets=Features.of(Boxes(class_names=("cat", "dog"))),
)
ACTUAL = np.array([[10.0, 10, 50, 50], [60, 60, 90, 90]])
SAID = {
    "right": (0, 0.9, [11, 10, 50, 50]),
    "double": (0, 0.8, [10, 12, 50, 50]),
    "place": (0, 0.7, [10, 10, 25, 50]),
    "class": (0, 0.6, [60, 60, 90, 88]),
    "background": (1, 0.6, [0, 0, 5, 5]),
    "both": (1, 0.55, [10, 10, 22, 50]),
}


def said():
    kinds, scores, boxes = zip(*SAID.values(), strict=True)
    zeros = np.zeros(len(SAID), int)
    return Detections(zeros, np.array(kinds), np.array(scores), np.array(boxes, float))


def test_each_wrong_box_is_of_one_kind_and_objects_are_found_by_right_ones():
    nothing = np.zeros(2, bool)
    actual = Objects(np.zeros(2, int), np.array([0, 1]), ACTUAL, nothing, nothing)
    found = BoxKinds.of(said(), actual)
    names = ["right" if place == -1 else [*KINDS][place] for place in found.kinds]
    assert names == [*SAID]
    assert found.found.tolist() == [True, False]


def test_boxes_are_of_the_background_where_there_is_no_object():
    empty = Objects(np.zeros(0, int), np.zeros(0, int), np.zeros((0, 4)), np.zeros(0, bool), np.zeros(0, bool))
    assert {[*KINDS][place] for place in BoxKinds.of(said(), empty).kinds} == {"background"}


def an_outcome():
    predicted, frame = said(), np.float32([[0, 0, 100, 100], [0, 0, 100, 100]])
    outputs = {
        "boxes": np.zeros((2, 8, 4), np.float32),
        "scores": np.zeros((2, 8), np.float32),
        "classes": np.full((2, 8), -1, np.int32),
        "count": np.array([len(SAID), 0], np.int32),
    }
    outputs["boxes"][0, : len(SAID)] = predicted.boxes / 100
    outputs["scores"][0, : len(SAID)] = predicted.scores
    outputs["classes"][0, : len(SAID)] = predicted.classes
    rows = [np.column_stack([ACTUAL / 100, [0, 1], np.zeros((2, 2))]).astype(np.float32), np.zeros((0, 7), np.float32)]
    metadata = {"size": np.array([[100, 100]] * 2), "window": frame}
    pixels = np.random.RandomState(0).randint(0, 256, (2, 32, 32, 3)).astype(np.uint8)
    split = Split(pixels, Ragged.of(rows, np.float32, (7,)), metadata=metadata)
    return Outcome(DATA, "test", split, metadata, outputs)


def test_chapters_count_kinds_and_missed_objects_and_draw_the_worst_images():
    precision, wrong, worst = TASKS["detection"]().chapters(an_outcome())
    figure, by_class = precision.parts
    assert isinstance(figure, Figure)
    svg, _ = drawn(figure)
    assert "cat: average precision 1.000" in svg
    assert isinstance(by_class, Table)
    assert by_class.rows == [("cat", "1", "1.000", "1", "0", "3"), ("dog", "1", "0.000", "0", "1", "2")]
    kinds, missed = wrong.parts
    assert {row[0]: row[2] for row in kinds.rows} == dict.fromkeys(KINDS, "1")
    assert missed.rows[0] == ("all", "2", "1", "50%")
    (gallery,) = worst.parts
    assert isinstance(gallery, Gallery)
    (picture,) = gallery.pictures
    assert picture.lines == ["5 wrong", "1 missed"]
    assert [image.shape for image in picture.images] == [(256, 256, 3)] * 2


def test_mistakes_are_told_in_words():
    found = TASKS["detection"]().mistakes(an_outcome(), 10)
    (worst,) = found.worst
    assert (worst.position, worst.actual, worst.predicted) == (0, "1 cat, 1 dog", "4 cat, 2 dog")
    assert worst.certainty == "5 wrong, 1 missed"
    assert found.wrong == [0]


def test_annotated_pictures_are_as_large_as_the_original_or_larger():
    pictures = TASKS["detection"]().annotated(an_outcome(), {"threshold": 0.75})
    assert [picture.shape for picture in pictures] == [(300, 300, 3)] * 2
    plain = TASKS["detection"]().annotated(an_outcome(), {"threshold": 1.0})
    assert (pictures[0] != plain[0]).any()
    np.testing.assert_array_equal(pictures[1], plain[1])


def test_an_outline_is_where_its_box_is():
    pixels = np.zeros((240, 480), np.uint8)
    found = outlined(pixels, [Outline((0.25, 0.5, 0.75, 0.9))])
    assert found.shape == (240, 480, 3)
    rows, columns = np.nonzero(found.any(axis=2))
    assert [columns.min(), rows.min(), columns.max(), rows.max()] == pytest.approx([120, 120, 360, 216], abs=2)


def test_preview_says_which_share_of_objects_no_anchor_matches(tensorflow):
    model = MODELS["ssd"](
        backbone=MODELS["resnet"](depth=8), feature_maps=1, scales=(0.5, 0.5), aspect_ratios=(1.0,)
    ).build(DATA)
    half, tiny = [0.125, 0.125, 0.625, 0.625, 0, 0, 0], [0.5, 0.5, 0.52, 0.52, 1, 0, 0]
    targets = Ragged.of([np.float32([half, tiny]), np.zeros((0, 7), np.float32)], np.float32, (7,))
    train = Split(np.zeros((2, 32, 32, 3), np.uint8), targets)
    (panel,) = TASKS["detection"]().panels(DATA, train, model)
    assert panel.is_matched.tolist() == [True, False]
    assert panel.note == "50.0% of 2 objects overlap none of 32 anchors by 0.5"
    assert drawn(Figure("anchors", panel))[1].startswith(b"\x89PNG")
