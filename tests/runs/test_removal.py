"""What goes is what was said, and nothing outside of the folder that runs lie in."""

import pytest

from dltrain.errors import RunError
from dltrain.runs.listing import entries
from dltrain.runs.lock import owning
from dltrain.runs.removal import named, remove, waste


@pytest.fixture
def root(tmp_path):
    return tmp_path / "runs"


def wasted(root, failed=False, checkpoints=False):
    return {each.run.name: each for each in waste(entries(root), failed, checkpoints)}


def test_a_named_run_goes_whole_with_its_size(make_run, root):
    run = make_run("a-001")
    make_run("b-001")
    (run.path / "thoughts.md").write_text("mine")
    (run.path / "mlflow.json").write_text("{}")
    (removal,) = named(["a-001"], root)
    assert removal.others == ("thoughts.md",)
    assert removal.bytes == sum(path.stat().st_size for path in run.path.rglob("*") if path.is_file())
    remove(removal)
    assert [path.name for path in root.iterdir()] == ["b-001"]


def test_damaged_runs_can_be_removed_and_patterns_name_several(make_run, root):
    make_run("a-001").config.unlink()
    make_run("a-002").summary.write_text("{")
    for removal in named(["a-*", "a-001"], root):
        remove(removal)
    assert list(root.iterdir()) == []


@pytest.mark.parametrize(
    "word", ["a", "elsewhere/b-001", "link-001", "notes", "..", ".", "", "runs/../elsewhere/b-001"]
)
def test_what_is_no_run_of_this_folder_is_refused(make_run, root, tmp_path, monkeypatch, word):
    monkeypatch.chdir(tmp_path)
    make_run("a-001")
    make_run("b-001").path.rename(tmp_path / "b-001")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "b-001").rename(tmp_path / "elsewhere/b-001")
    (root / "link-001").symlink_to(tmp_path / "elsewhere/b-001")
    (root / "notes").mkdir()
    with pytest.raises(RunError):
        named([word], root)
    assert wasted(root) == {}


def test_links_within_a_run_are_not_followed(make_run, root, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/precious").touch()
    (make_run("a-001").path / "data").symlink_to(tmp_path / "data")
    remove(named(["a-001"], root)[0])
    assert (tmp_path / "data/precious").exists()


def test_a_folder_of_runs_that_is_a_link_itself_is_what_the_user_chose(make_run, root, tmp_path):
    make_run("a-001")
    root.rename(tmp_path / "disk")
    root.symlink_to(tmp_path / "disk")
    remove(named(["a-001"], root)[0])
    assert list((tmp_path / "disk").iterdir()) == []


def test_a_run_in_use_stays_also_if_work_began_after_the_question(make_run, root):
    run = make_run("a-001", status="running", saved=False)
    (removal,) = named(["a-001"], root)
    with owning(run):
        assert wasted(root) == {}
        with pytest.raises(RunError, match="is in use"):
            named(["a-001"], root)
        with pytest.raises(RunError, match="is in use"):
            remove(removal)
    assert run.config.exists()


def test_waste_is_what_ended_before_it_had_saved_anything(make_run, root):
    for name, status, saved in [
        ("finished-001", "finished", True),
        ("interrupted-001", "interrupted", True),
        ("interrupted-002", "interrupted", False),
        ("failed-001", "failed", True),
        ("failed-002", "failed", False),
        ("dead-001", "running", False),
        ("dead-002", "running", True),
        ("exported-001", "finished", False),
        ("damaged-001", "dancing", True),
        ("damaged-002", "dancing", False),
    ]:
        make_run(name, status=status, saved=saved)
    (root / "empty-001/checkpoints").mkdir(parents=True)
    always = {"interrupted-002", "failed-002", "dead-001", "damaged-002", "empty-001"}
    assert wasted(root).keys() == always
    assert wasted(root, failed=True).keys() == always | {"failed-001"}


def test_old_checkpoints_of_finished_runs_go_and_best_last_and_newest_stay(make_run, root):
    places = [make_run("a-001").checkpoints, make_run("b-001", status="interrupted").checkpoints]
    for place in places:
        (place / "last.npz").unlink()
        for step in (1, 2, 3):
            (place / f"step-0000000{step}.npz").write_bytes(b"0" * step)
        (place / "last.npz").hardlink_to(place / "step-00000003.npz")
        (place / "best.npz").unlink()
        (place / "best.npz").hardlink_to(place / "step-00000001.npz")
    assert wasted(root) == {}
    (removal,) = wasted(root, checkpoints=True).values()
    assert (removal.run.name, removal.bytes, removal.is_whole) == ("a-001", 2, False)
    remove(removal)
    names = {path.name for path in places[0].iterdir()}
    assert names == {"best.npz", "last.npz", "step-00000001.npz", "step-00000003.npz"}
    assert len(list(places[1].iterdir())) == 5
