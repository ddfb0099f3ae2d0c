"""Faster kernels for networks that are built of Keras's own layers."""

import keras

from dltrain.keras_internals import all_layers
from dltrain.layers.fused_batch_normalization import FusedBatchNormalization
from dltrain.layers.row_normalization import RowNormalization
from dltrain.layers.separate_bias_convolution import SeparateBiasConv2D

_FASTER = {
    keras.layers.BatchNormalization: FusedBatchNormalization,
    keras.layers.Conv2D: SeparateBiasConv2D,
    keras.layers.Normalization: RowNormalization,
}


def synchronise(model: keras.Model) -> None:
    """Synchronises batch normalisation, in nested models too, over the whole batch that several devices share."""
    for layer in all_layers(model):
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = True


def fuse(model: keras.Model) -> None:
    """Replaces the classes of layers, in nested models too, by faster ones with the same results; weights are kept."""
    for layer in model.layers:
        if type(layer) in _FASTER:
            layer.__class__ = _FASTER[type(layer)]  # built layers keep their place in the graph
        elif isinstance(layer, keras.Model):
            fuse(layer)
