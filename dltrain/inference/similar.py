"""What is near a text among the documents that a run was trained on, and near a word among its words."""

from __future__ import annotations

from typing import Any

import numpy as np

from dltrain.console import Reporter
from dltrain.data.statistics import of_length_1
from dltrain.errors import UserError
from dltrain.inference.prediction import Predictor
from dltrain.inference.trained_run import TrainedRun
from dltrain.inference.vector_tables import names_of
from dltrain.inspection.inspected_data import InspectedData
from dltrain.registry import nearest as closest
from dltrain.runs.folder import Run

SHOWN = 200
"""Letters of a document that are returned."""


def similar(
    run: Run, text: str | None, document: str | None, count: int, reporter: Reporter, checkpoint: str
) -> dict[str, Any]:
    """Finds the documents nearest to a text or to a document of the train part, and the words nearest to a word.

    Args:
        run: a run whose network has learnt vectors of its train part.
        text: the text; none where a document is named.
        document: its name, as the results have it; none where a text is given.
        count: how many to find.
        reporter: what says how it goes.
        checkpoint: "best" or "last".

    Returns:
        {"run", "documents": [{"name", "cosine", "text"}], "words": [{"word", "cosine"}]}: no words but for a word.

    Raises:
        UserError: if the run has no such vectors, the text no word that it knows, or no document that name.
    """
    trained = TrainedRun.open(run, checkpoint, reporter)
    devices, splits, train = trained.own_part("train")
    predictor = Predictor(trained.config, trained.spec, trained.network(devices).model, checkpoint)
    tables = predictor.task.vectors(predictor.spec, predictor.model)
    if "documents" not in tables:
        raise UserError(f"{run.path}: has learnt no vectors of documents; a run of another task is needed")
    vectors = tables["documents"][1]
    names = names_of(None, len(vectors), InspectedData(splits, brief=True))
    place = None
    if document is not None:
        if document not in names:
            hint = closest(document, names) or f"; the first of its {len(names):,} is {names[0]}"
            raise UserError(f"{run.path}: has no document {document!r}{hint}")
        place = names.index(document)
        asked = vectors[place]
    else:
        asked = _embedded(run, predictor, text or "")
    found = nearest(asked, vectors, count, place)
    texts = predictor.spec.input.words(train.inputs.take(np.array([row for row, _ in found], np.int64)))
    documents = [
        {"name": names[row], "cosine": cosine, "text": words[:SHOWN]}
        for (row, cosine), words in zip(found, texts, strict=True)
    ]
    words, of_words = tables["words"]
    known = {word: row for row, word in enumerate(words or ())}
    word = "" if text is None else text.strip()
    word = word if word in known else word.lower()
    near = nearest(of_words[known[word]], of_words, count, known[word]) if word in known else []
    spelled = [*known]
    return {
        "run": run.name,
        "documents": documents,
        "words": [{"word": spelled[row], "cosine": cosine} for row, cosine in near],
    }


def nearest(vector: np.ndarray, table: np.ndarray, count: int, without: int | None = None) -> list[tuple[int, float]]:
    """Returns the rows of a table nearest to a vector, and their cosines, the nearest first.

    Args:
        vector: (numbers,).
        table: (rows, numbers).
        count: how many.
        without: a row that is left out; none for all.
    """
    cosines = of_length_1(table) @ of_length_1(vector)
    if without is not None:
        cosines[without] = -np.inf
    order = np.argsort(-cosines, kind="stable")[: min(count, len(table) - (without is not None))]
    return [(int(row), float(cosines[row])) for row in order]


def _embedded(run: Run, predictor: Predictor, text: str) -> np.ndarray:
    request = predictor.reader.read_values([text])
    if request.problems:
        raise UserError(f"the text {text[:60]!r} {request.problems[0]}")
    outputs = predictor.outputs(request.inputs)
    vector = np.asarray(outputs["vectors"][0])
    if not np.asarray(outputs["known"])[0]:
        raise UserError(
            f"{run.path}: knows no word of {text[:60]!r}, so nothing is near it; ask with words of its train "
            "part, or name one of its documents with --document"
        )
    return vector
