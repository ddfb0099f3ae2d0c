"""Several devices and several workers: real processes on 127.0.0.1, held against one that does it alone."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest

from dltrain.distributed.cluster import Cluster
from dltrain.distributed.workers import Workers, misfit
from dltrain.errors import DataError, TrainingError
from dltrain.lazy import tf

# Smooth all through: where a ReLU or a maximum decides, the last bit of a sum may.
CONFIG = """\
seed: 3
device: cpu
dataset: {name: digits, validation_fraction: 0.1}
model:
  name: cnn
  stages:
    - {filters: 8, activation: tanh, batch_normalization: before, pool: average}
    - {filters: 8, activation: tanh, batch_normalization: after}
optimizer: {name: sgd, learning_rate: 0.05, momentum: 0.9, l2: 1e-4, global_clipnorm: 1}
train: {epochs: 1, batch_size: 64}
report: false
"""
COMMAND = [sys.executable, "-m", "dltrain"]


@pytest.fixture
def here(tmp_path):
    (tmp_path / "net.yaml").write_text(CONFIG)
    return tmp_path


def start(here, *words):
    """Starts dltrain in its own process, which Ctrl-C reaches."""
    return subprocess.Popen(
        [*COMMAND, *words], cwd=here, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler), start_new_session=True,
    )  # fmt: skip


def ended(process, code=0):
    out, said = process.communicate(timeout=300)
    assert process.returncode == code, said
    assert "Traceback" not in said
    return out + said


def fit(here, name, *words, code=0):
    return ended(start(here, "fit", "net.yaml", f"name={name}", *words), code)


def launch(here, count, name, *words, code=0):
    return ended(start(here, "launch", "-n", str(count), "net.yaml", f"name={name}", *words), code)


def free_places(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    places = [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    for each in sockets:
        each.close()
    return places


def state(here, name):
    return np.load(here / "runs" / f"{name}-001" / "checkpoints" / "last.npz")


def rows(here, name):
    lines = (here / "runs" / f"{name}-001" / "metrics.csv").read_text().splitlines()
    return [re.sub(r"^(\d+,\d+),[^,]+", r"\1", line) for line in lines[1:]]  # without seconds


def assert_same(here, one, other, most):
    first, second = state(here, one), state(here, other)
    for name in first.files:
        if name.startswith(("model/", "optimizer/")):
            np.testing.assert_allclose(first[name], second[name], rtol=0, atol=most, err_msg=f"{other}: {name}")


def worker_of(launched, which):
    """Returns the process of a launched worker, by its rank."""
    found = subprocess.run(["pgrep", "-P", str(launched.pid)], capture_output=True, text=True)
    return sorted(map(int, found.stdout.split()))[which]


def wait_for(path, seconds=120):
    deadline = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} never came"
        time.sleep(0.01)


@pytest.fixture(scope="module")
def one_device(tmp_path_factory):
    """Returns a folder with a run of one device, called one."""
    folder = tmp_path_factory.mktemp("one")
    (folder / "net.yaml").write_text(CONFIG)
    fit(folder, "one")
    return folder


@pytest.mark.parametrize("count", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_workers_end_an_epoch_with_the_weights_of_one_device(one_device, count):
    launch(one_device, count, f"workers{count}")
    ended_alike(one_device, f"workers{count}")


def test_two_devices_end_an_epoch_with_the_weights_of_one(one_device):
    fit(one_device, "devices", "device=[cpu:0,cpu:1]")
    ended_alike(one_device, "devices")


def ended_alike(here, other):
    assert_same(here, "one", other, 1e-5)
    measured = [json.loads((here / "runs" / f"{name}-001" / "summary.json").read_text()) for name in ("one", other)]
    for part in ("validation", "test"):  # 143 and 359 examples: each counts, the last few of a batch too
        assert measured[1][part] == pytest.approx(measured[0][part], rel=1e-4)
    assert not list((here / "runs").glob(f"{other}-002"))  # nobody but the chief wrote there


def test_batches_of_several_micro_batches_are_those_of_one_device(here):
    words = ("train.batch_size=32", "train.accumulate_steps=2")
    fit(here, "one", *words)
    fit(here, "devices", "device=[cpu:0,cpu:1]", *words)
    assert_same(here, "one", "devices", 1e-5)


LONGER = ("train.epochs=6", "checkpoint.every_steps=7")


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    """Returns a folder with a run of two workers that nothing happened to, called whole."""
    folder = tmp_path_factory.mktemp("unbroken")
    (folder / "net.yaml").write_text(CONFIG)
    launch(folder, 2, "whole", *LONGER)
    return folder


@pytest.mark.parametrize("which", [0, 1], ids=["the chief", "another"])
def test_after_a_worker_was_killed_the_others_end_and_the_same_command_ends_as_if_nothing_had_been(unbroken, which):
    here, name = unbroken, f"cut{which}"
    cut = start(here, "launch", "-n", "2", "net.yaml", f"name={name}", *LONGER)
    wait_for(here / "runs" / f"{name}-001" / "checkpoints" / "step-00000028.npz")
    os.kill(worker_of(cut, which), signal.SIGKILL)
    began = time.monotonic()
    said = ended(cut, code=1)
    assert time.monotonic() - began < 60
    assert ("the chief (127.0.0.1:" if which == 0 else "worker 1 (127.0.0.1:") in said
    assert "is gone" in said
    assert "--resume auto" in said
    assert "resuming after step" in launch(here, 2, name, *LONGER, "--resume", "auto")
    assert_same(here, "whole", name, 0)
    assert rows(here, "whole") == rows(here, name)


@pytest.mark.slow
@pytest.mark.parametrize("which", [0, 1], ids=["the chief", "another"])
def test_a_worker_that_is_stopped_ends_all_in_words_and_is_killed(here, which):
    process = start(here, "launch", "-n", "2", "net.yaml", "name=still", "train.epochs=500")
    wait_for(here / "runs" / "still-001" / "checkpoints" / "last.npz")
    os.kill(worker_of(process, which), signal.SIGSTOP)
    said = ended(process, code=1)
    name = "worker 1" if which else "the chief"
    assert re.search(rf"{name} \(127.0.0.1:\d+\) (does not answer any more|is silent for 40 s); to resume", said)
    assert f"{name} did not end when asked to, and was killed" in said


class Watching:
    """Peers that hear nothing of a loss."""

    cluster = None


@pytest.fixture
def workers(monkeypatch, tensorflow):
    monkeypatch.setattr("dltrain.distributed.workers.LOST_SECONDS", 0.1)

    def workers(count):
        found = Workers(Cluster(tuple(f"10.0.0.{place}:1" for place in range(count)), 0, "test", 1.0))
        found._peers = Watching()
        return found

    return workers


UNHEALTHY = (
    "Collective ops is aborted by: Error reported from /job:worker/task:1: The following tasks are unhealthy (stopped "
    "sending heartbeats):\n/job:worker/replica:0/task:1\nThe tasks have crashed."
)


@pytest.mark.parametrize(
    ("kind", "words", "count", "told"),
    [
        ("UnavailableError", UNHEALTHY, 4, "worker 1 (10.0.0.1:1) does not answer any more; to resume"),
        ("InternalError", UNHEALTHY, 4, "worker 1 (10.0.0.1:1) does not answer any more; to resume"),
        ("UnavailableError", "Socket closed", 2, "worker 1 (10.0.0.1:1) does not answer any more; to resume"),
        ("AbortedError", "Socket closed", 3, "another worker does not answer any more; to resume"),
        ("DeadlineExceededError", "", 3, "another worker does not answer any more; to resume"),
        ("CancelledError", "/job:worker/task:99", 3, "another worker does not answer any more; to resume"),
    ],
)
def test_what_tensorflow_says_of_a_worker_that_does_not_answer_is_translated(workers, kind, words, count, told):
    found = workers(count).translated(getattr(tf.errors, kind)(None, None, words))
    assert isinstance(found, TrainingError) and str(found).startswith(told)


def test_once_a_loss_is_heard_of_every_failure_is_its_and_none_other_is_hidden(workers):
    team, fault = workers(2), ZeroDivisionError()
    own = tf.errors.InvalidArgumentError(None, None, "shapes")
    assert team.translated(fault) is fault and team.translated(own) is own
    team.lost = "worker 1 (10.0.0.1:1) is gone"
    for error in (fault, own, RuntimeError("Timeout waiting for the cluster")):
        assert str(team.translated(error)).startswith("worker 1 (10.0.0.1:1) is gone; to resume")
    for error in (KeyboardInterrupt(), DataError("x")):
        assert team.translated(error) is error


def test_a_signal_to_one_worker_stops_all_with_the_state_saved(here):
    process = start(here, "launch", "-n", "2", "net.yaml", "name=asked", "train.epochs=500")
    wait_for(here / "runs" / "asked-001" / "checkpoints" / "last.npz")
    os.kill(worker_of(process, 1), signal.SIGTERM)
    said = ended(process, code=143)
    step = re.search(r"stopped after step (\d+), everything is saved", said)[1]
    # With another length, which both have to know of.
    more = launch(here, 2, "asked", f"train.epochs={int(step) // 20 + 2}", "--resume", "auto")
    assert f"resuming after step {step}" in more


def test_ctrl_c_in_the_terminal_of_launch_stops_all_with_the_state_saved(here):
    process = start(here, "launch", "-n", "2", "net.yaml", "name=cut", "train.epochs=500")
    wait_for(here / "runs" / "cut-001" / "checkpoints" / "last.npz")
    os.killpg(process.pid, signal.SIGINT)
    assert re.search(r"stopped after step \d+, everything is saved", ended(process, code=130))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["net.yaml", "nam=x"], "unknown key 'nam'"),
        (["net.yaml", "--seeds", "2"], "use --seeds with dltrain fit"),
        (["net.yaml", "--rank=1"], "launch sets the --rank of each worker"),
        ([], "needs a CONFIG"),
    ],
)
def test_what_is_wrong_with_a_launch_is_said_once(here, words, message):
    assert ended(start(here, "launch", "-n", "2", *words), code=2).count(message) == 1


def test_workers_that_go_on_go_back_to_the_same_checkpoint_and_do_not_wait_for_a_chief_that_refuses(here):
    words = ("model={name: mlp, units: [8]}", "checkpoint.every_steps=7", "train.max_restores=2")
    launch(here, 2, "back", *words)
    words = ("model={name: mlp, units: [8]}", "train.epochs=3", "train.on_nan=restore", "train.max_restores=2")
    words = (*words, "optimizer.learning_rate=1e30", "optimizer.global_clipnorm=none", "--resume", "auto")
    assert "add --force" in launch(here, 2, "back", *words, code=2)
    said = launch(here, 2, "back", *words, "--force", code=1)
    for worker in ("", "[worker 1] "):  # first the end of the epoch, then what is before it
        for restore, step in enumerate((20, 14), 1):
            assert re.search(
                rf"^{re.escape(worker)}warning: .*returned to the state after step {step},.* {restore} of 2", said, re.M
            )


def test_workers_that_are_to_do_different_things_do_nothing(here):
    places = free_places(2)
    words = ("fit", "net.yaml", f"cluster.workers=[{','.join(places)}]")
    both = [start(here, *words, "--rank", "0"), start(here, *words, "--rank", "1", "optimizer.learning_rate=0.2")]
    for process in both:
        assert f"worker 1 ({places[1]}): has optimizer.learning_rate: 0.2, the chief has 0.05" in ended(process, 2)
    assert not (here / "runs").exists()


def test_workers_with_other_data_do_nothing(here):
    for rank, values in enumerate(("0.5", "0.6")):
        lines = [f"{values}{index},{index % 2}" for index in range(40)]
        (here / f"data{rank}.csv").write_text("\n".join(["x,label", *lines, ""]))
        (here / f"table{rank}.yaml").write_text(
            f"dataset: {{name: csv, path: data{rank}.csv, target: label}}\nmodel: {{name: mlp, units: [4]}}\n"
            "device: cpu\noptimizer: {name: sgd, learning_rate: 0.1}\ntrain: {epochs: 1, batch_size: 8}\n"
        )
    places = ",".join(free_places(2))
    both = [
        start(here, "fit", f"table{rank}.yaml", f"cluster.workers=[{places}]", "--rank", str(rank)) for rank in (0, 1)
    ]
    for process in both:
        assert "worker 1 (127.0.0.1:" in (said := ended(process, 2))
        assert "has other data than the chief" in said
    assert not (here / "runs").exists()


def test_a_machine_that_never_comes_is_named(here):
    places = free_places(2)
    said = fit(here, "late", f"cluster={{workers: [{','.join(places)}], wait_minutes: 0.02}}", "--rank", "0", code=2)
    assert f"worker 1 ({places[1]})" in said
    assert not (here / "runs").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["cluster.workers=[a:1,b:2]"], "type --rank N"),
        (["cluster.workers=[a:1,b:2]", "--rank", "2"], "0 to 1"),
        (["--rank", "1"], "cluster.workers"),
        (["cluster.workers=[a:1,b:2]", "--rank", "0", "--seeds", "2"], "--rank"),
        (
            ["device=[cpu:0,cpu:1,cpu:2]"],
            "batch_size must be divisible by the number of devices, 3, got 64; try 63",
        ),
        (["device=[cpu:0,gpu:1]"], "device must be"),
        (["device=[cpu:0,cpu:1]", "cluster.workers=[a:1,b:2]"], "device must not split one CPU into several devices"),
    ],
)
def test_what_cannot_be_shared_is_refused(here, words, message):
    said = ended(start(here, "fit", "net.yaml", *words), code=2)
    assert message in " ".join(said.split())


def test_what_keeps_workers_apart_is_said_and_places_on_a_machine_do_not():
    chief = {"dltrain": "1", "device": "1 CPU", "config": {"train.epochs": 3, "dataset.path": "/data/a.csv"}}
    same = {**chief, "config": {"train.epochs": 3, "dataset.path": "/home/me/a.csv"}}
    assert misfit(chief, same) is None
    words = misfit(chief, {**same, "dltrain": "2", "config": {"train.epochs": 4, "dataset.path": "/data/a.csv"}})
    assert words == "has dltrain 2, the chief has 1; train.epochs: 4, the chief has 3"


def test_a_key_that_only_one_has_keeps_workers_apart_whatever_its_value():
    chief = {"dltrain": "1", "config": {"train.epochs": 3, "seed": None}}
    assert misfit(chief, {**chief, "other": None}) == "has another description than the chief: other"
    assert misfit(chief, {**chief, "config": {**chief["config"], "x": None}}) == "has x: None, the chief has None"
    assert misfit(chief, {**chief, "config": {"train.epochs": 3}}) == "has seed: None, the chief has None"


def test_fewer_leftover_examples_than_devices_spoil_nothing_as_they_do_in_keras():
    script = """
        import numpy as np
        from dltrain.importing import import_tensorflow
        import_tensorflow()
        import keras, tensorflow as tf
        from dltrain.data import Split
        from dltrain.layers.fusion import synchronise
        from dltrain.engine.compiled_loop import Engine
        from dltrain.engine.feeds import ResidentFeed
        from dltrain.engine.order import Order
        from dltrain.engine.preparation import Preparation

        tf.config.set_logical_device_configuration(
            tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
        )
        random = np.random.RandomState(0)
        split = Split(random.rand(9, 4).astype(np.float32), random.randint(0, 3, 9).astype(np.int32))

        def model():
            keras.utils.set_random_seed(1)
            layers = [keras.Input((4,)), keras.layers.BatchNormalization(), keras.layers.Dense(3)]
            made = keras.Sequential(layers)
            made.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
            return made

        mirrored = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
        with mirrored.scope():
            kerass = model()
            ours = model()
            synchronise(ours)
        kerass.fit(split.inputs, split.targets, batch_size=8, verbose=0, shuffle=False)  # 4 and 4, then 1 and none
        print("Keras", all(np.isfinite(np.array(weight)).all() for weight in kerass.weights))
        seen = []
        for strategy, each, replicas in ((mirrored, ours, 2), (tf.distribute.get_strategy(), model(), 1)):
            engine = Engine(each, strategy)
            feed = ResidentFeed(split, Order(9, 8, replicas, seed=1), Preparation())
            engine.build(ResidentFeed(split, Order(9, 8, replicas), Preparation()))
            assert engine.train(feed, 0, 3) == (3, True)
            result = engine.evaluate(ResidentFeed(split, Order(9, 8, replicas), Preparation()))
            seen.append([*result.values(), *(np.array(weight).ravel() for weight in each.weights)])
        print("dltrain", all(np.allclose(a, b, atol=1e-5) for a, b in zip(*seen)))
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.splitlines() == ["Keras False", "dltrain True"]
