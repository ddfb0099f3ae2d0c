"""Rare classes seen as often as common ones."""

import numpy as np

from dltrain.config.experiment import Experiment
from dltrain.data import DataSpec, Split
from dltrain.errors import KeyProblem


def drawn(experiment: Experiment, spec: DataSpec, split: Split) -> np.ndarray | None:
    """Returns which examples an epoch consists of, where these are not simply all: positions, (drawn,), int64.

    With `train.oversample` each class is there as often as the most frequent one: all of its examples equally often,
    but for one time more of some that the seed picks.

    Raises:
        KeyProblem: if there are no classes.
    """
    if not experiment.train.oversample:
        return None
    groups = spec.groups(split.targets)
    if groups is None or not groups.are_exclusive:
        raise KeyProblem("oversample", "must be false: it evens out classes, of which each example must have one")
    random = np.random.RandomState(experiment.seed)
    members = [random.permutation(groups.positions(group)) for group in np.unique(groups.members)]
    most = max(map(len, members))
    return np.concatenate([np.resize(positions, most) for positions in members])


def count(experiment: Experiment, spec: DataSpec, split: Split) -> int:
    """Returns how many examples an epoch consists of.

    Raises:
        ValueError: as above.
    """
    positions = drawn(experiment, spec, split)
    return len(split) if positions is None else len(positions)
