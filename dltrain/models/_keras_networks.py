"""The networks of keras.applications, with their papers and the preprocessing of their ImageNet weights."""

from dataclasses import dataclass
from typing import Literal

Preprocessing = Literal["caffe", "tf", "torch", "efficientnet", "efficientnet_v2"]


@dataclass(frozen=True)
class Family:
    """Networks of one paper.

    Args:
        source: the paper.
        preprocessing: the input range of the ImageNet weights, see `preprocessed`.
        networks: by registered name, the name in keras.applications and millions of weights before the head, for three
            channels.
        smallest: smallest height and width.
        normalizes_batches: whether the networks contain batch normalisation.
        differs: differences from the paper, in whole sentences.
    """

    source: str
    preprocessing: Preprocessing
    networks: dict[str, tuple[str, float]]
    smallest: int = 32
    normalizes_batches: bool = True
    differs: str = ""


FAMILIES = (
    Family(
        'K. Simonyan and A. Zisserman, "Very deep convolutional networks for large-scale image recognition", 2014, '
        "table 1.",
        "caffe",
        {
            "vgg16": ("VGG16", 14.7),
            "vgg19": ("VGG19", 20.0),
        },
        normalizes_batches=False,
        differs="The mean over all positions replaces the paper's two dense layers of 4096 units.",
    ),
    Family(
        'K. He, X. Zhang, S. Ren and J. Sun, "Deep residual learning for image recognition", 2015, table 1.',
        "caffe",
        {
            "resnet50": ("ResNet50", 23.6),
            "resnet101": ("ResNet101", 42.7),
            "resnet152": ("ResNet152", 58.4),
        },
        differs="A bottleneck's stride is in its first convolution, and convolutions have biases, unlike in `resnet`.",
    ),
    Family(
        'K. He, X. Zhang, S. Ren and J. Sun, "Identity mappings in deep residual networks", 2016, section 4.',
        "tf",
        {
            "resnet50_v2": ("ResNet50V2", 23.6),
            "resnet101_v2": ("ResNet101V2", 42.6),
            "resnet152_v2": ("ResNet152V2", 58.3),
        },
    ),
    Family(
        'C. Szegedy, V. Vanhoucke, S. Ioffe, J. Shlens and Z. Wojna, "Rethinking the Inception architecture for '
        'computer vision", 2015, table 1.',
        "tf",
        {
            "inception_v3": ("InceptionV3", 21.8),
        },
        smallest=75,
        differs="It has no auxiliary classifier.",
    ),
    Family(
        'C. Szegedy, S. Ioffe, V. Vanhoucke and A. Alemi, "Inception-v4, Inception-ResNet and the impact of residual '
        'connections on learning", 2016, figure 15.',
        "tf",
        {
            "inception_resnet_v2": ("InceptionResNetV2", 54.3),
        },
        smallest=75,
    ),
    Family(
        'F. Chollet, "Xception: deep learning with depthwise separable convolutions", 2016, figure 5.',
        "tf",
        {
            "xception": ("Xception", 20.9),
        },
        smallest=71,
    ),
    Family(
        'A. Howard et al., "MobileNets: efficient convolutional neural networks for mobile vision applications", 2017, '
        "table 1.",
        "tf",
        {
            "mobilenet": ("MobileNet", 3.2),
        },
    ),
    Family(
        'M. Sandler, A. Howard, M. Zhu, A. Zhmoginov and L.-C. Chen, "MobileNetV2: inverted residuals and linear '
        'bottlenecks", 2018, table 2.',
        "tf",
        {
            "mobilenet_v2": ("MobileNetV2", 2.3),
        },
    ),
    Family(
        'A. Howard et al., "Searching for MobileNetV3", 2019, tables 1 and 2.',
        "tf",
        {
            "mobilenet_v3_small": ("MobileNetV3Small", 0.9),
            "mobilenet_v3_large": ("MobileNetV3Large", 3.0),
        },
        differs="It has no dense layer between the mean over all positions and the head.",
    ),
    Family(
        'G. Huang, Z. Liu, L. van der Maaten and K. Weinberger, "Densely connected convolutional networks", 2016, '
        "table 1.",
        "torch",
        {
            "densenet121": ("DenseNet121", 7.0),
            "densenet169": ("DenseNet169", 12.6),
            "densenet201": ("DenseNet201", 18.3),
        },
    ),
    Family(
        'M. Tan and Q. Le, "EfficientNet: rethinking model scaling for convolutional neural networks", 2019, table 1.',
        "efficientnet",
        {
            "efficientnet_b0": ("EfficientNetB0", 4.0),
            "efficientnet_b1": ("EfficientNetB1", 6.6),
            "efficientnet_b2": ("EfficientNetB2", 7.8),
            "efficientnet_b3": ("EfficientNetB3", 10.8),
            "efficientnet_b4": ("EfficientNetB4", 17.7),
            "efficientnet_b5": ("EfficientNetB5", 28.5),
            "efficientnet_b6": ("EfficientNetB6", 41.0),
            "efficientnet_b7": ("EfficientNetB7", 64.1),
        },
        differs="In training it skips whole blocks at random, up to every fifth, deeper blocks more often.",
    ),
    Family(
        'M. Tan and Q. Le, "EfficientNetV2: smaller models and faster training", 2021, table 4.',
        "torch",
        {
            "efficientnet_v2_b0": ("EfficientNetV2B0", 5.9),
            "efficientnet_v2_b1": ("EfficientNetV2B1", 6.9),
            "efficientnet_v2_b2": ("EfficientNetV2B2", 8.8),
            "efficientnet_v2_b3": ("EfficientNetV2B3", 12.9),
        },
        differs="In training it skips whole blocks at random, up to every fifth, deeper blocks more often.",
    ),
    Family(
        'M. Tan and Q. Le, "EfficientNetV2: smaller models and faster training", 2021, table 4.',
        "efficientnet_v2",
        {
            "efficientnet_v2_s": ("EfficientNetV2S", 20.3),
            "efficientnet_v2_m": ("EfficientNetV2M", 53.2),
            "efficientnet_v2_l": ("EfficientNetV2L", 117.7),
        },
        differs="In training it skips whole blocks at random, up to every fifth, deeper blocks more often.",
    ),
    Family(
        'B. Zoph, V. Vasudevan, J. Shlens and Q. Le, "Learning transferable architectures for scalable image '
        'recognition", 2017, table 2.',
        "tf",
        {
            "nasnet_mobile": ("NASNetMobile", 4.3),
        },
    ),
    Family(
        'Z. Liu, H. Mao, C.-Y. Wu, C. Feichtenhofer, T. Darrell and S. Xie, "A ConvNet for the 2020s", 2022, '
        "section 3.",
        "torch",
        {
            "convnext_tiny": ("ConvNeXtTiny", 27.8),
            "convnext_small": ("ConvNeXtSmall", 49.5),
            "convnext_base": ("ConvNeXtBase", 87.6),
            "convnext_large": ("ConvNeXtLarge", 196.2),
            "convnext_xlarge": ("ConvNeXtXLarge", 348.1),
        },
        normalizes_batches=False,
        differs="It has no stochastic depth.",
    ),
)
