import colorsys

import numpy as np
import pytest
from specs import data_spec

from dltrain.augmentations import Augmentation, _colours, _operations, _sampling, mixing
from dltrain.augmentations.colour import Brightness, Contrast, Grayscale, Hue, Saturation
from dltrain.augmentations.flips_and_crops import Flip, PadAndCrop
from dltrain.augmentations.geometry import RandomResizedCrop, Rotate, Translate, Zoom
from dltrain.augmentations.mixing import CutMix, Mixup
from dltrain.augmentations.noise_and_erasing import Noise, RandomErasing
from dltrain.augmentations.policies import RandAugment, TrivialAugment
from dltrain.data import Batch, DataSpec, Feature, Features
from dltrain.data.random_draws import sharing
from dltrain.features.audio import Audio
from dltrain.features.image import Image
from dltrain.features.table import Column
from dltrain.features.vector import Vector
from dltrain.registry import AUGMENTATIONS

IMAGES = np.random.RandomState(0).randint(0, 256, (32, 6, 5, 3)).astype(np.float32)
SPEC = data_spec((6, 5, 3), ("a", "b"), (10.25, 20.5, 30.125), (1.0, 1.0, 1.0))
TARGETS = np.eye(2, dtype=np.float32)[np.arange(32) // 2 % 2]
OF_BOXES = {"iou_crop", "mosaic", "mixup_boxes"}
"""Those that need boxes: tests/test_box_augmentations.py."""

OF_IMAGES = [
    name for name in AUGMENTATIONS.names() if Audio not in AUGMENTATIONS[name].accepts and name not in OF_BOXES
]
MIXING = [name for name in OF_IMAGES if getattr(AUGMENTATIONS[name], "mixes", False)]
EXACT = {"flip", "pad_and_crop", "translate", "noise", "random_erasing"}
"""What moves pixels or paints over them by whole numbers: the same bits, compiled or not."""


def function(augmentation, spec=SPEC, targets=TARGETS):
    """Returns the augmentation as a function of (images, seed) that returns images, whether it mixes or not."""
    change = augmentation.build(spec)
    return lambda images, seed: change(Batch(images, targets[: images.shape[0]]), seed).inputs


def apply(tensorflow, augmentation, images=IMAGES, seed=(1, 2), spec=SPEC) -> np.ndarray:
    augment = tensorflow.function(function(augmentation, spec), autograph=False)
    return augment(tensorflow.constant(images), tensorflow.constant(seed, tensorflow.int32)).numpy()


@pytest.mark.parametrize("name", OF_IMAGES)
def test_the_same_seed_gives_the_same_change_and_another_seed_another(tensorflow, name):
    # Compiled, as training does it: of kernels that share their work among threads the last bit may differ.
    augment = tensorflow.function(function(AUGMENTATIONS[name](), SPEC), jit_compile=True, autograph=False)
    seeds = [tensorflow.constant(seed) for seed in ((1, 2), (1, 2), (1, 3), (2, 2))]
    first, again, other, third = (augment(tensorflow.constant(IMAGES), seed).numpy() for seed in seeds)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert not np.array_equal(first, third)


@pytest.mark.parametrize("name", OF_IMAGES)
@pytest.mark.parametrize("shape", [(32, 6, 5, 3), (2, 64, 96, 3)], ids=["small", "large"])
def test_xla_makes_the_same_images(tensorflow, name, shape):
    images = tensorflow.constant(np.random.RandomState(1).randint(0, 256, shape).astype(np.float32))
    augment = function(AUGMENTATIONS[name](), data_spec(shape[1:], ("a", "b"), SPEC.input.mean))
    seed = tensorflow.constant([3, 4])
    compiled = tensorflow.function(augment, jit_compile=True, autograph=False)(images, seed)
    plain = augment(images, seed)
    if name in EXACT:
        np.testing.assert_array_equal(compiled, plain)
    else:
        np.testing.assert_allclose(compiled, plain, atol=1e-3 if shape[1] == 6 else 1e-2, rtol=0)


@pytest.mark.parametrize("name", [name for name in OF_IMAGES if name not in MIXING])
def test_devices_that_share_a_batch_change_each_example_as_one_would(tensorflow, name):
    whole = apply(tensorflow, AUGMENTATIONS[name](), IMAGES)
    shares = []
    for number in range(4):
        with sharing(number, 4):
            shares.append(apply(tensorflow, AUGMENTATIONS[name](), IMAGES[8 * number : 8 * number + 8]))
    np.testing.assert_allclose(np.concatenate(shares), whole, atol=1e-3, rtol=0)


@pytest.mark.parametrize("name", OF_IMAGES)
def test_shape_type_and_range_are_kept_for_any_batch(tensorflow, name):
    for count in (1, 7, 32):
        images = apply(tensorflow, AUGMENTATIONS[name](), IMAGES[:count])
        assert (images.shape, images.dtype) == ((count, 6, 5, 3), np.float32)
        assert images.min() >= 0
        assert images.max() <= 255


@pytest.mark.parametrize("name", OF_IMAGES)
def test_images_of_a_batch_have_draws_of_their_own(tensorflow, name):
    images = np.tile(IMAGES[:1], (32, 1, 1, 1))
    if name in MIXING:
        images[::2] = 255 - images[::2]
    images = apply(tensorflow, AUGMENTATIONS[name](), images)
    assert len(np.unique(images, axis=0)) >= (2 if name in ("flip", "grayscale") else 6)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", OF_IMAGES)
def test_grey_images_and_tiny_ones_are_taken_or_refused(tensorflow, name, channels):
    spec = data_spec((1, 2, channels), ("a", "b"))
    settings = {"padding": 1} if name == "pad_and_crop" else {}
    augmentation = AUGMENTATIONS[name](**settings)
    if channels == 1 and name in ("saturation", "hue", "grayscale"):
        with pytest.raises(ValueError, match=rf"^name {name} needs images in colour \(3 channels\), .* \(1, 2, 1\)"):
            augmentation.check(spec)
        return
    augmentation.check(spec)
    images = apply(tensorflow, augmentation, IMAGES[:, :1, :2, :channels], spec=spec)
    assert images.shape == (32, 1, 2, channels)
    assert np.isfinite(images).all()


@pytest.mark.parametrize("name", sorted(set(OF_IMAGES) - {"mixup"}))
def test_vectors_are_refused(name):
    with pytest.raises(ValueError, match=rf"^name {name} needs images .* shape \(784,\)"):
        AUGMENTATIONS[name]().check(data_spec((784,)))
    AUGMENTATIONS[name]().check(SPEC)


@pytest.mark.parametrize(
    "augmentation",
    [
        Rotate(degrees=0),
        Translate(height=0, width=0),
        Zoom(scale=(1, 1)),
        RandomResizedCrop(area=(1, 1), aspect_ratio=(5 / 6, 5 / 6)),
        Brightness(factor=0),
        Contrast(factor=0),
        Saturation(factor=0),
        Hue(degrees=0),
        Grayscale(probability=0),
        Noise(deviation=0),
        RandomErasing(probability=0),
        RandAugment(magnitude=0),
        Mixup(probability=0),
        CutMix(probability=0),
    ],
    ids=str,
)
def test_settings_that_say_nothing_change_nothing(tensorflow, augmentation):
    images = IMAGES
    if isinstance(augmentation, RandAugment):  # two of its operations have no magnitude: images that they leave alone
        images = np.tile(np.array([0, 255], np.float32).reshape(1, 1, 2, 1), (32, 6, 3, 3))[:, :, :5]
    atol = 1e-3 if isinstance(augmentation, Hue | RandomResizedCrop) else 0
    np.testing.assert_allclose(apply(tensorflow, augmentation, images), images, atol=atol, rtol=0)


@pytest.mark.parametrize(
    ("cls", "key"), [(Zoom, "scale"), (RandomResizedCrop, "area"), (RandomErasing, "aspect_ratio")]
)
def test_bounds_stand_in_order(cls, key):
    with pytest.raises(ValueError, match=rf"^{key} must be the smallest and the largest value.* got \[0.9, 0.5\]"):
        cls(**{key: (0.9, 0.5)})


def turned(tensorflow, images, maps, fill=0.0):
    return _sampling.moved(tensorflow.constant(images), maps, fill).numpy()


def test_a_quarter_turn_is_counter_clockwise(tensorflow):
    images = np.arange(2 * 4 * 4 * 3, dtype=np.float32).reshape(2, 4, 4, 3)
    angles = tensorflow.constant([np.pi / 2, -np.pi / 2], tensorflow.float32)
    rotated = turned(tensorflow, images, _sampling.rotation(angles))
    np.testing.assert_allclose(rotated[0], np.rot90(images[0]), atol=1e-3)
    np.testing.assert_allclose(rotated[1], np.rot90(images[1], -1), atol=1e-3)


def test_half_a_pixel_is_the_mean_of_two_and_the_rest_is_filled(tensorflow):
    image = np.array([10, 20, 40], np.float32).reshape(1, 1, 3, 1)
    half = _sampling.maps_of(f=0.5, like=tensorflow.zeros(1))
    np.testing.assert_array_equal(turned(tensorflow, image, half, 100.0).ravel(), [15, 30, 70])
    np.testing.assert_array_equal(turned(tensorflow, image, half, "nearest").ravel(), [15, 30, 40])
    far = _sampling.maps_of(f=1e12, like=tensorflow.zeros(1))
    np.testing.assert_array_equal(turned(tensorflow, image, far, 7.0).ravel(), [7, 7, 7])


def test_shifts_are_whole_pixels_and_all_of_them_happen(tensorflow):
    spec, images = data_spec((5, 10, 1)), np.zeros((400, 5, 10, 1), np.float32)
    images[:, 2, 5] = 200
    shifted = apply(tensorflow, Translate(height=0.2, width=0.3), images, spec=spec)
    places = {tuple(np.argwhere(image[..., 0] == 200)[0]) for image in shifted}
    assert places == {(row, column) for row in range(1, 4) for column in range(2, 9)}
    assert set(np.unique(shifted)) == {0, 200}


def test_zoom_shows_the_middle_larger(tensorflow):
    image = np.zeros((1, 4, 4, 1), np.float32)
    image[:, 1:3, 1:3] = 100
    larger = apply(tensorflow, Zoom(scale=(2, 2), fill="nearest"), image, spec=data_spec((4, 4, 1)))
    np.testing.assert_allclose(larger[0, 1:3, 1:3, 0], 100, atol=1e-3)
    np.testing.assert_allclose(larger[0, 0, 0, 0], 56.25, atol=1e-3)  # 3/4 of the way along both axes
    smaller = apply(tensorflow, Zoom(scale=(0.5, 0.5), fill=9), image, spec=data_spec((4, 4, 1)))
    np.testing.assert_allclose(smaller[0, 0, :, 0], 9, atol=1e-3)


def test_crops_are_windows_of_the_area_asked_for(tensorflow):
    """On a ramp the slope tells the window's side, the mean its place."""
    spec, side = data_spec((40, 60, 2)), np.arange(60, dtype=np.float32)
    images = np.stack(np.broadcast_arrays(side[:40, None], side[None, :]), axis=-1)[None].repeat(300, axis=0)
    crops = apply(tensorflow, RandomResizedCrop(area=(0.25, 0.5), aspect_ratio=(0.5, 2.0)), images, spec=spec)
    heights, widths = 40 * np.diff(crops[:, 19:21, 0, 0])[:, 0], 60 * np.diff(crops[:, 0, 29:31, 1])[:, 0]
    shares = heights * widths / 2400
    ratios = widths / heights
    fits = (heights < 39.9) & (widths < 59.9)
    assert shares[fits].min() > 0.249
    assert shares.max() < 0.501
    assert ratios.min() > 0.499
    assert ratios.max() < 2.001
    assert abs(shares[fits].mean() - 0.375) < 0.02
    assert 0.5 < ratios.min() < 0.6
    assert 1.8 < ratios.max() < 2.001
    assert crops.min() >= 0
    assert crops[..., 1].max() <= 59


def test_contrast_and_brightness_and_saturation_are_what_they_say(tensorflow):
    seen = {cls: apply(tensorflow, cls(factor=0.5), IMAGES * 0.25 + 64) for cls in (Brightness, Contrast, Saturation)}
    images = IMAGES * 0.25 + 64
    luma = images @ np.array(_colours.RED_GREEN_BLUE, np.float32)
    middles = {Brightness: 0, Contrast: luma.mean(axis=(1, 2))[:, None, None, None], Saturation: luma[..., None]}
    for cls, middle in middles.items():
        factors = ((seen[cls] - middle) / (images - middle)).reshape(32, -1)
        factor = np.median(factors, axis=1)
        assert 0.5 <= factor.min() < 0.6
        assert 1.4 < factor.max() <= 1.5
        expected = middle + factor[:, None, None, None] * (images - middle)
        np.testing.assert_allclose(seen[cls], expected, atol=0.01)


@pytest.mark.parametrize("degrees", [0, 30, 120, 180, -77])
def test_hues_turn_as_in_the_standard_library(tensorflow, degrees):
    pixels = np.random.RandomState(2).randint(0, 256, (1, 6, 6, 3)).astype(np.float32)
    pixels[0, 0] = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [7, 7, 7], [0, 0, 0], [255, 255, 255]]
    turns = tensorflow.constant([degrees / 360], tensorflow.float32)[:, None, None]
    measured = _colours.turned_hue(tensorflow.constant(pixels), turns).numpy()
    for before, after in zip(pixels.reshape(-1, 3), measured.reshape(-1, 3), strict=True):
        hue, saturation, value = colorsys.rgb_to_hsv(*(before.astype(float) / 255))
        expected = colorsys.hsv_to_rgb((hue + degrees / 360) % 1, saturation, value)
        np.testing.assert_allclose(after, np.array(expected) * 255, atol=1e-3)
    if degrees == 180:
        np.testing.assert_allclose(measured[0, 0, 0], [0, 255, 255], atol=1e-3)


def test_grey_images_keep_their_brightness(tensorflow):
    grey = apply(tensorflow, Grayscale(probability=1))
    assert (grey == grey[..., :1]).all()
    np.testing.assert_allclose(grey[..., 0], IMAGES @ np.array(_colours.RED_GREEN_BLUE, np.float32), atol=1e-3)
    count = apply(tensorflow, Grayscale(probability=0.25), np.tile(IMAGES, (32, 1, 1, 1))) != np.tile(
        IMAGES, (32, 1, 1, 1)
    )
    assert abs(count.any(axis=(1, 2, 3)).mean() - 0.25) < 0.07  # five standard deviations


def test_noise_is_normal(tensorflow):
    images = np.full((8, 64, 64, 3), 128, np.float32)
    noise = apply(tensorflow, Noise(deviation=10), images, spec=data_spec((64, 64, 3))) - 128
    assert abs(noise.mean()) < 0.2
    assert abs(noise.std() - 10) < 0.1
    assert abs((np.abs(noise) < 10).mean() - 0.6827) < 0.01
    assert abs(np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1]) < 0.05
    assert abs(np.corrcoef(noise[..., :-1].ravel(), noise[..., 1:].ravel())[0, 1]) < 0.02
    halves = np.split(noise.reshape(8, -1), 2, axis=1)  # from the same words, but other bits of them
    assert abs(np.corrcoef(halves[0].ravel(), halves[1].ravel())[0, 1]) < 0.02


@pytest.mark.parametrize("fill", [7.0, "mean", "random"])
def test_erased_is_one_rectangle_of_the_area_asked_for(tensorflow, fill):
    spec, images = data_spec((30, 20, 3), mean=(1.0, 2.0, 3.0)), np.full((400, 30, 20, 3), 255.5, np.float32)
    erased = apply(tensorflow, RandomErasing(fill=fill), images, spec=spec)
    holes = erased[..., 0] != 255.5
    assert abs(holes.any(axis=(1, 2)).mean() - 0.5) < 0.125  # five standard deviations
    shares = []
    for image, hole in zip(erased, holes, strict=True):
        rows, columns = hole.any(axis=1), hole.any(axis=0)
        np.testing.assert_array_equal(hole, rows[:, None] & columns)
        for line in (rows, columns):
            assert np.abs(np.diff(line.astype(int))).sum() <= 2
        if hole.any():
            shares.append(hole.mean())
            ratio = rows.sum() / columns.sum()
            assert 0.2 < ratio < 5
            if fill != "random":
                assert (image[hole] == (fill if fill == 7.0 else [1, 2, 3])).all()
    assert 0.01 < min(shares) < 0.05
    assert 0.35 < max(shares) < 0.43
    if fill == "random":
        paint = erased[holes]
        assert abs(paint.mean() - 127.5) < 2
        assert (paint.min(), paint.max()) == (0, 255)


def operate(tensorflow, images, name, strength, fill=0.0):
    chosen = np.full(len(images), _operations.OPERATIONS.index(name), np.int32)
    return _operations.operated(
        tensorflow.constant(images), chosen, np.full(len(images), strength, np.float32), fill
    ).numpy()


def test_the_operations_are_the_papers():
    assert len(_operations.OPERATIONS) == 14
    assert len(_operations.SIGNED) == 9


@pytest.mark.parametrize("name", _operations.OPERATIONS)
def test_an_operation_without_strength_changes_nothing(tensorflow, name):
    images = IMAGES if name not in ("autocontrast", "equalize") else np.full((3, 6, 5, 3), 17, np.float32)
    np.testing.assert_array_equal(operate(tensorflow, images, name, 0.0), images)


@pytest.mark.parametrize(("lost", "expected"), [(1, [0, 6, 254]), (4, [0, 0, 240]), (6, [0, 0, 192]), (9, [0, 0, 128])])
def test_posterize_drops_the_lowest_bits(tensorflow, lost, expected):
    image = np.array([0, 7, 255], np.float32).reshape(1, 1, 3, 1)
    np.testing.assert_array_equal(operate(tensorflow, image, "posterize", lost).ravel(), expected)


def test_solarize_inverts_the_brightest(tensorflow):
    image = np.array([0, 127, 128, 255], np.float32).reshape(1, 1, 4, 1)
    np.testing.assert_array_equal(operate(tensorflow, image, "solarize", 128).ravel(), [0, 127, 127, 0])
    np.testing.assert_array_equal(operate(tensorflow, image, "solarize", 256).ravel(), [255, 128, 127, 0])


def test_autocontrast_uses_the_whole_range_of_each_channel(tensorflow):
    image = np.stack([[50, 100, 150], [0, 51, 255], [9, 9, 9]], axis=-1).astype(np.float32).reshape(1, 1, 3, 3)
    measured = operate(tensorflow, image, "autocontrast", 0)[0, 0].T
    np.testing.assert_allclose(measured, [[0, 127.5, 255], [0, 51, 255], [9, 9, 9]], atol=1e-3)


def test_equalize_makes_levels_equally_frequent(tensorflow):
    image = np.array([10, 10, 11, 12, 13, 200], np.float32).reshape(1, 2, 3, 1)
    measured = operate(tensorflow, image, "equalize", 0)
    np.testing.assert_allclose(measured.ravel(), [0, 0, 63.75, 127.5, 191.25, 255], atol=1e-3)
    photograph = (np.random.RandomState(0).rand(2, 64, 64, 3) ** 3 * 90 + 20).astype(np.float32)
    equal = operate(tensorflow, photograph, "equalize", 0)
    assert (
        np.abs(np.sort(equal[0, ..., 1].ravel()) - np.linspace(0, 255, 4096)).max() < 60
    )  # many share the darkest level
    assert (equal.min(), equal.max()) == (0, 255)


def test_sharpness_is_away_from_the_mean_of_the_neighbours(tensorflow):
    image = np.zeros((1, 3, 4, 1), np.float32)
    image[0, 1, 1] = 130
    blurred = operate(tensorflow, image, "sharpness", -1.0)[0, ..., 0]
    expected = image[0, ..., 0].copy()
    expected[1, 1:3] = [50, 10]  # 5/13 and 1/13; the border stays
    np.testing.assert_allclose(blurred, expected, atol=1e-3)
    np.testing.assert_allclose(operate(tensorflow, image, "sharpness", 0.5)[0, 1, 1, 0], 170, atol=1e-3)


def test_shears_and_translations_move_rows_and_columns(tensorflow):
    image = np.arange(1, 10, dtype=np.float32).reshape(1, 3, 3, 1)
    sheared = operate(tensorflow, image, "shear_x", 1.0)[0, ..., 0]
    np.testing.assert_array_equal(sheared, [[0, 1, 2], [4, 5, 6], [8, 9, 0]])
    np.testing.assert_array_equal(
        operate(tensorflow, image, "shear_y", 1.0)[0, ..., 0], [[0, 2, 6], [1, 5, 9], [4, 8, 0]]
    )
    np.testing.assert_array_equal(
        operate(tensorflow, image, "translate_x", 1)[0, ..., 0], [[2, 3, 0], [5, 6, 0], [8, 9, 0]]
    )
    np.testing.assert_array_equal(
        operate(tensorflow, image, "translate_y", -2)[0, ..., 0], [[0, 0, 0], [0, 0, 0], [1, 2, 3]]
    )
    np.testing.assert_allclose(
        operate(tensorflow, image, "rotate", 90)[0, ..., 0], np.rot90(image[0, ..., 0]), atol=1e-3
    )


def test_color_brightness_and_contrast_blend(tensorflow):
    image = np.array([[200, 100, 0], [100, 100, 100]], np.float32).reshape(1, 1, 2, 3)
    luma = 0.299 * 200 + 0.587 * 100
    np.testing.assert_allclose(operate(tensorflow, image, "color", -1.0)[0, 0, 0], [luma] * 3, atol=1e-3)
    np.testing.assert_allclose(operate(tensorflow, image, "contrast", -1.0), (luma + 100) / 2, atol=1e-3)
    np.testing.assert_allclose(operate(tensorflow, image, "brightness", 0.5)[0, 0, 0], [255, 150, 0], atol=1e-3)


def test_policies_use_all_operations_and_grow_with_the_magnitude(tensorflow, monkeypatch):
    drawn = []
    original = _operations.operated

    def operated(images, chosen, strengths, fill):
        drawn.append((np.asarray(chosen), np.asarray(strengths)))
        return original(images, chosen, strengths, fill)

    monkeypatch.setattr("dltrain.augmentations.policies.operated", operated)
    images = tensorflow.constant(np.tile(IMAGES, (20, 1, 1, 1)))
    RandAugment(operations=3, magnitude=5).build(SPEC)(Batch(images, None), tensorflow.constant([1, 2]))
    TrivialAugment().build(SPEC)(Batch(images, None), tensorflow.constant([1, 2]))
    assert len(drawn) == 4
    for index, (chosen, strengths) in enumerate(drawn):
        counts = np.bincount(chosen, minlength=14)
        assert abs(counts - 640 / 14).max() < 33  # five standard deviations
        turns = strengths[chosen == _operations.OPERATIONS.index("rotate")]
        assert set(np.sign(turns)) >= {-1, 1}
        expected = {15.0} if index < 3 else [pytest.approx(4.5 * level, rel=1e-5) for level in range(31)]
        assert all(any(abs(turn) == value for value in expected) for turn in turns)
        assert (strengths[chosen == 0] == 0).all()
    assert not np.array_equal(drawn[0][0], drawn[1][0])


@pytest.mark.parametrize("alpha", [0.2, 1.0, 3.0])
def test_weights_follow_the_beta_distribution(tensorflow, alpha):
    from scipy import stats

    random = np.random.RandomState(0)
    drawn = mixing.beta(alpha, *(random.randint(0, 2**24, 20_000).astype(np.float32) / 2**24 for _ in range(2)))
    places = np.linspace(0.001, 0.999, 99)  # in float32 a part of the largest is 1
    below = (np.asarray(drawn)[:, None] < places).mean(axis=0)
    assert abs(below - stats.beta(alpha, alpha).cdf(places)).max() < 0.0138  # Kolmogorov's 0.1 % for 20,000
    extreme = mixing.beta(0.01, np.zeros(4, np.float32), np.array([0, 0.25, 0.5, 0.75], np.float32))
    assert np.isfinite(extreme).all()


def test_mixup_blends_images_and_targets_alike(tensorflow):
    augment = Mixup(alpha=1).build(SPEC)
    targets = np.eye(32, dtype=np.float32)
    images, shares = (each.numpy() for each in augment(Batch(IMAGES, targets), tensorflow.constant([1, 2]))[:2])
    own = shares.diagonal()
    assert len(np.unique(own)) == 32
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(shares.diagonal(-1), 1 - own[1:], atol=1e-6)
    expected = own[:, None, None, None] * IMAGES + (1 - own)[:, None, None, None] * np.roll(IMAGES, 1, axis=0)
    np.testing.assert_allclose(images, expected, atol=1e-3)
    vectors, *_ = Mixup().build(data_spec((4,)))(Batch(IMAGES[:, 0, :4, 0], targets), tensorflow.constant([1, 2]))
    assert vectors.shape == (32, 4)


def test_cutmix_targets_are_the_shares_of_the_pixels(tensorflow):
    spec, count = data_spec((20, 30, 1)), 64
    images = np.broadcast_to(np.arange(count, dtype=np.float32)[:, None, None, None], (count, 20, 30, 1))
    augment = CutMix().build(spec)
    mixed, shares = (
        each.numpy()
        for each in augment(Batch(images, np.eye(count, dtype=np.float32)), tensorflow.constant([1, 2]))[:2]
    )
    kept = (mixed == images).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(shares.diagonal(), kept, atol=1e-6)
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-6)
    assert kept.min() < 0.3
    assert kept.max() > 0.9
    for own, image in enumerate(mixed[..., 0]):
        hole = image != own
        assert set(image[hole]) <= {(own - 1) % count}
        np.testing.assert_array_equal(hole, hole.any(axis=1)[:, None] & hole.any(axis=0))


def test_padding_beyond_the_image_is_refused():
    PadAndCrop(padding=5).check(SPEC)
    for padding in (6, 3_000_000_000):
        with pytest.raises(ValueError, match=f"^padding must be at most 5, the image's smaller side, got {padding}"):
            PadAndCrop(padding=padding).check(SPEC)


@pytest.mark.parametrize(
    ("direction", "turns"),
    [
        ("horizontal", [(1, 1), (1, -1)]),
        ("vertical", [(1, 1), (-1, 1)]),
        ("both", [(1, 1), (1, -1), (-1, 1), (-1, -1)]),
    ],
)
def test_flips_are_exact_and_all_of_them_happen(tensorflow, direction, turns):
    flipped = apply(tensorflow, Flip(direction=direction))
    seen = set()
    for before, after in zip(IMAGES, flipped, strict=True):
        matching = [turn for turn in turns if np.array_equal(after, before[:: turn[0], :: turn[1]])]
        assert len(matching) == 1
        seen.add(matching[0])
    assert seen == set(turns)


def test_half_of_the_images_are_flipped(tensorflow):
    images = np.tile(np.arange(2, dtype=np.float32).reshape(1, 1, 2, 1), (4000, 1, 1, 1))
    flipped = apply(tensorflow, Flip(), images, spec=data_spec((1, 2, 1)))
    assert abs(flipped[:, 0, 0, 0].mean() - 0.5) < 0.04  # five standard deviations


@pytest.mark.parametrize("mean", [SPEC.input.mean, None])
def test_crops_are_windows_of_the_image_padded_with_the_mean(tensorflow, mean):
    spec = data_spec((6, 5, 3), mean=mean)
    padded = np.tile(np.array(mean or (0, 0, 0), np.float32), (len(IMAGES), 10, 9, 1))
    padded[:, 2:8, 2:7] = IMAGES
    for whole, crop in zip(padded, apply(tensorflow, PadAndCrop(padding=2), spec=spec), strict=True):
        windows = [whole[top : top + 6, left : left + 5] for top in range(5) for left in range(5)]
        assert any(np.array_equal(crop, window) for window in windows)


def test_every_shift_happens_and_equally_often(tensorflow):
    images = np.zeros((4500, 5, 5, 1), np.float32)
    images[:, 2, 2] = 1
    crops = apply(tensorflow, PadAndCrop(padding=1), images, spec=data_spec((5, 5, 1)))
    counts = crops[..., 0].sum(axis=0)[1:4, 1:4]
    assert counts.sum() == 4500
    assert abs(counts - 500).max() < 106  # five standard deviations


def test_mixup_is_refused_where_codes_of_categories_would_be_mixed():
    numbers, kinds = Column("age", "age"), Column("kind", "kind", "category", categories=("x", "y"))
    Mixup().check(data_spec((1,), ("a", "b"), columns=(numbers,)))
    with pytest.raises(ValueError, match="^name mixup needs numbers alone, got categories: 'kind'"):
        Mixup().check(data_spec((2,), ("a", "b"), columns=(numbers, kinds)))


class Boxes(Feature):
    registered_name, shape, has_places = "boxes", (None, 7), True


@pytest.mark.parametrize("name", OF_IMAGES)
def test_what_moves_images_is_refused_by_name_beside_a_target_with_places(name):
    data, augmentation = DataSpec(SPEC.inputs, Features.of(Boxes())), AUGMENTATIONS[name]()
    augmentation.check_places(SPEC)
    if augmentation.moves:
        with pytest.raises(ValueError, match=f"{name} moves what is seen, and would leave boxes in place"):
            augmentation.check_places(data)
        return
    augmentation.check_places(data)


def test_one_that_moves_boxes_too_is_not_refused():
    class Crop(Augmentation):
        accepts, moves = (Image, Boxes), True

    Crop().check_places(DataSpec(SPEC.inputs, Features.of(Boxes())))


def test_of_several_inputs_images_are_changed_in_the_same_way(tensorflow):
    image = Image(shape=(6, 5, 3))
    data = DataSpec(Features(left=image, right=image, numbers=Vector(shape=(3,))), SPEC.targets)
    numbers = np.ones((32, 3), np.float32)
    inputs = {"left": IMAGES, "right": IMAGES + 1, "numbers": numbers}
    found = Flip().build(data)(Batch(inputs, TARGETS), tensorflow.constant([1, 2]))
    np.testing.assert_array_equal(found.inputs["right"], found.inputs["left"] + 1)
    assert not np.array_equal(found.inputs["left"], IMAGES)
    assert found.inputs["numbers"] is numbers
    mixed = Mixup(alpha=1).build(data)(Batch(inputs, TARGETS), tensorflow.constant([1, 2]))
    np.testing.assert_allclose(mixed.inputs["right"], mixed.inputs["left"] + 1, atol=1e-3)
    with pytest.raises(ValueError, match="cutmix needs images alone"):
        CutMix().check(DataSpec(Features(left=image, numbers=Vector(shape=(3,))), SPEC.targets))
