"""A tag for each word of a sentence."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from dltrain.data.feature import Encoded, Feature, Groups, fitted, shortened
from dltrain.data.ragged import Ragged, filled
from dltrain.features._names import listed
from dltrain.features._text import spans
from dltrain.lazy import np
from dltrain.registry import FEATURES

if TYPE_CHECKING:
    from dltrain.figures.page import Panel

NOT_ASKED = -1
"""What stands at a token that is not the first of a word."""


@FEATURES.register("tags")
class Tags(Feature):
    """A tag for each word of a sentence, stored at the word's first token as its position among the tags, int32.

    Raw values are lists of tags with null at each token that is not the first of a word: as long as the sentence has
    tokens. Tags that mark spans are BIO, whatever the scheme of the file was.

    Args:
        tag_names: the tags, in the order of their integer labels.
    """

    dtype: ClassVar = "int32"
    padding: ClassVar[float] = NOT_ASKED
    task: ClassVar[str] = "tagging"
    plural: ClassVar[str] = "tags of words"

    tag_names: tuple[str, ...] = fitted(())

    @property
    def shape(self) -> tuple[None]:
        """As many as the sentence has tokens."""
        return (None,)

    @property
    def have_spans(self) -> bool:
        """Whether the tags mark spans of words, as BIO does: parts of speech mark none."""
        return spans.OUTSIDE in self.tag_names and all(map(spans.is_tag, self.tag_names)) and len(self.tag_names) > 1

    @property
    def types(self) -> tuple[str, ...]:
        """The types of spans, in the order of the tags."""
        return tuple(dict.fromkeys(kind for tag in self.tag_names if (kind := spans.parted(tag)[1])))

    def encode(self, raws: Sequence[Any]) -> Encoded:
        """Returns the positions of tags; a name that is no tag cannot be used."""
        places: dict[Any, int] = {name: place for place, name in enumerate(self.tag_names)} | {None: NOT_ASKED}
        problems = {row: why for row, raw in enumerate(raws) if (why := self._fault(raw))}
        rows = [np.array([places[tag] for tag in raw], np.int16) for row, raw in enumerate(raws) if row not in problems]
        return Encoded(Ragged.of(rows, np.int16), problems)

    def decode(self, stored: Any) -> list[list[str | None]]:
        """Returns the tags, with none at each token that is not the first of a word."""
        names = [*self.tag_names, None]  # which stands at -1
        return [[names[int(place)] for place in row] for row in stored]

    def actual(self, stored: Any, metadata: Mapping[str, Any]) -> list[list[str]]:
        """Returns the tag of each word."""
        return self._tags(stored)

    def _tags(self, stored: Any) -> list[list[str]]:
        return [[self.tag_names[place] for place in np.asarray(row).tolist() if place != NOT_ASKED] for row in stored]

    def words(self, stored: Any) -> list[str]:
        """Returns the tags of the words of each sentence in one line."""
        return [" ".join(tags) for tags in self._tags(stored)]

    def fault(self, stored: Any) -> str | None:
        """Returns which label is no tag."""
        values, count = filled(stored, NOT_ASKED), len(self.tag_names)
        strange = (values < NOT_ASKED) | (values >= count)
        if strange.any():
            row, place = np.argwhere(strange)[0].tolist()
            return f"labels must be 0 to {count - 1}, or -1, got {values[row, place]} at position {row}"
        return None

    def mismatch(self, other: Feature) -> str | None:
        """Returns which tag is unknown, or that they are in another order; none where tags are the same."""
        if not isinstance(other, Tags):
            return super().mismatch(other)
        if self.tag_names == other.tag_names:
            return None
        strange = [name for name in other.tag_names if name not in self.tag_names]
        words = f"{strange[0]!r} is not one of its tags" if strange else "some of its tags are missing"
        return f"{words} ({', '.join(self.tag_names[:10])})"

    def files(self) -> dict[str, bytes]:
        """Returns tags.json, the tags in the order of the outputs."""
        return {"tags.json": f"{json.dumps([*self.tag_names], ensure_ascii=False)}\n".encode()}

    def panels(self, parts: Mapping[str, Any]) -> Sequence[Panel]:
        """Returns how many words each tag has, and how many spans each type, in each part."""
        from dltrain.figures.distributions import counts

        asked = {part: _asked(stored) for part, stored in parts.items()}
        panels = [counts("Tags of words", {part: Groups(self.tag_names, found) for part, found in asked.items()})]
        if self.have_spans:
            begins = np.array([spans.parted(tag)[0] == "B" for tag in self.tag_names])
            kinds = np.array(
                [self.types.index(kind) if (kind := spans.parted(tag)[1]) else -1 for tag in self.tag_names]
            )
            of_type = {part: Groups(self.types, kinds[found[begins[found]]]) for part, found in asked.items()}
            panels.append(counts("Spans", of_type))
        return panels

    def describe(self, preprocessed: bool = False) -> list[str]:
        """Returns how many tags there are, and the place of each, which tags.json has too."""
        return [f"{len(self.tag_names):,} tags of words", *listed("tag", self.tag_names)]

    def corners(self) -> list[np.ndarray]:
        """Returns no word at all, and every tag between tokens that have none."""
        every = np.arange(len(self.tag_names), dtype=np.int16)
        return [np.array([NOT_ASKED], np.int16), np.concatenate([[NOT_ASKED], every, [NOT_ASKED]]).astype(np.int16)]

    def _fault(self, raw: Any) -> str | None:
        if not isinstance(raw, list) or not all(tag is None or isinstance(tag, str) for tag in raw):
            return f"must be a list of tags, got {shortened(raw)}"
        strange = [tag for tag in raw if tag is not None and tag not in self.tag_names]
        return f"no tag {shortened(strange[0])}: the tags are {', '.join(self.tag_names[:10])}" if strange else None


def _asked(stored: Any) -> np.ndarray:
    """Returns the tags of all words, (words,)."""
    values = np.asarray(stored.values if isinstance(stored, Ragged) else stored).reshape(-1)
    return values[values != NOT_ASKED]
