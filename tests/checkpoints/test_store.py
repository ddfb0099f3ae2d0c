import os
import random
import struct
import warnings
import zipfile

import numpy as np
import pytest

from dltrain.checkpoints import store
from dltrain.errors import CheckpointError, TrainingError
from dltrain.runs import folder

VARIABLES = {f"model/{index:04d}": np.full((3, index + 1), index, np.float32) for index in range(4)}


@pytest.fixture
def run(tmp_path):
    run = folder.create(tmp_path, "a")
    store.save(run, VARIABLES, {"step": 7, "best": None}, is_best=True, keep=2)
    return run


def equal(saved):
    return saved.state == {"step": 7, "best": None} and all(
        np.array_equal(saved.arrays[name], VARIABLES[name]) for name in VARIABLES
    )


def test_what_was_saved_is_loaded(run):
    assert equal(store.load(run, "best"))
    assert equal(store.load(run, "last"))


def test_no_damaged_file_is_ever_taken_for_a_good_one(run):
    path = run.last_checkpoint
    good = path.read_bytes()
    choose = random.Random(0)
    path.unlink()  # it shares its bytes with the others
    refused = 0
    for number in range(1500):
        damaged = bytearray(good)
        if number % 3 == 0:
            damaged = damaged[: choose.randrange(len(good))]
        else:
            damaged[choose.randrange(len(good))] ^= 1 << choose.randrange(8)
        path.write_bytes(damaged)
        try:
            assert equal(store.load(run, "last"))  # times and the like may change unseen
        except CheckpointError:
            refused += 1
    assert refused > 1000


def test_the_best_outlives_the_newest(run):
    for step in (8, 9, 10):
        store.save(run, VARIABLES, {"step": step}, is_best=False, keep=2)
    assert sorted(path.name for path in run.checkpoints.iterdir()) == [
        "best.npz",
        "last.npz",
        "step-00000009.npz",
        "step-00000010.npz",
    ]
    assert store.load(run, "best").state["step"] == 7
    assert store.load(run, "last").state["step"] == 10


def test_a_file_system_without_hard_links_gets_copies(run, monkeypatch):
    def refuse(*arguments):
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(store.os, "link", refuse)
    store.save(run, VARIABLES, {"step": 8}, is_best=True, keep=2)
    assert store.load(run, "best").state["step"] == 8


def test_a_save_that_is_cut_short_never_names_a_best_that_is_not_there(run, monkeypatch):
    original = store._point

    def cut(name, path):
        if name.name != "best.npz":
            raise KeyboardInterrupt
        original(name, path)

    monkeypatch.setattr(store, "_point", cut)
    with pytest.raises(KeyboardInterrupt):
        store.save(run, VARIABLES, {"step": 8, "best": {"epoch": 2}}, is_best=True, keep=2)
    assert store.load(run, "last").state["step"] == 7
    assert store.load(run, "best").state["step"] == 8


def test_a_save_that_fails_leaves_what_was_there(run, monkeypatch):
    def full(*arguments, **settings):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store.np, "savez", full)
    with pytest.raises(TrainingError, match=r"No space left on device.*is intact"):
        store.save(run, VARIABLES, {"step": 8}, is_best=True, keep=2)
    assert equal(store.load(run, "last"))
    assert not [path for path in run.checkpoints.iterdir() if path.name.startswith(".")]


def test_only_the_state_of_the_best_epoch_itself_is_taken_for_the_best(run):
    best = {"monitor": "loss", "value": 1.0, "epoch": 2, "step": 40}
    store.save(run, VARIABLES, {"step": 40, "epoch": 2, "best": best}, is_best=True, keep=9)
    store.save(run, VARIABLES, {"step": 49, "epoch": 2, "best": best}, is_best=False, keep=9)
    newest = store.load(run, "last")
    (run.checkpoints / "best.npz").unlink()
    (run.checkpoints / "best.npz").write_bytes(b"damaged")
    assert store.make_newest(run, newest)
    assert store.load(run, "best").state["step"] == 40
    (run.checkpoints / "best.npz").unlink()
    (run.checkpoints / "step-00000040.npz").unlink()
    assert not store.make_newest(run, newest)
    assert store.load(run, "best").state["step"] == 49


def test_a_state_that_nobody_planned_goes_with_the_next_and_crowds_out_none(run):
    for step, is_planned in ((20, True), (40, True), (45, False), (50, False), (60, True)):
        store.save(run, VARIABLES, {"step": step, "best": None}, is_best=False, keep=2, is_planned=is_planned)
        if step == 50:
            assert store.steps(run) == [20, 40]
            assert store.load(run, "last").state["step"] == 50
            assert store.latest_planned(run).state["step"] == 40
            assert store.latest_planned(run, before=40).state["step"] == 20
    names = sorted(path.name for path in run.checkpoints.iterdir())
    assert names == ["best.npz", "last.npz", "step-00000040.npz", "step-00000060.npz"]


def test_a_run_resumes_from_its_best_state_where_all_later_ones_are_damaged(run):
    for step in (8, 9):
        store.save(run, VARIABLES, {"step": step}, is_best=False, keep=2)
    for name in ("last", "step-00000008", "step-00000009"):
        (run.checkpoints / f"{name}.npz").write_bytes(b"PK")
    saved, troubles = store.latest(run)
    assert equal(saved) and len(troubles) == 3
    assert store.make_newest(run, saved)
    assert equal(store.load(run, "last")) and equal(store.load(run, "best")) and equal(store.load_step(run, 7))
    assert sorted(path.name for path in run.checkpoints.iterdir()) == [
        "best.npz", "last.npz", "step-00000007.npz", "step-00000008.damaged", "step-00000009.damaged",
    ]  # fmt: skip
    store.save(run, VARIABLES, {"step": 8}, is_best=False, keep=1)
    assert equal(store.load(run, "best")) and store.load(run, "last").state["step"] == 8


def test_a_good_copy_replaces_the_damaged_file_of_the_same_step(run):
    """As on a file system without hard links."""
    content = run.last_checkpoint.read_bytes()
    (run.checkpoints / "step-00000007.npz").unlink()
    (run.checkpoints / "step-00000007.npz").write_bytes(b"PK")
    saved, troubles = store.latest(run)
    assert store.make_newest(run, saved) and not troubles
    for name in ("last", "best", "step-00000007"):
        assert (run.checkpoints / f"{name}.npz").read_bytes() == content
    assert (run.checkpoints / "step-00000007.damaged").read_bytes() == b"PK"


def rewritten(path, change):
    """Writes the members of a zip file anew, with right checksums."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    path.unlink()  # it shares its bytes with others
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in change(members).items():
            archive.writestr(name, content)


def test_a_bit_in_the_header_of_an_array_is_one_error_whatever_the_parser_raises(run):
    """Some make a SyntaxError of Python's tokenizer, others its TokenError, or a type that is none."""
    first = next(iter(VARIABLES)) + ".npy"
    good = run.last_checkpoint.read_bytes()
    for at in range(10, 128):
        for bit in range(8):
            run.last_checkpoint.unlink()
            run.last_checkpoint.write_bytes(good)

            def flipped(members, at=at, bit=bit):
                content = bytearray(members[first])
                content[at] ^= 1 << bit
                return {**members, first: bytes(content)}

            rewritten(run.last_checkpoint, flipped)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    store.load(run, "last")
                except CheckpointError as error:
                    assert "is damaged, or not a checkpoint of dltrain: " in str(error)


def test_members_that_share_their_bytes_are_refused(run):
    with zipfile.ZipFile(run.last_checkpoint) as archive:
        names = [info.filename for info in archive.infolist()]
    good = run.last_checkpoint.read_bytes()
    start = good.index(b"PK\x01\x02")
    entry = good[start : start + 46 + len(names[0])]
    end = bytearray(good[-22:])
    extra = entry * 5000
    end[8:12] = struct.pack("<HH", len(names) + 5000, len(names) + 5000)
    end[12:16] = struct.pack("<I", len(good) - 22 - start + len(extra))
    run.last_checkpoint.unlink()
    run.last_checkpoint.write_bytes(good[:-22] + extra + bytes(end))
    with pytest.raises(CheckpointError, match="its members overlap"):
        store.load(run, "last")


def test_a_checkpoint_that_is_no_file_is_not_waited_for(run):
    run.last_checkpoint.unlink()
    os.mkfifo(run.last_checkpoint)
    with pytest.raises(CheckpointError, match="must be a regular file, is a named pipe"):
        store.load(run, "last")
    assert equal(store.latest(run)[0])
