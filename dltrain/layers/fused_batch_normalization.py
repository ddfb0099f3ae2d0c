"""Batch normalisation by TensorFlow's fused kernel."""

from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="dltrain")
class FusedBatchNormalization(keras.layers.BatchNormalization):
    """Keras's BatchNormalization, its training step on images in one kernel instead of a chain of operations.

    S. Ioffe and C. Szegedy, "Batch normalization", 2015, algorithm 1. Weights and settings are Keras's, results equal
    Keras's to 1e-5; whatever is not training on (batch, height, width, channels) is left to Keras.
    """

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Returns the normalised inputs; in training, also moves the statistics."""
        is_spatial = len(inputs.shape) == 4 and self.axis in (-1, 3)
        if not (training and self.trainable and is_spatial) or mask is not None or self.synchronized:
            return super().call(inputs, training=training, mask=mask)
        inputs = tf.convert_to_tensor(inputs)
        channels = inputs.shape[-1]
        scale = tf.convert_to_tensor(self.gamma) if self.scale else tf.ones(channels)
        offset = tf.convert_to_tensor(self.beta) if self.center else tf.zeros(channels)
        outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            inputs, tf.cast(scale, tf.float32), tf.cast(offset, tf.float32), epsilon=self.epsilon, is_training=True
        )
        # The kernel divides by N - 1 where Keras divides by N.
        count = tf.cast(tf.size(inputs) // channels, tf.float32)
        variance *= (count - 1) / count
        for moving, batch in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + tf.cast(batch, moving.dtype) * (1 - self.momentum))
        return outputs
