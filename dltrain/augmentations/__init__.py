"""Random changes to training examples, as pure functions of (batch, seed).

`on_images` makes one of a function of (images, seed). Images are (batch, height, width, channels), float32, raw values
0-255, and stay so; the seed is int32, (2,). Each image of a batch has draws of its own. The same seed gives the same
change, so that a run that stops and goes on sees what it would have seen. Draws by `dltrain.data.random_draws` are
those of an example's place in the whole batch: several devices that share it change their examples as one would. What
mixes examples finds partners in a device's own share.

Draws are whole numbers of one algorithm, so that flips, whole shifts and noise are the same bits whether XLA compiled
them or not. What is computed from the draws in floating point (positions between pixels, blended colours, shares of a
mixture) agrees within 1e-3 grey levels on small images and 2e-2 at 224x224: XLA fuses multiplications and additions and
has sines of its own. Where that arithmetic ends in a decision (the border of an erased box, the level of a value that
posterize, solarize or equalize finds after a rotation), a value on the edge may fall to the other side. Training always
runs the compiled ones.

An augmentation with `mixes = True` combines examples; the targets of its batches are those of the task's
`soft_targets`. One with `of_bytes = True` reckons in grey levels, 0-255:
float images of another range are refused before the first step.
"""

from dltrain.augmentations._on_images import on_images

__all__ = ["on_images"]
