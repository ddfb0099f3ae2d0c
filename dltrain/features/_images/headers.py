"""What an image file says of itself before it is decoded: its kind, its size, which way up it is."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp"})
KINDS = "JPEG, PNG, BMP, GIF or WebP"

_JPEG = b"\xff\xd8\xff"
_PNG = b"\x89PNG\r\n\x1a\n"
_GIF = b"GIF87a", b"GIF89a"


@dataclass(frozen=True)
class Header:
    """What is known of an image from its header.

    Args:
        kind: of file.
        height: of the image as it is stored, in pixels.
        width: likewise.
        corner: where in it the pixels to decode begin, from top and left; around them it is white.
        orientation: EXIF's number, 1 to 8, for how the stored image is to be turned; 1 for not at all.
        channels: that TensorFlow decodes it to in colour: 4 where a part of it is transparent, 3 otherwise.
        can_be_grey: whether TensorFlow can also decode it to 1 channel.
        colours: the kind of colour: grey, colour, CMYK or palette; with transparency.
    """

    kind: Literal["jpeg", "png", "bmp", "gif", "webp"]
    height: int
    width: int
    corner: tuple[int, int] = (0, 0)
    orientation: int = 1
    channels: Literal[3, 4] = 3
    can_be_grey: bool = False
    colours: str = "colour"

    @property
    def is_transposed(self) -> bool:
        """Whether rows are seen as columns."""
        return self.orientation > 4

    @property
    def is_mirrored(self) -> tuple[bool, bool]:
        """Whether rows and columns are then seen in reverse order."""
        return self.orientation in (3, 4, 7, 8), self.orientation in (2, 3, 6, 7)

    @property
    def upright(self) -> tuple[int, int]:
        """Height and width of the image as it is to be seen."""
        return (self.width, self.height) if self.is_transposed else (self.height, self.width)


def is_jpeg(content: bytes) -> bool:
    """Whether a file that begins so is a JPEG, whose header comes first."""
    return content.startswith(_JPEG)


def read_header(content: bytes) -> tuple[Header, bytes]:
    """Looks at an image file.

    To give one frame of a GIF TensorFlow decodes them all, and of an animated WebP it writes beyond its memory: it is
    only ever given the first frame, as a file of its own.

    Returns:
        what is known of the image; the content to decode, of one still image.

    Raises:
        ValueError: if it is of no kind that can be read, holds no frame, or ends too early.
    """
    try:
        if is_jpeg(content):
            return _jpeg(content), content
        if content.startswith(_PNG):
            return _png(content), content
        if content.startswith(b"BM"):
            return _bmp(content), content
        if content.startswith(_GIF):
            return _gif(content)
        if content.startswith(b"RIFF") and content.startswith(b"WEBP", 8):
            return _webp(content)
    except (struct.error, IndexError):
        raise ValueError("it ends within its header") from None
    raise ValueError(f"it is not {KINDS}" if content else "it is empty")


_MARKER = re.compile(rb"\xff([^\0\xff])", re.DOTALL)
"""What libjpeg takes for the next marker, over fill bytes and, with a warning, over bytes that belong to nothing.

The fill bytes before it are no part of it: a search for them would begin anew at each of a run of them.
"""
_ALONE = frozenset({0x01, *range(0xD0, 0xD8)})
"""Markers without a length and content."""
_EXIF = b"Exif\0\0"


def _jpeg(content: bytes) -> Header:
    position, orientation = 2, 1
    while found := _MARKER.search(content, position):
        marker, position = found[1][0], found.end()
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # a start of frame
            height, width = struct.unpack_from(">HH", content, position + 3)
            colours = {b"\x01": "grey", b"\x04": "CMYK"}.get(content[position + 7 : position + 8], "colour")
            return Header(
                "jpeg", height, width, orientation=orientation, can_be_grey=colours != "CMYK", colours=colours
            )
        if marker not in _ALONE:
            end = position + struct.unpack_from(">H", content, position)[0]
            if marker == 0xE1 and content.startswith(_EXIF, position + 2):
                orientation = _orientation(content[position + 2 : end])
            position = end
    raise ValueError("it ends within its header")


def _png(content: bytes) -> Header:
    width, height, _, colour = struct.unpack(">IIBB", content[16:26])
    chunks = {name: chunk for name, chunk in _png_chunks(content) if name in (b"tRNS", b"eXIf")}
    channels: Literal[3, 4] = 4 if colour & 4 or b"tRNS" in chunks else 3
    colours = {0: "grey", 2: "colour", 3: "palette", 4: "grey with transparency"}.get(
        colour, "colour with transparency"
    )
    return Header(
        "png", height, width, (0, 0), _orientation(chunks.get(b"eXIf", b"")), channels, channels == 3, colours
    )


def _png_chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yields name and beginning of each chunk that is whole enough to have them."""
    position = len(_PNG)
    while position + 8 <= len(content):
        length, name = struct.unpack_from(">I4s", content, position)
        yield name, content[position + 8 : position + 8 + min(length, 2**16)]
        position += 12 + length


def _bmp(content: bytes) -> Header:
    """Returns what is known of a BMP, and refuses what TensorFlow would misread: no palette, mask or kind is looked at.

    The fourth byte of 32 bits is the opacity where the file has a mask that says so, and otherwise nothing.
    """
    header, width, height, _, bits, compression = struct.unpack("<IiiHHI", content[14:34])
    if header < 40:
        raise ValueError("it is a BMP of OS/2, which is not read: save it as PNG")
    if bits not in (24, 32):
        raise ValueError(f"it is a BMP of {bits} bits per pixel, of which only 24 and 32 are read: save it as PNG")
    if compression != 0 and (compression, content[54:66]) != (3, struct.pack("<III", 0xFF0000, 0xFF00, 0xFF)):
        raise ValueError("it is a compressed BMP, or has its colours in another order than usual: save it as PNG")
    has_opacity = header >= 56 and bits == 32 and compression == 3 and content[66:70] == b"\0\0\0\xff"
    return Header("bmp", abs(height), abs(width), channels=4 if has_opacity else 3)


def _webp(content: bytes) -> tuple[Header, bytes]:
    image: dict[bytes, bytes] = {}
    orientation = 1
    for name, chunk in _riff_chunks(content, 12):
        if name == b"EXIF":
            orientation = _orientation(chunk)
        elif name == b"ANMF" and not image:
            image = {inner: part for inner, part in _riff_chunks(chunk, 16) if inner in _IMAGE}
        elif name in _IMAGE:
            image.setdefault(name, chunk)
    if b"VP8L" in image:
        signature, bits = struct.unpack_from("<BI", image[b"VP8L"])
        width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
        if signature == 0x2F:
            header = Header("webp", height, width, (0, 0), orientation, 4 if bits >> 28 & 1 else 3)
            return header, _riff((b"VP8L", image[b"VP8L"]))
    elif b"VP8 " in image:
        start, width, height = struct.unpack_from("<3x3sHH", image[b"VP8 "])
        width, height = width & 0x3FFF, height & 0x3FFF
        if start == b"\x9d\x01\x2a" and b"ALPH" in image:
            sides = b"".join(max(side - 1, 0).to_bytes(3, "little") for side in (width, height))
            extended = (b"VP8X", b"\x10\0\0\0" + sides)
            alone = _riff(extended, (b"ALPH", image[b"ALPH"]), (b"VP8 ", image[b"VP8 "]))
            return Header("webp", height, width, (0, 0), orientation, 4), alone
        if start == b"\x9d\x01\x2a":
            return Header("webp", height, width, (0, 0), orientation), _riff((b"VP8 ", image[b"VP8 "]))
    raise ValueError("it is a WebP that holds no image, or is damaged")


_IMAGE = (b"ALPH", b"VP8 ", b"VP8L")
"""The chunks that a frame of a WebP is made of."""


def _riff_chunks(content: bytes, position: int) -> Iterator[tuple[bytes, bytes]]:
    """Yields name and content of each chunk, of the last as much as there is."""
    while position + 8 <= len(content):
        name, length = struct.unpack_from("<4sI", content, position)
        yield name, content[position + 8 : position + 8 + length]
        position += 8 + length + length % 2


def _riff(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"".join(name + struct.pack("<I", len(chunk)) + chunk + bytes(len(chunk) % 2) for name, chunk in chunks)
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def _orientation(exif: bytes) -> int:
    """Returns what EXIF data say of which way up the image is; 1 where they say nothing that can be used."""
    tiff = exif.removeprefix(_EXIF)
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None:
        return 1
    with suppress(struct.error):
        start = struct.unpack_from(f"{order}I", tiff, 4)[0]
        for entry in range(struct.unpack_from(f"{order}H", tiff, start)[0]):
            tag, kind = struct.unpack_from(f"{order}HH", tiff, start + 2 + 12 * entry)
            if tag == 0x0112:
                number = struct.unpack_from(order + ("I" if kind == 4 else "H"), tiff, start + 10 + 12 * entry)[0]
                return number if 1 <= number <= 8 else 1
    return 1


def _gif(content: bytes) -> tuple[Header, bytes]:
    """Returns what is known of a GIF, and its first frame alone, whose clear colour is made white.

    TensorFlow would paint black what is clear, and what lies around a frame that is smaller than the screen.
    """
    try:
        start, clear = 13 + _palette_size(content[10]), None
        palette = content[13:start]
        while content[start] == 0x21:  # an extension
            if content[start + 1] == 0xF9:  # with what is clear in the next frame
                clear = content[start + 6] if content[start + 3] & 1 else None
            start = _after_blocks(content, start + 2)
        if content[start] != 0x2C:
            raise ValueError("it is a GIF without a frame")
        pixels = start + 10 + _palette_size(content[start + 9])
        own = content[start + 10 : pixels]
        end = _after_blocks(content, pixels + 1)
        screen = struct.unpack_from("<HH", content, 6)
        left, top, width, height = struct.unpack_from("<HHHH", content, start + 1)
    except IndexError:
        raise ValueError("it ends within its first frame") from None
    if clear is not None:
        palette, own = (palette, _whitened(own, clear)) if own else (_whitened(palette, clear), own)
    size = struct.pack("<HH", width, height)
    frame = content[:6] + size + content[10:13] + palette + b"," + bytes(4) + size + content[start + 9 : start + 10]
    seen = max(screen[1], top + height), max(screen[0], left + width)
    return Header("gif", *seen, corner=(top, left), colours="palette"), frame + own + content[pixels:end] + b";"


def _whitened(palette: bytes, number: int) -> bytes:
    """Returns a palette in which one of the colours is white; as it is where there is no such colour."""
    at = 3 * number
    return palette[:at] + b"\xff\xff\xff" + palette[at + 3 :] if at < len(palette) else palette


def _palette_size(flags: int) -> int:
    return 3 * 2 ** (1 + flags % 8) if flags & 0x80 else 0


def _after_blocks(content: bytes, position: int) -> int:
    """Returns where the blocks that begin at the position, each with its length in front, have ended."""
    while length := content[position]:
        position += 1 + length
    return position + 1
