"""PatchTST: a transformer over patches of a series."""

from typing import Any

from dltrain.data import DataSpec
from dltrain.errors import KeyProblem
from dltrain.fields import Fraction, PositiveInt
from dltrain.lazy import keras
from dltrain.models._forecasting import ForecastingNetwork
from dltrain.registry import MODELS


@MODELS.register("patch_tst")
class PatchTST(ForecastingNetwork):
    """Patches of each target as tokens of a transformer encoder, and one linear map of all of them to the horizon.

    Y. Nie et al., "A time series is worth 64 words: long-term forecasting with transformers", 2022 (ICLR 2023), section
    3.1, whose code is https://github.com/yuqinie98/PatchTST. All targets go through the same weights, each by itself;
    the window's last value is repeated for one more patch; batch normalisation behind each part of a block. The paper's
    normalisation of each window is what `scaling: standard` of the dataset does; attention scores are not passed from
    block to block, as the code does and the paper does not say. Covariates, which the paper has none of, stand beside
    the patches before the last map, all steps of all of them. The defaults are small.

    Args:
        patch_length: steps of a patch; the paper's 16.
        patch_stride: steps from a patch to the next; the paper's 8.
        width: of a patch's vector; a multiple of `heads`. The paper's 128.
        depth: number of blocks; the paper's 3.
        heads: of each self-attention; the paper's 16.
        dense_width: units of a block's hidden dense layer; the paper's 256.
        dropout: share of outputs dropped in training after the positions, each self-attention and each dense layer; the
            paper's 0.2.
    """

    patch_length: PositiveInt = 16
    patch_stride: PositiveInt = 8
    width: PositiveInt = 64
    depth: PositiveInt = 2
    heads: PositiveInt = 4
    dense_width: PositiveInt = 128
    dropout: Fraction = 0.1

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise KeyProblem("heads", f"must divide width, {self.width}, got {self.heads}")

    def check(self, data: DataSpec) -> None:
        """Raises KeyProblem where the data are no series to forecast, or their window is shorter than a patch."""
        window = self._series(data).window
        if self.patch_length > window:
            raise KeyProblem("patch_length", f"must be at most dataset.window, {window}, got {self.patch_length}")

    def build(self, data: DataSpec) -> Any:
        """Returns the network, from windows to forecasts."""
        from dltrain.layers.learnt_positions import LearntPositions

        layers, ops, series = keras.layers, keras.ops, self._series(data)
        inputs = data.inputs()
        x = data.preprocess(inputs)
        own = layers.Permute((2, 1), name="by_target")(x[..., : series.targets])
        padded = ops.concatenate([own, ops.repeat(own[..., -1:], self.patch_stride, axis=-1)], axis=-1)
        each = ops.reshape(padded, (-1, padded.shape[-1], 1))  # (batch * targets, steps, 1)
        patches = layers.Conv1D(self.width, self.patch_length, strides=self.patch_stride, name="patches")(each)
        count = patches.shape[1]
        y = self._dropped(LearntPositions(count, name="positions")(patches), "positions")
        for number in range(1, self.depth + 1):
            y = self._block(y, f"block{number}")
        features = ops.reshape(y, (-1, series.targets, count * self.width))
        if (beside := self._covariates(x, series)) is not None:
            features = layers.Concatenate(name="with_covariates")([features, beside])
        return keras.Model(inputs, data.head(features, inputs), name="patch_tst")

    def _block(self, x: Any, name: str) -> Any:
        """Self-attention, sum, normalisation; two dense layers, sum, normalisation."""
        layers = keras.layers
        y = layers.MultiHeadAttention(self.heads, self.width // self.heads, name=f"{name}_attention")(x, x)
        x = layers.Add(name=f"{name}_attention_sum")([x, self._dropped(y, f"{name}_attention")])
        x = _normalized(x, f"{name}_attention")
        y = layers.Dense(self.dense_width, "gelu", name=f"{name}_dense1")(x)
        y = layers.Dense(self.width, name=f"{name}_dense2")(self._dropped(y, f"{name}_dense1"))
        x = layers.Add(name=f"{name}_dense_sum")([x, self._dropped(y, f"{name}_dense2")])
        return _normalized(x, f"{name}_dense")

    def _dropped(self, x: Any, name: str) -> Any:
        return keras.layers.Dropout(self.dropout, name=f"{name}_dropout")(x) if self.dropout else x


def _normalized(x: Any, name: str) -> Any:
    return keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}_normalization")(x)
