"""Tokenizers of the `tokenizers` library, kept as the JSON text that it reads and writes: tokenizer.json."""

from __future__ import annotations

import functools
import glob
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from dltrain import untrusted
from dltrain.errors import KeyProblem
from dltrain.features._text import byte_level, sentence_piece
from dltrain.lazy import np

Kind = Literal["words", "wordpiece", "bpe", "unigram"]

PADDING, UNKNOWN, FIRST, SEPARATOR, MASK = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"
SPECIAL = (PADDING, UNKNOWN, FIRST, SEPARATOR, MASK)
"""The special tokens of a tokenizer that is learnt, BERT's, whose ids are 0 to 4."""

_ALIKE = {
    PADDING: (PADDING, "<pad>"),
    UNKNOWN: (UNKNOWN, "<unk>"),
    FIRST: (FIRST, "<s>"),
    SEPARATOR: (SEPARATOR, "</s>"),
    MASK: (MASK, "<mask>"),
}
"""What other vocabularies call them."""

FILE = "tokenizer.json"
VOCABULARIES = (
    *("vocab.txt", "assets/tokenizer/vocabulary.txt", "vocab.json", "assets/tokenizer/vocabulary.json"),
    *("spiece.model", "spm.model", "sentencepiece.bpe.model", "sentencepiece.model", "tokenizer.model"),
    "assets/tokenizer/vocabulary.spm",
)
"""What Hugging Face and KerasHub call files of vocabularies, in a folder that has no tokenizer.json."""

SENTENCE_PIECE = (".model", ".spm")
"""Suffixes of SentencePiece's models."""

_FORMS = "a tokenizer.json, a vocab.txt, a vocab.json beside its merges.txt, or a SentencePiece model (.model, .spm)"
_MOST_BYTES = 2**27

MOST_LETTERS = 1000
"""Letters that pieces of words are made of, the most frequent ones; the others are unknown."""


def check_installed(key: str) -> None:
    """Raises KeyProblem, which names the extra, where the library is not installed."""
    if find_spec("tokenizers") is None:
        raise KeyProblem(key, ": texts need the package tokenizers: pip install 'dltrain[text]'")


def check_size(key: str, vocabulary_size: int) -> None:
    """Raises KeyProblem where a vocabulary has no room for a token beside the special ones."""
    least = len(SPECIAL) + 1
    if vocabulary_size < least:
        raise KeyProblem(key, f"must be at least {least}, got {vocabulary_size}")


@functools.lru_cache(maxsize=8)
def tokenizer(content: str) -> Any:
    """Returns the tokenizer that a JSON text describes.

    Raises:
        untrusted.Unreadable: if it describes none.
    """
    import tokenizers

    with untrusted.parsing():
        return tokenizers.Tokenizer.from_str(content)


def special_id(content: str, token: str) -> int | None:
    """Returns the id of one of `SPECIAL`, by that name or by those of other vocabularies; none without such a token."""
    made = tokenizer(content)
    found = (made.token_to_id(name) for name in _ALIKE[token])
    return next((number for number in found if number is not None), None)


def special_ids(content: str) -> frozenset[int]:
    """Returns the ids of padding, unknown tokens, separators and the like: nobody wrote them."""
    found = {each["id"] for each in json.loads(content)["added_tokens"] if each["special"]}
    return frozenset(found | {number for each in SPECIAL if (number := special_id(content, each)) is not None})


def begins_word(content: str) -> np.ndarray:
    """Returns which tokens begin a word, by their ids, (vocabulary,), bool: all, where words are tokens.

    A token of punctuation alone is a word by itself.
    """
    made = tokenizer(content)
    kind = json.loads(content)["model"].get("type") or ""
    marks = {"BPE": ("Ġ", "▁"), "Unigram": ("▁",)}.get(kind)
    found = np.ones(made.get_vocab_size(), bool)
    for token, number in made.get_vocab().items():
        is_mark = not any(letter.isalnum() for letter in token)
        found[number] = is_mark or (token.startswith(marks) if marks else not token.startswith("##"))
    return found


def has_words(content: str) -> bool:
    """Whether the tokens of a tokenizer are whole words."""
    return bool(content) and json.loads(content)["model"].get("type") == "WordLevel"


def learnt(
    kind: Kind, texts: Sequence[str], vocabulary_size: int, lowercase: bool, strip_accents: bool, max_length: int | None
) -> str:
    """Learns a tokenizer of texts.

    Args:
        kind: words, the most frequent ones; wordpiece as BERT has it; bpe on bytes as GPT-2 has it; unigram as
            SentencePiece has it, of which rare pieces may differ from one learning to another.
        texts: of the train part.
        vocabulary_size: the most tokens, the five special ones among them.
        lowercase: take A for a.
        strip_accents: take é for e.
        max_length: tokens of a text, the special ones among them, behind which it is cut; none for no end.
    """
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    settings: Any = {"vocab_size": vocabulary_size, "special_tokens": [*SPECIAL], "show_progress": False}
    spelling = [normalizers.NFD(), normalizers.StripAccents()] if strip_accents else []
    spelling += [normalizers.Lowercase()] if lowercase else []
    normalizer: Any = normalizers.Sequence([normalizers.NFC(), *spelling, normalizers.NFC()])
    trainer: Any
    if kind in ("words", "wordpiece"):
        normalizer = normalizers.BertNormalizer(lowercase=lowercase, strip_accents=strip_accents)
    if kind == "words":
        made: Any = Tokenizer(models.WordLevel(unk_token=UNKNOWN))
        made.pre_tokenizer, trainer = pre_tokenizers.BertPreTokenizer(), trainers.WordLevelTrainer(**settings)
    elif kind == "wordpiece":
        made = Tokenizer(models.WordPiece(unk_token=UNKNOWN))
        letters = _letters(normalizer, texts)
        # Unless they are named, the library numbers letters within words by chance, and decides ties by the numbers.
        settings["special_tokens"] += [f"##{letter}" for letter in letters]
        made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        trainer = trainers.WordPieceTrainer(initial_alphabet=letters, limit_alphabet=len(letters), **settings)
    elif kind == "bpe":
        made = Tokenizer(models.BPE(unk_token=UNKNOWN))
        made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
        trainer = trainers.BpeTrainer(initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), **settings)
        made.decoder = decoders.ByteLevel()
    else:
        made = Tokenizer(models.Unigram())
        made.pre_tokenizer, made.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
        trainer = trainers.UnigramTrainer(unk_token=UNKNOWN, **settings)
    made.normalizer = normalizer
    made.train_from_iterator(texts, trainer)
    if kind == "wordpiece":
        made = _of_pieces(made.get_vocab(), normalizer)
    elif kind == "unigram":
        made.model = _in_order(json.loads(made.to_str())["model"])
    _cut(_framed(made), max_length)
    return str(made.to_str())


def _letters(normalizer: Any, texts: Sequence[str]) -> list[str]:
    """Returns the most frequent letters of texts, in their order."""
    counts = Counter[str]()
    for text in texts:
        counts.update(normalizer.normalize_str(text))
    ranked = sorted(counts, key=lambda letter: (-counts[letter], letter))
    return sorted(letter for letter in ranked[:MOST_LETTERS] if not letter.isspace())


def _in_order(model: Any) -> Any:
    """Returns a unigram model whose pieces and scores do not depend on the order in which sums were made."""
    from tokenizers import models

    known = [piece for piece in model["vocab"] if piece[0] in SPECIAL]
    others = sorted((piece, round(score, 2)) for piece, score in model["vocab"] if piece not in SPECIAL)
    return models.Unigram([*map(tuple, known), *others], model["unk_id"])


def place(path: Path) -> Path:
    """Returns a path, or the newest run of that name where nothing is there: runs/reviews for runs/reviews-002."""
    if path.exists():
        return path
    numbered = {int(found[1]): run for run in path.parent.glob(f"{glob.escape(path.name)}-*")
                if (found := re.fullmatch(r".*-(\d{1,9})", run.name)) and (run / FILE).is_file()}  # fmt: skip
    return numbered[max(numbered)] if numbered else path


def of_file(path: Path, lowercase: bool, strip_accents: bool, max_length: int | None) -> str:
    """Reads a tokenizer from a file in one of the common forms.

    Args:
        path: a tokenizer.json; a BERT's vocab.txt, a token per line; the vocab.json of a byte-level BPE, beside its
            merges.txt; a model of SentencePiece; or a folder with one: a run's, or one of pretrained weights.
        lowercase: of a vocab.txt, which does not say it: take A for a.
        strip_accents: likewise, take é for e.
        max_length: tokens of a text, the special ones among them, behind which it is cut; none for no end.

    Raises:
        KeyProblem: if it cannot be used.
    """
    from tokenizers import AddedToken

    try:
        with untrusted.parsing():
            path = _within(path) if path.is_dir() else path
            made = _read(path, lowercase, strip_accents)
    except OSError as error:
        raise KeyProblem("tokenizer", f"cannot be read: {path}: {error.strerror}") from None
    except untrusted.Unreadable as error:
        raise KeyProblem("tokenizer", f"must be {_FORMS}, got {path}: {error}") from error
    made = type(made).from_str(made.to_str())  # the one that is kept for this text stays as it is
    known, added = made.get_vocab(), {each["content"] for each in json.loads(made.to_str())["added_tokens"]}
    # A mask that is a token like others would be read as a bracket, a word and a bracket.
    special = [name for names in _ALIKE.values() for name in names if name in known and name not in added]
    made.add_special_tokens([AddedToken(name, special=True, lstrip=name == "<mask>") for name in special])
    made.no_padding()
    _cut(made, max_length)
    content = made.to_str()
    if max(known.values(), default=-1) + 1 != len(known):
        raise KeyProblem("tokenizer", f"must number its {len(known):,} tokens from 0 without gaps: {path}")
    absent = [name for name in (PADDING, UNKNOWN) if special_id(content, name) is None]
    if absent and (PADDING in absent or json.loads(content)["model"].get("type") != "BPE"):
        names = " and ".join(" or ".join(_ALIKE[name]) for name in absent)
        raise KeyProblem("tokenizer", f"must have the token {names}: {path}")
    return content


def _read(path: Path, lowercase: bool, strip_accents: bool) -> Any:
    """Returns the tokenizer that a file describes; raises ValueError where it describes none."""
    content = untrusted.content(path, _MOST_BYTES)
    if path.suffix in SENTENCE_PIECE:
        return _framed(sentence_piece.of_model(content, *_of_albert(path)))
    text = content.decode("utf-8-sig")
    if path.suffix == ".txt":
        _require_case(path, lowercase)
        return _of_vocabulary(text, lowercase, strip_accents)
    if not byte_level.is_vocabulary(found := json.loads(text)):
        return tokenizer(text)
    merges = path.with_name("merges.txt")
    if not merges.is_file():
        raise ValueError("a vocabulary of byte-level BPE needs its merges.txt beside it")
    settings = _settings(path.with_name("tokenizer_config.json"))
    pairs = untrusted.content(merges, _MOST_BYTES).decode("utf-8-sig")
    return _framed(byte_level.of_files(found, pairs, settings.get("add_prefix_space") is True))


def _of_albert(model: Path) -> tuple[bool, bool, bool]:
    """Returns whether a model is ALBERT's, and whether it is for small letters and for such without accents.

    SentencePiece does not know it: Hugging Face's files beside it do.
    """
    settings = _settings(model.with_name("tokenizer_config.json"))
    names = settings.get("tokenizer_class"), _settings(model.with_name("config.json")).get("model_type")
    is_albert = any(str(name).lower().startswith("albert") for name in names)
    keeps_accents = settings.get("keep_accents", not is_albert) is True
    return is_albert, settings.get("do_lower_case", is_albert) is True, not keeps_accents


def _within(folder: Path) -> Path:
    """Returns the file of a folder that describes a tokenizer; raises ValueError where there is none."""
    for name in (FILE, *VOCABULARIES):
        # KerasHub calls its own settings so.
        if (folder / name).is_file() and (name != FILE or "model" in _settings(folder / name)):
            return folder / name
    raise ValueError(
        "there is no tokenizer.json of the tokenizers library, no vocab.txt, vocab.json or SentencePiece model in it; "
        "Hugging Face has such a file of each network"
    )


def _require_case(vocabulary: Path, lowercase: bool) -> None:
    """Raises KeyProblem where the files beside a vocabulary say that it is for the other case."""
    root = vocabulary.parent if vocabulary.name == "vocab.txt" else vocabulary.parents[2]
    told = [_settings(root / "tokenizer_config.json").get("do_lower_case"),
            (_settings(root / FILE).get("config") or {}).get("lowercase")]  # fmt: skip
    for case in told:
        if isinstance(case, bool) and case != lowercase:
            raise KeyProblem("lowercase", f"must be {str(case).lower()}, as {root} says of its vocabulary")


def _settings(file: Path) -> dict[str, Any]:
    """Returns the object in a JSON file; nothing where there is no such file, or no object."""
    if not file.is_file():
        return {}
    found = json.loads(untrusted.content(file, _MOST_BYTES))
    return found if isinstance(found, dict) else {}


def _of_vocabulary(text: str, lowercase: bool, strip_accents: bool) -> Any:
    from tokenizers import normalizers

    tokens = text.rstrip("\n").split("\n")
    twice = len(tokens) - len(set(tokens))
    missing = [token for token in SPECIAL if token not in tokens]
    if missing or twice:
        raise ValueError(f"it has no token {missing[0]}" if missing else f"it has {twice} tokens twice")
    normalizer = normalizers.BertNormalizer(lowercase=lowercase, strip_accents=strip_accents)
    made = _of_pieces({token: number for number, token in enumerate(tokens)}, normalizer)
    return _framed(made)


def _of_pieces(vocabulary: dict[str, int], normalizer: Any) -> Any:
    """Returns BERT's tokenizer of a vocabulary."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    made = Tokenizer(models.WordPiece(vocabulary, unk_token=UNKNOWN))
    made.normalizer = normalizer
    made.pre_tokenizer, made.decoder = pre_tokenizers.BertPreTokenizer(), decoders.WordPiece()
    made.add_special_tokens([*SPECIAL])
    return made


def _framed(made: Any) -> Any:
    """Puts special tokens around a text, and between the two of a pair, as BERT has it or, with <s>, RoBERTa.

    A tokenizer that has no such tokens stays as it is.
    """
    from tokenizers import processors

    known = made.get_vocab()
    first, separator = (next((name for name in _ALIKE[token] if name in known), None) for token in (FIRST, SEPARATOR))
    if first is not None and separator is not None:
        between = f"{separator} {separator} $B" if first == "<s>" else f"{separator} $B:1"
        made.post_processor = processors.TemplateProcessing(
            single=f"{first} $A {separator}",
            pair=f"{first} $A {between} {separator}" + ":1" * (first != "<s>"),
            special_tokens=[(token, known[token]) for token in (first, separator)],
        )
    return made


def _cut(made: Any, max_length: int | None) -> None:
    if max_length is None:
        made.no_truncation()
    else:
        made.enable_truncation(max_length)


def pieces(texts: list[Any], size: int = 1000) -> Iterator[list[Any]]:
    """Yields some texts at a time: what the library makes of one takes many times its memory."""
    for start in range(0, len(texts), size):
        yield texts[start : start + size]
