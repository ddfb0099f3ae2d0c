"""`dltrain schema` and `dltrain init`: what helps to write a config."""

import json
from pathlib import Path

import numpy as np
import pytest
from jsonschema import Draft7Validator
from PIL import Image
from typer.testing import CliRunner

from dltrain.cli import app
from dltrain.config import experiment as experiments

CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.yaml"))

PLUGIN = '''\
from dltrain.registry import MODELS

print("a plugin speaks")


@MODELS.register("{name}")
class Tiny:
    """A tiny network.

    Args:
        width: of it.
    """

    width: int = 3

    def build(self, data):
        ...
'''


def dltrain(*words):
    return CliRunner().invoke(app, list(words))


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DLTRAIN_CACHE", str(tmp_path / "cache"))
    return tmp_path


def test_the_schema_is_json_alone_on_standard_output(here):
    result = dltrain("schema")
    assert result.exit_code == 0, result.output
    Draft7Validator.check_schema(json.loads(result.stdout))


@pytest.mark.parametrize(
    ("name", "words"), [("tiny_a", ["mine.yaml"]), ("tiny_b", ["--plugins", "tiny.py"]), ("tiny_c", ["derived.yaml"])]
)
def test_the_schema_knows_plugins(here, name, words):
    (here / "tiny.py").write_text(PLUGIN.format(name=name))
    (here / "mine.yaml").write_text("plugins: [tiny.py]\n")
    (here / "derived.yaml").write_text("base: mine.yaml\n")
    refused = dltrain("schema", *words)
    assert refused.exit_code == 2
    assert "read it, then add --trust" in refused.stderr
    result = dltrain("schema", *words, "--trust")
    assert result.exit_code == 0, result.output
    assert "a plugin speaks" in result.stderr
    validator = Draft7Validator(json.loads(result.stdout))
    config = {"base": "a.yaml", "model": {"name": name, "width": 4}}
    assert validator.is_valid(config)
    assert not validator.is_valid({**config, "model": {"name": name, "width": "four"}})
    assert not validator.is_valid({**config, "model": {"name": "other.Net"}})


def test_without_plugins_a_class_of_the_users_is_taken_as_it_is():
    validator = Draft7Validator(json.loads(dltrain("schema").stdout))
    assert validator.is_valid({"base": "a.yaml", "model": {"name": "mine.Net", "width": 4}})
    assert not validator.is_valid({"base": "a.yaml", "model": {"name": "net", "width": 4}})


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["none.yaml"], "none.yaml: no such file"),
        (["--plugins", "none.py", "--trust"], "none.py cannot be read"),
        (["--plugins", "a b.txt", "--trust"], "must be a Python file whose name is a word"),
        (["wrong.yaml"], "wrong.yaml:1:10: plugins must be a list, each a path, got 5"),
        (["open.yaml"], "open.yaml:1:11: the environment variable NOT_SET is not set"),
    ],
)
def test_a_schema_of_what_is_not_there_is_refused(here, words, message):
    (here / "wrong.yaml").write_text("plugins: 5\n")
    (here / "open.yaml").write_text("plugins: ['${NOT_SET}']\n")
    (here / "a b.txt").write_text("")
    result = dltrain("schema", *words)
    assert result.exit_code == 2, result.output
    assert message in result.stderr
    assert result.stdout == ""


def picture(path, height=40, width=50, mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, (width, height), len(path.name)).save(path)


def table(path, rows=60, header="size,colour,price,when", line="{n},c{k},{n}.5,2024-01-{d:02}"):
    lines = [line.format(n=n, k=n % 3, d=n % 28 + 1, w=("yes", "no")[n % 5 == 0]) for n in range(rows)]
    path.write_text("\n".join([header, *lines, ""]))


def begun(*words):
    """Runs init, which must do well; returns what it says and the config."""
    result = dltrain("init", *words, "--json")
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    assert dltrain("check", said["config"]).exit_code == 0
    return said, experiments.load(Path(said["config"])).experiment


def test_a_folder_of_photographs_gets_their_size_and_a_network_for_it(here):
    for part, count in (("train", 6), ("test", 3)):
        for kind in ("cat", "dog"):
            for number in range(count):
                picture(here / "photos" / part / kind / f"{number}.png", 300, 240 + 10 * number)
    said, experiment = begun("photos")
    assert said["config"] == "photos.yaml"
    assert said["found"][0] == "photos: 18 images of 2 classes, of which train 12, test 6"
    assert "from 300x240 to 300x290 pixels" in said["found"][1]
    assert (experiment.dataset.registered_name, experiment.dataset.size) == ("image_folder", 224)
    assert (experiment.model.registered_name, experiment.model.variant) == ("resnet", "imagenet")
    assert [each.registered_name for each in experiment.augment] == ["random_resized_crop", "flip"]
    assert "test_fraction" not in (here / "photos.yaml").read_text()


def test_small_grey_scans_stay_grey_and_are_not_flipped(here):
    for kind in "ab":
        for number in range(4):
            picture(here / "scans" / kind / f"{number}.png", 12, 12, "L")
    refused = dltrain("init", "scans", "--target", "grayscale")
    assert refused.exit_code == 2 and "--target names the column of a table: scans is read by image" in refused.stderr
    _, experiment = begun("scans", "-o", "other.yaml")
    assert (experiment.dataset.size, experiment.dataset.color_mode) == (12, "grayscale")
    assert [each.registered_name for each in experiment.augment] == ["pad_and_crop"]
    assert "  # - {name: flip}" in (here / "other.yaml").read_text()


def test_a_table_of_images_is_no_table_of_numbers(here):
    for number in range(8):
        picture(here / "images" / f"{number}.png")
    lines = [f"images/{number}.png,{'ab'[number % 2]}" for number in range(8)]
    (here / "labels.csv").write_text("\n".join(["path,label", *lines, ""]))
    assert begun("labels.csv")[1].dataset.registered_name == "image_folder"


def test_the_target_of_a_table_is_guessed_by_its_name_or_given(here):
    table(here / "houses.csv")
    said, experiment = begun("houses.csv")
    assert (experiment.dataset.target, experiment.task.registered_name) == ("price", "regression")
    assert said["found"][-1] == "for another target use --target: size, colour, when"
    _, experiment = begun("houses.csv", "--target", "colour", "--force")
    assert (experiment.dataset.target, experiment.task.registered_name) == ("colour", "classification")
    assert experiment.task.class_weights is None


def test_uneven_classes_a_split_column_and_bad_rows_are_seen(here):
    table(here / "a.tsv", header="size\tsplit\tanswer", line="{n}\ttrain\t{w}")
    with (here / "a.tsv").open("a") as file:
        file.write("".join(f"{n}\ttest\t{'yes' if n % 2 else 'no'}\n" for n in range(9)) + "5\ttrain\t\n")
    said, experiment = begun("a.tsv")
    assert (experiment.dataset.split, experiment.dataset.target) == ("split", "answer")
    assert experiment.dataset.on_bad_example == "skip"
    assert any(words.startswith("rows that cannot be used") and words.endswith(": 1") for words in said["found"])
    assert experiment.task.class_weights == "balanced"


def test_a_folder_of_tables_and_a_pattern_are_one_table(here):
    (here / "years").mkdir()
    for year in (2023, 2024):
        table(here / "years" / f"{year}.csv")
    assert begun("years")[1].dataset.path == here / "years" / "*.csv"
    assert begun("years/*.csv", "-o", "b.yaml")[0]["found"][0] == "years/*.csv: 120 rows of 4 columns"


def test_arrays_in_one_file_or_two_are_read(here):
    inputs, labels = np.random.RandomState(0).rand(40, 8, 8), np.arange(40) % 4
    np.savez(here / "data.npz", x=inputs, y=labels)
    np.save(here / "x.npy", inputs.reshape(40, 64))
    np.save(here / "y.npy", labels)
    assert begun("data.npz")[1].model.registered_name == "resnet"
    for given in ("x.npy", "y.npy"):
        _, experiment = begun(given, "--force")
        assert (experiment.dataset.inputs.name, experiment.dataset.targets.name) == ("x.npy", "y.npy")
        assert experiment.model.registered_name == "mlp"


def test_paths_are_relative_to_the_config_and_commands_name_it(here):
    (here / "data").mkdir()
    (here / "configs").mkdir()
    table(here / "data" / "houses.csv")
    said, experiment = begun("data/houses.csv", "-o", "configs/mine.yaml")
    assert experiment.dataset.path == here / "data" / "houses.csv"
    assert "path: ../data/houses.csv" in (here / "configs" / "mine.yaml").read_text()
    assert said["next"][-1] == "dltrain fit configs/mine.yaml"


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_shipped_config_is_a_template_that_is_good_where_it_is_put(here, path):
    assert path.stem in dltrain("init", "--list").stdout
    said = json.loads(dltrain("init", path.stem, "--json").stdout)
    assert said["config"] == f"{path.stem}.yaml"
    text = (here / f"{path.stem}.yaml").read_text()
    assert "../" not in text
    assert "configs/" not in text
    experiments.load(here / f"{path.stem}.yaml", data_may_be_absent=True)


def test_a_template_in_another_folder_names_its_data_and_itself_from_there(here):
    (here / "deep" / "er").mkdir(parents=True)
    assert dltrain("init", "shapes", "-o", "deep/er/mine.yaml").exit_code == 0
    assert "dltrain fit deep/er/mine.yaml" in (here / "deep" / "er" / "mine.yaml").read_text()
    config = experiments.load(here / "deep" / "er" / "mine.yaml", data_may_be_absent=True)
    assert config.experiment.dataset.path == here / "data" / "shapes"
    assert dltrain("init", "docstrings_bert", "-o", "deep/er/bert.yaml").exit_code == 0
    config = experiments.load(here / "deep" / "er" / "bert.yaml", data_may_be_absent=True)
    assert config.experiment.dataset.tokenizer == here / "runs" / "docstrings_masked_lm"


def test_what_was_written_is_not_lost(here):
    table(here / "houses.csv")
    (here / "houses.yaml").write_text("mine")
    for words in (["houses.csv"], ["iris", "-o", "houses.yaml"]):
        result = dltrain("init", *words)
        assert result.exit_code == 2
        assert "houses.yaml exists already: add --force to replace it" in result.stderr
        assert (here / "houses.yaml").read_text() == "mine"
    assert dltrain("init", "houses.csv", "--force").exit_code == 0
    assert [path.name for path in here.glob("*.yaml")] == ["houses.yaml"]
    assert not list(here.glob(".*.yaml"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "init needs a PATH (images, texts, a table, arrays) or a TEMPLATE: dltrain init --list"),
        (["irs"], 'irs: no such file or folder, and no such template, did you mean "iris"?'),
        (["empty"], "empty: is empty: expected a folder of images or texts per class"),
        (
            ["texts"],
            "texts: contains nothing that a dataset of dltrain can read: expected a folder of images or",
        ),
        (["one.csv"], "one.csv: needs a column to predict and others to predict it from, but has only 'size'"),
        (["loose"], "loose: needs a folder of images for each of two classes or more, found none in"),
        (["broken"], "broken: contains no image that can be read among 4 files with the suffix of an image"),
        (["houses.csv", "--target", "prize"], "target is not a column of houses.csv: 'prize', did you mean \"price\"?"),
        (["houses.csv", "--target", "id"], "target is not a column of houses.csv: 'id'"),
        (["x.npy"], "x.npy: needs a file of labels beside the one of inputs, for example x.npy and y.npy"),
        (["bad.npz"], "bad.npz: "),
        (["houses.csv", "-o", "houses.txt"], "houses.txt must end in .yaml"),
        (["houses.csv", "-o", "none/houses.yaml"], "none/houses.yaml: there is no folder none"),
        (["iris", "--target", "species"], "--target names the column of a table, iris is a template"),
        (["data.npz", "--target", "y"], "--target names the column of a table: data.npz is read by npz"),
        (["a.tfrecord"], "a.tfrecord: names TFRecord files, which do not describe their examples: `dltrain init"),
    ],
)
def test_what_cannot_be_begun_with_is_told_in_a_line(here, words, message):
    (here / "empty").mkdir()
    (here / "texts").mkdir()
    (here / "texts" / "a.md").write_text("a")
    (here / "one.csv").write_text("size\n1\n2\n")
    (here / "a.tfrecord").write_text("a")
    (here / "bad.npz").write_text("a")
    np.save(here / "x.npy", np.zeros((4, 2)))
    np.savez(here / "data.npz", x=np.zeros((4, 2)), y=np.arange(4) % 2)
    table(here / "houses.csv")
    for number in range(2):
        picture(here / "loose" / f"{number}.png")
        for kind in "ab":
            (here / "broken" / kind).mkdir(parents=True, exist_ok=True)
            (here / "broken" / kind / f"{number}.png").write_text("no image")
    result = dltrain("init", *words)
    assert result.exit_code == 2, result.output
    assert message in result.stderr
    assert "\n" not in result.stderr.rstrip("\n")
    assert not list(here.glob("*.yaml"))


@pytest.mark.parametrize(("count", "is_sampled"), [(3, False), (150, True)])
def test_init_says_of_how_many_images_it_knows_the_sizes(tensorflow, tmp_path, count, is_sampled):
    from PIL import Image

    for number in range(count):
        place = tmp_path / "photos" / "ab"[number % 2] / f"{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (40 + number % 2, 33)).save(place)
    done = CliRunner().invoke(app, ["init", str(tmp_path / "photos"), "-o", str(tmp_path / "begun.yaml")])
    assert done.exit_code == 0, done.output
    said = " ".join((done.output + (tmp_path / "begun.yaml").read_text()).replace("#", "").split())
    assert ("in 75 that were looked at" in said) == is_sampled
    assert "that were looked at have" in said or not is_sampled


def arrays_of(folder, kind, x, y):
    """Saves arrays in one of the forms that `init` reads; returns what to name."""
    if kind == "npz":
        np.savez(folder / "bad.npz", x=x, y=y)
    elif kind == "npz with parts":
        np.savez(folder / "bad.npz", x_train=x[:6], y_train=y[:6], x_test=x, y_test=y)
    else:
        np.save(folder / "x.npy", x)
        np.save(folder / "y.npy", y)
        return "x.npy"
    return "bad.npz"


@pytest.mark.parametrize("kind", ["npz", "npz with parts", "npy"])
@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        (np.zeros((10, 2)), np.arange(9), "10 and 9"),
        (np.zeros((9, 2)), np.arange(10), "9 and 10"),
        (np.zeros((10, 2)), np.zeros(10) + 0.5, "whole numbers or strings"),
        (np.zeros((10, 2)), np.zeros((10, 3), int), "one label per example"),
        (np.zeros(10), np.arange(10), "examples, features"),
        (np.zeros((10, 2), complex), np.arange(10) % 2, "must contain numbers"),
        (np.zeros((10, 2)), np.zeros(10, int), "at least 2 classes"),
    ],
)
def test_arrays_that_cannot_be_used_are_refused_in_a_line(here, kind, x, y, words):
    done = dltrain("init", arrays_of(here, kind, x, y))
    assert done.exit_code == 2, done.output
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not list(here.glob("*.yaml")) and not list(here.glob(".*.yaml"))


@pytest.mark.parametrize("count", [6, 9, 20, 100])
def test_a_batch_fits_into_few_examples(here, count):
    np.savez(here / "few.npz", x=np.zeros((count, 2), np.float32), y=np.arange(count) % 3)
    begun("few.npz")


def reviews(count=60):
    """Returns texts of seven words or more, most of them different, and what they mean."""
    words = ("film", "plot", "cast", "scene", "music", "script", "ending")
    return [(f"The {words[n % 7]} number {n} was {'very good' if n % 2 else 'rather bad'}, I thought", n % 2)
            for n in range(count)]  # fmt: skip


def test_a_table_of_texts_gets_a_network_that_reads_them(here):
    lines = [f'"{text}",{("bad", "good")[label]},films/{n}.html' for n, (text, label) in enumerate(reviews())]
    (here / "reviews.csv").write_text("\n".join(["text,label,page", *lines, ""]))
    said, experiment = begun("reviews.csv")
    dataset = experiment.dataset
    assert (dataset.registered_name, dataset.text_column, dataset.label_column) == ("text_table", "text", "label")
    assert (dataset.max_length, experiment.model.registered_name) == (32, "text_cnn")
    assert said["found"][1:4] == [
        "target 'label': 2 classes (bad 30, good 30)",
        "texts in 'text'",
        "not used: page; dltrain list dataset csv: all columns, and words that are counted",
    ]
    _, experiment = begun("reviews.csv", "--target", "label", "-o", "other.yaml")
    assert experiment.dataset.label_column == "label"
    result = dltrain("init", "reviews.csv", "--target", "lable", "-o", "third.yaml")
    assert result.exit_code == 2 and "is not a column of reviews.csv: 'lable', did you mean" in result.output


@pytest.mark.parametrize(
    ("header", "cells", "dataset", "target"),
    [
        ("sentiment,review", "c{n},{text}", "text_table", "sentiment"),
        ("mood,review", "c{n},{text}", "text_table", "mood"),
        ("mood,review,page", "c{n},{text},films/{row}.html", "text_table", "mood"),
        ("size,mood,review", "{row}.5,c{n},{text}", "csv", "mood"),
        ("category,review,size", "c{n},{text},{row}.5", "csv", "category"),
    ],
)
def test_a_free_text_is_not_guessed_to_be_the_target(here, header, cells, dataset, target):
    rows = [cells.format(n=row % 3, row=row, text=f'"{text}"') for row, (text, _) in enumerate(reviews())]
    (here / "reviews.csv").write_text("\n".join([header, *rows, ""]))
    said, experiment = begun("reviews.csv")
    assert experiment.dataset.registered_name == dataset
    assert said["found"][1].startswith(f"target '{target}': 3 classes (")


def test_a_row_without_a_text_is_left_out(here):
    lines = [json.dumps({"body": text if n else None, "stars": n % 7 / 2}) for n, (text, _) in enumerate(reviews())]
    (here / "reviews.jsonl").write_text("\n".join([*lines, ""]))
    said, experiment = begun("reviews.jsonl", "--target", "stars")
    assert (experiment.dataset.text_column, experiment.dataset.on_bad_example) == ("body", "skip")
    assert experiment.task.registered_name == "regression"
    assert "rows that cannot be used (no text, no target ...): 1" in said["found"]


@pytest.mark.parametrize("beside", ["number", "class", "date"])
def test_texts_beside_what_else_is_learnt_from_stay_in_a_table(here, beside):
    values = {"number": "{}.5", "class": "c{}", "date": "2024-01-0{}"}[beside]
    lines = [f'"{text}",{values.format(n % 9 + 1)},{label}' for n, (text, label) in enumerate(reviews())]
    (here / "reviews.csv").write_text("\n".join([f"text,{beside},label", *lines, ""]))
    said, experiment = begun("reviews.csv")
    assert (experiment.dataset.registered_name, experiment.model.registered_name) == ("csv", "mlp")
    assert any(words.startswith("the most frequent words are counted of the texts in text") for words in said["found"])


def test_without_tokenizers_a_table_of_texts_is_one_of_counted_words_and_says_what_is_missing(here, monkeypatch):
    lines = [f'"{text}",{label}' for text, label in reviews()]
    (here / "reviews.csv").write_text("\n".join(["text,label", *lines, ""]))
    monkeypatch.setattr("dltrain.datasets._tables.proposal.find_spec", lambda name: None)
    said, experiment = begun("reviews.csv")
    assert experiment.dataset.registered_name == "csv"
    assert any("pip install 'dltrain[text]'" in words for words in said["found"])


def test_texts_in_a_folder_per_class_are_classes_and_in_one_folder_are_to_be_guessed(here):
    for n, (text, label) in enumerate(reviews(40)):
        for file in (here / "classes" / ("bad", "good")[label] / f"{n}.txt", here / "plain" / f"{n}.txt"):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"{text}, said she, and more\n\nI, too, saw it")
    said, experiment = begun("classes")
    assert (experiment.dataset.registered_name, experiment.model.registered_name) == ("text_folder", "text_cnn")
    assert said["found"][0] == "classes: 40 texts of 2 classes"
    said, experiment = begun("plain")
    assert (experiment.dataset.registered_name, experiment.model.registered_name) == ("text_files", "transformer")
    assert experiment.task.registered_name == "masked_lm"
    assert said["found"][0] == "plain: 40 files of 80 paragraphs, without classes"
    done = dltrain("init", "plain", "--target", "label", "-o", "other.yaml")
    assert done.exit_code == 2 and "--target names the column of a table: plain is read by text_files" in done.output


def test_a_class_that_a_part_of_the_users_own_lacks_is_told(here):
    for folder in ("train/neg", "train/pos", "train/unsup", "test/neg", "test/pos"):
        (here / "imdb" / folder).mkdir(parents=True)
        for number in range(3):
            (here / "imdb" / folder / f"{number}.txt").write_text(f"a film {number} {folder}")
    result = dltrain("init", "imdb", "-o", "imdb.yaml")
    assert result.exit_code == 0, result.output
    assert "no text in the test part: unsup" in " ".join(result.output.split())


@pytest.mark.parametrize("part", ["", "train"])
@pytest.mark.parametrize(("loose", "dataset"), [(1, "text_folder"), (10, "text_folder"), (11, "text_files")])
def test_a_few_texts_beside_classes_are_in_no_class_and_many_are_texts_without(here, part, loose, dataset):
    place = here / "classes" / part
    for n, (text, label) in enumerate(reviews(20)):
        file = place / ("neg", "pos")[label] / f"{n}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    for n in range(loose):
        (place / f"urls{n:02}.txt").write_text("http://somewhere\nhttp://elsewhere\n")
    said, experiment = begun("classes")
    assert experiment.dataset.registered_name == dataset
    if dataset == "text_folder":
        first = f"not used, as they are in no class: {Path(part) / 'urls00.txt'}"
        assert said["found"][1].startswith(first) and said["found"][1].endswith("4 more") == (loose == 10)


def test_a_folder_of_tables_that_are_called_txt_is_one_table(here):
    (here / "years").mkdir()
    for year in (2023, 2024):
        table(here / "years" / f"{year}.txt")
    assert begun("years")[1].dataset.registered_name == "csv"


def test_texts_without_a_task_are_for_hidden_tokens(here):
    (here / "texts").mkdir()
    for n in range(12):
        (here / "texts" / f"{n}.txt").write_text("the film was good and the plot was not")
    (here / "mine.yaml").write_text(
        "dataset: {name: text_files, path: texts}\nmodel: {name: transformer}\n"
        "optimizer: {name: adam, learning_rate: 0.001}\ntrain: {epochs: 1, batch_size: 4}\n"
    )
    assert experiments.load(here / "mine.yaml").experiment.task.registered_name == "masked_lm"
