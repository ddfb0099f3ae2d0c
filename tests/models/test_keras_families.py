"""The networks of keras.applications: published counts, Keras's own results, weights from elsewhere."""

import shutil
import sys
import urllib.error
from pathlib import Path

import h5py
import numpy as np
import pytest
from specs import data_spec

from dltrain.assembly.pretrained import load_pretrained, resolved
from dltrain.config.experiment import load
from dltrain.errors import ConfigError, UserError
from dltrain.lazy import keras
from dltrain.models.keras_families import preprocessed
from dltrain.registry import MODELS

CLASSES = tuple(map(str, range(1000)))


def dense(inputs, outputs):
    return inputs * outputs + outputs


# All weights with statistics, three channels and 1000 classes: what Keras's documentation and the papers' authors say,
# less the dense layers that give way to a mean.
PUBLISHED = {
    "vgg16": 138_357_544 - dense(25088, 4096) - dense(4096, 4096) - dense(4096, 1000) + dense(512, 1000),
    "vgg19": 143_667_240 - dense(25088, 4096) - dense(4096, 4096) - dense(4096, 1000) + dense(512, 1000),
    "resnet50": 25_636_712,
    "resnet101": 44_707_176,
    "resnet152": 60_419_944,
    "resnet50_v2": 25_613_800,
    "resnet101_v2": 44_675_560,
    "resnet152_v2": 60_380_648,
    "inception_v3": 23_851_784,
    "inception_resnet_v2": 55_873_736,
    "xception": 22_910_480,
    "mobilenet": 4_253_864,
    "mobilenet_v2": 3_538_984,
    "mobilenet_v3_small": 2_554_968 - dense(576, 1024) - dense(1024, 1000) + dense(576, 1000),
    "mobilenet_v3_large": 5_507_432 - dense(960, 1280) - dense(1280, 1000) + dense(960, 1000),
    "densenet121": 8_062_504,
    "densenet169": 14_307_880,
    "densenet201": 20_242_984,
    "efficientnet_b0": 5_330_571,
    "efficientnet_b1": 7_856_239,
    "efficientnet_b2": 9_177_569,
    "efficientnet_b3": 12_320_535,
    "efficientnet_b4": 19_466_823,
    "efficientnet_b5": 30_562_527,
    "efficientnet_b6": 43_265_143,
    "efficientnet_b7": 66_658_687,
    "efficientnet_v2_b0": 7_200_312,
    "efficientnet_v2_b1": 8_212_124,
    "efficientnet_v2_b2": 10_178_374,
    "efficientnet_v2_b3": 14_467_622,
    "efficientnet_v2_s": 21_612_360,
    "efficientnet_v2_m": 54_431_388,
    "efficientnet_v2_l": 119_027_848,
    "nasnet_mobile": 5_326_716,
    "convnext_tiny": 28_589_128,
    "convnext_small": 50_223_688,
    "convnext_base": 88_591_464,
    "convnext_large": 197_767_336,
    "convnext_xlarge": 350_196_968,
}
# The smallest of a kind; the others take minutes together.
QUICK = ("vgg16", "resnet50", "mobilenet_v2", "mobilenet_v3_small", "efficientnet_b0")


def all_of(names):
    return [pytest.param(name, marks=[] if name in QUICK else [pytest.mark.slow]) for name in names]


def spec(name, channels=3, classes=CLASSES):
    side = MODELS[name].family.smallest
    return data_spec((side, side, channels), classes, (120.0,) * channels, (60.0,) * channels)


def images(data, count=4):
    return np.random.RandomState(0).randint(0, 256, (count, *data.input.shape)).astype("float32")


@pytest.fixture(scope="module")
def network(tensorflow, request):
    """A network of 1000 classes for the smallest colour images, built once."""
    keras.utils.set_random_seed(0)
    yield request.param, MODELS[request.param]().build(spec(request.param))
    keras.backend.clear_session()


def test_every_network_of_the_file_is_in_the_table():
    here = "dltrain.models.keras_families"
    assert PUBLISHED.keys() == {name for name in MODELS.names() if MODELS[name].__module__ == here}


@pytest.mark.parametrize("network", all_of(PUBLISHED), indirect=True)
def test_its_weights_are_as_many_as_published(network):
    name, model = network
    assert model.count_params() == PUBLISHED[name]
    before = (PUBLISHED[name] - model.get_layer("logits").count_params()) / 1e6
    assert f"{before:.1f} million weights" in MODELS[name].__doc__


@pytest.mark.parametrize("network", all_of(PUBLISHED), indirect=True)
def test_every_weight_learns_at_the_smallest_size(tensorflow, network):
    _, model = network
    data = spec(network[0])
    with tensorflow.GradientTape() as tape:
        logits = model(images(data), training=True)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(np.arange(4), logits)
    assert logits.shape == (4, 1000)
    assert np.isfinite(float(loss))
    weights = model.trainable_weights
    for weight, gradient in zip(weights, tape.gradient(loss, [weight.value for weight in weights]), strict=True):
        assert gradient is not None, weight.path
        assert np.isfinite(gradient).all(), weight.path


@pytest.mark.parametrize("network", all_of(PUBLISHED), indirect=True)
def test_it_predicts_the_same_after_saving_with_kerass_own_layers_alone(network, tmp_path):
    name, model = network
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    x = images(spec(name))
    np.testing.assert_array_equal(model(x), again(x))
    assert {type(layer).__module__.split(".")[0] for layer in again.layers} == {"keras"}


@pytest.mark.parametrize("network", all_of(PUBLISHED), indirect=True)
def test_it_computes_what_keras_does_with_the_same_weights(network, tmp_path):
    name, model = network
    cls, data = MODELS[name], spec(name)
    make = getattr(keras.applications, cls.attribute)
    keras_own = make(weights=None, include_top=False, input_shape=data.input.shape, pooling="avg")
    ours = keras.Model(model.input, model.get_layer("logits").input)
    x = images(data)
    weights = [value for layer in model.layers[:-1] for value in layer.get_weights()]
    keras_own.set_weights(weights)
    if name.startswith("efficientnet_b"):  # of which ImageNet's weights hold the statistics
        layer = next(layer for layer in keras_own.layers if isinstance(layer, keras.layers.Normalization))
        layer.set_weights([np.array([0.485, 0.456, 0.406]), np.square([0.229, 0.224, 0.225]), np.array(0)])
        layer.finalize_state()
    prepared = sys.modules[make.__module__].preprocess_input(x.copy())
    expected = np.array(keras_own(prepared))
    np.testing.assert_allclose(ours(x), expected, rtol=0, atol=1e-4 * abs(expected).max())


@pytest.mark.parametrize("name", all_of(["efficientnet_b0", "convnext_tiny", "resnet50_v2", "nasnet_mobile"]))
def test_in_mixed_precision_weights_preprocessing_and_logits_stay_exact(tensorflow, name):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = MODELS[name]().build(spec(name))
    finally:
        keras.config.set_dtype_policy("float32")
    assert model.output.dtype == model.get_layer("preprocessing").output.dtype == "float32"
    assert {weight.dtype for weight in model.trainable_weights} == {"float32"}
    assert np.isfinite(model(images(spec(name)))).all()


@pytest.mark.parametrize("how", ["caffe", "tf", "torch"])
def test_preprocessing_is_kerass(tensorflow, how):
    inputs = keras.Input((2, 2, 3))
    x = images(data_spec((2, 2, 3)))
    expected = keras.applications.imagenet_utils.preprocess_input(x.copy(), mode=how)
    model = keras.Model(inputs, preprocessed(inputs, how))
    np.testing.assert_allclose(model(x), expected, atol=1e-5)


@pytest.mark.parametrize(("name", "channels"), [("mobilenet_v3_small", 5), ("efficientnet_b0", 1)])
def test_any_number_of_channels_is_normalised_as_the_dataset_says(tensorflow, name, channels):
    data = spec(name, channels, ("a", "b"))
    model = MODELS[name](dropout=0.2).build(data)
    assert model.output.shape == (None, 2)
    scale = 255 if name == "efficientnet_b0" else 1  # by which its body then divides
    layer = model.get_layer("as_bytes" if name == "efficientnet_b0" else "preprocessing")
    x = images(data)
    np.testing.assert_allclose(
        keras.Model(model.input, layer.output)(x), scale * (x - 120) / 60, rtol=1e-5, atol=scale * 1e-6
    )


@pytest.mark.parametrize(("momentum", "kept"), [(0.9, {0.9}), (None, {0.999})])
def test_statistics_follow_as_fast_as_is_said(tensorflow, momentum, kept):
    model = MODELS["mobilenet_v2"](batch_normalization_momentum=momentum).build(spec("mobilenet_v2"))
    layers = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert {layer.momentum for layer in layers} == kept


def test_only_networks_that_normalise_batches_have_a_momentum_for_it():
    without = {name for name in PUBLISHED if not hasattr(MODELS[name], "batch_normalization_momentum")}
    assert without == {name for name in PUBLISHED if name.startswith(("vgg", "convnext"))}


@pytest.mark.parametrize(
    ("name", "keys", "shape", "message"),
    [
        ("vgg16", {}, (31, 40, 3), "^name vgg16 needs images of at least 32x32, got 31x40"),
        ("xception", {}, (71, 70, 3), "^name xception needs images of at least 71x71, got 71x70"),
        ("inception_v3", {}, (74, 75, 3), "^name inception_v3 needs images of at least 75x75, got 74x75"),
        (
            "resnet50",
            {"weights": "imagenet"},
            (32, 32, 4),
            "^weights must be none, a run or a file for images of 4 channels",
        ),
    ],
)
def test_images_that_do_not_fit_are_refused(name, keys, shape, message):
    with pytest.raises(ExceptionGroup) as caught:
        MODELS[name](**keys).check(data_spec(shape, ("a", "b")))
    assert caught.group_contains(ValueError, match=message)


def test_data_that_are_no_images_are_refused():
    with pytest.raises(ValueError, match="^name vgg16 needs images"):
        MODELS["vgg16"]().check(data_spec((10,), ("a", "b")))


@pytest.fixture
def keras_cache(tensorflow, tmp_path, monkeypatch):
    """Keras's folder of downloaded weights, empty, without internet."""

    from keras.src.utils import file_utils

    def fail(*_, **__):
        raise urllib.error.URLError("no internet here")

    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr("keras.src.backend.config._KERAS_DIR", str(tmp_path))  # which it reads once, when it starts
    monkeypatch.setattr(file_utils, "urlretrieve", fail)
    (tmp_path / "models").mkdir()
    return tmp_path / "models"


def mobilenet_v2_file(folder, model):
    """Writes weights in the format, and under the name, of those that Keras offers for images of 96 pixels."""
    from keras.src.legacy.saving import legacy_h5_format

    name = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_96_no_top.h5"
    with h5py.File(folder / name, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, model)
    return name


def test_imagenets_weights_come_from_kerass_cache_and_grey_is_repeated(keras_cache, capsys):
    keras.utils.set_random_seed(1)
    trained = keras.applications.MobileNetV2(weights=None, include_top=False, input_shape=(96, 96, 3), pooling="avg")
    mobilenet_v2_file(keras_cache, trained)
    chosen, data = MODELS["mobilenet_v2"](weights="imagenet"), data_spec((96, 96, 1), ("a", "b", "c"))
    chosen.check(data)
    model = chosen.build(data)
    chosen.initialize(model, data)
    grey = images(data, 2)
    features = keras.Model(model.input, model.get_layer("logits").input)
    expected = trained(np.repeat(grey, 3, axis=-1) / 127.5 - 1)
    np.testing.assert_allclose(features(grey), expected, atol=1e-4 * abs(np.array(expected)).max())
    assert capsys.readouterr().out == ""


def test_without_internet_the_file_and_its_place_are_named(keras_cache, capsys):
    chosen = MODELS["mobilenet_v3_small"](weights="imagenet")
    data = data_spec((32, 32, 3), ("a", "b"))
    model = chosen.build(data)  # which needs no file
    with pytest.raises(UserError) as caught:
        chosen.initialize(model, data)
    words = str(caught.value)
    assert "no internet here" in words
    assert words.endswith(f"/weights_mobilenet_v3_small_224_1.0_float_no_top_v2.h5 into {keras_cache}")
    assert "\n" not in words
    assert capsys.readouterr().out == ""


def test_a_file_in_the_cache_that_does_not_fit_is_refused(keras_cache):
    other = keras.applications.MobileNet(weights=None, include_top=False, input_shape=(32, 32, 3))
    mobilenet_v2_file(keras_cache, other)
    chosen = MODELS["mobilenet_v2"](weights="imagenet")
    data = data_spec((96, 96, 3), ("a", "b"))
    model = chosen.build(data)
    with pytest.raises(UserError, match=r"mobilenet_v2 cannot be read .* delete their file in .*models"):
        chosen.initialize(model, data)


@pytest.fixture(scope="module")
def weights_file(tensorflow, tmp_path_factory):
    """A file of a small MobileNetV3 with 3 classes, and the network."""
    keras.utils.set_random_seed(2)
    path = tmp_path_factory.mktemp("weights") / "small.weights.h5"
    model = MODELS["mobilenet_v3_small"]().build(data_spec((32, 32, 3), ("a", "b", "c")))
    model.save_weights(path)
    return path, model


@pytest.fixture
def damaged_file(weights_file, tmp_path):
    return shutil.copy(weights_file[0], tmp_path / "damaged.weights.h5")


def begin(path, shape=(32, 32, 3), classes=("a", "b", "c"), name="mobilenet_v3_small"):
    data = data_spec(shape, classes, (120.0,) * shape[-1], (60.0,) * shape[-1])
    model = MODELS[name](weights=path).build(data)
    load_pretrained(path, model, data)
    return model


def test_a_file_gives_all_weights(weights_file):
    path, source = weights_file
    x = images(data_spec((32, 32, 3)))
    np.testing.assert_array_equal(begin(path)(x), source(x))


def test_a_file_of_other_classes_gives_all_but_the_head_and_says_so(weights_file, caplog):
    path, source = weights_file
    with caplog.at_level("INFO", "dltrain"):
        model = begin(path, classes=("a", "b"))
    x = images(data_spec((32, 32, 3)))
    features, expected = (keras.Model(net.input, net.get_layer("logits").input)(x) for net in (model, source))
    np.testing.assert_array_equal(features, expected)
    assert caplog.messages == [
        f"model.weights: loaded the weights of {path}, all but logits, which starts at random: the file has no head "
        "for 2 classes; inputs are normalised by the statistics of the new data"
    ]


@pytest.mark.parametrize("name", all_of(["mobilenet_v2", "convnext_tiny"]))
def test_a_file_of_kerass_own_network_fits(tensorflow, tmp_path, name):
    keras.utils.set_random_seed(3)
    source = getattr(keras.applications, MODELS[name].attribute)(weights=None, input_shape=(32, 32, 3), classes=5)
    source.save_weights(tmp_path / "keras.weights.h5")
    model = begin(tmp_path / "keras.weights.h5", classes=tuple("abcde"), name=name)
    for mine, theirs in zip(model.weights, source.weights, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_a_file_of_another_network_is_refused_at_the_first_layer_that_differs(weights_file):
    with pytest.raises(ValueError, match=r"layer conv is .*3x3x1x16.* in this network, .*3x3x3x16.* in the source"):
        begin(weights_file[0], (32, 32, 1))
    with pytest.raises(ValueError, match=r"layer Conv1 is .*32.* in this network, .*16.* in the source"):
        begin(weights_file[0], name="mobilenet_v2")


def break_missing(file):
    del file["layers/conv2d/vars/0"]


def break_soft_link(file):
    file.move("layers/conv2d", "elsewhere")
    file["layers/conv2d"] = h5py.SoftLink("/elsewhere")


def break_external_link(file):
    del file["layers/conv2d/vars/0"]
    file["layers/conv2d/vars/0"] = h5py.ExternalLink("other.h5", "/x")


def break_external_storage(file):
    del file["layers/conv2d/vars/0"]
    file.create_dataset("layers/conv2d/vars/0", (3, 3, 3, 16), "float32", external=[("/etc/hostname", 0, 1728)])


def break_virtual(file):
    del file["layers/conv2d/vars/0"]
    layout = h5py.VirtualLayout((3, 3, 3, 16), "float32")
    file.create_virtual_dataset("layers/conv2d/vars/0", layout)


def break_type(file):
    del file["layers/conv2d/vars/0"]
    file["layers/conv2d/vars/0"] = np.zeros((3, 3, 3, 16), "S4")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (break_missing, "conv"),
        (break_soft_link, "layers/conv2d is a link"),
        (break_external_link, "layers/conv2d/vars/0 is a link"),
        (break_external_storage, "layers/conv2d/vars/0 is kept in another file"),
        (break_virtual, "layers/conv2d/vars/0 is kept in another file"),
        (break_type, "layers/conv2d/vars/0 contains no numbers"),
    ],
)
def test_a_file_that_leads_elsewhere_or_lacks_something_is_refused(damaged_file, damage, words):
    with h5py.File(damaged_file, "a") as file:
        damage(file)
    with pytest.raises(ValueError, match=words):
        begin(Path(damaged_file))


def test_a_file_that_is_absent_or_no_weights_is_refused(tensorflow, tmp_path):
    path = tmp_path / "mine.weights.h5"
    with pytest.raises(
        ValueError,
        match="mine.weights.h5 cannot be used: No such file",
    ):
        begin(path)
    path.write_text("no weights")
    with pytest.raises(ValueError, match="mine.weights.h5 cannot be used"):
        begin(path)


def test_other_words_for_weights_are_refused(tmp_path):
    path = tmp_path / "typo.yaml"
    path.write_text(
        "dataset: {name: image_folder, path: images}\nmodel: {name: vgg16, weights: imagnet}\n"
        "optimizer: {name: adam}\ntrain: {epochs: 1, batch_size: 8}\n"
    )
    config = load(path, reads_data=False)
    with pytest.raises(ConfigError, match="must be a run or a file, got 'imagnet': .*, did you mean \"imagenet\""):
        resolved(config, tmp_path / "runs")
