"""Boxes: `python tests/bench/detection.py [--repeats N]`, a detector's training from disk and its suppression.

Training: the images of `dltrain datasets make shapes`, as Pascal VOC has them, read and decoded in each process, by
`dltrain fit` and by a plain Keras loop (tf.data over the same files, Keras's fit) with the same network and loss.
Suppression: the boxes of 8 images from raw outputs, as large as SSD300's for 20 classes, by dltrain's layer and by
tf.image.combined_non_max_suppression; in one process, in turns. torchvision's ssd300 takes part in both for 8 images of
300x300 where it can be imported: `--torch PYTHON`.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

EPOCHS, BATCH, SIZE = 3, 16, 96
BACKBONE = {
    "name": "cnn",
    "stages": [
        {"filters": 24, "kernel_size": 5, "strides": 2, "normalization": "batch"},
        {"filters": 32, "normalization": "batch", "pool": "max"},
        {"filters": 64, "normalization": "batch"},
        {"filters": 96, "normalization": "batch", "strides": 2},
    ],
}
CONFIG = {
    "dataset": {"name": "voc", "size": SIZE},
    "model": {"name": "ssd", "backbone": BACKBONE, "first_stride": 4, "extra_filters": 64, "scales": [0.1, 0.6]},
    "task": {"name": "detection"},
    "optimizer": {"name": "adam", "learning_rate": 0.001},
    "train": {"epochs": EPOCHS, "batch_size": BATCH},
}


def opened(root: Path):
    """Returns the experiment and its data."""
    from dltrain.config import experiment

    path = root / "bench.yaml"
    path.write_text(json.dumps({**CONFIG, "dataset": {**CONFIG["dataset"], "path": str(root / "shapes")}}))
    return experiment.load(path)


def train_dltrain(root: Path) -> float:
    """Returns images per second of the later epochs, reading and validation apart."""
    from dltrain.console import Reporter
    from dltrain.training import loop, trainer

    seconds, train_epoch = [], loop.Loop._train_epoch

    def timed_epoch(*arguments):
        began = time.perf_counter()
        train_epoch(*arguments)
        seconds.append(time.perf_counter() - began)

    loop.Loop._train_epoch = timed_epoch
    trainer.fit(opened(root), Reporter(quiet=True), root / "runs")
    return 1200 // BATCH * BATCH / statistics.median(seconds[1:])


def train_keras(root: Path) -> float:
    """Returns the same of a plain loop over the same files."""
    import keras
    import numpy as np
    import tensorflow as tf

    config = opened(root)
    splits = config.experiment.dataset.load()
    spec = splits.spec.bound(config.experiment.task)
    model = config.experiment.model.build(spec)
    paths = [str(path) for path in splits.train.inputs.paths] if hasattr(splits.train.inputs, "paths") else None
    targets = splits.train.targets.padded(-1)

    def read(path, boxes):
        image = tf.io.decode_image(tf.io.read_file(path), 3, expand_animations=False)
        return tf.image.resize(image, (SIZE, SIZE)), boxes

    if paths:
        data = tf.data.Dataset.from_tensor_slices((paths, targets)).shuffle(len(paths)).map(read, tf.data.AUTOTUNE)
    else:  # small images are in memory there too
        data = tf.data.Dataset.from_tensor_slices((np.asarray(splits.train.inputs), targets)).shuffle(len(targets))
        data = data.map(lambda image, boxes: (tf.cast(image, tf.float32), boxes), tf.data.AUTOTUNE)
    data = data.batch(BATCH, drop_remainder=True).prefetch(tf.data.AUTOTUNE)
    model.compile(keras.optimizers.Adam(0.001), config.experiment.task.loss(spec), jit_compile=False)
    ends = [time.perf_counter()]
    clock = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: ends.append(time.perf_counter()))
    model.fit(data, epochs=EPOCHS, verbose=0, callbacks=[clock])
    return 1200 // BATCH * BATCH / statistics.median(np.diff(ends)[1:])


def suppression(repeats: int) -> dict[str, list[float]]:
    """Returns images per second of both suppressions, in turns."""
    import numpy as np
    import tensorflow as tf

    from dltrain.layers.box_selection import BoxSelection, decoded

    random, images, classes = np.random.RandomState(0), 8, 20
    raw = np.zeros((images, 8732, classes + 13), np.float32)
    raw[..., : classes + 1] = random.standard_normal((images, 8732, classes + 1))
    raw[..., 0] += 8  # almost all is background, as of a trained network
    raw[..., classes + 1 : classes + 5] = random.standard_normal((images, 8732, 4))
    raw[..., classes + 5 : classes + 7] = random.random_sample((images, 8732, 2))
    raw[..., classes + 7 : classes + 9] = 0.05 + 0.3 * random.random_sample((images, 8732, 2))
    raw[..., classes + 9 :] = 0.1, 0.1, 0.2, 0.2

    @tf.function
    def combined(outputs):
        shares = tf.nn.softmax(outputs[..., : classes + 1])[..., 1:]
        boxes = decoded(outputs[..., classes + 1 :])[:, :, None]
        return tf.image.combined_non_max_suppression(boxes, shares, 400, 200, 0.45, 0.01, clip_boxes=False)

    sides = {"dltrain": tf.function(BoxSelection()), "combined_non_max_suppression": combined}
    found: dict[str, list[float]] = {name: [] for name in sides}
    outputs = tf.constant(raw)
    for turn in range(repeats + 1):
        for name, call in sides.items():
            began = time.perf_counter()
            tf.nest.map_structure(np.asarray, call(outputs))
            if turn:  # the first compiles
                found[name].append(images / (time.perf_counter() - began))
    return found


TORCHVISION = """
import sys, time, torch, torchvision
torch.manual_seed(0)
model = torchvision.models.detection.ssd300_vgg16(weights=None, weights_backbone=None, num_classes=21)
images = list(torch.rand(8, 3, 300, 300))
targets = [{"boxes": torch.tensor([[30.0, 30.0, 200.0, 220.0]]), "labels": torch.tensor([1])} for _ in images]
optimizer = torch.optim.SGD(model.parameters(), 1e-4, 0.9)
for turn in range(3):
    began = time.perf_counter()
    model.train(); optimizer.zero_grad(); sum(model(images, targets).values()).backward(); optimizer.step()
    trained = time.perf_counter()
    model.eval()
    with torch.no_grad(): model(images)
    print(8 / (trained - began), 8 / (time.perf_counter() - trained))
"""


def torchvision(python: str) -> None:
    """Prints what torchvision's ssd300 does, or that it cannot be imported."""
    done = subprocess.run([python, "-c", TORCHVISION], capture_output=True, text=True)
    if done.returncode:
        print(f"torchvision is left out: it cannot be imported or run by {python}")
        return
    train, answer = done.stdout.split()[-2:]
    print(f"torchvision's ssd300, 8 images: {float(train):.2f} images/s in training, {float(answer):.2f} in answering")


def main() -> None:
    """Measures both, and prints medians."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=3, help="processes per side; calls of each suppression")
    parser.add_argument("--torch", default=sys.executable, help="a Python that has torchvision")
    parser.add_argument("--side", choices=("dltrain", "keras"), help=argparse.SUPPRESS)
    parser.add_argument("--root", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        print({"dltrain": train_dltrain, "keras": train_keras}[arguments.side](arguments.root))
        return
    with tempfile.TemporaryDirectory() as folder:
        make = [sys.executable, "-m", "dltrain", "datasets", "make", "shapes", f"{folder}/shapes", "--format", "voc"]
        subprocess.run(make, check=True, capture_output=True)
        found: dict[str, list[float]] = {"dltrain": [], "keras": []}
        for _ in range(arguments.repeats):
            for side, rates in found.items():
                command = [sys.executable, __file__, "--side", side, "--root", folder]
                done = subprocess.run(command, capture_output=True, text=True)
                if done.returncode:
                    sys.exit(f"{side} failed:\n{done.stderr[-2000:]}")
                rates.append(float(done.stdout.split()[-1]))
    for what, rates in {"training": found, "suppression": suppression(arguments.repeats)}.items():
        medians = {side: statistics.median(values) for side, values in rates.items()}
        ours = medians["dltrain"]
        each = [f"{side} {value:,.1f} (ratio {ours / value:.2f})" for side, value in medians.items()]
        print(f"{what}: images/s: {', '.join(each)}")
    torchvision(arguments.torch)


if __name__ == "__main__":
    main()
