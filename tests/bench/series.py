"""Forecasts beside Keras and PyTorch: `python tests/bench/series.py [--networks lstm tcn] [--rounds 5]`.

Each side trains the same network on windows of the same series in a process of its own: dltrain by `fit`, with its
reports, metrics and checkpoints but no validation; Keras by `timeseries_dataset_from_array` and `fit`; PyTorch by a
plain loop that gathers windows from a tensor. The others take a series that is scaled as a whole, dltrain scales each
window. The sides take turns, and medians and ratios are printed; the first epoch, with start-up and compilation, does
not count. PyTorch runs in the Python that `--torch` names, by default in this one, and is left out where it is not
there. Likewise `--what large [--rows N]`: a thousand series of ten million rows in all, how long until their windows
are there, the most memory that takes, and windows/s of `fit`.
"""

import argparse
import csv
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import turns

STEPS, WINDOW, HORIZON, BATCH, EPOCHS = 10_000, 96, 24, 64, 3
WINDOWS = STEPS - WINDOW - HORIZON + 1
UNITS, LEVELS, KERNEL, AVERAGE = 64, 5, 3, 25
NETWORKS = {
    "linear_forecast": {"name": "linear_forecast"},
    "lstm": {"name": "lstm", "units": [UNITS], "bidirectional": False},
    "tcn": {"name": "tcn", "filters": UNITS, "kernel_size": KERNEL, "levels": LEVELS},
}
SIDES = ("dltrain", "keras", "torch")
LARGE, STRIDE = 1_000, 24


def series(steps: int = STEPS, seed: int = 0) -> np.ndarray:
    """Returns a day's wave and a random walk that is drawn back to it, (steps,), float32."""
    random = np.random.RandomState(seed)
    noise = np.convolve(random.normal(size=steps), 0.8 ** np.arange(24))[:steps]
    return (50 + 10 * np.sin(2 * np.pi * np.arange(steps) / 24) + noise).astype(np.float32)


def config(path: str, model: dict, epochs: int, **dataset) -> dict:
    """Returns what `fit` takes."""
    parts = {"window": WINDOW, "horizon": HORIZON, "test": 0.0, "validation": 0.0}
    return {
        "dataset": {"name": "time_series", "path": path, "time": "time", "target": "y", **parts, **dataset},
        "model": model,
        "optimizer": {"name": "adam"},
        "train": {"epochs": epochs, "batch_size": BATCH},
        "report": False,
    }


def fit(folder: Path, settings: dict) -> list[float]:
    """Returns at which second each epoch of `dltrain fit` ended."""
    (folder / "bench.yaml").write_text(json.dumps(settings))
    command = [sys.executable, "-m", "dltrain", "fit", "bench.yaml", "--quiet"]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    newest = max((folder / "runs").glob("bench-*"))
    with (newest / "metrics.csv").open() as file:
        return [float(row["seconds"]) for row in csv.DictReader(file)]


def of_dltrain(network: str) -> float:
    """Returns windows per second of `dltrain fit`."""
    with tempfile.TemporaryDirectory() as folder:
        with (Path(folder) / "series.csv").open("w", newline="") as file:
            csv.writer(file).writerows([("time", "y"), *enumerate(series().tolist())])
        seconds = fit(Path(folder), config("series.csv", NETWORKS[network], EPOCHS))
    return WINDOWS * (EPOCHS - 1) / (seconds[-1] - seconds[0])


def of_keras(network: str) -> float:
    """Returns windows per second of Keras's `fit`."""
    import keras
    from keras import layers

    values = series()
    values = ((values - values.mean()) / values.std())[:, None]
    data = keras.utils.timeseries_dataset_from_array(
        values, None, sequence_length=WINDOW + HORIZON, shuffle=True, batch_size=BATCH
    ).map(lambda x: (x[:, :WINDOW], x[:, WINDOW:, 0]))
    inputs = keras.Input((WINDOW, 1))
    if network == "lstm":
        x = layers.Dense(HORIZON)(layers.LSTM(UNITS)(inputs))
    elif network == "tcn":
        x = inputs
        for level in range(LEVELS):
            y = x
            for _ in range(2):
                dilated = {"padding": "causal", "dilation_rate": 2**level}
                y = layers.Conv1D(UNITS, KERNEL, activation="relu", **dilated)(y)
            x = layers.Activation("relu")(layers.Add()([y, x if level else layers.Dense(UNITS)(x)]))
        x = layers.Dense(HORIZON)(x[:, -1])
    else:
        padded = keras.ops.concatenate(
            [inputs[:, :1]] * (AVERAGE // 2) + [inputs] + [inputs[:, -1:]] * (AVERAGE // 2), 1
        )
        trend = layers.Flatten()(layers.AveragePooling1D(AVERAGE, 1)(padded))
        rest = layers.Flatten()(inputs) - trend
        x = layers.Dense(HORIZON)(trend) + layers.Dense(HORIZON)(rest)
    model = keras.Model(inputs, x)
    model.compile("adam", "mse", metrics=["mae"])
    model.fit(data, verbose=0)
    start = time.perf_counter()
    model.fit(data, epochs=EPOCHS - 1, verbose=0)
    return WINDOWS * (EPOCHS - 1) / (time.perf_counter() - start)


def of_torch(network: str) -> float:
    """Returns windows per second of PyTorch's eager loop."""
    import torch
    from torch import nn

    values = torch.tensor(series())
    values = (values - values.mean()) / values.std()
    places = torch.arange(WINDOW + HORIZON)

    class Linear(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.trend, self.rest = nn.Linear(WINDOW, HORIZON), nn.Linear(WINDOW, HORIZON)

        def forward(self, x):
            padded = nn.functional.pad(x[:, None], (AVERAGE // 2, AVERAGE // 2), mode="replicate")
            trend = nn.functional.avg_pool1d(padded, AVERAGE, 1)[:, 0]
            return self.trend(trend) + self.rest(x - trend)

    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm, self.head = nn.LSTM(1, UNITS, batch_first=True), nn.Linear(UNITS, HORIZON)

        def forward(self, x):
            return self.head(self.lstm(x[..., None])[1][0][0])

    class Level(nn.Module):
        def __init__(self, channels: int, dilation: int) -> None:
            super().__init__()
            normal = nn.utils.parametrizations.weight_norm
            self.ahead = (KERNEL - 1) * dilation
            self.first = normal(nn.Conv1d(channels, UNITS, KERNEL, dilation=dilation))
            self.second = normal(nn.Conv1d(UNITS, UNITS, KERNEL, dilation=dilation))
            self.shortcut = nn.Conv1d(channels, UNITS, 1) if channels != UNITS else nn.Identity()

        def forward(self, x):
            y = self.first(nn.functional.pad(x, (self.ahead, 0))).relu()
            return (self.second(nn.functional.pad(y, (self.ahead, 0))).relu() + self.shortcut(x)).relu()

    class Convolutional(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.levels = nn.Sequential(*(Level(UNITS if level else 1, 2**level) for level in range(LEVELS)))
            self.head = nn.Linear(UNITS, HORIZON)

        def forward(self, x):
            return self.head(self.levels(x[:, None])[..., -1])

    model = {"linear_forecast": Linear, "lstm": Recurrent, "tcn": Convolutional}[network]()
    optimizer = torch.optim.Adam(model.parameters())

    def epoch() -> None:
        for batch in torch.randperm(WINDOWS).split(BATCH):
            windows = values[batch[:, None] + places]
            loss = nn.functional.mse_loss(model(windows[:, :WINDOW]), windows[:, WINDOW:])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    epoch()
    start = time.perf_counter()
    for _ in range(EPOCHS - 1):
        epoch()
    return WINDOWS * (EPOCHS - 1) / (time.perf_counter() - start)


def networks(names: list[str], rounds: int, torch: str) -> None:
    """Prints windows per second of each side, a line per network."""
    for network in names:
        turns.show(network, "windows", turns.in_turns(__file__, SIDES, network, rounds, torch))


def large(rows: int) -> None:
    """Prints what many series take: until their windows are there, in memory, and in training."""
    import polars as pl

    count = rows // LARGE
    hours = np.datetime64("2000-01-01T00", "ms") + 3_600_000 * np.arange(count)
    times = pl.Series(hours).dt.strftime("%Y-%m-%dT%H:%M")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "series.csv"
        with path.open("wb") as file:
            for number in range(LARGE):
                columns = {"time": times, "name": [f"series{number}"] * count, "y": series(count, number).round(3)}
                pl.DataFrame(columns).write_csv(file, include_header=number == 0)
        settings = config("series.csv", NETWORKS["linear_forecast"], 3, series="name", stride=STRIDE)
        command = [sys.executable, __file__, "--what", "load", "--path", str(path)]
        windows, seconds, before, peak = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
        print(
            f"{rows:,} rows in {LARGE:,} series, {path.stat().st_size / 2**20:.0f} MiB of CSV: {seconds:.1f} s", end=""
        )
        print(
            f", peak {peak:,.0f} MB ({before:,.0f} MB before; the values alone {rows * 4 / 2**20:,.0f} MB)", flush=True
        )
        ends = fit(Path(folder), settings)
        print(f"linear_forecast: {2 * windows / (ends[-1] - ends[0]):,.0f} windows/s of {windows:,}")


def load(path: Path) -> None:
    """Prints as JSON how many windows a table has, seconds until they are there, memory before and at most."""
    from dltrain.datasets.time_series import TimeSeries

    before, start = _peak(), time.perf_counter()
    parts = {"window": WINDOW, "horizon": HORIZON, "stride": STRIDE, "test": 0.0, "validation": 0.0}
    train = TimeSeries(path=path, target="y", series="name", **parts).splits(None).train
    print(json.dumps([len(train), time.perf_counter() - start, before, _peak()]))


def _peak() -> float:
    """Returns the most memory that this process has held, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def main() -> None:
    """Prints what was asked for, or what one side measures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--what", default="networks", choices=("networks", "large", "load"))
    parser.add_argument("--networks", nargs="+", default=[*NETWORKS], choices=NETWORKS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--torch", default=sys.executable, metavar="PYTHON")
    parser.add_argument("--side", choices=SIDES)
    parser.add_argument("--path", type=Path)
    given = parser.parse_args()
    if given.side:
        measure = {"dltrain": of_dltrain, "keras": of_keras, "torch": of_torch}[given.side]
        print(measure(given.networks[0]))
    elif given.what == "large":
        large(given.rows)
    elif given.what == "load":
        load(given.path)
    else:
        networks(given.networks, given.rounds, given.torch)


if __name__ == "__main__":
    main()
