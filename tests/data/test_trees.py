"""Examples of several trees become one, whatever they are stored in."""

import numpy as np

from dltrain.data import Ragged
from dltrain.data.trees import at, joined


def test_arrays_and_ragged_ones_are_joined_by_name():
    one = {"x": np.array([1, 2]), "y": Ragged.of([np.array([1]), np.array([2, 3])], np.int32)}
    other = {"x": np.array([3]), "y": Ragged.of([np.array([], np.int32)], np.int32)}
    found = joined([one, other])
    assert found["x"].tolist() == [1, 2, 3]
    assert [row.tolist() for row in found["y"]] == [[1], [2, 3], []]
    assert found["y"].dtype == np.int32


def test_an_example_is_a_tree_of_rows():
    ragged = Ragged(np.arange(5), np.array([0, 2, 5]))
    found = at({"a": np.eye(2), "b": ragged}, 1)
    assert found["a"].tolist() == [0, 1] and found["b"].tolist() == [2, 3, 4]
