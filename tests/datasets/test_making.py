"""The small data that `dltrain datasets make` makes."""

import csv
import json
import sys
import wave
from importlib.metadata import PackageNotFoundError, distribution

import numpy as np
import pytest
from typer.testing import CliRunner

from dltrain.cli import app
from dltrain.data import Parts
from dltrain.datasets._samples import docstrings, voices
from dltrain.datasets.audio_folder import AudioFolder
from dltrain.datasets.image_folder import ImageFolder
from dltrain.datasets.npz import NPZ
from dltrain.datasets.ts import TS
from dltrain.registry import SAMPLES


def dltrain(*words):
    return CliRunner().invoke(app, ["datasets", "make", *map(str, words)])


def lines(path):
    return path.read_text().splitlines()


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


ARCHIVED = {"leaves": "OSULeaf", "vowels": "JapaneseVowels", "gunpoint": "GunPoint", "basic_motions": "BasicMotions"}
"""Those of the archive of series with classes, and the archive's names."""

MEASURED = ("co2", "sunspots", *ARCHIVED)
"""Those that no seed changes, of a package that may be missing."""


@pytest.fixture(params=[name for name in SAMPLES.names() if name not in ("wine_parquet", *MEASURED)])
def name(request):
    return request.param


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder with two packages of 300 docstrings: reading the real ones takes a minute."""
    root = tmp_path_factory.mktemp("site")
    for package in ("first", "second"):
        (root / package).mkdir()
        (root / package / "__init__.py").touch()
        for file in range(30):
            texts = [f"Of {package}, as np.array does: {' '.join(f'w{file}x{number}y{i}' for i in range(20))}"
                     for number in range(10)] + ["Copied " * 30, f"Too short, of {package}"]  # fmt: skip
            if file < 2:
                texts.append(f"Copied within {package} " * 10)
            body = "\n".join(f'def f{number}():\n    """{text}"""' for number, text in enumerate(texts))
            (root / package / f"file{file}.py").write_text(body)
        (root / package / "template.py").write_text("def {{name}}(): ...")
    return root


@pytest.fixture(autouse=True)
def few_packages(monkeypatch, site):
    monkeypatch.syspath_prepend(site)
    monkeypatch.setattr(docstrings, "PACKAGES", {"first": "first", "the-second": "second"})
    monkeypatch.setattr(docstrings, "version", {"first": "1.5", "the-second": "2.5"}.get)


def test_without_a_name_all_are_listed():
    assert set(json.loads(dltrain("--json").stdout)["samples"]) == set(SAMPLES.names())
    lines = dltrain().stdout.splitlines()
    assert [line.split()[0] for line in lines] == SAMPLES.names()
    assert all(line.endswith(".") for line in lines)


def test_the_seed_decides_every_byte(tensorflow, tmp_path, name):
    for folder, seed in (("one", 1), ("same", 1), ("other", 2)):
        result = dltrain(name, tmp_path / "deep" / folder, "--seed", seed, "--json")
        assert result.exit_code == 0, result.output
        made = json.loads(result.stdout)
        found = contents(tmp_path / "deep" / folder)
        assert (made["files"], made["bytes"]) == (len(found), sum(map(len, found.values())))
    one, same, other = (contents(tmp_path / "deep" / folder) for folder in ("one", "same", "other"))
    assert one == same
    assert one != other
    assert sorted(path.name for path in (tmp_path / "deep").iterdir()) == ["one", "other", "same"]


def test_measured_series_are_those_of_the_package(tmp_path):
    statsmodels = pytest.importorskip("statsmodels.datasets", reason="pip install 'dltrain[samples]'")
    for name in ("co2", "sunspots"):
        assert dltrain(name, tmp_path / name).exit_code == 0
    years = list(csv.reader(lines(tmp_path / "sunspots" / "sunspots.csv")))[1:]
    expected = statsmodels.sunspots.load_pandas().data
    assert [[int(year), float(value)] for year, value in years] == expected.to_numpy().tolist()
    months = dict(list(csv.reader(lines(tmp_path / "co2" / "co2.csv")))[1:])
    means = statsmodels.co2.load_pandas().data["co2"].resample("MS").mean().dropna()
    assert {f"{month:%Y-%m-%d}": pytest.approx(value, abs=1e-4) for month, value in means.items()} == {
        month: float(value) for month, value in months.items()
    }


SHAPES = {"leaves": (442, 427, 1, 6), "vowels": (640, None, 12, 9), "gunpoint": (200, 150, 1, 2),
          "basic_motions": (80, 100, 6, 4)}  # fmt: skip


@pytest.mark.parametrize("name", ARCHIVED)
def test_measured_series_with_classes_are_those_of_the_archive(tmp_path, name):
    try:
        distribution("sktime")
    except PackageNotFoundError:
        pytest.skip("pip install 'dltrain[samples]'")
    assert dltrain(name, tmp_path / name).exit_code == 0
    splits = TS(path=tmp_path / name / f"{ARCHIVED[name]}_TRAIN.ts", validation_fraction=0.0).load()
    count, steps, channels, classes = SHAPES[name]
    assert len(splits.train) + len(splits.test) == count
    assert splits.spec.input.shape == (steps, channels)
    assert len(splits.spec.target.class_names) == classes


def spoken(place, seconds, loudness, number=0):
    place.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(place), "wb") as file:
        file.setparams((1, 2, 8_000, 0, "NONE", ""))
        samples = loudness * np.random.RandomState(number).uniform(-1, 1, round(8_000 * seconds))
        file.writeframes(samples.astype("<i2").tobytes())


@pytest.fixture(autouse=True)
def few_voices(monkeypatch, tmp_path_factory):
    """Prompts of two voices in folders as Debian's packages have them, and the licence of one."""
    root = tmp_path_factory.mktemp("asterisk")
    for voice in ("en_US_f_Allison", "it_IT_m_Carlo"):
        for number in range(20):
            spoken(root / voice / "digits" / f"{number}.wav", 0.5, 9_000, number)
        spoken(root / voice / "silence" / "1.wav", 1, 0)
        spoken(root / voice / "beep.wav", 0.2, 9_000)
    spoken(root / "it_IT_m_Carlo" / "hello.wav", 0.4, 9_000)
    (root / "doc" / "core-en").mkdir(parents=True)
    (root / "doc" / "core-en" / "copyright").write_text("CC BY-SA")
    packages = {"en_US_f_Allison": "core-en", "it_IT_m_Carlo": "core-it"}
    for name, value in {"ROOT": root, "LICENCES": root / "doc", "VOICES": packages}.items():
        monkeypatch.setattr(voices, name, value)


def test_voices_are_collected_and_those_who_speak_are_listed(tmp_path):
    pytest.importorskip("soundfile")
    assert dltrain("voices", tmp_path / "made").exit_code == 0
    made = tmp_path / "made"
    rows = list(csv.reader(lines(made / "voices.csv")))
    assert rows[0] == ["path", "label", "split"]
    assert len(rows) == 42 and not any("silence" in path or "beep" in path for path, *_ in rows)
    parts = {}
    for path, voice, part in rows[1:]:
        assert (made / path).read_bytes() == (voices.ROOT / path.removeprefix("voices/")).read_bytes()
        parts.setdefault(path.partition(f"{voice}/")[2], set()).add(part)
    assert all(len(each) == 1 for each in parts.values())  # the same words are never in two parts
    assert (made / "voices" / "it_IT_m_Carlo" / "silence" / "1.wav").is_file()
    assert [file.name for file in (made / "licences").iterdir()] == ["core-en.txt"]
    splits = AudioFolder(path=made / "voices.csv", rate=8_000, clip_seconds=0.3).load()
    assert splits.spec.target.class_names == ("en_US_f_Allison", "it_IT_m_Carlo")
    assert len(splits.train) > len(splits.test) > len(splits.validation) > 0
    whole = AudioFolder(path=made / "voices", rate=8_000, clip_seconds=0.3).load()
    inputs = Parts({part: split.inputs for part, split in whole.parts.items()}, lambda part, at: f"{part} {at}")
    silent = [each for each in whole.spec.input.findings(inputs, brief=False) if each.kind == "silence"]
    assert "2 sounds are silent" in silent[0].message


def test_the_voices_trials_are_of_one_person_in_two_languages_and_of_two_in_one(tmp_path, monkeypatch):
    pytest.importorskip("soundfile")
    more = ("es_MX_f_Allison", "it_IT_f_Menardi")
    for voice in more:
        for number in range(20):
            spoken(voices.ROOT / voice / "digits" / f"{number}.wav", 0.5, 9_000, number)
    monkeypatch.setattr(voices, "VOICES", voices.VOICES | dict.fromkeys(more, "core-more"))
    assert dltrain("voices", tmp_path / "made").exit_code == 0
    asked = {
        (kind, *(name.split("/")[1] for name in files))
        for kind, *files in map(str.split, lines(tmp_path / "made" / "trials.txt"))
    }
    assert asked == {("1", "en_US_f_Allison", "es_MX_f_Allison"), ("0", "it_IT_f_Menardi", "it_IT_m_Carlo")}
    data = AudioFolder(
        path=tmp_path / "made" / "persons.csv", trials=tmp_path / "made" / "trials.txt", rate=8_000, clip_seconds=0.3
    )
    splits = data.load()
    assert splits.spec.target.class_names == ("Allison", "Carlo", "Menardi")
    heard = [file.parts[-3] for part in (splits.train, splits.validation) for file in part.inputs.paths]
    assert heard.count("en_US_f_Allison") and not heard.count("es_MX_f_Allison")


def test_voices_that_are_not_installed_are_named_with_their_packages(tmp_path, monkeypatch):
    monkeypatch.setattr(voices, "VOICES", {**voices.VOICES, "fr": "core-fr", "ru": "core-ru"})
    result = dltrain("voices", tmp_path / "made")
    assert result.exit_code == 2
    assert "sudo apt install core-fr core-ru" in result.stderr
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("name", ["co2", "leaves"])
def test_what_lacks_its_package_says_which_to_install(tmp_path, monkeypatch, name):
    monkeypatch.setattr("dltrain.datasets._samples.time_series.find_spec", lambda name: None)
    monkeypatch.setattr("dltrain.datasets._samples.series_with_classes.distribution", lacking)
    result = dltrain(name, tmp_path / name)
    assert result.exit_code == 2
    assert "pip install 'dltrain[samples]'" in result.stderr
    assert not (tmp_path / name).exists()


def lacking(name):
    raise PackageNotFoundError(name)


def test_the_truth_of_invented_loads_is_what_noise_lies_about(tmp_path):
    assert dltrain("energy", tmp_path / "energy").exit_code == 0
    rows, truth = (list(csv.DictReader(lines(tmp_path / "energy" / name))) for name in ("energy.csv", "truth.csv"))
    assert [(row["time"], row["district"]) for row in rows] == [(row["time"], row["district"]) for row in truth]
    one = [place for place, row in enumerate(rows) if row["district"] == "district01"]
    noise = np.array([float(rows[place]["load"]) - float(truth[place]["load"]) for place in one])
    share = float(noise[1:] @ noise[:-1] / (noise @ noise))
    assert share == pytest.approx(0.8, abs=0.05)
    words = json.loads((tmp_path / "energy" / "truth.json").read_text())
    assert words["mae_by_step"] == sorted(words["mae_by_step"])


def test_what_is_there_is_never_overwritten(tensorflow, tmp_path, name):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    (tmp_path / "empty").mkdir()
    for place in ("full", "file"):
        result = dltrain(name, tmp_path / place)
        assert result.exit_code == 2
        assert "exists and is not empty: name another folder" in result.stderr
        assert result.stdout == ""
    assert set(contents(tmp_path).values()) == {b"mine"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "file", "full"]
    assert dltrain(name, tmp_path / "empty").exit_code == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [(["wine_cvs", "x"], 'did you mean "wine_csv"'), (["wine_csv"], "dltrain datasets make wine_csv data/wine_csv")],
)
def test_words_that_are_wrong_or_missing_are_said(words, message):
    result = dltrain(*words)
    assert result.exit_code == 2
    assert message in result.stderr


def test_what_fails_leaves_nothing(tmp_path, monkeypatch):
    def fail(sample, folder):
        (folder / "half").touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(SAMPLES["wine_csv"], "write", fail)
    result = dltrain("wine_csv", tmp_path / "wine")
    assert result.exit_code == 2
    assert "cannot be written: No space left" in result.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "rows", "columns", "target", "values"),
    [
        ("wine", 178, 14, "cultivar", {"class_0", "class_1", "class_2"}),
        ("breast_cancer", 569, 31, "diagnosis", {"malignant", "benign"}),
        ("diabetes", 442, 11, "progression", None),
    ],
)
def test_tables_have_a_header_and_readable_targets(tmp_path, name, rows, columns, target, values):
    dltrain(f"{name}_csv", tmp_path / "table")
    with (tmp_path / "table" / f"{name}.csv").open(newline="") as file:
        header, *lines = csv.reader(file)
    assert len(lines) == rows
    assert {len(line) for line in (header, *lines)} == {columns}
    assert header[-1] == target
    assert all(float(number) >= 0 for line in lines for number in line[:-1])
    if values:
        assert {line[-1] for line in lines} == values


def test_parquet_needs_polars(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "polars", None)
    result = dltrain("wine_parquet", tmp_path / "wine")
    assert result.exit_code == 2
    assert result.stderr == "wine_parquet needs the package polars: pip install polars\n"
    assert not list(tmp_path.iterdir())


def test_parquet_holds_what_the_csv_does(tmp_path):
    polars = pytest.importorskip("polars")
    dltrain("wine_parquet", tmp_path / "parquet")
    dltrain("wine_csv", tmp_path / "csv")
    table = polars.read_parquet(tmp_path / "parquet" / "wine.parquet")
    assert table.equals(polars.read_csv(tmp_path / "csv" / "wine.csv"))


def test_images_are_those_that_a_config_reads(tensorflow, tmp_path):
    dltrain("shapes", tmp_path / "shapes")
    splits = ImageFolder(path=tmp_path / "shapes", size=48).load()
    assert splits.spec.target.class_names == ("circle", "square", "triangle")
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [810, 90, 300]
    dltrain("digits_png", tmp_path / "digits")
    splits = ImageFolder(path=tmp_path / "digits", size=8, color_mode="grayscale", test_fraction=0.0).load()
    assert splits.spec.target.class_names == tuple("0123456789")
    assert len(splits.train) + len(splits.validation) == 1797


def test_letters_are_arrays_that_a_config_reads(tmp_path):
    dltrain("glyphs", tmp_path / "glyphs")
    splits = NPZ(path=tmp_path / "glyphs" / "glyphs.npz").load()
    assert splits.spec.input.shape == (8, 8, 1)
    assert len(splits.spec.target.class_names) == 100
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [14400, 1600, 4000]


def test_docstrings_of_a_file_are_in_one_part_and_none_is_there_twice(tmp_path):
    assert dltrain("docstrings", tmp_path / "made").exit_code == 0
    with (tmp_path / "made/docstrings.csv").open(encoding="utf-8", newline="") as file:
        rows = [*csv.DictReader(file)]
    with (tmp_path / "made/few.csv").open(encoding="utf-8", newline="") as file:
        few = [*csv.DictReader(file)]
    assert {row["label"] for row in rows} == {"first", "the-second"}
    assert len({" ".join(row["text"].split()) for row in rows}) == len(rows) == 2 * (300 + 1)
    parts = {}
    for row in rows:
        parts.setdefault((row["label"], row["file"]), set()).add(row["part"])
    assert all(len(found) == 1 for found in parts.values())
    assert all(len(row["text"].split()) >= 20 for row in rows)
    assert [row["masked"] for row in rows] == [row["text"].replace("np.array", "_.array") for row in rows]
    assert sum(row["part"] == "train" for row in few) == 300
    assert [row for row in few if row["part"] == "test"] == [row for row in rows if row["part"] == "test"]
    manifest = json.loads((tmp_path / "made/manifest.json").read_text())
    assert manifest["passages"] == {"first": 301, "the-second": 301}
    assert manifest["versions"] == {"first": "1.5", "the-second": "2.5"}
