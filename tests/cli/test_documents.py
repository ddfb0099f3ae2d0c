"""`dltrain similar`, `summarize` and `export` of a run that has learnt vectors of documents."""

import json

import numpy as np
import pytest
from at_home import at_home
from typer.testing import CliRunner

from dltrain.cli import app
from dltrain.inference.summary import by_relevance, sentences_of

CONFIG = """
dataset: {name: text_table, path: documents.csv, label_column: topic, tokenizer: words, test_fraction: 0,
  validation_fraction: 0}
task: {name: document_words}
model: {name: doc2vec, mode: dm_mean, width: 8}
optimizer: {name: adam, learning_rate: 0.05}
train: {epochs: 30, batch_size: 10}
report: false
"""


@pytest.fixture(scope="module")
def folder(tensorflow, tmp_path_factory):
    folder, random = tmp_path_factory.mktemp("documents"), np.random.RandomState(0)
    rows = ["text,topic"]
    for number in range(40):
        words = [[f"sea{place}" for place in range(9)], [f"law{place}" for place in range(9)]][number % 2]
        rows.append(f"{' '.join(random.choice(words, 15))},{('sea', 'law')[number % 2]}")
    (folder / "documents.csv").write_text("\n".join([*rows, ""]))
    (folder / "d.yaml").write_text(CONFIG)
    with at_home():
        assert dltrain("fit", folder / "d.yaml", "--runs", folder / "runs").exit_code == 0
    return folder


def dltrain(*words):
    return CliRunner().invoke(app, [*map(str, words)])


def answer(command, folder, *words):
    with at_home():
        result = dltrain(command, folder / "runs" / "d-001", *words, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def refusal(command, folder, *words):
    with at_home():
        result = dltrain(command, folder / "runs" / "d-001", *words)
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output
    return result.output


def test_similar_lists_documents_of_like_words_and_for_a_word_its_nearest_words(folder):
    found = answer("similar", folder, "sea1 sea2 sea5 sea3", "--count", 5)
    assert [each["text"][:3] for each in found["documents"]] == ["sea"] * 5
    cosines = [each["cosine"] for each in found["documents"]]
    assert cosines == sorted(cosines, reverse=True)
    assert found["words"] == []
    assert len(answer("similar", folder, "LAW3", "--count", 4)["words"]) == 4


def test_similar_takes_a_document_of_the_train_part_by_its_name(folder):
    name = f"{folder / 'documents.csv'}:3"
    found = answer("similar", folder, "--document", name, "--count", 3)["documents"]
    assert [each["text"][:3] for each in found] == ["law"] * 3
    assert name not in [each["name"] for each in found]
    assert "did you mean" in refusal("similar", folder, "--document", name[:-1] + "333")
    unlike = refusal("similar", folder, "--document", "zz")
    assert f"the first of its 40 is {name[:-1]}2" in "".join(unlike.split("\n"))
    assert unlike.count(".csv") == 1


def test_what_similar_cannot_place_is_told(folder):
    assert "knows no word of 'whales and ships', so nothing is near it" in refusal(
        "similar", folder, "whales and ships"
    )
    assert "is an empty text" in refusal("similar", folder, " ")
    assert "needs either a TEXT, or --document" in refusal("similar", folder)


def test_predict_embeds_what_it_knows_and_names_the_rest(folder, tmp_path):
    (tmp_path / "asked.txt").write_text("sea1 sea2 sea1\nwhales\nlaw1 law2\n")
    with at_home():
        result = dltrain("predict", folder / "runs" / "d-001", tmp_path / "asked.txt", "--json")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert [len(row.get("vector", ())) for row in found["predictions"]] == [8, 0, 8]
    assert found["predictions"][1]["error"] == "has no word that the train part has"


TEXT = "Sea1 sea2 sea3, said Dr. Sea4. Law1 law2 law3 law4 law5! Sea5 sea6 sea7 sea8. Whales. Sea2 sea2 sea1?"


def test_summarize_chooses_sentences_in_their_order(folder, tmp_path):
    file, reference = tmp_path / "text.txt", tmp_path / "reference.txt"
    file.write_text(TEXT)
    reference.write_text("Sea1 sea2 sea3, said Dr. Sea4. Law1 law2 law3 law4 law5!")
    found = answer("summarize", folder, file, "--sentences", 2, "--reference", reference)
    places = [each["place"] for each in found["sentences"]]
    assert (len(places), found["of"], places) == (2, 5, sorted(places))
    assert 4 not in places  # of which no word is known
    assert found["rouge"].keys() == {"rouge1", "rouge2", "rougeL"}
    centroid = answer("summarize", folder, file, "--sentences", 9, "--method", "centroid")
    assert [each["place"] for each in centroid["sentences"]] == [1, 2, 3, 5]
    file.write_text("Whales. Ships.")
    assert f"{file}: the text has no sentence with a word" in refusal("summarize", folder, file)
    assert "cannot be read" in refusal("summarize", folder, tmp_path / "none.txt")


def test_relevance_avoids_what_is_said_already():
    units = np.array([[1, 0], [1, 0], [0.6, 0.8]])
    assert by_relevance(units, units @ np.array([0.9, 0.43]), 2) == [0, 2]
    assert sentences_of('He left. "Why?" she asked. In 3.5 days, e.g. Monday.\n\nA heading\n\nThe end.') == [
        *("He left.", '"Why?" she asked.', "In 3.5 days, e.g. Monday.", "A heading", "The end.")
    ]


def test_vectors_are_exported_with_their_names(folder, tmp_path):
    polars = pytest.importorskip("polars")
    found = answer("export", folder, "--format", "word2vec", "--format", "parquet", "-o", tmp_path / "out")
    assert {each["path"].rpartition("/")[2] for each in found["exports"]} == {
        *("documents.txt", "words.txt", "documents.parquet", "words.parquet")
    }
    lines = (tmp_path / "out" / "documents.txt").read_text().splitlines()
    assert lines[0] == "40 8"
    assert lines[1].startswith(f"{folder / 'documents.csv'}:2 ")
    table = polars.read_parquet(tmp_path / "out" / "words.parquet")
    assert table.columns == ["name", "vector"]
    assert {"sea1", "law8"} <= {*table["name"]}
    written = {line.split()[0]: np.array(line.split()[1:], np.float32) for line in
               (tmp_path / "out" / "words.txt").read_text().splitlines()[1:]}  # fmt: skip
    for name, vector in zip(table["name"], table["vector"], strict=True):
        np.testing.assert_array_equal(written[name], vector)
    assert "word2vec" in (tmp_path / "out" / "MODEL_CARD.md").read_text()


def test_words_begin_with_vectors_of_a_file_and_a_line_that_is_none_is_named(folder, tmp_path):
    words = tmp_path / "words.txt"
    words.write_text("2 8\nsea1 1 2 3 4 5 6 7 8\nelsewhere 0 0 0 0 0 0 0 0\n")
    config = folder / "d.yaml"
    with at_home():
        done = dltrain("fit", config, f"model.weights={words}", "train.epochs=1", "--runs", tmp_path / "runs", "--json")
        assert done.exit_code == 0, done.output
        words.write_text("2 8\nsea1 1 2 3 4 5 6 7 8\nelsewhere 0 0 x 0 0 0 0 0\n")
        failed = dltrain("fit", config, f"model.weights={words}", "--runs", tmp_path / "other")
    assert failed.exit_code == 2
    assert f"{words}:3: must be a word and 8 finite numbers, got 'elsewhere 0 0 x" in failed.output
    assert not (tmp_path / "other").exists()
