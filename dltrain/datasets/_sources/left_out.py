"""What a source of files does without: files of other kinds, and more memory than there is."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from dltrain.data.size_limit import memory
from dltrain.errors import DataError


def ignored_words(files: Sequence[str | Path]) -> str:
    """Returns how many files of which kinds are ignored, "2 files are ignored (1 .txt, 1 no suffix)"."""
    suffixes = Counter(Path(file).suffix.lower() or "no suffix" for file in files)
    kinds = ", ".join(f"{count:,} {suffix}" for suffix, count in suffixes.most_common())
    return f"{'1 file is' if len(files) == 1 else f'{len(files):,} files are'} ignored ({kinds})"


def require_memory(needed: int, what: str, instead: str) -> None:
    """Raises DataError if examples that are kept decoded would take more than half of the machine's memory.

    Args:
        needed: bytes of all.
        what: what the examples are called.
        instead: the keys that would help.
    """
    most = memory()
    if needed > most / 2:
        raise DataError(
            f"cache: memory needs {needed / 1e9:.1f} GB for the decoded {what}, more than half of this machine's "
            f"{most / 1e9:.1f} GB; use {instead}"
        )
