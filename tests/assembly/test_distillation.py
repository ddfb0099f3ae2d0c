"""A trained network as a teacher."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from dltrain.assembly.data import start_and_load
from dltrain.assembly.pretrained import resolved, trained
from dltrain.checkpoints import store
from dltrain.cli import app
from dltrain.config import experiment as experiments
from dltrain.console import Reporter
from dltrain.errors import ConfigError
from dltrain.inference import evaluation
from dltrain.runs.folder import Run
from dltrain.training import trainer
from dltrain.training.learner import Learner
from dltrain.training.resume import Resume

TEACHER = """
dataset: {name: synthetic, shape: [4], num_classes: 3, train_examples: 64, validation_examples: 32}
model: {name: mlp, units: [16], batch_normalization: true}
train: {epochs: 3, batch_size: 32}
optimizer: {name: adam, learning_rate: 0.05}
"""
STUDENT = (
    TEACHER.replace("units: [16], batch_normalization: true", "units: [5], l2: 0.01")
    + """
teacher:
  run: teacher
  temperature: 3
  weight: 0.25
"""
)


def fit(path, *overrides, resumed=None):
    config = experiments.load(path, list(overrides))
    return Run(Path(trainer.fit(config, Reporter(quiet=True), path.parent / "runs", Resume(resumed))["run"]))


@pytest.fixture(scope="module")
def path(tensorflow, tmp_path_factory):
    """A config beside the run of its teacher."""
    folder = tmp_path_factory.mktemp("distillation")
    (folder / "teacher.yaml").write_text(TEACHER)
    fit(folder / "teacher.yaml")
    (folder / "student.yaml").write_text(STUDENT)
    return folder / "student.yaml"


def softmax(logits):
    exponents = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponents / exponents.sum(axis=1, keepdims=True)


def test_the_loss_of_a_step_is_the_closed_form_and_that_of_validation_the_task_s(path):
    config = resolved(experiments.load(path), path.parent / "runs")
    devices, splits = start_and_load(config, Reporter(quiet=True))
    learner = Learner(config, splits, devices, Reporter(quiet=True), fresh=True)
    model, batch = learner.network.engine.model, splits.train.take(np.arange(32))
    teacher = trained(Run(path.parent / "runs" / "teacher-001"))[0]
    known, own = (np.asarray(network(batch.inputs, training=False), float) for network in (teacher, model))
    penalty = sum(0.01 * np.square(np.asarray(layer.kernel, float)).sum() for layer in model.layers if layer.weights)
    labels = -np.log(softmax(own)[np.arange(32), batch.targets]).mean()
    soft, guess = softmax(known / 3), softmax(own / 3)
    taught = 9 * (soft * (np.log(soft) - np.log(guess))).sum(axis=1).mean()
    inputs = np.asarray(batch.inputs)
    for is_training, expected in ((True, 0.75 * labels + 0.25 * taught + penalty), (False, labels + penalty)):
        loss = model.compute_loss(inputs, batch.targets, model(inputs), None, training=is_training)
        assert float(loss) == pytest.approx(expected, rel=1e-5)
    assert np.array(config.experiment.task.distillation_loss(splits.spec, known, known, 3.0)) == pytest.approx(
        np.zeros(32), abs=1e-6
    )


def test_a_run_with_a_teacher_goes_on_with_the_same_bits_and_is_measured_without_it(path, killed_after):
    whole = fit(path)
    assert f"run: {path.parent / 'runs' / 'teacher-001'}" in whole.config.read_text()
    assert "teacher: the best weights of teacher-001" in whole.log.read_text()
    with killed_after(4):
        fit(path)
    cut = Run(path.parent / "runs" / "student-002")
    fit(cut.config, resumed=cut)
    one, other = (store.load(run, "last").arrays for run in (whole, cut))
    assert [name for name in one if not np.array_equal(one[name], other[name])] == []
    teacher = path.parent / "runs" / "teacher-001"
    teacher.rename(teacher.with_name("away"))
    try:
        evaluation.evaluate(cut, "test", "best", Reporter(quiet=True))
    finally:
        teacher.with_name("away").rename(teacher)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("teacher.run=nobody", "teacher.run must be a run, got 'nobody'"),
        (
            "dataset.shape=[5]",
            "teacher.run must take the same inputs; teacher-001 does not: it takes examples of 4, got 5",
        ),
        (
            "dataset.num_classes=4",
            "teacher.run must know the same classes; teacher-001 does not: '3' is not one of its classes",
        ),
        ("dataset={name: diabetes}", "teacher must be none with task regression: a teacher needs"),
        ("teacher.weight=1.5", "teacher.weight must be a number of at least 0 and at most 1"),
    ],
)
def test_a_mistake_is_told_with_its_line_and_leaves_nothing(path, change, message):
    runs = sorted((path.parent / "runs").iterdir())
    with pytest.raises(ConfigError, match=message) as told:
        fit(path, change)
    assert "argument" in str(told.value) or "student.yaml:" in str(told.value)
    assert sorted((path.parent / "runs").iterdir()) == runs


def test_bench_finds_a_teacher_by_its_name(path):
    result = CliRunner().invoke(app, ["bench", str(path), "--runs", str(path.parent / "runs"), "--quiet"])
    assert result.exit_code == 0, result.stderr
    assert "examples/s" in result.stdout


def test_a_teacher_that_was_trained_anew_is_told_when_a_run_goes_on(path):
    teacher, run = path.parent / "runs" / "teacher-001", fit(path)
    teacher.rename(teacher.with_name("away"))
    try:
        fit(path.with_name("teacher.yaml"), "seed=1", "name=other").path.rename(teacher)
        fit(run.config, "train.epochs=4", resumed=run)
        assert f"the weights of {teacher} have changed since the run began" in run.log.read_text()
        fit(run.config, "train.epochs=5", resumed=run)
        assert run.log.read_text().count("have changed since the run began") == 1
    finally:
        shutil.rmtree(teacher)
        teacher.with_name("away").rename(teacher)
