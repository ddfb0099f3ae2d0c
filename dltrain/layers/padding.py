"""What networks need that leave out the padding behind shorter examples: a mask, and means and maxima under it."""

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="dltrain")
class PaddingMask(keras.layers.Layer):
    """Says which places hold a token.

    Input: ids, (batch, tokens), int32. Output: (batch, tokens), bool.

    Args:
        padding: the id that is none.
    """

    def __init__(self, padding: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.padding = padding

    def call(self, inputs: Any) -> Any:
        """Compares the ids."""
        return keras.ops.not_equal(inputs, self.padding)

    def compute_output_spec(self, inputs: Any) -> Any:
        """Returns shape and type of the output."""
        return keras.KerasTensor(inputs.shape, "bool")

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        return super().get_config() | {"padding": self.padding}


@keras.saving.register_keras_serializable(package="dltrain")
class Masked(keras.layers.Layer):
    """Puts zeros where the mask is false.

    Inputs: (batch, tokens, width), and (batch, tokens), bool. Output: as the first.
    """

    def call(self, inputs: Any, present: Any) -> Any:
        """Multiplies by the mask."""
        return inputs * keras.ops.expand_dims(keras.ops.cast(present, inputs.dtype), -1)

    def compute_output_shape(self, inputs_shape: Any, present_shape: Any = None) -> Any:
        """Returns the shape of the first input."""
        return inputs_shape


@keras.saving.register_keras_serializable(package="dltrain")
class Lowest(keras.layers.Layer):
    """Puts a value below all others where the mask is false, so that no maximum over neighbours sees what was there.

    Inputs: (batch, steps, width), and (batch, steps), bool. Output: as the first.
    """

    def call(self, inputs: Any, present: Any) -> Any:
        """Chooses; the value is one that float16 can hold."""
        return keras.ops.where(keras.ops.expand_dims(present, -1), inputs, keras.ops.cast(-6e4, inputs.dtype))

    def compute_output_shape(self, inputs_shape: Any, present_shape: Any = None) -> Any:
        """Returns the shape of the first input."""
        return inputs_shape


@keras.saving.register_keras_serializable(package="dltrain")
class MaskedMean(keras.layers.Layer):
    """The mean over the tokens where the mask is true; 0 where it is true nowhere.

    Inputs: (batch, tokens, width), and (batch, tokens), bool. Output: (batch, width).
    """

    def call(self, inputs: Any, present: Any) -> Any:
        """Sums and divides."""
        ops = keras.ops
        # Half precision counts no further than to 2048 one by one.
        weights = ops.expand_dims(ops.cast(present, "float32"), -1)
        total = ops.sum(ops.cast(inputs, "float32") * weights, axis=1)
        return ops.cast(total / ops.maximum(ops.sum(weights, axis=1), 1), inputs.dtype)

    def compute_output_shape(self, inputs_shape: Any, present_shape: Any = None) -> Any:
        """Returns the shape without the tokens."""
        return inputs_shape[0], *inputs_shape[2:]


@keras.saving.register_keras_serializable(package="dltrain")
class MaskedMaximum(keras.layers.Layer):
    """The largest value over the tokens where the mask is true, of values that are at least 0; 0 where it is nowhere.

    Inputs: (batch, tokens, width), and (batch, tokens), bool. Output: (batch, width).
    """

    def call(self, inputs: Any, present: Any) -> Any:
        """Takes the maximum of what is left."""
        return keras.ops.max(inputs * keras.ops.expand_dims(keras.ops.cast(present, inputs.dtype), -1), axis=1)

    def compute_output_shape(self, inputs_shape: Any, present_shape: Any = None) -> Any:
        """Returns the shape without the tokens."""
        return inputs_shape[0], *inputs_shape[2:]


@keras.saving.register_keras_serializable(package="dltrain")
class Unmasked(keras.layers.Layer):
    """Hands on its input without Keras's mask, by which Keras would multiply losses, of which there is one per text."""

    def call(self, inputs: Any) -> Any:
        """Returns the same values."""
        return keras.ops.copy(inputs)  # the tensor itself would carry the mask

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> None:
        """Returns none."""
        return

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the input."""
        return input_shape
