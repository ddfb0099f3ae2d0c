"""A large table: `python tests/bench/table.py [--rows N] [--repeats N]`.

A CSV of 25 numbers, 4 categories and a target is made; `dltrain fit` reads it and trains an MLP of two layers of 64
at batch 1024 for one epoch, in a fresh process. Seconds are from its start to its end, imports and the measurement of
validation and test part included; memory is the most that the process ever held.
"""

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CONFIG = """
dataset: {name: csv, path: table.csv, target: y}
model: {name: mlp, units: [64, 64]}
optimizer: {name: adam, learning_rate: 0.001}
train: {epochs: 1, batch_size: 1024}
"""
NUMBERS, CATEGORIES = 25, (3, 8, 40, 500)


def make(path: Path, rows: int) -> None:
    """Writes a table whose target hangs on all of its columns."""
    import numpy as np
    import polars as pl

    random = np.random.RandomState(0)
    numbers = random.normal(size=(rows, NUMBERS)).round(4)
    codes = [random.randint(0, count, rows) for count in CATEGORIES]
    score = numbers @ random.normal(size=NUMBERS) + sum(
        random.normal(size=count)[code] for count, code in zip(CATEGORIES, codes, strict=True)
    )
    columns = {f"number{index}": values for index, values in enumerate(numbers.T)}
    columns |= {f"category{index}": np.char.add("value ", code.astype(str)) for index, code in enumerate(codes)}
    pl.DataFrame({**columns, "y": (score > 0).astype(int)}).write_csv(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    chosen = parser.parse_args()
    seconds, peaks = [], []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        make(root / "table.csv", chosen.rows)
        (root / "table.yaml").write_text(CONFIG)
        size = (root / "table.csv").stat().st_size / 2**20
        for _ in range(chosen.repeats):
            began = time.perf_counter()
            command = [sys.executable, "-m", "dltrain", "fit", "table.yaml"]
            child = subprocess.Popen(command, cwd=root, stdout=subprocess.DEVNULL)
            _, status, usage = os.wait4(child.pid, 0)
            seconds.append(time.perf_counter() - began)
            if status:
                sys.exit("the run failed")
            peaks.append(usage.ru_maxrss / (2**20 if sys.platform == "linux" else 2**30))
    print(f"{chosen.rows:,} rows, {NUMBERS + len(CATEGORIES) + 1} columns, {size:.0f} MiB, {platform.machine()}")
    print(f"seconds: {statistics.median(seconds):.1f} (median of {chosen.repeats}); peak: {max(peaks):.2f} GiB")


if __name__ == "__main__":
    main()
