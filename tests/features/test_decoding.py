"""Image files of every format as Pillow reads and shrinks them."""

import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageOps, PngImagePlugin

from dltrain.features._images.decoding import Decoding
from dltrain.features._images.headers import read_header

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


SIDES = (18, 27)
GREY = np.random.RandomState(1).randint(60, 200, (3, 3)).astype(np.uint8).repeat(6, axis=0).repeat(9, axis=1)
COLOURS = Image.fromarray(np.dstack([GREY, 255 - GREY.T.reshape(SIDES), np.roll(GREY, 9, axis=1)]))
OPACITY = Image.fromarray((np.indices(SIDES).sum(axis=0) * 5 % 256).astype(np.uint8))


def with_opacity(mode):
    """Returns an image of the mode that is clear in places, in others only nearly."""
    image = COLOURS.convert(mode.rstrip("A"))
    image.putalpha(OPACITY)
    return image


def of_palette(count):
    return COLOURS.quantize(count)


MODES = {
    "colour": lambda: COLOURS,
    "grey": lambda: COLOURS.convert("L"),
    "black and white": lambda: COLOURS.convert("1"),
    "palette": lambda: of_palette(64),
    "palette of 4": lambda: of_palette(4),
    "colour with opacity": lambda: with_opacity("RGBA"),
    "grey with opacity": lambda: with_opacity("LA"),
    "one colour clear": lambda: of_palette(16),
    "inks": lambda: COLOURS.convert("CMYK"),
}
OPTIONS = {
    "jpeg": {"format": "JPEG", "quality": 98, "subsampling": 0},
    "progressive jpeg": {"format": "JPEG", "quality": 98, "progressive": True},
    "png": {"format": "PNG"},
    "gif": {"format": "GIF", "interlace": 0},
    "interlaced gif": {"format": "GIF", "interlace": 1},
    "lossless webp": {"format": "WEBP", "lossless": True},
    "webp": {"format": "WEBP", "quality": 95},
    "bmp": {"format": "BMP"},
}
WITHOUT = {  # what Pillow cannot write, or dltrain refuses by name
    *((kind, mode) for kind in ("jpeg", "progressive jpeg") for mode in MODES if "opacity" in mode or "clear" in mode),
    *((kind, mode) for kind in ("jpeg", "progressive jpeg") for mode in MODES if "palette" in mode),
    *((kind, "inks") for kind in OPTIONS if "jpeg" not in kind),
    *(("bmp", mode) for mode in MODES if not mode.startswith("colour")),
}
ALL = [(kind, mode) for kind in OPTIONS for mode in MODES if (kind, mode) not in WITHOUT]


def seen(content):
    """Returns what Pillow shows of the first frame of a file before white, (height, width, 3)."""
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(content)))
    white = Image.new("RGBA", image.size, "white")
    return np.asarray(Image.alpha_composite(white, image.convert("RGBA")).convert("RGB"), int)


def decoded(content, channels=3):
    height, width = read_header(content)[0].upright
    return Decoding(height, width, channels, "crop", fast=True).decoded(content).astype(int)


def assert_as_seen(content, within=1):
    np.testing.assert_allclose(decoded(content), seen(content), atol=within)
    grey = seen(content) @ [0.299, 0.587, 0.114]
    np.testing.assert_allclose(decoded(content, channels=1)[..., 0], grey, atol=within + 1)


@pytest.mark.parametrize(("kind", "mode"), ALL)
def test_every_format_shows_what_pillow_shows_before_white(tensorflow, kind, mode):
    clear = {"transparency": 3} if "clear" in mode else {}
    content = encoded(MODES[mode](), **OPTIONS[kind], **clear)
    assert_as_seen(content, within=2 if kind == "webp" else 1)


@pytest.mark.parametrize("kind", ["jpeg", "png", "lossless webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_format_with_exif_is_turned_as_pillow_turns_it(tensorflow, kind, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = COLOURS if kind == "jpeg" else with_opacity("RGBA")
    assert_as_seen(encoded(image, **OPTIONS[kind], exif=exif.tobytes()))


@pytest.mark.parametrize("kind", ["gif", "lossless webp", "webp", "png"])
def test_of_several_frames_the_first_is_seen(tensorflow, kind):
    frames = [with_opacity("RGBA"), Image.new("RGBA", SIDES[::-1], "red")]
    if kind == "gif":
        frames = [of_palette(16), Image.new("P", SIDES[::-1], 1)]
    clear = {"transparency": 3} if kind == "gif" else {}
    content = encoded(frames[0], **OPTIONS[kind], save_all=True, append_images=frames[1:], **clear)
    assert Image.open(io.BytesIO(content)).n_frames == 2
    assert_as_seen(content, within=2 if kind == "webp" else 1)


@pytest.mark.parametrize("bits", [1, 2, 4, 16])
def test_a_png_of_any_depth_is_read(tensorflow, bits):
    if bits == 16:
        values = np.random.RandomState(2).randint(0, 2**16, SIDES).astype(np.uint16)
        found = decoded(encoded(Image.fromarray(values), format="PNG"))
        np.testing.assert_array_equal(found, (values >> 8)[..., None].repeat(3, axis=2))
    else:
        assert_as_seen(encoded(of_palette(2**bits), format="PNG", bits=bits))


@pytest.mark.parametrize("transparency", [bytes([0, 90, 255]), 2])
def test_a_palette_of_a_png_may_be_clear_in_part(tensorflow, transparency):
    assert_as_seen(encoded(of_palette(8), format="PNG", transparency=transparency))


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_one_colour_of_a_png_may_be_clear(tensorflow, mode):
    image = COLOURS.convert(mode)
    assert_as_seen(encoded(image, format="PNG", transparency=image.getpixel((0, 0))))


def test_what_a_png_says_of_its_gamma_is_not_applied(tensorflow):
    known = PngImagePlugin.PngInfo()
    known.add(b"gAMA", struct.pack(">I", 100_000))
    assert_as_seen(encoded(COLOURS, format="PNG", pnginfo=known))


@pytest.mark.parametrize("local", [False, True])
@pytest.mark.parametrize("corner", [(0, 0), (2, 5)])
def test_a_gif_is_laid_on_white_where_it_is_clear_and_around_its_frame(tensorflow, local, corner):
    content = encoded(of_palette(16), format="GIF", transparency=3, interlace=0)
    assert content[13 + 48 :].startswith(b"!\xf9\x04")  # 16 colours, then which of them is clear
    palette, rest = content[13 : 13 + 48], content[13 + 48 :]
    at = rest.index(b",") + 1
    place = struct.pack("<HHHH", *corner[::-1], *SIDES[::-1])
    if local:
        other = bytes(range(48))
        content = content[:13] + other + rest[:at] + place + b"\x83" + palette + rest[at + 9 :]
    else:
        content = content[:13] + palette + rest[:at] + place + rest[at + 8 :]
    whole = content[:6] + struct.pack("<HH", SIDES[1] + 7, SIDES[0] + 4) + content[10:]
    found = decoded(whole)
    assert found.shape == (SIDES[0] + 4, SIDES[1] + 7, 3)
    assert (found == 255).all(axis=2).sum() > found.shape[0] * found.shape[1] - SIDES[0] * SIDES[1]
    assert_as_seen(whole)


@pytest.mark.parametrize("is_upside_down", [False, True])
@pytest.mark.parametrize("has_opacity", [False, True])
def test_a_bmp_with_a_mask_for_opacity_is_laid_on_white(tensorflow, is_upside_down, has_opacity):
    pixels = np.asarray(with_opacity("RGBA"))[..., [2, 1, 0, 3]]
    height, width = SIDES
    masks = struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000 if has_opacity else 0)
    header = struct.pack("<IiiHHI", 108, width, -height if is_upside_down else height, 1, 32, 3) + bytes(20) + masks
    body = (pixels if is_upside_down else pixels[::-1]).tobytes()
    content = b"BM" + struct.pack("<IHHI", 14 + 108 + len(body), 0, 0, 14 + 108) + header.ljust(108, b"\0") + body
    assert_as_seen(content)
