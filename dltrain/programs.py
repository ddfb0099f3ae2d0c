"""The programs that dltrain starts, and what they read; none of them is looked for in the working directory.

- `git config` and `git status`, the latter in a checkout whose own settings can start nothing: `training.checkout`.
- `nvidia-smi`, which reads the driver.
- Python: the workers of `launch` and of `tune`, which have this process's module path.
- Libraries start `uname -p` (Python's `platform`), `fc-list` (Matplotlib, once, for the fonts) and, on a GPU, `ptxas`
  (XLA, from where CUDA is installed): these read settings of the system and of the user.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

PATIENCE_SECONDS = 10.0

SAFE_PATH = "PYTHONSAFEPATH"
"""The variable that keeps the working directory off the module path of every Python that is started."""


def output_of(program: str, *words: str, folder: Path = Path("/"), settings: Mapping[str, str] | None = None) -> str:
    """Runs a program and returns what it prints.

    Args:
        program: its name.
        words: its arguments.
        folder: where it runs.
        settings: environment variables beside those of this process.

    Raises:
        OSError: if there is no such program.
        subprocess.SubprocessError: if it fails or does not end.
    """
    places = [place for place in os.environ.get("PATH", os.defpath).split(os.pathsep) if Path(place).is_absolute()]
    found = shutil.which(program, path=os.pathsep.join(places) or os.defpath)
    if found is None:
        raise FileNotFoundError(program)
    return subprocess.run(
        [found, *words],
        cwd=folder,
        env={**os.environ, **(settings or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        errors="surrogateescape",
        timeout=PATIENCE_SECONDS,
        check=True,
    ).stdout


def dltrain(*words: str) -> list[str]:
    """Returns the command that runs `dltrain` in another process, with the modules that this one finds.

    Python's own `-m` puts the working directory first, where a stranger's `yaml.py` may lie.
    """
    run = "from dltrain.__main__ import main; main()"
    return [
        sys.executable,
        "-P",
        "-c",
        f"import sys; sys.path[:] = {sys.path!r}; sys.argv[0] = 'dltrain'; {run}",
        *words,
    ]
