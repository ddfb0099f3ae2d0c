"""Documents in the plane, by principal components and by UMAP."""

import logging
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

import numpy as np
import pytest

from dltrain.data import DataSpec, Groups, Outcome, Split
from dltrain.features.tokens import Tokens
from dltrain.figures.plane import POINTS
from dltrain.report.documents import plane
from dltrain.tasks.document_words import DocumentWords

VECTORS = np.random.RandomState(0).randn(40, 6)


class Stand:
    """Stands for umap.UMAP, which takes 200 MB."""

    def __init__(self, **settings):
        self.settings = settings
        made.append(self)

    def fit_transform(self, vectors):
        self.lengths = np.linalg.norm(vectors, axis=1)
        return vectors[:, [2, 0]]


made = []


@pytest.fixture
def umap(monkeypatch):
    """Has a package umap installed; returns what is made of its class."""
    module = ModuleType("umap")
    module.__spec__, module.UMAP = ModuleSpec("umap", None), Stand
    monkeypatch.setitem(sys.modules, "umap", module)
    made.clear()
    return made


@pytest.fixture
def no_umap(monkeypatch):
    """Has none installed."""
    monkeypatch.setattr("dltrain.report.documents.find_spec", lambda name: None)


def test_umap_places_documents_by_their_directions_the_same_each_time(umap, caplog):
    drawn = plane(VECTORS, None, "test", "umap").panel
    units = VECTORS / np.linalg.norm(VECTORS, axis=1, keepdims=True)
    np.testing.assert_allclose(drawn.points, units[:, [2, 0]], rtol=1e-6)
    assert umap[0].settings == {"n_neighbors": 15, "random_state": 0, "n_jobs": 1}
    assert "UMAP" in drawn.note and "40 documents" in drawn.note
    assert not caplog.records


def test_a_task_says_how_its_documents_are_placed(umap):
    texts = Tokens(kind="words", max_length=8).fit([["a b", "b c"] * 3])
    outcome = Outcome(
        DataSpec.of(texts), "test", Split(texts.encode(["a b", "b c"] * 3).stored), outputs={"vectors": VECTORS[:6]}
    )
    DocumentWords().chapters(outcome)
    assert not umap
    [chapter] = DocumentWords(plane="umap").chapters(outcome)
    assert len(umap) == 1
    assert "UMAP" in chapter.parts[0].panel.note


def test_umap_of_few_documents_has_fewer_neighbours(umap):
    plane(VECTORS[:6], None, "test", "umap")
    assert umap[0].settings["n_neighbors"] == 5


def test_umap_places_no_more_documents_than_are_drawn_each_with_its_class(umap):
    count = 2 * POINTS
    vectors, members = np.random.RandomState(1).randn(count, 4), np.arange(count) % 3
    vectors[:, 2] = np.where(members == 1, 1e3, -1e3)
    drawn = plane(vectors, Groups(("a", "b", "c"), members), "test", "umap").panel
    assert len(drawn.points) == len(drawn.members) == len(umap[0].lengths) == POINTS
    np.testing.assert_array_equal(drawn.points[:, 0] > 0, drawn.members == 1)
    assert f"{count:,} documents" in drawn.note


def test_without_umap_one_line_says_what_to_type_and_principal_components_are_drawn(no_umap, caplog):
    with caplog.at_level(logging.WARNING, "dltrain"):
        drawn = plane(VECTORS, None, "test", "umap").panel
    np.testing.assert_array_equal(drawn.points, plane(VECTORS, None, "test").panel.points)
    assert "principal components" in drawn.note
    [record] = caplog.records
    assert "pip install 'dltrain[umap]'" in record.getMessage()


@pytest.mark.parametrize("count", [1, 2, 4])
def test_too_few_documents_for_umap_are_drawn_by_principal_components(umap, caplog, count):
    with caplog.at_level(logging.WARNING, "dltrain"):
        drawn = plane(VECTORS[:count], None, "test", "umap").panel
    assert drawn.points.shape == (count, 2)
    assert f"the part has {count}" in caplog.text
    assert not umap
