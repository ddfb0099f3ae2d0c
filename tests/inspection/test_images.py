"""Image files that are there twice, nearly twice, broken or odd; of real photographs."""

import shutil

import numpy as np
import pytest
from sklearn.datasets import load_sample_images

from dltrain.datasets.image_folder import ImageFolder
from dltrain.inspection.findings import examine
from dltrain.inspection.inspected_data import InspectedData


def write(path, image, quality=95):
    import tensorflow as tf

    path.parent.mkdir(parents=True, exist_ok=True)
    encoded = tf.io.encode_png(image) if path.suffix == ".png" else tf.io.encode_jpeg(image, quality=quality)
    path.write_bytes(encoded.numpy())


@pytest.fixture
def photos(tensorflow, tmp_path):
    """Twelve different photographs of each of two classes in training, three of each in test."""
    random = np.random.RandomState(0)
    for name, image in zip(("china", "flower"), load_sample_images().images, strict=True):
        for number in range(15):
            top, left = random.randint(0, 427 - 160), random.randint(0, 640 - 160)
            place = tmp_path / ("train" if number < 12 else "test") / name / f"{number:02}.png"
            write(place, image[top : top + 160, left : left + 160])
    return tmp_path


def found(path, brief=False, **settings):
    settings = {"validation_fraction": 0.0, **settings}
    splits = ImageFolder(path=path, size=64, **settings).load()
    return {finding.kind: finding for finding in examine(InspectedData(splits, brief=brief))}


def test_different_photos_are_left_alone(photos):
    assert found(photos) == found(photos, brief=True) == {}


def test_images_of_kinds_that_are_not_read_are_named(photos):
    notes = photos / "train" / "china" / "notes.txt"
    notes.write_text("no image")
    assert found(photos)["ignored files"].severity == "note"
    (photos / "train" / "china" / "04.HEIC").write_bytes(b"no matter")
    finding = found(photos)["ignored files"]
    assert finding.severity == "warning"
    assert finding.where == (f"{photos}/train/china/04.HEIC", str(notes))


def test_a_copy_in_another_part_is_found_by_name(photos):
    shutil.copy(photos / "train" / "china" / "03.png", photos / "test" / "china" / "copy.png")
    for brief in (False, True):
        finding = found(photos, brief)["leak"]
        assert finding.severity == "warning"
        assert finding.where == (f"{photos}/test/china/copy.png = {photos}/train/china/03.png",)


def test_a_copy_in_another_class_contradicts(photos):
    shutil.copy(photos / "train" / "china" / "03.png", photos / "train" / "flower" / "copy.png")
    finding = found(photos, brief=True)["contradiction"]
    assert finding.where == (f"{photos}/train/flower/copy.png = {photos}/train/china/03.png",)


def half(image):
    return image.reshape(80, 2, 80, 2, 3).mean(axis=(1, 3)).astype(np.uint8)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("resized.png", half),
        ("again.jpg", lambda image: image),
        ("brighter.png", lambda image: np.minimum(image, 252) + np.uint8(3)),
    ],
)
def test_a_photo_that_is_nearly_the_same_is_found_by_name(photos, name, change):
    import tensorflow as tf

    for number in (2, 7):
        original = photos / "train" / "flower" / f"{number:02}.png"
        image = tf.io.decode_png(original.read_bytes()).numpy()
        write(photos / "test" / "flower" / f"{number}{name}", change(image), quality=60)
    kinds = found(photos)
    assert set(kinds) == {"near leak"}
    assert kinds["near leak"].where == tuple(
        f"{photos}/test/flower/{number}{name} ~ {photos}/train/flower/{number:02}.png (test, train)"
        for number in (2, 7)
    )


def test_near_copies_in_training_are_a_note(photos):
    import tensorflow as tf

    image = tf.io.decode_png((photos / "train" / "china" / "03.png").read_bytes()).numpy()
    write(photos / "train" / "china" / "half.png", half(image))
    assert found(photos)["near duplicates"].severity == "note"


def test_flat_images_are_not_alike(tensorflow, tmp_path):
    for name in ("a", "b"):
        for number in range(8):
            image = np.full((64, 64, 3), number * 20 + 5 * (name == "a"), np.uint8)
            image[number, number] = 255
            write(tmp_path / name / f"{number}.png", image)
    assert "near leak" not in found(tmp_path)


def test_files_that_hold_no_image_are_named(photos):
    (photos / "train" / "china" / "empty.jpg").write_bytes(b"")
    finding = found(photos, on_bad_example="skip")["unusable"]
    assert len(finding.where) == 1
    assert "china/empty.jpg: no image that can be used: it is empty" in finding.where[0]


def test_odd_sizes_and_colours_are_named(photos):
    random = np.random.RandomState(1)
    write(photos / "train" / "china" / "tiny.png", random.randint(0, 255, (20, 30, 3)).astype(np.uint8))
    write(photos / "train" / "china" / "long.png", random.randint(0, 255, (70, 300, 3)).astype(np.uint8))
    write(photos / "train" / "china" / "grey.jpg", random.randint(0, 255, (90, 90, 1)).astype(np.uint8))
    kinds = found(photos)
    assert kinds["small images"].where == (f"{photos}/train/china/tiny.png (20x30)",)
    assert kinds["odd shapes"].where == (f"{photos}/train/china/long.png (70x300)",)
    assert kinds["odd colours"].where == (f"{photos}/train/china/grey.jpg (grey)",)
