"""What `dltrain fit` costs over a hand-written loop: `python tests/bench/overhead.py [--epochs N] [WORKLOAD ...]`.

In one process an epoch of fit (its loop, order of examples, metrics, reports and checkpoint) and an epoch of a plain
`tf.function` loop over the same resident examples and the same `train_step` take turns.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

from side import WORKLOADS, synthetic

from dltrain.config import experiment
from dltrain.console import Reporter
from dltrain.training import trainer
from dltrain.training.loop import Loop


def measure(name: str, epochs: int) -> list[float]:
    """Returns seconds of an epoch of fit over seconds of an epoch of the plain loop, for each pair of epochs."""
    workload, loops, ratios, ended = WORKLOADS[name], [], [], []

    def plain_loop(learner):
        import tensorflow as tf

        train, size = learner.splits.train, workload.batch_size
        inputs, targets = tf.constant(train.inputs), tf.constant(train.targets)

        @tf.function
        def loop():
            order = tf.random.shuffle(tf.range(len(train)))
            for step in tf.range(len(train) // size):
                chosen = order[step * size : (step + 1) * size]
                learner.network.engine.model.train_step(
                    (tf.cast(tf.gather(inputs, chosen), tf.float32), tf.gather(targets, chosen))
                )

        return loop

    def after_epoch(fitting, row):
        now = time.perf_counter()
        if not loops:
            loops.append(plain_loop(fitting.learner))
            loops[0]()
        else:
            began = time.perf_counter()
            loops[0]()
            ratios.append((now - ended[-1]) / (time.perf_counter() - began))
        fitting.learner.network.engine.reset()
        ended.append(time.perf_counter())

    config = {
        "dataset": synthetic(workload),
        "model": workload.model,
        "optimizer": {"name": "sgd", "learning_rate": 0.001, "momentum": 0.9},
        "train": {"epochs": epochs + 2, "batch_size": workload.batch_size},
    }
    say_epoch, Loop._say_epoch = Loop._say_epoch, after_epoch
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.yaml"
        path.write_text(json.dumps(config))
        trainer.fit(experiment.load(path), Reporter(quiet=True), Path(folder) / "runs")
    Loop._say_epoch = say_epoch
    return ratios[1:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", default=["mlp", "cnn", "resnet-20"])
    parser.add_argument("--epochs", type=int, default=21)
    arguments = parser.parse_args()
    print("| network | seconds of fit over the plain loop, median (quartiles) |\n| --- | ---: |")
    for name in arguments.workloads:
        ratios = measure(name, arguments.epochs)
        low, middle, high = statistics.quantiles(ratios, n=4)
        print(f"| {name} | {middle:.3f} ({low:.3f} to {high:.3f}) |", flush=True)


if __name__ == "__main__":
    main()
