"""Documents as training reads them, and what is measured of their vectors."""

import json

import numpy as np
import pytest
from at_home import at_home
from typer.testing import CliRunner

from dltrain.cli import app
from dltrain.data import DataSpec, Features, Outcome, Ragged, Split
from dltrain.data.random_draws import uniform
from dltrain.errors import KeyProblem
from dltrain.features.class_label import ClassLabel
from dltrain.features.image import Image
from dltrain.features.tokens import Tokens
from dltrain.models.bag_of_words import BagOfWords
from dltrain.models.doc2vec import Doc2Vec
from dltrain.registry import TASKS
from dltrain.tasks.document_words import Documents, DocumentWords, probe_accuracy

TOPICS = 5
TEXTS = Ragged.of([np.array(each) for each in ([2, 3, 2, 2, 1, 4], [], [3], [0, 0], [2] * 50)], np.uint16)
SHARES = np.array([0, 0, 0.3, 1, 0.75])


def seeds(count, start=0):
    return np.stack([np.full(count, 7), np.arange(start, start + count)], axis=1)


def test_without_sub_sampling_all_words_are_read_behind_the_number_of_their_document():
    documents = Documents(TEXTS, np.arange(10, 15), np.array([0, 0, 1, 1, 1.0]))
    found = documents.read(np.array([4, 0, 1, 3]), seeds(4))
    assert [row.tolist() for row in found] == [[14, *[2] * 50], [10, 2, 3, 2, 2, 4], [11], [13]]
    assert documents.lengths.tolist() == [6, 1, 2, 1, 51]
    assert [row.tolist() for row in documents.read(np.array([0, 2]))] == [[2, 3, 2, 2, 1, 4], [3]]


def test_sub_sampling_reads_each_word_in_its_share_of_the_epochs_and_as_many_each_time():
    documents, epochs = Documents(TEXTS, np.arange(5), SHARES), 4000
    rows = documents.read(np.zeros(epochs, np.int64), seeds(epochs))
    counts = np.bincount(np.concatenate([row[1:] for row in rows]), minlength=5) / epochs
    np.testing.assert_allclose(counts, [0, 0, 0.9, 1, 0.75], atol=0.04)
    sizes = {len(row) - 1 for row in documents.read(np.full(300, 4), seeds(300))}
    assert sizes == {15}  # 50 words of a share of 0.3
    assert documents.lengths.max() == 16
    assert (rows.lengths <= documents.lengths[0]).all()


def test_what_is_read_depends_on_the_seed_of_a_document_alone():
    documents = Documents(TEXTS, np.arange(5), SHARES)
    whole = documents.read(np.array([0, 4, 2]), seeds(3))
    alone = documents.take(np.array([1, 4])).read(np.array([1]), seeds(1, start=1))
    np.testing.assert_array_equal(whole[1], alone[0])
    drawn = uniform(seeds(10_000))
    assert drawn.min() > 0 and drawn.max() <= 1
    assert abs(drawn.mean() - 0.5) < 0.02
    assert len(np.unique(drawn)) == 10_000


def test_a_probe_tells_classes_that_lie_apart_and_guesses_others():
    random = np.random.RandomState(0)
    classes = np.repeat(np.arange(3), 40)
    apart = np.eye(3)[classes] @ random.normal(size=(3, 8)) + random.normal(0, 0.05, (120, 8))
    assert probe_accuracy(apart, classes) == 1
    assert probe_accuracy(random.normal(size=(120, 8)), classes) < 0.6


def tokens(texts):
    made = Tokens(kind="words", max_length=20).fit([texts])
    return made.adapt([made.encode(texts).stored])


def test_words_of_the_train_part_are_counted_and_kept_as_json():
    found = tokens(["a b a", "b c unknown"])
    names = {number: word for word, number in found.ids().items()}
    assert {names[place]: count for place, count in enumerate(found.counts) if count} == {
        **{"a": 2, "b": 2, "c": 1, "unknown": 1}
    }
    assert found.texts == 2
    assert Tokens.of_plain(json.loads(json.dumps(found.plain()))) == found
    assert "counts" not in Tokens().plain()


def problem(task, data):
    with pytest.raises(KeyProblem) as caught:
        task.check(data)
    return str(caught.value)


def test_data_that_are_no_documents_are_refused():
    task, texts = DocumentWords(), tokens(["a b", "b c"])
    task.check(DataSpec.of(texts))
    task.check(DataSpec.of(texts, ClassLabel(class_names=("x", "y"))))
    assert "texts as words, the data have image" in problem(task, DataSpec.of(Image(shape=(8, 8, 1))))
    pieces = Tokens(kind="wordpiece", max_length=20).fit([["a b", "b c"]])
    assert "set dataset.tokenizer: words" in problem(task, DataSpec.of(pieces.adapt([pieces.encode(["a"]).stored])))
    one = problem(task, DataSpec.of(tokens(["only one"])))
    assert "two documents or more to train on, the train part has 1; give each document a row" in one
    two = DataSpec(Features.of(texts), Features(a=ClassLabel(class_names=("x",)), b=ClassLabel(class_names=("x",))))
    assert "at most a class of each document" in problem(task, two)


def test_networks_and_tasks_that_do_not_go_together_name_each_other():
    data = DataSpec.of(tokens(["a b", "b c"]), ClassLabel(class_names=("x", "y")))
    with pytest.raises(KeyProblem, match="bag_of_words has no outputs of its own, as document_words needs: doc2vec"):
        BagOfWords().check(data.bound(DocumentWords()))
    with pytest.raises(KeyProblem, match="doc2vec learns vectors of documents.*set task.name: document_words"):
        Doc2Vec().check(data.bound(TASKS["classification"]()))
    Doc2Vec().check(data.bound(DocumentWords()))


def test_metrics_that_a_part_cannot_have_are_undefined():
    task, texts = DocumentWords(), tokens([f"a b {number}" for number in range(40)])
    inputs = texts.encode(["a b"] * 40).stored
    labels = ClassLabel(class_names=("x", "y"))
    some = Split(inputs, np.arange(40) % 2)
    assert task.undefined(DataSpec.of(texts, labels), some).keys() == {"loss"}
    assert task.undefined(DataSpec.of(texts), Split(inputs)).keys() == {"loss", "probe_accuracy"}
    assert "probe_accuracy" in task.undefined(DataSpec.of(texts, labels), Split(inputs, np.zeros(40, np.int64)))
    assert task.undefined(DataSpec.of(texts, labels), task.training_part(DataSpec.of(texts), some)) == {}


def test_self_recall_counts_documents_that_are_nearest_to_themselves():
    task, texts = DocumentWords(metrics=("self_recall",)), tokens(["a b", "b c", "c c"])
    stored, vectors = texts.encode(["a b", "b c", "c c"]).stored, np.eye(3)
    known = {
        "vectors": vectors,
        "again": vectors,
        "nearest": np.array([[0], [1], [0]]),
        "cosines": np.full((3, 1), 0.5),
    }
    train = Outcome(DataSpec.of(texts), "train", Split(stored), outputs=known)
    assert task.measure(train) == {"self_recall": pytest.approx(2 / 3)}
    other = texts.encode(["a a", "b b", "c b"]).stored
    part = Outcome(DataSpec.of(texts), "test", Split(other), outputs=known)
    assert task.measure(part) == {"self_recall": 1}
    nearer = Outcome(DataSpec.of(texts), "test", Split(other), outputs=known | {"cosines": np.array([[2], [0], [2]])})
    assert task.measure(nearer) == {"self_recall": pytest.approx(1 / 3)}


OF_GENSIM = {"dbow": (1.0, 1.0), "dm_mean": (1.0, 1.0)}
"""self_recall and probe_accuracy of gensim 4.4.0 on the train part of such documents: vectors of 32 numbers, 60 epochs,
a rate that falls from 0.025 to 0.0001, a window of 5 that it shortens at random, 5 negatives, no sub-sampling."""

CONFIG = """
dataset: {{name: text_table, path: topics.csv, label_column: topic, tokenizer: words, test_fraction: 0.2,
  validation_fraction: 0}}
task: {{name: document_words, sample: none}}
model: {{name: doc2vec, mode: {mode}, width: 32}}
optimizer: {{name: adam, learning_rate: 0.05}}
schedule: {{name: polynomial}}
train: {{epochs: 60, batch_size: 16}}
"""


@pytest.fixture(scope="module", params=OF_GENSIM)
def run(request, tensorflow, tmp_path_factory):
    folder = tmp_path_factory.mktemp("topics")
    random = np.random.RandomState(0)
    words = np.array([f"w{number}" for number in range(150)])
    shares = random.dirichlet(np.full(150, 0.05), TOPICS)
    rows = ["text,topic"]
    for number in range(300):
        mixed = 0.9 * shares[number % TOPICS] + 0.1 * shares.mean(axis=0)
        rows.append(f"{' '.join(random.choice(words, 60, p=mixed))},t{number % TOPICS}")
    (folder / "topics.csv").write_text("\n".join([*rows, ""]))
    config = folder / "topics.yaml"
    config.write_text(CONFIG.format(mode=request.param))
    with at_home():
        result = CliRunner().invoke(app, ["fit", str(config), "--runs", str(folder / "runs"), "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout) | {"mode": request.param}


def test_vectors_recall_their_documents_and_tell_their_topics_as_those_of_gensim_do(run):
    assert run["test"]["probe_accuracy"] >= 0.9  # learnt of 48 documents
    assert run["test"]["self_recall"] >= 0.99
    assert run["test"]["loss"] is None
    with at_home():
        result = CliRunner().invoke(app, ["eval", run["run"], "--split", "train", "--json"])
    found = json.loads(result.stdout)
    recall, accuracy = OF_GENSIM[run["mode"]]
    assert found["metrics"]["self_recall"] >= max(0.99, recall - 0.01)
    assert found["metrics"]["probe_accuracy"] >= max(0.95, accuracy - 0.05)
    assert "embedded anew" in found["undefined"]["loss"]
