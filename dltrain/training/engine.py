"""The compiled step loop: many steps of the model's own `train_step` in one call, under any tf.distribute strategy."""

from collections.abc import Callable
from typing import Any

import numpy as np

from dltrain.lazy import tf
from dltrain.training.pipeline import Feed


class Engine:
    """Runs a compiled Keras model over feeds.

    Args:
        model: a built and compiled keras.Model; its `train_step` and `test_step` are what runs.
        strategy: the strategy under whose scope the model was made.
    """

    def __init__(self, model: Any, strategy: Any) -> None:
        self.model = model
        self._strategy = strategy
        # One trace per feed: its arrays are captured by the graph, its sizes are constants in it.
        self._loops: dict[tuple[Callable[[Feed], Any], Feed], Any] = {}

    def build(self, feed: Feed) -> None:
        """Makes the variables that Keras makes at the first step: those of the optimizer, the loss and the metrics."""
        with self._strategy.scope():
            self.model.optimizer.build(self.model.trainable_variables)
            self.model.test_step(feed.examples(0, 1))
            self.model.reset_metrics()

    def train(self, feed: Feed, step: int, count: int) -> tuple[int, bool]:
        """Trains for `count` steps, or up to and with the first whose loss is not finite.

        Args:
            feed: where batches come from, the next one that of `step`.
            step: steps done before.
            count: steps to do.

        Returns:
            the steps done by now, and whether the loss is finite.
        """
        done, finite = self._loop(self._train_loop, feed)(*_int64(step, step + count))
        return int(done), bool(finite)

    def metrics(self) -> dict[str, float]:
        """Returns the means since the last `reset`, by name."""
        return {name: shortest(value) for name, value in self.model.get_metrics_result().items()}

    def reset(self) -> None:
        """Begins new means."""
        self.model.reset_metrics()

    def evaluate(self, feed: Feed, stopped: Callable[[], bool] = lambda: False) -> dict[str, float] | None:
        """Returns loss and metrics over every example of the feed, exactly once each.

        Args:
            feed: where batches come from.
            stopped: asked between calls; once true, the evaluation is given up and returns none.
        """
        self.reset()
        done, steps, count = 0, feed.order.steps_per_epoch, 1
        while done < steps:
            self._loop(self._test_loop, feed)(*_int64(done, min(done + count, steps)))
            done, count = done + count, min(2 * count, 256)
            if stopped():
                return None
        if feed.order.leftover:
            self._loop(self._rest_call, feed)()
        result = self.metrics()
        self.reset()
        return result

    def _loop(self, make: Callable[[Feed], Any], feed: Feed) -> Any:
        if (make, feed) not in self._loops:
            self._loops[make, feed] = make(feed)
        return self._loops[make, feed]

    def _train_loop(self, feed: Feed) -> Any:
        def one_step(taken: Any) -> Any:
            logs = self.model.train_step(feed.batch(taken))
            # `loss` is the mean since the epoch began: it turns non-finite with the first loss that is, and stays so.
            watched = [logs["loss"]] if "loss" in logs else list(logs.values())
            finite = [tf.reduce_all(tf.math.is_finite(tf.cast(value, tf.float32))) for value in watched]
            return tf.cast(~tf.reduce_all(finite), tf.int32)

        @tf.function(autograph=False)
        def loop(step: Any, end: Any) -> Any:
            def body(step: Any, _: Any) -> Any:
                faults = self._strategy.run(one_step, (feed.take(step),))
                return step + 1, self._strategy.reduce(tf.distribute.ReduceOp.SUM, faults, axis=None) == 0

            def going(step: Any, finite: Any) -> Any:
                return tf.logical_and(finite, step < end)

            return tf.while_loop(going, body, (step, tf.constant(True)), parallel_iterations=1)

        return loop

    def _test_loop(self, feed: Feed) -> Any:
        def one_step(taken: Any) -> None:
            self.model.test_step(feed.batch(taken))

        @tf.function(autograph=False)
        def loop(step: Any, end: Any) -> Any:
            def body(step: Any) -> Any:
                self._strategy.run(one_step, (feed.take(step),))
                return (step + 1,)

            return tf.while_loop(lambda step: step < end, body, (step,), parallel_iterations=1)

        return loop

    def _rest_call(self, feed: Feed) -> Any:
        """The examples that do not fill a batch: the first replica takes them all, so that each counts once."""
        first = feed.order.examples - feed.order.leftover

        def one_step() -> None:
            replica = tf.distribute.get_replica_context().replica_id_in_sync_group
            if tf.get_static_value(replica) == 0:
                self.model.test_step(feed.examples(first, feed.order.examples))

        return tf.function(lambda: self._strategy.run(one_step), autograph=False)


def shortest(value: Any) -> float:
    """Returns a 32-bit number as the shortest decimal that is the same 32-bit number: 0.05, not 0.05000000074505806."""
    return float(str(np.float32(value)))


def _int64(*numbers: int) -> list[Any]:
    return [tf.constant(number, tf.int64) for number in numbers]
