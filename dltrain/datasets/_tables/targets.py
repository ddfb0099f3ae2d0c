"""What is asked of the rows of a table: classes, labels or numbers; and the parts that rows are in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from dltrain.data import PARTS, DataSpec, Feature, Split, notice_share, split_off
from dltrain.data.feature import Groups
from dltrain.data.noticing import notice
from dltrain.data.splits import PART_NAMES
from dltrain.errors import KeyProblem
from dltrain.features._arrays.encoding import LOSES, is_lost_in_float32
from dltrain.features._tables.columns import FEW, MOSTLY, is_date
from dltrain.features._tables.files import Table
from dltrain.features._tables.values import (
    TRUTH,
    are_written_numbers,
    as_numbers,
    as_text,
    beyond_float32,
    known_categories,
    respelt,
)
from dltrain.features.class_label import ClassLabel
from dltrain.features.labels import Labels
from dltrain.features.numbers import Numbers
from dltrain.fields import HeldOut
from dltrain.lazy import np

if TYPE_CHECKING:
    import polars as pl

Kind = Literal["classes", "labels", "numbers"]
_KINDS: dict[str, Kind] = {"class_label": "classes", "labels": "labels", "numbers": "numbers"}
_PARTS = {name: part for part, names in PART_NAMES.items() for name in names}


@dataclass(frozen=True)
class TargetColumns:
    """The columns to predict.

    Args:
        names: of them; several for numbers, or labels of 0 and 1.
        ignore_case: take classes that differ in case alone for one.
        key: of the dataset's block, for messages.
    """

    names: tuple[str, ...]
    ignore_case: bool = False
    key: str = "target"

    def kind(self, frame: pl.DataFrame, like: DataSpec | None) -> Kind:
        """Returns what the values are: what a run was trained on, or what they look like.

        Raises:
            KeyProblem: if they are written in a way that leaves it open.
        """
        if like is not None:
            return _KINDS[like.target.registered_name]
        series = [frame[name].drop_nulls() for name in self.names]
        if len(series) > 1:
            return "labels" if all(flags(column).is_not_null().all() for column in series) else "numbers"
        (values,) = series
        numbers, distinct = as_numbers(values), values.n_unique()
        if numbers.null_count():
            if distinct > FEW and numbers.count() >= MOSTLY * len(values):
                return "numbers"
            if are_written_numbers(values):
                raise KeyProblem(
                    self.key,
                    f"{self.names[0]!r} holds numbers that are not written plainly, such as {values[0]!r}: write "
                    "1600.5, without separators, signs of money and %; if they are classes, add kind: classes",
                )
            return "classes"
        return "classes" if distinct <= FEW and (numbers == numbers.round()).all() else "numbers"

    def usable(self, table: Table, kind: Kind, skip: bool) -> Table:
        """Returns the rows that have a target, of labels one that is a label.

        Raises:
            KeyProblem: if a target cannot be learnt; if there are others, and they are not to be left out.
        """
        for name in self.names:
            if is_date(table.frame[name]):
                words = "is a date or time: convert it to a number, for example days since a start"
                raise KeyProblem(self.key, f"{name!r} {words}")
            if table.frame[name].null_count() == len(table.frame):
                raise KeyProblem(self.key, f"{name!r} has no values in {table.files[0].name}")
            table = table.without(table.frame[name].is_null(), f"has no {name}", skip)
            if kind == "labels":
                wrong = flags(table.frame[name]).is_null()
                table = table.without(wrong, f"{name} must be 0 or 1, as a label is", skip, name)
        return table

    def values(self, table: Table, kind: Kind, like: DataSpec | None) -> tuple[Feature, np.ndarray]:
        """Returns the target feature and the targets.

        Args:
            table: the rows, each with a target that can be used.
            kind: what the targets are.
            like: the data that a run was trained on, whose classes are used; none to take those of the table.

        Raises:
            KeyProblem: if there are too few classes or too many, or one that the run does not know.
        """
        columns = [table.frame[name] for name in self.names]
        if kind == "numbers":
            numbers = np.stack([as_numbers(column).to_numpy() for column in columns], 1)
            for name, values in zip(self.names, numbers.T, strict=True):
                if like is None and is_lost_in_float32(values):
                    raise KeyProblem(self.key, f"{name!r} {LOSES}")
            return Numbers(names=self.names), numbers.astype(np.float32)
        if kind == "labels":
            labels = [flags(column).to_numpy().astype(np.float32) for column in columns]
            return Labels(class_names=self.names), np.stack(labels, 1)
        values, name = as_text(columns[0]), self.names[0]
        if like is None:
            classes = tuple(sorted(known_categories(values, self.ignore_case), key=_number_first))
        else:
            classes = like.target.class_names
        if spelt := respelt(set(values.unique().to_list()) - {*classes}, classes, self.ignore_case):
            values = values.replace(spelt)
        counted = values.alias("class").value_counts()
        counts = dict(zip(counted["class"].to_list(), counted["count"].to_list(), strict=True))
        if len(classes) < 2:
            raise KeyProblem(self.key, f"{name!r} must have at least 2 classes, got only {classes[0]!r}")
        if like is None and len(classes) > max(FEW, len(values) / 2):
            words = f"has {len(classes)} different words in {len(values)} rows: too many for classes"
            raise KeyProblem(self.key, f"{name!r} {words}")
        unknown = sorted(set(counts) - set(classes))
        if unknown:
            row = int((values == unknown[0]).arg_max() or 0)
            raise KeyProblem(self.key, f"has a class that the run does not know: {unknown[0]!r}, {table.place(row)}")
        for single in [name for name in classes if counts.get(name) == 1] if like is None else []:
            row = int((values == single).arg_max() or 0)
            notice(
                f"class {single!r} has one row only, {table.place(row)}: it cannot be in the train part and in another"
            )
        codes = {name: code for code, name in enumerate(classes)}
        return ClassLabel(class_names=classes), values.replace_strict(codes).to_numpy().astype(np.int32)


def within_float32(table: Table, names: Sequence[str], skip: bool) -> Table:
    """Returns the rows whose numbers float32 can hold; raises as `Table.without`."""
    for name in names:
        words = f"{name} must be within float32, which ends at 3.4e38"
        table = table.without(beyond_float32(table.frame[name]), words, skip, name)
    return table


def only_numbers(table: Table, names: Sequence[str], skip: bool) -> Table:
    """Returns the rows that have no words in some columns; raises as `Table.without`."""
    for name in names:
        stray = as_numbers(table.frame[name]).is_null() & table.frame[name].is_not_null()
        table = table.without(stray, f"{name} must be a number", skip, name)
    return table


def with_weights(table: Table, name: str | None, skip: bool) -> Table:
    """Returns the rows that have a weight, all where no column has weights.

    Raises:
        KeyProblem: as `Table.without`, or if no row counts.
    """
    if name is None:
        return table
    light = (as_numbers(table.frame[name]) < 0).fill_null(True)
    table = table.without(light, f"{name} must be a number of at least 0", skip, name)
    if not as_numbers(table.frame[name]).sum():
        raise KeyProblem("weight", f"{name!r} is 0 in each row")
    return table


def weights_of(table: Table, name: str | None) -> np.ndarray | None:
    """Returns how much each row counts, (rows,), float32; none where no column says so."""
    return None if name is None else as_numbers(table.frame[name]).to_numpy().astype(np.float32)


def with_parts(table: Table, name: str | None, skip: bool) -> Table:
    """Returns the rows whose part is named, all where no column names it; raises as `Table.without`."""
    if name is None:
        return table
    known = as_text(table.frame[name]).str.to_lowercase().is_in(list(_PARTS)).fill_null(False)
    return table.without(~known, f"{name} must be train, validation or test", skip, name)


def named_parts(column: pl.Series, rows: Split) -> dict[str, Split | None]:
    """Returns the parts that a column names, none for one without rows.

    Raises:
        KeyProblem: if nothing is left to train on.
    """
    parts = as_text(column).str.to_lowercase().replace_strict(_PARTS).to_numpy()
    found = {name: np.flatnonzero(parts == name) for name in PARTS}
    if not len(found["train"]):
        raise KeyProblem("split", f"{column.name!r} leaves no row for training; to use all rows: dataset.split=none")
    return {name: rows.take(positions) if len(positions) else None for name, positions in found.items()}


def drawn_parts(
    rows: Split, target: Feature | None, test: HeldOut, validation: HeldOut, split_seed: int
) -> dict[str, Split | None]:
    """Returns parts of rows that are drawn at random, stratified by the classes of the target.

    Args:
        rows: all of them.
        target: the feature of their targets; none where there are none.
        test: the share of the test part.
        validation: the share of what remains.
        split_seed: seed of both.
    """

    def groups(split: Split) -> Groups | None:
        return target.groups(split.targets) if target else None

    rest, test_part = split_off(rows, test, split_seed, groups(rows))
    train, validation_part = split_off(rest, validation, split_seed, groups(rest))
    notice_share("test", rest, test_part, test)
    notice_share("validation", train, validation_part, validation)
    return {"train": train, "validation": validation_part, "test": test_part}


def flags(series: pl.Series) -> pl.Series:
    """Returns 0 and 1 of a column of truth values; null for others."""
    import polars as pl

    return as_text(series).str.to_lowercase().replace_strict(TRUTH, default=None, return_dtype=pl.Boolean)


def _number_first(label: str) -> tuple[int, float, str]:
    try:
        return 0, float(label), label
    except ValueError:
        return 1, 0.0, label
