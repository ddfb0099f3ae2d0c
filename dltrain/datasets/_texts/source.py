"""A source of texts: the keys of the tokenizer, and parts of texts and targets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from dltrain.data import PARTS, DataSpec, Encoded, Feature, Features, Finding, Provenance, Split, Splits
from dltrain.data.trees import Array, taken
from dltrain.datasets._sources import unusable
from dltrain.datasets._sources.whole import Whole
from dltrain.datasets._tables.targets import drawn_parts
from dltrain.datasets._texts.odd_texts import odd_texts
from dltrain.errors import DataError, KeyProblem
from dltrain.features._text import tokenizing
from dltrain.features.tokens import UNKNOWN_TOKENS, Tokens
from dltrain.fields import PositiveInt
from dltrain.lazy import np

OF_CUT = "where what is cut matters, raise dataset.max_length"
_OF_UNKNOWN = {
    "words": "raise dataset.vocabulary_size, or take pieces of words: dataset.tokenizer=wordpiece",
    **dict.fromkeys(("wordpiece", "bpe", "unigram"), "take dataset.tokenizer=bpe, which knows each byte"),
    "file": "take the file of another tokenizer, or learn one: dataset.tokenizer=bpe knows each byte",
}
"""What to do about unknown tokens, by the tokenizer; learnt pieces lack letters that the train part has not."""


@dataclass(frozen=True)
class Texts:
    """Texts with what is asked of them, before they are tokens.

    Args:
        raws: the texts, or pairs as {"text", "pair"}.
        target: the feature of the targets; none where there are none.
        targets: (examples, ...), or what `stored_targets` makes such of; none likewise.
        places: where each text is, for messages.
        parts: positions of the examples of each part.
        weights: how much each example counts in training; none where all count the same.
        skipped: a message for each example that was left out already.
    """

    raws: Sequence[Any]
    target: Feature | None
    targets: Any
    places: Sequence[str]
    parts: dict[str, np.ndarray]
    weights: np.ndarray | None = None
    skipped: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class TextSource(Whole):
    """The contract of sources of texts.

    Args:
        tokenizer: how texts become tokens: words, the most frequent ones of the training part; wordpiece, words and
            pieces of words as in BERT; bpe, as in GPT-2, which knows no unknown token; unigram, as in SentencePiece. Or
            the path of a tokenizer.json, of a BERT's vocab.txt, of the vocab.json of GPT-2 or RoBERTa, beside its
            merges.txt, of a SentencePiece model of unigrams (.model, .spm), or of a folder with one, such as a run's
            (also without the run's number: the newest) or that of pretrained weights.
        vocabulary_size: the most tokens that are learnt, five special ones among them.
        max_length: tokens of a text, the special ones among them; longer texts are cut, which is said.
        lowercase: take A for a; a file has this of its own, but for a vocab.txt.
        strip_accents: take é for e; likewise.
        on_bad_example: error to stop at texts that are empty or cannot be read; skip to leave them out and name them.
    """

    feature: ClassVar[type[Tokens]] = Tokens

    tokenizer: Literal["words", "wordpiece", "bpe", "unigram"] | Path = "wordpiece"
    vocabulary_size: PositiveInt = 8000
    max_length: PositiveInt = 256
    lowercase: bool = True
    strip_accents: bool = True
    on_bad_example: Literal["error", "skip"] = "error"

    def __post_init__(self) -> None:
        tokenizing.check_installed("name")
        if isinstance(self.tokenizer, Path):
            object.__setattr__(self, "tokenizer", tokenizing.place(self.tokenizer))
        tokenizing.check_size("vocabulary_size", self.vocabulary_size)
        if self.max_length < 4:
            raise KeyProblem("max_length", f"must be at least 4, got {self.max_length}: two tokens frame a text")

    def texts(self, like: DataSpec | None) -> Texts:
        """Returns the texts and what is asked of them.

        Raises:
            ValueError: if they cannot be used.
        """
        raise NotImplementedError(f"{type(self).__name__} must have texts(like)")

    def stored_targets(self, found: Texts, encoded: Encoded, usable: np.ndarray) -> Array:
        """Returns what is asked of the texts that can be used, as it is stored.

        Args:
            found: all texts.
            encoded: the same as tokens.
            usable: the positions of those that can be used.
        """
        return found.targets[usable]

    def refuse(self, problems: Sequence[str]) -> None:
        """Raises KeyProblem, which names the first of the examples that cannot be used, unless they are skipped."""
        if self.on_bad_example == "error":
            unusable.refuse(problems, "texts", unusable.TO_SKIP)

    def with_drawn(
        self, named: dict[str, np.ndarray], target: Feature | None = None, targets: np.ndarray | None = None
    ) -> dict[str, np.ndarray]:
        """Returns the parts that there are, and those that are split off the train part in place of others.

        Args:
            named: positions of what each part holds that is there; of train at least.
            target: the feature of the targets, whose classes stratify; none for none.
            targets: of all positions; none likewise.
        """
        own = named["train"]
        test, validation = (
            0.0 if part in named else share
            for part, share in (("test", self.test_fraction), ("validation", self.validation_fraction))
        )
        train = Split(own[:, None], None if targets is None else targets[own])
        drawn = drawn_parts(train, target, test, validation, self.split_seed)
        return named | {part: split.inputs[:, 0] for part, split in drawn.items() if split is not None}

    def splits(self, like: DataSpec | None) -> Splits:
        """Learns the tokenizer of the texts of the train part, and makes tokens of all.

        Raises:
            ValueError: if the texts cannot be used.
        """
        found = self.texts(like)
        train = found.parts["train"]
        if not len(train):
            raise KeyProblem("test_fraction", "and validation_fraction leave nothing for training")
        tokens = self._tokens([found.raws[place] for place in train]) if like is None else like.input
        encoded = tokens.encode(found.raws)
        problems = [f"{found.places[place]}: {why}" for place, why in encoded.problems.items()]
        self.refuse(problems)
        usable = np.array([place for place in range(len(found.raws)) if place not in encoded.problems], np.int64)
        rows = np.full(len(found.raws), -1)
        rows[usable] = np.arange(len(usable))
        self._notice(encoded, found)
        targets = None if found.target is None else self.stored_targets(found, encoded, usable)
        parts: dict[str, Any] = dict.fromkeys(PARTS)
        for name, positions in found.parts.items():
            kept = positions[rows[positions] >= 0]
            if not len(kept):
                if name == "train":
                    raise DataError("the train part has no text that can be used")
                continue
            parts[name] = Split(
                encoded.stored.take(rows[kept]),
                None if targets is None else taken(targets, rows[kept]),
                None if found.weights is None else found.weights[kept],
                Provenance(found.places.__getitem__, kept),
                taken(encoded.metadata, rows[kept]),
            )
        # One name for texts of any kind: networks that were pretrained on some are for the others.
        inputs, asked = Features({Tokens.registered_name: tokens}), [found.target] if found.target else []
        spec = DataSpec(inputs, Features.of(*asked)) if like is None else like
        made = Splits(spec, parts.pop("train"), **parts, skipped=(*found.skipped, *problems))
        return made.with_statistics(like)

    def findings(self, splits: Splits) -> Iterable[Finding]:
        """Returns texts that are odd as they stand in their files; read again, for nobody else needs them."""
        found = self.texts(splits.spec)
        return odd_texts(found.raws, found.places)

    def _tokens(self, raws: Sequence[Any]) -> Tokens:
        keys = {name: getattr(self, name) for name in ("max_length", "lowercase", "strip_accents")}
        has_pairs = isinstance(raws[0], dict)
        if isinstance(self.tokenizer, Path):
            content = tokenizing.of_file(self.tokenizer, self.lowercase, self.strip_accents, self.max_length)
            return self.feature(**keys, has_pairs=has_pairs, tokenizer=content)
        untaught = self.feature(kind=self.tokenizer, vocabulary_size=self.vocabulary_size, has_pairs=has_pairs, **keys)
        return untaught.fit([[raw for raw in raws if raw]])

    def _notice(self, encoded: Encoded, found: Texts) -> None:
        """Says how many texts are cut, and how many have unknown tokens, in a line each."""
        of_unknown = _OF_UNKNOWN["file" if isinstance(self.tokenizer, Path) else self.tokenizer]
        by_kind = unusable.noticed_by_kind(encoded)
        unusable.tell(
            {kind: [found.places[row] for row in rows] for kind, rows in by_kind.items()},
            len(found.raws),
            "texts",
            lambda kind: f"where they matter, {of_unknown}" if kind == UNKNOWN_TOKENS else OF_CUT,
        )
