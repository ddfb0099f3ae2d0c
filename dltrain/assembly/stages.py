"""The stages of a run: when each starts, what it trains, and whether the network accepts its images."""

import math
from dataclasses import dataclass
from typing import Any

from dltrain.assembly.freezing import freeze, kept_in
from dltrain.assembly.progressive_resizing import size_of, stage_data
from dltrain.checkpoints.layer_names import named_layers
from dltrain.config.blocks import Stage
from dltrain.config.experiment import Config, Experiment
from dltrain.data import DataSpec
from dltrain.errors import ConfigError, KeyProblem, Problems, gathered
from dltrain.schedules import Plan


@dataclass(frozen=True)
class Span:
    """A stage and its place in the run.

    Args:
        settings: the stage.
        first_step: steps done before it.
        name: for messages, as "stage 1/3"; empty where a run has no stages.
    """

    settings: Stage
    first_step: int
    name: str


def spans(experiment: Experiment, plan: Plan) -> tuple[Span, ...]:
    """Returns the stages of a run, each with its first step; where it has none, one for the whole run."""
    stages = experiment.stages
    if not stages:
        return (Span(Stage(), 0, ""),)
    return tuple(
        Span(stage, experiment.epochs_before(index) * plan.steps_per_epoch, f"stage {index + 1}/{len(stages)}")
        for index, stage in enumerate(stages)
    )


def number_at(spans: tuple[Span, ...], step: int) -> int:
    """Returns the index of the stage of the step after `step` others."""
    return max(index for index, span in enumerate(spans) if span.first_step <= step)


def check(config: Config, spec: DataSpec) -> int:
    """Checks that all stages are possible, before the first starts.

    Returns:
        how many weights at least one stage trains.

    Raises:
        ConfigError: if a stage names no layer, or the network's weights depend on the size of its images.
    """
    model = config.build_model(spec)
    freeze(model, config.experiment.model.freeze)
    named = named_layers(model)
    always_kept = set(named)
    problems: Problems = []
    for index, stage in enumerate(config.experiment.stages):
        with gathered(problems), config.blame(f"stages[{index}]"):
            kept = kept_in(named, stage)
            if all(name in kept or not named[name].trainable_weights for name in named):
                raise KeyProblem(
                    "train_from", "must leave something to train: model.freeze names every layer from it on"
                )
            always_kept &= set(kept)
            _check_size(config, spec, stage, model)
    if problems:
        raise ConfigError(problems)
    lost = {id(weight) for name in always_kept for weight in named[name].weights}
    return sum(math.prod(weight.shape) for weight in model.trainable_weights if id(weight) not in lost)


def _check_size(config: Config, spec: DataSpec, stage: Stage, model: Any) -> None:
    """Raises KeyProblem if the network for a stage's images has other weights than the network."""
    smaller = stage_data(spec, stage)
    if smaller == spec:
        return
    sizes = " x ".join(map(str, size_of(stage)))
    try:
        weights = config.build_model(smaller).weights
    except (ConfigError, ValueError) as error:
        words = error.headline if isinstance(error, ConfigError) else str(error).splitlines()[0]
        raise KeyProblem("image_size", f"is too small for the network: {words}") from None
    for small, full in zip(weights, model.weights, strict=True):
        if small.shape != full.shape:
            raise KeyProblem(
                "image_size",
                f"must be none: the network's weights depend on the image size, {full.path} is "
                f"{tuple(full.shape)}, at {sizes} {tuple(small.shape)}; end the network with a global pooling",
            )


def words(span: Span, model: Any, rate: float) -> str:
    """Describes a stage in one line."""
    settings = span.settings
    trained = sum(math.prod(weight.shape) for weight in model.trainable_weights)
    said = [f"{trained:,} of {sum(math.prod(weight.shape) for weight in model.weights):,} weights are trained"]
    if settings.train_from is not None:
        first = next(name for name, layer in named_layers(model).items() if layer.trainable_weights)
        said[0] += f", from layer {first} on"
    if settings.freeze_batch_normalization:
        said.append("batch normalisation is frozen")
    if settings.image_size is not None:
        said.append(f"images of {' x '.join(map(str, size_of(settings)))}")
    return f"{span.name}: {'; '.join(said)}; learning rate {rate:.4g}"
