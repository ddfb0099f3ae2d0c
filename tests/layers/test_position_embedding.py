import numpy as np
import pytest


@pytest.mark.parametrize("class_token", [True, False])
def test_it_adds_a_vector_to_each_token_behind_the_class_token(tensorflow, class_token):
    from dltrain.layers.position_embedding import PositionEmbedding

    random = np.random.RandomState(0)
    inputs = random.standard_normal((2, 3, 5)).astype(np.float32)
    layer = PositionEmbedding(class_token)
    layer.build(inputs.shape)
    token, positions = random.standard_normal((1, 1, 5)), random.standard_normal((1, 3 + class_token, 5))
    layer.set_weights([token, positions] if class_token else [positions])
    outputs = layer(inputs)
    assert outputs.shape == layer.compute_output_shape(inputs.shape)
    if class_token:
        expected = np.concatenate([np.broadcast_to(token, (2, 1, 5)), inputs], axis=1) + positions
    else:
        expected = inputs + positions
    np.testing.assert_allclose(outputs, expected, rtol=1e-6, atol=1e-6)


def test_it_survives_saving(tensorflow):
    from dltrain.layers.position_embedding import PositionEmbedding

    again = PositionEmbedding.from_config(PositionEmbedding(class_token=False).get_config())
    assert again(np.zeros((1, 3, 5))).shape == (1, 3, 5)
