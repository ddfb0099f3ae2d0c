"""Each check on data that have what it looks for, and on data that have not."""

import dataclasses

import numpy as np
import pytest
from specs import data_spec

from dltrain.data import Provenance, Split, Splits
from dltrain.features.numbers import Number as Target
from dltrain.features.table import Column
from dltrain.inspection.findings import examine
from dltrain.inspection.inspected_data import InspectedData
from dltrain.registry import DATASETS


def part(inputs, targets, name="rows.csv"):
    inputs = np.asarray(inputs, np.float32)
    targets = np.asarray(targets, np.int32 if np.ndim(targets) == 1 else np.float32)
    return Split(inputs, targets, provenance=Provenance(lambda row: f"{name}:{row + 2}", np.arange(len(inputs))))


def table(seed=0, train=60, test=30, classes=3, columns=4):
    """Classes that no column tells apart by itself."""
    random = np.random.RandomState(seed)
    parts = []
    for name, count in (("train", train), ("test", test)):
        labels = np.arange(count) % classes
        parts.append(part(random.standard_normal((count, columns)) + labels[:, None], labels, f"{name}.csv"))
    spec = data_spec((columns,), tuple("abcdefghij"[:classes]))
    return Splits(spec, parts[0], test=parts[1]).with_statistics()


def found(splits, **settings):
    """Returns the findings by kind."""
    return {finding.kind: finding for finding in examine(InspectedData(splits, **settings))}


def changed(splits, name="train", **fields):
    return dataclasses.replace(splits, **{name: dataclasses.replace(getattr(splits, name), **fields)})


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("digits", {}),
        ("synthetic", {}),
        ("synthetic", {"num_classes": 2}),
        ("synthetic", {"shape": (20,), "num_classes": 3}),
    ],
)
def test_clean_data_are_left_alone(name, settings):
    splits = DATASETS[name](**settings).load()
    assert found(splits) == found(splits, brief=True) == {}


def test_a_clean_table_is_left_alone():
    assert found(table()) == {}


def test_a_class_with_a_single_example_is_said_with_its_place():
    splits = table()
    targets = np.where(splits.train.targets == 2, 0, splits.train.targets)
    targets[7] = 2
    splits = changed(changed(splits, targets=targets), "test", targets=splits.test.targets % 2)
    finding = found(splits, brief=True)["single example"]
    assert finding.severity == "warning"
    assert finding.where == ("c: train.csv:9",)
    assert "missing class" not in found(splits)


def test_a_class_that_is_missing_from_a_part_is_named():
    splits = changed(table(), "test", targets=table().test.targets % 2)
    finding = found(splits, brief=True)["missing class"]
    assert finding.where == ("c",)
    assert "test part" in finding.message


@pytest.mark.parametrize("count", [1, 2, 9])
def test_every_class_with_few_training_examples_is_named_once(count):
    """One with a single training example among them, unless it has no other at all, which another finding says."""
    splits = table(train=300, classes=4)
    targets = np.where(np.arange(300) < count, 2, np.arange(300) % 2)
    targets[200:205] = 3
    kinds = found(changed(splits, targets=targets.astype(np.int32)))
    assert set(kinds["few examples"].where) == {f"c: {count}", "d: 5"}
    assert "single example" not in kinds
    alone = found(changed(changed(splits, targets=targets.astype(np.int32)), "test", targets=splits.test.targets % 2))
    assert ("c" in "".join(alone["few examples"].where)) == (count > 1)
    assert ("single example" in alone) == (count == 1)


def test_few_examples_and_imbalance_are_said():
    splits = table(train=300)
    targets = np.where(np.arange(300) % 100 == 0, 2, np.arange(300) % 2)
    kinds = found(changed(splits, targets=targets.astype(np.int32)))
    assert kinds["few examples"].where == ("c: 3",)
    assert "imbalance" in kinds
    assert "few examples" not in found(splits)


def test_a_row_in_two_parts_is_found_with_its_lines():
    splits = table()
    inputs = splits.test.inputs.copy()
    inputs[[3, 8]] = splits.train.inputs[[5, 11]]
    finding = found(changed(splits, "test", inputs=inputs), brief=True)["leak"]
    assert finding.severity == "warning"
    assert finding.where == ("test.csv:5 = train.csv:7", "test.csv:10 = train.csv:13")


def test_a_few_equal_rows_of_a_table_are_a_note():
    splits = table(train=300, test=300)
    inputs = splits.test.inputs.copy()
    inputs[3] = splits.train.inputs[5]
    assert found(changed(splits, "test", inputs=inputs))["leak"].severity == "note"


def few_values(targets):
    """Rows of which each has many equals by chance."""
    random = np.random.RandomState(0)
    parts = [part(rows, targets(random, rows)) for rows in (random.randint(0, 3, (count, 3)) for count in (300, 60))]
    return Splits(data_spec((3,), ("a", "b")), parts[0], test=parts[1]).with_statistics()


def test_rows_that_are_equal_by_chance_are_a_note():
    finding = found(few_values(lambda random, rows: random.randint(0, 2, len(rows))))["leak"]
    assert finding.severity == "note"
    assert "100.0% of the train part have a copy within it" in finding.message


def test_rows_whose_equals_all_have_their_target_are_a_leak():
    assert found(few_values(lambda random, rows: rows.sum(axis=1) > 3), brief=True)["leak"].severity == "warning"


def test_more_copies_than_chance_explains_are_a_leak():
    splits = table(train=300, test=60)
    inputs, targets = splits.train.inputs.copy(), splits.train.targets.copy()
    inputs[20:40] = inputs[:20]  # 40 of 300 have a copy within train
    leaky = splits.test.inputs.copy()
    leaky[:20] = inputs[100:120]
    splits = changed(changed(splits, inputs=inputs, targets=1 - targets % 2), "test", inputs=leaky)
    finding = found(splits, brief=True)["leak"]
    assert finding.severity == "warning"
    assert "(33.3%) are also in the train part; 13.3% of the train part have a copy" in finding.message


def test_copies_in_training_are_found_and_those_that_contradict_apart():
    splits = table()
    inputs, targets = splits.train.inputs.copy(), splits.train.targets.copy()
    inputs[[10, 20]] = inputs[[4, 5]]
    targets[[4, 10]], targets[[5, 20]] = 1, (0, 2)
    kinds = found(changed(splits, inputs=inputs, targets=targets))
    assert kinds["duplicates"].where == ("train.csv:12 = train.csv:6",)
    assert kinds["contradiction"].where == ("train.csv:22 = train.csv:7",)


def test_minus_zero_is_zero():
    splits = table()
    inputs = splits.train.inputs.copy()
    inputs[0], inputs[1] = 0.0, -0.0
    assert "contradiction" in found(changed(splits, inputs=inputs))


def test_constant_and_equal_columns_are_named():
    splits = table()
    inputs = splits.train.inputs.copy()
    inputs[:, 1], inputs[:, 3] = 5, inputs[:, 0]
    kinds = found(changed(splits, inputs=inputs))
    assert kinds["constant columns"].where == ("feature 1",)
    assert kinds["duplicate columns"].where == ("feature 3 = feature 0",)


def test_a_column_that_differs_once_is_not_constant():
    splits = table(train=30_000)
    inputs = np.zeros_like(splits.train.inputs)
    inputs[7, 0] = 1
    assert found(changed(splits, inputs=inputs))["constant columns"].where == ("feature 1", "feature 2", "feature 3")


@pytest.mark.parametrize(
    ("scale", "shift", "kind"),
    [(1e-9, 0, "tiny deviation"), (1e8, 0, "huge deviation"), (1, 1.7e9, "coarse values")],
)
def test_features_that_float32_or_the_normalisation_cannot_hold_are_named(scale, shift, kind):
    splits = table()
    inputs = splits.train.inputs.astype(float)
    inputs[:, 2] = inputs[:, 2] * scale + shift
    splits = changed(splits, inputs=inputs).with_statistics()
    assert "feature 2" in found(splits, brief=True)[kind].where[0]


@pytest.mark.parametrize("name", ["train", "test"])
def test_values_that_are_no_numbers_are_found(name):
    splits = table()
    inputs = getattr(splits, name).inputs.copy()
    inputs[4, 1] = np.nan
    splits = changed(splits, name, inputs=inputs).with_statistics()
    assert found(splits, brief=True)["not a number"].where == (f"{name}.csv:6",)


def regression(leak=None):
    random = np.random.RandomState(0)
    inputs = random.standard_normal((300, 3))
    targets = inputs @ [[1.0], [2.0], [3.0]] + random.standard_normal((300, 1))
    if leak is not None:
        inputs[:, 1:2] = leak(targets)
    columns = tuple(Column(name, name) for name in ("age", "total", "size"))
    spec = data_spec((3,), columns=columns, targets=(Target("price", targets.mean(), targets.std()),))
    return Splits(spec, part(inputs, targets)).with_statistics()


@pytest.mark.parametrize(
    ("leak", "kind"),
    [(lambda y: 3 * y + 1, "target leak"), (np.tanh, "near target leak"), (None, None)],
)
def test_a_column_that_gives_a_number_away_is_named(leak, kind):
    kinds = found(regression(leak))
    assert set(kinds) == ({kind} if kind else set())
    if kind:
        assert kinds[kind].where[0].startswith("column 'total' gives target 'price'")


def test_a_column_that_gives_the_class_away_is_named():
    splits = table(train=300)
    inputs = splits.train.inputs.copy()
    inputs[:, 1] = np.array([5.0, 1.0, 3.0])[splits.train.targets]
    assert found(changed(splits, inputs=inputs), brief=True)["target leak"].where == ("feature 1 gives the class",)
    inputs[:, 1] += np.random.RandomState(0).uniform(-0.5, 0.5, 300)
    kinds = found(changed(splits, inputs=inputs))
    assert kinds["near target leak"].where[0].startswith("feature 1 gives the class, score")


def test_few_rows_equal_the_target_by_luck():
    for rows, single in ((20, False), (60, True)):
        splits = table(train=rows)
        targets = splits.train.targets % 2
        if single:
            targets[:] = 0
            targets[7] = 1
        inputs = splits.train.inputs.copy()
        inputs[:, 1] = targets
        assert "target leak" not in found(changed(splits, inputs=inputs, targets=targets), brief=True)


def test_a_target_that_never_changes_is_said():
    splits = regression()
    assert "constant target" in found(changed(splits, targets=np.ones_like(splits.train.targets)), brief=True)


@pytest.mark.parametrize("seed", range(3))
def test_five_wrong_labels_of_digits_are_among_the_first_twenty(seed):
    splits = DATASETS["digits"]().load()
    random, targets = np.random.RandomState(seed), splits.train.targets.copy()
    wrong = random.choice(len(targets), 5, replace=False)
    targets[wrong] = (targets[wrong] + random.randint(1, 10, 5)) % 10
    finding = found(changed(splits, targets=targets))["doubtful labels"]
    assert len(finding.where) <= 20
    assert {f"train[{index}]" for index in wrong} <= {place.partition(":")[0] for place in finding.where}


def test_what_was_left_out_is_a_warning_unless_it_was_asked_for():
    splits = dataclasses.replace(table(), skipped=("a.csv:3: has no target",))
    assert found(splits)["unusable"].severity == "warning"
    assert found(splits, skips=True)["unusable"].severity == "note"


def test_labels_of_which_an_example_has_several_are_counted():
    random = np.random.RandomState(0)
    inputs, targets = random.standard_normal((80, 3)), (random.rand(80, 2) < 0.5).astype(np.float32)
    targets[:, 1] = 0
    splits = Splits(data_spec((3,), ("x", "y")), part(inputs, targets)).with_statistics()
    assert found(splits)["missing class"].where == ("y",)


def test_the_labels_of_a_handful_are_looked_at_too():
    """Fewer than the neighbours that are asked of each."""
    assert "target leak" not in found(table(train=10, test=3, classes=2))
