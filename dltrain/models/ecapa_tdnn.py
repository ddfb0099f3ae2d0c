"""ECAPA-TDNN."""

from typing import Any

from dltrain.data import DataSpec
from dltrain.errors import KeyProblem
from dltrain.fields import Fraction, PositiveFloat, PositiveInt
from dltrain.lazy import keras
from dltrain.models import Model
from dltrain.registry import MODELS

_SCALE = 8
"""Groups of channels of a Res2Block."""
_DILATIONS = (2, 3, 4)
_SQUEEZED, _AGGREGATED, _EMBEDDING = 128, 1536, 192


@MODELS.register("ecapa_tdnn")
class EcapaTDNN(Model):
    """ECAPA-TDNN: what tells speakers apart, by convolutions over time and statistics of the steps that matter.

    B. Desplanques, J. Thienpondt and K. Demuynck, "ECAPA-TDNN: emphasized channel attention, propagation and
    aggregation in TDNN based speaker verification", 2020, section 3 and figure 2: a convolution over 5 frames; three
    SE-Res2Blocks of dilation 2, 3 and 4, each on the sum of all outputs before it; all three together into 1,536
    channels; mean and deviation over time by attention that sees those of the whole clip; an embedding of 192 numbers,
    which the head gets. Without head 6,191,360 trainable weights of 80 mel bands and 512 channels, 14,657,728 with
    1,024: the paper's 6.2 and 14.7 million. Takes `dataset.front_end: log_mel` of any length, where the paper has
    MFCCs; as there, each clip's mean over time is taken from it.

    Args:
        channels: of the blocks, a multiple of 8; the paper's are 512 and 1024.
        width: multiplies all channels but those of the embedding; 1 for the paper's.
        embedding: numbers that stand for a clip; the paper's 192.
        dropout: share of the embedding dropped in training, 0 to below 1; the paper's 0.
    """

    channels: PositiveInt = 512
    width: PositiveFloat = 1.0
    embedding: PositiveInt = _EMBEDDING
    dropout: Fraction = 0.0

    def __post_init__(self) -> None:
        if self.channels % _SCALE:
            raise KeyProblem("channels", f"must be a multiple of {_SCALE}, got {self.channels}")

    def check(self, data: DataSpec) -> None:
        """Raises KeyProblem where the data are no spectrograms of one channel."""
        rows, _, channels = data.image("ecapa_tdnn").model_shape
        if channels != 1:
            words = f"ecapa_tdnn needs spectrograms, such as front_end: log_mel, got {rows} rows of {channels} channels"
            raise KeyProblem("name", words)

    def build(self, data: DataSpec) -> Any:
        """Returns the network, from samples to logits."""
        from dltrain.layers.statistics_pooling import AttentiveStatistics, WithStatistics

        layers, inputs = keras.layers, data.inputs()
        x = data.preprocess(inputs)
        rows, frames, _ = x.shape[1:]
        x = layers.Permute((2, 1), name="frames")(layers.Reshape((rows, frames), name="bands")(x))
        x = x - keras.ops.mean(x, axis=1, keepdims=True)
        total = self._convolution(x, self._channels, 5, 1, "conv1")
        blocks = []
        for number, dilation in enumerate(_DILATIONS, 1):
            blocks.append(self._block(total, dilation, f"block{number}"))
            total = layers.Add(name=f"sum{number}")([total, blocks[-1]])
        x = layers.Concatenate(name="all_blocks")(blocks)
        x = layers.Conv1D(self._count(_AGGREGATED), 1, activation="relu", name="aggregation")(x)
        scores = WithStatistics(name="context")(x)
        scores = self._convolution(scores, self._count(_SQUEEZED), 1, 1, "attention")
        scores = layers.Activation("tanh", name="attention_tanh")(scores)
        scores = layers.Conv1D(x.shape[-1], 1, name="scores")(scores)
        x = AttentiveStatistics(name="statistics")(x, scores)
        x = _normalization("statistics_normalization")(x)
        x = layers.Dense(self.embedding, name="embedding")(x)
        x = _normalization("embedding_normalization")(x)
        if self.dropout:
            x = layers.Dropout(self.dropout, name="dropout")(x)
        return keras.Model(inputs, data.head(x, inputs), name="ecapa_tdnn")

    def _block(self, x: Any, dilation: int, name: str) -> Any:
        """Returns what an SE-Res2Block makes of its input: each group of channels sees what the one before it made."""
        layers, inside = keras.layers, self._convolution(x, self._channels, 1, 1, f"{name}_in")
        kept, *groups = keras.ops.split(inside, _SCALE, axis=-1)
        found, last = [kept], None
        for number, group in enumerate(groups, 1):
            group = group if last is None else layers.Add(name=f"{name}_sum{number}")([group, last])
            last = self._convolution(group, group.shape[-1], 3, dilation, f"{name}_group{number}")
            found.append(last)
        inside = layers.Concatenate(name=f"{name}_groups")(found)
        inside = self._convolution(inside, self._channels, 1, 1, f"{name}_out")
        share = layers.GlobalAveragePooling1D(keepdims=True, name=f"{name}_squeeze")(inside)
        share = layers.Conv1D(self._count(_SQUEEZED), 1, activation="relu", name=f"{name}_squeezed")(share)
        share = layers.Conv1D(self._channels, 1, activation="sigmoid", name=f"{name}_excitation")(share)
        inside = layers.Multiply(name=f"{name}_scaled")([inside, share])
        return layers.Add(name=f"{name}_residual")([inside, x])

    def _convolution(self, x: Any, filters: int, kernel: int, dilation: int, name: str) -> Any:
        layers = keras.layers
        x = layers.Conv1D(filters, kernel, dilation_rate=dilation, padding="same", activation="relu", name=name)(x)
        return _normalization(f"{name}_normalization")(x)

    @property
    def _channels(self) -> int:
        return _SCALE * max(1, round(self.width * self.channels / _SCALE))

    def _count(self, count: int) -> int:
        return max(1, round(self.width * count))


def _normalization(name: str) -> Any:
    return keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=name)
