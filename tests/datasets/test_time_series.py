"""Series in tables: their grid, gaps, clocks, parts and windows; and what cannot be used, by file and line."""

import json

import numpy as np
import polars as pl
import pytest

from dltrain.data import DataSpec
from dltrain.data.noticing import noticing
from dltrain.datasets.time_series import TimeSeries
from dltrain.errors import KeyProblem
from dltrain.features._series import frequency as frequencies
from dltrain.features._series.frequency import SECOND, Frequency
from dltrain.features._series.windows import Windows

HEADER = "time,y"


def days(count, start="2024-01-01"):
    return [str(day) for day in np.datetime64(start) + np.arange(count)]


def table(folder, rows, header=HEADER, name="series.csv"):
    path = folder / name
    path.write_text("\n".join([header, *rows, ""]))
    return path


def plain(folder, values, **keys):
    """Returns a source of daily values."""
    rows = [f"{day},{'' if value is None else value}" for day, value in zip(days(len(values)), values, strict=True)]
    return TimeSeries(**{"path": table(folder, rows), "target": "y", "window": 4, "horizon": 2, **keys})


def targets(part):
    return part.targets[:][..., 0]


def refused(source):
    with pytest.raises(KeyProblem) as caught:
        source.splits(None)
    return str(caught.value)


def test_windows_are_the_steps_before_their_targets(tmp_path):
    splits = plain(tmp_path, range(20), test=4, validation=4).splits(None)
    assert isinstance(splits.train.inputs, Windows)
    np.testing.assert_array_equal(splits.train.inputs[:][0, :, 0], [0, 1, 2, 3])
    np.testing.assert_array_equal(targets(splits.train)[[0, -1]], [[4, 5], [10, 11]])
    np.testing.assert_array_equal(targets(splits.validation), [[12, 13], [13, 14], [14, 15]])
    np.testing.assert_array_equal(targets(splits.test), [[16, 17], [17, 18], [18, 19]])
    assert splits.test.provenance[0] == f"{tmp_path / 'series.csv'}:18"
    assert splits.test.metadata["time"].tolist() == [
        int(np.datetime64(f"2024-01-{day}", "us").astype(int)) for day in (17, 18, 19)
    ]


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("horizon", [1, 3])
def test_no_target_is_in_two_parts_and_the_last_step_is_in_one(tmp_path, stride, horizon):
    splits = plain(tmp_path, range(60), horizon=horizon, stride=stride, test=0.25, validation=0.2).splits(None)
    seen = {name: set(targets(part).ravel().tolist()) for name, part in splits.parts.items()}
    for name, values in seen.items():
        for other, others in seen.items():
            assert name == other or not values & others
    assert max(seen["train"]) < min(seen["validation"])
    assert max(seen["validation"]) < min(seen["test"])
    assert max(seen["test"]) == 59
    for part in splits.parts.values():
        assert part.inputs[:][:, -1, 0].tolist() == (targets(part)[:, 0] - 1).tolist()


def test_no_window_of_train_or_validation_has_a_target_of_a_part_behind_it(tmp_path):
    splits = plain(tmp_path, range(60), test=0.25, validation=0.2).splits(None)
    for before, behind in (("train", "validation"), ("train", "test"), ("validation", "test")):
        known = set(splits.parts[before].inputs[:].ravel().tolist())
        assert not known & set(targets(splits.parts[behind]).ravel().tolist())


def test_memory_is_that_of_the_series(tmp_path):
    splits = plain(tmp_path, range(400), window=50, horizon=20).splits(None)
    first = splits.train.inputs
    assert first.collection is splits.test.inputs.collection is splits.train.targets.collection
    assert first.collection.values.nbytes == 400 * 4
    assert first.take(np.arange(3)).collection is first.collection


def test_what_is_learnt_does_not_change_with_the_test_part(tmp_path):
    values = list(np.random.RandomState(0).normal(10, 3, 80))
    specs = []
    for last in (values, values[:60] + [1e6] * 20):
        source = plain(tmp_path, last, test=20, validation=10)
        specs.append(source.load().spec)
    assert specs[0] == specs[1]
    assert specs[0].input.mean[0] == pytest.approx(np.mean(values), abs=2)


def test_parts_may_be_dates(tmp_path):
    splits = plain(tmp_path, range(40), test="2024-02-01", validation="2024-01-21").splits(None)
    assert targets(splits.test)[0, 0] == 31
    assert targets(splits.validation)[[0, -1]].tolist() == [[20, 21], [29, 30]]
    assert targets(splits.train)[-1, -1] == 19
    assert "test must be a share" in refused(plain(tmp_path, range(40), test="tomorrow"))


def test_folds_have_a_rolling_origin(tmp_path):
    source = plain(tmp_path, range(60), validation=0.0)
    tested = []
    for number in (1, 2, 3):
        splits = plain(tmp_path, range(60), validation=0.0, **source.fold("test", number, 3)).splits(None)
        tested += [targets(splits.test)[0, 0], targets(splits.test)[-1, -1]]
        assert targets(splits.train)[-1, -1] == targets(splits.test)[0, 0] - 1
    assert tested == [15, 29, 30, 44, 45, 59]
    assert source.undivided().load().test is None


@pytest.mark.parametrize(
    ("times", "words", "ends"),
    [
        (["2024-01-31", "2024-02-29", "2024-03-31", "2024-04-30"], "1 month", ("2024-01-31", "2024-04-30")),
        (["2023-01", "2023-02", "2023-03", "2023-04"], "1 month", ("2023-01-01", "2023-04-01")),
        (["2020-Q1", "2020-Q2", "2020-Q3", "2020-Q4"], "1 quarter", ("2020-01-01", "2020-10-01")),
        (["2019-01-01", "2020-01-01", "2021-01-01"], "1 year", ("2019-01-01", "2021-01-01")),
        (["2024-01-01", "2024-01-08", "2024-01-15"], "1 week", ("2024-01-01", "2024-01-15")),
        (
            ["2024-01-01T00:00", "2024-01-01T00:15", "2024-01-01T00:30"],
            "15 minutes",
            ("2024-01-01T00:00:00", "2024-01-01T00:30:00"),
        ),
        (["1700", "1701", "1702"], "1 apart", ("1700", "1702")),
        (["10", "20", "30", "40"], "10 apart", ("10", "40")),
        (["1500000000", "1500003600", "1500007200"], "1 hour", ("2017-07-14T02:40:00", "2017-07-14T04:40:00")),
    ],
)
def test_how_far_apart_steps_are_is_found_and_said(tmp_path, times, words, ends):
    path = table(tmp_path, [f"{time},{place}" for place, time in enumerate(times)])
    source = TimeSeries(path=path, target="y", window=1, horizon=1, test=0, validation=0)
    with noticing() as noticed:
        splits = source.splits(None)
    assert words in noticed[0].words
    collection = splits.train.inputs.collection
    assert len(collection.values) == len(times)
    read = frequencies.texts(collection.frequency, collection.frequency.instants(collection.ordinals))
    assert (read[0], read[-1]) == ends


def test_months_are_continued_as_calendars_have_them():
    ends = Frequency("months", 1, 0, 0)
    january = np.array([int(np.datetime64("2023-12-31", "us").astype(int))])
    assert frequencies.texts(ends, ends.after(january, 4)[0]) == [
        "2023-12-31",
        "2024-01-31",
        "2024-02-29",
        "2024-03-31",
    ]
    hours = Frequency("microseconds", 3600 * SECOND)
    assert frequencies.texts(hours, hours.after(january, 2)[0]) == ["2023-12-31T00:00:00", "2023-12-31T01:00:00"]
    assert frequencies.calendar(january, None)["weekday"].tolist() == [6]


def test_gaps_are_named_by_file_and_line(tmp_path):
    rows = [f"{day},{place}" for place, day in enumerate(days(20))]
    path = table(tmp_path, rows[:5] + rows[8:])
    keys = {"path": path, "target": "y", "window": 2, "horizon": 1}
    words = refused(TimeSeries(**keys))
    assert f"{path}:7: 3 steps are missing before 2024-01-09; on_gap: fill" in words
    filled = TimeSeries(**keys, on_gap="fill", test=4, validation=0).splits(None)
    values = filled.train.inputs.collection.values[:, 0]
    assert values[4:9].tolist() == [4, 4, 4, 4, 8]
    wanted = targets(filled.train)
    assert 4 in wanted
    assert set(wanted.ravel().tolist()) == {2, 3, 4, 8, 9, 10, 11, 12, 13, 14, 15}
    parted = TimeSeries(**keys, on_gap="split", test=4, validation=0).splits(None)
    assert targets(parted.train).ravel().tolist() == [2, 3, 4, 10, 11, 12, 13, 14, 15]


def test_what_is_filled_in_is_no_target(tmp_path):
    values = [*range(10), None, *range(11, 20)]
    assert "y is missing at 2024-01-11" in refused(plain(tmp_path, values))
    splits = plain(tmp_path, values, on_gap="fill", test=0, validation=0).splits(None)
    wanted = targets(splits.train)
    assert np.isnan(wanted).sum() == 2
    assert splits.train.inputs[:][7, :, 0].tolist() == [7, 8, 9, 9]
    ends = plain(tmp_path, [None, None, *range(2, 18), None, None], test=0, validation=0).splits(None)
    assert targets(ends.train)[[0, -1]].tolist() == [[6, 7], [16, 17]]


@pytest.mark.parametrize(
    ("rows", "keys", "words"),
    [
        (["2024-01-01,1", "2024-01-01,2", "2024-01-02,3"], {}, ":3: time 2024-01-01 is there twice, before at"),
        (["2024-01-02,1", "2024-01-01,2", "2024-01-03,3"], {}, ":3: time 2024-01-01 comes behind 2024-01-02"),
        (["2024-01-01,1", "2024-01-02,two", "2024-01-03,3"], {}, ":3: y must be a number, got 'two'"),
        (["2024-01-01,1", "noon,2", "2024-01-03,3"], {}, ":3: time must be a date or time"),
        (["2024-01-01,1", "2024-01-02,2", "2024-01-03,3"], {}, "window and horizon need 4 + 2 steps in a row"),
        (["2024-01-01,1", "2024-01-02,2", "2024-01-02T11:00,3"], {}, ":4: 2024-01-02T11:00 is not on the grid"),
        (["2024-01-01,1", "2024-01-02,-2"], {"transform": "sqrt"}, ":3: y is -2, but transform: sqrt takes values"),
        (["2024-01-01,-1e-9", "2024-01-02,2"], {"transform": "log1p"}, ":2: y is -1e-09, but transform: log1p takes"),
        (["2024-01-01,1", "2024-01-02,2"], {"target": "z"}, "target is not a column of the table: 'z'"),
        (["2024-01-01,1", "2024-01-02,2"], {"past": ("warm",)}, "past is not a column of the table: 'warm'"),
        (["2024-01-01,1", "2024-01-02,2"], {"time": "when"}, "time is not a column of the table: 'when'"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_named(tmp_path, rows, keys, words):
    keys = {"target": "y", "window": 4, "horizon": 2, **keys}
    assert words in refused(TimeSeries(path=table(tmp_path, rows), **keys))


def test_a_value_that_is_not_transformed_is_named_by_its_column_in_wide_form(tmp_path):
    rows = [f"{day},{place},{7 - place}" for place, day in enumerate(days(30))]
    source = TimeSeries(path=table(tmp_path, rows, "time,a,b"), form="wide", window=4, horizon=2, transform="log1p")
    assert ":10: b is -1, but transform: log1p takes" in refused(source)


def test_covariates_may_be_negative_where_the_target_is_transformed(tmp_path):
    rows = [f"{day},{place},{-place}" for place, day in enumerate(days(40))]
    source = TimeSeries(
        path=table(tmp_path, rows, "time,y,x"), target="y", past=("x",), window=4, horizon=2, transform="sqrt"
    )
    feature = source.splits(None).spec.input
    windows = source.splits(None).train.inputs[:]
    np.testing.assert_allclose(feature.mean, (np.sqrt(windows[..., 0]).mean(), windows[..., 1].mean()), rtol=1e-5)


def test_a_part_shorter_than_the_horizon_is_told(tmp_path):
    words = refused(plain(tmp_path, range(40), horizon=6, test=5, validation=0))
    assert words.startswith("test leaves the test part no window: it has 5 steps, the horizon is 6")


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"target": None}, "target must name the column to forecast"),
        ({"past": ("y",)}, "past names 'y', which is already in target"),
        ({"known": ("k",), "window": 1}, "window must be at least the horizon, 2"),
        ({"frequency": "often"}, "frequency must be auto or such as 1 hour"),
        ({"time_zone": "Nowhere/Land"}, "time_zone must be a zone such as Europe/Berlin"),
        ({"season": 9}, "season must be at most the window, 4"),
        ({"form": "wide", "series": "s"}, "series must be none in wide form"),
        ({"calendar": ("hour", "hour")}, "calendar must name each part once"),
    ],
)
def test_keys_that_do_not_fit_are_told(tmp_path, keys, words):
    with pytest.raises(KeyProblem, match=words):
        TimeSeries(**{"path": tmp_path, "target": "y", "window": 4, "horizon": 2, **keys})


def test_long_and_wide_form_are_the_same_series(tmp_path):
    steps = days(30)
    wide = [f"{day},{place},{100 - place},{place % 3}" for place, day in enumerate(steps)]
    long = [f"{day},a,{place},{place % 3}" for place, day in enumerate(steps)]
    long += [f"{day},b,{100 - place},{place % 3}" for place, day in enumerate(steps)]
    one = TimeSeries(
        path=table(tmp_path, wide, "time,a,b,k", "wide.csv"), form="wide", known=("k",), window=4, horizon=2
    ).splits(None)
    other = TimeSeries(
        path=table(tmp_path, long, "time,s,y,k", "long.csv"), series="s", target="y", known=("k",), window=4, horizon=2
    ).splits(None)
    for name, part in one.parts.items():
        np.testing.assert_array_equal(part.inputs[:], other.parts[name].inputs[:])
        np.testing.assert_array_equal(part.targets[:], other.parts[name].targets[:])
        assert part.metadata["series"].tolist() == other.parts[name].metadata["series"].tolist()
    first = one.train.inputs[:][0]
    assert first[:, 0].tolist() == [0, 1, 2, 3, 0, 0]
    assert first[:, 1].tolist() == [0, 1, 2, 0, 1, 2]


@pytest.mark.parametrize("suffix", [".tsv", ".parquet", ".jsonl"])
def test_each_format_holds_the_same_series(tmp_path, suffix):
    frame = pl.DataFrame({"time": days(30), "y": [float(place) for place in range(30)]})
    path = tmp_path / f"series{suffix}"
    if suffix == ".parquet":
        frame.with_columns(pl.col("time").str.to_date()).write_parquet(path)
    elif suffix == ".jsonl":
        path.write_text("".join(f"{json.dumps(row)}\n" for row in frame.to_dicts()))
    else:
        frame.write_csv(path, separator="\t")
    splits = TimeSeries(path=path, target="y", window=4, horizon=2).splits(None)
    np.testing.assert_array_equal(splits.train.targets[:], plain(tmp_path, range(30)).splits(None).train.targets[:])


def test_an_hour_that_clocks_show_twice_or_never_is_no_fault_in_its_zone(tmp_path):
    hours = np.datetime64("2024-10-26T22") + np.arange(30)
    utc = pl.Series(hours.astype("datetime64[us]")).dt.replace_time_zone("UTC")
    local = utc.dt.convert_time_zone("Europe/Berlin").dt.strftime("%Y-%m-%d %H:%M").to_list()
    assert len(set(local)) == 29
    path = table(tmp_path, [f"{time},{place}" for place, time in enumerate(local)])
    keys = {"path": path, "target": "y", "window": 4, "horizon": 2}
    assert "is there twice" in refused(TimeSeries(**keys))
    splits = TimeSeries(**keys, time_zone="Europe/Berlin", calendar=("hour",)).splits(None)
    collection = splits.train.inputs.collection
    assert len(collection.values) == 30
    shown = [int(time[11:13]) for time in local]
    angles = 2 * np.pi * np.array(shown) / 24
    np.testing.assert_allclose(collection.values[:, 1], np.sin(angles), atol=1e-6)
    never = table(tmp_path, ["2024-03-31 01:00,1", "2024-03-31 02:00,2", "2024-03-31 03:00,3"])
    words = refused(TimeSeries(**{**keys, "path": never}, time_zone="Europe/Berlin"))
    assert ":3: clocks of Europe/Berlin never show 2024-03-31 02:00" in words


@pytest.mark.parametrize(("period", "trend"), [(7, 0.0), (12, 0.5)])
def test_the_season_is_found_under_noise_and_trend(tmp_path, period, trend):
    place = np.arange(200)
    values = 10 * np.sin(2 * np.pi * place / period) + trend * place + np.random.RandomState(0).normal(0, 1, 200)
    assert plain(tmp_path, values, window=30).load().spec.input.season == period
    noise = plain(tmp_path, np.random.RandomState(0).normal(0, 1, 200), window=30).load().spec.input
    assert noise.season == 1
    assert plain(tmp_path, values, window=30, season=5).load().spec.input.season == 5


def test_mase_divides_by_the_seasonal_naive_error_of_the_train_part_of_each_series(tmp_path):
    random = np.random.RandomState(0)
    values = {name: random.normal(0, scale, 60).round(3) for name, scale in (("a", 1), ("b", 50))}
    rows = [f"{day},{name},{value}" for name, of in values.items() for day, value in zip(days(60), of, strict=True)]
    source = TimeSeries(
        path=table(tmp_path, rows, "time,s,y"),
        series="s",
        target="y",
        window=6,
        horizon=2,
        season=3,
        test=10,
        validation=10,
    )
    part = source.load().test
    for name, of in values.items():
        expected = np.abs(of[3:40] - of[:37]).mean()
        own = part.metadata["series"] == name
        assert part.metadata["naive_error"][own][:, 0] == pytest.approx(expected, rel=1e-5)


def test_a_run_gives_its_features_to_other_data(tmp_path):
    like = plain(tmp_path, range(40)).load().spec
    other = plain(tmp_path, [value * 100 for value in range(60)]).load(like)
    assert other.spec == like
    assert DataSpec.of_plain(json.loads(json.dumps(like.plain()))) == like
    monthly = [f"{month}-01,{place}" for place, month in enumerate(np.datetime64("2020-01") + np.arange(40))]
    found = TimeSeries(path=table(tmp_path, monthly), target="y", window=4, horizon=2).load().spec
    assert like.mismatch(found) == "steps of 1 day, got 1 month"


def test_a_time_far_away_does_not_fill_the_memory(tmp_path):
    rows = [*(f"{day},{place}" for place, day in enumerate(days(60))), "9000-01-01,1"]
    source = TimeSeries(path=table(tmp_path, rows), target="y", window=4, horizon=2, on_gap="split")
    assert "leaves most of the grid, 1 day, empty" in refused(source)
