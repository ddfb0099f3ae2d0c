"""One tag per word: padding and pieces of words never count, spans are measured over a whole part."""

import keras
import numpy as np
import pytest
from drawn_tags import drawn

from dltrain.data import DataSpec, Features, Outcome, Ragged, Split
from dltrain.data.trees import taken
from dltrain.errors import KeyProblem
from dltrain.features.class_label import ClassLabel
from dltrain.features.sentence import Sentence
from dltrain.features.tags import Tags
from dltrain.features.tokens import Tokens
from dltrain.models._texts import TextNetwork
from dltrain.registry import MODELS
from dltrain.tasks.tagging import Tagging

WORDS = [["Ada", "lives", "in", "U.S."], ["Rome"], ["in", "Rome", "Ada"], ["Ada", "Ada"]]
ACTUAL = [["B-PER", "O", "O", "B-LOC"], ["B-LOC"], ["O", "B-LOC", "B-PER"], ["B-PER", "I-PER"]]
NAMES = ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")
SENTENCE = Sentence(kind="words", lowercase=False, max_length=20).fit([WORDS])
TAGS = Tags(tag_names=NAMES)


def part_of(words, tags, names=NAMES):
    """Returns sentences as a source stores them."""
    encoded = SENTENCE.encode(words)
    rows = []
    for ids, starts, of_words in zip(encoded.stored, encoded.metadata["starts"], tags, strict=True):
        rows.append(np.full(len(ids), -1, np.int16))
        rows[-1][starts] = [names.index(tag) for tag in of_words]
    return Split(encoded.stored, Ragged.of(rows, np.int16), metadata=encoded.metadata)


PART = part_of(WORDS, ACTUAL)
DATA = DataSpec(Features({"tokens": SENTENCE.adapt([PART.inputs])}), Features.of(TAGS.adapt([PART.targets])))
IDS, TARGETS = PART.inputs.padded(SENTENCE.padding), PART.targets.padded(-1, dtype=np.int32)
LOGITS = np.random.RandomState(0).normal(size=(*TARGETS.shape, 5)).astype(np.float32)


def outputs_of(split, tags, names=NAMES):
    """Returns what `inference` gives where these tags are predicted; of other tokens any."""
    labels = np.full((len(split), split.inputs.longest), 1, np.int32)
    for row, (starts, of_words) in enumerate(zip(split.metadata["starts"], tags, strict=True)):
        labels[row, starts] = [names.index(tag) for tag in of_words]
    return {"tags": labels, "probabilities": np.linspace(0.5, 0.9, labels.size).reshape(labels.shape)}


def outcome_of(split, tags, data=DATA, names=NAMES):
    return Outcome(data, "test", split, split.metadata, outputs_of(split, tags, names))


def test_the_loss_is_a_mean_over_words_and_padding_changes_it_not(tensorflow):
    shares = np.exp(LOGITS.astype(float)) / np.exp(LOGITS.astype(float)).sum(-1, keepdims=True)
    each = -np.log(np.take_along_axis(shares, np.maximum(TARGETS, 0)[..., None], -1)[..., 0]) * (TARGETS >= 0)
    expected = each.sum(1) / (TARGETS >= 0).sum(1)
    loss = Tagging().loss(DATA)
    np.testing.assert_allclose(np.asarray(loss(TARGETS, LOGITS)), expected, rtol=1e-5)
    wider = np.pad(TARGETS, ((0, 0), (0, 3)), constant_values=-1), np.pad(LOGITS, ((0, 0), (0, 3), (0, 0)))
    np.testing.assert_allclose(np.asarray(loss(*wider)), expected, rtol=1e-5)
    assert np.asarray(loss(np.full((1, 4), -1), LOGITS[:1, :4])).tolist() == [0]


def test_accuracy_is_of_all_words(tensorflow):
    (metric,) = Tagging().build_metrics(DATA)
    for some in (slice(0, 1), slice(1, 4)):
        metric.update_state(TARGETS[some], LOGITS[some])
    expected = (LOGITS.argmax(-1) == TARGETS)[TARGETS >= 0].mean()
    assert float(metric.result()) == pytest.approx(expected)


OF_SEQEVAL = [
    (0, False, {"precision": 0.541284, "recall": 0.572816, "f1": 0.556604}),
    (1, False, {"precision": 0.610687, "recall": 0.601504, "f1": 0.606061}),
    (2, False, {"precision": 0.635762, "recall": 0.644295, "f1": 0.64}),
    (0, True, {"precision": 0.539683, "recall": 0.539683, "f1": 0.539683}),
    (4, True, {"precision": 0.733333, "recall": 0.634615, "f1": 0.680412}),
]


@pytest.mark.parametrize(("seed", "strict", "expected"), OF_SEQEVAL)
def test_spans_of_a_part_are_measured_as_seqeval_does(seed, strict, expected):
    names = ("O", *(f"{letter}-{kind}" for kind in ("LOC", "ORG-X", "PER") for letter in "BI"))
    actual, predicted = zip(*drawn(seed, "BI"), strict=True)
    split = part_of([["Ada"] * len(tags) for tags in actual], actual, names)
    data = DataSpec(DATA.inputs, Features.of(Tags(tag_names=names)))
    task = Tagging(metrics=("f1", "precision", "recall", "accuracy"), strict=strict)
    assert task.measure(outcome_of(split, predicted, data, names)) == pytest.approx(expected, abs=1e-6)


def test_a_right_span_has_the_right_type_and_ends():
    predicted = [["B-PER", "O", "O", "B-PER"], ["I-LOC"], ["O", "B-LOC", "I-LOC"], ["B-PER", "I-PER"]]
    task = Tagging(metrics=("f1", "precision", "recall"))
    # right: Ada, Rome, Ada Ada; false: U.S. as PER, Rome Ada; missed: U.S., Rome, Ada
    expected = {"f1": 6 / 11, "precision": 3 / 5, "recall": 3 / 6}
    assert task.measure(outcome_of(PART, predicted)) == pytest.approx(expected)
    strict = Tagging(metrics=("precision",), strict=True)
    assert strict.measure(outcome_of(PART, predicted)) == {"precision": 2 / 4}
    nothing = [["O"] * len(words) for words in WORDS]
    assert task.measure(outcome_of(PART, nothing)) == {"f1": 0, "precision": 0, "recall": 0}


def test_a_part_without_spans_has_no_f1():
    split = part_of([["in", "in"]], [["O", "O"]])
    assert {*Tagging(metrics=("f1", "precision", "accuracy")).undefined(DATA, split)} == {"f1"}
    assert Tagging().undefined(DATA, PART) == {}


def test_the_baseline_knows_the_most_frequent_tag_of_each_word(tensorflow):
    part = part_of([["Ada", "in", "Carl", "Rome"]], [["B-PER", "O", "O", "B-LOC"]])
    ((_, outputs),) = Tagging().baselines(DATA, PART, part).items()
    starts = part.metadata["starts"][0]
    assert [NAMES[place] for place in outputs[0, starts].argmax(-1)] == ["B-PER", "O", "O", "B-LOC"]
    (metric,) = Tagging().build_metrics(DATA)
    ((_, longer),) = Tagging().baselines(DATA, PART, PART).items()
    metric.update_state(TARGETS[:, :4], longer)  # a batch is as long as its longest sentence
    assert 0 < float(metric.result()) <= 1


def test_answers_have_words_tags_and_spans():
    predicted = [["B-PER", "O", "I-LOC", "I-LOC"], ["O"], ["O", "O", "O"], ["B-PER", "B-PER"]]
    first, second, _, last = Tagging().answers(outcome_of(PART, predicted), {"probabilities": True})
    assert (first["words"], first["tags"]) == (WORDS[0], predicted[0])
    assert first["spans"] == [
        {"type": "PER", "text": "Ada", "start": 0, "end": 1},
        {"type": "LOC", "text": "in U.S.", "start": 2, "end": 4},
    ]
    assert (second["spans"], len(first["probabilities"])) == ([], 4)
    assert [span["start"] for span in last["spans"]] == [0, 1]
    (strict, *_) = Tagging(strict=True).answers(outcome_of(PART, predicted), {})
    assert [span["type"] for span in strict["spans"]] == ["PER"]
    assert "probabilities" not in strict


def test_words_behind_a_cut_have_no_tag():
    short = Sentence(kind="words", lowercase=False, max_length=4).fit([WORDS])
    encoded = short.encode([["Ada", "in", "Rome", "Ada"]])
    assert encoded.notices
    split = Split(encoded.stored, metadata=encoded.metadata)
    outputs = {"tags": np.zeros((1, 4), np.int32), "probabilities": np.ones((1, 4))}
    (answer,) = Tagging().answers(Outcome(DATA, "", None, split.metadata, outputs, split.inputs), {})
    assert answer == {"words": ["Ada", "in"], "tags": ["O", "O"], "spans": []}
    known = Split(encoded.stored, Ragged.of([np.array([-1, 3, 0, -1])], np.int16), metadata=encoded.metadata)
    (_, figure) = Tagging().chapters(Outcome(DATA, "test", known, known.metadata, outputs))[0].parts
    assert "words behind the cut of their sentence, which count nowhere: 2" in figure.panel.note


def test_the_report_shows_types_confusion_and_the_worst_sentences():
    from dltrain.report.page import Report, render

    predicted = [["B-PER", "O", "O", "B-PER"], ["I-LOC"], ["O", "B-LOC", "B-PER"], ["B-PER", "I-PER"]]
    spans, mistakes = Tagging().chapters(outcome_of(PART, predicted))
    table, figure = spans.parts
    assert [row[0] for row in table.rows] == ["all together", "LOC", "PER"]
    assert table.rows[0][1:4] == ("6", "6", "0.833")
    assert table.note.endswith("predicted spans that begin with I, which conlleval takes for B: 1")
    assert figure.panel.counts.tolist() == [[3, 0, 0], [0, 2, 1], [0, 0, 4]]
    (worst,) = mistakes.parts
    assert [row[1] for row in worst.rows] == ["[Ada]PER lives in [U.S.]LOC"]
    assert worst.rows[0][2:] == ("[Ada]PER lives in [U.S.]PER", worst.rows[0][3])
    page, _ = render(Report("a", "b", [], [], [mistakes]))
    assert page.count("text-decoration: underline") == 2
    assert "U.S. <small>LOC</small>" in page and "U.S. <small>PER</small>" in page
    evil = part_of([["<b>", "Ada"]], [["B-LOC", "O"]])
    page, _ = render(Report("a", "b", [], [], Tagging().chapters(outcome_of(evil, [["O", "O"]]))[1:]))
    assert "<b>" not in page.replace("<b></b>", "") and "&lt;b&gt;" in page
    (right,) = Tagging().chapters(outcome_of(PART, ACTUAL))[1].parts
    assert (right.title, [*right.rows]) == ("No sentences with mistakes", [])


def test_parts_of_speech_have_accuracy_alone():
    data = DataSpec(DATA.inputs, Features.of(Tags(tag_names=("NOUN", "VERB"))))
    with pytest.raises(KeyProblem, match=r"metrics must be \[accuracy\]: the tags mark no spans .*\(NOUN, VERB\)"):
        Tagging().check(data)
    task = Tagging(metrics=("accuracy",))
    task.check(data)
    split = part_of([["Ada", "in"]], [["NOUN", "VERB"]], ("NOUN", "VERB"))
    outcome = outcome_of(split, [["NOUN", "NOUN"]], data, ("NOUN", "VERB"))
    assert task.answers(outcome, {}) == [{"words": ["Ada", "in"], "tags": ["NOUN", "NOUN"]}]
    tags, mistakes = task.chapters(outcome)
    assert [row[:3] for row in tags.parts[0].rows] == [("NOUN", "1", "2"), ("VERB", "1", "0")]
    assert mistakes.parts[0].rows[0][3].startswith("1 wrong")


def test_what_is_no_sentence_with_tags_is_refused():
    Tagging().check(DATA)
    tokens = Tokens(kind="words").fit([["a b"]])
    with pytest.raises(KeyProblem, match="tagging needs sentences as words, the data have tokens"):
        Tagging().check(DataSpec.of(tokens, TAGS))
    with pytest.raises(KeyProblem, match="tagging needs tags of words, the data have classes: classification"):
        Tagging().check(DataSpec.of(SENTENCE, ClassLabel(class_names=("a", "b"))))
    with pytest.raises(KeyProblem, match="needs at least 2 tags, the data have O"):
        Tagging(metrics=("accuracy",)).check(DataSpec.of(SENTENCE, Tags(tag_names=("O",))))
    bound = DATA.bound(Tagging())
    with pytest.raises(KeyProblem, match="text_cnn answers whole texts, the task asks for each token: albert, bert"):
        MODELS["text_cnn"]().check(bound)


HUB = {"depth": 1, "heads": 2, "width": 8, "dense_width": 16, "positions": 20}
SMALL = {
    "lstm": {"width": 8, "units": (6, 4)},
    "gru": {"width": 8, "units": (6,), "bidirectional": False},
    "transformer": {"width": 8, "heads": 2, "depth": 1},
}
ABLE = [name for name in MODELS.names() if issubclass(MODELS[name], TextNetwork) and MODELS[name].sees_each_token]


@pytest.mark.parametrize("name", ABLE)
def test_every_network_that_sees_each_token_learns_tags_whatever_stands_beside_a_sentence(tensorflow, name):
    task = Tagging()
    data = DATA.bound(task)
    model = MODELS[name](**SMALL.get(name, HUB)).build(data)
    assert model.output_shape == (None, None, 5)
    alone = model(IDS[1:2, :3], training=False)
    beside = np.asarray(model(IDS, training=False))
    np.testing.assert_allclose(np.asarray(alone)[0], beside[1, :3], atol=1e-4)
    model.compile(keras.optimizers.SGD(0.0), loss=task.loss(data), metrics=task.build_metrics(data))
    expected = np.mean(np.asarray(task.loss(data)(TARGETS, beside)))
    assert model.evaluate(IDS, TARGETS, verbose=0)[0] == pytest.approx(expected, rel=1e-4)
    model.train_on_batch(IDS, TARGETS)


def test_agreement_is_of_whole_sentences():
    others = LOGITS.copy()
    others[2] = -others[2]
    assert Tagging().agree(DATA, LOGITS, others).tolist() == [True, True, False, True]
    assert taken(PART.metadata, [1])["words"][0].tolist() == ["Rome"]
