"""The compiled loop against Keras's own fit, on one device, streamed, and on two logical CPUs."""

import subprocess
import sys
import textwrap
from functools import partial

import numpy as np
import pytest
from specs import data_spec

from dltrain.data import Batch, Examples, Split
from dltrain.engine.compiled_loop import Engine
from dltrain.engine.feeds import ResidentFeed, StreamedFeed
from dltrain.engine.order import Order
from dltrain.engine.preparation import Preparation
from dltrain.errors import DataError
from dltrain.tasks.classification import Classification


@pytest.fixture
def split():
    random = np.random.RandomState(0)
    return Split(random.randint(0, 256, (50, 4), np.uint8), random.randint(0, 3, 50).astype(np.int32))


def compiled_model(keras, learning_rate=0.01):
    keras.utils.set_random_seed(1)
    inputs = keras.Input((4,))
    hidden = keras.layers.BatchNormalization()(keras.layers.Dense(8, activation="tanh")(inputs))
    model = keras.Model(inputs, keras.layers.Dense(3)(keras.layers.Dropout(0.3)(hidden)))
    model.compile(
        keras.optimizers.SGD(learning_rate, 0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
    )
    return model


def engine_for(tensorflow, feed, **settings):
    import keras

    engine = Engine(compiled_model(keras, **settings), tensorflow.distribute.get_strategy())
    engine.build(feed)
    return engine


def weights(engine):
    return [np.asarray(variable) for variable in engine.model.variables]


def test_each_epoch_visits_each_example_once_in_another_order(tensorflow):
    order = Order(examples=48, batch_size=8, seed=3)
    epochs = [
        np.concatenate([order.positions(tensorflow.constant(step, "int64")) for step in range(first, first + 6)])
        for first in (0, 6)
    ]
    assert sorted(epochs[0]) == sorted(epochs[1]) == list(range(48))
    assert list(epochs[0]) != list(epochs[1])


def test_replicas_share_each_batch_without_overlap(tensorflow):
    whole, shared = Order(50, 8, seed=3), Order(50, 8, replicas=2, seed=3)
    for step in (0, 5, 6, 20):
        parts = [shared.positions(tensorflow.constant(2 * step + replica, "int64")) for replica in (0, 1)]
        assert list(np.concatenate(parts)) == list(whole.positions(tensorflow.constant(step, "int64")))


def test_each_worker_reads_its_own_share_of_each_step_alone(tensorflow, split):
    shared, whole = Order(50, 8, replicas=4, seed=3), Order(50, 8, seed=3)
    feed = StreamedFeed(split, shared, Preparation(), tensorflow.distribute.get_strategy())
    # Two workers of two replicas each, from the third step on: one portion for each replica and step.
    read = [[np.array(values) for _, values, *_ in feed._portions(2, worker, 2).take(12)] for worker in (0, 1)]
    for index in range(6):
        positions = whole.positions(tensorflow.constant(2 + index, "int64")).numpy()
        shares = [*read[0][2 * index : 2 * index + 2], *read[1][2 * index : 2 * index + 2]]
        assert np.array_equal(np.concatenate(shares), split.inputs[positions])


def test_streamed_and_resident_data_train_the_same_weights(tensorflow, split):
    strategy = tensorflow.distribute.get_strategy()
    trained = []
    for kind in (ResidentFeed, StreamedFeed):
        extra = () if kind is ResidentFeed else (strategy,)
        feed = kind(split, Order(50, 8, seed=0), Preparation(), *extra)
        engine = engine_for(tensorflow, feed)
        assert engine.train(feed, 0, 13) == (13, True)
        trained.append(weights(engine))
    assert all(np.array_equal(a, b) for a, b in zip(*trained, strict=True))


@pytest.mark.parametrize("batches", [1, 4])
def test_a_compiled_step_trains_the_same_weights(tensorflow, split, batches):
    trained = []
    for jit_compile in (False, True):
        feed = ResidentFeed(split, Order(50, 8 // batches, seed=0, accumulate=batches), Preparation())
        engine = engine_for(tensorflow, feed)
        engine.model.get_layer(index=3).rate = 0.0  # XLA draws other masks
        engine.model.jit_compile = jit_compile
        assert engine.train(feed, 0, 3) == (3, True)
        trained.append([*weights(engine), engine.metrics()["loss"]])
    for plain, compiled in zip(*trained, strict=True):
        np.testing.assert_allclose(plain, compiled, rtol=1e-4, atol=1e-5)


def test_an_example_that_cannot_be_read_is_named(tensorflow, split):
    class Spoilt(Examples):
        shape, dtype = split.inputs.shape, split.inputs.dtype

        def __len__(self):
            return len(split)

        def read(self, positions, seeds=None):
            if 30 in positions:
                raise DataError("30.jpg: no image that can be used")
            return split.inputs[positions]

    feed = StreamedFeed(
        Split(Spoilt(), split.targets), Order(50, 8), Preparation(), tensorflow.distribute.get_strategy()
    )
    engine = engine_for(tensorflow, feed)
    with pytest.raises(DataError, match=r"30\.jpg"):
        engine.train(feed, 0, 6)


def test_no_thread_tunes_what_is_fixed_for_python_may_wait_for_it_forever_at_its_end(tensorflow, split):
    feed = StreamedFeed(split, Order(50, 8), Preparation(), tensorflow.distribute.get_strategy())
    assert feed._portions(0).options().autotune.enabled is False


def test_training_equals_keras_train_on_batch(tensorflow, split):
    import keras

    order = Order(50, 8, seed=0)
    feed = ResidentFeed(split, order, Preparation())
    engine = engine_for(tensorflow, feed)
    engine.train(feed, 0, 10)
    reference = compiled_model(keras)
    for step in range(10):
        positions = order.positions(tensorflow.constant(step, "int64")).numpy()
        reference.train_on_batch(split.inputs[positions].astype("float32"), split.targets[positions])
    for ours, theirs in zip(engine.model.weights, reference.weights, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("batch_size", [8, 50, 64])
def test_evaluation_counts_every_example_once(tensorflow, split, batch_size):
    feed = ResidentFeed(split, Order(50, batch_size), Preparation())
    engine = engine_for(tensorflow, feed)
    expected = engine.model.evaluate(split.inputs.astype("float32"), split.targets, verbose=0, return_dict=True)
    measured = engine.evaluate(feed)
    assert measured == pytest.approx(expected, rel=1e-5)
    assert engine.evaluate(feed) == measured


def test_the_loop_leaves_at_the_first_loss_that_is_not_finite(tensorflow):
    inputs = np.ones((40, 4), np.float32)
    inputs[24:32] = np.nan  # the fourth of five batches
    bad = Split(inputs, np.zeros(40, np.int32))
    feed = ResidentFeed(bad, Order(40, 8), Preparation())
    engine = engine_for(tensorflow, feed)
    assert engine.train(feed, 0, 5) == (4, False)


def test_class_weights_become_sample_weights(tensorflow, split):
    feed = ResidentFeed(split, Order(50, 8), Preparation(class_weights=np.array([1, 2, 3], np.float32)))
    _, targets, sample_weights = feed.examples(0, 50)
    assert list(sample_weights) == [label + 1 for label in split.targets]


def test_two_replicas_and_several_batches_a_step_train_to_the_same_means():
    script = """
        import numpy as np
        from dltrain.importing import import_tensorflow
        import_tensorflow()
        import keras, tensorflow as tf
        from dltrain.data import Split
        from dltrain.engine.compiled_loop import Engine
        from dltrain.engine.feeds import ResidentFeed, StreamedFeed
        from dltrain.engine.order import Order
        from dltrain.engine.preparation import Preparation

        tf.config.set_logical_device_configuration(
            tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
        )
        random = np.random.RandomState(0)
        split = Split(random.randint(0, 256, (51, 4), np.uint8), random.randint(0, 3, 51).astype(np.int32))
        seen = []
        mirrored = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
        one = tf.distribute.get_strategy()
        for strategy, replicas, kind, batches in (
            (one, 1, ResidentFeed, 1), (mirrored, 2, ResidentFeed, 1), (mirrored, 2, StreamedFeed, 1),
            (one, 1, StreamedFeed, 4), (mirrored, 2, ResidentFeed, 2), (mirrored, 2, StreamedFeed, 4),
        ):
            keras.utils.set_random_seed(1)
            with strategy.scope():
                model = keras.Sequential([keras.Input((4,)), keras.layers.Rescaling(1 / 255), keras.layers.Dense(3)])
                model.compile(
                    keras.optimizers.SGD(0.1, 0.9), keras.losses.SparseCategoricalCrossentropy(from_logits=True),
                    metrics=["accuracy"],
                )
            extra = (strategy,) if kind is StreamedFeed else ()
            engine = Engine(model, strategy)
            test = kind(split, Order(51, 8, replicas), Preparation(), *extra)
            feed = kind(split, Order(51, 8 // batches, replicas, 5, batches), Preparation(), *extra)
            engine.build(test)
            before = engine.evaluate(test)
            assert engine.train(feed, 0, 20) == (20, True)
            seen.append([*before.values(), *engine.metrics().values(), *engine.evaluate(test).values()])
        for other in seen[1:]:
            np.testing.assert_allclose(seen[0], other, rtol=1e-4)

        with mirrored.scope():  # each device has moving statistics of its own, until they are shared
            model = keras.Sequential([keras.Input((4,)), keras.layers.BatchNormalization(), keras.layers.Dense(3)])
            model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        engine, feed = Engine(model, mirrored), ResidentFeed(split, Order(51, 8, 2, seed=5), Preparation())
        engine.build(feed)
        engine.train(feed, 0, 5)
        moving = model.layers[0].moving_mean
        mean = np.array(moving)
        first, second = map(np.array, mirrored.experimental_local_results(moving.value))
        assert not np.array_equal(first, second)
        engine.share_statistics()
        for own in mirrored.experimental_local_results(moving.value):
            np.testing.assert_array_equal(own, mean)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]


def mixing_half(batch, seed):
    inputs, targets, _ = batch
    return Batch(0.5 * inputs + 0.5 * inputs[::-1], 0.75 * targets + 0.25 * targets[::-1])


def test_the_loss_of_mixtures_is_the_mixture_of_the_weighted_losses(tensorflow):
    data, weights = data_spec((4,), ("a", "b", "c")), np.array([1, 3, 0], np.float32)
    inputs, targets = np.arange(16, dtype=np.uint8).reshape(4, 4), np.array([0, 1, 2, 2], np.int32)
    logits = np.random.RandomState(0).randn(4, 3).astype(np.float32)
    for smoothing in (0.0, 0.1):
        task = Classification(label_smoothing=smoothing)
        preparation = Preparation((), weights, 0, [mixing_half], partial(task.soft_targets, data))
        mixed, soft, sample_weights = preparation(tensorflow.constant(3, "int64"), inputs, targets)
        np.testing.assert_array_equal(mixed, np.full((4, 1), 6) + np.arange(4))
        loss = np.asarray(task.loss(data)(soft, logits)) * sample_weights
        single = [np.asarray(task.loss(data)(labels, logits)) * weights[labels] for labels in (targets, targets[::-1])]
        np.testing.assert_allclose(loss, 0.75 * single[0] + 0.25 * single[1], rtol=1e-5, atol=1e-6)


def test_one_of_several_mixes_is_drawn_for_each_batch(tensorflow):
    def marking(mark):
        return lambda batch, seed: batch._replace(inputs=batch.inputs + mark)

    zeros = np.zeros((2, 4), np.float32)
    preparation = Preparation((), None, 0, [marking(1.0), marking(2.0), marking(4.0)], lambda targets: targets)
    drawn = [preparation(tensorflow.constant(number, "int64"), zeros, zeros)[0].numpy() for number in range(60)]
    assert all(len(np.unique(inputs)) == 1 for inputs in drawn)
    counts = np.unique([inputs[0, 0] for inputs in drawn], return_counts=True)
    assert list(counts[0]) == [1, 2, 4]
    assert counts[1].min() > 8
