"""One side of the comparison in a process of its own: `python tests/bench/side.py SIDE WORKLOAD` prints JSON.

Sides: dltrain; keras, `compile` and `fit` as installed; tuned, the same with oneDNN and steps_per_execution; torch,
eager PyTorch, channels_last where there are convolutions. All train the same network on the same synthetic data,
shuffled, with accuracy measured. dltrain's side includes its reports, metrics and checkpoints.
"""

import json
import os
import resource
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

EPOCHS = 6
"""Of which the first, with start-up and compilation, does not count."""


@dataclass(frozen=True)
class Workload:
    """A network and as much data as take a few seconds an epoch."""

    model: dict
    shape: tuple
    batch_size: int
    examples: int
    classes: int = 10


WORKLOADS = {
    "mlp": Workload({"name": "mlp", "units": [512, 512]}, (784,), 128, 38_400),
    "cnn": Workload({"name": "cnn"}, (28, 28, 1), 128, 7_680),
    "resnet-20": Workload({"name": "resnet", "depth": 20}, (32, 32, 3), 128, 1_280),
    "alexnet small": Workload({"name": "alexnet", "variant": "small"}, (32, 32, 3), 128, 1_280),
    "alexnet": Workload({"name": "alexnet"}, (227, 227, 3), 32, 96, 1000),
}


def train_dltrain(workload: Workload) -> list[float]:
    from dltrain.config import experiment
    from dltrain.runs.folder import Run
    from dltrain.training import trainer
    from dltrain.training.progress import Reporter

    config = {
        "dataset": {
            "name": "synthetic",
            "shape": list(workload.shape),
            "num_classes": workload.classes,
            "train_examples": workload.examples,
            "validation_examples": 0,
            "test_examples": 0,
        },
        "model": workload.model,
        "optimizer": {"name": "sgd", "learning_rate": 0.001, "momentum": 0.9},
        "train": {"epochs": EPOCHS, "batch_size": workload.batch_size},
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.yaml"
        path.write_text(json.dumps(config))
        summary = trainer.fit(experiment.load(path), Reporter(quiet=True), Path(folder) / "runs")
        ends = [float(row["seconds"]) for row in Run(Path(summary["run"])).read_metrics()]
    return [later - earlier for earlier, later in zip(ends, ends[1:], strict=False)]


def train_keras(workload: Workload, steps_per_execution: int) -> list[float]:
    import keras

    from dltrain.datasets.synthetic import Synthetic
    from dltrain.registry import MODELS

    keys = {key: tuple(value) if isinstance(value, list) else value for key, value in workload.model.items()}
    splits = Synthetic(
        shape=workload.shape,
        num_classes=workload.classes,
        train_examples=workload.examples,
        validation_examples=0,
        test_examples=0,
    ).load()
    model = MODELS[keys.pop("name")](**keys).build(splits.spec)
    model.compile(
        keras.optimizers.SGD(0.001, 0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        steps_per_execution=steps_per_execution,
    )
    ends = []
    model.fit(
        splits.train.inputs.astype("float32"),
        splits.train.targets,
        batch_size=workload.batch_size,
        epochs=EPOCHS,
        verbose=0,
        callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: ends.append(time.perf_counter()))],
    )
    return [later - earlier for earlier, later in zip(ends, ends[1:], strict=False)]


def train_torch(name: str, workload: Workload) -> list[float]:
    import torch
    import torch_networks

    random = np.random.RandomState(0)
    images = len(workload.shape) == 3
    order = (workload.shape[2], *workload.shape[:2]) if images else workload.shape
    inputs = torch.from_numpy(random.standard_normal((workload.examples, *order)).astype("float32"))
    targets = torch.from_numpy(random.randint(0, workload.classes, workload.examples))
    network = torch_networks.build(name, workload.classes)
    if images:
        inputs, network = inputs.to(memory_format=torch.channels_last), network.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(network.parameters(), 0.001, momentum=0.9)
    criterion = torch.nn.CrossEntropyLoss()
    seconds = []
    for _ in range(EPOCHS):
        began, right, lost = time.perf_counter(), 0, 0.0
        permutation = torch.randperm(workload.examples)
        for first in range(0, workload.examples, workload.batch_size):
            chosen = permutation[first : first + workload.batch_size]
            x, y = inputs[chosen], targets[chosen]
            optimizer.zero_grad()
            logits = network(x)
            loss = criterion(logits, y)
            loss.backward()
            optimizer.step()
            right += (logits.argmax(1) == y).sum().item()
            lost += loss.item()
        seconds.append(time.perf_counter() - began)
    return seconds[1:]


def main() -> None:
    side, name = sys.argv[1:]
    workload = WORKLOADS[name]
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    if side == "tuned":
        os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"
    if side == "dltrain":
        seconds = train_dltrain(workload)
    elif side == "torch":
        seconds = train_torch(name, workload)
    else:
        seconds = train_keras(workload, steps_per_execution=16 if side == "tuned" else 1)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"rates": [workload.examples / one for one in seconds], "peak_memory": peak}))


if __name__ == "__main__":
    main()
