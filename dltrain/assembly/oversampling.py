"""Rare classes seen as often as common ones."""

from __future__ import annotations

from dltrain.config.experiment import Experiment
from dltrain.data import DataSpec, Split
from dltrain.errors import KeyProblem
from dltrain.lazy import np


def epoch_positions(experiment: Experiment, spec: DataSpec, split: Split) -> np.ndarray | None:
    """Returns the positions of the examples of an epoch, (examples,), int64; none where an epoch has each example once.

    With `train.oversample` each class occurs as often as the most frequent one: all of its examples equally often,
    except that some, chosen by the seed, occur once more.

    Raises:
        KeyProblem: if there are no classes.
    """
    if not experiment.train.oversample:
        return None
    groups = spec.groups(split.targets)
    if groups is None or not groups.are_exclusive:
        raise KeyProblem("oversample", "must be false: oversampling needs one class per example")
    random = np.random.RandomState(experiment.seed)
    members = [random.permutation(groups.positions(group)) for group in np.unique(groups.members)]
    most = max(map(len, members))
    return np.concatenate([np.resize(positions, most) for positions in members])


def count(experiment: Experiment, spec: DataSpec, split: Split) -> int:
    """Returns the number of examples in an epoch.

    Raises:
        ValueError: as above.
    """
    positions = epoch_positions(experiment, spec, split)
    return len(split) if positions is None else len(positions)
