"""The blocks of an experiment that are the same whatever it chooses: length, stages, stopping, saving, a teacher."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from dltrain.errors import KeyProblem
from dltrain.fields import NonNegativeFloat, PositiveFloat, PositiveInt, Probability, Range

Precision = Literal["float32", "mixed_bfloat16", "mixed_float16"]


@dataclass(frozen=True, kw_only=True)
class Train:
    """How long, in what portions and in which arithmetic.

    Args:
        epochs: passes over the training part; give this or `steps`.
        steps: optimizer steps; give this or `epochs`.
        batch_size: examples per pass through the network, over all devices together; an epoch leaves out what does not
            fill a step. auto takes the largest that fits into memory, and accumulates up to `effective_batch_size`.
        accumulate_steps: batches whose mean gradient makes one optimizer step: batch_size times this many examples.
        effective_batch_size: with batch_size auto, examples per optimizer step; none for 256, or as many as there are.
        oversample: repeat the examples of rarer classes until an epoch has as many of each class.
        precision: float32, or mixed_bfloat16 or mixed_float16: arithmetic in 16 bits, weights in 32.
        on_nan: when the loss or a weight is not finite, stop; or restore: go back to the last checkpoint and on with
            half the learning rate.
        max_restores: how often at most.
    """

    epochs: PositiveInt | None = None
    steps: PositiveInt | None = None
    batch_size: PositiveInt | Literal["auto"] = 32
    accumulate_steps: PositiveInt = 1
    effective_batch_size: PositiveInt | None = None
    oversample: bool = False
    precision: Precision = "float32"
    on_nan: Literal["stop", "restore"] = "stop"
    max_restores: PositiveInt = 3

    def __post_init__(self) -> None:
        if self.epochs is not None and self.steps is not None:
            raise KeyProblem(
                "steps", "must not be given beside epochs: one of the two says how long, the other is none"
            )
        if self.epochs is None and self.steps is None:
            raise KeyProblem("epochs", "is missing (or steps): a whole number of at least 1")
        if self.batch_size == "auto" and self.accumulate_steps != 1:
            raise KeyProblem("accumulate_steps", "is chosen by batch_size: auto; say effective_batch_size instead")
        if self.batch_size != "auto" and self.effective_batch_size is not None:
            raise KeyProblem(
                "effective_batch_size", "goes with batch_size: auto; otherwise it is batch_size * accumulate_steps"
            )

    @property
    def examples_per_batch(self) -> int:
        """`batch_size`, which is a number once training has begun."""
        if self.batch_size == "auto":
            raise KeyProblem("batch_size", "must be a number here: auto is for the start of a run")
        return self.batch_size

    @property
    def planned_examples_per_step(self) -> int | None:
        """Examples that one optimizer step will see; none where that is found with the batch size."""
        return self.effective_batch_size if self.batch_size == "auto" else self.examples_per_step

    @property
    def examples_per_step(self) -> int:
        """Examples that one optimizer step sees."""
        return self.examples_per_batch * self.accumulate_steps


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Processes that share each batch, mostly on several machines; TF_CONFIG or SLURM may name them instead.

    Args:
        workers: "host:port" of each; the first is the chief, which writes the run's folder. `fit --rank N` says which
            of them a process is, from 0.
        wait_minutes: how long they wait for each other at the start.
    """

    workers: tuple[str, ...] | None = None
    wait_minutes: PositiveFloat = 10.0


@dataclass(frozen=True, kw_only=True)
class EarlyStopping:
    """Stops a run that no longer improves.

    Args:
        monitor: a column of metrics.csv; none for what the task monitors.
        patience: epochs without improvement after which the run stops.
        min_delta: a smaller change is no improvement.
    """

    monitor: str | None = None
    patience: PositiveInt = 10
    min_delta: NonNegativeFloat = 0.0


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """When state is saved and how much of it is kept.

    Args:
        every_epochs: epochs between two checkpoints; the last epoch is always saved.
        every_steps: optimizer steps between two checkpoints, within epochs too; none for no such ones.
        every_minutes: minutes after which a checkpoint is due, within an epoch too; none for no such ones.
        keep: newest checkpoints that stay, beside the best, at least 2: a damaged one must have another before it.
        monitor: a column of metrics.csv that says which epoch is best; none for what the task monitors.
    """

    every_epochs: PositiveInt = 1
    every_steps: PositiveInt | None = None
    every_minutes: PositiveFloat | None = None
    keep: Annotated[int, Range(minimum=2)] = 2
    monitor: str | None = None


@dataclass(frozen=True, kw_only=True)
class Teacher:
    """A trained network that says how alike the classes are in each example; for one class per example.

    G. Hinton, O. Vinyals and J. Dean, "Distilling the knowledge in a neural network", 2015, section 2. The loss of
    training is (1 - weight) * the task's + weight * temperature^2 * KL(teacher || network), both softened; that of
    validation is the task's.

    Args:
        run: a run on the same inputs and classes: its folder, name or stem in the folder of runs. Its best weights see
            each batch as the network does, augmented.
        temperature: what both logits are divided by; the paper's 1 to 20.
        weight: share of the teacher in the loss.
    """

    run: Path
    temperature: PositiveFloat = 2.0
    weight: Probability = 0.5


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A part of the run in which some of the layers are trained, at a rate and on images of a size of its own.

    The optimizer begins anew with each stage (averages of weights go on), the schedule goes on over the whole run.

    Args:
        epochs: how long; none in the last stage, and there alone: it lasts until `train.epochs`.
        train_from: the first layer that is trained, by name, `*` as in file names; those before it stay as they are.
            head is the last one; none trains all. What `model.freeze` names stays as it is in any case.
        freeze_batch_normalization: batch normalisation keeps its weights, and goes by its moving statistics.
        learning_rate: the peak in this stage; none for `optimizer.learning_rate`.
        image_size: pixels of a side that training images are shrunk to, or height and width; none for their own size,
            as in the last stage: validation is always of that. For networks whose weights do not depend on it.
    """

    epochs: PositiveInt | None = None
    train_from: str | None = None
    freeze_batch_normalization: bool = False
    learning_rate: PositiveFloat | None = None
    image_size: PositiveInt | tuple[PositiveInt, PositiveInt] | None = None
