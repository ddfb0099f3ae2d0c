"""Paragraph vectors: their gradients in closed form, their weights, and the embedding of new documents."""

import numpy as np
import pytest

COUNTS = [0, 0, 9, 7, 5, 5, 3, 1]
"""Of a padding, of what is unknown, and of six words."""

DOCUMENTS = [[2, 2, 3, 4, 5, 2], [0, 7, 4, 6, 0, 0], [4, 3, 2, 2, 7, 5]]
"""The number of each, then its words; the second is shorter."""

MODES = ("dbow", "dm_mean", "dm_concat")


@pytest.fixture
def made(tensorflow):
    """Returns a function that makes a layer whose weights are large enough that all of them matter."""
    import keras

    from dltrain.layers.paragraph_vectors import ParagraphVectors

    def make(mode, negatives=3, documents=5, counts=COUNTS, width=4, window=2, **keys):
        keras.utils.set_random_seed(0)
        layer = ParagraphVectors(documents, counts, width, mode, window, negatives, drawn=4, **keys)
        layer.build(None)
        random = np.random.RandomState(0)
        for weight in layer.trainable_weights:
            weight.assign(random.normal(0, 0.7, weight.shape))
        return layer

    return make


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def closed_form(layer, negative):
    """Returns the gradients of the loss, weight by weight: g = (1 - s(h.v)) for a word, -s(h.v) for a negative."""
    weights = {weight.name: np.asarray(weight, np.float64) for weight in layer.trainable_weights}
    found, loss = {name: np.zeros_like(each) for name, each in weights.items()}, 0.0
    for place, (number, *ids) in enumerate(DOCUMENTS):
        words = [each for each in ids if each]
        for at, word in enumerate(words):
            reach = range(at - layer.window, at + layer.window + 1)
            around = [words[each] if 0 <= each < len(words) else 0 for each in reach if each != at]
            document, contexts = weights["documents"][number], []
            if layer.mode == "dm_mean":
                contexts = [each for each in around if each]
                hidden = (document + weights["words"][contexts].sum(axis=0)) / (1 + len(contexts))
            elif layer.mode == "dm_concat":
                contexts = around
                hidden = np.concatenate([document, weights["words"][contexts].ravel()])
            else:
                hidden = document
            share = 1 / len(words) / len(DOCUMENTS)
            logits = weights["outputs"] @ hidden
            slopes = np.zeros(len(COUNTS))
            if layer.negatives:
                slopes[word] += 1 - sigmoid(logits[word])
                loss -= share * np.log(sigmoid(logits[word]))
                for other in negative[place]:
                    slopes[other] -= layer.negatives / layer.drawn * sigmoid(logits[other])
                    loss -= share * layer.negatives / layer.drawn * np.log(sigmoid(-logits[other]))
            else:
                shares = np.exp(logits) / np.exp(logits).sum()
                slopes = np.eye(len(COUNTS))[word] - shares
                loss -= share * np.log(shares[word])
            found["outputs"] -= share * np.outer(slopes, hidden)
            back = share * slopes @ weights["outputs"]
            if layer.mode == "dm_mean":
                back = np.tile(back / (1 + len(contexts)), 1 + len(contexts))
            pieces = back.reshape(-1, layer.width)
            found["documents"][number] -= pieces[0]
            for context, piece in zip(contexts, pieces[1:], strict=True):
                found["words"][context] -= piece
    return loss, found


@pytest.mark.parametrize("negatives", [3, 0])
@pytest.mark.parametrize("mode", MODES)
def test_the_gradient_of_a_step_is_the_closed_form(tensorflow, made, mode, negatives):
    import keras

    layer = made(mode, negatives)
    again = keras.random.SeedGenerator(0)
    again.state.assign(layer.seed_generator.state)
    shares = np.cumsum(np.array(COUNTS) ** 0.75)
    draws = np.asarray(keras.random.uniform((len(DOCUMENTS), layer.drawn), seed=again))
    negative = np.searchsorted(shares / shares[-1], draws, side="right")
    weights = [weight.value for weight in layer.trainable_weights]
    with tensorflow.GradientTape() as tape:
        found = -tensorflow.reduce_mean(layer(np.array(DOCUMENTS, np.int32), training=True))
    gradients = tape.gradient(found, weights)
    loss, wanted = closed_form(layer, negative)
    assert float(found) == pytest.approx(loss, abs=1e-6)
    for weight, gradient in zip(layer.trainable_weights, gradients, strict=True):
        np.testing.assert_allclose(tensorflow.convert_to_tensor(gradient), wanted[weight.name], atol=1e-6)
    assert negatives == 0 or (np.asarray(layer.seed_generator.state) == np.asarray(again.state)).all()


def test_only_the_rows_that_a_step_needs_get_a_gradient(tensorflow, made):
    for mode in MODES:
        layer = made(mode)
        with tensorflow.GradientTape() as tape:
            found = tensorflow.reduce_mean(layer(np.array(DOCUMENTS, np.int32), training=True))
        gradients = tape.gradient(found, [weight.value for weight in layer.trainable_weights])
        assert all(isinstance(each, tensorflow.IndexedSlices) for each in gradients)


@pytest.mark.parametrize(
    ("mode", "window", "count"),
    [("dbow", 5, 300 * 50 + 400 * 50), ("dm_mean", 5, 300 * 50 + 2 * 400 * 50)]
    + [("dm_concat", 5, 300 * 50 + 401 * 50 + 401 * 11 * 50)],
)
def test_weights_are_as_many_as_the_published_rule_says(made, mode, window, count):
    """D d + V d, D d + 2 V d, and D d + (V + 1) d + (V + 1) (2 w + 1) d; the padding is the null word of the last."""
    words = [0, *[1] * 400] if mode == "dm_concat" else [1] * 400
    assert made(mode, documents=300, counts=words, width=50, window=window).count_params() == count


@pytest.mark.parametrize("negatives", [3, 0])
@pytest.mark.parametrize("mode", MODES)
def test_an_embedding_is_a_better_vector_than_others_whatever_stands_beside_it(tensorflow, made, mode, negatives):
    layer = made(mode, negatives, documents=2, steps=40)
    embedded = tensorflow.function(layer.embedded, reduce_retracing=True, autograph=False)
    ids = np.array([[2, 3, 4, 2, 3], [7, 6, 0, 0, 0]], np.int32)
    found = np.asarray(embedded(ids))
    alone = np.asarray(embedded(ids[1:, :2]))
    np.testing.assert_allclose(found[1:], alone, atol=1e-4)
    assert (found != np.asarray(layer.embedded(ids, 1))).any() or negatives == 0
    layer.drawn, likelihoods = 400, []
    for vectors in (found, np.zeros_like(found), -found):
        layer.document_vectors.assign(vectors)
        likelihoods.append(np.asarray(layer.likelihood(np.concatenate([[[0], [1]], ids], axis=1)))[:, 0])
    assert (likelihoods[0] > likelihoods[1]).all()
    assert (likelihoods[1] > likelihoods[2]).all()


def test_what_is_no_word_does_not_change_an_embedding(made):
    layer = made("dbow", steps=10)
    one, other = (np.asarray(layer.embedded(np.array([ids], np.int32))) for ids in ([2, 3, 5], [2, 1, 3, 5, 0]))
    np.testing.assert_allclose(one, other, atol=1e-5)
    nothing = np.asarray(layer.embedded(np.array([[1, 0]], np.int32)))
    assert np.isfinite(nothing).all()


def test_a_layer_comes_back_from_its_config(made):
    import keras

    layer = made("dm_mean", sample=0.01)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert again.get_config() == layer.get_config()
