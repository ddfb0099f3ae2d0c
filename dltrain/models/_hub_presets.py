"""Folders of pretrained text encoders, KerasHub's and Hugging Face's: what they hold, read without trust."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dltrain import untrusted
from dltrain.errors import UserError
from dltrain.features._text import tokenizing
from dltrain.models import _hugging_face

CONFIG, WEIGHTS = "config.json", "model.weights.h5"

_MOST_BYTES = 2**26

_OF_HUGGING_FACE = {
    "num_layers": ("num_hidden_layers", "n_layers"),
    "num_heads": ("num_attention_heads", "n_heads"),
    "hidden_dim": ("hidden_size", "dim"),
    "intermediate_dim": ("intermediate_size", "hidden_dim"),
    "embedding_dim": ("embedding_size",),
    "vocabulary_size": ("vocab_size",),
    "vocab_size": ("vocab_size",),
    "max_sequence_length": ("max_position_embeddings",),
}
"""What Hugging Face calls KerasHub's numbers; the second names are DistilBERT's."""

_ACTIVATIONS = ("gelu", "gelu_new", "gelu_pytorch_tanh")
"""Of Hugging Face's: KerasHub has its own for each network, and no others."""

_SEGMENTS = {"type_vocab_size": (2, 2)}
_FIXED: dict[str, dict[str, tuple[Any, ...]]] = {
    "BertBackbone": {"num_segments": (2, 2)},
    "ElectraBackbone": {"num_segments": (2, 2)},
    "AlbertBackbone": {"num_segments": (2, 2), "num_groups": (1, 1), "num_inner_repetitions": (1, 1)},
    "DebertaV3Backbone": {"bucket_size": (256, 256)},
    "bert": _SEGMENTS,
    "electra": _SEGMENTS,
    "albert": {**_SEGMENTS, "num_hidden_groups": (1, 1), "inner_group_num": (1, 1)},
    "deberta-v2": {
        "type_vocab_size": (0, 0),
        "relative_attention": (False, True),
        "position_buckets": (-1, 256),
        "max_relative_positions": (-1, -1),
        "pos_att_type": (None, ["p2c", "c2p"], ["c2p", "p2c"], "p2c|c2p", "c2p|p2c"),
        "position_biased_input": (True, False),
        "norm_rel_ebd": ("none", "layer_norm"),
        "share_att_key": (False, True),
        "conv_kernel_size": (0, 0),
    },
}
"""By kind of network, of what its config may say: what it means to say nothing, and what is computed here."""

_FIXED_OF_ALL = {
    "hidden_act": ("gelu", *_ACTIVATIONS),
    "activation": ("gelu", *_ACTIVATIONS),
    "position_embedding_type": ("absolute", "absolute"),
    "is_decoder": (False, False),
}
"""Likewise, of Hugging Face's configs."""

_EPSILON = {"roberta": 1e-5, "xlm-roberta": 1e-5, "deberta-v2": 1e-7}
"""What KerasHub adds to variances before it divides by their roots; otherwise 1e-12."""


def is_folder(path: Path) -> bool:
    """Whether a path is such a folder: it has a config.json, and is no run."""
    return (path / CONFIG).is_file() and not (path / "config.yaml").is_file()


def require_complete(folder: Path) -> None:
    """Raises UserError where a folder has no file of weights."""
    is_theirs = is_hugging_face(folder)
    names = _hugging_face.WEIGHTS if is_theirs else (WEIGHTS,)
    if not any((folder / name).is_file() for name in names):
        raise UserError(f"{folder} has no {names[0]}")


def weight_files(folder: Path) -> list[Path]:
    """Returns a folder's config and its files of weights, in a fixed order."""
    names = (CONFIG, "*.safetensors", "*.safetensors.index.json") if is_hugging_face(folder) else (CONFIG, WEIGHTS)
    return sorted(file for name in names for file in folder.glob(name))


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
        kind, found = str(config.get("class_name")), config.get("config")
        found = found if isinstance(found, dict) else {}
        _require_alike(folder, found, _FIXED.get(kind, {}))
        return kind, found
    kind = str(config["model_type"])
    _require_alike(folder, config, _FIXED_OF_ALL | _FIXED.get(kind, {}))
    places = {ours: (theirs if kind == "distilbert" else theirs[:1]) for ours, theirs in _OF_HUGGING_FACE.items()}
    found = {
        ours: next((config[name] for name in reversed(theirs) if name in config), None)
        for ours, theirs in places.items()
    }
    longest = found["max_sequence_length"]
    if isinstance(longest, int):
        found["max_sequence_length"] = longest - first_position(folder)
    return kind, {name: value for name, value in found.items() if value is not None}


def first_position(folder: Path) -> int:
    """Returns which row of the table of positions in a folder of Hugging Face's belongs to the first token.

    RoBERTa numbers positions from behind the id of its padding.

    Raises:
        UserError: if it cannot be read.
    """
    config = _json(folder / CONFIG)
    padding = config.get("pad_token_id")
    if config["model_type"] not in ("roberta", "xlm-roberta"):
        return 0
    return padding + 1 if isinstance(padding, int) else 2


def other_epsilon(folder: Path) -> str:
    """Returns in words that the normalisations in a folder of Hugging Face's add another number than KerasHub's.

    Raises:
        UserError: if it cannot be read.
    """
    config = _json(folder / CONFIG)
    ours = _EPSILON.get(str(config["model_type"]), 1e-12)
    theirs = config.get("layer_norm_eps", ours)
    return "" if theirs == ours else f"{CONFIG} has a layer_norm_eps of {theirs}, KerasHub of {ours}"


def _require_alike(folder: Path, config: dict[str, Any], fixed: dict[str, tuple[Any, ...]]) -> None:
    """Raises UserError where a config says something that dltrain's networks compute otherwise."""
    for name, (default, *computed) in fixed.items():
        if (value := config.get(name, default)) not in computed:
            words = f"its {name} must be {' or '.join(map(json.dumps, computed))}, got {json.dumps(value)}"
            raise UserError(f"{folder / CONFIG}: {words}; no other is built")


def vocabulary(folder: Path) -> dict[str, int] | None:
    """Returns the id of each token; none where the folder does not tell.

    Raises:
        UserError: if it cannot be read.
    """
    try:
        with untrusted.parsing():
            file = tokenizing.vocabulary_file(folder)
    except (OSError, untrusted.Unreadable) as error:
        raise UserError(f"{folder / tokenizing.FILE} cannot be read: {untrusted.reason(error)}") from None
    if file is None:
        return None
    if file.suffix in tokenizing.SENTENCE_PIECE:
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
    if file.name == tokenizing.FILE:
        try:
            return dict(tokenizing.tokenizer(_text(file)).get_vocab(with_added_tokens=True))
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
