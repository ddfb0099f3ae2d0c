"""Counts and distributions are those of the data."""

import numpy as np
import pytest

from dltrain.features.class_label import ClassLabel
from dltrain.features.image import Image
from dltrain.features.labels import Labels
from dltrain.features.numbers import Numbers
from dltrain.features.table import Column, Table
from dltrain.features.vector import Vector
from dltrain.figures import distributions
from dltrain.figures.panels import Bands, Histogram, Shares


def test_few_classes_are_all_counted_in_each_part():
    feature = ClassLabel(class_names=("a", "b", "c"))
    (bars,) = feature.panels({"train": np.array([0, 0, 1]), "test": np.array([2])})
    assert bars.title == "Classes"
    assert bars.counts == {"train": [2, 1, 0], "test": [0, 0, 1]}
    assert list(bars.names) == ["a", "b", "c"]
    assert not bars.left_out


def test_of_many_classes_the_largest_and_smallest_are_shown():
    names = tuple(f"class {index}" for index in range(100))
    labels = np.repeat(np.arange(100), np.arange(100) + 1)
    (bars,) = ClassLabel(class_names=names).panels({"train": labels})
    assert list(bars.names) == [f"class {index}" for index in [*range(99, 89, -1), *range(9, -1, -1)]]
    assert bars.counts["train"] == [*range(100, 90, -1), *range(10, 0, -1)]
    assert bars.left_out == "… 80 more, with 11 to 90 examples each"


def test_labels_are_counted_one_by_one():
    (bars,) = Labels(class_names=("red", "blue")).panels({"train": np.array([[1, 1], [0, 1]], np.float32)})
    assert (bars.title, bars.counts) == ("Labels", {"train": [1, 2]})


def test_numbers_to_predict_are_shown_in_each_part():
    values = np.arange(1000, dtype=np.float32)[:, None]
    feature = Numbers(names=("price",), mean=(499.5,), standard_deviation=(288.7,))
    (panel,) = feature.panels({"train": values, "validation": values[:10]})
    assert isinstance(panel, Histogram)
    assert (panel.mean, panel.deviation) == (499.5, 288.7)
    assert panel.shares["train"] == pytest.approx(np.full(32, 1 / 32), abs=1e-3)
    assert panel.shares["validation"][0] == 1


def test_each_channel_has_a_histogram_with_what_normalisation_uses():
    images = np.zeros((2, 4, 4, 3), np.uint8)
    images[..., 1] = 255
    feature = Image(shape=(4, 4, 3), mean=(0, 255, 0), standard_deviation=(1, 2, 3))
    panels = feature.panels({"train": images})
    assert [panel.title for panel in panels] == ["Values: red", "Values: green", "Values: blue"]
    assert [int(panel.shares["train"].argmax()) for panel in panels] == [0, 31, 0]
    assert [panel.deviation for panel in panels] == [1, 2, 3]


def test_many_features_become_bands():
    values = np.random.RandomState(0).standard_normal((50, 30)).astype(np.float32)
    (panel,) = Vector(shape=(30,)).panels({"train": values})
    assert isinstance(panel, Bands)
    assert panel.quantiles[0] == pytest.approx(values.min(axis=0))
    assert panel.quantiles[4] == pytest.approx(values.max(axis=0))


@pytest.mark.parametrize(("missing", "shares"), [([0, 1, 0, 1], 1), ([1, 1, 1, 1], 0)])
def test_a_date_that_is_missing_is_not_drawn_as_what_it_is_filled_with(missing, shares):
    columns = (Column("born day", "born", "day", fill=-9000.0), Column("born missing", "born", "missing"))
    values = np.column_stack([np.where(missing, -9000, [10, 0, 12, 0]), missing]).astype(np.float32)
    (panel,) = Table(columns=columns, mean=(0,) * 2, standard_deviation=(1,) * 2).panels({"train": values})
    if not shares:
        assert (panel.names, panel.shares) == (["missing"], [1.0])
        return
    assert panel.note == "1970-01-11 to 1970-01-13; missing 50.0%, filled with 1945-05-12"
    assert panel.shares["train"].sum() == pytest.approx(1)
    assert panel.edges[0] > 0


@pytest.mark.parametrize("values", [[3.0], [3.0, 3.0], [1e30, 1e30], [0.1, 0.1], [-1e30, 1e30], [0.0] * 999 + [1e9]])
def test_bins_rise_whatever_the_values(values):
    edges, _ = distributions._edges(np.array(values, np.float32))
    assert (np.diff(edges) > 0).all()
    assert len(edges) >= 2


def test_columns_of_a_table_are_shown_as_what_they_are():
    columns = (
        Column("age", "age", fill=30.0),
        Column("age missing", "age", "missing"),
        Column("said good", "said", "word", word="good"),
        Column("said bad", "said", "word", word="bad"),
        *(Column(f"born {part}", "born", part) for part in ("year", "month", "weekday", "day")),
        Column("city", "city", "category", categories=("Bonn", "$Rio")),
    )
    born = [[1970, 1, 4, day] for day in (0, 1, 2, 365)]
    values = np.array([[20, 0, 0, 1], [30, 1, 1, 1], [40, 0, 0, 1], [40, 0, 0, 0]])
    values = np.column_stack([values, born, [2, 2, 1, 0]]).astype(np.float32)
    feature = Table(columns=columns, mean=(33,) * 9, standard_deviation=(7,) * 9)
    age, said, date, city = feature.panels({"train": values})
    assert isinstance(age, Histogram)
    assert "missing 25.0%, filled with 30" in age.note
    assert age.shares["train"].sum() == pytest.approx(1)
    assert age.edges[0] == 19.5
    assert isinstance(said, Shares)
    assert (list(said.names), list(said.shares)) == (["bad", "good"], [0.75, 0.25])
    assert "1970-01-01 to 1971-01-01" in date.note
    assert (list(city.names), list(city.shares)) == (["$Rio", "Bonn"], [0.5, 0.25])
    assert "25.0% missing" in city.note
    rows = feature.show(values)
    assert rows[0].names == ("age", "born", "city")
    assert [row.cells for row in rows] == [
        ("20", "1970-01-01", "$Rio"), ("(missing)", "1970-01-02", "$Rio"), ("40", "1970-01-03", "Bonn"),
        ("40", "1971-01-01", "(missing or unknown)"),
    ]  # fmt: skip
