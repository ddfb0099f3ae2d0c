"""Detection: which anchors learn what, the loss, and answers."""

import dataclasses

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from specs import data_spec

from dltrain.data import Outcome, Ragged, Split
from dltrain.data.spec import Features
from dltrain.errors import KeyProblem
from dltrain.features.boxes import Boxes
from dltrain.registry import MODELS, TASKS
from dltrain.tasks._matching import matched

CLASSES = ("cat", "dog", "cow")
DATA = dataclasses.replace(
    data_spec((32, 32, 3), ("a", "b"), (100.0,) * 3, (50.0,) * 3), targets=Features.of(Boxes(class_names=CLASSES))
)
DETECTION = TASKS["detection"]
VARIANCES = np.float32([0.1, 0.1, 0.2, 0.2])


def anchors(count=80, seed=0):
    random = np.random.RandomState(seed)
    return np.concatenate([random.random_sample((count, 2)), 0.05 + 0.4 * random.random_sample((count, 2))], axis=1)


ANCHORS = anchors()


def as_corners(boxes):
    return np.concatenate([boxes[..., :2] - boxes[..., 2:] / 2, boxes[..., :2] + boxes[..., 2:] / 2], axis=-1)


def objects(count, seed=0, of_class=None):
    random = np.random.RandomState(seed)
    low = random.random_sample((count, 2)) * 0.6
    high = low + 0.05 + 0.35 * random.random_sample((count, 2))
    kinds = random.randint(0, 3, count) if of_class is None else np.full(count, of_class)
    return np.column_stack([low, high, kinds, np.zeros((count, 2))]).astype(np.float32)


def batch(*images):
    most = max(map(len, images))
    return np.stack([np.concatenate([each, np.full((most - len(each), 7), -1, np.float32)]) for each in images])


def outputs(images, seed=1, scale=2.0):
    random = np.random.RandomState(seed)
    count = len(ANCHORS)
    found = [
        scale * random.standard_normal((images, count, len(CLASSES) + 1)),
        random.standard_normal((images, count, 4)),
    ]
    return np.concatenate(
        [*found, np.broadcast_to(ANCHORS, (images, count, 4)), np.broadcast_to(VARIANCES, (images, count, 4))], axis=-1
    ).astype(np.float32)


def iou(one, other):
    sides = np.maximum(np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2]), 0)
    common, area = sides.prod(), lambda box: (box[2] - box[0]) * (box[3] - box[1])
    return common / (area(one) + area(other) - common)


def reference_matches(boxes, corners):
    """Greedy bipartite matching, pair by pair, then all that overlap by half; returns the object of each anchor."""
    table = np.array([[iou(box, anchor) for anchor in corners] for box in boxes]).reshape(len(boxes), len(corners))
    found, left = np.full(len(corners), -1), table.copy()
    for _ in range(len(boxes)):
        place, anchor = np.unravel_index(left.argmax(), left.shape)
        if left[place, anchor] <= 0:
            break
        found[anchor] = place
        left[place], left[:, anchor] = -1, -1
    for anchor in range(len(corners)):
        if found[anchor] < 0 and len(boxes) and table[:, anchor].max() >= 0.5:
            found[anchor] = table[:, anchor].argmax()
    return found


def reference_loss(boxes, found):
    """Returns the sums over one image's anchors, and how many stand for objects."""
    logits, offsets = found[:, :4].astype(np.float64), found[:, 4:8]
    match = reference_matches(boxes[:, :4], as_corners(ANCHORS))
    labels = np.where(match >= 0, boxes[match, 4].astype(int) + 1 if len(boxes) else 0, 0)
    entropy = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(logits)), labels]
    positive = match >= 0
    hardest = np.sort(entropy[~positive])[::-1][: 3 * positive.sum()].sum()
    total = entropy[positive].sum() + hardest
    for anchor in np.flatnonzero(positive):
        box, (x, y, width, height) = boxes[match[anchor], :4].astype(np.float64), ANCHORS[anchor]
        wanted = [
            ((box[0] + box[2]) / 2 - x) / width,
            ((box[1] + box[3]) / 2 - y) / height,
            np.log((box[2] - box[0]) / width),
            np.log((box[3] - box[1]) / height),
        ]
        off = np.abs(offsets[anchor] - np.array(wanted) / VARIANCES)
        total += np.where(off < 1, 0.5 * off**2, off - 0.5).sum()
    return total, positive.sum()


IMAGES = [objects(3), objects(0), objects(9, 1), objects(1, 2)]


def test_the_loss_of_each_image_is_the_references(tensorflow):
    loss, found = DETECTION().loss(DATA)(batch(*IMAGES), outputs(4)), outputs(4)
    expected = [reference_loss(boxes, each) for boxes, each in zip(IMAGES, found, strict=True)]
    np.testing.assert_allclose(loss, [total / max(count, 1) for total, count in expected], rtol=1e-5)
    assert loss[1] == 0


def test_hard_negatives_of_the_batch_are_chosen_among_all_its_images(tensorflow):
    found, mined = outputs(4), DETECTION(hard_negatives="batch")
    loss = np.asarray(mined.loss(DATA)(batch(*IMAGES), found))
    entropies, positives, places = [], 0, 0.0
    for boxes, each in zip(IMAGES, found, strict=True):
        match = reference_matches(boxes[:, :4], as_corners(ANCHORS))
        labels = np.where(match >= 0, boxes[match, 4].astype(int) + 1 if len(boxes) else 0, 0)
        entropy = np.log(np.exp(each[:, :4]).sum(axis=1)) - each[np.arange(len(each)), labels]
        total, count = reference_loss(boxes, each)
        places += total - entropy[match >= 0].sum() - np.sort(entropy[match < 0])[::-1][: 3 * count].sum()
        positives, places = positives + count, places + entropy[match >= 0].sum()
        entropies.append(entropy[match < 0])
    hardest = np.sort(np.concatenate(entropies))[::-1][: 3 * positives].sum()
    assert loss.mean() == pytest.approx((places + hardest) / positives, rel=1e-5)
    assert loss[1] > 0  # an image without objects has hard negatives too


def test_padding_and_the_order_of_examples_change_nothing(tensorflow):
    loss, found = DETECTION().loss(DATA), outputs(4)
    padded = np.concatenate([batch(*IMAGES), np.full((4, 5, 7), -1, np.float32)], axis=1)
    np.testing.assert_array_equal(loss(padded, found), loss(batch(*IMAGES), found))
    np.testing.assert_allclose(loss(padded[::-1], found[::-1])[::-1], loss(padded, found), rtol=1e-6)


def test_xla_and_a_batch_without_any_object_give_the_same(tensorflow):
    loss, found = DETECTION().loss(DATA), outputs(4)
    compiled = tensorflow.function(loss, jit_compile=True)
    np.testing.assert_allclose(compiled(batch(*IMAGES), found), loss(batch(*IMAGES), found), rtol=1e-5)
    none = np.zeros((4, 0, 7), np.float32)
    np.testing.assert_array_equal(loss(none, found), np.zeros(4))
    assert (np.asarray(DETECTION(least_negatives=5).loss(DATA)(none, found)) > 0).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 12), st.integers(0, 10**6))
def test_matching_decides_pair_by_pair_however_many_objects_want_an_anchor(tensorflow, count, seed):
    boxes = objects(count, seed)
    boxes[count // 2 :, :4] = boxes[: count - count // 2, :4]  # twice the same
    corners = as_corners(ANCHORS)[None].astype(np.float32)
    found = matched(boxes[None], corners, 0.5, 0.5)
    expected = reference_matches(boxes[:, :4].astype(np.float32), corners[0])
    np.testing.assert_array_equal(found.positive[0], expected >= 0)
    np.testing.assert_array_equal(np.asarray(found.objects[0])[expected >= 0], expected[expected >= 0])
    np.testing.assert_array_equal(found.negative[0], expected < 0)


def test_boxes_without_area_teach_nothing_and_give_no_nan(tensorflow):
    flat = objects(2)
    flat[0, 2] = flat[0, 0]
    flat[1, 3] = flat[1, 1]
    found = tensorflow.Variable(outputs(1))
    with tensorflow.GradientTape() as tape:
        loss = DETECTION().loss(DATA)(flat[None], found)
    assert float(loss[0]) == 0
    assert np.isfinite(tape.gradient(loss, found)).all()


def test_the_gradient_is_finite_where_there_are_objects_and_reaches_logits_and_offsets_alone(tensorflow):
    found = tensorflow.Variable(outputs(4))
    with tensorflow.GradientTape() as tape:
        loss = tensorflow.reduce_mean(DETECTION().loss(DATA)(batch(*IMAGES), found))
    slope = np.asarray(tape.gradient(loss, found))
    assert np.isfinite(slope).all()
    assert np.any(slope[..., :4])
    assert np.any(slope[..., 4:8])
    assert not np.any(slope[..., 8:])


def test_anchors_in_a_crowd_are_neither_objects_nor_background(tensorflow):
    crowd = np.float32([[0, 0, 1, 0.5, 0, 0, 1]])
    found = matched(np.concatenate([objects(2), crowd])[None], as_corners(ANCHORS)[None].astype(np.float32), 0.5, 0.5)
    corners = np.clip(as_corners(ANCHORS), None, None)
    low, high = np.maximum(corners[:, :2], 0), np.minimum(corners[:, 2:], [1, 0.5])
    within = np.maximum(high - low, 0).prod(axis=1) / ANCHORS[:, 2:].prod(axis=1) >= 0.5
    positive = np.asarray(found.positive[0])
    assert not (np.asarray(found.objects[0])[positive] == 2).any()
    np.testing.assert_array_equal(found.negative[0], ~positive & ~within)
    assert (within & ~positive).any()


def test_difficult_objects_are_learnt_like_others(tensorflow):
    difficult = objects(3)
    difficult[:, 5] = 1
    loss, found = DETECTION().loss(DATA), outputs(1)
    np.testing.assert_array_equal(loss(difficult[None], found), loss(objects(3)[None], found))


def test_anchors_between_both_limits_learn_nothing(tensorflow):
    found = matched(objects(5)[None], as_corners(ANCHORS)[None].astype(np.float32), 0.5, 0.2)
    neither = ~np.asarray(found.positive[0]) & ~np.asarray(found.negative[0])
    assert neither.any()
    corners = as_corners(ANCHORS)
    most = np.array([max(iou(box[:4], corner) for box in objects(5)) for corner in corners])
    np.testing.assert_array_equal(neither, (most >= 0.2) & ~np.asarray(found.positive[0]))


def test_an_image_of_one_object_is_learnt_until_its_box_is_found(tensorflow):
    keras.utils.set_random_seed(0)
    model = MODELS["ssd"](backbone=MODELS["resnet"](depth=8), feature_maps=2, extra_filters=16).build(DATA)
    task = DETECTION(candidates=50, most=5, score_threshold=0.3)
    images = np.full((2, 32, 32, 3), 90, np.float32)
    images[0, 8:24, 8:24] = [250, 20, 20]
    targets = batch(np.float32([[0.25, 0.25, 0.75, 0.75, 1, 0, 0]]), objects(0))
    model.compile(keras.optimizers.Adam(3e-3), loss=task.loss(DATA), jit_compile=False)
    model.fit(images, targets, epochs=60, batch_size=2, verbose=0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    model.fit(images, targets, verbose=0)
    found = {name: np.asarray(value) for name, value in task.inference(DATA, model)(images[:1]).items()}
    assert found["count"][0] == 1
    assert found["classes"][0, 0] == 1
    np.testing.assert_allclose(found["boxes"][0, 0], [0.25, 0.25, 0.75, 0.75], atol=0.06)


def outcome_of(boxes, scores, classes, targets, metadata=None):
    """Returns the outcome of images whose boxes, scores and classes are lists."""
    most = max(map(len, boxes))
    found = {
        "boxes": np.zeros((len(boxes), most, 4), np.float32),
        "scores": np.zeros((len(boxes), most), np.float32),
        "classes": np.full((len(boxes), most), -1, np.int32),
        "count": np.array([*map(len, boxes)], np.int32),
    }
    for row, of_image in enumerate(zip(boxes, scores, classes, strict=True)):
        for name, values in zip(("boxes", "scores", "classes"), of_image, strict=True):
            if len(values):
                found[name][row, : len(values)] = values
    count = len(boxes)
    metadata = metadata or {
        "size": np.tile([100, 200], (count, 1)),
        "window": np.tile(np.float32([0, 0, 200, 100]), (count, 1)),
    }
    split = Split(np.zeros((count, 32, 32, 3), np.uint8), targets, metadata=metadata)
    return Outcome(DATA, "test", split, metadata, found)


def ragged(*images):
    return Ragged.of([np.asarray(each, np.float32).reshape(-1, 7) for each in images], np.float32, (7,))


ONE = [0.1, 0.1, 0.5, 0.5]


def test_answers_are_in_pixels_of_the_original_and_end_at_its_border():
    metadata = {"size": np.array([[100, 200]]), "window": np.float32([[0, -50, 200, 150]])}
    outcome = outcome_of([[ONE, [0, 0, 1, 1]]], [[0.9, 0.2]], [[2, 0]], ragged([]), metadata)
    (answer,) = DETECTION().answers(outcome, {})
    assert answer == {"boxes": [{"class": "cow", "score": pytest.approx(0.9), "box": [20, 0, 100, 50]}]}
    (more,) = DETECTION().answers(outcome, {"threshold": 0.1})
    assert [each["box"] for each in more["boxes"]] == [[20, 0, 100, 50], [0, 0, 200, 100]]
    (fewer,) = DETECTION().answers(outcome, {"threshold": 0.1, "most": 1})
    assert len(fewer["boxes"]) == 1


def test_what_is_found_is_measured_and_doubles_and_difficult_ones_count_as_voc_has_them():
    targets = ragged([[*ONE, 0, 0, 0], [0.6, 0.6, 0.9, 0.9, 1, 1, 0]], [])
    boxes = [[ONE, ONE, [0.6, 0.6, 0.9, 0.9]], [ONE]]
    outcome = outcome_of(boxes, [[0.9, 0.8, 0.7], [0.3]], [[0, 0, 1], [2]], targets)
    found = DETECTION().measure(outcome)
    assert list(found) == list(DETECTION().metrics)
    assert found["map_50"] == 1  # class 1 has difficult objects alone, class 2 none: neither is in the mean
    assert found["map"] == pytest.approx(1)
    assert found["recall"] == pytest.approx(1)


def test_a_part_without_an_object_has_no_precision_and_one_without_a_size_none_of_that():
    task = DETECTION()
    empty = outcome_of([[]], [[]], [[]], ragged([]))
    assert task.undefined(DATA, empty.known) == dict.fromkeys(task.metrics, "no image has an object that counts")
    assert set(task.measure(empty).values()) == {0.0}
    difficult = outcome_of([[]], [[]], [[]], ragged([[*ONE, 0, 1, 0]]))
    assert set(task.undefined(DATA, difficult.known)) == set(task.metrics)
    large = outcome_of([[]], [[]], [[]], ragged([[*ONE, 0, 0, 0]]))  # 80x40 pixels
    assert task.undefined(DATA, large.known) == {
        "map_small": "no object is small", "map_large": "no object is large",
    }  # fmt: skip


def test_boxes_that_are_as_sure_may_come_in_another_order_in_an_export():
    one = outcome_of([[ONE, [0.5, 0.5, 1, 1]]], [[0.8, 0.8]], [[0, 0]], ragged([])).outputs
    other = outcome_of([[[0.5, 0.5, 1, 1], ONE]], [[0.8, 0.8]], [[0, 0]], ragged([])).outputs
    for name, values in DETECTION().aligned(DATA, other, one).items():
        np.testing.assert_array_equal(values, one[name])
    assert DETECTION().agree(DATA, one, other).tolist() == [True]
    moved = outcome_of([[ONE, [0.4, 0.5, 0.9, 1]]], [[0.8, 0.8]], [[0, 0]], ragged([])).outputs
    assert DETECTION().agree(DATA, one, moved).tolist() == [False]


def test_a_network_without_anchors_is_refused():
    with pytest.raises(KeyProblem, match="detection needs a network with anchors: ssd"):
        DETECTION().head(DATA, None)


def test_data_without_boxes_or_without_a_class_are_refused():
    with pytest.raises(KeyProblem, match="detection needs boxes, the data have classes"):
        DETECTION().check(data_spec((8, 8, 1), ("a", "b")))
    with pytest.raises(KeyProblem, match="needs a class at least"):
        DETECTION().check(dataclasses.replace(DATA, targets=Features.of(Boxes())))
    with pytest.raises(KeyProblem, match=r"negative_iou must be at most positive_iou, 0\.5, got 0\.6"):
        DETECTION(negative_iou=0.6)
