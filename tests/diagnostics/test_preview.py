"""A page shows what training will see, and nothing but the page is written."""

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest
from specs import data_spec
from typer.testing import CliRunner

from dltrain.assembly.data import load, start
from dltrain.cli import app
from dltrain.config import experiment as experiments
from dltrain.console import Reporter
from dltrain.data import Examples, Groups, Split, Splits
from dltrain.diagnostics import preview
from dltrain.diagnostics.first_steps import DECODED, _varied, first_examples
from dltrain.figures.examples import Lines, Pictures, Rows
from dltrain.figures.panels import Bars, Curve, Histogram
from dltrain.training.learner import Learner

DIGITS = """\
dataset: {name: digits}
augment: [{name: pad_and_crop, padding: 1}, {name: flip}]
model: {name: mlp, units: [4]}
optimizer: {name: sgd, learning_rate: 0.1}
schedule: {name: cosine, warmup_epochs: 2}
train: {epochs: 5, batch_size: 64}
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text(DIGITS)
    return tmp_path


def loaded(folder, text=DIGITS, overrides=()):
    (folder / "mine.yaml").write_text(text)
    config = experiments.load(folder / "mine.yaml", list(overrides))
    return config, load(config), start(config, Reporter(quiet=True))


def collected(folder, text=DIGITS, overrides=()):
    counts, page = preview.collect(*loaded(folder, text, overrides))
    panels = {type(panel): panel for row in page.rows for panel in row.panels}
    return counts, page, panels


def dltrain(*words):
    return CliRunner().invoke(app, ["preview", *words])


def refused(*words):
    result = dltrain(*words)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    return result.stderr


def test_the_page_tells_of_examples_classes_values_and_learning_rate(tmp_path):
    counts, page, panels = collected(tmp_path)
    assert counts["examples"] == {"train": 1295, "validation": 143, "test": 359}
    assert (counts["steps_per_epoch"], counts["steps"], counts["classes"]) == (20, 100, 10)
    assert counts["weights"] == 64 * 4 + 4 + 4 * 10 + 10
    bars = panels[Bars]
    assert {part: sum(found) for part, found in bars.counts.items()} == counts["examples"]
    pictures = panels[Pictures]
    assert len(pictures.raw) == len(pictures.seen) == len(pictures.labels) == counts["shown"] == 24
    assert list(pictures.labels[:10]) == [str(digit) for digit in range(10)]
    assert any((raw != seen).any() for raw, seen in zip(pictures.raw, pictures.seen, strict=True))
    curve = panels[Curve]
    assert (curve.steps[0], curve.steps[-1], curve.warmup) == (1, 100, 40)
    assert curve.rates.max() == curve.rates[39] == pytest.approx(0.1)
    assert panels[Histogram].mean == pytest.approx(78, abs=1)
    assert page.summary["Augmentation"] == "pad_and_crop (padding: 1); flip"
    assert "1,295 train, 143 validation, 359 test examples; 10 classes" in page.summary["Dataset"]
    assert "100 steps of 64 examples, 20 per epoch: 5 epochs" in page.summary["Length"]


def test_examples_of_many_classes_are_shown_first_come_first_served():
    targets = np.random.RandomState(0).permutation(64)
    chosen = _varied(Groups(tuple(map(str, range(64))), targets), 64)
    assert sorted(chosen) == list(range(24))
    assert list(targets[chosen]) == sorted(targets[:24])


@pytest.mark.parametrize(
    "overrides", [[], ["train.batch_size=8", "train.accumulate_steps=2"]], ids=["one batch", "several, accumulated"]
)
def test_what_is_shown_is_what_training_sees(tensorflow, tmp_path, overrides):
    config, splits, devices = loaded(tmp_path, overrides=overrides)
    first = first_examples(config.experiment, splits, devices)
    feed = Learner(config, splits, devices, Reporter(quiet=True)).training_feed()
    accumulate = config.experiment.train.accumulate_steps
    images, labels = [], []
    for index in range(64 // config.experiment.train.batch_size):
        taken = feed.take(tensorflow.constant(index // accumulate, tensorflow.int64))
        seen, targets = feed.batch(taken, tensorflow.constant(index % accumulate))
        images += list(seen.numpy())
        labels += targets.numpy().tolist()
    assert first.is_exact
    for seen, target in zip(first.seen, first.targets, strict=True):
        assert [label for image, label in zip(images, labels, strict=True) if (image == seen).all()] == [target]


@pytest.mark.parametrize("name", ["mixup", "cutmix"])
def test_what_is_mixed_is_labelled_as_it_is_trained(tmp_path, name):
    _, _, panels = collected(tmp_path, overrides=[f"augment=[{{name: {name}, alpha: 1.0}}]"])
    pictures = panels[Pictures]
    assert len(pictures.seen_labels) == len(pictures.labels) == len(pictures.raw)
    mixed = 0
    for own, label in zip(pictures.labels, pictures.seen_labels, strict=True):
        shares = dict(part.split("% ")[::-1] for part in label.split(" + "))
        assert sum(map(int, shares.values())) == pytest.approx(100, abs=1)
        mixed += len(shares) > 1 and own in shares
    assert mixed
    assert collected(tmp_path)[2][Pictures].seen_labels == ()


def test_without_augmentation_examples_are_shown_once(tmp_path):
    _, page, panels = collected(tmp_path, overrides=["augment=[]"])
    assert len(panels[Pictures].seen) == 0
    assert "nothing changes them" in page.rows[0].heading


class Counted(Examples):
    """Inputs that count how many of them are read."""

    shape = dtype = None

    def __init__(self, values, reads):
        self.values, self.reads = values, reads
        self.shape, self.dtype = values.shape, values.dtype

    def __len__(self):
        return len(self.values)

    def take(self, positions):
        return Counted(self.values[positions], self.reads)

    def read(self, positions, seeds=None):
        self.reads.append(len(positions))
        return self.values[positions]


def test_of_examples_that_must_be_read_only_a_few_are(tmp_path):
    config, _, devices = loaded(tmp_path, overrides=["train.batch_size=512"])
    read = []
    images = np.random.RandomState(0).randint(0, 255, (3000, 8, 8, 1)).astype(np.uint8)
    spec = data_spec((8, 8, 1), tuple("0123456789"), (128.0,), (74.0,))
    splits = Splits(spec, Split(Counted(images, read), np.arange(3000, dtype=np.int32) % 10))
    _, page = preview.collect(config, splits, devices)
    assert sum(read) <= 2 * DECODED
    assert f"in a batch of {DECODED}" in page.rows[0].heading


def test_vectors_are_drawn_as_lines(tmp_path):
    text = DIGITS.replace("{name: digits}", "{name: synthetic, shape: [12], num_classes: 100}")
    _, _, panels = collected(tmp_path, text, ["augment=[]"])
    assert [vector.shape for vector in panels[Lines].vectors] == [(12,)] * 16
    assert len(panels[Bars].names) == 20


def test_images_of_other_scales_and_channels_say_how_they_are_drawn(tmp_path):
    np.savez(tmp_path / "x.npz", x=np.random.RandomState(0).randn(40, 6, 9, 5), y=np.arange(40) % 2)
    text = DIGITS.replace("{name: digits}", "{name: npz, path: x.npz}")
    _, page, panels = collected(tmp_path, text, ["train.batch_size=8"])
    assert "channels 1 to 3 of 5" in page.rows[0].heading
    assert "is drawn black" in page.rows[0].heading
    assert panels[Pictures].raw[0].shape == (6, 9, 3)
    assert max(image.max() for image in panels[Pictures].raw) == 255


def test_one_example_per_class_is_enough(tmp_path):
    np.savez(tmp_path / "x.npz", x=np.zeros((5, 6, 6), np.uint8), y=np.array(list("abcde")))
    text = DIGITS.replace("{name: digits}", "{name: npz, path: x.npz, test_fraction: 0, validation_fraction: 0}")
    counts, page, panels = collected(tmp_path, text, ["train.batch_size=5", "schedule={name: constant}"])
    assert list(panels[Pictures].labels) == list("abcde")
    assert counts["examples"] == {"train": 5}
    assert page.render()


TABLE = """\
dataset: {name: csv, path: x.csv, target: TARGET}
model: {name: mlp, units: [4]}
optimizer: {name: sgd}
schedule: {name: plateau}
train: {epochs: 2, batch_size: 16}
"""


@pytest.mark.parametrize("target", ["price $", "kind", "[a, b]"], ids=["numbers", "classes", "labels"])
def test_a_table_is_shown_by_its_columns(tmp_path, target):
    random = np.random.RandomState(0)
    lines = ["age,price $,kind,city,a,b"]
    for row in range(200):
        age, city = random.randint(18, 80) if row % 7 else "", random.choice(["Bonn", "Rio"])
        lines.append(f"{age},{random.randn():.3f},{'xyz'[row % 3]},{city},{row % 2},{row % 5 == 0:d}")
    (tmp_path / "x.csv").write_text("\n".join(lines))
    _, page, panels = collected(tmp_path, TABLE.replace("TARGET", target))
    tiles = {panel.title: panel for row in page.rows[2:] for panel in row.panels}
    assert "; missing " in tiles["age"].note
    assert set(tiles["city"].names) == {"Bonn", "Rio"}
    assert panels[Rows].names[0] == (target if target == "price $" else "label")
    assert (Bars in panels) == (target != "price $")
    assert "which is not known beforehand" in panels[Curve].note
    assert page.render() == page.render()


def test_of_many_columns_the_first_are_shown(tmp_path):
    names = [f"x{place}" for place in range(40)]
    rows = [",".join(["ab"[row % 2], *(str(row + place) for place in range(40))]) for row in range(60)]
    (tmp_path / "x.csv").write_text("\n".join([",".join(["kind", *names]), *rows]))
    _, page, _ = collected(tmp_path, TABLE.replace("TARGET", "kind"))
    tiles = page.rows[2:]
    assert tiles[0].heading == "Columns, train part: the first 25, 15 more not shown"
    assert [panel.title for row in tiles for panel in row.panels] == names[:25]


def test_the_page_is_written_and_nothing_else(here):
    result = dltrain("mine.yaml")
    assert (result.exit_code, result.stdout) == (0, "preview-mine.png\n"), result.output
    assert {path.name for path in here.iterdir()} == {"mine.yaml", "preview-mine.png"}
    before = (here / "preview-mine.png").read_bytes()
    counts = json.loads(dltrain("mine.yaml", "--json", "-q").stdout)
    assert counts["path"] == "preview-mine.png"
    assert counts["examples"]["train"] == 1295
    assert (here / "preview-mine.png").read_bytes() == before


def test_matplotlib_is_imported_after_the_config_is_found_good_and_pyplot_never(here):
    script = (
        "import sys\nfrom pathlib import Path\nfrom dltrain.cli import app\n"
        "import dltrain.diagnostics.preview as made\n"
        "collect = made.collect\n"
        "def watched(*given):\n"
        "    found = collect(*given)\n"
        "    assert 'matplotlib' not in sys.modules\n"
        "    return found\n"
        "made.collect = watched\n"
        "app(['preview', 'mine.yaml', '-q'], standalone_mode=False)\n"
        "assert 'matplotlib' in sys.modules\nassert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_a_page_may_stand_elsewhere(here):
    (here / "pages").mkdir()
    result = dltrain("mine.yaml", "--out", "pages/one.png", "seed=1", "-q")
    assert result.stdout == "pages/one.png\n"
    assert [path.name for path in (here / "pages").iterdir()] == ["one.png"]


def test_what_is_not_ours_stays(here):
    mine = here / "preview-mine.png"
    mine.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    assert "exists and was not written by dltrain" in refused("mine.yaml")
    assert len(mine.read_bytes()) == 108
    mine.unlink()
    mine.symlink_to(here / "elsewhere.png")
    assert "exists" in refused("mine.yaml")
    assert not (here / "elsewhere.png").exists()
    (here / "folder.png").mkdir()
    assert "exists" in refused("mine.yaml", "--out", "folder.png")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a-run"], "preview needs a CONFIG"),
        (["mine.yaml", "train.batch_size=0"], "train.batch_size must be"),
        (["mine.yaml", "train.batch_size=5000"], "batch_size must be at most the 1295 training examples"),
        (["mine.yaml", "checkpoint.monitor=val_f1"], "monitor must be one of"),
        (["mine.yaml", "augment=[{name: pad_and_crop, padding: 9}]"], "padding must be at most 8"),
        (["mine.yaml", "schedule.warmup_epochs=9"], "warmup_epochs must be shorter than the run"),
        (["mine.yaml", "--out", "page.jpg"], "must be a file that ends in .png"),
        (["mine.yaml", "--out", "nowhere/page.png"], "the folder nowhere does not exist"),
    ],
)
def test_what_fit_refuses_is_refused_in_the_same_words(here, words, message):
    assert message in refused(*words)
    if words[:1] == ["mine.yaml"] and "--out" not in words:
        assert message in CliRunner().invoke(app, ["fit", *words]).stderr
    assert [path.name for path in here.iterdir()] == ["mine.yaml"]


def test_weights_of_classes_are_told(tmp_path):
    _, page, _ = collected(tmp_path, DIGITS + "task: {name: classification, class_weights: {'3': 2.0}}\n")
    assert page.summary["Weighting"] == "classes count from 1 times (0) to 2 times (3)"


def test_weights_of_examples_are_told(tmp_path):
    config, splits, devices = loaded(tmp_path)
    train = dataclasses.replace(splits.train, weights=np.linspace(0.5, 2, len(splits.train), dtype=np.float32))
    _, page = preview.collect(config, dataclasses.replace(splits, train=train), devices)
    assert page.summary["Weighting"] == "examples count 0.5 to 2 times"


def test_settings_are_told_as_yaml_and_only_those_that_differ(tmp_path):
    from dltrain.inference.experiment_summary import _words

    path = tmp_path / "c.yaml"
    path.write_text(
        "dataset: {name: digits}\n"
        "model: {name: cnn, stages: [{filters: 8}, {filters: 16, pool: max}], dense: []}\n"
        "task: {name: classification, class_weights: {'1': 2.0}}\n"
        "optimizer: {name: adam, learning_rate: 0.01}\ntrain: {epochs: 1}\n"
    )
    experiment = experiments.load(path).experiment
    assert _words(experiment.model) == "cnn (stages: [{filters: 8}, {filters: 16, pool: max}], dense: [])"
    assert _words(experiment.task) == "classification (class_weights: {1: 2.0})"


TEXTS = """\
dataset: {name: text_table, path: x.csv, tokenizer: words, max_length: 8LABEL}
model: {name: NETWORK}
optimizer: {name: adam}
train: {epochs: 1, batch_size: 8}
"""


def test_texts_are_shown_with_their_tokens_and_the_words_of_each_class(tmp_path):
    rows = [f"the day was {'long , harbour' if row % 2 else 'and oven'} {row},{'ab'[row % 2]}" for row in range(60)]
    (tmp_path / "x.csv").write_text("\n".join(["text,label", *(f'"{row[:-2]}",{row[-1]}' for row in rows)]))
    text = TEXTS.replace("NETWORK", "bag_of_words").replace("LABEL", "")
    _, page, panels = collected(tmp_path, text)
    examples, words = (panel for row in page.rows for panel in row.panels if isinstance(panel, Rows))
    assert examples.names == ["label", "text", "as the network sees it: its tokens"]
    assert {row[0]: row[2].startswith("[CLS] · the · day · was · ") for row in examples.rows} == {"a": True, "b": True}
    assert [row[0] for row in words.rows] == ["a", "b"]
    assert "oven" in words.rows[0][1].split() and "harbour" not in words.rows[0][1].split()
    assert "harbour" in words.rows[1][1].split() and "," not in words.rows[1][1].split()
    assert "behind which texts are cut" in panels[Histogram].note
    assert page.render()


class Untaken(Counted):
    """Inputs that nobody may copy either."""

    def take(self, positions):
        raise AssertionError


def test_only_inputs_that_are_made_of_words_are_copied_and_read_for_them():
    read = []
    spec = data_spec((8, 8, 1), ("a", "b"), (0.0,), (1.0,))
    train = Split(Untaken(np.zeros((30, 8, 8, 1), np.uint8), read), np.arange(30, dtype=np.int32) % 2)
    assert preview._word_rows(Splits(spec, train), spec.groups(train.targets)) == []
    assert preview._word_rows(Splits(spec, train), None) == []
    assert read == []


def test_texts_without_targets_have_no_column_of_labels(tmp_path):
    rows = [f"the day was long and the oven warm {row}" for row in range(60)]
    (tmp_path / "x.csv").write_text("\n".join(["text", *rows]))
    text = TEXTS.replace("NETWORK", "bert").replace("LABEL", ", label_column: none") + "task: {name: masked_lm}\n"
    _, page, panels = collected(tmp_path, text, ["model.depth=1", "model.width=8", "model.heads=1"])
    assert panels[Rows].names == ["text", "as the network sees it: its tokens"]
    assert page.render()


def test_columns_are_as_wide_as_they_need():
    narrow, wide = Rows(["label", "text"], [["a", "word " * 100]]).widths(1500)
    assert narrow < 100 and narrow + wide == pytest.approx(1500)
    assert Rows(["a", "b"], [["x" * 500, "y" * 500]]).widths(1500) == [750, 750]
