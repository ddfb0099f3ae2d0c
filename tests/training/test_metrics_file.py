import resource

import pytest

from dltrain.errors import RunError, TrainingError
from dltrain.runs import folder
from dltrain.training.metrics_file import MetricsFile


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
