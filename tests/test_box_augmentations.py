"""Augmentations that move boxes: a box around a bright rectangle is around it afterwards, by the pixels."""

import numpy as np
import pytest
from specs import data_spec

from dltrain.augmentations.boxes import IoUCrop, MixupBoxes, Mosaic
from dltrain.augmentations.colour import Photometric
from dltrain.augmentations.flips_and_crops import Flip, PadAndCrop
from dltrain.augmentations.geometry import Expand, RandomResizedCrop, Rotate, Translate, Zoom
from dltrain.data import Batch, DataSpec, Features
from dltrain.data.random_draws import sharing
from dltrain.features.boxes import Boxes
from dltrain.features.image import Image
from dltrain.features.vector import Vector
from dltrain.registry import AUGMENTATIONS

HEIGHT, WIDTH, COUNT = 72, 96, 24
DATA = DataSpec.of(Image(shape=(HEIGHT, WIDTH, 3)), Boxes(class_names=tuple(f"of {place}" for place in range(COUNT))))
MOVING = [
    *(Flip(direction=each) for each in ("horizontal", "vertical", "both")),
    *(PadAndCrop(padding=20), Rotate(degrees=40), Translate(height=0.3, width=0.3), Zoom(scale=(0.5, 2.0))),
    *(RandomResizedCrop(area=(0.2, 1)), Expand(probability=1.0), Expand(largest=2.5), IoUCrop(), IoUCrop(overlaps=())),
]
TOGETHER = [Mosaic(probability=1.0), Mosaic(), MixupBoxes(probability=0.0)]
EVERY = [*MOVING, *TOGETHER, MixupBoxes(probability=1.0), Photometric()]


def level(place):
    """Returns the grey level of an example's rectangle, which no other has."""
    return 60.0 + 8.0 * place


def scenes(seed=0):
    """Returns black images with a rectangle each, but every eighth with none, and their boxes with a row to spare."""
    random = np.random.RandomState(seed)
    images = np.zeros((COUNT, HEIGHT, WIDTH, 3), np.float32)
    rows = np.full((COUNT, 2, 7), -1, np.float32)
    for place in range(COUNT):
        if place % 8 == 7:
            continue
        height, width = random.randint(16, 40), random.randint(16, 50)
        top, left = random.randint(0, HEIGHT - height), random.randint(0, WIDTH - width)
        images[place, top : top + height, left : left + width] = level(place)
        corners = [left / WIDTH, top / HEIGHT, (left + width) / WIDTH, (top + height) / HEIGHT]
        rows[place, place % 2] = [*corners, place, place % 3 == 0, place % 5 == 0]
    return images, rows


def changed(tensorflow, augmentation, seed=1, images=None, rows=None, data=DATA, is_compiled=False):
    made = scenes(seed)
    images, rows = made[0] if images is None else images, made[1] if rows is None else rows
    work = augmentation.build(data)
    if is_compiled:
        work = tensorflow.function(work, jit_compile=True, autograph=False)
    found = work(Batch(tensorflow.constant(images), tensorflow.constant(rows)), tensorflow.constant([seed, 3]))
    return found.inputs.numpy(), found.targets.numpy()


def seen(image, place):
    """Returns the corners of the pixels that have the level of an example, in pixels; none where there are none."""
    found = np.abs(image[..., 0] - level(place)) < 3.5
    down, across = np.flatnonzero(found.any(axis=1)), np.flatnonzero(found.any(axis=0))
    return np.array([across[0], down[0], across[-1] + 1, down[-1] + 1]) if len(down) else None


@pytest.mark.parametrize("augmentation", MOVING, ids=str)
def test_a_box_around_bright_pixels_is_around_them_afterwards(tensorflow, augmentation):
    kept = 0
    for seed in range(4):
        images, rows = changed(tensorflow, augmentation, seed)
        for image, boxes in zip(images, rows, strict=True):
            for row in boxes[boxes[:, 4] >= 0]:
                kept += 1
                corners, pixels = row[:4] * [WIDTH, HEIGHT, WIDTH, HEIGHT], seen(image, int(row[4]))
                assert row[5:].tolist() == [row[4] % 3 == 0, row[4] % 5 == 0]
                assert (row[:4] >= 0).all() and (row[:4] <= 1).all()
                if pixels is None:  # of a rectangle that became a few pixels, blended with what is around it
                    assert (corners[2:] - corners[:2]).min() < 5
                    continue
                is_cut = (row[:2] == 0).any() or (row[2:4] == 1).any()
                room = 3.0 if corners[2] - corners[0] > 8 else 2.5
                assert (pixels[:2] >= corners[:2] - room).all() and (pixels[2:] <= corners[2:] + room).all()
                if not (isinstance(augmentation, Rotate) and is_cut):
                    np.testing.assert_allclose(pixels, corners, atol=room)
    assert kept > COUNT


@pytest.mark.parametrize("augmentation", TOGETHER, ids=str)
def test_boxes_of_several_images_in_one_are_around_their_own_pixels(tensorflow, augmentation):
    checked = 0
    for seed in range(4):
        images, rows = changed(tensorflow, augmentation, seed)
        for image, boxes in zip(images, rows, strict=True):
            for row in boxes[boxes[:, 4] >= 0]:
                left, top, right, bottom = np.round(row[:4] * [WIDTH, HEIGHT, WIDTH, HEIGHT]).astype(int).tolist()
                if right - left < 8 or bottom - top < 8:
                    continue
                is_own = np.abs(image[..., 0] - level(row[4])) < 3.5
                assert is_own[top + 3 : bottom - 3, left + 3 : right - 3].all()
                beyond = is_own[:, [*range(max(left - 3, 0)), *range(right + 3, WIDTH)]][top + 3 : bottom - 3]
                assert beyond.size == 0 or beyond.mean() < 0.1
                checked += 1
    assert checked > 2 * COUNT


@pytest.mark.parametrize("augmentation", MOVING, ids=str)
def test_a_box_whose_centre_leaves_is_dropped_and_others_are_not(tensorflow, augmentation):
    """Of a tiny bright square in the middle of a large box: while it is seen, the box is there."""
    random = np.random.RandomState(0)
    images, rows = np.zeros((COUNT, HEIGHT, WIDTH, 3), np.float32), np.full((COUNT, 1, 7), -1, np.float32)
    for place in range(COUNT):
        y, x = random.randint(8, HEIGHT - 8), random.randint(8, WIDTH - 8)
        images[place, y - 4 : y + 4, x - 4 : x + 4] = 255
        half = min(y, HEIGHT - y), min(x, WIDTH - x)
        corners = [(x - half[1]) / WIDTH, (y - half[0]) / HEIGHT, (x + half[1]) / WIDTH, (y + half[0]) / HEIGHT]
        rows[place, 0] = [*corners, 0, 0, 0]
    for seed in range(4):
        moved, boxes = changed(tensorflow, augmentation, seed, images, rows)
        shares = (moved[..., 0] > 60).sum(axis=(1, 2))
        assert (boxes[shares == 0] == -1).all()
        whole = np.array([(np.abs(each[[0, -1], :, 0]).max(), np.abs(each[:, [0, -1], 0]).max()) for each in moved])
        is_whole = (whole.max(axis=1) < 60) & (shares > 0)
        assert (boxes[is_whole, :, 4] == 0).all()


@pytest.mark.parametrize("augmentation", EVERY, ids=str)
def test_rows_that_are_no_object_stay_so_and_images_without_objects_are_kept(tensorflow, augmentation):
    images, rows = scenes()
    moved, boxes = changed(tensorflow, augmentation, images=images, rows=np.full_like(rows, -1))
    assert moved.shape == images.shape
    assert (boxes == -1).all()
    _, boxes = changed(tensorflow, augmentation)
    is_object = boxes[..., 4] >= 0
    assert (boxes[~is_object] == -1).all()
    assert np.isfinite(moved).all() and (boxes[is_object][:, 2:4] > boxes[is_object][:, :2]).all()


@pytest.mark.parametrize("augmentation", [Flip(), Rotate(), IoUCrop(), Mosaic(), MixupBoxes()], ids=str)
def test_xla_moves_the_same(tensorflow, augmentation):
    for one, other in zip(
        changed(tensorflow, augmentation), changed(tensorflow, augmentation, is_compiled=True), strict=True
    ):
        np.testing.assert_allclose(one, other, atol=1e-2)


@pytest.mark.parametrize("augmentation", EVERY, ids=str)
def test_the_same_seed_moves_alike_and_another_otherwise(tensorflow, augmentation):
    images, rows = scenes()
    first, again = (changed(tensorflow, augmentation, 1, images, rows) for _ in range(2))
    other = changed(tensorflow, augmentation, 2, images, rows)
    for one, same in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, same)
    if augmentation != MixupBoxes(probability=0.0):
        assert not np.array_equal(first[0], other[0])


@pytest.mark.parametrize("augmentation", MOVING, ids=str)
def test_how_far_boxes_are_filled_up_and_which_device_has_an_example_changes_nothing(tensorflow, augmentation):
    images, rows = scenes()
    whole, boxes = changed(tensorflow, augmentation, 1, images, rows)
    _, more = changed(tensorflow, augmentation, 1, images, np.pad(rows, [(0, 0), (0, 3), (0, 0)], constant_values=-1))
    np.testing.assert_allclose(more[:, :2], boxes, atol=1e-6)
    for number in range(2):
        with sharing(number, 2):
            own = slice(12 * number, 12 * number + 12)
            some, few = changed(tensorflow, augmentation, 1, images[own], rows[own])
        np.testing.assert_allclose(some, whole[own], atol=1e-2)
        np.testing.assert_allclose(few, boxes[own], atol=1e-5)


def test_crops_overlap_an_object_by_one_of_the_shares_asked_for(tensorflow):
    """A rectangle that fills the image: what is left of it is its overlap."""
    rows = np.zeros((COUNT, 1, 7), np.float32)
    rows[:, 0, :4] = [0, 0, 1, 1]
    ramp = np.tile(np.linspace(0, 255, WIDTH, dtype=np.float32)[None, None, :, None], (COUNT, HEIGHT, 1, 3))
    ramp[..., 1] = np.linspace(0, 255, HEIGHT, dtype=np.float32)[:, None]
    areas = []
    for seed in range(6):
        images, boxes = changed(tensorflow, IoUCrop(overlaps=(0.7,)), seed, ramp, rows)
        np.testing.assert_allclose(boxes[..., :4], rows[..., :4], atol=1e-5)
        areas += (np.ptp(images[..., 0], axis=(1, 2)) * np.ptp(images[..., 1], axis=(1, 2)) / 255**2).tolist()
    areas = np.array(areas)
    assert (areas > 0.99).mean() == pytest.approx(1 / 3, abs=0.15)
    assert ((areas > 0.65) & (areas < 0.99)).sum() > 20 and (areas < 0.65).sum() > 5


def test_expanded_images_lie_on_the_mean_colour(tensorflow):
    image = Image(shape=(HEIGHT, WIDTH, 3), mean=(10.0, 20.0, 30.0), standard_deviation=(1.0,) * 3)
    data = DataSpec(Features.of(image), DATA.targets)
    images, rows = changed(tensorflow, Expand(probability=1.0), images=np.full_like(scenes()[0], 200.0), data=data)
    outside = images[np.abs(images - 200).max(axis=-1) > 100]
    assert len(outside) > 1000
    assert np.abs(outside - [10, 20, 30]).max() < 100
    assert np.median(np.abs(outside - [10, 20, 30])) < 1e-3
    sides = (rows[..., 2:4] - rows[..., :2])[rows[..., 4] >= 0]
    assert sides.max() <= 0.6


def test_a_mosaic_has_the_objects_of_four_images(tensorflow):
    _, boxes = changed(tensorflow, Mosaic(probability=1.0, scale=(0.5, 0.5), margin=0.5))
    for place, rows in enumerate(boxes):
        wanted = {each % COUNT for each in range(place, place + 4)} - set(range(7, COUNT, 8))
        assert set(rows[rows[:, 4] >= 0][:, 4].astype(int)) == wanted


def test_mixed_images_have_the_boxes_of_both(tensorflow):
    images, rows = scenes()
    mixed, boxes = changed(tensorflow, MixupBoxes(probability=1.0), 1, images, rows)
    np.testing.assert_array_equal(boxes[:, :2], rows)
    np.testing.assert_array_equal(boxes[:, 2:], np.roll(rows, 1, axis=0))
    place = 3
    share = mixed[place].max() / max(level(place), level(place - 1))
    assert 0 < share < 1


def test_photometric_changes_no_place_and_grey_images_too(tensorflow):
    images, rows = scenes()
    images = np.random.RandomState(0).uniform(0, 255, images.shape).astype(np.float32)
    made, boxes = changed(tensorflow, Photometric(), 1, images, rows)
    np.testing.assert_array_equal(boxes, rows)
    same = np.abs(made - images).max(axis=(1, 2, 3)) < 1e-2
    assert 0 <= same.sum() < COUNT / 2
    nothing = Photometric(brightness=0, contrast=(1, 1), saturation=(1, 1), degrees=0)
    np.testing.assert_allclose(changed(tensorflow, nothing, 1, images, rows)[0], images, atol=1e-2)
    grey = DataSpec(Features.of(Image(shape=(HEIGHT, WIDTH, 1))), DATA.targets)
    assert changed(tensorflow, Photometric(), 1, images[..., :1], rows, grey)[0].shape == (COUNT, HEIGHT, WIDTH, 1)


ACCEPTING = {"flip", "pad_and_crop", "rotate", "translate", "zoom", "random_resized_crop", "expand", "iou_crop"}


@pytest.mark.parametrize("name", AUGMENTATIONS.names())
def test_what_cannot_move_boxes_is_refused_by_name(name):
    augmentation = AUGMENTATIONS[name]
    if name in ACCEPTING | {"mosaic", "mixup_boxes"}:
        assert Boxes in augmentation.accepts and augmentation.moves
        augmentation().check(DATA)
        augmentation().check_places(DATA)
    elif augmentation.moves:
        with pytest.raises(ValueError, match=f"{name} moves what is seen, and would leave boxes in place"):
            augmentation().check_places(DATA)


@pytest.mark.parametrize("name", ["iou_crop", "mosaic", "mixup_boxes"])
def test_what_needs_boxes_says_so(name):
    with pytest.raises(ValueError, match=f"^name {name} needs images with boxes, the data have classes"):
        AUGMENTATIONS[name]().check(data_spec((6, 5, 3), ("a", "b")))
    if name != "iou_crop":
        several = DataSpec(Features(image=DATA.input, numbers=Vector(shape=(3,))), DATA.targets)
        with pytest.raises(ValueError, match=f"^name {name} needs images and boxes alone"):
            AUGMENTATIONS[name]().check(several)


def test_boxes_among_several_targets_are_moved_and_the_others_left(tensorflow):
    images, rows = scenes()
    targets = Features({"where": DATA.target, "what": data_spec((6, 5, 3), ("a", "b")).target})
    labels = tensorflow.range(COUNT)
    batch = Batch(tensorflow.constant(images), {"where": tensorflow.constant(rows), "what": labels})
    found = Flip().build(DataSpec(DATA.inputs, targets))(batch, tensorflow.constant([1, 3]))
    assert found.targets["what"] is labels
    np.testing.assert_array_equal(found.targets["where"], changed(tensorflow, Flip(), 1, images, rows)[1])
