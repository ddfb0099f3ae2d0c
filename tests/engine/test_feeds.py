"""Batches of several inputs, of examples of different length, and of examples that are read later."""

import subprocess
import sys
import textwrap

import numpy as np
import pytest

from dltrain.data import Batch, DataSpec, Examples, Feature, Features, Ragged, Split
from dltrain.data.random_draws import drawn, evaluating, sharing
from dltrain.engine.feeds import ResidentFeed, StreamedFeed, feed, is_resident
from dltrain.engine.order import Order
from dltrain.engine.preparation import Preparation
from dltrain.engine.stored import lengths_up_to


class Strings(Feature):
    registered_name, shape, dtype, padding = "strings", (None,), "int32", -1


class Vectors(Feature):
    registered_name, shape = "vectors", (None, 2)


class Pair(Feature):
    registered_name, shape = "pair", (2,)


class Label(Feature):
    registered_name, shape, dtype = "label", (), "int32"


SPEC = DataSpec(Features.of(Strings(), Vectors(), Pair()), Features.of(Label(), Strings()))


def data(count=50):
    random = np.random.RandomState(0)
    lengths = random.randint(0, 40, count)
    strings = Ragged.of([np.arange(length) + place for place, length in enumerate(lengths)], np.uint16)
    vectors = Ragged.of([random.randn(length, 2) for length in random.randint(1, 20, count)], np.float32)
    inputs = {"strings": strings, "vectors": vectors, "pair": random.randint(0, 256, (count, 2)).astype(np.uint8)}
    targets = {"label": random.randint(0, 3, count).astype(np.int32), "strings": strings}
    return Split(inputs, targets, np.arange(count, dtype=np.float32))


def flat(tensorflow, batch):
    return [np.asarray(each) for each in tensorflow.nest.flatten(batch)]


def batches(tensorflow, made, count=13, parts=1, first=0):
    """Returns the batches of some steps, as the engine asks for them."""
    found = []
    for step in range(first, first + count):
        taken = made.take(tensorflow.constant(step, "int64"))
        found += [flat(tensorflow, made.batch(taken, tensorflow.constant(part))) for part in range(parts)]
    return found


def test_batches_hold_what_their_examples_are_filled_up(tensorflow):
    split, order = data(), Order(50, 8, seed=3)
    made = ResidentFeed(split, order, Preparation(data=SPEC))
    for step in (0, 1, 9):
        positions = order.positions(tensorflow.constant(step, "int64")).numpy()
        inputs, targets, weights = made.batch(tensorflow.constant(step, "int64"))
        own = split.take(positions)
        length = inputs["strings"].shape[1]
        assert length in lengths_up_to(split.inputs["strings"].longest)
        np.testing.assert_array_equal(inputs["strings"], own.inputs["strings"].padded(-1, length, np.int32))
        np.testing.assert_array_equal(inputs["vectors"], own.inputs["vectors"].padded(0, inputs["vectors"].shape[1]))
        np.testing.assert_array_equal(inputs["pair"], own.inputs["pair"])
        np.testing.assert_array_equal(targets["label"], own.targets["label"])
        np.testing.assert_array_equal(targets["strings"], inputs["strings"])
        np.testing.assert_array_equal(weights, own.weights)
        types = [inputs["strings"].dtype, inputs["vectors"].dtype, inputs["pair"].dtype, targets["label"].dtype]
        assert types == ["int32", "float32", "float32", "int32"]


@pytest.mark.parametrize("settings", [{"seed": 3}, {}, {"seed": 3, "accumulate": 3}, {"accumulate": 2}])
def test_streamed_and_resident_batches_are_the_same(tensorflow, settings):
    split, strategy = data(), tensorflow.distribute.get_strategy()
    order, parts = Order(50, 4, **settings), settings.get("accumulate", 1)
    resident = batches(tensorflow, ResidentFeed(split, order, Preparation(data=SPEC)), parts=parts)
    streamed = batches(tensorflow, StreamedFeed(split, order, Preparation(data=SPEC), strategy), parts=parts)
    for one, other in zip(resident, streamed, strict=True):
        for expected, found in zip(one, other, strict=True):
            np.testing.assert_array_equal(expected, found)
            assert expected.dtype == found.dtype


def test_a_feed_goes_on_within_an_epoch(tensorflow):
    split, order = data(), Order(50, 8, seed=3, lengths=data().lengths)
    strategy = tensorflow.distribute.get_strategy()
    for made in (
        ResidentFeed(split, order, Preparation(data=SPEC)),
        StreamedFeed(split, order, Preparation(data=SPEC), strategy),
    ):
        whole = batches(tensorflow, made, 9)[4:]
        again = batches(tensorflow, made.at(4), 5, first=4)
        for one, other in zip(whole, again, strict=True):
            assert all(np.array_equal(*pair) for pair in zip(one, other, strict=True))


def test_examples_come_in_their_order(tensorflow):
    split, strategy = data(), tensorflow.distribute.get_strategy()
    for made in (
        ResidentFeed(split, Order(50, 8), Preparation(data=SPEC)),
        StreamedFeed(split, Order(50, 8), Preparation(data=SPEC), strategy),
    ):
        inputs, targets, _ = made.examples(48, 50)
        np.testing.assert_array_equal(targets["label"], split.targets["label"][48:])
        assert inputs["vectors"].shape[0] == 2


def test_what_is_read_later_is_streamed():
    assert is_resident(data())
    assert not is_resident(Split({"numbers": Numbered(50), "pair": np.zeros((50, 2))}))


def test_few_lengths_are_filled_up_to():
    lengths = lengths_up_to(100)
    assert lengths[:10] == [1, 2, 3, 4, 5, 6, 7, 8, 10, 12]
    assert lengths[-1] == 100
    assert max(later / earlier for earlier, later in zip(lengths[4:], lengths[5:], strict=False)) <= 1.25
    assert lengths_up_to(0) == [1]


class Numbered(Examples):
    """Examples that tell their position and what they were read with; two views each in evaluation."""

    def __init__(self, count, numbers=None):
        self.numbers = np.arange(count) if numbers is None else numbers

    shape = property(lambda self: (len(self.numbers), 3))
    dtype = property(lambda self: np.dtype(np.float32))

    def __len__(self):
        return len(self.numbers)

    def take(self, positions):
        return Numbered(0, self.numbers[positions])

    def read(self, positions, seeds=None):
        own = self.numbers[positions].astype(np.float32)
        if seeds is None:
            return np.stack([np.stack([own, own * 0, own * 0 + view], 1) for view in range(2)], 1)
        return np.stack([own, *seeds.T], axis=1).astype(np.float32)


class Clips(Feature):
    registered_name, shape, views = "clips", (3,), 2


CLIPS = DataSpec(Features.of(Clips()), Features())


def test_training_reads_with_seeds_of_each_place_and_evaluation_with_none(tensorflow):
    split, strategy = Split(Numbered(20)), tensorflow.distribute.get_strategy()
    made = StreamedFeed(split, Order(20, 6, seed=5), Preparation(data=CLIPS), strategy)
    (first, _), (second, _) = batches(tensorflow, made, 2)
    assert first[:, 1].tolist() == [5] * 6
    assert [*first[:, 2], *second[:, 2]] == [*range(12)]
    halves = StreamedFeed(split, Order(20, 3, seed=5, accumulate=2), Preparation(data=CLIPS), strategy)
    np.testing.assert_array_equal(np.concatenate([each[0] for each in batches(tensorflow, halves, 1, 2)]), first)
    evaluated = feed(split, Order(20, 6), Preparation(data=CLIPS), strategy)
    ((views, targets),) = batches(tensorflow, evaluated, 1)
    assert views.shape == (6, 2, 3)
    assert views[:, 1, 2].tolist() == [1] * 6
    assert targets.shape == (6, 0)


def test_evaluation_averages_what_the_network_makes_of_each_view(tensorflow):
    import keras

    from dltrain.assembly.views import of_views
    from dltrain.engine.compiled_loop import Engine

    data = DataSpec(CLIPS.inputs, Features.of(Label()))
    inputs = data.inputs()
    model = keras.Model(inputs, keras.layers.Dense(2, activation="tanh")(inputs))
    evaluated = of_views(model, data)
    settings = {
        "loss": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        "metrics": [keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
    }
    model.compile("sgd", **settings)
    evaluated.compile(**settings)
    assert of_views(model, DataSpec(Features.of(Pair()), Features())) is model
    split, strategy = Split(Numbered(21), np.arange(21) % 2), tensorflow.distribute.get_strategy()
    engine = Engine(model, strategy, evaluated=evaluated)
    seen = feed(split, Order(21, 6), Preparation(data=data), strategy)
    engine.build(seen)
    views = split.inputs.read(np.arange(21))
    outputs = np.mean([model.predict(views[:, view], verbose=0) for view in range(2)], axis=0)
    logits = outputs - np.log(np.exp(outputs).sum(axis=1, keepdims=True))
    measured = engine.evaluate(seen)
    assert measured["loss"] == pytest.approx(-np.mean(logits[np.arange(21), split.targets]), rel=1e-5)
    assert measured["accuracy"] == pytest.approx(np.mean(outputs.argmax(axis=1) == split.targets))
    trained = feed(split, Order(21, 6, seed=1), Preparation(data=data), strategy)
    assert engine.train(trained, 0, 3) == (3, True)
    assert engine.metrics().keys() == measured.keys()
    assert engine.evaluate(seen) != measured


def test_draws_along_a_length_that_differs_are_cut(tensorflow):
    seed = tensorflow.constant([1, 2])

    def draws(batch, length, **settings):
        return drawn((tensorflow.constant(batch), tensorflow.constant(length)), seed, 0, 99, largest={1: 9}).numpy()

    whole = draws(6, 9)
    np.testing.assert_array_equal(draws(6, 4), whole[:, :4])
    with sharing(1, 2):
        np.testing.assert_array_equal(draws(3, 5), whole[3:, :5])
    assert draws(6, 12).shape == (6, 12)


def test_draws_of_evaluation_depend_on_the_position_alone(tensorflow):
    def masking(batch, seed):
        masks = drawn((2, tensorflow.shape(batch.inputs)[0]), seed, 0, 1000)
        return batch._replace(targets=tensorflow.transpose(masks))

    split = Split(np.arange(20, dtype=np.float32)[:, None])
    found = []
    for size in (4, 5, 20):
        made = ResidentFeed(split, Order(20, size), Preparation(last=masking, seed=7))
        found.append(np.concatenate([targets for _, targets in batches(tensorflow, made, 20 // size)]))
    assert len(np.unique(found[0])) > 30
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])
    np.testing.assert_array_equal(found[0][3:9], made.examples(3, 9)[1])
    trained = ResidentFeed(split, Order(20, 4, seed=7), Preparation(last=masking, seed=7))
    assert not np.array_equal(*(each[1] for each in batches(tensorflow, trained, 2)))
    with evaluating(tensorflow.range(3, 9)):
        assert drawn((4,), tensorflow.constant([1, 2])).shape == (4,)


def epoch(tensorflow, order, epoch):
    steps = range(epoch * order.steps_per_epoch, (epoch + 1) * order.steps_per_epoch)
    return [
        np.concatenate(
            [
                order.positions(tensorflow.constant(step * order.replicas + number, "int64"))
                for number in range(order.replicas)
            ]
        )
        for step in steps
    ]


@pytest.mark.parametrize("settings", [{}, {"accumulate": 2}, {"replicas": 2}, {"rows": np.arange(1000) // 2}])
def test_batches_of_like_length_are_of_all_examples_once(tensorflow, settings):
    lengths = np.random.RandomState(0).randint(1, 1000, 1000)
    order = Order(1000, 10, seed=3, lengths=lengths, **settings)
    first, second = (epoch(tensorflow, order, number) for number in (0, 1))
    rows = settings.get("rows", np.arange(1000))
    assert sorted(np.concatenate(first)) == sorted(np.concatenate(second)) == sorted(rows)
    assert not np.array_equal(np.concatenate(first), np.concatenate(second))
    spans = [np.ptp(lengths[step[:10]]) for step in first if "accumulate" not in settings]
    assert not spans or np.mean(spans) < 150  # of those at random: 820
    middles = [lengths[step[:10]].mean() for step in first]
    assert np.abs(np.corrcoef(middles, np.arange(len(middles)))[0, 1]) < 0.3


def test_replicas_and_parts_share_batches_of_like_length(tensorflow):
    lengths = np.random.RandomState(0).randint(1, 1000, 103)
    whole = epoch(tensorflow, Order(103, 8, seed=3, lengths=lengths), 1)
    shared = epoch(tensorflow, Order(103, 8, 2, seed=3, lengths=lengths), 1)
    assert np.array_equal(whole, shared)


def test_blocks_are_read_few_at_a_time(tensorflow):
    edges = np.concatenate([[0], np.cumsum(np.random.RandomState(0).randint(0, 40, 60))])
    count = int(edges[-1])
    order = Order(count, 10, seed=3, blocks=edges)
    first, second = (epoch(tensorflow, order, number) for number in (0, 1))
    for found in (first, second):
        assert len(np.unique(np.concatenate(found))) == count - count % 10
    assert not np.array_equal(first, second)
    blocks = [np.unique(np.searchsorted(edges, positions, "right")) for positions in first]
    assert np.mean([len(each) for each in blocks]) < 10
    assert len(np.unique(np.concatenate(blocks[:8]))) < 20
    assert len(blocks[0]) > 2


def test_a_change_that_xla_compiles_leaves_the_rest_of_the_batch(tensorflow):
    def added(batch, seed):
        return batch._replace(inputs={**batch.inputs, "pair": batch.inputs["pair"] + 1})

    prepare = Preparation([added, added], data=SPEC)
    inputs, targets = {"strings": np.array([[1]], np.uint16), "pair": np.array([[3, 4]], np.uint8)}, np.array([2])
    spec = DataSpec(Features.of(Strings(), Pair()), Features.of(Label()))
    prepare = Preparation([added, added], data=spec)
    found, kept = prepare(tensorflow.constant(0, "int64"), inputs, targets)
    assert found["pair"].numpy().tolist() == [[5, 6]]
    assert (found["strings"].dtype, kept.dtype, kept.numpy().tolist()) == ("int32", "int32", [2])


def test_the_last_change_may_make_the_targets(tensorflow):
    def masked(batch, seed):
        return Batch(tensorflow.zeros_like(batch.inputs), batch.inputs, tensorflow.ones(len(batch.inputs)))

    spec = DataSpec(Features.of(Strings()), Features())
    inputs, targets, weights = ResidentFeed(
        Split(data().inputs["strings"]), Order(50, 8), Preparation(last=masked, data=spec)
    ).examples(3, 6)
    assert inputs.shape == targets.shape
    assert weights.shape == (3,)
    assert not inputs.numpy().any()
    assert targets.numpy().any()


def test_examples_of_different_length_train_to_the_same_means_on_two_devices_and_in_parts():
    script = """
        import sys
        sys.path.insert(0, "tests/engine")
        import numpy as np
        from dltrain.importing import import_tensorflow
        import_tensorflow()
        import keras, tensorflow as tf
        from test_feeds import SPEC, data
        from dltrain.data import Split
        from dltrain.engine.compiled_loop import Engine
        from dltrain.engine.feeds import ResidentFeed, StreamedFeed
        from dltrain.engine.order import Order
        from dltrain.engine.preparation import Preparation

        tf.config.set_logical_device_configuration(
            tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
        )
        whole = data(51)
        split = Split(whole.inputs, whole.targets["label"])
        from dltrain.data import DataSpec, Features
        from test_feeds import Label
        spec = DataSpec(SPEC.inputs, Features.of(Label()))
        seen = []
        mirrored = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
        one = tf.distribute.get_strategy()
        for strategy, replicas, kind, batches in (
            (one, 1, ResidentFeed, 1), (mirrored, 2, ResidentFeed, 1), (mirrored, 2, StreamedFeed, 1),
            (one, 1, ResidentFeed, 4), (one, 1, StreamedFeed, 4), (mirrored, 2, StreamedFeed, 4),
        ):
            keras.utils.set_random_seed(1)
            with strategy.scope():
                inputs = spec.inputs()
                codes, vectors = inputs["strings"], inputs["vectors"]
                there = keras.ops.cast(keras.ops.not_equal(codes, -1), "float32")[..., None]
                strings = keras.ops.sum(keras.layers.Embedding(100, 4)(keras.ops.maximum(codes, 0)) * there, axis=1)
                added = keras.ops.sum(keras.layers.Dense(4, use_bias=False)(vectors), axis=1)
                pair = keras.layers.Rescaling(1 / 255)(inputs["pair"])
                outputs = keras.layers.Dense(3)(keras.layers.Concatenate()([strings, added, pair]))
                model = keras.Model(inputs, outputs)
                model.compile(
                    keras.optimizers.SGD(0.05, 0.9), keras.losses.SparseCategoricalCrossentropy(from_logits=True),
                    metrics=["accuracy"],
                )
            extra = (strategy,) if kind is StreamedFeed else ()
            engine = Engine(model, strategy)
            test = kind(split, Order(51, 8, replicas), Preparation(data=spec), *extra)
            order = Order(51, 8 // batches, replicas, 5, batches)
            feed = kind(split, order, Preparation(data=spec), *extra)
            engine.build(test)
            before = engine.evaluate(test)
            assert engine.train(feed, 0, 20) == (20, True)
            seen.append([*before.values(), *engine.metrics().values(), *engine.evaluate(test).values()])
        assert seen[0][0] > seen[0][-2]
        for other in seen[1:]:
            np.testing.assert_allclose(seen[0], other, rtol=1e-4)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
