"""Every private name of Keras that dltrain uses, each behind a function: what a newer Keras may break is here."""

import itertools
from typing import Any

OVERRIDDEN = ("_all_reduce_sum_gradients", "_apply_weight_decay", "_clip_gradients")
"""Methods of Keras's optimizers that `dltrain.optimizers` overrides."""


def all_layers(model: Any, include_self: bool = True) -> list[Any]:
    """Returns a network's layers and, before their own, those of the layers within them.

    Args:
        model: a keras.Model.
        include_self: the network itself is one of them.
    """
    return list(model._flatten_layers(include_self=include_self))


def without_low_rank(layer: Any) -> list[Any]:
    """Returns a layer's weights without the matrices that `enable_lora` puts beside its kernels."""
    return [weight for weight in layer.weights if not weight.name.startswith("lora_kernel")]


def freeze_whole(layer: Any) -> None:
    """Has a layer and all within it keep their weights.

    Keras passes on only what changes: the matrices of `enable_lora`, in a layer that is frozen already, stay trained.
    """
    layer.trainable = True
    layer.trainable = False


def merge_low_rank(model: Any) -> None:
    """Adds to each kernel what its low-rank matrices make of it, and leaves these out: the network answers the same."""
    for layer in all_layers(model):
        if getattr(layer, "lora_enabled", False):
            layer._kernel.assign(layer.kernel)
            layer.lora_enabled = False


def calls(layer: Any) -> list[Any]:
    """Returns the nodes of the graphs that a layer was called in, the latest last; none where it was never called."""
    return list(getattr(layer, "_inbound_nodes", None) or ())


def followers(model: Any) -> list[tuple[Any, list[Any]]]:
    """Returns a network's layers and other operations from the inputs on, each with those that take what it returns.

    Of a network that only its own code knows, each layer is taken to be followed by the next.
    """
    graph = getattr(model, "_functional", None) or model  # a Sequential has its graph within it
    if not hasattr(graph, "_nodes_by_depth"):
        return [(layer, model.layers[number : number + 1]) for number, layer in enumerate(model.layers, 1)]
    found: dict[int, list[Any]] = {id(operation): [] for operation in graph._operations}
    for node in itertools.chain.from_iterable(graph._nodes_by_depth.values()):
        for parent in node.parent_nodes:
            found[id(parent.operation)].append(node.operation)
    return [(operation, found[id(operation)]) for operation in graph._operations]


def latest_output(layer: Any) -> Any:
    """Returns the first symbolic output of a layer's latest call; for a network within another, of the outer graph."""
    return calls(layer)[-1].output_tensors[0]


def moving_averages(optimizer: Any) -> list[Any]:
    """Returns the moving averages of the trainable weights, in their order; none where the optimizer keeps none."""
    return list(optimizer._model_variables_moving_average) if optimizer.use_ema else []


def index_of(optimizer: Any, variable: Any) -> int:
    """Returns at which place an optimizer's slots hold what belongs to a trainable variable."""
    return int(optimizer._get_variable_index(variable))


def adam_moments(optimizer: Any) -> tuple[list[Any], list[Any]]:
    """Returns the slots of an Adam: the means of the gradients, and of their squares."""
    return optimizer._momentums, optimizer._velocities


def narrow_places(model: Any) -> list[tuple[Any, Any]]:
    """Returns each operation through which all goes that a network makes of its inputs, and its first symbolic output.

    In their order; nothing of a network that only its own code knows. Operations that stand beside others, such as
    those of a residual block within its shortcut, are not among them.
    """
    graph = getattr(model, "_functional", None) or model
    if not hasattr(graph, "_nodes_by_depth"):
        return []
    found: list[tuple[Any, Any]] = []
    open_until = -1
    order = [operation for operation, _ in followers(model)]
    places = {id(operation): place for place, operation in enumerate(order)}
    for place, (operation, takers) in enumerate(followers(model)):
        last = max((places[id(taker)] for taker in takers), default=place)
        if open_until <= place:
            found.append((operation, latest_output(operation)))
        open_until = max(open_until, last)
    return found
