"""The key with which the workers of a cluster prove to each other, when they connect, that they belong together.

Caller and chief each draw a number, and answer the other's with a hash that only a holder of the key can make
(HMAC-SHA-256): the key itself is never sent. Python's `multiprocessing.connection` does the same, but with MD5 on
Python 3.11, and waits without a limit for the second half of a message. Without a key every process that reaches the
chief's port is taken for a worker.
"""

import hmac
import secrets
from collections.abc import Mapping
from pathlib import Path

from dltrain import untrusted
from dltrain.errors import ClusterError

VARIABLE = "DLTRAIN_CLUSTER_KEY"

NUMBER_BYTES = 32
PROOF_BYTES = 32

SHORTEST = 16
"""Characters of a key: whoever listens to the workers can try shorter ones."""

LARGEST_BYTES = 4096

WRONG = f"another key: {VARIABLE}, or the content of cluster.key_file, must be the same for all workers"
"""What is wrong with a worker that cannot prove that it has the key."""


def found(file: Path | None, environment: Mapping[str, str]) -> bytes:
    """Returns the key; empty where there is none.

    Args:
        file: `cluster.key_file`, which comes before the environment.
        environment: variables, as of `os.environ`.

    Raises:
        ClusterError: the file cannot be read, or the key is too short.
    """
    source = VARIABLE if file is None else f"cluster.key_file: {file}"
    if file is None:
        text = environment.get(VARIABLE, "").encode("utf-8", "surrogateescape")
    else:
        try:
            text = untrusted.content(file, LARGEST_BYTES)
        except OSError as error:
            raise ClusterError(f"{source}: cannot be read: {error.strerror or error}") from None
    key = text.strip()
    if len(key) < SHORTEST and (key or file is not None):
        raise ClusterError(
            f"{source}: a key must have at least {SHORTEST} characters, got {len(key)}; "
            "to make one: openssl rand -hex 32"
        )
    return key


def made() -> str:
    """Returns a random key."""
    return secrets.token_hex(32)


def number() -> bytes:
    """Returns a random number that is sent to the other, who is to prove itself with it."""
    return secrets.token_bytes(NUMBER_BYTES)


def proof(key: bytes, role: bytes, asked: bytes, own: bytes) -> bytes:
    """Returns what proves that its sender has the key.

    Args:
        key: the key.
        role: of the sender, so that nobody can be answered with an own proof.
        asked: the number that the other has drawn.
        own: the number that the sender has drawn.
    """
    return hmac.digest(key, b"dltrain " + role + asked + own, "sha256")


def is_proof(proven: object, key: bytes, role: bytes, asked: bytes, own: bytes) -> bool:
    """Whether what came is the proof of the other; arguments as the other gave them to `proof`."""
    return isinstance(proven, bytes) and hmac.compare_digest(proven, proof(key, role, asked, own))
