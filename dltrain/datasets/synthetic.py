"""Made-up data of any shape and size, for speed runs and tests."""

from __future__ import annotations

from typing import Annotated, ClassVar

from dltrain.data import DataSpec, Split, Splits
from dltrain.datasets import Dataset
from dltrain.errors import KeyProblem
from dltrain.features.class_label import ClassLabel
from dltrain.features.vector import of_shape
from dltrain.fields import HeldOut, NonNegativeInt, PositiveInt, Range, Seed
from dltrain.lazy import np
from dltrain.registry import DATASETS

CHUNK = 4096
"""Number of vectors that are made at a time."""


@DATASETS.register("synthetic")
class Synthetic(Dataset):
    """Synthetic examples of any shape and number, a pattern per class under noise: to measure speed.

    An image is a 4x4 grid of grey or coloured patches, given by its class, plus equally strong noise on each pixel,
    uint8. A vector is normal noise around the centre of its class, float32. The classes are equally frequent. The data
    are far easier than real ones: their accuracy means nothing.

    Args:
        shape: shape of an example: [height, width, channels] or [features].
        num_classes: number of classes, 2 or more.
        train_examples: number of training examples.
        validation_examples: number of validation examples; 0 for no validation part.
        test_examples: number of test examples; 0 for no test part.
        data_seed: seed of patterns, noise and order; separate from the experiment's seed.
    """

    test_fraction: ClassVar[HeldOut] = 0.0  # type: ignore[misc]
    validation_fraction: ClassVar[HeldOut] = 0.0  # type: ignore[misc]
    split_seed: ClassVar[Seed] = 0  # type: ignore[misc]

    shape: tuple[PositiveInt, ...] = (32, 32, 3)
    num_classes: Annotated[int, Range(minimum=2)] = 10
    train_examples: PositiveInt = 1024
    validation_examples: NonNegativeInt = 256
    test_examples: NonNegativeInt = 256
    data_seed: Seed = 0

    def __post_init__(self) -> None:
        if len(self.shape) not in (1, 3):
            raise KeyProblem("shape", f"must be [height, width, channels] or [features], got {list(self.shape)}")

    def spec(self) -> DataSpec:
        """Describes shape and classes, without making any example."""
        classes = ClassLabel(class_names=tuple(str(label) for label in range(self.num_classes)))
        return DataSpec.of(of_shape(self.shape), classes)

    def sizes(self) -> dict[str, int]:
        """Returns how many examples each part has, without making any."""
        sizes = {"train": self.train_examples, "validation": self.validation_examples, "test": self.test_examples}
        return {part: size for part, size in sizes.items() if size}

    def load(self, like: DataSpec | None = None) -> Splits:
        """Generates the parts; each is the same whatever the size of the others."""
        train, validation, test = (
            self._part(number, examples)
            for number, examples in enumerate((self.train_examples, self.validation_examples, self.test_examples))
        )
        return Splits(
            self.spec(),
            train,
            validation if self.validation_examples else None,
            test if self.test_examples else None,
        ).with_statistics(like)

    def _part(self, number: int, examples: int) -> Split:
        random = np.random.RandomState([self.data_seed, number])
        targets = random.permutation(np.arange(examples, dtype=np.int32) % self.num_classes)
        patterns = np.random.RandomState(self.data_seed)
        if len(self.shape) == 1:
            centres = 2 * patterns.standard_normal((self.num_classes, *self.shape))
            vectors = np.empty((examples, *self.shape), np.float32)
            for first in range(0, examples, CHUNK):  # noise is made in 64 bits: all of it at once takes five times more
                labels = targets[first : first + CHUNK]
                drawn = random.standard_normal((len(labels), *self.shape))
                vectors[first : first + CHUNK] = centres[labels] + drawn
            return Split(vectors, targets)
        height, width, channels = self.shape
        patches = patterns.randint(0, 128, (self.num_classes, 4, 4, channels)).astype(np.uint8)
        grid = patches[:, np.arange(height)[:, None] * 4 // height, np.arange(width) * 4 // width]
        # Noise of 7 bits on patches of 7 bits: their sum fits uint8 without a wider copy.
        noise = np.frombuffer(random.bytes(examples * height * width * channels), np.uint8) >> 1
        images = noise.reshape(examples, *self.shape)
        images += grid[targets]
        return Split(images, targets)
