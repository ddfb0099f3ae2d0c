"""The software and hardware of a run: environment.json."""

import json
import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from dltrain import __version__
from dltrain.engine.device import Devices, cpu_name

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
        "git": _git(Path.cwd()),
        "command": json.loads(os.environ.get(TYPED, "null")) or sys.argv,
    }


def _git(folder: Path) -> dict[str, Any] | None:
    """Returns commit and dirty flag of the checkout around a folder, none outside of one."""

    def ask(*words: str) -> str:
        done = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, timeout=10, check=True)
        return done.stdout.strip()

    try:
        return {"commit": ask("rev-parse", "HEAD"), "dirty": bool(ask("status", "--porcelain"))}
    except (OSError, subprocess.SubprocessError):
        return None
