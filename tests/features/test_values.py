"""A value means the same in each format that a table can have: CSV, Parquet, JSON lines, a request."""

import itertools
import json

import numpy as np
import polars as pl
import pytest

from dltrain.data import Pieces
from dltrain.datasets.csv import CSV
from dltrain.features._tables.values import are_written_numbers, as_values, known_categories, respelt

SPELLINGS = {
    True: [True, "true", "True", "TRUE", "yes", "Yes", "t", "Y", "on", "1", 1, 1.0, " yes "],
    False: [False, "false", "False", "FALSE", "no", "No", "f", "N", "off", "0", 0, 0.0, " no "],
}
NUMBERS = [2134, 2134.0, "2134", "2134.0", "02134", " 2134 ", "+2134", "2134.00"]


def trained_on(cells, tmp_path, **keys):
    """Returns the feature that a table of one column teaches, as Parquet or JSON lines hold these cells."""
    rows = [{"x": cell, "n": row / 7, "y": row % 2} for row, cell in enumerate(cells)]
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, rows)))
    whole = CSV(path=tmp_path / "t.jsonl", target="y", test_fraction=0.0, validation_fraction=0.0, **keys)
    return whole.load().spec.input


def code(feature, cell):
    """Returns what one cell of a request becomes."""
    encoded = feature.encode([{"x": cell, "n": 0.5}])
    assert not encoded.problems
    (place,) = [place for place, column in enumerate(feature.columns) if column.source == "x"]
    return encoded.stored[0, place]


@pytest.mark.parametrize(("yes", "no"), [*zip(SPELLINGS[True], SPELLINGS[False], strict=True)])
def test_truth_values_are_the_same_however_training_and_requests_write_them(tmp_path, yes, no):
    feature = trained_on([yes, no, no] * 20, tmp_path)
    is_category = bool(feature.columns[-1].categories)
    asked = (
        SPELLINGS
        if is_category
        else {truth: [truth, int(truth), str(truth), f" {int(truth)}.0"] for truth in (True, False)}
    )
    for truth, cells in asked.items():
        assert len({code(feature, cell) for cell in cells}) == 1, truth
    assert code(feature, True) != code(feature, False)
    assert code(feature, True) > 0


@pytest.mark.parametrize("written", NUMBERS)
def test_whole_numbers_as_categories_are_the_same_however_they_are_written(tmp_path, written):
    feature = trained_on([written, 9, 10] * 20, tmp_path, categorical=("x",))
    assert len({code(feature, cell) for cell in NUMBERS}) == 1
    assert code(feature, 2134) > 0
    assert code(feature, 21340) == code(feature, "2134.5") == 0


def test_what_training_tells_apart_stays_apart(tmp_path):
    feature = trained_on(["007", "7", "x"] * 20, tmp_path, categorical=("x",))
    assert code(feature, "007") != code(feature, "7")
    assert code(feature, "07") == 0  # either could be meant
    assert {code(feature, cell) for cell in ("7.0", 7)} == {code(feature, "7")}


def test_case_is_ignored_where_the_config_says_so(tmp_path):
    cells = ["red", "Red", "RED", "green"] * 15
    apart, alike = trained_on(cells, tmp_path), trained_on(cells, tmp_path, ignore_case=True)
    assert apart.columns[-1].categories == ("RED", "Red", "green", "red")
    assert len(alike.columns[-1].categories) == 2
    assert {code(alike, cell) for cell in ("red", "Red", "rEd", " RED")} == {code(alike, "RED")}
    assert code(alike, "Green") != code(alike, "Red")


def test_words_that_merely_look_like_truth_values_are_words():
    for words in (["no", "yes", "maybe"], ["f", "m"], ["y"]):
        assert respelt(["true", "No", "1", "F"], words) == {}
    assert known_categories(pl.Series(["f", "m", "F"])) == {"f": 1, "m": 1, "F": 1}
    assert known_categories(pl.Series(["TRUE", "true", "true", "no"])) == {"no": 1, "true": 3}


def test_true_and_false_are_numbers_where_a_column_is_known_to_be_one():
    assert as_values(pl.Series(["True", "0", "false", "x", None])).to_list() == [1, 0, 0, None, None]
    assert as_values(pl.Series([True, None, False])).to_list() == [1, None, 0]


@pytest.mark.parametrize(
    "text", ["$1,600.00", "1,600", "12%", "€ 5", "-$3.50", "1.600,00", "(1,250)", "5 USD", "1 000 000", "1'000"]
)
def test_numbers_as_people_write_them_are_seen(text):
    assert are_written_numbers(pl.Series([text, "$2"]))


@pytest.mark.parametrize("text", ["12 apples", "1.2.3", "94110-1234", "a1", "1,2,3", "", "+31 20 1234567"])
def test_other_words_are_not(text):
    assert not are_written_numbers(pl.Series([text, "$2"]))


def test_differences_that_float32_would_lose_are_kept(tmp_path):
    """Milliseconds since 1970 are one number in float32."""
    cells = [1_500_000_000_000 + 1000 * row for row in range(60)]
    feature = trained_on(cells, tmp_path)
    assert feature.columns[1].offset or feature.columns[0].offset
    stored = [code(feature, cell) for cell in cells]
    np.testing.assert_array_equal(np.diff(stored), 1000)
    rows = feature.encode([{"x": cell, "n": 1.0} for cell in cells])
    decoded = feature.decode(rows.stored)
    assert [row["x"] for row in decoded] == cells
    again = feature.adapt(Pieces(rows.stored))
    assert all(np.isfinite(again.standard_deviation))


def test_the_target_too_is_the_same_in_each_format(tmp_path):
    def labels(cells, like=None):
        (tmp_path / "t.jsonl").write_text(
            "\n".join(json.dumps({"x": row, "y": cell}) for row, cell in enumerate(cells))
        )
        keys = {"test_fraction": 0.0, "validation_fraction": 0.0, "kind": "classes"}
        return CSV(path=tmp_path / "t.jsonl", target="y", **keys).load(like)

    for yes, no in itertools.product(SPELLINGS[True][:5], SPELLINGS[False][:5]):
        trained = labels([yes, no] * 10)
        for other_yes, other_no in ((True, False), ("TRUE", "no"), ("1", "0")):
            other = labels([other_no, other_yes, other_yes], trained.spec)
            one, zero = trained.train.targets[:2]
            assert other.train.targets.tolist() == [zero, one, one]
