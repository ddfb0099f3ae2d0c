import numpy as np
import pytest

from dltrain.data import Pieces, Provenance, Ragged, Split, Splits
from dltrain.data.trees import Examples, read
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
    from dltrain.data import Feature, Features
    from dltrain.data.spec import DataSpec

    class Strings(Feature):
        registered_name = "strings"
        shape = (None,)

    spec = DataSpec(Features.of(Strings()), Features())
    learnt = Splits(spec, Split(ragged()), Split(ragged([[1] * 9]))).with_statistics().spec.input
    assert learnt.max_shape == (3,)
    assert Strings().max_shape == (1,)
    assert "lengths" not in Strings().plain()
    assert learnt.plain()["lengths"] == (3,)
    assert learnt.signature() == Strings().signature()
    assert Table(columns=(Column("a", "a"),)).max_shape == (1,)
