"""Configs with damaged bytes and with other values: `check` finds them good, or says what is wrong with their line."""

import random
import re
import sys
from pathlib import Path

import fresh
import pytest
import yaml
from mutations import mutated
from typer.testing import CliRunner
from values import changed

CONFIGS = Path(__file__).parents[2] / "configs"


def attempt_of(configs):
    """Returns what tries one mutant."""
    from dltrain.cli import app

    def attempt(rng, noted):
        name, good = rng.choice(configs)
        if rng.random() < 0.4:
            content = mutated(rng, good)
        else:
            content = yaml.safe_dump(changed(rng, yaml.safe_load(good)), sort_keys=False).encode()
        noted += [name, content[:2000]]
        Path("mutant.yaml").write_bytes(content)
        told = CliRunner().invoke(app, ["check", "mutant.yaml"])
        if told.exception is not None and not isinstance(told.exception, SystemExit):
            raise told.exception
        assert told.exit_code in (0, 2), told.output
        assert "Traceback" not in told.output
        if told.exit_code:
            assert re.search(r"mutant\.yaml|standard input", told.stderr), told.stderr
            assert len(told.stderr) < 100_000
        return "good" if told.exit_code == 0 else "refused"

    return attempt


def main():
    fresh.hunt(attempt_of([(path.name, path.read_bytes()) for path in sorted(CONFIGS.glob("*.yaml"))]))


def test_a_mutant_is_the_same_for_the_same_seed():
    made = [changed(random.Random("1"), {"a": [1, {"b": 2}], "c": "x"}) for _ in range(2)]
    assert made[0] == made[1]


def test_damaged_configs_are_good_or_refused_with_their_line(tmp_path):
    fresh.batch(__file__, tmp_path, 0, 150)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 5))
def test_thousands_of_damaged_configs_are_good_or_refused_with_their_line(tmp_path, seed):
    fresh.batch(__file__, tmp_path, seed, 2_500, seconds=3600)


if __name__ == "__main__" and len(sys.argv) == 3:
    main()
