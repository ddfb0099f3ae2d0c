"""One optimizer step from several batches, for batches that do not fit into memory at once."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from dltrain.engine.feeds import Feed, replica
from dltrain.errors import TrainingError
from dltrain.lazy import tf


class Accumulation:
    """Runs the model's own `train_step` on each batch, and lets the optimizer see the mean of their gradients.

    All batches are of one size, so that this is the gradient of the mean loss over all their examples; batch
    normalisation still sees one batch at a time.

    Args:
        model: a built and compiled keras.Model.
        compiled: what a function is compiled with, if it is.
        feed: where batches come from.
    """

    def __init__(self, model: Any, compiled: Callable[..., Any], feed: Feed) -> None:
        self._feed = feed
        self._optimizer = model.optimizer
        self._weights = model.trainable_variables
        self._train_step = model.train_step
        self._gradients = compiled(self._gradients_of)
        apply = model.optimizer.apply  # its own, whatever stands in its place while another replica's step is traced
        self._apply = compiled(lambda gradients: apply(gradients, self._weights))
        self._held: dict[int, dict[int, Any]] = {}

    def step(self, taken: Any) -> Any:
        """Does one step on a replica's share; returns 1.0 where a loss was not finite, else 0.0."""
        count = self._feed.order.accumulate
        without: list[bool] = []  # weights that the loss does not depend on: Keras leaves them as they are

        def body(part: Any, faults: Any, sums: list[Any]) -> Any:
            new, gradients = self._gradients(self._feed.batch(taken, part))
            without[:] = [gradient is None for gradient in gradients]
            added = [old if one is None else old + one for old, one in zip(sums, gradients, strict=True)]
            return part + 1, faults + new, added

        zeros = [tf.zeros(weight.shape, weight.dtype) for weight in self._weights]
        state = (tf.constant(0), tf.constant(0.0), zeros)
        if self._feed.order.replicas > 1:  # whose layers may speak to each other, which a loop's body cannot
            for _ in range(count):
                state = body(*state)
        else:
            state = tf.while_loop(lambda part, *_: part < count, body, state, parallel_iterations=1)
        _, faults, sums = state
        means = [None if absent else total / count for total, absent in zip(sums, without, strict=True)]
        self._apply(means)
        return tf.cast(faults > 0, tf.float32)

    def _gradients_of(self, batch: tuple[Any, ...]) -> tuple[Any, list[Any]]:
        """Returns whether the loss is not finite, and the gradient of each weight, none where there is none."""
        with self._holding() as held:
            logs = self._train_step(batch)
        return fault(logs), [held.get(id(weight)) for weight in self._weights]

    @contextmanager
    def _holding(self) -> Iterator[dict[int, Any]]:
        """Keeps the gradients that reach the optimizer, by the identity of their weight, instead of applying them.

        Replicas are traced by turns, each in the middle of the others' steps: each keeps its own.
        """
        held = self._held[replica()] = {}
        object.__setattr__(self._optimizer, "apply", self._keep)  # past Keras's tracking of attributes
        try:
            yield held
        finally:
            del self._held[replica()]
            if not self._held:
                object.__delattr__(self._optimizer, "apply")

    def _keep(self, gradients: Any, weights: Any = None) -> None:
        self._held[replica()].update(
            (id(weight), None if gradient is None else tf.convert_to_tensor(gradient))
            for gradient, weight in zip(gradients, weights, strict=True)
        )


def fault(logs: dict[str, Any]) -> Any:
    """Returns 1.0 where what a step reports is not finite, else 0.0; a float32 scalar.

    Raises:
        TrainingError: if it reports nothing, as a user's step may.
    """
    if not isinstance(logs, dict) or not logs:
        raise TrainingError(f"the network's train_step must return its metrics, {{name: value}}, got {logs!r}")
    # `loss` is the mean since the epoch began: it turns non-finite with the first loss that is, and stays so.
    watched = [logs["loss"]] if "loss" in logs else list(logs.values())
    finite = [tf.reduce_all(tf.math.is_finite(tf.cast(value, tf.float32))) for value in watched]
    return tf.cast(~tf.reduce_all(finite), tf.float32)
