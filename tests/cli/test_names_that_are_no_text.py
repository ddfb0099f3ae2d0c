"""Names of files that are no UTF-8: they are read, written in one way that can be read back, and end no command."""

import csv
import json
import os
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from typer.testing import CliRunner

from dltrain.cli import app
from dltrain.errors import named, written

CAFE = os.fsdecode(b"caf\xe9 \xff")
CONFIG = """\
dataset: {name: image_folder, path: photos, size: 8}
model: {name: mlp, units: [4]}
optimizer: {name: sgd, learning_rate: 0.01}
train: {epochs: 1, batch_size: 8}
"""
PIECES = st.sampled_from(["\\", "\\\\", "udce9", "\udce9", "\udc80", "é", "a/b", "\\udcff", "UDCE9"])

pytestmark = pytest.mark.skipif(sys.platform == "darwin", reason="its file systems have no such names")


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.one_of(st.text(), st.lists(PIECES).map("".join)).filter(lambda text: not _is_surrogate(text)))
def test_a_name_that_is_written_reads_back(text):
    assert named(written(text)) == text
    assert written(text).encode().decode() == written(text)


def _is_surrogate(text):
    """Whether a text holds what no file name does."""
    return any("\ud800" <= letter <= "\udfff" and not "\udc80" <= letter <= "\udcff" for letter in text)


def test_a_plain_name_is_written_as_it_is():
    assert written(r"C:\udc\é") == r"C:\udc\é"
    assert written(CAFE) == r"caf\udce9 \udcff"


def invoke(*words, code=0, **options):
    done = CliRunner().invoke(app, list(words), catch_exceptions=False, **options)
    assert done.exit_code == code, done.output
    return done


@pytest.fixture(scope="module")
def run(tensorflow, tmp_path_factory):
    """The folder of a config, its images and its run, all below a name that is no UTF-8."""
    folder = tmp_path_factory.mktemp("names") / CAFE
    for label in ("dark", CAFE):
        (folder / "photos" / label).mkdir(parents=True)
        for number in range(10):
            name = os.fsdecode(b"\xe9%d.png" % number)
            Image.new("RGB", (9, 9), "black" if label == "dark" else "white").save(folder / "photos" / label / name)
    (folder / "c.yaml").write_text(CONFIG)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        invoke("fit", f"../{CAFE}/c.yaml", "-q", f"dataset.path=../{CAFE}/photos")
    return folder


@pytest.fixture(autouse=True)
def inside(request, monkeypatch):
    if "run" in request.fixturenames:
        monkeypatch.chdir(request.getfixturevalue("run"))


@pytest.mark.parametrize("to_file", [False, True])
@pytest.mark.parametrize("kind", ["csv", "jsonl", "table"])
def test_predictions_name_every_file_so_that_it_is_found(run, kind, to_file):
    words = ("predict", "c", f"../{CAFE}/photos", "--format", kind, "-q")
    text = invoke(*words).stdout
    if to_file:
        invoke(*words, "-o", f"{CAFE}.out")
        assert Path(f"{CAFE}.out").read_text() == text
    if kind == "table":
        assert text.count(r"\udce9") >= 20
        return
    rows = [*csv.DictReader(text.splitlines())] if kind == "csv" else [json.loads(line) for line in text.splitlines()]
    assert len(rows) == 20
    for row in rows:
        assert Path(named(row["input"]) if kind == "csv" else row["input"]).is_file()


def test_names_are_read_from_standard_input_as_bytes_or_as_written(run):
    names = sorted(Path("photos", CAFE).iterdir())[:2]
    for content in (b"\n".join(map(os.fsencode, names)), "\n".join(written(str(name)) for name in names).encode()):
        found = json.loads(invoke("predict", "c", "-", "--json", input=content).stdout)["predictions"]
        assert [row["input"] for row in found] == [str(name) for name in names]


@pytest.mark.parametrize(
    "words",
    [
        ("show", "c"),
        ("show", "c", "--json"),
        ("show", "c", "--explain"),
        ("runs",),
        ("runs", "--json"),
        ("logs", "c"),
        ("eval", "c", f"dataset.path=../{CAFE}/photos"),
        ("predict", "c", "--split", "test", "--format", "csv"),
        ("report", "c"),
        ("export", "c", "--format", "keras"),
        ("fit", "--resume", "c", "-q"),
        ("inspect", "c.yaml", f"dataset.path=../{CAFE}/photos"),
        ("init", f"../{CAFE}/photos", "--force", "-o", f"../{CAFE}/{CAFE}.yaml"),
    ],
    ids=lambda words: " ".join(words[:2]).encode(errors="replace").decode(),
)
def test_every_command_works_with_such_a_run(run, words):
    invoke(*words)


def test_what_does_not_exist_is_named(run):
    done = invoke("fit", "c.yaml", f"dataset.path={CAFE}", code=2)
    assert rf"dataset.path={written(CAFE)}" in done.stderr
