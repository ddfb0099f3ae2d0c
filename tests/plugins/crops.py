"""Series of which training sees a crop at random, and evaluation several: their outputs are averaged.

    plugins: [crops.py]
    dataset: {name: crops, path: series.json}
    model: {name: sums}

`series.json` is a list of series, each {"kind": "low", "steps": [0.1, 0.3, ...]}.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from dltrain.augmentations import Augmentation
from dltrain.data import Batch, Change, DataSpec, Encoded, Examples, Feature, Ragged, Split, Splits
from dltrain.data.random_draws import drawn
from dltrain.features.class_label import ClassLabel
from dltrain.fields import PositiveInt
from dltrain.lazy import keras, np
from dltrain.registry import AUGMENTATIONS, DATASETS, FEATURES, MODELS

if TYPE_CHECKING:
    from collections.abc import Sequence

VIEWS = 3


@FEATURES.register("crop")
class Crop(Feature):
    """Steps of a series, all of one number or not; those of a request are not cropped.

    Args:
        shape: how many steps; none where that differs.
    """

    views: ClassVar = VIEWS

    shape: tuple[int | None, ...] = (None,)

    def encode(self, raws: Sequence[Any]) -> Encoded:
        """Returns steps as they are."""
        usable = [place for place, raw in enumerate(raws) if self._fits(raw)]
        rows = [np.array(raws[place], np.float32) for place in usable]
        problems = {
            place: f"must be a list of numbers, got {raws[place]!r}" for place in {*range(len(raws))} - {*usable}
        }
        stored = Ragged.of(rows, np.float32)
        return Encoded(stored if self.shape[0] is None else stored.values.reshape(-1, *self.shape), problems)

    def _fits(self, raw: Any) -> bool:
        are_numbers = isinstance(raw, list) and raw and all(isinstance(each, int | float) for each in raw)
        return bool(are_numbers) and self.shape[0] in (None, len(raw))

    def decode(self, stored: Any) -> list[Any]:
        """Returns lists of numbers."""
        return [np.asarray(row).tolist() for row in stored]


class Crops(Examples):
    """Crops of series, as they are asked for.

    Args:
        series: the whole ones.
        size: of a crop; none for one that is as long as half of its series.
        form: array, or ragged, in which crops of different length are returned.
    """

    def __init__(self, series: Sequence[np.ndarray], size: int | None, form: str) -> None:
        self.series, self.size, self.form = series, size, form

    @property
    def shape(self) -> tuple[Any, ...]:
        """(series, steps)."""
        return len(self), self.size

    @property
    def dtype(self) -> np.dtype:
        """Of steps."""
        return np.dtype(np.float32)

    @property
    def lengths(self) -> np.ndarray | None:
        """Of a crop of each series."""
        return None if self.size else np.array([self._size(each) for each in self.series])

    def __len__(self) -> int:
        return len(self.series)

    def _size(self, series: np.ndarray) -> int:
        return self.size or len(series) // 2

    def take(self, positions: Any) -> Crops:
        """Returns the series at the positions."""
        chosen = np.arange(len(self))[positions]
        return Crops([self.series[place] for place in chosen], self.size, self.form)

    def read(self, positions: Any, seeds: Any = None) -> Any:
        """Returns a crop of each at random; or from its beginning, middle and end."""
        rows = []
        for number, place in enumerate(positions):
            series = self.series[place]
            last = len(series) - self._size(series)
            shifts = [0, last // 2, last] if seeds is None else [int(seeds[number][1]) % (last + 1)]
            rows += [series[shift:][: self._size(series)] for shift in shifts]
        crops = Ragged.of(rows, np.float32)
        if self.form == "ragged" and self.size is None:
            return crops
        whole = crops.padded()
        return whole.reshape(-1, VIEWS, whole.shape[1]) if seeds is None else whole


@AUGMENTATIONS.register("louder")
class Louder(Augmentation):
    """Multiplies all steps of a crop by 1, 2 or 3."""

    accepts: ClassVar = (Crop,)

    def build(self, data: DataSpec) -> Change:
        """Returns the function of (batch, seed)."""

        def louder(batch: Batch, seed: Any) -> Batch:
            factors = drawn((keras.ops.shape(batch.inputs)[0], 1), seed, 1, 4)
            return batch._replace(inputs=batch.inputs * keras.ops.cast(factors, "float32"))

        return louder


@DATASETS.register("crops")
class CropsOfSeries:
    """Series and their kind.

    Args:
        path: a JSON file of them.
        size: of a crop; 0 for one that is as long as half of its series.
        form: array or ragged: how crops of different length are read.
    """

    task: ClassVar[str] = "classification"

    path: Path
    size: int = 0
    form: str = "ragged"

    def spec(self) -> DataSpec:
        """Returns what the data are."""
        return self.load().spec

    def load(self, like: DataSpec | None = None) -> Splits:
        """Returns the parts.

        Args:
            like: what a run was trained on.
        """
        series = json.loads(self.path.read_text())
        names = tuple(sorted({each["kind"] for each in series}))
        spec = DataSpec.of(Crop(shape=(self.size or None,)), ClassLabel(class_names=names))

        def part(some: Sequence[Any]) -> Split:
            steps = [np.array(each["steps"], np.float32) for each in some]
            labels = spec.target.encode([each["kind"] for each in some]).stored
            return Split(Crops(steps, self.size or None, self.form), labels)

        third = len(series) // 3
        parts = part(series[: -2 * third]), part(series[-2 * third : -third]), part(series[-third:])
        splits = Splits(spec, *parts).with_statistics()
        return Splits(like, *parts) if like else splits


@MODELS.register("sums")
class Sums:
    """A hidden layer of each step by itself, whose sum over all steps is classified: steps of 0 count for nothing.

    Args:
        units: of the hidden layer.
    """

    units: PositiveInt = 4

    def build(self, data: DataSpec) -> Any:
        """Returns the network, from steps to logits."""
        layers, inputs = keras.layers, data.inputs()
        x = layers.Reshape((-1, 1), name="steps")(data.preprocess(inputs))
        x = layers.Dense(self.units, activation="tanh", use_bias=False, name="hidden")(x)
        x = layers.GlobalAveragePooling1D(name="mean")(x) if data.input.shape[0] else keras.ops.sum(x, axis=1)
        return keras.Model(inputs, data.head(x), name="sums")
