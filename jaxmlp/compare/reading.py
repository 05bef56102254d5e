"""Options of the command line for reading the user's own files: those of `jaxmlp.load`."""

import argparse
import csv
from collections.abc import Sequence
from typing import Any

from jaxmlp.compare.errors import UserError
from jaxmlp.compare.problems import is_table

_NAMES = ("target", "task", "missing", "ignore", "categories", "header")


def add_reading_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options, each an argument of `jaxmlp.load`."""
    add = parser.add_argument_group("how your files are read, as in jaxmlp.load").add_argument
    add("--target", metavar="COLUMN", type=_column, help="a name or a position, from 0 or -1 on (default: the last)")
    tasks = ("classification", "regression")
    add("--task", choices=tasks, help="(default: classification for a target of text, bools or whole numbers)")
    missing = "what to do with rows that lack values (default: refuse)"
    add("--missing", choices=("refuse", "drop", "impute"), help=missing)
    add("--ignore", metavar="COLUMNS", type=_columns, help='columns to leave out, such as id,3,"a, b" (default: none)')
    categories = "columns whose numbers are names of categories (default: none)"
    add("--categories", metavar="COLUMNS", type=_columns, help=categories)
    header = "whether the first line holds column names (default: found out)"
    add("--header", action=argparse.BooleanOptionalAction, help=header)


def reading_of(options: argparse.Namespace, sources: Sequence[str]) -> dict[str, Any]:
    """The arguments of `jaxmlp.load` that the command line gives for files.

    Args:
      options: a parsed command line.
      sources: its problems.

    Raises:
      UserError: if there are such arguments, but no file to which they could apply.
    """
    given = {name: getattr(options, name) for name in _NAMES}
    given = {name: value for name, value in given.items() if value is not None}
    if given and not any(is_table(source) for source in sources):
        names = ", ".join(f"--{name}" for name in given)
        hint = "; the value of the metric to reach is --target-value" if "target" in given else ""
        raise UserError(f"{names} must be left out unless a problem is a file such as my_data.csv{hint}")
    return given


def _column(text: str) -> str | int:
    """A column by its position if the text is a whole number, else by its name."""
    try:
        return int(text)
    except ValueError:
        return text


def _columns(text: str) -> list[str | int]:
    """Columns separated by commas; a name that has commas itself is quoted, as in CSV files."""
    return [_column(name.strip()) for name in next(csv.reader([text], skipinitialspace=True), [])]
