"""Series with a class each that were measured: files of the UCR/UEA archive, as the package sktime ships them."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from dltrain.datasets._samples.samples import Sample
from dltrain.errors import DataError
from dltrain.registry import SAMPLES


@SAMPLES.register("leaves")
class Leaves(Sample):
    """442 outlines of leaves, six kinds, 427 steps: OSULeaf_TRAIN.ts and OSULeaf_TEST.ts (sktime; A. Gandhi 2002)."""

    def write(self, folder: Path) -> None:
        """Writes both files, as they are in the archive."""
        _write(folder, "leaves", "OSULeaf")


@SAMPLES.register("vowels")
class Vowels(Sample):
    """640 utterances of nine speakers, 7 to 29 steps of 12 channels: JapaneseVowels_*.ts (sktime; M. Kudo 1999)."""

    def write(self, folder: Path) -> None:
        """Writes both files, as they are in the archive."""
        _write(folder, "vowels", "JapaneseVowels")


@SAMPLES.register("gunpoint")
class GunPoint(Sample):
    """200 movements of a hand that draws a gun or points, 150 steps: GunPoint_*.ts (sktime; C. A. Ratanamahatana)."""

    def write(self, folder: Path) -> None:
        """Writes both files, as they are in the archive."""
        _write(folder, "gunpoint", "GunPoint")


@SAMPLES.register("basic_motions")
class BasicMotions(Sample):
    """80 recordings of a wrist, four motions, 100 steps of 6 channels: BasicMotions_*.ts (sktime; J. Clements 2016)."""

    def write(self, folder: Path) -> None:
        """Writes both files, as they are in the archive."""
        _write(folder, "basic_motions", "BasicMotions")


def _write(folder: Path, sample: str, problem: str) -> None:
    """Copies the train and test file of a problem out of the package sktime, which is not imported.

    Raises:
        DataError: if it is not installed.
    """
    try:
        installed = distribution("sktime")
    except PackageNotFoundError:
        raise DataError(f"{sample} needs the package sktime: pip install 'dltrain[samples]'") from None
    for part in ("TRAIN", "TEST"):
        name = f"{problem}_{part}.ts"
        place = Path(str(installed.locate_file(f"sktime/datasets/data/{problem}/{name}")))
        if not place.is_file():
            raise DataError(f"sktime {installed.version} has no {name}: pip install 'dltrain[samples]'")
        (folder / name).write_bytes(place.read_bytes())
