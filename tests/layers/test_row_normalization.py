import numpy as np
import pytest

MEAN, VARIANCE = [100.0, 120.0, 0.5], [2500.0, 3600.0, 0.0]


@pytest.mark.parametrize(
    ("shape", "settings"),
    [
        *(((2, 5, 4, 3), settings) for settings in ({}, {"invert": True}, {"axis": (1, 3)})),
        *(((7, 1, 1, 3), settings) for settings in ({}, {"invert": True})),
        *(((2, 3), settings) for settings in ({}, {"invert": True})),
    ],
)
def test_it_computes_what_kerass_layer_does(tensorflow, shape, settings):
    import keras

    from dltrain.layers.row_normalization import RowNormalization

    if settings.get("axis"):
        known = {"mean": np.full((shape[1], 3), 3.0), "variance": np.full((shape[1], 3), 2.0)}
    else:
        known = {"mean": MEAN, "variance": VARIANCE}
    inputs = np.random.RandomState(0).uniform(0, 255, shape).astype(np.float32)
    inputs[..., 2] = np.linspace(0.4, 0.6, inputs[..., 2].size).reshape(shape[:-1])
    expected = keras.layers.Normalization(**known, **settings)(inputs)
    measured = RowNormalization(**known, **settings)(inputs)
    np.testing.assert_allclose(measured, expected, rtol=1e-5, atol=1e-6)
