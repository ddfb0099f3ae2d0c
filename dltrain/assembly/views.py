"""Several views of an example, such as clips or crops: evaluation averages what the network makes of each."""

from typing import Any

from dltrain.data import DataSpec, unnamed
from dltrain.data.spec import INPUTS
from dltrain.lazy import keras


def of_views(model: Any, spec: DataSpec) -> Any:
    """Returns the network for what evaluation sees, with the same weights; the network itself where there is one view.

    Args:
        model: of one view of each example.
        spec: what the data are; inputs with several views have the same number of these.

    Returns:
        of (batch, views, *shape), and (batch, *shape) of inputs with one view, to outputs averaged over the views.
    """
    views = max(feature.views for feature in spec.inputs.values())
    if views == 1:
        return model
    ops, inputs, single = keras.ops, {}, {}
    for name, feature in spec.inputs.items():
        label = INPUTS if len(spec.inputs) == 1 else name
        if feature.views == 1:
            inputs[name] = feature.inputs(label)
            single[name] = ops.repeat(inputs[name], views, axis=0)
        else:
            inputs[name] = keras.Input((views, *feature.shape), dtype=feature.dtype, name=label)
            single[name] = ops.reshape(inputs[name], (-1, *feature.shape))

    def mean(outputs: Any) -> Any:
        return ops.mean(ops.reshape(outputs, (-1, views, *outputs.shape[1:])), axis=1)

    return keras.Model(unnamed(inputs), keras.tree.map_structure(mean, model(unnamed(single))), name="of_views")
