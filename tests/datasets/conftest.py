"""What a dataset refuses, `init` refuses too: it is run on the files of each test in which something is refused."""

import inspect

import pytest
from typer.testing import CliRunner

from dltrain.cli import app


@pytest.fixture(autouse=True)
def init_ends_in_a_config_or_in_a_line(request):
    refuses = "pytest.raises" in inspect.getsource(request.function) and "tmp_path" in request.fixturenames
    folder = request.getfixturevalue("tmp_path") if refuses else None
    yield
    for path in sorted(folder.iterdir()) if folder else ():
        for more in ([], ["--target", target_of(path)]):
            written = folder / "init-of-it.yaml"
            done = CliRunner().invoke(app, ["init", str(path), "-o", str(written), "--force", *more])
            assert done.exit_code in (0, 2), f"{path}: {done.output}\n{done.exception!r}"
            assert done.exit_code == 0 or done.stderr.strip(), path
            assert ".init-of-it" not in done.output
            assert "Traceback" not in done.output


def target_of(path):
    """Returns the last column of what may be a table."""
    try:
        first = path.read_text(errors="replace").partition("\n")[0] if path.is_file() else ""
    except OSError:
        first = ""
    return first.rstrip("\r").replace(";", ",").rpartition(",")[2][:20].strip('"\0- ') or "y"
