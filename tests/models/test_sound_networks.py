"""Networks for sound: weights as published."""

import numpy as np
import pytest

from dltrain.data import DataSpec
from dltrain.features.audio import Audio
from dltrain.features.class_label import ClassLabel
from dltrain.registry import MODELS


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
