"""Invented news with names: what the words alone do not tell."""

from collections import Counter, defaultdict

import numpy as np
import pytest

from dltrain.datasets._samples.entities import entities
from dltrain.features._text.spans import faults, spans

COUNTS = {"train": 600, "validation": 60, "test": 200}


@pytest.fixture(scope="module")
def parts():
    return entities(np.random.RandomState(0), COUNTS)


def names(sentences):
    """Returns how often each run of words is of each type."""
    found = defaultdict(Counter)
    for sentence in sentences:
        words = [each.word for each in sentence]
        for kind, start, end in spans([each.tag for each in sentence]):
            found[" ".join(words[start:end])][kind] += 1
    return found


def test_all_sentences_differ_and_their_tags_are_bio(parts):
    every = [sentence for sentences in parts.values() for sentence in sentences]
    assert {part: len(sentences) for part, sentences in parts.items()} == COUNTS
    assert len({tuple(each.word for each in sentence) for sentence in every}) == len(every)
    assert [fault for sentence in every for fault in faults([each.tag for each in sentence], "bio")] == []
    assert not any(set(each.word) & set("{}|") for sentence in every for each in sentence)


def test_half_of_the_names_of_the_test_part_are_not_in_the_train_part(parts):
    words = {each.word for sentence in parts["train"] for each in sentence}
    begins = [each.word for sentence in parts["test"] for each in sentence if each.tag in ("B-LOC", "B-ORG")]
    assert 0.3 < np.mean([word not in words for word in begins]) < 0.7


def test_names_and_ordinary_words_are_ambiguous(parts):
    types = names(parts["train"])
    assert sum(len(kinds) > 1 for kinds in types.values()) > 10
    tags = defaultdict(set)
    for sentence in parts["train"]:
        for each in sentence:
            tags[each.word].add(each.tag[0])
    assert {"B", "O"} <= tags["Reading"] and {"B", "O"} <= tags["May"]
    assert {"ORG", "LOC", "PER", "EVENT"} == {kind for kinds in types.values() for kind in kinds}
    assert any(name.startswith("University of ") for name in types)
