"""What image files say of themselves: WebP still and moving, which way up, what is transparent, inks for colours."""

import base64
import struct
import tracemalloc
import zlib

import numpy as np
import pytest

from dltrain.errors import DataError
from dltrain.features._images.decoding import Decoding
from dltrain.features._images.headers import read_header

RED, GREEN, BLUE, YELLOW = (250, 20, 20), (20, 250, 20), (20, 20, 250), (240, 240, 20)
QUARTERS = np.array([[RED, GREEN], [BLUE, YELLOW]], np.uint8).repeat(8, axis=0).repeat(8, axis=1)
FILES = {
    "lossy": "UklGRkYAAABXRUJQVlA4IDoAAAAQAgCdASoQABAAAMASJaACdLoB+AH6gAPIAP7N7//4z/9C///h1xf+3Zaume7/5oN//PWRBsWu9AAA",
    "lossless": "UklGRkIAAABXRUJQVlA4TDUAAAAvD8ADAB8gECAmJPjPkqBFSEDIsv/LjBELJuPIn7Jr/oMeeRQQZhtNcpKTvPcZRPQ/Nv2gPgA=",
    "moving": (
        "UklGRugAAABXRUJQVlA4WAoAAAACAAAADwAADwAAQU5JTQYAAAAAAAAAAABBTk1GXAAAAAAAAAAAAA8AAA8AAGQAAAJWUDggRAAAAPABAJ0BKh"
        "AAEAAAwBIloAADXzP8U+Y3AAD++mNxzXXRr+eBf/AHT7//7dn//2Yp//z1n/5oN///nrP//hGX+hrHQAAAQU5NRlgAAAAAAAAAAAAPAAAPAABk"
        "AAAAVlA4IEAAAAD0AQCdASoQABAAAAASJaAAA18z/UFdKAAA/v9XGL/1KbYxIv//89Z//80G//12f/sxT//5Bj/Jd//z1n/4OsAA"
    ),
    "lossy, half transparent": (
        "UklGRn4AAABXRUJQVlA4WAoAAAAQAAAADwAADwAAQUxQSBsAAAABFyAQSJLdH2GNiAgHgQBh0qRTBxH9nwCthx0AVlA4IDwAAAAQAgCdASoQAB"
        "AAAMASJaACdLoB+AH6gAPIAP74o///Sj//3o8//6QUX/t2Wrpnu/+es//z1kQbFrxGAAA="
    ),
    "lossless, half transparent": (
        "UklGRjoAAABXRUJQVlA4TC4AAAAvD8ADEBcgEEiC2B9vJrFgMo78KbuGQiCQJLs/wgH9EwQChEmTTh1E9H8CtB52"
    ),
    "lossless, turned": (
        "UklGRnYAAABXRUJQVlA4WAoAAAAIAAAADwAADwAAVlA4TDUAAAAvD8ADAB8gECAmJPjPkqBFSEDIsv/LjBELJuPIn7Jr/oMeeRQQZhtNcpKTvPcZ"
        "RPQ/Nv2gPgBFWElGGgAAAE1NACoAAAAIAAEBEgADAAAAAQAGAAAAAAAA"
    ),
    "cmyk": (
        "/9j/7gAOQWRvYmUAZAAAAAAA/9sAQwADAgIDAgIDAwMDBAMDBAUIBQUEBAUKBwcGCAwKDAwLCgsLDQ4SEA0OEQ4LCxAWEBETFBUVFQwPFxgWFBgSFB"
        "UU/8AAFAgAEAAQBEMRAE0RAFkRAEsRAP/EABYAAQEBAAAAAAAAAAAAAAAAAAoACf/EABQQAQAAAAAAAAAAAAAAAAAAAAD/2gAOBEMATQBZAEsAAD8A"
        "1FZvs32qYzRMqSGaJlRJZJYzSf/Z"
    ),
}  # the quarters, encoded by Pillow
CONTENT = {name: base64.b64decode(text) for name, text in FILES.items()}


@pytest.fixture
def decoded(tensorflow, tmp_path):
    """Returns what decodes the content of a file at the size that it has."""

    def decoded(content, channels=3, fast=True):
        (tmp_path / "image").write_bytes(content)
        height, width = read_header(content)[0].upright
        return Decoding(height, width, channels, "crop", fast)(tmp_path / "image").astype(int)

    return decoded


def grey(image):
    return (image @ [0.2989, 0.587, 0.114])[..., None]


def within(image):
    """Returns the middle of each quarter: lossy files have a colour for each 2x2 pixels, blurred where two meet."""
    return image[np.ix_([3, 4, 11, 12], [3, 4, 11, 12])]


@pytest.mark.parametrize("name", ["lossy", "lossless", "moving", "cmyk"])
def test_webp_and_inks_are_read_in_colour_and_grey(decoded, name):
    header, _ = read_header(CONTENT[name])
    assert (header.height, header.width, header.channels) == (16, 16, 3)
    np.testing.assert_allclose(within(decoded(CONTENT[name])), within(QUARTERS), atol=12)
    np.testing.assert_allclose(within(decoded(CONTENT[name], channels=1)), within(grey(QUARTERS)), atol=12)


@pytest.mark.parametrize("name", ["lossy, half transparent", "lossless, half transparent"])
def test_what_is_transparent_shows_white(decoded, name):
    expected = QUARTERS.astype(int)
    expected[8:] = 255
    expected[:8, 8:] = (expected[:8, 8:] * 100 + 255 * 155) // 255
    np.testing.assert_allclose(within(decoded(CONTENT[name])), within(expected), atol=12)
    np.testing.assert_allclose(within(decoded(CONTENT[name], channels=1)), within(grey(expected)), atol=12)


def test_of_a_moving_webp_one_frame_is_given_to_tensorflow():
    content = read_header(CONTENT["moving"])[1]
    assert content.startswith(b"RIFF")
    assert content.count(b"VP8 ") == 1
    assert b"AN" not in content[:40]


def test_every_webp_that_is_cut_off_or_changed_is_refused_or_decoded(tensorflow, tmp_path):
    random = np.random.RandomState(0)
    for content in CONTENT.values():
        cut = [content[:end] for end in range(0, len(content), 5)]
        changed = [bytearray(content) for _ in range(60)]
        for other in changed:
            other[random.randint(min(len(other), 60))] ^= 1 << random.randint(8)
        for odd in (*cut, *changed):
            (tmp_path / "odd").write_bytes(odd)
            try:
                assert Decoding(8, 8, 3, "fit", True)(tmp_path / "odd").shape == (8, 8, 3)
            except DataError as error:
                assert "no image that can be used" in str(error)


def test_a_large_webp_is_refused_before_it_is_decoded(tensorflow, tmp_path):
    content = CONTENT["lossy"]
    (tmp_path / "huge.webp").write_bytes(content[:26] + struct.pack("<HH", 16_000, 16_000) + content[30:])
    with pytest.raises(DataError, match="16000x16000"):
        Decoding(8, 8, 3, "fit", True)(tmp_path / "huge.webp")


def chunk(name, content):
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(pixels, colour, bits=8, *extra):
    """Returns a PNG of the rows of bytes in `pixels`."""
    height, width = pixels.shape[:2]
    rows = zlib.compress(b"".join(b"\0" + row.tobytes() for row in pixels))
    header = struct.pack(">IIBB3x", width, height, bits, colour)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(extra) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


OPACITY = np.linspace(0, 255, 256).astype(np.uint8).reshape(16, 16, 1)


@pytest.mark.parametrize("kind", ["rgba", "grey and opacity", "one colour", "palette"])
def test_a_png_is_laid_on_white(decoded, kind):
    image, opacity = QUARTERS, OPACITY
    if kind == "rgba":
        content = png(np.dstack([image, opacity]), 6)
    elif kind == "grey and opacity":
        image = image[..., :1].repeat(3, axis=2)
        content = png(np.dstack([image[..., :1], opacity]), 4)
    elif kind == "one colour":
        opacity = np.where((image == BLUE).all(axis=2, keepdims=True), 0, 255)
        content = png(image, 2, 8, chunk(b"tRNS", struct.pack(">3H", *BLUE)))
    else:
        colours = np.array([RED, GREEN, BLUE, YELLOW], np.uint8)
        numbers = np.arange(4, dtype=np.uint8).reshape(2, 2).repeat(8, axis=0).repeat(8, axis=1)
        opacity = np.array([255, 9, 0, 255])[numbers][..., None]
        palette = chunk(b"PLTE", colours.tobytes()), chunk(b"tRNS", bytes([255, 9, 0]))
        content = png(numbers, 3, 8, *palette)
    expected = (image.astype(int) * opacity + 255 * (255 - opacity.astype(int))) / 255
    np.testing.assert_allclose(decoded(content), expected, atol=1)
    np.testing.assert_allclose(decoded(content, channels=1), grey(expected), atol=2)


def test_a_png_of_16_bits_keeps_the_upper_ones(decoded):
    values = np.random.RandomState(0).randint(0, 2**16, (6, 9, 3)).astype(">u2")
    np.testing.assert_array_equal(decoded(png(values, 2, 16)), values >> 8)


def exif(orientation, order, kind=3):
    short = "H2x" if kind == 3 else "I"
    start = {"<": b"II*\0", ">": b"MM\0*"}[order]
    other = struct.pack(f"{order}HHI{short}", 0x0100, kind, 1, 5)
    entry = struct.pack(f"{order}HHI{short}", 0x0112, kind, 1, orientation)
    return start + struct.pack(f"{order}IH", 8, 2) + other + entry + bytes(4)


def turned(image, orientation):
    """Returns a stored image as it is to be seen, in words of its own: EXIF 2.3, section 4.6.4."""
    return {
        1: lambda it: it,
        2: np.fliplr,
        3: lambda it: np.rot90(it, 2),
        4: np.flipud,
        5: lambda it: it.transpose(1, 0, 2),
        6: lambda it: np.rot90(it, -1),
        7: lambda it: np.rot90(it, 2).transpose(1, 0, 2),
        8: np.rot90,
    }[orientation](image)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_photos_are_turned_upright(tensorflow, decoded, orientation, order):
    image = QUARTERS[:, :12].repeat(6, axis=0).repeat(6, axis=1)
    plain = tensorflow.io.encode_jpeg(image, quality=100).numpy()
    data = b"Exif\0\0" + exif(orientation, order)
    content = plain[:2] + b"\xff\xe1" + struct.pack(">H", 2 + len(data)) + data + plain[2:]
    np.testing.assert_array_equal(decoded(content), turned(decoded(plain), orientation))
    with_exif = png(QUARTERS[:, :12], 2, 8, chunk(b"eXIf", exif(orientation, order, kind=4)))
    np.testing.assert_array_equal(decoded(with_exif), turned(QUARTERS[:, :12], orientation))


def test_a_webp_is_turned_upright(decoded):
    np.testing.assert_array_equal(decoded(CONTENT["lossless, turned"]), turned(QUARTERS, 6))


@pytest.mark.parametrize("fast", [True, False])
def test_a_photo_is_turned_before_it_is_cut_and_resized(tensorflow, tmp_path, fast):
    image = np.zeros((300, 400, 3), np.uint8)
    image[:, 130:270] = 250  # the middle third of what lies on its side
    plain = tensorflow.io.encode_jpeg(image).numpy()
    data = b"Exif\0\0" + exif(6, ">")
    (tmp_path / "a.jpg").write_bytes(plain[:2] + b"\xff\xe1" + struct.pack(">H", 2 + len(data)) + data + plain[2:])
    found = Decoding(80, 60, 1, "crop", fast)(tmp_path / "a.jpg")[..., 0] > 125
    assert found.shape == (80, 60)
    assert found[28:52].all()
    assert not found[:24].any()
    assert not found[56:].any()


@pytest.mark.parametrize(
    "data",
    [b"", b"II*\0", exif(6, "<")[:12], exif(9, "<"), exif(0, ">"), b"II*\0\xff\xff\xff\xff", b"XX" + exif(6, "<")[2:]],
)
def test_exif_that_says_nothing_turns_nothing(data):
    assert read_header(png(QUARTERS, 2, 8, chunk(b"eXIf", data)))[0].orientation == 1


@pytest.mark.parametrize("run", [b"\xff", b"\0", b"\xff\0", b"\xff\xd0", b"\xff\xe1\0\2", b"\xff\xe1\0\0"])
def test_a_run_of_any_marker_is_passed_over_once(run):
    """Two megabytes: begun anew at each byte, the search would take a million million steps."""
    with pytest.raises(ValueError, match="it ends within its header"):
        read_header(b"\xff\xd8\xff" + run * (2_000_000 // len(run)))


def test_fill_bytes_before_a_marker_are_no_part_of_it():
    frame = b"\xc0" + struct.pack(">HBHHB", 11, 8, 5, 7, 1) + b"\1\x11\0"
    assert read_header(b"\xff\xd8" + b"\xff" * 9 + frame)[0].upright == (5, 7)


def test_chunks_of_a_png_that_nobody_needs_are_not_kept():
    tracemalloc.start()
    try:
        chunks = b"".join(struct.pack(">I4sI", 0, struct.pack(">I", number), 0) for number in range(100_000))
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        read_header(png(QUARTERS, 2)[:33] + chunks)
        assert tracemalloc.get_traced_memory()[1] - before < 3 * len(chunks)
    finally:
        tracemalloc.stop()
