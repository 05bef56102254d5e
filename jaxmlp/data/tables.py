"""CSV files: a header line, numeric columns, one of them the target, which may be text."""

import csv
from pathlib import Path

import numpy as np

from jaxmlp.checks import require
from jaxmlp.data.arrays import real_numbers

__all__ = ["read_csv"]


def read_csv(source: str | Path, target: str | int | None, task: str | None) -> tuple[np.ndarray, np.ndarray]:
    """(inputs, targets): inputs (n, columns - 1) float64; targets (n,) int labels or (n, 1) float64."""
    path = Path(source)
    require(path.is_file(), "load", "source", "be a file that exists", str(source), FileNotFoundError)
    header, lines, rows = _cells(path)
    chosen = _target_column(header, target)
    inputs = [
        [_as_number(cell, path, line, header[i]) for i, cell in enumerate(row) if i != chosen]
        for line, row in zip(lines, rows, strict=True)
    ]
    places = [(path, line, header[chosen]) for line in lines]
    return np.array(inputs), _as_targets([row[chosen] for row in rows], places, task)


def _cells(path):
    """(header, line numbers, rows of text) of a CSV file whose rows are as long as its header; blank lines are left."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            numbered = [(reader.line_num, row) for row in reader if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"load: {path.name} must be CSV text in UTF-8, got {error}") from error
    require(len(numbered) >= 2, "load", path.name, "have a header and at least one row", f"{len(numbered)} lines")
    header = [name.strip() for name in numbered[0][1]]
    is_header = any(_number(cell) is None for cell in header)
    require(is_header, "load", path.name, "start with a header of column names", header)
    require(len(header) >= 2, "load", path.name, "have at least 2 columns", header)
    require(len(set(header)) == len(header), "load", path.name, "have a different name for each column", header)
    for line, row in numbered[1:]:
        rule = f"have {len(header)} cells, as the header has"
        require(len(row) == len(header), "load", f"{path.name} line {line}", rule, len(row))
    lines, rows = zip(*numbered[1:], strict=True)
    return header, lines, rows


def _target_column(header, target):
    """The index of the target column: a name, an index (negative ones count from the end), or None for the last."""
    if target is None:
        return len(header) - 1
    if isinstance(target, str):
        require(target in header, "load", "target", f"be one of the columns {', '.join(header)}", target)
        return header.index(target)
    index = isinstance(target, (int, np.integer)) and not isinstance(target, bool)
    inside = index and -len(header) <= target < len(header)
    require(inside, "load", "target", f"be a column name or an index below {len(header)}", target)
    return int(target) % len(header)


def _as_targets(column, places, task):
    """Labels in sorted order where the column is text or whole numbers, unless `task` says otherwise; else numbers."""
    for cell, (path, line, name) in zip(column, places, strict=True):
        require(cell.strip() != "", "load", f"{path.name} line {line}, column {name!r}", "have a value", cell)
    if task != "regression" and any(_number(cell) is None for cell in column):
        return np.unique([cell.strip() for cell in column], return_inverse=True)[1]
    values = np.array([_as_number(cell, *place) for cell, place in zip(column, places, strict=True)])
    values = real_numbers("load", "targets", values)
    are_labels = task == "classification" or (task is None and (values == np.floor(values)).all())
    return np.unique(values, return_inverse=True)[1] if are_labels else values


def _as_number(cell, path, line, name):
    """The number in a cell, or an error that says where it is."""
    value = _number(cell)
    require(value is not None, "load", f"{path.name} line {line}, column {name!r}", "be a number", cell)
    return value


def _number(cell):
    """The number that a cell holds, or None; 1_000 is text here, though Python reads it as 1000."""
    try:
        return None if "_" in cell else float(cell)
    except ValueError:
        return None
