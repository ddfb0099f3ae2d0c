"""Random changes to sounds, beside what NumPy and SciPy make of the same."""

from pathlib import Path

import numpy as np
import pytest
from specs import data_spec

from dltrain.assembly.data import load, start
from dltrain.augmentations.loudness import Gain, WhiteNoise
from dltrain.augmentations.spec_augment import SpecAugment
from dltrain.augmentations.timing import Speed, TimeShift
from dltrain.checkpoints import store
from dltrain.config import experiment as experiments
from dltrain.console import Reporter
from dltrain.data import Batch, DataSpec
from dltrain.data.random_draws import sharing
from dltrain.diagnostics import preview
from dltrain.errors import ConfigError
from dltrain.features.audio import Audio
from dltrain.features.class_label import ClassLabel
from dltrain.figures.examples import Pictures
from dltrain.layers.spectrogram_masks import SpectrogramMasks
from dltrain.registry import AUGMENTATIONS
from dltrain.runs.folder import Run
from dltrain.training import trainer
from dltrain.training.resume import Resume

RATE, SAMPLES = 8_000, 4_000
CLIPS = np.random.RandomState(0).standard_normal((32, SAMPLES)).astype(np.float32) * 0.1
OF_SOUNDS = [name for name in AUGMENTATIONS.names() if Audio in AUGMENTATIONS[name].accepts]
IN_BATCHES = sorted({*OF_SOUNDS} - {"spec_augment"})


def spec(**keys):
    audio = {"rate": RATE, "samples": SAMPLES, "window": 200, "hop": 80, "bands": 40, **keys}
    return DataSpec.of(Audio(**audio), ClassLabel(class_names=("a", "b")))


SPEC = spec()


def apply(tensorflow, augmentation, clips=CLIPS, seed=(1, 2), data=None, compiled=True):
    change = augmentation.build(data or spec(samples=clips.shape[1]))
    work = tensorflow.function(
        lambda clips, seed: change(Batch(clips, None), seed).inputs, jit_compile=compiled, autograph=False
    )
    return work(tensorflow.constant(clips), tensorflow.constant(seed, tensorflow.int32)).numpy()


@pytest.mark.parametrize("name", IN_BATCHES)
def test_the_same_seed_gives_the_same_change_whatever_compiles_it_and_each_clip_draws_for_itself(tensorflow, name):
    augmentation, same = AUGMENTATIONS[name](), np.tile(CLIPS[:1], (32, 1))
    first = apply(tensorflow, augmentation, same)
    np.testing.assert_array_equal(first, apply(tensorflow, augmentation, same))
    np.testing.assert_allclose(first, apply(tensorflow, augmentation, same, compiled=False), atol=1e-5)
    assert not np.array_equal(first, apply(tensorflow, augmentation, same, (1, 3)))
    assert not np.array_equal(first, apply(tensorflow, augmentation, same, (2, 2)))
    assert len(np.unique(first, axis=0)) >= (3 if name == "speed" else 8)
    assert (first.shape, first.dtype) == (same.shape, np.float32)


@pytest.mark.parametrize("name", IN_BATCHES)
def test_devices_that_share_a_batch_change_each_clip_as_one_would(tensorflow, name):
    whole, shares = apply(tensorflow, AUGMENTATIONS[name]()), []
    for number in range(4):
        with sharing(number, 4):
            shares.append(apply(tensorflow, AUGMENTATIONS[name](), CLIPS[8 * number : 8 * number + 8]))
    np.testing.assert_allclose(np.concatenate(shares), whole, atol=1e-5)


@pytest.mark.parametrize(
    "augmentation",
    [Gain(decibels=(0, 0)), WhiteNoise(probability=0), Speed(factors=(1.0,)), WhiteNoise(snr=(200, 200))],
    ids=str,
)
def test_settings_that_say_nothing_change_nothing(tensorflow, augmentation):
    np.testing.assert_allclose(apply(tensorflow, augmentation), CLIPS, atol=1e-8)


@pytest.mark.parametrize("name", OF_SOUNDS)
def test_what_is_for_sounds_is_refused_by_name_for_others_and_the_other_way_round(name):
    AUGMENTATIONS[name]().check(SPEC)
    for shape in ((784,), (6, 5, 3)):
        with pytest.raises(ValueError, match=rf"^name {name} needs sounds, got"):
            AUGMENTATIONS[name]().check(data_spec(shape))


@pytest.mark.parametrize("name", sorted({*AUGMENTATIONS.names()} - {*OF_SOUNDS, "mixup"}))
def test_what_is_for_images_is_refused_for_sounds_that_become_some(name):
    with pytest.raises(ValueError, match=rf"^name {name} needs images.* got audio; such examples have gain, spec_aug"):
        AUGMENTATIONS[name]().check(SPEC)


def test_mixup_takes_sounds(tensorflow):
    AUGMENTATIONS["mixup"]().check(SPEC)


@pytest.mark.parametrize("decibels", [-5.0, 0.0, 20.0])
def test_noise_reaches_its_ratio_to_each_clips_own_power(tensorflow, decibels):
    clips = CLIPS * np.geomspace(0.01, 3, 32, dtype=np.float32)[:, None]
    noise = apply(tensorflow, WhiteNoise(snr=(decibels, decibels), probability=1), clips) - clips
    reached = 10 * np.log10(np.square(clips).mean(axis=1) / np.square(noise).mean(axis=1))
    np.testing.assert_allclose(reached, decibels, atol=0.4)  # 0.1 is the deviation of 4,000 samples' power
    assert abs(reached.mean() - decibels) < 0.08
    unit = noise / noise.std(axis=1, keepdims=True)
    assert abs((np.abs(unit) < 1).mean() - 0.6827) < 0.01
    spectrum = np.square(np.abs(np.fft.rfft(unit))).mean(axis=0)[1:].reshape(-1, 100).sum(axis=1)
    assert spectrum.max() / spectrum.min() < 1.2  # white
    assert abs(np.corrcoef(unit)[np.triu_indices(32, 1)]).max() < 0.08


def test_noise_is_drawn_between_the_ratios_for_as_many_as_asked_and_never_on_silence(tensorflow):
    clips = np.tile(CLIPS, (20, 1))
    clips[::10] = 0
    noise = apply(tensorflow, WhiteNoise(snr=(0, 20), probability=0.5), clips) - clips
    assert not noise[::10].any()
    heard = np.delete(np.arange(len(clips)), slice(None, None, 10))
    is_noisy = noise[heard].any(axis=1)
    assert abs(is_noisy.mean() - 0.5) < 0.105  # five standard deviations
    power = np.square(clips[heard]).mean(axis=1)[is_noisy] / np.square(noise[heard]).mean(axis=1)[is_noisy]
    assert -0.5 < (10 * np.log10(power)).min() < 2
    assert 18 < (10 * np.log10(power)).max() < 20.5


def test_gains_are_decibels(tensorflow):
    louder = apply(tensorflow, Gain(decibels=(-6, 12)))
    factors = louder / CLIPS
    np.testing.assert_allclose(factors, factors[:, :1] + 0 * factors, rtol=1e-4)
    decibels = 20 * np.log10(factors[:, 0])
    assert -6 <= decibels.min() < -4 and 10 < decibels.max() <= 12


@pytest.mark.parametrize("fill", ["wrap", "silence"])
def test_shifts_are_whole_samples_and_all_of_them_happen(tensorflow, fill):
    clips = np.tile(np.arange(1, 101, dtype=np.float32), (600, 1))
    moved = apply(tensorflow, TimeShift(seconds=3 / RATE, fill=fill), clips)
    expected = {}
    for shift in range(-3, 4):
        expected[shift] = np.roll(clips[0], shift)
        if fill == "silence" and shift:
            expected[shift][slice(None, shift) if shift > 0 else slice(shift, None)] = 0
    counts = [np.all(moved == each, axis=1).sum() for each in expected.values()]
    assert sum(counts) == 600
    assert abs(np.array(counts) - 600 / 7).max() < 43  # five standard deviations


@pytest.mark.parametrize("factor", [0.5, 0.9, 1.1, 1.25, 2.0])
def test_speed_is_what_scipys_polyphase_filter_makes(tensorflow, factor):
    import scipy.signal

    samples = 2_000
    time = np.arange(-4_000, 6_000) / RATE
    tones = np.sin(2 * np.pi * 220 * time) + 0.5 * np.sin(2 * np.pi * 1_300 * time + 1)
    clip = tones[4_000:6_000].astype(np.float32)
    (heard,) = apply(tensorflow, Speed(factors=(factor,)), clip[None])
    up, down = {0.5: (2, 1), 0.9: (10, 9), 1.1: (10, 11), 1.25: (4, 5), 2.0: (1, 2)}[factor]
    around = scipy.signal.resample_poly(tones, up, down, window=("kaiser", 10.0))
    begin = round(samples / 2 * (1 - factor))  # where of the clip the first sample is
    expected = around[round((4_000 + begin) * up / down) :]
    kept = min(samples, round(samples / factor))
    middle = slice((samples - kept) // 2 + 120, (samples + kept) // 2 - 120)
    if (4_000 + begin) * up % down == 0:
        np.testing.assert_allclose(heard[middle], expected[middle], atol=5e-3)
    places = 4_000 + begin + np.arange(samples) * factor
    exact = np.sin(2 * np.pi * 220 * (places / RATE - 0.5)) + 0.5 * np.sin(
        2 * np.pi * 1_300 * (places / RATE - 0.5) + 1
    )
    np.testing.assert_allclose(heard[middle], exact[middle], atol=2e-3)


def test_what_a_higher_speed_would_move_beyond_half_the_rate_is_gone(tensorflow):
    high = np.sin(2 * np.pi * 3_500 * np.arange(SAMPLES) / RATE).astype(np.float32)
    (heard,) = apply(tensorflow, Speed(factors=(1.5,)), high[None])
    assert np.abs(heard[1_000:3_000]).max() < 1e-3  # 5,250 Hz, which would come back as 2,750


def test_a_clip_that_becomes_shorter_is_repeated_and_the_shortest_is_taken(tensorflow):
    clip = np.sin(2 * np.pi * 10 * np.arange(800) / 800).astype(np.float32)  # whole periods
    (heard,) = apply(tensorflow, Speed(factors=(2.0,)), clip[None])
    np.testing.assert_allclose(heard, np.sin(2 * np.pi * 20 * (np.arange(800) - 400) / 800), atol=2e-3)
    for samples in (2, 3, 17):
        assert np.isfinite(apply(tensorflow, Speed(factors=(0.5, 2.0)), CLIPS[:, :samples])).all()


def test_masks_have_the_widths_and_the_number_of_the_paper(tensorflow):
    masks = SpectrogramMasks(1, 27, 1, 100, seed=0)
    hidden = masks.hidden(2_000, 80, 300)
    rows, frames = np.asarray(hidden).all(axis=2), np.asarray(hidden).all(axis=1)
    np.testing.assert_array_equal(hidden, rows[:, :, None] | frames[:, None])
    for lines, most in ((rows, 27), (frames, 100)):
        assert (np.abs(np.diff(lines.astype(int), axis=1)).sum(axis=1) <= 2).all()  # one stretch
        widths = lines.sum(axis=1)
        assert (widths.min(), widths.max()) == (0, most)
        counts = np.bincount(widths, minlength=most + 1)
        assert abs(counts - 2_000 / (most + 1)).max() < 5 * np.sqrt(2_000 / (most + 1))
    often = rows.mean(axis=0)
    assert often[[0, -1]].min() > 0.002 and abs(often[35:45] - 0.25).max() < 0.06


def test_masks_put_the_mean_there_in_training_alone_and_in_both_halves_of_a_spectrogram(tensorflow):
    x = np.random.RandomState(0).standard_normal((16, 512, 30, 1)).astype(np.float32)
    masks = SpectrogramMasks(2, 60, 2, 6, mirrored=True, seed=3)
    np.testing.assert_array_equal(masks(x, training=False), x)
    seen = np.asarray(masks(x, training=True))
    hidden = seen != x
    assert hidden.any() and not seen[hidden].any()
    np.testing.assert_array_equal(hidden[:, 1:], hidden[:, :0:-1])
    assert hidden[:, 0].any()
    assert 0 < hidden.mean() < 0.8
    assert not np.array_equal(hidden, np.asarray(masks(x, training=True)) != x)
    again = SpectrogramMasks.from_config(masks.get_config())
    np.testing.assert_array_equal(again(x, training=True), seen)


@pytest.mark.parametrize(
    ("augmentation", "audio", "words"),
    [
        (SpecAugment(), {"front_end": "mfcc"}, "needs dataset.front_end log_mel or spectrogram, .* got mfcc"),
        (SpecAugment(), {"front_end": "waveform"}, "needs dataset.front_end log_mel or spectrogram, .* got waveform"),
        (
            SpecAugment(frequency_width=40),
            {},
            "^frequency_width must be below the 40 frequencies that",
        ),
        (SpecAugment(time_share=0.01), {}, "^time_share of 48 frames is less than one"),
        (Gain(), {"front_end": "spectrogram"}, "gain changes nothing: front_end spectrogram brings each clip"),
        (TimeShift(seconds=0.5), {}, "^seconds must be from a sample, .* to below the clip's 0.5, got 0.5"),
        (TimeShift(seconds=1e-5), {}, "^seconds must be from a sample, 0.000125"),
    ],
)
def test_what_would_do_nothing_or_leave_nothing_is_refused(augmentation, audio, words):
    with pytest.raises(ValueError, match=words):
        augmentation.check(spec(**audio))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Speed(factors=()), "factors must name one speed"),
        (lambda: Speed(factors=(0.999,)), "of two decimals at most"),
        (lambda: SpecAugment(frequency_masks=0, time_masks=0), "nothing would be hidden"),
        (lambda: WhiteNoise(snr=(9, 1)), "snr must be the smallest and the largest"),
        (lambda: Gain(decibels=(9, 1)), "decibels must be the smallest and the largest"),
    ],
)
def test_settings_that_mean_nothing_are_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()


CONFIG = """\
dataset: {name: audio_folder, path: sounds, rate: 1000, clip_seconds: 0.3, window_milliseconds: 32,
          hop_milliseconds: 16, bands: 8, validation_fraction: 0.2, test_fraction: 0.0}
augment: [{name: spec_augment, frequency_width: 3, time_share: 0.5}, {name: speed}, {name: white_noise}, {name: gain},
          {name: time_shift}]
model: {name: cnn, stages: [{filters: 4, pool: max}], dense: []}
optimizer: {name: adam, learning_rate: 0.01}
train: {epochs: 3, batch_size: 8}
checkpoint: {every_steps: 4}
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    soundfile = pytest.importorskip("soundfile")
    folder = tmp_path_factory.mktemp("sounds")
    random = np.random.RandomState(0)
    for number in range(40):
        file = folder / "sounds" / "ab"[number % 2] / f"{number}.wav"
        file.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(file, random.uniform(-0.5, 0.5, random.randint(300, 700)), 1_000)
    (folder / "small.yaml").write_text(CONFIG)
    return folder


def fit(place, *overrides, resumed=None):
    config = experiments.load(place / "small.yaml", list(overrides))
    summary = trainer.fit(config, Reporter(quiet=True), place / "runs", Resume(resumed))
    return Run(Path(summary["run"]))


@pytest.fixture(scope="module")
def whole(place):
    return fit(place)


def test_a_run_that_was_stopped_ends_bit_for_bit_as_one_that_was_not(place, whole):
    part = fit(place, "train.steps=6", "train.epochs=none")
    resumed = fit(place, resumed=part)
    one, other = (store.load(run, "last").arrays for run in (whole, resumed))
    assert one.keys() == other.keys()
    assert [key for key in one if not np.array_equal(one[key], other[key])] == []


def test_masks_are_seen_in_training(place, whole):
    without = fit(place, "augment=[{name: speed}, {name: white_noise}, {name: gain}, {name: time_shift}]")
    one, other = (
        [value for key, value in store.load(run, "last").arrays.items() if "kernel" in key] for run in (whole, without)
    )
    assert one and not any(np.array_equal(*each) for each in zip(one, other, strict=True))


def test_preview_shows_clips_before_and_after_with_masks_on_them(place):
    config = experiments.load(place / "small.yaml", [])
    _, page = preview.collect(config, load(config), start(config, Reporter(quiet=True)))
    (panel,) = [panel for row in page.rows for panel in row.panels if isinstance(panel, Pictures)]
    heading = next(row.heading for row in page.rows if panel in row.panels)
    assert "after spec_augment, speed, white_noise, gain, time_shift" in heading
    assert len(panel.raw) == len(panel.seen)
    flat = [np.any(np.ptp(each.astype(int), axis=1) == 0) for each in panel.seen]
    assert sum(flat) > len(flat) // 2  # a hidden band is the same all along
    assert not any(np.any(np.ptp(each.astype(int), axis=1) == 0) for each in panel.raw)


def test_a_network_that_does_not_begin_with_the_front_end_is_refused_by_name(place, tensorflow, monkeypatch):
    import keras

    from dltrain.models.cnn import CNN

    def build(self, data):
        inputs = data.inputs()
        return keras.Model(inputs, data.head(inputs))

    monkeypatch.setattr(CNN, "build", build)
    config = experiments.load(place / "small.yaml", [])
    with pytest.raises(ConfigError, match=r"name cnn does not begin with data.preprocess\(inputs\), .* spec_augment"):
        config.build_model(load(config).spec)
