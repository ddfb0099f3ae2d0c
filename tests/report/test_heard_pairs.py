"""Trials that are judged wrongly are shown, and heard, with both of their sounds."""

import numpy as np
import pytest

from dltrain.data import DataSpec, Outcome, Split
from dltrain.features.audio import Audio
from dltrain.features.identity import Identity
from dltrain.registry import TASKS
from dltrain.report.examples import chapters_of
from dltrain.report.outcome import Evidence, Example
from dltrain.report.parts import Gallery


@pytest.mark.parametrize("has_maps", [False, True])
def test_both_sounds_of_a_trial_are_heard_and_the_note_says_which_has_a_map(has_maps):
    clips = np.random.RandomState(0).uniform(-0.5, 0.5, (4, 2_000)).astype(np.float32)
    spec = DataSpec.of(Audio(rate=8_000, samples=2_000, window=200, hop=80, bands=8), Identity(class_names=("a", "b")))
    vectors = np.array([[1, 0], [0, 1], [1, 0.1], [0.1, 1]], np.float32)  # of which 0 and 1 are of one identity
    outcome = Outcome(spec, "test", Split(clips, np.array([0, 0, 1, 1], np.int32)), outputs=vectors)
    mistakes = TASKS["verification"]().mistakes(outcome, 5)
    assert len(mistakes.worst) > 1 and all(each.position != each.beside for each in mistakes.worst)
    wrong, compared = (
        [Example(clips[place], 0, vectors[place], f"{place}.wav", seen) for place in places]
        for places, seen in zip(
            zip(*((each.position, each.beside) for each in mistakes.worst), strict=True),
            [np.ones(spec.input.model_shape[:2], np.float32) if has_maps else None, None],
            strict=True,
        )
    )
    evidence = Evidence(outcome, {"test": 4}, {}, {}, [], mistakes, wrong, [], None, [], {}, compared)
    (chapter,) = [each for each in chapters_of(evidence) if each.title == "Mistakes"]
    (gallery,) = chapter.parts
    assert isinstance(gallery, Gallery) and "the one that it was compared with" in gallery.note
    assert ("between them, of the example alone, Grad-CAM in orange" in gallery.note) == has_maps
    assert {len(picture.images) for picture in gallery.pictures} == {2 + has_maps}
    for mistake, picture in zip(mistakes.worst, gallery.pictures, strict=True):
        for sound, place in zip(picture.sounds, (mistake.position, mistake.beside), strict=True):
            np.testing.assert_array_equal(sound.samples, clips[place])
