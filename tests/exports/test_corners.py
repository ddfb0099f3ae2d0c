"""Each format answers as Keras does at the edges of each feature: unknown, missing, extreme, empty, zero."""

from importlib.util import find_spec

import numpy as np
import pytest

from dltrain.data import DataSpec, Features, Ragged, Split
from dltrain.exports import called
from dltrain.features._series.tables import Layout
from dltrain.features.audio import Audio
from dltrain.features.image import Image
from dltrain.features.sentence import Sentence
from dltrain.features.series import Series
from dltrain.features.table import Column, Table
from dltrain.features.tokens import Tokens
from dltrain.features.vector import Vector
from dltrain.features.whole_series import WholeSeries
from dltrain.inference.comparison import COMPARED, Compared
from dltrain.registry import EXPORTS, FEATURES


def table(*columns):
    """Returns a table whose numbers are normalised."""
    numbers = [0.0 if column.categories else 1.5 for column in columns]
    return Table(columns=columns, mean=tuple(numbers), standard_deviation=tuple(2 * each or 1.0 for each in numbers))


SIZE = Column("size", "size", fill=2.5, is_complete=False)
IS_MISSING = Column("size missing", "size", "missing", is_complete=False)
NOTE = Column("note good", "note", "word", word="good")
HOUR = Column("at hour", "at", "hour", fill=11.0)
KIND = Column("kind", "kind", "category", categories=("a", "b", "c"))
SIDE = Column("side", "side", "category", categories=("left", "right"))
MANY = Column("many", "many", "category", categories=tuple("pqrstuvw"), embedding=3)
INPUTS = {
    "audio": Features.of(Audio(rate=1_000, samples=256, window=32, hop=16, bands=8)),
    "audio, spectrogram": Features.of(Audio(rate=1_000, samples=256, window=32, hop=16, front_end="spectrogram")),
    "image": Features.of(Image(shape=(4, 4, 3), mean=(90.0, 100.0, 110.0), standard_deviation=(50.0, 60.0, 70.0))),
    "image, raw": Features.of(Image(shape=(4, 4, 1))),
    "vector": Features.of(Vector(shape=(3,), mean=(1.0, -2.0, 0.0), standard_deviation=(2.0, 0.5, 1.0))),
    "table": Features.of(table(SIZE, IS_MISSING, NOTE, HOUR, KIND, MANY)),
    "table of numbers": Features.of(table(SIZE, IS_MISSING)),
    "table of a category": Features.of(table(KIND)),
    "table of categories": Features.of(table(KIND, SIDE)),
    "table of embeddings": Features.of(table(MANY)),
    "tokens": Features.of(Tokens(kind="words", max_length=7).fit([["the film was good", "a bad film"]])),
    "sentence": Features.of(Sentence(kind="words", max_length=7).fit([[["the", "film", "was", "good"], ["a", "bad"]]])),
    "series": Features.of(
        Series(
            window=4,
            horizon=2,
            layout=Layout(targets=("y",), past=("p",), known=("k",)),
            mean=(1.0, 2.0, 3.0),
            deviation=(2.0, 0.5, 1.0),
            spread=(1.5,),
            floor=(0.1,),
        )
    ),
    **{
        f"series, {transform}": Features.of(
            Series(
                window=4,
                horizon=2,
                layout=Layout(targets=("y",), past=("p",)),
                transform=transform,
                mean=(1.0, 2.0),
                deviation=(0.3, 0.5),
                spread=(1.5,),
                floor=(0.1,),
            )
        )
        for transform in ("sqrt", "log1p", "symlog")
    },
    **{
        f"whole_series, {name}": Features.of(
            WholeSeries(**keys, channels=2, mean=(1.0, -2.0), standard_deviation=(2.0, 0.5))
        )
        for name, keys in {
            "of one length": {"steps": 4},
            "scaled by itself": {"steps": 4, "scaling": "series"},
            "ragged": {"lengths": (5,)},
        }.items()
    },
    "several": Features({"picture": Image(shape=(4, 4, 1)), "row": table(SIZE, KIND), "other": table(SIDE, MANY)}),
}
FORMATS = [name for name in EXPORTS.names() if EXPORTS[name].agreement is None and not EXPORTS[name].holds_vectors]


def network(features):
    """Returns a small network with random weights, and data for it."""
    import keras

    keras.utils.set_random_seed(0)
    spec = DataSpec(features)
    inputs = features()
    found = spec.preprocess(inputs)
    found = [*found.values()] if isinstance(found, dict) else [found]
    flat = [_summed(each) if None in each.shape[1:] else keras.layers.Flatten()(each) for each in found]
    x = keras.layers.Concatenate()(flat) if len(flat) > 1 else flat[0]
    x = keras.layers.Dense(4, kernel_initializer="random_normal", activation="relu")(x)
    outputs = keras.layers.Dense(2, kernel_initializer="random_normal", bias_initializer="random_normal")(x)
    random = np.random.RandomState(0)
    stored = {name: _some(feature, random) for name, feature in features.items()}
    return keras.Model(inputs, outputs), spec, Split(stored if len(stored) > 1 else called(stored), np.zeros(40))


def _summed(values):
    import keras

    vectors = values if len(values.shape) == 3 else keras.layers.Embedding(30, 4)(values)
    return keras.layers.GlobalAveragePooling1D()(vectors)


def _some(feature, random):
    """Returns values that are drawn of the corners, but for the first two where there are more."""
    corners = feature.corners()
    drawn = [corners[place] for place in random.randint(2 if len(corners) > 2 else 0, len(corners), 40)]
    return Ragged.of(drawn, feature.dtype) if None in feature.shape else np.stack(drawn)


def needs(name):
    for module in EXPORTS[name].needs:
        if find_spec(module) is None:
            pytest.skip(f"{module} is not installed: pip install 'dltrain[{EXPORTS[name].extra}]'")
    return EXPORTS[name]()


def test_each_registered_feature_has_corners():
    own = {name for name in FEATURES.names() if FEATURES[name].__module__.startswith("dltrain.")}
    inputs = {each.registered_name for features in INPUTS.values() for each in features.values()}
    assert {name for name in own if not FEATURES[name].task} == inputs


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("kind", INPUTS)
def test_a_format_answers_as_keras_does_at_the_edges(tensorflow, tmp_path, kind, name):
    form, (model, spec, part) = needs(name), network(INPUTS[kind])
    compared = Compared.of(spec, part, COMPARED)
    assert compared.edges == sum(len(feature.corners()) for feature in spec.inputs.values())
    signature = {key: tensorflow.TensorSpec((None, *values.shape[1:]), values.dtype)
                 for key, values in compared.inputs.items()}  # fmt: skip
    form.write(model, tmp_path / form.file, signature, compared.inputs)
    got, wanted = form.answers(tmp_path / form.file, compared.inputs), np.asarray(model(called(compared.inputs)))
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6 * max(1, np.abs(wanted).max()))


def test_a_category_reaches_the_network_as_its_place_alone(tensorflow):
    """Written out by hand: a code of no category is all zeros."""
    import keras

    feature = table(SIZE, KIND, SIDE)
    inputs = feature.inputs("inputs")
    model = keras.Model(inputs, feature.preprocess(inputs))
    got = model(np.array([[1.5, 0, 2], [4.5, 3, 0], [1.5, 1, 1]], np.float32))
    np.testing.assert_array_equal(got, [[0, 0, 0, 0, 0, 1], [1, 0, 0, 1, 0, 0], [0, 1, 0, 0, 1, 0]])


@pytest.mark.parametrize("operation", ["log1p", "expm1"])
def test_onnx_writes_what_it_has_no_operation_of_with_others_exact_near_0(tensorflow, tmp_path, operation):
    import keras

    form, inputs = needs("onnx"), keras.Input((1,), name="inputs")
    model = keras.Model(inputs, getattr(keras.ops, operation)(inputs))
    values = np.array([0, 1e-30, 1e-7, -1e-7, 1e-3, -0.5, 1, 20, 80] + [1e30] * (operation == "log1p"), np.float32)
    form.write(model, tmp_path / form.file, {"inputs": tensorflow.TensorSpec((None, 1), "float32")}, values[:, None])
    got = form.answers(tmp_path / form.file, {"inputs": values[:, None]})
    np.testing.assert_allclose(got[:, 0], getattr(np, operation)(values.astype(np.float64)), rtol=2e-6)
