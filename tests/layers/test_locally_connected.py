"""Convolutions with a kernel for each position: beside NumPy, saved, exported, in a stage and in a graph."""

import math

import numpy as np
import pytest
from specs import data_spec

from dltrain.errors import KeyProblem
from dltrain.models.cnn import CNN, Stage
from dltrain.models.graph import Graph

ONE, TWO = "LocallyConnected1D", "LocallyConnected2D"
CASES = [
    (ONE, (7, 3), {"kernel_size": 3}),
    (ONE, (8, 2), {"kernel_size": 2, "strides": 3, "padding": "same"}),
    (ONE, (3, 9), {"kernel_size": 4, "strides": 2, "data_format": "channels_first"}),
    (TWO, (6, 5, 3), {"kernel_size": 3}),
    (TWO, (6, 7, 1), {"kernel_size": (2, 3), "strides": (2, 1), "activation": "tanh"}),
    (TWO, (7, 6, 2), {"kernel_size": (3, 2), "strides": (3, 2), "padding": "same", "use_bias": False}),
    (TWO, (2, 5, 6), {"kernel_size": (1, 4), "data_format": "channels_first"}),
    (TWO, (4, 4, 1), {"kernel_size": 4}),
]


def make(name, shape, settings, filters=4):
    import dltrain.layers.locally_connected as module

    layer = getattr(module, name)(filters, **settings)
    layer.build((None, *shape))
    for index, weight in enumerate(layer.weights):
        weight.assign(np.random.RandomState(index + 1).standard_normal(weight.shape))
    return layer


def by_numpy(layer, inputs):
    """Returns the outputs in words of their own: position by position, sum by sum."""
    is_first = layer.data_format == "channels_first"
    x = np.moveaxis(inputs, 1, -1) if is_first else inputs
    sides = x.shape[1:-1]
    if layer.padding == "same":
        for axis, (side, size, step) in enumerate(zip(sides, layer.kernel_size, layer.strides, strict=True), 1):
            missing = max((math.ceil(side / step) - 1) * step + size - side, 0)
            widths = [(0, 0)] * x.ndim
            widths[axis] = (missing // 2, missing - missing // 2)
            x = np.pad(x, widths)
    counts = [
        (side - size) // step + 1
        for side, size, step in zip(x.shape[1:-1], layer.kernel_size, layer.strides, strict=True)
    ]
    kernel, bias = np.asarray(layer.kernel), None if layer.bias is None else np.asarray(layer.bias)
    y = np.zeros((len(x), *counts, layer.filters))
    for number, place in enumerate(np.ndindex(*counts)):
        starts = [at * step for at, step in zip(place, layer.strides, strict=True)]
        cut = tuple(slice(start, start + size) for start, size in zip(starts, layer.kernel_size, strict=True))
        for example in range(len(x)):
            for filter_ in range(layer.filters):
                total = float((x[(example, *cut)].ravel() * kernel[number, :, filter_]).sum())
                y[(example, *place, filter_)] = total + (0 if bias is None else bias[(*place, filter_)])
    if layer.get_config()["activation"] == "tanh":
        y = np.tanh(y)
    return np.moveaxis(y, -1, 1) if is_first else y


@pytest.mark.parametrize(("name", "shape", "settings"), CASES)
def test_outputs_and_weights_are_those_of_the_formula(tensorflow, name, shape, settings):
    layer = make(name, shape, settings)
    inputs = np.random.RandomState(0).standard_normal((3, *shape)).astype(np.float32)
    expected = by_numpy(layer, inputs)
    np.testing.assert_allclose(layer(inputs), expected, rtol=1e-5, atol=1e-5)
    assert layer.compute_output_shape((3, *shape)) == expected.shape
    positions = expected[0].size // 4
    channels = shape[0] if layer.data_format == "channels_first" else shape[-1]
    window = np.prod(layer.kernel_size) * channels
    assert layer.count_params() == positions * (window + layer.use_bias) * 4


@pytest.mark.parametrize(("name", "shape", "settings"), CASES[:2] + CASES[4:7])
def test_gradients_are_those_of_finite_differences(tensorflow, name, shape, settings):
    settings = {**settings, "activation": "tanh", "dtype": "float64"}
    layer = make(name, shape, settings, filters=2)
    inputs = tensorflow.constant(np.random.RandomState(0).standard_normal((2, *shape)))
    variables = [inputs, *(weight.value for weight in layer.weights)]
    with tensorflow.GradientTape() as tape:
        tape.watch(inputs)
        loss = tensorflow.reduce_sum(layer(inputs) ** 2)
    gradients = tape.gradient(loss, variables)

    def loss_at(place, values):
        if place == 0:
            return float(tensorflow.reduce_sum(layer(tensorflow.constant(values)) ** 2))
        before = np.array(layer.weights[place - 1])
        layer.weights[place - 1].assign(values)
        found = float(tensorflow.reduce_sum(layer(inputs) ** 2))
        layer.weights[place - 1].assign(before)
        return found

    for place, (variable, gradient) in enumerate(zip(variables, gradients, strict=True)):
        values, direction = np.array(variable), np.random.RandomState(place).standard_normal(variable.shape)
        step = 1e-6 * direction
        measured = (loss_at(place, values + step) - loss_at(place, values - step)) / 2e-6
        np.testing.assert_allclose((np.asarray(gradient) * direction).sum(), measured, rtol=1e-6)


def test_the_first_variance_is_that_of_a_dense_layer_at_each_position(tensorflow):
    from dltrain.layers.locally_connected import LocallyConnected2D

    layer = LocallyConnected2D(64, 4, kernel_initializer="he_normal")
    layer.build((None, 12, 12, 16))
    assert np.asarray(layer.kernel).std() == pytest.approx(math.sqrt(2 / (4 * 4 * 16)), rel=0.01)
    fixed = LocallyConnected2D(64, 4, kernel_initializer={"class_name": "Constant", "config": {"value": 0.5}})
    fixed.build((None, 8, 8, 1))
    assert (np.asarray(fixed.kernel) == 0.5).all()


def test_it_reads_back_with_all_its_arguments(tensorflow, tmp_path):
    import keras

    from dltrain.layers.locally_connected import LocallyConnected1D

    settings = {
        **{"kernel_size": 2, "strides": 2, "padding": "same", "activation": "relu", "kernel_regularizer": "l2"},
        **{"bias_regularizer": "l1", "activity_regularizer": "l2", "kernel_constraint": "non_neg"},
        **{"bias_constraint": "max_norm", "bias_initializer": "ones", "kernel_initializer": "he_normal"},
    }
    inputs = keras.Input((6, 2))
    model = keras.Model(inputs, LocallyConnected1D(3, name="local", **settings)(inputs))
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.get_layer("local").get_config() == model.get_layer("local").get_config()
    x = np.random.RandomState(0).standard_normal((4, 6, 2)).astype(np.float32)
    np.testing.assert_array_equal(again(x), model(x))
    assert [float(loss) for loss in again.losses] == pytest.approx([float(loss) for loss in model.losses])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"kernel_size": 9}, "kernel_size must be at most the inputs' sides"),
        ({"kernel_size": 0}, "kernel_size must be a whole number of at least 1 or 2 of them, got 0"),
        ({"kernel_size": (1, 2, 3)}, "kernel_size"),
        ({"kernel_size": 2, "padding": "full"}, "padding must be valid or same"),
        ({"kernel_size": 2, "data_format": "last"}, "data_format must be"),
    ],
)
def test_what_cannot_be_is_refused(tensorflow, settings, words):
    with pytest.raises(ValueError, match=words):
        make(TWO, (4, 4, 1), settings)


def test_sides_must_be_known(tensorflow):
    with pytest.raises(ValueError, match="must have known sides"):
        make(TWO, (None, 4, 1), {"kernel_size": 2})


DATA = data_spec((8, 8, 1), ("a", "b", "c"))
STAGES = (
    Stage(filters=4, convolution="local", strides=(2, 1), batch_normalization="before"),
    Stage(filters=5, convolution="local", kernel_size=(3, 2), padding="valid", pool="max"),
)
LAYERS = (
    {"layer": TWO, "filters": 4, "kernel_size": 3, "activation": "relu", "kernel_initializer": "he_normal"},
    {"layer": "Reshape", "target_shape": (36, 4)},
    {"layer": ONE, "filters": 2, "kernel_size": 4, "strides": 4, "kernel_regularizer": {"name": "L2", "l2": 0.01}},
    {"layer": "Flatten"},
)


@pytest.fixture(scope="module", params=["cnn", "graph"])
def network(request, tensorflow):
    made = CNN(stages=STAGES, dense=()) if request.param == "cnn" else Graph(layers=LAYERS)
    return made.build(DATA), request.param


def test_stages_and_graphs_have_the_weights_of_the_formula(network):
    model, kind = network
    counts = [layer.count_params() for layer in model.layers if "local" in layer.name or "convolution" in layer.name]
    if kind == "cnn":  # 8x8 becomes 4x8, then 2x7; normalisation has the first bias
        assert counts == [4 * 8 * 9 * 4, 2 * 7 * (6 * 4 + 1) * 5]
        assert model(np.zeros((2, 8, 8, 1), np.float32)).shape == (2, 3)
    else:
        assert counts == [36 * (9 + 1) * 4, 9 * (4 * 4 + 1) * 2]


def test_a_local_convolution_has_no_dilation():
    with pytest.raises(ExceptionGroup) as caught:
        CNN(stages=(Stage(filters=4, convolution="local", dilation=2),))
    assert "must be 1 for a local convolution" in str(caught.value.exceptions[0])
    with pytest.raises(KeyProblem, match=r"stages\[0\]\.kernel_size is too large"):
        CNN(stages=(Stage(filters=4, convolution="local", kernel_size=9, padding="valid"),)).check(DATA)


def test_a_graph_knows_the_arguments_without_keras():
    with pytest.raises(ExceptionGroup) as caught:
        Graph(layers=({"layer": TWO, "filters": 4, "kernel": 3}, {"layer": "LocallyConnected3D"}))
    words = "; ".join(map(str, caught.value.exceptions))
    assert "is not an argument of LocallyConnected2D" in words
    assert "kernel_size is missing: LocallyConnected2D needs it" in words
    assert "no layer 'LocallyConnected3D', did you mean" in words


@pytest.mark.parametrize("name", ["keras", "saved_model", "onnx"])
def test_exports_answer_as_the_network(tensorflow, network, tmp_path, name):
    from dltrain.registry import EXPORTS

    export = EXPORTS[name]
    for needed in export.needs:
        pytest.importorskip(needed)
    model, _ = network
    x = np.random.RandomState(0).uniform(0, 255, (5, 8, 8, 1)).astype(np.float32)
    path = tmp_path / export.file
    takes = {"inputs": tensorflow.TensorSpec((None, 8, 8, 1), tensorflow.float32, "inputs")}
    export().write(model, path, takes, {"inputs": x})
    np.testing.assert_allclose(export().answers(path, {"inputs": x}), model(x), rtol=1e-4, atol=1e-4)
