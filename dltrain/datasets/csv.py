"""The user's own table: CSV, TSV, Parquet or JSON lines."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from dltrain.data import DataSpec, Split, Splits, Target, channel_statistics, split_off
from dltrain.datasets._arrays import refusing
from dltrain.datasets._table_files import Table, read
from dltrain.datasets._tables import Encoding, Role, as_numbers, as_text, encode, fit, roles
from dltrain.fields import Fraction, NonNegativeInt, PositiveInt, Seed
from dltrain.lazy import np
from dltrain.registry import DATASETS, suggestion

if TYPE_CHECKING:
    pass

MISSING = ("", "NA", "N/A", "NaN", "nan", "null", "None", "?")
MOST_CLASSES = 20
"""A column of whole numbers with more distinct values is taken for a quantity, not for classes."""

Kind = Literal["classes", "labels", "numbers"]
_TASKS = {"classes": "classification", "labels": "multilabel", "numbers": "regression"}
_PARTS = {"train": "train", "training": "train", "validation": "validation", "val": "validation", "valid": "validation"}
_PARTS |= {"test": "test", "testing": "test"}


@DATASETS.register("csv")
class CSV:
    """Your own table with a header: CSV, TSV, Parquet or JSON lines, one file or several by a pattern.

    What each column is, is seen from its values, unless you say it: numbers are standardised (missing ones filled in,
    and another number says that they were missing); categories are one-hot or, where there are many, learnt vectors;
    of texts the most frequent words are counted; dates become year, month, weekday, day and hour. Columns that are
    constant, empty or a key of the row are left out, and said. All that is learnt of the values is learnt of the
    training part and stored with the run: `eval` on other data uses the same.

    Args:
        path: the file, relative to the config's folder; or a pattern, such as data/*.csv, of files of the same columns.
        target: the column to predict; several for several numbers, or for labels of 0 and 1.
        kind: what the target holds: classes, numbers, or (several columns) labels; auto sees it from the values: text,
            truth values and up to 20 different whole numbers are classes.
        numeric: columns that are numbers, whatever they look like.
        categorical: columns that are categories, such as numbers that are codes.
        text: columns of which words are counted.
        dates: columns that are dates or times.
        ignore: columns that are not used.
        weight: the column that says how much a row counts in training; none if all count the same.
        split: the column that says which part a row belongs to: train, validation or test; none to split at random.
        delimiter: what parts the fields of a CSV file; auto sees it from the header: one of , ; tab |.
        encoding: of a CSV or JSON lines file.
        missing_values: what stands for a value that is not there.
        impute: what takes the place of a missing number: median or mean of the training part, or zero.
        one_hot_up_to: categories up to which a column is one-hot; beyond it a vector is learnt for each.
        words: how many of the most frequent words of each text column are counted.
        on_bad_example: error to stop at rows that cannot be used (too many fields, no target, a word where a number
            must be); skip to leave them out and name them.
        test_fraction: share of all rows held out for testing, 0 to below 1, stratified by class; unused with `split`.
        validation_fraction: share of the remaining rows held out for tuning, likewise.
        split_seed: which rows are held out; apart from the experiment's seed, so that runs share one test set.
    """

    path: Path
    target: str | tuple[str, ...]
    kind: Literal["auto", "classes", "labels", "numbers"] = "auto"
    numeric: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    text: tuple[str, ...] = ()
    dates: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    weight: str | None = None
    split: str | None = None
    delimiter: str = "auto"
    encoding: str = "utf-8"
    missing_values: tuple[str, ...] = MISSING
    impute: Literal["median", "mean", "zero"] = "median"
    one_hot_up_to: NonNegativeInt = 10
    words: PositiveInt = 100
    on_bad_example: Literal["error", "skip"] = "error"
    test_fraction: Fraction = 0.2
    validation_fraction: Fraction = 0.1
    split_seed: Seed = 0

    def __post_init__(self) -> None:
        if len(set(self._targets)) < len(self._targets) or not self._targets:
            raise ValueError("target must name one column or several different ones")
        named: dict[str, str] = dict.fromkeys(self._targets, "target")
        for key in ("numeric", "categorical", "text", "dates", "ignore", "weight", "split"):
            value = getattr(self, key)
            for name in value if isinstance(value, tuple) else [value] if value else []:
                if name in named:
                    raise ValueError(f"{key} names {name!r}, which {named[name]} names already")
                named[name] = key
        if self.delimiter != "auto" and len(self.delimiter.replace("tab", "\t")) != 1:
            raise ValueError(f"delimiter must be auto, tab or one character, got {self.delimiter!r}")

    @property
    def task(self) -> str:
        """What the target asks for: classification, multilabel or regression."""
        try:
            return _TASKS[self._kind_of(self._table)]
        except ValueError:  # which `spec` tells of, at its key
            return "classification"

    def spec(self) -> DataSpec:
        """Returns what the table is, from all of its values.

        Raises:
            ValueError: if it cannot be used; begins with the key that is to blame.
        """
        return self._splits(None).spec

    def load(self, like: DataSpec | None = None) -> Splits:
        """Returns the three parts.

        Args:
            like: what was learnt of another table, which is used instead of learning anew.

        Raises:
            DataError: if the table cannot be used.
        """
        with refusing():
            splits = self._splits(like)
        self.__dict__.pop("_table", None)  # as large as what was made of it
        return splits

    @property
    def _targets(self) -> tuple[str, ...]:
        return (self.target,) if isinstance(self.target, str) else self.target

    @cached_property
    def _table(self) -> Table:
        table = read(self.path, self.delimiter, self.encoding, self.missing_values, self.on_bad_example == "skip")
        names = table.frame.columns
        for key in ("target", "numeric", "categorical", "text", "dates", "ignore", "weight", "split"):
            value = getattr(self, key)
            for name in value if isinstance(value, tuple) else [value] if value else []:
                if name not in names:
                    raise ValueError(f"{key} is no column of {self.path.name}: {name!r}{suggestion(name, names)}")
        return table

    def _kind_of(self, table: Table) -> Kind:
        import polars as pl

        if self.kind != "auto":
            return self.kind
        series = [table.frame[name].drop_nulls() for name in self._targets]
        if len(series) > 1:
            return "labels" if all(set(as_text(column).unique()) <= _FLAGS for column in series) else "numbers"
        (values,) = series
        if values.dtype in (pl.String, pl.Boolean, pl.Categorical):
            return "classes"
        whole = values.dtype.is_integer() or (values.dtype.is_float() and bool((values == values.round()).all()))
        return "classes" if whole and values.n_unique() <= MOST_CLASSES else "numbers"

    def _splits(self, like: DataSpec | None) -> Splits:
        table = self._table
        kind = self._kind_of(table) if like is None else "numbers" if like.targets else self._kind_of(table)
        table = self._usable(table, kind)
        targets, classes = self._targets_of(table, kind, like)
        weights = None if self.weight is None else as_numbers(table.frame[self.weight]).to_numpy().astype(np.float32)
        parts = self._parts(table, Split(np.arange(len(table.frame))[:, None], targets, weights))
        if like is None:
            like = self._learnt(table, parts["train"], kind, classes)
        matrix = encode(table.frame, like.columns)
        made = {
            name: Split(matrix[part.inputs[:, 0]], part.targets, part.weights) for name, part in parts.items() if part
        }
        if like.mean is None:
            like = _with_statistics(like, made["train"].inputs)
        return Splits(like, made["train"], made.get("validation"), made.get("test"), tuple(table.skipped))

    def _usable(self, table: Table, kind: Kind) -> Table:
        """Returns the rows that have a target and numbers where numbers must be."""
        skip = self.on_bad_example == "skip"
        for name in self._targets:
            table = table.without(table.frame[name].is_null().to_numpy(), f"has no {name}", skip)
        numbers = [*self.numeric, *([self.weight] if self.weight else [])]
        for name in numbers + [name for name in self._targets if kind == "numbers"]:
            series = table.frame[name]
            bad = (as_numbers(series).is_null() & series.is_not_null()).to_numpy()
            table = table.without(bad, f"{name} must be a number", skip)
        if self.weight is not None:
            weights = as_numbers(table.frame[self.weight])
            table = table.without(
                ((weights < 0) | weights.is_null()).to_numpy(), f"{self.weight} must be a number of at least 0", skip
            )
        return table

    def _targets_of(self, table: Table, kind: Kind, like: DataSpec | None) -> tuple[np.ndarray, tuple[str, ...]]:
        """Returns the targets, and the classes or labels where there are some."""
        if kind == "numbers":
            return np.stack([as_numbers(table.frame[name]).to_numpy() for name in self._targets], 1).astype(
                np.float32
            ), ()
        if kind == "labels":
            return np.stack([self._flags(table, name) for name in self._targets], 1), self._targets
        values = as_text(table.frame[self._targets[0]])
        found = values.unique().to_list()
        classes = tuple(sorted(found, key=_number_first)) if like is None else like.class_names
        if len(classes) < 2:
            raise ValueError(f"target must have at least 2 classes, got only {classes[0]!r}")
        unknown = sorted(set(found) - set(classes))
        if unknown:
            raise ValueError(f"target has classes that the run does not know: {', '.join(map(repr, unknown[:5]))}")
        return values.replace_strict({name: code for code, name in enumerate(classes)}).to_numpy().astype(
            np.int32
        ), classes

    def _flags(self, table: Table, name: str) -> np.ndarray:
        values = as_text(table.frame[name])
        wrong = sorted(set(values.unique()) - _FLAGS)
        if wrong:
            raise ValueError(f"target {name!r} must hold 0 and 1 where kind is labels, got {wrong[0]!r}")
        return values.is_in(list(_TRUE)).to_numpy().astype(np.float32)

    def _parts(self, table: Table, rows: Split) -> dict[str, Split | None]:
        if self.split is None:
            rest, test = split_off(rows, self.test_fraction, self.split_seed)
            train, validation = split_off(rest, self.validation_fraction, self.split_seed)
            return {"train": train, "validation": validation, "test": test}
        words = as_text(table.frame[self.split]).str.to_lowercase().to_list()
        for number, word in enumerate(words):
            if word not in _PARTS:
                raise ValueError(f"split {table.place(number)}: must be train, validation or test, got {word!r}")
        parts = np.array([_PARTS[word] for word in words])
        found = {name: np.flatnonzero(parts == name) for name in ("train", "validation", "test")}
        if not len(found["train"]):
            raise ValueError(f"split {self.split!r} leaves no row for training")
        return {name: rows.take(positions) if len(positions) else None for name, positions in found.items()}

    def _learnt(self, table: Table, train: Split | None, kind: Kind, classes: tuple[str, ...]) -> DataSpec:
        """Returns what is learnt of the training part, means and deviations of the inputs apart."""
        if train is None:
            raise ValueError("test_fraction and validation_fraction leave nothing for training")
        frame = table.frame[train.inputs[:, 0]]
        used = [*self._targets, *([self.weight] if self.weight else []), *([self.split] if self.split else [])]
        given: dict[str, Role] = {name: role for role in _ROLES for name in getattr(self, role)}
        found = roles(frame.drop(used), given)
        columns = fit(frame, found, Encoding(self.impute, self.one_hot_up_to, self.words))
        if not columns:
            raise ValueError("path has no column to learn from beside the target")
        learnt: tuple[Target, ...] = ()
        if kind == "numbers":
            means, deviations = channel_statistics(train.targets)
            learnt = tuple(map(Target, self._targets, means, deviations))
        return DataSpec((len(columns),), classes, columns=columns, targets=learnt)


_ROLES: tuple[Role, ...] = ("numeric", "categorical", "text", "dates", "ignore")
_TRUE = frozenset({"1", "1.0", "true", "True"})
_FLAGS = _TRUE | {"0", "0.0", "false", "False"}


def _number_first(label: str) -> tuple[int, float, str]:
    try:
        return 0, float(label), label
    except ValueError:
        return 1, 0.0, label


def _with_statistics(spec: DataSpec, inputs: Any) -> DataSpec:
    """Returns the spec with mean and deviation of each number; categories stay the codes that they are."""
    mean, deviation = (list(values) for values in channel_statistics(inputs))
    for index, column in enumerate(spec.columns):
        if column.categories:
            mean[index], deviation[index] = 0.0, 1.0
    return replace(spec, mean=tuple(mean), standard_deviation=tuple(deviation))
