"""Strings of beads, and which beads lie beside another of their colour: a modality that dltrain knows nothing of.

    plugins: [beads.py]
    dataset: {name: beads, path: necklaces.beads}
    model: {name: bead_window}
    task: {name: same_neighbour}

A line of a `.beads` file is a string and its answer, such as `RGGB 0110`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from dltrain.data import DataSpec, Encoded, Feature, Ragged, Split, Splits, fitted
from dltrain.fields import PositiveInt, Seed
from dltrain.lazy import keras, np
from dltrain.registry import DATASETS, FEATURES, MODELS, TASKS
from dltrain.tasks import Task

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from dltrain.data.proposal import Proposal

COLOURS = "RGBY"
UNKNOWN = "?"
FIRST = 2
"""The code of the first colour: 0 is no bead, 1 a bead of a colour that the training part does not have."""


@FEATURES.register("beads")
class Beads(Feature):
    """A string of beads, a letter for the colour of each.

    Args:
        colours: those of the training part, in alphabetical order.
    """

    shape: ClassVar = (None,)
    dtype: ClassVar = "int32"

    colours: str = fitted("")

    def fit(self, pieces: Iterable[Sequence[str]]) -> Beads:
        """Returns beads of the colours that there are."""
        return Beads(colours="".join(sorted({bead for piece in pieces for raw in piece for bead in raw} - {UNKNOWN})))

    def encode(self, raws: Sequence[Any]) -> Encoded:
        """Returns strings as codes, (beads,) each; those that are no strings, or have no beads, are problems."""
        rows, problems, notices = [], {}, {}
        for place, raw in enumerate(raws):
            if not isinstance(raw, str) or not raw.isprintable() or not raw.strip():
                problems[place] = f"must be a string of beads, got {raw!r}"
                continue
            rows.append([FIRST + self.colours.find(bead) if bead in self.colours else 1 for bead in raw.strip()])
            unseen = sorted(set(raw.strip()) - {*self.colours, UNKNOWN})
            if unseen:
                notices[place] = f"unknown colours: {', '.join(unseen)}"
        return Encoded(ragged(rows), problems, notices)

    def decode(self, stored: Ragged) -> list[str]:
        """Returns codes as strings, with a question mark for an unknown colour."""
        letters = f" {UNKNOWN}{self.colours}"
        return ["".join(letters[code] for code in row) for row in rows_of(stored)]


@FEATURES.register("marks")
class Marks(Feature):
    """What is asked of each bead: a string of 0 and 1, as long as that of the beads."""

    shape: ClassVar = (None,)
    dtype: ClassVar = "int32"

    def encode(self, raws: Sequence[Any]) -> Encoded:
        """Returns 1 for no and 2 for yes, (beads,) each: 0 is no bead."""
        problems = {
            place: f"must be a string of 0 and 1, got {raw!r}"
            for place, raw in enumerate(raws)
            if not isinstance(raw, str) or not raw or set(raw) - set("01")
        }
        rows = [[1 + int(mark) for mark in raw] for place, raw in enumerate(raws) if place not in problems]
        return Encoded(ragged(rows), problems)

    def decode(self, stored: Ragged) -> list[str]:
        """Returns strings of 0 and 1."""
        return ["".join(str(code - 1) for code in row) for row in rows_of(stored)]


def ragged(rows: Sequence[Sequence[int]]) -> Ragged:
    """Returns rows of different length as they are stored."""
    values = np.array([code for row in rows for code in row], np.int32)
    return Ragged(values, np.cumsum([0, *map(len, rows)]))


def rows_of(stored: Ragged) -> list[list[int]]:
    """Returns the rows again."""
    offsets = stored.offsets.tolist()
    return [stored.values[start:end].tolist() for start, end in zip(offsets, offsets[1:], strict=False)]


def marks_of(beads: str) -> str:
    """Returns what is right: which beads lie beside one of their colour."""
    around = f" {beads} "
    return "".join(str(int(bead in around[place : place + 3 : 2])) for place, bead in enumerate(beads))


@DATASETS.register("beads")
class BeadStrings:
    """Strings of beads with their marks, from a file or made by chance.

    Args:
        path: a file of lines such as `RGGB 0110`; none to make strings.
        examples: how many to make.
        data_seed: which ones.
    """

    task: ClassVar[str] = "same_neighbour"

    path: Path | None = None
    examples: PositiveInt = 320
    data_seed: Seed = 0

    @classmethod
    def proposed(cls, path: Path, target: str | None) -> Proposal | None:
        """Returns the block that reads a `.beads` file; none for another."""
        from dltrain.data.proposal import Proposal

        if path.suffix != ".beads":
            return None
        count = len(path.read_text().splitlines())
        return Proposal({"path": path}, {"path": "a string and its marks on each line"}, (f"{count} strings",), count)

    def spec(self) -> DataSpec:
        """Returns what the data are; to learn their colours takes no time."""
        return self.load().spec

    def load(self, like: DataSpec | None = None) -> Splits:
        """Returns the parts.

        Args:
            like: what a run was trained on, whose colours these are.
        """
        lines = self._lines()
        order = np.random.RandomState(self.split_seed).permutation(len(lines))
        tested = round(len(lines) * self.test_fraction)
        validated = tested + round((len(lines) - tested) * self.validation_fraction)
        test, validation, train = (
            [lines[place] for place in sorted(places)] for places in np.split(order, [tested, validated])
        )
        beads = like.inputs["beads"] if like else Beads().fit([[string for string, _ in train]])
        marks = Marks()

        def part(pairs: list[list[str]]) -> Split | None:
            if not pairs:
                return None
            strings, answers = zip(*pairs, strict=True)
            return Split(beads.encode(strings).stored, marks.encode(answers).stored)

        return Splits(DataSpec.of(beads, marks), part(train), part(validation), part(test)).with_statistics(like)

    def _lines(self) -> list[list[str]]:
        if self.path is not None:
            return [line.split() for line in self.path.read_text().splitlines()]
        random = np.random.RandomState(self.data_seed)
        made = ("".join(random.choice([*COLOURS], random.randint(3, 10))) for _ in range(self.examples))
        return [[string, marks_of(string)] for string in made]


@MODELS.register("bead_window")
class BeadWindow:
    """A small network that looks at each bead and its two neighbours.

    Args:
        width: numbers that stand for a colour.
        units: of the hidden layer.
    """

    width: PositiveInt = 8
    units: PositiveInt = 32

    def build(self, data: DataSpec) -> Any:
        """Returns the network, from codes, (batch, beads), to logits, (batch, beads)."""
        layers, inputs = keras.layers, data.inputs()
        codes = data.preprocess(inputs)
        x = layers.Embedding(FIRST + len(data.input.colours), self.width, name="colours")(codes)
        # Behind the end there is nothing, however far a batch is filled up.
        x = x * keras.ops.cast(keras.ops.not_equal(codes, 0), x.dtype)[..., None]
        x = layers.Conv1D(self.units, 3, padding="same", activation="relu", name="window")(x)
        x = layers.Dense(1, dtype="float32", name="logits")(x)
        return keras.Model(inputs, layers.Reshape((-1,), name="beads")(x), name="bead_window")


@TASKS.register("same_neighbour")
class SameNeighbour(Task):
    """Which beads lie beside another of their colour: a yes or no for each bead."""

    accepts: ClassVar = (Marks,)

    def output_shape(self, data: DataSpec) -> tuple[None]:
        """Returns that of a logit for each bead."""
        return (None,)

    def loss(self, data: DataSpec) -> Callable[[Any, Any], Any]:
        """Returns the mean binary cross-entropy over an example's own beads."""
        ops = keras.ops

        def loss(targets: Any, outputs: Any) -> Any:
            is_bead = ops.cast(ops.not_equal(targets, 0), outputs.dtype)
            is_marked = ops.cast(ops.equal(targets, 2), outputs.dtype)
            each = ops.softplus(outputs) - is_marked * outputs
            return ops.sum(each * is_bead, axis=-1) / ops.maximum(ops.sum(is_bead, axis=-1), 1.0)

        return loss

    def inference(self, data: DataSpec, model: Any) -> Callable[[Any], Any]:
        """Returns what gives the probability of each bead, and -1 behind the end of a string."""

        def probabilities(inputs: Any) -> Any:
            found = keras.ops.sigmoid(model(inputs, training=False))
            return keras.ops.where(keras.ops.equal(inputs, 0), -1.0, found)

        return probabilities

    def answers(self, outcome: Any, options: dict[str, Any]) -> list[dict[str, Any]]:
        """Returns the marks of each string, and how probable each is."""
        own = [[share for share in np.asarray(row).tolist() if share >= 0] for row in outcome.outputs]
        return [
            {"marks": "".join(str(int(share > 0.5)) for share in shares), "probabilities": shares} for shares in own
        ]
