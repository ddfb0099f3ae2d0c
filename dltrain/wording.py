"""How numbers are written for people: durations, metrics, other numbers, and sizes in bytes. Standard library only."""

import math
from collections.abc import Mapping


def duration(seconds: float) -> str:
    """Returns a duration: "0.25 s", "4.2 s", "42 s", "3 min 4 s" or "1 h 2 min"."""
    if not math.isfinite(seconds):
        return "unknown"
    if seconds < 1:
        return f"{seconds:.2g} s"
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minute} min"
    return f"{minute} min {second} s" if minute else f"{second} s"


def metric(value: float | None) -> str:
    """Returns the value of a metric with four decimals; with four digits where it is very small or very large.

    Args:
        value: the metric; none where it is undefined for the data.
    """
    if value is None:
        return "undefined"
    if not math.isfinite(value):
        return "not finite"
    if value == 0 or 0.001 <= abs(value) < 1000:
        return f"{value:.4f}"
    return f"{value:,.1f}" if 1000 <= abs(value) < 1e7 else f"{value:.4g}"


def number(value: float) -> str:
    """Returns a number with three digits; what is larger keeps all that stand before its decimal point."""
    value = float(value)
    if not 1 <= abs(value) < 1e9:
        return f"{value:.3g}"
    text = f"{value:,.{max(0, 3 - len(str(int(abs(value)))))}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def size(count: float) -> str:
    """Returns a number of bytes in kB, MB or GB, which are powers of 1000."""
    if count >= 1e9:
        return f"{count / 1e9:,.2f} GB"
    return f"{count / 1e6:,.1f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"


def metric_line(metrics: Mapping[str, float | None]) -> str:
    """Returns metrics in one line, such as "loss 0.1234  accuracy 0.9876"."""
    return "  ".join(f"{name} {metric(value)}" for name, value in metrics.items())
