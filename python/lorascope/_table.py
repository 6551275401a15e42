"""A table of a few thousand rows at most, which other libraries take without a copy of its text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from . import _options

if TYPE_CHECKING:
    import pandas
    import polars


class Table:
    """Named columns of equal length. Numbers are int or float, lists of float, and None where there is no value.

    Anything that reads the Arrow PyCapsule interface takes it as it is: ``polars.DataFrame(table)``, ``pyarrow.table(table)``,
    and DuckDB by its name in a query.
    """

    __slots__ = ("_columns",)

    def __init__(self, columns: Mapping[str, Sequence[Any]]) -> None:
        self._columns = {name: list(values) for name, values in columns.items()}

    @classmethod
    def of_rows(cls, rows: Iterable[Mapping[str, Any]]) -> Table:
        """A column for each key of any row, in the order in which they are met."""
        rows = list(rows)
        names = dict.fromkeys(name for row in rows for name in row)
        return cls({name: [row.get(name) for row in rows] for name in names})

    @property
    def columns(self) -> list[str]:
        """The names."""
        return list(self._columns)

    def __getitem__(self, column: str) -> list[Any]:
        return list(self._columns[column])

    def __len__(self) -> int:
        return max(map(len, self._columns.values()), default=0)

    def rows(self) -> Iterator[dict[str, Any]]:
        """Each row by the columns' names."""
        for values in zip(*self._columns.values()):
            yield dict(zip(self._columns, values))

    def to_dict(self) -> dict[str, list[Any]]:
        """Each column by its name."""
        return {name: list(values) for name, values in self._columns.items()}

    def to_arrow(self) -> Table:
        """The table itself, which has ``__arrow_c_stream__``: ``pyarrow.table(t.to_arrow())``."""
        return self

    def to_pandas(self) -> pandas.DataFrame:
        """A data frame of pandas, which must be installed."""
        import pandas

        return pandas.DataFrame(self._columns)

    def to_polars(self) -> polars.DataFrame:
        """A data frame of polars, which must be installed."""
        import polars

        return polars.DataFrame(self)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return _options.native().arrow_stream([(name, _kind(values), values) for name, values in self._columns.items()])

    def __repr__(self) -> str:
        return f"Table({len(self)} rows: {', '.join(self._columns)})"


def _kind(values: Sequence[Any]) -> str:
    """What a column holds. One without any value counts as floating-point numbers."""
    for value in values:
        if isinstance(value, bool):
            return "bool"
        if isinstance(value, str):
            return "str"
        if isinstance(value, list):
            return "list"
    numbers = [value for value in values if value is not None]
    return "int" if numbers and all(isinstance(value, int) for value in numbers) else "float"
