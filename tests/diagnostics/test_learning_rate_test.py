"""`dltrain lr-find`: what the curve says, and that nothing is left behind."""

import json
import math

import numpy as np
import pytest
from typer.testing import CliRunner

from dltrain.cli import app
from dltrain.diagnostics.learning_rate_curve import Watch, analyze

CONFIG = """
dataset: {name: iris, validation_fraction: 0.2}
model: {name: mlp, units: [8]}
optimizer: {name: sgd, learning_rate: 0.01}
schedule: {name: cosine}
train: {epochs: 2, batch_size: 32}
"""

RATES = np.geomspace(1e-6, 10, 141).tolist()


def test_the_suggestion_is_where_a_loss_falls_fastest():
    """A loss that falls from 2 to 1 around 1e-3, and rises behind 1e-1."""
    places = np.log10(RATES)
    losses = 2 - 1 / (1 + np.exp(-4 * (places + 3))) + np.exp(3 * (places - 0.5))
    reading = analyze(RATES, losses.tolist(), ended=False)
    assert reading.suggested == pytest.approx(1e-3, rel=0.15)
    assert 1e-2 < reading.lowest < 1


def test_the_suggestion_is_never_behind_the_lowest_loss():
    """A second, deeper fall behind a blow-up is no descent to begin with."""
    places = np.log10(RATES)
    losses = 2 - 0.5 / (1 + np.exp(-6 * (places + 4))) + 3 * np.exp(-((places + 1) ** 2) / 0.1)
    assert analyze(RATES, losses.tolist(), ended=True).suggested == pytest.approx(1e-4, rel=0.3)


def test_batches_that_differ_are_no_descent():
    losses = 1 + 0.3 * np.random.RandomState(0).randn(141)
    reading = analyze(RATES, losses.tolist(), ended=True)
    assert reading.suggested is None
    assert "does not fall between 1e-06 and 10" in reading.notes[0]


def test_a_loss_that_still_falls_at_the_end_is_said():
    losses = 2 - 1 / (1 + np.exp(-3 * (np.log10(RATES) - 1)))
    assert "still falls at 10" in analyze(RATES, losses.tolist(), ended=True).notes[0]


def test_a_blow_up_is_seen_whatever_the_sign_of_the_loss():
    for level in (1.0, -1.0):
        watch = Watch()
        assert not any(watch.blown_up(level) for _ in range(20))
        assert any(watch.blown_up(level + 10) for _ in range(5))


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.yaml").write_text(CONFIG)
    return tmp_path


def lr_find(*words):
    return CliRunner().invoke(app, ["lr-find", "small.yaml", "--steps", "60", *words])


def test_the_test_suggests_a_rate_and_leaves_no_run(tensorflow, here):
    result = lr_find("--json", "--from", "1e-4", "--to", "100", "-o", "curve.png")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert 1e-4 < found["suggested"] < found["lowest"] < 100
    assert found["ignored"] == ["schedule cosine"]
    assert len(found["losses"]) == len(found["rates"]) == len(found["smoothed"])
    factor = np.diff(np.log(found["rates"]))
    assert np.allclose(factor, math.log(1e6) / 59, atol=1e-4)
    assert sorted(path.name for path in here.iterdir()) == ["curve.png", "small.yaml"]
    again = json.loads(lr_find("--json", "--from", "1e-4", "--to", "100").stdout)
    assert again["losses"] == found["losses"]


def test_it_says_what_to_type(tensorflow, here):
    result = lr_find("-q", "seed=1", "optimizer.learning_rate=3", "--from", "1e-3")
    assert result.exit_code == 0, result.output
    assert "try  dltrain fit small.yaml seed=1 optimizer.learning_rate=0." in result.stdout
    assert "learning rate, logarithmic" in result.stdout


@pytest.mark.parametrize(
    "words, message",
    [
        (["--from", "1", "--to", "0.1"], "--from must be above 0 and below --to"),
        (["-o", "curve.jpg"], "must be a file that ends in .png"),
        (["model.name=mpl"], "did you mean"),
    ],
)
def test_what_cannot_be_tested_is_one_clear_message(here, words, message):
    result = lr_find(*words)
    assert result.exit_code == 2
    assert message in result.stderr


def test_a_loss_that_is_not_finite_at_once_is_no_suggestion(tensorflow, here):
    result = lr_find("--from", "1e37", "--to", "1e38", "model.units=[8,8]")
    assert result.exit_code == 0, result.output
    assert "no longer finite" in result.stdout
    assert "no suggestion" in result.stdout
    assert "try a smaller --from" in result.stdout
