"""Rows of a table -> whole series: in long form a row per step, in wide form a row per series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dltrain.errors import KeyProblem
from dltrain.features._series.tables import Layout, refuse_rows, times, values_of
from dltrain.features._tables.files import Table
from dltrain.features._tables.values import as_numbers, as_text
from dltrain.lazy import np
from dltrain.registry import suggestion


@dataclass(frozen=True)
class Found:
    """The series of a table.

    Args:
        names: of each; its row where it has none.
        values: (steps, channels) each, float64, NaN where a number is missing.
        firsts: the first row of each.
        owners: which series each row is of, (rows,).
    """

    names: Sequence[str]
    values: Sequence[np.ndarray]
    firsts: np.ndarray
    owners: np.ndarray


@dataclass(frozen=True)
class Panels:
    """What the columns of a table of whole series are.

    Args:
        is_wide: whether a row is a series, whose steps are columns; otherwise it is a step.
        series: the column that says which series a row is of; in wide form what it is called; none for none.
        time: the column of times of a long table; none where rows are in the order of the steps.
        values: the columns of the channels; in wide form those of the steps; empty for all that are not in `apart`.
        apart: columns that are something else.
    """

    is_wide: bool = False
    series: str | None = None
    time: str | None = None
    values: tuple[str, ...] = ()
    apart: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """Which columns a table must have."""
        if self.is_wide:
            return "a row per series"
        return f"a row per step, {', '.join(filter(None, (self.series, self.time, *self.values)))}"

    def columns(self, there: Sequence[str]) -> tuple[str, ...]:
        """Returns the columns of numbers.

        Raises:
            KeyProblem: if one that is named is not there, or none is left.
        """
        for key, names in (("series", (self.series,)), ("time", (self.time,)), ("values", self.values)):
            for name in names:
                if name is not None and name not in there:
                    raise KeyProblem(key, f"is not a column of the table: {name!r}{suggestion(name, [*there])}")
        others = {self.series, self.time, *self.apart}
        found = self.values or tuple(name for name in there if name not in others)
        if not found:
            raise KeyProblem("values", f"leaves no column of numbers: the table has {', '.join(there)}")
        return found

    def found(self, table: Table) -> Found:
        """Returns the series of a table, in the order in which they begin.

        Raises:
            KeyProblem: if a row cannot be used, each named by file and line.
        """
        columns = self.columns(table.frame.columns)
        numbers = values_of(table, columns)
        if self.is_wide:
            return self._of_rows(table, columns, numbers)
        owners, names = self._owners(table)
        order = np.argsort(owners, kind="stable")
        self._check_order(table, owners, order)
        ends = np.cumsum(np.bincount(owners, minlength=len(names)))[:-1]
        each = np.split(order, ends)
        return Found(names, [numbers[rows] for rows in each], np.array([rows[0] for rows in each]), owners)

    def _of_rows(self, table: Table, columns: Sequence[str], numbers: np.ndarray) -> Found:
        rows = np.arange(len(numbers))
        self._refuse_shorter(table, columns, numbers)
        if self.series is None:
            names = [f"row {row + 1}" for row in rows.tolist()]
        else:
            names = as_text(table.frame[self.series]).fill_null("").to_list()
        return Found(names, [*numbers[..., None]], rows, rows)

    def _refuse_shorter(self, table: Table, columns: Sequence[str], numbers: np.ndarray) -> None:
        """Raises KeyProblem where rows have no number from some step on: series of other lengths, in wide form."""
        known = np.isfinite(numbers)
        lengths = len(columns) - known[:, ::-1].argmax(axis=1)
        shorter = known.any(axis=1) & (lengths < len(columns))

        def why(row: int) -> str:
            last = f"step {lengths[row]:,} of {len(columns):,}, {columns[lengths[row] - 1]!r}"
            return f"has no number behind {last}; series of different lengths need form: long, a row per step"

        refuse_rows(table, np.flatnonzero(shorter), "form", why)

    def _owners(self, table: Table) -> tuple[np.ndarray, list[str]]:
        """Returns which series each row is of, and their names."""
        if self.series is None:
            raise KeyProblem("series", "must name the column that says which series a row is of, unless form is wide")
        column = as_text(table.frame[self.series])
        refuse_rows(table, np.flatnonzero(column.is_null().to_numpy()), "series", lambda _: f"{self.series} is missing")
        places = {name: place for place, name in enumerate(column.unique(maintain_order=True).to_list())}
        return column.replace_strict(places).to_numpy().astype(np.int64), [*places]

    def _check_order(self, table: Table, owners: np.ndarray, order: np.ndarray) -> None:
        """Raises KeyProblem where the times of a series do not rise from row to row."""
        if self.time is None:
            again = np.flatnonzero(np.diff(owners) != 0) + 1
            is_first = np.zeros(len(owners), bool)
            is_first[np.unique(owners, return_index=True)[1]] = True
            words = f"goes on with a {self.series} whose rows ended before: name the column of times as dataset.time"
            refuse_rows(table, again[~is_first[again]], "series", lambda _: words)
            return
        column = table.frame[self.time]
        refuse_rows(table, np.flatnonzero(column.is_null().to_numpy()), "time", lambda _: f"{self.time} is missing")
        numbers = as_numbers(column)
        at = times(table, Layout(time=self.time))[0] if numbers.null_count() else numbers.to_numpy()
        rows, of_rows = order[1:], owners[order]
        is_next, gaps = of_rows[1:] == of_rows[:-1], np.diff(at[order])
        twice = {*rows[is_next & (gaps == 0)].tolist()}

        def why(row: int) -> str:
            if row in twice:
                return f"{self.time} {column[row]} is there twice in this series: keep one row"
            return (
                f"{self.time} {column[row]} does not come behind that of the row before of this series: sort the rows"
            )

        refuse_rows(table, rows[is_next & ~(gaps > 0)], "time", why)
