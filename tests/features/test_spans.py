"""Spans that tags mark: those of conlleval and seqeval, the schemes, and tags that cannot follow each other."""

import pytest
from drawn_tags import drawn
from hypothesis import given, settings
from hypothesis import strategies as st

from dltrain.features._text.spans import Span, as_bio, faults, scheme_of, spans, strict_spans

FOUND = [
    ("B-PER I-PER O", [("PER", 0, 2)]),
    ("I-PER O", [("PER", 0, 1)]),
    ("B-PER I-LOC", [("PER", 0, 1), ("LOC", 1, 2)]),
    ("B-PER B-PER", [("PER", 0, 1), ("PER", 1, 2)]),
    ("O I-LOC I-LOC B-LOC", [("LOC", 1, 3), ("LOC", 3, 4)]),
    ("S-PER E-PER I-PER", [("PER", 0, 1), ("PER", 1, 2), ("PER", 2, 3)]),
    ("B-X E-X E-X", [("X", 0, 2), ("X", 2, 3)]),
    ("B I O I", [("_", 0, 2), ("_", 3, 4)]),
    ("B-A-B I-A-B I-A", [("A-B", 0, 2), ("A", 2, 3)]),
    ("E-X B-X S-X I-X", [("X", 0, 1), ("X", 1, 2), ("X", 2, 3), ("X", 3, 4)]),
    ("O", []),
    ("I-X E-X O S-Y", [("X", 0, 2), ("Y", 3, 4)]),
]
"""What `seqeval.metrics.sequence_labeling.get_entities` of seqeval 1.2.2 returns, its last words made ends."""


@pytest.mark.parametrize(("tags", "expected"), FOUND)
def test_spans_are_those_of_seqeval(tags, expected):
    assert spans(tags.split()) == expected


MEASURED = [
    (0, "BI", spans, (0.541284, 0.572816, 0.556604)),
    (1, "BI", spans, (0.610687, 0.601504, 0.606061)),
    (2, "BI", spans, (0.635762, 0.644295, 0.64)),
    (3, "BI", spans, (0.683333, 0.694915, 0.689076)),
    (4, "BI", spans, (0.747573, 0.719626, 0.733333)),
    (5, "BIES", spans, (0.710345, 0.705479, 0.707904)),
    (6, "BIES", spans, (0.671233, 0.662162, 0.666667)),
    (7, "BIES", spans, (0.63354, 0.6375, 0.635514)),
    (0, "BI", strict_spans, (0.539683, 0.539683, 0.539683)),
    (1, "BI", strict_spans, (0.594595, 0.60274, 0.598639)),
    (2, "BI", strict_spans, (0.666667, 0.666667, 0.666667)),
    (3, "BI", strict_spans, (0.720588, 0.662162, 0.690141)),
    (4, "BI", strict_spans, (0.733333, 0.634615, 0.680412)),
]
"""Precision, recall and F1 of seqeval 1.2.2 by default, and with mode="strict", scheme=IOB2."""


@pytest.mark.parametrize(("seed", "letters", "find", "expected"), MEASURED)
def test_of_random_tags_the_measures_are_those_of_seqeval(seed, letters, find, expected):
    pairs = [(find(actual), find(predicted)) for actual, predicted in drawn(seed, letters)]
    right = sum(len({*actual} & {*predicted}) for actual, predicted in pairs)
    wanted, said = (sum(len(pair[place]) for pair in pairs) for place in (0, 1))
    assert (right / said, right / wanted, 2 * right / (said + wanted)) == pytest.approx(expected, abs=1e-6)


def test_strictly_a_span_begins_with_b():
    assert strict_spans(["B-PER", "I-LOC", "I-LOC", "B-PER", "I-PER"]) == [("PER", 0, 1), ("PER", 3, 5)]


@given(st.lists(st.tuples(st.sampled_from(["PER", "LOC", "_"]), st.integers(1, 3), st.integers(0, 2)), max_size=5))
@settings(deadline=None)
def test_bio_marks_any_spans_and_they_come_back(pieces):
    found, end = [], 0
    for kind, length, gap in pieces:
        found.append(Span(kind, end + gap, end + gap + length))
        end += gap + length
    tags = as_bio(end + 1, found)
    assert spans(tags) == strict_spans(tags) == found
    assert [*faults(tags, "bio")] == []


@pytest.mark.parametrize(
    ("sentences", "scheme"),
    [
        (["B-PER I-PER O", "O B-LOC"], "bio"),
        (["I-PER I-PER O", "I-LOC B-LOC"], "iob1"),
        (["I-PER O", "B-PER O"], "bio"),  # with a tag that cannot stand there
        (["B-PER E-PER O", "S-LOC"], "bioes"),
        (["B-PER L-PER O", "U-LOC"], "bioes"),
        (["B I O"], "bio"),
        (["NOUN B-PRON"], "bio"),
        (["NOUN VERB O"], "none"),
        (["B S E O X"], "none"),
        (["O O"], "none"),
    ],
)
def test_the_scheme_is_inferred(sentences, scheme):
    assert scheme_of(each.split() for each in sentences) == scheme


@pytest.mark.parametrize(
    ("tags", "scheme", "expected"),
    [
        ("O I-PER", "bio", (1, "the tag I-PER cannot follow O in BIO")),
        ("I-PER", "bio", (0, "the tag I-PER cannot begin a sentence in BIO")),
        ("B-LOC I-PER", "bio", (1, "the tag I-PER cannot follow B-LOC in BIO")),
        ("B-LOC BLOC", "bio", (1, "the tag 'BLOC' must be O, or a letter of BIO with a type, such as B-PER")),
        ("B-LOC E-LOC", "bio", (1, "the tag E-LOC cannot follow B-LOC in BIO")),
        ("I-LOC O B-LOC", "iob1", (2, "the tag B-LOC cannot follow O in IOB1")),
        ("B-LOC O", "bioes", (1, "the tag O cannot follow B-LOC in BIOES")),
        ("S-LOC E-LOC", "bioes", (1, "the tag E-LOC cannot follow S-LOC in BIOES")),
        ("S-LOC B-LOC", "bioes", (1, "the tag B-LOC cannot end a sentence in BIOES")),
    ],
)
def test_tags_that_cannot_follow_each_other_are_named(tags, scheme, expected):
    assert next(iter(faults(tags.split(), scheme))) == expected


@pytest.mark.parametrize(
    ("tags", "scheme"),
    [("B-A I-A B-A O", "bio"), ("I-A B-A I-B", "iob1"), ("S-A B-A I-A E-A U-B B-B L-B O", "bioes"), ("NN I-X", "none")],
)
def test_tags_that_can_are_not(tags, scheme):
    assert [*faults(tags.split(), scheme)] == []
