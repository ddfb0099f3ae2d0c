"""How series look: with their parts shaded, and how they repeat themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dltrain.data.statistics import spaced
from dltrain.features._series import frequency as frequencies
from dltrain.features._series.season import autocorrelation, season_of
from dltrain.features._series.windows import Collection
from dltrain.lazy import np

if TYPE_CHECKING:
    from dltrain.figures.page import Panel

MOST_SERIES, MOST_LAGS, MOST_MARKS = 4, 400, 6


def of_parts(names: Sequence[str], parts: Mapping[str, Any]) -> list[Panel]:
    """Returns panels of the first series with the parts shaded, and of their autocorrelation in the train part.

    Args:
        names: of the targets.
        parts: windows by part, the train part's first.
    """
    from dltrain.figures.stretches import Stretches, Trace

    windows = parts["train"]
    collection = windows.collection
    found: list[Panel] = []
    for number in range(min(MOST_SERIES, len(collection.names))):
        where = collection.of(number)
        first = int(collection.firsts[number])
        places = np.arange(first, first + where.stop - where.start)
        several = len(names) > 1
        traces = [Trace(name * several, places, collection.values[where, channel], channel)
                  for channel, name in enumerate(names)]  # fmt: skip
        spans = [(part, max(begin, first), min(end, int(places[-1]) + 1))
                 for part, (begin, end) in collection.parts.items() if end > first]  # fmt: skip
        title = collection.names[number] or ", ".join(names)
        counts = ", ".join(f"{len(each):,} {part} windows" for part, each in parts.items())
        note = f"{len(places):,} steps, {collection.frequency.words}; {counts} in all series"
        found.append(Stretches(title, note, traces, spans, marks(collection, places)))
    end = collection.parts["train"][1]
    curve = autocorrelation(collection, end, len(names), MOST_LAGS)
    if len(curve) > 2:
        season = season_of(collection, end, len(names), MOST_LAGS)
        note = f"the highest after {season} steps" if season > 1 else "no season was found"
        lags = Trace("", np.arange(len(curve)), curve)
        spans = [(str(season), season - 0.5, season + 0.5)] if season > 1 else []
        found.append(Stretches("Autocorrelation in the train part, trend taken off", note, [lags], spans, over="lag"))
    return found


def marks(collection: Collection, places: np.ndarray) -> list[tuple[float, str]]:
    """Returns some steps of the grid, with their times in words."""
    chosen = places[spaced(len(places), MOST_MARKS)]
    texts = frequencies.texts(collection.frequency, collection.frequency.instants(chosen))
    return [(float(place), text.removesuffix("T00:00:00")) for place, text in zip(chosen, texts, strict=True)]
