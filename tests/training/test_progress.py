import pytest

from dltrain.training import progress
from dltrain.training.progress import PLAIN_SECONDS, Reporter


@pytest.mark.parametrize("quiet", [False, True])
def test_without_a_terminal_steps_are_told_of_once_in_a_while(monkeypatch, tmp_path, quiet):
    now = 0.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    reporter = Reporter(quiet)
    reporter.log_to(tmp_path / "log.txt")
    for second in range(3 * PLAIN_SECONDS):
        now = float(second)
        if reporter.shows_steps:
            reporter.step("epoch 1/1", second, 100, "")
    assert len((tmp_path / "log.txt").read_text().splitlines()) == 2
