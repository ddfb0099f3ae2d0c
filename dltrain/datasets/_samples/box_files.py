"""Images with boxes, written in the formats of detection data."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from dltrain.lazy import np, tf

_VOC_PARTS = {"train": "train", "validation": "val", "test": "test"}


class Image(NamedTuple):
    """An image to write.

    Args:
        part: train, validation or test.
        name: without suffix.
        pixels: (height, width, 3), uint8.
        shapes: class, corners in pixels from 0, whether difficult, of each object.
    """

    part: str
    name: str
    pixels: np.ndarray
    shapes: list[tuple[str, tuple[int, int, int, int], bool]]


def voc(folder: Path, images: Iterator[Image], classes: tuple[str, ...]) -> None:
    """Writes JPEGImages/000001.jpg, Annotations/000001.xml and ImageSets/Main/train.txt, with 1-based corners."""
    for name in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (folder / name).mkdir(parents=True)
    lists: dict[str, list[str]] = {part: [] for part in _VOC_PARTS}
    for each in images:
        height, width = each.pixels.shape[:2]
        _jpeg(folder / "JPEGImages" / f"{each.name}.jpg", each.pixels)
        lines = ["<annotation>", f"  <filename>{each.name}.jpg</filename>"]
        lines.append(f"  <size><width>{width}</width><height>{height}</height><depth>3</depth></size>")
        for name, (x_min, y_min, x_max, y_max), is_difficult in each.shapes:
            corners = {"xmin": x_min + 1, "ymin": y_min + 1, "xmax": x_max, "ymax": y_max}
            box = "".join(f"<{corner}>{value}</{corner}>" for corner, value in corners.items())
            lines += ["  <object>", f"    <name>{name}</name>", f"    <difficult>{is_difficult:d}</difficult>"]
            lines += [f"    <bndbox>{box}</bndbox>", "  </object>"]
        (folder / "Annotations" / f"{each.name}.xml").write_text("\n".join([*lines, "</annotation>", ""]))
        lists[each.part].append(each.name)
    for part, name in _VOC_PARTS.items():
        (folder / "ImageSets" / "Main" / f"{name}.txt").write_text("".join(f"{each}\n" for each in lists[part]))


def coco(folder: Path, images: Iterator[Image], classes: tuple[str, ...]) -> None:
    """Writes train/000001.jpg and annotations/instances_train.json; categories have ids with gaps, from 1."""
    ids = {name: 1 + 2 * number for number, name in enumerate(classes)}
    found: dict[str, dict[str, list[Any]]] = {}
    for each in images:
        height, width = each.pixels.shape[:2]
        categories = [{"id": ids[name], "name": name} for name in classes]
        content = found.setdefault(each.part, {"images": [], "annotations": [], "categories": categories})
        _jpeg(folder / each.part / f"{each.name}.jpg", each.pixels)
        number = int(each.name)
        content["images"].append({"id": number, "file_name": f"{each.name}.jpg", "width": width, "height": height})
        for name, (x_min, y_min, x_max, y_max), _ in each.shapes:
            sides = [x_max - x_min, y_max - y_min]
            about = {"id": len(content["annotations"]) + 1, "image_id": number, "category_id": ids[name]}
            box = {"bbox": [x_min, y_min, *sides], "area": sides[0] * sides[1], "iscrowd": 0}
            content["annotations"].append({**about, **box})
    (folder / "annotations").mkdir()
    for part, content in found.items():
        lines = [f'"{key}": [\n{_rows(rows)}\n]' for key, rows in content.items()]
        (folder / "annotations" / f"instances_{part}.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


def yolo(folder: Path, images: Iterator[Image], classes: tuple[str, ...]) -> None:
    """Writes images/train/000001.jpg, labels/train/000001.txt and data.yaml; no file of labels where there is none."""
    for each in images:
        height, width = each.pixels.shape[:2]
        _jpeg(folder / "images" / each.part / f"{each.name}.jpg", each.pixels)
        lines = []
        for name, (x_min, y_min, x_max, y_max), _ in each.shapes:
            centre = (x_min + x_max) / 2 / width, (y_min + y_max) / 2 / height
            numbers = *centre, (x_max - x_min) / width, (y_max - y_min) / height
            lines.append(f"{classes.index(name)} {' '.join(f'{number:.6f}' for number in numbers)}\n")
        if lines:
            file = folder / "labels" / each.part / f"{each.name}.txt"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("".join(lines))
    names = "".join(f"  {number}: {name}\n" for number, name in enumerate(classes))
    parts = "train: images/train\nval: images/validation\ntest: images/test\n"
    (folder / "data.yaml").write_text(f"path: .\n{parts}names:\n{names}")


def table(folder: Path, images: Iterator[Image], classes: tuple[str, ...]) -> None:
    """Writes images/000001.jpg and boxes.csv, a line per box; a line without a box where there is none."""
    with (folder / "boxes.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["path", "class", "x_min", "y_min", "x_max", "y_max", "difficult", "split"])
        for each in images:
            name = f"images/{each.name}.jpg"
            _jpeg(folder / name, each.pixels)
            for shape, corners, is_difficult in each.shapes:
                writer.writerow([name, shape, *corners, int(is_difficult), each.part])
            if not each.shapes:
                writer.writerow([name, "", "", "", "", "", "", each.part])


WRITERS: dict[str, Callable[[Path, Iterator[Image], tuple[str, ...]], None]] = {
    "voc": voc,
    "coco": coco,
    "yolo": yolo,
    "table": table,
}
"""What writes images with boxes, by the name of the format."""


def _rows(rows: list[Any]) -> str:
    return ",\n".join(json.dumps(row) for row in rows)


def _jpeg(file: Path, pixels: np.ndarray) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(tf.io.encode_jpeg(pixels, quality=92).numpy())
