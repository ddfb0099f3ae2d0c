"""What networks see of sound, beside SciPy and NumPy."""

import numpy as np
import pytest
import scipy.fft
import scipy.signal

from dltrain.data import spectra
from dltrain.layers.sound_front_end import SoundFrontEnd

RATE, WINDOW, HOP, BANDS = 16_000, 400, 160, 40
SOUNDS = 0.1 * np.random.RandomState(0).standard_normal((2, 8_000)).astype(np.float32) + np.float32(0.05)


BOTH = pytest.mark.parametrize("training", [False, True])


def seen(kind, training=False, **more):
    return np.asarray(SoundFrontEnd(kind, RATE, WINDOW, HOP, BANDS, 13, **more)(SOUNDS, training=training))


def power(window):
    """Returns the power of each frame's transform, (sounds, frames, frequencies)."""
    frames = np.lib.stride_tricks.sliding_window_view(SOUNDS.astype(float), WINDOW, axis=1)[:, ::HOP]
    return np.abs(scipy.fft.rfft(frames * window, 512)) ** 2


def test_the_waveform_is_as_it_came():
    np.testing.assert_array_equal(seen("waveform"), SOUNDS[..., None])


@BOTH
def test_vggvoxs_spectrogram_is_that_of_its_public_code(training):
    """In double precision: a recursive filter, pre-emphasis, Hamming windows, all 512 bins, each in its own scale."""
    without_direct = scipy.signal.lfilter([1, -1], [1, -0.99], SOUNDS.astype(float) * 32768)
    emphasized = scipy.signal.lfilter([1, -0.97], [1], without_direct)
    frames = np.lib.stride_tricks.sliding_window_view(emphasized, WINDOW, axis=1)[:, ::HOP] * np.hamming(WINDOW)
    magnitudes = np.abs(np.fft.fft(frames, 512)).transpose(0, 2, 1)
    middle, spread = magnitudes.mean(axis=2, keepdims=True), magnitudes.std(axis=2, keepdims=True)
    found = seen("spectrogram", training)
    assert found.shape == (2, 512, 48, 1)
    np.testing.assert_allclose(found[..., 0], (magnitudes - middle) / spread, atol=1e-3)


def test_a_silent_spectrogram_is_finite():
    assert np.isfinite(np.asarray(SoundFrontEnd("spectrogram", RATE, WINDOW, HOP, BANDS, 13)(0 * SOUNDS))).all()


@BOTH
def test_log_mel_is_the_logarithm_of_the_power_in_triangular_bands(training):
    window = scipy.signal.get_window("hann", WINDOW)
    hertz = np.fft.rfftfreq(512, 1 / RATE)
    mel = np.linspace(0, 2595 * np.log10(1 + RATE / 1400), BANDS + 2)
    edges = 700 * (10 ** (mel / 2595) - 1)
    bands = np.stack([np.interp(hertz, edges[each : each + 3], [0, 1, 0]) for each in range(BANDS)], axis=1)
    expected = np.log(power(window) @ bands + 1e-6)
    found = seen("log_mel", training)
    assert found.shape == (2, BANDS, 48, 1)
    np.testing.assert_allclose(found[..., 0].transpose(0, 2, 1), expected, atol=1e-3)
    np.testing.assert_allclose(spectra.log_mel(SOUNDS, RATE, WINDOW, HOP, BANDS), expected, atol=1e-3)
    mean, deviation = expected.mean(axis=(0, 1)), expected.std(axis=(0, 1))
    scaled = seen("log_mel", training, mean=mean.tolist(), deviation=deviation.tolist())[..., 0].transpose(0, 2, 1)
    np.testing.assert_allclose(scaled, (expected - mean) / deviation, atol=1e-2)


@BOTH
def test_mfcc_is_the_cosine_transform_of_log_mel(training):
    of_bands = spectra.log_mel(SOUNDS, RATE, WINDOW, HOP, BANDS).astype(float)
    expected = scipy.fft.dct(of_bands, norm="ortho", axis=-1)[..., :13]
    np.testing.assert_allclose(seen("mfcc", training)[..., 0].transpose(0, 2, 1), expected, atol=1e-3)


@pytest.mark.parametrize("kind", ["waveform", "spectrogram", "log_mel", "mfcc"])
def test_the_shape_is_known_before(kind):
    layer = SoundFrontEnd(kind, RATE, WINDOW, HOP, BANDS, 13)
    assert layer.compute_output_shape(SOUNDS.shape) == layer(SOUNDS).shape
    again = SoundFrontEnd.from_config(layer.get_config())
    np.testing.assert_array_equal(np.asarray(again(SOUNDS)), np.asarray(layer(SOUNDS)))
