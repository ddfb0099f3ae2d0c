"""Image files of every format as Pillow reads and shrinks them."""

import io

import numpy as np
import pytest
from PIL import Image

from dltrain.features._images.decoding import Decoding

FORMATS = {
    "jpeg": {"format": "JPEG", "quality": 98, "subsampling": 0},
    "jpeg of halved colours": {"format": "JPEG", "quality": 98, "subsampling": 2},
    "png": {"format": "PNG"},
    "gif": {"format": "GIF"},
    "webp": {"format": "WEBP", "lossless": True},
    "bmp": {"format": "BMP"},
}


def encoded(image, **options):
    file = io.BytesIO()
    image.save(file, **options)
    return file.getvalue()


def noisy(height, width):
    """Returns a grey image of nothing but noise, for which every other filter is another image."""
    noise = np.random.RandomState(0).normal(128, 55, (height, width, 1))
    return Image.fromarray(np.clip(noise, 0, 255).astype(np.uint8).repeat(3, axis=2))


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("resize", ["stretch", "crop", "fit"])
def test_every_format_shrinks_as_pillow_and_tensorflow_do_with_antialiasing(tensorflow, name, resize):
    content = encoded(noisy(120, 180), **FORMATS[name])
    picture = Image.open(io.BytesIO(content)).convert("RGB")
    differences = {}
    for factor in (1, 1.25, 1.5, 2, 2.5, 3, 4, 5, 6, 7.5, 10):
        height, width = round(120 / factor), round(180 / factor)
        expected = np.asarray(picture.resize((width, height), Image.Resampling.BILINEAR), int)
        tensorflows = tensorflow.image.resize(np.asarray(picture), (height, width), antialias=True).numpy()
        for fast in (False, True):
            found = Decoding(height, width, 3, resize, fast).decoded(content).astype(int)
            differences[factor, fast] = [np.abs(found - other) for other in (expected, tensorflows)]
    exact = {key: max(each.max() for each in pair) for key, pair in differences.items() if not key[1]}
    assert max(exact.values()) <= 1.5, exact
    fast = {key: (pair[0].mean(), pair[0].max()) for key, pair in differences.items() if key[1]}
    mean, most = (2.5, 12) if name.startswith("jpeg") else (0.5, 1)
    assert max(each[0] for each in fast.values()) <= mean, fast
    assert max(each[1] for each in fast.values()) <= most, fast


@pytest.mark.parametrize("size", [(60, 300), (240, 75), (240, 300), (119, 151)])
def test_a_side_that_grows_is_sampled_while_the_other_shrinks(tensorflow, size):
    picture = noisy(120, 150)
    expected = np.asarray(picture.resize(size[::-1], Image.Resampling.BILINEAR), int)
    found = Decoding(*size, 3, "stretch", fast=True).decoded(encoded(picture, format="PNG"))
    np.testing.assert_allclose(found, expected, atol=1)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("resize", ["stretch", "crop", "fit"])
def test_decoding_a_jpeg_at_a_part_of_its_size_moves_no_edge(tensorflow, orientation, resize):
    """Of sides that are no multiple of 8 the decoder gives up to 7 pixels more than there are."""
    board = np.indices((402, 603)) // 90 % 2 * 250
    image = Image.fromarray((board[0] ^ board[1]).astype(np.uint8))
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encoded(image, format="JPEG", quality=95, exif=exif.tobytes())
    for size in ((16, 24), (23, 31), (48, 40)):
        fast, full = (Decoding(*size, 1, resize, fast).decoded(content).astype(int) for fast in (True, False))
        assert np.abs(fast - full).mean() <= 2.5
        assert np.abs(fast - full).max() <= 24  # 75 where the sides are taken for multiples
