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
from dltrain.models._trial import tried, zeros
from dltrain.plugins import loading as plugins
from dltrain.registry import MODELS, suggestion

INPUTS, PREVIOUS = "inputs", "previous"
# Names of the dataset's own layers and of the head.
RESERVED = re.compile(
    r"inputs|previous|normalization|features|category\d+|(get_item|cast|round|equal|subtract|one_hot)(_\d+)?|logits|units"
)
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


@MODELS.register("graph")
class Graph(Model):
    """A network written in YAML: a list of layers, each applied to the layer before it or to the layers that it names.

    Args:
        layers: the layers in order, a block each: `layer` is a class of keras.layers or dltrain.layers, `name` its name
            for other layers, `inputs` the names of the layers that it is applied to (`previous` for the layer before,
            which is the default; `inputs` for the data); all other keys are arguments of the class. An initializer,
            regularizer or constraint with arguments is its own block, {name: L2, l2: 1e-4}; so is a layer within a
            layer, {layer: TimeDistributed, of: {layer: Dense, units: 8}}.
        normalize: normalise the inputs to mean 0 and variance 1 per channel; false for raw values.
        head: add a dense layer with an output for each class or target; false if the last of `layers` returns these
            itself, as logits or in the units of the targets.
    """

    layers: tuple[dict[str, Any], ...]
    normalize: bool = True
    head: bool = True

    @staticmethod
    def json_schema() -> dict[str, Any]:
        """Returns what an editor may know of the keys beyond their types."""
        return {"layers": {"items": json_schema()}}

    def __post_init__(self) -> None:
        problems = [KeyProblem("layers", "must contain at least one layer")] if not self.layers else []
        for index, layer in enumerate(self.layers):
            block = {key: value for key, value in layer.items() if key != "inputs"}
            problems += [*faults("layer", block, f"layers[{index}]"), *self._name_faults(index)]
            if str(layer.get("layer")).endswith(("Cell", "Cells")):
                words = "a cell must be inside an RNN: {layer: RNN, cell: {layer: LSTMCell, units: 8}}"
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
        examples = {INPUTS: zeros(outputs[INPUTS])}
        for index, layer in enumerate(made):
            name = self._name(index)
            outputs[name], examples[name] = self._applied(index, layer, outputs, examples)
        x = self._vector(outputs[self._name(len(made) - 1)], data)
        try:
            # The loss wants float32, whatever the precision.
            x = data.head(x, inputs) if self.head else keras.layers.Identity(dtype="float32", name="logits")(x)
            return keras.Model(inputs, x, name="graph")
        except Exception as error:
            _raise_if_memory(error)
            raise Misfit("layers", f": no network can be made of these: {first_line(error)}") from None

    def _name(self, index: int) -> str:
        """Returns the name of a layer; a layer without one is named by its position, whatever else was built before."""
        layer = self.layers[index]
        if "name" in layer:
            return str(layer["name"])
        return f"layer{index}_{re.sub(r'(?<=[a-z])(?=[A-Z])', '_', str(layer.get('layer'))).lower()}"

    def _sources(self, index: int) -> tuple[str, ...]:
        """Returns the names of a layer's inputs."""
        given = self.layers[index].get("inputs", PREVIOUS)
        before = self._name(index - 1) if index else INPUTS
        return tuple(before if name == PREVIOUS else name for name in (given if isinstance(given, tuple) else (given,)))

    def _name_faults(self, index: int) -> Iterator[KeyProblem]:
        if "name" not in self.layers[index]:
            return
        name, path = self.layers[index]["name"], f"layers[{index}].name"
        if not isinstance(name, str) or not NAME.fullmatch(name):
            yield KeyProblem(path, f"must consist of letters, digits, _ . and - (at most 100 characters), got {name!r}")
        elif RESERVED.fullmatch(name):
            yield KeyProblem(path, f"must not be {name}, a name that dltrain uses itself")
        else:
            first = next(other for other in range(len(self.layers)) if self._name(other) == name)
            if first < index:
                yield KeyProblem(path, f"must be unique: {name!r} is already the name of layers[{first}]")

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
                yield KeyProblem(key, f"must be a layer above this one, got {below}")
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
                    f"layers[{index}]",
                    f"({self._words(index)}) is not used: name it in the `inputs` of another layer, or remove it",
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

    def _applied(self, index: int, layer: Any, outputs: dict[str, Any], examples: dict[str, Any]) -> tuple[Any, Any]:
        """Returns a layer's symbolic output, and that of an example; none where its length is not known."""
        name, sources = self.layers[index]["layer"], self._sources(index)
        taken = [outputs[source] for source in sources]

        def apply(*inputs: Any, **how: bool) -> Any:
            return layer([*inputs], **how) if name in LISTED else layer(*inputs, **how)

        try:
            output = apply(*taken)
            example = tried(layer, apply, taken, [examples[source] for source in sources], output)
        except Exception as error:
            _raise_if_memory(error)
            shapes = [f"{_shape(x)} of {self._place(source)}" for x, source in zip(taken, sources, strict=True)]
            words = f"shapes {' and '.join(shapes)} do" if len(shapes) > 1 else f"shape {shapes[0]} does"
            raise Misfit(f"layers[{index}]", f"({self._words(index)}): {words} not fit: {first_line(error)}") from None
        if not hasattr(output, "shape"):
            raise Misfit(f"layers[{index}]", f"({self._words(index)}) must return one output, got {len(output)}")
        return output, example

    def _place(self, source: str) -> str:
        if source == INPUTS:
            return "the data"
        index = next(index for index in range(len(self.layers)) if self._name(index) == source)
        return f"layers[{index}] ({self._words(index)})"

    def _vector(self, x: Any, data: DataSpec) -> Any:
        """Returns the last layer's output: (batch, features) for the head, or of the shape that the data need."""
        last, shape = len(self.layers) - 1, tuple(x.shape[1:])
        path, words = f"layers[{last}]", f"({self._words(last)}) must return"
        if self.head and (len(shape) != 1 or shape[0] is None):
            raise Misfit(
                path, f"{words} a vector for an example, got {_shape(x)}: end with Flatten or a global pooling"
            )
        if not self.head and isinstance(data.output_shape, tuple) and shape != data.output_shape:
            count = math.prod(data.output_shape)
            raise Misfit(path, f"{words} the {count} outputs that the data need, got {_shape(x)}")
        return x


def first_line(error: Exception) -> str:
    """Summarises an exception of Keras in a line; of the user's own code with its file and line."""
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
