"""Single-shot detectors: the reference's numbers, and heads on any image network."""

import dataclasses
import json
import math
import zlib
from pathlib import Path

import keras
import numpy as np
import pytest
from specs import data_spec

from dltrain.data.spec import Features
from dltrain.errors import KeyProblem, Misfit
from dltrain.features.boxes import Boxes
from dltrain.registry import MODELS

GOLDEN = json.loads((Path(__file__).parent / "goldens.json").read_text())["ssd300_vgg16_21"]
RESNET = MODELS["resnet"](depth=8)


def images_with_boxes(shape, classes):
    boxes = Boxes(class_names=tuple(map(str, range(classes))))
    return dataclasses.replace(data_spec(shape, ("a", "b"), (100.0,) * shape[-1], (50.0,) * shape[-1]),
                               targets=Features.of(boxes))  # fmt: skip


VOC, SMALL = images_with_boxes((300, 300, 3), 20), images_with_boxes((64, 64, 3), 2)


def reference_weight(name, shape):
    """Weights that follow from a parameter's PyTorch name and shape, as for the reference's outputs."""
    z = np.random.RandomState(zlib.crc32(name.encode())).standard_normal(shape)
    if name == "backbone.scale_weight":
        return 20 + z
    return 0.1 * z if len(shape) == 1 else z * np.sqrt(2 / math.prod(shape[1:]))


def test_ssd300_computes_what_torchvisions_does(tensorflow):
    block = MODELS["ssd300"](subtract_mean=(0.0, 0.0, 0.0), swap_channels=None)
    block.check(VOC)
    model = block.build(VOC)
    assert model.count_params() == GOLDEN["params"] == 26_285_486
    names = {}
    for number, place in enumerate((0, 2, 5, 7, 10, 12, 14, 17, 19, 21)):
        layer = [f"block{b}_conv{c}" for b, count in ((1, 2), (2, 2), (3, 3), (4, 3)) for c in range(1, count + 1)]
        names[layer[number]] = f"backbone.features.{place}"
    inner = {"block5_conv1": "1", "block5_conv2": "3", "block5_conv3": "5", "fc6": "7.1", "fc7": "7.3"}
    names |= {layer: f"backbone.extra.0.{place}" for layer, place in inner.items()}
    for number, layer in enumerate(("conv6", "conv7", "conv8", "conv9"), 1):
        names |= {f"{layer}_1": f"backbone.extra.{number}.0", f"{layer}_2": f"backbone.extra.{number}.2"}
    for number in range(6):
        names[f"logits_classes{number + 1}"] = f"head.classification_head.module_list.{number}"
        names[f"logits_offsets{number + 1}"] = f"head.regression_head.module_list.{number}"
    assert {*names, "conv4_3_norm"} == {layer.name for layer in model.layers if layer.weights} - {"preprocessing"}
    for layer, name in names.items():
        height, width, channels, filters = model.get_layer(layer).kernel.shape
        kernel = reference_weight(f"{name}.weight", (filters, channels, height, width)).transpose(2, 3, 1, 0)
        model.get_layer(layer).set_weights([kernel, reference_weight(f"{name}.bias", (filters,))])
    model.get_layer("conv4_3_norm").set_weights([reference_weight("backbone.scale_weight", (512,))])

    outputs = model.predict(np.random.RandomState(0).standard_normal((1, 300, 300, 3)), verbose=0)
    assert outputs.shape == (1, 8732, 21 + 12)
    for part, golden in ((outputs[..., :21], GOLDEN["cls_logits"]), (outputs[..., 21:25], GOLDEN["bbox_regression"])):
        assert [*part.shape] == golden["shape"]
        tolerance, flat = 1e-5 * golden["absmax"], part.ravel()
        np.testing.assert_allclose(flat[:8], golden["first8"], rtol=0, atol=tolerance)
        np.testing.assert_allclose(flat[-4:], golden["last4"], rtol=0, atol=tolerance)
        measured = flat.mean(), flat.std(), abs(flat).max()
        np.testing.assert_allclose(measured, [golden[name] for name in ("mean", "std", "absmax")], atol=tolerance)
    anchors = outputs[0, :, 25:29].astype(np.float64)
    np.testing.assert_allclose(anchors.sum(axis=0), [4443.9467, 4443.9467, 1510.4293, 1510.4293], rtol=1e-7)
    np.testing.assert_allclose(anchors[0], [0.0133333, 0.0133333, 0.1, 0.1], rtol=1e-5)
    np.testing.assert_allclose(anchors[-1], [0.5, 0.5, 0.62225, 1.24451], rtol=1e-5)
    np.testing.assert_array_equal(np.unique(outputs[..., 29:], axis=1)[0], np.float32([[0.1, 0.1, 0.2, 0.2]]))


def test_ssd300_has_the_weights_of_coco(tensorflow):
    assert MODELS["ssd300"]().build(images_with_boxes((300, 300, 3), 80)).count_params() == 34_305_206


def test_ssd300_sees_blue_green_red_minus_the_means(tensorflow):
    model = MODELS["ssd300"]().build(VOC)
    first = keras.Model(model.input, model.get_layer("block1_conv1").input)
    seen = first(np.full((1, 300, 300, 3), [123, 118, 106], np.float32))
    np.testing.assert_allclose(seen[0, 0, 0], [2, 1, 0], atol=1e-5)


BACKBONES = [
    ("resnet", {"depth": 8}, ["extra1_2_activation", "extra2_2_activation", "extra3_2_activation"]),
    ("resnet", {"variant": "imagenet", "depth": 50},
     ["stage2_block4_activation", "stage3_block6_activation", "stage4_block3_activation"]),
    ("vgg", {"depth": 11, "filters": 4},
     ["block4_convolution2_activation", "block5_convolution2_activation", "block5_pool"]),
    ("mobilenet_v2", {}, ["block_6_expand_relu", "block_13_expand_relu", "out_relu"]),
    ("densenet121", {}, ["pool3_conv", "pool4_conv", "relu"]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "keys", "maps"), BACKBONES)
def test_heads_stand_on_the_last_map_of_each_size_through_which_all_goes(tensorflow, name, keys, maps):
    block = MODELS["ssd"](backbone=MODELS[name](**keys), feature_maps=3, extra_filters=8)
    block.check(SMALL)
    model = block.build(SMALL)
    assert model.output_shape == (None, (64 + 16 + 4) * 4, 3 + 12)
    heads = [layer for layer in model.layers if layer.name.startswith("logits_classes")]
    assert [layer.input._keras_history.operation.name for layer in heads] == maps


def test_all_weights_learn_in_mixed_precision_too_and_outputs_are_exact(tensorflow):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = MODELS["ssd"](backbone=RESNET, feature_maps=3, extra_filters=8, l2_regularization=0.1).build(SMALL)
    finally:
        keras.config.set_dtype_policy("float32")
    images = np.random.RandomState(0).randint(0, 256, (4, 64, 64, 3)).astype("float32")
    with tensorflow.GradientTape() as tape:
        outputs = model(images, training=True)
        loss = tensorflow.reduce_sum(outputs**2) + sum(model.losses)
    assert outputs.dtype == "float32"
    assert len(model.losses) == 12
    for weight, slope in zip(model.trainable_weights, tape.gradient(loss, model.trainable_weights), strict=True):
        assert slope is not None, weight.path
        assert np.isfinite(slope).all(), weight.path


def test_it_opens_in_safe_mode(tensorflow, tmp_path):
    model = MODELS["ssd"](backbone=RESNET, feature_maps=2, extra_filters=8).build(SMALL)
    model.save(tmp_path / "model.keras")
    images = np.random.RandomState(0).randint(0, 256, (2, 64, 64, 3)).astype("float32")
    np.testing.assert_array_equal(keras.models.load_model(tmp_path / "model.keras")(images), model(images))


@pytest.mark.parametrize("name", ["mlp", "vit"])
def test_a_network_without_feature_maps_is_refused(tensorflow, name):
    with pytest.raises(Misfit, match="has no feature maps"):
        MODELS["ssd"](backbone=MODELS[name]()).build(SMALL)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"backbone": dataclasses.replace(RESNET, freeze=("stem",))}, "backbone.freeze must be left out"),
        ({"scales": (0.1, 0.2, 0.3)}, "scales must have 2 or 5 entries"),
        ({"aspect_ratios": ((1.0,), (1.0, 2.0))}, "aspect_ratios must be numbers, or a list"),
        ({"offsets": (0.5,)}, "offsets must have 4 entries"),
        ({"normalize_coords": False}, "normalize_coords must be true"),
    ],
)
def test_keys_that_do_not_fit_each_other_are_named(keys, words):
    with pytest.raises(ExceptionGroup) as caught:
        MODELS["ssd"](**{"backbone": RESNET} | keys)
    assert words in str(caught.value.exceptions[0])


def test_a_problem_of_the_backbone_is_at_its_key():
    vgg = MODELS["ssd"](backbone=MODELS["vgg"]())
    with pytest.raises(KeyProblem, match=r"^backbone\.pools 5 needs images of at least 32x32"):
        vgg.check(images_with_boxes((16, 16, 3), 2))


def test_more_maps_than_an_image_has_room_for_are_refused(tensorflow):
    with pytest.raises(Misfit, match="feature_maps must be at most 4: the last map is 1x1 already, got 6"):
        MODELS["ssd"](backbone=RESNET, feature_maps=6).build(SMALL)


@pytest.mark.parametrize("name", ["ssd300", "ssd"])
def test_data_without_boxes_are_refused(name):
    block = MODELS[name](**({"backbone": RESNET} if name == "ssd" else {}))
    with pytest.raises(KeyProblem, match="needs boxes, the data have classes"):
        block.check(data_spec((300, 300, 3), ("a", "b")))


def test_ssd300_refuses_small_images_and_channels_that_its_means_are_not_of():
    with pytest.raises(KeyProblem, match="needs images of at least 300x300, got 64x64"):
        MODELS["ssd300"]().check(SMALL)
    with pytest.raises(KeyProblem, match="subtract_mean must have as many entries as images have channels, 1"):
        MODELS["ssd300"]().check(images_with_boxes((300, 300, 1), 2))


def test_ssd300_begins_with_vgg16s_convolutions_by_their_names(tensorflow, monkeypatch):
    keras.utils.set_random_seed(0)
    vgg = keras.applications.VGG16(include_top=False, weights=None)
    monkeypatch.setattr(keras.applications, "VGG16", lambda **_: vgg)
    block = MODELS["ssd300"](weights="imagenet")
    model = block.build(VOC)
    before = model.get_layer("fc6").get_weights()[0]
    block.initialize(model, VOC)
    for layer in vgg.layers:
        for mine, theirs in zip(model.get_layer(layer.name).get_weights() if layer.weights else [], layer.get_weights(),
                                strict=True):  # fmt: skip
            np.testing.assert_array_equal(mine, theirs)
    np.testing.assert_array_equal(model.get_layer("fc6").get_weights()[0], before)


def test_a_detector_begins_with_a_classifiers_backbone(tensorflow):
    from dltrain.assembly.pretrained import InitialWeights, load_pretrained
    from dltrain.checkpoints.layer_names import heads_of, named_layers

    keras.utils.set_random_seed(1)
    classifier_data = data_spec((64, 64, 3), ("a", "b"), (100.0,) * 3, (50.0,) * 3)
    classifier = RESNET.build(classifier_data)
    named = named_layers(classifier)
    arrays = {name: [np.array(weight) for weight in layer.weights] for name, layer in named.items()}
    source = InitialWeights("a run", arrays, heads_of(named), classifier_data)
    block = MODELS["ssd"](backbone=RESNET, feature_maps=3, extra_filters=8)
    model = block.build(SMALL)
    load_pretrained(Path("run"), model, SMALL, source, block.may_lack)
    for name in ("stem", "stage3_block1_convolution2"):
        np.testing.assert_array_equal(model.get_layer(name).get_weights()[0], arrays[name][0])
