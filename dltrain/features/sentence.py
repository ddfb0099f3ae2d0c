"""Sentences as words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dltrain.data.feature import Encoded
from dltrain.data.ragged import Ragged
from dltrain.features._text import tokenizing
from dltrain.features.tokens import Tokens, sound
from dltrain.lazy import np
from dltrain.registry import FEATURES

if TYPE_CHECKING:
    from dltrain.data.proposal import Entries, Keys, Proposal

WORDS, STARTS = "words", "starts"
"""Facts of each sentence that a task finds its words by: the words, and the place of the first token of each."""

_WORD = re.compile(r"\w+(?:[^\w\s]\w+)*|[^\w\s]")
"""Letters and digits, with single marks between them; other marks are words by themselves."""


@FEATURES.register("sentence")
class Sentence(Tokens):
    """A sentence as words that are known before, each of one token of a vocabulary or of several, int32.

    Raw values are lists of words, {"words": [...]}, or texts, in which words are runs of letters and digits with single
    marks between them (don't, 1,000, Jean-Luc), and other marks are words by themselves; or {"tokens": [...]}, as
    `decode` returns them. Facts of each are its `words`, and `starts`, the places of their first tokens, fewer where
    the sentence is cut.
    """

    def encode(self, raws: Sequence[Any]) -> Encoded:
        """Returns sentences as ids, with notices of what is cut and of tokens that are unknown."""
        problems = {place: why for place, raw in enumerate(raws) if (why := self._fault(raw))}
        rows: list[np.ndarray] = []
        words: list[np.ndarray] = []
        starts: list[np.ndarray] = []
        notices: dict[int, str | Sequence[str]] = {}
        unknown = self._special(tokenizing.UNKNOWN)
        for some in tokenizing.pieces([place for place in range(len(raws)) if place not in problems]):
            for place, found in zip(some, self._worded([raws[place] for place in some]), strict=True):
                if isinstance(found, str):
                    problems[place] = found
                    continue
                ids, of_sentence, firsts, cut = found
                rows.append(np.array(ids, np.int32))
                words.append(np.array(of_sentence, object))
                starts.append(np.array(firsts, np.int32))
                if noticed := self._noticed(ids, cut, unknown):
                    notices[place] = noticed
        facts: dict[str, Any] = {WORDS: Ragged.of(words, object), STARTS: Ragged.of(starts, np.int32)}
        return Encoded(Ragged.of(rows, self._storage), problems, notices, facts)

    def decode(self, stored: Any) -> list[Any]:
        """Returns the tokens of each sentence, the special ones too, so that nothing is lost."""
        return [{"tokens": tokens} for tokens in self._tokens(stored)]

    def answered(self, stored: Ragged, facts: Mapping[str, Any]) -> np.ndarray:
        """Returns the first token of each word: what stands at the others is neither learnt nor read."""
        found = super().answered(stored, facts)
        if STARTS in facts:
            firsts = np.zeros_like(found)
            for row, starts in enumerate(facts[STARTS]):
                firsts[row, starts] = True
            found &= firsts
        return found

    def describe(self, preprocessed: bool = False) -> list[str]:
        """Returns how many tokens there are, and how words become ids."""
        return [
            f"sentences as ids of {self.vocabulary:,} tokens, at most {self.max_length}",
            "the ids of a list of words as `tokenizers.Tokenizer.from_file('tokenizer.json')` encodes it with "
            "`encode(words, is_pretokenized=True)`, where the file lies beside this card; `word_ids` of the result "
            "says which token is of which word, and the first of each word counts. In a batch shorter sentences are "
            f"filled up with {self.padding} behind their end.",
        ]

    def request_schema(self) -> dict[str, Any]:
        """Returns the schema of a sentence: a text, or its words."""
        hint = 'a sentence, or its words: ["Ada", "lives", "here"]'
        return {"description": hint, "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}

    def starter(self, examples: Proposal) -> dict[str, Keys | Entries]:
        """Returns a network that answers each word."""
        advice = "or gru, transformer; bert and its family from pretrained weights: dltrain list model"
        rate: Keys = {"learning_rate": (0.003, "the peak; the first thing to try others of")}
        return {"model": {"name": ("lstm", advice)}, "optimizer": rate}

    def _texts(self, raw: Any) -> list[Any]:
        """Returns the words of a value."""
        if isinstance(raw, dict):
            raw = raw[WORDS] if WORDS in raw else raw["text"]
        return raw if isinstance(raw, list) else _WORD.findall(raw)

    def _fault(self, raw: Any) -> str | None:
        if isinstance(raw, dict) and {*raw} not in ({WORDS}, {"text"}, {"tokens"}):
            return 'must be a text, a list of words, or {"words": [...]}'
        if isinstance(raw, dict) and "tokens" in raw:
            return super()._fault(raw["tokens"] if isinstance(raw["tokens"], list) else 0)
        value = next(iter(raw.values())) if isinstance(raw, dict) else raw
        if not isinstance(value, str | list) or (isinstance(raw, dict) and isinstance(value, list) != (WORDS in raw)):
            return f"must be a text or a list of words, got {type(value).__name__}"
        words = self._texts(raw)
        if not all(isinstance(word, str) for word in words):
            strange = next(word for word in words if not isinstance(word, str))
            return f"must be a list of words, got {type(strange).__name__} among them"
        if any(not word.strip() for word in words):
            return "has an empty word"
        return None if words else "has no words"

    def _worded(self, raws: Sequence[Any]) -> Iterator[tuple[list[int], list[str], list[int], bool] | str]:
        """Returns ids, words, the place of each word's first token, and whether it was cut; or why there are none."""
        made, special = tokenizing.tokenizer(self.tokenizer), self.special_ids
        unknown = self._special(tokenizing.UNKNOWN)
        given = [None if isinstance(raw, dict) and "tokens" in raw else [*map(sound, self._texts(raw))] for raw in raws]
        encoded = iter(made.encode_batch([each for each in given if each is not None], is_pretokenized=True))
        for raw, words in zip(raws, given, strict=True):
            if words is None:
                ids = [made.token_to_id(token) for token in raw["tokens"][: self.max_length]]
                begins, framed = self.begins_word(), special - {unknown}
                firsts = [place for place, number in enumerate(ids) if number not in framed and begins[number]]
                yield ids, [raw["tokens"][place] for place in firsts], firsts, len(raw["tokens"]) > self.max_length
                continue
            found = next(encoded)
            if empty := _without_tokens(found, words):
                if unknown is None:
                    yield f"has a word that no token stands for: {words[empty[0]]!r}"
                    continue
                mark = made.id_to_token(unknown)
                marked = [mark if place in empty else word for place, word in enumerate(words)]
                found = made.encode(marked, is_pretokenized=True)
            of_word: dict[int, int] = {}
            for place, word in enumerate(found.word_ids):
                if word is not None:
                    of_word.setdefault(word, place)
            yield found.ids, words, [*of_word.values()], bool(found.overflowing)


def _without_tokens(encoded: Any, words: Sequence[str]) -> list[int]:
    """Returns the places of words that the tokenizer leaves out, such as one of nothing but a control character."""
    seen = {word for each in (encoded, *encoded.overflowing) for word in each.word_ids}
    return [place for place in range(len(words)) if place not in seen]
