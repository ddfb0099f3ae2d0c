"""How fast commands begin: `python tests/bench/start.py [--repeats N]`, beside an empty Typer app and an import.

Fresh processes that take turns; the empty app has as many commands as dltrain. The first step of a fit is done when the
compiled loop returns from it.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from dltrain.cli import app

CONFIG = Path(__file__).parents[2] / "configs" / "mlp.yaml"

EMPTY = f"""
import typer
app = typer.Typer()
def command(): pass
for number in range({len(app.registered_commands)}):
    app.command(f"command{{number}}")(command)
app()
"""

FIRST_STEP = """
import os, sys
from dltrain.engine.speed import Speed
Speed.__exit__ = lambda *_: os._exit(0)
from dltrain.__main__ import main
main()
"""

COMMANDS = {
    "empty Typer app --help": [sys.executable, "-c", EMPTY, "--help"],
    "dltrain --help": [sys.executable, "-m", "dltrain", "--help"],
    "dltrain check mlp.yaml": [sys.executable, "-m", "dltrain", "check", str(CONFIG)],
    "dltrain list": [sys.executable, "-m", "dltrain", "list"],
    "import tensorflow, keras": [sys.executable, "-c", "import tensorflow, keras"],
    "dltrain fit mlp.yaml, to the first step": [sys.executable, "-c", FIRST_STEP, "fit", str(CONFIG)],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=9)
    repeats = parser.parse_args().repeats
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(repeats + 1):  # the first warms the file cache
            for name, command in COMMANDS.items():
                began = time.perf_counter()
                subprocess.run(
                    command, cwd=folder, capture_output=True, check=True, env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
                )
                seconds[name].append(time.perf_counter() - began)
    print("| command | seconds, median (min to max) |\n| --- | ---: |")
    for name, found in seconds.items():
        found = found[1:]
        print(f"| {name} | {statistics.median(found):.2f} ({min(found):.2f} to {max(found):.2f}) |")


if __name__ == "__main__":
    main()
