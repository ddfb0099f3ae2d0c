"""Examples of different length, and of several inputs, go through every check of all data."""

import numpy as np
import pytest
from specs import data_spec

from dltrain.data import Encoded, Examples, Feature, Features, Ragged, Split, Splits, digests
from dltrain.inspection import fingerprint as module
from dltrain.inspection.findings import examine
from dltrain.inspection.fingerprint import fingerprint
from dltrain.inspection.inspected_data import InspectedData
from dltrain.inspection.joined import Joined
from dltrain.registry import FEATURES


@pytest.fixture
def series():
    """A feature that writes four names alone."""
    before = FEATURES.known()

    @FEATURES.register("test_series")
    class Series(Feature):
        shape = (None,)
        dtype = "float32"

        def encode(self, raws):
            return Encoded(ragged(raws))

        def decode(self, stored):
            return [row.tolist() for row in stored]

    yield Series()
    FEATURES.forget_all_but(before)


def ragged(rows, dtype=np.float32):
    return Ragged.of([np.array(row, dtype) for row in rows], dtype)


def rows(count, seed):
    random = np.random.RandomState(seed)
    return [random.rand(random.randint(1, 9)).tolist() for _ in range(count)]


def splits(feature, train, test):
    spec = data_spec((1,), ("a", "b"))
    spec = type(spec)(Features({"series": feature}), spec.targets)
    parts = [Split(ragged(each), (np.arange(len(each)) % 2).astype(np.int32)) for each in (train, test)]
    return Splits(spec, parts[0], test=parts[1]).with_statistics()


def kinds(found):
    return {finding.kind: finding for finding in found}


@pytest.mark.parametrize("brief", [False, True])
def test_series_with_nothing_odd_are_left_alone(series, brief):
    assert examine(InspectedData(splits(series, rows(60, 0), rows(30, 1)), brief)) == []


def test_series_that_are_there_twice_are_found_wherever_they_are(series):
    train, test = rows(60, 0), rows(30, 1)
    train[9], test[3], test[4] = train[6], train[7], train[8]
    found = kinds(examine(InspectedData(splits(series, train, test))))
    assert found["leak"].where == ("test[3] = train[7]", "test[4] = train[8]")
    assert found["leak"].severity == "warning"
    assert found["contradiction"].where == ("train[9] = train[6]",)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_one_value_that_is_no_number_is_found(series, value):
    train = rows(60, 0)
    train[5][-1] = value
    train[20] = []
    found = kinds(examine(InspectedData(splits(series, train, rows(30, 1)), brief=True)))
    assert found["not a number"].where == ("train[5]",)


def test_a_shorter_series_is_not_one_that_is_filled_up():
    found = digests.of_rows(ragged([[1, 0], [1], [1, 0, 0], [], [0], [1, 0], [-0.0]]))
    assert len(set(found.tolist())) == 5
    assert found[0] == found[5]
    assert found[4] == found[6]


@pytest.mark.parametrize("limit", [module.FULL_BYTES, 0])
def test_each_value_and_each_end_changes_the_fingerprint(series, limit, monkeypatch):
    monkeypatch.setattr(module, "FULL_BYTES", limit)
    train, test = [[1.0, 2.0], [3.0]], [[4.0]]
    before = fingerprint(splits(series, train, test))
    assert before == fingerprint(splits(series, train, test))
    for changed in ([[1.0, 2.5], [3.0]], [[1.0], [2.0, 3.0]], [[3.0], [1.0, 2.0]]):
        after = fingerprint(splits(series, changed, test))
        assert after["test"] == before["test"]
        assert after["train"] != before["train"]


class Later(Examples):
    """Rows that are read when they are looked at."""

    def __init__(self, values):
        self.values = values

    shape = property(lambda self: self.values.shape)
    dtype = property(lambda self: self.values.dtype)

    def __len__(self):
        return len(self.values)

    def take(self, positions):
        return Later(self.values[positions])

    def read(self, positions, seeds=None):
        return self.values[positions]


@pytest.mark.parametrize("kind", [np.asarray, Later, lambda values: Ragged(values.reshape(-1), 3 * np.arange(8))])
def test_parts_that_are_joined_are_read_in_any_order(kind):
    values = np.arange(21.0).reshape(7, 3)
    joined = Joined([kind(values), kind(values + 100)])
    every = np.concatenate([values, values + 100])

    def told(read):
        return [row.tolist() for row in read]

    assert len(joined) == 14
    assert told(joined[:]) == every.tolist()
    chosen = [13, 0, 7, 6, 6]
    assert told(joined[chosen]) == every[chosen].tolist()
    assert told(joined.take(chosen)[1:3]) == every[chosen][1:3].tolist()
    assert len(joined[[]]) == 0


def test_values_that_are_read_later_have_the_bytes_of_what_is_read():
    values = Later(np.zeros((5, 2, 3), np.float32))
    assert values.nbytes == values[:].nbytes
    assert values.paths is None
    assert Later(ragged([[1, 2, 3], []])).lengths is None
