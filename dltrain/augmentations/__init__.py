"""Random changes to training examples, as pure functions of (images, seed).

Images are (batch, height, width, channels), float32, raw values 0-255, and stay so; the seed is int32, (2,). Each image
of a batch has draws of its own. The same seed gives the same change, so that a run that stops and goes on sees what it
would have seen. Draws by `dltrain.data.random_draws` are those of an example's place in the whole batch: several
devices that share it change their examples as one would. What mixes examples finds partners in a device's own share.

Draws are whole numbers of one algorithm, so that flips, whole shifts and noise are the same bits whether XLA compiled
them or not. What is computed from the draws in floating point (positions between pixels, blended colours, shares of a
mixture) agrees within 1e-3 grey levels on small images and 2e-2 at 224x224: XLA fuses multiplications and additions and
has sines of its own. Where that arithmetic ends in a decision (the border of an erased box, the level of a value that
posterize, solarize or equalize finds after a rotation), a value on the edge may fall to the other side. Training always
runs the compiled ones.
"""

from __future__ import annotations

from typing import Any, ClassVar

from dltrain.data import DataSpec
from dltrain.registry import Choice


class Augmentation(Choice):
    """What every random change is.

    Attributes:
        accepts: the kinds of inputs that it changes, and of targets that it moves with them; empty for any that `check`
            lets pass.
        moves: whether what is seen changes its place, so that targets with places must move with it.
        mixes: whether it combines examples: it stands last in the list, and one of several is drawn for each batch.
        in_pixel_range: whether it computes with grey levels, 0-255: float images of another range are refused before
            the first step.
    """

    accepts: ClassVar[tuple[type, ...]] = ()
    moves: ClassVar[bool] = False
    mixes: ClassVar[bool] = False
    in_pixel_range: ClassVar[bool] = False

    def check(self, data: DataSpec) -> None:
        """Makes sure that it can change such data; needs no TensorFlow. By default it can change all.

        Raises:
            KeyProblem: if it cannot.
        """

    def build(self, data: DataSpec) -> Any:
        """Returns the function of (images, seed) that returns the images, changed.

        One that mixes is a function of (images, targets, seed) that returns both; its targets are those of the task's
        `soft_targets`.
        """
        raise NotImplementedError
