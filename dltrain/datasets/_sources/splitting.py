"""How a source becomes training, validation and test part, with the test part set apart first."""

from dltrain.data import DataSpec, Split, Splits, split_off
from dltrain.fields import HeldOut


def parted(
    spec: DataSpec,
    examples: Split,
    *,
    validation: Split | HeldOut,
    test: Split | HeldOut,
    split_seed: int,
    skipped: tuple[str, ...] = (),
) -> Splits:
    """Returns the parts of a dataset, with the training part's statistics.

    Args:
        spec: what the data are.
        examples: all examples that are in no set of the source's own.
        validation: the source's own validation set, or the share of what is left for training that becomes one.
        test: the source's own test set, or the share of the examples that becomes one.
        split_seed: of both cuts.
        skipped: a message for each example that was left out before.
    """
    test_part: Split | None
    validation_part: Split | None
    if isinstance(test, Split):
        test_part = test
    else:
        examples, test_part = split_off(examples, test, split_seed, spec.groups(examples.targets))
    if isinstance(validation, Split):
        validation_part = validation
    else:
        examples, validation_part = split_off(examples, validation, split_seed, spec.groups(examples.targets))
    return Splits(spec, examples, validation_part, test_part, skipped).with_statistics()
