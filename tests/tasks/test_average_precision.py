"""Average precision: known vectors, and pycocotools on random images."""

import contextlib
import io

import numpy as np
import pytest

from dltrain.tasks._coco import coco_metrics
from dltrain.tasks._precision import (
    Detections,
    Objects,
    Pairs,
    Verdicts,
    average_precision,
    curve,
    voc_average_precisions,
)

CLASSES, IMAGES = 3, 40


@pytest.mark.parametrize(
    ("hits", "total", "eleven", "area"),
    [
        ([1, 0, 1], 2, 0.848485, 0.833333),
        ([1, 1, 0, 1, 0, 0, 1], 5, 0.678571, 0.664286),
        ([0, 0], 1, 0, 0),
        ([], 3, 0, 0),
        ([1], 1, 1, 1),
    ],
)
def test_average_precisions_are_vocs(hits, total, eleven, area):
    recall, precision = curve(np.array(hits, bool), -np.arange(len(hits), dtype=float), total)
    assert average_precision(recall, precision, "11_point") == pytest.approx(eleven, abs=1e-6)
    assert average_precision(recall, precision, "area") == pytest.approx(area, abs=1e-6)


def drawn(seed, images=IMAGES):
    """Returns random objects, some of them crowds, and boxes near them and elsewhere."""
    random, predicted, actual = np.random.RandomState(seed), [], []
    for image in range(images):
        for _ in range(random.randint(0, 6)):
            kind, low = random.randint(CLASSES), random.random_sample(2) * 300
            box = np.concatenate([low, low + 5 + random.random_sample(2) ** 2 * 200])
            actual.append([image, kind, *box, random.random_sample() < 0.1])
            for _ in range(random.randint(0, 4)):
                near = box + random.standard_normal(4) * (box[2] - box[0]) * 0.08
                near[2:] = np.maximum(near[2:], near[:2] + 1)
                other = kind if random.random_sample() < 0.9 else random.randint(CLASSES)
                predicted.append([image, other, round(random.random_sample(), 2), *near])
        for _ in range(random.randint(0, 4)):
            low = random.random_sample(2) * 300
            predicted.append([image, random.randint(CLASSES), random.random_sample(), *low, *(low + 20)])
    predicted, actual = np.array(predicted), np.array(actual)
    return (
        Detections(predicted[:, 0].astype(int), predicted[:, 1].astype(int), predicted[:, 2], predicted[:, 3:]),
        Objects(
            actual[:, 0].astype(int),
            actual[:, 1].astype(int),
            actual[:, 2:6],
            np.zeros(len(actual), bool),
            actual[:, 6] > 0,
        ),
    )


def pycocotools(predicted, actual):
    """Returns the twelve numbers that pycocotools finds."""
    coco = pytest.importorskip("pycocotools.coco")
    from pycocotools.cocoeval import COCOeval

    def as_coco(image, kind, box):
        corners = [*box[:2], box[2] - box[0], box[3] - box[1]]
        return {"image_id": int(image) + 1, "category_id": int(kind) + 1, "bbox": corners}

    rows = zip(actual.images, actual.classes, actual.boxes.tolist(), actual.crowd, strict=True)
    annotations = [{**as_coco(*row[:3]), "id": place, "iscrowd": int(row[3])} for place, row in enumerate(rows, 1)]
    for each in annotations:
        each["area"] = each["bbox"][2] * each["bbox"][3]
    found = zip(predicted.images, predicted.classes, predicted.boxes.tolist(), predicted.scores.tolist(), strict=True)
    with contextlib.redirect_stdout(io.StringIO()):
        truth = coco.COCO()
        truth.dataset = {
            "info": {},
            "images": [{"id": place + 1} for place in range(IMAGES)],
            "categories": [{"id": place + 1, "name": str(place)} for place in range(CLASSES)],
            "annotations": annotations,
        }
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes([{**as_coco(*row[:3]), "score": row[3]} for row in found]), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats


@pytest.mark.parametrize("seed", range(4))
def test_cocos_metrics_are_pycocotools(seed):
    predicted, actual = drawn(seed)
    found, expected = coco_metrics(predicted, actual, CLASSES), pycocotools(predicted, actual)
    precision, recall = found["precision"], found["recall"]
    mine = [precision[0], precision[0, 0], precision[0, 5], *precision[1:], recall[0], *recall[1:]]
    theirs = [*expected[:6], *expected[8:]]
    np.testing.assert_allclose([np.nanmean(each) for each in mine], theirs, rtol=0, atol=1e-12)


def test_more_than_100_boxes_of_a_class_in_an_image_are_the_surest_100():
    count = 150
    box = np.tile([0.0, 0.0, 50.0, 50.0], (count, 1))
    scores = np.linspace(0.9, 0.1, count)
    box[:120] += 500  # elsewhere, and surer
    predicted = Detections(np.zeros(count, int), np.zeros(count, int), scores, box)
    nothing = np.zeros(1, bool)
    actual = Objects(np.zeros(1, int), np.zeros(1, int), np.array([[0, 0, 50, 50.0]]), nothing, nothing)
    assert coco_metrics(predicted, actual, 1)["recall"][0].max() == 0
    assert voc_average_precisions(predicted, actual, 1, "area")[0] > 0


def test_classes_without_objects_have_no_average_precision():
    predicted, actual = drawn(0)
    found = voc_average_precisions(predicted, actual, CLASSES + 1, "area")
    assert np.isnan(found[-1])
    assert np.isnan(coco_metrics(predicted, actual, CLASSES + 1)["precision"][..., -1]).all()


def test_what_finds_a_difficult_object_counts_neither_way_however_often():
    boxes = np.tile([0.0, 0, 10, 10], (3, 1))
    predicted = Detections(np.zeros(3, int), np.zeros(3, int), np.array([0.9, 0.8, 0.7]), boxes)
    actual = Objects(
        np.zeros(2, int), np.zeros(2, int), np.array([[0.0, 0, 10, 10], [50, 50, 60, 60]]),
        np.array([True, False]), np.zeros(2, bool),
    )  # fmt: skip
    verdicts = Verdicts.of(predicted, actual)
    assert not verdicts.counts.any()
    found = coco_metrics(predicted, actual, 1)
    assert found["precision"][0].max() == 0
    assert voc_average_precisions(predicted, actual, 1, "area") == [0]


def test_no_boxes_and_no_objects_are_no_error():
    nothing = np.zeros(0, int)
    predicted = Detections(nothing, nothing, np.zeros(0), np.zeros((0, 4)))
    actual = Objects(nothing, nothing, np.zeros((0, 4)), np.zeros(0, bool), np.zeros(0, bool))
    assert np.isnan(coco_metrics(predicted, actual, 2)["precision"]).all()
    assert np.isnan(voc_average_precisions(predicted, actual, 2, "area")).all()
    some, _ = drawn(1)
    assert not Verdicts.of(some, actual).hits.any()
    assert (Pairs.of(some, actual).best(len(some.images))[0] == -1).all()
