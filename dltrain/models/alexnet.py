"""AlexNet."""

from dataclasses import dataclass
from typing import Any, Literal

from dltrain.data import DataSpec
from dltrain.errors import KeyProblem
from dltrain.fields import Fraction, Initializer
from dltrain.lazy import keras
from dltrain.models import Model
from dltrain.registry import MODELS


@dataclass(frozen=True)
class _Plan:
    """Five convolutions and two dense layers; pooling after convolutions 1, 2 and 5.

    Args:
        filters: channels of each convolution, both towers together.
        kernel_sizes: side of each convolution's filters.
        stride: of the first convolution, without padding; all others take `same` and 1.
        pool_padding: of the overlapping 3x3 pooling with stride 2.
        units: of each dense layer.
        smallest: smallest height and width of an image.
        border: zeros around the image on each side.
        towers: that the channels are shared among.
        has_response: whether convolutions 1 and 2 have a local response normalisation.
    """

    filters: tuple[int, ...]
    kernel_sizes: tuple[int, ...]
    stride: int
    pool_padding: str
    units: int
    smallest: int
    border: int = 0
    towers: int = 2
    has_response: bool = True


_PLANS = {
    # 227 -> 55 -> 27 -> 13 -> 6; from 67 on the last pooling still has a whole window.
    "paper": _Plan((96, 256, 384, 384, 256), (11, 5, 3, 3, 3), 4, "valid", 4096, 67),
    # 224 -> 55 -> 27 -> 13 -> 6.
    "one_weird_trick": _Plan((64, 192, 384, 256, 256), (11, 5, 3, 3, 3), 4, "valid", 4096, 63, 2, 1, False),
    "small": _Plan((48, 128, 192, 192, 128), (3, 3, 3, 3, 3), 1, "same", 512, 8),
}


@MODELS.register("alexnet")
class AlexNet(Model):
    """AlexNet: five convolutions in two towers, three dense layers.

    A. Krizhevsky, I. Sutskever and G. Hinton, "ImageNet classification with deep convolutional neural networks", 2012,
    section 3.5 and figure 2. Convolutions 2, 4 and 5 see only their own tower, convolution 3 and the dense layers both;
    ReLU, then local response normalisation within a tower, then overlapping pooling. The paper's 60,965,224 weights are
    those at 227x227x3 (its text says 224) and 1000 classes. `one_weird_trick` is A. Krizhevsky, "One weird trick for
    parallelizing convolutional neural networks", 2014, as torchvision counts it: 61,100,840 at 224x224x3.

    Args:
        variant: paper, for 227x227 images; one_weird_trick, for 224x224 images: one tower of 64, 192, 384, 256 and 256
            channels, no response normalisation; or small, the paper's plan with 3x3 filters, stride 1 and half the
            channels, for images of 8x8 to 32x32.
        towers: 2 as in the paper, or 1: every convolution sees all channels (62,378,344 weights); none for the
            variant's own.
        dropout: share of the two hidden dense layers' outputs dropped in training; the paper's 0.5.
        kernel_initializer: of all layers; none for the variant's own: normal with deviation 0.01 and biases of 1 in
            convolutions 2, 4, 5 and the hidden dense layers as in the paper, he_normal and biases of 0 in the others.
            The paper's starts slowly: digits at 67x67 stayed at chance for 132 steps, he_normal came to 0.935.
    """

    variant: Literal["paper", "one_weird_trick", "small"] = "paper"
    towers: Literal[1, 2] | None = None
    dropout: Fraction = 0.5
    kernel_initializer: Initializer | None = None

    def __post_init__(self) -> None:
        if self.variant == "one_weird_trick" and self.towers == 2:
            raise KeyProblem("towers", "must be 1 for variant: one_weird_trick, got 2")

    def check(self, data: DataSpec) -> None:
        """Raises KeyProblem where the data are no images, or too small ones."""
        smallest, (height, width, _) = _PLANS[self.variant].smallest, data.image("alexnet").model_shape
        if min(height, width) < smallest:
            hint = "; variant: small accepts images from 8x8 on" if self.variant != "small" else ""
            raise KeyProblem(
                "variant", f"{self.variant} needs images of at least {smallest}x{smallest}, got {height}x{width}{hint}"
            )

    def build(self, data: DataSpec) -> Any:
        """Returns the network, from raw images to logits."""
        plan, inputs = _PLANS[self.variant], data.inputs()
        x, count = data.preprocess(inputs), self.towers or plan.towers
        if plan.border:
            x = keras.layers.ZeroPadding2D(plan.border, name="border")(x)
        towers = [x] * count
        for number in range(1, 6):
            if number == 3:  # the one convolution that sees both towers
                towers = [_joined(towers, "cross")] * count
            ends = [""] if count == 1 else ["a", "b"]
            towers = [
                self._convolution(x, plan, number, count, f"{number}{end}") for end, x in zip(ends, towers, strict=True)
            ]
        x = keras.layers.Flatten(name="flatten")(_joined(towers, "join"))
        for number in (6, 7):
            x = keras.layers.Dense(plan.units, "relu", **self._initializers(True), name=f"dense{number}")(x)
            x = keras.layers.Dropout(self.dropout, name=f"dropout{number}")(x)
        return keras.Model(inputs, data.head(x, **self._initializers(False)), name="alexnet")

    def _convolution(self, x: Any, plan: _Plan, number: int, towers: int, end: str) -> Any:
        from dltrain.layers.local_response_normalization import LocalResponseNormalization

        layers, first = keras.layers, number == 1
        x = layers.Conv2D(
            plan.filters[number - 1] // towers,
            plan.kernel_sizes[number - 1],
            strides=plan.stride if first else 1,
            padding="valid" if first and plan.stride > 1 else "same",
            activation="relu",
            **self._initializers(number in (2, 4, 5)),
            name=f"convolution{end}",
        )(x)
        if number in (1, 2) and plan.has_response:
            x = LocalResponseNormalization(name=f"response{end}")(x)
        if number in (1, 2, 5):
            x = layers.MaxPooling2D(3, 2, plan.pool_padding, name=f"pool{end}")(x)
        return x

    def _initializers(self, is_lifted: bool) -> dict[str, Any]:
        """Returns the initialisers of a layer; a lifted one has biases of 1, so that its ReLUs begin alive."""
        if self.kernel_initializer is not None:
            return {"kernel_initializer": self.kernel_initializer}
        if self.variant != "paper":
            return {"kernel_initializer": "he_normal"}
        normal = keras.initializers.RandomNormal(stddev=0.01)
        return {"kernel_initializer": normal, "bias_initializer": "ones" if is_lifted else "zeros"}


def _joined(towers: list[Any], name: str) -> Any:
    return towers[0] if len(towers) == 1 else keras.layers.Concatenate(name=name)(towers)
