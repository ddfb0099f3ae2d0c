import gzip
import json
import os
import random
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from dltrain.data import DataSpec
from dltrain.datasets.csv import CSV
from dltrain.errors import DataError, KeyProblem

ROWS = 40
WHOLE = {"test_fraction": 0.0, "validation_fraction": 0.0}


def lines(count=ROWS, cells=lambda row: f"{row}.5,{'abc'[row % 3]},{'yes' if row % 2 else 'no'}", header="x,c,y"):
    return "".join(f"{line}\n" for line in [header, *map(cells, range(count))])


@pytest.fixture
def table(tmp_path):
    """Returns a function that writes a file and returns the dataset of it."""

    def write(content, name="t.csv", **fields) -> CSV:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return CSV(path=path, **{"target": "y", **fields})

    return write


def refused(dataset: CSV) -> str:
    """Returns what refuses it, the same in `spec` and `load`."""
    with pytest.raises(ValueError) as early:
        dataset.spec()
    with pytest.raises(DataError) as late:
        dataset.load()
    assert str(late.value) == f"dataset.{early.value}"
    return str(early.value)


def names(dataset: CSV) -> list[str]:
    return [column.name for column in dataset.spec().input.columns]


def noticed(splits) -> str:
    return "\n".join(each.words for each in splits.noticed)


def test_numbers_come_before_categories_and_classes_are_sorted(table):
    dataset = table(lines(), **WHOLE)
    spec = dataset.spec()
    assert dataset.task == "classification"
    assert spec.target.class_names == ("no", "yes")
    assert [(column.name, column.part, column.categories) for column in spec.input.columns] == [
        ("x", "value", ()),
        ("c", "category", ("a", "b", "c")),
    ]
    splits = dataset.load()
    np.testing.assert_array_equal(splits.train.inputs[:4], np.array([[0.5, 1], [1.5, 2], [2.5, 3], [3.5, 1]]))
    assert splits.train.targets[:4].tolist() == [0, 1, 0, 1]
    assert (splits.train.inputs.dtype, splits.train.targets.dtype) == (np.float32, np.int32)
    assert splits.spec.input.mean == pytest.approx((20.0, 0.0))  # codes of categories are not standardised
    assert splits.spec.input.standard_deviation == pytest.approx((np.std(np.arange(ROWS)), 1.0))


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"], ids=["unix", "windows", "macintosh"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters_and_line_endings_are_seen(table, delimiter, ending):
    expected = table(lines(), **WHOLE).load()
    found = table(lines().replace(",", delimiter).replace("\n", ending), "other.txt", **WHOLE).load()
    np.testing.assert_array_equal(found.train.inputs, expected.train.inputs)
    assert found.spec == expected.spec


def test_delimiters_within_quoted_names_and_beside_a_tab_do_not_count(table):
    quoted = lines(cells=lambda row: f"{row}.5;{row % 7};{row % 2}", header='"a, of, it";b;y')
    assert names(table(quoted)) == ["a, of, it", "b"]
    tabs = lines(cells=lambda row: f"{row}.5\t{row % 7}\t{row % 2}", header="a, of, it\tb\ty")
    assert names(table(tabs, "t.tsv")) == names(table(tabs, "t.tab")) == ["a, of, it", "b"]


def test_a_delimiter_may_be_given(table):
    text = lines().replace(",", "~")
    assert names(table(text, delimiter="~")) == ["x", "c"]
    assert names(table(lines().replace(",", "\t"), delimiter="tab")) == ["x", "c"]
    for wrong in ("", "ab", "\n", '"', "é"):
        with pytest.raises(ValueError, match="^delimiter must be auto, tab or one ASCII character"):
            table(text, delimiter=wrong)


def test_quoted_fields_may_hold_delimiters_quotation_marks_and_lines(table):
    def cells(row):
        word = ['"a, b"', '"a ""b"""', '"a\nb"'][row % 3]
        return f"{row},{word},{row % 2}"

    dataset = table(lines(cells=cells), **WHOLE)
    assert dataset.spec().input.columns[1].categories == ("a\nb", 'a "b"', "a, b")
    assert dataset.load().train.inputs[:3, 1].tolist() == [3, 2, 1]


def test_lines_are_counted_within_quoted_fields(table):
    text = 'x,c,y\n1,"a\nb\nc",0\n\n2,d,1\n3,e\n'
    assert "t.csv:7: has 2 fields where the header has 3" in refused(table(text))
    splits = table(text, on_bad_example="skip", **WHOLE).load()
    assert len(splits.train) == 2
    assert len(splits.skipped) == 1


def test_quotation_marks_within_words_are_letters(table):
    spec = table(lines(cells=lambda row: f'{row},{row % 3}" pipe,{row % 2}')).spec()
    assert spec.input.columns[1].categories == ('0" pipe', '1" pipe', '2" pipe')


def test_a_quotation_mark_that_is_never_closed_is_named_with_its_line(table):
    text = lines().replace("7.5,b", '7.5,"b', 1)
    assert "t.csv:9: unexpected end of data; is a quotation mark not closed" in refused(table(text))
    assert "t.csv:9: unexpected end of data" in refused(table(text + "x" * 200_000))
    assert "t.csv:9: ',' expected after" in refused(table(lines().replace("7.5,b", '7.5,"b" b', 1)))
    assert "path has no header: " in refused(table('"' + lines()))


def test_large_files_are_laid_out_in_pieces(table, monkeypatch):
    monkeypatch.setattr("dltrain.features._tables.delimited._CHUNK", 7)
    text = lines(cells=lambda row: f'{row},"a{row % 3}, ""q""\n",{row % 2}') + "1,2\n"
    assert f"t.csv:{2 * ROWS + 2}: has 2 fields" in refused(table(text))
    splits = table(text, on_bad_example="skip", **WHOLE).load()
    assert splits.spec.input.columns[1].categories == tuple(f'a{number}, "q"' for number in range(3))
    assert len(splits.train) == ROWS


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "cp1252", "utf-16", "utf-16-le"])
def test_encodings(table, encoding):
    text = lines(cells=lambda row: f"{row},{['grün', 'café', 'año'][row % 3]},{row % 2}", header="größe,c,y")
    dataset = table(text.encode(encoding), encoding="utf-8" if encoding == "utf-8-sig" else encoding)
    assert names(dataset) == ["größe", "c"]
    assert dataset.spec().input.columns[1].categories == ("año", "café", "grün")


def test_a_wrong_encoding_is_named_with_its_line(table):
    text = lines(cells=lambda row: f"{row},{'grün' if row > 4 else 'blau'},{row % 2}")
    message = refused(table(text.encode("latin-1")))
    assert re.match(r"encoding utf-8 does not fit .*t.csv:7: the byte 0xfc; perhaps latin-1 or cp1252", message)
    assert "perhaps utf-16" in refused(table(text.encode("utf-16")))
    assert "a zero byte; perhaps utf-16" in refused(table(lines().encode("utf-16-le")))
    assert "encoding is none that Python knows: 'klingon'" in refused(table(text, encoding="klingon"))
    assert refused(table(text, encoding="hex")).startswith("encoding ")
    assert refused(table(text, encoding="punycode")).startswith("encoding ")


@pytest.mark.parametrize("name", ["t.csv.gz", "t.tsv", "t.parquet", "t.pq", "t.jsonl", "t.ndjson", "t.jsonl.gz"])
def test_formats_hold_the_same_table(table, tmp_path, name):
    expected = table(lines(), **WHOLE).load()
    frame = pl.read_csv(tmp_path / "t.csv")
    content = {
        ".gz": lambda: gzip.compress(lines().encode() if "csv" in name else frame.write_ndjson().encode()),
        ".tsv": lambda: frame.write_csv(separator="\t").encode(),
        ".jsonl": lambda: frame.write_ndjson().encode(),
        ".ndjson": lambda: frame.write_ndjson().encode(),
    }
    if name.endswith(("parquet", "pq")):
        frame.write_parquet(tmp_path / name)
        found = CSV(path=tmp_path / name, target="y", **WHOLE).load()
    else:
        found = table(content[Path(name).suffix](), name, **WHOLE).load()
    assert found.spec == expected.spec
    np.testing.assert_array_equal(found.train.inputs, expected.train.inputs)
    np.testing.assert_array_equal(found.train.targets, expected.train.targets)


def test_a_pattern_joins_files_whatever_the_order_of_their_columns(table, tmp_path):
    whole = table(lines(), **WHOLE).load()
    frame = pl.read_csv(tmp_path / "t.csv")
    (tmp_path / "t.csv").unlink()
    frame[:10].write_csv(tmp_path / "p1.csv")
    frame[10:].select("y", "x", "c").write_csv(tmp_path / "p2.csv")
    dataset = CSV(path=tmp_path / "p*.csv", target="y", **WHOLE)
    np.testing.assert_array_equal(dataset.load().train.inputs, whole.train.inputs)
    frame.drop("c").write_csv(tmp_path / "p3.csv")
    assert "p3.csv has other columns than" in refused(dataset)
    assert "no file matches" in refused(CSV(path=tmp_path / "q*.csv", target="y"))


def test_a_bad_row_of_a_pattern_is_named_by_its_own_file(table, tmp_path):
    table(lines(), "p1.csv")
    table(lines().replace("3.5,a,yes", "3.5,a,"), "p2.csv")
    assert "p2.csv:5: has no y" in refused(CSV(path=tmp_path / "p*.csv", target="y"))


def test_missing_numbers_are_filled_and_marked(table):
    def cells(row):
        return f"{['', 'NA', '?', 'nan'][row // 10] if row % 10 == 0 else row},{row % 2}"

    for impute, fill in (("median", np.median), ("mean", np.mean), ("zero", lambda _: 0.0)):
        splits = table(lines(cells=cells, header="x,y"), impute=impute, **WHOLE).load()
        assert [column.part for column in splits.spec.input.columns] == ["value", "missing"]
        known = [row for row in range(ROWS) if row % 10]
        assert splits.spec.input.columns[0].fill == pytest.approx(fill(known))
        assert splits.train.inputs[10].tolist() == pytest.approx([fill(known), 1.0])
        assert splits.train.inputs[11].tolist() == [11.0, 0.0]


def test_what_stands_for_a_missing_value_may_be_given(table):
    spec = table(
        lines(cells=lambda row: f"{-99 if row == 3 else row},{row % 2}", header="x,y"), missing_values=("-99",)
    )
    assert names(spec) in (["x", "x missing"], ["x"])
    assert spec.load().train.inputs.min() >= 0


def test_missing_categories_dates_and_texts(table):
    def cells(row):
        if row % 4 == 0:
            return f",,,{row},{row % 2}"
        return f"{'ab'[row % 2]},2020-01-{row % 28 + 1:02},this is text {row},{row},{row % 2}"

    splits = table(lines(cells=cells, header="c,d,t,x,y"), text=("t",), **WHOLE).load()
    columns = {column.name: index for index, column in enumerate(splits.spec.input.columns)}
    inputs = splits.train.inputs
    assert inputs[0, columns["c"]] == 0
    assert inputs[1, columns["c"]] == 2
    assert inputs[0, columns["d year"]] == 2020
    assert inputs[0, columns["t text"]] == 0
    assert inputs[1, columns["t text"]] == pytest.approx(np.log(2))


def test_dates_and_times_are_taken_apart(table):
    forms = ("2021-03-05T17:45:10.5Z", "2021-03-05 17:45", "2021/3/5 17:45:00", "05.03.2021 17:45", "03/05/2021 17:45")
    for form in forms:
        text = lines(cells=lambda row, form=form: f"{form.replace('17', str(row % 24))},{row % 2}", header="d,y")
        splits = table(text, **WHOLE).load()
        names = [column.part for column in splits.spec.input.columns]
        assert names == ["year", "month", "weekday", "day", "time"]
        assert splits.train.inputs[7].tolist() == pytest.approx([2021, 3, 5, 18691, 7.75], abs=0.003)  # a Friday
    text = lines(cells=lambda row: f"2021-03-05 {row % 24}:00,{row % 2}", header="d,y")
    assert table(text, **WHOLE).load().spec.input.columns[-1].part == "hour"


def test_values_of_held_out_parts_that_cannot_be_read_are_told(table):
    def cells(row):
        part = ("train", "test")[row % 4 == 3]
        number, day = (row, f"2020-01-{row % 28 + 1}") if part == "train" else ("much", "soon")
        return f"{number},{day},{part},{row % 2 if part == 'train' else row // 4 % 2}"

    other = table(lines(cells=cells, header="x,d,part,y"), split="part")
    splits = other.load()
    for column, kind, value in (("x", "numbers", "much"), ("d", "dates", "soon")):
        words = f"column '{column}': it is read as {kind}; 10 of its values are not and count as missing (10 in test)"
        assert re.search(re.escape(f"{words}, for example '{value}', ") + r"\S*t.csv:5", noticed(splits))
    assert [each.is_warning for each in splits.noticed] == [True, True]  # the whole of a part
    other = table("x,d,y\n1,2020-01-01,0\nfew,2020-01-01,1\n", **WHOLE).load(splits.spec)
    assert "1 of its values are not and count as missing (1 in train), for example 'few'" in noticed(other)
    assert [each.is_warning for each in other.noticed] == [False]


def test_the_order_of_stroke_dates_is_seen_from_all_rows(table):
    def parts(text, like=None):
        return table(text, **WHOLE).load(like)

    european = parts(lines(cells=lambda row: f"{row % 28 + 1}/2/2020,{row % 2}", header="d,y"))
    assert european.train.inputs[3, :3].tolist() == [2020, 2, 2]  # the 4th, a Tuesday
    american = parts(lines(cells=lambda row: f"2/{row % 28 + 1}/2020,{row % 2}", header="d,y"))
    np.testing.assert_array_equal(american.train.inputs, european.train.inputs)
    assert not european.noticed
    assert parts("d,y\n4/2/2020,0\n5/2/2020,1\n", european.spec).train.inputs[0, 1] == 2
    either = parts(lines(cells=lambda row: f"3/{row % 12 + 1}/2020,{row % 2}", header="d,y"))
    assert either.train.inputs[3, :2].tolist() == [2020, 3]
    assert "column 'd': 3/4/2020 is read as the 4th of March" in noticed(either)


def test_a_column_with_decimal_commas_is_one_of_numbers(table):
    text = lines(cells=lambda row: f"{row},{row % 10}5;{row % 2}", header="x;y")
    splits = table(text, **WHOLE).load()
    assert splits.train.inputs[13].tolist() == pytest.approx([13.35])
    assert "column 'x' has decimal commas: '0,05' is read as 0.05" in noticed(splits)
    assert table(lines(cells=lambda row: f"{row};{row},5", header="x;y")).task == "regression"
    splits = table(lines(cells=lambda row: f"{row};{row + 1},250{',000' * (row > 9)};{row % 2}", header="x;p;y")).load()
    assert "column 'p' has commas that may separate thousands or decimals, as in '1,250'" in noticed(splits)


def test_days_of_a_parquet_file_have_no_hour(table, tmp_path):
    import datetime

    days = [datetime.date(2020, 1, 1) + datetime.timedelta(days=number) for number in range(ROWS)]
    pl.DataFrame({"d": days, "y": [0, 1] * (ROWS // 2)}).write_parquet(tmp_path / "t.parquet")
    dataset = CSV(path=tmp_path / "t.parquet", target="y")
    assert names(dataset) == ["d year", "d month", "d weekday", "d day"]


def test_texts_are_counts_of_their_most_frequent_words(table):
    words = ("red green blue", "RED red yellow", "green red pink")
    text = lines(cells=lambda row: f'"{words[row % 3]} number{row}",{row % 2}', header="t,y")
    splits = table(text, words=2, **WHOLE).load()
    assert [column.word for column in splits.spec.input.columns] == ["red", "green"]
    np.testing.assert_allclose(splits.train.inputs[:3], np.log1p([[1, 1], [2, 0], [1, 1]]), rtol=1e-6)


def test_columns_that_say_nothing_are_left_out_and_said(table):
    def cells(row):
        return f"{row},{row * 7},same,,{row:x}{row * 977:x}{row * 31337:x},{row % 2}"

    splits = table(lines(cells=cells, header="x,row_id,constant,empty,hash,y")).load()
    assert [column.name for column in splits.spec.input.columns] == ["x"]
    said = noticed(splits)
    assert "'row_id' is not used: it is a different whole number in each row" in said
    assert "'constant' is not used: each row has the same value, 'same'" in said
    assert "'empty' is not used: it has no values" in said
    assert "'hash' is not used: it is a different word in almost each row" in said


@pytest.mark.parametrize("name", ["id", "ID", "Id", "row_id", "customer ID", "customerId", "userID", "Index", "row"])
def test_names_of_keys_are_seen(table, name):
    assert names(table(lines(cells=lambda row: f"{row}.5,{row},{row % 2}", header=f"x,{name},y"))) == ["x"]


HOUSES = lines(
    cells=lambda row: f'{row}.5,"{"Ünhappily" if row % 2 else "happily"}, house {row} is standing, far off",{row % 2}',
    header="x,note,y",
)


@pytest.mark.parametrize("kind", ["words", "wordpiece", "bpe", "unigram"])
def test_texts_may_be_counts_of_their_most_frequent_tokens(table, kind):
    splits = table(HOUSES, tokenizer=kind, vocabulary_size=300, words=30, **WHOLE).load()
    feature = splits.spec.input
    counted = [column for column in feature.columns if column.source == "note"]
    assert {column.part for column in counted} == {"token"} and 5 < len(counted) <= 30
    assert not {column.word for column in counted} & {"[UNK]", "[CLS]", "[SEP]"}
    stored = splits.train.inputs
    assert splits.spec == type(splits.spec).of_plain(json.loads(json.dumps(splits.spec.plain())))
    again = feature.encode(json.loads(json.dumps(feature.decode(stored))))
    np.testing.assert_array_equal(again.stored, stored)
    raws = [{"x": 1.5, "note": "a house, a HOUSE"}, {"x": 2, "note": None}]
    rows = feature.encode(raws).stored
    assert rows[0, 1:].any() and not rows[1, 1:].any()
    from tokenizers import Tokenizer

    found = Tokenizer.from_str(feature.files()["tokenizer.json"].decode()).encode(
        raws[0]["note"], add_special_tokens=False
    )
    for place, column in enumerate(feature.columns[1:], 1):
        assert rows[0, place] == pytest.approx(np.log1p(found.tokens.count(column.word)))


def test_a_request_schema_takes_texts_and_the_tokens_that_are_shown_of_them(table):
    jsonschema = pytest.importorskip("jsonschema")
    splits = table(HOUSES, tokenizer="words", words=9, **WHOLE).load()
    feature = splits.spec.input
    for raw in (*feature.decode(splits.train.inputs[:2]), {"x": 1, "note": "a house"}, {"x": None, "note": None}):
        jsonschema.validate(raw, feature.request_schema())
    for note in (7, ["house", 7]):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({"x": 1, "note": note}, feature.request_schema())


def test_no_text_is_taken_for_names_of_tokens_whatever_it_begins_with(table):
    marked = table(HOUSES.replace(',"', ',"\x1f'), "marked.csv", tokenizer="words", words=30, **WHOLE).load()
    plain = table(HOUSES, tokenizer="words", words=30, **WHOLE).load()
    assert marked.spec == plain.spec
    np.testing.assert_array_equal(marked.train.inputs, plain.train.inputs)
    cells = ["house is standing", "\x1fhouse is standing", ["house", "is", "standing", "\x1fhouse", "unheard-of"]]
    rows = plain.spec.input.encode([{"x": 1, "note": cell} for cell in cells]).stored
    np.testing.assert_array_equal(rows[1:], rows[[0, 0]])


def test_nothing_but_the_train_part_teaches_tokens(table):
    split = lines(
        cells=lambda row: (
            f'"{"zebra zebra zebra" if row % 2 else "house is far"} {row}",{("train", "test")[row % 2]},{row // 2 % 2}'
        ),
        header="t,part,y",
    )
    spec = table(split, tokenizer="words", split="part", text=("t",)).spec()
    assert "house" in spec.input.tokenizer and "zebra" not in spec.input.tokenizer


def test_tokens_of_a_file_are_counted_and_others_are_told(table, tmp_path):
    learnt = table(HOUSES, words=9, tokenizer="wordpiece", vocabulary_size=100, **WHOLE).load().spec
    (tmp_path / "run-001").mkdir()
    (tmp_path / "run-001/tokenizer.json").write_bytes(learnt.input.files()["tokenizer.json"])
    same = table(HOUSES, words=9, tokenizer=tmp_path / "run", **WHOLE).load().spec
    assert same.input == learnt.input and same.input.mismatch(learnt.input) is None
    other = table(HOUSES, words=9, tokenizer="bpe", **WHOLE).load().spec
    assert "its texts have other tokens" in other.input.mismatch(learnt.input)
    assert table(HOUSES, **WHOLE).load().spec.input.files() == {}
    (tmp_path / "run-001/tokenizer.json").unlink()
    assert table(HOUSES, tokenizer="words", **WHOLE).load(learnt).spec == learnt


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"ignore": ("note",)}, "tokenizer is for columns of texts, of which there is none"),
        ({"tokenizer": Path("none.json")}, "tokenizer cannot be read: none.json"),
        ({"vocabulary_size": 5}, "vocabulary_size must be at least 6, got 5"),
    ],
)
def test_a_tokenizer_that_cannot_be_used_is_told(table, fields, message):
    with pytest.raises(ValueError, match=message):
        table(HOUSES, **{"tokenizer": "words", **WHOLE, **fields}).spec()


@pytest.mark.parametrize("key", ["vocabulary_size", "lowercase", "strip_accents"])
def test_a_key_of_tokens_that_is_read_by_nothing_is_refused(table, key):
    value = 300 if key == "vocabulary_size" else False
    table(HOUSES, tokenizer="words", **{key: value})
    others = [None, Path("tokenizer.json"), Path("vocab.json"), Path("spiece.model")]
    for kind in [*others, Path("vocab.txt"), Path("bert")]:
        if kind not in others and key != "vocabulary_size":
            table(HOUSES, tokenizer=kind, **{key: value})
            continue
        with pytest.raises(KeyProblem, match="has no effect (without|beside the) tokenizer.*: leave it out") as caught:
            table(HOUSES, tokenizer=kind, **{key: value})
        assert caught.value.key == key


def test_all_keys_that_are_read_by_nothing_are_told_at_once(table):
    with pytest.raises(ExceptionGroup) as caught:
        table(HOUSES, lowercase=True, vocabulary_size=9)
    assert [each.key for each in caught.value.exceptions] == ["lowercase", "vocabulary_size"]


def test_without_the_package_a_tokenizer_names_the_extra(table, monkeypatch):
    monkeypatch.setattr("dltrain.features._text.tokenizing.find_spec", lambda name: None)
    table(HOUSES, **WHOLE).spec()
    with pytest.raises(KeyProblem, match=r"texts need the package tokenizers: pip install 'dltrain\[text\]'"):
        table(HOUSES, tokenizer="words", **WHOLE)


@pytest.mark.parametrize("name", ["PAID", "SCORE_GRID", "paid", "VALID", "grid", "brow"])
def test_words_that_end_like_a_key_are_none(table, name):
    assert names(table(lines(cells=lambda row: f"{row}.5,{row},{row % 2}", header=f"x,{name},y"))) == ["x", name]


def test_dates_are_no_target_and_durations_are_seconds(table, tmp_path):
    import datetime

    start, hours = datetime.datetime(2020, 1, 1), [datetime.timedelta(hours=row) for row in range(ROWS)]
    for values in ([start + hour for hour in hours], [(start + 24 * hour).date() for hour in hours]):
        pl.DataFrame({"x": range(ROWS), "y": values}).write_parquet(tmp_path / "t.parquet")
        assert "target 'y' is a date or time" in refused(CSV(path=tmp_path / "t.parquet", target="y"))
    text = lines(cells=lambda row: f"{row},2020-01-{row % 28 + 1:02} {row % 24}:00", header="x,y")
    assert "target 'y' is a date or time" in refused(table(text))
    pl.DataFrame({"x": hours, "y": hours}).write_parquet(tmp_path / "t.parquet")
    splits = CSV(path=tmp_path / "t.parquet", target="y", **WHOLE).load()
    assert splits.train.targets[2].tolist() == [7200.0]
    assert splits.train.inputs[2].tolist() == [7200.0]
    assert "column 'y' holds durations, which are read as seconds" in noticed(splits)


def test_lines_that_an_open_quotation_mark_swallows_are_told(table):
    text = lines().replace("7.5,b", '7.5,"b', 1)
    splits = table(text, on_bad_example="skip", **WHOLE).load()
    assert splits.skipped[0].endswith("lines 9 to 41 are lost by it")


def test_roles_may_be_given(table):
    def cells(row):
        return f"{row},0{row % 3},{row * 7},{'abc'[row % 3]},{row % 2}"

    fields = {"numeric": ("row_id",), "categorical": ("code",), "text": ("c",), "ignore": ("x",)}
    spec = table(lines(cells=cells, header="x,code,row_id,c,y"), **fields).spec()
    assert [(column.name, column.part) for column in spec.input.columns] == [
        ("row_id", "value"),
        ("c a", "word"),
        ("c b", "word"),
        ("c c", "word"),
        ("code", "category"),
    ]
    assert spec.input.columns[-1].categories == ("00", "01", "02")
    with pytest.raises(ValueError, match="^ignore names 'x', which is already in numeric"):
        table(lines(), numeric=("x",), ignore=("x",))
    with pytest.raises(ValueError, match="^target must name"):
        table(lines(), target=())


def test_numbers_with_a_few_words_among_them_are_numbers_and_it_is_said(table):
    text = lines(100, cells=lambda row: f"{'about ten' if row == 7 else row},{row % 2}", header="x,y")
    splits = table(text, **WHOLE).load()
    assert [column.name for column in splits.spec.input.columns] == ["x", "x missing"]
    words = "1 of its values are not and count as missing (1 in train), for example 'about ten', "
    assert words in noticed(splits)
    assert noticed(splits).endswith("t.csv:9")
    message = refused(table(text, numeric=("x",)))
    assert "t.csv:9: x must be a number, got 'about ten'" in message
    splits = table(text, numeric=("x",), on_bad_example="skip", **WHOLE).load()
    assert [column.name for column in splits.spec.input.columns] == ["x"]
    assert len(splits.skipped) == 1


def test_many_categories_get_a_vector_and_more_still_are_unseen(table, monkeypatch):
    text = lines(200, cells=lambda row: f"c{row % 15:02},{row % 2}", header="c,y")
    assert table(text, one_hot_up_to=15).spec().input.columns[0].embedding is None
    assert table(text, one_hot_up_to=14).spec().input.columns[0].embedding == round(1.6 * 15**0.56)
    monkeypatch.setattr("dltrain.features._tables.columns.MOST_CATEGORIES", 4)
    (column,) = table(text, words=99, **WHOLE).spec().input.columns
    assert column.categories == ("c00", "c01", "c02", "c03")


def test_a_weight_column_goes_with_its_rows(table):
    text = lines(cells=lambda row: f"{row},{row / 10},{row % 2}", header="x,w,y")
    splits = table(text, weight="w").load()
    assert [column.name for column in splits.spec.input.columns] == ["x"]
    for part in (splits.train, splits.validation, splits.test):
        np.testing.assert_allclose(part.weights, part.inputs[:, 0] / 10, rtol=1e-6)
    message = refused(table(text.replace("3,0.3,1", "3,-1,1").replace("5,0.5,1", "5,heavy,1"), weight="w"))
    assert "t.csv:7: w must be a number, got 'heavy'" in message
    assert "t.csv:5: w must be a number of at least 0, got '-1'" in refused(
        table(text.replace("3,0.3,1", "3,-1,1"), weight="w")
    )
    assert "weight 'w' is 0 in each row" in refused(table(re.sub(r",[\d.]+,", ",0,", text), weight="w"))


def test_a_split_column_says_which_part_a_row_belongs_to(table):
    parts = ("train", "Train", "val", "TEST")
    text = lines(cells=lambda row: f"{row},{parts[row % 4]},{row // 4 % 2}", header="x,part,y")
    splits = table(text, split="part").load()
    assert sorted(splits.validation.inputs[:, 0]) == list(range(2, ROWS, 4))
    assert sorted(splits.test.inputs[:, 0]) == list(range(3, ROWS, 4))
    assert len(splits.train) == ROWS // 2
    assert "t.csv:2: part must be train, validation or test, got 'training?'" in refused(
        table(text.replace("0,train", "0,training?"), split="part")
    )
    assert "leaves no row for training" in refused(table(re.sub(",[Tt]rain,", ",test,", text), split="part"))
    alone = text.replace("3,TEST,0", "3,TEST,7")
    assert "leaves no row for training of class '7'" in refused(table(alone, split="part"))


@pytest.mark.parametrize(
    ("values", "task", "classes"),
    [
        ((0, 1), "classification", ("0", "1")),
        ((10, 9, 2), "classification", ("2", "9", "10")),
        (("1.0", "2.0"), "classification", ("1", "2")),
        (("b", "a", "10", "9"), "classification", ("9", "10", "a", "b")),
        (("true", "false"), "classification", ("false", "true")),
        ((-1, 1), "classification", ("-1", "1")),
        (range(20), "classification", tuple(map(str, range(20)))),
        (range(21), "regression", ()),
        ((0.5, 1.5), "regression", ()),
    ],
)
def test_the_kind_of_a_target_is_seen(table, values, task, classes):
    dataset = table(lines(60, cells=lambda row: f"{row},{values[row % len(values)]}", header="x,y"), **WHOLE)
    assert dataset.task == task
    targets = dataset.load().train.targets
    groups = dataset.spec().groups(targets)
    assert (groups.names if groups else ()) == classes
    if task == "regression":
        assert targets[:, 0].tolist() == [float(values[row % len(values)]) for row in range(60)]
    else:
        shown = [classes[code] for code in targets]
        assert shown == [str(values[row % len(values)]).removesuffix(".0") for row in range(60)]


def test_the_kind_of_a_target_may_be_given(table):
    text = lines(60, cells=lambda row: f"{row},{row % 3}", header="x,y")
    assert table(text, kind="numbers").task == "regression"
    dataset = table(lines(60, cells=lambda row: f"{row},{row % 30}", header="x,y"), kind="classes")
    assert len(dataset.spec().target.class_names) == 30
    assert table(text.replace(",2\n", ",1\n"), kind="labels").load().train.targets.shape[1] == 1


def test_several_numbers_are_predicted_at_once(table):
    text = lines(cells=lambda row: f"{row},{row * 2},{row * 100 + 5}", header="x,a,b")
    dataset = table(text, target=("b", "a"), **WHOLE)
    splits = dataset.load()
    assert dataset.task == "regression"
    assert [target.name for target in splits.spec.target.each] == ["b", "a"]
    np.testing.assert_array_equal(splits.train.targets[2], [205, 4])
    assert splits.spec.target.each[0].mean == pytest.approx(splits.train.targets[:, 0].mean())
    assert splits.spec.target.each[1].standard_deviation == pytest.approx(splits.train.targets[:, 1].std())


def test_several_columns_of_zero_and_one_are_labels(table):
    text = lines(cells=lambda row: f"{row},{row % 2},{row % 3 == 0},{float(row % 5 == 0)}", header="x,a,b,c")
    dataset = table(text, target=("a", "b", "c"), **WHOLE)
    splits = dataset.load()
    assert dataset.task == "multilabel"
    assert splits.spec.target.class_names == ("a", "b", "c")
    np.testing.assert_array_equal(splits.train.targets[:4], [[0, 1, 1], [1, 0, 0], [0, 0, 0], [1, 1, 0]])
    wrong = table(text.replace("\n7,1,", "\n7,2,"), target=("a", "b", "c"), kind="labels")
    assert "t.csv:9: a must be 0 or 1, as a label is, got '2'" in refused(wrong)


def test_everything_is_learnt_of_the_training_part_alone(table):
    def cells(row, fresh):
        part = "test" if row % 3 == 0 else "train"
        if fresh and part == "test":
            return f"much,unseen{row},30.12.1999,wholly other words,{part},{1e30 if row else ''},{row}.25"
        return f"{row},{'abc'[row % 3]},2020-01-{row % 28 + 1},these words are {row},{part},{row * 2},{row}.5"

    header = "x,c,d,t,part,z,y"
    first, second = (
        table(
            lines(90, cells=lambda row, fresh=fresh: cells(row, fresh), header=header),
            f"{fresh}.csv",
            split="part",
            text=("t",),
        )
        for fresh in (False, True)
    )
    before = first.load()
    after = second.load()
    assert after.spec == before.spec
    np.testing.assert_array_equal(after.train.inputs, before.train.inputs)
    assert not np.array_equal(after.test.inputs, before.test.inputs)


def test_rows_held_out_at_random_are_not_learnt_of(table):
    text = lines(100, cells=lambda row: f"{row},w{row % 7},{row % 2}", header="x,c,y")
    splits = table(text).load()
    held = {int(row) for part in (splits.test, splits.validation) for row in part.inputs[:, 0]}
    assert len(held) == 28
    changed = lines(
        100,
        cells=lambda row: f"{row * 1000 if row in held else row},{'new' if row in held else f'w{row % 7}'},{row % 2}",
        header="x,c,y",
    )
    assert table(changed).load().spec == splits.spec


def test_other_data_are_read_with_what_was_learnt(table):
    learnt = table(lines(cells=lambda row: f"{row},{'abc'[row % 3]},{row % 2}"), **WHOLE).load().spec
    other = table("y,more,c,x\n1,5,b,1000\n0,5,z,\n0,5,,7\n", **WHOLE)
    splits = other.load(learnt)
    assert splits.spec == learnt
    np.testing.assert_array_equal(splits.train.inputs, np.array([[1000, 2], [learnt.input.columns[0].fill, 0], [7, 0]]))
    assert splits.train.targets.tolist() == [1, 0, 0]
    one_class = table("x,c,y\n1,a,1\n2,a,1\n", **WHOLE).load(learnt)
    assert one_class.train.targets.tolist() == [1, 1]
    assert DataSpec.of_plain(json.loads(json.dumps(learnt.plain()))) == learnt


def test_other_data_that_do_not_fit_are_refused(table):
    learnt = table(lines(), **WHOLE).load().spec
    for text, message in (
        ("x,y\n1,no\n", "dataset.path has no column 'c', which the run was trained on"),
        ("xx,c,y\n1,a,no\n", "has no column 'x', which the run was trained on, did you mean \"xx\"?"),
        ("x,c\n1,a\n", "dataset.target is not a column of t.csv: 'y'"),
        ("x,c,y\n1,a,maybe\n", "target has a class that the run does not know: 'maybe', "),
    ):
        with pytest.raises(DataError, match=re.escape(message)):
            table(text, **WHOLE).load(learnt)


def test_numbers_are_read_with_what_was_learnt(table):
    text = lines(cells=lambda row: f"{row},{row * 3.5}", header="x,y")
    learnt = table(text, **WHOLE).load().spec
    splits = table("x,y\n1,1\n2,0\n", **WHOLE).load(learnt)
    assert splits.train.targets.tolist() == [[1.0], [0.0]]
    assert splits.spec.target == learnt.target


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("5.5,c,yes,more", "t.csv:7: has 4 fields where the header has 3"),
        ("5.5", "t.csv:7: has 1 field where the header has 3"),
        ("5.5,c,", "t.csv:7: has no y"),
        ("1e39,c,yes", "t.csv:7: x must be within float32, which ends at 3.4e38, got '1e39'"),
        ("-inf,c,yes", "t.csv:7: x must be within float32, which ends at 3.4e38, got '-inf'"),
        ("much,c,yes", "t.csv:7: x must be a number, got 'much'"),
    ],
)
def test_a_row_that_cannot_be_used_is_named_or_skipped(table, bad, message):
    text = lines().replace("5.5,c,yes", bad, 1)
    fields = {"numeric": ("x",)}
    said = refused(table(text, **fields))
    assert said.startswith("path has rows that cannot be used:\n")
    assert message in said
    assert said.endswith("to skip them, set on_bad_example: skip")
    splits = table(text, on_bad_example="skip", **fields, **WHOLE).load()
    assert len(splits.train) == ROWS - 1
    assert len(splits.skipped) == 1
    assert message in splits.skipped[0]


def test_more_rows_than_a_message_holds_are_counted(table):
    assert "... and 15 more" in refused(table(lines().replace(",yes", "")))


def test_dates_that_are_none_are_row_faults(table):
    text = lines(cells=lambda row: f"{'soon' if row == 2 else f'2020-02-{row % 28 + 1}'},{row % 2}", header="d,y")
    assert "t.csv:4: d must be a date, for example 2020-12-31 23:59, got 'soon'" in refused(table(text, dates=("d",)))
    assert "2020-02-30" in refused(table(text.replace("soon", "2020-02-30"), dates=("d",)))
    assert len(table(text, dates=("d",), on_bad_example="skip").load().skipped) == 1


@pytest.mark.parametrize(
    ("content", "fields", "message"),
    [
        (lines(), {"target": "yy"}, "target is not a column of t.csv: 'yy'"),
        (lines(header="x,c,Y"), {"target": "y"}, "target is not a column of t.csv: 'y'"),
        (lines(header="x,c,price"), {"target": "prise"}, 'did you mean "price"?'),
        (lines(), {"numeric": ("z",)}, "numeric is not a column of t.csv: 'z'; there are x, c, y"),
        (lines(), {"weight": "w"}, "weight is not a column"),
        (lines(), {"split": "s"}, "split is not a column"),
        (lines(), {"delimiter": ";"}, "delimiter ';' does not occur in"),
        (lines().replace(",", "~"), {}, "the only one is 'x~c~y': set delimiter?"),
        ("", {}, "path is empty: "),
        ("\n\n  \n", {}, "path is empty: "),
        ("x,c,y\n", {}, "has a header, no rows"),
        ("x,c,y", {}, "has a header, no rows"),
        ("x,c,y\n1,2\n", {"on_bad_example": "skip"}, "holds no row that can be used: "),
        (lines(header="x,x,y"), {}, "t.csv:1: the header must name each column once: 'x' is there twice"),
        (lines(header="x, ,y"), {}, "t.csv:1: the header must name each column: column 2 has no name"),
        (lines(header=",c,y"), {}, "if pandas wrote it as an index"),
        (lines(cells=lambda row: f"{row},,{row % 2}"), {"numeric": ("c",)}, "numeric names 'c', which has no values"),
        (lines(cells=lambda row: f"{row},,{row % 2}"), {"text": ("c",)}, "text names 'c', which has no values"),
        (lines(cells=lambda row: f"{row},a,"), {}, "target 'y' has no values in t.csv"),
        (lines(cells=lambda row: f"{row},a,1"), {}, "target 'y' must have at least 2 classes, got only '1'"),
        (
            lines(cells=lambda row: f"{row},a,name {row}"),
            {},
            "target 'y' has 40 different words in 40 rows: too many for classes",
        ),
        (lines(cells=lambda row: f"1,a,{row % 2}"), {}, "path has no column beside the target to learn from"),
        (
            lines(cells=lambda row: f"1,a,{row}.5"),
            {"test_fraction": 0.99},
            "path has no column beside the target to learn from",
        ),
    ],
)
def test_tables_that_cannot_be_learnt_from_are_refused(table, content, fields, message):
    assert message in refused(table(content, **fields))


def test_a_class_with_one_row_is_said_with_its_line(table):
    text = lines().replace("7.5,b,yes", "7.5,b,perhaps", 1)
    splits = table(text).load()
    assert re.search(
        r"class 'perhaps' has one row only, \S*t.csv:9: it cannot be in the train part and in another", noticed(splits)
    )
    assert splits.spec.target.class_names == ("no", "perhaps", "yes")
    assert 1 in splits.train.targets


def test_a_target_of_numbers_with_a_word_names_the_row(table):
    text = lines(100, cells=lambda row: f"{row},{'none' if row == 9 else row / 2}", header="x,y")
    assert "t.csv:11: y must be a number, got 'none'" in refused(table(text))


def test_what_is_no_file_is_refused(table, tmp_path):
    (tmp_path / "folder.csv").mkdir()
    assert "is a folder, not a file" in refused(CSV(path=tmp_path / "folder.csv", target="y"))
    assert "no such file" in refused(CSV(path=tmp_path / "none.csv", target="y"))


def test_a_file_without_permission_is_refused(table, monkeypatch):
    dataset = table(lines())
    if os.geteuid():
        dataset.path.chmod(0)
    else:  # who may read everything

        def denied(path, *_):
            raise PermissionError(13, "Permission denied", str(path))

        monkeypatch.setattr("dltrain.untrusted.content", denied)
    assert re.match(r"path cannot be read: .*t.csv: Permission denied", refused(dataset))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.parquet", b"hello", "path cannot be read: "),
        ("t.parquet", b"", "path cannot be read: "),
        ("t.parquet", b"PAR1" + bytes(40) + b"PAR1", "path cannot be read: "),
        ("t.csv.gz", b"hello", "path cannot be read: "),
        ("t.csv.gz", gzip.compress(lines().encode(), mtime=0)[:-20], "path cannot be read: "),
        ("t.csv.gz", b"\x1f\x8b\x08" + bytes(range(7)) + b"\xff" * 20, "path cannot be read: "),
        ("t.csv.gz", gzip.compress(b"", mtime=0), "path is empty: "),
        ("t.jsonl", b'{"x": 1, "y": 0}\n{"x": \n', "t.jsonl:2: must be JSON: "),
        ("t.jsonl", b'{"x": 1, "y": 0}\n\n[1, 2]\n', "t.jsonl:3: must be an object"),
        ("t.jsonl", b"[" * 100_000, "t.jsonl:1: must be JSON: "),
    ],
)
def test_files_that_are_not_what_their_name_says_are_refused(table, name, content, message):
    assert message in refused(table(content, name))


def test_lines_that_are_no_json_may_be_skipped(table):
    rows = [json.dumps({"x": row, "y": row % 2}) for row in range(ROWS)]
    rows[3] = '{"x": 3'
    rows[5] = "7"
    splits = table("\n\n".join(rows), "t.jsonl", on_bad_example="skip", **WHOLE).load()
    assert len(splits.train) == ROWS - 2
    assert [message.partition("t.jsonl:")[2].partition(":")[0] for message in splits.skipped] == ["7", "11"]


def test_json_lines_may_hold_pythons_nan_and_a_number_beyond_all(table):
    rows = [json.dumps({"x": row, "y": row % 2}) for row in range(ROWS)]
    rows[3] = json.dumps({"x": float("nan"), "y": 1})
    splits = table("\n".join(rows), "t.jsonl", **WHOLE).load()
    assert [column.part for column in splits.spec.input.columns] == ["value", "missing"]
    assert np.flatnonzero(splits.train.inputs[:, 1]).tolist() == [3]
    rows[4] = json.dumps({"x": float("-inf"), "y": 0})
    message = "t.jsonl:5: x must be within float32, which ends at 3.4e38, got '-inf'"
    assert message in refused(table("\n".join(rows), "t.jsonl"))


def test_json_values_of_another_kind_are_named_and_may_be_skipped(table):
    rows = [{"x": row, "c": "ab"[row % 2], "y": row % 2} for row in range(ROWS)]
    rows[3]["x"], rows[5]["c"], rows[9]["x"] = [3], {"b": 1}, True
    text = "\n".join(map(json.dumps, rows))
    message = refused(table(text, "t.jsonl"))
    assert "t.jsonl:4: x must be a number as in most rows, got a list" in message
    assert "t.jsonl:6: c must be a text as in most rows, got an object" in message
    assert "t.jsonl:10: x must be a number as in most rows, got a boolean" in message
    splits = table(text, "t.jsonl", on_bad_example="skip", **WHOLE).load()
    assert (len(splits.train), len(splits.skipped)) == (ROWS - 3, 3)


def test_nan_is_no_value_and_no_class(tmp_path):
    nan = float("nan")
    values = {"x": [nan if row == 2 else row / 1 for row in range(ROWS)]}
    values["y"] = [nan if row == 4 else float(row % 2) for row in range(ROWS)]
    pl.DataFrame(values).write_parquet(tmp_path / "t.parquet")
    dataset = CSV(path=tmp_path / "t.parquet", target="y", **WHOLE)
    assert "t.parquet:5: has no y" in refused(dataset)
    splits = CSV(path=tmp_path / "t.parquet", target="y", on_bad_example="skip", **WHOLE).load()
    assert splits.spec.target.class_names == ("0", "1")
    assert [column.part for column in splits.spec.input.columns] == ["value", "missing"]


def test_lists_and_structures_are_left_out_and_said(table):
    text = "\n".join(json.dumps({"x": row, "l": [row], "s": {"a": row}, "y": row % 2}) for row in range(ROWS))
    splits = table(text, "t.jsonl").load()
    assert [column.name for column in splits.spec.input.columns] == ["x"]
    assert "column 'l' is not used: it holds List(Int64)" in noticed(splits)


def test_a_target_of_lists_is_refused_as_such(tmp_path):
    pl.DataFrame({"x": range(ROWS), "y": [[row] for row in range(ROWS)]}).write_parquet(tmp_path / "t.parquet")
    message = "target 'y' holds List(Int64), not numbers, texts or dates"
    assert refused(CSV(path=tmp_path / "t.parquet", target="y")) == message
    pl.DataFrame({"x": range(ROWS), "l": [[1]] * ROWS, "y": [0, 1] * (ROWS // 2)}).write_parquet(tmp_path / "t.pq")
    assert names(CSV(path=tmp_path / "t.pq", target="y", ignore=("l",))) == ["x"]


@pytest.mark.parametrize("name", ["t.json", "t.csv.zip", "t.xlsx", "t.csv.bz2"])
def test_files_of_other_kinds_are_refused_with_those_that_are_read(table, name):
    message = refused(table(lines(), name))
    assert message.startswith("path must be .csv, .tsv, .tab, .txt, .jsonl or .ndjson, plain or .gz, or .parquet or")
    assert f"got {name}" in message


def test_parquet_columns_of_any_kind(table, tmp_path):
    import datetime
    import decimal

    even = list(range(ROWS))
    frame = pl.DataFrame(
        {
            "flag": [row % 3 == 0 for row in even],
            "kind": pl.Series(["abc"[row % 3] for row in even], dtype=pl.Categorical),
            "choice": pl.Series(["ab"[row % 2] for row in even], dtype=pl.Enum(["a", "b"])),
            "price": [decimal.Decimal(row) / 4 for row in even],
            "small": pl.Series(even, dtype=pl.UInt8),
            "moment": [datetime.datetime(2020, 1, 1, row % 24) for row in even],
            "clock": [datetime.time(row % 24) for row in even],
            "span": [datetime.timedelta(seconds=row) for row in even],
            "bytes": [b"x"] * ROWS,
            "nothing": pl.Series([None] * ROWS, dtype=pl.Null),
            "y": pl.Series([row % 2 for row in even], dtype=pl.Float64),
        }
    )
    frame.write_parquet(tmp_path / "t.parquet")
    dataset = CSV(path=tmp_path / "t.parquet", target="y", **WHOLE)
    spec = dataset.load().spec
    assert spec.target.class_names == ("0", "1")
    sources = dict.fromkeys(column.source for column in spec.input.columns)
    assert list(sources) == ["flag", "price", "small", "moment", "clock", "span", "kind", "choice"]


def test_the_same_files_are_read_once_for_the_same_question(table, monkeypatch):
    import dltrain.datasets.csv as source

    calls = []
    original = source.read
    monkeypatch.setattr(source, "read", lambda *given: calls.append(1) or original(*given))
    dataset = table(lines())
    dataset.spec()
    dataset.load()
    CSV(path=dataset.path, target="y").spec()
    assert len(calls) == 1
    os.utime(dataset.path, (0, 0))
    CSV(path=dataset.path, target="y").spec()
    assert len(calls) == 2


def test_mutated_files_give_a_table_or_one_message(table):
    """A few thousand small files, broken at random."""
    chance = random.Random(0)
    cells = [
        '"',
        '""',
        ",",
        "\n",
        "\r",
        ";",
        "\t",
        "|",
        "é",
        "1e400",
        "-",
        "NaN",
        "0",
        " ",
        "\0",
        "\ufeff",
        "2020-01-01",
    ]
    whole = lines(12, cells=lambda row: f'{row}.5,"a{row % 3}",2020-01-{row + 1:02},{row % 2}', header="x,c,d,y")
    told = 0
    for _ in range(int(os.environ.get("DLTRAIN_FUZZ", "400"))):
        text = whole
        for _ in range(chance.randint(1, 6)):
            at = chance.randrange(len(text))
            text = text[:at] + chance.choice([*cells, ""]) + text[at + chance.randint(0, 4) :]
        content = bytearray(text.encode())
        if chance.random() < 0.2:
            content[chance.randrange(len(content))] = chance.randrange(256)
        dataset = table(
            bytes(content),
            chance.choice(["t.csv", "t.csv", "t.csv", "t.jsonl", "t.parquet", "t.csv.gz"]),
            on_bad_example=chance.choice(["skip", "error"]),
            kind=chance.choice(["auto", "classes", "numbers"]),
            numeric=chance.choice([(), ("x",)]),
            dates=chance.choice([(), ("d",)]),
        )
        try:
            splits = dataset.load()
            assert np.isfinite(splits.train.inputs).all()
            assert len(splits.train.inputs) == len(splits.train.targets)
        except DataError as error:
            told += 1
            assert re.match(r"dataset\.[a-z]+ ", str(error)), content
    assert told > 20
