import csv
import io
import random
from pathlib import Path

import pytest

from dltrain.features._tables.delimited import _parse_odd, parse

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
