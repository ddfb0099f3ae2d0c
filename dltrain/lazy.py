"""`keras` and `tf`, imported at their first use.

Importing TensorFlow takes seconds and reads its environment variables once, so whatever may run without it, or
before `training.device` has set these variables, takes the two names from here.
"""

import importlib
from typing import Any


class _LazyModule:
    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(importlib.import_module(self._name), attribute)


keras: Any = _LazyModule("keras")
tf: Any = _LazyModule("tensorflow")
