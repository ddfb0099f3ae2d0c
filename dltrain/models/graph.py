"""A network written in YAML."""

import math
import re
from collections.abc import Iterator
from typing import Any

from dltrain.data import DataSpec
from dltrain.errors import KeyProblem, Misfit, said
from dltrain.lazy import keras, tf
from dltrain.models import Model
from dltrain.models._layers import LISTED, faults, inputs_of, json_schema, make
from dltrain.plugins import loading as plugins
from dltrain.registry import MODELS, suggestion

INPUTS, PREVIOUS = "inputs", "previous"
# What the dataset's own layers and the head are called.
RESERVED = re.compile(
    r"inputs|previous|normalization|features|category\d+|(get_item|cast|subtract|one_hot)(_\d+)?|logits|units"
)
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


@MODELS.register("graph")
class Graph(Model):
    """A network written in YAML: a list of layers, each fed by the one before it or by those that it names.

    Args:
        layers: in their order, a block each: `layer` is a class of keras.layers or dltrain.layers, `name` what others
            call it, `inputs` the names that it takes (`previous` for the layer before, which it takes without
            `inputs`; `inputs` for the data); all other keys are arguments of the class. An initializer, regularizer
            or constraint with arguments is a block of its own, {name: L2, l2: 1e-4}; a layer within a layer too,
            {layer: TimeDistributed, of: {layer: Dense, units: 8}}.
        normalize: give the layers inputs of mean 0 and variance 1 per channel; false for the values as they are.
        head: end in a dense layer with an output for each class or target; false where the last of `layers` gives
            these itself, as logits or in the targets' own units.
    """

    layers: tuple[dict[str, Any], ...]
    normalize: bool = True
    head: bool = True

    @staticmethod
    def json_schema() -> dict[str, Any]:
        """Returns what an editor may know of the keys beyond their types."""
        return {"layers": {"items": json_schema()}}

    def __post_init__(self) -> None:
        problems = [KeyProblem("layers", "must hold at least one layer")] if not self.layers else []
        for index, layer in enumerate(self.layers):
            block = {key: value for key, value in layer.items() if key != "inputs"}
            problems += [*faults("layer", block, f"layers[{index}]"), *self._name_faults(index)]
            if str(layer.get("layer")).endswith(("Cell", "Cells")):
                words = "a cell works within an RNN: {layer: RNN, cell: {layer: LSTMCell, units: 8}}"
                problems.append(KeyProblem(f"layers[{index}].layer", f"must not be {layer['layer']}: {words}"))
        if not problems:
            problems = [fault for index in range(len(self.layers)) for fault in self._input_faults(index)]
        if not problems:
            problems = list(self._unused())
        if problems:
            raise ExceptionGroup("graph", problems)

    def build(self, data: DataSpec) -> Any:
        """Returns the network, from raw inputs to logits.

        Raises:
            Misfit: if a layer cannot be made, or cannot take its inputs.
        """
        made = self._made()
        inputs = data.inputs()
        outputs = {INPUTS: data.preprocess(inputs) if self.normalize else inputs}
        for index, layer in enumerate(made):
            outputs[self._name(index)] = self._applied(index, layer, outputs)
        x = self._vector(outputs[self._name(len(made) - 1)], data)
        # The loss wants float32, whatever the precision.
        x = data.head(x) if self.head else keras.layers.Identity(dtype="float32", name="logits")(x)
        return keras.Model(inputs, x, name="graph")

    def _name(self, index: int) -> str:
        """Returns what a layer is called: where it has no name, by its place, whatever else was built before."""
        layer = self.layers[index]
        if "name" in layer:
            return str(layer["name"])
        return f"layer{index}_{re.sub(r'(?<=[a-z])(?=[A-Z])', '_', str(layer.get('layer'))).lower()}"

    def _sources(self, index: int) -> tuple[str, ...]:
        """Returns the names that a layer takes."""
        given = self.layers[index].get("inputs", PREVIOUS)
        before = self._name(index - 1) if index else INPUTS
        return tuple(before if name == PREVIOUS else name for name in (given if isinstance(given, tuple) else (given,)))

    def _name_faults(self, index: int) -> Iterator[KeyProblem]:
        if "name" not in self.layers[index]:
            return
        name, path = self.layers[index]["name"], f"layers[{index}].name"
        if not isinstance(name, str) or not NAME.fullmatch(name):
            yield KeyProblem(path, f"must be letters, digits and _ . - (at most 100), got {name!r}")
        elif RESERVED.fullmatch(name):
            yield KeyProblem(path, f"must not be {name}, which dltrain gives itself")
        else:
            first = next(other for other in range(len(self.layers)) if self._name(other) == name)
            if first < index:
                yield KeyProblem(path, f"must be another: {name!r} is the name of layers[{first}]")

    def _input_faults(self, index: int) -> Iterator[KeyProblem]:
        layer, path = self.layers[index], f"layers[{index}]"
        known = {self._name(other): other for other in range(len(self.layers))}
        sources = self._sources(index)
        for place, name in enumerate(sources):
            key = f"{path}.inputs[{place}]" if isinstance(layer.get("inputs"), tuple) else f"{path}.inputs"
            if not isinstance(name, str):
                yield KeyProblem(key, f"must be the name of a layer, got {name!r}")
            elif known.get(name, -1) >= index:
                below = "itself" if known[name] == index else f"{name!r}, which is layers[{known[name]}]"
                yield KeyProblem(key, f"must be a layer above it, got {below}")
            elif name not in known and name != INPUTS:
                words = [PREVIOUS, INPUTS, *(self._name(other) for other in range(index))]
                yield KeyProblem(key, f": no layer {name!r}{suggestion(name, words)}")
        least, most = inputs_of(layer["layer"])
        if not least <= len(sources) <= (most or len(sources)):
            got = len(sources) if "inputs" in layer else "none"
            yield KeyProblem(f"{path}.inputs", f"must name {_range(least, most)} for {layer['layer']}, got {got}")

    def _unused(self) -> Iterator[KeyProblem]:
        used = {name for index in range(len(self.layers)) for name in self._sources(index)}
        for index in range(len(self.layers) - 1):
            if self._name(index) not in used:
                yield KeyProblem(
                    f"layers[{index}]", f"({self._words(index)}) is used by none: name it in `inputs`, or leave it out"
                )

    def _words(self, index: int) -> str:
        layer = self.layers[index]
        return layer["layer"] + (f' "{layer["name"]}"' if "name" in layer else "")

    def _made(self) -> list[Any]:
        made, problems = [], []
        for index, layer in enumerate(self.layers):
            block = {key: value for key, value in layer.items() if key != "inputs"}
            try:
                made.append(make("layer", {**block, "name": self._name(index)}))
            except Exception as error:  # of whatever kind: it is Keras's answer to the config's values
                _raise_if_memory(error)
                problems.append(
                    Misfit(f"layers[{index}]", f"({self._words(index)}) cannot be made: {first_line(error)}")
                )
        if problems:
            raise ExceptionGroup("graph", problems)
        return made

    def _applied(self, index: int, layer: Any, outputs: dict[str, Any]) -> Any:
        name, sources = self.layers[index]["layer"], self._sources(index)
        taken = [outputs[source] for source in sources]
        try:
            output = layer(taken) if name in LISTED else layer(*taken)
        except Exception as error:
            _raise_if_memory(error)
            shapes = [f"{_shape(x)} of {self._place(source)}" for x, source in zip(taken, sources, strict=True)]
            words = f"shapes {' and '.join(shapes)} do" if len(shapes) > 1 else f"shape {shapes[0]} does"
            raise Misfit(f"layers[{index}]", f"({self._words(index)}): {words} not fit: {first_line(error)}") from None
        if not hasattr(output, "shape"):
            raise Misfit(f"layers[{index}]", f"({self._words(index)}) must give one output, got {len(output)}")
        return output

    def _place(self, source: str) -> str:
        if source == INPUTS:
            return "the data"
        index = next(index for index in range(len(self.layers)) if self._name(index) == source)
        return f"layers[{index}] ({self._words(index)})"

    def _vector(self, x: Any, data: DataSpec) -> Any:
        """Returns the last layer's output, which must be (batch, features) for the head, or what the data ask for."""
        last, shape = len(self.layers) - 1, tuple(x.shape[1:])
        path, words = f"layers[{last}]", f"({self._words(last)}) must give"
        if self.head and (len(shape) != 1 or shape[0] is None):
            raise Misfit(
                path, f"{words} a vector for an example, got {_shape(x)}: end with Flatten or a global pooling"
            )
        if not self.head and shape != data.output_shape:
            count = math.prod(data.output_shape)
            raise Misfit(path, f"{words} the {count} outputs that the data ask for, got {_shape(x)}")
        return x


def first_line(error: Exception) -> str:
    """Returns what an exception of Keras says, in a line; of the user's own code with its line."""
    if words := plugins.fault(error):
        return words
    return said(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {said(error)}"


def _raise_if_memory(error: Exception) -> None:
    if isinstance(error, MemoryError | tf.errors.ResourceExhaustedError):
        raise error


def _shape(x: Any) -> tuple[int | None, ...]:
    return tuple(x.shape[1:])


def _range(least: int, most: int | None) -> str:
    if most is None:
        return f"at least {least} layers"
    return f"{least} or {most} layers" if most > least else f"{least} layer{'s' * (least > 1)}"
