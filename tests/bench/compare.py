"""dltrain beside bare Keras and PyTorch: `python tests/bench/compare.py [--repeats N] [WORKLOAD ...]` prints tables.

Every side runs in a fresh process and the sides take turns. A rate is the median of all epochs but the first of each
process; a ratio is that of two sides in the same turn, given as its median and its smallest and largest over the turns.
PyTorch takes part where it can be imported: `pip install torch`. On a machine with an NVIDIA GPU all sides use it, and
sides with mixed precision and compiled steps join.
"""

import argparse
import importlib.util
import json
import platform
import statistics
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

from side import SIDES, WORKLOADS, operations

from dltrain.engine.device import cpu_name, nvidia_cards


def measure(side: str, workload: str) -> dict:
    """Runs one side in a process of its own."""
    command = [sys.executable, str(Path(__file__).with_name("side.py")), side, workload, str(time.time())]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{side} {workload} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def rows(workload: str, sides: list[str], repeats: int) -> list[list[str]]:
    """Measures a workload and returns a table's row per side."""
    turns = [{side: measure(side, workload) for side in sides} for _ in range(repeats)]
    flops, found = operations(workload), []
    for side in sides:
        rates = [rate for turn in turns for rate in turn[side]["rates"]]
        ratios = [
            statistics.median(turn["dltrain"]["rates"]) / statistics.median(turn[side]["rates"]) for turn in turns
        ]
        over = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})" if side != "dltrain" else ""
        product = max(turn[side]["product_rate"] for turn in turns for side in turn)
        found.append(
            [
                workload,
                SIDES[side],
                f"{statistics.median(rates):,.0f} ({min(rates):,.0f} to {max(rates):,.0f})",
                over,
                f"{flops * statistics.median(rates) / product:.0%}",
                f"{statistics.median(turn[side]['first_step'] for turn in turns):.1f}",
                f"{max(turn[side]['peak_memory'] for turn in turns) / 1e9:.2f}",
            ]
        )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help=f"of {', '.join(WORKLOADS)}; none for all")
    parser.add_argument("--repeats", type=int, default=3, help="processes per side and workload")
    parser.add_argument("--sides", nargs="+", choices=list(SIDES), help="beside dltrain; all that can run by default")
    arguments = parser.parse_args()
    if unknown := set(arguments.workloads) - set(WORKLOADS):
        parser.error(f"no workload {', '.join(sorted(unknown))}; there are {', '.join(WORKLOADS)}")
    sides, cards = list(SIDES), nvidia_cards()
    if cards:
        sides.remove("eigen")
    else:
        sides = [side for side in sides if not side.endswith("mixed")]
    if arguments.sides:
        sides = ["dltrain", *(side for side in sides if side in arguments.sides and side != "dltrain")]
    if not importlib.util.find_spec("torch"):
        print("PyTorch is left out: it cannot be imported (pip install torch)", file=sys.stderr)
        sides = [side for side in sides if not side.startswith("torch")]
    libraries = [name for name in ("tensorflow", "keras", "torch") if importlib.util.find_spec(name)]
    print(
        f"{cards[0]['name'] if cards else cpu_name()}, {platform.platform()}, Python {platform.python_version()}, "
        f"{', '.join(f'{name} {version(name)}' for name in libraries)}; {arguments.repeats} processes of each side\n"
    )
    print(
        "| network | side | examples/s, median (min to max) | dltrain over it | share of product rate "
        "| seconds to first step | peak memory, GB |"
    )
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
    for workload in arguments.workloads or WORKLOADS:
        for row in rows(workload, sides, arguments.repeats):
            print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
