"""The words that tell a class from the others."""

from __future__ import annotations

from dltrain.data import Groups, Terms
from dltrain.lazy import np

PRIOR = 1000.0
"""Words that each class is taken to have beside its own, at most a tenth of all, spread as those of all classes: so few
occurrences say little."""
LEAST = 1.96
"""Standard deviations from which on a word stands out."""


def telling_words(terms: Terms, groups: Groups, most: int) -> list[list[str]]:
    """Returns the words of each group that stand out most against all other examples, the first first.

    Log-odds ratios with an informative Dirichlet prior, over their standard deviation (B. L. Monroe, M. P. Colaresi and
    K. M. Quinn, "Fightin' Words", 2008, section 3.5.1). Marks are no words.

    Args:
        terms: the words of examples.
        groups: of the same examples.
        most: words of a group.
    """
    if not terms.count:
        return [[] for _ in groups.names]
    total = np.bincount(terms.terms, terms.counts, terms.count)
    prior = min(PRIOR, total.sum() / 10) * total / total.sum()
    found = []
    for group in range(len(groups.names)):
        is_inside = groups.members == group if groups.are_exclusive else groups.members[:, group] > 0
        chosen = is_inside[terms.examples]
        own = np.bincount(terms.terms[chosen], terms.counts[chosen], terms.count)
        one, other = own + prior, total - own + prior
        odds = np.log(one / (one.sum() - one)) - np.log(other / (other.sum() - other))
        scores = odds / np.sqrt(1 / one + 1 / other)
        words: list[str] = []
        for term in np.argsort(-scores, kind="stable").tolist():
            if len(words) == most or not scores[term] >= LEAST:
                break
            if any(map(str.isalnum, name := terms.name(term))):
                words.append(name)
        found.append(words)
    return found
