import numpy as np
import pytest

from dltrain.data import Feature, Pieces, Provenance, Ragged, Split, Splits
from dltrain.data.trees import Examples, read, views
from dltrain.errors import DataError
from dltrain.features.table import Column, Table

ROWS = [[1, 2, 3], [], [4], [5, 6]]


def ragged(rows=ROWS, dtype=np.int32):
    return Ragged.of([np.array(row, dtype) for row in rows], dtype)


def rows_of(values):
    return [row.tolist() for row in values]


class Squares(Examples):
    """Numbers whose squares are read, plus the first of each seed."""

    def __init__(self, numbers):
        self.numbers = np.asarray(numbers)

    shape = property(lambda self: (len(self.numbers), 1))
    dtype = property(lambda self: np.dtype(np.float32))
    blocks = property(lambda self: np.array([0, 2, len(self.numbers)]))

    def __len__(self):
        return len(self.numbers)

    def take(self, positions):
        return Squares(self.numbers[positions])

    def read(self, positions, seeds=None):
        drawn = 0 if seeds is None else seeds[:, 0]
        return (self.numbers[positions] ** 2 + drawn).astype(np.float32)[:, None]


def test_rows_come_back_one_by_one_and_chosen():
    values = ragged()
    assert rows_of(values) == ROWS
    assert rows_of(values.take([3, 1, 3])) == [[5, 6], [], [5, 6]]
    assert rows_of(values[1:3]) == [[], [4]]
    assert rows_of(values[values.lengths > 1]) == [[1, 2, 3], [5, 6]]
    assert values[-1].tolist() == [5, 6]
    assert (len(values), values.longest, values.shape, values.dtype) == (4, 3, (4, None), np.int32)
    with pytest.raises(IndexError):
        values[4]


def test_shorter_examples_are_filled_up():
    assert ragged().padded(9).tolist() == [[1, 2, 3], [9, 9, 9], [4, 9, 9], [5, 6, 9]]
    assert ragged().take([2]).padded(length=2).tolist() == [[4, 0]]
    with pytest.raises(ValueError, match="length must be at least that of the longest example, 3, got 2"):
        ragged().padded(length=2)
    vectors = Ragged(np.arange(6.0).reshape(3, 2), [0, 1, 3])
    assert vectors.padded(-1).tolist() == [[[0, 1], [-1, -1]], [[2, 3], [4, 5]]]
    assert ragged([]).padded().shape == (0, 0)


def test_offsets_must_divide_the_values():
    for offsets in ([0, 1], [1, 2], [], [0, 2, 1, 2]):
        with pytest.raises(ValueError, match="offsets"):
            Ragged(np.zeros(2), offsets)


def test_a_part_of_a_split_has_all_that_belongs_to_its_examples():
    split = Split(
        {"strings": ragged(), "numbers": np.arange(4.0)},
        {"right": np.arange(4), "long": ragged()},
        np.arange(4.0),
        Provenance(str, np.arange(4)),
        {"file": np.array(["a", "b", "c", "d"])},
    )
    part = split.take(np.array([3, 0]))
    assert len(part) == 2
    assert rows_of(part.inputs["strings"]) == [[5, 6], [1, 2, 3]]
    assert (part.inputs["numbers"].tolist(), part.targets["right"].tolist()) == ([3, 0], [3, 0])
    assert rows_of(part.targets["long"]) == [[5, 6], [1, 2, 3]]
    assert (part.weights.tolist(), part.provenance[0], part.metadata["file"].tolist()) == ([3, 0], "3", ["d", "a"])
    assert split.lengths.tolist() == [3, 0, 1, 2]
    assert len(split.first(3)) == 3


def test_a_split_of_nothing_to_predict_has_targets_of_no_numbers():
    assert Split(ragged()).targets.shape == (4, 0)


def test_arrays_of_different_length_are_refused():
    with pytest.raises(DataError, match="got 3, 4"):
        Split({"strings": ragged(), "numbers": np.zeros(3)})


def test_examples_are_read_when_they_are_looked_at():
    split = Split({"later": Squares([1, 2, 3]), "here": ragged([[1], [2], [3]])})
    part = split.take(np.array([2, 0]))
    assert isinstance(part.inputs["later"], Squares)
    assert part.read().inputs["later"].tolist() == [[9], [1]]
    assert part.inputs["later"][:1].tolist() == [[9]]
    assert part.blocks.tolist() == [0, 2, 2]
    seeds = np.array([[100, 0], [200, 0]])
    assert read(part.inputs, slice(None), seeds)["later"].tolist() == [[109], [201]]


def test_pieces_of_ragged_examples_are_ragged(tensorflow):
    assert [rows_of(piece) for piece in Pieces(ragged())] == [ROWS]


@pytest.mark.parametrize("padding", [0, -1])
def test_a_feature_knows_the_longest_example_of_the_training_part(padding):
    from dltrain.data import Features
    from dltrain.data.spec import DataSpec

    spec = DataSpec(Features.of(Strings()), Features())
    learnt = Splits(spec, Split(ragged()), Split(ragged([[1] * 9]))).with_statistics().spec.input
    assert learnt.max_shape == (3,)
    assert Strings().max_shape == (1,)
    assert "lengths" not in Strings().plain()
    assert learnt.plain()["lengths"] == (3,)
    assert learnt.signature() == Strings().signature()
    assert Table(columns=(Column("a", "a"),)).max_shape == (1,)


class Strings(Feature):
    registered_name = "strings"
    shape = (None,)


class Views(Examples):
    """Values of a length of their own each, all of one number, of which evaluation sees three views."""

    def __init__(self, lengths, says_lengths=True, is_ragged=True):
        self.sizes, self.settings = np.asarray(lengths), (says_lengths, is_ragged)

    shape = property(lambda self: (len(self.sizes), None))
    dtype = property(lambda self: np.dtype(np.float32))
    lengths = property(lambda self: self.sizes if self.settings[0] else None)

    def __len__(self):
        return len(self.sizes)

    def take(self, positions):
        return Views(self.sizes[positions], *self.settings)

    def read(self, positions, seeds=None):
        rows = [
            np.full(self.sizes[place], view) for place in positions for view in ([1, 2, 3] if seeds is None else [9])
        ]
        values = Ragged.of(rows, np.float32)
        if self.settings[1]:
            return values
        whole = values.padded()
        return whole if seeds is not None else whole.reshape(len(positions), 3, whole.shape[1])


@pytest.mark.parametrize("is_ragged", [True, False])
def test_only_what_evaluation_reads_has_views(is_ragged):
    examples = Views([2, 4, 1], is_ragged=is_ragged)
    assert set(np.concatenate(list(examples[:]))) <= {0, 1}
    assert len(examples[1:]) == len(read(examples, slice(1, None))) == 2
    assert len(examples[[]]) == 0
    rows, count = views(examples.take(np.array([2, 1])))
    assert (len(rows), count) == (6, 3)
    assert [max(row) for row in rows] == [1, 2, 3, 1, 2, 3]
    assert views(ragged())[1] == views(np.zeros((2, 3)))[1] == views(Squares([1, 2]))[1] == 1
    assert len(read(examples, slice(None), np.zeros((3, 2)))) == 3


def test_the_longest_of_examples_that_are_read_later_is_that_of_all():
    lengths = np.full(2000, 3)
    lengths[1234] = 999  # which is not among those that are read to learn from
    assert Strings().adapt(Pieces(Views(lengths))).max_shape == (999,)
    assert Strings().adapt(Pieces(Views(lengths, says_lengths=False))).max_shape == (3,)


@pytest.mark.parametrize("is_ragged", [True, False])
def test_first_steps_are_filled_up_to_what_is_there_though_no_source_said_so(tensorflow, is_ragged):
    from dltrain.data import Features
    from dltrain.diagnostics.first_steps import _tensors

    examples, seeds = Views([2, 5, 1], says_lengths=False, is_ragged=is_ragged), np.zeros((1, 2))
    batches = [examples.read(np.array([place]), seeds) for place in range(3)]
    features = Features.of(Strings(lengths=(3,)))
    assert [_tensors(features, each, batches).shape for each in batches] == [(1, 5)] * 3
