"""Each feature: raw values become stored ones, these plain ones, and these the same stored ones again."""

import base64
import dataclasses
import io
import json

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dltrain.data import DataSpec, Feature, Features, Ragged
from dltrain.data.request import LineReader, ObjectReader
from dltrain.features._series.tables import Layout
from dltrain.features._tables.columns import Encoding, learn
from dltrain.features.audio import Audio
from dltrain.features.boxes import Boxes
from dltrain.features.class_label import ClassLabel
from dltrain.features.future import Future
from dltrain.features.identity import Identity
from dltrain.features.image import Image
from dltrain.features.labels import Labels
from dltrain.features.numbers import Numbers
from dltrain.features.sentence import Sentence
from dltrain.features.series import Series
from dltrain.features.table import Column, Table
from dltrain.features.tags import Tags
from dltrain.features.tokens import Tokens
from dltrain.features.vector import Vector
from dltrain.features.whole_series import WholeSeries
from dltrain.registry import FEATURES

FLOATS = st.floats(-(2.0**100), 2.0**100, width=32)
WORDS = st.sampled_from(["red", "green", "a, b", "1,5", "NA", "unseen", None])


def learnt_table():
    """Returns what is learnt of a table with a column of each kind."""
    count = 60
    frame = pl.DataFrame({
        "size": [str(number / 7) if number % 5 else None for number in range(count)],
        "kind": [["red", "green", "a, b"][number % 3] for number in range(count)],
        "many": [f"word{number % 15}" for number in range(count)],
        "day": [f"20{number % 20 + 10}-0{number % 9 + 1}-1{number % 9} 1{number % 9}:30" for number in range(count)],
        "hour": [f"20{number % 20 + 10}-0{number % 9 + 1}-1{number % 9} 1{number % 9}:00" for number in range(count)],
        "clock": [f"{number % 12 + 1}:{number % 60:02}:0{number % 9}.5 PM" for number in range(count)],
        "stamp": [1_500_000_000_000.0 + number * 10 for number in range(count)],
        "note": [f"the {number} nan words of row{number}" for number in range(count)],
    })  # fmt: skip
    columns = learn(frame, np.arange(count), {}, Encoding("median", 10, 20))
    assert {column.part for column in columns} >= {"value", "missing", "category", "year", "hour", "time", "word"}
    return Table(columns=columns)


TABLE = learnt_table()
STEPS = Series(window=2, horizon=1, layout=Layout(targets=("y",), past=("p",), known=("k",)))
EACH = {
    "audio": (Audio(rate=1000, samples=8, window=4, hop=2, bands=4, coefficients=2),
              st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=20)),
    "image": (Image(shape=(2, 3, 3)), st.lists(st.integers(0, 255), min_size=18, max_size=18)),
    "vector": (Vector(shape=(4,)), st.lists(FLOATS, min_size=4, max_size=4)),
    "table": (
        TABLE,
        st.fixed_dictionaries({
            "size": st.one_of(FLOATS, st.none(), st.just("word")),
            "kind": WORDS,
            "many": st.sampled_from(["word0", "word14", "other", "", None]),
            "day": st.sampled_from(["2012-02-29", "2012-02-29 23:10", "1890-01-01", "no day", None]),
            "note": st.sampled_from(["the the 3", "nan", "", "words", None, "NULL row1"]),
        }),
    ),
    "tokens": (
        Tokens(kind="wordpiece", vocabulary_size=60, max_length=9).fit([["the film was good", "a bad film, a café"]]),
        st.text(min_size=1).filter(str.strip),
    ),
    "series": (STEPS, st.lists(st.lists(FLOATS, min_size=3, max_size=3), min_size=3, max_size=3)),
    "whole_series": (
        WholeSeries(channels=2),
        st.lists(st.lists(FLOATS, min_size=2, max_size=2), min_size=1, max_size=5),
    ),
    "future": (
        Future(horizon=2, names=("y",)),
        st.lists(st.fixed_dictionaries({"y": st.one_of(FLOATS, st.none())}), min_size=2, max_size=2),
    ),
    "sentence": (
        Sentence(vocabulary_size=60, max_length=9).fit([[["the", "film", "was", "good"], ["a", "café"]]]),
        st.lists(st.text(min_size=1).filter(str.strip), min_size=1, max_size=6),
    ),
    "tags": (
        Tags(tag_names=("O", "B-PER", "I-PER")),
        st.lists(st.sampled_from(["O", "B-PER", "I-PER", None]), min_size=1, max_size=6),
    ),
    "boxes": (
        Boxes(class_names=("a", "b", "c")),
        st.fixed_dictionaries({
            "size": st.just([40, 30]),
            "objects": st.lists(st.fixed_dictionaries(
                {
                    "box": st.tuples(*[st.floats(-2, 41, width=32)] * 4),
                    "class": st.sampled_from(["a", "b", "c", "another"]),
                },
                optional={"difficult": st.booleans(), "crowd": st.booleans()},
            ), max_size=3),
        }, optional={"window": st.sampled_from([[0, 0, 30, 40], [-5, 0, 35, 40]])}),
    ),
    "class_label": (ClassLabel(class_names=("a", "b", "c")), st.sampled_from(["a", "b", "c"])),
    "identity": (Identity(class_names=("a", "b", "c")), st.sampled_from(["a", "b", "c", "another"])),
    "labels": (Labels(class_names=("a", "b")), st.lists(st.sampled_from(["a", "b"]), unique=True)),
    "numbers": (Numbers(names=("x", "y")), st.fixed_dictionaries({"x": FLOATS, "y": FLOATS})),
}  # fmt: skip
"""Of each feature an example, and raw values of it."""


ONE = {
    "audio": [0.5, -0.25, 0, 1],
    "image": np.arange(18).reshape(2, 3, 3).tolist(),
    "vector": [1, 2.5, -3, 0],
    "table": {"size": 3, "kind": "red", "many": "other", "day": "2012-02-29", "note": None},
    "tokens": "a good film",
    "series": [
        {"time": "2020-01-31", "y": 1, "p": 2, "k": 3},
        {"time": "2020-02-29", "y": 4, "p": None, "k": 5},
        {"time": "2020-03-31", "y": 6, "p": 7.5, "k": 8},
        {"time": "2020-04-30", "k": 9},
    ],
    "sentence": ["a", "good", "film"],
    "whole_series": [[1, 2], [3, 4.5]],
}
"""A raw value of those that the server takes."""


def raws_of(name, drawn):
    return [np.reshape(raw, (2, 3, 3)).tolist() for raw in drawn] if name == "image" else drawn


def same(one, other):
    assert one.dtype == other.dtype
    if isinstance(one, Ragged):
        np.testing.assert_array_equal(one.offsets, other.offsets)
        one, other = one.values, other.values
    np.testing.assert_array_equal(one, other)


def test_each_registered_feature_is_here():
    own = {name for name in FEATURES.names() if FEATURES[name].__module__.startswith("dltrain.")}
    assert own == EACH.keys()


@pytest.mark.parametrize("name", EACH)
@given(data=st.data())
@settings(deadline=None, max_examples=50, database=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
def test_what_is_decoded_encodes_to_the_same(name, data):
    feature, raw = EACH[name]
    raws = raws_of(name, data.draw(st.lists(raw, min_size=1, max_size=4)))
    encoded = feature.encode(raws)
    assert len(encoded.stored) == len(raws) - len(encoded.problems)
    assert encoded.stored.shape[1:] == feature.shape
    if len(encoded.stored):
        plain = json.loads(json.dumps(feature.decode(encoded.stored)))
        again = feature.encode(plain)
        assert again.problems == {}
        same(again.stored, encoded.stored)


KEYS = st.sampled_from(["b64", "text", "pair", "size", "kind", "note", "x", "y"]) | st.text(max_size=3)
ODD = st.sampled_from([10**400, -(2**63), 1e308, float("nan"), float("inf"), "1" * 5000, "2020-13-41", "AAAA", "==="])
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=9) | ODD,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
"""What a request of anyone may hold: any JSON, and what Python reads beyond it."""


@pytest.mark.parametrize("name", EACH)
@given(raws=st.lists(PLAIN, max_size=4))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_whatever_is_given_is_stored_or_told_to_be_a_problem(tensorflow, name, raws):
    encoded = EACH[name][0].encode(raws)
    assert len(encoded.stored) == len(raws) - len(encoded.problems)
    assert all(place in range(len(raws)) and words for place, words in encoded.problems.items())


@pytest.mark.parametrize("name", EACH)
def test_corners_are_values_that_can_be_stored_and_decoded(name):
    feature, _ = EACH[name]
    corners = feature.corners()
    assert len(corners) > 1
    stored = Ragged.of(corners, corners[0].dtype) if None in feature.shape else np.stack(corners)
    assert stored.shape[1:] == feature.shape
    assert np.isfinite(stored.values if isinstance(stored, Ragged) else stored).all()
    assert len(feature.decode(stored)) == len(corners)


@pytest.mark.parametrize("name", [*ONE])
def test_a_request_is_encoded_as_the_feature_does(name):
    feature, raws = EACH[name][0], [ONE[name]]
    request = feature.reader().read_values(raws)
    same(request.inputs, feature.encode(raws).stored)
    assert request.names == ["instances[0]"]


def test_a_table_names_what_is_unknown_and_what_is_filled():
    table = Table(
        columns=(Column("size", "size", fill=2.5), Column("kind", "kind", "category", categories=("red", "green")))
    )
    encoded = table.encode([
        {"size": 1, "kind": "red"},
        {"size": None, "kind": "blue"},
        {"size": 1e39, "kind": "red"},
        {"size": 4, "kind": "black"},
    ])  # fmt: skip
    np.testing.assert_array_equal(encoded.stored, [[1, 1], [2.5, 0], [4, 0]])
    assert encoded.problems == {2: "size must be within float32, which ends at 3.4e38, got '1e+39'"}
    assert encoded.notices == {
        1: ["column 'kind': 'blue' is unknown", "column 'size' is missing: 2.5 takes its place"],
        3: ["column 'kind': 'black' is unknown"],
    }
    kinds = {words.kind for each in encoded.notices.values() for words in each[:1]}
    assert kinds == {"column 'kind': values that training did not have"}
    np.testing.assert_array_equal(table.encode([[3, 1]]).stored, [[3, 1]])
    assert table.encode([{"size": 3}]).problems == {0: "has no column 'kind'; null says that a value is missing"}


def test_what_training_had_no_value_of_may_be_missing():
    """A column that was complete then must be there, and hold what it is: beside others or alone."""
    columns = (Column("size", "size", fill=2.5, is_complete=False), Column("size missing", "size", "missing"))
    table, whole = Table(columns=columns), Table(columns=(Column("size", "size"),))
    for beside in ([], [{"size": 1}]):
        encoded = table.encode([{"size": "large"}, {"other": 3}, *beside])
        assert not encoded.problems
        np.testing.assert_array_equal(encoded.stored[:2], [[2.5, 1], [2.5, 1]])
        assert encoded.notices[0] == ["column 'size' was read as numbers in training: 'large' counts as missing"]
        assert encoded.notices[1] == ["column 'size' is missing: 2.5 takes its place"]
        problems = whole.encode([{"size": "large"}, {"Sizes": 3}, {"size": None}, *beside]).problems
        assert problems == {
            0: "size must be a number, got 'large'",
            1: "has no column 'size': 'Sizes' is unknown, did you mean \"size\"?",
        }


def test_each_row_of_a_table_is_what_it_is_alone_whatever_stands_beside_it():
    table = Table(
        columns=(Column("size", "size", fill=2.5), Column("kind", "kind", "category", categories=("red", "green")))
    )
    raws = [
        [3, 1], {"size": 4, "kind": "green"}, [1, 7], {"size": "x", "kind": "red"}, "word", {"size": 5, "kind": "?!"},
        [9, 2], [1], {"kind": "red"}, None, [8, 0],
    ]  # fmt: skip
    alone = [table.encode([raw]) for raw in raws]
    for rows in (range(len(raws)), range(len(raws) - 1, -1, -1), range(0, len(raws), 2)):
        together = table.encode([raws[row] for row in rows])
        np.testing.assert_array_equal(together.stored, np.concatenate([alone[row].stored for row in rows]))
        problems = {place: alone[row].problems[0] for place, row in enumerate(rows) if alone[row].problems}
        assert together.problems == problems
        assert together.notices == {
            place: alone[row].notices[0] for place, row in enumerate(rows) if 0 in alone[row].notices
        }


def test_a_category_that_is_written_like_a_missing_value_is_one():
    table = Table(columns=(Column("country", "country", "category", categories=("NA", "US")),))
    np.testing.assert_array_equal(table.encode([{"country": "NA"}, {"country": "null"}]).stored, [[1], [0]])


def test_an_image_is_taken_as_a_file_as_bytes_and_as_numbers(tmp_path):
    from PIL import Image as Pillow

    pixels = np.random.RandomState(0).randint(0, 256, (4, 4, 3)).astype(np.uint8)
    file = tmp_path / "image.png"
    Pillow.fromarray(pixels).save(file)
    image, content = Image(shape=(4, 4, 3)), file.read_bytes()
    raws = [file, content, {"b64": base64.b64encode(content).decode()}, pixels.tolist(), pixels]
    same(image.encode(raws).stored, np.stack([pixels] * 5))
    assert image.encode([(pixels / 2).tolist()]).stored.dtype == np.float32


def test_a_text_is_never_taken_for_the_path_of_an_image(tmp_path):
    (tmp_path / "image.png").write_bytes(b"")
    encoded = Image(shape=(4, 4, 3)).encode([str(tmp_path / "image.png")])
    assert encoded.problems == {0: "must be numbers of shape 4x4x3, nested lists"}


@pytest.mark.parametrize("name", [*ONE])
def test_a_request_schema_takes_what_the_feature_takes(name):
    jsonschema = pytest.importorskip("jsonschema")
    feature = EACH[name][0]
    jsonschema.validate(ONE[name], feature.request_schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(7, feature.request_schema())


LINES = '{"kind": "a", "numbers": {"x": 1, "y": 2}}\n{"kind": "z", "numbers": {"x": 1}}\n3\n{"kind": "b"}\n'


def test_several_inputs_are_read_as_objects(tmp_path, monkeypatch):
    features = Features({"kind": EACH["class_label"][0], "numbers": EACH["numbers"][0]})
    reader = features.reader()
    assert isinstance(reader, ObjectReader)
    assert isinstance(DataSpec.of(ClassLabel(class_names=("a",))).inputs.reader(), LineReader)
    (tmp_path / "asked.jsonl").write_text(LINES)
    monkeypatch.setattr("sys.stdin", io.StringIO(LINES))
    for source in (str(tmp_path / "asked.jsonl"), "-"):
        (request,) = reader.read([source], 10)
        assert request.names == [f"{source}:{line}" for line in range(1, 5)]
        np.testing.assert_array_equal(request.inputs["kind"], [0])
        np.testing.assert_array_equal(request.inputs["numbers"], [[1, 2]])
        assert request.problems == {
            1: "kind: no class 'z'", 2: "must be an object of kind, numbers", 3: "has no numbers"
        }  # fmt: skip


def test_a_position_that_no_category_has_never_reaches_a_network(tmp_path):
    """A gather or a one-hot of it means another thing in each format."""
    columns = (Column("size", "size"), Column("kind", "kind", "category", categories=("a", "b"), embedding=2))
    table = Table(columns=columns)
    rows = [[1, 0], [1, 3], [2, -1], [np.nan, 1], [3, 2], [4, 1.5]]
    np.save(tmp_path / "asked.npy", np.array(rows))
    (of_file,) = table.reader().read([str(tmp_path / "asked.npy")], 10)
    for found in (table.encode(rows), table.reader().read_values(rows), of_file):
        stored = found.stored if hasattr(found, "stored") else found.inputs
        np.testing.assert_array_equal(stored, [[1, 0], [3, 2]])
        assert {*found.problems} == {1, 2, 3, 5}
        assert found.problems[2] == "kind must be a whole number from 0 (missing or unknown) to 2, got -1"
        assert "NaN" in found.problems[3]


def test_two_tables_may_be_inputs_of_one_network(tensorflow):
    """Each has layers of its own names."""
    columns = (Column("size", "size"), Column("kind", "kind", "category", categories=("a", "b"), embedding=2))
    table = Table(columns=columns, mean=(0.0, 0.0), standard_deviation=(1.0, 1.0))
    inputs = {name: table.inputs(name) for name in ("left", "right")}
    outputs = [table.preprocess(inputs[name], f"normalization_{name}") for name in inputs]
    model = tensorflow.keras.Model(inputs, outputs)
    assert len({layer.name for layer in model.layers}) == len(model.layers)


def test_a_feature_cannot_have_a_field_that_json_has_for_its_kind():
    with pytest.raises(TypeError, match="no field `name`"):

        @FEATURES.register("badly_named")
        class BadlyNamed(Feature):
            name: str = "x"

    assert "badly_named" not in FEATURES.names()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"categories": ("cow", "blue", "red")}, "unknown 'cow'; missing 'green'"),
        ({"categories": ("red", "green", "blue")}, "its categories in another order"),
        ({"categories": ()}, "was of categories in training, got numbers"),
        ({"embedding": 2}, "other embedding"),
        ({"name": "size"}, "it takes a column 'colour', got 'n', 'size'"),
        ({"fill": 3.0}, None),
    ],
)
def test_a_table_says_which_column_differs_and_how(change, words):
    colour = Column("colour", "colour", "category", categories=("blue", "green", "red"))
    known = Table(columns=(Column("n", "n"), colour))
    found = known.mismatch(Table(columns=(Column("n", "n"), dataclasses.replace(colour, **change))))
    assert found is None if words is None else words in found
