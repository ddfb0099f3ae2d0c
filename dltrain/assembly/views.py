"""Several views of an example, such as clips or crops: evaluation averages what the network makes of each."""

from typing import Any

from dltrain.data import DataSpec, named, unnamed
from dltrain.lazy import keras


def of_views(model: Any, spec: DataSpec) -> Any:
    """Returns the network for what evaluation sees, with the same weights; the network itself where there is one view.

    Args:
        model: of one view of each example.
        spec: what the data are; inputs with several views have the same number of these.

    Returns:
        of inputs with an axis of views, (batch, views, *shape), or without, (batch, *shape), to outputs averaged over
        the views.
    """
    if all(feature.views == 1 for feature in spec.inputs.values()):
        return model
    ops = keras.ops

    class OfViews(keras.Model):
        """Calls the network with each view of each example as a row."""

        def __init__(self) -> None:
            super().__init__(name="of_views", dtype="float32")  # what comes in is left as it is
            self.single = model

        def call(self, inputs: Any, training: bool | None = None) -> Any:
            values = named(spec.inputs, inputs)
            has_views = {name: len(values[name].shape) > len(each.shape) + 1 for name, each in spec.inputs.items()}
            views = max((values[name].shape[1] for name, has in has_views.items() if has), default=1)

            def row(value: Any, has: bool) -> Any:
                if has:
                    return ops.reshape(value, (-1, *ops.shape(value)[2:]))
                return value if views == 1 else ops.repeat(value, views, axis=0)

            def mean(outputs: Any) -> Any:
                return ops.mean(ops.reshape(outputs, (-1, views, *ops.shape(outputs)[1:])), axis=1)

            rows = unnamed({name: row(values[name], has) for name, has in has_views.items()})
            outputs = self.single(rows, training=training)
            return outputs if views == 1 else keras.tree.map_structure(mean, outputs)

    return OfViews()
