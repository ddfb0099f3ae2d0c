"""Mean and deviation over time, of all steps alike or by weights that a network gives them."""

from typing import Any

import keras

_LEAST = 1e-5
"""Of a variance, whose root has a gradient then."""


@keras.saving.register_keras_serializable(package="dltrain")
class WithStatistics(keras.layers.Layer):
    """Sets mean and deviation over all steps beside each step.

    Input: (batch, steps, channels). Output: (batch, steps, 3 channels).
    """

    def call(self, x: Any) -> Any:
        """Computes them in float32."""
        ops = keras.ops
        mean, deviation = _statistics(ops.cast(x, "float32"), None)
        around = [ops.broadcast_to(ops.cast(each, x.dtype)[:, None], ops.shape(x)) for each in (mean, deviation)]
        return ops.concatenate([x, *around], axis=-1)

    def compute_output_shape(self, shape: Any) -> Any:
        """Returns three times the channels."""
        return *shape[:-1], 3 * shape[-1]


@keras.saving.register_keras_serializable(package="dltrain")
class AttentiveStatistics(keras.layers.Layer):
    """Mean and deviation over time, each channel by weights of its own: the softmax of scores over the steps.

    K. Okabe, T. Koshinaka and K. Shinoda, "Attentive statistics pooling for deep speaker embedding", 2018, section 3,
    with weights for each channel as B. Desplanques, J. Thienpondt and K. Demuynck, "ECAPA-TDNN", 2020, section 3.1.

    Inputs: values and scores, (batch, steps, channels) each. Output: (batch, 2 channels).
    """

    def call(self, x: Any, scores: Any) -> Any:
        """Computes them in float32."""
        ops = keras.ops
        scores = ops.cast(scores, "float32")
        shares = ops.exp(scores - ops.max(scores, axis=1, keepdims=True))  # Keras's softmax warns of a single step
        weights = shares / ops.sum(shares, axis=1, keepdims=True)
        return ops.cast(ops.concatenate(_statistics(ops.cast(x, "float32"), weights), axis=-1), x.dtype)

    def compute_output_shape(self, x_shape: Any, scores_shape: Any = None) -> Any:
        """Returns the shape without the steps."""
        return x_shape[0], 2 * x_shape[-1]


def _statistics(x: Any, weights: Any) -> tuple[Any, Any]:
    """Returns mean and deviation over the steps, (batch, channels) each; of weights whose sum is 1, or of all alike."""
    ops = keras.ops

    def mean(values: Any) -> Any:
        return ops.mean(values, axis=1) if weights is None else ops.sum(weights * values, axis=1)

    middle = mean(x)
    return middle, ops.sqrt(ops.maximum(mean(ops.square(x - middle[:, None])), _LEAST))
