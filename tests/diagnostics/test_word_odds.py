"""The words that stand out in some classes, against a computation over all words of all classes."""

import numpy as np
import pytest

from dltrain.data import Groups, Terms
from dltrain.diagnostics.word_odds import LEAST, PRIOR, telling_words

NAMES = ("a", "b", "c", "nobody")


def drawn(exclusive):
    """Returns how often each of 200 examples has each of 40 words, (examples, words), and their groups."""
    random = np.random.RandomState(0)
    members = random.randint(-1, 3, 200) if exclusive else random.rand(200, 4) < [0.5, 0.3, 0.1, 0.0]
    groups = Groups(NAMES, members)
    counts = random.poisson(0.3, (200, 40))
    for group in range(3):
        counts[groups.positions(group), group * 2 : group * 2 + 2] += random.poisson(1, (groups.counts[group], 2))
    return counts, groups


def terms_of(counts):
    examples, words = np.nonzero(counts)
    return Terms(examples, words, counts[examples, words], lambda word: "!" if word == 1 else f"w{word}")


@pytest.mark.parametrize("exclusive", [True, False], ids=["classes", "labels"])
def test_words_are_counted_by_group(exclusive):
    counts, groups = drawn(exclusive)
    terms = terms_of(counts)
    for counted, every in ((terms.counts, counts), (np.ones_like(terms.counts), counts > 0)):
        found = terms.in_groups(groups, counted)
        assert len(found) == 4
        for group, (words, sums) in enumerate(found):
            expected = every[groups.positions(group)].sum(axis=0)
            assert words.tolist() == np.flatnonzero(expected).tolist()
            assert sums.tolist() == expected[words].tolist()


@pytest.mark.parametrize("exclusive", [True, False], ids=["classes", "labels"])
def test_words_that_stand_out_are_those_of_the_formula_for_each_group_that_is_shown(exclusive):
    counts, groups = drawn(exclusive)
    total, expected = counts.sum(axis=0), []
    prior = min(PRIOR, total.sum() / 10) * total / total.sum()
    for group in range(4):
        one = counts[groups.positions(group)].sum(axis=0) + prior
        other = total + 2 * prior - one
        odds = np.log(one / (one.sum() - one)) - np.log(other / (other.sum() - other))
        scores = odds / np.sqrt(1 / one + 1 / other)
        ranked = [word for word in np.argsort(-scores) if scores[word] >= LEAST and word != 1]
        expected.append([f"w{word}" for word in ranked[:3]])
    assert [len(words) > 0 for words in expected] == [True, True, True, False]
    assert telling_words(terms_of(counts), groups, 3, range(4)) == expected
    assert telling_words(terms_of(counts), groups, 3, [2, 0]) == [expected[2], expected[0]]


@pytest.mark.parametrize("words", [0, 1])
def test_of_no_words_or_one_none_stands_out(words):
    counts = np.ones((4, words), int)
    assert telling_words(terms_of(counts), Groups(("a", "b"), np.array([0, 1, 0, 1])), 3, [0, 1]) == [[], []]
