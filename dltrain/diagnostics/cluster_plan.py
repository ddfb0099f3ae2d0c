"""An estimate of a run on a cluster, from a step of one replica that is measured on this machine."""

import dataclasses
import os
import time
from collections.abc import Mapping
from typing import Any

from dltrain.assembly.contract import check_contract, plan_for
from dltrain.assembly.data import start_and_load
from dltrain.assembly.out_of_memory import enough_memory
from dltrain.config.experiment import Config
from dltrain.console import Reporter
from dltrain.data import Splits
from dltrain.diagnostics import bench
from dltrain.distributed.cost_model import FLOAT, LOCAL_LINK, Ring, Seconds, Work, scaling
from dltrain.engine.device import Devices
from dltrain.engine.feeds import is_resident
from dltrain.errors import ConfigError
from dltrain.keras_internals import all_layers
from dltrain.lazy import keras
from dltrain.schedules import Plan
from dltrain.training import memory
from dltrain.training.learner import Learner

SLOW_SECONDS = 2.0
"""A step that probably takes longer is not measured, but estimated from smaller ones."""


def plan(config: Config, ring: Ring, reporter: Reporter, measures: bool = True) -> dict[str, Any]:
    """Estimates memory, step time and efficiency of a run on a cluster.

    Args:
        config: the experiment.
        ring: the cluster.
        reporter: for messages and progress.
        measures: whether to measure a step, on one device of this machine; otherwise there are no times.

    Returns:
        {"workers", "devices", "replicas", "global_batch", "batch_per_replica", "accumulate_steps", "steps",
        "steps_per_epoch", "learning_rate", "memory": {"weights", "slots", "gradients", "activations"},
        "all_reduced": {"bytes", "times", "gradients", "batch_normalization", "sent"}, "link_gigabits",
        "latency_microseconds", "device", "measured": [shares of a batch], "scaling": see there, "notes"}; memory in
        bytes per replica, beside its data; exchanged bytes per step of the optimizer, `sent` by each replica.

    Raises:
        UserError: if config, data or device cannot be used, or the batch cannot be shared.
        TrainingError: if memory runs out.
    """
    if config.experiment.train.batch_size == "auto":
        raise ConfigError(
            ["train.batch_size must be a number for a plan, got auto, which depends on the machine that "
             "trains; try train.batch_size=256"]
        )  # fmt: skip
    devices, splits = start_and_load(_here(config, measures), reporter)
    check_contract(config, splits)
    length = plan_for(config, splits, ring.replicas)
    train, size = config.experiment.train, config.experiment.train.examples_per_batch
    share = size // ring.replicas
    smaller = _sized(config, share, length)
    with enough_memory(smaller):
        learner = _replica(smaller, splits, devices, reporter, ring.replicas > 1)
        parts = memory.parts(learner)
        channels = tuple(layer.moving_mean.shape[0] for layer in _normalizations(learner.network.engine.model))
        work = Work(size, train.accumulate_steps, parts["gradients"], channels)
        if measures:
            reporter.say("measuring: steps of one replica")
            work = dataclasses.replace(work, measured=_measured(config, length, learner, ring))
    sizes = work.all_reduced()
    return {
        "workers": ring.workers,
        "devices": ring.devices,
        "replicas": ring.replicas,
        "global_batch": size,
        "batch_per_replica": share,
        "accumulate_steps": train.accumulate_steps,
        "steps": length.total_steps,
        "steps_per_epoch": length.steps_per_epoch,
        "learning_rate": learner.network.span.settings.learning_rate or config.experiment.optimizer.learning_rate,
        "memory": parts | ({"gradients": 2 * parts["gradients"]} if train.accumulate_steps > 1 else {}),
        "all_reduced": {
            "bytes": sum(sizes),
            "times": len(sizes),
            "gradients": work.gradients,
            "batch_normalization": sum(sizes) - work.gradients - FLOAT,
            "sent": round(sum(map(ring.sent, sizes))),
        },
        "link_gigabits": ring.gigabits,
        "latency_microseconds": ring.microseconds,
        "device": devices.label,
        "measured": sorted(work.measured),
        "scaling": scaling(work, ring) if measures else [],
        "notes": _notes(learner, ring, work.measured),
    }


def _here(config: Config, measures: bool) -> Config:
    """Returns the config for one device of this machine: the CPU where nothing is measured."""
    wanted = config.experiment.device
    one = wanted[:1] if isinstance(wanted, tuple) else "auto" if wanted == "all" else wanted
    return dataclasses.replace(
        config, experiment=dataclasses.replace(config.experiment, device=one if measures else "cpu")
    )


def _sized(config: Config, share: int, length: Plan) -> Config:
    """Returns the config of a replica that trains alone on its share of a batch, for as many epochs."""
    train = config.experiment.train
    if train.steps is not None:  # which are more where they are smaller, and a schedule counts in epochs
        train = dataclasses.replace(train, steps=None, epochs=-(-length.total_steps // length.steps_per_epoch))
    train = dataclasses.replace(train, batch_size=share, accumulate_steps=1)
    return dataclasses.replace(config, experiment=dataclasses.replace(config.experiment, train=train))


def _replica(config: Config, splits: Splits, devices: Devices, reporter: Reporter, has_others: bool) -> Learner:
    """Builds the network of one replica among several, in the last stage, which trains the most."""
    learner = Learner(config, splits, devices, reporter, stage=max(len(config.experiment.stages) - 1, 0))
    if has_others:
        from dltrain.layers.fusion import synchronise

        synchronise(learner.network.engine.model)
        learner.network.engine.model.jit_compile = False  # as `assemble` has it where there are several
    return learner


def _normalizations(model: Any) -> list[Any]:
    """Returns the layers of batch normalisation that take the statistics of their batch."""
    return [
        layer
        for layer in all_layers(model, include_self=False)
        if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable
    ]


def _measured(config: Config, length: Plan, learner: Learner, ring: Ring) -> dict[int, Seconds]:
    """Measures a replica on its share of the batch, on that of 2 workers and on that of one."""
    share = learner.experiment.train.examples_per_batch
    works = {share: _work(learner)}
    works[share](1)  # compiles
    once = bench.seconds_of(works[share], 1)
    size = config.experiment.train.examples_per_batch
    for workers in sorted({1, 2} & set(ring.smaller(size)) - {ring.workers}, reverse=True):
        fewer = ring.of(workers)
        larger = size // fewer.replicas
        if once * larger / share > SLOW_SECONDS:
            break
        larger_config = _sized(config, larger, length)
        works[larger] = _work(
            _replica(larger_config, learner.splits, learner.devices, learner.reporter, fewer.replicas > 1)
        )
    medians = bench.median_seconds(
        {str(each): work for each, work in works.items()}, rounds=None if once < SLOW_SECONDS / 4 else 3
    )
    found = {}
    for each, work in works.items():
        seconds = medians[str(each)]
        share_of_cores = _busy_share(work, seconds) if learner.devices.is_cpu else 1.0
        found[each] = Seconds(seconds, seconds * share_of_cores)
    return found


def _work(learner: Learner) -> bench.Work:
    return bench.steps_of(learner, learner.training_feed(bench.first_batches(learner)))


def _busy_share(work: bench.Work, seconds: float) -> float:
    """Returns which share of the machine's cores is busy during steps that take so long, at most 1."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    count, began = max(1, round(bench.ROUND_SECONDS / seconds)), time.process_time()
    passed = bench.seconds_of(work, count)
    return min((time.process_time() - began) / passed / cores, 1.0)


def _notes(learner: Learner, ring: Ring, measured: Mapping[int, Seconds]) -> list[str]:
    """Returns remarks on the estimate."""
    notes, stages, on_cpu = [], len(learner.experiment.stages), learner.devices.is_cpu
    if stages > 1:
        notes.append(f"this is the last of {stages} stages, which trains the most")
    if measured:
        shares = " and ".join(map(str, sorted(measured)))
        notes.append(f"measured with {shares} examples on one replica; other shares are interpolated")
    if measured and not is_resident(learner.splits.train):
        notes.append("reading the data is not included; dltrain bench measures it")
    if ring.devices > 1:
        notes.append("the exchange among the devices of one machine is estimated to take no time")
    if ring.workers > 1 and on_cpu and ring.gigabits > 2 * LOCAL_LINK:
        notes.append(
            f"TensorFlow's gRPC, through which CPUs exchange, did {LOCAL_LINK:g} Gbit/s between processes on two "
            "cores: a faster link may not be used in full"
        )
    return notes
