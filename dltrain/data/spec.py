"""What data are: the features of an example and of what is asked of it, and all that a network may build from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from dltrain.data.feature import Feature, Groups, Plain
from dltrain.errors import KeyProblem
from dltrain.registry import FEATURES, TASKS

if TYPE_CHECKING:
    from dltrain.data.proposal import Proposal
    from dltrain.data.request import Reader

HEAD = "logits"
"""The layer that a task's head makes: it belongs to the data, not to the network."""

NORMALIZATION = "normalization"
"""The layer that `preprocess` makes of the only input."""

INPUTS = "inputs"
"""The name of a network's only symbolic input."""


class Features(dict[str, Feature]):
    """Features by name. Those of inputs, called, are a network's symbolic inputs.

    Models, losses and JSON get the value itself where there is one feature, otherwise a dict by name.
    """

    @classmethod
    def of(cls, *features: Feature) -> Features:
        """Returns features that are called like their kind."""
        return cls({each.registered_name: each for each in features})

    @property
    def only(self) -> Feature:
        """The one feature that there is.

        Raises:
            ValueError: if there are several, or none.
        """
        if len(self) != 1:
            raise ValueError(f"the data must have one input or target here, they have {', '.join(self) or 'none'}")
        return next(iter(self.values()))

    def __call__(self) -> Any:
        """Returns symbolic inputs of raw values, (batch, *shape); a dict of them where there are several features."""
        if len(self) == 1:
            return self.only.inputs(INPUTS)
        return {name: feature.inputs(name) for name, feature in self.items()}

    def reader(self) -> Reader:
        """Returns what reads examples of these features; objects of a value for each where there are several."""
        from dltrain.data.request import ObjectReader

        return self.only.reader() if len(self) == 1 else ObjectReader(self)

    def request_schema(self) -> dict[str, Any]:
        """Returns the JSON Schema of an example in a request."""
        if len(self) == 1:
            return self.only.request_schema()
        schemas = {name: feature.request_schema() for name, feature in self.items()}
        return {"type": "object", "properties": schemas, "required": [*schemas]}

    def files(self) -> dict[str, bytes]:
        """Returns the files that a stranger needs to make tensors; of several features, after their names."""
        if len(self) == 1:
            return self.only.files()
        return {f"{name}-{file}": content for name, each in self.items() for file, content in each.files().items()}

    @property
    def signature(self) -> Plain:
        """All that weights depend on, by name."""
        return {name: feature.signature() for name, feature in self.items()}

    def plain(self) -> dict[str, Plain]:
        """Returns the features as JSON has them."""
        return {name: feature.plain() for name, feature in self.items()}

    @classmethod
    def of_plain(cls, fields: Mapping[str, Mapping[str, Any]]) -> Features:
        """Returns the features that were written as JSON.

        Raises:
            TypeError: if one is not as this version of dltrain, with these plugins, writes it.
        """
        found = cls()
        for name, plain in fields.items():
            try:
                kind: Any = FEATURES[plain["name"]]
            except KeyError as error:
                raise TypeError(str(error.args[0])) from None
            found[name] = kind.of_plain(plain)
        return found


def named(features: Mapping[str, Feature], values: Any) -> Mapping[str, Any]:
    """Returns values by the names of their features: those of one feature stand for themselves."""
    return values if len(features) != 1 else {next(iter(features)): values}


def unnamed(values: Mapping[str, Any]) -> Any:
    """Returns the value itself where there is one, else the values by name."""
    return next(iter(values.values())) if len(values) == 1 else dict(values)


@dataclass(frozen=True)
class DataSpec:
    """What a dataset says of itself, and all that a model may build from.

    Args:
        inputs: what an example consists of.
        targets: what is asked of it; none where the task makes its targets of the inputs.
        task: what makes the head; none for the task that the target names.
        disturb: what changes the only input behind its preprocessing while a network trains; none where nothing does.
    """

    inputs: Features
    targets: Features = field(default_factory=Features)
    task: Any = field(default=None, compare=False, repr=False)
    disturb: Callable[[Any], Any] | None = field(default=None, compare=False, repr=False)

    @classmethod
    def of(cls, inputs: Feature, target: Feature | None = None) -> DataSpec:
        """Returns what data of one input, and of one target or none, are."""
        return cls(Features.of(inputs), Features.of(target) if target else Features())

    @property
    def input(self) -> Any:
        """The only input's feature."""
        return self.inputs.only

    @property
    def target(self) -> Any:
        """The only target's feature."""
        return self.targets.only

    def image(self, who: str) -> Any:
        """Returns the only input that is an image behind its preprocessing, (height, width, channels).

        Args:
            who: the name of what needs one.

        Raises:
            KeyProblem: if there is none, or there are several.
        """
        found = [each for each in self.inputs.values() if len(each.model_shape) == 3]
        if len(found) == 1:
            return found[0]
        shapes = " and ".join(str(each.shape) for each in self.inputs.values())
        raise KeyProblem("name", f"{who} needs images (height, width, channels), got shape {shapes}")

    def alone(self, who: str) -> Feature:
        """Returns the only input, whose examples are of one shape behind their preprocessing.

        Args:
            who: the name of the network that needs one.

        Raises:
            KeyProblem: if there are several, or lengths differ.
        """
        found = [*self.inputs.values()]
        if len(found) == 1 and None not in found[0].model_shape:
            return found[0]
        there = " and ".join(f"{name} of shape {each.model_shape}" for name, each in self.inputs.items())
        raise KeyProblem("name", f"{who} needs one input whose examples are of one shape, got {there}")

    def bound(self, task: Any, disturb: Callable[[Any], Any] | None = None) -> DataSpec:
        """Returns the same for networks of a task, which see their input disturbed while they train."""
        return replace(self, task=task, disturb=disturb)

    def with_input(self, feature: Feature) -> DataSpec:
        """Returns the same with another feature for the only input."""
        return replace(self, inputs=Features({next(iter(self.inputs)): feature}))

    def with_target(self, feature: Feature) -> DataSpec:
        """Returns the same with another feature for the only target."""
        return replace(self, targets=Features({next(iter(self.targets)): feature}))

    def files(self) -> dict[str, bytes]:
        """Returns the files that a stranger needs to make tensors and to read outputs: for run folder and exports."""
        return self.inputs.files() | self.targets.files()

    def starter(self, examples: Proposal) -> dict[str, Any]:
        """Returns what `init` writes by block: of the inputs, then of the targets in the place of the same blocks."""
        found = dict[str, Any]()
        for feature in (*self.inputs.values(), *self.targets.values()):
            found |= feature.starter(examples)
        return found

    def words(self, targets: Any) -> list[str]:
        """Returns what is right for each example, in one line; nothing where nothing is asked.

        Args:
            targets: as they are stored.
        """
        values = named(self.targets, targets)
        found = [feature.words(values[name]) for name, feature in self.targets.items()]
        return [", ".join(each) for each in zip(*found, strict=True)]

    def groups(self, targets: Any) -> Groups | None:
        """Returns which examples belong together by their target: classes or labels; none where none do."""
        return self.target.groups(targets) if len(self.targets) == 1 else None

    @property
    def signature(self) -> Plain:
        """All that weights depend on: data of another signature are data for another network."""
        return {"inputs": self.inputs.signature, "targets": self.targets.signature}

    def preprocess(self, inputs: Any, name: str = NORMALIZATION) -> Any:
        """Returns what each network begins with, made of raw values in the graph; a dict where there are several.

        Args:
            inputs: what `inputs()` returned, or what has its shape.
            name: of the layer that does it, where there is one input; others are called by their feature's name too.
        """
        if len(self.inputs) == 1:
            x = self.input.preprocess(inputs, name)
            return x if self.disturb is None else self.disturb(x)
        return {key: each.preprocess(inputs[key], f"{name}_{key}") for key, each in self.inputs.items()}

    def head(self, x: Any, inputs: Any = None, embedding: Any = None, **settings: Any) -> Any:
        """Returns the network's outputs, float32, as its task has them.

        Args:
            x: (batch, features), or what the task asks for.
            inputs: what `inputs()` returned, where the task's outputs depend on them.
            embedding: what made vectors of the inputs' tokens, where tokens are answered by tokens.
            settings: more arguments of the last layer.
        """
        more = {} if embedding is None else {"embedding": embedding}
        return self.resolved_task.head(self, x, inputs, **more, **settings)

    @property
    def resolved_task(self) -> Any:
        """The task that the spec is bound to, else that of its target."""
        if self.task is not None:
            return self.task
        kind: Any = TASKS[self.target.task]
        return kind()

    @property
    def output_shape(self) -> Any:
        """The shape of a network's outputs for one example; none where the network decides."""
        return self.resolved_task.output_shape(self)

    def mismatch(self, found: DataSpec) -> str | None:
        """Returns in which way data are not such as these, which a network was trained on; none if they are.

        Args:
            found: what the others are.
        """
        for known, others in ((self.inputs, found.inputs), (self.targets, found.targets)):
            if known.keys() != others.keys():
                return f"it takes {', '.join(known) or 'nothing'}, got {', '.join(others) or 'nothing'}"
            for name, feature in known.items():
                if words := feature.mismatch(others[name]):
                    return words
        return None

    def plain(self) -> dict[str, Plain]:
        """Returns the spec as JSON has it; `of_plain` reads it."""
        return {"inputs": self.inputs.plain(), "targets": self.targets.plain()}

    @classmethod
    def of_plain(cls, fields: Mapping[str, Any]) -> DataSpec:
        """Returns the spec that was written as JSON.

        Raises:
            TypeError: if it is not as this version writes it.
        """
        if fields.keys() != {"inputs", "targets"}:
            raise TypeError(f"what the data are must be their inputs and targets, got {', '.join(fields)}")
        return cls(Features.of_plain(fields["inputs"]), Features.of_plain(fields["targets"]))
