"""A picture and two numbers beside it, of one class: examples of two inputs, read as one file of JSON lines.

    plugins: [pairs.py]
    dataset: {name: pairs, path: pairs.jsonl}
    model: {name: pair_network}

A line is an object such as {"picture": [[[0], ...], ...], "sizes": [1.5, 2.0], "kind": "tall"}.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from dltrain.data import DataSpec, Features, Split, Splits
from dltrain.features.class_label import ClassLabel
from dltrain.features.image import Image
from dltrain.features.vector import Vector
from dltrain.fields import PositiveInt
from dltrain.lazy import keras, np
from dltrain.registry import DATASETS, MODELS

if TYPE_CHECKING:
    from collections.abc import Sequence

SHAPE = (4, 4, 1)


@DATASETS.register("pairs")
class Pairs:
    """Pictures of 4x4 pixels with two numbers each, and their class.

    Args:
        path: a file of JSON lines.
    """

    task: ClassVar[str] = "classification"

    path: Path

    def spec(self) -> DataSpec:
        """Returns what the data are."""
        return self.load().spec

    def load(self, like: DataSpec | None = None) -> Splits:
        """Returns the parts.

        Args:
            like: what a run was trained on, whose classes these are.
        """
        rows = [json.loads(line) for line in self.path.read_text().splitlines()]
        order = np.random.RandomState(self.split_seed).permutation(len(rows))
        tested = round(len(rows) * self.test_fraction)
        validated = tested + round((len(rows) - tested) * self.validation_fraction)
        test, validation, train = (
            [rows[place] for place in sorted(places)] for places in np.split(order, [tested, validated])
        )
        names = tuple(sorted({row["kind"] for row in train}))
        spec = like or DataSpec(
            Features({"picture": Image(shape=SHAPE), "sizes": Vector(shape=(2,))}),
            Features.of(ClassLabel(class_names=names)),
        )

        def part(chosen: Sequence[dict[str, Any]]) -> Split | None:
            if not chosen:
                return None
            inputs = {
                name: feature.encode([row[name] for row in chosen]).stored for name, feature in spec.inputs.items()
            }
            return Split(inputs, spec.target.encode([row["kind"] for row in chosen]).stored)

        splits = Splits(spec, part(train), part(validation), part(test))
        return splits if like else splits.with_statistics()


@MODELS.register("pair_network")
class PairNetwork:
    """A hidden layer that sees all pixels and both numbers.

    Args:
        units: of the hidden layer.
    """

    units: PositiveInt = 16

    def build(self, data: DataSpec) -> Any:
        """Returns the network, from a dict of inputs to logits."""
        layers, inputs = keras.layers, data.inputs()
        found = data.preprocess(inputs)
        x = layers.Concatenate(name="both")([layers.Flatten(name="flatten")(found["picture"]), found["sizes"]])
        x = layers.Dense(self.units, activation="relu", name="hidden")(x)
        return keras.Model(inputs, data.head(x), name="pair_network")
