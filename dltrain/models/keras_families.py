"""The image networks of keras.applications, each under its own name."""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from dltrain.data import DataSpec
from dltrain.fields import Fraction
from dltrain.lazy import keras
from dltrain.registry import MODELS, nearest

Preprocessing = Literal["caffe", "tf", "torch", "efficientnet", "efficientnet_v2"]


@dataclass(frozen=True)
class _Family:
    """Networks of one paper.

    Args:
        source: the paper.
        preprocessing: what the ImageNet weights were trained on, see `_preprocessed`.
        networks: name in keras.applications by registered name.
        smallest: smallest height and width.
        differs: what else is to be known, in whole sentences.
    """

    source: str
    preprocessing: Preprocessing
    networks: dict[str, str]
    smallest: int = 32
    differs: str = ""


_FAMILIES = (
    _Family(
        'K. Simonyan and A. Zisserman, "Very deep convolutional networks for large-scale image recognition", 2014, '
        "table 1.",
        "caffe",
        {"vgg16": "VGG16", "vgg19": "VGG19"},
        differs="The paper's two dense layers of 4096 units make way for the mean over all places.",
    ),
    _Family(
        'K. He, X. Zhang, S. Ren and J. Sun, "Deep residual learning for image recognition", 2015, table 1.',
        "caffe",
        {f"resnet{depth}": f"ResNet{depth}" for depth in (50, 101, 152)},
        differs="A bottleneck's stride is in its first convolution, and convolutions have biases; `resnet` has neither.",
    ),
    _Family(
        'K. He, X. Zhang, S. Ren and J. Sun, "Identity mappings in deep residual networks", 2016, section 4.',
        "tf",
        {f"resnet{depth}_v2": f"ResNet{depth}V2" for depth in (50, 101, 152)},
    ),
    _Family(
        'C. Szegedy, V. Vanhoucke, S. Ioffe, J. Shlens and Z. Wojna, "Rethinking the Inception architecture for '
        'computer vision", 2015, table 1.',
        "tf",
        {"inception_v3": "InceptionV3"},
        smallest=75,
        differs="Without the auxiliary classifier.",
    ),
    _Family(
        'C. Szegedy, S. Ioffe, V. Vanhoucke and A. Alemi, "Inception-v4, Inception-ResNet and the impact of residual '
        'connections on learning", 2016, figure 15.',
        "tf",
        {"inception_resnet_v2": "InceptionResNetV2"},
        smallest=75,
    ),
    _Family(
        'F. Chollet, "Xception: deep learning with depthwise separable convolutions", 2016, figure 5.',
        "tf",
        {"xception": "Xception"},
        smallest=71,
    ),
    _Family(
        'A. Howard et al., "MobileNets: efficient convolutional neural networks for mobile vision applications", 2017, '
        "table 1.",
        "tf",
        {"mobilenet": "MobileNet"},
    ),
    _Family(
        'M. Sandler, A. Howard, M. Zhu, A. Zhmoginov and L.-C. Chen, "MobileNetV2: inverted residuals and linear '
        'bottlenecks", 2018, table 2.',
        "tf",
        {"mobilenet_v2": "MobileNetV2"},
    ),
    _Family(
        'A. Howard et al., "Searching for MobileNetV3", 2019, tables 1 and 2.',
        "tf",
        {"mobilenet_v3_small": "MobileNetV3Small", "mobilenet_v3_large": "MobileNetV3Large"},
        differs="Without the dense layer between the mean over all places and the head.",
    ),
    _Family(
        'G. Huang, Z. Liu, L. van der Maaten and K. Weinberger, "Densely connected convolutional networks", 2016, '
        "table 1.",
        "torch",
        {f"densenet{depth}": f"DenseNet{depth}" for depth in (121, 169, 201)},
    ),
    _Family(
        'M. Tan and Q. Le, "EfficientNet: rethinking model scaling for convolutional neural networks", 2019, table 1.',
        "efficientnet",
        {f"efficientnet_b{size}": f"EfficientNetB{size}" for size in range(8)},
        differs="In training it leaves out whole blocks, up to every fifth, the deeper the oftener.",
    ),
    _Family(
        'M. Tan and Q. Le, "EfficientNetV2: smaller models and faster training", 2021, table 4.',
        "torch",
        {f"efficientnet_v2_b{size}": f"EfficientNetV2B{size}" for size in range(4)},
        differs="In training it leaves out whole blocks, up to every fifth, the deeper the oftener.",
    ),
    _Family(
        'M. Tan and Q. Le, "EfficientNetV2: smaller models and faster training", 2021, table 4.',
        "efficientnet_v2",
        {f"efficientnet_v2_{size}": f"EfficientNetV2{size.upper()}" for size in "sml"},
        differs="In training it leaves out whole blocks, up to every fifth, the deeper the oftener.",
    ),
    _Family(
        'B. Zoph, V. Vasudevan, J. Shlens and Q. Le, "Learning transferable architectures for scalable image '
        'recognition", 2017, table 2.',
        "tf",
        {"nasnet_mobile": "NASNetMobile"},
    ),
    _Family(
        'Z. Liu, H. Mao, C.-Y. Wu, C. Feichtenhofer, T. Darrell and S. Xie, "A ConvNet for the 2020s", 2022, '
        "section 3.",
        "torch",
        {f"convnext_{size.lower()}": f"ConvNeXt{size}" for size in ("Tiny", "Small", "Base", "Large", "XLarge")},
        differs="Without stochastic depth.",
    ),
)

_PREPROCESSING_WORDS: dict[Preprocessing, str] = {
    "caffe": "blue, green, red, less ImageNet's means",
    "tf": "-1 to 1",
    "torch": "less ImageNet's means, over its deviations",
    "efficientnet": "less ImageNet's means, over its deviations",
    "efficientnet_v2": "-1 to 1",
}


@dataclass(frozen=True, kw_only=True)
class _KerasNetwork:
    """What the networks of keras.applications share: preprocessing, body, mean over all places, head.

    Args:
        weights: none for a random start; imagenet for those of Keras, downloaded once and kept in its cache, a grey
            image being repeated to three channels; or a file that ends in .weights.h5, of this network for as many
            channels, relative to the config. A head of other classes begins anew. Read when a run begins, not after.
        dropout: share of the features left out in training before the head, 0 to below 1.
    """

    registered_name: ClassVar[str]
    attribute: ClassVar[str]
    family: ClassVar[_Family]

    weights: Literal["imagenet"] | Path | None = None
    dropout: Fraction = 0.0

    def __post_init__(self) -> None:
        if isinstance(self.weights, Path) and not self.weights.name.endswith(".weights.h5"):
            word = self.weights.name
            hint = nearest(word, ["imagenet", "none"])
            raise ValueError(f"weights must be none, imagenet or a file that ends in .weights.h5, got {word!r}{hint}")

    def check(self, data: DataSpec) -> None:
        """Raises ValueError where the data are no images, too small ones, or not for ImageNet's weights."""
        if not data.is_image:
            shape = data.input_shape
            raise ValueError(f"name {self.registered_name} needs images (height, width, channels), got shape {shape}")
        height, width, channels = data.input_shape
        smallest, problems = self.family.smallest, []
        if min(height, width) < smallest:
            problems.append(
                f"name {self.registered_name} needs images of at least {smallest}x{smallest}, got {height}x{width}"
            )
        if self.weights == "imagenet" and channels not in (1, 3):
            problems.append(f"weights must be none or a file for images of {channels} channels: imagenet's are for 3")
        if problems:
            raise ExceptionGroup("the data do not fit", [ValueError(problem) for problem in problems])

    def build(self, data: DataSpec) -> Any:
        """Returns the network with random weights, from raw images to logits."""
        layers, inputs = keras.layers, data.inputs()
        x = inputs
        if self.weights == "imagenet" and data.input_shape[-1] == 1:
            x = layers.Concatenate(name="colour")([x, x, x])
        x = preprocessed(x, self.family.preprocessing) if x.shape[-1] == 3 else data.normalized(x, "preprocessing")
        if self.family.preprocessing == "efficientnet":
            x = layers.Rescaling(255.0, dtype="float32", name="as_bytes")(x)  # the body begins with a division by 255
        x = self._body(data, input_tensor=x).output
        if self.dropout:
            x = layers.Dropout(self.dropout, name="dropout")(x)
        return keras.Model(inputs, data.head(x), name=self.registered_name)

    def initialize(self, model: Any) -> None:
        """Gives a network that was just built the weights that `weights` names.

        Raises:
            UserError: if they cannot be had or do not fit.
        """
        if self.weights is None:
            return
        from dltrain.models import _pretrained

        if isinstance(self.weights, Path):
            _pretrained.load_file(model, self.weights)
        else:
            spec = DataSpec((*model.input_shape[1:3], 3))
            _pretrained.load_imagenet(model, lambda: self._body(spec, weights="imagenet"))

    def _body(self, data: DataSpec, weights: str | None = None, **settings: Any) -> Any:
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
                input_shape=(*data.input_shape[:2], 3),  # of the channels it only warns: they are the tensor's
                pooling="avg",
                **settings,
            )


def preprocessed(images: Any, how: Preprocessing) -> Any:
    """Returns images as a family's ImageNet weights expect them, by layers that are stored with the model.

    Args:
        images: (batch, height, width, 3), red, green and blue in [0, 255].
        how: caffe, tf or torch, as Keras calls them; efficientnet, the same as torch; efficientnet_v2, over 128, less 1.
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


def _register(name: str, attribute: str, family: _Family) -> None:
    smallest = family.smallest
    document = f"""{attribute} of keras.applications, for images of at least {smallest}x{smallest}.

{family.source}
{family.differs}
Three channels reach it as {_PREPROCESSING_WORDS[family.preprocessing]}; other numbers of channels, which it takes
without ImageNet's weights, normalised as the dataset says.
"""
    entries = {"__doc__": document, "__module__": __name__, "attribute": attribute, "family": family}
    MODELS.register(name)(type(attribute, (_KerasNetwork,), entries))


for _family in _FAMILIES:
    for _name, _attribute in _family.networks.items():
        _register(_name, _attribute, _family)
