"""The registry: a config chooses registered classes by their names.

    @MODELS.register("mlp")
    class MLP:
        '''Multi-layer perceptron.

        Args:
            units: width of each hidden layer.
        '''
        units: tuple[PositiveInt, ...] = (512, 512)

        def build(self, data: DataSpec) -> keras.Model: ...

The fields are the keys that the YAML block accepts, their defaults the defaults, their types and `__post_init__` the
checks, the docstring the help, `build` the builder. Modules are discovered: adding one file is enough.
"""

import dataclasses
import difflib
import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar, dataclass_transform, get_origin

Class = TypeVar("Class", bound=type)


LONGEST, MOST = 200, 10_000
"""Letters of a word, and words, that are compared: a stranger's may be so long or so many that it takes hours."""
SHOWN = 100
"""Words that a message shows."""


def nearest(word: str, words: list[str]) -> str:
    """Returns `, did you mean "..."?` for the nearest of `words`, or an empty string where none is near."""
    near = difflib.get_close_matches(word[:LONGEST], [each for each in words[:MOST] if len(each) <= LONGEST], 1, 0.6)
    return f', did you mean "{near[0]}"?' if near else ""


def suggestion(word: str, words: list[str], there_are: str = "there are") -> str:
    """Returns `, did you mean "..."?` for the nearest of `words`, or all of them where none is near."""
    more = f" and {len(words) - SHOWN:,} more" if len(words) > SHOWN else ""
    return nearest(word, words) or f"; {there_are} {', '.join(words[:SHOWN])}{more}"


class Choice:
    """The base of every registered class, which a config or a command chooses by name.

    Attributes:
        registered_name: its name in configs; set by `register`.
        keras_class: the user's Keras class whose arguments the fields are; none where the class itself is the choice.
    """

    registered_name: ClassVar[str]
    keras_class: ClassVar[type | None] = None

    @staticmethod
    def json_schema() -> dict[str, Any]:
        """Returns parts of a JSON schema, by key, for what editors need beyond the types."""
        return {}


class Registry:
    """Classes of one kind by name.

    Args:
        kind: what is registered, in the singular, as a message names it ("model").
        home: the package or module whose import registers the built-in ones; none where all are the user's.
        base: the dotted name of the kind's contract, a light class that every registered class gets as a parent,
            whether it names it or not: its methods are defaults, its fields keys behind the class's own. Imported when
            the first class is registered; none for `Choice` alone.
    """

    def __init__(self, kind: str, home: str | None = None, base: str | None = None) -> None:
        self.kind = kind
        self._base = base
        self._home = home
        self._classes: dict[str, type] = {}
        self._discovered = False

    @dataclass_transform(frozen_default=True, kw_only_default=True)
    def register(self, name: str) -> Callable[[Class], Class]:
        """Turns the decorated class into a frozen, keyword-only dataclass and registers it.

        Args:
            name: what a config says to choose it.

        Raises:
            ValueError: if the name is taken.
        """

        def decorate(cls: Class) -> Class:
            if name in self._classes:
                raise ValueError(f"{self.kind} {name!r} is registered twice: {self._classes[name]} and {cls}")
            base = self.base
            _keep_required(cls)
            registered: Any = dataclasses.dataclass(frozen=True, kw_only=True)(cls)
            if not issubclass(registered, base):
                about = {key: getattr(cls, key) for key in ("__doc__", "__module__", "__qualname__")}
                joined = type(cls.__name__, (registered, base), about)
                registered = dataclasses.dataclass(frozen=True, kw_only=True)(joined)
            shared = {field.name for field in dataclasses.fields(base)} if dataclasses.is_dataclass(base) else set()
            fields: dict[str, Any] = registered.__dataclass_fields__
            registered.__dataclass_fields__ = {
                key: fields[key] for key in sorted(fields, key=lambda key: key in shared)
            }
            registered.registered_name = name
            self._classes[name] = registered
            return registered

        return decorate

    @property
    def base(self) -> type:
        """The contract of the kind, a parent of every registered class."""
        if self._base is None:
            return Choice
        module, _, name = self._base.rpartition(".")
        found: type = getattr(importlib.import_module(module), name)
        return found

    def names(self) -> list[str]:
        """Returns all names, sorted."""
        self._discover()
        return sorted(self._classes)

    def known(self) -> set[str]:
        """Returns the names that are registered so far; discovers nothing."""
        return set(self._classes)

    def forget_all_but(self, names: set[str]) -> None:
        """Removes all registered names but these."""
        self._classes = {name: cls for name, cls in self._classes.items() if name in names}

    def __getitem__(self, name: str) -> type:
        """Returns the class of a name.


        Raises:
            KeyError: if there is none; the message lists the names.
        """
        self._discover()
        if name not in self._classes:
            raise KeyError(f"no {self.kind} {name!r}{suggestion(name, self.names())}")
        return self._classes[name]

    def _discover(self) -> None:
        if self._discovered:
            return
        self._discovered = True
        if self._home is None:
            return
        home = importlib.import_module(self._home)
        for module in pkgutil.iter_modules(getattr(home, "__path__", [])):
            if not module.name.startswith("_"):
                importlib.import_module(f"{self._home}.{module.name}")


def _keep_required(cls: type) -> None:
    """Removes the default of a key that a class declares without one, though its contract has a default."""
    inherited = {field.name for field in dataclasses.fields(cls)} if dataclasses.is_dataclass(cls) else set()
    for key, hint in vars(cls).get("__annotations__", {}).items():
        is_of_class = get_origin(hint) is ClassVar or str(hint).startswith(("ClassVar", "typing.ClassVar"))
        if key not in vars(cls) and key not in inherited and hasattr(cls, key) and not is_of_class:
            setattr(cls, key, dataclasses.field())


MODELS = Registry("model", "dltrain.models", "dltrain.models.Model")
DATASETS = Registry("dataset", "dltrain.datasets", "dltrain.datasets.Dataset")
TASKS = Registry("task", "dltrain.tasks", "dltrain.tasks.Task")
FEATURES = Registry("feature", "dltrain.features", "dltrain.data.feature.Feature")
"""Kinds of inputs and targets; a config does not choose them directly."""
OPTIMIZERS = Registry("optimizer", "dltrain.optimizers", "dltrain.optimizers.Optimizer")
SCHEDULES = Registry("schedule", "dltrain.schedules", "dltrain.schedules.Schedule")
AUGMENTATIONS = Registry("augmentation", "dltrain.augmentations", "dltrain.augmentations.Augmentation")
SAMPLES = Registry("sample", "dltrain.datasets._samples", "dltrain.datasets._samples.samples.Sample")
"""Sample data of `dltrain datasets make`; a config does not choose them."""

LOSSES = Registry("loss", base="dltrain.plugins.keras_classes.Part")
METRICS = Registry("metric", base="dltrain.plugins.keras_classes.Metric")
LAYERS = Registry("layer", base="dltrain.plugins.keras_classes.Part")
CALLBACKS = Registry("callback", base="dltrain.plugins.keras_classes.Callback")
TRACKERS = Registry("tracker", "dltrain.trackers", "dltrain.trackers.Tracker")
EXPORTS = Registry("export", "dltrain.exports", "dltrain.exports.Export")
"""Formats of `dltrain export`; a config does not choose them."""

KINDS = (
    MODELS,
    DATASETS,
    FEATURES,
    TASKS,
    LOSSES,
    METRICS,
    LAYERS,
    AUGMENTATIONS,
    OPTIMIZERS,
    SCHEDULES,
    CALLBACKS,
    TRACKERS,
)
"""Registries that plugins may register classes in."""

REGISTRIES = {
    registry.kind: registry for registry in KINDS if registry not in (FEATURES, LOSSES, METRICS, LAYERS, CALLBACKS)
}
"""Registries of dltrain's own classes, by kind."""


def short_name(choice: Any) -> str:
    """Returns the short name of a chosen word or block: the class alone of `my_metrics.Recall`."""
    return choice if isinstance(choice, str) else choice.registered_name.rpartition(".")[2]


def summary_line(cls: type) -> str:
    """Returns the first sentence of a class's docstring."""
    return (inspect.getdoc(cls) or "").partition("\n")[0]


def field_help(cls: type) -> dict[str, str]:
    """Returns the text of each entry in the `Args:` section of the docstrings of a class and its parents."""
    help_texts: dict[str, str] = {}
    for ancestor in reversed(cls.__mro__):
        section = re.search(
            r"^Args:\n(.*?)(?=^\S|\Z)", inspect.cleandoc(ancestor.__doc__ or ""), re.DOTALL | re.MULTILINE
        )
        if section:
            for name, text in re.findall(r"^    (\w+): (.*?)(?=^    \w+: |\Z)", section[1], re.DOTALL | re.MULTILINE):
                help_texts[name] = " ".join(text.split())
    declared: Any = vars(cls).get("__dataclass_fields__", {})
    taken_away = {*declared} - {field.name for field in dataclasses.fields(cls)}  # keys that its parents have
    return {name: text for name, text in help_texts.items() if name not in taken_away}
