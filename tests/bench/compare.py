"""dltrain beside bare Keras and PyTorch: `python tests/bench/compare.py [--repeats N] [WORKLOAD ...]` prints a table.

Every side runs in a fresh process, the sides alternate, and the ratios are those of medians over all measured epochs.
PyTorch takes part where it can be imported: `pip install torch`.
"""

import argparse
import importlib.util
import json
import platform
import statistics
import subprocess
import sys
from pathlib import Path

from side import WORKLOADS

from dltrain.training.device import cpu_name

SIDES = ("dltrain", "keras", "tuned", *(["torch"] if importlib.util.find_spec("torch") else []))


def measure(side: str, workload: str) -> dict:
    """Runs one side in a process of its own."""
    command = [sys.executable, str(Path(__file__).with_name("side.py")), side, workload]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{side} {workload} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help=f"of {', '.join(WORKLOADS)}; none for all")
    parser.add_argument("--repeats", type=int, default=2, help="processes per side and workload")
    arguments = parser.parse_args()
    if unknown := set(arguments.workloads) - set(WORKLOADS):
        parser.error(f"no workload {', '.join(sorted(unknown))}; there are {', '.join(WORKLOADS)}")
    if "torch" not in SIDES:
        print("PyTorch is left out: it cannot be imported (pip install torch)", file=sys.stderr)
    print(
        f"{cpu_name()}, {platform.platform()}, Python {platform.python_version()}; {arguments.repeats} processes each\n"
    )
    print("| workload | side | examples/s, median (min to max) | dltrain over it | peak memory, GB |")
    print("| --- | --- | ---: | ---: | ---: |")
    for workload in arguments.workloads or WORKLOADS:
        runs: dict[str, list[dict]] = {side: [] for side in SIDES}
        for _ in range(arguments.repeats):
            for side in SIDES:
                runs[side].append(measure(side, workload))
        rates = {side: [rate for run in found for rate in run["rates"]] for side, found in runs.items()}
        ours = statistics.median(rates["dltrain"])
        for side in SIDES:
            median = statistics.median(rates[side])
            memory = max(run["peak_memory"] for run in runs[side]) / 1e9
            span = f"{median:,.0f} ({min(rates[side]):,.0f} to {max(rates[side]):,.0f})"
            print(f"| {workload} | {side} | {span} | {ours / median:.2f} | {memory:.2f} |", flush=True)


if __name__ == "__main__":
    main()
