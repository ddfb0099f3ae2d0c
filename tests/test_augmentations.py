import numpy as np
import pytest

from dltrain.augmentations import Flip, PadAndCrop
from dltrain.data import DataSpec
from dltrain.registry import AUGMENTATIONS

IMAGES = np.random.RandomState(0).randint(0, 256, (32, 6, 5, 3)).astype(np.float32)
SPEC = DataSpec((6, 5, 3), ("a", "b"), (10.25, 20.5, 30.125), (1.0, 1.0, 1.0))


def apply(tensorflow, augmentation, images=IMAGES, seed=(1, 2), spec=SPEC) -> np.ndarray:
    augment = tensorflow.function(augmentation.build(spec))
    return augment(tensorflow.constant(images), tensorflow.constant(seed, tensorflow.int32)).numpy()


@pytest.mark.parametrize("name", AUGMENTATIONS.names())
def test_the_same_seed_gives_the_same_change_and_another_seed_another(tensorflow, name):
    first, again, other, third = (
        apply(tensorflow, AUGMENTATIONS[name](), seed=seed) for seed in ((1, 2), (1, 2), (1, 3), (2, 2))
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert not np.array_equal(first, third)


@pytest.mark.parametrize("name", AUGMENTATIONS.names())
def test_xla_makes_the_same_images(tensorflow, name):
    augment = AUGMENTATIONS[name]().build(SPEC)
    images, seed = tensorflow.constant(IMAGES), tensorflow.constant([3, 4])
    compiled = tensorflow.function(augment, jit_compile=True, autograph=False)
    np.testing.assert_array_equal(compiled(images, seed), augment(images, seed))


@pytest.mark.parametrize("name", AUGMENTATIONS.names())
def test_shape_and_type_are_kept_for_any_batch(tensorflow, name):
    for count in (1, 7):
        images = apply(tensorflow, AUGMENTATIONS[name](), IMAGES[:count])
        assert (images.shape, images.dtype) == ((count, 6, 5, 3), np.float32)


@pytest.mark.parametrize("name", AUGMENTATIONS.names())
def test_vectors_are_refused(name):
    with pytest.raises(ValueError, match=rf"^name {name} needs images .* shape \(784,\)"):
        AUGMENTATIONS[name]().check(DataSpec((784,)))
    AUGMENTATIONS[name]().check(SPEC)


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
    flipped = apply(tensorflow, Flip(), images, spec=DataSpec((1, 2, 1)))
    assert abs(flipped[:, 0, 0, 0].mean() - 0.5) < 0.04  # five standard deviations


@pytest.mark.parametrize("mean", [SPEC.mean, None])
def test_crops_are_windows_of_the_image_padded_with_the_mean(tensorflow, mean):
    spec = DataSpec((6, 5, 3), mean=mean)
    padded = np.tile(np.array(mean or (0, 0, 0), np.float32), (len(IMAGES), 10, 9, 1))
    padded[:, 2:8, 2:7] = IMAGES
    for whole, crop in zip(padded, apply(tensorflow, PadAndCrop(padding=2), spec=spec), strict=True):
        windows = [whole[top : top + 6, left : left + 5] for top in range(5) for left in range(5)]
        assert any(np.array_equal(crop, window) for window in windows)


def test_every_shift_happens_and_equally_often(tensorflow):
    images = np.zeros((4500, 5, 5, 1), np.float32)
    images[:, 2, 2] = 1
    crops = apply(tensorflow, PadAndCrop(padding=1), images, spec=DataSpec((5, 5, 1)))
    counts = crops[..., 0].sum(axis=0)[1:4, 1:4]
    assert counts.sum() == 4500
    assert abs(counts - 500).max() < 106  # five standard deviations
