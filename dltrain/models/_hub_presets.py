"""Folders of pretrained text encoders, KerasHub's and Hugging Face's: what they hold, read without trust."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dltrain import untrusted
from dltrain.errors import UserError

CONFIG, WEIGHTS = "config.json", "model.weights.h5"

_MOST_BYTES = 2**26

_OF_HUGGING_FACE = {
    "num_layers": ("num_hidden_layers", "n_layers"),
    "num_heads": ("num_attention_heads", "n_heads"),
    "hidden_dim": ("hidden_size", "dim"),
    "intermediate_dim": ("intermediate_size", "hidden_dim"),
    "embedding_dim": ("embedding_size",),
    "vocabulary_size": ("vocab_size",),
    "max_sequence_length": ("max_position_embeddings",),
}
"""What Hugging Face calls KerasHub's numbers; the second names are DistilBERT's."""

_OFFSET = {"roberta": 2, "xlm-roberta": 2}
"""Positions that such a network has beside those of tokens."""

_ACTIVATIONS = ("gelu", "gelu_new", "gelu_pytorch_tanh")
"""Of Hugging Face's: KerasHub has its own for each network, and no others."""

_VOCABULARIES = (
    *("assets/tokenizer/vocabulary.txt", "vocab.txt", "assets/tokenizer/vocabulary.json", "vocab.json"),
    *("assets/tokenizer/vocabulary.spm", "tokenizer.json"),
    *("spiece.model", "spm.model", "sentencepiece.bpe.model"),
)


def is_folder(path: Path) -> bool:
    """Whether a path is such a folder: it has a config.json, and is no run."""
    return (path / CONFIG).is_file() and not (path / "config.yaml").is_file()


def require_complete(folder: Path) -> None:
    """Raises UserError where a folder has no file of weights."""
    is_theirs = is_hugging_face(folder)
    names = ("model.safetensors", "model.safetensors.index.json") if is_theirs else (WEIGHTS,)
    if not any((folder / name).is_file() for name in names):
        raise UserError(f"{folder} has no {names[0]}")


def called(name: str, kind: str) -> str:
    """Returns what a kind of network's config.json calls one of KerasHub's numbers."""
    theirs = _OF_HUGGING_FACE.get(name, (name,))
    return name if kind[:1].isupper() else theirs[-1 if kind == "distilbert" else 0]


def is_hugging_face(folder: Path) -> bool:
    """Whether a folder is in Hugging Face's form.

    Raises:
        UserError: if it cannot be read.
    """
    return "model_type" in _json(folder / CONFIG)


def numbers(folder: Path) -> tuple[str, dict[str, Any]]:
    """Returns what kind of network a folder holds, by KerasHub's or Hugging Face's name, and KerasHub's numbers of it.

    Raises:
        UserError: if it cannot be read.
    """
    config = _json(folder / CONFIG)
    if "model_type" not in config:
        found = config.get("config")
        return str(config.get("class_name")), found if isinstance(found, dict) else {}
    kind = str(config["model_type"])
    places = {ours: (theirs if kind == "distilbert" else theirs[:1]) for ours, theirs in _OF_HUGGING_FACE.items()}
    found = {
        ours: next((config[name] for name in reversed(theirs) if name in config), None)
        for ours, theirs in places.items()
    }
    activation = config.get("hidden_act", config.get("activation", "gelu"))
    if activation not in _ACTIVATIONS:
        raise UserError(f"{folder / CONFIG}: its activation is {activation!r}, KerasHub has {', '.join(_ACTIVATIONS)}")
    if (positions := config.get("position_embedding_type", "absolute")) != "absolute":
        raise UserError(f"{folder / CONFIG}: its positions are {positions!r}, KerasHub has absolute ones")
    longest = found["max_sequence_length"]
    if isinstance(longest, int):
        found["max_sequence_length"] = longest - _OFFSET.get(kind, 0)
    return kind, {name: value for name, value in found.items() if value is not None}


def vocabulary(folder: Path) -> dict[str, int] | None:
    """Returns the id of each token; none where the folder does not tell.

    Raises:
        UserError: if it cannot be read.
    """
    file = next((folder / name for name in _VOCABULARIES if (folder / name).is_file()), None)
    if file is None or (file.name == "tokenizer.json" and "model" not in _json(file)):  # KerasHub's own settings
        return None
    if file.suffix in (".spm", ".model"):
        from dltrain.features._text.sentence_piece import of_model

        try:
            with untrusted.parsing():
                return dict(of_model(untrusted.content(file, _MOST_BYTES)).get_vocab())
        except untrusted.Unreadable:  # of another kind
            return None
        except OSError as error:
            raise UserError(f"{file} cannot be read: {untrusted.reason(error)}") from None
    if file.suffix == ".txt":
        tokens = _text(file).removesuffix("\n").split("\n")
        return {token: number for number, token in enumerate(tokens)}
    content = _json(file)
    if file.name == "tokenizer.json":
        from dltrain.features._text.tokenizing import tokenizer

        try:
            return dict(tokenizer(_text(file)).get_vocab(with_added_tokens=True))
        except untrusted.Unreadable as error:
            raise UserError(f"{file}: {error}") from None
    return content


def _json(file: Path) -> dict[str, Any]:
    text = _text(file)
    try:
        with untrusted.parsing():
            found = json.loads(text)
    except untrusted.Unreadable as error:
        raise UserError(f"{file} cannot be read: {error}") from None
    if not isinstance(found, dict):
        raise UserError(f"{file} must hold an object, got {type(found).__name__}")
    return found


def _text(file: Path) -> str:
    try:
        with untrusted.parsing():
            return untrusted.content(file, _MOST_BYTES).decode()
    except (OSError, untrusted.Unreadable) as error:
        raise UserError(f"{file} cannot be read: {untrusted.reason(error)}") from None
