import gzip

import numpy as np
import pytest

from dltrain.datasets.tfrecord import Feature, TFRecord
from dltrain.errors import DataError

WHOLE = {"test_fraction": 0.0, "validation_fraction": 0.0}
NUMBERS = {"x": Feature(kind="floats", shape=(2,)), "n": Feature(kind="ints"), "label": Feature(kind="ints")}
COUNT = 24


@pytest.fixture
def records(tensorflow, tmp_path):
    """Returns a function that writes examples to shards and returns the dataset of them."""
    train = tensorflow.train

    def feature(value):
        if isinstance(value, bytes):
            return train.Feature(bytes_list=train.BytesList(value=[value]))
        values = np.asarray(value).reshape(-1)
        if values.dtype.kind == "f":
            return train.Feature(float_list=train.FloatList(value=values))
        return train.Feature(int64_list=train.Int64List(value=values))

    def write(example, features=NUMBERS, shards=1, suffix="", prefix="data", **fields) -> TFRecord:
        for shard in range(shards):
            options = tensorflow.io.TFRecordOptions(compression_type="GZIP" if suffix else "")
            with tensorflow.io.TFRecordWriter(str(tmp_path / f"{prefix}-{shard}.tfrecord{suffix}"), options) as file:
                for row in range(shard, COUNT, shards):
                    values = {name: feature(value) for name, value in example(row).items()}
                    whole = train.Example(features=train.Features(feature=values))
                    file.write(whole.SerializeToString())
        return TFRecord(path=tmp_path / f"{prefix}-*.tfrecord{suffix}", features=features, **{**WHOLE, **fields})

    return write


def numbers(row):
    return {"x": [row / 2, -row / 2], "n": row, "label": 7 - row % 2}


@pytest.mark.parametrize(("shards", "suffix"), [(1, ""), (3, ""), (3, ".gz")])
def test_numbers_are_side_by_side_in_the_order_of_the_config(records, shards, suffix):
    dataset = records(numbers, shards=shards, suffix=suffix)
    assert dataset.spec() is None
    assert dataset.task == "classification"
    splits = dataset.load()
    order = [row for shard in range(shards) for row in range(shard, COUNT, shards)]
    np.testing.assert_array_equal(splits.train.inputs, [[row / 2, -row / 2, row] for row in order])
    assert splits.train.inputs.dtype == np.float32
    assert splits.spec.target.class_names == ("6", "7")
    assert splits.train.targets.tolist() == [1 - row % 2 for row in order]


def test_images_are_decoded_and_resized(records, tensorflow):
    pixels = np.random.RandomState(0).randint(0, 256, (COUNT, 6, 5, 3)).astype(np.uint8)
    features = {"image": Feature(kind="image", shape=(6, 5, 3)), "label": Feature(kind="text")}

    def example(row):
        return {"image": tensorflow.io.encode_png(pixels[row]).numpy(), "label": [b"cat", b"dog"][row % 2]}

    splits = records(example, features).load()
    np.testing.assert_array_equal(splits.train.inputs, pixels)
    assert splits.train.inputs.dtype == np.uint8
    assert splits.spec.target.class_names == ("cat", "dog")
    small = records(example, {**features, "image": Feature(kind="image", shape=(3, 3, 1))}).load()
    assert small.spec.input.shape == (3, 3, 1)


def test_floats_to_predict_are_regression(records):
    features = {"x": Feature(kind="floats"), "y": Feature(kind="floats", shape=(2,))}
    dataset = records(lambda row: {"x": row / 1, "y": [row / 4, row * 2.0]}, features, target="y")
    splits = dataset.load()
    assert dataset.task == "regression"
    np.testing.assert_array_equal(splits.train.targets[3], [0.75, 6])
    assert [target.name for target in splits.spec.target.each] == ["y 1", "y 2"]
    assert splits.spec.target.each[1].mean == pytest.approx(COUNT - 1)
    single = records(lambda row: {"x": row / 1, "y": row / 1}, {**features, "y": Feature(kind="floats")}, target="y")
    assert single.load().train.targets.shape == (COUNT, 1)
    with pytest.raises(DataError, match=r"feature y: NaN or infinite values, first in example 0"):
        records(lambda row: {"x": row / 1, "y": [np.nan, 0.0]}, features, target="y").load()


def test_a_test_part_may_have_files_of_its_own(records, tmp_path):
    records(lambda row: numbers(row + 100), prefix="test")
    splits = records(numbers, test_path=tmp_path / "test-*.tfrecord", validation_fraction=0.25).load()
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [18, 6, 24]
    assert splits.test.inputs[:, 2].min() == 100


@pytest.mark.parametrize(
    ("features", "target", "message"),
    [
        (NUMBERS, "labels", "^target is not one of the features: 'labels', did you mean"),
        ({"label": Feature(kind="ints")}, "label", "^features must be one image, or numbers"),
        ({**NUMBERS, "image": Feature(kind="image", shape=(2, 2, 1))}, "label", "^features must be one image"),
        ({**NUMBERS, "t": Feature(kind="text")}, "label", "^features must be one image"),
        ({**NUMBERS, "label": Feature(kind="ints", shape=(3,))}, "label", "^target must be floats"),
    ],
)
def test_features_that_cannot_be_are_refused(tmp_path, features, target, message):
    with pytest.raises(ValueError, match=message):
        TFRecord(path=tmp_path / "x", features=features, target=target)
    with pytest.raises(ValueError, match="^shape must be .height, width, 1 or 3"):
        Feature(kind="image", shape=(3, 3))


def test_files_that_cannot_be_used_are_named_with_the_example(records, tmp_path):
    whole = records(numbers)
    content = (tmp_path / "data-0.tfrecord").read_bytes()
    for damaged in (content[:-9], content[:200] + b"\xff" + content[201:], b"hello" * 9):
        (tmp_path / "data-0.tfrecord").write_bytes(damaged)
        with pytest.raises(DataError, match=r"data-0.tfrecord: example \d+ .from 0. cannot be used") as error:
            whole.load()
        assert "\n" not in str(error.value)
    (tmp_path / "data-0.tfrecord").write_bytes(b"")
    with pytest.raises(DataError, match="contains no examples"):
        whole.load()
    features = {"image": Feature(kind="image", shape=(2, 2, 1)), "label": Feature(kind="ints")}
    with pytest.raises(DataError, match=r"example 0 .from 0. cannot be used"):
        records(lambda row: {"image": b"no image", "label": row % 2}, features).load()
    with pytest.raises(ValueError, match="^test_path no such file"):
        records(numbers, test_path=tmp_path / "none").spec()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"z": Feature(kind="floats")}, "features.z is not in the example; it has label, n, x, "),
        ({"lable": Feature(kind="ints")}, 'features.lable is not in the example, did you mean "label"?, '),
        ({"n": Feature(kind="floats")}, "features.n.kind is floats, but the example contains ints, "),
        ({"n": Feature(kind="text")}, "features.n.kind is text, but the example contains ints, "),
        (
            {"x": Feature(kind="floats", shape=(3,))},
            "features.x.shape [3] asks for 3 values, but the example contains 2 values",
        ),
    ],
)
def test_a_config_that_does_not_describe_the_examples_is_told_what_they_hold(records, changed, message):
    dataset = records(numbers, {**NUMBERS, **changed}, target="n" if "n" in changed else "label")
    if changed.get("n") == Feature(kind="text"):
        dataset = records(numbers, {"x": NUMBERS["x"], **changed}, target="n")
    with pytest.raises(DataError) as error:
        dataset.load()
    assert str(error.value).startswith(f"dataset.{message}")
    assert "data-0.tfrecord" in str(error.value)


def test_an_example_that_differs_from_those_before_it_is_named(records):
    dataset = records(lambda row: {**numbers(row), "x": [1.0] * (3 if row == 5 else 2)})
    with pytest.raises(DataError, match=r"data-0.tfrecord: example 5 .from 0. cannot be used: features.x.shape \[2\]"):
        dataset.load()


def test_a_config_describes_features(records, tmp_path):
    from dltrain.config import experiment as experiments

    records(numbers)
    path = tmp_path / "c.yaml"
    path.write_text(
        "dataset:\n  name: tfrecord\n  path: data-*.tfrecord\n"
        "  features: {x: {kind: floats, shape: [2]}, n: {kind: ints}, label: {kind: ints}}\n"
        "model: {name: mlp}\noptimizer: {name: adam, learning_rate: 0.01}\ntrain: {epochs: 1}\n"
    )
    dataset = experiments.load(path).experiment.dataset
    assert dataset.features == NUMBERS
    assert len(dataset.load().train) + len(dataset.load().test) <= COUNT


def masked(content):
    """Returns the checksum of TFRecord, bit by bit."""
    crc = 0xFFFFFFFF
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0x82F63B78 * (crc & 1)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8 & 0xFFFFFFFF).to_bytes(4, "little")


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("length", [2**63, 2**64 - 1, 2**40, 500])
def test_a_length_beyond_the_file_never_reaches_tensorflow(records, tmp_path, length, suffix):
    """TensorFlow ends with a segmentation fault where it is 2**64 - 1."""
    whole = records(numbers, suffix=suffix)
    path = tmp_path / f"data-0.tfrecord{suffix}"
    content = gzip.decompress(path.read_bytes()) if suffix else path.read_bytes()
    head = length.to_bytes(8, "little")
    content += head + masked(head) + b"x" * 100
    path.write_bytes(gzip.compress(content) if suffix else content)
    with pytest.raises(DataError, match=rf"example {COUNT} .from 0. cannot be used: (it has|the file ends within it)"):
        whole.load()


def test_a_length_with_another_checksum_is_damaged(records, tmp_path):
    whole = records(numbers)
    path = tmp_path / "data-0.tfrecord"
    path.write_bytes(path.read_bytes() + bytes(12))
    with pytest.raises(DataError, match=f"example {COUNT} .from 0. cannot be used: its length is damaged"):
        whole.load()


def test_a_plain_file_whose_first_length_looks_like_gzip_is_plain(records, tmp_path):
    path, count = tmp_path / "data-0.tfrecord", 35_000
    for _ in range(2):
        features = {"x": Feature(kind="ints", shape=(count,)), "label": Feature(kind="ints")}
        dataset = records(lambda row, count=count: {"x": np.ones(count, int), "label": row % 2}, features)
        count += 0x8B1F - int.from_bytes(path.read_bytes()[:8], "little")
    assert path.read_bytes().startswith(b"\x1f\x8b")
    assert len(dataset.load().train) == COUNT


def test_a_packed_file_may_not_grow_without_end(records, tmp_path):
    whole = records(numbers, suffix=".gz", max_megabytes=1)
    head = (2 * 10**6).to_bytes(8, "little")
    (tmp_path / "data-0.tfrecord.gz").write_bytes(gzip.compress(head + masked(head) + bytes(2 * 10**6 + 4)))
    with pytest.raises(DataError, match="unpacks to more than 1,000,000.*set dataset.max_megabytes"):
        whole.load()
