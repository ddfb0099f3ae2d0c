"""Sounds beside Keras and PyTorch: `python tests/bench/sound.py [--rounds 3] [--torch PYTHON]`.

Each side trains three convolutions on the mel bands of a second of sound, from WAV files of a folder per class,
in a process of its own. `resident`: dltrain by `fit` with `cache: memory`, with its metrics and checkpoints but no
validation; Keras by `audio_dataset_from_directory(...).cache()`, its MelSpectrogram layer and `fit`; PyTorch by a plain
loop over a tensor of all clips and `torch.stft`. `files`: the same without keeping what was decoded; PyTorch by a
DataLoader of two workers. The sides take turns, and medians and ratios are printed; the first epoch does not count.
Then the milliseconds in which each of dltrain's front ends makes spectra of 64 clips in training.
"""

import argparse
import csv
import json
import subprocess
import sys
import tempfile
import time
import wave
from pathlib import Path

import numpy as np
import turns

CLASSES, EACH, RATE, BATCH, EPOCHS = 4, 1_000, 8_000, 32, 4
CLIPS = CLASSES * EACH
WINDOW, HOP, SIZE, FILTERS = 200, 80, 256, (8, 16, 32)
SIDES = ("dltrain", "keras", "torch")


def write(folder: Path) -> Path:
    """Writes tones of a second and some noise, 16 bits, and returns their folder."""
    random, when = np.random.RandomState(0), np.arange(RATE) / RATE
    for label in range(CLASSES):
        (folder / "sounds" / str(label)).mkdir(parents=True)
        for number in range(EACH):
            samples = np.sin(2 * np.pi * 300 * (label + 1) * when) * 0.3 + random.normal(0, 0.1, RATE)
            with wave.open(str(folder / "sounds" / str(label) / f"{number}.wav"), "wb") as file:
                file.setparams((1, 2, RATE, 0, "NONE", ""))
                file.writeframes((np.clip(samples, -1, 1) * 32_767).astype("<i2").tobytes())
    return folder / "sounds"


def of_dltrain(what: str, folder: Path) -> float:
    """Returns clips per second of `dltrain fit`."""
    sounds = {"rate": RATE, "clip_seconds": 1.0, "front_end": "log_mel", "bands": 40}
    parts = {"test_fraction": 0.0, "validation_fraction": 0.0}
    keep = {"cache": "memory" if what == "resident" else "none"}
    stages = [{"filters": filters, "pool": "max"} for filters in FILTERS]
    settings = {
        "dataset": {"name": "audio_folder", "path": str(write(folder)), **sounds, **parts, **keep},
        "model": {"name": "cnn", "stages": stages, "dense": []},
        "optimizer": {"name": "adam"},
        "train": {"epochs": EPOCHS, "batch_size": BATCH},
        "report": False,
    }
    (folder / "bench.yaml").write_text(json.dumps(settings))
    command = [sys.executable, "-m", "dltrain", "fit", "bench.yaml", "--quiet"]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    with next((folder / "runs").glob("bench-*")).joinpath("metrics.csv").open() as file:
        seconds = [float(row["seconds"]) for row in csv.DictReader(file)]
    return CLIPS * (EPOCHS - 1) / (seconds[-1] - seconds[0])


def of_keras(what: str, folder: Path) -> float:
    """Returns clips per second of Keras's `fit`."""
    import keras
    from keras import layers

    data = keras.utils.audio_dataset_from_directory(
        write(folder), batch_size=BATCH, output_sequence_length=RATE, verbose=False
    ).map(lambda x, y: (x[..., 0], y))
    data = (data.cache() if what == "resident" else data).prefetch(2)
    inputs = keras.Input((RATE,))
    spectra = layers.MelSpectrogram(SIZE, HOP, WINDOW, sampling_rate=RATE, num_mel_bins=40, min_freq=0, max_freq=4_000)
    x = spectra(inputs)[..., None]
    for filters in FILTERS:
        x = layers.MaxPooling2D()(layers.Conv2D(filters, 3, padding="same", activation="relu")(x))
    model = keras.Model(inputs, layers.Dense(CLASSES)(layers.Flatten()(x)))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=["accuracy"])
    model.fit(data, verbose=0)
    start = time.perf_counter()
    model.fit(data, epochs=EPOCHS - 1, verbose=0)
    return CLIPS * (EPOCHS - 1) / (time.perf_counter() - start)


def of_torch(what: str, folder: Path) -> float:
    """Returns clips per second of PyTorch's eager loop."""
    import torch
    from torch import nn

    place = write(folder)
    files = [(file, label) for label in range(CLASSES) for file in sorted((place / str(label)).iterdir())]

    def samples(file: Path) -> torch.Tensor:
        with wave.open(str(file)) as opened:
            content = np.frombuffer(opened.readframes(RATE), "<i2")
        return torch.from_numpy(content.astype(np.float32) / 32_768)

    class Files(torch.utils.data.Dataset):
        def __len__(self) -> int:
            return len(files)

        def __getitem__(self, row: int) -> tuple[torch.Tensor, int]:
            return samples(files[row][0]), files[row][1]

    bands = torch.rand(SIZE // 2 + 1, 40)  # of any values: the work is the same
    window = torch.hann_window(WINDOW)

    def log_mel(x: torch.Tensor) -> torch.Tensor:
        power = torch.stft(x, SIZE, HOP, WINDOW, window, return_complex=True).abs().square()
        return torch.log(power.transpose(1, 2) @ bands + 1e-6).transpose(1, 2)[:, None]

    steps, channels, size = [], 1, np.array([40, 1 + RATE // HOP])
    for filters in FILTERS:
        steps += [nn.Conv2d(channels, filters, 3, padding="same"), nn.ReLU(), nn.MaxPool2d(2)]
        channels, size = filters, size // 2
    model = nn.Sequential(*steps, nn.Flatten(), nn.Linear(channels * int(size.prod()), CLASSES))
    optimizer, loss = torch.optim.Adam(model.parameters()), nn.CrossEntropyLoss()
    if what == "resident":
        x, y = torch.stack([samples(file) for file, _ in files]), torch.tensor([label for _, label in files])

        def batches():
            for rows in torch.randperm(CLIPS)[: CLIPS // BATCH * BATCH].view(-1, BATCH):
                yield x[rows], y[rows]
    else:
        loader = torch.utils.data.DataLoader(Files(), BATCH, shuffle=True, num_workers=2, persistent_workers=True)

        def batches():
            yield from loader

    start = 0.0
    for epoch in range(EPOCHS):
        if epoch == 1:
            start = time.perf_counter()
        for clips, labels in batches():
            optimizer.zero_grad()
            loss(model(log_mel(clips)), labels).backward()
            optimizer.step()
    return CLIPS * (EPOCHS - 1) / (time.perf_counter() - start)


def front_ends() -> None:
    """Prints how long each front end takes for 64 clips of a second at 16,000 samples."""
    from dltrain.importing import import_tensorflow

    import_tensorflow()
    import keras
    import tensorflow as tf

    from dltrain.features.audio import Audio

    clips = tf.constant(np.random.RandomState(0).standard_normal((64, 16_000)).astype(np.float32))
    for kind in ("spectrogram", "log_mel", "mfcc"):
        inputs = keras.Input((16_000,))
        network = keras.Model(inputs, Audio(front_end=kind).preprocess(inputs))
        made = tf.function(lambda x, network=network: network(x, training=True), autograph=False)
        made(clips)
        seconds = []
        for _ in range(20):
            start = time.perf_counter()
            made(clips).numpy()
            seconds.append(time.perf_counter() - start)
        print(f"front end {kind}: {1000 * np.median(seconds):.1f} ms for 64 clips of 1 s at 16,000", flush=True)


def main() -> None:
    """Compares the sides, or is one of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=["resident", "files"], choices=["resident", "files"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--torch", default=sys.executable, help="the Python that has PyTorch")
    parser.add_argument("--side", choices=SIDES)
    given = parser.parse_args()
    if given.side:
        with tempfile.TemporaryDirectory() as folder:
            side = {"dltrain": of_dltrain, "keras": of_keras, "torch": of_torch}[given.side]
            print(side(given.networks[0], Path(folder)))
        return
    for what in given.networks:
        turns.show(what, "clips", turns.in_turns(__file__, SIDES, what, given.rounds, given.torch))
    front_ends()


if __name__ == "__main__":
    main()
