"""`keras`, `tf` and `np`, imported at their first use.

Importing TensorFlow takes seconds and reads its environment variables once, so whatever may run without it, or
before `training.device` has set these variables, takes the names from here. NumPy would be a third of the time that
`check` takes; a file that names its types beside it begins with `from __future__ import annotations`.
"""

import importlib
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

__all__ = ["keras", "np", "starting", "tf"]

starting = threading.RLock()
"""Held by the thread that is choosing TensorFlow's devices: all others wait for it before they use TensorFlow."""


class _LazyModule:
    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        if self._name != "numpy":
            with starting:
                pass
        return getattr(importlib.import_module(self._name), attribute)


keras: Any = _LazyModule("keras")
tf: Any = _LazyModule("tensorflow")
if not TYPE_CHECKING:
    np = _LazyModule("numpy")
