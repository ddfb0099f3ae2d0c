"""The user's own series in a table, each with a class or numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from dltrain.data import DataSpec, Features, Provenance, Split, Splits
from dltrain.data.proposal import Proposal
from dltrain.data.request import Reader
from dltrain.data.size_limit import SizeLimit
from dltrain.datasets._sources.unusable import refuse_unusable
from dltrain.datasets._sources.whole import Whole
from dltrain.datasets._tables.proposal import whole_series
from dltrain.datasets._tables.targets import (
    TargetColumns,
    drawn_parts,
    named_parts,
    only_numbers,
    with_parts,
    within_float32,
)
from dltrain.errors import KeyProblem
from dltrain.features._series.panels import Found, Panels
from dltrain.features._series.tables import refuse_rows
from dltrain.features._series.whole_reader import WholeSeriesReader
from dltrain.features._tables.encoding import MISSING
from dltrain.features._tables.files import Table, matching, read
from dltrain.features._tables.values import as_text
from dltrain.features.class_label import ClassLabel
from dltrain.features.whole_series import OnMissing, Scaling, WholeSeries, of_arrays
from dltrain.fields import PositiveInt
from dltrain.lazy import np
from dltrain.registry import DATASETS, suggestion

if TYPE_CHECKING:
    import polars as pl


@DATASETS.register("series_table")
class SeriesTable(Whole):
    """Your own series with a class, or numbers to predict, in a table: CSV, TSV, Parquet or JSON lines.

    In long form a row is a step of a series; the columns `series`, `target` and `split` say the same in all of its
    rows. In wide form a row is a series, and each step a column; then all are of one length. Series in long form may
    differ in length.

    Args:
        path: the file, relative to the config's folder; or a pattern, such as data/*.csv, for files with the same
            columns.
        target: the column to predict; a list for several numbers.
        form: long or wide.
        series: the column that says which series a row is of; in wide form what a series is called, none for none.
        time: the column of the steps' times or numbers, which must rise within each series; none where rows are in
            order.
        values: the columns of the channels; in wide form those of the steps, in their order; empty for all columns that
            are nothing else.
        kind: what the target column contains: classes or numbers; auto infers it.
        split: the column with the part of each series: train, validation or test; none to split at random.
        scaling: train, by mean and deviation of each channel over the train part; series, by those of each series: then
            only shapes count, not levels.
        on_missing: error, or fill: a straight line between the neighbours takes the place of numbers that are missing,
            at the ends of a series its nearest number.
        delimiter: the character that separates the fields of a CSV file; auto infers it from the header.
        encoding: character encoding of a CSV or JSON lines file.
        missing_values: texts that mean a missing value, beside the empty one.
        max_megabytes: the most that a file may have, as in the dataset csv.
        test_fraction: share of all series held out for testing, 0 to below 1, stratified by class; unused with `split`.
        validation_fraction: share of the remaining series held out for tuning, likewise.
    """

    path: Path
    target: str | tuple[str, ...]
    form: Literal["long", "wide"] = "long"
    series: str | None = None
    time: str | None = None
    values: tuple[str, ...] = ()
    kind: Literal["auto", "classes", "numbers"] = "auto"
    split: str | None = None
    scaling: Scaling = "train"
    on_missing: OnMissing = "error"
    delimiter: str = "auto"
    encoding: str = "utf-8"
    missing_values: tuple[str, ...] = MISSING
    max_megabytes: PositiveInt | None = None

    def __post_init__(self) -> None:
        if self.form == "long" and self.series is None:
            words = "must name the column that says which series a row is of, unless form is wide"
            raise KeyProblem("series", words)
        if self.form == "wide" and self.time is not None:
            raise KeyProblem("time", "must be none in wide form, where each step is a column")
        names = [*self._targets, *filter(None, (self.series, self.time, self.split)), *self.values]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise KeyProblem("values" if twice in self.values else "target", f": the column {twice!r} is named twice")

    @property
    def _targets(self) -> tuple[str, ...]:
        return (self.target,) if isinstance(self.target, str) else self.target

    @property
    def _layout(self) -> Panels:
        apart = (*self._targets, *filter(None, (self.split,)))
        return Panels(self.form == "wide", self.series, self.time, self.values, apart)

    @classmethod
    def proposed(cls, path: Path, target: str | None) -> Proposal | None:
        """Proposes the block that reads whole series; none where the path is no table with a row per step of such.

        Raises:
            ValueError: if it is of this kind, but cannot be used.
        """
        return whole_series(path, target, cls, MISSING)

    def files(self) -> list[Path]:
        """Returns the file, or those that the pattern matches."""
        return matching(self.path)

    def splits(self, like: DataSpec | None) -> Splits:
        """Returns the parts.

        Raises:
            ValueError: if the table cannot be used.
        """
        limit = SizeLimit(self.max_megabytes)
        table = read(self.path, self.delimiter, self.encoding, self.missing_values, skip=False, limit=limit)
        for key, name in (*(("target", each) for each in self._targets), ("split", self.split)):
            if name is not None and name not in table.frame.columns:
                hint = suggestion(name, table.frame.columns)
                raise KeyProblem(key, f"is not a column of {self.path.name}: {name!r}{hint}")
        layout = self._layout if like is None else self._layout_of(like.input)
        found = layout.found(table)
        self._refuse_changes(table, found)
        is_first = np.zeros(len(table.frame), bool)
        is_first[found.firsts] = True
        firsts = table.only(is_first)
        columns_read = layout.columns(table.frame.columns)
        names, step_names = ((), columns_read) if layout.is_wide else (columns_read, ())
        del table
        place = replace(firsts, frame=firsts.frame.clear()).place  # which keeps no values
        feature = of_arrays(
            found.values, names=names, step_names=step_names, scaling=self.scaling, on_missing=self.on_missing
        ) if like is None else like.input.replaced(on_missing=self.on_missing)  # fmt: skip
        encoded = feature.encode(found.values)
        refuse_unusable(encoded, place, len(found.values))
        columns = TargetColumns(self._targets)
        kind = columns.kind(firsts.frame, like) if self.kind == "auto" else self.kind
        firsts = columns.usable(firsts, kind, skip=False)
        numbers = self._targets if kind == "numbers" else ()
        firsts = with_parts(only_numbers(within_float32(firsts, numbers, False), numbers, False), self.split, False)
        target, targets = columns.values(firsts, kind, like)
        rows = Split(np.arange(len(firsts.frame))[:, None], targets)
        if self.split is None:
            parts = drawn_parts(rows, target, self.test_fraction, self.validation_fraction, self.split_seed)
        else:
            parts = named_parts(firsts.frame[self.split], rows)
        if parts["train"] is None:
            raise KeyProblem("test_fraction", "and validation_fraction leave nothing for training")
        if like is None and isinstance(target, ClassLabel):
            self._check_classes(target, parts["train"], firsts, targets)
        made = {
            part: Split(encoded.stored[own], each.targets, provenance=Provenance(place, own))
            for part, each in parts.items()
            if each is not None
            for own in [each.inputs[:, 0]]
        }
        spec = DataSpec(Features.of(feature), Features.of(target)) if like is None else like
        return Splits(spec, made["train"], made.get("validation"), made.get("test")).with_statistics(like)

    def reader(self, spec: DataSpec) -> Reader:
        """Returns a reader of further tables, and of series in other files."""
        return WholeSeriesReader(
            spec.input,
            SizeLimit(self.max_megabytes),
            self._layout_of(spec.input),
            self.delimiter,
            self.encoding,
            self.missing_values,
        )

    def _layout_of(self, feature: WholeSeries) -> Panels:
        """Returns which columns are those that a run was trained on, in their order there."""
        names = feature.step_names if self._layout.is_wide else feature.names
        return replace(self._layout, values=names) if names else self._layout

    def _refuse_changes(self, table: Table, found: Found) -> None:
        """Raises KeyProblem where what is said of a whole series changes within it."""
        for key, name in (*(("target", each) for each in self._targets), ("split", self.split)):
            if name is None:
                continue
            said = as_text(table.frame[name]).fill_null("")
            first = said.gather(found.firsts[found.owners])

            def why(row: int, name: str = name, said: pl.Series = said, first: pl.Series = first) -> str:
                of = found.names[found.owners[row]]
                got = repr(said[row]) if said[row] else "nothing"
                return f"{name} is {got}, in the first row of series {of!r} it is {first[row]!r}: it must not change"

            refuse_rows(table, np.flatnonzero((said != first).to_numpy()), key, why)

    def _check_classes(self, target: ClassLabel, train: Split, firsts: Table, targets: np.ndarray) -> None:
        """Raises KeyProblem where a class has no series to train on."""
        untaught = np.setdiff1d(np.arange(len(target.class_names)), train.targets)
        if len(untaught):
            first = int(np.flatnonzero(targets == untaught[0])[0])
            words = f"leaves no series to train on of class {target.class_names[untaught[0]]!r}, {firsts.place(first)}"
            raise KeyProblem("split" if self.split else "test_fraction", words)
