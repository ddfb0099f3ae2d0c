"""Texts that are nearly the same: a sentence more, some words changed, one that stands in the other.

Texts are compared by their runs of five words (W-shingling: A. Z. Broder, "On the resemblance and containment of
documents", 1997): near copies are two that share `RESEMBLANCE` of all runs that either has, or of which one has
`CONTAINMENT` of its runs in the other. Not all pairs are looked at: of each run the texts that have it are known, and
each is brought together with the one before it and with the first; so that time grows with the words, however many
texts share a run. Of more than `MOST_RUNS` runs a share is looked at, the same ones in each text; texts of which fewer
than `LEAST_SAMPLED` are among them are left out: a single phrase may be all that is left of a short one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from dltrain.data.finding import Finding
from dltrain.data.parts import Parts
from dltrain.features._text.words import Words, mixed
from dltrain.lazy import np

RUN = 5
"""Words of a run."""
RESEMBLANCE = 0.8
CONTAINMENT = 0.9
LEAST_RUNS = 20
"""Of a text that is looked for within a longer one: a short one may stand in many."""
LEAST_SAMPLED = 10
"""Runs of a text that are looked at, where not all are."""
MOST_UNKNOWN = 2
"""Unknown words of a run, which all look alike."""
MOST_RUNS = 2**23
PIECE = 2**16
"""Pairs that are compared at a time."""


class Pair(NamedTuple):
    """Two texts that are nearly the same.

    Args:
        first: the position of one.
        second: the position of the other, the larger.
        shared: the share of their runs that both have; of the shorter one's, where it stands in the other.
        is_within: whether it does.
    """

    first: int
    second: int
    shared: float
    is_within: bool


def near_copies(parts: Parts, words: Iterable[Words], unknown: int | None) -> Iterator[Finding]:
    """Yields texts that are nearly the same as an earlier one, exact copies apart.

    Args:
        parts: the texts.
        words: of all of them, one part behind the other.
        unknown: the code of an unknown word; none where there is none.
    """
    digests = np.concatenate(list(parts.digests.values()))
    found: dict[tuple[str, str], dict[int, tuple[float, str]]] = {}
    for each in pairs(words, unknown):
        if digests[each.first] == digests[each.second]:
            continue
        (part, at), (other, there) = parts.owner(each.first), parts.owner(each.second)
        if part == other != "train":
            continue
        how = f"{each.shared:.0%} of the shorter one" if each.is_within else f"{each.shared:.0%} of both"
        known = found.setdefault((part, other), {})
        line = f"{parts.place(other, there)} ~ {parts.place(part, at)} ({how})"
        known[there] = max(known.get(there, (0.0, "")), (each.shared, line))
    for (part, other), lines in sorted(found.items(), key=lambda item: item[0][0] == item[0][1]):
        count, where = len(lines), tuple(line for _, (_, line) in sorted(lines.items()))
        what = "1 text" if count == 1 else f"{count:,} texts"
        verb = "is a near copy" if count == 1 else "are near copies"
        share = f"of the {other} part ({count / len(parts[other]):.1%})"
        if part == other:
            advice = "check them; delete unwanted copies"
            yield Finding("near duplicates", "note", f"{what} {share} {verb} of another one", where, advice)
        else:
            yield Finding(
                "near leak",
                "warning",
                f"{what} {share} {verb} of a text of the {part} part: metrics on them measure memory",
                where,
                "check them; keep versions of one text in one part: delete the copies, or name the parts yourself "
                "(dataset.split of a table, folders of a folder)",
            )


def pairs(words: Iterable[Words], unknown: int | None, most: int = MOST_RUNS) -> list[Pair]:
    """Returns pairs of texts that are nearly the same, by the second's position.

    Of many texts that are all alike each is in a pair, but not each pair is there.

    Args:
        words: of all texts.
        unknown: the code of an unknown word; none where there is none.
        most: runs that are kept in memory.
    """
    runs, texts, whole = _runs(words, unknown, most)
    sizes = np.bincount(texts, minlength=len(whole))
    known = ((sizes >= LEAST_SAMPLED) | (sizes == whole))[texts]
    runs, texts = runs[known], texts[known]
    if not len(runs):
        return []
    _, ranks = np.unique(runs, return_inverse=True)
    sizes = np.bincount(texts)
    return [*_alike(_candidates(ranks, texts, sizes), ranks, texts, sizes, whole)]


def _runs(words: Iterable[Words], unknown: int | None, most: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns different runs of each text, and the text that each is of, in the order of texts and runs.

    Args:
        words: of all texts.
        unknown: the code of an unknown word; none where there is none.
        most: runs that are kept; of more a share is.

    Returns:
        the runs, the positions of their texts, and how many different runs each text has, those that are not kept too.
    """
    found: list[np.ndarray] = []
    owners: list[np.ndarray] = []
    whole = [np.zeros(0, np.int64)]
    step, count, before = 1, 0, 0
    for some in words:
        codes, texts = some.codes, some.texts
        if len(codes) < RUN:
            continue
        length = len(codes) - RUN + 1
        runs = sum((mixed(codes[at : at + length], at) for at in range(RUN)), np.zeros(length, np.uint64))
        strange = np.concatenate([[0], np.cumsum(_are(codes, unknown))])
        kept = (texts[:length] == texts[RUN - 1 :]) & (strange[RUN:] - strange[:length] <= MOST_UNKNOWN)
        runs, texts = runs[kept], texts[:length][kept]
        order = np.lexsort((runs, texts))
        runs, texts = runs[order], texts[order]
        kept = np.concatenate([[True], (runs[1:] != runs[:-1]) | (texts[1:] != texts[:-1])])[: len(runs)]
        whole.append(np.bincount(texts[kept] - before))
        before += len(whole[-1])
        kept &= runs % np.uint64(step) == 0
        found.append(runs[kept])
        owners.append(texts[kept])
        count += len(found[-1])
        while count > most:
            step *= 2
            chosen = [runs % np.uint64(step) == 0 for runs in found]
            found = [runs[each] for runs, each in zip(found, chosen, strict=True)]
            owners = [texts[each] for texts, each in zip(owners, chosen, strict=True)]
            count = sum(map(len, found))
    if not found:
        return np.zeros(0, np.uint64), np.zeros(0, np.int64), whole[0]
    return np.concatenate(found), np.concatenate(owners), np.concatenate(whole)


def _candidates(ranks: np.ndarray, texts: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Returns pairs of texts that some runs bring together, (pairs, 2), the smaller first."""
    order = np.argsort(ranks, kind="stable")
    ranks, texts = ranks[order], texts[order]
    again = np.flatnonzero(ranks[1:] == ranks[:-1]) + 1
    begins = np.flatnonzero(np.concatenate([[True], ranks[1:] != ranks[:-1]]))
    firsts = texts[begins[ranks[again]]]
    before, own = texts[again - 1], texts[again]
    later = firsts != before
    count = len(sizes)
    keys = np.concatenate([before * count + own, firsts[later] * count + own[later]])
    keys, times = np.unique(keys, return_counts=True)
    found = np.stack([keys // count, keys % count], axis=1)
    return found[times >= 0.1 * sizes[found].min(axis=1)]


def _alike(
    candidates: np.ndarray, ranks: np.ndarray, texts: np.ndarray, sizes: np.ndarray, whole: np.ndarray
) -> Iterator[Pair]:
    """Yields those of the pairs that share enough.

    Args:
        candidates: pairs of texts, (pairs, 2).
        ranks: the runs of all texts.
        texts: the text of each.
        sizes: how many of the runs each text has.
        whole: how many it would have, were no share of the runs taken.
    """
    width = np.int64(ranks.max()) + 1
    keys = texts * width + ranks  # rising, as texts and the runs of each are
    starts = np.concatenate([[0], np.cumsum(sizes)])
    candidates = candidates[np.argsort(candidates[:, 1], kind="stable")]
    step = max(1, PIECE * 64 // max(int(sizes.max()), 64))
    for start in range(0, len(candidates), step):
        some = candidates[start : start + step]
        smaller = np.where(sizes[some[:, 0]] <= sizes[some[:, 1]], some[:, 0], some[:, 1])
        larger = some.sum(axis=1) - smaller
        lengths = sizes[smaller]
        ends = np.cumsum(lengths)
        places = np.arange(ends[-1]) + np.repeat(starts[smaller] - (ends - lengths), lengths)
        asked = np.repeat(larger, lengths) * width + ranks[places]
        at = np.minimum(np.searchsorted(keys, asked), len(keys) - 1)
        shared = np.add.reduceat((keys[at] == asked).astype(np.int64), ends - lengths)
        resemblance = shared / (lengths + sizes[larger] - shared)
        containment = shared / lengths
        are_alike = resemblance >= RESEMBLANCE
        is_within = ~are_alike & (containment >= CONTAINMENT) & (whole[smaller] >= LEAST_RUNS)
        for index in np.flatnonzero(are_alike | is_within).tolist():
            share = containment[index] if is_within[index] else resemblance[index]
            yield Pair(int(some[index, 0]), int(some[index, 1]), float(share), bool(is_within[index]))


def _are(codes: np.ndarray, unknown: int | None) -> np.ndarray:
    return np.zeros(len(codes), bool) if unknown is None else codes == np.uint64(unknown)
