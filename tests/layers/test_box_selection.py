"""Decoding and suppression, beside a loop that does it box by box."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dltrain.layers.box_selection import BoxSelection, corners, decoded, encoded, overlap

CLASSES = 3


def outputs(images, anchors=60, classes=CLASSES, seed=0):
    random = np.random.RandomState(seed)
    found = np.zeros((images, anchors, classes + 13), np.float32)
    found[..., : classes + 1] = 3 * random.standard_normal((images, anchors, classes + 1))
    found[..., classes + 1 : classes + 5] = random.standard_normal((images, anchors, 4))
    found[..., classes + 5 : classes + 7] = random.random_sample((images, anchors, 2))
    found[..., classes + 7 : classes + 9] = 0.05 + 0.3 * random.random_sample((images, anchors, 2))
    found[..., classes + 9 :] = 0.1, 0.1, 0.2, 0.2
    return found


def of_one(found, threshold, iou, candidates, most):
    """Greedy suppression, class by class, of one image."""
    logits = found[:, : CLASSES + 1].astype(np.float64)
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    boxes = np.asarray(decoded(found[None, :, CLASSES + 1 :]))[0]
    flat = shares[:, 1:].ravel()
    kept = []
    for place in np.argsort(-flat, kind="stable")[:candidates]:
        anchor, of_class = divmod(int(place), CLASSES)
        box = boxes[anchor]
        rivals = [boxes[other] for other, its, _ in kept if its == of_class]
        if flat[place] >= threshold and all(np.asarray(overlap(box[None, None], r[None, None])) <= iou for r in rivals):
            kept.append((anchor, of_class, flat[place]))
    return boxes, kept[:most]


def test_it_keeps_what_a_loop_over_boxes_keeps(tensorflow):
    x = outputs(4)
    x[1, :, 0] = 50  # nothing there but background
    found = {name: np.asarray(value) for name, value in BoxSelection(0.02, 0.4, 100, 30)(x).items()}
    assert found["count"][1] == 0
    for image, count in enumerate(found["count"]):
        boxes, kept = of_one(x[image], 0.02, 0.4, 100, 30)
        assert count == len(kept)
        assert found["classes"][image].tolist() == [each[1] for each in kept] + [-1] * (30 - count)
        if kept:
            np.testing.assert_allclose(found["boxes"][image, :count], boxes[[each[0] for each in kept]])
            np.testing.assert_allclose(found["scores"][image, :count], [each[2] for each in kept], rtol=1e-5)
        assert not found["boxes"][image, count:].any()
        assert not found["scores"][image, count:].any()


def test_fewer_candidates_than_boxes_asked_for_are_filled_up(tensorflow):
    found = BoxSelection(most=50)(outputs(2, anchors=5))
    assert found["boxes"].shape == (2, 50, 4)
    assert (np.asarray(found["classes"])[:, 15:] == -1).all()


def test_xla_finds_the_same(tensorflow):
    x, layer = outputs(3), BoxSelection(candidates=80, most=20)
    compiled = tensorflow.function(layer, jit_compile=True)(x)
    for name, value in layer(x).items():
        np.testing.assert_allclose(compiled[name], value, atol=1e-6)


def test_a_network_that_ends_in_it_is_saved_and_opened(tensorflow, tmp_path):
    inputs = keras.Input((60, CLASSES + 13))
    model = keras.Model(inputs, BoxSelection(candidates=50, most=10)(inputs))
    model.save(tmp_path / "model.keras")
    x, again = outputs(2), keras.models.load_model(tmp_path / "model.keras")
    for name, value in model(x).items():
        assert value.shape == (2, *model.output[name].shape[1:])
        np.testing.assert_array_equal(again(x)[name], value)


SHARES = st.floats(0.0078125, 1, width=32)


@settings(max_examples=60, deadline=None)
@given(st.tuples(SHARES, SHARES, SHARES, SHARES), st.tuples(SHARES, SHARES, SHARES, SHARES))
def test_decoding_is_the_inverse_of_encoding(tensorflow, box, anchor):
    low = np.minimum(box[:2], 0.98) * 0.99
    high = low + np.maximum(np.array(box[2:]) * (1 - low), 0.005)
    box = np.float32([[[*low, *high]]])
    anchor, variances = np.float32([[anchor]]), np.float32([[[0.1, 0.1, 0.2, 0.2]]])
    offsets = encoded(box, anchor, variances)
    back = decoded(np.concatenate([offsets, anchor, variances], axis=-1))
    np.testing.assert_allclose(back, box, atol=2e-5)


def test_overlaps_of_boxes_without_area_are_0_and_of_a_crowd_a_share_of_the_other(tensorflow):
    boxes = np.float32([[[0, 0, 1, 1], [0.5, 0.5, 0.5, 0.9], [0, 0, 0.5, 1]]])
    np.testing.assert_allclose(overlap(boxes, boxes)[0], [[1, 0, 0.5], [0, 0, 0], [0.5, 0, 1]])
    np.testing.assert_allclose(overlap(boxes[:, :1], boxes, over_others=True)[0], [[1, 0, 1]])
    np.testing.assert_allclose(corners(np.float32([0.5, 0.5, 0.2, 0.4])), [0.4, 0.3, 0.6, 0.7], rtol=1e-6)


@pytest.mark.parametrize("huge", [1e4, -1e4])
def test_offsets_that_overflow_stay_within_the_image(tensorflow, huge):
    parts = np.float32([[[huge, huge, huge, huge, 0.5, 0.5, 0.1, 0.1, 1, 1, 1, 1]]])
    found = np.asarray(decoded(parts))
    assert np.isfinite(found).all()
    assert found.min() >= 0
    assert found.max() <= 1
