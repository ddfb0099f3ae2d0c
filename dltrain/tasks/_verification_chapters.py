"""What the report says of trials."""

from __future__ import annotations

from dltrain.data import Outcome
from dltrain.data.parts import paths_of
from dltrain.features.identity import IDENTITY
from dltrain.figures.detection_errors import DetectionErrors
from dltrain.figures.panels import Histogram
from dltrain.lazy import np
from dltrain.report.outcome import Mistake, Mistakes
from dltrain.report.parts import Chapter, Figure, Part, Table
from dltrain.tasks._trials import ErrorRates, Trials
from dltrain.wording import metric

_POINTS = 500
"""Of a curve, at most."""
_EDGES = 41
"""Of bins of scores."""
_KINDS = "of one identity", "of different ones"


def chapters(outcome: Outcome, trials: Trials, prior: float) -> list[Chapter]:
    """Returns the scores of both kinds of trials, the rates of both errors over each other, and numbers.

    Args:
        outcome: embeddings, (examples, numbers).
        trials: pairs of these.
        prior: of the least cost.
    """
    if not trials.are_of_both_kinds:
        return []
    scores = trials.scores(outcome.outputs)
    rates = ErrorRates.of(scores, trials.are_same)
    equal, threshold = rates.equal
    edges = np.linspace(scores.min(), max(scores.max(), scores.min() + 1e-6), _EDGES)
    shares = {}
    for kind, members in zip(_KINDS, (trials.are_same, ~trials.are_same), strict=True):
        shares[kind] = np.histogram(scores[members], edges)[0] / np.count_nonzero(members)
    some = np.unique(np.linspace(0, len(rates.misses) - 1, _POINTS).astype(int))
    det = DetectionErrors(
        "Misses over false alarms (DET)", f"equal error rate {equal:.2%}",
        rates.false_alarms[some], rates.misses[some], equal,
    )  # fmt: skip
    note = f"cosines of two embeddings; from {threshold:.3f} on both errors are equally frequent"
    rows = [
        ["trials of one identity", f"{np.count_nonzero(trials.are_same):,}"],
        ["trials of different identities", f"{np.count_nonzero(~trials.are_same):,}"],
        ["equal error rate", metric(equal)],
        ["threshold there", metric(threshold)],
        [f"least cost, {prior:g} of one identity", metric(rates.least_cost(prior))],
        *[[f"misses at {alarms:g} false alarms", metric(_misses(rates, alarms))] for alarms in (0.001, 0.01, 0.1)],
    ]
    parts: list[Part] = [
        Figure("scores", Histogram("Scores of trials", note, edges, shares)),
        Figure("det", det),
        Table("Trials", ["", ""], rows),
        _by_identity(outcome, trials, scores >= threshold),
    ]
    return [Chapter("Verification", parts)]


def mistakes(outcome: Outcome, trials: Trials, count: int) -> Mistakes | None:
    """Returns the trials that lie furthest on the wrong side of the equal error rate's threshold.

    Args:
        outcome: embeddings, (examples, numbers).
        trials: pairs of these.
        count: how many, at most.
    """
    if not trials.are_of_both_kinds:
        return None
    scores = trials.scores(outcome.outputs)
    _, threshold = ErrorRates.of(scores, trials.are_same).equal
    beyond = np.where(trials.are_same, threshold - scores, scores - threshold)
    wrong = np.flatnonzero(beyond > 0)
    worst = wrong[np.argsort(-beyond[wrong], kind="stable")]
    _, foremost = np.unique(trials.first[worst], return_index=True)
    worst = worst[np.sort(foremost)][:count]  # an example once
    names = _names(outcome)
    found = [
        Mistake(
            int(trials.first[trial]),
            f"{'the same' if trials.are_same[trial] else 'another'} as {names[trials.second[trial]]}",
            "another" if trials.are_same[trial] else "the same",
            f"cosine {scores[trial]:.3f}, the threshold is {threshold:.3f}",
            int(trials.second[trial]),
        )
        for trial in worst.tolist()
    ]
    title = f"{len(found):,} of {len(wrong):,} trials that are judged wrongly, of {len(scores):,}"
    no_example_is_right_by_itself = range(len(outcome.known))
    note = "the furthest beyond the threshold first" if found else ""
    return Mistakes(title, found, note, no_example_is_right_by_itself)


def _by_identity(outcome: Outcome, trials: Trials, are_accepted: np.ndarray) -> Table:
    """Returns how many trials with an example of each identity are judged wrongly, most first."""
    found: dict[str, list[int]] = {}
    whose = _owners(outcome)
    for first, second, is_same, is_accepted in zip(
        trials.first.tolist(), trials.second.tolist(), trials.are_same.tolist(), are_accepted.tolist(), strict=True
    ):
        for name in {whose[first], whose[second]} - {""}:
            counts = found.setdefault(name, [0, 0, 0, 0])
            counts[0 if is_same else 2] += 1
            counts[1 if is_same else 3] += is_accepted != is_same
    rows = sorted(found.items(), key=lambda item: (-item[1][1] - item[1][3], item[0]))
    return Table(
        "By identity", ["identity", "of one identity", "rejected", "of different ones", "accepted"],
        [[name, *[f"{each:,}" for each in counts]] for name, counts in rows],
        "trials with an example of each, and how many of them are judged wrongly",
    )  # fmt: skip


def _misses(rates: ErrorRates, false_alarms: float) -> float:
    """Returns the least share of misses with at most so many false alarms."""
    return float(rates.misses[np.searchsorted(rates.false_alarms, false_alarms, side="right") - 1])


def _names(outcome: Outcome) -> list[str]:
    """Returns what each example is called: whose, and the file, where these are known."""
    split = outcome.known
    paths = paths_of(split.inputs) if not isinstance(split.inputs, dict) else None
    found = [path.name for path in paths] if paths else [f"{outcome.part}[{row}]" for row in range(len(split))]
    return [f"{name} ({owner})" if owner else name for name, owner in zip(found, _owners(outcome), strict=True)]


def _owners(outcome: Outcome) -> list[str]:
    """Returns whose each example is; "" where that is not known."""
    whose = outcome.known.metadata.get(IDENTITY)
    return outcome.data.words(outcome.targets) if whose is None else np.asarray(whose).tolist()
