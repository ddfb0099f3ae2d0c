import math

import pytest

from dltrain.training.early_stopping import Patience


@pytest.mark.parametrize(("values", "wait"), [([0.5, 0.7, 0.6], 1), ([math.nan, 0.7, 0.8], 0), ([0.7, math.nan], 1)])
def test_patience_counts_the_epochs_since_the_last_improvement(values, wait):
    patience = Patience(2, 0.0, "accuracy", larger_is_better=True)
    for value in values:
        patience.update({"accuracy": value})
    assert patience.state["wait"] == wait
