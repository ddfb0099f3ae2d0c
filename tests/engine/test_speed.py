"""How fast steps are, and how much time is left."""

import pytest

from dltrain.engine import speed
from dltrain.engine.speed import Speed


@pytest.fixture
def clock(monkeypatch):
    """A clock that only the test turns."""
    now = [0.0]
    monkeypatch.setattr(speed.time, "perf_counter", lambda: now[0])
    return lambda seconds: now.__setitem__(0, now[0] + seconds)


@pytest.mark.parametrize(("step", "validation", "save"), [(0.01, 3.0, 1.0), (0.5, 0.0, 0.0), (0.001, 0.2, 20.0)])
def test_the_time_left_counts_what_epochs_take_beside_their_steps(clock, step, validation, save):
    measured, epochs, per_epoch = Speed(batch_size=8), 5, 10
    for epoch in range(1, epochs):
        for _ in range(per_epoch):
            with measured.doing(1):
                clock(step)
        for seconds in (validation * (3 if epoch == 1 else 1), save):  # the first validation compiles
            with measured.beside():
                clock(seconds)
        assert measured.knows_epochs == (epoch > 1)
        measured.end_epoch()
        if epoch > 1:
            left = (epochs - epoch) * (per_epoch * step + validation + save)
            steps = (epochs - epoch) * per_epoch
            assert measured.seconds_for(steps, epochs - epoch) == pytest.approx(left)
    assert measured.examples_per_second == pytest.approx(8 / step)


def test_the_time_left_is_unknown_before_the_second_call(clock):
    measured = Speed(batch_size=8)
    assert measured.seconds_for(10, 1) is None
    with measured.doing(1):
        clock(9)
    assert measured.seconds_for(10, 1) is None
    with measured.doing(2):
        clock(4)
    assert measured.seconds_for(10, 1) == pytest.approx(20)
