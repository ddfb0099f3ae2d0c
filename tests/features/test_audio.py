"""Sounds in files, and clips of them."""

import base64
import struct
import threading
import wave

import numpy as np
import pytest

from dltrain.features._audio.clips import Clips, InMemory
from dltrain.features._audio.decoding import Decoding
from dltrain.features.audio import Audio

soundfile = pytest.importorskip("soundfile")
TIME = np.arange(16_000) / 16_000
SINE = (0.5 * np.sin(2 * np.pi * 440 * TIME)).astype(np.float32)


@pytest.mark.parametrize(
    ("suffix", "subtype", "off"),
    [
        ("wav", "PCM_U8", 1 / 100), ("wav", "PCM_16", 1 / 30_000), ("wav", "PCM_24", 1e-6), ("wav", "PCM_32", 1e-6),
        ("wav", "FLOAT", 0), ("wav", "DOUBLE", 1e-7), ("flac", "PCM_16", 1 / 30_000), ("flac", "PCM_24", 1e-6),
    ],
)  # fmt: skip
def test_every_kind_of_samples_is_read_in_its_own_scale(tmp_path, suffix, subtype, off):
    soundfile.write(tmp_path / f"a.{suffix}", SINE, 16_000, subtype)
    samples, notices = Decoding(16_000)(tmp_path / f"a.{suffix}")
    np.testing.assert_allclose(samples, SINE, atol=off)
    assert (samples.dtype, notices) == (np.float32, [])


def test_extensible_wav_is_read(tmp_path):
    soundfile.write(tmp_path / "a.wav", SINE, 16_000, "PCM_24", format="WAVEX")
    np.testing.assert_allclose(Decoding(16_000)(tmp_path / "a.wav")[0], SINE, atol=1e-6)


@pytest.mark.parametrize("suffix", ["ogg", "mp3"])
def test_lossy_files_sound_alike(tmp_path, suffix):
    soundfile.write(tmp_path / f"a.{suffix}", SINE, 16_000)
    samples, _ = Decoding(16_000)(tmp_path / f"a.{suffix}")
    spectrum = np.abs(np.fft.rfft(samples[4_000:12_000]))
    assert spectrum.argmax() == 220  # of 2 Hz each
    assert np.abs(samples).max() == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize(("channel", "expected"), [("mix", 0.5), ("left", 1), ("right", 0)])
def test_channels_are_mixed_or_chosen_never_exchanged_with_time(tmp_path, channel, expected):
    soundfile.write(tmp_path / "a.wav", np.stack([SINE, 0 * SINE], axis=1), 16_000, "FLOAT")
    samples, (notice,) = Decoding(16_000, channel)(tmp_path / "a.wav")
    np.testing.assert_allclose(samples, expected * SINE, atol=1e-7)
    assert notice.startswith("has 2 channels")


def test_resampling_leaves_what_can_be_held_and_nothing_else(tmp_path):
    """Of a sweep from 100 Hz to 20 kHz at 48,000 samples a second, what is above 4 kHz must not come back as lower."""
    import scipy.signal

    time = np.arange(96_000) / 48_000
    sweep = 0.5 * scipy.signal.chirp(time, 100, 2, 20_000)
    soundfile.write(tmp_path / "a.wav", sweep, 48_000, "FLOAT")
    samples, (notice,) = Decoding(8_000)(tmp_path / "a.wav")
    assert len(samples) == 16_000
    assert notice == "resampled from 48,000 to 8,000 samples a second"
    at_3_khz = round((3_000 - 100) / 9_950 * 8_000)
    at_5_khz = round((5_000 - 100) / 9_950 * 8_000)
    np.testing.assert_allclose(samples[200:at_3_khz], sweep[1_200 : 6 * at_3_khz : 6], atol=0.01)
    assert np.abs(samples[at_5_khz:-100]).max() < 1e-3  # where the sweep ends at once, all frequencies are in it


def test_a_truncated_file_is_used_as_far_as_it_goes_and_said(tmp_path):
    soundfile.write(tmp_path / "a.wav", SINE, 16_000, "PCM_16")
    content = (tmp_path / "a.wav").read_bytes()
    samples, (notice,) = Decoding(16_000)(content[: 44 + 8_000])
    np.testing.assert_allclose(samples, SINE[:4_000], atol=1 / 30_000)
    assert notice == "has 4,000 of the 16,000 samples that its header names"


def test_a_header_that_lies_about_the_length_is_no_error(tmp_path):
    soundfile.write(tmp_path / "a.wav", SINE, 16_000, "PCM_16")
    content = bytearray((tmp_path / "a.wav").read_bytes())
    content[4:8] = content[40:44] = struct.pack("<I", 2**32 - 1)
    samples, notices = Decoding(16_000)(bytes(content))
    np.testing.assert_allclose(samples, SINE, atol=1 / 30_000)
    assert not notices


@pytest.mark.parametrize(
    ("samples", "rate", "words"),
    [
        (np.array([[3e38, 3e38]]), 16_000, "beyond 2,147,483,648"),
        (np.array([np.nan, 0]), 16_000, "holds NaN"),
        (np.ones(1), 48_000, "is shorter than a sample at 8,000 a second"),
        (np.ones(50), 1, "names 1 samples a second"),
    ],
)
def test_sounds_that_would_be_none_or_fill_the_memory_are_refused(tmp_path, samples, rate, words):
    soundfile.write(tmp_path / "a.wav", samples, rate, "FLOAT")
    with pytest.raises(ValueError, match=words):
        Decoding(8_000)(tmp_path / "a.wav")


def test_samples_in_the_range_of_whole_numbers_are_told(tmp_path):
    soundfile.write(tmp_path / "a.wav", SINE * 32_768, 16_000, "FLOAT")
    _, (notice,) = Decoding(16_000)(tmp_path / "a.wav")
    assert notice.startswith("goes to 16,384, where samples are -1 to 1")


@pytest.mark.parametrize("raw", [[], [[1.0]], ["0.5"], [True], [1e39], "text", None, 3])
def test_what_is_no_list_of_samples_is_refused(raw):
    assert Audio(rate=1_000, samples=8, window=4, hop=2).encode([raw]).problems


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "no sound"), (b"RIFF", "no sound"), (b"word " * 99, "no sound"), (None, "cannot be read: No such file")],
)
def test_what_is_no_sound_is_said(tmp_path, content, words):
    if content is not None:
        (tmp_path / "a.wav").write_bytes(content)
    with pytest.raises(ValueError, match=words):
        Decoding(16_000)(tmp_path / "a.wav")


def test_an_empty_sound_is_said(tmp_path):
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
    with pytest.raises(ValueError, match="has no samples"):
        Decoding(16_000)(tmp_path / "a.wav")


def test_clips_of_training_come_from_their_seeds_and_those_of_evaluation_are_evenly_spaced():
    sounds = [np.arange(10, dtype=np.float32), np.arange(3, dtype=np.float32)]
    clips = Clips(InMemory(sounds), 4, 3)
    np.testing.assert_array_equal(clips.read(np.array([0]))[0], [[0, 1, 2, 3], [3, 4, 5, 6], [6, 7, 8, 9]])
    np.testing.assert_array_equal(clips.read(np.array([1]))[0], [[0, 1, 2, 0]] * 3)  # a short one is repeated
    np.testing.assert_array_equal(Clips(InMemory(sounds), 4, 1)[:], [[3, 4, 5, 6], [0, 1, 2, 0]])
    seeds = np.array([[0, seed] for seed in range(700)])  # as training has them: one after the other
    drawn = clips.read(np.zeros(700, int), seeds)
    assert np.abs(np.bincount(drawn[:, 0].astype(int)) - 100).max() < 40
    np.testing.assert_array_equal(drawn, clips.read(np.zeros(700, int), seeds))
    np.testing.assert_array_equal(np.diff(drawn, axis=1), 1)


def test_the_first_clips_of_training_are_from_all_of_a_long_sound_and_others_by_another_seed():
    clips = Clips(InMemory([np.arange(100_000, dtype=np.float32)]), 100, 3)
    first, second = (
        clips.read(np.zeros(50, int), np.array([[seed, number] for number in range(50)]))[:, 0] for seed in (0, 1)
    )
    assert first.min() < 20_000 and first.max() > 80_000
    assert len({*first.tolist(), *second.tolist()}) == 100


def test_what_is_looked_at_is_the_middle_however_many_clips_are_averaged():
    clips = Clips(InMemory([np.arange(10, dtype=np.float32)]), 4, 3)
    np.testing.assert_array_equal(clips[:], [[3, 4, 5, 6]])
    np.testing.assert_array_equal(clips.take(np.array([0]))[np.array([0])], [[3, 4, 5, 6]])


def test_a_sound_is_taken_as_a_file_as_bytes_and_as_numbers(tmp_path):
    soundfile.write(tmp_path / "a.wav", SINE, 16_000, "FLOAT")
    content = (tmp_path / "a.wav").read_bytes()
    raws = [tmp_path / "a.wav", content, {"b64": base64.b64encode(content).decode()}, SINE.tolist()]
    audio = Audio(rate=16_000, samples=1_000)
    encoded = audio.encode(raws)
    assert not encoded.problems
    np.testing.assert_array_equal(encoded.stored, [SINE[7_500:8_500]] * 4)
    several = audio.replaced(clips=2).encode(raws).stored
    np.testing.assert_array_equal(several.read(np.arange(4))[2], [SINE[:1_000], SINE[15_000:]])
    assert audio.encode([str(tmp_path / "a.wav")]).problems  # a text is never a path: one may come from elsewhere


def test_what_is_odd_about_a_sound_is_noticed():
    audio = Audio(rate=1_000, samples=500, window=20, hop=10)
    encoded = audio.encode([[0.0] * 600, [0.5, -0.5] * 50])
    assert encoded.notices == {0: ["is silent"], 1: ["lasts 0.10 s, repeated to fill 0.5 s"]}


def test_statistics_are_those_of_what_the_network_sees(tensorflow):
    audio = Audio(rate=1_000, samples=500, window=32, hop=16, bands=8)
    clips = np.random.RandomState(0).standard_normal((40, 500)).astype(np.float32)
    seen = np.asarray(audio.adapt([clips]).preprocess(clips))
    assert seen.shape == (40, *audio.model_shape)
    np.testing.assert_allclose(seen.mean(axis=(0, 2, 3)), 0, atol=1e-3)
    np.testing.assert_allclose(seen.std(axis=(0, 2, 3)), 1, atol=1e-3)


@pytest.mark.parametrize("front_end", ["spectrogram", "log_mel", "mfcc", "waveform"])
def test_pictures_have_low_tones_below_and_what_was_looked_at_on_them(front_end):
    audio = Audio(rate=1_000, samples=512, window=64, hop=32, bands=16, coefficients=4, front_end=front_end)
    low = np.sin(2 * np.pi * 40 * np.arange(512) / 1_000).astype(np.float32)
    weights = np.zeros(audio.model_shape[:2], np.float32)
    weights[:2] = 1
    (shown,) = audio.show(low[None], [weights])
    middle = len(shown.pixels) // 2
    (silent,) = audio.show(0 * low[None])
    assert not silent.pixels.any()
    assert shown.pixels[middle:].mean() > 2 * shown.pixels[:middle].mean()
    assert (shown.sound.rate, len(shown.sound.samples)) == (1_000, 512)
    assert (shown.overlay is None) == (front_end == "waveform")
    if front_end in ("spectrogram", "log_mel"):
        is_coloured = (np.ptp(shown.overlay.astype(int), axis=-1) > 0).any(axis=1)
        assert np.flatnonzero(is_coloured).min() == len(is_coloured) - 2


def test_files_to_predict_are_decoded_in_threads_and_answered_in_their_order(tmp_path, monkeypatch):
    names = set()
    original = Decoding.__call__
    monkeypatch.setattr(
        Decoding, "__call__", lambda self, raw: names.add(threading.current_thread().name) or original(self, raw)
    )
    raws = []
    for number in range(40):
        raws.append(tmp_path / f"{number}.wav")
        soundfile.write(raws[-1], np.full(1_000, number / 100), 16_000, "FLOAT")
    raws[7].write_bytes(b"no sound")
    encoded = Audio(rate=16_000, samples=1_000).encode(raws)
    assert [*encoded.problems] == [7]
    np.testing.assert_allclose(encoded.stored[:, 0], np.delete(np.arange(40) / 100, 7), atol=1e-6)
    assert names and all(name.startswith("decode") for name in names)
