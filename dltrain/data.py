"""The words that datasets, models and tasks share: DataSpec, Split, Splits."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from dltrain.errors import DataError
from dltrain.fields import HeldOut, parse_fold
from dltrain.lazy import keras, np

RANDOM = "philox"
"""TensorFlow's algorithm of random numbers for data: the same whole numbers on every device, compiled or not."""

HEAD = "logits"
"""The layer that `DataSpec.head` makes: it belongs to the data, not to the network."""

SAMPLE = 512
"""Examples that mean and deviation are taken from, where reading them all would take long."""


@dataclass(frozen=True)
class Column:
    """One of the numbers that an example of a table consists of.

    Args:
        name: of the table's column, with a word behind it where one column becomes several numbers.
        source: the table's column.
        part: which number of the source it is: value, missing, year, month, weekday, hour, day, word or category.
        fill: what takes the place of a missing value.
        categories: the known categories; the number is the position of one, counted from 1, and 0 for all others.
        embedding: length of the vector that is learnt for each category; none for one-hot.
        word: the word that is counted, where part is word.
        day_first: whether 3/4/2020 is in April, where part is one of a date.
    """

    name: str
    source: str
    part: str = "value"
    fill: float = 0.0
    categories: tuple[str, ...] = ()
    embedding: int | None = None
    word: str | None = None
    day_first: bool = False


@dataclass(frozen=True)
class Target:
    """A number that is to be predicted.

    Args:
        name: what it is called.
        mean: over the training part.
        standard_deviation: likewise; 1 where it is constant.
    """

    name: str
    mean: float = 0.0
    standard_deviation: float = 1.0


@dataclass(frozen=True)
class DataSpec:
    """What a dataset says of itself, and all that a model may build from.

    Args:
        input_shape: shape of one example, without the batch: (height, width, channels) or (features,).
        class_names: the classes, in the order of their integer labels; or the labels of which an example may have any.
        mean: mean of each channel or feature over the training part, none before it is known.
        standard_deviation: likewise; 1 where a channel is constant.
        columns: of a table, what each number of an example is, plain numbers before categories.
        targets: the numbers to predict, where there are no classes.
        exclusive: whether an example has exactly one of `class_names`; else any number of them.
    """

    input_shape: tuple[int, ...]
    class_names: tuple[str, ...] = ()
    mean: tuple[float, ...] | None = None
    standard_deviation: tuple[float, ...] | None = None
    columns: tuple[Column, ...] = ()
    targets: tuple[Target, ...] = ()
    exclusive: bool = True

    @classmethod
    def from_plain(cls, fields: dict[str, Any]) -> DataSpec:
        """Returns the spec whose fields were written as JSON, where tuples are lists."""
        plain = {key: _tupled(value) for key, value in fields.items()}
        for key, kind in (("columns", Column), ("targets", Target)):
            plain[key] = tuple(
                kind(**{name: _tupled(value) for name, value in item.items()}) for item in plain.get(key, ())
            )
        return cls(**plain)

    @property
    def shapes(self) -> tuple[Any, ...]:
        """All that weights depend on: data of other shapes are data for another network."""
        names = tuple(target.name for target in self.targets)
        columns = tuple(replace(column, fill=0.0) for column in self.columns)  # a statistic, like the means
        return self.input_shape, self.class_names, columns, names, self.exclusive

    @property
    def outputs(self) -> int:
        """How many numbers a network returns for one example."""
        return len(self.targets or self.class_names)

    @property
    def is_image(self) -> bool:
        """Whether one example is (height, width, channels)."""
        return len(self.input_shape) == 3

    def inputs(self) -> Any:
        """Returns the model's symbolic input: raw values (images in 0-255), float32, (batch, *input_shape)."""
        return keras.Input(self.input_shape, dtype="float32", name="inputs")

    def normalized(self, inputs: Any, name: str = "normalization") -> Any:
        """Returns the inputs with mean 0 and variance 1 per channel, by a layer that is stored with the model.

        Categories of a table come as one-hot or learnt vectors, behind the numbers: (batch, features).

        Args:
            inputs: what `inputs()` returned, or what has its shape.
            name: the layer's.
        """
        if self.mean is None or self.standard_deviation is None:
            return inputs
        if any(column.categories for column in self.columns):
            return self._encoded(inputs)
        # float32 whatever the precision: bfloat16 cannot tell neighbouring raw values apart above 256.
        return keras.layers.Normalization(
            mean=list(self.mean),
            variance=[deviation**2 for deviation in self.standard_deviation],
            dtype="float32",
            name=name,
        )(inputs)

    def _encoded(self, inputs: Any) -> Any:
        layers, count = keras.layers, sum(not column.categories for column in self.columns)
        parts = []
        if count:
            numbers = replace(
                self,
                mean=(self.mean or ())[:count],
                standard_deviation=(self.standard_deviation or ())[:count],
                columns=(),
            )
            parts.append(numbers.normalized(inputs[:, :count]))
        for index, column in enumerate(self.columns[count:], count):
            size, name = len(column.categories), f"category{index - count + 1}"
            code = keras.ops.cast(inputs[:, index], "int32")
            if column.embedding is None:
                parts.append(keras.ops.one_hot(code - 1, size))  # all zeros where the category is unknown
            else:
                parts.append(layers.Embedding(size + 1, column.embedding, name=name)(code))
        return layers.Concatenate(name="features")(parts) if len(parts) > 1 else parts[0]

    def head(self, x: Any, **settings: Any) -> Any:
        """Returns the network's outputs, float32: logits of the classes, or the targets in their own units.

        Args:
            x: (batch, features).
            settings: more arguments of the last Dense layer.
        """
        x = keras.layers.Dense(self.outputs, dtype="float32", name=HEAD, **settings)(x)
        if not self.targets:
            return x
        scale, offset = [target.standard_deviation for target in self.targets], [target.mean for target in self.targets]
        return keras.layers.Rescaling(scale, offset, dtype="float32", name="units")(x)


def _tupled(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


class Examples(Protocol):
    """Inputs that are read only when they are looked at; otherwise like an array."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(examples, *input_shape)."""

    @property
    def dtype(self) -> np.dtype:
        """Of the arrays that are read."""

    def __len__(self) -> int:
        """The number of examples."""

    def __getitem__(self, positions: Any) -> np.ndarray:
        """Reads the examples at the positions, integers or a slice."""

    def take(self, positions: Any) -> Examples:
        """Returns the examples at the positions without reading them."""


@dataclass(frozen=True)
class Places:
    """Where examples came from, to be named in messages.

    Args:
        name: returns the place of a row of the source: file and line, or array and row.
        rows: the row that each example was, (examples,).
    """

    name: Callable[[int], str]
    rows: np.ndarray

    def __getitem__(self, index: int) -> str:
        """Returns the place of an example."""
        return self.name(int(self.rows[index]))

    def take(self, positions: Any) -> Places:
        """Returns the places of the examples at the positions."""
        return Places(self.name, self.rows[positions])


@dataclass(frozen=True)
class Split:
    """One part of a dataset.

    Args:
        inputs: (examples, *input_shape), uint8 for images in 0-255, float32 otherwise; may be a memory map, or
            examples that are read later.
        targets: integer labels, (examples,), int32; or numbers or 0 and 1 for each label, (examples, outputs), float32.
        weights: how much each example counts in training, (examples,), float32; none where all count the same.
        places: where each example came from; none where that is not known, or is a file that the inputs know.
    """

    inputs: np.ndarray | Examples
    targets: np.ndarray
    weights: np.ndarray | None = None
    places: Places | None = None

    def __post_init__(self) -> None:
        if len(self.inputs) != len(self.targets):
            raise DataError(f"inputs and targets must be of one length, got {len(self.inputs)} and {len(self.targets)}")

    def __len__(self) -> int:
        return len(self.inputs)

    def first(self, count: int) -> Split:
        """Returns the first examples."""
        return self.take(slice(count))

    def take(self, positions: Any) -> Split:
        """Returns the examples at the positions (integers or a slice), in their order."""
        inputs = self.inputs[positions] if isinstance(self.inputs, np.ndarray) else self.inputs.take(positions)
        weights = None if self.weights is None else self.weights[positions]
        places = None if self.places is None else self.places.take(positions)
        return Split(inputs, self.targets[positions], weights, places)


@dataclass(frozen=True)
class Splits:
    """A dataset, loaded and split. No test example is in another part.

    Args:
        spec: what the data are; the statistics come from `train` alone.
        train: the part that is trained on.
        validation: the part that is tuned on, if any.
        test: the part that is held out, if any.
        skipped: a message for each example that was left out of all parts because it cannot be used.
        fingerprint: a hash of the content of each part, by its name; empty before it is known.
        ignored: files beside the examples, of kinds that are not read.
    """

    spec: DataSpec
    train: Split
    validation: Split | None = None
    test: Split | None = None
    skipped: tuple[str, ...] = ()
    fingerprint: dict[str, str] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()

    @property
    def parts(self) -> dict[str, Split]:
        """The parts that there are, by the names that users read."""
        named = {"training": self.train, "validation": self.validation, "test": self.test}
        return {name: split for name, split in named.items() if split}

    def with_statistics(self) -> Splits:
        """Returns the same splits with the training part's means and standard deviations in the spec.

        Of examples that are read later it takes `SAMPLE`, and of images beyond 32x32 every fourth row and column.
        """
        inputs = self.train.inputs
        if not isinstance(inputs, np.ndarray):
            inputs = _sample(inputs)
        mean, deviation = channel_statistics(inputs)
        targets = self.spec.targets
        if targets:
            names = (target.name for target in targets)
            targets = tuple(map(Target, names, *channel_statistics(self.train.targets)))
        return replace(self, spec=replace(self.spec, mean=mean, standard_deviation=deviation, targets=targets))


def _sample(examples: Examples) -> np.ndarray:
    """Returns some examples, evenly spaced; read a few at a time, for large images are thinned out as they come."""
    spaced = np.unique(np.linspace(0, len(examples) - 1, SAMPLE).astype(int))
    thinned = np.s_[:, ::4, ::4] if len(examples.shape) == 4 and min(examples.shape[1:3]) > 32 else np.s_[:]
    return np.concatenate([examples[spaced[start : start + 32]][thinned] for start in range(0, len(spaced), 32)])


def channel_statistics(inputs: np.ndarray, chunk_values: int = 2**23) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Returns mean and standard deviation of each channel (the last axis); 1 for the deviation of a constant one.

    Args:
        inputs: (examples, ..., channels).
        chunk_values: numbers read at a time, so that a memory map may be large; 64 MB as float64.
    """
    moments = _byte_moments if inputs.dtype == np.uint8 else _float_moments
    chunk = max(1, chunk_values // max(1, math.prod(inputs.shape[1:])))
    count, mean, squares = 0, np.zeros(inputs.shape[-1]), np.zeros(inputs.shape[-1])
    for start in range(0, len(inputs), chunk):
        part = np.asarray(inputs[start : start + chunk]).reshape(-1, inputs.shape[-1])
        size = len(part)
        part_mean, part_variance = moments(part)
        # Chan, Golub and LeVeque's update: the sum of squares never cancels.
        squares += part_variance * size + (part_mean - mean) ** 2 * count * size / (count + size)
        mean += (part_mean - mean) * size / (count + size)
        count += size
    deviation = np.sqrt(squares / max(count, 1))
    deviation[deviation == 0] = 1.0
    return tuple(mean.tolist()), tuple(deviation.tolist())


def _float_moments(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    values = values.astype(np.float64)
    return values.mean(axis=0), values.var(axis=0)


def _byte_moments(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of each column of bytes, from how often each of the 256 values occurs: ten times faster."""
    counts = np.stack([np.bincount(column, minlength=256) for column in values.T])
    levels = np.arange(256)
    mean = counts @ levels / len(values)
    return mean, (counts * (levels - mean[:, None]) ** 2).sum(axis=1) / len(values)


def spaced(count: int, most: int) -> np.ndarray:
    """Returns at most so many of the places 0 to count - 1, evenly spaced, the first and the last of them included."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(int))


def split_off(split: Split, fraction: HeldOut, seed: int) -> tuple[Split, Split | None]:
    """Takes a share of the examples away, at random by the seed; stratified where there are classes.

    Args:
        split: the examples.
        fraction: the share to take, 0 to 1; every class that has two examples or more leaves at least one on each side.
            Or one of several shares, "fold 2 of 5": each example is in one of them, and their sizes, of each class too,
            differ by one at most.
        seed: the same seed takes the same examples.

    Returns:
        what remains and what was taken (none if the fraction is 0), each in the original order.
    """
    if fraction == 0:
        return split, None
    random = np.random.RandomState(seed)  # its streams are frozen across NumPy versions
    taken = np.zeros(len(split), bool)
    labels = split.targets if split.targets.ndim == 1 else np.zeros(len(split), np.int32)
    classes = [random.permutation(np.flatnonzero(labels == label)) for label in np.unique(labels)]
    if isinstance(fraction, str):
        number, count = parse_fold(fraction)
        taken[np.concatenate(classes)[number - 1 :: count]] = True
    else:
        for members in classes:
            taken[members[: min(max(round(len(members) * fraction), 1), len(members) - 1)]] = True
    return split.take(np.flatnonzero(~taken)), split.take(np.flatnonzero(taken)) if taken.any() else None
