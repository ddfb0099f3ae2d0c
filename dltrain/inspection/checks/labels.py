"""A check for labels that look wrong."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

from dltrain.data import Finding, Groups
from dltrain.inspection.findings import check
from dltrain.inspection.inspected_data import InspectedData
from dltrain.inspection.joined import Joined
from dltrain.lazy import np

SAMPLE = 5_000
"""Examples of all parts together that are looked at, drawn at random by a fixed seed."""
FOLDS = 5
NEIGHBOURS = 10
MOST_FEATURES = 512
"""Beyond it features are projected onto 256 random directions, which keep distances."""
OWN, OTHER = 0.05, 0.8
"""A label is doubted where it has at most the one probability, and another class at least the other."""
OWN_BY_WORDS = 0.02
"""The former where examples are compared by words: those of real texts are never as plain as digits."""
SHARE = 1 / 400
"""Of labels that are doubted; below it nothing is said: some examples are hard (3 of scikit-learn's 1,797 digits)."""
LEAST = 3
"""Doubted labels below which nothing is said of small data either."""
MOST_WORDS = 10_000
"""Words and pairs of words that examples are compared by: those that most examples have."""
STRENGTH, ITERATIONS = 10.0, 30
"""Of the logistic regression: the inverse of its regularisation, on rows of length 1; the most steps of its solver."""
LISTED = 20
"""Examples that are listed, those whose label is least probable first."""


@check(brief=False)
def doubtful(data: InspectedData) -> Iterator[Finding]:
    """Examples whose given label has a low probability by those of all others.

    Examples are compared by their features' `vectors`; the probability is the mean of a linear discriminant analysis
    and of the ten nearest neighbours' votes. Examples that are made of words are compared by these (`terms`), and by
    pairs of neighbours; the probability is that of logistic regression on TF-IDF. Each is cross-validated in five folds
    (as in C. G. Northcutt, L. Jiang and I. L. Chuang, "Confident learning", 2021, section 3, but for its thresholds by
    class: one pair of numbers, 0.05 and 0.8, for all).
    """
    for groups in data.groups:
        if groups["train"].are_exclusive:
            yield from _doubtful(data, groups)


def _doubtful(data: InspectedData, groups: dict[str, Groups]) -> Iterator[Finding]:
    names = groups["train"].names
    targets = np.concatenate([found.members for found in groups.values()])
    if not 0 <= targets.min() <= targets.max() < len(names):
        return
    chosen = np.sort(np.random.RandomState(0).permutation(len(targets))[:SAMPLE])
    counts = np.bincount(targets[chosen], minlength=len(names))
    chosen = chosen[counts[targets[chosen]] >= FOLDS]
    if len(np.unique(targets[chosen])) < 2:
        return
    classes, labels = np.unique(targets[chosen], return_inverse=True)
    most, probabilities = OWN_BY_WORDS, _by_words(data, chosen, labels)
    if probabilities is None:
        vectors = _vectors(data, chosen)
        if vectors is None or not np.isfinite(vectors).all():
            return
        most, probabilities = OWN, _probabilities(vectors, labels)
    own = probabilities[np.arange(len(labels)), labels]
    doubted = int(((own <= most) & (probabilities.max(axis=1) >= OTHER)).sum())
    if doubted < max(SHARE * len(labels), LEAST):
        return
    places = []
    for index in np.argsort(own, kind="stable")[:LISTED].tolist():
        given, better = classes[labels[index]], classes[probabilities[index].argmax()]
        if given != better:
            place = data.place(*data.owner(int(chosen[index])))
            places.append(f"{place}: {names[given]}, looks like {names[better]}")
    yield Finding(
        "doubtful labels",
        "note",
        f"{doubted:,} of {len(chosen):,} checked labels may be wrong; the least probable are listed",
        tuple(places),
        "check them: each is wrong, or the example is hard",
    )


def _by_words(data: InspectedData, chosen: np.ndarray, labels: np.ndarray) -> np.ndarray | None:
    """Returns the probability of each class by the words of examples, (examples, classes); none where some have none.

    Args:
        data: the data.
        chosen: positions of the examples over all parts.
        labels: the class of each.
    """
    from scipy.sparse import csr_matrix, hstack
    from sklearn.feature_extraction.text import TfidfTransformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from threadpoolctl import threadpool_limits

    tables = []
    for feature, parts in data.inputs:
        terms = feature.terms(Joined([*parts.values()]).take(chosen), neighbours=True)
        if terms is None:
            return None
        examples = np.bincount(terms.terms, minlength=1)
        kept = np.argsort(-examples, kind="stable")[:MOST_WORDS]
        kept = kept[examples[kept] > 1]
        if len(kept):
            place = (terms.counts, (terms.examples, terms.terms))
            tables.append(csr_matrix(place, (len(chosen), len(examples)), dtype=np.float64)[:, kept])
    if not tables:
        return None
    words = TfidfTransformer(sublinear_tf=True).fit_transform(hstack(tables, format="csr"))
    model, folds = (
        LogisticRegression(C=STRENGTH, max_iter=ITERATIONS),
        StratifiedKFold(FOLDS, shuffle=True, random_state=0),
    )
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")  # of too few iterations: probabilities have settled long before
        found = cross_val_predict(model, words, labels, cv=folds, method="predict_log_proba")
    return _calibrated(np.asarray(found), labels)


def _calibrated(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns probabilities as sure as they are right: regularised for few examples, they are all near to each other.

    Temperature scaling (C. Guo et al., "On Calibration of Modern Neural Networks", 2017, section 4.2).

    Args:
        logits: (examples, classes).
        labels: the class of each example.
    """
    tried = []
    for sharpness in np.geomspace(0.25, 16, 37):
        sharp = logits * sharpness
        sharp = sharp - np.logaddexp.reduce(sharp, axis=1, keepdims=True)
        tried.append((sharp[np.arange(len(labels)), labels].mean(), sharp))
    return np.asarray(np.exp(max(tried, key=lambda each: each[0])[1]))


def _vectors(data: InspectedData, chosen: np.ndarray) -> np.ndarray | None:
    """Returns vectors of the examples at the positions over all parts, (examples, numbers); none where none are."""
    made = [feature.vectors(Joined([*parts.values()]).take(chosen)) for feature, parts in data.inputs]
    found = [each for each in made if each is not None]
    if not found:
        return None
    vectors = np.concatenate(found, axis=1)
    if vectors.shape[1] > MOST_FEATURES:
        directions = np.random.RandomState(0).standard_normal((vectors.shape[1], 256)).astype(np.float32)
        vectors = vectors @ directions / 16
    return vectors


def _probabilities(features: np.ndarray, labels: np.ndarray) -> np.ndarray:
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.neighbors import KNeighborsClassifier
    from threadpoolctl import threadpool_limits

    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    known = len(labels) - -(-len(labels) // FOLDS)  # in the largest fold that is left out
    neighbours = KNeighborsClassifier(min(NEIGHBOURS, known))
    models = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.1), neighbours
    # Products this small are up to ten times slower on several threads where other work takes the cores.
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")  # of columns that hang on each other, which shrinkage is for
        probabilities = [
            cross_val_predict(model, features, labels, cv=folds, method="predict_proba") for model in models
        ]
    return np.mean(probabilities, axis=0)
