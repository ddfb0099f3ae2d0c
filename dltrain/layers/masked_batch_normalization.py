"""Batch normalisation of what is no padding."""

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="dltrain")
class MaskedBatchNormalization(keras.layers.BatchNormalization):
    """Keras's BatchNormalization, in training by mean and variance of the steps where the mask is true.

    S. Ioffe and C. Szegedy, "Batch normalization", 2015, algorithm 1. Keras's own, given a mask, takes each device's
    statistics by themselves, and hands the mask on to layers that cannot take it.

    Inputs: (batch, steps, channels), and (batch, steps), bool. Output: as the first.
    """

    def build(self, inputs_shape: Any, present_shape: Any = None) -> None:
        """Makes the weights."""
        super().build(inputs_shape)

    def call(self, inputs: Any, present: Any, training: bool | None = None) -> Any:
        """Returns the normalised inputs; in training, also moves the statistics."""
        if not (training and self.trainable):
            return super().call(inputs, training=False)
        ops = keras.ops
        x = ops.cast(inputs, "float32")
        weights = ops.expand_dims(ops.cast(present, "float32"), -1)
        share = self._mean(weights)
        mean = self._mean(x * weights) / share
        variance = self._mean(weights * ops.square(x - mean)) / share
        for moving, of_batch in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + ops.cast(of_batch, moving.dtype) * (1 - self.momentum))
        scale, offset = (None if each is None else ops.cast(each, "float32") for each in (self.gamma, self.beta))
        outputs = ops.batch_normalization(x, mean, variance, -1, offset, scale, self.epsilon)
        return ops.cast(outputs, self.compute_dtype)

    def _mean(self, x: Any) -> Any:
        """Returns the mean over batch and steps, of all devices' together."""
        if self.synchronized:
            return keras.ops.moments(x, (0, 1), synchronized=True)[0]
        return keras.ops.mean(x, (0, 1))

    def compute_output_shape(self, inputs_shape: Any, present_shape: Any = None) -> Any:
        """Returns the shape of the first input."""
        return inputs_shape
