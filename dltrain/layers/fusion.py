"""Puts faster kernels under a network that was built of Keras's own layers."""

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
    """Has batch normalisation, in the models in it too, go by the whole batch that several devices share."""
    for layer in all_layers(model):
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = True


def fuse(model: keras.Model) -> None:
    """Gives the layers of a model, and of the models in it, the class that does the same faster; weights stay."""
    for layer in model.layers:
        if type(layer) in _FASTER:
            layer.__class__ = _FASTER[type(layer)]  # built layers keep their place in the graph
        elif isinstance(layer, keras.Model):
            fuse(layer)
