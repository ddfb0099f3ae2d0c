"""Anchors: the paper's, as ssd_keras and torchvision have them."""

import numpy as np
import pytest

from dltrain.layers.anchor_boxes import AnchorBoxes


def test_anchors_of_a_cell_are_the_papers(tensorflow):
    layer = AnchorBoxes((300, 300), 0.1, 0.2, (1.0, 2.0, 0.5), step=8.0)
    boxes = layer.boxes(38, 38)
    assert boxes.shape == (38 * 38 * 4, 4)
    root = np.sqrt(0.02)
    expected = [[0.1, 0.1], [root, root], [0.1 * np.sqrt(2), 0.1 / np.sqrt(2)], [0.1 / np.sqrt(2), 0.1 * np.sqrt(2)]]
    np.testing.assert_allclose(boxes[:4, :2], np.full((4, 2), 4 / 300), rtol=1e-6)
    np.testing.assert_allclose(boxes[:4, 2:], expected, rtol=1e-6)
    np.testing.assert_allclose(boxes[4, :2], [12 / 300, 4 / 300], rtol=1e-6)  # along the row first
    np.testing.assert_allclose(boxes[4 * 38, :2], [4 / 300, 12 / 300], rtol=1e-6)


def test_without_a_step_cells_are_spread_evenly_and_anchors_are_of_the_shorter_side(tensorflow):
    boxes = AnchorBoxes((100, 200), 0.5, 1.0, (1.0, 4.0), two_boxes_for_ar1=False).boxes(2, 4)
    assert boxes.shape == (16, 4)
    np.testing.assert_allclose(boxes[0], [0.125, 0.25, 0.25, 0.5])  # 50 pixels each way
    np.testing.assert_allclose(boxes[1], [0.125, 0.25, 0.5, 0.25])  # 100 by 25 pixels
    np.testing.assert_allclose(boxes[-1, :2], [0.875, 0.75])


def test_clipped_anchors_end_at_the_border(tensorflow):
    boxes = AnchorBoxes((10, 10), 0.9, 1.0, (1.0,), clip_boxes=True).boxes(2, 2)
    low, high = boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2
    assert low.min() >= 0
    assert high.max() <= 1
    np.testing.assert_allclose(boxes[0], [0.35, 0.35, 0.7, 0.7], rtol=1e-6)


def test_the_layer_gives_each_example_the_same_in_any_precision_and_is_restored(tensorflow):
    layer = AnchorBoxes((64, 64), 0.2, 0.4, (1.0, 3.0), step=16, offset=0.25, variances=(1, 2, 3, 4), dtype="bfloat16")
    again = AnchorBoxes.from_config(layer.get_config())
    outputs = np.asarray(again(np.zeros((3, 4, 4, 5))))
    assert outputs.shape == (3, 48, 8) == layer.compute_output_shape((3, 4, 4, 5))
    assert outputs.dtype == np.float32
    np.testing.assert_array_equal(outputs[0], outputs[2])
    np.testing.assert_array_equal(outputs[0, :, :4], layer.boxes(4, 4))
    np.testing.assert_array_equal(outputs[0, 0, 4:], [1, 2, 3, 4])


@pytest.mark.parametrize("wrong", [{"scale": 0.0}, {"aspect_ratios": (1.0, -2.0)}, {"variances": (1.0, 1.0)}])
def test_what_makes_no_box_is_refused(tensorflow, wrong):
    with pytest.raises(ValueError, match="must be"):
        AnchorBoxes(**({"image_size": (8, 8), "scale": 0.1, "next_scale": 0.2} | wrong))
