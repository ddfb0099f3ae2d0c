"""The Open Neural Network Exchange."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from dltrain.data import unnamed
from dltrain.data.trees import Tree
from dltrain.exports import Batch, Export, Takes, called
from dltrain.lazy import np, tf
from dltrain.registry import EXPORTS

OPSET = 17
"""ONNX 1.12 of 2022: tf2onnx 1.17 writes up to 18, and phones and browsers lag behind."""


@EXPORTS.register("onnx")
class ONNX(Export):
    """An ONNX file, for ONNX Runtime on servers, phones and in browsers; needs pip install 'dltrain[onnx]'."""

    file: ClassVar[str] = "model.onnx"
    needs: ClassVar[tuple[str, ...]] = ("tf2onnx", "onnx", "onnxruntime")
    extra: ClassVar[str] = "onnx"

    def write(self, model: Any, path: Path, takes: Takes, calibration: Batch) -> None:
        """Writes the network as a graph from inputs to `outputs`, or several, by their names; batches of any size."""
        constants = importlib.import_module("tensorflow.python.framework.convert_to_constants")
        convert = importlib.import_module("tf2onnx").convert
        tf.config.run_functions_eagerly(
            True
        )  # else what Keras has XLA compile, such as grouped convolutions, stays whole
        try:
            traced = tf.compat.v1.wrap_function(
                lambda *inputs: model(called(dict(zip(takes, inputs, strict=True))), training=False), [*takes.values()]
            )
        finally:
            tf.config.run_functions_eagerly(False)
        # tf2onnx's from_function, and with it Keras's export, make inputs of what the graph captured that is no
        # variable, such as the means of a Normalization.
        frozen = constants.convert_variables_to_constants_v2(traced, lower_control_flow=False)
        inputs = {tensor.name: name for tensor, name in zip(frozen.inputs, takes, strict=True)}
        returned = traced.structured_outputs
        names = sorted(returned) if isinstance(returned, dict) else ["outputs"]  # in the order of a flattened dict
        outputs = {tensor.name: name for tensor, name in zip(frozen.outputs, names, strict=True)}
        written, _ = convert.from_graph_def(
            frozen.graph.as_graph_def(),
            input_names=[*inputs],
            output_names=[*outputs],
            opset=OPSET,
            custom_op_handlers={"Erfc": (_erfc, []), "Log1p": (_log1p, []), "Expm1": (_expm1, [])},
        )
        _rename(written.graph, inputs | outputs)
        path.write_bytes(written.SerializeToString())

    def answers(self, path: Path, inputs: Batch) -> Tree:
        """Runs the file in ONNX Runtime on a CPU; returns (examples, *outputs), a dict where there are several."""
        runtime = importlib.import_module("onnxruntime")
        session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        names = [each.name for each in session.get_outputs()]
        return unnamed(dict(zip(names, session.run(names, dict(inputs)), strict=True)))


def _erfc(graph: Any, node: Any, name: str, arguments: Any) -> Any:
    """Writes TensorFlow's Erfc, of which the exact GELU is made and which ONNX has not, as 1 - Erf."""
    return _written(graph, node, lambda x, do, number: do("Sub", number(1), do("Erf", x)))


def _log1p(graph: Any, node: Any, name: str, arguments: Any) -> Any:
    """Writes TensorFlow's Log1p, which ONNX has not, as Asinh(x / 2 + x / (2 + 2 x)), exact near 0 as well."""

    def written(x: str, do: Any, number: Any) -> str:
        half = do("Mul", x, number(0.5))
        return do("Asinh", do("Add", half, do("Div", half, do("Add", x, number(1)))))

    return _written(graph, node, written)


def _expm1(graph: Any, node: Any, name: str, arguments: Any) -> Any:
    """Writes TensorFlow's Expm1, which ONNX has not, as 2 Sinh(x / 2) Exp(x / 2), exact near 0 as well."""

    def written(x: str, do: Any, number: Any) -> str:
        half = do("Mul", x, number(0.5))
        return do("Mul", do("Mul", do("Sinh", half), number(2)), do("Exp", half))

    return _written(graph, node, written)


def _written(graph: Any, node: Any, write: Callable[..., str]) -> Any:
    """Writes an operation as several of others.

    Args:
        graph: where it stands.
        node: the operation, of one input.
        write: does so, of the input, a function that adds an operation, and one that adds a number; returns the result.
    """
    shapes, kinds = ([read(node.output[0])] for read in (graph.get_shape, graph.get_dtype))

    def do(kind: str, *inputs: str) -> str:
        return str(graph.make_node(kind, [*inputs], shapes=shapes, dtypes=kinds).output[0])

    def number(value: float) -> str:
        return str(graph.make_const(f"{node.name}/{value:g}", np.array(value, np.float32)).output[0])

    result = write(node.input[0], do, number)
    graph.remove_node(node.name)
    return graph.make_node("Identity", [result], name=node.name, outputs=node.output, shapes=shapes, dtypes=kinds)


def _rename(graph: Any, names: dict[str, str]) -> None:
    """Gives inputs and output other names, and the first axis the name `batch`."""
    for node in graph.node:
        for places in (node.input, node.output):
            for place, name in enumerate(places):
                places[place] = names.get(name, name)
    for each in (*graph.input, *graph.output):
        each.name = names.get(each.name, each.name)
        each.type.tensor_type.shape.dim[0].dim_param = "batch"
