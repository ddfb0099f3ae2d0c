"""The report of a run's folder alone, whatever is missing in it or damaged."""

import json

import pytest

from dltrain.report.page import render
from dltrain.report.story import run_report
from dltrain.runs.folder import Run
from dltrain.runs.lock import owning

ROWS = "epoch,step,seconds,learning_rate,loss,accuracy,val_loss,val_accuracy\n"


@pytest.fixture
def run(tmp_path):
    run = Run(tmp_path / "mine-001")
    run.path.mkdir()
    run.metrics.write_text(ROWS + "1,10,2.5,0.1,1.0,0.5,1.5,0.4\n2,20,3.0,0.05,nan,0.7,inf,0.6\n")
    summary = {"status": "finished", "seconds": 3.0, "parameters": 1000, "best": {"monitor": "val_accuracy"}}
    summary["best"] |= {"value": 0.6, "epoch": 2}
    run.summary.write_text(json.dumps({**summary, "test": None, "validation": {"loss": 0.7, "accuracy": 0.6}}))
    run.environment.write_text(json.dumps({"dltrain": "1", "git": {"commit": "abc", "dirty": True}}))
    return run


def reported(run, troubles=()):
    """The report and its page, which can be drawn."""
    report = run_report(run, [("seed", "0", "a.yaml:1"), ("strict", "false", "default")], None, troubles)
    return report, render(report)[0]


def test_a_run_is_told_from_its_folder(run):
    report, page = reported(run)
    assert report.title == "mine-001"
    assert report.warnings == []
    assert [(claim.name, claim.value) for claim in report.claims] == [("accuracy", "0.6000")]
    assert [chapter.title for chapter in report.chapters] == ["Result", "Training", "Config", "Environment"]
    names = [part.name for part in report.chapters[1].parts if hasattr(part, "panel")]
    assert names == ["curve-loss", "curve-accuracy", "learning-rate"]
    assert "a.yaml:1" in page
    assert "commit abc, dirty yes" in page


def test_a_run_that_is_going_on_says_so_and_shows_its_curves(run):
    run.summary.write_text(json.dumps({"status": "running", "best": None}))
    with owning(run):
        report, page = reported(run)
    assert "still training" in report.warnings[0]
    assert "2 epochs" in report.warnings[0]
    assert report.claims[0].value == "0.6000"
    assert 'id="figure-curve-loss"' in page


def test_what_one_part_alone_measures_has_a_curve_of_that_part(run):
    run.metrics.write_text("epoch,step,seconds,loss,val_loss,val_eer\n1,9,1,1.0,,0.4\n2,18,2,0.5,,0.3\n")
    report, _ = reported(run)
    charts = [part.panel for part in report.chapters[1].parts if hasattr(part, "panel")]
    assert {chart.title: [line.name for line in chart.lines] for chart in charts} == {
        "loss": ["train"], "eer": ["validation"],
    }  # fmt: skip


def test_a_run_whose_process_ended_is_not_called_going(run):
    run.checkpoints.mkdir()
    run.summary.write_text(json.dumps({"status": "running", "best": None}))
    run.config.write_text("seed: 0\n")
    assert "ended without a message: 2 epochs done" in reported(run)[0].warnings[0]


def test_why_a_run_failed_is_told(run):
    run.summary.write_text(json.dumps({"status": "failed", "error": "the loss is <not> finite"}))
    assert "the loss is &lt;not&gt; finite" in reported(run)[1]


def test_a_run_without_metrics_is_told(run):
    run.metrics.unlink()
    run.summary.unlink()
    run.environment.unlink()
    report, _ = reported(run)
    assert "no summary" in report.warnings[-1]
    assert report.claims == []


@pytest.mark.parametrize("name", ["summary", "metrics", "environment"])
@pytest.mark.parametrize("content", [b"\xff\x00{", b"[]\n1,2\n3\n", b"", b'{"best": 3, "seconds": "x", "test": []}'])
def test_a_damaged_file_is_named_or_left_out(run, name, content):
    getattr(run, name).write_bytes(content)
    report, page = reported(run)
    assert report.chapters
    assert page


def test_a_broken_number_is_named_with_its_line(run):
    run.metrics.write_text(ROWS + "1,10,2.5,0.1,1.0,0.5,1.5,0.4\n2,20,3.0,0.05,1.0.1,0.7,1.2,0.6\n")
    report, _ = reported(run)
    assert any("metrics.csv:3: loss must be a number, got '1.0.1'" in words for words in report.warnings)


def test_columns_of_words_and_of_nothing_are_left_out(run):
    run.metrics.write_text("epoch,step,seconds,learning_rate,loss,stage,<b>odd</b>\n1,10,2,0.1,1.0,first,2\n")
    report, page = reported(run)
    assert "curve-stage" not in page
    assert "&lt;b&gt;odd" in page
    assert "<b>odd" not in page


def test_300_epochs_and_100_000_keep_a_small_page(run):
    for epochs in (300, 100_000):
        lines = "".join(f"{i},{i},{i},0.1,{1 / i},0.5,{2 / i},0.4\n" for i in range(1, epochs + 1))
        run.metrics.write_text(ROWS + lines)
        assert len(reported(run)[1]) < 200_000


def test_what_is_missing_is_said_first(run):
    assert reported(run, ["no checkpoint <here>"])[1].index("no checkpoint &lt;here&gt;") < 12_000
