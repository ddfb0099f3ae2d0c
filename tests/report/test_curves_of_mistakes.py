"""Mistakes about series are drawn as curves, the steps behind them coloured by what spoke for the answer."""

import numpy as np

from dltrain.data import DataSpec, Outcome, Split
from dltrain.features.class_label import ClassLabel
from dltrain.features.whole_series import WholeSeries
from dltrain.figures.examples import STRIPES, Lines, _shaded
from dltrain.figures.page import Page, Row
from dltrain.report.examples import chapters_of
from dltrain.report.outcome import Evidence, Example
from dltrain.report.parts import Figure, Table
from dltrain.tasks.classification import Classification


def test_the_worst_mistakes_are_curves_above_their_table():
    feature = WholeSeries(channels=2)
    series = [np.random.RandomState(seed).normal(size=(3 + seed, 2)) for seed in range(3)]
    stored = feature.encode(series).stored
    spec = DataSpec.of(feature, ClassLabel(class_names=("a", "b")))
    outputs = np.array([[0, 1], [2, 0], [0, 3]], np.float32)
    outcome = Outcome(spec, "test", Split(stored, np.array([0, 0, 0], np.int32)), outputs=outputs)
    mistakes = Classification().mistakes(outcome, 5)
    weights = {0: np.linspace(-1, 1, 3), 2: None}
    wrong = [Example(stored[each.position], 0, outputs[each.position], f"data/x.ts:{each.position}",
                     weights[each.position]) for each in mistakes.worst]  # fmt: skip
    evidence = Evidence(outcome, {"test": 3}, {}, {}, [], mistakes, wrong, [], None, [], {})
    (chapter,) = [each for each in chapters_of(evidence) if each.title == "Mistakes"]
    figure, table = chapter.parts
    assert isinstance(figure, Figure) and isinstance(table, Table)
    assert [each.tolist() for each in figure.panel.vectors] == [series_.astype(np.float32).tolist() for series_ in
                                                                 (series[2], series[0])]  # fmt: skip
    assert (figure.panel.labels, figure.panel.notes) == (["predicted b"] * 2, ["actual a"] * 2)
    assert [row[0] for row in table.rows] == ["x.ts:2", "x.ts:0"]
    assert table.columns == ("example", "predicted", "actual", "")
    assert "steps in orange spoke for the prediction" in table.note
    assert Page("curves", {}, (Row((figure.panel,), ""),)).render().startswith(b"\x89PNG")


def test_stripes_are_orange_for_and_blue_against_and_as_dark_as_weights_are_large():
    (shades,) = _shaded(np.array([1.0, 0.5, -1.0]))
    assert shades[:, 3].tolist() == [0.8, 0.4, 0.8]
    assert shades[0, 0] > shades[0, 2] and shades[2, 2] > shades[2, 0]
    assert _shaded(np.random.RandomState(0).normal(size=1000)).shape == (1, STRIPES, 4)
    assert np.isfinite(_shaded(np.zeros(1000))).all()


def test_lines_are_drawn_with_and_without_what_spoke_for_them():
    vectors = [np.arange(5.0), np.arange(80.0).reshape(40, 2)]
    for weights in ((), (np.linspace(-1, 1, 5), None)):
        panel = Lines(vectors, ["a", "b"], ["x", "y"], weights, columns=4)
        assert Page("lines", {}, (Row((panel,), ""),)).render().startswith(b"\x89PNG")
