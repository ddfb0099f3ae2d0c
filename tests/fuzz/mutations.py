"""Other bytes made of good ones, as damage and malice would: the same for the same seed on every machine."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable

Mutation = Callable[[random.Random, bytearray], None]

NUMBERS = (0, 1, 2**7, 2**8 - 1, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1)
WORDS = (b"\0", b"\xff", b'"', b"\n", b"\r", b",", b"[", b"{", b"(", b"-", b"9", b"NaN", b"1e999", b"\xed\xa0\x80")


def mutated(random_: random.Random, good: bytes) -> bytes:
    """Returns the bytes with one to eight changes."""
    changed = bytearray(good)
    for _ in range(random_.choice((1, 1, 1, 2, 3, 8))):
        random_.choice(MUTATIONS)(random_, changed)
    return bytes(changed)


def place(random_: random.Random, content: bytearray) -> int:
    """Returns a position, one of the first hundred every other time: there the headers are."""
    return random_.randrange(min(len(content), random_.choice((100, 10**9))) or 1)


def flip(random_: random.Random, content: bytearray) -> None:
    """Changes a bit."""
    if content:
        content[place(random_, content)] ^= 1 << random_.randrange(8)


def overwrite(random_: random.Random, content: bytearray) -> None:
    """Writes a number over what is there, as large as lengths and sizes may be."""
    number, form = random_.choice(NUMBERS), random_.choice(["<B", "<H", ">H", "<I", ">I", "<Q", ">Q"])
    packed = struct.pack(form, number & (2 ** (8 * struct.calcsize(form)) - 1))
    at = place(random_, content)
    content[at : at + len(packed)] = packed


def cut(random_: random.Random, content: bytearray) -> None:
    """Ends the file early."""
    del content[random_.randrange(len(content) + 1) :]


def take_out(random_: random.Random, content: bytearray) -> None:
    """Takes some bytes out."""
    at = place(random_, content)
    del content[at : at + random_.choice((1, 4, 64, 1000))]


def repeat(random_: random.Random, content: bytearray) -> None:
    """Writes a piece many times."""
    at = place(random_, content)
    piece = bytes(content[at : at + random_.choice((1, 2, 8, 512))])
    content[at:at] = piece * random_.choice((1, 10, 2000))


def insert(random_: random.Random, content: bytearray) -> None:
    """Inserts what means something to parsers, once or as a run."""
    at = place(random_, content)
    content[at:at] = random_.choice(WORDS) * random_.choice((1, 1, 2, 5000))


def swap(random_: random.Random, content: bytearray) -> None:
    """Exchanges two pieces."""
    size = random_.choice((1, 8, 100))
    one, other = place(random_, content), place(random_, content)
    first, second = content[one : one + size], content[other : other + size]
    if abs(one - other) >= size and len(first) == len(second):
        content[one : one + size], content[other : other + size] = second, first


MUTATIONS: tuple[Mutation, ...] = (flip, flip, overwrite, overwrite, cut, take_out, repeat, insert, swap)
