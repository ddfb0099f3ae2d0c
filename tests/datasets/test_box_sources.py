"""Images with boxes in four formats: the same boxes of each, and each mistake named with file and line."""

import csv
import json

import numpy as np
import pytest
from PIL import Image as Pillow

from dltrain.data.noticing import noticing
from dltrain.datasets._samples.box_files import WRITERS, Image
from dltrain.errors import DltrainError
from dltrain.features._boxes.columns import CLASS, CORNERS, of_original
from dltrain.registry import DATASETS

FORMATS = {"voc": ("voc", ""), "coco": ("coco", ""), "yolo": ("yolo", "data.yaml"), "table": ("box_table", "boxes.csv")}
"""The source that reads each format, and the path below the folder."""

CLASSES = ("bird", "cat", "dog")


def pictures():
    """Yields twelve images of several sizes with a white rectangle for each object; every fourth has no object."""
    random = np.random.RandomState(0)
    for number in range(12):
        height, width = 30 + number, 50 - number
        pixels, shapes = np.zeros((height, width, 3), np.uint8), []
        for place in range(number % 4):
            left, top = 2 + 14 * place, random.randint(2, height - 12)
            pixels[top : top + 9, left : left + 8] = 255
            shapes.append((CLASSES[(number + place) % 3], (left, top, left + 8, top + 9), place == 1))
        yield Image(("train", "train", "test", "validation")[number // 2 % 4], f"{number + 1:06}", pixels, shapes)


@pytest.fixture(scope="module")
def folders(tensorflow, tmp_path_factory):
    root = tmp_path_factory.mktemp("formats")
    for name, write in WRITERS.items():
        (root / name).mkdir()
        write(root / name, pictures(), CLASSES)
    return root


def source(folder, name, **settings):
    kind, below = FORMATS[name]
    return DATASETS[kind](path=folder / below, **{"size": (36, 44), **settings})


def copied(folders, name, tmp_path):
    import shutil

    shutil.copytree(folders / name, tmp_path / name)
    return tmp_path / name


def refused(folder, name, **settings):
    with pytest.raises((DltrainError, ValueError)) as error:
        source(folder, name, **settings).load()
    return str(error.value)


def pixels_of(split, row):
    """Returns rows of a split's example, with corners in pixels of the original."""
    rows = split.targets[row].copy()
    rows[:, CORNERS] = of_original(rows[:, CORNERS], split.metadata["window"][row][None])
    return rows


@pytest.mark.parametrize("resize", ["stretch", "fit"])
@pytest.mark.parametrize("name", FORMATS)
def test_boxes_are_those_that_were_written_in_pixels_of_the_original(folders, name, resize):
    made = source(folders / name, name, resize=resize)
    assert made.sizes() == {"train": 6, "validation": 2, "test": 4} or made.sizes() == {
        "train": 8,
        "validation": 2,
        "test": 2,
    }
    splits = made.load()
    assert {part: len(split) for part, split in splits.parts.items()} == made.sizes()
    assert splits.spec.target.class_names == CLASSES
    written = {each.name: each for each in pictures()}
    for part, split in splits.parts.items():
        for row, file in enumerate(split.inputs.paths):
            each = written[file.stem]
            assert each.part == part
            np.testing.assert_array_equal(split.metadata["size"][row], each.pixels.shape[:2])
            rows = pixels_of(split, row)
            expected = np.array([corners for _, corners, _ in each.shapes]).reshape(-1, 4)
            np.testing.assert_allclose(rows[:, CORNERS], expected, atol=2e-3)
            assert [CLASSES[int(number)] for number in rows[:, CLASS]] == [shape for shape, *_ in each.shapes]
            if name in ("voc", "table"):
                assert rows[:, 5].tolist() == [is_difficult for *_, is_difficult in each.shapes]


@pytest.mark.parametrize("resize", ["stretch", "fit"])
@pytest.mark.parametrize("name", FORMATS)
def test_boxes_lie_around_what_the_network_sees(folders, name, resize):
    """White rectangles of the resized images are where the shares say."""
    split = source(folders / name, name, resize=resize).load().train
    images = split.inputs.read(np.arange(len(split)))
    for image, rows in zip(images, split.targets, strict=True):
        for x_min, y_min, x_max, y_max in (rows[:, CORNERS] * [44, 36, 44, 36]).round().astype(int).tolist():
            assert image[y_min + 1 : y_max - 1, x_min + 1 : x_max - 1].min() > 200
            around = image[max(y_min - 2, 0) : y_max + 2, max(x_min - 2, 0) : x_max + 2]
            assert image[y_min:y_max, x_min:x_max].mean() > around.mean()
        if not len(rows):
            assert image.max() == 0


@pytest.mark.parametrize("name", FORMATS)
def test_images_without_an_object_are_examples_and_said_to_be(folders, name):
    splits = source(folders / name, name).load()
    assert sum(int((split.targets.lengths == 0).sum()) for split in splits.parts.values()) == 3
    assert any("3 of 12 images have no object" in each.words for each in splits.noticed)


@pytest.mark.parametrize("name", FORMATS)
def test_a_class_that_the_config_leaves_out_is_named_and_an_order_is_kept(folders, name):
    message = refused(folders / name, name, classes=("cat", "dog"))
    assert "'bird'" in message and "cat, dog" in message
    splits = source(folders / name, name, classes=("dog", "bird", "cat", "never")).load()
    assert splits.spec.target.class_names == ("dog", "bird", "cat", "never")
    ours = source(folders / name, name).load()
    places = np.array([1, 2, 0])
    np.testing.assert_array_equal(
        splits.train.targets.values[:, CLASS], places[ours.train.targets.values[:, CLASS].astype(int)]
    )


@pytest.mark.parametrize("name", FORMATS)
def test_a_run_keeps_its_order_of_classes(folders, name):
    like = source(folders / name, name, classes=("dog", "bird", "cat")).load().spec
    assert source(folders / name, name).load(like).spec.target.class_names == ("dog", "bird", "cat")


@pytest.mark.parametrize("name", FORMATS)
def test_a_missing_image_is_named_and_may_be_skipped(folders, name, tmp_path):
    folder = copied(folders, name, tmp_path)
    next(folder.rglob("000002.jpg")).unlink()
    if name == "yolo":
        (folder / "list.txt").write_text("".join(f"./images/train/{number:06}.jpg\n" for number in (1, 2, 3, 4)))
        text = (folder / "data.yaml").read_text()
        (folder / "data.yaml").write_text(text.replace("train: images/train", "train: list.txt"))
    message = refused(folder, name)
    assert "000002" in message and "there is no image" in message and "on_bad_example: skip" in message
    assert {"voc": "000002.xml:2: ", "coco": ".json:4: images[1]", "yolo": "list.txt:2", "table": "boxes.csv:3"}[
        name
    ] in message
    splits = source(folder, name, on_bad_example="skip").load()
    assert len(splits.skipped) == 1
    assert all(file.stem != "000002" for split in splits.parts.values() for file in split.inputs.paths)


def wrong(folder, name, box):
    """Writes other corners (x_min, y_min, x_max, y_max in pixels of 38 x 42) in place of those of the second image."""
    x_min, y_min, x_max, y_max = box
    if name == "voc":
        file = folder / "Annotations" / "000002.xml"
        corners = {"xmin": x_min + 1, "ymin": y_min + 1, "xmax": x_max, "ymax": y_max}
        text = file.read_text()
        start, end = text.index("<bndbox>") + 8, text.index("</bndbox>")
        file.write_text(
            text[:start] + "".join(f"<{key}>{value}</{key}>" for key, value in corners.items()) + text[end:]
        )
        return f"{file}:7: "
    if name == "coco":
        file = folder / "annotations" / "instances_train.json"
        content = json.loads(file.read_text())
        content["annotations"][0]["bbox"] = [x_min, y_min, x_max - x_min, y_max - y_min]
        file.write_text(json.dumps(content))
        return f"{file}"
    if name == "yolo":
        file = folder / "labels" / "train" / "000002.txt"
        numbers = (x_min + x_max) / 2 / 49, (y_min + y_max) / 2 / 31, (x_max - x_min) / 49, (y_max - y_min) / 31
        file.write_text(f"0 {' '.join(f'{number:.6f}' for number in numbers)}\n")
        return f"{file}:1: "
    file = folder / "boxes.csv"
    rows = [*csv.reader(file.read_text().splitlines())]
    rows[2][2:6] = map(str, box)
    file.write_text("".join(f"{','.join(row)}\n" for row in rows))
    return f"{file}:3: "


@pytest.mark.parametrize(
    ("box", "words"),
    [
        ((5, 5, 60, 20), "lies outside of the image of 49x31 pixels"),
        ((-9, 5, 20, 20), "lies outside"),
        ((5, 5, 5, 20), "no area"),
        ((5, 5, 20, 5), "no area"),
    ],
)
@pytest.mark.parametrize("name", FORMATS)
def test_a_box_outside_of_the_image_or_without_area_is_named_with_file_and_line(folders, name, tmp_path, box, words):
    folder = copied(folders, name, tmp_path)
    place = wrong(folder, name, box)
    message = refused(folder, name)
    assert words in message and place in message
    splits = source(folder, name, on_bad_example="skip").load()
    assert len(splits.skipped) == 1 and words in splits.skipped[0]


@pytest.mark.parametrize("name", FORMATS)
def test_a_box_that_ends_within_a_pixel_outside_is_cut_and_that_is_said(folders, name, tmp_path):
    folder = copied(folders, name, tmp_path)
    wrong(folder, name, (-0.6, 5, 20, 31.7))
    splits = source(folder, name).load()
    row = [file.stem for file in splits.train.inputs.paths].index("000002")
    np.testing.assert_allclose(pixels_of(splits.train, row)[0, CORNERS], [0, 5, 20, 31], atol=1e-3)
    assert any("cut at its edge" in each.words for each in splits.noticed)


def test_all_problems_are_told_at_once(folders, tmp_path):
    folder = copied(folders, "voc", tmp_path)
    (folder / "Annotations" / "000001.xml").write_text("<annotation>\n<object>\n</annotation>\n")
    (folder / "Annotations" / "000003.xml").write_text("<annotation><filename>000003.jpg</filename>\n<object>\n"
                                                       "<name>cat</name></object></annotation>")  # fmt: skip
    text = (folder / "Annotations" / "000002.xml").read_text()
    (folder / "Annotations" / "000002.xml").write_text(text.replace("<name>cat</name>", "<name>catt</name>").replace(
        "<difficult>0</difficult>", "<difficult>0</difficult><pose>x</pose>"))  # fmt: skip
    message = refused(folder, "voc", classes=CLASSES)
    assert "000001.xml:3: is not well-formed XML: mismatched tag" in message
    assert "000002.xml" in message and "no class 'catt', did you mean \"cat\"?" in message
    assert "000003.xml:2: the object 'cat' has no <bndbox>" in message


BOMB = '<?xml version="1.0"?>\n<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa">\n<!ENTITY b "&a;&a;&a;&a;&a;&a;">]>\n'
OUTSIDE = '<?xml version="1.0"?>\n<!DOCTYPE a [<!ENTITY a SYSTEM "file:///etc/hostname">]>\n'


@pytest.mark.parametrize("head", [BOMB, OUTSIDE])
def test_xml_with_entities_is_not_read(folders, tmp_path, head):
    folder = copied(folders, "voc", tmp_path)
    file = folder / "Annotations" / "000002.xml"
    file.write_text(head + file.read_text().replace("000002.jpg", "&a;"))
    assert f"{file}:2: declares entities, which are not read" in refused(folder, "voc")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("<annotation>", "<annotated>", "000002.xml:12: is not well-formed"),
        ("<xmin>3</xmin>", "<xmin>three</xmin>", "must be a number, got 'three'"),
        ("<xmin>3</xmin>", "", "<bndbox> has no <xmin>"),
        ("<width>49</width>", "<width>490</width>", "says that the image has 490x31 pixels"),
        ("<name>cat</name>", "", "000002.xml:4: the object has no <name>"),
    ],
)
def test_what_is_wrong_in_an_xml_is_named_with_its_line(folders, tmp_path, old, new, words):
    folder = copied(folders, "voc", tmp_path)
    file = folder / "Annotations" / "000002.xml"
    text = file.read_text()
    file.write_text(text.replace(old, new, 1))
    message = refused(folder, "voc")
    assert "000002.xml" in message
    if "well-formed" not in words:
        assert words in message


def test_lists_of_voc_are_parts_and_another_may_be_named(folders, tmp_path):
    folder = copied(folders, "voc", tmp_path)
    lists = folder / "ImageSets" / "Main"
    (lists / "trainval.txt").write_text((lists / "train.txt").read_text() + (lists / "val.txt").read_text())
    splits = source(folder, "voc", train_list="trainval", validation_fraction=0.2).load()
    assert len(splits.train) + len(splits.validation) == 10
    assert "must be a list of ImageSets/Main" in refused(folder, "voc", train_list="trainvall")
    (lists / "val.txt").write_text("000001\n")
    assert "is in the train part and in the validation part" in refused(folder, "voc")
    (lists / "val.txt").write_text("000007\n000099\n")
    assert "val.txt:2: there is no Annotations/000099.xml" in refused(folder, "voc")


def coco(folders, tmp_path, change):
    folder = copied(folders, "coco", tmp_path)
    file = folder / "annotations" / "instances_train.json"
    content = json.loads(file.read_text())
    change(content)
    file.write_text(
        "{\n"
        + ",\n".join(f'"{key}": [\n' + ",\n".join(map(json.dumps, rows)) + "\n]" for key, rows in content.items())
        + "\n}"
    )
    return folder


def test_categories_are_no_indices(folders, tmp_path):
    """Ids begin at 1, have gaps, and stand in another order than their names."""
    folder = copied(folders, "coco", tmp_path)
    ids = {1: 90, 3: 7, 5: 40}
    for file in (folder / "annotations").iterdir():
        content = json.loads(file.read_text())
        for each in content["categories"]:
            each["id"] = ids[each["id"]]
        for each in content["annotations"]:
            each["category_id"] = ids[each["category_id"]]
        file.write_text(json.dumps(content))
    splits = source(folder, "coco").load()
    assert splits.spec.target.class_names == ("cat", "dog", "bird")
    ours = source(folders / "coco", "coco").load().train.targets.values[:, CLASS]
    np.testing.assert_array_equal(splits.train.targets.values[:, CLASS], np.array([2, 0, 1])[ours.astype(int)])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda c: c["annotations"][1].update(category_id=4),
            "annotations[1]: no category has the id 4: the ids are 1",
        ),
        (lambda c: c["annotations"][2].update(image_id=77), "annotations[2]: no image has the id 77"),
        (lambda c: c["images"][1].update(id=1), "images[1]: the id 1 is there twice"),
        (lambda c: c["categories"][1].update(name="bird"), "categories[1]: the name 'bird' is there twice"),
        (lambda c: c["annotations"][0].pop("bbox"), "annotations[0]: bbox must be four numbers"),
        (lambda c: c["images"][0].update(file_name="../../x.jpg"), "images[0]: must have an id and a file_name below"),
        (lambda c: c.pop("categories"), "must have the lists images, annotations, categories"),
    ],
)
def test_ids_of_coco_that_do_not_match_are_named_with_file_and_line(folders, tmp_path, change, words):
    folder = coco(folders, tmp_path, change)
    message = refused(folder, "coco")
    assert words in message
    file = folder / "annotations" / "instances_train.json"
    if "[" in words.split(":")[0]:
        line = int(message.partition(f"{file}:")[2].partition(":")[0])
        place = words.split(":")[0]
        key, number = place[:-1].split("[")
        lines = file.read_text().splitlines()
        assert lines.index(f'"{key}": [') + 2 + int(number) == line


def test_crowds_are_marked_and_json_that_is_none_has_a_line(folders, tmp_path):
    folder = coco(folders, tmp_path, lambda c: c["annotations"][0].update(iscrowd=1))
    assert source(folder, "coco").load().train.targets.values[:, 6].tolist()[:2] == [1, 0]
    (folder / "annotations" / "instances_train.json").write_text('{"images": [],\n"annotations": [}\n')
    assert "instances_train.json:2: is no JSON" in refused(folder / "annotations" / "instances_train.json", "coco")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("1 0.5 0.5 0.1", "must be 5 numbers: class, x and y of the centre, width, height; got 4"),
        ("7 0.5 0.5 0.1 0.1", "no class has the number 7: the classes are 0 bird, 1 cat, 2 dog"),
        ("1 0.5 0.5 0.1 abc", "must be numbers, got 'abc'"),
        ("1 20 15 8 9", "are these pixels?"),
        ("1 0.5 0.5 0 0.1", "no area"),
    ],
)
def test_a_line_of_yolo_that_is_none_is_named_with_file_and_line(folders, tmp_path, line, words):
    folder = copied(folders, "yolo", tmp_path)
    file = folder / "labels" / "train" / "000002.txt"
    file.write_text(f"0 0.5 0.5 0.2 0.2\n\n{line}\n")
    assert f"{file}:3: {words}"[:60] in refused(folder, "yolo") and words in refused(folder, "yolo")


def test_outlines_of_yolo_become_boxes_and_that_is_said(folders, tmp_path):
    folder = copied(folders, "yolo", tmp_path)
    (folder / "labels" / "train" / "000002.txt").write_text("0 0.1 0.2 0.5 0.3 0.4 0.8\n")
    splits = source(folder, "yolo").load()
    row = [file.stem for file in splits.train.inputs.paths].index("000002")
    np.testing.assert_allclose(splits.train.targets[row][0, CORNERS], [0.1, 0.2, 0.5, 0.8], atol=1e-6)
    assert any("outlines" in each.words for each in splits.noticed)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("train: images/train\n", "names must be the classes"),
        ("names: [a, b]\n", "must have train"),
        ("train: images/trian\nnames: [bird, cat, dog]\n", "train names 'images/trian'; there is no"),
        ("train: images/train\nnames: [bird, yes, dog]\n", "is no text: write it in quotes"),
        ("train: images/train\nnc: 2\nnames: [bird, cat, dog]\n", "nc is 2, but names are 3"),
        ("train: [\n", "is no YAML"),
    ],
)
def test_a_yaml_that_lacks_something_says_what(folders, tmp_path, text, words):
    folder = copied(folders, "yolo", tmp_path)
    (folder / "data.yaml").write_text(text)
    assert words in refused(folder, "yolo")


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("images/000002.jpg,cat,1,2,x,4,0,train", "boxes.csv:14: x_max must be a number, got 'x'"),
        ("images/000002.jpg,,1,2,3,4,0,train", "boxes.csv:14: has corners, and no class"),
        ("images/000002.jpg,cat,1,2,3", "boxes.csv:14: has 5 fields, line 1 has 8"),
        ("images/000002.jpg,cat,1,2,3,4,0,tset", "boxes.csv:14: 'tset' is not a part, did you mean \"test\"?"),
        ("images/000002.jpg,cat,1,2,3,4,0,test", "is of the test part here, and of the train part in line 3"),
        ("images/000002.jpg,cat,1,2,3,4,maybe,train", "difficult and crowd must be 0 or 1"),
    ],
)
def test_a_line_of_a_table_that_is_none_is_named(folders, tmp_path, row, words):
    folder = copied(folders, "table", tmp_path)
    file = folder / "boxes.csv"
    lines = file.read_text().splitlines()[:13]
    file.write_text("\n".join([*lines, row]) + "\n")
    assert words in refused(folder, "table")


def test_a_table_of_other_names_and_shares_is_read(folders, tmp_path):
    folder = copied(folders, "table", tmp_path)
    (folder / "boxes.csv").write_text("filename;label;xmin;ymin;xmax;ymax\nimages/000002.jpg;cat;0.1;0.2;0.3;0.4\n"
                                      "images/000001.jpg;;;;;\nimages/000003.jpg;dog;0;0;1;1\n")  # fmt: skip
    splits = source(folder, "table", units="shares", test_fraction=0.0, validation_fraction=0.0).load()
    np.testing.assert_allclose(splits.train.targets.values[:, CORNERS], [[0.1, 0.2, 0.3, 0.4], [0, 0, 1, 1]], atol=1e-6)
    proposal = DATASETS["box_table"].proposed(folder / "boxes.csv", None)
    assert proposal.keys["units"] == "shares"
    (folder / "boxes.csv").write_text("filename,label,xmin,ymin,xmx,ymax\n")
    assert 'has no column x_max or xmax or x2 or right, did you mean "xmx"?' in refused(folder, "table")


TURNS = {1: lambda a: a, 2: lambda a: a[:, ::-1], 3: lambda a: a[::-1, ::-1], 4: lambda a: a[::-1],
         5: lambda a: a.transpose(1, 0, 2), 6: lambda a: np.rot90(a, 1), 7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
         8: lambda a: np.rot90(a, -1)}  # fmt: skip
"""How pixels of each EXIF orientation are stored that are to be seen upright."""


def photo(folder, orientation, box, size, frame):
    """Writes a photo with a white rectangle, upright at x 10-20, y 4-12 of 40 x 24 pixels, as stored by a camera."""
    pixels = np.zeros((24, 40, 3), np.uint8)
    pixels[4:12, 10:20] = 255
    stored = np.ascontiguousarray(TURNS[orientation](pixels))
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    (folder / "images").mkdir(parents=True)
    Pillow.fromarray(stored).save(folder / "images" / "a.jpg", exif=exif, quality=95)
    image = {"id": 1, "file_name": "a.jpg", **({"height": frame[0], "width": frame[1]} if size else {})}
    x_min, y_min, x_max, y_max = box
    annotation = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [x_min, y_min, x_max - x_min, y_max - y_min]}
    content = {"images": [image], "annotations": [annotation], "categories": [{"id": 1, "name": "a"}]}
    (folder / "train.json").write_text(json.dumps(content))
    return DATASETS["coco"](path=folder / "train.json", size=(24, 40), test_fraction=0.0, validation_fraction=0.0)


def stored_box(orientation):
    """Returns the corners of the white pixels as they are stored, and the height and width of the image."""
    pixels = np.zeros((24, 40, 3), np.uint8)
    pixels[4:12, 10:20] = 1
    stored = TURNS[orientation](pixels)[..., 0]
    down, across = np.flatnonzero(stored.any(axis=1)), np.flatnonzero(stored.any(axis=0))
    return (int(across[0]), int(down[0]), int(across[-1]) + 1, int(down[-1]) + 1), stored.shape


@pytest.mark.parametrize("orientation", TURNS)
def test_boxes_turn_with_photos_that_exif_turns(tensorflow, tmp_path, orientation):
    import dataclasses

    box, shape = stored_box(orientation)
    upright = photo(tmp_path / "upright", orientation, (10, 4, 20, 12), True, (24, 40))
    stored = dataclasses.replace(photo(tmp_path / "stored", orientation, box, True, shape), orientation="stored")
    for each in (upright, stored):
        split = each.load().train
        np.testing.assert_allclose(split.targets[0][0, CORNERS], [0.25, 4 / 24, 0.5, 0.5], atol=1e-6)
        np.testing.assert_array_equal(split.metadata["size"], [[24, 40]])
        image = split.inputs.read(np.arange(1))[0]
        assert image[5:11, 11:19].min() > 200 and image[:, 22:].max() < 60
    if orientation > 4:  # the size tells
        splits = photo(tmp_path / "auto", orientation, box, True, shape).load()
        np.testing.assert_allclose(splits.train.targets[0][0, CORNERS], [0.25, 4 / 24, 0.5, 0.5], atol=1e-6)
        assert any("boxes with them" in each.words for each in splits.noticed)
        silent = photo(tmp_path / "silent", orientation, (10, 4, 20, 12), False, shape).load()
        assert any("no size tells" in each.words for each in silent.noticed)


def test_parts_that_are_split_off_have_each_class_and_images_without_objects(folders, tmp_path):
    folder = tmp_path / "many"
    (folder / "images").mkdir(parents=True)
    Pillow.fromarray(np.zeros((8, 8, 3), np.uint8)).save(folder / "a.png")
    rows = ["path,class,x_min,y_min,x_max,y_max"]
    for number in range(100):
        name = f"images/{number:03}.png"
        (folder / name).write_bytes((folder / "a.png").read_bytes())
        names = ["common"] + ["rare"] * (number % 10 == 0) if number % 5 else [""] + ["rare"] * (number % 10 == 0)
        rows += [f"{name},{each},{'1,1,4,4' if each else ',,,'}" for each in names]
    (folder / "boxes.csv").write_text("\n".join(rows) + "\n")
    made = DATASETS["box_table"](path=folder / "boxes.csv", size=8, test_fraction=0.2, validation_fraction=0.25)
    splits = made.load()
    assert (
        {part: len(split) for part, split in splits.parts.items()}
        == made.sizes()
        == {"train": 60, "validation": 20, "test": 20}
    )
    counts = {part: splits.spec.target.groups(split.targets).counts.tolist() for part, split in splits.parts.items()}
    assert [counts[part][1] for part in counts] == [6, 2, 2]
    assert [int((split.targets.lengths == 0).sum()) for split in splits.parts.values()] == [6, 2, 2]


@pytest.mark.parametrize("name", FORMATS)
def test_init_proposes_the_source_for_its_files(folders, name):
    kind, below = FORMATS[name]
    found = {
        each: DATASETS[each].proposed(folders / name / below, None) for each in ("voc", "coco", "yolo", "box_table")
    }
    assert [each for each, proposal in found.items() if proposal] == [kind]
    proposal = found[kind]
    assert proposal.examples == 12 and set(proposal.counts) == set(CLASSES)
    assert "18 boxes of 3 classes" in proposal.found[0]


def test_what_is_read_for_answers_has_size_and_window(folders, tmp_path):
    made = source(folders / "voc", "voc", resize="fit")
    reader = made.reader(made.load().spec)
    file = folders / "voc" / "JPEGImages" / "000001.jpg"
    (one,) = reader.read([str(file)], 8)
    other = reader.read_file("x.jpg", file.read_bytes())
    for request in (one, other):
        np.testing.assert_array_equal(request.metadata["size"], [[30, 50]])
        x_min, y_min, x_max, y_max = request.metadata["window"][0]
        assert (x_min, x_max) == (0, 50) and y_min < 0 and y_max > 30
    values = reader.read_values([np.zeros((36, 44, 3)).tolist()])
    np.testing.assert_array_equal(values.metadata["window"], [[0, 0, 44, 36]])


def test_notices_are_collected_not_printed(folders):
    with noticing() as found:
        source(folders / "yolo", "yolo").load()
    assert found == []
