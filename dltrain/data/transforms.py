"""Rising functions of what is forecast, by which small and large values vary alike, and the ways back."""

from __future__ import annotations

from typing import Any, Literal

Transform = Literal["none", "sqrt", "log1p", "symlog"]
"""The last is log1p of the size, with the sign (D. Hafner et al. 2023, section "Robust predictions")."""

NOT_NEGATIVE = ("sqrt", "log1p")
"""Transforms of values that are 0 or more. What a network forecasts may lie below: there they are odd functions."""

TINY = 1e-12
"""Of smaller numbers no root is taken: its slope is infinite at 0."""


def transformed(values: Any, transform: Transform, ops: Any) -> Any:
    """Returns the values in the scale of a transform.

    Args:
        values: numbers.
        transform: which.
        ops: what computes: NumPy or `keras.ops`.
    """
    if transform == "none":
        return values
    size = ops.abs(values)
    return ops.sign(values) * (ops.sqrt(ops.maximum(size, TINY)) if transform == "sqrt" else ops.log1p(size))


def undone(values: Any, transform: Transform, ops: Any) -> Any:
    """Returns values in the scale of a transform as they were before it; arguments as `transformed` has them."""
    if transform == "none":
        return values
    size = ops.abs(values)
    return ops.sign(values) * (ops.square(size) if transform == "sqrt" else ops.expm1(size))
