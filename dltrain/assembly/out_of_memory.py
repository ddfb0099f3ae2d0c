"""Advice for when memory runs out, in place of TensorFlow's message."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from dltrain.config.experiment import Config
from dltrain.errors import TrainingError
from dltrain.lazy import tf


@contextmanager
def enough_memory(config: Config) -> Iterator[None]:
    """Turns TensorFlow's error, where memory runs out, into a TrainingError with advice."""
    try:
        yield
    except (tf.errors.ResourceExhaustedError, MemoryError) as error:
        train = config.experiment.train
        if train.batch_size == "auto":
            raise TrainingError(f"out of memory{_place(str(error))} before a batch size was found") from None
        size = train.examples_per_batch
        half = f"train.batch_size={size // 2} train.accumulate_steps={2 * train.accumulate_steps}"
        smaller = f"{half}, train.batch_size=auto or a smaller model" if size > 1 else "a smaller model"
        raise TrainingError(f"out of memory with train.batch_size: {size}{_place(str(error))}; try {smaller}") from None


def _place(message: str) -> str:
    """Returns the tensor and the layer at which memory ran out, as far as TensorFlow's message names them."""
    shape = re.search(r"tensor with shape\s*(\[[\d,]*\])", message)
    node = re.search(r"\{\{node ([^}]+)\}\}", message)
    # Keras writes the names of model and layer into the node's: while/body/resnet_1/stage2_convolution_1/Conv2D.
    steps = [step for step in node[1].split("/") if not _SCAFFOLD.fullmatch(step)] if node else []
    layer = f" in layer {steps[1]} ({steps[-1]})" if len(steps) > 2 else ""
    return layer + (f" at a tensor of shape {shape[1]}" if shape else "")


_SCAFFOLD = re.compile(r"(while|body|cond|StatefulPartitionedCall|gradient_tape|gradients|loop)(_\d+)?")
