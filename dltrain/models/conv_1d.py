"""Convolutions over waveforms."""

from typing import Any

from dltrain.data import DataSpec
from dltrain.errors import KeyProblem
from dltrain.fields import Fraction, PositiveInt
from dltrain.lazy import keras
from dltrain.models import Model
from dltrain.registry import MODELS


@MODELS.register("conv_1d")
class Conv1D(Model):
    """Convolutions over steps, the first of which is long, as a filter bank, and a mean over time.

    W. Dai, C. Dai, S. Qu, J. Li and S. Das, "Very deep convolutional neural networks for raw waveforms", 2016, table 1:
    the defaults are their M5. Each convolution is followed by batch normalisation, ReLU and a maximum over `pooling`
    steps. Takes waveforms (`dataset.front_end: waveform`), or other steps of numbers, (steps, channels).

    Args:
        filters: of each convolution.
        kernel_size: steps that the first convolution sees; 3 those behind it.
        stride: steps from one place of the first convolution to the next.
        pooling: steps of which the largest is taken behind each convolution.
        dropout: share of outputs dropped in training before the head, 0 to below 1.
    """

    filters: tuple[PositiveInt, ...] = (128, 128, 256, 512)
    kernel_size: PositiveInt = 80
    stride: PositiveInt = 4
    pooling: PositiveInt = 4
    dropout: Fraction = 0.0

    def __post_init__(self) -> None:
        if not self.filters:
            raise KeyProblem("filters", "must name one convolution at least")

    def check(self, data: DataSpec) -> None:
        """Raises KeyProblem where the data are no steps of numbers, or are too few for all convolutions."""
        shape = data.alone("conv_1d").model_shape
        if len(shape) != 2:
            raise KeyProblem("name", f"conv_1d needs steps of numbers, such as front_end: waveform, got shape {shape}")
        least = self.stride * self.pooling ** len(self.filters)
        if shape[0] < least:
            raise KeyProblem("filters", f"with this stride and pooling need {least:,} steps or more, got {shape[0]:,}")

    def build(self, data: DataSpec) -> Any:
        """Returns the network, from steps to logits."""
        layers, inputs = keras.layers, data.inputs()
        x = data.preprocess(inputs)
        for number, filters in enumerate(self.filters, 1):
            kernel, stride = (self.kernel_size, self.stride) if number == 1 else (3, 1)
            x = layers.Conv1D(filters, kernel, strides=stride, padding="same", use_bias=False, name=f"conv{number}")(x)
            x = layers.BatchNormalization(momentum=0.9, name=f"conv{number}_normalization")(x)
            x = layers.ReLU(name=f"conv{number}_activation")(x)
            x = layers.MaxPooling1D(self.pooling, name=f"pool{number}")(x)
        x = layers.GlobalAveragePooling1D(name="mean_over_time")(x)
        if self.dropout:
            x = layers.Dropout(self.dropout, name="dropout")(x)
        return keras.Model(inputs, data.head(x, inputs), name="conv_1d")
