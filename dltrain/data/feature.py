"""What an example consists of, and what is asked of it: the contract of features.

A value has five forms: raw (a path, bytes, a cell of a table, JSON), stored (a row of a `Split`), batch (tensors),
outputs (what a network ends in) and plain (JSON, tables, words).
"""

from __future__ import annotations

import dataclasses
import json
import reprlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, TypeVar

from dltrain.data.plain_types import misfit
from dltrain.data.ragged import Ragged
from dltrain.data.statistics import Pieces
from dltrain.errors import KeyProblem
from dltrain.lazy import keras, np
from dltrain.registry import Choice

if TYPE_CHECKING:
    from dltrain.data.finding import Finding
    from dltrain.data.parts import Parts
    from dltrain.data.proposal import Entries, Keys, Proposal
    from dltrain.data.request import Reader
    from dltrain.data.showing import Shown
    from dltrain.data.statistics import Moments

Plain = Any
"""What JSON can hold."""

SHOWN = 80
"""Letters of a value that a message shows."""
_STATISTIC = "statistic"
_FITTED = "fitted"
Value = TypeVar("Value")
AnyFeature = TypeVar("AnyFeature", bound="Feature")


def fitted(default: Value) -> Value:
    """Returns a field of a feature that is learnt of the train part: kept with the run, but no key of a config."""
    return dataclasses.field(default=default, metadata={_FITTED: True})


def statistic(default: Value) -> Value:
    """Returns a fitted field on which the meaning of weights does not depend, such as a mean."""
    return dataclasses.field(default=default, metadata={_FITTED: True, _STATISTIC: True})


class Notice(str):
    """What was changed or not recognised in one value, with the kind of this: many of one kind are told as a number.

    Args:
        words: the sentence, such as "kind: 'blue' is unknown".
        kind: what such sentences have in common, such as "kind: values that are unknown"; none for the sentence.
        absence: the kind that is noticed instead where there is no value; none where there is no such.
    """

    __slots__ = ("absence", "kind")

    absence: str | None
    kind: str

    def __new__(cls, words: str, kind: str | None = None, absence: str | None = None) -> Self:
        """Returns the sentence; of a notice without another kind, with the kind that it has."""
        made = super().__new__(cls, words)
        made.kind = kind or (words.kind if isinstance(words, Notice) else str(words))
        made.absence = absence or (words.absence if isinstance(words, Notice) else None)
        return made


@dataclass(frozen=True)
class Encoded:
    """Raw values as they are stored.

    Args:
        stored: of the values that can be used, in their order, (usable, *shape).
        problems: why a value cannot be used, by its position among the raw ones.
        notices: what was changed or not recognised in a value that is used (unseen, cut, filled), by its position: a
            sentence or several; those that differ from value to value are a `Notice`, with their kind.
        metadata: facts of each usable value that no network sees, by name, each (usable,), or `Ragged`.
    """

    stored: Any
    problems: dict[int, str] = field(default_factory=dict)
    notices: dict[int, str | Sequence[str]] = field(default_factory=dict)
    metadata: dict[str, np.ndarray | Ragged] = field(default_factory=dict)

    def noticed(self, place: int) -> list[Notice]:
        """Returns what was noticed of the value at a position."""
        found = self.notices.get(place, ())
        return [Notice(words) for words in ([found] if isinstance(found, str) else found)]


@dataclass(frozen=True)
class Groups:
    """Which examples belong together by a value of theirs: classes or labels.

    Args:
        names: what the groups are called.
        members: the group of each example, whole numbers, (examples,); or which groups each is in, (examples, groups).
        are_everywhere: whether each part should have some of each.
    """

    names: tuple[str, ...]
    members: np.ndarray
    are_everywhere: bool = True

    @property
    def are_exclusive(self) -> bool:
        """Whether each example is in one group alone."""
        return bool(self.members.ndim == 1)

    @property
    def counts(self) -> np.ndarray:
        """The number of examples in each group, (groups,); a member of a group that is not named counts nowhere."""
        if self.are_exclusive:
            known = (self.members >= 0) & (self.members < len(self.names))
            return np.bincount(self.members[known], minlength=len(self.names))
        return np.count_nonzero(self.members, axis=0)

    def take(self, positions: Any) -> Groups:
        """Returns the groups of the examples at the positions."""
        return Groups(self.names, self.members[positions])

    def positions(self, group: int) -> np.ndarray:
        """Returns the positions of a group's examples."""
        return np.flatnonzero(self.members == group if self.are_exclusive else self.members[:, group])


@dataclass(frozen=True)
class Terms:
    """Which words, or other things with a name, examples have: each that an example has is there once.

    Args:
        examples: the position of the example, (found,).
        terms: the number of the word, from 0, (found,).
        counts: how often the example has it, (found,).
        name: what a word is called, by its number.
    """

    examples: np.ndarray
    terms: np.ndarray
    counts: np.ndarray
    name: Callable[[int], str]

    @cached_property
    def count(self) -> int:
        """How many different words there are."""
        return int(self.terms.max(initial=-1)) + 1

    def in_groups(self, groups: Groups, counts: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """Returns the words of each group's examples, rising, and the sum of what is counted of each.

        Args:
            groups: of the same examples.
            counts: what is counted: 1 or how often an example has a word, (found,).
        """
        from scipy.sparse import csr_matrix

        if groups.are_exclusive:
            examples = np.flatnonzero((groups.members >= 0) & (groups.members < len(groups.names)))
            members = groups.members[examples]
        else:
            examples, members = np.nonzero(groups.members)
        ones, total = np.ones(len(examples), np.int64), len(groups.members)
        owners = csr_matrix((ones, (members, examples)), (len(groups.names), total))
        # Of words that a group has alone: time grows with what is found, however many groups and words there are.
        found = csr_matrix(owners @ csr_matrix((counts, (self.examples, self.terms)), (total, self.count)))
        found.sort_indices()
        return [(found.indices[start:end], found.data[start:end]) for start, end in pairwise(found.indptr.tolist())]


@dataclass(frozen=True, kw_only=True)
class Feature(Choice):
    """A part of an example, or of what is asked of it: what it is, and what was learnt of it.

    A registered feature is frozen, of plain fields. It must have `shape`, `dtype`, `encode` and `decode`; the other
    methods have defaults that work with these.

    Args:
        shape: of one example in a batch; none where a length differs from example to example.
        lengths: the largest in the train part of each length that differs; empty before it is known. Of examples that
            are read later, and whose source does not say how long each is, the largest of some.
    """

    if TYPE_CHECKING:

        def __init__(self, **fields: Any) -> None:
            """Takes the fields of the registered class, which its registry makes a dataclass."""

        @property
        def shape(self) -> tuple[int | None, ...]:
            """Of one example in a batch: a field or a property of each feature."""
    else:
        shape: ClassVar[tuple[int | None, ...]]

    lengths: tuple[int, ...] = statistic(())

    dtype: ClassVar[Literal["float32", "int32"]] = "float32"
    """Of a batch; values are stored as compactly as their source likes."""
    padding: ClassVar[float] = 0
    """What a shorter example is filled up with."""
    views: ClassVar[int] = 1
    """Network inputs per example in evaluation, such as clips or crops, whose outputs are averaged.

    They are what `Examples.read` returns without seeds, and there alone: what `encode` makes of a value, and arrays in
    memory, are one input per example, which the network sees as it is.
    """
    plural: ClassVar[str] = ""
    """Of a target: what such answers are called in messages; empty for the registered name."""
    task: ClassVar[str] = ""
    """Of a target: the task where a config names none."""
    may_lack: ClassVar[bool] = False
    """Of a target: whether NaN stands for what was not measured, which its task leaves out."""
    judged_by: ClassVar[tuple[str, ...]] = ()
    """Of a target: the metadata that answers are judged by beside it; fingerprints of the data count them too."""
    has_places: ClassVar[bool] = False
    """Of a target: whether it moves with the pixels of an image."""

    @property
    def max_shape(self) -> tuple[int, ...]:
        """The largest shape of an example in the train part: for memory, first traces and `batch_size: auto`.

        A length that differs is 1 before it is known.
        """
        lengths = iter(self.lengths)
        return tuple(next(lengths, 1) if side is None else side for side in self.shape)

    @property
    def model_shape(self) -> tuple[int | None, ...]:
        """The shape of one example behind `preprocess`."""
        return self.shape

    @property
    def model_columns(self) -> tuple[int, ...]:
        """Of a row of columns: how many of the numbers behind `preprocess` stand for each; empty for anything else."""
        return ()

    @property
    def averaging_problem(self) -> str | None:
        """Why there is nothing between two examples, such as "categories: 'kind'"; none where they can be averaged."""
        if self.dtype != "float32":
            return f"{self.registered_name}, which are no numbers"
        return f"{self.registered_name} of different length" if None in self.shape else None

    def fit(self, pieces: Iterable[Sequence[Any]]) -> Feature:
        """Returns the feature with what is learnt of raw values of the train part: vocabulary, categories.

        A dataset calls it, which alone has raw values.
        """
        return self

    def adapt(self, pieces: Any) -> Feature:
        """Returns the feature with what is learnt of stored values of the train part: mean, deviation, lengths.

        Args:
            pieces: some values at a time, `dltrain.data.statistics.Pieces`.
        """
        if None not in self.shape:
            return self
        known = pieces.longest if isinstance(pieces, Pieces) and self.shape[0] is None else None
        if known is not None and self.shape.count(None) == 1:
            return self.replaced(lengths=(known,))
        shapes = [(each.longest, *each.shape[2:]) if isinstance(each, Ragged) else each.shape[1:] for each in pieces]
        differing = [axis for axis, side in enumerate(self.shape) if side is None]
        found = [max((int(shape[axis]) for shape in shapes), default=1) for axis in differing]
        return self.replaced(lengths=tuple(found if known is None else [known, *found[1:]]))

    def encode(self, raws: Sequence[Any]) -> Encoded:
        """Returns raw values as they are stored: the one way in.

        Args:
            raws: the values, as files and requests have them, of any type; there may be none at all. One that cannot
                be used is a problem, never an error.

        Returns:
            among others what is stored: an array, (usable, *shape), or `Ragged` where a length differs.
        """
        raise NotImplementedError(f"{type(self).__name__} must have encode(raws)")

    def decode(self, stored: Any) -> list[Any]:
        """Returns stored values as plain ones; encoding these gives the same again."""
        raise NotImplementedError(f"{type(self).__name__} must have decode(stored)")

    def actual(self, stored: Any, metadata: Mapping[str, Any]) -> list[Any]:
        """Returns what is right as answers have it, beside which it stands: by default the plain values.

        Args:
            stored: the values.
            metadata: facts of the same examples.
        """
        return self.decode(stored)

    def reader(self) -> Reader:
        """Returns what reads files, folders, standard input and requests: lines of text or JSON, one a value."""
        from dltrain.data.request import LineReader

        return LineReader(self)

    def inputs(self, name: str) -> Any:
        """Returns the network's symbolic input of this feature, (batch, *shape)."""
        return keras.Input(self.shape, dtype=self.dtype, name=name)

    def preprocess(self, x: Any, name: str = "normalization") -> Any:
        """Returns what each network begins with, made of raw values in the graph, (batch, *model_shape).

        Args:
            x: raw values, (batch, *shape).
            name: of the layer that does it.
        """
        return x

    def present(self, x: Any, name: str = "mask") -> Any:
        """Returns which places of raw values are no padding, (batch, places), bool; none where there is no padding.

        Args:
            x: raw values, (batch, *shape).
            name: of the layer that finds out.
        """
        return None

    def signature(self) -> Plain:
        """Returns all that weights depend on (shape, classes, vocabulary), statistics apart."""
        fields = {each.name for each in dataclasses.fields(self) if not each.metadata.get(_STATISTIC)}
        return {key: value for key, value in self.plain().items() if key in {*fields, "name"}}

    def mismatch(self, other: Feature) -> str | None:
        """Returns in which way another feature is not such as this one, which a network was trained on; none if it is.

        Args:
            other: of other data.
        """
        if type(self) is not type(other):
            return f"it takes {self.registered_name}, got {other.registered_name}"
        if self.shape != other.shape:
            return f"it takes examples of {shape_words(self.shape)}, got {shape_words(other.shape)}"
        return None if self.signature() == other.signature() else self.difference(other)

    def difference(self, other: Any) -> str:
        """Returns how another feature of this kind and shape, but of another signature, differs from this one."""
        return "other values than it was trained on"

    def resized(self, size: tuple[int, int]) -> tuple[Self, Any]:
        """Returns the feature for smaller examples, and the function of stored values that makes them, for stages.

        Args:
            size: height and width.

        Raises:
            ValueError: if there can be no such examples.
        """
        raise KeyProblem("image_size", "must be none: the examples are no images")

    def unnormalized(self) -> tuple[Self, Any] | None:
        """Returns the feature whose `preprocess` leaves normalisation out, and the function of arrays that does it.

        Returns:
            none where `preprocess` does no normalisation that can be done outside of a network.
        """
        return None

    def beyond_bytes(self, stored: Any) -> tuple[float, float] | None:
        """Returns the smallest and largest value where these are pixels that are not in 0-255; none where all is well.

        Args:
            stored: values of the train part.
        """
        return None

    def files(self) -> dict[str, bytes]:
        """Returns files that a stranger needs to make tensors of raw values, by name: for run folder and exports."""
        return {}

    def fault(self, stored: Any) -> str | None:
        """Returns what is wrong with stored targets, by their position; none where they are as the feature says."""
        return None

    def groups(self, stored: Any) -> Groups | None:
        """Returns which examples belong together: stratified parts, oversampling, counts; none where none do."""
        return None

    def vectors(self, stored: Any) -> np.ndarray | None:
        """Returns numbers that are near where values are alike, (examples, numbers), float32; none where none are."""
        return None

    def terms(self, stored: Any, neighbours: bool = False) -> Terms | None:
        """Returns which words each value has, for values that are made of such; none for others.

        Args:
            stored: the values.
            neighbours: also pairs of words that stand beside each other.
        """
        return None

    def findings(self, parts: Parts, brief: bool) -> Iterable[Finding]:
        """Returns what is odd about such values in particular; what is odd about any data, others look for.

        Args:
            parts: stored values by the name of the part that they are of, the train part's first.
            brief: only what takes a few hundredths of a second, and is a warning.
        """
        return ()

    @property
    def has_columns(self) -> bool:
        """Whether a value is a row of numbers that mean something one by one; such rows may be equal by chance."""
        return False

    def columns_of(self, stored: Any) -> np.ndarray:
        """Returns stored values column by column, (examples, columns), classes as integers; asked if `has_columns`."""
        return np.asarray(stored)

    def column(self, index: int) -> str:
        """Returns what a number of a value is called in messages."""
        return f"{self.registered_name} {index}"

    def moments(self) -> list[Moments]:
        """Returns mean and deviation of what `preprocess`, or the loss, brings to one scale; empty where none is."""
        return []

    def statistics(self, stored: Any) -> dict[str, dict[str, float]]:
        """Returns figures about stored values (mean, minimum and the like), by what they are about, for a table."""
        return {}

    def identity(self) -> Sequence[str]:
        """Returns what stored numbers mean: the same numbers of other columns or classes are other data."""
        return (json.dumps(self.signature(), sort_keys=True, default=str),)

    @property
    def caption(self) -> str:
        """What a column of such values is called."""
        return self.registered_name.replace("_", " ")

    def words(self, stored: Any) -> list[str]:
        """Returns each value in one line."""
        return [each if isinstance(each, str) else json.dumps(each) for each in self.decode(stored)]

    def show(self, stored: Any, weights: Any = None, like: Any = None) -> list[Shown]:
        """Returns what each value looks like; all items are of one kind.

        Args:
            stored: the values.
            weights: how much the places of each value spoke for a network's answer, -1 to 1, or mattered to it, 0 to
                1; none for a value, or for all, where that is not known.
            like: the stored values whose range is the scale that they are shown in; none for their own.
        """
        from dltrain.data.showing import Text

        return [Text(words) for words in self.words(stored)]

    def outlined(self, pictures: Sequence[np.ndarray], stored: Any) -> list[np.ndarray]:
        """Returns pictures of inputs with these targets drawn on them; asked of a target that has places.

        Args:
            pictures: (height, width) or (height, width, 3) each, uint8.
            stored: the target of each.
        """
        return [*pictures]

    def panels(self, parts: Mapping[str, Any]) -> Sequence[Any]:
        """Returns how values are distributed, each a `dltrain.figures.page.Panel`; none where only lengths differ.

        Args:
            parts: stored values by the name of the part that they are of, the train part's first.
        """
        return []

    def describe(self, preprocessed: bool = False) -> list[str]:
        """Returns a line for people, then, line of Markdown by line, how a stranger makes the tensor exactly.

        Args:
            preprocessed: whether the tensor is what `preprocess` makes of it: where that is not a part of the network.
        """
        return [f"{self.registered_name} of {shape_words(self.shape, ' x ')}"]

    def request_schema(self) -> dict[str, Any]:
        """Returns the JSON Schema of one raw value in a request; the server's page is made of it.

        A string `b64` with a `contentMediaType` is a file, an object of strings and numbers a form with a field for
        each, whose `examples` are the choices; all else is written as JSON, with the `description` as a hint.
        """
        return {"description": f"{self.registered_name}: JSON, or a text as it stands"}

    def answered(self, stored: Ragged, facts: Mapping[str, Any]) -> np.ndarray:
        """Returns at which places of examples of several lengths an answer is read, (examples, longest), bool: all.

        Args:
            stored: the examples, whose places a network answers each.
            facts: of them, as `encode` returns them; empty where they are made up.
        """
        return np.arange(stored.longest) < stored.lengths[:, None]

    def corners(self) -> list[Any]:
        """Returns stored values at the edges (unknown, missing, extreme, empty): what exports and tests must hold."""
        return []

    def starter(self, examples: Proposal) -> dict[str, Keys | Entries]:
        """Returns what `init` writes of values such as these, by block: model, augment, keys of optimizer and train.

        What a target says takes the place of what inputs say of the same block.

        Args:
            examples: what was seen of them.
        """
        return {}

    def replaced(self, **fields: Any) -> Self:
        """Returns the same feature with other values of some fields."""
        return dataclasses.replace(self, **fields)

    def __init_subclass__(cls) -> None:
        """Refuses a field `name`, which in JSON is the registered name.

        Raises:
            TypeError: if there is one.
        """
        super().__init_subclass__()
        if "name" in cls.__dict__.get("__annotations__", {}):
            raise TypeError(f"{cls.__name__}: a feature has no field `name`: it is what it is registered as")

    def plain(self) -> dict[str, Any]:
        """Returns the feature as JSON has it, its name first; `of_plain` reads it."""
        fields = {"name": self.registered_name, **dataclasses.asdict(self)}
        return {key: value for key, value in fields.items() if key != "lengths" or value}

    @classmethod
    def of_plain(cls, fields: Mapping[str, Any]) -> Feature:
        """Returns the feature whose fields were written as JSON, where tuples are lists.

        Raises:
            TypeError: if they are not those of this version.
        """
        return typed(cls(**{key: tupled(value) for key, value in fields.items() if key != "name"}))


def typed(feature: AnyFeature) -> AnyFeature:
    """Returns a feature whose fields were read as JSON.

    Raises:
        TypeError: if one is not of its type.
    """
    if (path := misfit(feature, type(feature), type(feature).__name__)) is not None:
        raise TypeError(f"{path} is of another type")
    return feature


def shape_words(shape: Sequence[int | None], between: str = "x") -> str:
    """Returns a shape as messages have it: 8x8x1; a length that differs is a question mark."""
    return between.join("?" if length is None else str(length) for length in shape)


def shortened(value: Any) -> str:
    """Returns a value that somebody gave as a message has it."""
    shown = reprlib.repr(value)
    return shown if len(shown) <= SHOWN else f"{shown[:SHOWN]}..."


def tupled(value: Any) -> Any:
    """Returns lists that JSON wrote as the tuples that they were."""
    if isinstance(value, list | tuple):
        return tuple(tupled(item) for item in value)
    return value
