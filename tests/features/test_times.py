"""Dates and times in all forms that people and programs write: the same instant is the same number."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dltrain.datasets.csv import CSV
from dltrain.features._tables.times import are_instants, as_times, is_day_first, notices, resemblance

INSTANT = datetime(2015, 4, 17, 20, 35, 17)
FORMS = [
    "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y/%m/%d %H:%M:%S", "%Y-%m-%d, %H:%M:%S", "%Y%m%d %H:%M:%S",
    "%m/%d/%Y %I:%M:%S%p", "%m/%d/%Y %I:%M:%S %p", "%m-%d-%Y %H:%M:%S", "%m/%d/%y %H:%M:%S", "%d.%m.%Y %H:%M:%S",
    "%d.%m.%y %H:%M:%S", "%d %b %Y %H:%M:%S", "%d-%b-%Y %H:%M:%S", "%d%b%Y %H:%M:%S", "%d %B %Y, %I:%M:%S %p",
    "%B %d, %Y %H:%M:%S", "%b. %d %Y %H:%M:%S", "%A, %d %B %Y %H:%M:%S", "%a, %d %b %Y %H:%M:%S GMT",
]  # fmt: skip


def seconds_of(text, day_first=False):
    """Returns the seconds since 1970 of one value; none where it is none."""
    (row,) = as_times(pl.Series("x", [text]), day_first).rows()
    days, seconds = row
    return None if days is None else days * 86_400 + (seconds or 0.0)


@given(st.datetimes(datetime(1969, 1, 1), datetime(2068, 12, 31)), st.sampled_from(FORMS))
def test_an_instant_is_the_same_number_in_each_form(instant, form):
    instant = instant.replace(microsecond=0)
    assert seconds_of(instant.strftime(form)) == instant.replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    "text",
    [
        "2015-04-17T20:35:17Z", "2015-04-17T20:35:17.000+00:00", "2015-04-17 22:35:17+02", "2015-04-18T02:05:17 +0530",
        "2015-04-17T13:35:17-0700", "04/17/2015 08:35:17 p.m.", "17th April 2015 20:35:17", "1429302917",
        "1429302917.0", "1429302917000", "1429302917000000", "1429302917000000000", " 2015-04-17 20:35:17 ",
        "2015-04-17 20:35:17,000", "20150417T203517", "20150417T203517Z", "20150417T203517.000+0000",
        "20150417T223517+02", "20150417T163517-0400",
    ],
)  # fmt: skip
def test_offsets_halves_of_the_day_and_numbers_are_the_same_instant(text):
    assert seconds_of(text) == INSTANT.replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("08:35", 30_900), ("8:35 PM", 74_100), ("12 AM", 0), ("12:30 pm", 45_000), ("23:59:59.25", 86_399.25)],
)
def test_a_time_of_the_day_needs_no_day(text, seconds):
    assert as_times(pl.Series("x", [text])).rows() == [(None, seconds)]


@pytest.mark.parametrize(
    "text",
    [
        "2020-02-30", "2021-13-01", "13/1/2020", "25:00", "24:00", "12:60", "13:00 PM", "0:30 AM", "2020-01-03 5",
        "5", "20", "hello", "2:1", "1.2.3.4", "2020-01-01 and more", "may", "99999999",
        "20150417T2535", "20151317T101112", "20150417T1", "12345678901234567890123", "",
    ],
)  # fmt: skip
def test_what_is_no_time_is_none_and_no_part_of_it_is_used(text):
    assert as_times(pl.Series("x", [text])).rows() == [(None, None)]


def test_the_order_of_day_and_month_is_seen_from_the_column():
    column = pl.Series("x", ["3/4/2020", "13/4/2020"])
    assert is_day_first(column)
    assert seconds_of("3/4/2020", day_first=True) == datetime(2020, 4, 3, tzinfo=UTC).timestamp()
    assert seconds_of("3-4-20") == datetime(2020, 3, 4, tzinfo=UTC).timestamp()


def test_what_is_not_plain_is_said():
    assert notices(pl.Series("x", ["2020-01-02", "2020-01-03 04:05"])) == []
    told = notices(pl.Series("x", ["3/4/20", "5/6/71 10:00+02:00"]))
    assert [words.split(" ")[0] for words in told] == ["3/4/2020", "years", "times"]
    assert notices(pl.Series("x", [1_429_302_917_000])) == ["whole numbers are milliseconds since 1970"]


def test_dates_and_times_of_parquet_are_the_same():
    plain = pl.Series("x", [INSTANT, None])
    assert as_times(plain).rows() == as_times(pl.Series("x", [str(INSTANT), None])).rows()
    berlin = plain.dt.replace_time_zone("Europe/Berlin")
    assert as_times(berlin).rows()[0] == (16_542, 66_917.0)  # two hours earlier in UTC
    assert as_times(pl.Series("x", [date(1969, 12, 31)])).rows() == [(-1, None)]
    assert as_times(pl.Series("x", [INSTANT.time()])).rows() == [(None, 74_117.0)]


@pytest.mark.parametrize("unit", [1, 1000, 10**6, 10**9])
def test_numbers_are_instants_where_all_are_of_one_unit(unit):
    numbers = [int(datetime(2001, 1, 2, tzinfo=UTC).timestamp()) + 86_400 * day for day in range(5)]
    assert are_instants(pl.Series("x", [number * unit for number in numbers]))
    assert are_instants(pl.Series("x", [str(number * unit) for number in numbers]))
    assert not are_instants(pl.Series("x", [*numbers, 12]))
    assert not are_instants(pl.Series("x", [number + 0.5 for number in numbers]))


def test_many_rows_are_read_as_each_by_itself():
    steps = [INSTANT + timedelta(seconds=7919 * step) for step in range(200)]
    texts = [step.strftime(FORMS[number % len(FORMS)]) for number, step in enumerate(steps)]
    whole = as_times(pl.Series("x", texts))
    found = whole["days"] * 86_400 + whole["seconds"]
    assert np.array_equal(found.to_numpy(), [step.replace(tzinfo=UTC).timestamp() for step in steps])


@pytest.mark.parametrize(
    ("cells", "key"),
    [
        ([f"2020-03-{day:02} 10:00 EST" for day in range(1, 29)], "dates"),
        ([f"{day:02}.03.2020, 10.00 Uhr" for day in range(1, 29)], "dates"),
        (
            [f"2020-03-{day:02}T10:00:00 Europe/Berlin" for day in range(1, 29)],
            "dates",
        ),
        ([f"{hour}:30 CET" for hour in range(24)], "dates"),
        ([1_500_000_000 + 86_400 * day for day in range(30)], "seconds since 1970"),
        ([1_500_000_000_000 + 86_400_000 * day for day in range(30)], "milliseconds since 1970"),
        ([f"{1_500_000_000 + 86_400 * day}" for day in range(30)], "seconds since 1970"),
        ([20_200_101 + day for day in range(30)], "20200131"),
        ([f"{20_200_101 + day}" for day in range(30)], "20200131"),
        ([20_200_101.0 + day for day in range(30)], "20200131"),
    ],
)
def test_what_looks_like_times_but_is_not_taken_for_them_is_said_with_the_key(tmp_path, cells, key):
    table = pl.DataFrame({"x": cells * 4, "n": np.arange(4.0 * len(cells)), "y": [0, 1] * (2 * len(cells))})
    table.write_parquet(tmp_path / "t.parquet")
    said = [
        each.words for each in CSV(path=tmp_path / "t.parquet", target="y").load().noticed if "looks like" in each.words
    ]
    assert len(said) == 1
    assert said[0].startswith("column 'x' looks like")
    assert key in said[0]
    assert "dates" in said[0]
    if key != "dates":
        read = CSV(path=tmp_path / "t.parquet", target="y", dates=("x",)).load()
        assert {column.part for column in read.spec.input.columns if column.source == "x"} >= {"year", "day"}


@pytest.mark.parametrize(
    "cells",
    [
        [1_500_000_000, 7], [3_000_000_000, 3_000_000_001], [20_201_301, 20_200_101], [12_345_678, 20_200_101],
        ["2:1", "3:0"], ["10.50 kg", "9.20 kg"], ["red", "2020-01-01"], [0.5, 1.5], [True, False],
        ["2020-01-01 was a day of many words", "2020-01-02 too"],
    ],
)  # fmt: skip
def test_other_values_look_like_no_times(cells):
    assert resemblance(pl.Series("x", cells)) == ""


def test_minutes_that_a_run_of_whole_hours_does_not_use_are_said(tmp_path):
    def table(clock):
        rows = [f"2020-01-{row % 28 + 1:02} {clock(row)},{row / 7},{row % 2}" for row in range(60)]
        (tmp_path / "t.csv").write_text("\n".join(["x,n,y", *rows]))
        return CSV(path=tmp_path / "t.csv", target="y", test_fraction=0.0, validation_fraction=0.0)

    trained = table(lambda row: f"{row % 24:02}:00").load()
    assert not [each for each in trained.noticed if "hours" in each.words]
    feature = trained.spec.input
    encoded = feature.encode([{"x": f"2020-01-03 {clock}", "n": 1} for clock in ("10:00", "10:59", "10:00:01")])
    words = "column 'x': training had whole hours, minutes are not used, got '2020-01-03 10:{}'"
    assert encoded.notices == {1: [words.format("59")], 2: [words.format("00:01")]}
    other = table(lambda row: f"{row % 24:02}:{row % 2 * 59:02}").load(trained.spec)
    (said,) = [each.words for each in other.noticed]
    assert said.startswith(
        "column 'x': training had whole hours, minutes are not used; 30 values have some, for example"
    )
    assert said.endswith("t.csv:3")
    exact = table(lambda row: f"{row % 24:02}:59").load().spec.input
    assert not exact.encode([{"x": "2020-01-03 10:58", "n": 1}]).notices
