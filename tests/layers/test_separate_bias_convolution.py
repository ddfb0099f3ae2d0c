import numpy as np
import pytest


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize(
    "settings", [{}, {"activation": "relu", "strides": 2, "padding": "same"}, {"use_bias": False}, {"dilation_rate": 2}]
)
def test_it_computes_what_kerass_layer_does(tensorflow, settings, precision):
    import keras

    from dltrain.layers.separate_bias_convolution import SeparateBiasConv2D

    inputs = tensorflow.constant(np.random.RandomState(0).standard_normal((3, 9, 8, 2)), tensorflow.float32)
    seen = []
    for cls in (keras.layers.Conv2D, SeparateBiasConv2D):
        layer = cls(4, 3, dtype=precision, **settings)
        layer.build(inputs.shape)
        for index, weight in enumerate(layer.weights):
            weight.assign(np.random.RandomState(index + 1).standard_normal(weight.shape))

        @tensorflow.function(autograph=False)
        def step(layer=layer):
            with tensorflow.GradientTape() as tape:
                tape.watch(inputs)
                outputs = layer(inputs)
                loss = tensorflow.reduce_sum(tensorflow.cast(outputs, tensorflow.float32) ** 2)
            return [outputs, *tape.gradient(loss, [inputs, *(weight.value for weight in layer.weights)])]

        seen.append([np.asarray(tensorflow.cast(value, tensorflow.float32)) for value in step()])
    tolerance = 1e-5 if precision == "float32" else 0.02
    for ours, kerass in zip(*seen, strict=True):
        np.testing.assert_allclose(ours, kerass, rtol=tolerance, atol=tolerance * abs(kerass).max())
