"""What happens to a batch on the device before the network sees it, a pure function of (seed, step)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np

from dltrain.data.random_draws import RANDOM, drawn, sharing
from dltrain.engine.order import HOST
from dltrain.lazy import tf


@dataclass(frozen=True)
class Preparation:
    """What happens to a batch on the device before the network sees it.

    Args:
        augmentations: functions of (images, seed), in order; none for evaluation.
        class_weights: the weight of each class, (classes,), or none for no sample weights.
        seed: of the augmentations.
        mixes: functions of (images, soft targets, seed) that combine examples: one is drawn for each batch, and comes
            after the augmentations.
        soften: makes targets such that they may be averaged, (batch, classes), for the mixes.
    """

    augmentations: Sequence[Callable[[Any, Any], Any]] = ()
    class_weights: np.ndarray | None = None
    seed: int = 0
    mixes: Sequence[Callable[[Any, Any, Any], tuple[Any, Any]]] = ()
    soften: Callable[[Any], Any] | None = None

    def __call__(
        self, number: Any, inputs: Any, targets: Any, weights: Any = None, *, share: tuple[int, int] = (0, 1)
    ) -> tuple[Any, ...]:
        """Returns (inputs as float32, targets), and sample weights behind them where examples or classes have some.

        Args:
            number: int64 scalar, which batch of the run: what random changes are drawn from.
            inputs: (batch, *shape).
            targets: (batch,), int32, or (batch, outputs), float32; soft ones, (batch, classes), are returned where
                examples are mixed.
            weights: of the examples, (batch,), float32; none where all count the same.
            share: which part of the batch this is, from 0, and of how many.
        """
        with tf.device(HOST):
            seed = tf.stack([tf.constant(self.seed, tf.int32), tf.cast(number, tf.int32)])
        for augmented in self._augmented:
            inputs = augmented(inputs, seed, share)
        inputs = tf.cast(inputs, tf.float32)
        if self.mixes and self.soften is not None:
            return self._mixture(inputs, self.soften(targets), weights, seed, share)
        if self.class_weights is not None:
            of_class = tf.gather(tf.constant(self.class_weights), targets)
            weights = of_class if weights is None else weights * of_class
        return (inputs, targets) if weights is None else (inputs, targets, weights)

    def _mixture(self, inputs: Any, shares: Any, weights: Any, seed: Any, share: tuple[int, int]) -> tuple[Any, ...]:
        """Returns mixed examples: the loss of a mixture is the mixture of the weighted losses of both."""
        if weights is not None:
            shares = shares * weights[:, None]
        inputs, shares = self._mixed(inputs, shares, seed, share)
        if weights is None and self.class_weights is None:
            return inputs, shares
        if self.class_weights is not None:
            shares = shares * tf.constant(self.class_weights)
        total = tf.reduce_sum(shares, axis=-1)
        return inputs, tf.math.divide_no_nan(shares, total[:, None]), total

    @cached_property
    def _augmented(self) -> list[Any]:
        # XLA makes one pass over the pixels of what are many operations: 1.0 ms for a flip that took 11.3 without. Each
        # by itself: of several in one piece XLA computes the first again for each pixel that the next looks at.
        def compiled(index: int, augmentation: Callable[[Any, Any], Any]) -> Any:
            @tf.function(autograph=False, jit_compile=True)
            def augmented(inputs: Any, seed: Any, share: tuple[int, int]) -> Any:
                with sharing(*share):
                    return augmentation(tf.cast(inputs, tf.float32), _folded(seed, index))

            return augmented

        return [compiled(index, augmentation) for index, augmentation in enumerate(self.augmentations)]

    @cached_property
    def _mixed(self) -> Any:
        @tf.function(autograph=False, jit_compile=True)
        def mixed(inputs: Any, targets: Any, seed: Any, share: tuple[int, int]) -> tuple[Any, Any]:
            own = _folded(seed, len(self.augmentations))
            with sharing(*share):
                if len(self.mixes) == 1:
                    return self.mixes[0](inputs, targets, own)
                chosen = drawn((), seed, 0, len(self.mixes))
                return tf.switch_case(chosen, [partial(mix, inputs, targets, own) for mix in self.mixes])

        return mixed


def _folded(seed: Any, index: int) -> Any:
    return tf.random.experimental.stateless_fold_in(seed, index, alg=RANDOM)
