import itertools
import math

import numpy as np
import pytest


def brute_force(x, size, rate, stride, padding, pooling):
    """The definition, one output at a time."""
    sides, spans = x.shape[1:3], [(k - 1) * d + 1 for k, d in zip(size, rate, strict=True)]
    if padding == "same":
        counts = [math.ceil(n / s) for n, s in zip(sides, stride, strict=True)]
        missing = [max((c - 1) * s + w - n, 0) for c, s, w, n in zip(counts, stride, spans, sides, strict=True)]
        before = [m // 2 for m in missing]
    else:
        counts, before = [(n - w) // s + 1 for n, w, s in zip(sides, spans, stride, strict=True)], [0, 0]
    y = np.empty((len(x), *counts, x.shape[-1]), np.float32)
    for i, j in itertools.product(*map(range, counts)):
        rows = [i * stride[0] + a * rate[0] - before[0] for a in range(size[0])]
        columns = [j * stride[1] + b * rate[1] - before[1] for b in range(size[1])]
        there = [x[:, r, c] for r in rows for c in columns if 0 <= r < sides[0] and 0 <= c < sides[1]]
        y[:, i, j] = np.max(there, axis=0) if pooling == "max" else np.mean(there, axis=0)
    return y


@pytest.mark.parametrize("pooling", ["max", "average"])
@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize(
    ("size", "rate", "stride"),
    [((3, 3), (2, 2), (2, 2)), ((2, 3), (3, 1), (1, 2)), ((2, 2), (4, 3), (3, 1)), ((3, 2), (1, 1), (2, 2))],
)
def test_it_is_the_shifted_slice_definition_on_negative_values_too(tensorflow, pooling, padding, size, rate, stride):
    from dltrain.layers.dilated_pooling import DilatedPooling2D

    x = -1 - np.random.RandomState(0).random_sample((2, 9, 7, 3)).astype("float32")
    y = DilatedPooling2D(size, rate, stride, padding, pooling)(x)
    np.testing.assert_allclose(y, brute_force(x, size, rate, stride, padding, pooling), rtol=1e-6)


@pytest.mark.parametrize("pooling", ["max", "average"])
def test_it_is_tensorflows_pool_where_that_knows_dilation(tensorflow, pooling):
    from dltrain.layers.dilated_pooling import DilatedPooling2D

    x = np.random.RandomState(0).standard_normal((2, 8, 9, 3)).astype("float32")
    kind = {"max": "MAX", "average": "AVG"}[pooling]
    theirs = tensorflow.nn.pool(x, (3, 3), kind, padding="VALID", dilations=(2, 2))
    np.testing.assert_allclose(DilatedPooling2D(3, 2, 1, "valid", pooling)(x), theirs, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("pooling", ["max", "average"])
@pytest.mark.parametrize("padding", ["same", "valid"])
def test_without_gaps_it_is_keras_own_pooling(tensorflow, pooling, padding):
    import keras

    from dltrain.layers.dilated_pooling import DilatedPooling2D

    x = np.random.RandomState(0).standard_normal((2, 8, 9, 3)).astype("float32")
    plain = {"max": keras.layers.MaxPooling2D, "average": keras.layers.AveragePooling2D}[pooling]
    ours = DilatedPooling2D(3, 1, 2, padding, pooling)(x)
    np.testing.assert_allclose(ours, plain(3, 2, padding)(x), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("pooling", ["max", "average"])
def test_a_window_of_one_value_changes_nothing(tensorflow, pooling, padding):
    from dltrain.layers.dilated_pooling import DilatedPooling2D

    x = np.random.RandomState(0).standard_normal((2, 4, 5, 3)).astype("float32")
    np.testing.assert_array_equal(DilatedPooling2D(1, 3, 1, padding, pooling)(x), x)


def test_every_gradient_goes_to_the_largest_value_or_to_all_alike(tensorflow):
    from dltrain.layers.dilated_pooling import DilatedPooling2D

    x = tensorflow.constant(np.arange(9.0, dtype="float32").reshape(1, 3, 3, 1))
    shares = []
    for pooling in ("max", "average"):
        with tensorflow.GradientTape() as tape:
            tape.watch(x)
            y = tensorflow.reduce_sum(DilatedPooling2D(2, 2, 1, "valid", pooling)(x))
        shares.append(tape.gradient(y, x).numpy()[0, ..., 0].tolist())
    assert shares == [[[0, 0, 0], [0, 0, 0], [0, 0, 1]], [[0.25, 0, 0.25], [0, 0, 0], [0.25, 0, 0.25]]]


@pytest.mark.parametrize("pooling", ["max", "average"])
def test_it_survives_saving_and_16_bits(tensorflow, tmp_path, pooling):
    import keras

    from dltrain.layers.dilated_pooling import DilatedPooling2D

    layer = DilatedPooling2D(3, (2, 1), 2, "same", pooling, dtype="mixed_bfloat16")
    model = keras.Sequential([keras.Input((6, 6, 2)), layer])
    model.save(tmp_path / "model.keras")
    x = -np.random.RandomState(0).random_sample((1, 6, 6, 2)).astype("float32")
    y = model.predict(x, verbose=0)
    assert layer.compute_dtype == "bfloat16"
    np.testing.assert_array_equal(keras.models.load_model(tmp_path / "model.keras").predict(x, verbose=0), y)
    expected = brute_force(x, (3, 3), (2, 1), (2, 2), "same", pooling)
    np.testing.assert_allclose(np.asarray(y, "float32"), expected, rtol=0.02)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"strides": 0}, "^strides must be a whole number of at least 1"),
        ({"padding": "full"}, "^padding must be same or valid, got 'full'"),
        ({"pooling": "min"}, "^pooling must be max or average, got 'min'"),
        ({"pool_size": 3, "dilation_rate": 2}, "^pool_size must span at most 4 values, got 5"),
        ({"dilation_rate": 5, "padding": "same"}, "^dilation_rate must be at most the side 4, got 5"),
    ],
)
def test_what_cannot_be_pooled_is_refused(tensorflow, settings, message):
    from dltrain.layers.dilated_pooling import DilatedPooling2D

    with pytest.raises(ValueError, match=message):
        DilatedPooling2D(**settings)(np.zeros((1, 4, 4, 1), "float32"))
