"""Predictions as CSV and JSON lines: no formulas for spreadsheets, no control characters for terminals."""

import csv
import io
import json
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dltrain.cli import answers
from dltrain.cli.answers import harmless

FORMULAS = [
    "\uff0bx",
    "=1+1",
    "+1+1",
    "-1+1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "=",
    "-",
    "--1",
    "-x",
    "＝1+1",
    "＠x",
    "=1\n2",
]
OTHERS = ["a", "a=1", "-1.5", "+3", "-1e-05", ".5", "-.5", "1.", "a@b.c", " =1", "'=1", "a-b", "１", "-1;2", "1;-2.5"]


class Screen(io.StringIO):
    """A terminal."""

    def isatty(self):
        return True


def written(rows, kind="csv", file=None, **how):
    file = file or io.StringIO()
    writer = answers.writer(kind, file, **how)
    for row in rows:
        writer.add(row)
    writer.flush()
    return file.getvalue()


def cells(text):
    return list(csv.DictReader(io.StringIO(text, newline="")))


@pytest.mark.parametrize("text", FORMULAS)
def test_a_text_that_would_be_a_formula_gets_an_apostrophe(text):
    assert harmless(text) == f"'{text}"


@pytest.mark.parametrize("text", OTHERS)
def test_numbers_and_other_texts_stay(text):
    assert harmless(text) == text


def test_each_part_of_a_list_is_harmless_where_a_semicolon_separates_cells():
    assert harmless("cat;=1+1;-2;@x") == "cat;'=1+1;-2;'@x"


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(st.sampled_from("=+-@\t\r\n;1.e'x ")))
def test_no_part_of_a_cell_begins_a_formula_but_a_number(text):
    for part in harmless(text).split(";"):
        if part[:1] in tuple("=+-@\t\r\n"):
            float(part)
    assert harmless(text).replace("'", "") == text.replace("'", "")


def test_every_column_is_harmless_and_raw_leaves_all():
    row = {"input": "=a.png", "class": "@x", "p": -0.5, "=n": -1.5, "values": {"+v": -2}, "labels": ["b", "=c"]}
    assert cells(written([row])) == [
        {"input": "'=a.png", "class": "'@x", "p": "-0.5", "'=n": "-1.5", "'+v": "-2", "labels": "b;'=c",
         "error": ""}
    ]  # fmt: skip
    assert cells(written([row], raw=True)) == [
        {"input": "=a.png", "class": "@x", "p": "-0.5", "=n": "-1.5", "+v": "-2", "labels": "b;=c",
         "error": ""}
    ]  # fmt: skip


def test_the_error_of_an_example_is_harmless_too():
    found = cells(written([{"input": "a", "class": "b"}, {"input": "c", "error": "=d must be a number"}]))
    assert found[1]["error"] == "'=d must be a number"


NASTY = "a\x1b[31m\x9b2J\x7f\u202e\r.png"


@pytest.mark.parametrize("kind", ["csv", "jsonl", "table"])
def test_a_terminal_gets_control_characters_as_escapes(kind):
    row = {"input": NASTY, "class": NASTY, "values": {NASTY: 1.0}}
    shown = re.sub(r"\x1b\[[01]m", "", written([row], kind, Screen()))  # of headings
    assert all(each.isprintable() or each == "\n" for each in shown), shown
    if kind == "jsonl":
        assert json.loads(shown) == row
    else:
        assert r"a\x1b[31m\x9b2J\x7f\u202e\r.png" in shown


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=2, max_size=4))
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_is_written_raw_reads_back(values):
    row = {str(number): value for number, value in enumerate(values)}
    assert cells(written([row], raw=True)) == [{**row, "error": ""}]


def test_files_and_pipes_get_the_very_characters():
    row = {"input": NASTY, "class": "é\tü", "other": 'a "b", c\n'}
    assert cells(written([row])) == [{**row, "error": ""}]
    assert json.loads(written([row], "jsonl")) == row
