"""The network that `init` writes where nothing better is known."""

from collections.abc import Sequence

from dltrain.data.proposal import Keys, Proposal

FEW = 2000
"""Examples below which a small network, held back, is enough."""
MANY = 50_000


def perceptron(shape: Sequence[int | None], examples: Proposal) -> Keys:
    """Returns the block of a multi-layer perceptron.

    Args:
        shape: of one example.
        examples: what was seen of them.
    """
    if len(shape) == 1 and examples.examples < FEW:
        return {
            "name": ("mlp", "all: dltrain list model"),
            "units": ([32], "of each hidden layer: small, as there are few examples"),
            "dropout": (0.2, "against overfitting"),
        }
    return {
        "name": ("mlp", "all: dltrain list model"),
        "units": ([64, 64] if examples.examples < MANY else [256, 256], "of each hidden layer"),
    }
