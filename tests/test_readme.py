"""What README shows works as it stands there."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from specs import data_spec

from dltrain.config import experiment as experiments
from dltrain.registry import MODELS

README = (Path(__file__).parents[1] / "README.md").read_text()
CONFIGS = Path(__file__).parents[1] / "configs"


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("text", blocks("yaml"))
def test_configs_are_good(tmp_path, text):
    rows = [f"{row * 9.5},{row},100{row % 3},2020-01-{row % 28 + 1},1,train" for row in range(40)]
    (tmp_path / "houses").mkdir()
    (tmp_path / "houses" / "1.csv").write_text("\n".join(["price,area,postcode,sold_on,importance,part", *rows]))
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
