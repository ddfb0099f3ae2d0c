"""Local workers beside the plan: `python tests/bench/bench_workers.py [CONFIG [KEY=VALUE ...]]`.

Without CONFIG, an MLP 784-512-512-10 at batch 128. Runs of `dltrain launch -n N` take turns, and with each turn goes a
`dltrain plan --shared`; the milliseconds of a step are from the `examples_per_second` that each run ends with, which
leaves compilation out.
"""

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from dltrain.cli import app

DEFAULT = [
    str(Path(__file__).parents[2] / "configs" / "mlp.yaml"),
    "dataset={name: synthetic, shape: [784], train_examples: 38400, validation_examples: 0, test_examples: 0}",
    "model={name: mlp, units: [512, 512]}",
    "early_stopping=none",
    "train={epochs: 3, batch_size: 128}",
]


def dltrain(*words: str) -> str:
    """Returns what the command prints."""
    done = subprocess.run([sys.executable, "-m", "dltrain", *words], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"dltrain {' '.join(words)} failed:\n{done.stderr[-2000:]}")
    return done.stdout


def measured(workers: int, config: list[str], examples: int) -> float:
    """Returns the milliseconds of a step of a run by so many local workers."""
    command = ["fit"] if workers == 1 else ["launch", "-n", str(workers)]
    with tempfile.TemporaryDirectory() as folder:
        dltrain(*command, *config, "--runs", folder, "--quiet")
        (summary,) = Path(folder).glob("*/summary.json")
        return 1e3 * examples / json.loads(summary.read_text())["examples_per_second"]


def spread(values: list[float]) -> str:
    """Returns the median and the extremes."""
    return f"{statistics.median(values):.3g} ({min(values):.3g} to {max(values):.3g})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("words", nargs="*", metavar="CONFIG KEY=VALUE", default=DEFAULT)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    config, counts = arguments.words, arguments.workers
    if "launch" not in [command.name for command in app.registered_commands]:
        print("this dltrain starts no local workers: one is measured", file=sys.stderr)
        counts = [1]
    most = str(max(arguments.workers))
    steps: dict[int, list[float]] = {count: [] for count in counts}
    plans: dict[int, list[dict[str, float]]] = {}
    for _ in range(arguments.repeats):
        plan = json.loads(dltrain("plan", *config, "--workers", most, "--shared", "--json", "--quiet"))
        for row in plan["scaling"]:
            plans.setdefault(row["workers"], []).append(row["milliseconds"])
        for count, found in steps.items():
            found.append(measured(count, config, plan["global_batch"] * plan["accumulate_steps"]))
    print(f"{' '.join(config)}, {arguments.repeats} turns, {platform.machine()}; ms per step: median (extremes)\n")
    print("| workers | measured | predicted | of it exchange |\n| ---: | ---: | ---: | ---: |")
    for count, rows in plans.items():
        found = spread(steps[count]) if count in steps else "-"
        of_step, of_exchange = (spread([row[name] for row in rows]) for name in ("step", "exchange"))
        print(f"| {count} | {found} | {of_step} | {of_exchange} |")
    if {1, 2} <= set(steps):
        over = [two - one for one, two in zip(steps[1], steps[2], strict=True)]
        print(f"\n2 local workers over 1: {spread(over)} ms per step")


if __name__ == "__main__":
    main()
