"""One side of the comparison in a process of its own: `python tests/bench/side.py SIDE WORKLOAD STARTED` prints JSON.

All sides train the same network on the same synthetic data, shuffled, with accuracy measured, as the documentation of
each shows. dltrain's side includes its reports, metrics and checkpoints.
"""

import json
import math
import os
import resource
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from dltrain.engine.device import nvidia_cards

EPOCHS = 6
"""Of which the first, with start-up and compilation, does not count."""

SIDES = {
    "dltrain": "dltrain fit",
    "keras": "Keras, compile and fit as installed",
    "tuned": "Keras with oneDNN and steps_per_execution=16",
    "eigen": "Keras without oneDNN, as TensorFlow starts on CPUs older than AVX512-VNNI",
    "torch": "PyTorch eager, channels_last where there are convolutions",
    "dltrain mixed": "dltrain fit, mixed_float16",
    "keras mixed": "Keras, mixed_float16, XLA",
    "torch mixed": "PyTorch compiled, channels_last, autocast to float16",
}
"""What takes part: `eigen` on CPUs, the `mixed` ones on GPUs."""


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


def scaled(workload: Workload) -> Workload:
    """Returns the workload with as many examples as take a few seconds an epoch on this machine."""
    return replace(workload, examples=workload.examples * 16) if nvidia_cards() else workload


def operations(name: str) -> float:
    """Returns the floating-point operations of products and convolutions, per example trained on.

    That is three times those of the forward pass, but for the first layer, which needs no gradient of its input.
    """
    import keras
    import keras_networks

    workload, total = WORKLOADS[name], 0
    layers = [
        layer
        for layer in keras_networks.build(name, workload.shape, workload.classes).layers
        if isinstance(layer, keras.layers.Dense | keras.layers.Conv2D)
    ]
    for index, layer in enumerate(layers):
        places = math.prod(layer.output.shape[1:-1])  # 1 for a dense layer
        total += (2 if index == 0 else 3) * 2 * places * math.prod(layer.kernel.shape)
    return float(total)


def synthetic(workload: Workload) -> dict:
    """Returns the dataset block of a workload."""
    return {
        "name": "synthetic",
        "shape": list(workload.shape),
        "num_classes": workload.classes,
        "train_examples": workload.examples,
        "validation_examples": 0,
        "test_examples": 0,
    }


def train_dltrain(name: str, workload: Workload, mixed: bool) -> tuple[float, list[float]]:
    from dltrain.config import experiment
    from dltrain.console import Reporter
    from dltrain.engine.compiled_loop import Engine
    from dltrain.runs.folder import Run
    from dltrain.training import trainer

    ends, train = [], Engine.train

    def timed(*arguments):
        result = train(*arguments)
        ends.append(time.time())
        return result

    Engine.train = timed
    config = {
        "dataset": synthetic(workload),
        "model": workload.model,
        "optimizer": {"name": "sgd", "learning_rate": 0.001, "momentum": 0.9},
        "train": {
            "epochs": EPOCHS,
            "batch_size": workload.batch_size,
            "precision": "mixed_float16" if mixed else "float32",
        },
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.yaml"
        path.write_text(json.dumps(config))
        summary = trainer.fit(experiment.load(path), Reporter(), Path(folder) / "runs")
        epochs = [float(row["seconds"]) for row in Run(Path(summary["run"])).read_metrics()]
    return ends[0], epochs


def train_keras(name: str, workload: Workload, mixed: bool, steps_per_execution: int) -> tuple[float, list[float]]:
    import keras
    import keras_networks

    if mixed:
        keras.mixed_precision.set_global_policy("mixed_float16")
    random = np.random.RandomState(0)
    inputs = random.standard_normal((workload.examples, *workload.shape)).astype("float32")
    targets = random.randint(0, workload.classes, workload.examples)
    model = keras_networks.build(name, workload.shape, workload.classes)
    model.compile(
        keras.optimizers.SGD(0.001, 0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        steps_per_execution=steps_per_execution,
    )
    steps, epochs = [], []

    class Clock(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if not steps:
                steps.append(time.time())

        def on_epoch_end(self, epoch, logs=None):
            epochs.append(time.perf_counter())

    model.fit(inputs, targets, batch_size=workload.batch_size, epochs=EPOCHS, verbose=0, callbacks=[Clock()])
    return steps[0], epochs


def train_torch(name: str, workload: Workload, mixed: bool) -> tuple[float, list[float]]:
    import torch
    import torch_networks

    device = "cuda" if torch.cuda.is_available() else "cpu"
    random = np.random.RandomState(0)
    images = len(workload.shape) == 3
    order = (workload.shape[2], *workload.shape[:2]) if images else workload.shape
    inputs = torch.from_numpy(random.standard_normal((workload.examples, *order)).astype("float32")).to(device)
    targets = torch.from_numpy(random.randint(0, workload.classes, workload.examples)).to(device)
    network = torch_networks.build(name, workload.classes).to(device)
    if images:
        inputs, network = inputs.to(memory_format=torch.channels_last), network.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(network.parameters(), 0.001, momentum=0.9)
    criterion = torch.nn.CrossEntropyLoss()
    scaler = torch.amp.GradScaler(device, enabled=mixed)
    forward = torch.compile(network) if mixed else network
    steps, epochs = [], []
    for _ in range(EPOCHS):
        right, lost = torch.zeros((), device=device), torch.zeros((), device=device)
        permutation = torch.randperm(workload.examples, device=device)
        for first in range(0, workload.examples, workload.batch_size):
            chosen = permutation[first : first + workload.batch_size]
            x, y = inputs[chosen], targets[chosen]
            optimizer.zero_grad()
            with torch.autocast(device, enabled=mixed):
                logits = forward(x)
                loss = criterion(logits, y)
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
            right += (logits.argmax(1) == y).sum()
            lost += loss.detach()
            if not steps:
                float(lost)
                steps.append(time.time())
        float(lost)
        epochs.append(time.perf_counter())
    return steps[0], epochs


def product_rate(kind: str) -> float:
    """Returns floating-point operations per second of a product of two 2048 x 2048 matrices in float32."""
    if kind == "torch":
        import torch

        matrix = torch.randn(2048, 2048, device="cuda" if torch.cuda.is_available() else "cpu")
        multiply = lambda: (matrix @ matrix).cpu()  # noqa: E731
    else:
        import tensorflow as tf

        matrix = tf.random.normal((2048, 2048))
        multiply = lambda: tf.linalg.matmul(matrix, matrix).numpy()  # noqa: E731
    seconds = []
    for _ in range(12):
        began = time.perf_counter()
        multiply()
        seconds.append(time.perf_counter() - began)
    return 2 * 2048**3 / min(seconds)


def main() -> None:
    side, name, started = sys.argv[1], sys.argv[2], float(sys.argv[3])
    kind, mixed, workload = side.split()[0], side.endswith("mixed"), scaled(WORKLOADS[name])
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    if kind == "tuned":
        os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"
    if kind == "eigen":
        os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"
    if kind == "dltrain":
        first_step, ends = train_dltrain(name, workload, mixed)
    elif kind == "torch":
        first_step, ends = train_torch(name, workload, mixed)
    else:
        first_step, ends = train_keras(name, workload, mixed, steps_per_execution=16 if kind == "tuned" else 1)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(
        json.dumps(
            {
                "rates": [workload.examples / (end - began) for began, end in zip(ends, ends[1:], strict=False)],
                "first_step": first_step - started,
                "peak_memory": peak,
                "product_rate": product_rate(kind),
            }
        )
    )


if __name__ == "__main__":
    main()
