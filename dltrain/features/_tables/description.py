"""How a stranger makes the numbers of a row, in words that a program can be written from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from dltrain.features._tables.times import PIVOT
from dltrain.features._tables.values import TRUTH
from dltrain.features.table import OF_TEXTS, Column

SHOWN = 5
"""Categories of a number that stand in the table for people; the JSON below it has all of them."""

_DATE = (
    "A date is `2020-12-31`, `2020/12/31`, `2020.12.31`, `20201231`, `31.12.2020`, `31 Dec 2020`, `31st December "
    "2020`, `Dec 31, 2020`, or `12/31/2020` and `12-31-2020`: the month first, or the day first where `day_first` is "
    f"true. Of years of two digits, 00 to {PIVOT} are 2000 to 20{PIVOT}, the others 19xx. The name of a weekday "
    "before a date means nothing. A time of the day stands alone, or behind a date and a space, `T` or `, `: `23:59`, "
    "`23:59:30.5`, `11:59 PM`, `11PM`. Behind it may stand `Z`, `UTC`, `GMT` or an offset such as `+02:00`: it is "
    "subtracted, so that date and time are those of UTC; without one they are taken as they stand. A number of nine "
    "or more digits, from 1e8 on, is a time since 1970-01-01 00:00 UTC: seconds below 1e11, milliseconds below 1e14, "
    "microseconds below 1e17, nanoseconds above. Where there is no date (no time, for hour and time), the number is "
    "`fill`."
)
_KINDS = {
    "value": "the number minus `offset`, in 64 bits, then rounded to float32; `fill`, from which `offset` is already "
    "subtracted, where there is no number.",
    "missing": "1 where there is no number, else 0.",
    "word": "log(1 + count), the natural logarithm, where count is how often `word` is among the words of the cell: "
    r"the sequences that the regular expression `\w+` finds (letters, digits and underscores, of any language) in the "
    "cell in small letters; 0 where the cell is missing.",
    "token": "log(1 + count), the natural logarithm, where count is how often `word` is among the tokens that "
    "`tokenizers.Tokenizer.from_file('tokenizer.json').encode(cell, add_special_tokens=False).tokens` has, of the file "
    "beside this card; 0 where the cell is missing.",
    "year": "the year of the date.",
    "month": "the month of the date, 1 to 12.",
    "weekday": "the weekday of the date, Monday = 1 to Sunday = 7.",
    "day": "the days from 1970-01-01 to the date, negative before.",
    "hour": "the whole hours of the time of the day, 0 to 23, rounded down.",
    "time": "the hours of the time of the day with their fraction: seconds since midnight / 3600.",
    "category": "the position, counted from 1, of the cell's category in `categories`; 0 where the cell is missing or "
    "its category unknown.",
}
_NUMBER = (
    r"A number is a cell that the regular expression `[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?` matches "
    "whole; a comma between digits, with one, two or more than three digits behind it (`1,5`), stands for a point; "
    "`true` is 1 and `false` 0, in any case of letters. Any other cell is no number, as a missing one is. Numbers "
    "beyond float32 (3.4e38) cannot be used."
)
_SPELLINGS = (
    "A cell is a category where it is the same text. If it is none, the first of these rules that finds just one "
    r"category holds. Numbers: cell and category both match `[+-]?[0-9]+(\.[0-9]+)?` whole and are of the same value "
    "(`2134`, `02134`, `2134.0`). Truth values: where each of `categories` is one of them in small letters and both "
    "truths are there, {truths} mean the same, in any case of letters. Case: where `ignore_case` is true and these are "
    "no truth values, cell and category are the same in small letters (Unicode's case folding)."
)


def described(columns: Sequence[Column], most: int) -> list[str]:
    """Returns the rules for each kind of number that there is, a table of the numbers, and these exactly, as JSON.

    Args:
        columns: what each number is.
        most: rows of the table.
    """
    from dltrain.report.markdown import code, table

    kinds = {column.part for column in columns}
    rules = [f"- `{kind}`: {words}" for kind, words in _KINDS.items() if kind in kinds]
    if kinds & {"value", "missing"}:
        rules.append(f"- {_NUMBER}")
    if "category" in kinds:
        truths = (", ".join(f"`{word}`" for word, means in TRUTH.items() if means is truth) for truth in (True, False))
        rules.append(f"- {_SPELLINGS.format(truths=' and likewise '.join(truths))}")
    if kinds - {"value", "missing", "category", *OF_TEXTS}:
        rules.append(f"- {_DATE}")
    rows = [
        (place, each.source, each.part, repr(each.fill), repr(each.offset), _details(each))
        for place, each in enumerate(columns[:most])
    ]
    exactly = [json.dumps({"position": place, **_keys(each)}) for place, each in enumerate(columns)]
    return [
        "Before the network, make these numbers of the cells of a row, each by its kind. A cell is a text: without the "
        "spaces around it; a number or a boolean of JSON as JSON writes it. A whole number with nothing but zeros "
        "behind its point is the same without them, as a category and as a word (`3.0` is `3`). A missing cell is "
        "null, or an empty text.",
        "",
        *rules,
        "",
        *table(("position", "column", "kind", "fill", "offset", "word, or first categories"), rows),
        "",
        "The same exactly, an object of JSON for each number:",
        "",
        *(line for text in code("\n".join(exactly), "json") for line in text.split("\n")),
    ]


def missing(texts: Sequence[str]) -> list[str]:
    """Returns which texts of a source mean that a value is missing; nothing where only empty ones do."""
    from dltrain.report.markdown import plain

    words = [f'"{plain(text)}"' for text in texts if text]
    return [f"These texts, too, are missing cells: {', '.join(words)}.", ""] if words else []


def _details(column: Column) -> str:
    more = f" ... ({len(column.categories)})" if len(column.categories) > SHOWN else ""
    return column.word or "; ".join(column.categories[:SHOWN]) + more


def _keys(column: Column) -> dict[str, object]:
    """Returns what matters for one number."""
    keys = {
        "category": ("categories", "ignore_case"),
        "word": ("word",),
        "token": ("word",),
        "value": ("fill", "offset"),
        "missing": (),
    }.get(column.part, ("fill", "day_first"))
    known = asdict(column)
    return {"column": column.source, "kind": column.part, **{key: known[key] for key in keys}}
