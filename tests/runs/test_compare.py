"""Runs that differ in the seed are one group; what cannot be compared is said."""

import json

import pytest

from dltrain.errors import RunError
from dltrain.runs.compare import compare
from dltrain.runs.listing import entry
from dltrain.runs.lock import owning
from dltrain.runs.selection import resolve, resolve_each


def compared(*runs):
    return compare([entry(run) for run in runs])


def test_runs_that_differ_only_in_the_seed_are_one_group(make_run):
    low = [make_run(f"low-00{seed + 1}", seed=seed, test=0.80 + seed / 100, rate=0.1) for seed in range(3)]
    high = [make_run(f"high-00{seed + 1}", seed=seed, test=0.90 + seed / 90, rate=0.2) for seed in range(3)]
    found = compared(*low, *reversed(high))
    assert [(group.label, group.seeds) for group in found.groups] == [("low-00*", [0, 1, 2]), ("high-00*", [0, 1, 2])]
    assert found.config == {"optimizer.learning_rate": [0.1, 0.2]}
    accuracy = found.headline
    assert accuracy.name == "test accuracy"
    assert accuracy.verdicts[0].test == "paired t-test"
    assert accuracy.verdicts[0].difference == pytest.approx(0.1 + (1 / 90 - 1 / 100))
    plain = found.to_plain()["metrics"]
    spread = next(each for each in plain if (each["part"], each["metric"]) == ("test", "accuracy"))["groups"][0]
    assert spread["mean"] == pytest.approx(0.81)
    assert spread["standard_deviation"] == pytest.approx(0.01)
    assert json.dumps(found.to_plain())


def test_a_seed_that_was_trained_twice_counts_once_which_is_said(make_run):
    runs = [make_run(f"a-00{number}", seed=seed) for number, seed in ((1, 0), (2, 0), (3, 1))]
    found = compared(*runs)
    assert [each.run.name for each in found.groups[0].entries] == ["a-002", "a-003"]
    assert "a-001 is not counted" in found.notes[0]


def test_the_same_run_again_is_compared_with_the_first(make_run):
    found = compared(make_run("a-001", test=0.8), make_run("a-002", test=0.9))
    assert [group.label for group in found.groups] == ["a-001", "a-002"]
    assert found.config == {}
    assert "--seeds" in found.headline.verdicts[0].reason


def test_lists_of_blocks_differ_in_the_key_that_differs(make_run):
    found = compared(
        make_run("a-001", model="cnn, stages: [{filters: 8}, {filters: 16, dropout: 0.1}]"),
        make_run("b-001", model="cnn, stages: [{filters: 8}, {filters: 32, dropout: 0.1}]"),
    )
    assert found.config == {"model.stages[1].filters": [16, 32]}


def test_of_different_tasks_only_the_configs_are_compared(make_run):
    found = compared(make_run("a-001"), make_run("b-001", task="regression"))
    assert found.config == {"task.name": ["classification", "regression"]}
    assert found.measured == []
    assert "different tasks (classification, regression)" in found.notes[-1]


def test_numbers_of_other_test_data_are_shown_and_not_judged(make_run):
    runs = [make_run(f"{name}-001", rate=rate) for name, rate in (("a", 0.1), ("b", 0.2))]
    for run, fingerprint in zip(runs, "xy", strict=True):
        run.summary.write_text(json.dumps({**run.read_summary(), "data": {"test": fingerprint, "validation": "v"}}))
    found = compared(*runs)
    assert any("different test data" in note for note in found.notes)
    verdicts = {each.name: each.verdicts for each in found.measured}
    assert verdicts["test accuracy"] == [None]
    assert found.headline.name == "validation accuracy"


def test_a_run_that_goes_on_is_compared_as_far_as_it_is(make_run):
    going = make_run("b-001", [0.5, 0.6], status="running", rate=0.1)
    with owning(going):
        found = compared(make_run("a-001"), going)
    best = next(each for each in found.measured if each.part == "best")
    assert [list(values.values()) for values in best.values] == [[0.9], [0.6]]
    assert "b-001 is running, after 2 epochs" in found.notes


def test_one_run_and_a_damaged_one_are_refused(make_run):
    good, bad = make_run("a-001"), make_run("b-001")
    bad.summary.write_text("{")
    with pytest.raises(RunError, match="two runs or more, got a-001"):
        compared(good)
    with pytest.raises(RunError, match="b-001: is damaged"):
        compared(good, bad)


def folds(make_run, name, count, test, **config):
    """Runs as `fit --folds` leaves them, each with its own test data."""
    runs = []
    for number in range(1, count + 1):
        run = make_run(f"{name}-fold{number}-001", test=test + number / 100, **config)
        text = run.config.read_text().replace("digits,", f'digits, test_fraction: "fold {number} of {count}",')
        run.config.write_text(text)
        summary = json.loads(run.summary.read_text())
        run.summary.write_text(json.dumps({**summary, "data": {"test": f"of fold {number}"}}))
        runs.append(run)
    return runs


def test_runs_that_differ_only_in_the_fold_are_one_group_and_are_paired(make_run):
    found = compared(*folds(make_run, "low", 3, 0.8, rate=0.1), *folds(make_run, "high", 3, 0.9, rate=0.2))
    assert [(group.label, group.seeds) for group in found.groups] == [
        ("low-fold*", [1, 2, 3]),
        ("high-fold*", [1, 2, 3]),
    ]
    assert found.config == {"optimizer.learning_rate": [0.1, 0.2]}
    assert found.headline.verdicts[0].difference == pytest.approx(0.1)


def test_folds_beside_runs_of_other_test_data_are_not_judged(make_run):
    found = compared(*folds(make_run, "low", 3, 0.8), *(make_run(f"one-00{seed}", seed=seed) for seed in (1, 2)))
    assert [len(group.entries) for group in found.groups] == [3, 2]


@pytest.mark.parametrize(
    ("words", "sizes"),
    [
        (["low-fold*", "high-fold*"], [3, 4]),
        (["low", "high"], [3, 4]),
        (["low", "one"], [3, 1]),
        (["one", "seeds"], [1, 2]),
        (["seeds", "mixed*"], [2, 2]),
        (["low-fold1-001", "low-fold2-001"], [2]),
        (["*-fold*"], [4, 3]),
    ],
)
def test_a_pattern_or_a_name_is_one_group(make_run, words, sizes):
    low = folds(make_run, "low", 3, 0.8, rate=0.1)
    folds(make_run, "high", 4, 0.9, rate=0.2)
    make_run("one-001", rate=0.3)
    for seed in range(2):
        make_run(f"seeds-seed{seed}-001", seed=seed, rate=0.4)
        make_run(f"mixed-00{seed}", seed=seed, rate=0.5 + seed)
    together = resolve_each(words, low[0].path.parent)
    found = compare([each for entries in together for each in entries], together)
    assert [len(group.entries) for group in found.groups] == sizes
    assert any("mixed" in note and "optimizer.learning_rate" in note for note in found.notes) == ("mixed*" in words)


def test_runs_of_one_word_that_differ_in_more_than_the_seed_are_no_repeats(make_run):
    for number, rate in enumerate((0.1, 0.01, 0.001), 1):
        root = make_run(f"lr{rate}-001", seed=0, rate=rate, test=0.9 - number / 10).path.parent
        make_run(f"a-00{number}", seed=number, rate=1.0)
    together = resolve_each(["lr*", "a-*"], root)
    found = compare([each for entries in together for each in entries], together)
    assert sorted(len(group.entries) for group in found.groups) == [1, 1, 1, 3]
    assert not [note for note in found.notes if "not counted" in note]


def test_the_newest_run_of_each_seed_is_meant_by_the_name(make_run):
    for name in ("a-seed0-001", "a-seed0-002", "a-seed1-001", "a-seed10-001", "ab-seed0-001"):
        root = make_run(name).path.parent
    assert [each.run.name for each in resolve(["a"], root)] == ["a-seed0-002", "a-seed1-001", "a-seed10-001"]
    make_run("a-001")
    assert [each.run.name for each in resolve(["a"], root)] == ["a-001"]
    with pytest.raises(RunError, match="no run 'b'"):
        resolve(["b"], root)
