import math
import resource

import pytest

from dltrain.errors import RunError, TrainingError
from dltrain.runs import folder
from dltrain.training.callbacks import Best, MetricsFile, Patience


def best_of(losses, **settings):
    """Returns the epoch that is best in the end, and the epochs that were when they came."""
    best = Best("loss", larger_is_better=False, **settings)
    taken = [epoch for epoch, loss in enumerate(losses, 1) if best.update({"loss": loss, "epoch": epoch, "step": 0})]
    return best.state["epoch"], taken


def test_of_equal_epochs_the_later_is_the_best():
    assert best_of([0.5, 0.7, 0.5, 0.6]) == (3, [1, 3])


def test_nan_is_best_only_where_nothing_else_is():
    nan = math.nan
    assert best_of([0.5, nan, 0.9, 0.4]) == (4, [1, 4])
    assert best_of([nan, nan, 0.9, 1.0]) == (3, [1, 2, 3])


def test_the_latest_epoch_is_the_best_where_that_is_asked_for():
    assert best_of([0.5, 0.7, 0.6], is_latest=True) == (3, [1, 2, 3])


@pytest.mark.parametrize(("values", "wait"), [([0.5, 0.7, 0.6], 1), ([math.nan, 0.7, 0.8], 0), ([0.7, math.nan], 1)])
def test_patience_counts_the_epochs_since_the_last_improvement(values, wait):
    patience = Patience(2, 0.0, "accuracy", larger_is_better=True)
    for value in values:
        patience.update({"accuracy": value})
    assert patience.state["wait"] == wait


def test_rows_beyond_the_epoch_are_cut_off(tmp_path):
    run = folder.create(tmp_path, "a")
    run.metrics.write_text("epoch,step\n1,10\n2,20\n")
    MetricsFile(run, epoch=1).append({"epoch": 2, "step": 21})
    assert run.metrics.read_text() == "epoch,step\n1,10\n2,21\n"


def test_an_edited_metrics_file_is_refused_and_left_alone(tmp_path):
    run = folder.create(tmp_path, "a")
    run.metrics.write_text("epoch;step\n1;10\n")
    with pytest.raises(RunError, match=r"metrics\.csv"):
        MetricsFile(run, epoch=1)
    assert run.metrics.read_text() == "epoch;step\n1;10\n"


def test_a_row_that_cannot_be_written_is_said_with_the_files_name(tmp_path):
    """The system's limit on a file's size stands for a full disk."""
    run = folder.create(tmp_path, "a")
    file = MetricsFile(run, 0)
    file.append({"epoch": 1, "step": 20, "loss": 0.5})
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (run.metrics.stat().st_size, before[1]))
    try:
        with pytest.raises(TrainingError, match=r"metrics\.csv: cannot be written: File too large"):
            file.append({"epoch": 2, "step": 40, "loss": 0.4})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [row["epoch"] for row in run.read_metrics()] == ["1"]
