"""Who knows nothing but the model card feeds each exported format, and gets the network's own answers."""

import json
import math
import re
from datetime import date, timedelta
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from dltrain.config import experiment as experiments
from dltrain.console import Reporter
from dltrain.inference import exporting, prediction
from dltrain.registry import EXPORTS
from dltrain.runs.folder import Run
from dltrain.training import trainer

CONFIG = """
dataset: {name: csv, path: table.csv, target: y, kind: numbers, categorical: [flag, code, many], text: [note],
  dates: [at, hour, clock], one_hot_up_to: 5, words: 6, missing_values: ["", NA, "-"], ignore_case: true}
model: {name: mlp, units: [8]}
optimizer: {name: adam, learning_rate: 0.01}
train: {epochs: 1, batch_size: 32}
report: false
"""
COLUMNS = ("size", "stamp", "kind", "flag", "code", "many", "at", "hour", "clock", "note", "y")


def cells(row):
    at = date(1955, 1, 5) + timedelta(days=373 * row)
    return {
        "size": "" if row % 7 == 3 else str(row / 7), "stamp": str(1_500_000_000_000 + row * 10),
        "kind": ("red", "Green", "a; b")[row % 3], "flag": ("yes", "no")[row // 2 % 2],
        "code": ("2134", "07", "8.50")[row % 3], "many": f"word{row % 9}",
        "at": f"{at} {row % 24:02}:{row % 60:02}:30", "hour": f"{at.day}.{at.month}.{at.year} {row % 24}:00",
        "clock": f"{row % 12 + 1}:{row % 60:02} PM", "note": f"The {'good ' * (row % 4)}Bad_1 thing, the end{row}",
        "y": str(math.sin(row)),
    }  # fmt: skip


PLAIN = cells(100)
ASKED = [
    PLAIN,
    dict.fromkeys(PLAIN),
    *[PLAIN | changed for changed in (
        {"size": "1e2", "stamp": "1500000000123.0", "flag": "TRUE", "code": "02134", "many": "WORD3", "note": "3.0"},
        {"size": "1,5", "flag": "f", "code": "2134.0", "kind": "GREEN", "note": "good GOOD bad_1 good, goods"},
        {"size": " -.5 ", "flag": "maybe", "code": "8.5", "kind": "blue", "at": "31 Dec 99", "note": "- the THE"},
        {"size": "true", "flag": "0", "code": "7", "kind": " red ", "at": "Feb 29, 2024 11:59 PM", "note": ""},
        {"size": "-", "at": "2024-03-01T00:30:00+02:00", "hour": "1.2.68 12 AM", "clock": "23:59:59.5"},
        {"size": "NA", "at": "1700000000", "hour": "2/29/1960, 5:00Z", "clock": "12:00 AM", "many": "word10"},
        {"at": "1700000000123", "hour": "12.5.1999", "clock": "7:30", "code": "-7", "kind": "a; b"},
        {"at": "-100000000", "size": "many", "hour": None, "clock": "1st January 2001"},
    )],
]  # fmt: skip
TARGETLESS = [{name: value for name, value in row.items() if name != "y"} for row in ASKED]


@pytest.fixture(scope="module")
def exported(tmp_path_factory, tensorflow):
    """Returns the run, and the folder with its card and all formats that can be run here."""
    folder = tmp_path_factory.mktemp("card")
    rows = [cells(row) for row in range(160)]
    lines = [",".join(f'"{row[name]}"' for name in COLUMNS) for row in rows]
    (folder / "table.csv").write_text("\n".join([",".join(COLUMNS), *lines]))
    (folder / "one.yaml").write_text(CONFIG)
    summary = trainer.fit(experiments.load(folder / "one.yaml"), Reporter(quiet=True), folder / "runs")
    run = Run(Path(summary["run"]))
    formats = [name for name in EXPORTS.names() if not (EXPORTS[name].agreement or EXPORTS[name].holds_vectors)]
    here = [name for name in formats if all(map(find_spec, EXPORTS[name].needs))]
    found = exporting.export(run, exporting.require(here), folder / "out", "best", Reporter(quiet=True))
    assert not found["refused"]
    return run, found


class Stranger:
    """Makes the numbers of a row as the card says it: of each rule it needs the sentence, of each number the JSON."""

    def __init__(self, card):
        self.card = card
        part = card.split("## Input and output")[1].split("## Results")[0]
        self.numbers = [json.loads(line) for line in re.search(r"```json\n(.*?)\n```", part, re.S)[1].splitlines()]
        rows = [line.split(" | ") for line in part.splitlines() if line.count(" | ") == 5 and line[2].isdigit()]
        listed = [(int(row[0].strip("| ")), row[1].replace("\\", ""), row[2]) for row in rows]
        assert listed[: len(self.numbers)] == [(n["position"], n["column"], n["kind"]) for n in self.numbers]
        self.must_say("without the spaces around it", "A missing cell is null, or an empty text")
        words = re.search(r"These texts, too, are missing cells: (.*)\.", part)[1]
        self.texts = {"", *re.findall(r'"([^"]*)"', words)}

    def must_say(self, *words):
        for each in words:
            assert each in self.card, each

    def row(self, cells):
        return [self.number(each, self.cell(cells.get(each["column"]))) for each in self.numbers]

    def cell(self, cell):
        text = "" if cell is None else cell.strip()
        return None if text in self.texts else text

    def number(self, each, cell):
        return getattr(self, each["kind"])(each, cell)

    def parsed(self, cell):
        self.must_say(r"`[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?`", "`true` is 1 and `false` 0", "(`1,5`)")
        if cell is None:
            return None
        if cell.lower() in ("true", "false"):
            return float(cell.lower() == "true")
        cell = re.sub(r"^([+-]?[0-9]+),([0-9]{1,2}|[0-9]{4,})$", r"\1.\2", cell)
        return float(cell) if re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", cell) else None

    def value(self, each, cell):
        self.must_say("the number minus `offset`, in 64 bits")
        found = self.parsed(cell)
        return each["fill"] if found is None else found - each["offset"]

    def missing(self, each, cell):
        self.must_say("1 where there is no number, else 0")
        return float(self.parsed(cell) is None)

    def word(self, each, cell):
        self.must_say("log(1 + count), the natural logarithm", r"`\w+`", "in small letters", "(`3.0` is `3`)")
        text = re.sub(r"^([+-]?\d+)\.0+$", r"\1", cell or "")
        return math.log(1 + re.findall(r"\w+", text.lower()).count(each["word"]))

    def category(self, each, cell):
        self.must_say("the position, counted from 1", "0 where the cell is missing or its category unknown")
        if cell is None:
            return 0
        text, names = re.sub(r"^([+-]?\d+)\.0+$", r"\1", cell), each["categories"]
        if text in names:
            return names.index(text) + 1
        self.must_say("the first of these rules that finds just one category", "(`2134`, `02134`, `2134.0`)")
        said = re.search("both truths are there, (.*?) mean the same", self.card)[1].split(" and likewise ")
        truths = [re.findall("`(.*?)`", words) for words in said]

        def value(word):
            return float(word) if re.fullmatch(r"[+-]?[0-9]+(\.[0-9]+)?", word) else None

        def truth(word):
            return next((place for place, words in enumerate(truths) if word.lower() in words), None)

        rules = [value]
        if {truth(name) for name in names} == {0, 1}:
            rules.append(truth)
        elif each["ignore_case"]:
            self.must_say("Unicode's case folding")
            rules.append(str.casefold)
        for rule in rules:
            alike = [
                place for place, name in enumerate(names, 1) if rule(text) is not None and rule(name) == rule(text)
            ]
            if len(alike) == 1:
                return alike[0]
        return 0

    def moment(self, each, cell):
        """Returns the date, and seconds of the day; none for what is not there."""
        self.must_say("the day first where `day_first` is true", "00 to 68 are 2000 to 2068", "it is subtracted")
        self.must_say("seconds below 1e11, milliseconds below 1e14", "A number of nine or more digits")
        text = cell or ""
        if re.fullmatch(r"-?[0-9]{9,}(\.[0-9]+)?", text):
            seconds = float(text) / (1 if float(text) < 1e11 else 1000)
            return date(1970, 1, 1) + timedelta(days=seconds // 86400), seconds % 86400
        months = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
        forms = (
            (r"(\d{4})-(\d+)-(\d+)", "ymd"), (r"(\d+)\.(\d+)\.(\d{4}|\d\d)", "dmy"),
            (r"(\d+)/(\d+)/(\d{4}|\d\d)", "dmy" if each["day_first"] else "mdy"),
            (r"(\d+)(?:st|nd|rd|th)? ([A-Za-z]{3})[a-z]* (\d{4}|\d\d)", "dmy"),
            (r"([A-Za-z]{3})[a-z]* (\d+), (\d{4}|\d\d)", "mdy"),
        )  # fmt: skip
        day, rest = None, text
        for form, order in forms:
            if match := re.match(form + "(?=$|[T ,])", text):
                parts = dict(zip(order, match.groups(), strict=True))
                year = int(parts["y"]) + (0 if len(parts["y"]) == 4 else 2000 if int(parts["y"]) <= 68 else 1900)
                month = parts["m"] if parts["m"].isdigit() else months.index(parts["m"].lower()) + 1
                day, rest = date(year, int(month), int(parts["d"])), text[match.end() :].lstrip("T, ")
                break
        clock = re.fullmatch(r"(\d+)(?::(\d\d)(?::(\d\d(?:\.\d+)?))?)? ?([AP]M)?(Z|\+\d\d:\d\d)?", rest)
        if not clock or (clock[2] is None and clock[4] is None):
            return day, None
        hour = int(clock[1]) if clock[4] is None else int(clock[1]) % 12 + 12 * (clock[4] == "PM")
        seconds = 3600 * hour + 60 * int(clock[2] or 0) + float(clock[3] or 0)
        if clock[5] and clock[5] != "Z":
            seconds -= 3600 * int(clock[5][1:3]) + 60 * int(clock[5][4:])
        return day and day + timedelta(days=seconds // 86400), seconds % 86400

    def of_day(self, each, cell, words, make):
        self.must_say(words)
        day, _ = self.moment(each, cell)
        return each["fill"] if day is None else make(day)

    def year(self, each, cell):
        return self.of_day(each, cell, "the year of the date", lambda day: day.year)

    def month(self, each, cell):
        return self.of_day(each, cell, "1 to 12", lambda day: day.month)

    def weekday(self, each, cell):
        return self.of_day(each, cell, "Monday = 1 to Sunday = 7", lambda day: day.weekday() + 1)

    def day(self, each, cell):
        return self.of_day(each, cell, "the days from 1970-01-01", lambda day: (day - date(1970, 1, 1)).days)

    def hour(self, each, cell):
        self.must_say("the whole hours of the time of the day")
        _, seconds = self.moment(each, cell)
        return each["fill"] if seconds is None else seconds // 3600

    def time(self, each, cell):
        self.must_say("seconds since midnight / 3600")
        _, seconds = self.moment(each, cell)
        return each["fill"] if seconds is None else seconds / 3600


def test_a_stranger_feeds_each_format_from_the_words_of_the_card(exported):
    run, found = exported
    stranger = Stranger(Path(found["card"]).read_text())
    kinds = {each["kind"] for each in stranger.numbers}
    assert kinds == {"value", "missing", "word", "category", "year", "month", "weekday", "day", "hour", "time"}
    made = np.array([stranger.row(row) for row in TARGETLESS], np.float64).astype(np.float32)
    predictor = prediction.load(run, "best", Reporter(quiet=True))
    request = predictor.reader.read_values(TARGETLESS)
    assert not request.problems
    np.testing.assert_array_equal(made, request.inputs)
    wanted = np.asarray(predictor.outputs(request.inputs))
    for each in found["exports"]:
        got = EXPORTS[each["format"]]().answers(Path(each["path"]), {"inputs": made})
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5, err_msg=each["format"])


@pytest.mark.parametrize("resize", ["crop", "fit", "stretch"])
def test_a_stranger_makes_pixels_of_a_file_as_the_card_says(tensorflow, tmp_path, resize):
    """With Pillow; each value may be a grey level beside, which rounding is."""
    import PIL.Image
    import PIL.ImageOps

    from dltrain.data import DataSpec
    from dltrain.datasets.image_folder import ImageFolder
    from dltrain.features.image import Image

    values = np.random.RandomState(0).randint(0, 256, (30, 20, 4)).astype(np.uint8)
    PIL.Image.fromarray(values).save(tmp_path / "one.png")
    PIL.Image.fromarray(values[..., :3]).save(
        tmp_path / "turned.png", exif=b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
    )
    spec = DataSpec.of(Image(shape=(8, 12, 3)))
    source = ImageFolder(path=tmp_path, size=(8, 12), resize=resize, fast_decode=False)
    words = " ".join(source.describe(spec))
    for each in ("rotate it as its EXIF says", "white behind transparent", "8x12 pixels", "bilinear with antialiasing"):
        assert each in words
    for file in ("one.png", "turned.png"):
        image = PIL.ImageOps.exif_transpose(PIL.Image.open(tmp_path / file)).convert("RGBA")
        image = PIL.Image.alpha_composite(PIL.Image.new("RGBA", image.size, "white"), image).convert("RGB")
        width, height = image.size
        goal, box = (12, 8), (0, 0, width, height)
        if "the largest centred part with that aspect ratio" in words:
            used = (width, width * 8 / 12) if width * 8 < height * 12 else (height * 12 / 8, height)
            used = tuple(map(round, used))
            left, top = (width - used[0]) // 2, (height - used[1]) // 2
            box = (left, top, left + used[0], top + used[1])
        elif "as large as fits, in whole pixels, centred on black" in words:
            scale = min(12 / width, 8 / height)
            goal = (round(width * scale), round(height * scale))
        else:
            assert "its aspect ratio changed" in words
        made = np.asarray(image.crop(box).resize(goal, PIL.Image.Resampling.BILINEAR))
        whole = np.zeros((8, 12, 3), int)
        top, left = (8 - goal[1]) // 2, (12 - goal[0]) // 2
        whole[top : top + goal[1], left : left + goal[0]] = made
        (request,) = source.reader(spec).read([str(tmp_path / file)], 8)
        got = request.inputs[0].astype(int)
        assert np.abs(got - whole).max() <= 2, file
