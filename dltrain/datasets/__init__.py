"""Data sources: one per file, the file's stem its registered name; each returns Splits."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

from dltrain.data import DataSpec, Finding, Splits
from dltrain.data.proposal import Proposal
from dltrain.data.request import Reader
from dltrain.errors import DltrainError
from dltrain.fields import HeldOut, Seed
from dltrain.registry import Choice


class Source(Choice):
    """What dltrain knows of a source of data beside its keys; some sources have keys of these names instead.

    Attributes:
        reads_with_tensorflow: whether TensorFlow reads the examples; it then has to be started quietly first.
        proposes_first: whether `init` asks it before others, as its files lie beside some that others would read.
        on_bad_example: error or skip; none where no example is ever skipped.
        cache: where decoded images are kept: memory, disk or none; no value where nothing is decoded.
    """

    reads_with_tensorflow: ClassVar[bool] = False
    proposes_first: ClassVar[bool] = False
    on_bad_example: str | None = None
    cache: str | None = None

    @property
    def task(self) -> str:
        """The name of the task where a config gives none: its target's, classification where that is not known yet."""
        try:
            spec = self.spec()
        except (DltrainError, ValueError):  # which is reported where the description is needed
            spec = None
        named = [target.task for target in spec.targets.values() if target.task] if spec else []
        return named[0] if named else "classification"

    def spec(self) -> DataSpec | None:
        """Describes the data quickly and without TensorFlow; none where they must be loaded first.

        Raises:
            AbsentData: if the data are not on this machine.
            KeyProblem: if the data cannot be used.
        """
        return None

    def sizes(self) -> dict[str, int] | None:
        """Returns how many examples each part will have, by its name, as quickly as `spec`; none where they must be
        loaded first. Raises as `spec`."""
        return None


@dataclass(frozen=True, kw_only=True)
class Dataset(Source):
    """The contract of every source of data.


    A source whose validation or test part is published, or generated, removes the key: `test_fraction: ClassVar = 0.0`.

    Args:
        test_fraction: share of all examples held out for testing, 0 to below 1, stratified by class.
        validation_fraction: share of the remaining examples held out for tuning, 0 to below 1, stratified by class.
        split_seed: seed of which examples are held out; separate from the experiment's seed, so that runs share one
            test set.
    """

    test_fraction: HeldOut = 0.2
    validation_fraction: HeldOut = 0.1
    split_seed: Seed = 0

    def __init_subclass__(cls) -> None:
        """Lets a source that learns nothing from its examples define `load(self)`."""
        load: Any = cls.load
        if len(inspect.signature(load).parameters) == 1:

            @functools.wraps(load)
            def load_anyway(self: Any, like: DataSpec | None = None) -> Splits:
                return load(self)

            del load_anyway.__wrapped__  # else `inspect.signature` would show that of the other
            cls.load = load_anyway  # type: ignore[method-assign]

    @classmethod
    def proposed(cls, path: Path, target: str | None) -> Proposal | None:
        """Proposes the block that reads a path; none where the path is not of this kind.

        Args:
            path: a file or folder.
            target: the column to predict, where the user named one.

        Raises:
            ValueError: if it is of this kind, but cannot be used.
        """
        return None

    @classmethod
    def fractions(cls) -> dict[str, str]:
        """Returns the keys that hold out a share of the examples, by part: test before validation."""
        keys = {field.name for field in dataclasses.fields(cls)}
        return {part: f"{part}_fraction" for part in ("test", "validation") if f"{part}_fraction" in keys}

    def fold(self, part: str, number: int, count: int) -> dict[str, Any]:
        """Returns the keys, with their values, that hold out one of several shares; each example is in one of them.

        Args:
            part: the part that the share becomes, one of `fractions`.
            number: which share, counted from 1.
            count: how many shares.
        """
        return {self.fractions()[part]: f"fold {number} of {count}"}

    def undivided(self) -> Self:
        """Returns the same source without any held-out examples."""
        whole: dict[str, Any] = dict.fromkeys(self.fractions().values(), 0.0)
        return dataclasses.replace(self, **whole)

    def load(self, like: DataSpec | None = None) -> Splits:
        """Loads the parts, with the train part's statistics.

        Args:
            like: the data that a run was trained on, whose classes, categories, fillings and statistics are used, and
                which is then the spec of these data; none to learn them from these data. A source that knows nothing
                but statistics may ignore it: who opens a run puts `like` in place of what is learnt here.

        Raises:
            DataError: if the data cannot be downloaded or used.
        """
        raise NotImplementedError

    def findings(self, splits: Splits) -> Iterable[Finding]:
        """Returns what is odd about raw values, which they may be read again for; `inspect` asks for it.

        Args:
            splits: what was loaded of them.
        """
        return ()

    def describe(self, spec: DataSpec) -> list[str]:
        """Returns, line of Markdown by line, what a stranger does with raw values before what their features say.

        Args:
            spec: the data.
        """
        return []

    def reader(self, spec: DataSpec) -> Reader:
        """Returns a reader of further examples for a trained network; by default that of its input features.

        Args:
            spec: the data that the run was trained on, with everything learnt from them.
        """
        return spec.inputs.reader()
