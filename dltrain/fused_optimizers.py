"""Keras's optimizers with TensorFlow's update kernels: one pass over a weight instead of one per operation.

Variables, settings and results are Keras's; sparse gradients and variants without a kernel are left to Keras.
"""

from typing import Any

import keras
import tensorflow as tf

from dltrain.keras_internals import adam_moments, index_of


class SGD(keras.optimizers.SGD):
    """Keras's SGD in one pass."""

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Moves a variable by its gradient."""
        if isinstance(gradient, tf.IndexedSlices):
            return super().update_step(gradient, variable, learning_rate)
        gradient, rate = tf.cast(gradient, variable.dtype), tf.cast(learning_rate, variable.dtype)
        if self.momentum == 0:
            tf.raw_ops.ResourceApplyGradientDescent(var=variable.handle, alpha=rate, delta=gradient)
            return None
        tf.raw_ops.ResourceApplyKerasMomentum(
            var=variable.handle,
            accum=self.momentums[index_of(self, variable)].value.handle,
            lr=rate,
            grad=gradient,
            momentum=tf.cast(self.momentum, variable.dtype),
            use_nesterov=self.nesterov,
        )
        return None


class _OnePassAdam:
    """The update that Adam and AdamW share."""

    def update_step(self: Any, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Moves a variable by its gradient."""
        if self.amsgrad or isinstance(gradient, tf.IndexedSlices):
            return super().update_step(gradient, variable, learning_rate)  # type: ignore[misc]
        number, index = tf.cast(self.iterations + 1, variable.dtype), index_of(self, variable)
        first, second = adam_moments(self)
        beta_1, beta_2 = tf.cast(self.beta_1, variable.dtype), tf.cast(self.beta_2, variable.dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=first[index].value.handle,
            v=second[index].value.handle,
            beta1_power=tf.pow(beta_1, number),
            beta2_power=tf.pow(beta_2, number),
            lr=tf.cast(learning_rate, variable.dtype),
            beta1=beta_1,
            beta2=beta_2,
            epsilon=tf.cast(self.epsilon, variable.dtype),
            grad=tf.cast(gradient, variable.dtype),
        )
        return None


class Adam(_OnePassAdam, keras.optimizers.Adam):
    """Keras's Adam in one pass."""


class AdamW(_OnePassAdam, keras.optimizers.AdamW):
    """Keras's AdamW in one pass."""


ONE_PASS = {keras.optimizers.SGD: SGD, keras.optimizers.Adam: Adam, keras.optimizers.AdamW: AdamW}
"""The faster equivalents of Keras's own classes."""
