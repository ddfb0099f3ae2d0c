"""Image folders: what is found, how it is decoded, what is kept, and what is refused."""

import logging
import os
import shutil
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from dltrain.datasets._images import files as image_files
from dltrain.datasets._images.files import ImageFiles
from dltrain.datasets.image_folder import ImageFolder
from dltrain.errors import DataError
from dltrain.features._images.decoding import Decoding
from dltrain.features._images.headers import read_header

SCENE = np.zeros((300, 400, 3), np.uint8)  # thirds: red, green, blue from left to right
for third in range(3):
    SCENE[:, third * 400 // 3 : (third + 1) * 400 // 3, third] = 250


def write(path, image):
    import tensorflow as tf

    path.parent.mkdir(parents=True, exist_ok=True)
    encode = {".jpg": tf.io.encode_jpeg, ".png": tf.io.encode_png}[path.suffix]
    path.write_bytes(encode(image).numpy())


@pytest.fixture
def folder(tensorflow, tmp_path):
    """Ten images of each of two classes, of several sizes: `dark` and `light`."""
    random = np.random.RandomState(0)
    for label, name in enumerate(("dark", "light")):
        for number in range(10):
            image = random.randint(0, 60, (20 + number, 40 - number, 3)).astype(np.uint8) + np.uint8(label * 150)
            write(tmp_path / "data" / name / f"{number}.{'jpg' if number % 2 else 'png'}", image)
    (tmp_path / "data" / "dark" / "notes.txt").write_text("no image")
    return tmp_path / "data"


def test_folders_are_the_classes_and_files_the_examples(folder):
    source = ImageFolder(path=folder, size=16)
    assert source.spec().input.shape == (16, 16, 3)
    assert source.spec().target.class_names == ("dark", "light")
    splits = source.load()
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [14, 2, 4]
    for part in (splits.train, splits.validation, splits.test):
        images = part.inputs[:]
        assert images.shape == part.inputs.shape == (len(part), 16, 16, 3)
        assert images.dtype == np.uint8
        assert ((images.mean(axis=(1, 2, 3)) > 100) == (part.targets == 1)).all()
    assert splits.spec.input.mean == pytest.approx(splits.train.inputs[:].mean(axis=(0, 1, 2)))


def test_files_of_other_kinds_are_counted_by_suffix(folder):
    for name in ("a.heic", "b.HEIC", "deeper/c.tif"):
        (folder / "light" / name).parent.mkdir(exist_ok=True)
        (folder / "light" / name).write_bytes(b"no matter")
    splits = ImageFolder(path=folder, size=16).load()
    (noticed,) = splits.noticed
    assert noticed.words.startswith("4 files are ignored (2 .heic, 1 .txt, 1 .tif): images end in .bmp, .gif, ")
    expected = [folder / "dark" / "notes.txt", *(folder / "light" / name for name in ("a.heic", "b.HEIC"))]
    assert splits.ignored == tuple(map(str, [*expected, folder / "light" / "deeper" / "c.tif"]))


def test_parts_in_folders_of_their_own_are_kept(folder, tmp_path):
    root = tmp_path / "parts"
    for part, count in (("train", 6), ("val", 2), ("test", 2)):
        for name in ("dark", "light"):
            (root / part / name).mkdir(parents=True)
            for path in sorted((folder / name).glob("*.*g"))[:count]:
                path.rename(root / part / name / path.name)
    splits = ImageFolder(path=root, size=8).load()
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [12, 4, 4]


@pytest.fixture(params=["folder", "zip", "tar"])
def place(request, tensorflow, tmp_path, monkeypatch):
    """Returns what puts images at the names into a folder, or an archive of it."""
    monkeypatch.setenv("DLTRAIN_CACHE", str(tmp_path / "cache"))

    def place(*names):
        for name in names:
            write(tmp_path / "photos" / name, SCENE[:8, :8])
        if request.param == "folder":
            return tmp_path / "photos"
        return Path(shutil.make_archive(str(tmp_path / "photos"), request.param, tmp_path, "photos"))

    return place


@pytest.mark.parametrize("names", [("Train", "VAL", "Test"), ("training", "Valid", "TESTING")])
def test_parts_are_known_whatever_the_case(place, names):
    source = ImageFolder(path=place(*(f"{part}/{name}/1.png" for part in names for name in ("cat", "dog"))), size=8)
    assert source.spec().target.class_names == ("cat", "dog")
    splits = source.load()
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [2, 2, 2]


@pytest.mark.parametrize("names", [("test", "validation"), ("Test",), ("test", "cat", "dog")])
def test_parts_without_a_training_part_are_refused(place, names):
    below = [name if name in ("cat", "dog") else f"{name}/{label}" for name in names for label in ("cat", "dog")]
    source = ImageFolder(path=place("cat.png", *(f"{name}/1.png" for name in below)), size=8)
    with pytest.raises(ValueError, match=r"^path has the part \w+ in .*photos.*, but no folder train beside it"):
        source.spec()
    with pytest.raises(DataError, match=r"^dataset\.path has the part"):
        source.load()


def test_a_class_may_be_called_as_a_part_is(place):
    source = ImageFolder(path=place("car/1.png", "plane/1.png", "train/1.png", "train/.old/1/1.png"), size=8)
    assert source.spec().target.class_names == ("car", "plane", "train")
    source.load()


@pytest.mark.parametrize("names", [("val", "validation"), ("train", "Training"), ("Test", "testing")])
def test_two_folders_of_one_part_are_refused(place, names):
    parts = sorted({"train", *names})
    source = ImageFolder(path=place(*(f"{part}/{label}/1.png" for part in parts for label in ("cat", "dog"))), size=8)
    first, second = sorted(names)
    with pytest.raises(
        ValueError, match=rf"^path has two folders for the same part, {first} and {second}, in .*photos"
    ):
        source.spec()
    with pytest.raises(DataError, match=r"^dataset\.path has two folders"):
        source.load()


def test_what_is_hidden_is_not_taken(place):
    hidden = ("cat/.thumbnails/1.png", "cat/deep/.old/deeper/1.png", "cat/.1.png", ".trash/1.png")
    path = place("cat/1.png", "cat/deep/1.png", "dog/1.png", *hidden)
    splits = ImageFolder(path=path, size=8, test_fraction=0.0, validation_fraction=0.0).load()
    assert splits.spec.target.class_names == ("cat", "dog")
    assert len(splits.train) == 3


def test_grey_images_have_one_channel(folder):
    assert ImageFolder(path=folder, size=(8, 12), color_mode="grayscale").load().train.inputs[:2].shape == (2, 8, 12, 1)


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
@pytest.mark.parametrize("resize", ["stretch", "fit", "crop"])
def test_resizing_keeps_what_it_promises(tensorflow, tmp_path, suffix, resize):
    write(tmp_path / f"scene{suffix}", SCENE)
    image = Decoding(90, 90, 3, resize, fast=True)(tmp_path / f"scene{suffix}").astype(int)
    row = image[45]
    red = int((row.argmax(axis=1) == 0)[row.sum(axis=1) > 100].sum())
    # 400x300 has thirds of 133; cropped to 300x300 the outer thirds keep 83 of 300 pixels.
    assert red == pytest.approx({"stretch": 30, "fit": 30, "crop": 25}[resize], abs=1)
    shown = (image.sum(axis=(1, 2)) > 1000).sum()  # rows that are not black
    assert shown == pytest.approx(68 if resize == "fit" else 90, abs=1)


COLOURS = np.random.RandomState(0).randint(0, 256, (256, 3)).astype(np.uint8)


def bmp(image, bits=24, compression=0, header=40, palette=b""):
    rows = np.pad(image[::-1, :, ::-1], ((0, 0), (0, 0), (0, bits // 8 - 3))) if bits > 8 else image[::-1, :, :1]
    pixels = b"".join(row.tobytes() + bytes(-row.size % 4) for row in rows)
    size = struct.pack("<iiHH" if header >= 40 else "<HHHH", image.shape[1], image.shape[0], 1, bits)
    known = (struct.pack("<I", header) + size + struct.pack("<I", compression)).ljust(header, b"\0")[:header] + palette
    return b"BM" + struct.pack("<IHHI", 14 + len(known) + len(pixels), 0, 0, 14 + len(known)) + known + pixels


def gif(height, width, *frames):
    """Returns a GIF of the frames: top, left and the numbers of its colours in `COLOURS`."""
    content = b"GIF89a" + struct.pack("<HHBBB", width, height, 0xF7, 0, 0) + COLOURS.tobytes()
    for top, left, numbers in frames:
        content += b"!\xf9\x04" + bytes(5) + b"," + struct.pack("<HHHHB", left, top, *numbers.shape[::-1], 0) + b"\x08"
        codes = [code for number in numbers.ravel() for code in (256, int(number))]  # 256 keeps the codes at 9 bits
        bits = "".join(f"{code:09b}"[::-1] for code in [*codes, 257])
        packed = bytes(int(bits[at : at + 8][::-1], 2) for at in range(0, len(bits), 8))
        for start in range(0, len(packed), 255):
            piece = packed[start : start + 255]
            content += bytes([len(piece)]) + piece
        content += b"\0"
    return content + b";"


NUMBERS = np.random.RandomState(1).randint(0, 256, (7, 9))


@pytest.mark.parametrize(
    "content",
    [gif(7, 9, (0, 0, NUMBERS)), bmp(COLOURS[NUMBERS]), bmp(COLOURS[NUMBERS], 32)],
    ids=["gif", "bmp of 24 bits", "bmp of 32 bits"],
)
def test_gif_and_bmp_are_read_in_colour_and_grey(tensorflow, tmp_path, content):
    (tmp_path / "image").write_bytes(content)
    image = COLOURS[NUMBERS]
    np.testing.assert_array_equal(Decoding(7, 9, 3, "crop", True)(tmp_path / "image"), image)
    grey = Decoding(7, 9, 1, "crop", True)(tmp_path / "image")
    png = tensorflow.io.decode_png(tensorflow.io.encode_png(image), channels=1).numpy()
    np.testing.assert_allclose(grey.astype(int), png, atol=1)


MASKS = struct.pack("<III", 0xFF0000, 0xFF00, 0xFF)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (bmp(COLOURS[NUMBERS], 8, palette=bytes(1024)), "8 bits per pixel"),
        (bmp(COLOURS[NUMBERS], 24, header=12), "OS/2"),
        (bmp(COLOURS[NUMBERS], 24, compression=4), "compressed"),
        (bmp(COLOURS[NUMBERS], 32, compression=3, palette=MASKS[::-1]), "another order"),
    ],
)
def test_a_bmp_that_tensorflow_would_misread_is_refused(tensorflow, tmp_path, content, words):
    (tmp_path / "image.bmp").write_bytes(content)
    with pytest.raises(DataError, match=f"image.bmp: no image that can be used: it is a.*{words}.*: save it as PNG"):
        Decoding(7, 9, 3, "crop", True)(tmp_path / "image.bmp")


def test_a_bmp_with_masks_in_the_usual_order_is_read(tensorflow, tmp_path):
    (tmp_path / "image.bmp").write_bytes(bmp(COLOURS[NUMBERS], 32, compression=3, palette=MASKS))
    np.testing.assert_array_equal(Decoding(7, 9, 3, "crop", True)(tmp_path / "image.bmp"), COLOURS[NUMBERS])


@pytest.mark.parametrize("screen", [(4, 4), (7, 9), (20, 30)])
@pytest.mark.parametrize("corner", [(0, 0), (2, 3)])
@pytest.mark.parametrize("resize", ["stretch", "fit", "crop"])
def test_a_gif_is_its_first_frame(tensorflow, tmp_path, screen, corner, resize):
    (tmp_path / "image.gif").write_bytes(gif(*screen, (*corner, NUMBERS), (0, 0, NUMBERS[:3]), (0, 0, NUMBERS.T)))
    seen = np.full((*np.maximum(screen, np.add(corner, NUMBERS.shape)), 3), 255)
    seen[corner[0] : corner[0] + 7, corner[1] : corner[1] + 9] = COLOURS[NUMBERS]
    image = Decoding(*seen.shape[:2], 3, resize, True)(tmp_path / "image.gif")
    np.testing.assert_array_equal(image, seen)


@pytest.mark.parametrize("between", [b"\0\0\0", b"\xff\xff", b"ab\xff\0c", b"\xff\x01", b"\xff\xd0"], ids=repr)
def test_the_size_of_a_jpeg_is_found_behind_what_libjpeg_steps_over(tensorflow, tmp_path, between):
    write(tmp_path / "photo.jpg", SCENE)
    content, expected = (tmp_path / "photo.jpg").read_bytes(), Decoding(8, 8, 3, "crop", True)(tmp_path / "photo.jpg")
    for marker in (b"\xff\xdb", b"\xff\xc0"):
        at = content.index(marker)
        (tmp_path / "odd.jpg").write_bytes(content[:at] + between + content[at:])
        np.testing.assert_array_equal(Decoding(8, 8, 3, "crop", True)(tmp_path / "odd.jpg"), expected)


@pytest.mark.parametrize(("height", "width"), [(0, 400), (300, 0), (0, 0)])
@pytest.mark.parametrize("resize", ["stretch", "fit", "crop"])
def test_a_jpeg_without_pixels_is_refused(tensorflow, tmp_path, height, width, resize):
    write(tmp_path / "photo.jpg", SCENE)
    content = (tmp_path / "photo.jpg").read_bytes()
    (tmp_path / "photo.jpg").write_bytes(
        content.replace(struct.pack(">HH", 300, 400), struct.pack(">HH", height, width))
    )
    with pytest.raises(DataError, match="it has no pixels"):
        Decoding(8, 8, 3, resize, True)(tmp_path / "photo.jpg")


def test_of_a_gif_no_later_frame_is_given_to_tensorflow():
    one, two = (read_header(gif(20, 30, (2, 3, NUMBERS), *more)) for more in ([], [(0, 0, NUMBERS.T)]))
    assert one == two


def test_a_first_frame_that_is_too_large_or_cut_off_is_refused(tensorflow, tmp_path):
    content = gif(7, 9, (0, 0, NUMBERS))
    at = content.rindex(struct.pack("<HH", 9, 7))  # of the frame
    (tmp_path / "huge.gif").write_bytes(content[:at] + struct.pack("<HH", 60_000, 50_000) + content[at + 4 :])
    with pytest.raises(DataError, match="50000x60000"):
        Decoding(7, 9, 3, "crop", True)(tmp_path / "huge.gif")
    for end in range(6, len(content) - 1, 5):
        (tmp_path / "cut.gif").write_bytes(content[:end])
        with pytest.raises(DataError, match="ends within its first frame"):
            Decoding(7, 9, 3, "crop", True)(tmp_path / "cut.gif")


@pytest.mark.parametrize(("size", "ratio"), [(16, 8), (25, 8), (26, 4), (50, 4), (51, 2), (100, 2), (101, 1)])
def test_fast_decoding_stays_close_and_never_below_twice_the_size(tensorflow, tmp_path, size, ratio):
    random = np.random.RandomState(0)
    smooth = tensorflow.image.resize(random.randint(0, 256, (6, 8, 3)), (402, 602), "bicubic")
    write(tmp_path / "photo.jpg", np.clip(smooth, 0, 255).astype(np.uint8))
    fast, full = (Decoding(size, size, 3, "crop", fast=fast) for fast in (True, False))
    assert (fast._ratio(402, 602), full._ratio(402, 602)) == (ratio, 1)
    different = np.abs(fast(tmp_path / "photo.jpg").astype(int) - full(tmp_path / "photo.jpg"))
    assert different.mean() < 1
    assert different.max() < 5


def test_plain_decoding_is_tensorflows(tensorflow, tmp_path):
    write(tmp_path / "scene.png", SCENE)
    expected = tensorflow.image.resize(SCENE[:, 50:350], (150, 150), antialias=True).numpy().round()
    np.testing.assert_array_equal(Decoding(150, 150, 3, "crop", fast=False)(tmp_path / "scene.png"), expected)


@pytest.fixture
def files(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("DLTRAIN_CACHE", str(tmp_path / "cache"))
    paths = sorted((folder / "dark").glob("*.*g"))
    return paths, lambda keep: ImageFiles(paths, Decoding(8, 8, 3, "crop", True), keep)


@pytest.mark.parametrize("keep", ["memory", "disk"])
def test_what_was_decoded_is_kept(files, keep, monkeypatch):
    paths, images = files[0], files[1](keep)
    first = images[:]
    monkeypatch.setattr(Decoding, "__call__", lambda *_: pytest.fail("decoded again"))
    np.testing.assert_array_equal(images.take(np.array([3, 1]))[:], first[[3, 1]])
    if keep == "disk":
        np.testing.assert_array_equal(files[1](keep)[:], first)
    assert len(paths) == len(first)


def test_none_is_kept_where_none_is_asked_for(files, monkeypatch):
    images = files[1]("none")
    images[:]
    monkeypatch.setattr(Decoding, "__call__", lambda *_: np.full((8, 8, 3), 7, np.uint8))
    assert (images[:] == 7).all()


def test_a_damaged_cache_and_a_changed_file_are_decoded_anew(files, tmp_path):
    paths, expected = files[0], files[1]("disk")[:]
    (kept,) = tmp_path.glob("cache/images/*/images")
    content = bytearray(kept.read_bytes())
    content[5] ^= 255
    kept.write_bytes(content)
    np.testing.assert_array_equal(files[1]("disk")[:], expected)
    write(paths[0].with_suffix(".png"), np.full((9, 9, 3), 99, np.uint8))
    assert (files[1]("disk")[:1] == 99).all()


def test_what_another_revision_decoded_is_decoded_anew(files, monkeypatch):
    expected = files[1]("disk")[:]
    monkeypatch.setattr(Decoding, "__call__", lambda *_: np.full((8, 8, 3), 7, np.uint8))
    np.testing.assert_array_equal(files[1]("disk")[:], expected)
    monkeypatch.setattr(image_files, "REVISION", -1)
    assert (files[1]("disk")[:] == 7).all()


def test_a_cache_that_cannot_be_written_is_said(files, tmp_path):
    (tmp_path / "cache").touch()
    with pytest.raises(DataError, match=r"cache: disk cannot be written"):
        files[1]("disk")[:]


def huge_png():
    header = struct.pack(">II5B", 30_000, 30_000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"hello", "not JPEG, PNG, BMP, GIF or WebP"),
        (b"\xff\xd8\xff\xe0", "header"),
        (b"\x89PNG\r\n\x1a\n\0\0", "header"),
        (b"\xff\xd8\xff\xc0\0\x11\x08\0\0\0\0", "no pixels"),
        (huge_png(), "30000x30000"),
        (
            huge_png().replace(struct.pack(">II", 30_000, 30_000), struct.pack(">II", 30, 30)),
            r"TensorFlow cannot read it: Invalid PNG[^{}\[\]]*$",
        ),
    ],
)
def test_what_is_no_image_is_named(tensorflow, tmp_path, content, words):
    (tmp_path / "photo.jpg").write_bytes(content)
    with pytest.raises(DataError, match=rf"photo\.jpg: no image that can be used: .*{words}"):
        Decoding(8, 8, 3, "crop", True)(tmp_path / "photo.jpg")


def test_tensorflows_reason_is_one_short_line(tensorflow, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise tensorflow.errors.InvalidArgumentError(
            None, None, "{{function_node A_{x}}} it is\x1b[2J\n\tbad " + "and worse " * 99 + "[Op:DecodeImage]"
        )

    write(tmp_path / "photo.png", SCENE)
    monkeypatch.setattr(tensorflow.io, "decode_image", fail)
    with pytest.raises(DataError) as caught:
        Decoding(8, 8, 3, "crop", True)(tmp_path / "photo.png")
    reason = str(caught.value).split("TensorFlow cannot read it: ")[1]
    assert reason.startswith(r"it is\x1b[2J bad and worse and")
    assert reason.isprintable()
    assert len(reason) <= 203


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_every_cut_off_file_is_refused_or_decoded(tensorflow, tmp_path, suffix):
    write(tmp_path / f"whole{suffix}", SCENE[:64, :64])
    content = (tmp_path / f"whole{suffix}").read_bytes()
    for end in range(0, len(content), 7):
        (tmp_path / f"cut{suffix}").write_bytes(content[:end])
        try:
            assert Decoding(8, 8, 3, "fit", True)(tmp_path / f"cut{suffix}").shape == (8, 8, 3)
        except DataError as error:
            assert "no image that can be used" in str(error)


def test_folders_that_cannot_be_used_say_why(folder, tmp_path):
    with pytest.raises(ValueError, match=r"path must be a folder"):
        ImageFolder(path=tmp_path / "nowhere").spec()
    with pytest.raises(ValueError, match=r"found none in"):
        ImageFolder(path=folder / "dark").spec()
    (folder / "empty").mkdir()
    with pytest.raises(DataError, match=r"no image in .*empty"):
        ImageFolder(path=folder).load()
    (folder / "empty").rmdir()
    (folder / "light").rename(tmp_path / "light")
    with pytest.raises(ValueError, match=r"found only dark"):
        ImageFolder(path=folder).spec()


def test_every_folder_without_an_image_is_named(folder):
    (folder / "a").mkdir()
    (folder / "b").mkdir()
    with pytest.raises(DataError, match=r"no image in .*data/a, .*data/b: expected"):
        ImageFolder(path=folder).load()


def test_an_empty_folder_and_images_beside_the_classes_are_said(folder, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"found none in .*empty, which is empty"):
        ImageFolder(path=tmp_path / "empty").spec()
    with pytest.raises(
        ValueError, match=r"found none in .*dark, beside 10 images in no such folder; or name the images in a \.csv"
    ):
        ImageFolder(path=folder / "dark").spec()


def test_a_folder_that_cannot_be_read_is_named(folder, monkeypatch):
    (folder / "dark" / "deep").mkdir()

    def fail(path, scandir=os.scandir):
        if str(path).endswith("deep"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr("os.scandir", fail)
    with pytest.raises(DataError, match=r"dataset\.path cannot be read: .*dark/deep: Permission denied"):
        ImageFolder(path=folder).load()


def test_a_class_of_one_image_is_trained_on_and_said(folder):
    write(folder / "lone" / "1.png", SCENE)
    splits = ImageFolder(path=folder, size=8).load()
    assert (splits.train.targets == splits.spec.target.class_names.index("lone")).sum() == 1
    assert [each.words.split(": ")[0] for each in splits.noticed if "(1 .txt)" not in each.words] == [
        "the validation part has no image of lone",
        "the test part has no image of lone",
    ]


def test_a_class_of_the_test_part_alone_is_refused(folder, tmp_path):
    for part, names in (("train", ("dark", "light")), ("test", ("dark", "grey"))):
        for name in names:
            write(tmp_path / "parts" / part / name / "1.png", SCENE)
    with pytest.raises(DataError, match=r"class grey .* which the train part does not have"):
        ImageFolder(path=tmp_path / "parts").load()


def test_more_than_half_the_memory_is_refused(folder, monkeypatch):
    monkeypatch.setattr("os.sysconf", lambda name: 1 if name == "SC_PAGE_SIZE" else 10_000)
    with pytest.raises(DataError, match=r"cache: disk"):
        ImageFolder(path=folder, size=16).load()


BAD = {"empty.jpg": (b"", "empty"), "page.png": (b"<html>", "not JPEG"), "cut.png": (huge_png(), "30000x30000")}


@pytest.fixture
def mixed(folder):
    """The ten images of each class and, in `dark`, three files that hold none, among them in the order of names."""
    for name, (content, _) in BAD.items():
        (folder / "dark" / name).write_bytes(content)
    return folder


def test_bad_files_that_are_read_together_are_named_together(mixed):
    with pytest.raises(DataError) as caught:
        ImageFolder(path=mixed, size=8, test_fraction=0.0, validation_fraction=0.0).load()
    *problems, total, advice = str(caught.value).split("\n")
    assert [problem.split(": ")[0] for problem in problems] == [str(mixed / "dark" / name) for name in sorted(BAD)]
    assert total == "3 of 23 images cannot be used"
    assert "on_bad_example: skip" in advice


def test_of_very_many_bad_files_some_are_named(folder, monkeypatch):
    monkeypatch.setattr(image_files, "MOST_NAMED", 10)
    for number in range(12):
        (folder / "dark" / f"{number}.gif").touch()
    with pytest.raises(DataError, match=r"(?s)^(.*: it is empty\n){10}12 of 32 .*on_bad_example=skip\n.*skip leaves"):
        ImageFolder(path=folder, size=8, test_fraction=0.0, validation_fraction=0.0).load()


@pytest.mark.parametrize("cache", ["memory", "disk", "none"])
def test_skipping_gives_what_there_would_be_without_the_bad_files(mixed, tmp_path, monkeypatch, cache):
    monkeypatch.setenv("DLTRAIN_CACHE", str(tmp_path / "cache"))
    skipped = ImageFolder(path=mixed, size=8, cache=cache, on_bad_example="skip").load()
    assert len(skipped.skipped) == len(BAD)
    for message, name in zip(skipped.skipped, sorted(BAD), strict=True):
        assert message.startswith(f"{mixed / 'dark' / name}: no image that can be used: ")
        assert BAD[name][1] in message
    for name in BAD:
        (mixed / "dark" / name).unlink()
    clean = ImageFolder(path=mixed, size=8).load()
    assert clean.skipped == ()
    assert clean.spec == skipped.spec
    for part in ("train", "validation", "test"):
        np.testing.assert_array_equal(getattr(skipped, part).inputs[:], getattr(clean, part).inputs[:])
        np.testing.assert_array_equal(getattr(skipped, part).targets, getattr(clean, part).targets)


def test_looking_for_bad_files_is_said(mixed, caplog):
    caplog.set_level(logging.INFO, "dltrain")
    ImageFolder(path=mixed, size=8, on_bad_example="skip").load()
    assert caplog.messages == [f"checking that {20 + len(BAD)} images can be decoded"]


@pytest.mark.parametrize(("cache", "times"), [("memory", 1), ("disk", 1), ("none", 2)])
def test_skipping_decodes_once_what_is_kept(mixed, tmp_path, monkeypatch, cache, times):
    monkeypatch.setenv("DLTRAIN_CACHE", str(tmp_path / "cache"))
    decoded, decode = [], Decoding.__call__

    def counted(decoding, path):
        decoded.append(path)
        return decode(decoding, path)

    monkeypatch.setattr(Decoding, "__call__", counted)
    monkeypatch.setattr("dltrain.datasets._sources.splitting.Splits.with_statistics", lambda splits, *_: splits)
    splits = ImageFolder(path=mixed, size=8, cache=cache, on_bad_example="skip").load()
    for part in (splits.train, splits.validation, splits.test):
        part.inputs[:]
    assert len(decoded) == 20 * times + len(BAD)


def test_bad_files_are_skipped_in_every_part(folder, tmp_path):
    for part in ("train", "validation", "test"):
        for name in ("dark", "light"):
            write(tmp_path / "parts" / part / name / "1.png", SCENE)
            (tmp_path / "parts" / part / name / "0.png").write_bytes(b"?")
    splits = ImageFolder(path=tmp_path / "parts", size=8, on_bad_example="skip").load()
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [2, 2, 2]
    assert len(splits.skipped) == 6
    (tmp_path / "parts" / "test" / "dark" / "1.png").unlink()
    (tmp_path / "parts" / "train" / "light" / "1.png").unlink()
    with pytest.raises(DataError, match=r"(?s)used of the class light in .*train: .*\n.*no image .* dark in .*test: "):
        ImageFolder(path=tmp_path / "parts", size=8, on_bad_example="skip").load()


@pytest.mark.parametrize("cache", ["memory", "disk", "none"])
def test_a_link_to_nowhere_is_a_bad_file(folder, tmp_path, monkeypatch, cache):
    monkeypatch.setenv("DLTRAIN_CACHE", str(tmp_path / "cache"))
    (folder / "dark" / "gone.png").symlink_to(tmp_path / "gone.png")
    fields = {"path": folder, "size": 8, "cache": cache, "test_fraction": 0.0}
    with pytest.raises(DataError, match=r"gone\.png: no image that can be used: No such file"):
        ImageFolder(**fields, validation_fraction=0.0).load()
    assert len(ImageFolder(**fields, on_bad_example="skip").load().skipped) == 1


def test_trouble_that_may_pass_is_never_skipped(folder, monkeypatch):
    def fail(path, *_):
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch, pytest.raises(DataError, match="cannot be read: Input/output error"):
        patch.setattr("dltrain.untrusted.content", fail)
        ImageFolder(path=folder, size=8, on_bad_example="skip").load()


def test_other_images_take_the_classes_of_the_run(folder, tmp_path):
    known = ImageFolder(path=folder, size=8).load().spec
    other = tmp_path / "other"
    for number in range(3):
        write(other / "light" / f"{number}.png", np.full((9, 9, 3), 200, np.uint8))
    splits = ImageFolder(path=other, size=8, test_fraction=0.0, validation_fraction=0.0).load(known)
    assert splits.spec.target.class_names == ("dark", "light")
    assert list(splits.train.targets) == [1, 1, 1]
    (tmp_path / "other.csv").write_text("path,label\nother/light/0.png,light\n")
    table = ImageFolder(path=tmp_path / "other.csv", size=8, test_fraction=0.0, validation_fraction=0.0)
    assert list(table.load(known).train.targets) == [1]
    write(other / "grey" / "0.png", np.full((9, 9, 3), 100, np.uint8))
    with pytest.raises(DataError, match="the class grey in .*, which the train part does not have: dark, light"):
        ImageFolder(path=other, size=8).load(known)
