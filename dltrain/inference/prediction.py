"""Predictions of a run's network, for examples from a user or for a part of the run's own data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from dltrain.assembly.out_of_memory import enough_memory
from dltrain.config.experiment import Config
from dltrain.console import Reporter
from dltrain.data import DataSpec, Outcome, Split, named, trees, unnamed
from dltrain.data.feature import Notice
from dltrain.data.request import Reader, Request
from dltrain.engine.device import Devices
from dltrain.engine.tensors import example, specs
from dltrain.inference.options import chosen
from dltrain.inference.outputs import compiled, finite, inferred
from dltrain.inference.trained_run import TrainedRun
from dltrain.inspection.inspected_data import InspectedData
from dltrain.runs.folder import Run

MOST = 256
"""Examples at a time, at most, where nothing else is said."""
MOST_KINDS = 10
"""Kinds of notices that are said one by one."""


@dataclass(frozen=True)
class Predictor:
    """A run's network with its weights in place.

    Args:
        config: the run's.
        spec: what the run was trained on.
        model: the network, of one view of each example.
        checkpoint: best or last.
    """

    config: Config
    spec: DataSpec
    model: Any
    checkpoint: str

    @property
    def task(self) -> Any:
        """The run's task."""
        return self.config.experiment.task

    @property
    def size(self) -> int:
        """Examples at a time, where nothing else is said: as many as in training."""
        return min(self.config.experiment.train.examples_per_batch, MOST)

    @cached_property
    def reader(self) -> Reader:
        """The reader that reads examples as the run's own data were read."""
        return self.config.experiment.dataset.reader(self.spec)

    def outputs(self, inputs: Any) -> Any:
        """Returns what leaves the device for examples, as the task's `inference` gives it.

        Args:
            inputs: stored values, at least one; of `Examples` with several views the mean over these is returned.
        """
        with enough_memory(self.config):
            return inferred(self._call, self.spec, inputs)

    def warm(self) -> None:
        """Compiles the network, so that the first request need not wait for it."""
        self.outputs(example(specs(self.spec.inputs)))

    def answers(self, request: Request, outputs: Any, options: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Returns outputs as predictions of the run's task.

        Args:
            request: the examples that were asked about.
            outputs: of those that can be used.
            options: what is asked for, of the task's options.

        Raises:
            OptionError: if the task does not have what is asked for.
        """
        wanted = chosen(self.task, options)
        return self.task.answers(self._outcome(request, outputs), wanted)

    def pictures(self, request: Request, outputs: Any) -> Sequence[Any]:
        """Returns what outputs look like, panels of a page; nothing where the task does not draw them.

        Args:
            request: the examples that were asked about.
            outputs: of those that can be used.
        """
        return self.task.pictures(self._outcome(request, outputs))

    def annotated(self, request: Request, outputs: Any, options: Mapping[str, Any]) -> list[np.ndarray]:
        """Returns each example with its answer on it; nothing where the task's answers have no places.

        Args:
            request: the examples that were asked about.
            outputs: of those that can be used.
            options: as of `answers`.
        """
        return self.task.annotated(self._outcome(request, outputs), chosen(self.task, options))

    def actual(self, part: Split) -> list[Any] | None:
        """Returns the actual values as predictions; none where the task makes its targets of the inputs.

        Args:
            part: the examples.

        Returns:
            a plain value of each example; a dict of such by name where there are several targets.
        """
        data = self.spec
        if not data.targets:
            return None
        values = named(data.targets, trees.read(part.targets, slice(None)))
        found = [feature.actual(values[name], part.metadata) for name, feature in data.targets.items()]
        return [unnamed(dict(zip(data.targets, row, strict=True))) for row in zip(*found, strict=True)]

    def _outcome(self, request: Request, outputs: Any) -> Outcome:
        return Outcome(self.spec, request.part, request.split, request.metadata, outputs, request.inputs)

    @cached_property
    def _call(self) -> Any:
        return compiled(self.task, self.spec, self.model)


def load(run: Run, checkpoint: str, reporter: Reporter, overrides: Sequence[str] = ()) -> Predictor:
    """Builds a run's network and gives it its weights; reads none of its data.

    Args:
        run: a run with a checkpoint.
        checkpoint: "best" or "last".
        reporter: what says how it goes.
        overrides: `key.path=value` arguments, such as device=cpu.

    Raises:
        UserError: if config or checkpoint cannot be used.
    """
    trained = TrainedRun.open(run, checkpoint, reporter, overrides)
    return _with_weights(trained, trained.start(), checkpoint)


def load_with_part(
    run: Run, checkpoint: str, part: str, reporter: Reporter, overrides: Sequence[str] = (), size: int | None = None
) -> tuple[Predictor, Split, Iterator[Request]]:
    """Does the same, and reads a part of the run's own data.

    Args:
        run: a run with a checkpoint.
        checkpoint: "best" or "last".
        part: "train", "validation" or "test".
        reporter: what says how it goes.
        overrides: `key.path=value` arguments, such as device=cpu.
        size: examples in a piece; none for as many as in training.

    Returns:
        the network, the part, and the part in pieces.

    Raises:
        UserError: if config, checkpoint or data cannot be used.
    """
    trained = TrainedRun.open(run, checkpoint, reporter, overrides)
    devices, splits, split = trained.own_part(part)
    predictor = _with_weights(trained, devices, checkpoint)
    inspected = InspectedData(splits)

    def pieces() -> Iterator[Request]:
        step = size or predictor.size
        for first in range(0, len(split), step):
            end = min(first + step, len(split))
            names = [inspected.place(part, place) for place in range(first, end)]
            some = split.take(slice(first, end))
            yield Request(names, some.inputs, total=len(split), metadata=some.metadata, part=part, split=some)

    return predictor, split, pieces()


def _with_weights(trained: TrainedRun, devices: Devices, checkpoint: str) -> Predictor:
    return Predictor(trained.config, trained.spec, trained.network(devices).model, checkpoint)


def predictions(
    predictor: Predictor,
    given: Iterable[Request],
    options: Mapping[str, Any],
    drawn: Callable[[Request, Any], None] = lambda request, outputs: None,
) -> Iterator[tuple[list[dict[str, Any]], int | None]]:
    """Yields an answer for each example that is given, some at a time, in their order, and how many there are in total.

    An answer is {"input": name, ...} with what the task says, or {"input": name, "error": why there is none}; with
    {"notices": sentences} where something of the example was changed or not recognised.

    Args:
        predictor: the network.
        given: the examples, some at a time.
        options: what is asked for, of the task's options.
        drawn: is given the examples that can be used, with their outputs.

    Raises:
        OptionError: if the task does not have what is asked for.
    """
    chosen(predictor.task, options)
    for piece in given:
        usable = iter(_answered(predictor, piece, options, drawn))
        rows = []
        for place, name in enumerate(piece.names):
            found = {"error": piece.problems[place]} if place in piece.problems else next(usable)
            noticed = {"notices": piece.notices[place]} if piece.notices.get(place) else {}
            rows.append({"input": name, **found, **noticed})
        yield rows, piece.total


class Noticed:
    """Counts what was noticed, by kind: a message for each of thousands of examples would hide all others."""

    def __init__(self) -> None:
        self._kinds: dict[str, tuple[int, str, str | None]] = {}
        self._usable = 0

    def add(self, row: Mapping[str, Any]) -> None:
        """Counts what was noticed of an example.

        Args:
            row: an answer, as `predictions` yields it.
        """
        self._usable += "error" not in row
        for words in row.get("notices", ()):
            of = Notice(words)
            count, first, absence = self._kinds.get(of.kind, (0, f"{row['input']}: {words}", of.absence))
            self._kinds[of.kind] = count + 1, first, absence

    @property
    def lines(self) -> list[str]:
        """A line for each of the first kinds, with their number and the first example; what is of all is a warning."""
        lines = [
            f"{self._share(count, absence)}: {kind}; the first {first}"
            for kind, (count, first, absence) in [*self._kinds.items()][:MOST_KINDS]
        ]
        more = len(self._kinds) - len(lines)
        return (
            [*lines, f"notice: {more:,} more kinds; --format jsonl has the notices of each example"] if more else lines
        )

    def _share(self, count: int, absence: str | None) -> str:
        """Returns how many of the usable examples; all that have a value may mean that no answer means much."""
        present = self._usable - (self._kinds[absence][0] if absence in self._kinds else 0)
        if count == present > 1:
            return f"warning: in all {count:,} examples" + (" that have a value" if present < self._usable else "")
        return f"notice: in {count:,} of {self._usable:,} examples"


def _answered(
    predictor: Predictor, piece: Request, options: Mapping[str, Any], drawn: Callable[[Request, Any], None]
) -> list[dict[str, Any]]:
    """Returns the answers for the examples that can be used."""
    if len(piece.names) == len(piece.problems):
        return []
    outputs = predictor.outputs(piece.inputs)
    drawn(piece, outputs)
    pairs = zip(predictor.answers(piece, outputs, options), finite(outputs), strict=True)
    return [answer if is_finite else {"error": "the network's output is not finite"} for answer, is_finite in pairs]
