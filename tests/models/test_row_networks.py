"""Networks over rows of tables: counts of the authors' code, what their parts compute, and members that learn apart."""

import numpy as np
import pytest
from scipy.stats import norm

from dltrain.data import DataSpec
from dltrain.errors import KeyProblem
from dltrain.features.class_label import ClassLabel
from dltrain.features.image import Image
from dltrain.features.numbers import Numbers
from dltrain.features.table import Column, Table
from dltrain.models._rows import RowNetwork
from dltrain.registry import MODELS

SMALL = {
    "tabm": {"units": (6, 5), "members": 3, "dropout": 0.0},
    "tabm with pieces": {"units": (6,), "members": 3, "numbers": "piecewise_linear"},
    "tabm with waves": {"units": (6,), "members": 3, "numbers": "periodic"},
    "real_mlp": {"units": (6, 5)},
    "ft_transformer": {"width": 8, "depth": 2, "heads": 2},
}
CLASSES = ("a", "b", "c")


def table(numbers=4, categories=(3, 5), **fields):
    columns = [Column(name=f"n{place}", source=f"n{place}") for place in range(numbers)]
    columns += [
        Column(name=f"k{place}", source=f"k{place}", part="category", categories=tuple(map(str, range(size))))
        for place, size in enumerate(categories)
    ]
    count = len(columns)
    return Table(columns=tuple(columns), mean=(0.0,) * count, standard_deviation=(1.0,) * count, **fields)


def rows(count, seed=0):
    random = np.random.RandomState(seed)
    parts = [random.normal(size=(count, 4)), random.randint(0, 4, (count, 1)), random.randint(0, 6, (count, 1))]
    return np.concatenate(parts, axis=1).astype(np.float32)


def built(name, target=None, **keys):
    model = MODELS[name](**keys)
    data = DataSpec.of(table(), target or ClassLabel(class_names=CLASSES))
    model.check(data)
    return model.build(data)


def of(name):
    return built(name.split()[0], **SMALL[name])


# From the authors' packages tabm 0.0.3 and rtdl_revisiting_models 0.0.2, built with their defaults and counted.
@pytest.mark.parametrize(
    ("name", "keys", "numbers", "categories", "classes", "count"),
    [
        ("tabm", {}, 10, (), 3, 710_048),
        ("tabm", {}, 10, (3, 5), 3, 714_400),
        ("tabm", {"units": (512, 512), "numbers": "piecewise_linear"}, 10, (3, 5), 3, 490_144),
        ("ft_transformer", {}, 10, (), 3, 896_067),
        ("ft_transformer", {"depth": 2, "width": 128}, 4, (3, 5), 1, 267_177),
        ("ft_transformer", {"depth": 1, "width": 96}, 4, (3, 5), 1, 76_769),
        # By hand: 4 numbers of 16 frequencies and phases and 3 x 17 weights; 4 x 4 + 8 inputs with a scale each; three
        # dense layers with a strength for each unit; the head.
        ("real_mlp", {}, 4, (3, 5), 2, 4 * (32 + 51) + 24 + (24 + 2) * 256 + 2 * (256 + 2) * 256 + 257 * 2),
    ],
)
def test_networks_have_as_many_weights_as_those_of_the_authors(
    tensorflow, name, keys, numbers, categories, classes, count
):
    names = tuple(map(str, range(classes)))
    model = MODELS[name](**keys).build(DataSpec.of(table(numbers, categories), ClassLabel(class_names=names)))
    assert model.count_params() == count


def test_every_network_over_rows_is_tried_here():
    found = {name for name in MODELS.names() if issubclass(MODELS[name], RowNetwork)}
    assert found == {name.split()[0] for name in SMALL}


@pytest.mark.parametrize("name", SMALL)
def test_each_weight_learns_and_the_saved_network_answers_alike(tensorflow, tmp_path, name):
    import keras

    keras.utils.set_random_seed(0)
    model = of(name)
    # Columns of one category alone would leave the weights of others without a gradient.
    x, y = rows(64), np.arange(64) % 3
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    with tensorflow.GradientTape() as tape:
        loss = model.compute_loss(x, y, model(x, training=True), training=True)
    gradients = tape.gradient(loss, [weight.value for weight in model.trainable_weights])
    # A last layer that starts at 0 lets nothing through in the first step.
    learns = {weight.path for weight, each in zip(model.trainable_weights, gradients, strict=True) if np.any(each)}
    if name == "real_mlp":
        assert learns == {weight.path for weight in model.layers[-1].trainable_weights}
    else:
        assert learns == {weight.path for weight in model.trainable_weights}
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))


@pytest.mark.parametrize("name", SMALL)
def test_images_are_refused(name):
    data = DataSpec.of(Image(shape=(8, 8, 1)), ClassLabel(class_names=CLASSES))
    with pytest.raises(KeyProblem, match="needs rows of a table and one target, got image for class_label"):
        MODELS[name.split()[0]](**SMALL[name]).check(data)


def test_members_learn_by_their_own_loss_and_answer_by_the_mean_of_their_probabilities(tensorflow):
    import keras

    keras.utils.set_random_seed(0)
    model, x, y = of("tabm"), rows(8), np.arange(8) % 3
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    each = np.array(model(x, training=True), np.float64)
    assert each.shape == (8, 3, 3)
    shares = np.exp(each) / np.exp(each).sum(axis=-1, keepdims=True)
    assert np.ptp(shares, axis=1).max() > 0.01  # they differ from the start
    weights = np.linspace(0.5, 2, 8).astype(np.float32)
    loss = float(model.compute_loss(x, y, model(x, training=True), weights, training=True))
    by_hand = -np.log(shares[np.arange(8), :, y])
    assert loss == pytest.approx(float((by_hand * weights[:, None]).mean()), rel=1e-5)
    answered = np.array(model(x, training=False), np.float64)
    np.testing.assert_allclose(np.exp(answered), shares.mean(axis=1), rtol=1e-5)
    together = float(model.compute_loss(x, y, model(x, training=False), training=False))
    assert together == pytest.approx(float(-np.log(shares.mean(axis=1))[np.arange(8), y].mean()), rel=1e-5)


def test_members_that_predict_numbers_answer_with_their_mean(tensorflow):
    target = Numbers(names=("y",), mean=(100.0,), standard_deviation=(20.0,))
    model, x = built("tabm", target, units=(6,), members=3, dropout=0.0), rows(8)
    each = np.array(model(x, training=True))
    assert each.shape == (8, 3, 1)
    assert each.mean() == pytest.approx(100, abs=30)
    np.testing.assert_allclose(model(x, training=False), each.mean(axis=1), rtol=1e-6)


def test_what_stands_for_one_column_starts_with_one_sign(tensorflow):
    model = built("tabm", units=(6,), members=16)
    scales = np.array(model.get_layer("dense1").inputs_scale)
    assert {*np.unique(scales)} == {-1.0, 1.0}
    assert (scales[:, 4:7] == scales[:, 4:5]).all()
    assert (scales[:, 7:] == scales[:, 7:8]).all()
    assert len({tuple(row) for row in scales[:, :4].T}) > 1


def test_pieces_of_a_number_bend_at_quantiles_of_the_normal_distribution(tensorflow):
    from dltrain.layers.number_embeddings import PiecewiseLinearEmbedding

    layer = PiecewiseLinearEmbedding(width=1, bins=4)
    layer.build((None, 1))
    layer.set_weights([np.array([[2.0]]), np.array([[3.0]]), np.arange(1.0, 5.0).reshape(1, 4, 1)])
    edges = [-norm.ppf(1 - 0.1 / 4), *norm.ppf([0.25, 0.5, 0.75]), norm.ppf(1 - 0.1 / 4)]
    for x in (-5.0, -1.0, 0.0, 0.3, 5.0):
        parts = [(x - low) / (high - low) for low, high in zip(edges, edges[1:], strict=False)]
        parts = [min(parts[0], 1), *np.clip(parts[1:3], 0, 1), max(parts[3], 0)]
        expected = 2 * x + 3 + np.dot(parts, [1, 2, 3, 4])
        assert float(layer(np.array([[x]], np.float32))[0, 0, 0]) == pytest.approx(expected, rel=1e-5)


def test_numbers_are_scaled_by_quantiles_or_robustly_as_numpy_has_it(tensorflow):
    random = np.random.RandomState(0)
    values = np.exp(random.normal(size=(1000, 2)) * 2).astype(np.float32)
    values[:400, 1] = 0  # many at one value
    columns = tuple(Column(name=name, source=name) for name in "ab")
    made = {
        kind: Table(columns=columns, normalize=kind).adapt([values[:500], values[500:]])
        for kind in ("robust", "quantile")
    }
    x = np.concatenate([values, [[-1e9, -1e9], [1e9, 1e9]]]).astype(np.float32)
    robust, quantile = (np.array(each.preprocess(x)) for each in made.values())
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75], axis=0, method="nearest")
    plain = (x.astype(np.float64) - middle) / (high - low)
    np.testing.assert_allclose(robust, plain / np.sqrt(1 + (plain / 3) ** 2), rtol=1e-4, atol=1e-5)
    first = quantile[:1000, 0]
    np.testing.assert_array_equal(np.argsort(first, kind="stable"), np.argsort(values[:, 0], kind="stable"))
    ranks = (np.argsort(np.argsort(values[:, 0])) + 0.5) / 1000
    inner = (ranks > 0.02) & (ranks < 0.98)
    np.testing.assert_allclose(first[inner], norm.ppf(ranks[inner]), atol=0.06)
    assert np.ptp(quantile[:400, 1]) == 0
    assert quantile[0, 1] == pytest.approx(norm.ppf(0.2), abs=0.02)
    far = norm.ppf(1 - 0.1 / 64)
    np.testing.assert_allclose(quantile[-2:], [[-far, quantile[-2, 1]], [far, far]], rtol=1e-5)
    again = Table.of_plain(made["quantile"].plain())
    assert again == made["quantile"]
    assert again.signature() == made["quantile"].replaced(quantiles=()).signature()
