"""Splitting of a source into training, validation and test part; the test part is split off first."""

from collections.abc import Callable, Sequence

from dltrain.data import DataSpec, Groups, Split, Splits, notice_share, split_off
from dltrain.data.noticing import noticing
from dltrain.data.splits import held_out
from dltrain.fields import HeldOut


def split_into_parts(
    spec: DataSpec,
    examples: Split,
    *,
    validation: Split | HeldOut,
    test: Split | HeldOut,
    split_seed: int,
    like: DataSpec | None = None,
    skipped: tuple[str, ...] = (),
    groups: Callable[[Split], Groups | None] | None = None,
) -> Splits:
    """Splits a dataset into its parts, with the train part's statistics.

    Args:
        spec: the description of the data.
        examples: all examples that are not in the source's own sets.
        validation: the source's own validation set, or the share of the remaining examples that becomes one.
        test: the source's own test set, or the share of the examples that becomes one.
        split_seed: seed of both splits.
        like: the data that a run was trained on, whose statistics are used; none to learn them.
        skipped: a message for each skipped example.
        groups: returns the classes by which examples are stratified; none for those of the target.
    """
    groups = groups or (lambda split: spec.groups(split.targets))
    with noticing() as noticed:
        if isinstance(test, Split):
            test_part: Split | None = test
        else:
            examples, test_part = split_off(examples, test, split_seed, groups(examples))
            notice_share("test", examples, test_part, test)
        if isinstance(validation, Split):
            validation_part: Split | None = validation
        else:
            examples, validation_part = split_off(examples, validation, split_seed, groups(examples))
            notice_share("validation", examples, validation_part, validation)
    found = Splits(spec, examples, validation_part, test_part, skipped, noticed=tuple(noticed))
    return found.with_statistics(like)


def sizes_of(counts: Sequence[int], validation: int | HeldOut, test: int | HeldOut) -> dict[str, int]:
    """Returns how many examples each part will have that `split_into_parts` makes; needs no NumPy.

    Args:
        counts: the examples of each class that are not in the source's own sets; one number where there are no classes.
        validation: the size of the source's own validation set (int), or the share (float, or a fold).
        test: likewise.
    """
    left, sizes = [*counts], dict[str, int]()
    for part, asked in {"test": test, "validation": validation}.items():
        taken = [0] * len(left) if isinstance(asked, int) else held_out(left, asked)
        left = [count - less for count, less in zip(left, taken, strict=True)]
        sizes[part] = asked if isinstance(asked, int) else sum(taken)
    return {"train": sum(left), **{part: sizes[part] for part in ("validation", "test") if sizes[part]}}
