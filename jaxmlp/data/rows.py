"""Rows: the inputs and targets of one source, read and checked, before they are split."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxmlp.checks import require
from jaxmlp.data.arrays import as_array, check_inputs
from jaxmlp.data.cells import RawColumn, Where, in_column, in_rows
from jaxmlp.data.columns import new_column
from jaxmlp.data.tables import ColumnName, Table, by_position, column_name, column_names, input_names, table_of
from jaxmlp.data.targets import RawTargets, array_targets, column_targets

__all__ = ["Rows", "array_rows", "is_plain", "table_rows", "without_missing"]


@dataclass(frozen=True)
class Rows:
    """Inputs and targets in the user's own units.

    Attributes:
      place: what errors call the source.
      inputs: (n, features) numbers, or one `RawColumn` for each column of a table.
      targets: the targets.
      target: the name of the target column; None if targets were given by themselves.
      where: from a row number to the words that tell where it is.
      table: the cells as read; None for arrays.
    """

    place: str
    inputs: np.ndarray | tuple[RawColumn, ...]
    targets: RawTargets
    target: str | None
    where: Where
    table: Table | None = None

    def take(self, rows: np.ndarray) -> "Rows":
        """Some of the rows, in the order given."""
        inputs = self.inputs
        taken = inputs[rows] if isinstance(inputs, np.ndarray) else tuple(column.take(rows) for column in inputs)
        return replace(self, inputs=taken, targets=self.targets.take(rows), where=in_rows(self.where, rows))


def array_rows(
    function: str, inputs: Any, targets: Any, task: str | None, *, as_table: bool = False, like: Rows | None = None
) -> Rows:
    """The rows of inputs and targets that are given by themselves.

    Real numbers stay an array unless `as_table` is set. `like` has the training rows of other splits, whose columns
    decide.
    """
    if as_table:
        table = table_of(function, inputs)
        found, where = _columns(function, table, list(table.columns), like), table.where
        count = len(found[0].values) if found else 0
        require(count > 0, function, "inputs", "have at least one row and one feature", np.shape(inputs))
    else:
        found = check_inputs(function, inputs)
        count, where, table = len(found), "inputs row {}".format, None
    return Rows("inputs", found, array_targets(function, targets, count, task), None, where, table)


def is_plain(function: str, inputs: Any) -> bool:
    """Whether inputs are an array without names, text and missing values, which need no table."""
    if isinstance(inputs, np.ma.MaskedArray) or hasattr(inputs, "iloc") or isinstance(inputs, dict):
        return False
    array = as_array(function, "inputs", inputs)
    is_text = array.dtype.kind in "OUS" and array.ndim == 2
    return not is_text and not (jnp.issubdtype(array.dtype, np.floating) and array.ndim == 2 and np.isnan(array).any())


def table_rows(
    function: str,
    source: Any,
    *,
    target: ColumnName | None,
    task: str | None,
    ignore: ColumnName | Sequence[ColumnName] | None,
    categories: ColumnName | Sequence[ColumnName] | None,
    header: bool | None,
    like: Rows | None = None,
) -> Rows:
    """The rows of a file or a DataFrame, one of whose columns is the target."""
    table = table_of(function, source, header)
    names = list(table.columns)
    require(len(names) >= 2, function, table.place, "have at least 2 columns", names)
    name = column_name(function, "target", names, target if like is None or like.target is None else like.target)
    used = input_names(function, names, name, column_names(function, "ignore", names, ignore))
    named = column_names(function, "categories", names, categories) if like is None else []
    inputs = _columns(function, table, used, like, named)
    require(len(inputs[0].values) > 0, function, table.place, "have at least one row", 0)
    targets = column_targets(function, table.columns[name], in_column(table.where, name), task)
    return Rows(table.place, inputs, targets, name, table.where, table)


def _columns(
    function: str, table: Table, names: Sequence[str], like: Rows | None, categories: Sequence[str] = ()
) -> tuple[RawColumn, ...]:
    if like is None:
        return table.only(names).parsed(function, categories)
    known = [(column.name, column.is_number) for column in like.inputs if isinstance(column, RawColumn)]
    table = by_position(function, table, [name for name, _ in known])
    return tuple(new_column(function, name, is_number, table) for name, is_number in known)


def without_missing(function: str, rows: Rows, missing: str) -> tuple[Rows, int]:
    """The rows that stay under the user's rule for missing values, and how many were dropped."""
    columns = () if isinstance(rows.inputs, np.ndarray) else rows.inputs
    lacks_target = rows.targets.missing
    lacks_input = np.any([column.missing for column in columns], axis=0) if columns else np.zeros_like(lacks_target)
    if missing == "drop":
        kept = np.flatnonzero(~(lacks_target | lacks_input))
        require(len(kept) > 0, function, rows.place, "have a row without missing values", 0)
        return (rows if len(kept) == len(lacks_target) else rows.take(kept)), len(lacks_target) - len(kept)
    bad = lacks_target if missing == "impute" else lacks_target | lacks_input
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        lacking = [column.name for column in columns if column.missing[row] and missing == "refuse"]
        _refuse(function, rows, row, lacking[0] if lacking else None)
    return rows, 0


def _refuse(function: str, rows: Rows, row: int, name: str | None) -> None:
    """The error of a missing value in a row, in the input column `name` or, for None, in the targets."""
    column = rows.target if name is None else name
    rule = "have a value (missing='drop' leaves such rows out, missing='impute' fills them in)"
    if name is None:
        rule = "have a value (a target cannot be imputed; missing='drop' leaves such rows out)"
    place = rows.targets.where(row) if name is None else in_column(rows.where, name)(row)
    cells = rows.table.columns[column] if rows.table and column is not None else None
    cell = None if cells is None else cells.iloc[row] if hasattr(cells, "iloc") else cells[row]
    require(False, function, place, rule, cell.strip() if isinstance(cell, str) else None)
