"""VGGVox."""

from typing import Any

from dltrain.data import DataSpec
from dltrain.errors import KeyProblem
from dltrain.fields import Fraction, PositiveFloat
from dltrain.lazy import keras
from dltrain.models import Model
from dltrain.registry import MODELS

_ROWS = 512
# Filters, kernel, stride and padding of each convolution, and the pooling behind it: table 4 of the paper.
_CONVOLUTIONS: tuple[tuple[int, int, int, int, tuple[tuple[int, int], tuple[int, int]] | None], ...] = (
    (96, 7, 2, 1, ((3, 3), (2, 2))),
    (256, 5, 2, 1, ((3, 3), (2, 2))),
    (384, 3, 1, 1, None),
    (256, 3, 1, 1, None),
    (256, 3, 1, 1, ((5, 3), (3, 2))),
)


@MODELS.register("vggvox")
class VGGVox(Model):
    """VGGVox: five convolutions over a spectrogram, one over what is left of the frequencies, a mean over time.

    A. Nagrani, J. S. Chung and A. Zisserman, "VoxCeleb: a large-scale speaker identification dataset", 2017, section
    4.2 and table 4, and the authors' public code, github.com/a-nagrani/VGGVox: 17,911,267 trainable weights with 1,251
    speakers, where the paper's text says 67 million. Needs a spectrogram of 512 rows: `dataset.front_end: spectrogram`,
    25 ms at 16,000 samples a second, of 1 second or more.

    Args:
        width: multiplies all filters and units; 1 for the paper's.
        dropout: share of fc7's outputs dropped in training, 0 to below 1; the paper's 0.
    """

    width: PositiveFloat = 1.0
    dropout: Fraction = 0.0

    def check(self, data: DataSpec) -> None:
        """Raises KeyProblem where the data are no spectrograms of 512 rows, or are too short."""
        rows, frames, channels = data.image("vggvox").model_shape
        if (rows, channels) != (_ROWS, 1):
            raise KeyProblem(
                "name",
                f"vggvox needs spectrograms of {_ROWS} rows (dataset.front_end: spectrogram, dataset.rate: 16000), got "
                f"{rows} rows of {channels} channel{'s' if channels > 1 else ''}",
            )
        if self._steps(frames) < 1:
            raise KeyProblem("name", f"vggvox needs longer clips, of 100 frames for example, got {frames}")

    def build(self, data: DataSpec) -> Any:
        """Returns the network, from samples to logits."""
        layers, inputs = keras.layers, data.inputs()
        x = data.preprocess(inputs)
        for number, (filters, kernel, stride, padding, pooling) in enumerate(_CONVOLUTIONS, 1):
            x = layers.ZeroPadding2D(padding, name=f"conv{number}_border")(x)
            x = self._convolution(x, filters, (kernel, kernel), stride, f"conv{number}")
            if pooling:
                x = layers.MaxPooling2D(*pooling, name=f"pool{number}")(x)
        x = self._convolution(x, 4096, (x.shape[1], 1), 1, "fc6")
        x = layers.GlobalAveragePooling2D(name="mean_over_time")(x)
        x = layers.Dense(self._count(1024), name="fc7")(x)
        x = layers.ReLU(name="fc7_activation")(
            layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name="fc7_normalization")(x)
        )
        if self.dropout:
            x = layers.Dropout(self.dropout, name="dropout")(x)
        return keras.Model(inputs, data.head(x, inputs), name="vggvox")

    def _convolution(self, x: Any, filters: int, kernel: tuple[int, int], stride: int, name: str) -> Any:
        layers = keras.layers
        x = layers.Conv2D(self._count(filters), kernel, strides=stride, name=name)(x)
        x = layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}_normalization")(x)
        return layers.ReLU(name=f"{name}_activation")(x)

    def _count(self, count: int) -> int:
        return max(1, round(self.width * count))

    def _steps(self, frames: int) -> int:
        """Returns how many steps of time are left behind the last pooling."""
        for _, kernel, stride, padding, pooling in _CONVOLUTIONS:
            frames = (frames + 2 * padding - kernel) // stride + 1
            if pooling:
                frames = (frames - pooling[0][1]) // pooling[1][1] + 1
        return frames
