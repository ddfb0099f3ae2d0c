"""Every architecture: published weight counts, and what all of them must do."""

import itertools
import json
import math
import zlib
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from specs import data_spec

from dltrain.models._forecasting import ForecastingNetwork
from dltrain.models._rows import RowNetwork
from dltrain.models._steps import SeriesNetwork
from dltrain.models._texts import TextNetwork
from dltrain.models.cnn import Stage
from dltrain.registry import MODELS

CIFAR, IMAGENET, PAPER_ALEXNET = (32, 32, 3), (224, 224, 3), (227, 227, 3)

DENSE = ({"layer": "Dense", "units": 8, "activation": "relu"},)
# The whole of MobileNet (Howard et al. 2017, table 1): (channels, strides) of its depthwise separable convolutions.
MOBILENET = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)]


def mobilenet(width=1.0):
    """MobileNet as stages of a cnn."""
    stage = {"batch_normalization": "before", "activation": "relu6"}
    blocks = [
        Stage(filters=int(filters * width), strides=strides, convolution="depthwise_separable", **stage)
        for filters, strides in MOBILENET
    ]
    first = Stage(filters=int(32 * width), strides=2, **stage)
    return {"stages": (first, *blocks), "head": "global_average", "dense": ()}


# Trainable weights: (model, its keys, input shape, classes, count). The ResNets' are those of He et al. 2015 as counted
# by Idelbayev's and torchvision's implementations (with squeeze and excitation: imgclsmob's), the
# wide ones' those of Zagoruyko's, AlexNet's those of Krizhevsky et al. 2012; MobileNet's those of Keras; the others
# by hand.
PUBLISHED = [
    ("mlp", {"units": (512, 512)}, (784,), 10, 784 * 512 + 512 + 512 * 512 + 512 + 512 * 10 + 10),
    ("mlp", {"units": (8,), "batch_normalization": True}, (4,), 3, 4 * 8 + 2 * 8 + 8 * 3 + 3),
    ("mlp", {"units": ()}, (8, 8, 1), 10, 64 * 10 + 10),
    ("cnn", {}, (28, 28, 1), 10, 9 * 32 + 32 + 9 * 32 * 64 + 64 + 7 * 7 * 64 * 128 + 128 + 128 * 10 + 10),
    ("resnet", {"depth": 20}, CIFAR, 10, 269_722),
    ("resnet", {"depth": 32}, CIFAR, 10, 464_154),
    ("resnet", {"depth": 44}, CIFAR, 10, 658_586),
    ("resnet", {"depth": 56}, CIFAR, 10, 853_018),
    ("resnet", {"depth": 110}, CIFAR, 10, 1_727_962),
    ("resnet", {"depth": 20, "shortcut": "B"}, CIFAR, 10, 272_474),
    ("resnet", {"depth": 20, "shortcut": "B", "preactivation": True}, CIFAR, 10, 272_282),
    ("resnet", {"depth": 20}, (32, 32, 1), 10, 269_434),
    ("resnet", {"variant": "imagenet", "depth": 18}, IMAGENET, 1000, 11_689_512),
    ("resnet", {"variant": "imagenet", "depth": 34}, IMAGENET, 1000, 21_797_672),
    ("resnet", {"variant": "imagenet", "depth": 50}, IMAGENET, 1000, 25_557_032),
    ("resnet", {"variant": "imagenet", "depth": 101}, IMAGENET, 1000, 44_549_160),
    ("resnet", {"variant": "imagenet", "depth": 152}, IMAGENET, 1000, 60_192_808),
    ("graph", {"layers": DENSE}, (4,), 3, 4 * 8 + 8 + 8 * 3 + 3),
    ("resnet", {"variant": "imagenet", "depth": 18, "squeeze_excitation": 16}, IMAGENET, 1000, 11_778_592),
    ("resnet", {"variant": "imagenet", "depth": 50, "squeeze_excitation": 16}, IMAGENET, 1000, 28_088_024),
    ("resnet", {"depth": 20, "normalization": "group"}, CIFAR, 10, 269_722),
    ("cnn", mobilenet(), IMAGENET, 1000, 4_231_976),
    ("wide_resnet", {"depth": 16, "width": 4}, CIFAR, 10, 2_748_890),
    ("wide_resnet", {"depth": 40, "width": 2}, CIFAR, 10, 2_243_546),
    ("wide_resnet", {"depth": 40, "width": 4}, CIFAR, 10, 8_949_210),
    ("wide_resnet", {"depth": 28, "width": 10}, CIFAR, 10, 36_479_194),
    ("wide_resnet", {"depth": 28, "width": 10, "dropout": 0.3}, CIFAR, 100, 36_536_884),
    ("alexnet", {}, PAPER_ALEXNET, 1000, 60_965_224),
    ("alexnet", {"towers": 1}, PAPER_ALEXNET, 1000, 62_378_344),
    ("alexnet", {"variant": "one_weird_trick"}, IMAGENET, 1000, 61_100_840),
    # As counted by ports to CIFAR-10; without normalisation the 14,714,688 of Keras's VGG16 without its dense layers.
    ("vgg", {"depth": 11}, CIFAR, 10, 9_231_114),
    ("vgg", {"depth": 13}, CIFAR, 10, 9_416_010),
    ("vgg", {}, CIFAR, 10, 14_728_266),
    ("vgg", {"depth": 19}, CIFAR, 10, 20_040_522),
    ("vgg", {"normalization": "none"}, CIFAR, 10, 14_714_688 + 512 * 10 + 10),
    ("vgg", {"dense": (512,)}, CIFAR, 10, 14_728_266 + 512 * 512 + 512),
    # The Vision Transformers as counted by timm, the mixers by the authors' code.
    ("vit", {"patch_size": 16, "width": 192, "depth": 12, "heads": 3}, IMAGENET, 1000, 5_717_416),
    ("vit", {"patch_size": 16, "width": 384, "depth": 12, "heads": 6}, IMAGENET, 1000, 22_050_664),
    ("vit", {"patch_size": 16, "width": 768, "depth": 12, "heads": 12}, IMAGENET, 1000, 86_567_656),
    ("mlp_mixer", {"patch_size": 16, "width": 512, "depth": 8, "token_width": 256}, IMAGENET, 1000, 18_528_264),
    ("mlp_mixer", {"patch_size": 16, "width": 768, "depth": 12, "token_width": 384}, IMAGENET, 1000, 59_880_472),
    ("lenet5", {}, (32, 32, 1), 10, 61_706),
    ("lenet5", {"variant": "paper"}, (28, 28, 1), 10, 60_000 + 84 * 10 + 10),
]

# The smallest sensible form of each architecture and of each of its options that changes the graph.
FORMS = {
    "mlp": [
        {"units": (6,), "dropout": 0.1, "l2": 1e-3},
        {"units": (6, 5), "batch_normalization": True},
        {"units": (6, 5), "normalization": "layer", "activation": "gelu"},
        {"units": (6,), "normalization": "group", "normalization_groups": 2, "activation": "tanh"},
    ],
    "cnn": [
        {"stages": (Stage(filters=4, pool="max", batch_normalization="before", dropout=0.1),), "dense": (5,)},
        {
            "stages": (
                Stage(filters=4, kernel_size=(3, 2), padding="valid", activation="tanh", batch_normalization="after"),
                Stage(filters=5, convolution="separable", strides=2, pool="average", pool_size=3, pool_strides=1),
                Stage(filters=6, dilation=2, padding="same"),
            ),
            "head": "global_max",
            "dense": (),
        },
        {"head": "global_average", "dense_dropout": 0.5, "dense": (4,)},
        {
            "stages": (
                Stage(filters=8, normalization="group", pool="max", pool_dilation=2, pool_strides=1),
                Stage(filters=6, normalization="layer", pool="average", pool_dilation=(1, 3), pool_padding="same"),
            ),
            "kernel_initializer": "he_normal",
        },
        {
            "stages": (
                Stage(filters=4, convolution="depthwise_separable", strides=2, normalization="batch"),
                Stage(filters=8, convolution="depthwise_separable", dilation=2, pool="global_average"),
            ),
        },
        {"stages": (Stage(filters=4, activation="silu", pool="global_max"),), "dense": ()},
    ],
    "graph": [
        {
            "layers": (
                {"layer": "Conv2D", "name": "stem", "filters": 4, "kernel_size": 3, "bias_regularizer": {"name": "L2"}},
                {"layer": "Conv2D", "filters": 4, "kernel_size": 3, "padding": "same", "activation": "tanh"},
                {"layer": "Concatenate", "inputs": ("stem", "previous")},
                {"layer": "Flatten"},
                {"layer": "Dropout", "rate": 0.1},
            )
        },
        {"layers": ({"layer": "Flatten"}, {"layer": "Dense", "units": 3}), "head": False},
    ],
    "alexnet": [{"variant": "small"}, {"variant": "small", "towers": 1}],
    "resnet": [
        {"depth": 8},
        {"depth": 8, "shortcut": "B", "dropout": 0.1, "width": 2},
        {"depth": 14, "preactivation": True},
        {"variant": "imagenet", "depth": 18},
        {"depth": 8, "squeeze_excitation": 4, "stochastic_depth": 0.2, "normalization": "group"},
        {"depth": 8, "preactivation": True, "squeeze_excitation": 4, "normalization": "layer", "activation": "elu"},
        {"variant": "imagenet", "depth": 18, "activation": "silu", "kernel_initializer": "lecun_normal"},
        {"depth": 8, "normalization": "none"},
    ],
    "wide_resnet": [
        {"depth": 10, "width": 2, "dropout": 0.1},
        {"depth": 10, "width": 1, "normalization": "group", "activation": "silu"},
    ],
    "lenet5": [{}, {"variant": "paper"}],
    "vit": [
        {"width": 8, "depth": 1, "heads": 2},
        {"patch_size": 2, "width": 6, "depth": 1, "mlp_width": 5, "head": "global_average", "dropout": 0.1},
    ],
    "mlp_mixer": [
        {"patch_size": 2, "width": 8, "depth": 1, "token_width": 5},
        {"patch_size": 2, "width": 8, "depth": 2, "token_width": 5, "channel_width": 6, "dropout": 0.1},
    ],
    "vgg": [
        {"depth": 11, "filters": 4, "pools": 3},
        {"depth": 11, "filters": 8, "pools": 1, "normalization": "group", "activation": "silu"},
        {"depth": 13, "filters": 4, "pools": 2, "normalization": "none", "dense": (5,)},
    ],
}
CASES = [(name, form) for name, forms in FORMS.items() for form in forms]
SMALL = data_spec((8, 8, 1), ("a", "b", "c"), (100.0,), (50.0,))


def trainable(model):
    return sum(math.prod(weight.shape) for weight in model.trainable_weights)


def test_every_model_is_in_both_tables():
    # Keras's own have a table in test_keras_families.py, those over texts in test_text_networks.py,
    # those over series in test_forecasting_networks.py and test_series_networks.py, of sound in test_sound_networks.py,
    # detectors in test_detectors.py, those over rows in test_row_networks.py.
    names = {name for name in MODELS.names() if MODELS[name].__module__ != "dltrain.models.keras_families"}
    of_others = TextNetwork | ForecastingNetwork | SeriesNetwork | RowNetwork
    names -= {name for name in names if issubclass(MODELS[name], of_others)}
    names -= {"tcn", "conv_1d", "vggvox", "ecapa_tdnn", "ssd300", "ssd"}
    assert {row[0] for row in PUBLISHED} == FORMS.keys() == names


def test_what_every_network_takes_stands_behind_its_own_keys():
    for name in MODELS.names():
        assert [field.name for field in fields(MODELS[name])][-2:] == ["weights", "freeze"]


@pytest.mark.parametrize(("name", "keys", "shape", "classes", "count"), PUBLISHED)
def test_weight_counts_are_the_published_ones(tensorflow, name, keys, shape, classes, count):
    data = data_spec(shape, tuple(map(str, range(classes))))
    model = MODELS[name](**keys)
    model.check(data)
    assert trainable(model.build(data)) == count


@pytest.mark.parametrize(("name", "keys"), CASES)
def test_it_makes_logits_and_every_weight_learns(tensorflow, name, keys):
    import keras

    keras.utils.set_random_seed(0)
    model = MODELS[name](**keys).build(SMALL)
    images = np.random.RandomState(0).randint(0, 256, (16, *SMALL.input.shape)).astype("float32")
    labels = np.arange(16) % 3
    with tensorflow.GradientTape() as tape:
        logits = model(images, training=True)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(labels, logits)
    assert logits.shape == (16, 3)
    assert logits.dtype == tensorflow.float32
    assert np.isfinite(float(loss))
    for weight, gradient in zip(
        model.trainable_weights, tape.gradient(loss, [w.value for w in model.trainable_weights]), strict=True
    ):
        assert gradient is not None, weight.path
        assert np.isfinite(gradient).all(), weight.path
        assert np.any(gradient), weight.path


@pytest.mark.parametrize(("name", "keys"), CASES)
def test_it_predicts_the_same_after_saving(tensorflow, tmp_path, name, keys):
    import keras

    model = MODELS[name](**keys).build(SMALL)
    model.save(tmp_path / "model.keras")
    images = np.random.RandomState(0).randint(0, 256, (4, *SMALL.input.shape)).astype("float32")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(model.predict(images, verbose=0), again.predict(images, verbose=0))
    is_dilated = any(max(np.ravel(stage.pool_dilation)) > 1 for stage in keys.get("stages", ()))
    if name not in ("alexnet", "vit") and not is_dilated:
        assert {type(layer).__module__.split(".")[0] for layer in again.layers} == {"keras"}


@pytest.mark.parametrize(("name", "keys"), CASES)
def test_it_builds_in_mixed_precision_and_keeps_its_logits_exact(tensorflow, name, keys):
    import keras

    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = MODELS[name](**keys).build(SMALL)
    finally:
        keras.config.set_dtype_policy("float32")
    assert model.output.dtype == "float32"
    assert {weight.dtype for weight in model.trainable_weights} == {"float32"}


@pytest.mark.parametrize(("name", "keys"), CASES)
def test_it_takes_a_step_in_mixed_precision_with_the_kernels_that_train_it(tensorflow, name, keys):
    import keras

    from dltrain.layers.fusion import fuse

    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = MODELS[name](**keys).build(SMALL)
    finally:
        keras.config.set_dtype_policy("float32")
    fuse(model)
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True), run_eagerly=True)
    before = model.get_weights()
    images = np.random.RandomState(0).randint(0, 256, (6, *SMALL.input.shape)).astype("float32")
    assert np.isfinite(model.train_on_batch(images, np.arange(6) % 3))
    after = model.get_weights()
    assert all(np.isfinite(weights).all() for weights in after)
    assert any(np.any(one != other) for one, other in zip(before, after, strict=True))


def test_normalisation_is_part_of_the_model(tensorflow):
    model = MODELS["mlp"](units=()).build(SMALL)
    dense = model.layers[-1]
    dense.set_weights([np.eye(64, 3), np.zeros(3)])
    assert float(model(np.full((1, 8, 8, 1), 150.0))[0, 0]) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("name", "keys", "shape", "message"),
    [
        ("alexnet", {}, (66, 227, 3), "^variant paper needs images of at least 67x67, got 66x227"),
        ("alexnet", {"variant": "small"}, (7, 8, 1), "^variant small needs images of at least 8x8, got 7x8"),
        ("alexnet", {"variant": "one_weird_trick"}, (62, 62, 3), "^variant one_weird_trick needs .* 63x63, got 62x62"),
        ("alexnet", {}, (10,), "^name alexnet needs images"),
        ("resnet", {}, (10,), "^name resnet needs images"),
        ("cnn", {}, (10,), "^name cnn needs images"),
        ("lenet5", {}, (10,), "^name lenet5 needs images"),
        ("vgg", {}, (10,), "^name vgg needs images"),
        ("vgg", {}, (40, 31, 3), "^pools 5 needs images of at least 32x32, got 40x31; images of 40x31 allow 4"),
        ("vgg", {"pools": 1}, (1, 5, 3), "^pools 1 needs images of at least 2x2, got 1x5$"),
        (
            "cnn",
            {"stages": (Stage(filters=4, padding="valid"), Stage(filters=4, kernel_size=7, padding="valid"))},
            (8, 8, 1),
            r"^stages\[1\].kernel_size .*floor\(\(6 - 7\)/1\) \+ 1 = 0",
        ),
        (
            "cnn",
            {"stages": (Stage(filters=4, kernel_size=3, dilation=4, padding="valid"),)},
            (8, 8, 1),
            r"^stages\[0\].kernel_size .*floor\(\(8 - 9\)/1\) \+ 1 = 0",
        ),
        (
            "cnn",
            {"stages": (Stage(filters=4, pool="average", pool_dilation=8),)},
            (8, 8, 1),
            r"^stages\[0\].pool_size .*floor\(\(8 - 9\)/2\) \+ 1 = 0",
        ),
        (
            "cnn",
            {"stages": (Stage(filters=4, pool="max", pool_dilation=9, pool_padding="same"),)},
            (8, 8, 1),
            r"^stages\[0\].pool_dilation must be at most 8, the size of its input, got 9",
        ),
        (
            "cnn",
            {"stages": (Stage(filters=8, convolution="depthwise_separable", normalization="group"),)},
            (8, 8, 3),
            r"^stages\[0\].normalization_groups must divide the 3 channels that are normalised, got 8",
        ),
        ("wide_resnet", {}, (10,), "^name wide_resnet needs images"),
        ("cnn", {"stages": (Stage(filters=4, pool="max"),) * 4}, (8, 8, 1), r"^stages\[3\].pool_size .*\(1 - 2\)/2"),
    ],
)
def test_images_that_are_too_small_are_refused(name, keys, shape, message):
    with pytest.raises(ValueError, match=message):
        MODELS[name](**keys).check(data_spec(shape, ("a", "b")))


@pytest.mark.parametrize(
    ("variant", "side"), [*(("paper", side) for side in (67, 68, 75)), ("one_weird_trick", 63), ("one_weird_trick", 70)]
)
def test_the_smallest_alexnet_can_be_built(tensorflow, variant, side):
    data, model = data_spec((side, side, 3), ("a", "b")), MODELS["alexnet"](variant=variant)
    model.check(data)
    assert model.build(data).output.shape == (None, 2)


def test_groups_that_do_not_share_vggs_channels_evenly_are_refused():
    with pytest.raises(ValueError, match="^filters must be a multiple of 8 for normalization: group, got 12"):
        MODELS["vgg"](normalization="group", filters=12)


def test_the_one_weird_trick_has_one_tower():
    with pytest.raises(ValueError, match="^towers must be 1 for variant: one_weird_trick, got 2"):
        MODELS["alexnet"](variant="one_weird_trick", towers=2)


def test_the_layers_of_the_papers_lenet5_have_the_papers_weights(tensorflow):
    model = MODELS["lenet5"](variant="paper").build(data_spec((28, 28, 1), tuple("0123456789")))
    counts = {}
    for layer in model.layers:
        name = layer.name.partition("_")[0]
        counts[name] = counts.get(name, 0) + layer.count_params()
    expected = {"c1": 156, "s2": 12, "c3": 1_516, "s4": 32, "c5": 48_120, "f6": 10_164, "logits": 850}
    assert {name: count for name, count in counts.items() if count} == expected


def test_a_map_of_the_papers_lenet5_sees_the_maps_of_table_1_and_no_other(tensorflow):
    import keras

    model = MODELS["lenet5"](variant="paper").build(data_spec((28, 28, 1), ("a", "b")))
    part = keras.Model(model.get_layer("s2").output, model.get_layer("c3").output)
    plain = part(np.zeros((1, 14, 14, 6)))
    changed = [np.any(part(np.eye(6)[seen] * np.ones((1, 14, 14, 6))) != plain, axis=(0, 1, 2)) for seen in range(6)]
    # The rows of table I, an X where the map of S2 is seen.
    rows = [
        "X...XXX..XXXX.XX",
        "XX...XXX..XXXX.X",
        "XXX...XXX..X.XXX",
        ".XXX..XXXX..X.XX",
        "..XXX..XXXX.XX.X",
        "...XXX..XXXX.XXX",
    ]
    assert ["".join(".X"[int(value)] for value in row) for row in changed] == rows


def test_lenet5_puts_small_images_into_the_middle_of_a_black_field(tensorflow):
    small, large = (
        MODELS["lenet5"]().build(data_spec((side, side, 1), ("a", "b"), (9.0,), (3.0,))) for side in (27, 32)
    )
    large.set_weights(small.get_weights())
    image = np.random.RandomState(0).uniform(0, 255, (1, 27, 27, 1))
    np.testing.assert_allclose(small(image), large(np.pad(image, ((0, 0), (2, 3), (2, 3), (0, 0)))), rtol=1e-5)


@pytest.mark.parametrize(("pools", "sides"), [(5, [16, 8, 4, 2, 1]), (2, [16, 8, 8, 8, 8])])
def test_vgg_halves_the_sides_behind_as_many_blocks_as_it_has_pools(tensorflow, pools, sides):
    model = MODELS["vgg"](depth=11, filters=1, pools=pools).build(data_spec(CIFAR, ("a", "b")))
    ends = {layer.name[5]: layer.output.shape[1] for layer in model.layers if layer.name.startswith("block")}
    assert list(ends.values()) == sides


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_a_cnn_is_refused_exactly_where_it_cannot_be_built(tensorflow, padding):
    kinds = [{"pool": "global_max"}]
    for pool_size, dilation, strides in itertools.product([1, 2, 3], [1, 2, (3, 6)], [None, 1, 3]):
        kinds.append({"pool": "max", "pool_size": pool_size, "pool_dilation": dilation, "pool_strides": strides})
    for kind, side in itertools.product(kinds, [2, 5]):
        cut = {} if kind["pool"] == "global_max" else {"pool_padding": padding}
        model = MODELS["cnn"](stages=(Stage(filters=1, kernel_size=1, **kind, **cut),), dense=())
        data = data_spec((side, side + 1, 1), ("a", "b"))
        outcomes = []
        for attempt in (model.check, model.build):
            try:
                attempt(data)
                outcomes.append(True)
            except ValueError:
                outcomes.append(False)
        assert outcomes[0] == outcomes[1], (kind, side)


@pytest.mark.parametrize(
    ("name", "keys", "message"),
    [
        ("resnet", {"depth": 21}, "^depth must be 6n"),
        ("resnet", {"variant": "imagenet"}, "^depth must be one of 18"),
        ("resnet", {"variant": "imagenet", "depth": 18, "shortcut": "A"}, "^shortcut must be B"),
        ("resnet", {"normalization": "group", "normalization_groups": 5}, "^normalization_groups must divide the 16"),
        ("resnet", {"squeeze_excitation": 17}, "^squeeze_excitation must be at most 16"),
        ("wide_resnet", {"depth": 27}, r"^depth must be 6N \+ 4 \(16, 22, 28, 40 in the paper\), got 27"),
        ("wide_resnet", {"normalization": "group", "normalization_groups": 32}, "^normalization_groups must divide"),
        ("mlp", {"units": (8, 6), "normalization": "group", "normalization_groups": 4}, "must divide the 6 channels"),
        ("mlp", {"units": (8,), "normalization": "group"}, "^normalization_groups must be below the 8 units, got 8"),
        ("mlp", {"normalization": "layer", "batch_normalization": True}, "^batch_normalization must be false"),
    ],
)
def test_networks_that_do_not_exist_are_refused(name, keys, message):
    with pytest.raises(ValueError, match=message):
        MODELS[name](**keys)


def test_every_problem_of_a_cnns_stages_is_reported():
    with pytest.raises(ExceptionGroup) as caught:
        MODELS["cnn"](
            stages=(
                Stage(filters=1, strides=2, dilation=2),
                Stage(filters=1, convolution="separable", strides=(1, 2)),
                Stage(filters=6, normalization="group", normalization_groups=4),
                Stage(filters=1, normalization="layer", batch_normalization="after"),
                Stage(filters=1, pool="global_max", pool_size=3),
                Stage(filters=1, pool_dilation=2),
            )
        )
    assert [str(error).split()[0] for error in caught.value.exceptions] == [
        "stages[0].dilation",
        "stages[1].strides",
        "stages[2].normalization_groups",
        "stages[3].batch_normalization",
        "stages[4].pool_size",
        "stages[5].pool_dilation",
    ]


GOLDENS = json.loads((Path(__file__).parent / "goldens.json").read_text())


def reference_weight(name, shape):
    """Weights that follow from a parameter's PyTorch name and shape: no file, no download."""
    z = np.random.RandomState(zlib.crc32(name.encode())).standard_normal(shape)
    if name.endswith("running_mean"):
        return 0.1 * z
    if name.endswith("running_var"):
        return 1 + 0.1 * abs(z)
    if len(shape) == 1:
        return 1 + 0.1 * z if name.endswith("weight") else 0.1 * z
    return z * np.sqrt(2 / math.prod(shape[1:]))


@pytest.mark.parametrize(("depth", "blocks"), [(18, (2, 2, 2, 2)), (34, (3, 4, 6, 3)), (50, (3, 4, 6, 3))])
def test_resnet_computes_what_torchvisions_does(tensorflow, depth, blocks):
    data = data_spec((112, 112, 3), tuple(map(str, range(1000))))
    model, golden = MODELS["resnet"](variant="imagenet", depth=depth).build(data), GOLDENS[f"resnet{depth}"]
    assert trainable(model) == golden["params"]

    def set_convolution(layer, name):
        height, width, channels, filters = model.get_layer(layer).kernel.shape
        kernel = reference_weight(f"{name}.weight", (filters, channels, height, width))
        model.get_layer(layer).set_weights([kernel.transpose(2, 3, 1, 0)])

    def set_normalization(layer, name):
        shape = model.get_layer(layer).gamma.shape
        parts = ("weight", "bias", "running_mean", "running_var")
        model.get_layer(layer).set_weights([reference_weight(f"{name}.{part}", shape) for part in parts])

    set_convolution("stem", "conv1")
    set_normalization("stem_normalization", "bn1")
    for stage, count in enumerate(blocks, 1):
        for block in range(1, count + 1):
            ours, theirs = f"stage{stage}_block{block}", f"layer{stage}.{block - 1}"
            for number in (1, 2, 3) if depth == 50 else (1, 2):
                set_convolution(f"{ours}_convolution{number}", f"{theirs}.conv{number}")
                set_normalization(f"{ours}_{number}_normalization", f"{theirs}.bn{number}")
            if block == 1 and (stage > 1 or depth == 50):
                set_convolution(f"{ours}_projection", f"{theirs}.downsample.0")
                set_normalization(f"{ours}_projection_normalization", f"{theirs}.downsample.1")
    features = model.get_layer("logits").kernel.shape[0]
    kernel = reference_weight("fc.weight", (1000, features)).T
    model.get_layer("logits").set_weights([kernel, reference_weight("fc.bias", (1000,))])

    logits = model.predict(np.random.RandomState(0).standard_normal((2, 112, 112, 3)), verbose=0).ravel()
    tolerance = 1e-5 * golden["absmax"]
    np.testing.assert_allclose(logits[:8], golden["first8"], rtol=0, atol=tolerance)
    np.testing.assert_allclose(logits[-4:], golden["last4"], rtol=0, atol=tolerance)
    assert logits.mean() == pytest.approx(golden["mean"], abs=tolerance)
    assert abs(logits).max() == pytest.approx(golden["absmax"], rel=1e-5)


def test_alexnets_one_weird_trick_computes_what_torchvisions_does(tensorflow):
    data = data_spec((224, 224, 3), tuple(map(str, range(1000))))
    model = MODELS["alexnet"](variant="one_weird_trick").build(data)
    for number, place in enumerate((0, 3, 6, 8, 10), 1):
        layer, name = model.get_layer(f"convolution{number}"), f"features.{place}"
        height, width, channels, filters = layer.kernel.shape
        kernel = reference_weight(f"{name}.weight", (filters, channels, height, width)).transpose(2, 3, 1, 0)
        layer.set_weights([kernel, reference_weight(f"{name}.bias", (filters,))])
    for ours, place in (("dense6", 1), ("dense7", 4), ("logits", 6)):
        layer, name = model.get_layer(ours), f"classifier.{place}"
        inputs, units = layer.kernel.shape
        kernel = reference_weight(f"{name}.weight", (units, inputs))
        if ours == "dense6":  # what is flattened there lies as (channels, height, width)
            kernel = kernel.reshape(units, 256, 6, 6).transpose(0, 2, 3, 1).reshape(units, inputs)
        layer.set_weights([kernel.T, reference_weight(f"{name}.bias", (units,))])

    logits = model.predict(np.random.RandomState(0).standard_normal((2, 224, 224, 3)), verbose=0).ravel()
    expected = GOLDENS["alexnet"]
    measured = [*logits[:8], *logits[-4:], logits.mean(), logits.std(), abs(logits).max()]
    numbers = [*expected["first8"], *expected["last4"], expected["mean"], expected["std"], expected["absmax"]]
    np.testing.assert_allclose(measured, numbers, rtol=0, atol=1e-5 * expected["absmax"])


def test_separable_stages_compute_what_keras_mobilenet_does(tensorflow):
    import keras

    theirs = keras.applications.MobileNet((32, 32, 3), 0.25, weights=None, classes=7, classifier_activation=None)
    ours = MODELS["cnn"](**mobilenet(0.25)).build(data_spec((32, 32, 3), tuple("abcdefg")))
    random = np.random.RandomState(0)
    weights = [random.random_sample(weight.shape) / 4 for weight in theirs.get_weights()]
    theirs.set_weights(weights)
    ours.set_weights([weight.reshape(own.shape) for weight, own in zip(weights, ours.get_weights(), strict=True)])
    images = random.standard_normal((2, 32, 32, 3)).astype("float32")
    expected = theirs.predict(images, verbose=0)
    np.testing.assert_allclose(ours.predict(images, verbose=0), expected, rtol=1e-5)
    assert len(np.unique(expected)) == expected.size


def test_stochastic_depth_leaves_out_whole_branches_of_single_examples_more_often_the_later(tensorflow):
    import keras

    keras.utils.set_random_seed(0)
    model = MODELS["resnet"](depth=20, stochastic_depth=0.5).build(SMALL)
    drops = [layer for layer in model.layers if layer.name.endswith("_stochastic_depth")]
    assert [layer.rate for layer in drops] == pytest.approx([0.5 * number / 9 for number in range(1, 10)])
    branch = np.ones((4000, 2, 2, 3), "float32")
    kept = np.asarray(drops[-1](branch, training=True))
    assert set(np.unique(kept)) == {0, 2}
    assert (kept == kept[:, :1, :1, :1]).all()
    assert kept.mean() == pytest.approx(1, abs=0.05)
    np.testing.assert_array_equal(drops[-1](branch, training=False), branch)


def test_squeeze_and_excitation_weighs_channels_by_their_means(tensorflow):
    import keras

    model = MODELS["resnet"](depth=8, squeeze_excitation=4).build(SMALL)
    block = "stage2_block1"
    names = [f"{block}_2_normalization", f"{block}_excitation1", f"{block}_excitation2", f"{block}_excitation"]
    probe = keras.Model(model.input, [model.get_layer(name).output for name in names])
    y, _, _, weighed = probe(np.random.RandomState(0).random_sample((2, 8, 8, 1)) * 255)
    (first, first_bias), (second, second_bias) = (model.get_layer(name).get_weights() for name in names[1:3])
    assert first.shape == (32, 8)
    hidden = np.maximum(np.mean(y, axis=(1, 2)) @ first + first_bias, 0)
    gate = 1 / (1 + np.exp(-(hidden @ second + second_bias)))
    np.testing.assert_allclose(weighed, y * gate[:, None, None], rtol=1e-4, atol=1e-5)


def test_a_border_is_never_the_largest_of_what_the_stem_pools(tensorflow):
    import keras

    model = MODELS["resnet"](variant="imagenet", depth=18, activation="tanh").build(SMALL)
    model.get_layer("stem_normalization").set_weights([np.zeros(64), -np.ones(64), np.zeros(64), np.ones(64)])
    pooled = keras.Model(model.input, model.get_layer("stem_pool").output)(np.zeros((1, 8, 8, 1)))
    np.testing.assert_allclose(pooled, np.full(pooled.shape, np.tanh(-1)), rtol=1e-6)
