"""The network that an experiment describes: built, initialised, compiled on its devices."""

import math
from pathlib import Path
from typing import Any

from dltrain.assembly.freezing import freeze, freeze_for
from dltrain.assembly.layer_rates import weight_shares
from dltrain.assembly.pretrained import load_pretrained
from dltrain.assembly.views import of_views
from dltrain.checkpoints.store import Checkpoint, restore_network
from dltrain.checkpoints.training_state import TrainingState
from dltrain.config.blocks import Stage
from dltrain.config.experiment import Config
from dltrain.data import DataSpec
from dltrain.engine.compiled_loop import Engine
from dltrain.engine.device import Devices
from dltrain.errors import ConfigError
from dltrain.lazy import keras


def assemble(
    config: Config,
    spec: DataSpec,
    devices: Devices,
    learning_rate: Any,
    fresh: bool = False,
    stage: Stage | None = None,
) -> Engine:
    """Builds and compiles the network that the experiment describes, on its devices, from its seed.

    Args:
        config: the experiment.
        spec: the description of the data, statistics included.
        devices: the devices to build it on.
        learning_rate: a number or a Keras schedule.
        fresh: whether training starts here, and the network gets its initial weights.
        stage: the stage that it is trained in; none to train all layers that are not frozen.

    Raises:
        ConfigError: if the network cannot be built or initialised, or its output does not have the size that the data
            need.
        UserError: if the initial weights cannot be used.
    """
    from dltrain.layers.fusion import fuse, synchronise

    experiment = config.experiment
    keras.utils.set_random_seed(experiment.seed)
    with devices.strategy.scope():
        model = config.build_model(spec)
        _check_outputs(model.output, experiment.task.output_shape(spec), experiment.model.registered_name)
        if not model.trainable_weights:
            raise ConfigError(
                [f"model.name {experiment.model.registered_name} has no weights to train: create its layers "
                 "in __init__, not in call"]
            )  # fmt: skip
        with config.blame("model"):
            if fresh:
                _initialize(experiment.model, model, spec)
            freeze(model, experiment.model.freeze)
        if stage is not None:
            freeze_for(model, stage)
        if devices.replicas > 1:
            synchronise(model)
        fuse(model)
        decay = experiment.optimizer.layer_decay
        shares = {"shares": weight_shares(model, decay)} if decay else {}
        model.compile(
            optimizer=experiment.optimizer.build(learning_rate, **shares),
            loss=experiment.task.loss(spec),
            metrics=experiment.task.build_metrics(spec),
            jit_compile="auto" if devices.replicas == 1 else False,  # XLA knows nothing of other devices
        )
        evaluated = of_views(model, spec)
        if evaluated is not model:
            _compile(experiment.task, evaluated, spec)
    return Engine(model, devices.strategy, devices.workers, evaluated)


def measuring(config: Config, spec: DataSpec, model: Any, devices: Devices) -> Engine:
    """Returns an engine that measures a network with its present weights; not for training.

    Args:
        config: the experiment.
        spec: the description of the data.
        model: the network, not compiled.
        devices: what it was made on.
    """
    evaluated = of_views(model, spec)
    _compile(config.experiment.task, evaluated, spec)
    return Engine(model, devices.strategy, devices.workers, evaluated)


def _compile(task: Any, model: Any, spec: DataSpec) -> None:
    model.compile(loss=task.loss(spec), metrics=task.build_metrics(spec))


def restored(config: Config, saved: Checkpoint, devices: Devices) -> Engine:
    """Returns an engine to measure a run's network with the weights of a checkpoint; not for training.

    Raises:
        UserError: if the checkpoint is not of this network.
    """
    engine = assemble(config, TrainingState.of(saved).spec, devices, learning_rate=0.0)
    restore_network(saved, engine.model)
    return engine


def _check_outputs(output: Any, asked: Any, name: str) -> None:
    """Checks that a network ends in what its task needs.

    Args:
        output: the network's symbolic output; a dict by target where there are several.
        asked: the task's `output_shape`.
        name: the network's.

    Raises:
        ConfigError: if it ends in something else.
    """

    is_named = isinstance(asked, dict)
    wanted = asked if is_named else {0: asked}
    found = output if is_named and isinstance(output, dict) else dict(enumerate(keras.tree.flatten(output)))
    shapes = {key: tuple(each.shape[1:]) for key, each in found.items()}
    if asked is None or (
        shapes.keys() == wanted.keys()
        and all(each is None or tuple(each) == shapes[key] for key, each in wanted.items())
    ):
        return

    def listed(words: dict[Any, str]) -> str:
        return " and ".join(f"{each} for {key}" if isinstance(key, str) else each for key, each in words.items())

    def needs(shape: Any) -> str:
        return "any" if shape is None else str(list(shape) if None in shape else math.prod(shape))

    returned = listed({key: str(list(shape)) for key, shape in shapes.items()}) or "no"
    needed = listed({key: needs(shape) for key, shape in wanted.items()})
    end = "data.head(x), a dict by target" if is_named else "data.head(x), or in Dense(num_classes)"
    raise ConfigError(
        [f"model.name {name} returns {returned} numbers for an example, the data need {needed}: it must end in {end}"]
    )


def _initialize(block: Any, model: Any, spec: DataSpec) -> None:
    """Gives a network its initial weights, by its own `initialize` where `weights` is no path, or one that it reads."""
    if isinstance(block.weights, Path) and not block.reads(block.weights):
        load_pretrained(block.weights, model, spec, may_lack=block.may_lack)
    elif block.weights is not None:
        block.initialize(model, spec)
