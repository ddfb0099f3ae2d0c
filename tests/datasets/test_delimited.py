import csv
import io
import random
from pathlib import Path

import polars as pl
import pytest

from dltrain.features._tables.delimited import _parse_odd, parse
from dltrain.features._tables.files import read

PIECES = ["a", "1", '"', ",", "\n", "\r\n", " b", "é", ""]


@pytest.mark.parametrize("chunk", [5, 64, 2**24])
def test_rows_are_what_pythons_own_parser_finds(monkeypatch, chunk):
    monkeypatch.setattr("dltrain.features._tables.delimited._CHUNK", chunk)
    chance = random.Random(1)
    for _ in range(300):
        rows = [
            ["".join(chance.choices(PIECES, k=chance.randint(0, 3))) for _ in range(chance.choice([3, 3, 3, 2, 4]))]
            for _ in range(chance.randint(1, 12))
        ]
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator=chance.choice(["\n", "\r\n"]))
        writer.writerows([["x", "y", "z"], *rows])
        content = text.getvalue().encode()
        found = parse(content, Path("t.csv"), ",", ("",))
        expected = _parse_odd(content, Path("t.csv"), ",", ("",))
        assert (
            found.frame.rows()
            == expected.frame.rows()
            == [tuple(cell.strip() or None for cell in row) for row in rows if len(row) == 3]
        )
        assert found.lines.tolist() == expected.lines.tolist()
        assert found.faults == expected.faults


SPACES = [each for each in map(chr, range(0x3001)) if each.isspace() and each not in "\n\x1c\x1d\x1e\x1f"]


@pytest.mark.parametrize("space", SPACES, ids=ascii)
@pytest.mark.parametrize("cells", ["{0}a,b,c", "a{0},b,c", "a,{0}b,c", "a,b,c{0}", "a,{0}NA{0},c", "a,b,{0}"])
def test_spaces_of_every_kind_are_taken_away_as_in_other_formats(tmp_path, cells, space):
    row = cells.format(space)
    found = parse(f"x,y,z\n{row}\nd,e,f\n".encode(), Path("t.csv"), ",", ("", "NA")).frame
    frame = pl.DataFrame([row.split(","), ["d", "e", "f"]], schema=["x", "y", "z"], orient="row")
    frame.write_parquet(tmp_path / "t.parquet")
    of_parquet = read(tmp_path / "t.parquet", "auto", "utf-8", ("", "NA"), skip=False).frame
    expected = [tuple(cell.strip() if cell.strip() not in ("", "NA") else None for cell in row.split(","))]
    assert found.rows() == of_parquet.rows() == [*expected, ("d", "e", "f")]


@pytest.mark.parametrize("kind", [pl.Categorical, pl.Enum(["a", " a ", "b ", "NA", " "])])
def test_categories_of_parquet_are_texts(tmp_path, kind):
    pl.DataFrame({"x": pl.Series(["a", " a ", "b ", "NA", " ", None], dtype=kind)}).write_parquet(
        tmp_path / "t.parquet"
    )
    column = read(tmp_path / "t.parquet", "auto", "utf-8", ("", "NA"), skip=False).frame["x"]
    assert column.to_list() == ["a", "a", "b", None, None, None]
