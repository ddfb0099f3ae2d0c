"""Texts that look as if they were read in a wrong encoding, or are in another script or language than the rest.

Only texts as they stand in their files tell this: tokens may have lost it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from dltrain.data.finding import Finding
from dltrain.errors import printable
from dltrain.lazy import np

_LATIN, _WINDOWS = "\u0080-\u00bf", "€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ"
_NOT_ASCII = _LATIN + _WINDOWS
"""What Latin-1 and Windows-1252 have for the bytes 80 to BF, with which no letter of UTF-8 begins."""
_ENDS = f"{_WINDOWS}\u00a0«»"
"""Those of them that may stand behind a word."""
_SIGNS = {
    # Behind a capital they may be a letter and a quotation mark, as in IRMÃ”, but no other sign: MÃ¼nchen.
    "UTF-8 that was read as Latin-1": re.compile(
        f"(?<![A-ZÀ-Þ])[ÂÃ][{_NOT_ASCII}]|[ÂÃ](?![{_ENDS}])[{_LATIN}]|â€[{_NOT_ASCII}]|â\u0080[{_LATIN}]"
        f"|(?:[ÐÑ][{_NOT_ASCII}]){{2}}|ï»¿|ï¿½"
    ),
    "letters that could not be read (U+FFFD)": re.compile("\ufffd"),
    "control characters": re.compile("[\x00-\x08\x0e-\x1f\x7f\x80-\x9f]"),
}
_AROUND = 12
"""Characters before and behind a sign that are shown."""

_BEGINS: dict[int, str] = {
    0x41: "Latin", 0x5B: "", 0x61: "Latin", 0x7B: "", 0xC0: "Latin", 0x250: "", 0x370: "Greek", 0x400: "Cyrillic",
    0x530: "Armenian", 0x590: "Hebrew", 0x600: "Arabic", 0x700: "", 0x900: "Devanagari", 0x980: "Bengali", 0xA00: "",
    0xB80: "Tamil", 0xC00: "", 0xE00: "Thai", 0xE80: "", 0x10A0: "Georgian", 0x1100: "Hangul", 0x1200: "",
    0x1E00: "Latin", 0x1F00: "Greek", 0x2000: "", 0x3040: "Chinese or Japanese", 0x3100: "",
    0x3400: "Chinese or Japanese", 0xA000: "", 0xAC00: "Hangul", 0xD7B0: "", 0xF900: "Chinese or Japanese", 0xFB00: "",
}  # fmt: skip
"""The first character of each script, and of what is between them."""
_LETTERS = 10
"""Of a text, from which on it is in a script; more than half of them are of this."""

_WORDS = {
    name: frozenset(words.split())
    for name, words in {
        "English": "the of and to is that it was for with as this are be by from at which you not have he they his",
        "German": "der die das und ist nicht ein eine den dem mit von zu auf für sich auch es wird war ich sie er im",
        "French": "le la les des et est une un du dans que qui pour pas au sur plus il elle ce avec nous vous ne",
        "Spanish": "el la los las de que y en un una por con para es no se del al lo como más pero su fue",
        "Italian": "il la di che e un una per non è con del della sono si le gli da nel anche ma alla più i",
        "Portuguese": "o a os as de que e em um uma para com não do da no na por mais se é foi ao dos",
        "Dutch": "de het een en van is dat niet op te zijn met voor ik maar er aan ook om was hij die door bij",
    }.items()
}
"""Frequent words that hold sentences together."""
_SHARE, _DIFFERENT, _RATHER = 0.2, 4, 2.0
"""A text is in a language where so many of its words are such, different ones among them, and so many times as many
as of the next language."""

_MOST_LETTERS = 2000
"""Of a text that are looked at for its script and its language."""
_FEWEST = 20
"""Texts whose script, or language, is known, from which on the rest has one."""
_REST = 0.8
"""The share of texts that must be alike, so that others are odd."""


def odd_texts(raws: Sequence[Any], places: Sequence[str]) -> Iterator[Finding]:
    """Yields signs of a wrong encoding, and texts in another script or language than the rest.

    Args:
        raws: the texts, pairs as {"text", "pair"}, or lists of words.
        places: where each is.
    """
    texts = [raw if isinstance(raw, str) else " ".join(raw.values() if isinstance(raw, dict) else raw) for raw in raws]
    yield from _wrong_encoding(texts, places)
    for what, of_text in (("script", script), ("language", language)):
        yield from _others(what, of_text, texts, places)


def _wrong_encoding(texts: Sequence[str], places: Sequence[str]) -> Iterator[Finding]:
    counts, where = Counter[str](), []
    for text, place in zip(texts, places, strict=True):
        for sign, pattern in _SIGNS.items():
            if found := pattern.search(text):
                counts[sign] += 1
                around = text[max(found.start() - _AROUND, 0) : found.end() + _AROUND].replace("\n", " ")
                where.append(f"{place}: {sign}: {printable(around)}")
                break
    if where:
        kinds = ", ".join(f"{count:,} have {sign}" for sign, count in counts.most_common())
        yield Finding(
            "wrong encoding",
            "warning",
            f"{len(where):,} of {len(texts):,} texts ({len(where) / len(texts):.1%}) show signs of a wrong encoding: "
            f"{kinds}",
            tuple(where),
            "where the file is right, say what it is (dataset.encoding of a table) or save it as UTF-8; where the "
            "damage is in the file, get the texts anew or leave these out",
        )


def _others(
    what: str, of_text: Callable[[str], str | None], texts: Sequence[str], places: Sequence[str]
) -> Iterator[Finding]:
    found = [of_text(text[:_MOST_LETTERS]) for text in texts]
    counts = Counter(each for each in found if each)
    known = counts.total()
    if known < _FEWEST:
        return
    usual, count = counts.most_common(1)[0]
    if count == known or count < _REST * known:
        return
    others = ", ".join(f"{number:,} {name}" for name, number in counts.most_common()[1:])
    verb = "is" if known - count == 1 else "are"
    yield Finding(
        f"other {what}",
        "note",
        f"{known - count:,} of {len(texts):,} texts ({(known - count) / len(texts):.1%}) {verb} in another {what} than "
        f"the rest, {usual}: {others}",
        tuple(f"{place}: {each}" for place, each in zip(places, found, strict=True) if each not in (None, usual)),
        "leave them out, unless such texts will come later, too; then there should be enough of them in each part",
    )


def script(text: str) -> str | None:
    """Returns the script of most letters of a text; none where there are too few letters, or no script has most."""
    codes = np.frombuffer(text.encode("utf-32-le", "replace"), np.uint32)
    names = ["", *_BEGINS.values()]
    counts = Counter[str]()
    for place, count in enumerate(np.bincount(np.searchsorted([*_BEGINS], codes, "right")).tolist()):
        counts[names[place]] += count
    del counts[""]
    if counts.total() < _LETTERS:
        return None
    name, count = counts.most_common(1)[0]
    return name if count > counts.total() / 2 else None


def language(text: str) -> str | None:
    """Returns the language that a text's function words are of; none where these do not say it."""
    words = re.findall(r"[^\W\d_]+", text.lower())
    if not words:
        return None
    shares = {name: sum(word in known for word in words) / len(words) for name, known in _WORDS.items()}
    first, second = sorted(shares, key=lambda name: -shares[name])[:2]
    is_sure = shares[first] >= max(_SHARE, _RATHER * shares[second])
    return first if is_sure and len({*words} & _WORDS[first]) >= _DIFFERENT else None
