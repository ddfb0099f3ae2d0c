"""Filters are the first layer's weights; Grad-CAM points at what decides."""

import numpy as np
import pytest
from specs import data_spec

from dltrain.inference.grad_cam import first_filters, grad_cam
from dltrain.registry import MODELS, TASKS

SPEC = data_spec((8, 8, 1), ("left", "right"), mean=(0.0,), standard_deviation=(1.0,))
TASK = TASKS["classification"]()


@pytest.fixture
def looks_left(tensorflow):
    """A network whose first class is a bright place in the left half of the image, the second one in the right."""
    import keras

    inputs = keras.Input((8, 8, 1))
    x = keras.layers.Conv2D(1, 1, use_bias=False, kernel_initializer="ones")(inputs)
    x = keras.layers.Flatten()(keras.layers.MaxPooling2D(2)(x))
    model = keras.Model(inputs, keras.layers.Dense(2)(x))
    is_left = np.tile([1.0, 1.0, 0.0, 0.0], 4)
    model.layers[-1].set_weights([np.stack([is_left, 1 - is_left], axis=1), np.zeros(2)])
    return model


def test_attention_is_where_the_answer_comes_from(looks_left):
    images = np.zeros((2, 8, 8, 1), np.float32)
    images[0, 2, 1], images[1, 5, 6] = 1, 1
    found = grad_cam(looks_left, TASK, SPEC, images, 1)
    assert found.shape == (2, 8, 8)
    assert np.unravel_index(found[0].argmax(), (8, 8)) == (2, 1)
    assert np.unravel_index(found[1].argmax(), (8, 8)) == (5, 6)
    assert found.max() == 1
    assert found.min() == 0


def test_frozen_weights_have_attention_too(looks_left):
    looks_left.trainable = False
    images = np.zeros((1, 8, 8, 1), np.float32)
    images[0, 2, 1] = 1
    assert grad_cam(looks_left, TASK, SPEC, images, 1).max() == 1


@pytest.mark.parametrize(
    ("name", "settings", "convolves"),
    [("cnn", {}, True), ("resnet", {}, True), ("mlp", {}, False), ("vit", {"patch_size": 4}, False)],
)
def test_attention_is_of_networks_that_convolve_to_their_end(tensorflow, name, settings, convolves):
    model = MODELS[name](**settings).build(SPEC)
    found = grad_cam(model, TASK, SPEC, np.zeros((1, 8, 8, 1), np.float32), 1)
    assert (found is not None) == convolves


def test_a_network_within_the_network_has_attention(tensorflow):
    import keras

    body = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Conv2D(2, 3), keras.layers.ReLU()])
    inputs = keras.Input((8, 8, 1))
    model = keras.Model(inputs, keras.layers.Dense(2)(keras.layers.GlobalMaxPooling2D()(body(inputs))))
    assert grad_cam(model, TASK, SPEC, np.ones((1, 8, 8, 1), np.float32), 1).shape == (1, 8, 8)
    assert first_filters(model, SPEC).shape == (2, 3, 3, 1)


def test_the_weights_of_a_dense_layer_on_pixels_are_pictures(tensorflow):
    model = MODELS["mlp"](units=(5,)).build(SPEC)
    found = first_filters(model, SPEC)
    assert found.shape == (5, 8, 8, 1)
    kernel = next(layer.kernel for layer in model.layers if hasattr(layer, "kernel"))
    assert np.array_equal(found[3].ravel(), np.array(kernel)[:, 3])


def test_a_table_has_no_filters_and_no_attention(tensorflow):
    spec = data_spec((4,), ("a", "b"))
    model = MODELS["mlp"](units=(5,)).build(spec)
    assert first_filters(model, spec) is None
    assert grad_cam(model, TASK, spec, np.zeros((1, 4), np.float32), 1) is None
