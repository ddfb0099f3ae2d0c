"""ResNet over series."""

from typing import Any

from dltrain.data import DataSpec
from dltrain.fields import PositiveInt
from dltrain.lazy import keras
from dltrain.models._steps import SeriesNetwork, Steps
from dltrain.registry import MODELS


@MODELS.register("resnet_1d")
class ResNet1D(SeriesNetwork):
    """Residual blocks of three convolutions over series, and the mean over the steps.

    Z. Wang, W. Yan and T. Oates, "Time series classification from scratch with deep neural networks: a strong
    baseline", 2017, figure 1 (c), as in the code of H. Ismail Fawaz et al. 2019, dl-4-tsc. With the defaults, 1 channel
    and 6 classes it has 504,774 trainable weights. Differently from that code, batch normalisation has a momentum of
    0.9, and padding behind a shorter series changes nothing.

    Args:
        filters: channels of each block.
        kernel_sizes: lengths of the convolutions of a block, in steps.
    """

    filters: tuple[PositiveInt, ...] = (64, 128, 128)
    kernel_sizes: tuple[PositiveInt, ...] = (8, 5, 3)

    def build(self, data: DataSpec) -> Any:
        """Returns the network, from raw series to outputs."""
        inputs = data.inputs()
        steps, x = Steps(data.input.present(inputs)), data.preprocess(inputs)
        for number, filters in enumerate(self.filters, 1):
            x = self._block(steps, x, filters, f"block{number}")
        return keras.Model(inputs, data.head(steps.mean(x, "global_average"), inputs), name="resnet_1d")

    def _block(self, steps: Steps, x: Any, filters: int, name: str) -> Any:
        """Convolutions, each normalised and activated; the last activation is behind the sum."""
        layers, y = keras.layers, x
        for number, size in enumerate(self.kernel_sizes, 1):
            if number > 1:
                y = layers.Activation("relu", name=f"{name}_activation{number - 1}")(y)
            y = steps.convolution(y, filters, size, f"{name}_convolution{number}", use_bias=True)
            y = steps.normalized(y, f"{name}_normalization{number}")
        if x.shape[-1] != filters:
            x = steps.convolution(x, filters, 1, f"{name}_projection", use_bias=True)
        x = steps.normalized(x, f"{name}_shortcut")
        return layers.Activation("relu", name=f"{name}_activation")(layers.Add(name=f"{name}_sum")([x, y]))
