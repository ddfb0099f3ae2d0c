"""ROUGE: the numbers of the package rouge-score 0.1.2 without stemming, computed once."""

import pytest

from dltrain.inference.rouge import NAMES, rouge

KNOWN = [
    (
        "The quick brown fox jumps over the lazy dog",
        "The quick brown dog jumps on the log.",
        (0.705882352941, 0.266666666667, 0.588235294118),
    ),
    ("police killed the gunman", "the gunman kill police", (0.75, 0.333333333333, 0.5)),
    ("A b c d a b", "a b a b a b c", (0.769230769231, 0.545454545455, 0.615384615385)),
    (
        "it's 3.5 percent, up from 2-3 in May!",
        "Up 3.5 percent from 2 in may, it is",
        (0.857142857143, 0.421052631579, 0.666666666667),
    ),
    ("", "words", (0, 0, 0)),
    ("one", "one", (1, 0, 1)),
    ("none of these", "all other words", (0, 0, 0)),
]


@pytest.mark.parametrize(("reference", "summary", "wanted"), KNOWN)
def test_rouge_is_that_of_the_package(reference, summary, wanted):
    assert rouge(reference, summary) == pytest.approx(dict(zip(NAMES, wanted, strict=True)), abs=1e-11)
