"""Sides of a comparison that take turns, each in a process of its own, and the medians of what they print."""

import statistics
import subprocess
import sys
from importlib.util import find_spec


def in_turns(file: str, sides: tuple[str, ...], network: str, rounds: int) -> dict[str, list[float]]:
    """Returns what `file --side SIDE --networks NETWORK` prints last, by side; without PyTorch where it is missing."""
    found: dict[str, list[float]] = {side: [] for side in sides if side != "torch" or find_spec("torch")}
    for _ in range(rounds):
        for side in found:
            command = [sys.executable, file, "--side", side, "--networks", network]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            found[side].append(float(done.stdout.split()[-1]))
    return found


def show(name: str, what: str, found: dict[str, list[float]]) -> None:
    """Prints the medians of something per second, and the first side's over each."""
    medians = {side: statistics.median(values) for side, values in found.items()}
    ours = next(iter(medians.values()))
    sides = [f"{side} {value:,.0f} (ratio {ours / value:.2f})" for side, value in medians.items()]
    print(f"{name}: {what}/s: {', '.join(sides)}", flush=True)
