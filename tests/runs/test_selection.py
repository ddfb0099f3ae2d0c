"""Which runs are shown, in which order, and which one a word means."""

import os

import pytest

from dltrain.errors import RunError
from dltrain.runs.listing import entries
from dltrain.runs.selection import order, resolve, select


@pytest.fixture
def found(make_run, tmp_path):
    make_run("net-001", [0.7], rate=0.1, model="cnn")
    make_run("net-002", [0.5, 0.9], rate=0.001)
    make_run("other-001", [], status="failed", saved=False)
    for age, name in enumerate(("other-001", "net-002", "net-001")):
        for path in [tmp_path / "runs" / name, *(tmp_path / "runs" / name).iterdir()]:
            os.utime(path, (1e9 - age, 1e9 - age))
    return entries(tmp_path / "runs")


def names(entries):
    return [each.run.name for each in entries]


@pytest.mark.parametrize(
    ("words", "where", "expected"),
    [
        (["net"], [], ["net-001", "net-002"]),
        (["NET", "cnn"], [], ["net-001"]),
        ([], ["status=failed"], ["other-001"]),
        ([], ["optimizer.learning_rate=1e-3"], ["net-002"]),
        ([], ["model.units=[8]", "model=mlp"], ["net-002", "other-001"]),
        ([], ["test.accuracy=0.85", "epochs=1"], ["net-001"]),
        (["nothing"], [], []),
    ],
)
def test_runs_are_chosen_by_words_and_by_keys(found, words, where, expected):
    assert sorted(names(select(found, words, where))) == expected


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("newest", ["other-001", "net-002", "net-001"]),
        ("best", ["net-002", "net-001", "other-001"]),
        ("name", ["net-001", "net-002", "other-001"]),
        ("time", ["net-002", "net-001", "other-001"]),
        ("optimizer.learning_rate", ["net-002", "other-001", "net-001"]),
    ],
)
def test_runs_are_ordered_the_best_or_the_longest_first(found, key, expected):
    assert names(order(found, key)) == expected


@pytest.mark.parametrize("condition", ["modle=cnn", "model"])
def test_a_condition_that_no_run_can_meet_is_refused(found, condition):
    with pytest.raises(RunError, match=r'did you mean "model"|must be KEY=VALUE'):
        select(found, [], [condition])
    with pytest.raises(RunError, match='did you mean "best"'):
        order(found, "bst")


def test_a_word_means_a_folder_a_name_a_stem_or_a_pattern_and_each_run_once(found, tmp_path):
    root = tmp_path / "runs"
    assert names(resolve(["net"], root)) == ["net-002"]
    assert names(resolve(["net-*", "net-001", str(root / "net-002")], root)) == ["net-001", "net-002"]
    for word, words in (
        ("nett-001", 'did you mean "net-001"'),
        ("x*", "matches 'x\\*'"),
        ("..", "is not a run folder"),
    ):
        with pytest.raises(RunError, match=words):
            resolve([word], root)
