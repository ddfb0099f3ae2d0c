"""What summary.json may hold: the type of each value, at every depth."""

import json
from collections.abc import Callable
from typing import Any

STATUSES = ("running", "finished", "interrupted", "pruned", "failed")
"""What a run says of itself."""

Fits = Callable[[Any], bool]


def _of(*kinds: type) -> Fits:
    return lambda value: value is None or isinstance(value, kinds)


def _each(fits: Fits) -> Fits:
    """Returns the check of a mapping, whatever its keys are."""
    return lambda value: value is None or (isinstance(value, dict) and all(map(fits, value.values())))


def _block(**keys: Fits) -> Fits:
    """Returns the check of a mapping with some keys among others; each may be missing."""
    return lambda value: (
        value is None or (isinstance(value, dict) and all(fits(value.get(key)) for key, fits in keys.items()))
    )


def _are_changes(value: Any) -> bool:
    """Whether a value says what changed when a run resumed: by key the value before and after, and the step."""
    return value is None or (
        isinstance(value, list)
        and all(isinstance(change, dict) and isinstance(change.get("step"), int) for change in value)
        and all(
            isinstance(pair, list) and len(pair) == 2
            for change in value
            for key, pair in change.items()
            if key != "step"
        )
    )


_NUMBER, _TEXT, _WHOLE, _TRUTH = _of(int, float), _of(str), _of(int), _of(bool)
_FITS: dict[str, Fits] = {
    **dict.fromkeys(("seconds", "examples_per_second"), _NUMBER),
    **dict.fromkeys(("epochs", "steps", "parameters", "restores", "skipped_examples"), _WHOLE),
    **dict.fromkeys(("device", "precision", "error"), _TEXT),
    **dict.fromkeys(("validation", "test"), _each(_NUMBER)),
    "data": _each(_TEXT),
    "best": _block(monitor=_TEXT, value=_NUMBER, epoch=_WHOLE),
    "monitor": _block(column=_TEXT, larger_is_better=_TRUTH),
    "larger_is_better": _each(_TRUTH),
    "undefined": _each(_each(_TEXT)),
    "changes": _are_changes,
}
"""By key; each value may be none."""


def require(found: Any) -> dict[str, Any]:
    """Returns what was read, if it is a summary.

    Raises:
        ValueError: if it is none.
    """
    if not isinstance(found, dict) or found.get("status") not in STATUSES:
        raise ValueError(f"must be an object whose status is {', '.join(STATUSES[:-1])} or {STATUSES[-1]}")
    for key, fits in _FITS.items():
        if not fits(found.get(key)):
            raise ValueError(f"{key} cannot be {json.dumps(found[key])[:60]}")
    return found
