"""The user's own texts in a table: CSV, TSV, Parquet or JSON lines."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from dltrain.data import DataSpec, Split
from dltrain.data.proposal import Proposal
from dltrain.data.request import Reader
from dltrain.data.size_limit import SizeLimit
from dltrain.datasets._tables.proposal import texts as proposed_texts
from dltrain.datasets._tables.targets import (
    TargetColumns,
    drawn_parts,
    named_parts,
    only_numbers,
    weights_of,
    with_parts,
    with_weights,
    within_float32,
)
from dltrain.datasets._texts.source import Texts, TextSource
from dltrain.errors import KeyProblem
from dltrain.features._tables.encoding import MISSING
from dltrain.features._tables.files import Table, matching, read
from dltrain.features._tables.values import as_text, decimal_commas, with_points
from dltrain.features._text.table_reader import TextTableReader
from dltrain.fields import PositiveInt
from dltrain.lazy import np
from dltrain.registry import DATASETS, suggestion


@DATASETS.register("text_table")
class TextTable(TextSource):
    """Your own texts, or pairs of texts, in a column of a table: CSV, TSV, Parquet or JSON lines.

    Args:
        path: the file, relative to the config's folder; or a pattern, such as data/*.csv, for files with the same
            columns.
        text_column: the column of the texts.
        pair_column: the column of the second text of each pair, such as an answer to a question; none for single texts.
        label_column: the column to predict; a list for several numbers, or for labels of 0 and 1; none to predict the
            texts' own tokens, with `task.name: masked_lm`.
        kind: what the label column contains: classes, numbers, or (several columns) labels; auto infers it.
        split: the column with the part of each row: train, validation or test; none to split at random.
        weight: the column with the weight of each row in training; none if all rows count the same.
        delimiter: the character that separates the fields of a CSV file; auto infers it from the header.
        encoding: character encoding of a CSV or JSON lines file.
        missing_values: texts that mean a missing value, beside the empty one.
        max_megabytes: the most that a file may have, also unpacked, in megabytes; none for 8,192, and for what is
            unpacked 100 times the file's size.
        test_fraction: share of all rows held out for testing, 0 to below 1, stratified by class; unused with `split`.
        validation_fraction: share of the remaining rows held out for tuning, likewise.
    """

    path: Path
    text_column: str = "text"
    pair_column: str | None = None
    label_column: str | tuple[str, ...] | None = "label"
    kind: Literal["auto", "classes", "labels", "numbers"] = "auto"
    split: str | None = None
    weight: str | None = None
    delimiter: str = "auto"
    encoding: str = "utf-8"
    missing_values: tuple[str, ...] = MISSING
    max_megabytes: PositiveInt | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        names = [*self._texts, *self._targets, *filter(None, (self.split, self.weight))]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise KeyProblem("label_column", f": the column {twice!r} is named twice")

    @classmethod
    def proposed(cls, path: Path, target: str | None) -> Proposal | None:
        """Proposes the block that reads a table of texts; none where the path is not one.

        Raises:
            ValueError: if it is of this kind, but cannot be used.
        """
        return proposed_texts(path, target, cls, MISSING)

    def files(self) -> list[Path]:
        """Returns the file, or those that the pattern matches."""
        return matching(self.path)

    def texts(self, like: DataSpec | None) -> Texts:
        """Returns the texts of all rows.

        Raises:
            ValueError: if the table cannot be used.
        """
        skip = self.on_bad_example == "skip"
        table = read(self.path, self.delimiter, self.encoding, self.missing_values, skip, SizeLimit(self.max_megabytes))
        self._check_names(table)
        commas = decimal_commas(table.frame.select(*self._targets, *filter(None, (self.weight,))))
        pointed = [with_points(table.frame[name], are_decimal=True) for name in commas]
        table = replace(table, frame=table.frame.with_columns(pointed))
        for name in self._texts:
            table = table.without(table.frame[name].is_null(), f"has no {name}", skip)
        columns, kind = TargetColumns(self._targets, key="label_column"), None
        if self._targets:
            kind = columns.kind(table.frame, like) if self.kind == "auto" else self.kind
            table = columns.usable(table, kind, skip)
        numbers = [*(self._targets if kind == "numbers" else ()), *filter(None, (self.weight,))]
        table = only_numbers(within_float32(table, numbers, skip), numbers, skip)
        table = with_parts(with_weights(table, self.weight, skip), self.split, skip)
        target, targets = columns.values(table, kind, like) if kind else (None, None)
        rows = Split(np.arange(len(table.frame))[:, None], targets)
        if self.split is not None:
            parts = named_parts(table.frame[self.split], rows)
        else:
            parts = drawn_parts(rows, target, self.test_fraction, self.validation_fraction, self.split_seed)
        raws: list[Any] = as_text(table.frame[self.text_column]).to_list()
        if self.pair_column is not None:
            pairs = as_text(table.frame[self.pair_column]).to_list()
            raws = [{"text": text, "pair": pair} for text, pair in zip(raws, pairs, strict=True)]
        places = [table.place(row) for row in range(len(raws))]
        chosen = {name: part.inputs[:, 0] for name, part in parts.items() if part is not None}
        return Texts(raws, target, targets, places, chosen, weights_of(table, self.weight), tuple(table.skipped))

    def reader(self, spec: DataSpec) -> Reader:
        """Returns a reader of further rows, and of texts a line each."""
        columns = (self.text_column, self.pair_column)
        limit = SizeLimit(self.max_megabytes)
        return TextTableReader(spec.input, columns, self.delimiter, self.encoding, self.missing_values, limit)

    @property
    def _texts(self) -> tuple[str, ...]:
        return tuple(filter(None, (self.text_column, self.pair_column)))

    @property
    def _targets(self) -> tuple[str, ...]:
        return (self.label_column,) if isinstance(self.label_column, str) else self.label_column or ()

    def _check_names(self, table: Table) -> None:
        for key in ("text_column", "pair_column", "label_column", "split", "weight"):
            value = getattr(self, key)
            for name in value if isinstance(value, tuple) else [value] if value else []:
                if name not in table.frame.columns:
                    hint = suggestion(name, table.frame.columns)
                    raise KeyProblem(key, f"is not a column of {self.path.name}: {name!r}{hint}")
