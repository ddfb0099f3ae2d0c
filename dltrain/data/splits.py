"""Examples and the parts that they are in: Split, Splits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate, pairwise
from typing import Any

from dltrain.data import trees
from dltrain.data.feature import Groups
from dltrain.data.noticing import Noticed, notice
from dltrain.data.ragged import Ragged
from dltrain.data.spec import DataSpec, Features, named
from dltrain.data.statistics import Pieces
from dltrain.data.trees import Tree
from dltrain.errors import DataError
from dltrain.fields import HeldOut, parse_fold
from dltrain.lazy import np

PARTS = ("train", "validation", "test")
"""The parts that data may have, by name."""

PART_NAMES = {
    "train": ("train", "training"),
    "validation": ("validation", "val", "valid"),
    "test": ("test", "testing"),
}
"""How people call each part, in any case."""


@dataclass(frozen=True)
class Provenance:
    """Where examples came from, to be named in messages.

    Args:
        name: returns where a row of the source is: file and line, or array and row.
        rows: the row that each example was, (examples,).
    """

    name: Callable[[int], str]
    rows: np.ndarray

    def __getitem__(self, index: int) -> str:
        """Returns where an example came from."""
        return self.name(int(self.rows[index]))

    def take(self, positions: Any) -> Provenance:
        """Returns that of the examples at the positions."""
        return Provenance(self.name, self.rows[positions])


@dataclass(frozen=True)
class Split:
    """One part of a dataset. An array is an ndarray, `Ragged`, or `Examples`, which are read later.

    Args:
        inputs: (examples, *shape), or a dict of such arrays; as compact as the source likes (pixels: uint8), may be a
            memory map.
        targets: likewise, such as integer labels, (examples,), int32; none where nothing is asked: (examples, 0).
        weights: how much each example counts in training, (examples,), float32, or a dict of such by target; none
            where all count the same.
        provenance: where each example came from; none where that is not known, or is a file that the inputs know.
        metadata: facts of each example that no network sees (file, time, series, original size), by name, each
            (examples,), or `Ragged`.
    """

    inputs: Tree
    targets: Tree = None
    weights: Tree | None = None
    provenance: Provenance | None = None
    metadata: dict[str, np.ndarray | Ragged] = field(default_factory=dict)

    def __post_init__(self) -> None:
        examples = trees.count(self.inputs)
        if self.targets is None:
            object.__setattr__(self, "targets", np.zeros((examples, 0), np.float32))
        targets = trees.count(self.targets)
        if examples != targets:
            raise DataError(f"inputs and targets must be of one length, got {examples} and {targets}")

    def __len__(self) -> int:
        return len(trees.leaves(self.inputs)[0])

    def first(self, count: int) -> Split:
        """Returns the first examples."""
        return self.take(slice(count))

    def take(self, positions: Any) -> Split:
        """Returns the examples at the positions (integers or a slice), in their order."""
        return Split(
            trees.taken(self.inputs, positions),
            trees.taken(self.targets, positions),
            None if self.weights is None else trees.taken(self.weights, positions),
            None if self.provenance is None else self.provenance.take(positions),
            trees.taken(self.metadata, positions),
        )

    def read(self, seeds: np.ndarray | None = None) -> Split:
        """Returns the same with all values in memory.

        Args:
            seeds: as `Examples.read` has them; none for what evaluation sees.
        """
        every = slice(None)
        inputs, targets = (trees.read(tree, every, seeds) for tree in (self.inputs, self.targets))
        return replace(self, inputs=inputs, targets=targets)

    @property
    def lengths(self) -> np.ndarray | None:
        """How long the inputs of each example are, (examples,), by the longest of them; none where all are alike."""
        apart = (array.lengths for array in trees.leaves(self.inputs) if not isinstance(array, np.ndarray))
        found = [lengths for lengths in apart if lengths is not None]
        return np.max(found, axis=0) if found else None

    @property
    def blocks(self) -> np.ndarray | None:
        """Where each piece begins that is best read whole, and where the last ends; none where all is alike."""
        later = (array for array in trees.leaves(self.inputs) if isinstance(array, trees.Examples))
        return next((array.blocks for array in later if array.blocks is not None), None)


@dataclass(frozen=True)
class Splits:
    """A dataset, loaded and split. No test example is in another part.

    Args:
        spec: what the data are; the statistics come from `train` alone.
        train: the part that is trained on.
        validation: the part that is tuned on, if any.
        test: the part that is held out, if any.
        skipped: a message for each example that was left out of all parts because it cannot be used.
        fingerprint: a hash of the content of each part, by its name; empty before it is known.
        ignored: files beside the examples, of kinds that are not read.
        noticed: what values were taken for where that is not plain.
    """

    spec: DataSpec
    train: Split
    validation: Split | None = None
    test: Split | None = None
    skipped: tuple[str, ...] = ()
    fingerprint: dict[str, str] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()
    noticed: tuple[Noticed, ...] = ()

    @property
    def parts(self) -> dict[str, Split]:
        """The parts that there are, by name."""
        return {name: split for name in PARTS if (split := self.part(name))}

    def part(self, name: str) -> Split | None:
        """Returns the part of a name of `PARTS`; none where the data have none such."""
        return {"train": self.train, "validation": self.validation, "test": self.test}[name]

    def with_statistics(self, like: DataSpec | None = None) -> Splits:
        """Returns the same splits with what the spec's features learn of the train part's stored values.

        Args:
            like: what a run was trained on, from which that is taken instead; where these data are not such, it is
                learnt of them, and whoever opened the run says in which way they differ.
        """
        if like is not None and like.mismatch(self.spec) is None:
            return replace(self, spec=like)
        inputs, targets = named(self.spec.inputs, self.train.inputs), named(self.spec.targets, self.train.targets)
        return replace(
            self,
            spec=replace(
                self.spec,
                inputs=Features({key: each.adapt(Pieces(inputs[key])) for key, each in self.spec.inputs.items()}),
                targets=Features({key: each.adapt(Pieces(targets[key])) for key, each in self.spec.targets.items()}),
            ),
        )


NEAR = 0.25
"""How far a held-out share may be from the fraction, as a part of it: so far rounding in each class alone may lead."""


def split_off(split: Split, fraction: HeldOut, seed: int, groups: Groups | None = None) -> tuple[Split, Split | None]:
    """Takes a share of the examples away, at random by the seed; stratified where there are classes.

    Args:
        split: the examples.
        fraction: the share to take, 0 to 1; every class that has two examples or more leaves at least one on each side,
            unless so many classes are so small that their share would no longer be the fraction: some of these then
            give none, and some give one more. Or one of several shares, "fold 2 of 5": each example is in one of them,
            and their sizes, of each class too, differ by one at most.
        seed: the same seed takes the same examples.
        groups: the classes of the examples, where there are some.

    Returns:
        what remains and what was taken (none if the fraction is 0), each in the original order.
    """
    if fraction == 0:
        return split, None
    random = np.random.RandomState(seed)  # its streams are frozen across NumPy versions
    taken = np.zeros(len(split), bool)
    labels = groups.members if groups and groups.are_exclusive else np.zeros(len(split), np.int32)
    classes = [random.permutation(np.flatnonzero(labels == label)) for label in np.unique(labels)]
    if isinstance(fraction, str):
        number, count = parse_fold(fraction)
        taken[np.concatenate(classes)[number - 1 :: count]] = True
    else:
        counts = held_out([*map(len, classes)], fraction, lambda count: random.permutation(count).tolist())
        for members, count in zip(classes, counts, strict=True):
            taken[members[:count]] = True
    return split.take(np.flatnonzero(~taken)), split.take(np.flatnonzero(taken)) if taken.any() else None


def held_out(counts: Sequence[int], fraction: HeldOut, ties: Callable[[int], Sequence[int]] = range) -> list[int]:
    """Returns how many examples of each class `split_off` takes; needs no NumPy.

    Args:
        counts: the examples of each class; one number where there are no classes.
        fraction: the share, or one of several shares, as `split_off` has it.
        ties: orders so many classes of which each may as well give one example more.
    """
    if fraction == 0:
        return [0] * len(counts)
    if isinstance(fraction, str):
        number, shares = parse_fold(fraction)
        ends = [0, *accumulate(counts)]
        upto = [max(end - number + shares, 0) // shares for end in ends]  # how many lie before each end
        return [after - before for before, after in pairwise(upto)]
    exact = [count * fraction for count in counts]
    wanted = sum(exact)
    found = [max(min(max(round(each), 1), count - 1), 0) for each, count in zip(exact, counts, strict=True)]
    if abs(sum(found) - wanted) <= max(1.0, NEAR * wanted):
        return found
    # Each class gives its share rounded down, and those that lost most by it one more, until the sum is right.
    found = [*map(int, exact)]
    lost = [each - less if less < count - 1 else 0.0 for each, less, count in zip(exact, found, counts, strict=True)]
    turns = ties(len(counts))
    order = sorted(range(len(counts)), key=lambda place: (-lost[place], turns[place]))
    for place in order[: max(round(wanted), 1) - sum(found)]:
        found[place] += lost[place] > 0
    return found


def notice_share(part: str, rest: Split, taken: Split | None, fraction: HeldOut) -> None:
    """Says what share a part has got where that is not the fraction that was asked for.

    Args:
        part: what it is called.
        rest: what remained of the examples.
        taken: the part; none where nothing was taken.
        fraction: the share that was asked for.
    """
    count = 0 if taken is None else len(taken)
    examples = count + len(rest)
    if isinstance(fraction, str) or abs(count - examples * fraction) <= max(0.5, NEAR * examples * fraction):
        return
    notice(
        f"the {part} part has {count:,} of {examples:,} examples, {count / examples:.0%} instead of "
        f"{fraction:.0%}: the classes are too small to be divided so"
    )
