import numpy as np
import pytest

FASTER = {
    "BatchNormalization": ("FusedBatchNormalization", {}),
    "Conv2D": ("SeparateBiasConv2D", {"filters": 3, "kernel_size": 3, "padding": "same"}),
    "Normalization": ("RowNormalization", {"mean": [1.0, 2.0, 3.0], "variance": [4.0, 5.0, 6.0]}),
}


@pytest.mark.parametrize("plain", FASTER)
def test_a_model_is_fused_in_place_with_its_weights_and_the_models_in_it(tensorflow, plain):
    import keras

    from dltrain.layers.fusion import fuse

    (faster, settings), layer = FASTER[plain], getattr(keras.layers, plain)
    inner = keras.Sequential([keras.Input((4, 4, 3)), layer(**settings)])
    model = keras.Sequential([keras.Input((4, 4, 3)), layer(**settings), inner])
    before = model.get_weights()
    fuse(model)
    assert [type(layer).__name__ for layer in (model.layers[0], inner.layers[0])] == [faster, faster]
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def test_every_class_that_is_replaced_is_tested_here(tensorflow):
    from dltrain.layers import fusion

    replaced = {plain.__name__: faster.__name__ for plain, faster in fusion._FASTER.items()}
    assert replaced == {plain: faster for plain, (faster, _) in FASTER.items()}
