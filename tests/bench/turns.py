"""Sides of a comparison that take turns, each in a process of its own, and the medians of what they print."""

import statistics
import subprocess
import sys


def in_turns(
    file: str, sides: tuple[str, ...], network: str, rounds: int, torch: str = sys.executable
) -> dict[str, list[float]]:
    """Returns what `file --side SIDE --networks NETWORK` prints last, by side.

    Args:
        file: the bench.
        sides: the sides, in their turns.
        network: what each trains.
        rounds: how often each has its turn.
        torch: the Python that runs PyTorch's side, which is left out, and said so, where that has no PyTorch.
    """
    found: dict[str, list[float]] = {side: [] for side in sides}
    if "torch" in found and subprocess.run([torch, "-c", "import torch"], stderr=subprocess.DEVNULL).returncode:
        del found["torch"]
        print(f"no PyTorch in {torch}: --torch PYTHON names another Python that has it, and NumPy", flush=True)
    for _ in range(rounds):
        for side in found:
            command = [torch if side == "torch" else sys.executable, file, "--side", side, "--networks", network]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            found[side].append(float(done.stdout.split()[-1]))
    return found


def show(name: str, what: str, found: dict[str, list[float]]) -> None:
    """Prints the medians of something per second, and the first side's over each."""
    medians = {side: statistics.median(values) for side, values in found.items()}
    ours = next(iter(medians.values()))
    sides = [f"{side} {value:,.0f} (ratio {ours / value:.2f})" for side, value in medians.items()]
    print(f"{name}: {what}/s: {', '.join(sides)}", flush=True)
