"""Pixels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

from dltrain.data.feature import Encoded, Plain, shape_words
from dltrain.data.proposal import Entries, Entry, Keys, Proposal
from dltrain.data.statistics import SAMPLE, Pieces, chunks, spaced
from dltrain.errors import KeyProblem
from dltrain.features._arrays.schema import array_schema
from dltrain.features._channels import Channels
from dltrain.features._images.likeness import near_copies
from dltrain.features._images.odd_files import odd_files
from dltrain.features._images.thumbnails import THUMBNAIL, thumbnails
from dltrain.lazy import np, tf
from dltrain.registry import FEATURES

if TYPE_CHECKING:
    from dltrain.data.finding import Finding
    from dltrain.data.parts import Parts
    from dltrain.data.request import Reader
    from dltrain.data.showing import Shown
    from dltrain.features._images.encoding import ImageEncoding

THINNED_SIDE = 32
"""Of examples that are read later, images beyond this size lend every fourth row and column to mean and deviation."""

SMALLEST = 8
"""Height and width from which on a residual network has something to halve."""


@FEATURES.register("image")
class Image(Channels):
    """Pixels, best uint8 in 0-255.

    Args:
        shape: height, width and channels; 1 channel is grey, 3 are red, green and blue.
    """

    _channel: ClassVar[str] = "channel"

    shape: tuple[int, int, int]

    def adapt(self, pieces: Iterable[np.ndarray]) -> Self:
        """Returns the feature with mean and deviation of each channel."""
        if isinstance(pieces, Pieces) and pieces.are_sampled:
            thinned = np.s_[:, ::4, ::4] if min(self.shape[:2]) > THINNED_SIDE else np.s_[:]
            pieces = chunks(np.concatenate([piece[thinned] for piece in pieces]))
        return super().adapt(pieces)

    def vectors(self, stored: Any) -> np.ndarray:
        """Returns grey values of the images at 16x16, with mean 0 over these images and their deviation together 1."""
        small = thumbnails(stored)
        step = max(1, min(small.shape[1:]) // 16)
        flat = small[:, ::step, ::step].reshape(len(small), -1)
        return np.asarray((flat - flat.mean(axis=0)) / max(float(flat.std()), 1e-6))

    def findings(self, parts: Parts, brief: bool) -> Iterable[Finding]:
        """Returns files of odd sizes and colours, and images that are nearly the same."""
        if brief:
            return
        yield from odd_files(parts, self.shape[:2])
        if min(self.shape[:2]) >= THUMBNAIL:
            yield from near_copies(parts)

    @property
    def _names(self) -> tuple[str, ...]:
        return {1: ("grey",), 3: ("red", "green", "blue")}.get(self.shape[-1], ())

    def show(self, stored: Any, weights: Any = None, like: Any = None) -> list[Shown]:
        """Returns the images, with what a network looked at in orange on them."""
        from dltrain.data.showing import Picture
        from dltrain.figures.reading import drawable
        from dltrain.report.drawing import overlaid

        stored = np.asarray(stored)
        drawn, note = drawable(stored, stored if like is None else np.asarray(like))
        maps = [None] * len(drawn) if weights is None else weights
        return [
            Picture(pixels, None if of_image is None else overlaid(pixels, of_image), note)
            for pixels, of_image in zip(drawn, maps, strict=True)
        ]

    def describe(self, preprocessed: bool = False) -> list[str]:
        """Returns height, width and channels, which these are, and how they are normalised."""
        colours = ", ".join(self._names) or "as in the data"
        values = "normalised by the numbers below" if preprocessed else "raw, 0 to 255"
        return [
            f"{shape_words(self.shape, ' x ')} height x width x channels",
            f"height, width, channels ({colours}); values {values}.",
            *self._normalization(preprocessed),
        ]

    def encode(self, raws: Sequence[Any]) -> Encoded:
        """Returns images as arrays, (usable, *shape), uint8; float32 where pixels are no whole numbers in 0-255.

        Args:
            raws: files as a Path, their bytes or {"b64": ...}; or numbers of the shape.
        """
        return self._encoding.encode(raws)

    def decode(self, stored: Any) -> list[Any]:
        """Returns arrays as nested lists of numbers."""
        return list(np.asarray(stored).tolist())

    def reader(self) -> Reader:
        """Returns what reads image files, folders of them, arrays and requests."""
        from dltrain.features._arrays.reader import ArrayReader
        from dltrain.features._images.reader import ImageReader

        return ImageReader(self._encoding) if self._is_drawable else ArrayReader(self._encoding)

    @property
    def _encoding(self) -> ImageEncoding:
        from dltrain.features._images.encoding import ImageEncoding

        return ImageEncoding(self.shape)

    @property
    def _is_drawable(self) -> bool:
        """Whether files can hold such images: grey ones, or of red, green and blue."""
        return self.shape[-1] in (1, 3)

    def request_schema(self) -> dict[str, Any]:
        """Returns the schema of nested lists of numbers, or of an image file in base64."""
        pixels = array_schema(self.shape)
        if not self._is_drawable:
            return pixels
        content = {"type": "string", "contentEncoding": "base64", "contentMediaType": "image/*"}
        file = {"type": "object", "properties": {"b64": content}, "required": ["b64"], "additionalProperties": False}
        return {"anyOf": [file, pixels]}

    def corners(self) -> list[np.ndarray]:
        """Returns a black image, a white one, and a black one with one white pixel."""
        black = np.zeros(self.shape, np.uint8)
        one = black.copy()
        one[0, 0] = 255
        return [black, np.full_like(black, 255), one]

    def starter(self, examples: Proposal) -> dict[str, Keys | Entries]:
        """Returns a network that fits the images' size, and random changes: each says where it does harm."""
        height, width, channels = self.shape
        blocks = super().starter(examples)
        if examples.photographs:
            advice = "or, with few images, Keras's with `weights: imagenet` (a download), such as mobilenet_v2"
            blocks["model"] = {
                "name": ("resnet", advice),
                "variant": ("imagenet", "for images of about 224 pixels; cifar for small ones"),
                "depth": (18, "18, 34, 50 ...: deeper learns more, and slower"),
            }
        elif min(height, width) >= SMALLEST:
            blocks["model"] = {
                "name": ("resnet", "or cnn, faster and simpler; all: dltrain list model"),
                "depth": (20, "20, 32, 44, 56: deeper learns more, and slower"),
            }
        crop = (
            Entry({"name": "random_resized_crop"}, "other places and sizes")
            if examples.photographs
            else Entry({"name": "pad_and_crop", "padding": max(1, min(height, width) // 8)}, "other places")
        )
        # Grey ones are scans and drawings, of which many can be read.
        flip = Entry({"name": "flip"}, "not where left and right differ: digits, letters", is_chosen=channels != 1)
        words = "training images, otherwise in each epoch: dltrain list augmentation"
        rate: Keys = {"learning_rate": (0.001, "the peak; the first thing to try others of")}
        return {**blocks, "augment": Entries(words, (crop, flip)), "optimizer": rate}

    def signature(self) -> Plain:
        """Returns the channels; whether weights depend on height and width is the network's affair."""
        return {"name": self.registered_name, "channels": self.shape[-1]}

    def resized(self, size: tuple[int, int]) -> tuple[Self, Any]:
        """Returns smaller images, each pixel the mean of the area that it covers."""
        height, width, channels = self.shape
        if size[0] > height or size[1] > width:
            raise KeyProblem("image_size", f"must be at most that of the images, {height} x {width}")
        rows, columns = _areas(height, size[0]), _areas(width, size[1])

        def shrink(images: Any) -> Any:
            return tf.einsum("hi,bijc,wj->bhwc", tf.constant(rows), images, tf.constant(columns))

        return self.replaced(shape=(*size, channels)), shrink

    def beyond_bytes(self, stored: Any) -> tuple[float, float] | None:
        """Returns the range of some float images, where it is not that of pixels."""
        if stored.dtype.kind != "f" or not len(stored):
            return None
        places = spaced(len(stored), SAMPLE)
        low, high = np.inf, -np.inf
        for start in range(0, len(places), 32):  # large images, a few at a time
            values = np.asarray(stored[places[start : start + 32]])
            low, high = min(low, float(values.min())), max(high, float(values.max()))
        return None if low >= 0 and 1.001 < high <= 255 else (low, high)  # a rounding above 1 is 1


def _areas(old: int, new: int) -> np.ndarray:
    """Returns the share of each old pixel in each new one, (new, old), float32."""
    edges = np.arange(new + 1) * old / new
    starts, ends = np.arange(old), np.arange(1, old + 1)
    overlaps = np.minimum(edges[1:, None], ends) - np.maximum(edges[:-1, None], starts)
    return (np.maximum(overlaps, 0.0) * new / old).astype(np.float32)
