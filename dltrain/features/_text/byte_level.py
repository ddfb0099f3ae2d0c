"""Byte-level BPE in the two files of GPT-2 and RoBERTa: vocab.json, and merges.txt beside it."""

from __future__ import annotations

from typing import Any

_END_OF_TEXT = "<|endoftext|>"
_END_OF_WORD = "</w>"


def is_vocabulary(content: Any) -> bool:
    """Whether what a JSON file holds is the id of each token."""
    return isinstance(content, dict) and bool(content) and all(isinstance(number, int) for number in content.values())


def of_files(ids: dict[str, int], merges: str, begins_with_space: bool = False) -> Any:
    """Returns the tokenizer of a vocabulary and of the pairs that are merged, in their order.

    The ids are those of the vocabulary; one without padding, as GPT-2's, gets <pad> and <mask> behind them.

    Args:
        ids: of the tokens.
        merges: a pair per line, behind a line with the version.
        begins_with_space: whether a text's first word is read as if a space stood before it.

    Raises:
        ValueError: if they are no byte-level BPE.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    if absent := sorted({*pre_tokenizers.ByteLevel.alphabet()} - {*ids}):
        raise ValueError(f"it is no byte-level BPE, as it has no token {absent[0]!r}: use its tokenizer.json")
    if any(token.endswith(_END_OF_WORD) for token in ids):
        raise ValueError(f"its words end in {_END_OF_WORD}, GPT-2's and RoBERTa's do not: use its tokenizer.json")
    pairs = []
    for number, line in enumerate(merges.replace("\r\n", "\n").split("\n"), 1):
        if line.strip() and not (number == 1 and line.startswith("#version")):
            pair = line.split(" ")
            if len(pair) != 2 or not {*pair, "".join(pair)} <= ids.keys():
                raise ValueError(
                    f"merges.txt:{number}: must be two tokens of vocab.json that make a third, got {line!r}"
                )
            pairs.append((pair[0], pair[1]))
    made = Tokenizer(models.BPE(ids, pairs))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=begins_with_space)
    made.decoder = decoders.ByteLevel()
    if not {"<pad>", "[PAD]"} & {*ids}:  # GPT-2, whose text is one stream
        known = [_END_OF_TEXT] if _END_OF_TEXT in ids else []
        made.add_special_tokens([*known, "<pad>", AddedToken("<mask>", special=True, lstrip=True)])
    return made
