"""A run's network, asked: about examples that a user gives, or about a part of the run's own data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from dltrain.assembly.out_of_memory import enough_memory
from dltrain.config.experiment import Config
from dltrain.console import Reporter
from dltrain.data import DataSpec, Split
from dltrain.data.request import Reader, Request
from dltrain.engine.device import Devices
from dltrain.errors import OptionError
from dltrain.inference.trained_run import TrainedRun
from dltrain.inspection.inspected_data import InspectedData
from dltrain.lazy import np, tf
from dltrain.runs.folder import Run

MOST = 256
"""Examples at a time, at most, where nothing else is said."""


@dataclass(frozen=True)
class Predictor:
    """A run's network with its weights in place, which answers.

    Args:
        config: the run's.
        spec: what the run was trained on.
        model: the network.
        checkpoint: best or last.
    """

    config: Config
    spec: DataSpec
    model: Any
    checkpoint: str

    @property
    def size(self) -> int:
        """Examples at a time, where nothing else is said: as many as in training."""
        return min(self.config.experiment.train.examples_per_batch, MOST)

    @cached_property
    def reader(self) -> Reader:
        """What reads examples as the run's own data were read."""
        return self.config.experiment.dataset.reader(self.spec)

    def outputs(self, inputs: np.ndarray) -> np.ndarray:
        """Returns what the network says of examples: logits or numbers, (examples, outputs), float32."""
        if not len(inputs):
            return np.empty((0, self.spec.outputs), np.float32)
        with enough_memory(self.config):
            return np.asarray(self._call(tf.convert_to_tensor(inputs, tf.float32)))

    def answers(self, outputs: np.ndarray, top_k: int = 1, probabilities: bool = False) -> list[dict[str, Any]]:
        """Returns what outputs mean, as the run's task reads them.

        Raises:
            OptionError: if the task does not know what is asked for.
        """
        task = self.config.experiment.task
        try:
            return task.answers(self.spec, outputs, top_k=top_k, probabilities=probabilities)
        except ValueError as error:
            raise OptionError(error) from None

    def example(self, top_k: int = 1, probabilities: bool = False) -> dict[str, Any]:
        """Returns an answer as they will look; raises as `answers`."""
        return self.answers(np.zeros((1, self.spec.outputs), np.float32), top_k, probabilities)[0]

    @cached_property
    def _call(self) -> Any:
        shape = tf.TensorSpec((None, *self.spec.input_shape), tf.float32)
        return tf.function(lambda inputs: self.model(inputs, training=False), [shape], autograph=False)


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
            yield Request(names, np.asarray(split.inputs[first:end]), total=len(split))

    return predictor, split, pieces()


def _with_weights(trained: TrainedRun, devices: Devices, checkpoint: str) -> Predictor:
    return Predictor(trained.config, trained.spec, trained.network(devices).model, checkpoint)


def predictions(
    predictor: Predictor, given: Iterable[Request], top_k: int = 1, probabilities: bool = False
) -> Iterator[tuple[list[dict[str, Any]], int | None]]:
    """Yields an answer for each example that is given, some at a time, in their order, and how many there are in all.

    An answer is {"input": name, ...} with what the task says, or {"input": name, "error": why there is none}.

    Raises:
        OptionError: if the task does not know what is asked for.
    """
    for piece in given:
        outputs = predictor.outputs(piece.inputs)
        usable = iter(
            zip(predictor.answers(outputs, top_k, probabilities), np.isfinite(outputs).all(axis=1), strict=True)
        )
        rows: list[dict[str, Any]] = []
        for place, name in enumerate(piece.names):
            if place in piece.problems:
                rows.append({"input": name, "error": piece.problems[place]})
                continue
            answer, is_finite = next(usable)
            rows.append({"input": name, **(answer if is_finite else {"error": "what the network says is not finite"})})
        yield rows, piece.total


def truths(spec: DataSpec, targets: np.ndarray) -> list[Any]:
    """Returns what is right, as the answers say it: a class, labels, or numbers by name."""
    if spec.numbers:
        names = [target.name for target in spec.numbers]
        return [dict(zip(names, row, strict=True)) for row in targets.astype(np.float64).tolist()]
    if spec.exclusive:
        return [spec.class_names[label] for label in targets.tolist()]
    return [[spec.class_names[place] for place in np.flatnonzero(row > 0.5)] for row in targets]
