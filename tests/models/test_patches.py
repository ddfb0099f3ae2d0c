"""Networks over patches against their papers' equations, written out in NumPy."""

import math

import numpy as np
import pytest
from specs import data_spec

from dltrain.registry import MODELS

DATA = data_spec((4, 6, 2), ("a", "b", "c"))
IMAGES = np.random.RandomState(0).standard_normal((3, 4, 6, 2))


def built(name, **keys):
    """A network, and its weights by path, all of them random."""
    model = MODELS[name](patch_size=2, width=4, depth=1, **keys).build(DATA)
    random = np.random.RandomState(1)
    model.set_weights([random.standard_normal(weight.shape) for weight in model.weights])
    return model, {weight.path: np.asarray(weight, np.float64) for weight in model.weights}


def affine(x, weights, name):
    return x @ weights[f"{name}/kernel"] + weights[f"{name}/bias"]


def gelu(x):
    return x * (1 + np.vectorize(math.erf)(x / math.sqrt(2))) / 2


def normalized(x, weights, name):
    centred = x - x.mean(-1, keepdims=True)
    unit = centred / np.sqrt(x.var(-1, keepdims=True) + 1e-6)
    return unit * weights[f"{name}_normalization/gamma"] + weights[f"{name}_normalization/beta"]


def dense_layers(x, weights, name):
    return affine(gelu(affine(x, weights, f"{name}1")), weights, f"{name}2")


def tokens(weights):
    patches = IMAGES.reshape(3, 2, 2, 3, 2, 2).transpose(0, 1, 3, 2, 4, 5).reshape(3, 6, 8)
    return patches @ weights["patches/kernel"].reshape(8, 4) + weights["patches/bias"]


@pytest.mark.parametrize("head", ["class_token", "global_average"])
def test_vit_computes_equations_1_to_4_of_its_paper(tensorflow, head):
    model, weights = built("vit", heads=2, mlp_width=5, head=head)
    x = tokens(weights)
    if head == "class_token":
        x = np.concatenate([np.broadcast_to(weights["positions/token"], (3, 1, 4)), x], axis=1)
    x = x + weights["positions/positions"]
    y, name = normalized(x, weights, "block1_attention"), "block1_attention"
    query, key, value = (
        np.einsum("btw,whd->bhtd", y, weights[f"{name}/{part}/kernel"]) + weights[f"{name}/{part}/bias"][:, None]
        for part in ("query", "key", "value")
    )
    scores = np.exp(query @ key.swapaxes(-1, -2) / math.sqrt(2))
    seen = scores / scores.sum(-1, keepdims=True) @ value
    output = f"{name}/attention_output"
    x = x + np.einsum("bhtd,hdw->btw", seen, weights[f"{output}/kernel"]) + weights[f"{output}/bias"]
    x = normalized(x + dense_layers(normalized(x, weights, "block1_mlp"), weights, "block1_dense"), weights, "final")
    x = x[:, 0] if head == "class_token" else x.mean(1)
    np.testing.assert_allclose(model(IMAGES), affine(x, weights, "logits"), rtol=1e-4, atol=1e-4)


def test_mlp_mixer_computes_equation_1_of_its_paper(tensorflow):
    model, weights = built("mlp_mixer", token_width=5, channel_width=7)
    x = tokens(weights)
    y = normalized(x, weights, "block1_tokens").swapaxes(1, 2)
    x = x + dense_layers(y, weights, "block1_tokens_dense").swapaxes(1, 2)
    x = x + dense_layers(normalized(x, weights, "block1_channels"), weights, "block1_channels_dense")
    x = normalized(x, weights, "final").mean(1)
    np.testing.assert_allclose(model(IMAGES), affine(x, weights, "logits"), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["vit", "mlp_mixer"])
def test_patches_that_do_not_fill_the_images_are_refused(name):
    with pytest.raises(ValueError, match="^patch_size must divide height and width of the images, 4x6, got 3: 1, 2 do"):
        MODELS[name](patch_size=3).check(DATA)
    with pytest.raises(ValueError, match=f"^name {name} needs images"):
        MODELS[name]().check(data_spec((10,), ("a", "b")))


def test_heads_that_do_not_share_the_width_evenly_are_refused():
    with pytest.raises(ValueError, match="^heads must divide width, 192, got 5"):
        MODELS["vit"](heads=5)
