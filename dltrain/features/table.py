"""Rows of a table: numbers and categories, each a column's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, Self

from dltrain.data.feature import Encoded, Plain, fitted, statistic, tupled, typed
from dltrain.data.statistics import Pieces
from dltrain.features._channels import EXTREME, Channels, normalization
from dltrain.features._columns import odd_columns, vectors
from dltrain.features._names import differing_categories
from dltrain.lazy import keras, np
from dltrain.registry import FEATURES

if TYPE_CHECKING:
    from dltrain.data.finding import Finding
    from dltrain.data.parts import Parts
    from dltrain.data.request import Reader
    from dltrain.data.showing import Shown
    from dltrain.data.statistics import Moments
    from dltrain.features._tables.encoding import TableEncoding
    from dltrain.figures.page import Panel

OF_TEXTS = ("word", "token")
"""The parts that are counts of what is in a text."""
PLAIN = ("value", "category")
"""The parts of a table's columns that stand for the column itself."""
CELLS = 9
"""Columns of which the values of a few examples are shown."""
LISTED = 1000
"""Numbers that are described in a table."""
QUANTILES = 65
"""Quantiles that are learnt of a number, the least and the most among them."""
QUANTILE_ROWS = 100_000
"""Rows that they are learnt of, about."""
Normalize = Literal["standard", "robust", "quantile"]
MOST_CHOICES = 1000
"""Categories that a request's schema names."""


@dataclass(frozen=True)
class Column:
    """One of the numbers that an example of a table consists of.

    Args:
        name: of the table's column, with a word behind it where one column becomes several numbers.
        source: the table's column.
        part: which number of the source it is: value, missing, year, month, weekday (1 is Monday), day (days since the
            1st of January 1970), hour (a whole number), time (hours exactly), word, token (of a text) or category.
        fill: what takes the place of a missing value.
        categories: the known categories; the number is the position of one, counted from 1, and 0 for all others.
        embedding: length of the vector that is learnt for each category; none for one-hot.
        word: the word or token that is counted, where part is word or token.
        day_first: whether 3/4/2020 is in April, where part is one of a date.
        offset: what is subtracted from a value before it becomes float32, which holds about 7 digits.
        ignore_case: whether case means nothing in a category.
        decimal_comma: whether training had decimal commas, where part is value: any comma of a number is one then.
        is_complete: whether each row of the train part had such a value: one without the column is then a mistake.
    """

    name: str
    source: str
    part: str = "value"
    fill: float = 0.0
    categories: tuple[str, ...] = ()
    embedding: int | None = None
    word: str | None = None
    day_first: bool = False
    offset: float = 0.0
    ignore_case: bool = False
    decimal_comma: bool = False
    is_complete: bool = True

    def difference(self, other: Column) -> str:
        """Returns how another column of this name differs; nothing where weights may be used for it as for this one."""
        if bool(self.categories) != bool(other.categories):
            kinds = ["categories" if each.categories else "numbers" for each in (self, other)]
            return f"was of {kinds[0]} in training, got {kinds[1]}"
        if self.categories != other.categories:
            return differing_categories(self.categories, other.categories)
        alike = replace(other, fill=self.fill)
        keys = [key for key in ("source", "part", "embedding", "word", "day_first")
                if getattr(self, key) != getattr(alike, key)]  # fmt: skip
        return f"was read otherwise in training: other {' and '.join(keys)}" if keys else ""


@FEATURES.register("table")
class Table(Channels):
    """Rows of a table as numbers: plain numbers first, then the codes of categories.

    Args:
        normalize: what the network does to numbers first: standard takes off the mean and divides by the deviation;
            robust takes the median and the distance between the quartiles, and bends what is far; quantile makes normal
            numbers of ranks.
        columns: what each number of an example is.
        tokenizer: of the texts whose tokens are counted, as the `tokenizers` library writes it; empty without such.
        quantiles: of each number that is no category's code, over the train part; empty where `normalize` is standard.
    """

    normalize: Normalize = "standard"
    columns: tuple[Column, ...] = fitted(())
    tokenizer: str = fitted("")
    quantiles: tuple[tuple[float, ...], ...] = statistic(())

    @property
    def shape(self) -> tuple[int]:
        """How many numbers an example is."""
        return (len(self.columns),)

    @property
    def model_shape(self) -> tuple[int]:
        """Numbers behind the encoding of categories."""
        return (sum(self.model_columns),)

    @property
    def model_columns(self) -> tuple[int, ...]:
        """One for each number; then of each category the length of its vector, or how many there are."""
        wide = (len(each.categories) if each.embedding is None else each.embedding for each in self._categories)
        return *(1,) * self._numbers, *wide

    @property
    def _categories(self) -> tuple[Column, ...]:
        return tuple(each for each in self.columns if each.categories)

    @property
    def _numbers(self) -> int:
        return len(self.columns) - len(self._categories)

    @property
    def averaging_problem(self) -> str | None:
        """Names the categories, if there are some."""
        names = ", ".join(repr(column.name) for column in self._categories)
        return f"categories: {names}; dataset.ignore leaves columns out" if names else None

    @property
    def has_columns(self) -> bool:
        """Always."""
        return True

    def column(self, index: int) -> str:
        """Returns what a column is called in messages."""
        return f"column {self.columns[index].name!r}"

    def moments(self) -> list[Moments]:
        """Returns mean and deviation of each column that is not a category's code."""
        return [each for each, column in zip(super().moments(), self.columns, strict=False) if not column.categories]

    def identity(self) -> Sequence[str]:
        """Returns the columns' names."""
        return [column.name for column in self.columns]

    def vectors(self, stored: Any) -> np.ndarray:
        """Returns columns with mean 0 and variance 1 over these rows, categories as one-hot."""
        return vectors(np.asarray(stored[:]), [bool(column.categories) for column in self.columns])

    def findings(self, parts: Parts, brief: bool) -> Iterable[Finding]:
        """Returns columns that say nothing, or say it twice; words that are counted and parts of dates may."""
        return () if brief else odd_columns(self, parts["train"], [column.part in PLAIN for column in self.columns])

    def adapt(self, pieces: Iterable[np.ndarray]) -> Self:
        """Returns the feature with mean and deviation of each number; categories stay the codes that they are."""
        learnt = super().adapt(pieces)
        if self.normalize != "standard":
            learnt = learnt.replaced(quantiles=_quantiles(pieces, self._numbers))
        is_code = [bool(column.categories) for column in self.columns]
        mean, deviation = (
            tuple(default if code else value for code, value in zip(is_code, values or (), strict=True))
            for values, default in ((learnt.mean, 0.0), (learnt.standard_deviation, 1.0))
        )
        return learnt.replaced(mean=mean, standard_deviation=deviation)

    def preprocess(self, x: Any, name: str = "normalization") -> Any:
        """Returns the numbers with mean 0 and variance 1, categories as one-hot or learnt vectors behind them."""
        if self.mean is None or self.standard_deviation is None:
            return x
        if not self._categories:
            return self._scaling(name)(x)
        count, parts = self._numbers, []
        after = name.removeprefix("normalization")  # of several inputs each has layers of its own
        if count:
            parts.append(self._scaling(name)(x[:, :count]))
        for index, column in enumerate(self.columns[count:], count):
            size, layer = len(column.categories), f"category{index - count + 1}"
            code = keras.ops.cast(keras.ops.round(x[:, index]), "int32")  # 8-bit formats have 2.98 for 3
            if column.embedding is None:
                # All zeros where the category is unknown; no one_hot, which in ONNX counts -1 from the end.
                known = keras.ops.equal(code[:, None], np.arange(1, size + 1, dtype=np.int32))
                parts.append(keras.ops.cast(known, "float32"))
            else:
                parts.append(keras.layers.Embedding(size + 1, column.embedding, name=layer + after)(code))
        return keras.layers.Concatenate(name=f"features{after}")(parts) if len(parts) > 1 else parts[0]

    def _scaling(self, name: str) -> Any:
        """Returns the layer that brings the numbers to one scale."""
        from dltrain.layers.number_scaling import QuantileScaling, RobustScaling

        count, mean, deviation = self._numbers, self.mean or (), self.standard_deviation or ()
        if self.normalize == "standard":
            return normalization(mean[:count], deviation[:count], name)
        if self.normalize == "robust":
            return RobustScaling(*_robust(self.quantiles), dtype="float32", name=name)
        return QuantileScaling(self.quantiles, dtype="float32", name=name)

    def encode(self, raws: Sequence[Any]) -> Encoded:
        """Returns rows as numbers, (usable, columns), float32.

        Args:
            raws: objects of a cell for each column of the table, or lists of numbers as they are stored.
        """
        return self._encoding.encode(raws)

    def decode(self, stored: Any) -> list[dict[str, Any]]:
        """Returns rows as objects of a cell for each column of the table."""
        from dltrain.features._tables.cells import cells

        return cells(stored, self.columns)

    def reader(self) -> Reader:
        """Returns what reads files of tables, standard input and requests."""
        from dltrain.features._tables.reader import TableReader

        return TableReader(self._encoding)

    @property
    def _encoding(self) -> TableEncoding:
        from dltrain.features._tables.encoding import MISSING, TableEncoding

        known = {name for column in self.columns for name in column.categories}
        missing = tuple(word for word in MISSING if word not in known)
        return TableEncoding(self.columns, missing, tokenizer=self.tokenizer)

    def files(self) -> dict[str, bytes]:
        """Returns tokenizer.json, which the `tokenizers` library reads, where tokens are counted."""
        return {"tokenizer.json": self.tokenizer.encode()} if self.tokenizer else {}

    def request_schema(self) -> dict[str, Any]:
        """Returns the schema of a row: an object of a cell for each column."""
        cells: dict[str, Any] = {}
        for column in self.columns:
            cells.setdefault(column.source, {"type": _TYPES.get(column.part, ["string", "null"])})
            if column.part == "category":
                cells[column.source]["examples"] = [*column.categories[:MOST_CHOICES]]
            if column.part == "token":
                cells[column.source]["items"] = {"type": "string"}
        return {"type": "object", "properties": cells}

    def corners(self) -> list[np.ndarray]:
        """Returns rows of missing values and unknown categories, of zeros, of extremes, and of each end of categories.

        Unknown categories, the first and the last ones stand beside the mean of the numbers, too: what a network
        makes of them is not lost beside extremes.
        """
        count = len(self.columns)
        each_of = zip(self.columns, self.mean or (0.0,) * count, self.standard_deviation or (1.0,) * count, strict=True)
        middle, least, most = np.array([_edges(*each) for each in each_of]).T
        sizes = np.array([len(column.categories) for column in self.columns])
        missing = [0.0 if each.categories else float(each.part == "missing") or each.fill for each in self.columns]
        rows = [missing, np.zeros(len(sizes)), np.where(sizes, 1, least), np.where(sizes, sizes, most)]
        if sizes.any():
            rows += [np.where(sizes, codes, middle) for codes in (0, 1, sizes)]
        return [*np.array(rows, np.float32)]

    def difference(self, other: Table) -> str:
        """Returns the first column that is missing, or is another: of another kind, or of other categories."""
        if self.tokenizer != other.tokenizer:
            return "its texts have other tokens; set dataset.tokenizer to the run's tokenizer.json to take the same"
        others = {column.name: column for column in other.columns}
        for column in self.columns:
            if column.name not in others:
                return f"it takes a column {column.name!r}, got {', '.join(map(repr, others))}"
            words = column.difference(others[column.name])
            if words:
                return f"column {column.name!r} {words}"
        return f"other columns than it was trained on, or in another order: {', '.join(map(repr, others))}"

    def signature(self) -> Plain:
        """Returns all that weights depend on: the columns; what is filled in or subtracted is a statistic."""
        return self.replaced(
            columns=tuple(replace(column, fill=0.0, offset=0.0, is_complete=True) for column in self.columns),
            mean=None,
            standard_deviation=None,
            quantiles=(),
        ).plain()

    def show(self, stored: Any, weights: Any = None, like: Any = None) -> list[Shown]:
        """Returns rows of the first columns."""
        from dltrain.data.showing import Row

        stored = np.asarray(stored)
        dated = {column.source for column in self.columns if column.part == "day"}
        shown = [
            place
            for place, column in enumerate(self.columns)
            if column.part in ("value", "day", "category")
            or (column.part in ("hour", "time") and column.source not in dated)
        ][:CELLS]
        flags = {column.source: place for place, column in enumerate(self.columns) if column.part == "missing"}
        names = tuple(self.columns[place].source for place in shown)
        return [Row(names, tuple(self._cell(values, place, flags) for place in shown)) for values in stored]

    def _cell(self, values: np.ndarray, place: int, flags: Mapping[str, int]) -> str:
        """Returns one number of an example as what it stands for.

        Args:
            values: the example, (columns,).
            place: of the number.
            flags: which number says that a column's value is missing.
        """
        from dltrain.figures.distributions import day
        from dltrain.wording import number

        column, value = self.columns[place], float(values[place])
        flag = flags.get(column.source)
        if flag is not None and values[flag]:
            return "(missing)"
        if column.categories:
            return column.categories[int(value) - 1] if value else "(missing or unknown)"
        return day(value) if column.part == "day" else number(value + column.offset)

    def panels(self, parts: Mapping[str, Any]) -> Sequence[Panel]:
        """Returns how each column of the table is distributed in the first part."""
        part, values = next(iter(parts.items()))
        values, sources = np.asarray(values), dict[str, list[int]]()
        for place, column in enumerate(self.columns):
            sources.setdefault(column.source, []).append(place)
        return [self._panel(source, places, part, values) for source, places in sources.items()]

    def _panel(self, source: str, of_source: Sequence[int], part: str, values: np.ndarray) -> Panel:
        from dltrain.figures import distributions

        places = {self.columns[place].part: place for place in of_source}
        if "category" in places:
            column = self.columns[places["category"]]
            codes = values[:, places["category"]]
            return distributions.categories(column.name, column.categories, codes, column.embedding)
        if {*OF_TEXTS} & {*places}:
            return distributions.words(
                source, [str(self.columns[place].word) for place in of_source], values[:, of_source]
            )
        place = next(places[part] for part in ("day", "value", "time", "hour") if part in places)
        statistics = None
        if self.mean is not None and self.standard_deviation is not None:
            statistics = self.mean[place], self.standard_deviation[place]
        missing = values[:, places["missing"]] == 1 if "missing" in places else np.zeros(len(values), bool)
        column = self.columns[place]
        if column.offset and statistics:
            statistics = statistics[0] + column.offset, statistics[1]
        shown = values[:, place].astype(np.float64) + column.offset if column.offset else values[:, place]
        draw = distributions.dates if "day" in places else distributions.numbers
        return draw(source, shown, part, statistics, missing, column.fill + column.offset)

    def describe(self, preprocessed: bool = False) -> list[str]:
        """Returns how many numbers there are, what each is made of, and how they are normalised."""
        from dltrain.features._tables.description import described

        people, order, *normalization = super().describe(preprocessed)
        return [people, order, "", *described(self.columns, LISTED), *normalization]

    def _normalization(self, preprocessed: bool) -> list[str]:
        """Returns who brings the numbers to one scale, and by what."""
        by = {"robust": "median and quartiles", "quantile": f"{QUANTILES} quantiles"}.get(self.normalize)
        if by is None:
            return super()._normalization(preprocessed)
        return ["", f"The network itself brings its numbers to one scale, by {by} of the train part."]

    def unnormalized(self) -> tuple[Self, Any] | None:
        """Returns none where there are categories, whose encoding stands beside it, or `normalize` is not standard."""
        return None if self._categories or self.normalize != "standard" else super().unnormalized()

    @classmethod
    def of_plain(cls, fields: Mapping[str, Any]) -> Self:
        """Returns the feature whose fields were written as JSON."""
        columns = tuple(Column(**{key: tupled(value) for key, value in column.items()}) for column in fields["columns"])
        learnt = {key: tupled(fields[key]) for key in ("mean", "standard_deviation")}
        later = {"tokenizer": "", "normalize": "standard", "quantiles": ()}  # which files of older versions lack
        return typed(
            cls(columns=columns, **learnt, **{key: tupled(fields.get(key, value)) for key, value in later.items()})
        )


def _quantiles(pieces: Iterable[np.ndarray], count: int) -> tuple[tuple[float, ...], ...]:
    """Returns quantiles of the first numbers of rows, of at most some rows that are evenly spaced."""
    total = len(pieces.values) if isinstance(pieces, Pieces) else 0
    step = max(1, total // QUANTILE_ROWS)
    rows = np.concatenate([np.asarray(piece[::step, :count], np.float32) for piece in pieces])
    # Numbers that are there, so that those of many rows are met exactly.
    found = np.quantile(rows, np.linspace(0, 1, QUANTILES), axis=0, method="nearest")
    return tuple(tuple(each) for each in found.T.tolist())


def _robust(quantiles: tuple[tuple[float, ...], ...]) -> tuple[np.ndarray, np.ndarray]:
    """Returns medians, and distances between quartiles; where these are 0, half the range, or 1."""
    values = np.array(quantiles)
    quarter = values.shape[1] // 4
    between, ranges = values[:, -1 - quarter] - values[:, quarter], (values[:, -1] - values[:, 0]) / 2
    scale = np.where(between > 0, between, np.where(ranges > 0, ranges, 1.0))
    return values[:, 2 * quarter], scale


_TYPES = {"value": ["number", "string", "null"], "token": ["string", "array", "null"]}
"""What a cell may be in a request, where it is not just a text or missing; an array is one of tokens."""

_BOUNDS = {
    "missing": (0.0, 1.0),
    "month": (1.0, 12.0),
    "weekday": (1.0, 7.0),
    "hour": (0.0, 23.0),
    "time": (0.0, 23.75),
}
"""The least and the largest that such a number can be."""


def _edges(column: Column, mean: float, deviation: float) -> tuple[float, float, float]:
    """Returns the mean of a column, and the least and the largest of its values that others must hold."""
    far = EXTREME * deviation
    return mean, *_BOUNDS.get(column.part, (0.0 if column.part in OF_TEXTS else mean - far, mean + far))
