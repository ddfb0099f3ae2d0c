"""What a chief shares with the others is written where a run's files belong, and nowhere else."""

import json
from types import SimpleNamespace

import pytest

from dltrain.distributed.cluster import Cluster
from dltrain.distributed.handover import Handover
from dltrain.errors import TrainingError


def sharing(*contents):
    """Peers to whom the chief shares these."""
    left = list(contents)
    return SimpleNamespace(cluster=Cluster(("a:1", "b:2"), 1, "test", 1.0), share=lambda content=None: left.pop(0))


def test_a_run_arrives_with_its_links():
    handover = Handover()
    names = [["summary.json"], ["checkpoints/step-00000007.npz", "checkpoints/last.npz"]]
    handover.exchange(sharing(json.dumps([{"train.epochs": [1, 2]}, names]).encode(), b"{}", b"state"))
    assert (handover.received.checkpoints / "last.npz").read_bytes() == b"state"
    assert handover.received.summary.read_bytes() == b"{}" and handover.changes == {"train.epochs": [1, 2]}
    handover.clear()
    assert not handover.received.path.exists()


@pytest.mark.parametrize(
    "shared",
    [
        b"",
        b"\xff",
        b"[" * 100_000,
        b"{}",
        b"[{}]",
        b"[[], []]",
        b"[{}, 7]",
        b"[{}, [[]]]",
        b"[{}, [[7]]]",
        b'[{}, [["../../.ssh/authorized_keys"]]]',
        b'[{}, [["/etc/passwd"]]]',
        b'[{}, [["checkpoints/../../x.npz"]]]',
        b'[{}, [["summary.json", "checkpoints/a\\u0000.npz"]]]',
        b'[{}, [["summary.json\\n"]]]',
    ],
)
def test_what_no_chief_shares_is_written_nowhere(shared):
    handover = Handover()
    with pytest.raises(TrainingError, match="the chief .* shares what no chief does"):
        handover.exchange(sharing(shared, b"harm"))
    assert handover.received is None
