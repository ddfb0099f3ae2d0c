import numpy as np


def test_a_model_is_fused_in_place_with_its_weights_and_the_models_in_it(tensorflow):
    import keras

    from dltrain.layers.fused_batch_normalization import FusedBatchNormalization
    from dltrain.layers.fusion import fuse

    inner = keras.Sequential([keras.Input((4, 4, 3)), keras.layers.BatchNormalization()])
    model = keras.Sequential([keras.Input((4, 4, 3)), keras.layers.BatchNormalization(), inner])
    before = model.get_weights()
    fuse(model)
    assert {type(layer) for layer in (model.layers[0], inner.layers[0])} == {FusedBatchNormalization}
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
