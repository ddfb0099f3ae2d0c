"""The compiled step loop: many steps of the model's own `train_step` in one call, under any tf.distribute strategy."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from dltrain.distributed.workers import Workers
from dltrain.engine.accumulation import Accumulation, fault
from dltrain.engine.feeds import Feed, replica
from dltrain.engine.order import HOST
from dltrain.engine.speed import Speed
from dltrain.errors import UserError
from dltrain.keras_internals import moving_averages
from dltrain.lazy import keras, tf


class Engine:
    """Runs a compiled Keras model over feeds.

    Args:
        model: a built and compiled keras.Model; its `train_step` and `test_step` are what runs.
        strategy: the strategy under whose scope the model was made.
        workers: the processes that run it together.
        evaluated: the compiled model of the same weights that evaluation asks; none for the same model.
    """

    def __init__(self, model: Any, strategy: Any, workers: Workers | None = None, evaluated: Any = None) -> None:
        self.model, self.evaluated = model, model if evaluated is None else evaluated
        self._strategy = strategy
        self._workers = workers or Workers()
        # One trace per feed: its arrays are captured by the graph, its sizes are constants in it.
        self._loops: dict[tuple[Callable[[Feed], Any], Feed], Any] = {}

    def build(self, feed: Feed) -> None:
        """Makes the variables that Keras makes at the first step: those of the optimizer, the loss and the metrics.

        Args:
            feed: examples as evaluation sees them.
        """
        with self._strategy.scope():
            self.model.optimizer.build(self.model.trainable_variables)
            for weight, average in self.averages():
                average.assign(weight)
            batch = feed.examples(0, 1)
            self.evaluated.test_step(batch)
            if self.evaluated is not self.model:
                x, y, weights = keras.utils.unpack_x_y_sample_weight(batch)
                outputs = self.evaluated(x, training=False)
                self.model.compute_loss(x, y, outputs, weights, training=False)
                self.model.compute_metrics(x, y, outputs, weights)
            self.reset()

    def averages(self) -> list[tuple[Any, Any]]:
        """Returns each trainable weight with its moving average; nothing where the optimizer keeps none."""
        optimizer = self.model.optimizer
        optimizer = getattr(optimizer, "inner_optimizer", optimizer)  # 16-bit floats come with a scale of the loss
        kept = moving_averages(optimizer)
        return list(zip(self.model.trainable_variables, kept, strict=True)) if kept else []

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Puts the moving averages, where there are some, in place of the weights for as long as it lasts."""
        pairs = self.averages()
        weights = [np.array(weight) for weight, _ in pairs]
        for weight, average in pairs:
            weight.assign(average)
        try:
            yield
        finally:
            for (weight, _), value in zip(pairs, weights, strict=True):
                weight.assign(value)

    def train(self, feed: Feed, step: int, count: int) -> tuple[int, bool]:
        """Trains for `count` steps.

        All of them run without the host, which would make a GPU wait; a loss that is not finite is reported afterwards.

        Args:
            feed: where batches come from, the next one that of `step`.
            step: steps done before.
            count: steps to do.

        Returns:
            the steps done by now and true; or the number of the first step with a loss that is not finite, and false.

        Raises:
            DataError: if an example cannot be read.
        """
        good = self._workers.smallest(int(self._call(self._train_loop, feed, *on_host(step, count))))
        return step + min(good + 1, count), good == count

    def share_statistics(self) -> None:
        """Gives all devices the mean of what each gathered for itself, such as moving means: as a checkpoint has it."""
        for variable in self.model.non_trainable_variables:
            variable.assign(np.array(variable))

    def metrics(self) -> dict[str, float]:
        """Returns the means of training since the last `reset`, by name.

        Raises:
            UserError: if a metric gives anything but a number, as a user's may.
        """
        return self._metrics_of(self.model)

    def _metrics_of(self, model: Any) -> dict[str, float]:
        found = model.get_metrics_result()
        for name, value in found.items():
            if np.shape(value) != () or isinstance(value, dict):
                raise UserError(f"metric {name} must give one number, got {value}")
        return {name: shortest(value) for name, value in found.items()}

    def reset(self) -> None:
        """Resets the means of all metrics, of evaluation too."""
        self.model.reset_metrics()
        if self.evaluated is not self.model:
            self.evaluated.reset_metrics()

    def evaluate(self, feed: Feed, stopped: Callable[[], bool] = lambda: False) -> dict[str, float] | None:
        """Returns loss and metrics over every example of the feed, exactly once each.

        Args:
            feed: where batches come from.
            stopped: asked between calls; once true, the evaluation is given up and returns none.
        """
        self.reset()
        done, steps, speed = 0, feed.order.steps_per_epoch, Speed(feed.order.batch_size, self._workers.exchange)
        while done < steps:
            count = min(speed.next_count, steps - done)
            with speed.doing(count):
                self._call(self._test_loop, feed, *on_host(done, count))
                self._metrics_of(self.evaluated)  # waits until the steps are done
            done += count
            if stopped():
                return None
        if feed.order.leftover:
            self._call(self._rest_call, feed)
        result = self._metrics_of(self.evaluated)
        self.reset()
        return result

    def _call(self, make: Callable[[Feed], Any], feed: Feed, *arguments: Any) -> Any:
        if (make, feed) not in self._loops:
            self._loops[make, feed] = make(feed)
        try:
            return self._loops[make, feed](*arguments)
        except tf.errors.OpError:
            if feed.failure is not None:
                raise feed.failure from None
            raise

    def forget(self, feed: Feed) -> None:
        """Releases a feed that will not be used again."""
        self._loops = {key: loop for key, loop in self._loops.items() if key[1] is not feed}

    def _train_loop(self, feed: Feed) -> Any:
        if feed.order.accumulate > 1:
            one_step = Accumulation(self.model, self._compiled, feed).step
        else:
            train_step = self._compiled(self.model.train_step)

            def one_step(taken: Any) -> Any:
                return fault(train_step(feed.batch(taken)))

        @tf.function(autograph=False)
        def loop(first: Any, count: Any) -> Any:
            def body(index: Any, good: Any) -> Any:
                taken = feed.take(_step(first, index))
                with self._dense_gradients(feed):
                    done = self._strategy.run(one_step, (taken,))
                faults = tf.add_n(self._strategy.experimental_local_results(done))
                is_next = tf.logical_and(tf.equal(faults, 0), tf.equal(good, tf.cast(index, tf.float32)))
                return index + 1, good + tf.cast(is_next, tf.float32)

            (good,) = _counted(count, body, tf.constant(0.0))
            return good

        return loop

    @contextmanager
    def _dense_gradients(self, feed: Feed) -> Iterator[None]:
        """Has replicas exchange whole gradients where batches are of different lengths.

        Those of an embedding are of as many rows as a batch has tokens, and what replicas exchange in a loop must have
        the same shape in each step (TensorFlow 2.21).
        """
        optimizer = self.model.optimizer
        if feed.order.replicas == 1 or not feed.differs or feed.order.accumulate > 1:  # whose sums are whole
            yield
            return
        apply = optimizer.apply

        def dense(gradients: Any, weights: Any = None) -> Any:
            return apply([None if each is None else tf.convert_to_tensor(each) for each in gradients], weights)

        object.__setattr__(optimizer, "apply", dense)  # past Keras's tracking of attributes
        try:
            yield
        finally:
            object.__delattr__(optimizer, "apply")

    def _compiled(self, work: Callable[..., Any]) -> Callable[..., Any]:
        """Has XLA compile a part of a step where Keras chose so: on one GPU, where every layer can be."""
        return tf.function(work, autograph=False, jit_compile=True) if self.model.jit_compile else work

    def each(self, feed: Feed, work: Callable[[tuple[Any, ...]], Any]) -> Any:
        """Returns a compiled function of (first step, count), as `on_host` makes them, that works on these batches.

        Args:
            feed: where batches come from.
            work: done on each replica's batch; what it returns is computed and left.
        """

        @tf.function(autograph=False)
        def loop(first: Any, count: Any) -> Any:
            def body(index: Any) -> Any:
                done = self._strategy.run(lambda taken: work(feed.batch(taken)), (feed.take(_step(first, index)),))
                with tf.control_dependencies(tf.nest.flatten(done, expand_composites=True)):
                    return (index + 1,)

            _counted(count, body)

        return loop

    def _test_loop(self, feed: Feed) -> Any:
        return self.each(feed, self.evaluated.test_step)

    def _rest_call(self, feed: Feed) -> Any:
        """The examples that do not fill a batch: the first replica takes them all, so that each counts once."""
        first = feed.order.examples - feed.order.leftover

        def one_step() -> None:
            if replica() == 0:
                self.evaluated.test_step(feed.examples(first, feed.order.examples))

        return tf.function(lambda: self._strategy.run(one_step), autograph=False)


def shortest(value: Any) -> float:
    """Returns a 32-bit number as the shortest decimal that is the same 32-bit number: 0.05, not 0.05000000074505806."""
    return float(str(np.float32(value)))


def _counted(count: Any, body: Callable[..., Any], *others: Any) -> Any:
    """Runs `body` count times, and returns what it carried along beside the index."""
    # TensorFlow keeps 32-bit integers on the host even on a GPU: counting with them never waits for the device.
    start = (tf.constant(0), *others)
    return tf.while_loop(lambda index, *_: index < count, body, start, parallel_iterations=1)[1:]


def _step(first: Any, index: Any) -> Any:
    with tf.device(HOST):
        return first + tf.cast(index, tf.int64)


def on_host(step: int, count: int) -> tuple[Any, Any]:
    """Returns the arguments of a compiled loop, in the host's memory."""
    with tf.device(HOST):
        return tf.constant(step, tf.int64), tf.constant(count, tf.int32)
