"""The rules of the house: who imports whom, and what never loads TensorFlow."""

import ast
import dataclasses
import inspect
import re
import subprocess
import sys
from collections import Counter
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import dltrain
from dltrain.config.unread import ALL, attributes_read
from dltrain.registry import KINDS, REGISTRIES

PACKAGE = Path(dltrain.__file__).parent
CHOICES = {"models", "datasets", "tasks", "optimizers", "schedules", "augmentations", "trackers", "exports"}
GROUND = {"cache", "data", "errors", "fields", "lazy", "registry", "untrusted", "wording"}
"""What every choice may stand on: none of it loads TensorFlow, none of it knows an experiment."""

HAPPENS = {"engine", "checkpoints", "assembly", "training", "inference", "diagnostics", "replication", "distributed"}
MOST_FILES, MOST_LINES = 20, 3500

MAY_IMPORT = {
    # Who talks to a person calls one function of any room that does something.
    "cli": {"tuning", "replication", "diagnostics", "training", "inference", "assembly", "checkpoints", "engine"}
    | {"distributed", "serving", "config", "runs", "report", "figures"}
    | {"console", "errors", "untrusted", "importing", "keras_internals", "plugins", "programs", "registry", "signals"}
    | {"wording"},
    "serving": {"inference", "runs", "data", "errors", "untrusted"},  # and never the trainer
    "tuning": {"training", "report", "figures", "config", "runs"}
    | {"console", "errors", "untrusted", "lazy", "plugins", "programs", "registry", "signals", "wording"},
    "replication": {"training", "inference", "assembly", "checkpoints", "config", "runs"}
    | {"console", "digest", "errors", "untrusted", "lazy"},
    "diagnostics": {"training", "inference", "assembly", "engine", "checkpoints", "distributed", "config", "runs"}
    | {"inspection", "figures", "schedules", "layers"}
    | {"console", "data", "errors", "untrusted", "importing", "keras_internals", "lazy", "wording"},
    "training": {
        "inference",
        "assembly",
        "engine",
        "checkpoints",
        "distributed",
        "config",
        "runs",
        "schedules",
        "trackers",
    }
    | {"console", "data", "digest", "errors", "untrusted", "keras_internals", "lazy", "plugins"}
    | {"programs", "signals", "wording"},
    "inference": {
        "assembly",
        "checkpoints",
        "engine",
        "distributed",
        "config",
        "runs",
        "inspection",
        "report",
        "figures",
        "exports",
    }
    | {"schedules"}
    | {
        "console",
        "data",
        "errors",
        "untrusted",
        "importing",
        "keras_internals",
        "lazy",
        "plugins",
        "registry",
        "signals",
        "wording",
    },
    "assembly": {"engine", "checkpoints", "distributed", "config", "runs", "inspection", "schedules", "layers"}
    | {"console", "data", "digest", "errors", "untrusted", "keras_internals", "lazy", "registry"},
    "checkpoints": {"config", "runs", "features", "console", "data", "digest", "errors", "hdf5", "untrusted", "lazy"},
    "engine": {"distributed", "data", "errors", "untrusted", "importing", "keras_internals", "lazy", "programs"},
    "distributed": {"config", "runs", "digest", "errors", "untrusted", "lazy", "plugins", "signals"},
    "config": {"data", "errors", "untrusted", "fields", "plugins", "registry"},
    "runs": {"errors", "untrusted", "wording"},
    "inspection": {"data", "lazy", "untrusted"},
    # A page is drawn of plain numbers: inference collects them, and the tasks say how their answers are drawn.
    "report": {"figures", "runs", "data", "errors", "untrusted", "wording"},
    "figures": {"data", "errors", "untrusted", "wording"},
    # What an example is; how it is drawn, and what brings it to its scale in a network, is said inside of methods.
    "features": {"data", "errors", "untrusted", "figures", "layers", "lazy", "registry", "report", "wording"},
    "plugins": {"importing", "registry", "data", "fields", "lazy", "cache", "errors", "untrusted"},
    "models": {"features", "layers", "plugins", "hdf5", "keras_internals"} | GROUND,
    "datasets": {"features", "plugins"} | GROUND,
    "tasks": {"features", "layers", "report", "figures"} | GROUND,
    "augmentations": {"features", "layers"} | GROUND,
    "optimizers": {"fused_optimizers", "keras_internals"} | GROUND,
    **dict.fromkeys(("schedules", "trackers", "exports"), GROUND),
    "layers": {"data", "keras_internals"},
    "fused_optimizers": {"keras_internals"},
    "console": {"errors", "lazy"},
    "data": {"errors", "fields", "lazy", "registry", "untrusted"},
    "importing": {"cache", "errors", "lazy"},
    "registry": {"beginning", "errors"},
    **{ground: set() for ground in ("beginning", "cache", "digest", "errors", "fields", "keras_internals", "lazy")},
    **{ground: set() for ground in ("signals", "streams", "wording")},
    "programs": set(),
    "hdf5": {"untrusted"},
    "untrusted": {"errors"},
}


def room(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path, module_level_only=False):
    tree = ast.parse(path.read_text())
    nodes = tree.body if module_level_only else ast.walk(tree)
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


FILES = [path for path in PACKAGE.rglob("*.py") if room(path) not in ("__init__", "__main__")]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_file_imports_only_what_its_room_may(path):
    rooms = {name.split(".")[1] for name in imports(path) if name.startswith("dltrain.") and name.count(".") >= 1}
    assert rooms - {"__version__", room(path)} <= MAY_IMPORT[room(path)]


def test_no_rooms_import_each_other_in_a_circle():
    assert [*TopologicalSorter(MAY_IMPORT).static_order()]  # raises CycleError, which names the circle


@pytest.mark.parametrize("name", sorted(HAPPENS | {"runs", "report"}))
def test_a_room_can_be_overlooked(name):
    files = [path for path in FILES if room(path) == name and path.name != "__init__.py"]
    assert len(files) <= MOST_FILES
    assert sum(len(path.read_text().splitlines()) for path in files) <= MOST_LINES


@pytest.mark.parametrize(
    "path", [path for path in FILES if room(path) in CHOICES | HAPPENS], ids=lambda path: path.name
)
def test_layers_are_imported_only_where_a_network_is_built(path):
    kernels = ("dltrain.layers", "dltrain.fused_optimizers")
    assert not [name for name in imports(path, module_level_only=True) if name.startswith(kernels)]


@pytest.mark.parametrize("path", [path for path in FILES if room(path) in HAPPENS], ids=lambda path: path.name)
def test_what_happens_names_no_model_dataset_optimizer_or_task(path):
    words = {node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)}
    kinds = ("model", "dataset", "optimizer", "task")
    named = {name for kind in kinds for name in REGISTRIES[kind].names()} - {
        "python"
    }  # the language, in environment.py
    assert not words & named


@pytest.mark.parametrize("path", [path for path in FILES if room(path) in HAPPENS], ids=lambda path: path.name)
def test_what_happens_knows_no_dataset_but_what_they_all_give(path):
    assert not [name for name in imports(path) if name.startswith("dltrain.datasets.")]


@pytest.mark.parametrize("room_name", ["models", "datasets", "tasks"])
def test_a_file_is_named_as_what_it_registers(room_name):
    registry = REGISTRIES[room_name.removesuffix("s")]
    for name in registry.names():
        if registry[name].__module__.startswith("dltrain."):
            stem = registry[name].__module__.removeprefix(f"dltrain.{room_name}.")
            assert stem == name or stem.endswith("_families")  # which registers the networks of many papers


COMMANDS = [
    ["--help"],
    ["fit", "--help"],
    ["--version"],
    ["list"],
    ["schema"],
    ["init", "--list"],
    ["init", "no-such-template"],
    ["list", "model", "resnet"],
    ["check", "configs/resnet.yaml"],
    ["check", "configs"],
    ["show", "--no-layers", "configs/resnet.yaml"],
    ["show", "--explain", "configs/resnet.yaml", "train.epochs"],
    ["fit", "configs/resnet.yaml", "train.epochs=0"],
    ["preview", "configs/resnet.yaml", "train.epochs=0"],
    ["plan", "configs/resnet.yaml", "train.epochs=0", "--workers", "2"],
    ["eval", "no-such-run"],
    ["predict", "no-such-run", "a.png"],
    ["export", "no-such-run", "--format", "onnx"],
    ["serve", "no-such-run"],
    ["report", "no-such-run"],
    ["datasets", "make"],
    ["runs"],
    ["runs", "--sort", "best", "--json"],
    ["show", "no-such-run"],
    ["compare", "no-such-run", "nor-this"],
    ["plot", "no-such-run"],
    ["logs", "no-such-run"],
    ["rm", "no-such-run"],
    ["gc"],
]


def test_runs_are_looked_at_without_tensorflow(make_run, tmp_path):
    """Nor with SciPy and Matplotlib, unless there are seeds to judge and a picture to draw."""
    names = [make_run(f"{name}-001").name for name in "ab"]
    look = (["runs"], ["show", "a"], ["show", "a", "--explain"], ["plot", "a", "--no-png"], ["logs", "a"])
    for command in (*look, ["compare", *names, "--no-png"]):
        assert loaded(command, tmp_path) == []


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_what_needs_no_training_loads_no_tensorflow(command):
    assert loaded(command, PACKAGE.parent) == []


def loaded(command, folder):
    """Runs a command in a process of its own; returns which of the slow libraries it loaded."""
    script = (
        "import sys\nfrom dltrain.__main__ import main\nsys.argv[0] = 'dltrain'\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "slow = {'tensorflow', 'keras', 'sklearn', 'scipy', 'pandas', 'matplotlib'}\n"
        "print('LOADED', sorted(slow & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *command], cwd=folder, capture_output=True, text=True, check=True
    )
    assert "Traceback" not in done.stderr
    return ast.literal_eval(done.stdout.splitlines()[-1].removeprefix("LOADED "))


@pytest.mark.parametrize("kind", REGISTRIES)
def test_every_key_of_every_choice_is_read(kind):
    """Else a config could set it without effect."""
    read = {name for path in FILES for name in attributes_read(ast.parse(path.read_text()))}
    for name in REGISTRIES[kind].names():
        cls = REGISTRIES[kind][name]
        if ALL not in attributes_read(ast.parse(Path(inspect.getfile(cls)).read_text())):  # one that hands on itself
            assert {field.name for field in dataclasses.fields(cls)} <= read, name


def test_checking_a_config_needs_no_numpy():
    words = "import sys; from dltrain.cli import app; app(['check', 'configs/mlp.yaml'], standalone_mode=False)"
    script = f"{words}; sys.exit('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=PACKAGE.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


KINDS_OF_DATA = r"is_image|\.exclusive|targets\.ndim|spec\.columns|spec\.targets|class_names|input_shape"
KNOW_KINDS = {"features", "tasks", "data", "datasets", "models", "layers"}


@pytest.mark.parametrize("path", [path for path in FILES if room(path) not in KNOW_KINDS], ids=lambda path: path.name)
def test_nobody_asks_which_modality_or_task_it_is(path):
    """They call the contract of features and tasks. Keras's own attributes have a model before them."""
    found = [line for line in path.read_text().splitlines() if re.search(KINDS_OF_DATA, line)]
    assert not [line for line in found if "model.input_shape" not in line]


ASKED = ("hasattr", "getattr")


ASKERS = HAPPENS | {"cli", "config", "report", "tasks"}


@pytest.mark.parametrize("path", [path for path in FILES if room(path) in ASKERS], ids=lambda path: path.name)
def test_nobody_asks_whether_a_plug_has_what_its_contract_promises(path):
    """It is there, with a default: `hasattr` and `getattr` hide a name that is written wrongly."""
    promised = {name for registry in KINDS for name in dir(registry.base) if not name.startswith("_")}
    calls = [each for each in ast.walk(ast.parse(path.read_text())) if isinstance(each, ast.Call)]
    asked = [each.args[1] for each in calls if isinstance(each.func, ast.Name) and each.func.id in ASKED]
    assert promised.isdisjoint(each.value for each in asked if isinstance(each, ast.Constant))


def test_files_of_tests_have_names_of_their_own():
    counts = Counter(path.name for path in Path(__file__).parent.rglob("test_*.py"))  # pytest imports them by these
    assert [name for name, count in counts.items() if count > 1] == []
