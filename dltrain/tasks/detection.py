"""Boxes around objects, and their classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from dltrain.data import DataSpec, Outcome, Split
from dltrain.errors import KeyProblem
from dltrain.features.boxes import Boxes
from dltrain.fields import NonNegativeFloat, NonNegativeInt, PositiveInt, Probability, Range
from dltrain.lazy import keras, np
from dltrain.registry import TASKS
from dltrain.tasks import Task
from dltrain.tasks import _found_boxes as found_boxes
from dltrain.tasks._coco import coco_metrics
from dltrain.tasks._multibox import MultiboxLoss
from dltrain.tasks._precision import SIZES, voc_average_precisions

if TYPE_CHECKING:
    from dltrain.data.proposal import Keys, Proposal
    from dltrain.figures.page import Panel
    from dltrain.report.outcome import Mistakes
    from dltrain.report.parts import Chapter

_OF_SIZES = {f"map_{size}": place for place, size in enumerate(SIZES) if size != "all"}
SHOWN = 0.5
"""The score from which on a box is an answer, where nothing else is asked for."""


@TASKS.register("detection")
class Detection(Task):
    """Boxes around the objects of an image, and the class of each: single-shot detectors, `ssd` and `ssd300`.

    Loss and answers are those of W. Liu et al., "SSD: single shot multibox detector", 2016, sections 2.2 and 3.1: each
    object is learnt by the anchor that overlaps it most and by all that overlap it by half; three times as many anchors
    learn that there is nothing, the most mistaken ones. Objects that are difficult are learnt like others, crowds are
    not, and anchors within them learn nothing. In evaluation neither counts as found or as missed.

    Args:
        metrics: what is measured of a whole part; the first is what best checkpoints and early stopping go by. map_50:
            mean average precision of Pascal VOC, at an intersection over union (IoU) of 0.5; map: that of COCO, the
            mean over IoUs of 0.5, 0.55, ..., 0.95; map_75: of COCO, at 0.75; map_small, map_medium, map_large: of COCO,
            of objects of up to 32x32 pixels of the original image, up to 96x96, and above; recall: of COCO, the share
            of objects that is found, the mean over IoUs.
        voc_rule: of map_50: area under the curve, as from 2010 on; or 11_point, as in 2007.
        positive_iou: the IoU from which on an anchor stands for an object.
        negative_iou: the IoU below which an anchor that stands for none is background; those between learn nothing.
        negatives_per_positive: anchors that learn the background, for each that stands for an object.
        least_negatives: likewise, of an image, however few objects it has; 0 as in the paper, where an image without
            objects teaches nothing.
        hard_negatives: the most mistaken ones of each image, as in the paper; or of the batch that a device sees, as in
            ssd_keras: then images count by their objects.
        location_weight: of the boxes' places against their classes; the paper's alpha.
        score_threshold: the probability that a box has at least.
        nms_iou: the IoU above which of two boxes of a class the surer one stays.
        candidates: pairs of an anchor and a class that are looked at in an image, the surest.
        most: boxes of an image, the surest.
    """

    accepts: ClassVar = (Boxes,)
    options: ClassVar[Mapping[str, type]] = {"threshold": float, "most": int}
    no_option: ClassVar[str] = "the run finds boxes: it has threshold and most"

    metrics: tuple[Literal["map_50", "map", "map_75", "map_small", "map_medium", "map_large", "recall"], ...] = (
        "map_50",
        "map",
        "map_small",
        "map_medium",
        "map_large",
        "recall",
    )
    voc_rule: Literal["area", "11_point"] = "area"
    positive_iou: Annotated[float, Range(0, 1, open_minimum=True)] = 0.5
    negative_iou: Annotated[float, Range(0, 1, open_minimum=True)] = 0.5
    negatives_per_positive: NonNegativeFloat = 3.0
    least_negatives: NonNegativeInt = 0
    hard_negatives: Literal["image", "batch"] = "image"
    location_weight: NonNegativeFloat = 1.0
    score_threshold: Probability = 0.01
    nms_iou: Probability = 0.45
    candidates: PositiveInt = 400
    most: PositiveInt = 200

    def __post_init__(self) -> None:
        if not self.metrics:
            raise KeyProblem("metrics", "must name one metric at least, such as map_50")
        if self.negative_iou > self.positive_iou:
            words = f"must be at most positive_iou, {self.positive_iou:g}, got {self.negative_iou:g}"
            raise KeyProblem("negative_iou", words)

    @property
    def part_metrics(self) -> tuple[str, ...]:
        """All of them: precision is that of all images together."""
        return self.metrics

    def check(self, data: DataSpec) -> None:
        """Raises KeyProblem where the data are no images with boxes, or without a class."""
        super().check(data)
        data.image("detection")
        if not data.target.class_names:
            raise KeyProblem("name", ": detection needs a class at least, the data have none")

    def output_shape(self, data: DataSpec) -> None:
        """Returns none: the network decides how many anchors there are."""
        return

    def head(self, data: DataSpec, x: Any, inputs: Any = None, embedding: Any = None, **settings: Any) -> Any:
        """Raises KeyProblem: networks that know of no anchors cannot end in boxes."""
        raise KeyProblem("name", ": detection needs a network with anchors: ssd, on any image network, or ssd300")

    def loss(self, data: DataSpec) -> Callable[[Any, Any], Any]:
        """Returns the multibox loss of an image's boxes, (batch,); 0 of an image without any."""
        return MultiboxLoss(
            self.positive_iou,
            self.negative_iou,
            self.negatives_per_positive,
            self.least_negatives,
            self.hard_negatives,
            self.location_weight,
        )

    def inference(self, data: DataSpec, model: Any) -> Callable[[Any], Any]:
        """Returns the boxes that are left of an image's outputs: boxes, scores, classes and count."""
        selection = self._selection()
        return lambda inputs: selection(model(inputs, training=False))

    def exported(self, data: DataSpec, model: Any) -> Any:
        """Returns the network with what `inference` does within it."""
        return keras.Model(model.input, self._selection()(model.output), name=model.name)

    def _selection(self) -> Any:
        from dltrain.layers.box_selection import BoxSelection

        return BoxSelection(self.score_threshold, self.nms_iou, self.candidates, self.most, name="selection")

    def score(self, data: DataSpec, outputs: Any) -> Any:
        """Returns the largest logit of a class minus that of the background, of any anchor, (batch,)."""
        logits = outputs[..., :-12]
        return keras.ops.max(keras.ops.max(logits[..., 1:], axis=-1) - logits[..., 0], axis=1)

    def measure(self, outcome: Outcome) -> dict[str, float]:
        """Returns the mean over the classes that have an object; 0 where none has one."""
        classes = len(outcome.data.target.class_names)
        predicted, actual = found_boxes.detections(outcome), found_boxes.objects(outcome)
        found: dict[str, float] = {}
        if "map_50" in self.metrics:
            found["map_50"] = _mean(voc_average_precisions(predicted, actual, classes, self.voc_rule))
        if {*self.metrics} - {"map_50"}:
            of_coco = coco_metrics(predicted, actual, classes)
            precision, recall = of_coco["precision"], of_coco["recall"]
            found |= {"map": _mean(precision[0]), "map_75": _mean(precision[0, 5]), "recall": _mean(recall[0])}
            found |= {name: _mean(precision[place]) for name, place in _OF_SIZES.items()}
        return {name: found[name] for name in self.metrics}

    def undefined(self, data: DataSpec, split: Split) -> dict[str, str]:
        """Returns why a part without an object, or without one of a size, has no precision."""
        nothing = {"count": np.zeros(len(split), np.int32), "boxes": np.zeros((len(split), 0, 4))}
        actual = found_boxes.objects(Outcome(data, "", split, split.metadata, nothing))
        if not actual.counts.any():
            return dict.fromkeys(map(str, self.metrics), "no image has an object that counts")
        sizes, found = found_boxes.sizes(actual), dict[str, str]()
        for name, place in _OF_SIZES.items():
            if name in self.metrics and not (sizes[place] & actual.counts).any():
                found[name] = f"no object is {name.removeprefix('map_')}"
        return found

    def answers(self, outcome: Outcome, options: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Returns the boxes of each image in pixels of the original, the surest first.

        Args:
            outcome: outputs of `inference`, and where images lie in their originals.
            options: `threshold`: the score from which on a box is told, 0.5 by default; `most`: how many at most.
        """
        names, predicted = outcome.data.target.class_names, found_boxes.detections(outcome)
        threshold, most = options.get("threshold", SHOWN), options.get("most", self.most)
        answers: list[dict[str, Any]] = [{"boxes": []} for _ in range(len(outcome.outputs["count"]))]
        rows = zip(predicted.images, predicted.classes, predicted.scores, predicted.boxes, strict=True)
        for image, place, score, box in rows:
            boxes = answers[image]["boxes"]
            if score >= threshold and len(boxes) < most:
                corners = [round(value, 2) for value in box.tolist()]
                boxes.append({"class": names[place], "score": round(float(score), 6), "box": corners})
        return answers

    def aligned(self, data: DataSpec, outputs: Any, others: Any) -> Any:
        """Returns the first boxes in the order of the others: where two are nearly as sure, either may come first."""
        return found_boxes.aligned(outputs, others)

    def agree(self, data: DataSpec, outputs: Any, others: Any) -> np.ndarray:
        """Returns which images have the same boxes above a score of 0.5, within an IoU of 0.9, (images,), bool."""
        return found_boxes.agree(outputs, others, SHOWN)

    def chapters(self, outcome: Outcome) -> list[Chapter]:
        """Returns curves of each class, kinds of wrong boxes, missed objects by size, and the worst images, drawn."""
        from dltrain.tasks._detection_chapters import chapters

        return chapters(outcome, SHOWN, self.voc_rule)

    def mistakes(self, outcome: Outcome, count: int) -> Mistakes:
        """Returns the images with the most wrong and missing boxes."""
        from dltrain.tasks._detection_chapters import mistakes

        return mistakes(outcome, count, SHOWN)

    def annotated(self, outcome: Outcome, options: Mapping[str, Any]) -> list[np.ndarray]:
        """Returns each image with the boxes that answers have, (height, width, 3), uint8."""
        from dltrain.tasks._detection_chapters import drawn

        return drawn(outcome, options.get("threshold", SHOWN), options.get("most", self.most))

    def panels(self, data: DataSpec, train: Split, model: Any) -> Sequence[Panel]:
        """Returns the sizes of objects over those of anchors, and how many objects no anchor overlaps by half."""
        from dltrain.tasks._anchor_panel import anchor_panel

        return [anchor_panel(data, train, model, self.positive_iou)]

    def describe(self, data: DataSpec) -> list[str]:
        """Returns of how many classes boxes are, and what the outputs of exports mean."""
        count = len(data.target.class_names)
        return [
            f"boxes of {count:,} classes",
            f"up to {self.most} boxes of an image, the surest first, of each class without those that overlap a surer "
            f"one by more than {self.nms_iou:g}. `boxes`: x_min, y_min, x_max, y_max in shares of the image's sides; "
            f"`scores`: probabilities, from {self.score_threshold:g} on; `classes`: from 0 on, in the order of "
            "classes.json; `count`: how many boxes there are; behind them boxes and scores are 0, classes -1.",
        ]

    def starter(self, data: DataSpec, examples: Proposal) -> Keys:
        """Returns the metrics."""
        words = "Pascal VOC's mean average precision, and COCO's"
        return {"metrics": (["map_50", "map"], words)}


def _mean(values: np.ndarray) -> float:
    """Returns the mean of what is defined; 0 where nothing is."""
    return float(np.nanmean(values)) if np.isfinite(values).any() else 0.0
