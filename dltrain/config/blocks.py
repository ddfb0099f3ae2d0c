"""The blocks that every experiment has: length, stages, early stopping, checkpoints, a teacher."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from dltrain.errors import KeyProblem
from dltrain.fields import NonNegativeFloat, PositiveFloat, PositiveInt, Probability, Range

Precision = Literal["float32", "mixed_bfloat16", "mixed_float16"]


@dataclass(frozen=True, kw_only=True)
class Train:
    """How long to train, with which batch size and precision.

    Args:
        epochs: passes over the train part; give this or `steps`.
        steps: optimizer steps; give this or `epochs`.
        batch_size: examples per pass through the network, over all devices together; an epoch skips the examples that
            do not fill its last step. auto takes the largest size that fits into memory, and accumulates batches up to
            `effective_batch_size`.
        accumulate_steps: batches whose mean gradient makes one optimizer step, which then sees batch_size *
            accumulate_steps examples.
        effective_batch_size: with batch_size: auto, examples per optimizer step; none for 256, or for all examples if
            there are fewer.
        oversample: repeat the examples of rarer classes until an epoch has equally many of each class.
        normalize_weights: where the data have sample weights, divide them by their mean over the train part, so that
            the learning rate means the same whatever their scale; false to take them as they are.
        precision: float32; or mixed_bfloat16 or mixed_float16, which compute in 16 bits and keep the weights in 32.
        on_nan: what to do when the loss or a weight is not finite: stop; or restore, which returns to the last
            checkpoint and continues with half the learning rate.
        max_restores: how often `on_nan: restore` may return to a checkpoint.
    """

    epochs: PositiveInt | None = None
    steps: PositiveInt | None = None
    batch_size: PositiveInt | Literal["auto"] = 32
    accumulate_steps: PositiveInt = 1
    effective_batch_size: PositiveInt | None = None
    oversample: bool = False
    normalize_weights: bool = True
    precision: Precision = "float32"
    on_nan: Literal["stop", "restore"] = "stop"
    max_restores: PositiveInt = 3

    def __post_init__(self) -> None:
        if self.epochs is not None and self.steps is not None:
            raise KeyProblem(
                "steps", "must not be given together with epochs: set one of the two and leave the other none"
            )
        if self.epochs is None and self.steps is None:
            raise KeyProblem("epochs", "is missing: set epochs or steps to a whole number of at least 1")
        if self.batch_size == "auto" and self.accumulate_steps != 1:
            raise KeyProblem(
                "accumulate_steps",
                "must be left out with batch_size: auto, which chooses it; set effective_batch_size instead",
            )
        if self.batch_size != "auto" and self.effective_batch_size is not None:
            raise KeyProblem(
                "effective_batch_size", "needs batch_size: auto; otherwise it is batch_size * accumulate_steps"
            )

    @property
    def examples_per_batch(self) -> int:
        """`batch_size`, which is a number once training has started."""
        if self.batch_size == "auto":
            raise KeyProblem("batch_size", "must be a number here: auto is allowed only when a run starts")
        return self.batch_size

    @property
    def planned_examples_per_step(self) -> int | None:
        """Examples that one optimizer step will see; none where `batch_size: auto` decides it."""
        return self.effective_batch_size if self.batch_size == "auto" else self.examples_per_step

    @property
    def examples_per_step(self) -> int:
        """Examples that one optimizer step sees."""
        return self.examples_per_batch * self.accumulate_steps


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Worker processes that share each batch, usually on several machines; TF_CONFIG or SLURM may list them instead.

    Args:
        workers: "host:port" of each worker; the first is the chief, which writes the run folder. `fit --rank N` tells a
            process which worker it is, counted from 0.
        wait_minutes: minutes that the workers wait for each other at the start.
        key_file: a file with the key that the workers prove to have when they connect, the same on all machines, as
            `openssl rand -hex 32` makes it; none for the variable DLTRAIN_CLUSTER_KEY. Without either, whoever reaches
            the chief is taken for a worker.
    """

    workers: tuple[str, ...] | None = None
    wait_minutes: PositiveFloat = 10.0
    key_file: Path | None = None


@dataclass(frozen=True, kw_only=True)
class EarlyStopping:
    """Stops a run that no longer improves.

    Args:
        monitor: a column of metrics.csv; none for the column that the task monitors.
        patience: epochs without improvement after which the run stops.
        min_delta: a change smaller than this does not count as an improvement.
    """

    monitor: str | None = None
    patience: PositiveInt = 10
    min_delta: NonNegativeFloat = 0.0


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """When checkpoints are saved and how many are kept.

    Args:
        every_epochs: epochs between two checkpoints; the last epoch is always saved.
        every_steps: optimizer steps between two checkpoints within an epoch; none for no checkpoints by steps.
        every_minutes: minutes between two checkpoints within an epoch; none for no checkpoints by time.
        keep: newest checkpoints to keep, beside the best one; at least 2, so that one remains if the newest is damaged.
        monitor: a column of metrics.csv that decides which epoch is best; none for the column that the task monitors.
    """

    every_epochs: PositiveInt = 1
    every_steps: PositiveInt | None = None
    every_minutes: PositiveFloat | None = None
    keep: Annotated[int, Range(minimum=2)] = 2
    monitor: str | None = None


@dataclass(frozen=True, kw_only=True)
class Teacher:
    """A trained network whose class probabilities are learnt beside the labels; for tasks with one class per example.

    G. Hinton, O. Vinyals and J. Dean, "Distilling the knowledge in a neural network", 2015, section 2. The training
    loss is (1 - weight) * task loss + weight * temperature^2 * KL(teacher || network), both softened by the
    temperature; the validation loss is the task's.

    Args:
        run: a run on the same inputs and classes: its folder, its name, or the stem of its name. Its best weights are
            used, on the same augmented batches.
        temperature: what the logits of both networks are divided by; the paper uses 1 to 20.
        weight: the teacher's share of the loss.
    """

    run: Path
    temperature: PositiveFloat = 2.0
    weight: Probability = 0.5


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A part of the run with its own trained layers, learning rate and image size.

    Each stage starts with a fresh optimizer (averages of weights are kept); the schedule spans the whole run.

    Args:
        epochs: length of the stage; none for the last stage, and only for it: it lasts until `train.epochs`.
        train_from: the first layer that is trained, by name, with `*` as in file names; the layers before it keep their
            weights. head is the last layer; none trains all layers. Layers that `model.freeze` names always keep their
            weights.
        freeze_batch_normalization: batch normalisation keeps its weights and uses its moving statistics.
        learning_rate: the peak in this stage; none for `optimizer.learning_rate`.
        image_size: side in pixels, or [height, width], to which training images are reduced; none for their full size,
            which the last stage and validation always use. For networks whose weights do not depend on the image size.
    """

    epochs: PositiveInt | None = None
    train_from: str | None = None
    freeze_batch_normalization: bool = False
    learning_rate: PositiveFloat | None = None
    image_size: PositiveInt | tuple[PositiveInt, PositiveInt] | None = None
