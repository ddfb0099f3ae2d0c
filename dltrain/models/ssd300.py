"""SSD300, a single-shot detector on VGG-16."""

from pathlib import Path
from typing import Any, ClassVar, Literal

from dltrain.data import DataSpec
from dltrain.errors import KeyProblem
from dltrain.fields import PositiveFloat
from dltrain.lazy import keras
from dltrain.models._detector import Convolutions, Detector
from dltrain.registry import MODELS, nearest

# Convolutions and channels of VGG-16's blocks.
_BLOCKS = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))
_MAPS = 6
_FEW, _MANY = (1.0, 2.0, 0.5), (1.0, 2.0, 0.5, 3.0, 1 / 3)
# name, filters of the 1x1 convolution, filters of the 3x3 one, its stride and padding
_EXTRA = (
    ("conv6", 256, 512, 2, "same"),
    ("conv7", 128, 256, 2, "same"),
    ("conv8", 128, 256, 1, "valid"),
    ("conv9", 128, 256, 1, "valid"),
)


@MODELS.register("ssd300")
class SSD300(Detector):
    """SSD300: boxes of any number of classes from six feature maps of a VGG-16, for images of 300x300.

    W. Liu, D. Anguelov, D. Erhan, C. Szegedy, S. Reed, C.-Y. Fu and A. C. Berg, "SSD: single shot multibox detector",
    2016, section 2 and figure 2: 8,732 anchors, and 26,285,486 weights for 20 classes and the background. Keys and
    defaults are those of P. Ferrari's ssd_keras. Layers up to block5_conv3 are called as in `vgg16`, with whose weights
    it can begin.

    Args:
        weights: none for a random start; imagenet for Keras's pretrained weights of VGG-16's convolutions, downloaded
            once and kept in its cache; a run (its folder, its name, or the stem of its name), of `ssd300` or of
            `vgg16`, whose best weights are loaded; or a file: a run's checkpoint, or one that ends in .weights.h5 or
            .keras, from which only weights are read. The heads start at random if classes differ. Read only when a run
            starts.
        scales: of the anchors of the six maps, and one more, in shares of the image's shorter side. The defaults are
            the paper's for Pascal VOC; for COCO 0.07, 0.15, 0.33, 0.51, 0.69, 0.87, 1.05.
        aspect_ratios_per_layer: width over height of the anchors of each map.
        steps: pixels between the cells of each map.
        subtract_mean: of red, green and blue, as VGG-16 was trained; none to normalise by the train part instead.
        swap_channels: the order in which the network sees the image's channels: 2, 1, 0 for blue, green, red; none for
            the order that they have.
    """

    may_lack: ClassVar[tuple[str, ...]] = (
        *("conv4_3_norm", "fc6", "fc7"),
        *(f"{name}_{part}" for name, *_ in _EXTRA for part in (1, 2)),
    )

    weights: Literal["imagenet"] | Path | None = None  # type: ignore[assignment]
    scales: tuple[PositiveFloat, ...] = (0.1, 0.2, 0.37, 0.54, 0.71, 0.88, 1.05)
    aspect_ratios_per_layer: tuple[tuple[PositiveFloat, ...], ...] = (_FEW, _MANY, _MANY, _MANY, _FEW, _FEW)
    steps: tuple[PositiveFloat, ...] | None = (8.0, 16.0, 32.0, 64.0, 100.0, 300.0)
    subtract_mean: tuple[float, ...] | None = (123.0, 117.0, 104.0)
    swap_channels: tuple[int, ...] | None = (2, 1, 0)

    def __post_init__(self) -> None:
        problems = self._problems(_MAPS, aspect_ratios_per_layer=self.aspect_ratios_per_layer, steps=self.steps)
        if len(self.scales) != _MAPS + 1:
            problems.append(KeyProblem("scales", f"must have {_MAPS + 1} entries, got {len(self.scales)}"))
        if self.swap_channels is not None and sorted(self.swap_channels) != [*range(len(self.swap_channels))]:
            words = f"must have each place once, from 0 on, got {list(self.swap_channels)}"
            problems.append(KeyProblem("swap_channels", words))
        if problems:
            raise ExceptionGroup("ssd300", problems)

    def check(self, data: DataSpec) -> None:
        """Raises KeyProblem where the data are no images with boxes, or too small, or not of so many channels."""
        super().check(data)
        height, width, channels = data.image("ssd300").model_shape
        if min(height, width) < 300:
            words = f"needs images of at least 300x300, got {height}x{width}: set dataset.size: 300, or use `ssd`"
            raise KeyProblem("name", f"ssd300 {words}")
        for key in ("subtract_mean", "swap_channels"):
            value = getattr(self, key)
            if value is not None and len(value) != channels:
                raise KeyProblem(key, f"must have as many entries as images have channels, {channels}, or be none")

    def build(self, data: DataSpec) -> Any:
        """Returns the network, from raw images to logits, offsets and anchors."""
        from dltrain.layers.l2_normalization import L2Normalization

        layers, inputs = keras.layers, data.inputs()
        convolution = Convolutions(regularizer=self._regularizer())
        x = self._preprocessed(data, inputs)
        maps = []
        for block, (count, filters) in enumerate(_BLOCKS, 1):
            for number in range(1, count + 1):
                x = convolution(x, filters, 3, f"block{block}_conv{number}")
            if block == 4:
                maps.append(L2Normalization(20.0, name="conv4_3_norm")(x))
            size, stride = (3, 1) if block == 5 else (2, 2)
            x = layers.MaxPooling2D(size, stride, "same", name=f"block{block}_pool")(x)
        settings = {"kernel_initializer": "he_normal", "kernel_regularizer": self._regularizer()}
        fc6 = layers.Conv2D(1024, 3, padding="same", dilation_rate=6, activation="relu", name="fc6", **settings)
        x = convolution(fc6(x), 1024, 1, "fc7")
        maps.append(x)
        for name, first, second, stride, padding in _EXTRA:
            x = convolution(x, first, 1, f"{name}_1")
            x = convolution(x, second, 3, f"{name}_2", stride, padding)
            maps.append(x)
        anchors = self._anchors(data, self.scales, self.aspect_ratios_per_layer, self.steps)
        return keras.Model(inputs, self._heads(data, maps, anchors), name="ssd300")

    def hint(self, word: str) -> str:
        """Returns imagenet or none where the word is nearly so."""
        return nearest(word, ["imagenet", "none"])

    def initialize(self, model: Any, data: DataSpec) -> None:
        """Loads ImageNet's weights of VGG-16's convolutions into a new network.

        Raises:
            UserError: if they cannot be downloaded or do not fit.
        """
        from dltrain.models._pretrained import load_imagenet

        load_imagenet(model, lambda: keras.applications.VGG16(include_top=False, weights="imagenet"), by_name=True)

    def _preprocessed(self, data: DataSpec, inputs: Any) -> Any:
        if self.subtract_mean is None:
            x = data.preprocess(inputs)
        else:
            mean = [float(each) for each in self.subtract_mean]
            # float32 whatever the precision: bfloat16 cannot tell neighbouring raw values apart.
            settings = {"dtype": "float32", "name": "preprocessing"}
            x = keras.layers.Normalization(mean=mean, variance=[1.0] * len(mean), **settings)(inputs)
        return x if self.swap_channels is None else keras.ops.take(x, list(self.swap_channels), axis=-1)
