"""The stages of a run: when each begins, what it trains, and whether the network can take its images."""

import math
from dataclasses import dataclass
from typing import Any

from dltrain.assembly.freezing import freeze, kept_in
from dltrain.assembly.progressive_resizing import seen, size_of
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
        name: in words, "" where a run has no stages.
    """

    settings: Stage
    first_step: int
    name: str


def spans(experiment: Experiment, plan: Plan) -> tuple[Span, ...]:
    """Returns the stages of a run; one that is all of it where it has none."""
    stages = experiment.stages
    if not stages:
        return (Span(Stage(), 0, ""),)
    return tuple(
        Span(stage, experiment.epochs_before(index) * plan.steps_per_epoch, f"stage {index + 1}/{len(stages)}")
        for index, stage in enumerate(stages)
    )


def number_at(spans: tuple[Span, ...], step: int) -> int:
    """Returns in which stage the step after `step` others is done."""
    return max(index for index, span in enumerate(spans) if span.first_step <= step)


def require(config: Config, spec: DataSpec) -> int:
    """Makes sure that all stages can be done, before the first begins.

    Returns:
        the weights that are trained in one stage or another.

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
                    "train_from", "must leave something to train: model.freeze names all that is behind it"
                )
            always_kept &= set(kept)
            _require_size(config, spec, stage, model)
    if problems:
        raise ConfigError(problems)
    lost = {id(weight) for name in always_kept for weight in named[name].weights}
    return sum(math.prod(weight.shape) for weight in model.trainable_weights if id(weight) not in lost)


def _require_size(config: Config, spec: DataSpec, stage: Stage, model: Any) -> None:
    """Raises KeyProblem if the network for a stage's images has other weights than the network."""
    smaller = seen(spec, stage)
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
                f"must be none: the network's weights depend on the size of the images, {full.path} is "
                f"{tuple(full.shape)}, at {sizes} {tuple(small.shape)}; with a global pooling they would not",
            )


def words(span: Span, model: Any, rate: float) -> str:
    """Returns what a stage does, in one line."""
    settings = span.settings
    trained = sum(math.prod(weight.shape) for weight in model.trainable_weights)
    said = [f"{trained:,} of {sum(math.prod(weight.shape) for weight in model.weights):,} weights are trained"]
    if settings.train_from is not None:
        first = next(name for name, layer in named_layers(model).items() if layer.trainable_weights)
        said[0] += f", from layer {first} on"
    if settings.freeze_batch_normalization:
        said.append("batch normalisation stays as it is")
    if settings.image_size is not None:
        said.append(f"images of {' x '.join(map(str, model.input_shape[1:3]))}")
    return f"{span.name}: {'; '.join(said)}; learning rate {rate:.4g}"
