"""Rows of a table: numbers and categories, each a column's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from dltrain.data.feature import Plain, fitted, tupled
from dltrain.features._channels import Channels, normalization
from dltrain.lazy import keras, np
from dltrain.registry import FEATURES


@dataclass(frozen=True)
class Column:
    """One of the numbers that an example of a table consists of.

    Args:
        name: of the table's column, with a word behind it where one column becomes several numbers.
        source: the table's column.
        part: which number of the source it is: value, missing, year, month, weekday, hour, day, word or category.
        fill: what takes the place of a missing value.
        categories: the known categories; the number is the position of one, counted from 1, and 0 for all others.
        embedding: length of the vector that is learnt for each category; none for one-hot.
        word: the word that is counted, where part is word.
        day_first: whether 3/4/2020 is in April, where part is one of a date.
    """

    name: str
    source: str
    part: str = "value"
    fill: float = 0.0
    categories: tuple[str, ...] = ()
    embedding: int | None = None
    word: str | None = None
    day_first: bool = False


@FEATURES.register("table")
class Table(Channels):
    """Rows of a table as numbers: plain numbers first, then the codes of categories.

    Args:
        columns: what each number of an example is.
    """

    columns: tuple[Column, ...] = fitted(())

    @property
    def shape(self) -> tuple[int]:
        """How many numbers an example is."""
        return (len(self.columns),)

    @property
    def model_shape(self) -> tuple[int]:
        """Numbers behind the encoding of categories."""
        wide = (len(each.categories) if each.embedding is None else each.embedding for each in self._categories)
        return (self._numbers + sum(wide),)

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

    def adapt(self, pieces: Iterable[np.ndarray]) -> Self:
        """Returns the feature with mean and deviation of each number; categories stay the codes that they are."""
        learnt = super().adapt(pieces)
        is_code = [bool(column.categories) for column in self.columns]
        mean, deviation = (
            tuple(default if code else value for code, value in zip(is_code, values or (), strict=True))
            for values, default in ((learnt.mean, 0.0), (learnt.standard_deviation, 1.0))
        )
        return self.replaced(mean=mean, standard_deviation=deviation)

    def preprocess(self, x: Any, name: str = "normalization") -> Any:
        """Returns the numbers with mean 0 and variance 1, categories as one-hot or learnt vectors behind them."""
        if self.mean is None or self.standard_deviation is None or not self._categories:
            return super().preprocess(x, name)
        count, parts = self._numbers, []
        if count:
            parts.append(normalization(self.mean[:count], self.standard_deviation[:count], name)(x[:, :count]))
        for index, column in enumerate(self.columns[count:], count):
            size, layer = len(column.categories), f"category{index - count + 1}"
            code = keras.ops.cast(x[:, index], "int32")
            if column.embedding is None:
                parts.append(keras.ops.one_hot(code - 1, size))  # all zeros where the category is unknown
            else:
                parts.append(keras.layers.Embedding(size + 1, column.embedding, name=layer)(code))
        return keras.layers.Concatenate(name="features")(parts) if len(parts) > 1 else parts[0]

    def signature(self) -> Plain:
        """Returns all that weights depend on: the columns; what missing values are filled with is a statistic."""
        return self.replaced(
            columns=tuple(replace(column, fill=0.0) for column in self.columns),
            mean=None,
            standard_deviation=None,
        ).plain()

    @classmethod
    def of_plain(cls, fields: Mapping[str, Any]) -> Self:
        """Returns the feature whose fields were written as JSON."""
        columns = tuple(Column(**{key: tupled(value) for key, value in column.items()}) for column in fields["columns"])
        return cls(columns=columns, **{key: tupled(fields[key]) for key in ("mean", "standard_deviation")})
