"""Files of others, damaged at random: each is read or refused in words, within bounds of time and memory."""

import os
import resource
import sys
import warnings
from contextlib import suppress
from pathlib import Path

import fresh
import pytest
from kinds import KINDS, Kind

MEGABYTES = 2_000
"""That reading a mutant may take beyond what good files do: all have some kilobytes."""


def main(kind: Kind) -> None:
    os.environ["DLTRAIN_CACHE"] = str(Path("cache").absolute())
    warnings.simplefilter("ignore")
    if kind.needs_tensorflow:
        from dltrain.importing import import_tensorflow

        import_tensorflow()
    from dltrain.errors import DltrainError, KeyProblem

    good = sorted(kind.good().items())
    for name, content in good:  # what reading takes is loaded
        Path(name).write_bytes(content)
        with suppress(DltrainError, KeyProblem):
            kind.read(Path(name).absolute())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    def attempt(rng, noted):
        name, content = rng.choice(good)
        changed = kind.change(rng, content)
        noted += [name, changed[:500]]
        Path(name).write_bytes(changed)
        try:
            kind.read(Path(name).absolute())
        except (DltrainError, KeyProblem):
            return "refused"
        finally:
            assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1000 < MEGABYTES, "too much memory"
        return "read"

    fresh.hunt(attempt)


def gigabytes(name):
    return 40 if KINDS[name].needs_tensorflow else 8


@pytest.mark.parametrize("name", KINDS)
def test_damaged_files_are_read_or_refused_in_words(tmp_path, name):
    count = 60 if KINDS[name].needs_tensorflow else 150
    fresh.batch(__file__, tmp_path, 0, count, name, gigabytes=gigabytes(name))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 5))
@pytest.mark.parametrize("name", KINDS)
def test_thousands_of_damaged_files_are_read_or_refused_in_words(tmp_path, name, seed):
    fresh.batch(__file__, tmp_path, seed, 2_500, name, seconds=3600, gigabytes=gigabytes(name))


if __name__ == "__main__" and len(sys.argv) == 4:
    main(KINDS[sys.argv[3]])
