"""Networks for sound: weights as published."""

import numpy as np
import pytest

from dltrain.data import DataSpec
from dltrain.features.audio import Audio
from dltrain.features.class_label import ClassLabel
from dltrain.registry import MODELS, TASKS


def spec(classes, frames=300, **audio):
    given = {"rate": 16_000, "samples": 400 + 160 * (frames - 1), "front_end": "spectrogram", **audio}
    return DataSpec.of(Audio(**given), ClassLabel(class_names=tuple(map(str, range(classes)))))


def test_vggvox_has_the_weights_of_its_layer_table(tensorflow):
    model = MODELS["vggvox"]().build(spec(1251))
    counts = {layer.name: layer.count_params() for layer in model.layers}
    convolutions = [counts[f"conv{number}"] for number in range(1, 6)]
    assert convolutions == [4_800, 614_656, 885_120, 884_992, 590_080]
    assert (counts["fc6"], counts["fc7"]) == (9_441_280, 4_195_328)
    assert sum(int(np.prod(weight.shape)) for weight in model.trainable_weights) == 17_911_267
    assert model.count_params() == 17_924_003
    shapes = [tuple(model.get_layer(f"pool{number}").output.shape[1:]) for number in (1, 2, 5)]
    assert shapes == [(126, 73, 96), (30, 17, 256), (9, 8, 256)]
    assert tuple(model.get_layer("fc6").output.shape[1:]) == (1, 8, 4096)


@pytest.mark.parametrize(
    ("frames", "steps"),
    [(100, 2), (200, 5), (300, 8), (400, 11), (500, 14), (600, 17), (700, 20), (800, 23), (900, 27), (1000, 30)],
)
def test_vggvox_leaves_as_many_steps_of_time_as_its_authors_table_says(frames, steps):
    assert MODELS["vggvox"]()._steps(frames) == steps


@pytest.mark.parametrize(
    ("audio", "words"),
    [
        ({"front_end": "log_mel"}, "needs spectrograms of 512 rows .*, got 64 rows"),
        ({"front_end": "waveform"}, "needs images"),
        ({"window": 200}, "got 256 rows"),
        ({"samples": 4_000}, "needs longer clips"),
    ],
)
def test_vggvox_says_what_it_needs(audio, words):
    with pytest.raises(ValueError, match=words):
        MODELS["vggvox"]().check(spec(3, **audio))


def test_m5_has_the_weights_of_its_table(tensorflow):
    data = spec(10, front_end="waveform", samples=32_000)
    model = MODELS["conv_1d"]().build(data)
    widths = (128, 128, 256, 512)
    kernels = 80 * 128 + 3 * (128 * 128 + 128 * 256 + 256 * 512)
    assert model.count_params() == kernels + 4 * sum(widths) + 512 * 10 + 10
    assert tuple(model.get_layer("pool4").output.shape[1:]) == (31, 512)


@pytest.mark.parametrize(
    ("audio", "words"), [({"front_end": "log_mel"}, "needs steps"), ({"samples": 1_000}, "need 1,024 steps or more")]
)
def test_conv_1d_says_what_it_needs(audio, words):
    with pytest.raises(ValueError, match=words):
        MODELS["conv_1d"]().check(spec(3, **{"front_end": "waveform", **audio}))


def test_image_networks_take_spectrograms_as_they_are(tensorflow):
    data = spec(3, front_end="log_mel", samples=8_000)
    model = MODELS["resnet"](depth=8).build(data)
    assert model(np.zeros((2, 8_000), np.float32)).shape == (2, 3)


@pytest.mark.parametrize(("channels", "count"), [(512, 6_191_360), (1_024, 14_657_728)])
def test_ecapa_tdnn_has_the_weights_of_its_table_before_the_head(tensorflow, channels, count):
    model = MODELS["ecapa_tdnn"](channels=channels).build(spec(10, front_end="log_mel", bands=80))
    head = model.get_layer("logits").count_params()
    assert head == 192 * 10 + 10
    assert sum(int(np.prod(weight.shape)) for weight in model.trainable_weights) - head == count
    assert tuple(model.get_layer("logits").input.shape[1:]) == (192,)
    dilations = [model.get_layer(f"block{number}_group7").dilation_rate for number in (1, 2, 3)]
    assert dilations == [(2,), (3,), (4,)]
    assert tuple(model.get_layer("statistics").output.shape[1:]) == (3_072,)


@pytest.mark.parametrize("frames", [1, 2, 37])
def test_ecapa_tdnn_takes_any_length_and_a_width(tensorflow, frames):
    data = spec(3, frames, front_end="log_mel", bands=20)
    MODELS["ecapa_tdnn"](width=0.02).check(data)
    model = MODELS["ecapa_tdnn"](width=0.02).build(data)
    clips = np.random.RandomState(0).standard_normal((4, data.input.samples)).astype(np.float32)
    found = model(np.concatenate([clips, 0 * clips[:1]]), training=True)
    assert found.shape == (5, 3) and np.isfinite(found).all()


def test_ecapa_tdnn_hears_the_same_at_any_loudness(tensorflow):
    data = spec(3, 30, front_end="log_mel", bands=20)
    model = MODELS["ecapa_tdnn"](width=0.05).build(data)
    clips = np.random.RandomState(0).standard_normal((2, data.input.samples)).astype(np.float32)
    np.testing.assert_allclose(model(clips), model(2 * clips), atol=1e-4)


@pytest.mark.parametrize(
    ("audio", "keys", "words"),
    [({"front_end": "waveform"}, {}, "needs images"), ({"front_end": "log_mel"}, {"channels": 20}, "multiple of 8")],
)
def test_ecapa_tdnn_says_what_it_needs(audio, keys, words):
    with pytest.raises(ValueError, match=words):
        MODELS["ecapa_tdnn"](**keys).check(spec(3, **audio))


@pytest.mark.parametrize(
    ("name", "keys", "audio"),
    [
        ("ecapa_tdnn", {"width": 0.02}, {"front_end": "log_mel"}),
        ("resnet", {"depth": 8}, {"front_end": "log_mel"}),
        ("vggvox", {"width": 0.02}, {}),
        ("conv_1d", {"filters": (4, 4)}, {"front_end": "waveform"}),
    ],
)
def test_networks_of_speakers_end_in_the_head_of_verification(tensorflow, name, keys, audio):
    task = TASKS["verification"](embedding_size=5)
    data = spec(3, frames=100, **audio).bound(task)
    model = MODELS[name](**keys).build(data)
    embeddings = task.inference(data, model)(np.zeros((2, *data.input.shape), np.float32))
    assert embeddings.shape == (2, 5)
