"""The words that tell a class from the others."""

from __future__ import annotations

from collections.abc import Sequence

from dltrain.data import Groups, Terms
from dltrain.lazy import np

PRIOR = 1000.0
"""Words that each class is taken to have beside its own, at most a tenth of all, spread as those of all classes: so few
occurrences say little."""
LEAST = 1.96
"""Standard deviations from which on a word stands out."""


def telling_words(terms: Terms, groups: Groups, most: int, shown: Sequence[int]) -> list[list[str]]:
    """Returns the words that stand out most in each of some groups against all other examples, the first first.

    Log-odds ratios with an informative Dirichlet prior, over their standard deviation (B. L. Monroe, M. P. Colaresi and
    K. M. Quinn, "Fightin' Words", 2008, section 3.5.1). Marks are no words.

    Args:
        terms: the words of examples.
        groups: of the same examples.
        most: words of a group.
        shown: numbers of the groups.
    """
    if terms.count < 2:  # the only word there is has no others to stand out against
        return [[] for _ in shown]
    total = np.bincount(terms.terms, terms.counts, terms.count)
    weight = min(PRIOR, total.sum() / 10)
    prior = weight * total / total.sum()
    found = []
    in_groups = terms.in_groups(groups, terms.counts)
    for group in shown:
        own_words, own = in_groups[group]  # a word that a group has not never stands out
        one, other = own + prior[own_words], total[own_words] - own + prior[own_words]
        whole, rest = own.sum() + weight, total.sum() - own.sum() + weight
        odds = np.log(one / (whole - one)) - np.log(other / (rest - other))
        scores = odds / np.sqrt(1 / one + 1 / other)
        words: list[str] = []
        for at in np.argsort(-scores, kind="stable").tolist():
            if len(words) == most or not scores[at] >= LEAST:
                break
            if any(map(str.isalnum, name := terms.name(int(own_words[at])))):
                words.append(name)
        found.append(words)
    return found
