"""What README shows works as it stands there."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from specs import data_spec
from typer.testing import CliRunner

from dltrain.cli import app
from dltrain.config import experiment as experiments
from dltrain.registry import MODELS

README = (Path(__file__).parents[1] / "README.md").read_text()
CONFIGS = Path(__file__).parents[1] / "configs"


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("text", blocks("yaml"))
def test_configs_are_good(tmp_path, text):
    header = "price,area,postcode,sold_on,description,importance,part"
    rows = [f"{row * 9.5},{row},100{row % 3},2020-01-{row % 28 + 1},sunny at noon,1,train" for row in range(40)]
    (tmp_path / "houses").mkdir()
    (tmp_path / "houses" / "1.csv").write_text("\n".join([header, *rows]))
    shutil.copy(CONFIGS / "resnet.yaml", tmp_path)  # which one builds on
    path = tmp_path / "readme.yaml"
    path.write_text(text)
    experiments.load(path, data_may_be_absent=True)


def test_the_model_to_add_works(tensorflow, monkeypatch):
    MODELS.names()
    monkeypatch.setattr(MODELS, "_classes", dict(MODELS._classes))
    (code,) = blocks("python")
    exec(code, {"__name__": "linear"})
    model = MODELS["linear"](width=3).build(data_spec((8, 8, 1), ("a", "b")))
    assert model(np.zeros((2, 8, 8, 1))).shape == (2, 2)


def test_the_modality_to_add_works(tmp_path, monkeypatch):
    """A pattern of four bases that one class has, anywhere in strands of 12 to 30: fit, then predict new ones."""
    (code,) = blocks(r"python strands\.py")
    (tmp_path / "strands.py").write_text(code)
    random = np.random.RandomState(0)
    strands = ["".join(random.choice([*"ACG"], random.randint(12, 31))) for _ in range(240)]
    labelled = [
        f"{strand[:4]}TGCT{strand[8:]} with" if row % 2 else f"{strand} without" for row, strand in enumerate(strands)
    ]
    (tmp_path / "strands.txt").write_text("\n".join(labelled))
    (tmp_path / "strands.yaml").write_text(
        "plugins: [strands.py]\ndataset: {name: strands, path: strands.txt}\nmodel: {name: motifs}\n"
        "optimizer: {name: adam, learning_rate: 0.03}\ntrain: {epochs: 6, batch_size: 16}\nreport: false\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DLTRAIN_CACHE", str(tmp_path / "cache"))
    fitted = CliRunner().invoke(app, ["fit", "strands.yaml", "--trust", "--json"])
    assert fitted.exit_code == 0, fitted.output
    (tmp_path / "new.txt").write_text("ACGACGTGCTACGA\nACGACGACGACG\nhello\n")
    told = CliRunner().invoke(app, ["predict", "strands", "new.txt", "--trust", "--json"])
    rows = json.loads(told.stdout)["predictions"]
    assert [row.get("class") for row in rows] == ["with", "without", None]
    assert "letters of ACGT" in rows[2]["error"]
    missing = CliRunner().invoke(app, ["predict", "strands", "missing.txt", "--trust", "--json"])
    assert json.loads(missing.stdout)["predictions"][0]["error"] == "No such file or directory"


def test_both_commands_set_themselves_up():
    commands = [
        line
        for block in re.findall(r"^```sh.*?\n(.*?)^```", README, re.DOTALL | re.MULTILINE)[:2]
        for line in [block.strip()]
    ]
    assert len(commands) == 2
    for command in commands:
        assert command.startswith('python3 -m venv "${VENV:=.venv}" && ')
        assert "\n" not in command
