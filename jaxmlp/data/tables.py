"""Tables in the user's own units: named columns of numbers or text, and where their rows are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import jax.numpy as jnp
import numpy as np

from jaxmlp.checks import require
from jaxmlp.data.cells import RawColumn, category_column, input_column
from jaxmlp.data.files import read_file

__all__ = ["ColumnName", "Table", "by_position", "column_name", "column_names", "input_names", "is_frame", "table_of"]

ColumnName: TypeAlias = str | int
"""A column by its name, or by its position; negative positions count from the end."""


@dataclass(frozen=True)
class Table:
    """Columns of cells, as read.

    Attributes:
      place: what errors call it: the name of a file, "DataFrame" or "inputs".
      columns: {name: (n,) cells}: numbers with NaN, or objects, of which some may be missing.
      lines: (n,) the line of each row if it comes from a file.
    """

    place: str
    columns: Mapping[str, Any]
    lines: np.ndarray | None = None

    def where(self, row: int) -> str:
        """The words that tell the user which row: "wine.csv line 3" or "inputs row 2" (counted from 0)."""
        return f"{self.place} row {row}" if self.lines is None else f"{self.place} line {self.lines[row]}"

    def only(self, names: Sequence[str]) -> "Table":
        """The table of some of the columns."""
        return replace(self, columns={name: self.columns[name] for name in names})

    def parsed(self, function: str, categories: Sequence[str] = ()) -> tuple[RawColumn, ...]:
        """The columns, each of numbers or of categories; those that `categories` names are of categories."""
        return tuple(
            category_column(function, name, cells)
            if name in categories
            else input_column(function, name, cells, self.where)
            for name, cells in self.columns.items()
        )


def table_of(function: str, source: Any, header: bool | None = None) -> Table:
    """The table in a file, a DataFrame, a dict of columns or a two-dimensional array."""
    if isinstance(source, (str, Path)):
        names, cells, lines = read_file(source, header)
        return Table(Path(source).name, dict(zip(names, cells.T, strict=True)), lines)
    if is_frame(source):
        if str(source.columns[:1].tolist()) == "['Unnamed: 0']" and source.iloc[:, 0].is_unique:
            source = source.iloc[:, 1:]
        names = [str(name) for name in source.columns]
        require(len(set(names)) == len(names), function, "DataFrame", "have a different name for each column", names)
        return Table("DataFrame", {name: source.iloc[:, position] for position, name in enumerate(names)})
    if isinstance(source, Mapping):
        columns = {str(name): _cells(cells) for name, cells in source.items()}
        lengths = {name: len(cells) for name, cells in columns.items()}
        require(len(set(lengths.values())) == 1, function, "dict", "have columns of one length", lengths)
        return Table("dict", columns)
    array = source if isinstance(source, np.ma.MaskedArray) else np.asarray(source)
    # bfloat16 has no kind of its own in NumPy.
    array = array.astype(np.float64) if jnp.issubdtype(array.dtype, np.floating) else array
    require(array.ndim == 2, function, "inputs", "be of shape (n, features)", array.shape)
    return Table("inputs", {f"column {position}": column for position, column in enumerate(array.T)})


def _cells(cells: Any) -> Any:
    """A column of a dict, (n,): a Series or masked array as it is, a list as an array, one cell as a column of one."""
    if hasattr(cells, "to_numpy") or isinstance(cells, np.ma.MaskedArray):
        return cells
    return np.atleast_1d(np.asarray(cells))


def by_position(function: str, table: Table, names: Sequence[str]) -> Table:
    """The columns of an array under the names given; other tables, whose columns have names, as they are."""
    if table.place != "inputs":
        return table
    rule = f"have {len(names)} columns: {', '.join(names)}"
    require(len(table.columns) == len(names), function, "rows", rule, len(table.columns))
    return replace(table, columns=dict(zip(names, table.columns.values(), strict=True)))


def is_frame(source: Any) -> bool:
    """True for a pandas DataFrame; does not import pandas."""
    return type(source).__module__.split(".")[0] == "pandas" and hasattr(source, "columns")


def column_name(function: str, argument: str, names: Sequence[str], column: ColumnName | None) -> str:
    """The name of a column given by name or position; None for the last one."""
    if column is None:
        return names[-1]
    if isinstance(column, str):
        require(column in names, function, argument, f"be one of the columns {', '.join(names)}", column)
        return column
    is_integer = isinstance(column, (int, np.integer)) and not isinstance(column, bool)
    is_inside = is_integer and -len(names) <= column < len(names)
    require(is_inside, function, argument, f"be a column name or an index below {len(names)}", column)
    return names[int(column)]


def column_names(
    function: str, argument: str, names: Sequence[str], columns: ColumnName | Sequence[ColumnName] | None
) -> list[str]:
    """The names of columns given by name or position."""
    given: Any = () if columns is None else [columns] if np.ndim(columns) == 0 else columns
    return [column_name(function, argument, names, column) for column in given]


def input_names(function: str, names: Sequence[str], others: Sequence[str], ignored: Sequence[str]) -> list[str]:
    """The names of the input columns: all but those of targets and weights, and those to ignore."""
    found = [name for name in names if name not in others and name not in ignored]
    require(found, function, "ignore", "leave at least one input column", sorted(ignored))
    return found
