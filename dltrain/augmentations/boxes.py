"""What only images with boxes can be changed by: crops that keep objects, and several images in one."""

from typing import Annotated, Any, ClassVar

from dltrain.augmentations import Augmentation
from dltrain.augmentations._drawing import happens, per_image, require_images, require_order, uniform, whole
from dltrain.augmentations._on_places import moved_rows, placed, sampled, with_boxes
from dltrain.augmentations._sampling import maps_of
from dltrain.augmentations.mixing import beta, blended, partners
from dltrain.data import Change, DataSpec
from dltrain.data.random_draws import folded
from dltrain.errors import KeyProblem
from dltrain.features._boxes.columns import CLASS, CORNERS, PADDING
from dltrain.features.boxes import Boxes
from dltrain.features.image import Image
from dltrain.fields import PositiveFloat, PositiveInt, Probability, Range
from dltrain.lazy import tf
from dltrain.registry import AUGMENTATIONS

Share = Annotated[float, Range(minimum=0, maximum=1, open_minimum=True)]


@AUGMENTATIONS.register("iou_crop")
class IoUCrop(Augmentation):
    """Crops a window that overlaps an object by at least a share drawn at random, and stretches it to the image's size.

    W. Liu et al., "SSD: Single Shot MultiBox Detector", 2016, section 2.2 (data augmentation): each image draws one of
    the overlaps, any window, or to stay as it is; objects whose centre is in the window are kept. Windows are drawn
    until one fits; of an image in which none of `tries` does, and of one without objects, all is kept. The window is
    stretched from the image at its trained size.

    Args:
        overlaps: the least intersections over union of window and object, of which one is drawn; the paper's values are
            0.1, 0.3, 0.5, 0.7 and 0.9.
        sides: the shortest and the longest side of the window, as a share of the image's; drawn for height and width
            apart; the authors' values are 0.3 and 1.
        aspect_ratio: the smallest and the largest ratio of the window's width to its height, each as a share of the
            image's; the paper's values are 1/2 and 2.
        tries: windows that are drawn for each image; the authors draw 50.
    """

    accepts: ClassVar = (Image, Boxes)
    moves: ClassVar[bool] = True
    in_pixel_range: ClassVar[bool] = True

    overlaps: tuple[Probability, ...] = (0.1, 0.3, 0.5, 0.7, 0.9)
    sides: tuple[Share, Share] = (0.3, 1.0)
    aspect_ratio: tuple[PositiveFloat, PositiveFloat] = (0.5, 2.0)
    tries: PositiveInt = 50

    def __post_init__(self) -> None:
        require_order("sides", self.sides)
        require_order("aspect_ratio", self.aspect_ratio)

    def check(self, data: DataSpec) -> None:
        """Raises KeyProblem unless the examples are images with boxes."""
        _require_boxes("iou_crop", data)

    def build(self, data: DataSpec) -> Change:
        """Returns the change of a batch."""
        # Any window, and to stay as it is, are as likely as each of the overlaps.
        least = tf.constant([*self.overlaps, 0.0, 2.0])

        def iou_crop(images: Any, boxes: dict[str, Any], seed: Any) -> tuple[Any, dict[str, Any]]:
            count = tf.shape(images)[0]
            height, width = images.shape[1:3]
            wanted = tf.gather(least, whole((count,), folded(seed, 0), 0, len(self.overlaps) + 2))
            windows = self._windows(count, folded(seed, 1))
            fits = self._fits(windows, tf.concat([*boxes.values()], axis=1), wanted)
            first = tf.argmax(tf.cast(fits, tf.int32), axis=1, output_type=tf.int32)
            chosen = tf.gather(windows, first, axis=1, batch_dims=1)
            everything = tf.constant([0.0, 0.0, 1.0, 1.0])
            window = tf.where(tf.reduce_any(fits, axis=1)[:, None], chosen, everything)
            sizes, middles = window[:, 2:] - window[:, :2], (window[:, 2:] + window[:, :2]) / 2.0 - 0.5
            maps = maps_of(
                a=sizes[:, 1], c=middles[:, 1] * height, e=sizes[:, 0], f=middles[:, 0] * width, like=sizes[:, 0]
            )
            made, move = sampled(images, maps, "nearest")  # within half a pixel of the image's border
            return made, moved_rows(boxes, move)

        return with_boxes(data, iou_crop)

    def _windows(self, count: Any, seed: Any) -> Any:
        """Returns windows of each image, (batch, tries, 4), corners as shares."""
        draws = uniform((count, self.tries, 4), seed)
        sides = self.sides[0] + draws[..., :2] * (self.sides[1] - self.sides[0])
        corners = draws[..., 2:] * (1.0 - sides)
        return tf.concat([corners, corners + sides], axis=-1)

    def _fits(self, windows: Any, rows: Any, wanted: Any) -> Any:
        """Returns which windows fit, (batch, tries): of the right shape, over an object, and with its centre in it."""
        sides = windows[..., 2:] - windows[..., :2]
        ratio = sides[..., 0] / sides[..., 1]
        are_shaped = (ratio >= self.aspect_ratio[0]) & (ratio <= self.aspect_ratio[1])
        windows, corners = windows[:, :, None], rows[:, None, :, CORNERS]
        shared = tf.minimum(windows[..., 2:], corners[..., 2:]) - tf.maximum(windows[..., :2], corners[..., :2])
        shared = tf.reduce_prod(tf.maximum(shared, 0.0), axis=-1)
        areas = [tf.reduce_prod(each[..., 2:] - each[..., :2], axis=-1) for each in (windows, corners)]
        overlaps = tf.math.divide_no_nan(shared, areas[0] + areas[1] - shared)
        centres = (corners[..., :2] + corners[..., 2:]) / 2.0
        inside = tf.reduce_all((centres >= windows[..., :2]) & (centres <= windows[..., 2:]), axis=-1)
        is_object = rows[:, None, :, CLASS] >= 0.0
        is_over = tf.reduce_any(is_object & (overlaps >= wanted[:, None, None]), axis=-1)
        return are_shaped & is_over & tf.reduce_any(is_object & inside, axis=-1)


@AUGMENTATIONS.register("mosaic")
class Mosaic(Augmentation):
    """Shows parts of four images of the batch in one, about a point drawn at random, with the boxes of all.

    A. Bochkovskiy, C.-Y. Wang and H.-Y. M. Liao, "YOLOv4: Optimal Speed and Accuracy of Object Detection", 2020,
    section 3.3. Each image is made smaller, and put with its inner corner to the point; what is beyond its edge has the
    mean colour. A mosaic has the objects of all four. The partners of an image are the next three of its batch, which
    is shuffled; of a batch that devices share, those of the same device.

    Args:
        probability: how many of the images become a mosaic, 0 to 1.
        scale: the smallest and the largest size of an image in it, as a share of its own; drawn for each mosaic.
        margin: how near to the edges the point may be, as a share of a side, 0 to 1/2.
    """

    accepts: ClassVar = (Image, Boxes)
    moves: ClassVar[bool] = True
    in_pixel_range: ClassVar[bool] = True

    probability: Probability = 0.5
    scale: tuple[Share, Share] = (0.5, 1.0)
    margin: Annotated[float, Range(minimum=0, maximum=0.5)] = 0.25

    def __post_init__(self) -> None:
        require_order("scale", self.scale)

    def check(self, data: DataSpec) -> None:
        """Raises KeyProblem unless the examples are images with boxes, and nothing else is asked of them."""
        _require_boxes("mosaic", data, alone=True)

    def build(self, data: DataSpec) -> Change:
        """Returns the change of a batch; what is beyond images is black where the mean is not known."""
        height, width, channels = data.image(self.registered_name).shape
        mean = tuple(data.image(self.registered_name).mean or (0.0,) * channels)

        def mosaic(images: Any, boxes: dict[str, Any], seed: Any) -> tuple[Any, dict[str, Any]]:
            draws = uniform((4, tf.shape(images)[0]), seed)
            is_mosaic = happens(self.probability, draws[0])
            # Whole pixels, so that no pixel is of two images.
            y, x = (
                tf.round((self.margin + draws[1 + axis] * (1.0 - 2.0 * self.margin)) * side)
                for axis, side in enumerate((height, width))
            )
            scale = self.scale[0] + draws[3] * (self.scale[1] - self.scale[0])
            is_below = tf.range(height, dtype=tf.float32) >= y[:, None]
            is_right = tf.range(width, dtype=tf.float32) >= x[:, None]
            made, is_kept = images, ~is_mosaic[:, None, None]
            rows = {name: [tf.where(is_kept, each, PADDING)] for name, each in boxes.items()}
            for turn, (down, across) in enumerate(((0, 0), (0, 1), (1, 0), (1, 1))):
                # The inner corner of the image is at the point: its first row below it, its last one above.
                maps = maps_of(
                    a=1.0 / scale,
                    c=((height / 2 - y) / scale) + (0.5 - down) * height,
                    e=1.0 / scale,
                    f=((width / 2 - x) / scale) + (0.5 - across) * width,
                    like=scale,
                )
                others = {name: tf.roll(each, -turn, axis=0) for name, each in boxes.items()}
                seen, move = sampled(tf.roll(images, -turn, axis=0), maps, mean)
                part = (is_below == bool(down))[:, :, None] & (is_right == bool(across))[:, None]
                made = tf.where(part[..., None] & per_image(is_mosaic), seen, made)
                edges = [across * x / width, down * y / height]
                ends = [x / width if not across else tf.ones_like(x), y / height if not down else tf.ones_like(y)]
                within = tf.stack([*edges, *ends], axis=-1)[:, None]
                for name, each in others.items():
                    own = placed(each, move(each[..., CORNERS]), within)
                    rows[name].append(tf.where(is_mosaic[:, None, None], own, PADDING))
            return made, {name: tf.concat(each, axis=1) for name, each in rows.items()}

        return with_boxes(data, mosaic)


@AUGMENTATIONS.register("mixup_boxes")
class MixupBoxes(Augmentation):
    """Blends some images with another of the batch, with the boxes of both.

    Z. Zhang et al., "Bag of Freebies for Training Object Detection Neural Networks", 2019, section 3.1. There the loss
    of an object is weighted by its image's share; here all objects count alike. The partner of an image is the one
    before it in its batch, which is shuffled; of a batch that devices share, one of the same device.

    Args:
        alpha: the share of the image is drawn from Beta(alpha, alpha); the paper's value is 1.5, so that both are seen.
        probability: how many of the images are mixed, 0 to 1.
    """

    accepts: ClassVar = (Image, Boxes)
    moves: ClassVar[bool] = True
    in_pixel_range: ClassVar[bool] = True

    alpha: PositiveFloat = 1.5
    probability: Probability = 0.5

    def check(self, data: DataSpec) -> None:
        """Raises KeyProblem unless the examples are images with boxes, and nothing else is asked of them."""
        _require_boxes("mixup_boxes", data, alone=True)

    def build(self, data: DataSpec) -> Change:
        """Returns the change of a batch."""

        def mixup(images: Any, boxes: dict[str, Any], seed: Any) -> tuple[Any, dict[str, Any]]:
            draws = uniform((3, tf.shape(images)[0]), seed)
            is_mixed = happens(self.probability, draws[2])
            shares = tf.where(is_mixed, beta(self.alpha, draws[0], draws[1]), 1.0)
            rows = {
                name: tf.concat([each, tf.where(is_mixed[:, None, None], partners(each), PADDING)], axis=1)
                for name, each in boxes.items()
            }
            return blended(images, shares), rows

        return with_boxes(data, mixup)


def _require_boxes(name: str, data: DataSpec, alone: bool = False) -> None:
    """Raises KeyProblem unless the examples are images with boxes.

    Args:
        name: of the augmentation.
        data: what the examples are.
        alone: whether they must have no other input, and no other target.
    """
    require_images(name, data)
    if not any(isinstance(each, Boxes) for each in data.targets.values()):
        words = " and ".join(each.plural or each.registered_name for each in data.targets.values()) or "no target"
        raise KeyProblem("name", f"{name} needs images with boxes, the data have {words}")
    if alone and (len(data.inputs) > 1 or len(data.targets) > 1):
        held = " and ".join([*data.inputs, *data.targets])
        raise KeyProblem("name", f"{name} needs images and boxes alone, the data have {held}")
