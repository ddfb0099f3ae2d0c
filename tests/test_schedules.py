import json
import math

import numpy as np
import pytest

from dltrain.registry import SCHEDULES
from dltrain.schedules import Plan, learning_rate

PLAN = Plan(steps_per_epoch=10, total_steps=100)
EXAMPLES = {
    "constant": {},
    "step": {"drop_at_epochs": (5.0, 8.0)},
    "cosine": {},
    "cosine_log": {},
    "exponential": {},
    "polynomial": {},
    "one_cycle": {},
    "plateau": {},
}


def at(name, step, plan=PLAN, **settings):
    return float(SCHEDULES[name](**EXAMPLES[name] | settings).multiplier(step, plan))


def test_every_schedule_is_tested():
    assert EXAMPLES.keys() == set(SCHEDULES.names())


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_schedule_stays_between_nothing_and_the_peak_and_reaches_it(tensorflow, name):
    values = [at(name, step) for step in range(100)]
    assert all(0 <= value <= 1 + 1e-6 for value in values)
    assert max(values) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("name", [name for name in EXAMPLES if name not in ("one_cycle", "cosine_log")])
@pytest.mark.parametrize("settings", [{"warmup_epochs": 0.5}, {"warmup_steps": 5}])
def test_the_warm_up_rises_in_a_line_to_the_peak(tensorflow, name, settings):
    assert [at(name, step, **settings) for step in range(6)] == pytest.approx(
        [0.2, 0.4, 0.6, 0.8, 1, 1], abs=1e-3 + 0.01
    )


@pytest.mark.parametrize("name", EXAMPLES)
def test_it_is_the_same_inside_a_graph(tensorflow, name):
    schedule = SCHEDULES[name](**EXAMPLES[name])
    compiled = tensorflow.function(lambda step: schedule.multiplier(step, PLAN))
    for step in (0, 29, 30, 50, 99):
        inside = compiled(tensorflow.constant(step, tensorflow.int64))
        assert inside.dtype == tensorflow.float32
        assert float(inside) == pytest.approx(at(name, step), rel=1e-5, abs=1e-7)


def test_steps_drop_exactly_where_they_should(tensorflow):
    assert [at("step", step) for step in (0, 49, 50, 79, 80, 99)] == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])
    with_warmup = [at("step", step, drop_at_epochs=(), drop_at_steps=(7,), warmup_steps=4) for step in (3, 6, 7)]
    assert with_warmup == pytest.approx([1, 1, 0.1])


def test_cosine_follows_its_formula(tensorflow):
    assert at("cosine", 50) == pytest.approx(0.5)
    assert at("cosine", 99, final_fraction=0.1) == pytest.approx(
        0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * 0.99)), rel=1e-5
    )
    assert at("cosine", 60, warmup_steps=20) == pytest.approx(0.5, abs=1e-6)


def test_exponential_and_polynomial_follow_their_formulas(tensorflow):
    assert at("exponential", 20, decay_rate=0.5, decay_epochs=2.0) == pytest.approx(0.5)
    assert at("polynomial", 50, power=2.0) == pytest.approx(0.25)
    assert at("polynomial", 75, final_fraction=0.2) == pytest.approx(0.2 + 0.8 * 0.25)


def test_one_cycle_rises_then_falls(tensorflow):
    assert at("one_cycle", 0) == pytest.approx(0.04, rel=1e-4)
    assert at("one_cycle", 30) == pytest.approx(1)
    assert at("one_cycle", 15) == pytest.approx(0.52, rel=1e-4)
    assert at("one_cycle", 65) == pytest.approx(0.5, rel=1e-3)


def test_plateau_drops_when_its_patience_is_used_up():
    plateau = SCHEDULES["plateau"](patience=2, factor=0.5, min_delta=0.1, minimum_fraction=0.3, cooldown=1)
    state, scales = plateau.initial_state(), []
    for value in (1.0, 0.95, 0.93, 0.92, 0.91, 0.90, 0.5, 0.5):
        state = plateau.after_epoch(value, state, larger_is_better=False)
        scales.append(state["scale"])
    assert scales == [1, 1, 0.5, 0.5, 0.5, 0.3, 0.3, 0.3]


def test_plateau_follows_what_should_rise():
    plateau = SCHEDULES["plateau"](patience=1)
    state = plateau.after_epoch(0.5, plateau.initial_state(), larger_is_better=True)
    assert plateau.after_epoch(0.6, state, larger_is_better=True)["scale"] == 1
    assert plateau.after_epoch(0.4, state, larger_is_better=True)["scale"] == pytest.approx(0.1)


def test_plateau_takes_no_improvement_from_nan_and_its_state_is_plain_json():
    plateau = SCHEDULES["plateau"](patience=2)
    state = plateau.after_epoch(math.nan, plateau.initial_state(), larger_is_better=False)
    assert state == {"scale": 1.0, "best": None, "wait": 1, "cooldown": 0}
    state = plateau.after_epoch(np.float32(0.5), state, larger_is_better=False)
    assert json.loads(json.dumps(state)) == {"scale": 1.0, "best": 0.5, "wait": 0, "cooldown": 0}


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("cosine", {"warmup_epochs": 1.0, "warmup_steps": 1}, "^warmup_steps must not"),
        ("step", {"drop_at_epochs": ()}, "^drop_at_epochs or drop_at_steps must be given"),
        ("step", {"drop_at_steps": (5,)}, "^drop_at_epochs or drop_at_steps must be given"),
        ("step", {"drop_at_epochs": (5.0, 4.0)}, "^drop_at_epochs must be in rising order"),
        ("one_cycle", {"warmup_epochs": 1.0}, "^warmup_epochs must be left out"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(name, settings, message):
    with pytest.raises(ValueError, match=message):
        SCHEDULES[name](**EXAMPLES[name] | settings)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("cosine", {"warmup_epochs": 10.0}, "^warmup_epochs must be shorter than the run"),
        ("constant", {"warmup_steps": 100}, "^warmup_steps must be shorter than the run"),
        ("step", {"drop_at_epochs": (10.0,)}, "^drop_at_epochs must be within the run's 100 steps"),
    ],
)
def test_what_does_not_fit_the_run_is_refused(name, settings, message):
    with pytest.raises(ValueError, match=message):
        SCHEDULES[name](**EXAMPLES[name] | settings).check(PLAN)


def test_the_learning_rate_is_peak_times_multiplier_times_scale(tensorflow):
    rate = learning_rate(SCHEDULES["cosine"](), 0.2, PLAN, tensorflow.Variable(0.5))
    assert float(rate(50)) == pytest.approx(0.05)


def test_each_cycle_of_cosine_log_is_twice_as_long_as_the_one_before():
    for start, end in zip([0, 1, 3, 7], [1, 3, 7, 15], strict=True):
        middle = 2 ** (math.log2(1 + start) + 0.5) - 1
        assert start < middle < end
        assert at("cosine_log", start * 100 / 15) == pytest.approx(0, abs=1e-5)
        assert at("cosine_log", middle * 100 / 15) == pytest.approx(1, abs=1e-5)
