"""Texts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from dltrain.data.feature import Encoded, Feature, Notice, Plain, Terms, fitted, statistic
from dltrain.data.finding import Finding
from dltrain.data.parts import Parts
from dltrain.data.ragged import Ragged, filled
from dltrain.data.statistics import of_length_1
from dltrain.features._text import tokenizing
from dltrain.features._text.likeness import near_copies
from dltrain.features._text.words import Words, counted, mixed, words_of
from dltrain.lazy import np
from dltrain.registry import FEATURES

if TYPE_CHECKING:
    from dltrain.data.proposal import Entries, Keys, Proposal
    from dltrain.data.showing import Shown
    from dltrain.figures.page import Panel

UNKNOWN_WORD = "(unknown word)"
"""What words are called of which the vocabulary has no letter; the texts have others there."""
HASHED = 512
"""Numbers that texts are compared by: tokens are counted in so many groups."""

UNKNOWN_TOKENS = "tokens that are unknown"
"""The kind of notices of texts that have such."""

_EPOCHS = {5000: 10, 1000: 20, 0: 40}
"""Of a starter config: fewer, the more examples there are."""


@FEATURES.register("tokens")
class Tokens(Feature):
    """A text, or a pair of texts, as ids of a vocabulary, int32.

    Raw values are texts, {"text": ..., "pair": ...} for two of them, or lists of tokens, as `decode` returns them.

    Args:
        kind: words, wordpiece, bpe or unigram.
        vocabulary_size: the most tokens that are learnt, the special ones among them.
        max_length: tokens of a text, the special ones among them, behind which it is cut.
        lowercase: take A for a.
        strip_accents: take é for e.
        has_pairs: whether each value is two texts.
        tokenizer: the whole of it as the `tokenizers` library writes it; empty before it is learnt.
        counts: how often each id occurs in the train part, 0 for special ones; empty where tokens are not whole words.
        texts: how many texts the train part has; 0 likewise.
    """

    dtype: ClassVar = "int32"

    kind: Literal["words", "wordpiece", "bpe", "unigram"] = "wordpiece"
    vocabulary_size: int = 8000
    max_length: int = 256
    lowercase: bool = True
    strip_accents: bool = True
    has_pairs: bool = False
    tokenizer: str = fitted("")
    counts: tuple[int, ...] = statistic(())
    texts: int = statistic(0)

    @property
    def shape(self) -> tuple[None]:
        """As many ids as the text has tokens."""
        return (None,)

    @property
    def padding(self) -> int:  # type: ignore[override]
        """The id behind the end of a shorter text, which networks take for no token."""
        return self._special(tokenizing.PADDING) or 0

    @property
    def separator(self) -> int | None:
        """The id behind each of two texts; none where the tokenizer has none."""
        return self._special(tokenizing.SEPARATOR)

    @property
    def mask(self) -> int | None:
        """The id in place of a token that is to be guessed; none where the tokenizer has none."""
        return self._special(tokenizing.MASK)

    @property
    def vocabulary(self) -> int:
        """How many ids there are; 0 before they are learnt."""
        return int(tokenizing.tokenizer(self.tokenizer).get_vocab_size()) if self.tokenizer else 0

    def ids(self) -> dict[str, int]:
        """Returns the id of each token."""
        return dict(tokenizing.tokenizer(self.tokenizer).get_vocab(with_added_tokens=True)) if self.tokenizer else {}

    @property
    def special_ids(self) -> frozenset[int]:
        """The ids of padding, unknown tokens, separators and the like: nobody wrote them."""
        return tokenizing.special_ids(self.tokenizer) if self.tokenizer else frozenset()

    def present(self, x: Any, name: str = "mask") -> Any:
        """Returns which places hold a token, (batch, tokens), bool."""
        from dltrain.layers.padding import PaddingMask

        return PaddingMask(self.padding, name=name)(x)

    def begins_word(self) -> np.ndarray:
        """Returns which tokens begin a word, and do not go on with one, by their ids, (vocabulary,), bool."""
        return tokenizing.begins_word(self.tokenizer)

    def fit(self, pieces: Iterable[Sequence[Any]]) -> Tokens:
        """Returns the feature with a tokenizer that is learnt of texts."""
        texts = [text for some in pieces for raw in some for text in self._texts(raw)]
        keys = self.vocabulary_size, self.lowercase, self.strip_accents, self.max_length
        return self.replaced(tokenizer=tokenizing.learnt(self.kind, texts, *keys))

    def adapt(self, pieces: Any) -> Feature:
        """Returns the feature with the longest text, and, where tokens are whole words, how often each occurs."""
        found = super().adapt(pieces)
        if not tokenizing.has_words(self.tokenizer):
            return found
        counts, texts = np.zeros(self.vocabulary, np.int64), 0
        for stored in pieces:
            ids = stored.values if isinstance(stored, Ragged) else np.concatenate([*stored])
            counts += np.bincount(np.asarray(ids, np.int64).ravel(), minlength=self.vocabulary)
            texts += len(stored)
        counts[[*self.special_ids]] = 0
        return found.replaced(counts=tuple(counts.tolist()), texts=texts)

    def plain(self) -> dict[str, Any]:
        """Returns the feature as JSON has it, without counts where there are none."""
        return {key: value for key, value in super().plain().items() if value or key not in ("counts", "texts")}

    def encode(self, raws: Sequence[Any]) -> Encoded:
        """Returns texts as ids, with notices of what is cut and of tokens that are unknown."""
        problems = {place: why for place, raw in enumerate(raws) if (why := self._fault(raw))}
        usable = [place for place in range(len(raws)) if place not in problems]
        rows: list[np.ndarray] = []
        notices: dict[int, str | Sequence[str]] = {}
        unknown = self._special(tokenizing.UNKNOWN)
        for some in tokenizing.pieces(usable):
            for place, (ids, cut) in zip(some, self._ids([raws[place] for place in some]), strict=True):
                rows.append(np.array(ids, np.int32))
                if noticed := self._noticed(ids, cut, unknown):
                    notices[place] = noticed
        return Encoded(Ragged.of(rows, self._storage), problems, notices)

    def decode(self, stored: Any) -> list[Any]:
        """Returns the tokens of each text, the special ones too, so that nothing is lost."""
        return self._tokens(stored)

    def _tokens(self, stored: Any) -> list[list[str]]:
        made, padding = tokenizing.tokenizer(self.tokenizer), self.padding
        return [[made.id_to_token(int(number)) for number in ids if number != padding] for ids in stored]

    def words(self, stored: Any) -> list[str]:
        """Returns each text as far as its tokens tell it, without special ones; a line between the two of a pair."""
        made, separator, padding = tokenizing.tokenizer(self.tokenizer), self.separator, self.padding
        found = []
        for ids in stored:
            numbers = [int(number) for number in ids if number != padding]
            ends = [place for place, number in enumerate(numbers) if number == separator] if self.has_pairs else []
            parts = [numbers[: ends[0]], numbers[ends[0] :]] if ends else [numbers]
            found.append(" | ".join(made.decode(part, skip_special_tokens=True) for part in parts))
        return found

    def show(self, stored: Any, weights: Any = None, like: Any = None) -> list[Shown]:
        """Returns the texts and their tokens; with weights of their tokens, also in words with the sums of these."""
        from dltrain.data.showing import Text

        weights = [None] * len(stored) if weights is None else weights
        return [
            Text(words, () if of_tokens is None else self._marks(ids, of_tokens), tuple(tokens))
            for words, ids, of_tokens, tokens in zip(
                self.words(stored), stored, weights, self._tokens(stored), strict=True
            )
        ]

    def _marks(self, ids: Any, weights: Any) -> tuple[tuple[str, float], ...]:
        """Returns the words of a text, without special tokens, each with the sum of its pieces' weights."""
        made, begins, special = tokenizing.tokenizer(self.tokenizer), self.begins_word(), self.special_ids
        words: list[tuple[list[int], float]] = []
        for number, weight in zip(map(int, ids), map(float, weights), strict=True):
            if number in special and number != self._special(tokenizing.UNKNOWN):
                continue
            if begins[number] or not words:
                words.append(([number], weight))
            else:
                words[-1] = [*words[-1][0], number], words[-1][1] + weight
        found = ((made.decode(pieces, skip_special_tokens=False).strip(), weight) for pieces, weight in words)
        return tuple((word, max(-1.0, min(weight, 1.0))) for word, weight in found)

    def signature(self) -> Plain:
        """Returns which vocabulary it is, and whether there are pairs."""
        # How long texts may be is no matter of the vocabulary.
        content = json.loads(self.tokenizer) | {"truncation": None, "padding": None} if self.tokenizer else None
        digest = hashlib.sha256(json.dumps(content).encode()).hexdigest()
        return {"name": Tokens.registered_name, "vocabulary": digest, "has_pairs": self.has_pairs}

    def mismatch(self, other: Feature) -> str | None:
        """Returns in which way another feature's ids are not those that a network knows: texts and sentences are alike.

        Args:
            other: of other data.
        """
        if not isinstance(other, Tokens):
            return super().mismatch(other)
        return None if self.signature() == other.signature() else self.difference(other)

    def difference(self, other: Any) -> str:
        """Returns that the vocabulary is another, and how to take the same."""
        if self.has_pairs != other.has_pairs:
            return f"it takes {'pairs of texts' if self.has_pairs else 'single texts'}"
        return "texts of another vocabulary; set dataset.tokenizer to the run's tokenizer.json to take the same"

    def files(self) -> dict[str, bytes]:
        """Returns tokenizer.json, which the `tokenizers` library reads."""
        return {"tokenizer.json": self.tokenizer.encode()} if self.tokenizer else {}

    def vectors(self, stored: Any) -> np.ndarray | None:
        """Returns how often tokens of some groups occur, log(1 + count), of length 1, (examples, 512), float32."""
        counts, padding = np.zeros((len(stored), HASHED), np.float32), self.padding
        for row, ids in enumerate(stored):
            numbers = np.asarray(ids, np.int64)
            counts[row] = np.bincount(numbers[numbers != padding] * 40503 % HASHED, minlength=HASHED)
        return of_length_1(np.log1p(counts))

    def terms(self, stored: Any, neighbours: bool = False) -> Terms | None:
        """Returns the words of each text, marks among them; an unknown one is a word, too, and called so."""
        if not self.tokenizer:
            return None
        kept = np.ones(self.vocabulary, bool)
        unknown = self._special(tokenizing.UNKNOWN)
        kept[[number for number in self.special_ids if number != unknown]] = False
        found, made = counted(self._words([stored], kept), neighbours), tokenizing.tokenizer(self.tokenizer)

        def name(word: int) -> str:
            ids = found.tokens(word)
            known = [number for number in ids if number != unknown]
            if len(known) < len(ids) and not any(map(str.isalnum, made.decode(known))):
                return UNKNOWN_WORD
            return str(made.decode(ids, skip_special_tokens=False)).strip()

        return Terms(found.texts, found.words, found.counts, name)

    def findings(self, parts: Parts, brief: bool) -> Iterable[Finding]:
        """Returns texts without a token that a network knows, and texts that are nearly the same."""
        if brief or not self.tokenizer:
            return
        yield from self._empty(parts)
        are_words = np.array([any(map(str.isalnum, token)) for token in self._names()])
        are_words[[*self.special_ids]] = False
        if (unknown := self._special(tokenizing.UNKNOWN)) is not None:
            are_words[unknown] = True
        yield from near_copies(parts, self._words(parts.values(), are_words), self._unknown_word)

    def _empty(self, parts: Parts) -> Iterator[Finding]:
        """Yields that texts have no token but special ones."""
        of_nobody = np.zeros(self.vocabulary, bool)
        of_nobody[[*self.special_ids]] = True
        places = [
            parts.place(part, int(index))
            for part, stored in parts.items()
            for index in np.flatnonzero(_counted(self._ragged(stored), ~of_nobody) == 0)
        ]
        if places:
            count = "1 text has" if len(places) == 1 else f"{len(places):,} texts have"
            yield Finding(
                "empty texts",
                "warning",
                f"{count} no token of the vocabulary: to a network they are all the same",
                tuple(places),
                "delete them, or take a tokenizer that knows their letters: dataset.tokenizer=bpe knows each byte",
            )

    def panels(self, parts: Mapping[str, Any]) -> Sequence[Panel]:
        """Returns how many tokens texts have, in each part."""
        from dltrain.figures.distributions import compared

        lengths = {part: self._lengths(stored) for part, stored in parts.items()}
        first = next(iter(lengths.values()))
        full = float((first >= self.max_length).mean())
        note = f"{full:.1%} have {self.max_length}, behind which texts are cut" if full else ""
        return [compared("Tokens of a text", lengths, float(first.mean()), float(first.std()), note)]

    def describe(self, preprocessed: bool = False) -> list[str]:
        """Returns how many tokens there are, and how a text becomes ids."""
        value = 'a pair of texts, `tokenizer.encode("text", "pair")`' if self.has_pairs else "a text"
        return [
            f"texts as ids of {self.vocabulary:,} tokens, at most {self.max_length}",
            f"the ids of {value} as `tokenizers.Tokenizer.from_file('tokenizer.json')` encodes it, where the file lies "
            f"beside this card; in a batch shorter texts are filled up with {self.padding} behind their end.",
        ]

    def request_schema(self) -> dict[str, Any]:
        """Returns the schema of a text, or of a pair of them."""
        text = {"type": "string", "description": "a text"}
        if not self.has_pairs:
            return text
        names = ("text", "pair")
        return {"type": "object", "properties": dict.fromkeys(names, text), "required": [*names]}

    def corners(self) -> list[np.ndarray]:
        """Returns a text of one token that is unknown, or the first, and one as long as may be."""
        unknown = self._special(tokenizing.UNKNOWN)
        token = next(number for number in range(self.vocabulary) if number != self.padding)
        one = np.array([token if unknown is None else unknown], np.int32)
        return [one, np.resize(np.delete(np.arange(self.vocabulary), self.padding), self.max_length).astype(np.int32)]

    def starter(self, examples: Proposal) -> dict[str, Keys | Entries]:
        """Returns a network for texts, or for their hidden tokens where nothing else is asked."""
        rate: Keys = {"learning_rate": (0.001, "the peak; the first thing to try others of")}
        if not examples.has_target:
            model: Keys = {"name": ("transformer", "or bert, for its published sizes: dltrain list model bert")}
            return {"model": model, "optimizer": rate}
        advice = "or lstm, transformer (slower), bag_of_words (order does not count): dltrain list model"
        epochs = next(count for least, count in _EPOCHS.items() if examples.examples >= least)
        length: Keys = {"epochs": (epochs, "passes over the train part: texts are learnt in few of them")}
        return {"model": {"name": ("text_cnn", advice)}, "optimizer": rate, "train": length}

    @property
    def _storage(self) -> Any:
        return np.uint16 if self.vocabulary <= 2**16 else np.int32

    def _special(self, token: str) -> int | None:
        return tokenizing.special_id(self.tokenizer, token) if self.tokenizer else None

    def _texts(self, raw: Any) -> list[Any]:
        """Returns the one text of a value, or its two."""
        return [raw[name] for name in ("text", "pair") if name in raw] if isinstance(raw, dict) else [raw]

    def _fault(self, raw: Any) -> str | None:
        if isinstance(raw, list):
            known = tokenizing.tokenizer(self.tokenizer)
            strange = [token for token in raw if not isinstance(token, str) or known.token_to_id(token) is None]
            return f"has no token {strange[0]!r}" if strange else None if raw else "is an empty text"
        if self.has_pairs and (not isinstance(raw, dict) or {*raw} != {"text", "pair"}):
            return 'must be two texts, {"text": "...", "pair": "..."}'
        if isinstance(raw, dict) and not self.has_pairs and {*raw} != {"text"}:
            return f"must be a text, got {type(raw).__name__}"
        texts = self._texts(raw)
        if not all(isinstance(text, str) for text in texts):
            return f"must be a text, got {type(raw if self.has_pairs else texts[0]).__name__}"
        return "is an empty text" if any(not text.strip() for text in texts) else None

    def _ids(self, raws: Sequence[Any]) -> list[tuple[list[int], bool]]:
        """Returns ids of values that can be used, and whether the text was cut."""
        made = tokenizing.tokenizer(self.tokenizer)
        found: list[tuple[list[int], bool]] = [([], False)] * len(raws)
        given = {place: raw for place, raw in enumerate(raws) if isinstance(raw, list)}
        for place, raw in given.items():
            found[place] = [made.token_to_id(token) for token in raw[: self.max_length]], len(raw) > self.max_length
        texts = {place: [*map(sound, self._texts(raw))] for place, raw in enumerate(raws) if place not in given}
        asked = [tuple(each) if self.has_pairs else each[0] for each in texts.values()]
        for place, each in zip(texts, made.encode_batch(asked), strict=True):
            found[place] = each.ids, bool(each.overflowing)
        return found

    def _noticed(self, ids: Sequence[int], cut: bool, unknown: int | None) -> list[Notice]:
        found = []
        if cut:
            words = f"is longer than {self.max_length} tokens: what is behind them is cut"
            found.append(Notice(words, f"texts longer than {self.max_length} tokens, which are cut"))
        if unknown is not None and (count := list(ids).count(unknown)):
            found.append(Notice(f"has {count} of {len(ids)} tokens that are unknown", UNKNOWN_TOKENS))
        return found

    def _lengths(self, stored: Any) -> np.ndarray:
        if isinstance(stored, Ragged):
            return stored.lengths
        return np.count_nonzero(filled(stored, self.padding) != self.padding, axis=1)

    def _ragged(self, stored: Any) -> Ragged:
        """Returns texts without what shorter ones are filled up with."""
        read = stored if isinstance(stored, Ragged | np.ndarray) else stored[:]
        if isinstance(read, Ragged):
            return read
        return Ragged.of([ids[ids != self.padding] for ids in read], self._storage)

    def _words(self, parts: Iterable[Any], kept: np.ndarray) -> Iterator[Words]:
        """Yields words of the texts of all parts, of those tokens that are kept, by their ids."""
        begins, before = self.begins_word(), 0
        for stored in parts:
            for some in words_of(self._ragged(stored), begins, kept):
                yield replace(some, texts=some.texts + before)
            before += len(stored)

    def _names(self) -> list[str]:
        """Returns the token of each id."""
        made = tokenizing.tokenizer(self.tokenizer)
        return [made.id_to_token(number) or "" for number in range(self.vocabulary)]

    @property
    def _unknown_word(self) -> int | None:
        """The code of a word that is unknown; none where the tokenizer knows all."""
        unknown = self._special(tokenizing.UNKNOWN)
        return None if unknown is None else int(mixed(np.array([unknown + 1]), 0)[0])


def sound(text: str) -> str:
    """Returns a text without halves of surrogate pairs, which no UTF-8 can hold."""
    return text.encode("utf-8", "replace").decode()


def _counted(stored: Ragged, kept: np.ndarray) -> np.ndarray:
    """Returns how many tokens of each text are among those that are asked for, by their ids, (texts,)."""
    sums = np.concatenate([[0], np.cumsum(kept[stored.values])])
    return np.asarray(sums[stored.offsets[1:]] - sums[stored.offsets[:-1]])
