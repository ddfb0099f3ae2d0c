"""A single-shot detector on any image network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, ClassVar

from dltrain.data import DataSpec
from dltrain.errors import KeyProblem, Misfit
from dltrain.fields import Activation, NonNegativeFloat, PositiveFloat, PositiveInt, Range
from dltrain.lazy import keras
from dltrain.models._detector import Convolutions, Detector, equally_spaced
from dltrain.models._feature_maps import headless, maps_of
from dltrain.registry import MODELS

_MOST_MAPS = 12


@MODELS.register("ssd")
class SSD(Detector):
    """A single-shot detector whose feature maps are those of any image network, and further ones behind it.

    W. Liu et al., "SSD: single shot multibox detector", 2016, with heads and anchors as in `ssd300`. Two differences:
    maps of the backbone are taken as they are, without L2 normalisation, and convolutions behind it are normalised by
    batch. `weights` may be a run of the backbone alone, as a classifier of the same images: all that it lacks, heads
    and convolutions behind it, starts at random.

    Args:
        backbone: the block of a convolutional image network, such as {name: resnet, depth: 20}; what it has behind its
            last feature map is left out. Its weights and frozen layers are keys of this block.
        feature_maps: of different sizes that have heads. Those that the backbone does not have are made by convolutions
            that halve the last one.
        first_stride: pixels between the cells of the finest map that has a head; a finer map of the backbone has none.
        extra_filters: channels of the convolutions behind the backbone; the 1x1 ones before them have half as many.
        activation: of these.
        scales: of the anchors of each map, and one more, in shares of the image's shorter side; or two, the first and
            the last, between which the others are equally spaced (the paper's equation 4).
        aspect_ratios: width over height of the anchors of each cell; one list for all maps.
    """

    may_lack: ClassVar[tuple[str, ...]] = tuple(
        f"extra{number}_{part}{kind}"
        for number in range(1, _MOST_MAPS + 1)
        for part in (1, 2)
        for kind in ("", "_normalization")
    )

    backbone: Annotated[Any, MODELS]
    feature_maps: Annotated[int, Range(1, _MOST_MAPS)] = 4
    first_stride: PositiveInt = 8
    extra_filters: Annotated[int, Range(minimum=2)] = 128
    activation: Activation = "relu"
    scales: tuple[PositiveFloat, ...] = (0.1, 0.9)
    aspect_ratios: tuple[PositiveFloat, ...] | tuple[tuple[PositiveFloat, ...], ...] = (1.0, 2.0, 0.5)
    l2_regularization: NonNegativeFloat = 0.0

    def __post_init__(self) -> None:
        problems = self._problems(self.feature_maps)
        if len(self.scales) not in (2, self.feature_maps + 1):
            words = (
                f"must have 2 or {self.feature_maps + 1} entries, one more than feature_maps, got {len(self.scales)}"
            )
            problems.append(KeyProblem("scales", words))
        if not self.aspect_ratios or (self._has_lists and len(self.aspect_ratios) != self.feature_maps):
            words = f"must be numbers, or a list of them for each of {self.feature_maps} feature maps"
            problems.append(KeyProblem("aspect_ratios", words))
        for key in ("weights", "freeze"):
            if getattr(self.backbone, key, None):
                problems.append(KeyProblem(f"backbone.{key}", f"must be left out: set model.{key}"))
        if problems:
            raise ExceptionGroup("ssd", problems)

    @property
    def _has_lists(self) -> bool:
        """Whether each map has aspect ratios of its own."""
        return isinstance(next(iter(self.aspect_ratios), None), tuple)

    @property
    def _ratios(self) -> list[Any]:
        return list(self.aspect_ratios) if self._has_lists else [self.aspect_ratios] * self.feature_maps

    def check(self, data: DataSpec) -> None:
        """Raises KeyProblem where the data are no images with boxes, or do not fit the backbone."""
        super().check(data)
        if isinstance(self.backbone, Detector):
            raise KeyProblem(
                "backbone.name", f"must be an image network without boxes, got {self.backbone.registered_name}"
            )
        with _at_backbone():
            self.backbone.check(headless(data))

    def build(self, data: DataSpec) -> Any:
        """Returns the network, from raw images to logits, offsets and anchors."""
        with _at_backbone():
            network = self.backbone.build(headless(data))
        maps = maps_of(network)
        if not maps:
            words = f"{self.backbone.registered_name} has no feature maps: use a convolutional network, such as resnet"
            raise Misfit("backbone.name", f": {words}")
        anchors = self._anchors(data, equally_spaced(self.scales, self.feature_maps + 1), self._ratios)
        return keras.Model(network.input, self._heads(data, self._extended(network, maps), anchors), name="ssd")

    def _extended(self, network: Any, maps: list[Any]) -> list[Any]:
        """Returns the maps that have heads: those of the backbone, then smaller and smaller ones."""
        convolution = Convolutions(activation=self.activation, regularizer=self._regularizer(), normalizes=True)

        def has_head(x: Any) -> bool:
            return bool(round(network.input_shape[1] / x.shape[1]) >= self.first_stride)

        found, x, number = [each for each in maps if has_head(each)], maps[-1], 0
        while len(found) < self.feature_maps:
            number += 1
            if max(x.shape[1:3]) == 1 or number > _MOST_MAPS:
                words = f"must be at most {len(found)}: the last map is {x.shape[1]}x{x.shape[2]} already"
                raise Misfit("feature_maps", f"{words}, got {self.feature_maps}")
            x = convolution(x, self.extra_filters // 2, 1, f"extra{number}_1")
            x = convolution(x, self.extra_filters, 3, f"extra{number}_2", stride=2)
            found += [x] * has_head(x)
        return found[: self.feature_maps]


@contextmanager
def _at_backbone() -> Iterator[None]:
    """Names the backbone's keys as this block has them."""
    try:
        yield
    except KeyProblem as problem:
        raise _named(problem) from None
    except ExceptionGroup as problems:
        raise ExceptionGroup("backbone", [_named(each) for each in problems.exceptions]) from None


def _named(problem: Exception) -> Exception:
    """Returns a problem of the backbone at its key; any other as it is."""
    return type(problem)(f"backbone.{problem.key}", problem.words) if isinstance(problem, KeyProblem) else problem
