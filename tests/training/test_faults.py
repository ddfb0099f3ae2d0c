"""Faults that really happen: kill -9, signals, a full disk, a folder that goes away, two processes, damaged files."""

import csv
import json
import random
import shutil
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest

from dltrain.checkpoints import store
from dltrain.runs.folder import Run

CONFIG = """
dataset: {name: digits, validation_fraction: 0.1}
model: {name: mlp, units: [32], dropout: 0.3}
optimizer: {name: adam, learning_rate: 0.001}
train: {epochs: 4, batch_size: 64}
deterministic: true
"""
COMMAND = (sys.executable, "-m", "dltrain")


@pytest.fixture
def here(tmp_path):
    (tmp_path / "small.yaml").write_text(CONFIG)
    return tmp_path


def start(here, *words, command=COMMAND, **settings):
    """Starts dltrain in its own process."""
    # A shell that starts its children in the background has them ignore Ctrl-C: this one must not.
    settings.setdefault("preexec_fn", lambda: signal.signal(signal.SIGINT, signal.default_int_handler))
    return subprocess.Popen(
        [*command, *words], cwd=here, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **settings
    )


def done(here, *words, code=0, **settings):
    """Runs dltrain to its end; returns what it said."""
    process = start(here, *words, **settings)
    out, said = process.communicate(timeout=300)
    assert process.returncode == code, said
    assert "Traceback" not in said
    return out + said


def wait_for(condition, seconds=120):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.002)


def rows(run):
    """metrics.csv without its times."""
    with run.metrics.open() as file:
        return [{key: value for key, value in row.items() if key != "seconds"} for row in csv.DictReader(file)]


def assert_same_run(first, second):
    """Fails unless two runs ended with the same bits."""
    assert rows(first) == rows(second)
    for name in ("best", "last"):
        one, other = store.load(first, name), store.load(second, name)
        assert one.arrays.keys() == other.arrays.keys()
        assert [key for key in one.arrays if not np.array_equal(one.arrays[key], other.arrays[key])] == []
        varying = {"seconds": 0, "changes": []}
        assert {**one.state, **varying} == {**other.state, **varying}
    assert first.read_summary()["test"] == second.read_summary()["test"]


@pytest.mark.slow
def test_a_run_killed_a_hundred_times_ends_as_one_that_never_was(here):
    """kill -9 at random moments, many of them within a checkpoint's write: there is always a `last` to go on from."""
    settings = ("model.units=[512,512]", "train.epochs=60", "checkpoint.every_steps=1")
    done(here, "fit", "small.yaml", "-q", *settings, "name=whole")
    run, choose, within = Run(here / "runs/killed-001"), random.Random(4), 0
    for kill in range(1, 101):
        before = run.saved
        process = start(here, "fit", "small.yaml", "--resume", "auto", *settings, "name=killed")
        wait_for(lambda process=process, before=before: run.saved != before or process.poll() is not None)
        time.sleep(choose.uniform(0, 0.1))
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL, "it ended before it was killed"
        within += any(path.name.startswith(".") for path in run.checkpoints.iterdir())
        saved = store.load(run, "last")
        assert store.load(run, "best").state["step"] > 0
        print(f"kill {kill} of 100: last is step {saved.state['step']}; {within} within a write")
    assert within > 20
    done(here, "fit", "small.yaml", "--resume", "auto", *settings, "name=killed")
    assert_same_run(run, Run(here / "runs/whole-001"))
    assert not [path for path in run.checkpoints.iterdir() if path.name.startswith(".")]


def test_a_run_that_was_killed_goes_on_and_ends_as_one_that_never_was(here):
    settings = ("checkpoint.every_steps=7",)
    run = Run(here / "runs/killed-001")
    process = start(here, "fit", "small.yaml", *settings, "name=killed", "train.epochs=100000")
    wait_for(lambda: len(rows(run)) > 1 if run.metrics.exists() else process.poll() is not None)
    process.kill()
    process.communicate()
    assert run.read_summary()["status"] == "running"
    epochs = f"train.epochs={store.load(run, 'last').state['epoch'] + 2}"
    said = done(here, "fit", "--resume", "killed", epochs)
    assert "resuming after step" in said
    done(here, "fit", "small.yaml", *settings, "name=whole", epochs)
    one, other = (store.load(run, "last").arrays for run in (run, Run(here / "runs/whole-001")))
    assert all(np.array_equal(one[key], other[key]) for key in one)
    assert rows(run) == rows(Run(here / "runs/whole-001"))


ENDLESS_STEP = """
    import sys, time
    from pathlib import Path
    from dltrain.lazy import keras, tf
    from dltrain.registry import MODELS

    naps = {naps}

    def wait(values):
        with Path("naps").open("a") as file:
            file.write("nap\\n")
        time.sleep(naps.pop(0))
        return values

    @MODELS.register("sleepy")
    class Sleepy:
        def build(self, data):
            class Nap(keras.layers.Layer):
                def call(self, inputs, training=False):
                    if not training:
                        return inputs
                    outputs = tf.stop_gradient(tf.numpy_function(wait, [inputs], tf.float32))
                    outputs.set_shape(inputs.shape)
                    return inputs + 0.0 * outputs
            inputs = data.inputs()
            x = Nap()(keras.layers.Flatten()(inputs))
            return keras.Model(inputs, keras.layers.Dense(len(data.target.class_names))(x))

    from dltrain.__main__ import main
    sys.argv[0] = "dltrain"
    main()
"""


def started_sleepy(here, *naps):
    """Starts a run whose steps last that many seconds, and returns when it is in the last of them."""
    script = textwrap.dedent(ENDLESS_STEP).format(naps=list(naps))
    process = start(here, "fit", "small.yaml", "model={name: sleepy}", command=(sys.executable, "-c", script))
    log = here / "naps"
    wait_for(lambda: process.poll() is not None or (log.exists() and log.read_text().count("nap") == len(naps)))
    assert process.poll() is None, process.communicate()[1]
    return process


def test_sigterm_in_a_step_that_never_ends_saves_the_state_before_it(here):
    process, run = started_sleepy(here, 4, 10_000), Run(here / "runs/small-001")
    process.terminate()
    _, said = process.communicate(timeout=60)
    assert process.returncode == 143, said
    assert store.load(run, "last").state["step"] == 1
    assert "resume with: dltrain fit --resume" in said
    assert run.read_summary()["status"] == "interrupted"


def test_ctrl_c_twice_quits_at_once_even_in_a_step_that_never_ends(here):
    process = started_sleepy(here, 10_000)
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "before there was anything to save" in said


def limited(bytes_per_file):
    import resource

    def limit():
        signal.signal(signal.SIGINT, signal.default_int_handler)
        resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_per_file, bytes_per_file))

    return limit


def test_a_checkpoint_that_grows_beyond_what_may_be_written_leaves_the_one_before_it(here):
    """The system's limit on a file's size, which stands for a full disk where none can be made."""
    done(here, "fit", "small.yaml", "train.epochs=1", "-q")
    run = Run(here / "runs/small-001")
    before = store.load(run, "last").state["step"]
    size = run.last_checkpoint.stat().st_size
    said = done(here, "fit", "--resume", "train.epochs=3", code=1, preexec_fn=limited(size - 1000))
    assert "cannot be written: File too large; the previous checkpoint is intact" in said
    assert store.load(run, "last").state["step"] == before
    assert run.read_summary()["status"] == "failed"
    assert not [path for path in run.checkpoints.iterdir() if path.name.startswith(".")]
    done(here, "fit", "--resume", "train.epochs=3")


def can_mount():
    """Whether this user may make a file system of a fixed size, in a namespace of its own."""
    words = ["unshare", "-rm", "sh", "-c", "mount -t tmpfs -o size=1m none /mnt"]
    return shutil.which("unshare") is not None and subprocess.run(words, capture_output=True).returncode == 0


@pytest.mark.skipif(not can_mount(), reason="needs unshare with a file system of its own")
@pytest.mark.parametrize("what", ["checkpoints", "metrics.csv", "log.txt"])
def test_a_full_disk_is_said_and_the_last_good_checkpoint_stands(here, what):
    """Fills a real file system while a run writes to it, until no byte is left; then makes room and goes on."""
    script = f"""
        set -e
        mount -t tmpfs -o size=8m none runs
        {sys.executable} -m dltrain fit small.yaml train.epochs=100000 checkpoint.every_epochs={{every}} > out 2>&1 &
        until [ -e runs/small-001/metrics.csv ] && [ -e runs/small-001/checkpoints/last.npz ]; do sleep 0.05; done
        {{fill}}
        code=0; wait $! || code=$?
        echo $code > code
        cp runs/small-001/checkpoints/last.npz last.npz
        rm -f runs/filler
        step=$({sys.executable} -c "
        from pathlib import Path; from dltrain.runs.folder import Run; from dltrain.checkpoints.store import latest
        print(latest(Run(Path('runs/small-001')))[0].state['epoch'] + 2)")
        {sys.executable} -m dltrain fit --resume small train.epochs=$step > out2 2>&1
        cat runs/small-001/metrics.csv > metrics.csv
    """
    (here / "runs").mkdir()
    fill = "cat /dev/zero > runs/filler 2> /dev/null || true"
    every = 1 if what == "checkpoints" else 1_000_000
    words = "\n".join(line.strip() for line in script.format(fill=fill, every=every).strip().splitlines())
    if what == "log.txt":
        words = words.replace("train.epochs=100000", "train.epochs=100000 -q")
    finished = subprocess.run(
        ["unshare", "-rm", "sh", "-c", words], cwd=here, capture_output=True, text=True, timeout=300
    )
    assert finished.returncode == 0, finished.stderr + (here / "out").read_text()
    assert (here / "code").read_text().strip() == "1"
    said = (here / "out").read_text()
    assert "No space left on device" in said
    assert "is intact" in said
    assert "Traceback" not in said
    with (here / "metrics.csv").open() as file:
        epochs = [int(row["epoch"]) for row in csv.DictReader(file)]
    assert epochs == list(range(1, len(epochs) + 1))


def test_a_folder_that_cannot_be_written_to_is_said_before_training(here):
    message = done(here, "fit", "small.yaml", "--runs", "/proc/runs", code=2)
    assert "/proc/runs: cannot make a run folder there" in message


def test_a_run_whose_folder_is_deleted_says_so(here):
    run = Run(here / "runs/small-001")
    process = start(here, "fit", "small.yaml", "train.epochs=100000")
    wait_for(lambda: run.saved or process.poll() is not None)
    while run.path.exists():
        shutil.rmtree(run.path, ignore_errors=True)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1, said
    assert "was deleted or moved while the run was writing to it" in said
    assert "Traceback" not in said


def test_two_processes_that_start_at_once_get_two_folders(here):
    processes = [start(here, "fit", "small.yaml", "train.epochs=1", "-q", "--json") for _ in range(2)]
    found = {json.loads(process.communicate(timeout=120)[0])["run"] for process in processes}
    assert found == {"runs/small-001", "runs/small-002"}


def test_a_run_in_use_is_refused_and_its_lock_dies_with_its_owner(here):
    run = Run(here / "runs/small-001")
    process = start(here, "fit", "small.yaml", "train.epochs=100000")
    wait_for(lambda: run.saved or process.poll() is not None)
    assert f"is in use by process {process.pid}" in done(here, "fit", "--resume", "small", code=2)
    assert "is in use" in done(here, "fit", "small.yaml", "--resume", "auto", "train.epochs=100000", code=2)
    assert process.poll() is None
    process.kill()
    process.communicate()
    epochs = store.load(run, "last").state["epoch"] + 1
    assert "resuming" in done(here, "fit", "--resume", "small", f"train.epochs={epochs}")


def flipped(content):
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """A folder with a whole run and one that ends before the last epoch."""
    here = tmp_path_factory.mktemp("runs")
    (here / "small.yaml").write_text(CONFIG)
    done(here, "fit", "small.yaml", "-q", "name=whole")
    done(here, "fit", "small.yaml", "-q", "name=cut", "train.epochs=3")
    return here


@pytest.mark.parametrize("damage", [lambda content: content[: len(content) // 2], flipped, lambda content: b""])
def test_a_damaged_checkpoint_gives_way_to_the_one_before_it(stopped, tmp_path, damage):
    shutil.copytree(stopped / "runs", tmp_path / "runs")
    run = Run(tmp_path / "runs/cut-001")
    damaged = damage(run.last_checkpoint.read_bytes())
    newest = max(run.checkpoints.glob("step-*"))
    for path in [*run.checkpoints.iterdir()]:
        if path.read_bytes() == newest.read_bytes() and path != newest:
            path.write_bytes(damaged)
    newest.write_bytes(damaged)
    said = done(tmp_path, "fit", "--resume", "cut", "train.epochs=4")
    assert "last.npz: is damaged" in said
    assert "resuming after step 40" in said
    assert newest.with_suffix(".damaged").exists()
    assert_same_run(run, Run(tmp_path / "runs/whole-001"))


def files(run):
    return [path for path in run.path.rglob("*") if path.is_file() and path != run.lock]


def test_without_any_good_checkpoint_nothing_is_changed(stopped, tmp_path):
    shutil.copytree(stopped / "runs", tmp_path / "runs")
    run = Run(tmp_path / "runs/cut-001")
    for path in run.checkpoints.iterdir():
        path.write_bytes(flipped(path.read_bytes()))
    before = {path: path.read_bytes() for path in files(run)}
    said = done(tmp_path, "fit", "--resume", "cut", "train.epochs=4", code=2)
    assert "none of its checkpoints can be used" in said
    assert {path: path.read_bytes() for path in files(run)} == before


def test_a_run_folder_with_links_is_refused(stopped, tmp_path):
    shutil.copytree(stopped / "runs", tmp_path / "runs")
    run, victim = Run(tmp_path / "runs/cut-001"), tmp_path / "victim"
    victim.write_text("precious")
    (run.path / "profile").mkdir()
    (run.path / "profile/plugins").symlink_to(tmp_path)
    assert "plugins: is a symbolic link" in done(tmp_path, "fit", "--resume", "cut", "train.epochs=4", code=2)
    (run.path / "profile/plugins").unlink()
    run.log.unlink()
    run.log.symlink_to(victim)
    assert "is a symbolic link" in done(tmp_path, "fit", "--resume", "cut", "train.epochs=4", code=2)
    assert victim.read_text() == "precious"
