"""What tells an array from others."""

import hashlib

import numpy as np


def digest(array: np.ndarray) -> str:
    """Returns what tells an array from others: 32 letters."""
    return hashlib.blake2b(np.ascontiguousarray(array).data, digest_size=16).hexdigest()
