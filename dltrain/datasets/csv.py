"""The user's own table: CSV, TSV, Parquet or JSON lines."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from dltrain.data import DataSpec, Feature, Pieces, Provenance, Split, Splits
from dltrain.data.noticing import notice
from dltrain.data.proposal import Proposal
from dltrain.data.size_limit import SizeLimit
from dltrain.datasets._sources.whole import Whole
from dltrain.datasets._tables.proposal import table as proposed_table
from dltrain.datasets._tables.targets import (
    Kind,
    TargetColumns,
    drawn_parts,
    named_parts,
    only_numbers,
    weights_of,
    with_parts,
    with_weights,
    within_float32,
)
from dltrain.errors import KeyProblem
from dltrain.features._tables import text_tokens
from dltrain.features._tables.columns import (
    BETWEEN_HOURS,
    Encoding,
    Role,
    between_hours,
    encode,
    learn,
    pointed,
    strays,
    texts,
)
from dltrain.features._tables.encoding import MISSING, TableEncoding
from dltrain.features._tables.files import Table, matching, read
from dltrain.features._tables.reader import TableReader
from dltrain.features._tables.times import as_times, is_day_first, is_time
from dltrain.features._tables.values import (
    decimal_commas,
    with_points,
)
from dltrain.features._text import tokenizing
from dltrain.features.class_label import ClassLabel
from dltrain.features.table import Normalize
from dltrain.features.table import Table as TableFeature
from dltrain.fields import NonNegativeInt, PositiveInt
from dltrain.lazy import np
from dltrain.registry import DATASETS, suggestion

if TYPE_CHECKING:
    import polars as pl


@DATASETS.register("csv")
class CSV(Whole):
    """Your own table with a header: CSV, TSV, Parquet or JSON lines, one file or several by a pattern.

    The kind of each column is inferred from its values unless you name it: numbers are standardised (missing ones are
    filled in, and a further number marks them as missing); categories are one-hot or, where there are many, learnt
    vectors; in texts the most frequent words, or tokens of a tokenizer, are counted; dates and times become year,
    month, weekday, day and hour (or time, in hours, where there are minutes). Columns that are constant, empty or an
    identifier of the row are left out, and what else is not plain is said. Everything is learnt from the training part
    and stored with the run: `eval` on other data uses the same.

    A value means the same in each format: true, True, yes and 1 are one category where a column has truth values alone,
    so are 2134, 2134.0 and 02134; times may have AM or PM, an offset (they become UTC), a month's name, a year of two
    digits (69 to 99 are 19xx), or be whole seconds, milliseconds and so on since 1970.

    Args:
        path: the file, relative to the config's folder; or a pattern, such as data/*.csv, for files with the same
            columns.
        target: the column to predict; a list for several numbers, or for labels of 0 and 1.
        kind: what the target contains: classes, numbers, or (several columns) labels; auto infers it from the values:
            text, truth values and up to 20 different whole numbers are classes.
        numeric: columns to read as numbers, whatever they look like.
        categorical: columns to read as categories, such as numbers that are codes.
        text: columns whose words, or tokens, are counted.
        dates: columns to read as dates or times.
        ignore: columns that are not used.
        weight: the column with the weight of each row in training; none if all rows count the same.
        split: the column with the part of each row: train, validation or test; none to split at random.
        delimiter: the character that separates the fields of a CSV file; auto infers it from the header: one of , ; tab
            |; tab for .tsv and .tab.
        encoding: character encoding of a CSV or JSON lines file.
        missing_values: texts that mean a missing value.
        impute: what replaces a missing number: median or mean of the train part, or zero.
        normalize: what the network does to numbers first: standard, mean 0 and variance 1; robust, median 0 and
            distance between the quartiles 1, what is far bent to at most 3; quantile, ranks as normal numbers.
        one_hot_up_to: the most categories of a one-hot column; with more, a vector is learnt for each category.
        words: number of the most frequent words, or tokens, of each text column that are counted.
        tokenizer: none to count words in small letters; else what makes tokens, such as pieces of words, of all texts,
            one for all columns: words, wordpiece, bpe or unigram, which are learnt of the training part; or the path
            of a file or folder with a tokenizer, as in `text_table`. The run keeps it as tokenizer.json.
        vocabulary_size: the most tokens that are learnt, five special ones among them; none for 8,000.
        lowercase: take A for a in tokens; none for true. A file has this of its own, but for a vocab.txt.
        strip_accents: take é for e; likewise.
        ignore_case: take categories, and classes, that differ in case alone for one.
        on_bad_example: error to stop at rows that cannot be used (too many fields, no target, a word instead of a
            number); skip to leave them out and name them.
        max_megabytes: the most that a file may have, also unpacked, in megabytes; none for 8,192, and for what is
            compressed no more than 100 times the file's size.
        test_fraction: share of all rows held out for testing, 0 to below 1, stratified by class; unused with `split`.
        validation_fraction: share of the remaining rows held out for tuning, likewise.
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
    normalize: Normalize = "standard"
    one_hot_up_to: NonNegativeInt = 10
    words: PositiveInt = 100
    tokenizer: Literal["words", "wordpiece", "bpe", "unigram"] | Path | None = None
    vocabulary_size: PositiveInt | None = None
    lowercase: bool | None = None
    strip_accents: bool | None = None
    ignore_case: bool = False
    on_bad_example: Literal["error", "skip"] = "error"
    max_megabytes: PositiveInt | None = None

    def __post_init__(self) -> None:
        if len(set(self._targets)) < len(self._targets) or not self._targets:
            raise KeyProblem("target", "must name one column or several different ones")
        named: dict[str, str] = dict.fromkeys(self._targets, "target")
        for key in ("numeric", "categorical", "text", "dates", "ignore", "weight", "split"):
            value = getattr(self, key)
            for name in value if isinstance(value, tuple) else [value] if value else []:
                if name in named:
                    raise KeyProblem(key, f"names {name!r}, which is already in {named[name]}")
                named[name] = key
        self._check_tokens()
        if isinstance(self.tokenizer, Path):
            object.__setattr__(self, "tokenizer", tokenizing.place(self.tokenizer))
        delimiter = self.delimiter.replace("tab", "\t")
        if delimiter != "auto" and (len(delimiter) != 1 or not delimiter.isascii() or delimiter in '\0\r\n"'):
            raise KeyProblem("delimiter", f"must be auto, tab or one ASCII character, got {self.delimiter!r}")

    @classmethod
    def proposed(cls, path: Path, target: str | None) -> Proposal | None:
        """Proposes the block that reads a table; none where the path is not one.

        Raises:
            ValueError: if it is of this kind, but cannot be used.
        """
        return proposed_table(path, target, cls, MISSING)

    def describe(self, spec: DataSpec) -> list[str]:
        """Returns which texts mean a missing value."""
        from dltrain.features._tables.description import missing

        return missing(self.missing_values)

    def reader(self, spec: DataSpec) -> TableReader:
        """Returns a reader of other rows for a network that was trained on `spec`."""
        learnt: TableFeature = spec.input
        table = TableEncoding(learnt.columns, self.missing_values, self.numeric, self.dates, learnt.tokenizer)
        return TableReader(table, self.delimiter, self.encoding, SizeLimit(self.max_megabytes))

    @property
    def _targets(self) -> tuple[str, ...]:
        return (self.target,) if isinstance(self.target, str) else self.target

    def files(self) -> list[Path]:
        """Returns the file, or those that the pattern matches."""
        return matching(self.path)

    def splits(self, like: DataSpec | None) -> Splits:
        """Returns the parts of the table.

        Raises:
            ValueError: if it cannot be used.
        """
        skip, limit = self.on_bad_example == "skip", SizeLimit(self.max_megabytes)
        table = read(self.path, self.delimiter, self.encoding, self.missing_values, skip, limit)
        self._check_names(table.frame.columns, table.nested)
        commas = self._commas(table.frame, like)
        frame = table.frame.with_columns([with_points(table.frame[name], are_decimal=True) for name in commas])
        table = replace(table, frame=frame if like is None else pointed(frame, like.input.columns))
        asked = TargetColumns(self._targets, self.ignore_case)
        kind = asked.kind(table.frame, like) if self.kind == "auto" else self.kind
        table = self._usable(table, asked, kind, like)
        target, targets = asked.values(table, kind, like)
        weights = weights_of(table, self.weight)
        parts = self._divided(table.frame, Split(np.arange(len(table.frame))[:, None], targets, weights), target)
        train = parts["train"]
        if train is None:
            raise KeyProblem("test_fraction", "and validation_fraction leave nothing for training")
        if like is None:
            like = self._learnt(table, train, target, commas)
        matrix = encode(table.frame, like.input.columns, like.input.tokenizer)
        _notice_strays(table, like, parts)
        skipped = tuple(table.skipped)
        place = replace(table, frame=table.frame.clear()).place  # which keeps no values
        del table
        made = {
            name: Split(matrix[rows], part.targets, part.weights, Provenance(place, rows))
            for name, part in parts.items()
            if part
            for rows in [part.inputs[:, 0]]
        }
        if like.input.mean is None:
            like = like.with_input(like.input.adapt(Pieces(made["train"].inputs)))
        return Splits(like, made["train"], made.get("validation"), made.get("test"), skipped)

    def _check_tokens(self) -> None:
        """Raises KeyProblem where a key of the tokenizer has no effect, or tokens cannot be made."""
        keys = {"vocabulary_size", "lowercase", "strip_accents"}
        unread, why = keys, "without tokenizer, such as wordpiece"
        if self.tokenizer is not None:
            tokenizing.check_installed("tokenizer")
            unread, why = set[str](), f"beside the tokenizer {self.tokenizer}, which has this of its own"
        if isinstance(self.tokenizer, Path):
            unread = keys if self.tokenizer.suffix in (".json", *tokenizing.SENTENCE_PIECE) else {"vocabulary_size"}
        if found := [key for key in sorted(unread) if getattr(self, key) is not None]:
            problems = [KeyProblem(key, f"has no effect {why}: leave it out") for key in found]
            raise problems[0] if len(problems) == 1 else ExceptionGroup("tokenizer", problems)
        if self.vocabulary_size is not None:
            tokenizing.check_size("vocabulary_size", self.vocabulary_size)

    def _check_names(self, names: list[str], nested: dict[str, str]) -> None:
        known = {*names}
        for key in ("target", *_ROLES, "weight", "split"):
            value = getattr(self, key)
            for name in value if isinstance(value, tuple) else [value] if value else []:
                if name in nested and key != "ignore":
                    raise KeyProblem(key, f"{name!r} holds {nested[name]}, not numbers, texts or dates")
                if name not in known and name not in nested:
                    hint = (
                        suggestion(name, names) if len(names) > 1 else f"; the only one is {names[0]!r}: set delimiter?"
                    )
                    hint += "; to use all rows: dataset.split=none" if key == "split" else ""
                    raise KeyProblem(key, f"is not a column of {self.path.name}: {name!r}{hint}")

    def _usable(self, table: Table, asked: TargetColumns, kind: Kind, like: DataSpec | None) -> Table:
        """Returns the rows that have a target, and numbers where numbers are needed."""
        skip = self.on_bad_example == "skip"
        table = asked.usable(table, kind, skip)
        apart = {*self._apart, *self.ignore}
        inputs = [name for name in table.frame.columns if name not in apart]
        numbers = self._numbers(kind)
        table = only_numbers(within_float32(table, [*inputs, *numbers], skip), [*self.numeric, *numbers], skip)
        for name in self.dates:
            order = is_day_first(table.frame[name]) if like is None else _day_first(like, name)
            stray = ~is_time(as_times(table.frame[name], order)) & table.frame[name].is_not_null()
            table = table.without(stray, f"{name} must be a date, for example 2020-12-31 23:59", skip, name)
        return with_parts(with_weights(table, self.weight, skip), self.split, skip)

    def _commas(self, frame: pl.DataFrame, like: DataSpec | None) -> list[str]:
        """Returns the columns that have decimal commas: of inputs, a run's are known."""
        words = {*self.categorical, *self.text, *self.dates, *self.ignore}
        words |= {*self._targets} if self.kind == "classes" else {*()}
        names = frame.columns if like is None else self._apart
        return decimal_commas(frame.select(name for name in names if name not in words))

    @property
    def _apart(self) -> list[str]:
        """The columns that are not inputs."""
        return [*self._targets, *filter(None, (self.weight, self.split))]

    def _numbers(self, kind: Kind) -> list[str]:
        """The columns beside the inputs that must be numbers."""
        return [*(self._targets if kind == "numbers" else ()), *filter(None, (self.weight,))]

    def _divided(self, frame: pl.DataFrame, rows: Split, target: Feature) -> dict[str, Split | None]:
        if self.split is not None:
            return named_parts(frame[self.split], rows)
        return drawn_parts(rows, target, self.test_fraction, self.validation_fraction, self.split_seed)

    def _learnt(self, table: Table, train: Split, target: Feature, commas: list[str]) -> DataSpec:
        """Learns from the train part everything but the means and deviations of the inputs."""
        if isinstance(target, ClassLabel):
            classes = target.class_names
            if len(untaught := np.setdiff1d(np.arange(len(classes)), train.targets)):
                words = f"{self.split!r} leaves no row for training of class {classes[untaught[0]]!r}"
                raise KeyProblem("split", words)
        given: dict[str, Role] = {name: role for role in _ROLES for name in getattr(self, role)}
        inputs, rows = table.frame.drop(self._apart), train.inputs[:, 0]
        tokenizer = self._tokenizer(texts(inputs, rows, given)) if self.tokenizer is not None else ""
        encoding = Encoding(self.impute, self.one_hot_up_to, self.words, self.ignore_case, tokenizer)
        columns = learn(inputs, rows, given, encoding, commas)
        if not columns:
            raise KeyProblem("path", "has no column beside the target to learn from")
        feature = TableFeature(columns=columns, tokenizer=tokenizer, normalize=self.normalize)
        return DataSpec.of(feature, target.adapt(Pieces(train.targets)))

    def _tokenizer(self, columns: list[pl.Series]) -> str:
        """Returns the tokenizer of the columns of texts."""
        if not columns:
            raise KeyProblem("tokenizer", "is for columns of texts, of which there is none: name one under text")
        spelling = self.lowercase is not False, self.strip_accents is not False
        if isinstance(self.tokenizer, Path):
            return tokenizing.of_file(self.tokenizer, *spelling, max_length=None)
        kind: Any = self.tokenizer
        return text_tokens.learnt(columns, kind, self.vocabulary_size or _VOCABULARY, *spelling)


_VOCABULARY = 8000
"""Tokens that are learnt, where nothing else is said."""

_ROLES: tuple[Role, ...] = ("numeric", "categorical", "text", "dates", "ignore")


def _day_first(spec: DataSpec, name: str) -> bool:
    return any(column.day_first for column in spec.input.columns if column.source == name)


def _notice_strays(table: Table, spec: DataSpec, parts: dict[str, Split | None]) -> None:
    """Says which values are not what their column was in training, by part: a whole column is a warning."""
    for name, (what, wrong) in strays(table.frame, spec.input.columns).items():
        flags, present = wrong.to_numpy(), table.frame[name].is_not_null().to_numpy()
        first, rows = int(flags.argmax()), {part: each.inputs[:, 0] for part, each in parts.items() if each}
        counts = {part: int(flags[places].sum()) for part, places in rows.items()}
        shares = ", ".join(f"{count} in {part}" for part, count in counts.items() if count)
        is_whole = any(flags[places].sum() == present[places].sum() > 0 for places in rows.values())
        if what == "categories":
            words = f"{flags.sum()} of its {present.sum()} values were never seen in training and count as unknown"
        else:
            words = f"it is read as {what}; {flags.sum()} of its values are not and count as missing"
        where = f"({shares}), for example {table.frame[name][first]!r}, {table.place(first)}"
        notice(f"column {name!r}: {words} {where}", is_whole)
    for name, between in between_hours(table.frame, spec.input.columns).items():
        first = int(between.arg_max() or 0)
        where = f"{between.sum()} values have some, for example {table.frame[name][first]!r}, {table.place(first)}"
        notice(f"column {name!r}: {BETWEEN_HOURS}; {where}")
