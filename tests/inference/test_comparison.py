"""What an export is compared on: what a shorter example is filled up with is no answer."""

from functools import partial

import numpy as np
import pytest

from dltrain.data import DataSpec, Features, Ragged, Split
from dltrain.features.sentence import Sentence
from dltrain.features.tags import Tags
from dltrain.features.tokens import Tokens
from dltrain.inference.comparison import COMPARED, Compared, difference
from dltrain.registry import TASKS

TEXTS = ["the film was good", "bad", "a film"]


def compared_of(task):
    """Returns what an export of a network that answers each place is asked, and which places texts have."""
    words = [text.split() for text in TEXTS] if task == "tagging" else TEXTS
    feature = (Sentence if task == "tagging" else Tokens)(kind="words", max_length=9).fit([words])
    encoded = feature.encode(words)
    stored = encoded.stored
    inputs = Features({"tokens": feature.adapt([stored])})
    tags = Tags(tag_names=("O", "B"))
    targets = Features.of(tags) if task == "tagging" else Features()
    compared = Compared.of(
        DataSpec(inputs, targets).bound(TASKS[task]()), Split(stored, metadata=encoded.metadata), COMPARED
    )
    rows = [*stored, *feature.corners()]
    return compared, Ragged.of(rows, np.int32)


@pytest.mark.parametrize("task", ["tagging", "masked_lm"])
def test_outputs_behind_the_end_of_a_text_do_not_count(tensorflow, task):
    compared, texts = compared_of(task)
    real = np.arange(texts.longest) < texts.lengths[:, None]
    wanted = np.random.RandomState(0).normal(size=(*real.shape, 2))
    beyond = np.where(real[..., None], wanted, -wanted)
    within = np.where(real[..., None], -wanted, wanted)
    assert not real.all()
    assert compared.difference(beyond, wanted, wanted) == 0
    assert compared.difference(within, wanted, wanted) > 0
    agree = partial(TASKS[task]().agree, None)
    assert compared.agreement(agree, beyond, wanted) == (1, compared.edges)
    assert compared.agreement(agree, within, wanted)[0] == 0


@pytest.mark.parametrize("task", ["tagging", "masked_lm"])
def test_each_answer_of_a_text_counts(tensorflow, task):
    compared, texts = compared_of(task)
    wanted = np.random.RandomState(0).normal(size=(len(texts), texts.longest, 2))
    got = wanted.copy()
    got[0, 1] *= -1  # its first word: the first token is special
    answers = {"tagging": 7, "masked_lm": 7 + 2 * len(TEXTS)}[task]
    agree = partial(TASKS[task]().agree, None)
    assert compared.agreement(agree, got, wanted) == (pytest.approx(1 - 1 / answers), compared.edges)
    got[len(TEXTS)] *= -1
    assert compared.agreement(agree, got, wanted)[1] == compared.edges - 1


def test_what_stands_at_the_further_tokens_of_a_word_is_no_answer(tensorflow):
    feature = Sentence(kind="wordpiece", vocabulary_size=20, max_length=20).fit([["ab", "ba"] * 3])
    found = feature.encode([["aab", "b"], ["ba"]])
    starts = found.metadata["starts"]
    spec = DataSpec(Features({"tokens": feature.adapt([found.stored])}), Features.of(Tags(tag_names=("O", "B"))))
    part = Split(found.stored, metadata=found.metadata)
    compared = Compared.of(spec.bound(TASKS["tagging"]()), part, COMPARED)
    assert found.stored.lengths[0] > 2 + 2
    assert [np.flatnonzero(row).tolist() for row in compared.are_answered[:2]] == [[*starts[0]], [*starts[1]]]
    wanted = np.random.RandomState(0).normal(size=(*compared.are_real.shape, 2))
    got = np.where(compared.are_answered[..., None], wanted, -wanted)
    assert compared.agreement(partial(TASKS["tagging"]().agree, None), got, wanted)[0] == 1


def test_outputs_of_whole_texts_count_as_they_are(tensorflow):
    feature = Tokens(kind="words", max_length=9).fit([TEXTS])
    stored = feature.encode(TEXTS).stored
    compared = Compared.of(DataSpec(Features.of(feature.adapt([stored]))), Split(stored), COMPARED)
    outputs = np.ones((len(TEXTS) + compared.edges, 3))
    assert compared.at_real_places(outputs) is outputs


def test_a_difference_is_not_hidden_by_a_large_number_beside_it():
    assert difference(np.array([[1e6, 0.1]]), np.array([[1e6, 5.0]])) == pytest.approx(0.98)
    wanted = np.zeros((1, 4, 2))
    wanted[0, :, 0], wanted[0, :, 1] = 1e6, (-440, 0, 2, 5)
    got = wanted.copy()
    got[0, 3, 1] = 4
    assert difference(got, wanted) == pytest.approx(1 / 440)
