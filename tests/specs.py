"""Short ways to say what data are."""

import numpy as np

from dltrain.data import Outcome, Split
from dltrain.features._earlier import spec_of_plain


def data_spec(input_shape, class_names=(), mean=None, standard_deviation=None, columns=(), targets=(), exclusive=True):
    """Returns the spec of data of one shape: images where it has three axes, a table where there are columns."""
    fields = {
        "input_shape": input_shape,
        "class_names": class_names,
        "mean": mean,
        "standard_deviation": standard_deviation,
        "columns": [vars(column) for column in columns],
        "targets": [vars(target) for target in targets],
        "exclusive": exclusive,
    }
    return spec_of_plain(fields)


def split_of(targets):
    """Returns a part whose inputs nobody looks at."""
    return Split(np.zeros((len(targets), 1), np.float32), targets)


def outcome_of(spec, targets, outputs):
    """Returns what a network makes of the test part."""
    return Outcome(spec, "test", split_of(targets), outputs=outputs)
