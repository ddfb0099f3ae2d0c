"""MLP-Mixer."""

from typing import Any

from dltrain.data import DataSpec
from dltrain.fields import Fraction, PositiveInt
from dltrain.lazy import keras
from dltrain.models import Model
from dltrain.models._patches import check_patches, embedded
from dltrain.registry import MODELS


@MODELS.register("mlp_mixer")
class MLPMixer(Model):
    """MLP-Mixer: dense layers over the patches and over the channels in turn, neither convolution nor attention.

    I. Tolstikhin et al., "MLP-Mixer: an all-MLP architecture for vision", 2021, figure 1 and table 1. With
    `patch_size: 16`, 224x224x3 images and 1000 classes: Mixer-S (width 512, depth 8, token_width 256) has 18,528,264
    weights, Mixer-B (768, 12, 384) 59,880,472. The defaults are small, for images of about 32x32.

    Args:
        patch_size: height and width of a patch in pixels; it must divide those of the images. The paper's 16 and 32.
        width: channels of each patch; the paper's C.
        depth: number of blocks.
        token_width: hidden units of the dense layers over the patches; the paper's D_S, which is half of `width`.
        channel_width: hidden units of the dense layers over the channels; the paper's D_C; none for 4 * width as in the
            paper.
        dropout: share of each part's outputs dropped in training before they are added, 0 to below 1.
    """

    patch_size: PositiveInt = 4
    width: PositiveInt = 128
    depth: PositiveInt = 4
    token_width: PositiveInt = 64
    channel_width: PositiveInt | None = None
    dropout: Fraction = 0.0

    def check(self, data: DataSpec) -> None:
        """Raises KeyProblem where the data are no images, or patches do not fill them exactly."""
        check_patches("mlp_mixer", self.patch_size, data)

    def build(self, data: DataSpec) -> Any:
        """Returns the network, from raw images to logits."""
        layers, inputs = keras.layers, data.inputs()
        x = embedded(data.preprocess(inputs), self.patch_size, self.width)
        for number in range(1, self.depth + 1):
            name = f"block{number}"
            y = layers.Permute((2, 1), name=f"{name}_tokens_last")(_normalized(x, f"{name}_tokens"))
            y = _dense(y, self.token_width, f"{name}_tokens")
            y = layers.Permute((2, 1), name=f"{name}_channels_last")(y)
            x = self._added(x, y, f"{name}_tokens")
            y = _dense(_normalized(x, f"{name}_channels"), self.channel_width or 4 * self.width, f"{name}_channels")
            x = self._added(x, y, f"{name}_channels")
        x = layers.GlobalAveragePooling1D(name="global_average")(_normalized(x, "final"))
        return keras.Model(inputs, data.head(x), name="mlp_mixer")

    def _added(self, x: Any, y: Any, name: str) -> Any:
        if self.dropout:
            y = keras.layers.Dropout(self.dropout, name=f"{name}_dropout")(y)
        return keras.layers.Add(name=f"{name}_sum")([x, y])


def _dense(x: Any, units: int, name: str) -> Any:
    """Two dense layers over the last axis, which keeps its length."""
    y = keras.layers.Dense(units, "gelu", name=f"{name}_dense1")(x)
    return keras.layers.Dense(x.shape[-1], name=f"{name}_dense2")(y)


def _normalized(x: Any, name: str) -> Any:
    return keras.layers.LayerNormalization(epsilon=1e-6, name=f"{name}_normalization")(x)
