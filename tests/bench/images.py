"""Photographs from disk: `python tests/bench/images.py [--images N] [--repeats N]`, dltrain beside Keras.

A folder of JPEGs of about 1000x750 is made, then a small network is trained on it at 224x224 with random flips, by
`dltrain fit` on an `image_folder` and, as Keras's tutorials do it, by `image_dataset_from_directory`, RandomFlip in a
map, prefetch and fit. Fresh processes take turns. The first epoch counts from the listing of the files to its end, with
compilation, without TensorFlow's import.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

EPOCHS = 5
SIZE, BATCH_SIZE, CLASSES = 224, 32, 3


def make(root: Path, count: int) -> None:
    """Writes JPEGs of soft shapes with the noise of a camera, quality 90: about 200 kB each."""
    import numpy as np
    import tensorflow as tf

    random = np.random.RandomState(0)
    for index in range(count):
        height, width = random.randint(700, 800), random.randint(950, 1050)
        shapes = random.randint(0, 256, (24, 32, 3)).astype("float32")
        shapes[..., index % CLASSES] *= 0.5
        image = tf.image.resize(shapes, (height, width), "bicubic") + random.normal(0, 4, (height, width, 1))
        content = tf.io.encode_jpeg(tf.cast(tf.clip_by_value(image, 0, 255), tf.uint8), quality=90)
        path = root / f"class{index % CLASSES}" / f"{index:05}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.numpy())


def train_dltrain(root: Path, count: int) -> tuple[float, list[float], int]:
    """Returns when it began, when each epoch ended, and how many images an epoch trains on."""
    from dltrain.config import experiment
    from dltrain.console import Reporter
    from dltrain.importing import import_tensorflow
    from dltrain.training import loop, trainer

    config = {
        "dataset": {
            "name": "image_folder", "path": str(root), "size": SIZE, "resize": "stretch",
            "test_fraction": 0.0, "validation_fraction": 0.0,
        },
        "model": {
            "name": "cnn",
            "stages": [{"filters": 8, "kernel_size": 5, "strides": 4, "pool": "max"}, {"filters": 16, "pool": "max"}],
            "head": "global_average",
            "dense": [],
        },
        "augment": [{"name": "flip"}],
        "optimizer": {"name": "sgd", "learning_rate": 0.001, "momentum": 0.9},
        "train": {"epochs": EPOCHS, "batch_size": BATCH_SIZE},
    }  # fmt: skip
    ends, train_epoch = [], loop.Loop._train_epoch

    def timed_epoch(*arguments):
        train_epoch(*arguments)
        ends.append(time.perf_counter())

    loop.Loop._train_epoch = timed_epoch
    import_tensorflow()  # as Keras's side has done by now
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.yaml"
        path.write_text(json.dumps(config))
        began = time.perf_counter()
        trainer.fit(experiment.load(path), Reporter(quiet=True), Path(folder) / "runs")
    return began, ends, count - count % BATCH_SIZE  # an epoch leaves out what does not fill a batch


def train_keras(root: Path, count: int) -> tuple[float, list[float], int]:
    """Returns the same as `train_dltrain`."""
    import keras
    import tensorflow as tf
    from keras import layers

    began, ends = time.perf_counter(), []
    data = keras.utils.image_dataset_from_directory(
        root, image_size=(SIZE, SIZE), batch_size=BATCH_SIZE, shuffle=True, verbose=False
    )
    flip = layers.RandomFlip("horizontal")
    data = data.map(lambda x, y: (flip(x), y), num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)
    inputs = keras.Input((SIZE, SIZE, 3))
    x = layers.Rescaling(1 / 255)(inputs)
    x = layers.MaxPooling2D()(layers.Conv2D(8, 5, 4, "same", activation="relu")(x))
    x = layers.MaxPooling2D()(layers.Conv2D(16, 3, padding="same", activation="relu")(x))
    model = keras.Model(inputs, layers.Dense(CLASSES)(layers.GlobalAveragePooling2D()(x)))
    model.compile(
        keras.optimizers.SGD(0.001, 0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    clock = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: ends.append(time.perf_counter()))
    model.fit(data, epochs=EPOCHS, verbose=0, callbacks=[clock])
    return began, ends, count


def measure(side: str, root: Path, count: int) -> tuple[float, float]:
    """Returns examples per second in the first epoch and, as the median, in the later ones; in a fresh process."""
    command = [sys.executable, __file__, "--images", str(count), "--side", side, str(root)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{side} failed:\n{done.stderr[-2000:]}")
    began, ends, trained = json.loads(done.stdout.splitlines()[-1])
    later = [end - start for start, end in zip(ends, ends[1:], strict=False)]
    return trained / (ends[0] - began), trained / statistics.median(later)


def main() -> None:
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--side", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        train = {"dltrain": train_dltrain, "keras": train_keras}[arguments.side[0]]
        print(json.dumps(train(Path(arguments.side[1]), arguments.images)))
        return
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder), arguments.images)
        turns = [
            {side: measure(side, Path(folder), arguments.images) for side in ("dltrain", "keras")}
            for _ in range(arguments.repeats)
        ]
    print(f"{arguments.images} images, {platform.platform()}, {arguments.repeats} processes of each side\n")
    print("| epoch | dltrain, images/s | Keras, images/s | ratio, median (min to max) |")
    print("| --- | ---: | ---: | ---: |")
    for number, name in enumerate(("first", "later")):
        ours, theirs = ([turn[side][number] for turn in turns] for side in ("dltrain", "keras"))
        ratios = [mine / other for mine, other in zip(ours, theirs, strict=True)]
        print(
            f"| {name} | {statistics.median(ours):,.0f} | {statistics.median(theirs):,.0f} "
            f"| {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) |"
        )


if __name__ == "__main__":
    main()
