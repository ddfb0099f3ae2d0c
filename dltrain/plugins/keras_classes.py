"""Classes of Keras's kinds that a user defines, offered to configs: the arguments of `__init__` are the keys."""

import copy
import dataclasses
import functools
import inspect
import math
import operator
import sys
import traceback
import types
import typing
import warnings
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from dltrain.data import DataSpec, unnamed
from dltrain.errors import UserError, said
from dltrain.fields import PositiveFloat
from dltrain.lazy import keras
from dltrain.registry import CALLBACKS, LAYERS, LOSSES, METRICS, MODELS, OPTIMIZERS, Choice, Registry


class Part(Choice):
    """The base of the user's losses, metrics and layers: a builder of a Keras object."""

    def build(self) -> Any:
        """Returns the object."""
        raise NotImplementedError


class Metric(Part):
    """The base of the user's metrics.

    Attributes:
        larger_is_better: whether more is better.
    """

    larger_is_better: bool = True


class Callback(Choice):
    """The base of the user's callbacks: a builder of a Keras callback."""

    def build(self, folder: Path) -> Any:
        """Returns the callback.

        Args:
            folder: the run's folder.
        """
        raise NotImplementedError


OWN = ("self", "name", "dtype", "trainable", "data", "run_folder", "learning_rate")
"""Arguments that a config cannot set: Keras's own, and those that dltrain fills in."""


def offer(module: types.ModuleType) -> None:
    """Registers the Keras classes that a module defines, each as `module.Class`."""
    if "keras" not in sys.modules:
        return
    for cls in list(vars(module).values()):
        if not isinstance(cls, type) or cls.__module__ != module.__name__ or cls.__name__.startswith("_"):
            continue
        for kind, (registry, builder) in _kinds().items():
            if issubclass(cls, kind):
                _register(registry, f"{module.__name__}.{cls.__name__}", cls, builder)
                break


def _kinds() -> dict[type, tuple[Registry, Any]]:
    """Returns registry and builder of each kind of class; models come before layers, as they are layers too."""
    return {
        keras.Model: (MODELS, _build_model),
        keras.layers.Layer: (LAYERS, _build),
        keras.losses.Loss: (LOSSES, _build),
        keras.metrics.Metric: (METRICS, _build),
        keras.optimizers.Optimizer: (OPTIMIZERS, _build_optimizer),
        keras.callbacks.Callback: (CALLBACKS, _build_callback),
    }


def _register(registry: Registry, name: str, cls: Any, builder: Any) -> None:
    parameters = {key: each for key, each in _parameters(cls).items() if key not in OWN}
    try:
        hints = typing.get_type_hints(cls.__init__)
    except Exception:  # whatever the user's annotations are, they are only hints
        hints = {}
    fields: dict[str, Any] = {"__doc__": inspect.getdoc(cls) or f"{cls.__name__}, from {cls.__module__}."}
    types_: dict[str, Any] = {}
    for key, parameter in parameters.items():
        types_[key] = _field_type(hints.get(key), parameter.default)
        if parameter.default is not inspect.Parameter.empty:
            fields[key] = _default(parameter.default)
    if registry is OPTIMIZERS:
        types_["learning_rate"] = PositiveFloat
        default = _parameters(cls)["learning_rate"].default if "learning_rate" in _parameters(cls) else None
        if isinstance(default, int | float):
            fields["learning_rate"] = float(default)
    if "num_classes" in parameters:  # which the data know
        types_["num_classes"], fields["num_classes"] = int | None, None
    fields |= {"__annotations__": types_, "__module__": cls.__module__, "keras_class": cls, "build": builder}
    if registry is METRICS and "larger_is_better" not in parameters:
        fields["larger_is_better"] = bool(getattr(cls, "larger_is_better", True))
    registry.register(name)(type(cls.__name__, (), fields))


def _default(value: Any) -> Any:
    """Returns a default for a field: mutable values are copied for each block."""
    if isinstance(value, list):
        return tuple(value)
    return value if isinstance(value, Hashable) else dataclasses.field(default_factory=lambda: copy.copy(value))


def _parameters(cls: Any) -> dict[str, inspect.Parameter]:
    if cls.__init__ is object.__init__:
        return {}
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return {key: each for key, each in inspect.signature(cls.__init__).parameters.items() if each.kind not in variable}


def _field_type(hint: Any, default: Any) -> Any:
    """Returns the type of a key, from annotation or default; else any plain value."""
    if hint is not None:
        known = _known_type(hint)
        return known | None if default is None and known is not Any else known
    if isinstance(default, bool | str):
        return type(default)
    return float | int if isinstance(default, float | int) else Any


def _known_type(hint: Any) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint in (bool, int, float, str, Path, types.NoneType) or origin is Literal:
        return hint
    if origin in (list, tuple) and len({*arguments} - {Ellipsis}) == 1:
        inner = _known_type(arguments[0])
        return Any if inner is Any else tuple.__class_getitem__((inner, ...))
    if origin in (typing.Union, types.UnionType):
        inner = [_known_type(argument) for argument in arguments]
        return Any if Any in inner else functools.reduce(operator.or_, inner)
    return Any


def _arguments(block: Any, **filled: Any) -> dict[str, Any]:
    """Returns the arguments of `__init__`: from the config, and those that dltrain fills in where they exist."""
    given = {field.name: as_given(getattr(block, field.name)) for field in dataclasses.fields(block)}
    wanted = _parameters(block.keras_class)
    given |= {key: value for key, value in filled.items() if key in wanted and given.get(key) is None}
    return {key: value for key, value in given.items() if key in wanted}


def as_given(value: Any) -> Any:
    """Copies a config's value for the user's code: tuples become lists."""
    if isinstance(value, dict):
        return {key: as_given(item) for key, item in value.items()}
    return [as_given(item) for item in value] if isinstance(value, tuple) else value


@contextmanager
def _blaming(cls: type) -> Iterator[None]:
    """Names the class in errors that do not come from a line of the user's, but from Keras or Python.

    Raises:
        UserError: in place of such an error.
    """
    try:
        yield
    except (TypeError, ValueError, AttributeError, RuntimeError) as error:
        file = sys.modules[cls.__module__].__file__
        if any(frame.filename == file for frame in traceback.extract_tb(error.__traceback__)):
            raise
        line = inspect.getsourcelines(cls)[1]
        raise UserError(f"{file}:{line}: {cls.__name__}: {type(error).__name__}: {said(error)}") from None


def _made(block: Any, **arguments: Any) -> Any:
    with _blaming(block.keras_class):
        return block.keras_class(**arguments)


def _build(block: Any) -> Any:
    """Returns an object of the class."""
    return _made(block, **_arguments(block))


def _build_callback(block: Any, folder: Path) -> Any:
    """Returns the callback; an argument `run_folder` gets the run's folder."""
    return _made(block, **_arguments(block, run_folder=folder))


def _build_optimizer(block: Any, learning_rate: Any, plain: bool = False, shares: tuple[float, ...] = ()) -> Any:
    """Returns the optimizer, at a learning rate or a Keras schedule of it."""
    return _made(block, **_arguments(block) | {"learning_rate": learning_rate})


def _build_model(block: Any, data: DataSpec) -> Any:
    """Builds the model by calling it on raw inputs, as the dataset has them.

    An argument `data` gets the DataSpec, `num_classes` the number of outputs where the config says none and
    it is the same for each example.
    """
    shape = data.output_shape
    count = math.prod(shape) if isinstance(shape, tuple) and None not in shape else None
    model = _made(block, **_arguments(block, data=data, num_classes=count))
    with _blaming(block.keras_class), warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", r"`build\(\)` was called on layer"
        )  # of one without weights, which is reported later
        # Eagerly first: an error in the user's `call` is shown as it is; for a trace Keras wraps it.
        zeros = {key: keras.ops.zeros((1, *each.max_shape), each.dtype) for key, each in data.inputs.items()}
        model(unnamed(zeros))
        model(data.inputs())
    return model
