"""Vision Transformer."""

from typing import Any, Literal

from dltrain.data import DataSpec
from dltrain.errors import KeyProblem
from dltrain.fields import Fraction, PositiveInt
from dltrain.lazy import keras
from dltrain.models import Model
from dltrain.models._patches import check_patches, embedded
from dltrain.registry import MODELS


@MODELS.register("vit")
class ViT(Model):
    """Vision Transformer: patches of the image as tokens, then blocks of self-attention and dense layers.

    A. Dosovitskiy et al., "An image is worth 16x16 words: transformers for image recognition at scale", 2021, section
    3.1, table 1 for ViT-B; H. Touvron et al., "Training data-efficient image transformers", 2021, table 1 for ViT-Ti
    and ViT-S. It has learnt position embeddings, and layer normalisation before each part of a block. With `patch_size:
    16`, 224x224x3 images and 1000 classes: Ti (width 192, depth 12, heads 3) has 5,717,416 weights, S (384, 12, 6)
    22,050,664, B (768, 12, 12) 86,567,656. The defaults are small, for images of about 32x32.

    Args:
        patch_size: height and width of a patch in pixels; it must divide those of the images. The paper's 16.
        width: length of a token's vector; a multiple of `heads`.
        depth: number of blocks.
        heads: number of heads of each self-attention.
        mlp_width: units of a block's hidden dense layer; none for 4 * width as in the paper.
        head: how the tokens become a vector: class_token, a learnt one beside the patches, as in the paper; or
            global_average, of all patches.
        dropout: share of outputs dropped in training after the position embeddings, each self-attention and each dense
            layer of a block; the paper's 0.1, used for ImageNet only.
    """

    patch_size: PositiveInt = 4
    width: PositiveInt = 192
    depth: PositiveInt = 6
    heads: PositiveInt = 3
    mlp_width: PositiveInt | None = None
    head: Literal["class_token", "global_average"] = "class_token"
    dropout: Fraction = 0.0

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise KeyProblem("heads", f"must divide width, {self.width}, got {self.heads}")

    def check(self, data: DataSpec) -> None:
        """Raises KeyProblem where the data are no images, or patches do not fill them exactly."""
        check_patches("vit", self.patch_size, data)

    def build(self, data: DataSpec) -> Any:
        """Returns the network, from raw images to logits."""
        from dltrain.layers.position_embedding import PositionEmbedding

        inputs = data.inputs()
        x = embedded(data.preprocess(inputs), self.patch_size, self.width)
        has_token = self.head == "class_token"
        x = self._dropped(PositionEmbedding(has_token, name="positions")(x), "positions")
        for number in range(1, self.depth + 1):
            x = self._block(x, f"block{number}")
        x = _normalized(x, "final")
        x = x[:, 0] if has_token else keras.layers.GlobalAveragePooling1D(name="global_average")(x)
        return keras.Model(inputs, data.head(x), name="vit")

    def _block(self, x: Any, name: str) -> Any:
        """Normalisation, self-attention, sum; normalisation, two dense layers, sum."""
        layers, y = keras.layers, _normalized(x, f"{name}_attention")
        y = layers.MultiHeadAttention(self.heads, self.width // self.heads, name=f"{name}_attention")(y, y)
        x = layers.Add(name=f"{name}_attention_sum")([x, self._dropped(y, f"{name}_attention")])
        y = _normalized(x, f"{name}_mlp")
        y = layers.Dense(self.mlp_width or 4 * self.width, "gelu", name=f"{name}_dense1")(y)
        y = layers.Dense(self.width, name=f"{name}_dense2")(self._dropped(y, f"{name}_dense1"))
        y = self._dropped(y, f"{name}_dense2")
        return layers.Add(name=f"{name}_mlp_sum")([x, y])

    def _dropped(self, x: Any, name: str) -> Any:
        return keras.layers.Dropout(self.dropout, name=f"{name}_dropout")(x) if self.dropout else x


def _normalized(x: Any, name: str) -> Any:
    return keras.layers.LayerNormalization(epsilon=1e-6, name=f"{name}_normalization")(x)
