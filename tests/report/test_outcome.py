"""Every task says how its answers are drawn, whatever the data are called and however few they are."""

from types import SimpleNamespace

import numpy as np
import pytest
from specs import data_spec, outcome_of, split_of

from dltrain.data import DataSpec, Outcome, Ragged, Split
from dltrain.features._series.tables import Layout
from dltrain.features.boxes import Boxes
from dltrain.features.future import Future
from dltrain.features.image import Image
from dltrain.features.numbers import Number as Target
from dltrain.features.sentence import Sentence
from dltrain.features.series import Series
from dltrain.features.tags import Tags
from dltrain.inference.evidence import measured
from dltrain.registry import TASKS
from dltrain.report.page import Report, render
from dltrain.report.parts import Chapter, Figure, Table
from dltrain.tasks import Task

WITH_TARGETS = [name for name in TASKS.names() if TASKS[name].accepts]
STRANGE = ("<script>alert(1)</script>", "a\x1b[31m", "b" * 300)


def outcome(task, examples=40, names=STRANGE, seed=0):
    """An outcome of the kind that a task is for."""
    random = np.random.RandomState(seed)
    if task == "forecasting":
        series = Series(window=4, horizon=2, layout=Layout(targets=names))
        steps = random.standard_normal((3, examples, 6, len(names))).astype(np.float32)
        split = Split(steps[0, :, :4], steps[1, :, :2])
        return Outcome(DataSpec.of(series, Future(horizon=2, names=names)), "test", split, outputs=steps[2, :, :2])
    if task == "tagging":
        return sentences(random, examples, names)
    if task == "detection":
        return objects(random, examples, names)
    outputs = random.standard_normal((examples, len(names))).astype(np.float32)
    numbers = random.standard_normal((examples, len(names))).astype(np.float32)
    for spec, targets in (
        (data_spec((4,), names), random.randint(len(names), size=examples).astype(np.int32)),
        (data_spec((4,), names, exclusive=False), (numbers > 0).astype(np.float32)),
        (data_spec((4,), targets=tuple(map(Target, names))), numbers),
    ):
        try:
            TASKS[task]().check(spec)
        except ValueError:
            continue
        return outcome_of(spec, targets, outputs)
    raise AssertionError(f"what is {task} for?")


def sentences(random, examples, names):
    """An outcome of three words each, that are called like the types of spans."""
    feature = Sentence(kind="words", lowercase=False).fit([[list(names)]])
    encoded = feature.encode([list(names)] * examples)
    tags, length = Tags(tag_names=("O", *(f"B-{name}" for name in names))), encoded.stored.longest
    targets = Ragged.of([np.where(np.isin(np.arange(length), starts), random.randint(4, size=length), -1)
                         for starts in encoded.metadata["starts"]], np.int32)  # fmt: skip
    outputs = {"tags": random.randint(4, size=(examples, length)), "probabilities": random.rand(examples, length)}
    split = Split(encoded.stored, targets, metadata=encoded.metadata)
    return Outcome(DataSpec.of(feature, tags), "test", split, split.metadata, outputs)


def objects(random, examples, names):
    """An outcome of an object and a box in each image, often not in the same place."""
    spec = DataSpec.of(Image(shape=(16, 16, 3)), Boxes(class_names=names))
    classes = random.randint(len(names), size=(2, examples, 1))
    corners = np.array([[[0.1, 0.1, 0.5, 0.5]], [[0.4, 0.4, 0.9, 0.9]]])[random.randint(2, size=(2, examples)), 0]
    rows = np.concatenate([corners[0], classes[0], np.zeros((examples, 2))], axis=1)
    targets = Ragged.of([*rows[:, None].astype(np.float32)], np.float32, (7,))
    outputs = {
        "boxes": corners[1][:, None].astype(np.float32),
        "scores": random.uniform(0.5, 1, (examples, 1)).astype(np.float32),
        "classes": classes[1].astype(np.int32),
        "count": np.ones(examples, np.int32),
    }
    places = {"size": np.full((examples, 2), 160), "window": np.tile(np.float32([0, 0, 160, 160]), (examples, 1))}
    split = Split(random.randint(0, 256, (examples, 16, 16, 3)).astype(np.uint8), targets, metadata=places)
    return Outcome(spec, "test", split, split.metadata, outputs)


def metrics_of(task, spec, targets, constant):
    """The metrics of a network that would end in a constant."""
    return measured(SimpleNamespace(task=task, seed=0), spec, "test", split_of(targets), constant)


def figures(chapters):
    return {part.name: part for chapter in chapters for part in chapter.parts if isinstance(part, Figure)}


def tables(chapters):
    return {part.title: part for chapter in chapters for part in chapter.parts if isinstance(part, Table)}


def shown(outcome, task):
    """The page, and the figures' files, of an outcome alone."""
    chapters = TASKS[task]().chapters(outcome)
    return render(Report("", "", [], [], [*chapters, Chapter("end")]))


@pytest.mark.parametrize("task", WITH_TARGETS)
def test_strange_names_are_drawn_and_escaped(task):
    page, files = shown(outcome(task), task)
    assert "<script" not in page
    assert "&lt;script" in page
    assert files
    assert len(page) < 3_000_000


@pytest.mark.parametrize("task", [name for name in WITH_TARGETS if name != "verification"])  # which asks of two
def test_a_single_example_is_drawn(task):
    assert shown(outcome(task, 1), task)[1]


@pytest.mark.parametrize("task", [name for name in WITH_TARGETS if not TASKS[name].compares and name != "tagging"])
def test_a_baseline_is_of_the_networks_kind_and_ignores_the_inputs(tensorflow, task):
    found = outcome(task)
    baselines = TASKS[task]().baselines(found.data, found.split, found.split)
    for constant in baselines.values():
        assert constant.shape == (1, *found.outputs.shape[1:])
        metrics = metrics_of(TASKS[task](), found.data, found.targets, constant)
        assert np.isfinite(list(metrics.values())).all()


@pytest.mark.parametrize("task", [name for name in WITH_TARGETS if TASKS[name].mistakes is not Task.mistakes])
def test_the_worst_mistakes_come_first_and_no_more_than_asked_for(task):
    found = outcome(task)
    few, all_of_them = (TASKS[task]().mistakes(found, most) for most in (5, 40))
    assert [each.position for each in few.worst] == [each.position for each in all_of_them.worst[:5]]
    assert len({each.position for each in few.worst}) == 5
    assert str(len(few.worst)) in few.title


@pytest.mark.parametrize("task", ["classification", "multilabel"])
def test_a_network_that_is_always_right_has_no_mistakes(task):
    found = outcome(task)
    hot = found.targets[:, None] == np.arange(3) if found.targets.ndim == 1 else found.targets
    right = outcome_of(found.data, found.targets, np.where(hot, 9, -9).astype(np.float32))
    assert TASKS[task]().mistakes(right, 25).worst == []
    assert TASKS[task]().mistakes(right, 25).title.startswith("No ")
    assert shown(right, task)[1]


@pytest.mark.parametrize("task", ["classification", "multilabel"])
def test_a_thousand_classes_stay_readable_and_small(task):
    page, files = shown(outcome(task, 500, tuple(f"class {index}" for index in range(1000))), task)
    assert len(page.encode()) < 1_000_000
    assert "mean of the classes" in page
    assert files


def test_of_many_classes_those_that_are_confused_most_are_named():
    actual = np.repeat(np.arange(30), 4).astype(np.int32)
    outputs = np.eye(30, dtype=np.float32)[actual]
    outputs[actual == 7] = np.eye(30, dtype=np.float32)[12]
    names = tuple(f"n{index}" for index in range(30))
    chapters = TASKS["classification"]().chapters(outcome_of(data_spec((4,), names), actual, outputs))
    assert tables(chapters)["Most confused"].rows == [("n7", "n12", "4", "100.0%")]
    assert tables(chapters)["One by one"].rows[1][0] == "n7"
    assert figures(chapters)["confusion"].panel.counts[7, 12] == 4


def test_a_class_that_does_not_occur_takes_nothing_from_the_mean():
    actual = np.array([0, 1, 0, 1], np.int32)
    outputs = np.eye(3, dtype=np.float32)[actual]
    chapters = TASKS["classification"]().chapters(outcome_of(data_spec((4,), ("a", "b", "c")), actual, outputs))
    rows = {row[0]: row[1:] for row in tables(chapters)["One by one"].rows}
    assert rows["mean of the 2 that occur"] == ("4", *["1.000"] * 5)
    assert rows["c"] == ("0", *["-"] * 5)


def test_a_class_that_is_never_told_counts_as_nothing_in_the_means():
    actual = np.array([0, 1, 2, 2], np.int32)
    outputs = np.tile(np.array([0, 0, 1], np.float32), (4, 1))
    chapters = TASKS["classification"]().chapters(outcome_of(data_spec((4,), ("a", "b", "c")), actual, outputs))
    rows = {row[0]: row[1:] for row in tables(chapters)["One by one"].rows}
    assert rows["a"][1] == "-"
    assert rows["mean of the 3 that occur"][1:4] == ("0.167", "0.333", "0.222")  # as scikit-learn's macro averages


def test_the_majority_class_is_the_baseline_of_classes(tensorflow):
    spec, task = data_spec((4,), ("a", "b")), TASKS["classification"]()
    train = split_of(np.array([0, 1, 1], np.int32))
    baselines = task.baselines(spec, train, train)
    ((words, constant),) = baselines.items()
    assert words == "always 'b', the most frequent class"
    assert metrics_of(task, spec, np.array([1, 1, 1, 0], np.int32), constant) == {"accuracy": 0.75}


def test_mean_and_median_are_the_baselines_of_numbers(tensorflow):
    spec, task = data_spec((4,), targets=(Target("y", 3.0, 2.0),)), TASKS["regression"]()
    targets = np.array([[0.0], [0.0], [9.0]], np.float32)
    baselines = task.baselines(spec, split_of(targets), split_of(targets))
    mean, median = (
        metrics_of(task, spec, targets, baselines[name]) for name in ("always the mean", "always the median")
    )
    assert mean["r2"] == pytest.approx(0, abs=1e-6)
    assert median["mae"] == pytest.approx(3)


def test_residuals_are_prediction_less_truth():
    spec = data_spec((4,), targets=(Target("y"),))
    chapters = TASKS["regression"]().chapters(
        outcome_of(spec, np.array([[1.0], [2.0]], np.float32), np.array([[3.0], [2.0]], np.float32))
    )
    assert figures(chapters)["residuals"].panel.y.tolist() == [2, 0]
    assert tables(chapters)["Errors"].rows[0][0:2] == ("y", "1")
    assert tables(chapters)["Errors"].rows[0][4] == "1"
