"""What `init` takes for whole series with a class each, and what for rows one by one, or for series to forecast."""

import numpy as np
import pytest

from dltrain.datasets.csv import CSV
from dltrain.datasets.series_table import SeriesTable
from dltrain.datasets.time_series import TimeSeries
from dltrain.registry import DATASETS


def rows(header="id,step,x,kind", line="s{series},{step},{value:.3f},{kind}", series=24, steps=8, mixed=False):
    """Returns the lines of a table, a row per step of series whose classes take turns."""
    random, places = np.random.RandomState(0), [(one, step) for one in range(series) for step in range(steps + one % 2)]
    if mixed:
        places.sort(key=lambda place: place[1])
    return [header] + [
        line.format(
            series=one, step=step, value=random.normal(), kind=("rises", "falls", "stays")[one % 3],
            number=one % 3, day=np.datetime64("2024-01-01") + step, level=one % 4, part=("train", "test")[one % 6 == 0],
        )
        for one, step in places
    ]  # fmt: skip


def proposed(folder, lines, target=None):
    """Returns the first dataset that proposes a block, as `init` asks them, and its proposal."""
    path = folder / "table.csv"
    path.write_text("\n".join([*lines, ""]))
    for name in DATASETS.names():
        if (proposal := DATASETS[name].proposed(path, target)) is not None:
            return DATASETS[name], proposal
    raise AssertionError("none")


SERIES = {
    "numbered steps": ({}, {"target": "kind", "series": "id", "time": "step"}),
    "rows in the order of time": ({"mixed": True}, {"series": "id", "time": "step"}),
    "no column of steps": ({"header": "id,x,kind", "line": "s{series},{value},{kind}"}, {"series": "id"}),
    "numbers for names, classes in front": (
        {"header": "class,trial_id,t,x,y", "line": "{number},{series},{step},{value},{value}"},
        {"target": "class", "series": "trial_id", "time": "t"},
    ),
    "dates, which could be forecast": (
        {"header": "date,sensor,x,label", "line": "{day},s{series},{value},{kind}"},
        {"target": "label", "series": "sensor", "time": "date"},
    ),
    "parts, and a word beside": (
        {"header": "id,step,x,word,split,kind", "line": "s{series},{step},{value},w{step},{part},{kind}"},
        {"split": "split", "values": ("x",)},
    ),
    "a column without a value": (
        {"header": "id,step,x,y,kind", "line": "s{series},{step},{value},,{kind}"}, {"series": "id"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SERIES)
def test_steps_of_series_with_a_class_each_are_seen_and_it_is_said_why(tmp_path, name):
    settings, keys = SERIES[name]
    kind, proposal = proposed(tmp_path, rows(**settings))
    assert kind is SeriesTable
    assert proposal.keys.items() >= keys.items()
    assert "24 series of 8 to 9 steps" in proposal.found[0]
    assert (
        f"{proposal.keys['target']!r} is the same in all rows of each {proposal.keys['series']!r}" in proposal.found[0]
    )
    assert sorted(proposal.counts.values()) == [8, 8, 8]
    assert "csv" in proposal.remarks["path"]
    made = kind(**proposal.keys)
    assert sum(made.sizes().values()) == proposal.examples == 24


def test_a_number_that_is_missing_is_filled(tmp_path):
    lines = rows()
    lines[5] = lines[5].rpartition(",")[0].rpartition(",")[0] + ",,rises"
    kind, proposal = proposed(tmp_path, lines)
    assert kind is SeriesTable and proposal.keys["on_missing"] == "fill"


def test_a_target_that_is_named_decides(tmp_path):
    lines = rows("date,shop,sold,region", "{day},s{series},{value},{kind}", series=24, steps=60)
    assert proposed(tmp_path, lines)[0] is TimeSeries
    kind, proposal = proposed(tmp_path, lines, "region")
    assert kind is SeriesTable and proposal.keys["target"] == "region"
    kind, proposal = proposed(tmp_path, rows(series=24, steps=60), "x")
    assert kind is not SeriesTable and proposal.keys["target"] == "x"


OTHERS = {
    "a class that changes within a series": {"line": "s{series},{step},{value:.3f},{step}"},
    "a series per class": {"line": "{kind},{step},{value:.3f},{kind}"},
    "two rows to a series": {"steps": 1, "series": 60},
    "values that never change": {"line": "s{series},{step},{level},{kind}"},
    "rows without order or steps": {"header": "id,x,kind", "line": "s{series},{value},{kind}", "mixed": True},
    "steps that fall": {"line": "s{series},-{step},{value:.3f},{kind}"},
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_tables_are_none_of_whole_series(tmp_path, name):
    assert proposed(tmp_path, rows(**OTHERS[name]))[0] is CSV
