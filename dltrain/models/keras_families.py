"""The image networks of keras.applications, each under its own name."""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from dltrain.data import DataSpec
from dltrain.errors import KeyProblem
from dltrain.fields import Fraction
from dltrain.lazy import keras
from dltrain.models import Model
from dltrain.models._keras_networks import FAMILIES, Family, Preprocessing
from dltrain.registry import MODELS, nearest

_PREPROCESSING_WORDS: dict[Preprocessing, str] = {
    "caffe": "blue, green, red, minus ImageNet's means",
    "tf": "-1 to 1",
    "torch": "minus ImageNet's means, divided by its deviations",
    "efficientnet": "minus ImageNet's means, divided by its deviations",
    "efficientnet_v2": "-1 to 1",
}


@dataclass(frozen=True, kw_only=True)
class _KerasNetwork(Model):
    """The base of the networks of keras.applications: preprocessing, body, mean over all positions, head.

    Args:
        weights: none for a random start; imagenet for Keras's pretrained weights, downloaded once and kept in its cache
            (a grey image is repeated to three channels); a run (its folder, its name, or the stem of its name), whose
            best weights are loaded; or a file: a run's checkpoint, or one that ends in .weights.h5 or .keras, from
            which only weights are read. The head starts at random if classes differ. Read only when a run starts.
        dropout: share of the features dropped in training before the head, 0 to below 1.
    """

    registered_name: ClassVar[str]
    attribute: ClassVar[str]
    family: ClassVar[Family]

    weights: Literal["imagenet"] | Path | None = None  # type: ignore[assignment]
    dropout: Fraction = 0.0

    def check(self, data: DataSpec) -> None:
        """Raises KeyProblem where the data are no images, too small ones, or not for ImageNet's weights."""
        height, width, channels = data.image(self.registered_name).model_shape
        smallest, problems = self.family.smallest, list[KeyProblem]()
        if min(height, width) < smallest:
            problems.append(
                KeyProblem(
                    "name",
                    f"{self.registered_name} needs images of at least {smallest}x{smallest}, got {height}x{width}",
                )
            )
        if self.weights == "imagenet" and channels not in (1, 3):
            problems.append(
                KeyProblem(
                    "weights",
                    f"must be none, a run or a file for images of {channels} channels: imagenet weights are for 3",
                )
            )
        if problems:
            raise ExceptionGroup("the data do not fit", problems)

    def build(self, data: DataSpec) -> Any:
        """Returns the network with random weights, from raw images to logits."""
        layers, inputs = keras.layers, data.inputs()
        x = inputs
        if self.weights == "imagenet" and x.shape[-1] == 1:
            x = layers.Concatenate(name="colour")([x, x, x])
        x = preprocessed(x, self.family.preprocessing) if x.shape[-1] == 3 else data.preprocess(x, "preprocessing")
        if self.family.preprocessing == "efficientnet":
            x = layers.Rescaling(255.0, dtype="float32", name="as_bytes")(x)  # the body begins with a division by 255
        x = self._adapted(self._body(x.shape[1:3], input_tensor=x)).output
        if self.dropout:
            x = layers.Dropout(self.dropout, name="dropout")(x)
        return keras.Model(inputs, data.head(x), name=self.registered_name)

    def hint(self, word: str) -> str:
        """Returns imagenet or none where the word is nearly so."""
        return nearest(word, ["imagenet", "none"])

    def initialize(self, model: Any, data: DataSpec) -> None:
        """Loads ImageNet's weights into a new network.

        Raises:
            UserError: if the weights cannot be downloaded or do not fit.
        """
        from dltrain.models._pretrained import load_imagenet

        size = model.input_shape[1:3]
        load_imagenet(model, lambda: self._body(size, weights="imagenet"))

    def _adapted(self, body: Any) -> Any:
        return body

    def _body(self, size: tuple[int, int], weights: str | None = None, **settings: Any) -> Any:
        """Returns Keras's network without head, from preprocessed images to features (batch, channels)."""
        make = getattr(keras.applications, self.attribute)
        # These bring a preprocessing of their own, which can be left out everywhere but in the first EfficientNet.
        if self.attribute.startswith(("EfficientNetV2", "MobileNetV3", "ConvNeXt")):
            settings["include_preprocessing"] = False
        with warnings.catch_warnings():
            # Keras's own: which size of image a MobileNet's weights are from, where there are none for this one.
            warnings.filterwarnings("ignore", "`input_shape` is undefined")
            return make(
                include_top=False,
                weights=weights,
                input_shape=(*size, 3),  # of the channels it only warns: they are the tensor's
                pooling="avg",
                **settings,
            )


@dataclass(frozen=True, kw_only=True)
class _NormalizingNetwork(_KerasNetwork):
    """A network with batch normalisation.

    Args:
        batch_normalization_momentum: share of the moving means and variances that is kept at each step, 0 to below 1;
            none for Keras's own, 0.99 to 0.9997, with which they lag hundreds of steps behind.
    """

    batch_normalization_momentum: Fraction | None = 0.9

    def _adapted(self, body: Any) -> Any:
        if self.batch_normalization_momentum is not None:
            for layer in body.layers:
                if isinstance(layer, keras.layers.BatchNormalization):
                    layer.momentum = self.batch_normalization_momentum
        return body


def preprocessed(images: Any, how: Preprocessing) -> Any:
    """Returns images as a family's ImageNet weights expect them, by layers that are stored with the model.

    Args:
        images: (batch, height, width, 3), red, green and blue in [0, 255].
        how: caffe, tf or torch, as Keras calls them; efficientnet, as torch; efficientnet_v2, divided by 128 and minus
            1.
    """
    # float32 whatever the precision: bfloat16 cannot tell neighbouring raw values apart.
    settings = {"dtype": "float32", "name": "preprocessing"}
    if how == "caffe":
        images = keras.ops.flip(images, axis=-1)
        return keras.layers.Normalization(mean=[103.939, 116.779, 123.68], variance=[1.0] * 3, **settings)(images)
    if how in ("tf", "efficientnet_v2"):
        return keras.layers.Rescaling(1 / (127.5 if how == "tf" else 128), -1.0, **settings)(images)
    mean, deviation = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    return keras.layers.Normalization(
        mean=[255 * value for value in mean], variance=[(255 * value) ** 2 for value in deviation], **settings
    )(images)


def _register(name: str, attribute: str, millions: float, family: Family) -> None:
    lines = (
        f"Keras's {attribute}: {millions} million weights before the head; images from {family.smallest} pixels.",
        "",
        family.source,
        *([family.differs] if family.differs else []),
        f"Images of three channels are converted to {_PREPROCESSING_WORDS[family.preprocessing]};",
        "images of other numbers of channels, accepted without ImageNet's weights, are normalised by the dataset.",
    )
    entries = {"__doc__": "\n".join(lines), "__module__": __name__, "attribute": attribute, "family": family}
    parent = _NormalizingNetwork if family.normalizes_batches else _KerasNetwork
    MODELS.register(name)(type(attribute, (parent,), entries))


for _family in FAMILIES:
    for _name, (_attribute, _millions) in _family.networks.items():
        _register(_name, _attribute, _millions, _family)
