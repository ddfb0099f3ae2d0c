import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from dltrain.errors import RunError
from dltrain.runs import folder


def made(root, name):
    run = folder.create(root, name)
    run.config.write_text("")
    return run


def test_runs_are_numbered_and_never_overwritten(tmp_path):
    assert [made(tmp_path, "a").name for _ in range(3)] == ["a-001", "a-002", "a-003"]
    assert made(tmp_path, "a-b").name == "a-b-001"


def test_runs_made_at_the_same_moment_get_folders_of_their_own(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        names = list(pool.map(lambda _: folder.create(tmp_path, "a").name, range(40)))
    assert sorted(names) == [f"a-{number:03d}" for number in range(1, 41)]


def test_a_run_is_found_by_folder_name_and_stem(tmp_path):
    first, second = made(tmp_path, "net"), made(tmp_path, "net")
    made(tmp_path, "net-b")
    assert folder.find(str(first.path), tmp_path) == first
    assert folder.find("net-001", tmp_path) == first
    assert folder.find("net", tmp_path) == second


def test_a_run_is_named_as_its_folder_wherever_one_stands(tmp_path, monkeypatch):
    run = made(tmp_path, "net")
    monkeypatch.chdir(run.checkpoints)
    assert folder.find("..", tmp_path).name == "net-001"
    monkeypatch.chdir(run.path)
    assert folder.find(".", tmp_path).name == "net-001"


def test_none_means_the_newest_run_that_has_a_checkpoint(tmp_path):
    first = made(tmp_path, "a")
    made(tmp_path, "b")
    with pytest.raises(RunError, match="no run with a checkpoint"):
        folder.find(None, tmp_path)
    (first.checkpoints / "last.npz").touch()
    assert folder.find(None, tmp_path) == first


def test_an_unknown_run_says_which_there_are(tmp_path):
    made(tmp_path, "net")
    with pytest.raises(RunError, match="there are net-001"):
        folder.find("other", tmp_path)


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="--runs"):
        folder.create(tmp_path / "file" / "runs", "a")


def test_a_failed_write_leaves_the_file_as_it_was(tmp_path):
    path = tmp_path / "a.json"
    folder.write_text(path, "before")
    with pytest.raises(RuntimeError), folder.replacing(path) as aside:
        aside.write_text("half")
        raise RuntimeError
    assert path.read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_json_has_null_for_what_is_not_finite(tmp_path):
    folder.write_json(tmp_path / "a.json", {"a": float("nan"), "b": [float("inf"), 1.5]})
    assert (tmp_path / "a.json").read_text() == '{\n  "a": null,\n  "b": [\n    null,\n    1.5\n  ]\n}\n'


def test_a_torn_last_line_of_metrics_is_left_out(tmp_path):
    run = made(tmp_path, "a")
    run.metrics.write_text("epoch,step\n1,10\n2,2")
    assert run.read_metrics() == [{"epoch": "1", "step": "10"}]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"epoch;step\n1;10\n", 2),
        (b"epoch,steps\n1,10\n", 2),
        (b"epoch,step\n1,10\n2\n", 3),
        (b"epoch,step\n1,10,3\n", 2),
        (b"epoch,step\n1,10.5\n", 2),
    ],
)
def test_metrics_that_were_edited_are_refused_with_the_line(tmp_path, content, line):
    run = made(tmp_path, "a")
    run.metrics.write_bytes(content)
    with pytest.raises(RunError, match=rf"metrics\.csv:{line}: must have"):
        run.read_metrics()


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        ("epoch,step,loss\n1,10,0.5\n2,20,0.4x\n", 3, "loss must be a number, got '0.4x'"),
        ("epoch,step,loss\n1,10,0.5\n2,20,\n3,30,0.4.1\n", 4, "loss must be a number, got '0.4.1'"),
        ("epoch,step,loss\n1,10,half\n", 2, "loss must be a number, got 'half'"),
        ("epoch,step,val_mine\n1,10,half\n", 2, "val_mine must be a number, got 'half'"),
        ("epoch,step,seconds\n1,10,1h\n", 2, "seconds must be a number, got '1h'"),
        ("epoch,step,mine\n1,10,a\n2,20,0.5\n", 2, "mine must be a number, got 'a'"),
        ("epoch,step,loss\n1,10,0.5\n2,20," + "x" * 100_000 + "\n", 3, "loss must be a number, got 'x"),
    ],
)
def test_a_broken_number_is_refused_with_its_line_and_column(tmp_path, content, line, words):
    run = made(tmp_path, "a")
    run.metrics.write_text(content)
    with pytest.raises(RunError, match=rf"metrics\.csv:{line}: {re.escape(words)}") as told:
        run.read_metrics()
    assert len(str(told.value)) < 400


@pytest.mark.parametrize("cell", ["nan", "inf", "-inf", "", "1e999", "-1.5", "first"])
def test_cells_that_a_run_may_have_are_read(tmp_path, cell):
    run = made(tmp_path, "a")
    run.metrics.write_text(f"epoch,step,mine\n1,10,{cell}\n2,20,{cell}\n")
    assert [row["mine"] for row in run.read_metrics()] == [cell, cell]


def test_metrics_that_are_no_text_are_refused(tmp_path):
    run = made(tmp_path, "a")
    run.metrics.write_bytes(b"epoch,step\n1,\xff\n")
    with pytest.raises(RunError, match=r"metrics\.csv: cannot be read"):
        run.read_metrics()
