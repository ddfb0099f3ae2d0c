"""Models of SentencePiece, as tokenizers of the `tokenizers` library that make the same tokens."""

from __future__ import annotations

import functools
from typing import Any

PADDING, MASK = ("[PAD]", "<pad>"), {"[PAD]": "[MASK]", "<pad>": "<mask>"}

_UNIGRAM, _OTHERS = 1, {2: "bpe", 3: "word", 4: "char"}
_UNKNOWN, _CONTROL, _USER_DEFINED, _UNUSED = 2, 3, 4, 5
_STARTS = ["<unk>", "<s>", "</s>"]
_LIKE_XLM_R = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
_SPACE = "▁"
_NUMBER_AND_COMMA = 100.0
"""By how much pieces such as "9," are worse in ALBERT, whose code splits them."""


def of_model(content: bytes, is_albert: bool = False, lowercase: bool = False, strip_accents: bool = False) -> Any:
    """Returns the tokenizer that a model of unigrams describes (T. Kudo, "Subword regularization", 2018).

    The ids are those of the pieces, with a mask behind them where there is none. A model without padding has the ids
    of XLM-RoBERTa: <s>, <pad>, </s>, <unk>, then the pieces, then <mask>. Tokens are the same as SentencePiece's, but
    of marks in another than Unicode's order, or behind a letter that they form no other one with.

    Args:
        content: of the file, a ModelProto.
        is_albert: whether quotes become plain ones, and numbers lose the comma behind them, as ALBERT has it.
        lowercase: take A for a, which SentencePiece leaves to others.
        strip_accents: take é for e, likewise.

    Raises:
        ValueError: if it describes none, or one whose tokens would be others.
    """
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

    model = _message()()
    model.MergeFromString(content)
    trainer, rules, pieces = model.trainer_spec, model.normalizer_spec, list(model.pieces)
    if not pieces:
        raise ValueError("it has no pieces")
    kinds = [each.type for each in pieces]
    differences = {
        f"is of the kind {_OTHERS.get(trainer.model_type)}, not unigram": trainer.model_type != _UNIGRAM,
        "has a token for each byte of unknown letters": trainer.byte_fallback,
        "has the spaces behind words": trainer.treat_whitespace_as_suffix,
        "keeps spaces as they are": not rules.escape_whitespaces,
        "has pieces that are not to be used": _UNUSED in kinds,
        "has not just one piece for the unknown": kinds.count(_UNKNOWN) != 1,
    }
    if found := [words for words, is_so in differences.items() if is_so]:
        raise ValueError(f"it {found[0]}: such tokens would differ from SentencePiece's; use its tokenizer.json")
    scored = [(each.piece, each.score) for each in pieces]
    if is_albert:
        scored = [(piece, score - _NUMBER_AND_COMMA * _is_number_and_comma(piece)) for piece, score in scored]
    vocabulary = _in_order(scored)
    unknown = pieces[kinds.index(_UNKNOWN)].piece
    made = Tokenizer(models.Unigram(vocabulary, [piece for piece, _ in vocabulary].index(unknown)))
    special = [unknown, *(each.piece for each in pieces if each.type == _CONTROL)]
    made.add_special_tokens([AddedToken(each, special=True, lstrip=is_albert and each == "[MASK]") for each in special])
    steps: list[Any] = [normalizers.Replace(quotes, '"') for quotes in ("``", "''")] if is_albert else []
    steps += [normalizers.NFKD(), normalizers.StripAccents()] if strip_accents else []
    steps += [normalizers.Lowercase()] if lowercase else []
    steps += _spelling(rules.precompiled_charsmap) if rules.precompiled_charsmap else []
    if rules.remove_extra_whitespaces:
        ends = Regex(rf"\A +|[ {_SPACE}]+\z")
        steps += [normalizers.Replace(ends, ""), normalizers.Replace(Regex(" {2,}"), " ")]
    steps.append(normalizers.Replace(" ", _SPACE))
    symbols = sorted((each.piece for each in pieces if each.type == _USER_DEFINED), key=len, reverse=True)
    own: list[Any] = []
    if rules.add_dummy_prefix:
        steps.append(normalizers.Replace(Regex(rf"\A{_SPACE}"), 2 * _SPACE))  # which Metaspace takes for the prefix
        own.append(pre_tokenizers.Metaspace(prepend_scheme="always", split=False))
    made.normalizer = normalizers.Sequence(steps)
    for symbol in symbols:
        if (spelt := made.normalizer.normalize_str(f"a{symbol}a")) != f"a{symbol}a":
            raise ValueError(
                f"its symbol {symbol!r} is {spelt[1:-1]!r} behind its own normalisation: use tokenizer.json"
            )
    if symbols:
        own.append(pre_tokenizers.Split(Regex("|".join(map(_literal, symbols))), behavior="isolated"))
    if own:
        made.pre_tokenizer = pre_tokenizers.Sequence(own)
    made.decoder = decoders.Metaspace(prepend_scheme="always" if rules.add_dummy_prefix else "never")
    return made


def _spelling(rules: bytes) -> list[Any]:
    """Returns what a model's own rules do to the letters of a text."""
    from tokenizers import Regex, normalizers

    own = normalizers.Precompiled(rules)
    if own.normalize_str("e\u0301") != "\xe9":
        return [own]
    # The library forgets a mark behind a letter that is replaced: so it sees each by itself, and they are joined later.
    marks, apart = r"[\x{200c}\x{200d}\p{M}\x{ff9e}\x{ff9f}]", "\uffff"
    parted = normalizers.Replace(Regex(f"(?<=.)(?={marks})"), apart)
    return [normalizers.NFC(), parted, own, normalizers.Replace(apart, ""), normalizers.NFC()]


def _in_order(scored: list[tuple[str, float]]) -> list[tuple[str, float]]:
    """Returns pieces in the order of their ids, with padding and a mask."""
    names = [piece for piece, _ in scored]
    padding = next((name for name in PADDING if name in names), None)
    if padding is None:
        if names[:3] != _STARTS:
            starts, found = ", ".join(_STARTS), ", ".join(names[:3])
            raise ValueError(f"it must have the piece <pad> or [PAD], or begin with {starts}, got {found}")
        scored, padding = _LIKE_XLM_R + scored[3:], "<pad>"
    has_mask = any(mask in names for mask in MASK.values())
    return scored if has_mask else [*scored, (MASK[padding], 0.0)]


def _is_number_and_comma(piece: str) -> bool:
    return len(piece) > 1 and piece[-1] == "," and piece[-2].isdigit()


def _literal(symbol: str) -> str:
    return "".join(rf"\x{{{ord(letter):x}}}" for letter in symbol)


@functools.cache
def _message() -> Any:
    """Returns the class of SentencePiece's ModelProto, of the fields that are read here."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="dltrain_sentence_piece.proto", package="dltrain", syntax="proto2")
    for message, fields in _FIELDS.items():
        described = file.message_type.add(name=message)
        for name, (number, kind, default) in fields.items():
            is_message = kind in _FIELDS
            described.field.add(
                name=name,
                number=number,
                label=field.LABEL_REPEATED if name == "pieces" else field.LABEL_OPTIONAL,
                type=field.TYPE_MESSAGE if is_message else getattr(field, f"TYPE_{kind}"),
                type_name=f".dltrain.{kind}" if is_message else None,
                default_value=default,
            )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("dltrain.Model"))


_FIELDS: dict[str, dict[str, tuple[int, str, str | None]]] = {
    "Piece": {"piece": (1, "STRING", None), "score": (2, "FLOAT", None), "type": (3, "INT32", "1")},
    "Trainer": {
        "model_type": (3, "INT32", "1"),
        "treat_whitespace_as_suffix": (24, "BOOL", None),
        "byte_fallback": (35, "BOOL", None),
    },
    "Normalizer": {
        "precompiled_charsmap": (2, "BYTES", None),
        "add_dummy_prefix": (3, "BOOL", "true"),
        "remove_extra_whitespaces": (4, "BOOL", "true"),
        "escape_whitespaces": (5, "BOOL", "true"),
    },
    "Model": {
        "pieces": (1, "Piece", None),
        "trainer_spec": (2, "Trainer", None),
        "normalizer_spec": (3, "Normalizer", None),
    },
}
"""The number, kind and default of each field, as sentencepiece_model.proto has them; enumerations are whole numbers."""
