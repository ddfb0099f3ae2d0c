"""The one plug: a class registered under a name is what a config may choose by that name.

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
from typing import Any, TypeVar, dataclass_transform

from dltrain.beginning import Beginning

Class = TypeVar("Class", bound=type)


def nearest(word: str, words: list[str]) -> str:
    """Returns `, did you mean "..."?` for the nearest of `words`, or an empty string where none is near."""
    near = difflib.get_close_matches(word, words, n=1, cutoff=0.6)
    return f', did you mean "{near[0]}"?' if near else ""


def suggestion(word: str, words: list[str], there_are: str = "there are") -> str:
    """Returns `, did you mean "..."?` for the nearest of `words`, or all of them where none is near."""
    return nearest(word, words) or f"; {there_are} {', '.join(words)}"


class Registry:
    """Classes of one kind by name.

    Args:
        kind: what is registered, in the singular, as a message names it ("model").
        home: the package or module whose import registers the built-in ones; none where all are the user's.
        shared: a dataclass whose fields every registered class gets as well, behind its own.
    """

    def __init__(self, kind: str, home: str | None = None, shared: type | None = None) -> None:
        self.kind = kind
        self._shared = shared
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
            registered: Any = dataclasses.dataclass(frozen=True, kw_only=True)(cls)
            if self._shared is not None:
                about = {key: getattr(cls, key) for key in ("__doc__", "__module__", "__qualname__")}
                joined = type(cls.__name__, (registered, self._shared), about)
                registered = dataclasses.dataclass(frozen=True, kw_only=True)(joined)
                fields: Any = registered.__dataclass_fields__
                registered.__dataclass_fields__ = {
                    key: fields[key] for key in sorted(fields, key=lambda key: hasattr(self._shared, key))
                }
            registered.registered_name = name
            self._classes[name] = registered
            return registered

        return decorate

    def names(self) -> list[str]:
        """Returns all names, sorted."""
        self._discover()
        return sorted(self._classes)

    def known(self) -> set[str]:
        """Returns the names that are registered so far; discovers nothing."""
        return set(self._classes)

    def forget_all_but(self, names: set[str]) -> None:
        """Takes back what was registered beside these names."""
        self._classes = {name: cls for name, cls in self._classes.items() if name in names}

    def __getitem__(self, name: str) -> type:
        """Returns the class.

        Raises:
            KeyError: if there is none; its message says what there is.
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


MODELS = Registry("model", "dltrain.models", Beginning)
DATASETS = Registry("dataset", "dltrain.datasets")
TASKS = Registry("task", "dltrain.tasks")
FEATURES = Registry("feature", "dltrain.features")
"""What examples consist of, and what is asked of them; no config chooses one by itself."""
OPTIMIZERS = Registry("optimizer", "dltrain.optimizers")
SCHEDULES = Registry("schedule", "dltrain.schedules")
AUGMENTATIONS = Registry("augmentation", "dltrain.augmentations")
SAMPLES = Registry("sample", "dltrain.datasets._samples")
"""What `dltrain datasets make` makes; no config chooses it."""

LOSSES = Registry("loss")
METRICS = Registry("metric")
LAYERS = Registry("layer")
CALLBACKS = Registry("callback")
TRACKERS = Registry("tracker", "dltrain.trackers")
EXPORTS = Registry("export", "dltrain.exports")
"""What `dltrain export` writes; no config chooses it."""

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
"""What plugins may register."""

REGISTRIES = {
    registry.kind: registry for registry in KINDS if registry not in (FEATURES, LOSSES, METRICS, LAYERS, CALLBACKS)
}
"""What there is to choose without plugins, by what it is called."""


def short_name(choice: Any) -> str:
    """Returns what a chosen word or block is called where names are short: of `my_metrics.Recall` the class alone."""
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
    return help_texts
