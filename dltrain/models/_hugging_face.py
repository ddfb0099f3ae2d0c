"""Weights of text encoders in Hugging Face's form, read without trust into KerasHub's networks."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from dltrain import untrusted
from dltrain.lazy import np

WEIGHTS = ("model.safetensors", "model.safetensors.index.json")

_MOST_BYTES = 2**26
_NUMBERS = ("F64", "F32", "F16", "BF16")

_BLOCKS = {
    "distilbert": "transformer.layer.{}",
    "albert": "encoder.albert_layer_groups.0.albert_layers.0",
}
"""What a block of KerasHub's is called; otherwise encoder.layer.{}."""

_LAYERS = {
    "token_embedding": "embeddings.word_embeddings",
    "position_embedding": "embeddings.position_embeddings",
    "segment_embedding": "embeddings.token_type_embeddings",
    "embeddings_layer_norm": "embeddings.LayerNorm",
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "attention_output": "attention.output.dense",
    "self_attention_layer_norm": "attention.output.LayerNorm",
    "feedforward_intermediate_dense": "intermediate.dense",
    "feedforward_output_dense": "output.dense",
    "feedforward_layer_norm": "output.LayerNorm",
    "pooled_dense": "pooler.dense",
}
"""What KerasHub's layers are called."""

_LAYERS_OF = {
    "distilbert": {
        "query": "attention.q_lin",
        "key": "attention.k_lin",
        "value": "attention.v_lin",
        "attention_output": "attention.out_lin",
        "self_attention_layer_norm": "sa_layer_norm",
        "feedforward_intermediate_dense": "ffn.lin1",
        "feedforward_output_dense": "ffn.lin2",
        "feedforward_layer_norm": "output_layer_norm",
    },
    "deberta-v2": {
        "query": "attention.self.query_proj",
        "key": "attention.self.key_proj",
        "value": "attention.self.value_proj",
        "rel_embedding": "encoder.rel_embeddings",
        "rel_embeddings_layer_norm": "encoder.LayerNorm",
    },
    "albert": {
        "embedding_projection": "encoder.embedding_hidden_mapping_in",
        "query": "attention.query",
        "key": "attention.key",
        "value": "attention.value",
        "attention_output": "attention.dense",
        "self_attention_layer_norm": "attention.LayerNorm",
        "feedforward_intermediate_dense": "ffn",
        "feedforward_output_dense": "ffn_output",
        "feedforward_layer_norm": "full_layer_layer_norm",
        "pooled_dense": "pooler",
    },
    "electra": {"embeddings_projection": "embeddings_project"},
}
"""Likewise, where a kind of network has other names."""


def load(folder: Path, kind: str, first_position: int, network: Any, may_lack: Collection[str]) -> set[str]:
    """Loads the weights in a folder into a network.

    Args:
        folder: with model.safetensors, or several files and their model.safetensors.index.json.
        kind: what Hugging Face calls the kind of network.
        first_position: the row of its table of positions that belongs to the first token.
        network: KerasHub's backbone.
        may_lack: layers that keep their weights where the folder has none of them.

    Returns:
        the names of these layers.

    Raises:
        OSError: if a file cannot be opened.
        untrusted.Unreadable: if one holds something else, or a tensor is missing or of another shape.
    """
    absent = set[str]()
    with untrusted.parsing(), ExitStack() as open_files:
        tensors = _Tensors(folder, open_files)
        for weight in network.weights:
            name, layer = _name(weight.path, kind), weight.path.partition("/")[0]
            if layer in may_lack and name not in tensors:
                absent.add(layer)
                continue
            value = tensors.value(name)
            if kind in ("roberta", "xlm-roberta") and name == "embeddings.position_embeddings.weight":
                # All tokens are of the first type, whose vector KerasHub's network has no other place for.
                value = value[first_position:] + tensors.value("embeddings.token_type_embeddings.weight")[:1]
            weight.assign(_placed(value, weight, name))
    return absent


def _name(path: str, kind: str) -> str:
    """Returns what Hugging Face calls a weight, of its path in KerasHub's network."""
    *layers, own = path.split("/")
    names = _LAYERS | _LAYERS_OF.get(kind, {})
    block = re.search(r"layer_(\d+)$", layers[0])
    within = f"{_BLOCKS.get(kind, 'encoder.layer.{}').format(block[1])}." if block else ""
    return f"{within}{names[layers[-1]]}.{'bias' if own in ('bias', 'beta') else 'weight'}"


def _placed(value: np.ndarray, weight: Any, name: str) -> np.ndarray:
    """Returns a tensor in the shape of a weight: PyTorch has kernels as (outputs, inputs), and heads side by side."""
    shape, (*_, layer, own) = tuple(weight.shape), weight.path.split("/")
    expected = (math.prod(shape),) if own == "bias" else shape
    if own == "kernel":
        inputs = math.prod(shape[:-1]) if layer == "attention_output" else shape[0]
        expected = math.prod(shape) // inputs, inputs
    if value.shape != expected:
        raise ValueError(f"its {name} must have the shape {expected}, got {value.shape}")
    return (value.T if own == "kernel" else value).reshape(shape)


class _Tensors:
    """The tensors of a folder, by their names without what a network's class puts before them, such as "bert.".

    Args:
        folder: the folder.
        open_files: closes the files.
    """

    def __init__(self, folder: Path, open_files: ExitStack) -> None:
        # NumPy has no bfloat16 of its own: without this, which comes with TensorFlow, BF16 tensors cannot be read.
        import ml_dtypes  # noqa: F401
        from safetensors import safe_open

        whole, index = (folder / name for name in WEIGHTS)
        names = {whole.name}
        if not whole.is_file():
            names = {*json.loads(untrusted.content(index, _MOST_BYTES))["weight_map"].values()}
        self._files: dict[str, Any] = {}
        for name in sorted(names):
            if Path(name).name != name:
                raise ValueError(f"{index.name} names {name}, which is no file beside it")
            untrusted.opened(folder / name).close()  # the library would wait for ever on a pipe
            file = open_files.enter_context(safe_open(folder / name, framework="np"))
            self._files |= dict.fromkeys(file.keys(), file)
        self._prefix = self._before("embeddings.word_embeddings.weight")

    def __contains__(self, name: str) -> bool:
        return self._prefix + name in self._files

    def value(self, name: str) -> np.ndarray:
        """Returns a tensor as float32; raises ValueError where there is none, or it holds no such numbers."""
        # As TensorFlow's BERT had them, and Hugging Face's first copies of it.
        older = name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
        found = next((each for each in (name, older) if each in self), None)
        if found is None:
            raise ValueError(f"it has no tensor {self._prefix}{name}")
        found = self._prefix + found
        if (kind := self._files[found].get_slice(found).get_dtype()) not in _NUMBERS:
            raise ValueError(f"its {found} must be one of {', '.join(_NUMBERS)}, got {kind}")
        return self._files[found].get_tensor(found).astype(np.float32)

    def _before(self, name: str) -> str:
        found = [each for each in self._files if each.endswith(name)]
        if len(found) != 1:
            raise ValueError(f"it must have one tensor {name}, it has {len(found)}")
        return found[0].removesuffix(name)
