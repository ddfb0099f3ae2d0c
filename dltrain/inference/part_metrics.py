"""Loss and metrics of a part of the data, including those that need the whole part."""

from collections.abc import Callable
from typing import Any

from dltrain.data import DataSpec, Outcome, Split
from dltrain.engine.compiled_loop import Engine
from dltrain.engine.feeds import Feed
from dltrain.inference.outputs import BATCH, Stopped, outcome


def evaluated(
    engine: Engine,
    task: Any,
    spec: DataSpec,
    part: str,
    split: Split,
    feed: Feed,
    stopped: Callable[[], bool] = lambda: False,
    known: Outcome | None = None,
) -> dict[str, float | None] | None:
    """Returns loss and metrics of a part; none takes the place of one that is undefined for it.

    Args:
        engine: the network.
        task: what is measured.
        spec: what the data are.
        part: what the part is called.
        split: its examples.
        feed: its batches.
        stopped: asked now and then; once true, it is given up, and returns none.
        known: what the network makes of these examples, where that was collected before.
    """
    found = engine.evaluate(feed, stopped)
    if found is None:
        return None
    if task.part_metrics:
        try:
            size = min(feed.order.batch_size, BATCH)
            found |= task.measure(known or outcome(task, spec, engine.model, part, split, size, stopped))
        except Stopped:
            return None
    return without(found, task.undefined(spec, split))


def without(metrics: dict[str, float], undefined: dict[str, str]) -> dict[str, float | None]:
    """Returns metrics with none for those that are undefined for a part."""
    return {name: None if name in undefined else value for name, value in metrics.items()}


def words(part: str, undefined: dict[str, str]) -> list[str]:
    """Returns a sentence for each metric that is undefined for a part."""
    return [f"{name} is undefined for the {part} part: {why}" for name, why in undefined.items()]
