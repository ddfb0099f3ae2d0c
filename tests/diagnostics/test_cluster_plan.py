"""`dltrain plan`: what it reckons, what it refuses, and that its bytes are those of the network. Never a timing."""

import json

import pytest
from typer.testing import CliRunner

from dltrain.cli import app
from dltrain.config import experiment
from dltrain.console import Reporter
from dltrain.diagnostics import bench, cluster_plan
from dltrain.distributed.cost_model import Ring, Seconds, Work, scaling
from dltrain.errors import ConfigError

CNN = {"name": "cnn", "stages": [{"filters": n, "normalization": "batch"} for n in (4, 6)], "dense": []}


def test_a_ring_sends_its_bytes_and_pays_for_every_message():
    ring = Ring(4, gigabits=1.0, microseconds=100.0)
    assert ring.sent(1_000_000) == 1_500_000
    # 1.5 MB at 1 Gbit/s, and 6 messages of 0.1 ms
    assert ring.exchange([1_000_000]) == pytest.approx(0.012 + 0.0006)
    assert ring.exchange([1_000_000, 0]) == pytest.approx(0.012 + 0.0012)


@pytest.mark.parametrize("devices", [1, 4])
def test_one_worker_exchanges_nothing_over_the_link(devices):
    assert Ring(1, devices).exchange([10**9]) == 0


def test_all_devices_of_all_workers_are_in_the_ring():
    assert Ring(2, 4).sent(800) == 2 * 7 / 8 * 800


@pytest.mark.parametrize(
    ("workers", "devices", "batch_size", "compared"),
    [(1, 1, 64, [1]), (2, 1, 64, [1, 2]), (4, 2, 64, [1, 2, 4]), (6, 1, 66, [1, 2, 6]), (3, 1, 9, [1, 3])],
)
def test_compared_are_the_clusters_that_can_share_the_batch(workers, devices, batch_size, compared):
    assert Ring(workers, devices).smaller(batch_size) == compared


def test_batch_normalisation_exchanges_five_times_for_every_batch():
    assert Work(64, 2, 1000, (8, 16)).all_reduced() == [1000, 4, *2 * [*5 * [32], *5 * [64]]]


@pytest.mark.parametrize(
    ("measured", "share", "seconds"),
    [
        ({16: 2.0}, 16, 2.0),
        ({16: 2.0}, 32, 4.0),  # through nothing for none
        ({16: 2.0, 64: 3.0}, 32, 2.0 + 1 / 3),
        ({4: 1.0, 32: 2.0, 64: 9.0}, 18, 1.5),
    ],
)
def test_what_was_not_measured_is_on_the_line_through_what_was(measured, share, seconds):
    work = Work(share, 1, 0, measured={size: Seconds(each, 0.0) for size, each in measured.items()})
    assert work.compute(Ring(1)) == pytest.approx(seconds)


@pytest.mark.parametrize(("busy", "seconds"), [(1.0, 4.0), (0.5, 2.0), (0.1, 1.0)])
def test_workers_that_share_cores_wait_for_each_other(busy, seconds):
    work = Work(8, 1, 0, measured={2: Seconds(1.0, busy)})
    assert work.compute(Ring(4, shared=True)) == pytest.approx(seconds)
    assert work.compute(Ring(4)) == 1.0


def test_efficiency_is_beside_one_worker():
    work = Work(8, 1, 10**6, measured={8: Seconds(1.0, 1.0), 4: Seconds(0.5, 0.5)})
    one, two = scaling(work, Ring(2, gigabits=8e-3, microseconds=0.0))  # a second for 1 MB, which each sends
    assert one["efficiency"] == 1
    assert two["milliseconds"] == pytest.approx({"step": 1500, "compute": 500, "exchange": 1000}, rel=1e-4)
    assert two["examples_per_second"] == pytest.approx(8 / 1.5, rel=1e-4)
    assert two["efficiency"] == pytest.approx(1 / 3, rel=1e-4)


def test_accumulated_batches_are_computed_one_after_the_other_and_exchanged_once():
    one, four = (
        scaling(Work(8, batches, 1000, measured={4: Seconds(0.5, 0.5)}), Ring(2))[-1]["milliseconds"]
        for batches in (1, 4)
    )
    assert four["compute"] == pytest.approx(4 * one["compute"])
    assert four["exchange"] == pytest.approx(one["exchange"])


def config_for(tmp_path, model, *overrides):
    path = tmp_path / "plan.yaml"
    sizes = {"train_examples": 64, "validation_examples": 0, "test_examples": 0, "num_classes": 10}
    path.write_text(
        json.dumps(
            {
                "dataset": {"name": "synthetic", "shape": [8, 8, 3], **sizes},
                "model": model,
                "optimizer": {"name": "adam", "learning_rate": 0.01},
                "train": {"epochs": 3, "batch_size": 16},
            }
        )
    )
    return experiment.load(path, list(overrides))


def test_bytes_are_those_of_the_network(tensorflow, tmp_path):
    weights = 8 * 8 * 3 * 5 + 5 + 5 * 10 + 10
    config = config_for(tmp_path, {"name": "mlp", "units": [5]}, "train.accumulate_steps=2")
    found = cluster_plan.plan(config, Ring(2, 2), Reporter(quiet=True), measures=False)
    assert found["all_reduced"]["gradients"] == 4 * weights
    assert found["all_reduced"]["batch_normalization"] == 0
    assert found["memory"]["gradients"] == 2 * 4 * weights  # those of a batch, and their sum
    assert found["memory"]["slots"] == pytest.approx(2 * 4 * weights, abs=100)
    assert (found["global_batch"], found["batch_per_replica"], found["accumulate_steps"]) == (16, 4, 2)
    assert (found["steps"], found["steps_per_epoch"], found["learning_rate"]) == (6, 2, 0.01)
    assert found["scaling"] == []


@pytest.mark.parametrize(("overrides", "statistics"), [([], 5 * 4 * (4 + 6)), (["model.freeze=['*1*']"], 5 * 4 * 6)])
def test_frozen_layers_exchange_no_statistics(tensorflow, tmp_path, overrides, statistics):
    config = config_for(tmp_path, CNN, *overrides)
    found = cluster_plan.plan(config, Ring(2), Reporter(quiet=True), measures=False)
    assert found["all_reduced"]["batch_normalization"] == statistics


def test_a_step_is_measured_for_one_two_and_all_workers(tensorflow, tmp_path, monkeypatch):
    monkeypatch.setattr(bench, "ROUNDS", 2)
    monkeypatch.setattr(bench, "ROUND_SECONDS", 0.01)
    found = cluster_plan.plan(config_for(tmp_path, CNN), Ring(8), Reporter(quiet=True))
    assert found["measured"] == [2, 8, 16]
    assert [row["workers"] for row in found["scaling"]] == [1, 2, 4, 8]
    assert found["scaling"][0]["milliseconds"]["exchange"] == 0
    assert all(row["examples_per_second"] > 0 for row in found["scaling"])


def test_steps_that_would_take_long_are_not_measured(tensorflow, tmp_path, monkeypatch):
    monkeypatch.setattr(bench, "seconds_of", lambda work, count: 1.5 * count)
    found = cluster_plan.plan(config_for(tmp_path, CNN), Ring(4), Reporter(quiet=True))
    assert found["measured"] == [4]
    assert [row["milliseconds"]["compute"] for row in found["scaling"]] == pytest.approx([6000, 3000, 1500])


def test_a_batch_that_cannot_be_shared_is_refused_with_the_nearest(tensorflow, tmp_path):
    with pytest.raises(ConfigError, match="got 16; try 15"):
        cluster_plan.plan(config_for(tmp_path, CNN), Ring(3), Reporter(quiet=True), measures=False)


def test_a_warm_up_in_epochs_fits_a_run_of_steps_on_every_replica(tensorflow, tmp_path):
    length = ["train.epochs=none", "train.steps=9", "schedule={name: cosine, warmup_epochs: 2}"]  # 8 steps warm up
    found = cluster_plan.plan(config_for(tmp_path, CNN, *length), Ring(4), Reporter(quiet=True), measures=False)
    assert (found["steps"], found["steps_per_epoch"]) == (9, 4)


def test_what_fit_would_refuse_is_refused(tensorflow, tmp_path):
    config = config_for(tmp_path, CNN, "early_stopping={monitor: val_loss}")
    with pytest.raises(ConfigError, match="there are no validation data"):
        cluster_plan.plan(config, Ring(2), Reporter(quiet=True), measures=False)


def test_a_batch_as_large_as_fits_cannot_be_planned_with(tmp_path):
    with pytest.raises(ConfigError, match="must be a number for a plan, got auto"):
        cluster_plan.plan(config_for(tmp_path, CNN, "train.batch_size=auto"), Ring(2), Reporter(quiet=True))


def test_devices_of_other_machines_need_not_be_here(tensorflow, tmp_path):
    config_for(tmp_path, CNN, "device=[gpu:0, gpu:1]")
    words = ["plan", str(tmp_path / "plan.yaml"), "device=[gpu:0, gpu:1]", "--workers", "2", "--no-measure", "--json"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["replicas"] == 4


def test_the_command_says_it_in_a_table(tensorflow, tmp_path, monkeypatch):
    monkeypatch.setattr(bench, "ROUNDS", 2)
    monkeypatch.setattr(bench, "ROUND_SECONDS", 0.01)
    config_for(tmp_path, CNN)
    done = CliRunner().invoke(app, ["plan", str(tmp_path / "plan.yaml"), "--workers", "2", "--link", "25"])
    assert done.exit_code == 0, done.output
    assert "16 examples, 8 on each replica" in done.stdout
    assert "bytes / R / 25 Gbit/s + 400 us" in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--link", "0"], "--link must be a number of Gbit/s above 0, got 0"),
        (["--link", "nan"], "--link must be a number of Gbit/s above 0, got nan"),
        (["--latency", "-1"], "--latency must be a number of microseconds of at least 0, got -1"),
        (["a-run"], "needs a CONFIG"),
    ],
)
def test_what_makes_no_cluster_is_refused(tmp_path, words, said):
    config_for(tmp_path, CNN)
    config = [] if "a-run" in words else [str(tmp_path / "plan.yaml")]
    done = CliRunner().invoke(app, ["plan", *config, "--workers", "2", *words])
    assert done.exit_code == 2
    assert said in done.output
