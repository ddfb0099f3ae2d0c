"""BERT and its family, the text encoders of KerasHub, each under its own name."""

import logging
import sys
from contextlib import redirect_stdout
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Literal

from dltrain import hdf5, untrusted
from dltrain.data import DataSpec
from dltrain.errors import KeyProblem, UserError
from dltrain.features.tokens import Tokens
from dltrain.fields import Fraction, PositiveInt
from dltrain.keras_internals import without_low_rank
from dltrain.lazy import keras
from dltrain.models import _hub_presets as presets
from dltrain.models import _hugging_face
from dltrain.models._hub_networks import ENCODERS, Encoder, Size
from dltrain.models._texts import TextNetwork
from dltrain.registry import MODELS, nearest

_POOLED = "pooled_dense"
"""The dense layer over the first token's vector, which networks that answer each token do not have."""

_log = logging.getLogger("dltrain")


@dataclass(frozen=True, kw_only=True)
class _HubEncoder(TextNetwork):
    """The base of KerasHub's encoders: the vector of the first token, a dense layer over it, and a linear layer.

    Where an answer is asked for each token, the tokens' vectors and a head.

    Args:
        size: which of the published ones.
        depth: number of blocks; none for the size's, as for the next three.
        heads: of each self-attention.
        width: of a token's vector; a multiple of `heads`.
        dense_width: units of a block's hidden dense layer.
        positions: tokens of the longest text; pretrained weights have 512.
        vocabulary_size: rows of the token table; none for as many as the tokenizer has. Some pretrained ones have more.
        dropout: share of outputs dropped in training within the blocks and before the head; the papers' 0.1.
        lora_rank: train only matrices of this rank beside the queries' and values' kernels, the head, and the dense
            layer before it (E. Hu et al., "LoRA: low-rank adaptation of large language models", 2021, section 4.2);
            needs `weights`; none to train all. Files of weights and exports hold the sums.
        weights: none for a random start; a name of KerasHub's pretrained weights, downloaded once and kept in its
            cache; a folder of KerasHub's or of Hugging Face's with them, `config.json` and the weights; a run (its
            folder, its name, or the stem of its name); or a run's checkpoint. All ask for the tokens that they were
            trained on: `dataset.tokenizer`. Read only when a run starts. GELU is computed as in Google's code for BERT,
            ALBERT and ELECTRA, by tanh: the outputs of Hugging Face's exact one differ by up to 1e-3.
    """

    registered_name: ClassVar[str]
    encoder: ClassVar[Encoder]
    may_lack: ClassVar = (_POOLED,)

    size: str
    depth: PositiveInt | None = None
    heads: PositiveInt | None = None
    width: PositiveInt | None = None
    dense_width: PositiveInt | None = None
    positions: PositiveInt = 512
    vocabulary_size: PositiveInt | None = None
    dropout: Fraction = 0.1
    lora_rank: PositiveInt | None = None
    weights: str | Path | None = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        if find_spec("keras_hub") is None:
            raise KeyProblem(
                "name", f": {self.registered_name} needs the package keras-hub: pip install 'dltrain[hub]'"
            )
        numbers = self.numbers
        if numbers.width % numbers.heads:
            raise KeyProblem("width", f"must be a multiple of heads, {numbers.heads}, got {numbers.width}")
        if self.lora_rank is not None and self.weights is None:
            raise KeyProblem("lora_rank", "must be none without model.weights: all else would stay as it is drawn")

    @property
    def numbers(self) -> Size:
        """The size, with the numbers that are given for themselves."""
        found = self.encoder.sizes[self.size]
        given = {name: getattr(self, name) for name in ("depth", "heads", "width", "dense_width")}
        return found._replace(**{name: value for name, value in given.items() if value is not None})

    def check(self, data: DataSpec) -> None:
        """Raises KeyProblem where the data are no texts, or texts are too long, or pretrained weights do not fit."""
        super().check(data)
        tokens, rows, problems = self._tokens(data), self.vocabulary_size, list[KeyProblem]()
        if tokens.max_length > self.positions:
            words = f"must be at least dataset.max_length, {tokens.max_length}, got {self.positions}"
            problems.append(KeyProblem("positions", words))
        if rows is not None and rows < tokens.vocabulary:
            words = f"must be at least the {tokens.vocabulary:,} tokens of the tokenizer, got {rows:,}"
            problems.append(KeyProblem("vocabulary_size", words))
        if isinstance(self.weights, Path) and self.reads(self.weights):
            problems += self._misfits(self.weights, tokens)
        if problems:
            raise ExceptionGroup("the data do not fit", problems)

    def build(self, data: DataSpec) -> Any:
        """Returns the network, from ids to logits."""
        from dltrain.layers.segments import Segments

        tokens, inputs = self._tokens(data), data.inputs()
        ids, backbone = data.preprocess(inputs), self._backbone(tokens)
        known = {
            "token_ids": ids,
            "padding_mask": tokens.present(ids),
            "segment_ids": Segments(tokens.padding, tokens.separator, name="segments")(ids),
        }
        # Its `call`, unlike the backbone itself, makes its layers this network's own, which can be named and frozen.
        found = backbone.call({name: known[name] for name in backbone.input})
        sequence = found["sequence_output"] if isinstance(found, dict) else found
        if self.answers_each_token(data):
            table = backbone.token_embedding
            outputs = data.head(sequence, inputs, embedding=table if table in backbone.layers else None)
        else:
            pooled = found["pooled_output"] if isinstance(found, dict) else self._pooled(sequence)
            outputs = data.head(self._dropped(pooled, "output_dropout"), inputs)
        if self.lora_rank is not None:
            backbone.enable_lora(self.lora_rank)
            for layer in backbone.layers:
                if layer.name == _POOLED:  # it belongs to the answer, and starts at random behind another task
                    layer.trainable = True
            for weight in backbone.trainable_weights:
                weight.trainable = weight.name.startswith("lora_kernel") or weight.path.startswith(_POOLED)
        return keras.Model(inputs, outputs, name=self.registered_name)

    def hint(self, word: str) -> str:
        """Returns the nearest of KerasHub's names."""
        return nearest(word, [*self.encoder.presets, "none"])

    def reads(self, path: Path) -> bool:
        """Whether a path is a folder of pretrained weights in KerasHub's or Hugging Face's form."""
        return presets.is_folder(path)

    def weight_files(self, path: Path) -> list[Path]:
        """Returns the config and the weights of such a folder."""
        return presets.weight_files(path)

    def initialize(self, model: Any, data: DataSpec) -> None:
        """Loads pretrained weights into a new network.

        Raises:
            UserError: if they cannot be downloaded or read, or do not fit.
        """
        folder = self.weights if isinstance(self.weights, Path) else self._downloaded(str(self.weights))
        tokens = self._tokens(data)
        if problems := self._misfits(folder, tokens):
            raise ExceptionGroup("the weights do not fit", problems)
        source, absent = self._loaded(folder, tokens)
        loaded = {layer.name: layer for layer in source.layers if layer.weights and layer.name not in absent}
        at_random = list[str]()
        for layer in model.layers:
            if layer.weights and layer.name in loaded:
                for weight, value in zip(without_low_rank(layer), loaded[layer.name].weights, strict=True):
                    weight.assign(value)
            elif layer.weights:
                at_random.append(layer.name)
        words = f", all but {' and '.join(at_random)}, which start at random" if at_random else ""
        _log.info("%s", f"model.weights: loaded {folder}{words}")
        if presets.vocabulary(folder) is None:
            words = "it has no list of them; make sure that dataset.tokenizer is its own"
            _log.warning("%s", f"model.weights: the tokens of {folder} could not be compared: {words}")

    def _loaded(self, folder: Path, tokens: Tokens) -> tuple[Any, set[str]]:
        """Returns a backbone with the weights in a folder, and the names of layers that it has none of."""
        source, absent = self._backbone(tokens), set[str]()
        try:
            if not presets.is_hugging_face(folder):
                hdf5.load_whole(folder / presets.WEIGHTS, source)
            else:
                first = presets.first_position(folder)
                absent = _hugging_face.load(folder, self.encoder.hugging_face, first, source, self.may_lack)
                if words := presets.other_epsilon(folder):
                    _log.warning("%s", f"model.weights: outputs differ slightly from Hugging Face's: {words}")
        except (UserError, OSError, untrusted.Unreadable) as error:
            raise KeyProblem("weights", f": {folder} cannot be used: {untrusted.reason(error)}") from None
        return source, absent

    def _downloaded(self, name: str) -> Path:
        """Returns the folder of what KerasHub's name stands for, in its cache.

        Raises:
            UserError: if it cannot be downloaded; with what to do.
        """
        import kagglehub

        handle = self._hub().presets[name]["kaggle_handle"].removeprefix("kaggle://")
        try:
            with redirect_stdout(sys.stderr):
                return Path(kagglehub.model_download(handle))
        except Exception as error:  # whatever it is, it comes from getting these files
            untrusted.record(error)
            first: BaseException = error  # the last ones tell of attempts and addresses
            while (before := first.__cause__ or first.__context__) is not None:
                first = before
            words = f"{name} cannot be downloaded ({untrusted.reason(first)[:200]}): go online, or save the files of"
            raise KeyProblem(
                "weights", f"{words} https://www.kaggle.com/models/{handle} into a folder and set model.weights to it"
            ) from error

    def _misfits(self, folder: Path, tokens: Tokens) -> list[KeyProblem]:
        """Returns in which way the network that is in a folder is another one, or its tokens are others."""
        try:
            presets.require_complete(folder)
            kind, found = presets.numbers(folder)
            vocabulary = presets.vocabulary(folder)
        except UserError as error:
            return [KeyProblem("weights", f"cannot be used: {error}")]
        if kind not in (self.encoder.backbone, self.encoder.hugging_face):
            return [KeyProblem("weights", f"must be of {self.registered_name}, {folder} is of {kind}")]
        problems, own = list[KeyProblem](), self._arguments(tokens)
        for name in [name for name in own if name in _KEYS]:
            if name not in found:
                words = f"cannot be used: {folder / presets.CONFIG} does not say {presets.called(name, kind)}"
                problems.append(KeyProblem("weights", words))
            elif found[name] != own[name] and name == "embedding_dim":  # which has no key of its own
                words = f"must have {found[name]} numbers of a token before its blocks, as in {folder}, got {own[name]}"
                problems.append(KeyProblem("size", words))
            elif found[name] != own[name]:
                problems.append(KeyProblem(_KEYS[name], f"must be {found[name]} as in {folder}, got {own[name]}"))
        if vocabulary is not None and vocabulary != tokens.ids():
            words = f"are for other tokens: set dataset.tokenizer to the vocabulary of {folder}"
            problems.append(KeyProblem("weights", words))
        return problems

    def _backbone(self, tokens: Tokens) -> Any:
        """Returns KerasHub's network, with random weights."""
        return self._hub()(**self._arguments(tokens))

    def _arguments(self, tokens: Tokens) -> dict[str, Any]:
        """Returns KerasHub's arguments."""
        numbers = self.numbers
        found = {
            self.encoder.vocabulary_argument: self.vocabulary_size or tokens.vocabulary,
            "num_layers": numbers.depth,
            "num_heads": numbers.heads,
            "hidden_dim": numbers.width,
            "intermediate_dim": numbers.dense_width,
            "dropout": self.dropout,
            "max_sequence_length": self.positions,
        }
        return found | ({} if numbers.embedding is None else {"embedding_dim": numbers.embedding})

    def _hub(self) -> Any:
        """Returns KerasHub's class."""
        import keras_hub

        return getattr(keras_hub.models, self.encoder.backbone)

    def _pooled(self, sequence: Any) -> Any:
        """Returns the first token's vector behind a dense layer, for backbones that have none."""
        first = sequence[:, 0]
        if self.encoder.drops_first:
            first = self._dropped(first, "pooled_dropout")
        return keras.layers.Dense(self.numbers.width, self.encoder.pooled, name=_POOLED)(first)

    def _dropped(self, x: Any, name: str) -> Any:
        return keras.layers.Dropout(self.dropout, name=name)(x) if self.dropout else x


_KEYS = {
    "vocabulary_size": "vocabulary_size",
    "vocab_size": "vocabulary_size",
    "num_layers": "depth",
    "num_heads": "heads",
    "hidden_dim": "width",
    "intermediate_dim": "dense_width",
    "embedding_dim": "size",
    "max_sequence_length": "positions",
}
"""The key of each of KerasHub's arguments that pretrained weights fix."""


def _register(name: str, encoder: Encoder) -> None:
    lines = (
        f"{encoder.backbone} of KerasHub, sizes {', '.join(encoder.sizes)}.",
        "",
        encoder.source,
        *([encoder.differs] if encoder.differs else []),
        "A text's first token stands for the whole; padding is seen nowhere.",
    )
    entries = {
        "__doc__": "\n".join(lines),
        "__module__": __name__,
        "encoder": encoder,
        "size": next(iter(encoder.sizes)),
        "weights": None,
        "__annotations__": {
            "encoder": ClassVar[Encoder],
            "size": Literal[tuple(encoder.sizes)],
            "weights": Literal[encoder.presets] | Path | None,
        },
    }
    MODELS.register(name)(type(encoder.backbone, (_HubEncoder,), entries))


for _name, _encoder in ENCODERS.items():
    _register(_name, _encoder)
