"""Spans of words that tags mark, such as names: which words a span has, and which tags may follow each other."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Literal, NamedTuple

OUTSIDE = "O"
UNNAMED = "_"
"""The type of a span whose tags name none, such as B and I."""

Scheme = Literal["bio", "iob1", "bioes", "none"]
NAMES = {"bio": "BIO", "iob1": "IOB1", "bioes": "BIOES"}

_TAG = re.compile(r"([BIESLU])(?:-(.+))?")
_ALIKE = {"L": "E", "U": "S"}
"""What BILOU calls the last word of a span, and the only one."""


class Span(NamedTuple):
    """Words that belong together.

    Args:
        type: what they are.
        start: the place of the first word.
        end: the place behind the last one.
    """

    type: str
    start: int
    end: int


def parted(tag: str) -> tuple[str, str]:
    """Returns the letter and the type of a tag: "B", "PER" of B-PER; the type of O is empty."""
    found = _TAG.fullmatch(tag)
    if found is None:
        return OUTSIDE, ""
    return _ALIKE.get(found[1], found[1]), found[2] or UNNAMED


def is_tag(tag: str) -> bool:
    """Whether a tag is O, or a letter of a scheme with a type or without."""
    return tag == OUTSIDE or _TAG.fullmatch(tag) is not None


def spans(tags: Sequence[str]) -> list[Span]:
    """Returns the spans of a sentence as conlleval, and seqeval by default, finds them, whatever the scheme.

    E. F. Tjong Kim Sang and S. Buchholz, "Introduction to the CoNLL-2000 shared task: chunking", 2000: a tag that
    cannot go on with the span before it begins another one.
    """
    found: list[Span] = []
    begun, letter, kind = 0, OUTSIDE, ""
    for place, tag in enumerate([*tags, OUTSIDE]):
        now, its = parted(tag)
        is_inside = letter in "BI" and now in "IE" and its == kind
        if letter != OUTSIDE and not is_inside:
            found.append(Span(kind, begun, place))
        if now != OUTSIDE and not is_inside:
            begun = place
        letter, kind = now, its
    return found


def strict_spans(tags: Sequence[str]) -> list[Span]:
    """Returns the spans of a sentence whose tags are BIO, without those that do not begin with B: seqeval's strict."""
    return [span for span in spans(tags) if parted(tags[span.start])[0] == "B"]


def as_bio(length: int, found: Iterable[Span]) -> list[str]:
    """Returns the tags of a sentence of so many words that mark spans as BIO does."""
    tags = [OUTSIDE] * length
    for kind, start, end in found:
        ending = "" if kind == UNNAMED else f"-{kind}"
        tags[start:end] = [f"B{ending}", *[f"I{ending}"] * (end - start - 1)]
    return tags


def scheme_of(sentences: Iterable[Sequence[str]]) -> Scheme:
    """Returns the scheme that the tags of sentences are in: none where they mark no spans, as parts of speech.

    IOB1 begins a span with I, and with B only behind another one of its type. Tags of BIO that cannot follow each
    other beside others that can leave it BIO.
    """
    letters: set[str] = set()
    are_named, begins_with_i, begins_with_b, is_strange = False, False, False, False
    for tags in sentences:
        before = OUTSIDE, ""
        for tag in tags:
            now = parted(tag)
            letters.add(now[0])
            are_named |= "-" in tag and now[0] != OUTSIDE
            is_strange |= not is_tag(tag)
            if now[0] == "I":
                begins_with_i |= before[1] != now[1]
            elif now[0] == "B":
                begins_with_b |= before[1] != now[1]
            before = now
    if letters == {OUTSIDE} or (is_strange and not are_named):
        return "none"
    if letters & {"E", "S"}:
        return "bioes"
    return "iob1" if begins_with_i and not begins_with_b else "bio"


def faults(tags: Sequence[str], scheme: Scheme) -> Iterable[tuple[int, str]]:
    """Yields the places of tags that their scheme does not have there, with what is wrong."""
    if scheme == "none":
        return
    allowed: Callable[[str, str, bool], bool] = {"bio": _bio, "iob1": _iob1, "bioes": _bioes}[scheme]
    before, its = OUTSIDE, ""
    for place, tag in enumerate(tags):
        if not is_tag(tag):
            yield place, f"the tag {tag!r} must be O, or a letter of {NAMES[scheme]} with a type, such as B-PER"
            return
        now, kind = parted(tag)
        if not allowed(before, now, its == kind):
            after = f"follow {tags[place - 1]}" if place else "begin a sentence"
            yield place, f"the tag {tag} cannot {after} in {NAMES[scheme]}"
        before, its = now, kind
    if scheme == "bioes" and before in "BI":
        yield len(tags) - 1, f"the tag {tags[-1]} cannot end a sentence in BIOES"


def _bio(before: str, now: str, is_same: bool) -> bool:
    return now in "BO" or (now == "I" and before in "BI" and is_same)


def _iob1(before: str, now: str, is_same: bool) -> bool:
    return now in "IO" or (now == "B" and before in "BI" and is_same)


def _bioes(before: str, now: str, is_same: bool) -> bool:
    return (now in "IE" and is_same) if before in "BI" else now in "OBS"
