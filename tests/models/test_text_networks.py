"""Networks over texts: what stands behind the end of a text, or beside it in a batch, changes nothing."""

import keras
import numpy as np
import pytest

from dltrain.config.experiment import load
from dltrain.data import DataSpec
from dltrain.errors import ConfigError, KeyProblem
from dltrain.features.class_label import ClassLabel
from dltrain.features.tokens import Tokens
from dltrain.features.vector import Vector
from dltrain.models._texts import TextNetwork
from dltrain.registry import MODELS

TEXTS = ["one two three four five six seven eight nine ten"] * 3
TOKENS = Tokens(kind="words", max_length=40).fit([TEXTS])
SPEC = DataSpec.of(TOKENS, ClassLabel(class_names=("a", "b", "c")))
V = TOKENS.vocabulary
HUB = {"depth": 1, "heads": 2, "width": 8, "dense_width": 16, "positions": 40}
BLOCK, POOLED, HEAD = 4 * (8 * 8 + 8) + 2 * 16 + (8 * 16 + 16) + (16 * 8 + 8), 8 * 8 + 8, 8 * 3 + 3
NARROW = (V + 40 + 2 + 2) * 64 + 64 * 8 + 8  # tables of 64 numbers, which a dense layer makes 8
NETWORKS = {
    "bag_of_words": ({"width": 8, "word_grams": 3, "buckets": 50}, (V + 50) * 8 + 8 * 3 + 3),
    "text_cnn": (
        {"width": 8, "filters": 6, "kernel_sizes": (2, 5)},
        V * 8 + (2 * 8 + 1) * 6 + (5 * 8 + 1) * 6 + 12 * 3 + 3,
    ),
    "lstm": (
        {"width": 8, "units": (6, 4)},
        V * 8 + 2 * 4 * (8 + 6 + 1) * 6 + 2 * 4 * (12 + 4 + 1) * 4 + 8 * 3 + 3,
    ),
    "gru": ({"width": 8, "units": (6,), "bidirectional": False}, V * 8 + 3 * (8 + 6 + 2) * 6 + 6 * 3 + 3),
    "transformer": (
        {"width": 8, "heads": 2, "depth": 1, "positions": "learnt"},
        V * 8 + 40 * 8 + 4 * (8 * 8 + 8) + (8 * 32 + 32) + (32 * 8 + 8) + 3 * 16 + 8 * 3 + 3,
    ),
    "bert": (HUB, (V + 40 + 2 + 2) * 8 + BLOCK + POOLED + HEAD),
    "electra": (HUB, NARROW + BLOCK + POOLED + HEAD),
    "albert": (HUB | {"depth": 3}, NARROW + BLOCK + POOLED + HEAD),
    **dict.fromkeys(("roberta", "xlm_roberta", "distil_bert"), (HUB, (V + 40 + 2) * 8 + BLOCK + POOLED + HEAD)),
    "deberta_v3": (HUB, (V + 2 + 2 * 256 + 2) * 8 + BLOCK + POOLED + HEAD),
}
"""Keys of a small network of each, and how many weights it has, by hand."""


def test_every_network_over_texts_is_here():
    kinds = {name: MODELS[name] for name in MODELS.names()}
    names = {name for name, kind in kinds.items() if issubclass(kind, TextNetwork) and not kind.ends_by_itself}
    assert NETWORKS.keys() == names


@pytest.fixture(scope="module", params=NETWORKS)
def network(request):
    return MODELS[request.param](**NETWORKS[request.param][0]).build(SPEC)


def ids(count, seed=0):
    return np.random.RandomState(seed).randint(1, V, (1, count)).astype(np.int32)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_has_as_many_weights_as_by_hand(name):
    keys, count = NETWORKS[name]
    assert MODELS[name](**keys).build(SPEC).count_params() == count


@pytest.mark.filterwarnings("ignore:(?s).*axis has size 1")  # which Keras's softmax says of a text of one token
@pytest.mark.parametrize("length", [1, 2, 9])
def test_padding_changes_no_output(network, length):
    alone = np.asarray(network(ids(length), training=False))
    for more in (1, 7, 20):
        padded = np.pad(ids(length), ((0, 0), (0, more)))
        np.testing.assert_allclose(np.asarray(network(padded, training=False)), alone, atol=2e-6)


def test_neighbours_in_a_batch_change_no_output(network):
    batch = np.zeros((3, 12), np.int32)
    for row, length in enumerate((3, 12, 7)):
        batch[row, :length] = ids(length, row)
    together = np.asarray(network(batch, training=False))
    for row, length in enumerate((3, 12, 7)):
        np.testing.assert_allclose(np.asarray(network(ids(length, row), training=False))[0], together[row], atol=2e-6)


@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "bag_of_words"])
def test_the_order_of_tokens_counts(name):
    model = MODELS[name](**NETWORKS[name][0]).build(SPEC)
    one = ids(8)
    assert np.abs(np.asarray(model(one, training=False)) - np.asarray(model(one[:, ::-1], training=False))).max() > 1e-4


def test_the_order_of_single_words_in_a_bag_does_not():
    model = MODELS["bag_of_words"](width=4).build(SPEC)
    np.testing.assert_allclose(np.asarray(model(ids(8))), np.asarray(model(ids(8)[:, ::-1])), atol=1e-6)


@pytest.mark.parametrize("name", NETWORKS)
def test_padding_with_another_id_is_padding_too(name, tmp_path):
    from dltrain.features._text import tokenizing

    (tmp_path / "vocab.txt").write_text(
        "\n".join(["[UNK]", "[CLS]", "[SEP]", "[MASK]", "[PAD]", "one", "two", "three"])
    )
    tokens = Tokens(max_length=40, tokenizer=tokenizing.of_file(tmp_path / "vocab.txt", True, True, 40))
    model = MODELS[name](**NETWORKS[name][0]).build(DataSpec.of(tokens, ClassLabel(class_names=("a", "b"))))
    text = np.array([[1, 5, 6, 7, 2]], np.int32)
    padded = np.pad(text, ((0, 0), (0, 5)), constant_values=4)
    np.testing.assert_allclose(np.asarray(model(text)), np.asarray(model(padded)), atol=2e-6)


def test_word_grams_are_counted_in_their_own_buckets():
    from dltrain.layers.word_grams import WordGrams

    found = np.asarray(WordGrams(3, V, 50)(keras.ops.convert_to_tensor([[5, 6, 5, 6, 0, 0]])))[0].reshape(3, 6)
    assert found[0].tolist() == [5, 6, 5, 6, 0, 0]
    assert found[1][0] == found[1][2] >= V and found[1][3:].tolist() == [0, 0, 0]
    assert found[2][:2].min() >= V and found[2][2:].tolist() == [0] * 4 and found.max() < V + 50


def test_sinusoidal_positions_are_those_of_the_paper():
    from dltrain.layers.sinusoidal_positions import SinusoidalPositions

    found = np.asarray(SinusoidalPositions()(np.zeros((1, 7, 8), np.float32)))[0]
    for position in range(7):
        for index in range(4):
            angle = position / 10_000 ** (index / 3)
            np.testing.assert_allclose(found[position, [index, 4 + index]], [np.sin(angle), np.cos(angle)], atol=1e-6)


@pytest.mark.parametrize("name", NETWORKS)
def test_data_that_are_no_texts_are_refused(name):
    with pytest.raises(KeyProblem, match=f"{name} needs one input of texts as tokens, got vector of shape"):
        MODELS[name]().check(DataSpec.of(Vector(shape=(4,)), ClassLabel(class_names=("a", "b"))))


TABLE = """
dataset: {{name: text_table, path: texts.csv, label_column: none, tokenizer: words}}
model: {{name: {model}}}
{task}optimizer: {{name: adam}}
train: {{epochs: 1, batch_size: 8}}
"""


@pytest.mark.parametrize(
    ("model", "task", "words"),
    [
        (
            "text_cnn",
            "task: {name: masked_lm}\n",
            ["text_cnn answers whole texts, the task asks for each token: al"],
        ),
        ("text_cnn", "", ["task.name: classification needs classes, the data have no target"]),
        ("transformer", "", ["task.name: classification needs classes, the data have no target"]),
        ("transformer", "task: {name: masked_lm}\n", []),
    ],
)
def test_a_config_is_told_what_its_network_cannot_answer_and_nothing_else(tmp_path, model, task, words):
    (tmp_path / "texts.csv").write_text("\n".join(["text", *TEXTS, *(f"text {number}" for number in range(20))]))
    (tmp_path / "text.yaml").write_text(TABLE.format(model=model, task=task))
    try:
        load(tmp_path / "text.yaml")
        found = []
    except ConfigError as error:
        found = error.problems
    assert len(found) == len(words)
    assert all(each in str(problem) for each, problem in zip(words, found, strict=True))
