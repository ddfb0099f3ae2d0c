"""The software and hardware of a run: environment.json."""

import json
import os
import platform
import sys
from importlib.metadata import version
from typing import Any

from dltrain import __version__
from dltrain.engine.device import Devices, cpu_name
from dltrain.training import checkout
from dltrain.untrusted import Unreadable, parsing

TYPED = "DLTRAIN_COMMAND"
"""The environment variable in which `launch` tells its workers what was typed, as JSON."""


def describe(devices: Devices) -> dict[str, Any]:
    """Returns versions, devices, processor, git commit and command line."""
    return {
        "dltrain": __version__,
        **{package: version(package) for package in ("tensorflow", "keras", "numpy")},
        "python": platform.python_version(),
        "platform": platform.platform(),
        "devices": list(devices.names),
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "onednn": os.environ.get("TF_ENABLE_ONEDNN_OPTS"),
        "git": checkout.here(),
        "command": _typed() or sys.argv,
    }


def _typed() -> list[str]:
    """Returns what was typed, as `launch` says; nothing where it says nothing, or somebody else says something else."""
    try:
        with parsing():
            words = json.loads(os.environ.get(TYPED, "[]"))
    except Unreadable:
        return []
    return words if isinstance(words, list) and all(isinstance(word, str) for word in words) else []
