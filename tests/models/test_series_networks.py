"""Networks over whole series: counts of the papers' code, and padding that changes nothing."""

import numpy as np
import pytest

from dltrain.data import DataSpec
from dltrain.features.class_label import ClassLabel
from dltrain.features.numbers import Numbers
from dltrain.features.whole_series import WholeSeries
from dltrain.registry import MODELS
from dltrain.tasks.classification import Classification

SMALL = {
    "inception_time": {"filters": 3, "bottleneck": 3, "depth": 3, "kernel_sizes": (4, 3)},
    "resnet_1d": {"filters": (4, 6), "kernel_sizes": (4, 3)},
    "lstm": {"units": (4, 3)},
    "gru": {"units": (4,)},
    "transformer": {"width": 8, "depth": 1, "heads": 2},
}


def data(steps, channels, classes, **fields):
    names = tuple(map(str, range(classes)))
    return DataSpec.of(WholeSeries(steps=steps, channels=channels, **fields), ClassLabel(class_names=names)).bound(
        Classification()
    )


def trainable(model):
    return sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)


# From the authors' code, hfawaz/InceptionTime and hfawaz/dl-4-tsc, built and counted.
@pytest.mark.parametrize(
    ("name", "steps", "channels", "classes", "count"),
    [
        ("inception_time", 427, 1, 6, 420_966),
        ("inception_time", 29, 12, 9, 492_937),
        ("inception_time", None, 12, 9, 492_937),
        ("resnet_1d", 427, 1, 6, 504_774),
        ("resnet_1d", 29, 12, 9, 511_497),
        ("resnet_1d", None, 12, 9, 511_497),
    ],
)
def test_networks_have_as_many_weights_as_those_of_the_authors(tensorflow, name, steps, channels, classes, count):
    model = MODELS[name]().build(data(steps, channels, classes))
    assert trainable(model) == count
    assert model.output_shape == (None, classes)
    before = next(layer for layer in model.layers if layer.name == "global_average").input
    shape = before[0].shape if isinstance(before, list) else before.shape
    assert shape == (None, steps, 128)  # no step is lost


@pytest.fixture(scope="module")
def networks(tensorflow):
    """Returns small networks, whose normalisation has seen something, by name and by how series are scaled."""
    made, random = {}, np.random.RandomState(0)
    for name, keys in SMALL.items():
        for scaling in ("train", "series"):
            spec = data(None, 2, 3, scaling=scaling, mean=(1.0, -2.0), standard_deviation=(2.0, 0.5))
            model = MODELS[name](**keys).build(spec)
            for weight in model.weights:
                if "moving" in weight.path or "beta" in weight.path:
                    weight.assign(random.uniform(0.5, 1.5, weight.shape))
            made[name, scaling] = model
    return made


def padded(series, length):
    return np.concatenate([series, np.full((len(series), length - series.shape[1], 2), np.nan, np.float32)], axis=1)


@pytest.mark.parametrize("scaling", ["train", "series"])
@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("length", [1, 7])
def test_padding_behind_a_series_changes_nothing(networks, name, scaling, length):
    series = np.random.RandomState(1).normal(0, 3, (4, length, 2)).astype(np.float32)
    model = networks[name, scaling]
    outputs = model(series, training=False).numpy()
    assert np.isfinite(outputs).all()
    for longer in (length + 1, length + 12):
        np.testing.assert_allclose(model(padded(series, longer), training=False), outputs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["inception_time", "resnet_1d"])
def test_padding_changes_no_gradient_and_no_statistic_of_training(networks, tensorflow, name):
    tf = tensorflow
    series = np.random.RandomState(2).normal(0, 3, (4, 7, 2)).astype(np.float32)
    model = networks[name, "train"]
    before = model.get_weights()
    found = []
    for inputs in (series, padded(series, 16)):
        model.set_weights(before)
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(model(inputs, training=True)))
        gradients = [tf.convert_to_tensor(each).numpy() for each in tape.gradient(loss, model.trainable_weights)]
        found.append([*gradients, *(weight.numpy() for weight in model.non_trainable_weights)])
    model.set_weights(before)
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)


def test_normalisation_with_nothing_masked_is_that_of_keras(tensorflow):
    import keras

    from dltrain.layers.masked_batch_normalization import MaskedBatchNormalization

    x = np.random.RandomState(0).normal(3, 2, (5, 6, 4)).astype(np.float32)
    ours, theirs = MaskedBatchNormalization(momentum=0.5), keras.layers.BatchNormalization(momentum=0.5)
    for training in (True, False):
        got = ours(x, np.ones((5, 6), bool), training=training)
        np.testing.assert_allclose(got, theirs(x, training=training), rtol=1e-4, atol=1e-5)
    for one, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("scaling", ["train", "series"])
def test_series_are_scaled_as_the_config_says(tensorflow, scaling):
    spec = data(None, 2, 3, scaling=scaling, mean=(1.0, -2.0), standard_deviation=(2.0, 0.5))
    series = np.random.RandomState(3).normal(5, 3, (2, 9, 2)).astype(np.float32)
    series[1, 5:] = np.nan
    series[1, :5, 1] = 7
    import keras

    inputs = spec.inputs()
    found = keras.Model(inputs, spec.preprocess(inputs))(series).numpy()
    if scaling == "train":
        expected = (series - [1.0, -2.0]) / [2.0, 0.5]
    else:
        means, deviations = np.nanmean(series, axis=1, keepdims=True), np.nanstd(series, axis=1, keepdims=True)
        expected = (series - means) / np.maximum(deviations, 1e-3 * np.array([2.0, 0.5]))
    np.testing.assert_allclose(found, np.nan_to_num(expected), rtol=1e-4, atol=1e-5)


def test_series_of_levels_far_apart_have_a_scale_of_their_own(tensorflow):
    random = np.random.RandomState(0)
    waves = np.sin(np.arange(40))[:, None] + random.uniform(0, 1e5, (50, 1, 1))
    feature = WholeSeries(steps=40, scaling="series").adapt([waves.astype(np.float32)])
    scaled = np.asarray(feature.preprocess(waves.astype(np.float32)))
    np.testing.assert_allclose(scaled.std(axis=1), 1, atol=0.02)


def test_what_is_behind_the_end_of_a_series_cannot_overflow_half_precision(tensorflow):
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = MODELS["inception_time"](**SMALL["inception_time"]).build(data(None, 1, 3))
    finally:
        keras.config.set_dtype_policy(before)
    series = np.full((3, 40, 1), np.nan, np.float32)
    for row, length in enumerate((40, 10, 3)):
        series[row, :length, 0] = np.sin(np.arange(length))
    assert np.isfinite(np.asarray(model(series))).all()
    assert np.isfinite(np.asarray(model(series, training=True))).all()


def test_the_mean_of_many_steps_is_right_in_half_precision(tensorflow):
    from dltrain.layers.padding import MaskedMean

    found = MaskedMean(dtype="float16")(np.full((1, 70_000, 2), 1.5, np.float16), np.ones((1, 70_000), bool))
    np.testing.assert_allclose(np.asarray(found), 1.5, rtol=1e-3)


@pytest.mark.parametrize("name", [*SMALL, "mlp"])
def test_series_of_one_length_go_through_networks_without_a_mask(tensorflow, name):
    spec = DataSpec.of(WholeSeries(steps=6, channels=2), Numbers(names=("size",)))
    model = MODELS[name](**SMALL.get(name, {"units": (4,)})).build(spec)
    assert model(np.zeros((3, 6, 2), np.float32)).shape == (3, 1)
    assert not [layer.name for layer in model.layers if "mask" in layer.name.lower()]
