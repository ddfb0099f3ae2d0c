"""Whether a difference is larger than seed noise: Student's t-test, paired, or Welch's."""

import math
import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

LEVEL = 0.05
"""A difference that chance alone would make less often than this is taken for one."""
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Verdict:
    """The verdict of a t-test on two groups of runs.

    Args:
        difference: mean of the second minus mean of the first.
        n: runs of the first and of the second.
        test: which was made; "" if none could be.
        p: how often seeds alone would make a difference at least so large; none without a test.
        interval: where the true difference lies with 95 % confidence; none without a test.
        is_larger: whether it is larger than seed noise; none if that is unknown.
        reason: why it is unknown.
    """

    difference: float
    n: tuple[int, int]
    test: str = ""
    p: float | None = None
    interval: tuple[float, float] | None = None
    is_larger: bool | None = None
    reason: str = ""

    def to_plain(self) -> dict[str, Any]:
        """Returns it for `--json`."""
        return asdict(self)


def judge(first: Mapping[int, float], second: Mapping[int, float]) -> Verdict:
    """Returns whether two groups differ by more than seed noise.

    Paired where the same seeds stand on both sides, which takes out what a seed does to both; else Welch's test
    (B. L. Welch, "The generalization of Student's problem when several different population variances are involved",
    1947), which does not take both groups for equally noisy.

    Args:
        first: a metric by seed.
        second: likewise.
    """
    n = len(first), len(second)
    difference = statistics.fmean(second.values()) - statistics.fmean(first.values())
    if min(n) < 2:
        return Verdict(difference, n, reason="train more seeds: dltrain fit CONFIG --seeds 5")
    if first.keys() == second.keys():
        test, pairs = "paired t-test", [second[seed] - first[seed] for seed in first]
        error, freedom = statistics.stdev(pairs) / math.sqrt(n[0]), float(n[0] - 1)
    else:
        test = "Welch's t-test"
        one, other = (statistics.variance(side.values()) / len(side) for side in (first, second))
        error = math.sqrt(one + other)
        freedom = (one + other) ** 2 / (one**2 / (n[0] - 1) + other**2 / (n[1] - 1)) if error else 1.0
    size = max(map(abs, [*first.values(), *second.values()]))
    if error <= _ROUNDING * size:
        if abs(difference) <= _ROUNDING * size:
            return Verdict(difference, n, is_larger=False, reason="the same in every run")
        return Verdict(difference, n, reason="the seeds do not differ, and a t-test needs differences")
    from scipy.special import stdtr, stdtrit

    p = 2 * float(stdtr(freedom, -abs(difference) / error))
    half = float(stdtrit(freedom, 0.975)) * error
    return Verdict(difference, n, test, p, (difference - half, difference + half), p < LEVEL)
