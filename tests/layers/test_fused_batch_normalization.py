import numpy as np
import pytest


def trained(layer, inputs, steps=3):
    """Returns outputs, gradients and weights of a layer after some training steps, and its outputs in inference."""
    import tensorflow as tf

    layer.build(inputs.shape)
    for index, weight in enumerate(layer.trainable_weights):
        weight.assign(np.random.RandomState(index).uniform(0.5, 1.5, weight.shape))
    seen = []
    for step in range(steps):
        x = tf.constant(inputs * (step + 1) + step)
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=True)
            loss = tf.reduce_sum(tf.cast(y, tf.float32) ** 3)
        seen += [y, *tape.gradient(loss, [x, *[weight.value for weight in layer.trainable_weights]])]
    return [np.asarray(value, np.float32) for value in (*seen, *layer.weights, layer(inputs, training=False))]


@pytest.mark.parametrize("shape", [(8, 5, 4, 3), (2, 1, 1, 6), (4, 3)])
@pytest.mark.parametrize("settings", [{}, {"scale": False}, {"center": False}, {"momentum": 0.9, "epsilon": 1e-5}])
def test_it_computes_what_kerass_layer_does(tensorflow, shape, settings):
    import keras

    from dltrain.layers.fused_batch_normalization import FusedBatchNormalization

    inputs = np.random.RandomState(0).standard_normal(shape).astype(np.float32)
    expected = trained(keras.layers.BatchNormalization(**settings), inputs)
    measured = trained(FusedBatchNormalization(**settings), inputs)
    assert len(expected) == len(measured)
    for ours, theirs in zip(measured, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5 * max(1, abs(theirs).max()))


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_it_computes_in_mixed_precision_with_statistics_in_32_bits(tensorflow, precision):
    import keras

    from dltrain.layers.fused_batch_normalization import FusedBatchNormalization

    inputs = np.random.RandomState(0).standard_normal((8, 5, 4, 3)).astype(np.float32)
    layer, plain = FusedBatchNormalization(dtype=precision), keras.layers.BatchNormalization(dtype=precision)
    for one in (layer, plain):
        one(inputs, training=True)
    assert layer(inputs, training=True).dtype == precision.removeprefix("mixed_")
    np.testing.assert_allclose(layer.moving_mean, 1.99 * np.asarray(plain.moving_mean), rtol=0.02, atol=1e-3)


def test_frozen_layers_keep_their_statistics(tensorflow):
    from dltrain.layers.fused_batch_normalization import FusedBatchNormalization

    layer = FusedBatchNormalization(trainable=False)
    layer(np.ones((2, 2, 2, 3), np.float32), training=True)
    assert not np.any(layer.moving_mean)
