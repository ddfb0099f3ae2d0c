"""Random changes to training examples, as pure functions of (batch, seed).

`on_images` makes one of a function of (images, seed), `on_sounds` one of a function of (clips, seed, feature). Images
are (batch, height, width, channels), float32, raw values 0-255, and stay so; clips are (batch, samples), float32; the
seed is int32, (2,). Each example of a batch has draws of its own. The same seed gives the same change, so that
a run that is stopped and resumed sees what it would have seen. Draws by `dltrain.data.random_draws` are those of an
example's place in the whole batch: several devices that share it change their examples as one would. What mixes
examples finds partners in a device's own share.

Draws are whole numbers of one algorithm, so that flips, whole shifts and noise are the same bits whether XLA compiled
them or not. What is computed from the draws in floating point (positions between pixels, blended colours, shares of a
mixture) agrees within 1e-3 grey levels on small images and 2e-2 at 224x224: XLA fuses multiplications and additions and
has sines of its own. Where that arithmetic ends in a decision (the border of an erased box, the level of a value that
posterize, solarize or equalize finds after a rotation), a value on the edge may fall to the other side. Training always
runs the compiled ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from dltrain.augmentations._on_images import on_images
from dltrain.augmentations._on_sounds import on_sounds
from dltrain.data import Change, DataSpec
from dltrain.errors import KeyProblem
from dltrain.registry import Choice

if TYPE_CHECKING:
    from dltrain.data.showing import Shown

__all__ = ["Augmentation", "on_images", "on_sounds"]


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

    def build(self, data: DataSpec) -> Change:
        """Returns what makes another batch of one, by a seed.

        The targets of one that mixes are those of the task's `soft_targets`, and no example has a weight.
        """
        raise NotImplementedError

    def layer(self, data: DataSpec) -> Any:
        """Returns what changes examples inside the network while it trains, behind their `preprocess`.

        A Keras layer, which keeps what it draws from in the checkpoint; by default none: `build` does all.
        """
        return None

    def shown(self, data: DataSpec, items: list[Shown], seed: int) -> list[Shown]:
        """Returns drawings of examples with what `layer` does to such; by default they stay as they are.

        Args:
            data: what the examples are.
            items: drawings of the only input as the network gets it.
            seed: what is drawn from; training draws others.
        """
        return items

    def check_places(self, data: DataSpec) -> None:
        """Makes sure that no target with places stays where it is while what is seen moves.

        Raises:
            KeyProblem: if one would.
        """
        left = [name for name, each in data.targets.items() if each.has_places and not isinstance(each, self.accepts)]
        if self.moves and left:
            raise KeyProblem("name", f"{self.registered_name} moves what is seen, and would leave {left[0]} in place")
