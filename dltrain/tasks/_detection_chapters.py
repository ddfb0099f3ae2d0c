"""What a report says of boxes."""

from __future__ import annotations

from typing import Literal

from dltrain.data import Outcome, trees
from dltrain.data.showing import Picture
from dltrain.features._boxes.columns import of_window
from dltrain.figures.boxes import Outline, outlined
from dltrain.figures.precision_recall import ClassCurve
from dltrain.lazy import np
from dltrain.report import boxes
from dltrain.report.outcome import Mistake, Mistakes
from dltrain.report.parts import Chapter
from dltrain.tasks._box_kinds import KINDS, BoxKinds
from dltrain.tasks._found_boxes import detections, objects, sizes, windows
from dltrain.tasks._precision import SIZES, Detections, Objects, Verdicts, average_precision, curve


def chapters(outcome: Outcome, threshold: float, rule: Literal["area", "11_point"]) -> list[Chapter]:
    """Returns curves and counts of each class, kinds of mistakes, and the worst images.

    Args:
        outcome: boxes, and what is right.
        threshold: the score from which on a box is an answer.
        rule: of average precision.
    """
    every, actual = detections(outcome), objects(outcome)
    predicted = _surer(every, threshold)
    kinds = BoxKinds.of(predicted, actual)
    classes = [
        _of_class(place, name, every, actual, (predicted, kinds), rule)
        for place, name in enumerate(outcome.data.target.class_names)
    ]
    of_kind = {name: (int((kinds.kinds == at).sum()), words) for at, (name, words) in enumerate(KINDS.items())}
    of_size = {}
    for name, is_size in zip(SIZES, sizes(actual), strict=True):
        mine = is_size & actual.counts
        of_size[name] = int(mine.sum()), int((mine & ~kinds.found).sum())
    return [
        boxes.precision(classes, outcome.part, threshold),
        boxes.mistakes(of_kind, of_size, int((kinds.kinds == -1).sum()), threshold),
        _worst(outcome, predicted, actual, kinds),
    ]


def _of_class(
    place: int,
    name: str,
    every: Detections,
    actual: Objects,
    answers: tuple[Detections, BoxKinds],
    rule: Literal["area", "11_point"],
) -> boxes.ClassCounts:
    """Returns what was found of a class."""
    predicted, kinds = answers
    verdicts = Verdicts.of(every, actual)
    there = actual.counts & (actual.classes == place)
    drawn = None
    if total := int(there.sum()):
        mine = verdicts.counts & (every.classes == place)
        recall, precision = curve(verdicts.hits[mine], every.scores[mine], total)
        drawn = ClassCurve(name, recall, precision, average_precision(recall, precision, rule))
    false = int(((kinds.kinds >= 0) & (predicted.classes == place)).sum())
    return boxes.ClassCounts(drawn, name, total, int((there & kinds.found).sum()), false)


def mistakes(outcome: Outcome, count: int, threshold: float) -> Mistakes:
    """Returns the images with the most wrong and missing boxes, in words.

    Args:
        outcome: boxes, and what is right.
        count: images at most.
        threshold: the score from which on a box is an answer.
    """
    predicted, actual = _surer(detections(outcome), threshold), objects(outcome)
    wrong, false, missed = _counted(outcome, predicted, actual, BoxKinds.of(predicted, actual))
    names = outcome.data.target.class_names

    def words(classes: np.ndarray) -> str:
        counts = np.bincount(classes, minlength=len(names))
        return ", ".join(f"{counts[place]} {names[place]}" for place in np.flatnonzero(counts)) or "no object"

    worst = [
        Mistake(
            image,
            words(actual.classes[actual.images == image]),
            words(predicted.classes[predicted.images == image]),
            f"{false[image]} wrong, {missed[image]} missed",
        )
        for image in wrong[:count].tolist()
    ]
    total = len(outcome.known)
    title = f"The {len(worst)} worst of {len(wrong):,} images with a wrong or a missing box, of {total:,}"
    if not len(wrong):
        title = f"No image of {total:,} has a wrong or a missing box"
    return Mistakes(title, worst, f"boxes of a score of {threshold:g} or more", wrong=wrong.tolist())


def _surer(every: Detections, threshold: float) -> Detections:
    """Returns the boxes from a score on."""
    chosen = every.scores >= threshold
    return Detections(*(each[chosen] for each in (every.images, every.classes, every.scores, every.boxes)))


def _counted(
    outcome: Outcome, predicted: Detections, actual: Objects, kinds: BoxKinds
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns the images with mistakes, the worst first, and how many boxes are wrong and missing in each image."""
    count = len(outcome.known)
    false = np.bincount(predicted.images[kinds.kinds >= 0], minlength=count)
    missed = np.bincount(actual.images[actual.counts & ~kinds.found], minlength=count)
    wrong = np.flatnonzero(false + missed)
    return wrong[np.argsort(-(false + missed)[wrong], kind="stable")], false, missed


def _worst(outcome: Outcome, predicted: Detections, actual: Objects, kinds: BoxKinds) -> Chapter:
    """Returns the images with the most wrong and missing boxes."""
    wrong, false, missed = _counted(outcome, predicted, actual, kinds)
    order = wrong[: boxes.MOST_IMAGES]
    pictures, places = drawable(outcome, order), outcome.known.provenance
    found = []
    for image, pixels in zip(order.tolist(), pictures, strict=True):
        words = [f"{counts[image]} {word}" for counts, word in ((false, "wrong"), (missed, "missed")) if counts[image]]
        place = places[image] if places is not None else f"{outcome.part}[{image}]"
        said, right = outlines(outcome, image, predicted, kinds), _actual(outcome, image, actual, kinds)
        found.append(boxes.WrongImage(pixels, said, right, words, place))
    return boxes.worst(found, len(wrong))


def drawn(outcome: Outcome, threshold: float, most: int) -> list[np.ndarray]:
    """Returns images with their predicted boxes, at the size of the original where that is known.

    Args:
        outcome: boxes.
        threshold: the score that a box has at least.
        most: boxes of an image.
    """
    every, count = detections(outcome), len(outcome.outputs["count"])
    found = []
    for image, pixels in enumerate(drawable(outcome, np.arange(count))):
        chosen = (every.images == image) & (every.scores >= threshold)
        parts = (every.images, every.classes, every.scores, every.boxes)
        some = Detections(*(each[chosen][:most] for each in parts))
        left, top, right, bottom = windows(outcome)[image].tolist()
        found.append(outlined(pixels, outlines(outcome, image, some), shape=(bottom - top, right - left)))
    return found


def drawable(outcome: Outcome, positions: np.ndarray) -> list[np.ndarray]:
    """Returns images as pixels, (height, width) or (height, width, 3), uint8."""
    if not len(positions):
        return []
    feature = outcome.data.inputs.only
    shown = feature.show(trees.read(trees.taken(outcome.inputs, positions), slice(None)))
    return [each.pixels for each in shown if isinstance(each, Picture)]


def outlines(outcome: Outcome, image: int, predicted: Detections, kinds: BoxKinds | None = None) -> list[Outline]:
    """Returns the predicted boxes of an image, wrong ones in dashes where that is known."""
    names, frame = outcome.data.target.class_names, windows(outcome)[image]
    found = []
    for place in np.flatnonzero(predicted.images == image):
        hue = int(predicted.classes[place])
        words = f"{names[hue]} {predicted.scores[place]:.2f}"
        is_wrong = kinds is not None and bool(kinds.kinds[place] >= 0)
        found.append(Outline(of_window(predicted.boxes[place], frame).tolist(), words, hue, is_wrong))
    return found


def _actual(outcome: Outcome, image: int, actual: Objects, kinds: BoxKinds) -> list[Outline]:
    names, frame = outcome.data.target.class_names, windows(outcome)[image]
    found = []
    for place in np.flatnonzero(actual.images == image):
        hue = int(actual.classes[place])
        flags = f"{' difficult' * bool(actual.difficult[place])}{' crowd' * bool(actual.crowd[place])}"
        is_missed = bool(actual.counts[place] and not kinds.found[place])
        found.append(Outline(of_window(actual.boxes[place], frame).tolist(), f"{names[hue]}{flags}", hue, is_missed))
    return found
