"""InceptionTime."""

from typing import Any

from dltrain.data import DataSpec
from dltrain.fields import PositiveInt
from dltrain.lazy import keras
from dltrain.models._steps import SeriesNetwork, Steps
from dltrain.registry import MODELS


@MODELS.register("inception_time")
class InceptionTime(SeriesNetwork):
    """Inception modules over series: convolutions of three lengths and a maximum side by side, with residual sums.

    H. Ismail Fawaz et al., "InceptionTime: finding AlexNet for time series classification", 2019, figures 1 and 2, and
    the authors' code. With the defaults, 1 channel and 6 classes it has 420,966 trainable weights. The paper's answers
    are the mean of five such networks, of different seeds; this is one of them. Differently from their code, batch
    normalisation has a momentum of 0.9, and padding behind a shorter series changes nothing.

    Args:
        filters: of each branch of a module, of which there is one more than kernel sizes.
        depth: number of modules; after every third one, what went into these three is added, through a convolution of
            length 1.
        kernel_sizes: lengths of the convolutions, in steps.
        bottleneck: channels that those of a module's input are reduced to before its convolutions; one channel alone is
            not.
    """

    filters: PositiveInt = 32
    depth: PositiveInt = 6
    kernel_sizes: tuple[PositiveInt, ...] = (40, 20, 10)
    bottleneck: PositiveInt = 32

    def build(self, data: DataSpec) -> Any:
        """Returns the network, from raw series to outputs."""
        layers, inputs = keras.layers, data.inputs()
        steps = Steps(data.input.present(inputs))
        x = shortcut = data.preprocess(inputs)
        for number in range(1, self.depth + 1):
            x = self._module(steps, x, f"module{number}")
            if number % 3 == 0:
                name = f"shortcut{number // 3}"
                shortcut = steps.convolution(shortcut, x.shape[-1], 1, name)
                shortcut = steps.normalized(shortcut, f"{name}_normalization")
                x = layers.Add(name=f"{name}_sum")([shortcut, x])
                x = shortcut = layers.Activation("relu", name=f"{name}_activation")(x)
        return keras.Model(inputs, data.head(steps.mean(x, "global_average"), inputs), name="inception_time")

    def _module(self, steps: Steps, x: Any, name: str) -> Any:
        """Convolutions of several lengths, and the maximum of neighbours, one channel behind the other."""
        layers, narrow = keras.layers, x
        if x.shape[-1] > 1:
            narrow = steps.convolution(x, self.bottleneck, 1, f"{name}_bottleneck")
        branches = [
            steps.convolution(narrow, self.filters, size, f"{name}_convolution{number}")
            for number, size in enumerate(self.kernel_sizes, 1)
        ]
        largest = steps.maximum(x, 3, f"{name}_maximum")
        branches.append(steps.convolution(largest, self.filters, 1, f"{name}_maximum_convolution"))
        x = steps.normalized(layers.Concatenate(name=f"{name}_branches")(branches), f"{name}_normalization")
        return layers.Activation("relu", name=f"{name}_activation")(x)
