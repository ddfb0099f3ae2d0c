"""The workloads' networks as a Keras user writes them, weight for weight those of dltrain."""

import keras
import tensorflow as tf
from keras import layers


def build(name: str, shape: tuple, classes: int) -> keras.Model:
    """Returns the network of a workload, by its name in `side.WORKLOADS`."""
    inputs = keras.Input(shape)
    outputs = {"mlp": _mlp, "cnn": _cnn, "resnet-20": _resnet20, "alexnet small": _alexnet_small, "alexnet": _alexnet}[
        name
    ](inputs)
    return keras.Model(inputs, layers.Dense(classes)(outputs))


def _mlp(x):
    return layers.Dense(512, "relu")(layers.Dense(512, "relu")(x))


def _cnn(x):
    for filters in (32, 64):
        x = layers.MaxPooling2D()(layers.Conv2D(filters, 3, padding="same", activation="relu")(x))
    return layers.Dense(128, "relu")(layers.Flatten()(x))


def _resnet20(x):
    def convolution(x, filters, stride=1):
        x = layers.Conv2D(filters, 3, stride, "same", use_bias=False)(x)
        return layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x)

    x = layers.ReLU()(convolution(x, 16))
    for filters in (16, 32, 64):
        for block in range(3):
            stride, shortcut = (2, x[:, ::2, ::2]) if filters > 16 and block == 0 else (1, x)
            if stride == 2:
                shortcut = keras.ops.pad(shortcut, [[0, 0], [0, 0], [0, 0], [filters // 4, filters // 4]])
            x = convolution(layers.ReLU()(convolution(x, filters, stride)), filters)
            x = layers.ReLU()(layers.Add()([x, shortcut]))
    return layers.GlobalAveragePooling2D()(x)


def _alexnet_small(x):
    return _alexnet_of(x, (48, 128, 192, 192, 128), (3, 3, 3, 3, 3), 1, "same", 512)


def _alexnet(x):
    return _alexnet_of(x, (96, 256, 384, 384, 256), (11, 5, 3, 3, 3), 4, "valid", 4096)


def _alexnet_of(x, filters, kernels, stride, padding, units):
    for index, groups in enumerate((1, 2, 1, 2, 2)):
        first = index == 0
        x = layers.Conv2D(
            filters[index], kernels[index], stride if first else 1, padding if first else "same", groups=groups,
            activation="relu",
        )(x)  # fmt: skip
        if index < 2:
            x = layers.Lambda(lambda images: tf.nn.local_response_normalization(images, 2, 2.0, 1e-4, 0.75))(x)
        if index in (0, 1, 4):
            x = layers.MaxPooling2D(3, 2, padding)(x)
    x = layers.Flatten()(x)
    for _ in range(2):
        x = layers.Dropout(0.5)(layers.Dense(units, "relu")(x))
    return x
