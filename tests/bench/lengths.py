"""What examples of different length cost a feed: `python tests/bench/lengths.py [--steps N]`.

In one process three feeds of the same total of values take turns, each gathered on the device without a network behind
it: all examples of one length; of different lengths, mixed; of different lengths, those of a batch alike.
"""

import argparse
import statistics
import time

import numpy as np

EXAMPLES, BATCH, MEAN = 20_000, 64, 128


def feeds():
    """Returns a resident feed by name; every one holds as many values."""
    from dltrain.data import DataSpec, Feature, Features, Ragged, Split
    from dltrain.engine.feeds import ResidentFeed
    from dltrain.engine.order import Order
    from dltrain.engine.preparation import Preparation

    class Tokens(Feature):
        registered_name, shape, dtype = "tokens", (None,), "int32"

    class Row(Feature):
        registered_name, shape, dtype = "row", (MEAN,), "int32"

    random = np.random.RandomState(0)
    values = random.randint(1, 30_000, EXAMPLES * MEAN).astype(np.uint16)
    edges = np.sort(random.choice(np.arange(1, len(values)), EXAMPLES - 1, replace=False))
    ragged, dense = Ragged(values, np.array([0, *edges, len(values)])), values.reshape(EXAMPLES, MEAN)
    labels = np.zeros(EXAMPLES, np.int32)

    def one(inputs, feature, **settings):
        data = DataSpec(Features.of(feature), Features())
        order = Order(EXAMPLES, BATCH, seed=0, **settings)
        return ResidentFeed(Split(inputs, labels), order, Preparation(data=data))

    return {
        "one length": one(dense, Row()),
        "different lengths, mixed": one(ragged, Tokens()),
        "different lengths, alike in a batch": one(ragged, Tokens(), lengths=ragged.lengths),
    }


def measure(steps: int, rounds: int) -> dict[str, tuple[float, float]]:
    """Returns examples per second, and values of a batch for each value of its examples, of each feed."""
    import tensorflow as tf

    def loop(made):
        @tf.function
        def run(first):
            size = tf.constant(0)
            for step in tf.range(first, first + steps):
                inputs, *_ = made.batch(step)
                size += tf.size(inputs) + tf.cast(tf.reduce_sum(inputs) < 0, tf.int32)  # which has it computed
            return size

        return run

    loops = {name: loop(made) for name, made in feeds().items()}
    sizes = {name: int(run(tf.constant(0, tf.int64))) for name, run in loops.items()}
    seconds: dict[str, list[float]] = {name: [] for name in loops}
    for turn in range(rounds):
        for name, run in loops.items():
            began = time.perf_counter()
            run(tf.constant(steps * turn, tf.int64)).numpy()
            seconds[name].append(time.perf_counter() - began)
    wanted = steps * BATCH * MEAN
    return {name: (steps * BATCH / statistics.median(each), sizes[name] / wanted) for name, each in seconds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    print("| examples | per second | values of a batch per value |\n| --- | ---: | ---: |")
    for name, (speed, share) in measure(arguments.steps, arguments.rounds).items():
        print(f"| {name} | {speed:,.0f} | {share:.2f} |", flush=True)


if __name__ == "__main__":
    main()
