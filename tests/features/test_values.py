"""A value means the same in each format that a table can have: CSV, Parquet, JSON lines, a request."""

import itertools
import json

import numpy as np
import polars as pl
import pytest

from dltrain.data import Pieces
from dltrain.datasets.csv import CSV
from dltrain.features._tables.values import are_written_numbers, as_values, known_categories, respelt
from dltrain.inference.prediction import Noticed

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


@pytest.mark.parametrize(
    "words", [("on", "off", "yes", "no"), ("T", "F", "Y", "N"), ("true", "n", "1", "y"), ("yes", "no", "t", "0")]
)
def test_words_for_truth_that_training_has_side_by_side_stay_apart(tmp_path, words):
    feature = trained_on([*words] * 15, tmp_path)
    assert {*feature.columns[-1].categories} == {*words}
    assert len({code(feature, word) for word in words}) == len(words)
    assert [code(feature, word.swapcase()) for word in words] == [code(feature, word) for word in words]
    (tmp_path / "t.jsonl").write_text("\n".join(json.dumps({"x": row, "y": words[row % 4]}) for row in range(40)))
    table = CSV(path=tmp_path / "t.jsonl", target="y", test_fraction=0.0, validation_fraction=0.0)
    assert {*table.load().spec.target.class_names} == {*words}


def test_one_and_zero_are_what_the_words_beside_them_are(tmp_path):
    feature = trained_on(["Yes", "no", "1", "0", "yes", "1.0"] * 10, tmp_path)
    assert len(feature.columns[-1].categories) == 2
    assert len({code(feature, cell) for cell in ("YES", 1, "true", True)}) == 1


@pytest.mark.parametrize("written", [("True", "False"), ("TRUE", "FALSE"), ("true", "false"), (True, False)])
def test_truth_is_found_beside_a_third_word(tmp_path, written):
    feature = trained_on([*written, "maybe"] * 20, tmp_path)
    for truth, place in ((True, written[0]), (False, written[1])):
        spelt = [truth, str(truth), str(truth).upper(), str(truth).lower()]
        assert {code(feature, cell) for cell in spelt} == {code(feature, place)}
    assert code(feature, "Maybe") == code(feature, "yes") == code(feature, 1) == 0
    assert len({code(feature, cell) for cell in (True, False, "maybe")} - {0}) == 3
    both = trained_on(["True", "TRUE", "maybe"] * 20, tmp_path)
    assert code(both, True) == code(both, "TRUE") == code(both, "True") > 0


@pytest.mark.parametrize(
    "spellings",
    [
        ("1000", "1e3", "1E+03", "1000.", "+1000.0"), (".5", "0.5", "0.50", "5e-1", "00.5"), ("5.", "5", "5.0"),
        ("10000000000000000", "1e+16", "1e16"), ("0.00001", "1e-05", "1e-5"), ("-.25", "-0.25", "-25e-2"),
    ],
)  # fmt: skip
def test_a_number_as_a_category_is_the_same_in_each_notation(tmp_path, spellings):
    for written in spellings:
        feature = trained_on([written, "x", "7"] * 20, tmp_path)
        assert len({code(feature, cell) for cell in spellings}) == 1
        assert code(feature, spellings[0]) > 0
    long = "1234567890123456789012345678901234567890"
    assert respelt([long[:-1] + "1", f"{long}.0"], [long, "x"]) == {f"{long}.0": long}


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


def written(cells, tmp_path):
    """Returns a table of such cells, separated by semicolons, with a target that says nothing."""
    rows = [f"{cell};{row / 7};{row % 2}" for row, cell in enumerate(cells)]
    (tmp_path / "t.csv").write_text("\n".join(["x;n;y", *rows]))
    return tmp_path / "t.csv"


def of_file(feature, cells, tmp_path):
    """Returns what prediction makes of a file of these cells."""
    (tmp_path / "p.csv").write_text("\n".join(["x;n", *(f"{cell};0.5" for cell in cells)]))
    requests = [*feature.reader().read([str(tmp_path / "p.csv")], 100)]
    problems = {place: why for each in requests for place, why in each.problems.items()}
    return np.concatenate([each.inputs for each in requests])[:, 0].tolist(), problems


KEYS = {"target": "y", "test_fraction": 0.0, "validation_fraction": 0.0}


def test_decimal_commas_are_the_runs_and_each_cell_is_read_by_itself(tmp_path):
    cells = [f"{row},{row}5" for row in range(40)]
    trained = CSV(path=written(cells, tmp_path), **KEYS).load()
    feature = trained.spec.input
    assert of_file(feature, ["1,250", "2,750"], tmp_path) == (pytest.approx([1.25, 2.75]), {})
    assert of_file(feature, ["1,250", "12", "1.5"], tmp_path) == (pytest.approx([1.25, 12, 1.5]), {})
    stored, problems = of_file(feature, ["1,250", "old", "1,5", "1.250,5"], tmp_path)
    assert stored == pytest.approx([1.25, 1.5])
    assert {place: why.split(",")[0] for place, why in problems.items()} == dict.fromkeys((1, 3), "x must be a number")
    assert [code(feature, cell) for cell in ("1,250", "1,5", 1.5)] == pytest.approx([1.25, 1.5, 1.5])
    other = CSV(path=written(["1,250", "2,500", "3"], tmp_path), **KEYS).load(trained.spec)
    assert other.train.inputs[:, 0].tolist() == pytest.approx([1.25, 2.5, 3])
    skipping = CSV(path=written(["1,250", "old", "3"], tmp_path), numeric=("x",), on_bad_example="skip", **KEYS)
    found = skipping.load(trained.spec)
    assert found.train.inputs[:, 0].tolist() == pytest.approx([1.25, 3])
    assert len(found.skipped) == 1


def test_a_run_of_points_reads_no_comma_that_may_separate_thousands(tmp_path):
    trained = CSV(path=written([f"{row}.5" for row in range(40)], tmp_path), **KEYS).load()
    stored, problems = of_file(trained.spec.input, ["1,5", "1,250", "0.25"], tmp_path)
    assert stored == pytest.approx([1.5, 0.25])
    assert [*problems] == [1]
    assert code(trained.spec.input, "1,5") == 1.5


def test_a_comma_in_a_category_stays_one_in_each_format(tmp_path):
    trained = CSV(path=written(["1,5", "2,5", "1,250"] * 20, tmp_path), categorical=("x",), **KEYS).load()
    feature = trained.spec.input
    assert feature.columns[-1].categories == ("1,250", "1,5", "2,5")
    assert [code(feature, cell) for cell in ("1,250", "1,5", "2,5")] == [1, 2, 3]
    assert "x" not in {words.words.split("'")[1] for words in trained.noticed}
    (tmp_path / "p.csv").write_text("x;n\n1,5;1\n2,5;2\n")
    (found,) = feature.reader().read([str(tmp_path / "p.csv")], 100)
    assert found.inputs[:, -1].tolist() == [2, 3]
    other = CSV(path=written(["2,5", "1,5"], tmp_path), categorical=("x",), **KEYS).load(trained.spec)
    assert other.train.inputs[:, -1].tolist() == [3, 2]


@pytest.mark.parametrize("gap", [None, ""])
@pytest.mark.parametrize(
    ("taught", "given"),
    [
        (["red", "blue", None], ["green", "black", "green"]),
        ([0.5, 1.5, None, *np.arange(25.0)], ["old", "new", "x"]),
        ([*(f"2020-01-{day:02} 10:30" for day in range(1, 26)), None], ["soon", "later", "never"]),
    ],
)
def test_a_column_that_is_unknown_wherever_it_is_there_is_a_warning(tmp_path, taught, given, gap):
    feature = trained_on(taught * 2, tmp_path)

    def lines(cells):
        noticed = Noticed()
        encoded = feature.encode([{"x": cell, "n": 1.0} for cell in cells])
        for place in range(len(cells)):
            noticed.add({"input": f"{place}", "notices": encoded.noticed(place)})
        return [line for line in noticed.lines if "is missing" not in line]

    assert [line.split(":")[:2] for line in lines([gap, *given])] == [
        ["warning", " in all 3 examples that have a value"]
    ]
    assert [line.split(":")[:2] for line in lines(given)] == [["warning", " in all 3 examples"]]
    assert [line.split(":")[:2] for line in lines([gap, taught[0], *given])] == [["notice", " in 3 of 5 examples"]]


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
