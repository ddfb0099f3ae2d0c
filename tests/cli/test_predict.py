"""`dltrain predict`: the same answers as an evaluation's, of whatever the run's data could be read from."""

import csv
import io
import json
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from typer.testing import CliRunner

from dltrain.cli import app
from dltrain.cli.answers import flat
from dltrain.config import experiment as experiments
from dltrain.console import Reporter
from dltrain.engine.compiled_loop import Engine
from dltrain.features._tables import reader as table_reader
from dltrain.inference import evaluation
from dltrain.runs.folder import Run
from dltrain.training import trainer

TAIL = "optimizer: {name: adam, learning_rate: 0.01}\ntrain: {epochs: 1, batch_size: 16}\n"
IMAGES = "dataset: {name: image_folder, path: images, size: [8, 10]}\nmodel: {name: mlp, units: [4]}\n" + TAIL
ROWS = (
    "dataset: {name: csv, path: table.csv, target: y, one_hot_up_to: 5, numeric: [z]}\nmodel: {name: mlp, units: [8]}\n"
)


def fit(folder, text, name):
    path = folder / f"{name}.yaml"
    path.write_text(text)
    config = experiments.load(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dltrain.training.trainer.report_at_end", lambda *_: None)
        return Run(Path(trainer.fit(config, Reporter(quiet=True), folder / "runs")["run"]))


def write_image(path, seed, size=(12, 16)):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.RandomState(seed).randint(0, 256, (*size, 3), np.uint8)
    path.write_bytes(tf.io.encode_jpeg(pixels).numpy())


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    for part, count in (("train", 8), ("test", 5)):
        for number in range(count):
            for label, name in enumerate(("cat", "dog <b>", "=cow")):
                write_image(folder / "images" / part / name / f"{number}.jpg", 10 * number + label, (12 + number, 16))
    return fit(folder, IMAGES, "photos")


def row(number):
    return {
        "x": number / 10,
        "z": "" if number % 9 == 0 else (number * 7) % 50,
        "few": "abc"[number % 3],
        "many": "" if number % 11 == 0 else f"m{number % 17}",
        "day": f"2020-0{number % 9 + 1}-{number % 28 + 1:02} {number % 24}:30",
        "said": f'words of "{"joy" if number % 2 else "grief"}"\nand more {number}',
        "y": "yes" if number % 2 + number % 3 // 2 else "no",
    }


def write_rows(path, numbers, **others):
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, row(0))
        writer.writeheader()
        writer.writerows(row(number) | others for number in numbers)
    return path


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    folder = tmp_path_factory.mktemp("table")
    write_rows(folder / "table.csv", range(200))
    return fit(folder, ROWS + TAIL, "rows")


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    return fit(
        tmp_path_factory.mktemp("digits"), "dataset: {name: digits}\nmodel: {name: mlp, units: [4]}\n" + TAIL, "d"
    )


def predict(*words, code=0, stdin=None):
    done = CliRunner().invoke(app, ["predict", *map(str, words)], input=stdin)
    assert done.exit_code == code, done.output
    return done


def lines(*words, **settings):
    return [json.loads(line) for line in predict(*words, "--format", "jsonl", **settings).stdout.splitlines()]


def evaluated(run, monkeypatch, *overrides):
    """Returns what an evaluation measures, its part of the data and what its network says of each example there."""
    seen = {}
    feed, evaluate = evaluation.evaluation_feed, Engine.evaluate

    def kept_feed(experiment, spec, part, *others):
        seen["part"] = part
        return feed(experiment, spec, part, *others)

    def kept_evaluate(self, *others):
        seen["model"] = self.model
        return evaluate(self, *others)

    with monkeypatch.context() as patch:
        patch.setattr(evaluation, "evaluation_feed", kept_feed)
        patch.setattr(Engine, "evaluate", kept_evaluate)
        measured = evaluation.evaluate(run, None, "best", Reporter(quiet=True), overrides)
    outputs = np.asarray(seen["model"](np.asarray(seen["part"].inputs[:], np.float32), training=False))
    return measured, seen["part"], tf.nn.softmax(outputs).numpy()


def require_same(answers, measured, shares, classes, actual):
    predicted = np.array([[answer["probabilities"][name] for name in classes] for answer in answers])
    np.testing.assert_allclose(predicted, shares, rtol=1e-5, atol=1e-7)
    assert [answer["class"] for answer in answers] == [classes[place] for place in shares.argmax(axis=1)]
    right = np.array([answer["class"] == truth for answer, truth in zip(answers, actual, strict=True)])
    assert right.mean() == pytest.approx(measured["metrics"]["accuracy"])
    losses = -np.log([predicted[place, classes.index(truth)] for place, truth in enumerate(actual)])
    assert losses.mean() == pytest.approx(measured["metrics"]["loss"], rel=1e-4)


def test_images_by_path_are_answered_as_an_evaluation_of_their_folder_does_example_by_example(images, monkeypatch):
    measured, part, shares = evaluated(images, monkeypatch)
    answers = lines(images.path, *part.inputs.paths, "--probabilities", "--batch-size", 4)
    assert [answer["input"] for answer in answers] == [str(path) for path in part.inputs.paths]
    classes = sorted(("cat", "dog <b>", "=cow"))
    actual = [path.parent.name for path in part.inputs.paths]
    require_same(answers, measured, shares, classes, actual)
    own = lines(images.path, "--split", "test", "--probabilities")
    assert [answer.pop("actual") for answer in own] == actual
    for answer, other in zip(own, answers, strict=True):
        assert answer["input"] == other["input"] and answer["class"] == other["class"]
        assert answer["probabilities"] == pytest.approx(other["probabilities"], rel=1e-5)
    whole = lines(images.path, images.path.parent.parent / "images" / "test", "--probabilities", "--batch-size", 4)
    assert whole == answers


def test_rows_of_a_table_are_answered_as_an_evaluation_of_it_does_example_by_example(table, tmp_path, monkeypatch):
    path = write_rows(tmp_path / "other.csv", range(300, 360))
    measured, part, shares = evaluated(table, monkeypatch, f"dataset.path={path}")
    answers = lines(table.path, path, "--probabilities")
    require_same(answers, measured, shares, ["no", "yes"], [row(number)["y"] for number in range(300, 360)])
    assert [answer["input"] for answer in answers] == [part.provenance[index] for index in range(60)]


@pytest.mark.parametrize("block", [300, 1000])
def test_a_table_in_blocks_is_answered_as_in_one_piece(table, tmp_path, monkeypatch, block):
    path = write_rows(tmp_path / "other.csv", range(60))
    whole = lines(table.path, path)
    monkeypatch.setattr(table_reader, "BLOCK_BYTES", block)
    assert lines(table.path, path) == whole


def test_rows_come_from_every_kind_of_table_file_and_standard_input(table, tmp_path):
    import polars as pl

    path = write_rows(tmp_path / "other.csv", range(20))
    wanted = [answer["class"] for answer in lines(table.path, path)]
    frame = pl.read_csv(path, infer_schema=False)
    frame.write_parquet(tmp_path / "other.parquet")
    frame.write_ndjson(tmp_path / "other.jsonl")
    for other in ("other.parquet", "other.jsonl"):
        assert [answer["class"] for answer in lines(table.path, tmp_path / other)] == wanted
    for text in (path.read_text(), (tmp_path / "other.jsonl").read_text()):
        answers = lines(table.path, "-", stdin=text)
        assert [answer["class"] for answer in answers] == wanted
        assert answers[0]["input"].startswith("<stdin>:")


def test_the_target_need_not_be_there(table, tmp_path):
    path = tmp_path / "bare.csv"
    path.write_text("x,z,few,many,day,said\n1,2,a,m1,2020-01-01 0:30,words\n")
    assert lines(table.path, path)[0]["class"] in ("no", "yes")


def test_files_that_cannot_be_used_are_named_and_the_others_answered(images, tmp_path):
    good = images.path.parent.parent / "images" / "test" / "cat" / "0.jpg"
    (tmp_path / "none.jpg").write_text("no image")
    (tmp_path / "empty").mkdir()
    given = [tmp_path / "none.jpg", good, tmp_path / "absent.png", tmp_path / "empty"]
    done = predict(images.path, *given, "--format", "jsonl", code=1)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["input"] for answer in found] == [str(each) for each in given]
    assert ["error" in answer for answer in found] == [True, False, True, True]
    assert f"{tmp_path / 'absent.png'}: No such file or directory\n" in done.stderr
    assert f"{tmp_path / 'none.jpg'}: " in done.stderr and "3 of 4 inputs could not be used" in done.stderr
    predict(images.path, tmp_path / "none.jpg", code=2)


def test_paths_come_from_standard_input(images):
    good = images.path.parent.parent / "images" / "test" / "cat" / "0.jpg"
    assert [answer["input"] for answer in lines(images.path, "-", stdin=f"{good}\n\n{good}\n")] == [str(good)] * 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x,z,few,many,day\n1,2,a,m1,2020-01-01\n", "has no column 'said', which the run was trained on"),
        (
            "x,z,few,many,day,said\n" + 2 * "1,2,a,m1,soon,s\n",
            "column 'day' must hold dates, as in training, got 'soon', ",
        ),
        ("x,z,few,many,day,said\n", "has no rows"),
        ("", "has no rows"),
    ],
    ids=["column", "kind", "header", "empty"],
)
def test_a_table_that_does_not_fit_is_refused_in_a_line_that_names_it(table, tmp_path, text, words):
    path = tmp_path / "other.csv"
    path.write_text(text)
    done = predict(table.path, path, code=2)
    assert f"{path}: {words}" in done.stderr


def test_what_is_no_table_is_told_what_is_one(table, tmp_path):
    (tmp_path / "a.png").write_bytes(b"\x89PNG")
    done = predict(table.path, tmp_path / "a.png", tmp_path, tmp_path / "absent.csv", code=2)
    for words in ("a.png: must be .csv, .tsv", f"{tmp_path}: is a folder", "absent.csv: no such file"):
        assert words in done.stderr


def test_a_row_that_cannot_be_read_is_named_by_its_line(table, tmp_path):
    path = tmp_path / "other.csv"
    path.write_text(
        "x,z,few,many,day,said\n1,2,a,m1,2020-01-01,s\n1,word,a,m1,2020-01-01,s\n1,2\n1,2,a,m1,2020-01-01,s\n"
    )
    done = predict(table.path, path, "--format", "csv", code=1)
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [each["error"] for each in rows] == [
        "",
        "z must be a number, got 'word'",
        "has 2 fields where the header has 6",
        "",
    ]
    assert f"{path}:3: z must be a number, got 'word'\n" in done.stderr


def test_classes_that_begin_a_formula_are_none_in_csv_unless_they_are_asked_for_raw(images):
    words = ("--split", "test", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(predict(images.path, *words).stdout)))
    assert {each["actual"] for each in rows} == {"cat", "dog <b>", "'=cow"}
    rows = list(csv.DictReader(io.StringIO(predict(images.path, *words, "--raw").stdout)))
    assert {each["actual"] for each in rows} == {"cat", "dog <b>", "=cow"}


def test_a_row_is_judged_by_itself_whatever_stands_beside_it(table, tmp_path):
    """Alone, beside a good one, or beside one with the same mistake: of JSON lines a column may be misspelt, too."""
    good = {"x": 1, "z": 2, "few": "a", "many": "m1", "day": "2020-01-01", "said": "s"}
    wrong = {
        "x must be a number, got 'one'": good | {"x": "one"},
        "z must be a number, got 'word'": good | {"z": "word"},
        "day must be a date, for example 2020-12-31 23:59, got 'soon'": good | {"day": "soon"},
        "has no column 'few': 'fews' is unknown, did you mean \"few\"?": {**good, "fews": "a", "few": None},
        "x must be a number or a text, got a list": good | {"x": [1]},
    }
    del wrong["has no column 'few': 'fews' is unknown, did you mean \"few\"?"]["few"]
    path = tmp_path / "other.jsonl"
    for beside in ([], [good], [good, *wrong.values()]):
        for why, row in wrong.items():
            path.write_text("\n".join(map(json.dumps, [row, *beside])))
            done = predict(table.path, path, "--format", "jsonl", code=1 if good in beside else 2)
            assert f"{path}:1: {why}\n" in done.stderr
            assert "counts as missing" not in done.stderr
            if good in beside:
                answers = [json.loads(line) for line in done.stdout.splitlines()]
                assert "class" in answers[1] and answers[0]["error"] == why


def test_thousands_of_notices_of_a_kind_are_one_line(table, tmp_path):
    path = tmp_path / "other.csv"
    rows = "".join(f"1,2,new{number},m1,2020-01-01,s\n" for number in range(2000))
    path.write_text(f"x,z,few,many,day,said\n1,2,a,m1,2020-01-01,s\n{rows}")
    done = predict(table.path, path, "--format", "csv")
    lines = [line for line in done.stderr.splitlines() if line.startswith("notice")]
    kind = "column 'few': values that training did not have"
    first = f"the first {path}:3: column 'few': 'new0' is unknown"
    assert lines == [f"notice: in 2,000 of 2,001 examples: {kind}; {first}"]
    assert len(done.stdout.splitlines()) == 2002 and "new0" not in done.stdout


def test_arrays_and_images_are_answered_by_a_run_on_a_built_in_dataset(digits, tmp_path):
    test = experiments.load(digits.config).experiment.dataset.load().test
    own = [answer["class"] for answer in lines(digits.path, "--split", "test")]
    np.save(tmp_path / "x.npy", test.inputs)
    np.save(tmp_path / "bare.npy", test.inputs[0, ..., 0])
    np.savez(tmp_path / "x.npz", x=test.inputs, y=test.targets)
    for file in ("x.npy", "x.npz"):
        assert [answer["class"] for answer in lines(digits.path, tmp_path / file)] == own
    (tmp_path / "one.png").write_bytes(tf.io.encode_png(test.inputs[0]).numpy())
    assert [each["class"] for each in lines(digits.path, tmp_path / "bare.npy", tmp_path / "one.png")] == [own[0]] * 2
    np.save(tmp_path / "wide.npy", np.zeros((3, 9, 8)))
    done = predict(digits.path, tmp_path / "wide.npy", code=2)
    assert "wide.npy: must be examples of 8x8x1, got shape 3x9x8" in done.stderr


@pytest.mark.parametrize("shape", [(0, 8, 8), (0, 8, 8, 1), (8, 8, 0)])
def test_an_array_without_examples_is_named(digits, tmp_path, shape):
    np.save(tmp_path / "none.npy", np.zeros(shape))
    errors = predict(digits.path, tmp_path / "none.npy", code=2).stderr
    assert "none.npy: must be examples of 8x8x1, got shape " + "x".join(map(str, shape)) in errors


def test_numbers_come_in_their_units_beside_what_is_right(tmp_path):
    run = fit(tmp_path, "dataset: {name: diabetes}\nmodel: {name: mlp, units: [4]}\n" + TAIL, "numbers")
    done = predict(run.path, "--split", "test", "--format", "csv")
    found = list(csv.DictReader(io.StringIO(done.stdout)))
    test = experiments.load(run.config).experiment.dataset.load().test
    name = (
        "progression" if "progression" in found[0] else next(key for key in found[0] if key not in ("input", "error"))
    )
    np.testing.assert_allclose([float(each[f"actual {name}"]) for each in found], test.targets[:, 0], rtol=1e-6)
    errors = [abs(float(each[name]) - float(each[f"actual {name}"])) for each in found]
    assert np.mean(errors) == pytest.approx(run.read_summary()["test"]["mae"], rel=1e-4)
    assert "--top-k: the run predicts numbers" in predict(run.path, "--split", "test", "--top-k", 2, code=2).stderr


def test_one_json_object_holds_all_answers(digits):
    found = json.loads(predict(digits.path, "--split", "test", "--top-k", 3, "--json").stdout)
    assert (found["split"], found["examples"], found["failed"]) == ("test", 359, 0)
    first = found["predictions"][0]
    assert first["top"][0] == {"class": first["class"], "probability": first["probability"]} and len(first["top"]) == 3
    assert first["top"][0]["probability"] >= first["top"][1]["probability"] >= first["top"][2]["probability"]


@pytest.mark.parametrize(
    ("number", "code", "words"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_a_file_is_written_whole_or_not_at_all(digits, tmp_path, monkeypatch, number, code, words):
    file = tmp_path / "answers.csv"
    predict(digits.path, "--split", "test", "-o", file)
    assert len(list(csv.DictReader(io.StringIO(file.read_text())))) == 359
    before = file.read_bytes()

    monkeypatch.setattr(
        "dltrain.inference.prediction.Predictor.outputs", lambda *_: signal.raise_signal(number) or time.sleep(60)
    )
    handlers = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    assert predict(digits.path, "--split", "test", "-o", file, code=code).stderr.splitlines()[-1] == words
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == handlers
    assert file.read_bytes() == before and [each.name for each in tmp_path.iterdir()] == ["answers.csv"]
    assert (
        "cannot be written" in predict(digits.path, "--split", "test", "-o", tmp_path / "no" / "a.csv", code=2).stderr
    )


def test_mistakes_at_the_command_line_are_said_before_anything_is_read(digits, tmp_path):
    assert "predict needs either INPUT" in predict(digits.path, code=2).stderr
    assert "--json prints one object" in predict(digits.path, "--split", "test", "--json", "-o", "a.csv", code=2).stderr
    for words in (["--json"], ["--format", "jsonl"], [], ["-o", "a.jsonl"]):
        assert "--raw is of CSV" in predict(digits.path, "--split", "test", "--raw", *words, code=2).stderr
    (tmp_path / "photo.png").write_text("")
    assert "type the RUN first" in predict(tmp_path / "photo.png", digits.path, code=2).stderr


def test_a_cell_holds_json_where_a_value_has_parts():
    row = {"input": "a", "boxes": [{"x": 1.5, "label": "cat"}], "marks": ["b", 2], "size": {"width": 3}}
    assert flat(row) == {"input": "a", "boxes": '{"x": 1.5, "label": "cat"}', "marks": "b;2", "size": '{"width": 3}'}
