"""Every folder is told as what it is; a damaged one stops nobody."""

import json

import pytest

from dltrain.errors import RunError
from dltrain.runs.folder import Run
from dltrain.runs.listing import entries, entry, is_run
from dltrain.runs.lock import owner, owning


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("summary.json", '{"status":', "summary.json: cannot be read"),
        ("summary.json", "[1]", "summary.json: must be an object whose status is"),
        ("summary.json", '{"status": "dancing"}', "summary.json: must be an object whose status is"),
        (
            "summary.json",
            '{"status": "finished", "test": {"accuracy": "much"}}',
            'summary.json: test cannot be {"accuracy": "much"}',
        ),
        ("metrics.csv", "epoch;step\n1;2\n", "metrics.csv:2: must have"),
        ("config.yaml", "[" * 50_000, "config.yaml: cannot be read"),
        ("config.yaml", "a: &a [x, x]\nb: [*a, *a]\n", "config.yaml: cannot be read: has anchors"),
        ("config.yaml", "just words", "config.yaml: cannot be read: must be a mapping"),
        ("config.yaml", None, "config.yaml: is missing"),
    ],
)
def test_a_damaged_folder_is_told_with_the_reason_and_the_others_stand(make_run, tmp_path, file, content, words):
    make_run("good-001")
    bad = make_run("bad-001").path / file
    bad.unlink() if content is None else bad.write_text(content)
    found = {each.run.name: each for each in entries(tmp_path / "runs")}
    assert found["good-001"].status == "finished"
    assert found["bad-001"].status == "damaged"
    assert words in found["bad-001"].reason


def test_a_run_that_goes_on_is_shown_as_far_as_it_is(make_run):
    run = make_run("a-001", [0.5, 0.9, 0.8], status="running")
    with owning(run):
        found = entry(run)
        assert found.status == "running"
        assert "process" in found.reason
        assert found.best == {"monitor": "val_accuracy", "value": 0.9, "epoch": 2}
        assert (found.epochs, found.planned, found.seconds) == (3, "3 epochs", 4.5)
    assert entry(run).status == "dead"


def test_a_run_whose_process_is_gone_is_told_as_dead_and_how_to_go_on(make_run):
    assert "dltrain fit --resume" in entry(make_run("a-001", status="running")).reason
    assert "nothing was saved" in entry(make_run("b-001", status="running", saved=False)).reason


def test_to_ask_who_works_on_a_run_keeps_nobody_from_it(make_run):
    run = make_run("a-001")
    assert owner(run) is None
    assert not run.lock.exists()
    with owning(run):
        assert "process" in owner(run)
        with pytest.raises(RunError, match="is in use by process"), owning(run):
            pass
    assert owner(run) is None


def test_a_folder_from_before_the_first_write_is_empty_and_other_folders_are_no_runs(tmp_path):
    root = tmp_path / "runs"
    for name in ("a-001/checkpoints", "notes", "photos-001/checkpoints"):
        (root / name).mkdir(parents=True)
    (root / "photos-001/me.jpg").touch()
    assert [(each.run.name, each.status) for each in entries(root)] == [("a-001", "empty")]
    assert not is_run(root / "notes")


def test_a_run_whose_checkpoints_were_deleted_is_still_a_run(make_run, tmp_path):
    run = make_run("a-001", saved=False)
    run.checkpoints.rmdir()
    assert [each.status for each in entries(tmp_path / "runs")] == ["finished"]


@pytest.mark.parametrize(("values", "larger"), [([0.9, 0.5, 0.7], False), ([0.5, 0.9, 0.7], True)])
def test_what_is_better_shows_in_the_values_where_a_metric_of_ones_own_does_not_say(make_run, values, larger):
    run = make_run("a-001")
    rows = [f"{epoch},{epoch},1,{value}" for epoch, value in enumerate(values, 1)]
    run.metrics.write_text("\n".join(["epoch,step,seconds,val_mine", *rows, ""]))
    best = {"monitor": "val_mine", "value": max(values) if larger else min(values), "epoch": 2}
    run.summary.write_text(json.dumps({"status": "finished", "best": best}))
    assert entry(run).larger_is_better is larger


def test_a_folder_that_is_not_there_is_refused_unless_it_is_where_runs_will_be(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert entries(Run(tmp_path / "runs").path.relative_to(tmp_path)) == []
    with pytest.raises(RunError, match="no such folder; --runs must name the folder of the runs"):
        entries(tmp_path / "elsewhere")
