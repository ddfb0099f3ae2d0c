"""Series with a class or a number each: .ts files, tables and arrays; and what cannot be used, by file and line."""

import numpy as np
import pytest

from dltrain.data import Ragged
from dltrain.datasets.npz import NPZ
from dltrain.datasets.series_table import SeriesTable
from dltrain.datasets.ts import TS
from dltrain.errors import DataError, KeyProblem
from dltrain.features._series import ts_files
from dltrain.features.whole_series import WholeSeries

HEADER = ["# a comment", "@problemName Waves", "@univariate true", "@classLabel true up down", "@data"]
RAGGED = ["1,2,3:up", "3,2:down", "0,1,2,3:up", "5,4:down", "1,3:up", "3,1,0:down"]


def written(folder, lines, header=HEADER, name="Waves_TRAIN.ts"):
    path = folder / name
    path.write_text("\n".join([*header, *lines, ""]))
    return path


def source(folder, lines, header=HEADER, **keys):
    return TS(path=written(folder, lines, header), **{"test_fraction": 0.0, "validation_fraction": 0.0, **keys})


def refused(made):
    with pytest.raises((KeyProblem, DataError)) as caught:
        made.splits(None)
    return str(caught.value)


def test_series_of_different_length_are_ragged_in_the_order_of_the_file(tmp_path):
    splits = source(tmp_path, RAGGED).load()
    stored = splits.train.inputs
    assert isinstance(stored, Ragged)
    assert [each[:, 0].tolist() for each in stored][:2] == [[1, 2, 3], [3, 2]]
    assert splits.spec.input.shape == (None, 1)
    assert splits.spec.input.max_shape == (4, 1)
    assert splits.spec.target.class_names == ("up", "down")
    assert splits.train.targets.tolist() == [0, 1] * 3
    assert splits.train.provenance[1] == f"{tmp_path / 'Waves_TRAIN.ts'}:7"


def test_channels_are_separated_by_colons_and_series_of_one_length_are_an_array(tmp_path):
    header = [
        "@PROBLEMNAME Two",
        "@Dimensions 2",
        "@equalLength true",
        "@seriesLength 3",
        "@classlabel TRUE a b",
        "@DATA",
    ]
    splits = source(tmp_path, ["1,2,3:4,5,6:a", "", "7,8,9:1,1,2:b"], header).load()
    assert splits.train.inputs.tolist() == [[[1, 4], [2, 5], [3, 6]], [[7, 1], [8, 1], [9, 2]]]
    assert splits.spec.input.shape == (3, 2)


def test_parts_are_those_of_the_files_and_validation_is_split_off_the_train_part_by_class(tmp_path):
    lines = [f"{number},1,2:{('up', 'down')[number % 2]}" for number in range(20)]
    path = written(tmp_path, lines)
    written(tmp_path, ["100,1,2:up", "101,1,2:down"], name="Waves_TEST.ts")
    written(tmp_path, ["0,1,2:up"], name="Others_TEST.ts")
    splits = TS(path=path, validation_fraction=0.2).load()
    assert splits.test.inputs[:, 0, 0].tolist() == [100, 101]
    assert np.bincount(splits.validation.targets).tolist() == [2, 2]
    assert (len(splits.train), len(splits.validation)) == (16, 4)
    with pytest.raises(KeyProblem, match="two files for the test part"):
        TS(path=tmp_path).splits(None)
    (tmp_path / "Others_TEST.ts").unlink()
    assert len(TS(path=tmp_path).load().test) == 2


def test_the_last_word_for_a_part_says_it_and_problems_are_not_mixed(tmp_path):
    path = written(tmp_path, RAGGED, name="Training_Load_TRAIN.ts")
    written(tmp_path, RAGGED[:2], name="Training_Load_TEST.ts")
    assert {*TS(path=path).parts()} == {*TS(path=tmp_path).parts()} == {"train", "test"}
    (tmp_path / "Training_Load_TEST.ts").rename(tmp_path / "Coffee_TEST.ts")
    with pytest.raises(KeyProblem, match="files of several problems"):
        TS(path=tmp_path).parts()


def test_numbers_are_not_measured_as_classes(tmp_path):
    like = source(tmp_path, RAGGED).load().spec
    numbers = ["@univariate true", "@targetLabel true", "@data"]
    with pytest.raises(KeyProblem, match="has numbers to predict, the run was trained for label"):
        source(tmp_path, ["1,2,3:0", "3,2:1"], numbers).splits(like)


def test_what_is_missing_may_be_filled_for_a_run_that_was_trained_without(tmp_path):
    like = source(tmp_path, RAGGED).load().spec
    splits = source(tmp_path, ["1,?,3:up", "3,2:down"], on_missing="fill").load(like)
    assert splits.train.inputs[0][:, 0].tolist() == [1, 2, 3]


def test_statistics_are_those_of_the_train_part_alone(tmp_path):
    path = written(tmp_path, RAGGED)
    test = written(tmp_path, ["1,2:up", "2,1:down"], name="Waves_TEST.ts")
    before = TS(path=path, validation_fraction=0.0).load().spec.input
    test.write_text(test.read_text().replace("1,2:up", "1000,2000:up"))
    assert TS(path=path, validation_fraction=0.0).load().spec.input == before
    values = np.concatenate([np.array(line.split(":")[0].split(","), float) for line in RAGGED])
    assert before.mean == pytest.approx((values.mean(),))
    assert before.standard_deviation == pytest.approx((values.std(),))


def test_a_number_is_predicted_where_the_header_says_so(tmp_path):
    header = ["@univariate true", "@targetLabel true", "@data"]
    splits = source(tmp_path, ["1,2:0.5", "3,4:2.25"], header).load()
    assert splits.spec.target.task == "regression"
    assert splits.train.targets.tolist() == [[0.5], [2.25]]


def test_missing_numbers_are_named_or_lie_on_a_line_and_that_is_said(tmp_path):
    lines = ["?,2,?,4,NaN:up", "1,1,1,1,2:down"]
    assert "Waves_TRAIN.ts:6: step 1 is missing; to draw a line" in refused(source(tmp_path, lines))
    splits = source(tmp_path, lines, on_missing="fill").load()
    assert splits.train.inputs[0, :, 0].tolist() == [2, 2, 3, 4, 4]
    assert "1 of 2 (50.0%): numbers that were missing" in splits.noticed[0].words
    assert "has no number" in refused(source(tmp_path, ["?,?:up", "1,1:down"], on_missing="fill"))


def test_names_in_latin_1_and_a_byte_order_mark_do_no_harm(tmp_path):
    path = tmp_path / "Waves_TRAIN.ts"
    content = "\r\n".join(["# thanks to Jürgen", *HEADER, *RAGGED])
    for encoded in (content.encode("latin-1"), b"\xef\xbb\xbf" + content.encode()):
        path.write_bytes(encoded)
        assert len(ts_files.parse(encoded, path).rows) == len(RAGGED)


TIMED = ["@timeStamps true", "@classLabel true up down", "@data"]
TIMES = {
    "numbers": ["(0,1),(1,2):(0,3),(1,4):up", "(5,1),(6,?):(5,3),(6,4):down"],
    "seconds": ["(0.00, 1), (0.33, 2) : (0.00, 3), (0.33, 4) : up", "(0,1),(.33,?):(0,3),(.33,4):down"],
    "clocks": [
        "(2020-01-01 10:00:00,1),(2020-01-01 11:00:00,2):(2020-01-01 10:00:00,3),(2020-01-01 11:00:00,4):up",
        "(2020-06-01 23:00:00,1),(2020-06-02 00:00:00,?):(2020-06-01 23:00:00,3),(2020-06-02 00:00:00,4):down",
    ],
    "months": [
        "(2020-01-01,1),(2020-02-01,2):(2020-01-01,3),(2020-02-01,4):up",
        "(2020-02-01,1),(2020-03-01,?):(2020-02-01,3),(2020-03-01,4):down",
    ],
}


@pytest.mark.parametrize("name", TIMES)
def test_times_at_equal_distances_may_stand_beside_the_numbers(tmp_path, name):
    split = source(tmp_path, TIMES[name], TIMED, on_missing="fill").splits(None).train
    assert split.inputs[:].tolist() == [[[1, 3], [2, 4]], [[1, 3], [1, 4]]]
    assert split.targets.tolist() == [0, 1]


WRONG = {
    "a text in place of a number": (HEADER, ["1,two:up"], ":6: step 2 must be a number, or \\? .* got 'two'"),
    "an infinite number": (HEADER, ["1,inf:up"], ":6: step 2 is infinite"),
    "an empty series": (HEADER, [":up"], ":6: step 1 must be a number"),
    "a class that the header lacks": (HEADER, ["1:up", "2:down", "3:left"], ":8: class 'left' is .* up, down"),
    "no class": (HEADER, ["1,2,3"], ":6: must end in : and the class"),
    "two channels of one": (HEADER, ["1,2:3,4:up"], ":6: has 2 channels, .* series of 1"),
    "channels of two lengths": (["@classLabel true a b", "@data"], ["1,2:3:a"], ":3: channel 1 has 2 .* 2 has 1"),
    "a length that the header denies": (
        ["@univariate true", "@equalLength true", "@classLabel true a b", "@data"], ["1,2:a", "1,2,3:b"],
        ":6: has 3 steps, .* all have 2; .* @equalLength false",
    ),
    "an unknown tag": (["@problemname x", "@dimnsions 2", "@data"], ["1:2"], ':2: is an unknown tag: .* "dimensions"'),
    "a flag that is none": (["@univariate yes", "@data"], ["1:2"], ":1: @univariate must be true or false, got 'yes'"),
    "a count that is none": (["@dimensions -1", "@data"], ["1:2"], ":1: @dimensions must be a whole number above 0"),
    "times that the header denies": (HEADER, ["(0,1),(1,2):up"], ":6: has times in brackets, .* @timeStamps true"),
    "no times": (TIMED, ["1,2:up"], r":4: must be \(time,number\)"),
    "half of a bracket": (TIMED, ["(0,1),(1,2:up"], r":4: must be .* got ',\(1,2:up'"),
    "no class behind times": (TIMED, ["(0,1),(1,2)"], ":4: must end in : and the class"),
    "a time that is none": (TIMED, ["(0,1),(noon,2):up"], ":4: step 2: its time must be a number, or a date"),
    "a time of another kind": (TIMED, ["(2020-01-01,1),(3,2):up"], ":4: step 2: its time must be .* got '3'"),
    "times that fall": (TIMED, ["(0,1),(2,1),(1,2):up"], ":4: step 3: its time 1 must be behind that before, 2"),
    "a step that is missing": (TIMED, ["(0,1),(1,1),(2,1),(4,1),(5,1):up"], ":4: times .* 2 and 4 are not as far"),
    "steps of another length": (TIMED, ["(0,1),(1,2):up", "(0,1),(2,2):down"], ":5: its times are 2 apart, .* 1:"),
    "other times of a channel": (TIMED, ["(0,1),(1,2):(0,1),(2,2):up"], ":4: channel 2 has other times"),
    "no number behind a time": (TIMED, ["(0,1),(1,x):up"], ":4: step 2 must be a number, .* got 'x'"),
    "no data": (["@classLabel true a b"], [], "has no line @data"),
    "no series": (HEADER, [], "has no series behind @data"),
    "series before the data": (["1,2,3:a"], [], ":1: must be a tag, such as @data"),
    "nothing to learn": (["@univariate true", "@classLabel false", "@data"], ["1,2"], "has nothing to learn"),
    "one class": (HEADER, ["1,2:up", "2,1:up"], "at least 2 classes, got only 'up'"),
    "a number that is none": (["@targetLabel true", "@data"], ["1,2:much"], ":3: the number behind .* got 'much'"),
    "a contradiction": (["@univariate true", "@dimensions 3", "@data"], ["1"], "contradict each other"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_with_a_file_is_said_with_its_line(tmp_path, name):
    header, lines, words = WRONG[name]
    with pytest.raises(KeyProblem, match=words):
        source(tmp_path, lines, header).splits(None)


def test_a_class_of_the_test_part_that_nothing_was_trained_on_is_named(tmp_path):
    header = ["@classLabel true up down left", "@data"]
    path = written(tmp_path, ["1,2:up", "2,1:down"], header)
    written(tmp_path, ["1,2:up", "1,1:left"], header, "Waves_TEST.ts")
    with pytest.raises(KeyProblem, match=r"Waves_TEST.ts:4: class 'left' has no series to train on, up, down have"):
        TS(path=path, validation_fraction=0.0).splits(None)


def test_a_test_part_of_other_channels_is_refused(tmp_path):
    path = written(tmp_path, RAGGED)
    written(tmp_path, ["1,2:2,1:up"], ["@classLabel true up down", "@data"], "Waves_TEST.ts")
    with pytest.raises(KeyProblem, match="of 2 channels in .*TEST.ts, of 1 in"):
        TS(path=path).splits(None)


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\xfe@\0d\0", b"@data", b"@", b"@data\n:::", b"@classLabel true\n@data\n1:"]
    + [b"@timeStamps true\n@classLabel true\n@data\n" + line for line in (b"(", b"()", b"():", b"(,):", b"(0,1):(:")],
)
def test_no_file_is_an_error_of_ours(tmp_path, content):
    path = tmp_path / "odd_TRAIN.ts"
    path.write_bytes(content)
    with pytest.raises(KeyProblem, match=str(path)):
        TS(path=path).splits(None)


ROWS = [f"s{number},{step / 10},{number * step},{-step},{'ab'[number % 2]}"
        for number in range(8) for step in range(3 + number % 3)]  # fmt: skip
NOTHING_HELD_OUT = {"test_fraction": 0.0, "validation_fraction": 0.0}
LONG = {"series": "id", "time": "t", "target": "kind", **NOTHING_HELD_OUT}


def table(folder, rows, header="id,t,x,y,kind", **keys):
    path = folder / "table.csv"
    path.write_text("\n".join([header, *rows, ""]))
    return SeriesTable(path=path, **keys)


def test_rows_of_a_long_table_are_the_steps_of_their_series(tmp_path):
    splits = table(tmp_path, ROWS, **LONG).load()
    assert splits.spec.input.names == ("x", "y")
    assert splits.train.inputs.lengths.tolist() == [3 + number % 3 for number in range(8)]
    assert splits.train.inputs[4].tolist() == [[0, 0], [4, -1], [8, -2], [12, -3]]
    assert splits.train.targets.tolist() == [0, 1] * 4
    assert splits.train.provenance[1] == f"{tmp_path / 'table.csv'}:5"


def test_rows_of_series_may_be_mixed_as_long_as_each_is_in_order(tmp_path):
    mixed = sorted(ROWS, key=lambda row: float(row.split(",")[1]))
    one, other = (table(tmp_path, rows, **LONG).load().train.inputs for rows in (ROWS, mixed))
    assert [each.tolist() for each in one] == [each.tolist() for each in other]


def test_columns_of_a_wide_table_are_the_steps_of_each_row(tmp_path):
    rows = [f"{'ab'[number % 2]},{number},1,2" for number in range(6)]
    splits = table(tmp_path, rows, "kind,s1,s2,s3", form="wide", target="kind", **NOTHING_HELD_OUT).load()
    assert splits.spec.input.shape == (3, 1)
    assert splits.train.inputs[:, :, 0].tolist() == [[number, 1, 2] for number in range(6)]


def test_columns_are_those_that_a_run_was_trained_on_in_whatever_order_a_table_has_them(tmp_path):
    long = table(tmp_path, ROWS, **LONG).load()
    swapped = [",".join([*row.split(",")[:2], *row.split(",")[3:1:-1], row.split(",")[4]]) for row in ROWS]
    again = table(tmp_path, swapped, "id,t,y,x,kind", **LONG).load(long.spec)
    assert [each.tolist() for each in again.train.inputs] == [each.tolist() for each in long.train.inputs]
    keys = {"form": "wide", "target": "kind", **NOTHING_HELD_OUT}
    wide = table(tmp_path, [f"{'ab'[row % 2]},{row},1,2" for row in range(6)], "kind,s1,s2,s3", **keys).load()
    other = table(tmp_path, [f"2,{row},{'ab'[row % 2]},1" for row in range(6)], "s3,s1,kind,s2", **keys)
    np.testing.assert_array_equal(other.load(wide.spec).train.inputs, wide.train.inputs)
    (asked,) = other.reader(wide.spec).read([str(tmp_path / "table.csv")], 10)
    np.testing.assert_array_equal(asked.inputs, wide.train.inputs)
    with pytest.raises(KeyProblem, match="not a column of the table: 's2'"):
        table(tmp_path, ["1,1,a"], "s3,s1,kind", **keys).splits(wide.spec)


def test_a_column_says_the_part_of_each_series_and_numbers_are_predicted(tmp_path):
    rows = [f"{('train', 'test')[number > 5]},{number / 4},{number},1" for number in range(8)]
    keys = {"form": "wide", "target": "size", "split": "part", "kind": "numbers"}
    splits = table(tmp_path, rows, "part,size,s1,s2", **keys).load()
    assert splits.test.targets.tolist() == [[1.5], [1.75]]
    assert splits.spec.target.task == "regression"


def changed(line, row):
    return [*ROWS[:line], row, *ROWS[line + 1 :]]


REFUSED = {
    "a text": (changed(1, "s0,0.1,much,1,a"), LONG, "table.csv:3: x must be a number, got 'much'"),
    "a class that changes": (changed(1, "s0,0.1,1,1,b"), LONG, "table.csv:3: kind is 'b', .* series 's0' it is 'a'"),
    "times out of order": (changed(2, "s0,0.0,1,1,a"), LONG, "table.csv:4: t 0.0 does not come behind"),
    "a time that is there twice": (changed(2, "s0,0.1,1,1,a"), LONG, "table.csv:4: t 0.1 is there twice"),
    "a missing time": (changed(2, "s0,,1,1,a"), LONG, "^path .*|table.csv:4: t is missing"),
    "rows of a series apart": ([*ROWS, ROWS[0]], LONG | {"time": None}, "goes on with a id whose rows ended before"),
    "a missing number": (changed(1, "s0,0.1,,1,a"), LONG, "table.csv:2: step 2 of x is missing"),
    "a missing series": (changed(1, ",0.1,1,1,a"), LONG, "table.csv:3: id is missing"),
    "no such column": (ROWS, LONG | {"series": "idd"}, 'not a column .* did you mean "id"'),
    "no such target": (ROWS, LONG | {"target": "knd"}, 'not a column .* did you mean "kind"'),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_wrong_with_a_long_table_is_said_with_file_and_line(tmp_path, name):
    rows, keys, words = REFUSED[name]
    with pytest.raises(KeyProblem, match=words):
        table(tmp_path, rows, **keys).splits(None)


def test_shorter_rows_of_a_wide_table_and_classes_without_training_are_refused(tmp_path):
    rows = [*["a,1,2,3,train", "b,3,2,1,train"] * 3, "a,1,2,,train"]
    keys = {"form": "wide", "target": "kind", "split": "part"}
    header = "kind,s1,s2,s3,part"
    words = refused(table(tmp_path, rows, header, **keys))
    assert "table.csv:8: has no number behind step 2 of 3, 's2'; series of different lengths need form: long" in words
    words = refused(table(tmp_path, [*rows[:-1], "c,1,2,3,test"], header, **keys))
    assert "no series to train on of class 'c'" in words
    assert "table.csv:8" in words


MISFITS = [("series", {"series": None}), ("time", {"form": "wide"}), ("values", {"values": ("kind",)})]


@pytest.mark.parametrize(("key", "keys"), MISFITS)
def test_keys_that_do_not_fit_together_are_refused_before_a_file_is_read(tmp_path, key, keys):
    with pytest.raises(KeyProblem) as caught:
        SeriesTable(**{"path": tmp_path / "none.csv", **LONG, **keys})
    assert caught.value.key == key


def test_arrays_are_series_where_the_config_says_so(tmp_path):
    values = np.arange(60, dtype=np.float64).reshape(10, 3, 2)
    np.savez(tmp_path / "a.npz", x=values, y=np.arange(10) % 2)
    np.savez(tmp_path / "b.npz", x=values[..., 0], y=np.arange(10) % 2)
    for name, shape in (("a", (3, 2)), ("b", (3, 1))):
        made = NPZ(path=tmp_path / f"{name}.npz", series="series", test_fraction=0.0, validation_fraction=0.0)
        assert made.spec().input == WholeSeries(steps=3, channels=shape[1], scaling="series")
        assert made.load().train.inputs.shape == (10, *shape)
    np.savez(tmp_path / "c.npz", x=values[:, 0, 0], y=np.arange(10) % 2)
    with pytest.raises(KeyProblem, match="as series are, got shape"):
        NPZ(path=tmp_path / "c.npz", series="train").spec()
