"""Grids: lists of values become combinations, each value with the name that it has in the table."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxmlp.checks import require
from jaxmlp.leaves import described


class Choice(NamedTuple):
    """A value of a hyperparameter.

    Attributes:
      value: what the recipe gets.
      shown: what the table shows: a number, a bool, a text, or None.
      is_number: whether it may be traced.
    """

    value: Any
    shown: Any
    is_number: bool


Label = dict[str, Choice]
"""A combination: a choice for each hyperparameter."""


def combinations(grids: Mapping[str, Any]) -> list[Label]:
    """All combinations of the values of some grids."""
    columns = [choices(name, values) for name, values in grids.items()]
    return [dict(zip(grids, row, strict=True)) for row in itertools.product(*columns)]


def listed(trials: Sequence[Mapping[str, Any]]) -> list[Label]:
    """The combinations of a list of dicts with the same names."""
    rule = "be a list of dicts of values with the same names"
    is_list = isinstance(trials, (list, tuple)) and trials and all(isinstance(trial, dict) for trial in trials)
    require(is_list, "train_many", "trials", rule, trials, TypeError)
    require(all(trial.keys() == trials[0].keys() for trial in trials), "train_many", "trials", rule, trials)
    columns = [choices(name, [trial[name] for trial in trials]) for name in trials[0]]
    return [dict(zip(trials[0], row, strict=True)) for row in zip(*columns, strict=True)] if columns else [{}]


def choices(name: str, values: Any) -> list[Choice]:
    """The values of a grid. Numbers may be traced; values of any other kind, and those of a dict, are structure."""
    if isinstance(values, Mapping):
        texts = bool(values) and all(isinstance(shown, str) for shown in values)
        require(texts, "train_many", name, "be a list of one value or more, or a dict from texts to values", values)
        return [Choice(_hashable(name, value), shown, False) for shown, value in values.items()]
    column = _numbers(values)
    if column is not None:
        return [Choice(value, value, True) for value in column]
    rule = "be a list of one value or more"
    is_list = isinstance(values, (list, tuple, range)) or (isinstance(values, np.ndarray) and values.ndim == 1)
    require(is_list and len(values) > 0, "train_many", name, rule, values, ValueError if is_list else TypeError)
    every = [_hashable(name, value) for value in values]
    found = [Choice(value, _shown(name, value), False) for value in every]
    _check_names(name, found)
    return found


def _numbers(values: Any) -> list[float] | list[int] | None:
    """A list of numbers, as Python's; None for values of any other kind."""
    try:
        column = np.asarray(values)
    except ValueError:  # lists of different lengths
        return None
    is_float = column.dtype.kind == "f" or jnp.issubdtype(column.dtype, jnp.floating)
    if column.ndim != 1 or column.size == 0 or not (is_float or column.dtype.kind in "iu"):
        return None
    return column.astype(np.float64).tolist() if is_float else column.tolist()


def _hashable(name: str, value: Any) -> Any:
    """A value that is part of a program; lists become tuples, NumPy's scalars Python's."""
    if isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
        return tuple(_hashable(name, part) for part in value)
    value = value.item() if isinstance(value, np.generic) else value
    try:
        hash(value)
    except TypeError:
        require(False, "train_many", name, "hold numbers or hashable values", value, TypeError)
    return value


def _shown(name: str, value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    text = described(value).removesuffix("()") if callable(value) else str(value)
    rule = "be a dict from texts to values if these have no names"
    require(" at 0x" not in text and "<lambda>" not in text, "train_many", name, rule, text)
    return text


def _check_names(name: str, found: Iterable[Choice]) -> None:
    """Different values must look different in the table."""
    values: dict[Any, Any] = {}
    for value, shown, _ in found:
        is_same = values.setdefault((type(shown), shown), value) == value
        rule = "be a dict from texts to values if two of these have the same name"
        require(is_same, "train_many", name, rule, shown)
