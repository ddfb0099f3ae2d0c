"""Whether two examples are of one identity: trials, error rates, losses, and the network cut before its head."""

import itertools
import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from specs import data_spec

from dltrain.assembly.batches import training_order
from dltrain.data import DataSpec, Outcome, Ragged, Split
from dltrain.engine import order
from dltrain.errors import KeyProblem
from dltrain.features.identity import IDENTITY, NUMBER, STRANGER, TRIALS, Identity
from dltrain.inference.export_folder import Written
from dltrain.registry import TASKS
from dltrain.tasks._by_class import POOL, partners
from dltrain.tasks._trials import ErrorRates, Trials, counted, trials_of

NAMES = ("ann", "bob", "cid")
SPEC = DataSpec.of(data_spec((4,), NAMES).input, Identity(class_names=NAMES))
Verification = TASKS["verification"]


def rates(same, other):
    scores = np.array([*same, *other], float)
    return ErrorRates.of(scores, np.arange(len(scores)) < len(same))


def part(owners, targets=None):
    stored = [NAMES.index(owner) if owner in NAMES else STRANGER for owner in owners] if targets is None else targets
    return Split(
        np.zeros((len(owners), 4), np.float32), np.array(stored, np.int32), metadata={IDENTITY: np.array(owners)}
    )


def brute_force(scores, are_same):
    """Returns every (false alarms, misses) by counting."""
    found = {(0.0, 1.0)}
    for threshold in scores:
        accepted = scores >= threshold
        found.add(((accepted & ~are_same).sum() / (~are_same).sum(), (~accepted & are_same).sum() / are_same.sum()))
    return sorted(found)


@pytest.mark.parametrize(
    ("same", "other", "expected"),
    [
        ([0.9, 0.8, 0.4], [0.7, 0.3, 0.1], 1 / 3),
        ([0.9, 0.8], [0.2, 0.1], 0),
        ([0.2, 0.1], [0.9, 0.8], 1),
        ([0.5], [0.5], 0.5),  # a coin: accepted together or rejected together
        ([0.5, 0.5, 0.9], [0.5, 0.1], 2 / 7),  # on the line from (0, 2/3) to (1/2, 0)
    ],
)
def test_the_equal_error_rate_is_exact(same, other, expected):
    assert rates(same, other).equal[0] == pytest.approx(expected, abs=1e-12)


def test_the_equal_error_rate_of_two_normal_distributions_is_what_their_distance_says():
    random = np.random.RandomState(0)
    found = rates(random.normal(2, 1, 200_000), random.normal(0, 1, 200_000)).equal[0]
    assert found == pytest.approx(0.158655, abs=2e-3)


def test_rates_and_least_cost_are_those_of_counting():
    random = np.random.RandomState(1)
    for _ in range(20):
        scores, are_same = random.randint(0, 6, 14) / 5, np.arange(14) < 6
        found = ErrorRates.of(scores, are_same)
        points = brute_force(scores, are_same)
        np.testing.assert_allclose(sorted(zip(found.false_alarms, found.misses, strict=True)), points, atol=1e-12)
        for prior in (0.01, 0.5, 0.9):
            least = min(prior * miss + (1 - prior) * alarm for alarm, miss in points) / min(prior, 1 - prior)
            assert found.least_cost(prior) == pytest.approx(least)


def test_the_threshold_divides_what_can_be_divided():
    assert rates([0.9, 0.8], [0.2, 0.1]).equal[1] == pytest.approx(0.5)
    _, threshold = rates([0.9, 0.8, 0.4], [0.7, 0.3, 0.1]).equal
    assert 0.4 < threshold <= 0.7  # one miss, one false alarm


def test_trials_are_all_pairs_where_there_are_few():
    split = part(["ann", "zed", "ann", "yan", "zed", "ann"])
    found = trials_of(SPEC, split, 100, 0)
    pairs = {frozenset(pair): same for *pair, same in zip(found.first, found.second, found.are_same, strict=True)}
    owners = split.metadata[IDENTITY]
    assert pairs == {
        frozenset(pair): owners[pair[0]] == owners[pair[1]] for pair in itertools.combinations(range(6), 2)
    }
    assert counted(SPEC, split) == (int(found.are_same.sum()), int((~found.are_same).sum()))


def test_trials_are_drawn_by_the_seed_half_of_each_kind_none_twice():
    owners = [f"p{number % 7}" for number in range(210)]
    drawn = [trials_of(SPEC, part(owners), 500, seed) for seed in (0, 0, 1)]
    assert (drawn[0].first == drawn[1].first).all()
    assert (drawn[0].first != drawn[2].first).any()
    for found in drawn:
        assert found.are_same.sum() == 250 == (~found.are_same).sum()
        pairs = {frozenset(pair) for pair in zip(found.first.tolist(), found.second.tolist(), strict=True)}
        assert len(pairs) == 500
        assert all(len(pair) == 2 for pair in pairs)
        is_same = [owners[one] == owners[other] for one, other in zip(found.first, found.second, strict=True)]
        assert is_same == found.are_same.tolist()
        assert len({*found.first.tolist(), *found.second.tolist()}) > 180  # from everywhere
    many = trials_of(SPEC, part([f"p{number % 2}" for number in range(4000)]), 20, 0)  # of 8 million pairs
    assert len(many.first) == 20


def test_listed_trials_find_their_examples_in_any_order_and_of_any_part_of_them():
    listed = Ragged.of([np.array(each).reshape(-1, 2) for each in ([[2, 1], [1, 0]], [], [[0, 0]])], np.int64, (2,))
    split = Split(
        np.zeros((3, 4), np.float32), np.full(3, STRANGER, np.int32),
        metadata={NUMBER: np.array([0, 1, 2]), TRIALS: listed},
    )  # fmt: skip

    def told(some):
        found = trials_of(SPEC, some, 10, 0)
        numbers = some.metadata[NUMBER]
        return {
            (numbers[one], numbers[other], bool(same))
            for one, other, same in zip(found.first, found.second, found.are_same, strict=True)
        }

    assert told(split) == {(0, 2, True), (0, 1, False), (2, 0, False)}
    assert told(split.take(np.array([2, 0]))) == {(0, 2, True), (2, 0, False)}
    assert told(split.take(np.array([1]))) == set()
    assert counted(SPEC, split) == (1, 2)


def test_scores_are_cosines():
    random = np.random.RandomState(0)
    vectors = random.standard_normal((5, 3))
    trials = Trials(np.array([0, 1]), np.array([4, 1]), np.array([True, False]))
    expected = vectors[0] @ vectors[4] / np.linalg.norm(vectors[0]) / np.linalg.norm(vectors[4])
    np.testing.assert_allclose(trials.scores(vectors), [expected, 1])


def test_embeddings_that_are_no_numbers_have_no_error_rates():
    split = part(["ann", "bob", "ann"])
    vectors = np.array([[1.0, 0], [np.nan, 0], [1, 1]])
    found = Verification().measure(Outcome(SPEC, "test", split, split.metadata, vectors))
    assert all(math.isnan(value) for value in found.values())


def test_answers_are_of_length_1_and_no_score_is_beyond_1():
    vectors = np.array([[0.3, 0.4], [0.1, 0.7]])
    answers = Verification().answers(Outcome(SPEC, "", None, {}, vectors), {})
    assert [np.linalg.norm(each["embedding"]) for each in answers] == pytest.approx([1, 1])
    same = np.random.RandomState(0).standard_normal((50, 1, 7))
    assert max(Verification().likeness(SPEC, each, each) for each in same) <= 1


@pytest.mark.parametrize(
    ("owners", "expected"),
    [
        (["ann", "bob", "ann"], set()),
        (["ann", "ann"], {"eer", "min_dcf", "threshold"}),
        (["ann", "bob"], {"eer", "min_dcf", "threshold"}),
        (["ann"], {"eer", "min_dcf", "threshold"}),
        (["zed", "ann", "zed"], {"loss", "accuracy"}),
    ],
)
def test_what_a_part_cannot_tell_is_undefined(owners, expected):
    task = Verification(metrics=("eer", "min_dcf", "accuracy"))
    split = part(owners)
    assert set(task.undefined(SPEC, split)) == expected
    measured = task.measure(
        Outcome(SPEC, "test", split, split.metadata, np.random.RandomState(0).normal(size=(len(owners), 3)))
    )
    lost = {name for name, value in measured.items() if math.isnan(value)}
    assert lost == expected & {"eer", "min_dcf", "threshold"}


def test_a_part_without_trials_has_nothing_to_show():
    split = part(["ann"])
    outcome = Outcome(SPEC, "test", split, split.metadata, np.ones((1, 3)))
    assert Verification().chapters(outcome) == []
    assert Verification().mistakes(outcome, 5) is None


def test_the_margin_is_added_to_the_angle_of_the_own_identity_alone(tensorflow):
    """J. Deng et al., "ArcFace", 2019, equation 3."""
    task = Verification(margin=0.3, scale=16.0)
    random = np.random.RandomState(0)
    angles = random.uniform(0.1, math.pi - 0.4, (5, 3))
    targets = np.array([0, 1, 2, 0, 1], np.int32)
    widened = angles + 0.3 * (targets[:, None] == np.arange(3))
    logits = 16 * np.cos(widened)
    expected = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(5), targets]
    found = task.loss(SPEC)(targets, np.cos(angles).astype(np.float32))
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_a_wider_angle_never_costs_less_and_slopes_stay_finite(tensorflow):
    loss = Verification(margin=0.3).loss(SPEC)
    angles = np.linspace(0, math.pi, 200)
    cosines = np.zeros((200, 3), np.float32)
    cosines[:, 0] = np.cos(angles)
    inputs = tensorflow.Variable(cosines)
    with tensorflow.GradientTape() as tape:
        losses = loss(np.zeros(200, np.int32), inputs)
    assert (np.diff(np.asarray(losses)) > -1e-3).all()
    assert np.isfinite(np.asarray(tape.gradient(losses, inputs))).all()


def test_contrastive_pulls_what_is_of_one_and_pushes_others_to_the_margin(tensorflow):
    """R. Hadsell et al., "Dimensionality reduction by learning an invariant mapping", 2006, equation 4."""
    task = Verification(loss_function="contrastive", metrics=("eer",), margin=1.2)
    random = np.random.RandomState(0)
    vectors = random.standard_normal((5, 3))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    targets = np.array([0, 1, 0, 2, 1], np.int32)
    expected = []
    for one in range(5):
        distances = np.linalg.norm(vectors - vectors[one], axis=1)
        own = [distances[other] ** 2 for other in range(5) if other != one and targets[other] == targets[one]]
        others = [max(0, 1.2 - distances[other]) ** 2 for other in range(5) if targets[other] != targets[one]]
        expected.append(0.5 * (np.mean(own) if own else 0) + 0.5 * np.mean(others))
    found = task.loss(SPEC)(targets, vectors.astype(np.float32))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_contrastive_reads_some_of_an_identity_next_to_each_other():
    task = Verification(loss_function="contrastive", metrics=("eer",), per_class=2)
    owners = ["ann", "bob", "cid", "ann", "bob", "ann", "ann", "ann"]
    split = part(owners)
    inputs = np.arange(8, dtype=np.float32)[:, None] + np.zeros((1, 4), np.float32)
    split = Split(inputs, split.targets, metadata=split.metadata)
    found = task.training_part(SPEC, split)
    assert found.blocks.tolist() == [0, 2, 4, 5, 7, 8]
    read = found.inputs.read(np.arange(8))[:, 0].astype(int)
    assert sorted(read.tolist()) == [*range(8)]
    assert [owners[place] for place in read] == [NAMES[label] for label in found.targets]
    assert "loss" in task.undefined(SPEC, split)
    assert "loss" not in task.undefined(SPEC, found)


def of_counts(counts):
    """Returns a specification and a part of identities with so many examples each, in no order."""
    data = DataSpec.of(SPEC.input, Identity(class_names=tuple(map(str, range(len(counts))))))
    labels = np.random.RandomState(0).permutation(np.repeat(np.arange(len(counts), dtype=np.int32), counts))
    return data, Split(np.zeros((len(labels), 4), np.float32), labels)


@pytest.mark.parametrize("replicas", [1, 2])
@pytest.mark.parametrize("size", [4, 12, 32, 50])
@pytest.mark.parametrize(("per_class", "counts"), [(2, [16] * 50), (4, [16] * 50), (4, [99, 5, 1, 1]), (8, [90, 90])])
def test_how_many_of_its_identity_an_example_has_in_a_batch_is_what_training_sees(
    tensorflow, per_class, counts, size, replicas
):
    assert POOL == order.POOL
    task, (data, split) = (
        Verification(loss_function="contrastive", metrics=("eer",), per_class=per_class),
        of_counts(counts),
    )
    train = task.training_part(data, split)
    settings = SimpleNamespace(examples_per_batch=size * replicas, accumulate_steps=1, oversample=False)
    seen = training_order(SimpleNamespace(train=settings, seed=0), data, train, SimpleNamespace(replicas=replicas))
    found = []
    for portion in range(seen.steps_per_epoch * replicas * 8):
        batch = np.asarray(train.targets)[seen.positions(portion).numpy()]
        found.append(np.mean([np.count_nonzero(batch == label) - 1 for label in batch]))
    assert partners(split, data, per_class, size) == pytest.approx(np.mean(found), rel=0.1)


def test_contrastive_refuses_batches_by_the_counts_of_the_data():
    task = Verification(loss_function="contrastive", metrics=("eer",))
    few, many, single = of_counts([16] * 2), of_counts([16] * 500), of_counts([1] * 20)
    task.check_batches(*few, 4, is_oversampled=False)
    task.check_batches(*many, 16, is_oversampled=False)
    with pytest.raises(
        KeyProblem,
        match=r"batch_size must be larger on each device than 4, which has too few pairs: "
        r"about 0\.\d+ other examples of its own identity in a batch",
    ):
        task.check_batches(*many, 4, is_oversampled=False)
    with pytest.raises(KeyProblem, match="no identity of the train part has two examples"):
        task.check_batches(*single, None, is_oversampled=False)
    with pytest.raises(KeyProblem, match="too few pairs: about 0.1"):
        task.check_batches(*of_counts([1] * 90 + [3] * 3), 32, is_oversampled=False)
    with pytest.raises(KeyProblem, match="oversample must be false"):
        task.check_batches(*few, None, is_oversampled=True)


def test_exports_end_as_the_head_of_contrastive_does(tensorflow):
    import keras

    task = Verification(loss_function="contrastive", metrics=("eer",))
    spec = SPEC.bound(task)
    inputs = spec.inputs()
    model = keras.Model(inputs, spec.head(inputs, inputs))
    exported = task.exported(spec, model)
    assert type(exported.layers[-1]) is type(model.layers[-1])
    examples = 1e-3 * np.random.RandomState(0).standard_normal((4, 4)).astype(np.float32)
    np.testing.assert_array_equal(exported(examples), model(examples))


def test_what_agrees_of_an_export_is_said_in_words_alone():
    found = Written("litert_int8", Path("model.tflite"), 9, 100, 0, 0.1, 0.98, 0, 0.95, Verification.alike)
    plain = found.to_plain()
    assert "alike" not in plain and plain["words"] == found.words
    assert (
        "98.0% of the answers to 100 examples as before, embeddings of a cosine above 0.99 (limit 95%)" in found.words
    )


@pytest.mark.parametrize("loss", ["softmax", "aam_softmax", "contrastive"])
@pytest.mark.parametrize("size", [None, 6])
def test_what_is_kept_of_a_network_is_what_stands_before_its_head(tensorflow, loss, size):
    import keras

    task = Verification(loss_function=loss, metrics=("eer",), embedding_size=size)
    spec = SPEC.bound(task)
    inputs = spec.inputs()
    x = keras.layers.Dense(5, "relu", name="body")(inputs)
    model = keras.Model(inputs, spec.head(x, inputs))
    examples = np.random.RandomState(0).standard_normal((4, 4)).astype(np.float32)
    body = keras.Model(inputs, x)(examples)
    if size:
        weights, bias = model.get_layer("logits_embedding").get_weights()
        body = np.asarray(body) @ weights + bias
    expected = np.asarray(body) / np.sqrt((np.asarray(body) ** 2).sum(axis=1, keepdims=True) + 1e-6)
    np.testing.assert_allclose(task.inference(spec, model)(examples), expected, atol=1e-5)
    assert model(examples).shape == (4, 3 if loss != "contrastive" else size or 5)


def test_a_network_with_another_end_is_refused(tensorflow):
    import keras

    inputs = keras.Input((4,))
    with pytest.raises(KeyProblem, match="must end in|ends in data.head"):
        Verification().inference(SPEC, keras.Model(inputs, keras.layers.Dense(3)(inputs)))


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"loss_function": "softmax", "margin": 0.2}, "must be none"),
        ({"margin": 2.0}, "must be at most 1.57"),
        ({"loss_function": "contrastive", "margin": 3.0}, "must be at most 2"),
        ({"loss_function": "contrastive", "metrics": ("accuracy",)}, "predicts no identities"),
        ({"metrics": ()}, "must name"),
        ({"loss_function": "softmax", "scale": 15.0}, "scale must be left out"),
        ({"loss_function": "contrastive", "scale": 30.0}, "scale must be left out"),
        ({"per_class": 8}, "per_class must be left out"),
        ({"loss_function": "softmax", "per_class": 4}, "per_class must be left out"),
    ],
)
def test_settings_that_cannot_be_are_refused(keys, words):
    with pytest.raises(KeyProblem, match=words):
        Verification(**keys)


def test_the_threshold_is_measured_but_no_monitor():
    task = Verification(metrics=("eer", "accuracy"))
    assert task.metric_names == ["eer", "accuracy", "threshold"]
    assert task.monitored_names == ["eer", "accuracy"]


def test_an_answer_stands_beside_who_a_stranger_is():
    split = part(["ann", "zoe", ""])
    assert SPEC.target.actual(split.targets, split.metadata) == ["ann", "zoe", "another"]
    assert SPEC.target.actual(split.targets, {}) == ["ann", "another", "another"]


def test_classification_refuses_identities():
    with pytest.raises(KeyProblem, match="the data have identities: verification"):
        TASKS["classification"]().check(SPEC)
