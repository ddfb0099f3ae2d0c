"""Labels that look wrong."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

from dltrain.inspection.findings import Finding, check
from dltrain.inspection.subject import Subject
from dltrain.lazy import np

SAMPLE = 5_000
"""Examples of all parts together that are looked at, drawn at random by a fixed seed."""
FOLDS = 5
NEIGHBOURS = 10
MOST_FEATURES = 512
"""Beyond it features are projected onto 256 random directions, which keep distances."""
OWN, OTHER = 0.05, 0.8
"""A label is doubted where it has at most the one probability, and another class at least the other."""
SHARE = 1 / 400
"""Of labels that are doubted; below it nothing is said: some examples are hard (3 of scikit-learn's 1,797 digits)."""
LEAST = 3
"""Doubted labels below which nothing is said of small data either."""
LISTED = 20
"""Examples that are listed, those whose label is least probable first."""


@check(brief=False)
def doubtful(subject: Subject) -> Iterator[Finding]:
    """Examples whose given label has a low probability by those of all others.

    Features are the grey values of images at 16x16 and the standardised columns of tables; the probability is the mean
    of a linear discriminant analysis and of the ten nearest neighbours' votes, each cross-validated in five folds (as
    in C. G. Northcutt, L. Jiang and I. L. Chuang, "Confident learning", 2021, section 3, but for its thresholds by
    class: one pair of numbers, 0.05 and 0.8, for all).
    """
    spec = subject.spec
    if not spec.class_names or subject.splits.train.targets.ndim > 1 or not (spec.is_image or subject.is_table):
        return
    targets = np.concatenate([part.targets for part in subject.parts.values()])
    if not 0 <= targets.min() <= targets.max() < len(spec.class_names):
        return
    chosen = np.sort(np.random.RandomState(0).permutation(len(targets))[:SAMPLE])
    counts = np.bincount(targets[chosen], minlength=len(spec.class_names))
    chosen = chosen[counts[targets[chosen]] >= FOLDS]
    if len(np.unique(targets[chosen])) < 2:
        return
    features = _features(subject, chosen)
    if not np.isfinite(features).all():
        return
    classes, labels = np.unique(targets[chosen], return_inverse=True)
    probabilities = _probabilities(features, labels)
    own = probabilities[np.arange(len(labels)), labels]
    doubted = int(((own <= OWN) & (probabilities.max(axis=1) >= OTHER)).sum())
    if doubted < max(SHARE * len(labels), LEAST):
        return
    places = []
    for index in np.argsort(own, kind="stable")[:LISTED].tolist():
        given, better = classes[labels[index]], classes[probabilities[index].argmax()]
        if given != better:
            place = subject.place(*subject.owner(int(chosen[index])))
            places.append(f"{place}: {spec.class_names[given]}, looks like {spec.class_names[better]}")
    yield Finding(
        "doubtful labels",
        "note",
        f"{doubted:,} of {len(chosen):,} labels looked at may be wrong; those that are least probable",
        tuple(places),
        "look at them: they are wrong, or hard",
    )


def _features(subject: Subject, chosen: np.ndarray) -> np.ndarray:
    """Returns small features of the examples at the positions over all parts, (examples, features), float32."""
    if subject.spec.is_image:
        every = np.concatenate(list(subject.thumbnails.values()))[chosen]
        step = max(1, min(every.shape[1:]) // 16)
        flat = every[:, ::step, ::step].reshape(len(every), -1)
        features = (flat - flat.mean(axis=0)) / max(float(flat.std()), 1e-6)
    else:
        features = _columns(subject, chosen)
    if features.shape[1] > MOST_FEATURES:
        directions = np.random.RandomState(0).standard_normal((features.shape[1], 256)).astype(np.float32)
        features = features @ directions / 16
    return features


def _columns(subject: Subject, chosen: np.ndarray) -> np.ndarray:
    columns = subject.spec.columns
    rows = subject.gathered(chosen).astype(np.float32)
    made = []
    for index in range(rows.shape[1]):
        values = rows[:, index]
        if columns and columns[index].categories:
            known = np.unique(values)[:20]
            made.append((values[:, None] == known).astype(np.float32))
        else:
            made.append(((values - values.mean()) / max(float(values.std()), 1e-7))[:, None])
    return np.concatenate(made, axis=1)


def _probabilities(features: np.ndarray, labels: np.ndarray) -> np.ndarray:
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.neighbors import KNeighborsClassifier
    from threadpoolctl import threadpool_limits

    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    models = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.1), KNeighborsClassifier(NEIGHBOURS)
    # Products this small are up to ten times slower on several threads where other work takes the cores.
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")  # of columns that hang on each other, which shrinkage is for
        probabilities = [
            cross_val_predict(model, features, labels, cv=folds, method="predict_proba") for model in models
        ]
    return np.mean(probabilities, axis=0)
