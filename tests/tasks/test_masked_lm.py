"""Hidden tokens: which they are, what stands in their place, and what is measured of them."""

import numpy as np
import pytest
import tensorflow as tf
from specs import data_spec

from dltrain.data import DataSpec, Outcome, Split
from dltrain.engine.preparation import Preparation
from dltrain.errors import KeyProblem
from dltrain.features.class_label import ClassLabel
from dltrain.features.tokens import Tokens
from dltrain.tasks.masked_lm import NOT_ASKED, MaskedLanguageModel

WORDS = [f"{first}{second}{third}" for first in "bcdfg" for second in "aeiou" for third in "lmnrst"]
RANDOM = np.random.RandomState(0)
TEXTS = [" ".join(RANDOM.choice(WORDS, RANDOM.randint(1, 30))) for _ in range(400)]
TOKENS = Tokens(kind="words", max_length=40).fit([TEXTS])
STORED = TOKENS.encode(TEXTS).stored
DATA = DataSpec.of(TOKENS.adapt([STORED]))
IDS = STORED.padded(TOKENS.padding)


def hidden(task=None, data=DATA, ids=IDS, number=0, seed=0, **keys):
    """Returns what the network sees of ids, and its targets."""
    prepare = Preparation(last=(task or MaskedLanguageModel()).prepare(data), data=data, seed=seed)
    return [np.asarray(each) for each in prepare(number, ids, np.zeros((len(ids), 0), np.float32), **keys)]


def test_of_each_text_15_in_100_tokens_are_asked_for_and_one_at_least():
    seen, targets = hidden()
    words = np.sum(IDS > 4, axis=1)
    asked = np.sum(targets != NOT_ASKED, axis=1)
    np.testing.assert_array_equal(asked, np.maximum(np.round(0.15 * words), 1))
    np.testing.assert_array_equal(np.where(targets == NOT_ASKED, seen, targets), IDS)
    assert targets[targets != NOT_ASKED].min() > 4


def test_80_in_100_are_masked_10_another_token_and_10_stay():
    pieces = [hidden(number=number) for number in range(8)]
    seen, targets = (np.concatenate([piece[place] for piece in pieces]) for place in (0, 1))
    is_asked = targets != NOT_ASKED
    count = is_asked.sum()
    masked = (seen[is_asked] == TOKENS.mask).mean()
    stays = (seen[is_asked] == targets[is_asked]).mean()
    deviation = np.sqrt(0.25 / count)
    assert abs(masked - 0.8) < 4 * deviation and abs(stays - 0.1 - 0.1 / len(WORDS)) < 4 * deviation
    others = seen[is_asked & (seen != TOKENS.mask) & (seen != targets)]
    assert others.min() > 4 and len(np.unique(others)) > len(WORDS) / 2


def test_what_is_hidden_is_drawn_by_seed_and_step_and_in_evaluation_by_the_position_alone():
    first = hidden(number=3)
    np.testing.assert_array_equal(first, hidden(number=3))
    assert (first[1] != hidden(number=4)[1]).any() and (first[1] != hidden(number=3, seed=1)[1]).any()
    positions = np.arange(len(IDS))
    whole = hidden(number=3, positions=positions)
    np.testing.assert_array_equal(whole, hidden(number=9, positions=positions))
    some = slice(100, 107)
    piece = hidden(ids=STORED.take(positions[some]).padded(TOKENS.padding), positions=positions[some])
    length = piece[0].shape[1]
    np.testing.assert_array_equal(piece, [each[some, :length] for each in whole])


def test_how_far_a_batch_is_filled_up_changes_nothing_that_is_hidden():
    ids = STORED.take(np.flatnonzero(STORED.lengths <= 20)).padded(TOKENS.padding)
    assert ids.shape[1] <= 20 < IDS.shape[1]
    padded = hidden(ids=np.pad(ids, ((0, 0), (0, 3))))
    np.testing.assert_array_equal([each[:, :-3] for each in padded], hidden(ids=ids))
    assert (padded[0][:, -3:] == TOKENS.padding).all() and (padded[1][:, -3:] == NOT_ASKED).all()


@pytest.mark.parametrize("kind", ["wordpiece", "bpe", "unigram"])
def test_whole_words_are_hidden_with_all_their_pieces(kind):
    tokens = Tokens(kind=kind, vocabulary_size=300 if kind == "bpe" else 60, max_length=200).fit([TEXTS])
    stored = tokens.encode(TEXTS).stored
    ids = stored.padded(tokens.padding)
    _, targets = hidden(MaskedLanguageModel(whole_words=True), DataSpec.of(tokens.adapt([stored])), ids)
    begins = tokens.begins_word()
    pieces = 0
    for row, asked in zip(ids, targets != NOT_ASKED, strict=True):
        for place in range(1, len(row)):
            if row[place] > 4 and not begins[row[place]]:
                assert asked[place] == asked[place - 1]
                pieces += 1
    assert pieces > 1000


def logits_and_targets(task=None):
    _, targets = hidden(task)
    logits = np.random.RandomState(1).normal(size=(*targets.shape, TOKENS.vocabulary)).astype(np.float32)
    shares = np.exp(logits.astype(float)) / np.exp(logits.astype(float)).sum(-1, keepdims=True)
    known = np.where(targets == NOT_ASKED, 0, targets)
    surprise = -np.log(np.take_along_axis(shares, known[..., None], -1)[..., 0]) * (targets != NOT_ASKED)
    return logits, targets, surprise


TASKS = [
    MaskedLanguageModel(),
    MaskedLanguageModel(share=0.01),
    MaskedLanguageModel(share=0.9),
    MaskedLanguageModel(whole_words=True),
]


@pytest.mark.parametrize("task", TASKS, ids=["share 0.15", "share 0.01", "share 0.9", "whole words"])
def test_the_loss_is_a_mean_per_text_and_padding_changes_it_not(task):
    logits, targets, surprise = logits_and_targets(task)
    expected = surprise.sum(1) / (targets != NOT_ASKED).sum(1)
    loss = task.loss(DATA)
    np.testing.assert_allclose(np.asarray(loss(targets, logits)), expected, rtol=1e-5)
    compiled = tf.function(loss, jit_compile=True)
    np.testing.assert_allclose(np.asarray(compiled(targets, logits)), expected, rtol=1e-5)
    wider = np.pad(targets, ((0, 0), (0, 9)), constant_values=NOT_ASKED)
    again = loss(wider, np.pad(logits, ((0, 0), (0, 9), (0, 0))))
    np.testing.assert_allclose(np.asarray(again), expected, rtol=1e-5)
    assert np.asarray(loss(np.full((1, 5), NOT_ASKED), logits[:1, :5])).tolist() == [0]


def test_all_pieces_of_a_text_of_one_word_count():
    task, logits = MaskedLanguageModel(whole_words=True), logits_and_targets()[0]
    expected = -tf.nn.log_softmax(logits[:1, :5])[:, :, 7]
    loss = task.loss(DATA)(np.full((1, 5), 7), logits[:1, :5])
    np.testing.assert_allclose(np.asarray(loss), np.mean(expected, axis=1), rtol=1e-5)


@pytest.mark.parametrize("task", TASKS, ids=["share 0.15", "share 0.01", "share 0.9", "whole words"])
def test_perplexity_and_accuracy_are_of_all_hidden_tokens(task):
    logits, targets, surprise = logits_and_targets(task)
    perplexity, accuracy = task.build_metrics(DATA)
    for some in (slice(0, 150), slice(150, 400)):
        for metric in (perplexity, accuracy):
            metric.update_state(targets[some], logits[some])
    is_asked = targets != NOT_ASKED
    assert float(perplexity.result()) == pytest.approx(np.exp(surprise.sum() / is_asked.sum()), rel=1e-4)
    assert float(accuracy.result()) == pytest.approx((logits.argmax(-1) == targets)[is_asked].mean(), rel=1e-5)
    assert task.monitor == "val_perplexity"
    assert not task.larger_is_better("val_perplexity") and task.larger_is_better("val_accuracy")


def test_the_baseline_knows_how_often_tokens_occur():
    task = MaskedLanguageModel()
    train = Split(STORED)
    ((_, outputs),) = task.baselines(DATA, train, train).items()
    counts = 1 + np.bincount(IDS[IDS > 4], minlength=TOKENS.vocabulary)
    np.testing.assert_allclose(np.exp(outputs[0, 0]), counts / counts.sum(), rtol=1e-5)
    _, targets = hidden()
    perplexity, _ = task.build_metrics(DATA)
    perplexity.update_state(targets, np.broadcast_to(outputs, (len(targets), 1, TOKENS.vocabulary)))
    shares = (counts / counts.sum())[targets[targets != NOT_ASKED]]
    assert float(perplexity.result()) == pytest.approx(np.exp(-np.log(shares).mean()), rel=1e-4)


def test_answers_name_the_likeliest_tokens_at_each_mask():
    names = {number: token for token, number in TOKENS.ids().items()}
    stored = TOKENS.encode([f"[MASK] {WORDS[0]} [MASK]", WORDS[1]]).stored
    outputs = {
        "tokens": np.arange(2 * 5 * 20).reshape(2, 5, 20) % TOKENS.vocabulary,
        "probabilities": np.linspace(0.5, 0, 200).reshape(2, 5, 20),
    }
    outcome = Outcome(DATA, "", None, outputs=outputs, inputs=stored)
    task = MaskedLanguageModel()
    first, second = task.answers(outcome, {})
    assert first == {"masks": [names[20], names[60]]} and second == {"masks": []}
    (both, _) = task.answers(outcome, {"top_k": 2, "probabilities": True})
    assert both["likeliest"] == [[names[20], names[21]], [names[60], names[61]]]
    assert both["probabilities"][0] == pytest.approx(outputs["probabilities"][0, 1, :2].tolist())
    with pytest.raises(KeyProblem, match="top_k must be at most 20, got 21"):
        task.answers(outcome, {"top_k": 21})


def test_data_without_texts_or_with_a_target_or_without_a_mask_are_refused(tmp_path):
    task = MaskedLanguageModel()
    task.check(DATA)
    with pytest.raises(KeyProblem, match="needs texts as tokens, the data have"):
        task.check(data_spec((4,), ("a", "b")))
    with pytest.raises(KeyProblem, match="needs data without a target, text_files, or text_table"):
        task.check(DataSpec.of(TOKENS, ClassLabel(class_names=("a", "b"))))
    unmasked = TOKENS.replaced(tokenizer=TOKENS.tokenizer.replace("[MASK]", "[NONE]"))
    with pytest.raises(KeyProblem, match=r"needs a tokenizer with the token \[MASK\]"):
        task.check(DataSpec.of(unmasked))
