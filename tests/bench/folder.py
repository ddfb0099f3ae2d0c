"""Many files: `python tests/bench/folder.py [--images N] [--classes N]`: how long listing takes, and how much memory.

As many small PNGs are made in a temporary folder, in a folder per class and in a table that names them. Fresh processes
list them, and train an epoch on them without keeping an image. Memory is the largest that a process had, beside what
the same process has with a hundredth of the files: TensorFlow's own share is in both.
"""

import argparse
import json
import os
import platform
import resource
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path

SIZE = 16


def make(root: Path, count: int, classes: int) -> None:
    """Writes grey PNGs of a few hundred bytes, no two alike."""
    lines = ["path,label"]
    for number in range(classes):
        (root / "images" / f"class{number:04}").mkdir(parents=True)
    for index in range(count):
        number = index % classes
        rows = b"".join(
            b"\0" + zlib.crc32(b"%d %d" % (index, row)).to_bytes(4, "big") * (SIZE // 4) for row in range(SIZE)
        )
        name = f"class{number:04}/{index:07}.png"
        (root / "images" / name).write_bytes(png(rows))
        lines.append(f"images/{name},class{number:04}")
    (root / "labels.csv").write_text("\n".join(lines) + "\n")


def png(rows: bytes) -> bytes:
    chunks = [(b"IHDR", struct.pack(">IIBB3x", SIZE, SIZE, 8, 0)), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    body = (
        struct.pack(">I", len(part)) + name + part + struct.pack(">I", zlib.crc32(name + part)) for name, part in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


def list_files(path: Path) -> None:
    """Lists the images as `load` does before it opens one."""
    from dltrain.datasets.image_folder import ImageFolder

    found = ImageFolder(path=path, size=SIZE)._listing()
    print(sum(len(files) for files, _ in found.parts.values()), "files", file=sys.stderr)


def train(path: Path) -> None:
    """Trains an epoch, decoding every image."""
    from dltrain.config import experiment
    from dltrain.console import Reporter
    from dltrain.training import trainer

    config = {
        "dataset": {
            "name": "image_folder",
            "path": str(path),
            "size": SIZE,
            "color_mode": "grayscale",
            "cache": "none",
        },
        "model": {"name": "mlp", "units": [16]},
        "optimizer": {"name": "sgd", "learning_rate": 0.001},
        "train": {"epochs": 1, "batch_size": 256},
    }
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "bench.yaml").write_text(json.dumps(config))
        trainer.fit(experiment.load(Path(folder) / "bench.yaml"), Reporter(quiet=True), Path(folder) / "runs")


def measure(work: str, path: Path) -> tuple[float, float]:
    """Returns seconds without imports and the most memory, MB, of a fresh process."""
    done = subprocess.run([sys.executable, __file__, "--work", work, str(path)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{work} failed:\n{done.stderr[-2000:]}")
    seconds, megabytes = json.loads(done.stdout.splitlines()[-1])
    return seconds, megabytes


def main() -> None:
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--classes", type=int, default=100)
    parser.add_argument("--work", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        work, path = {"list": list_files, "train": train}[arguments.work[0]], Path(arguments.work[1])
        import numpy  # noqa: F401  its import is not what is measured

        if work is train:
            from dltrain.importing import import_tensorflow

            import_tensorflow()
        began = time.perf_counter()
        work(path)
        print(json.dumps([time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
        return
    print(f"{arguments.images:,} images, {arguments.classes} classes, {platform.platform()}\n")
    print("| work | source | images | seconds | most memory, MB |")
    print("| --- | --- | ---: | ---: | ---: |")
    for count in (arguments.images // 100, arguments.images):
        with tempfile.TemporaryDirectory() as folder:
            make(Path(folder), count, min(arguments.classes, count // 10))
            for work in ("list", "train"):
                for name in ("images", "labels.csv"):
                    seconds, megabytes = measure(work, Path(folder) / name)
                    print(f"| {work} | {name} | {count:,} | {seconds:.2f} | {megabytes:,.0f} |", flush=True)


if __name__ == "__main__":
    main()
