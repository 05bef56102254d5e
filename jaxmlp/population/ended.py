"""Trials that have ended: what the engine returns, a directory keeps, and a study shows."""

from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxmlp.result import Result
from jaxmlp.storage import (
    ENDING,
    DamagedFileError,
    flat,
    identity_of,
    nested,
    read_arrays,
    unique,
    write_arrays,
)
from jaxmlp.types import PyTree

_LOST = "delete it, and the same call of train_many runs its trials again"
_NUMBERS = ("best_epoch", "kept_epoch", "epochs", "steps", "status", "cause")


class Ended(NamedTuple):
    """Trials of one group that have ended, with a leading axis over them.

    Attributes:
      trial: (n,) their numbers in the study.
      result: a `Result` of NumPy arrays (n, ...).
      test: {name: (n,)}, metrics of the kept parameters on the test data.
      surroundings: {text: (n,)}, what they ran on, of a study whose workers may differ; empty otherwise.
    """

    trial: np.ndarray
    result: Result
    test: dict[str, Any]
    surroundings: dict[str, np.ndarray] = {}  # noqa: RUF012


def write_ended(path: Path, ended: Ended, identity: str) -> None:
    """Writes trials into a study's directory, as a file of their own."""
    result = ended.result
    arrays = {"trial": ended.trial, **{name: np.asarray(getattr(result, name)) for name in _NUMBERS}}
    parts = {"history": result.history, "initial": result.initial, "params": result.params}
    parts |= {"test": ended.test, "surroundings": ended.surroundings}
    for name, part in parts.items():
        arrays |= flat(name, part)
    write_arrays(path / (unique("trials") + ENDING), arrays, identity)


def read_ended(path: Path, description: dict[str, Any], likes: dict[int, PyTree] | None = None) -> list[Ended]:
    """All trials of a study's directory.

    Args:
      path: the directory.
      description: of the study that they must belong to.
      likes: for each trial, a tree of its parameters' structure; None makes nested lists and dicts.

    Raises:
      DamagedFileError: for a file that is damaged, of another study, or not made as such files are.
    """
    identity, trials = identity_of(description), len(description["trials"])
    return [_read(file, identity, trials, likes or {}) for file in sorted(path.glob(f"trials-*{ENDING}"))]


def _read(file: Path, identity: str, trials: int, likes: dict[int, PyTree]) -> Ended:
    arrays = read_arrays(file, identity, _LOST)
    rows = {len(array) if array.ndim else 0 for array in arrays.values()}
    sound = {"trial", *_NUMBERS} <= arrays.keys() and len(rows) == 1 and arrays["trial"].size > 0
    if not sound or arrays["trial"].min() < 0 or arrays["trial"].max() >= trials:
        raise DamagedFileError(file, "arrays of another kind", _LOST)
    try:
        params = nested("params", arrays, likes.get(int(arrays["trial"][0])))
    except KeyError as error:
        raise DamagedFileError(file, f"no array {error}", _LOST) from error
    numbers: dict[str, Any] = {name: arrays[name] for name in _NUMBERS}
    result = Result(params=params, history=nested("history", arrays), initial=nested("initial", arrays), **numbers)
    return Ended(arrays["trial"], result, nested("test", arrays), nested("surroundings", arrays))


def joined(every: list[Ended]) -> list[Ended]:
    """Trials of the same structure and shapes put together; one that was finished twice counts once."""
    kinds: dict[Any, list[Ended]] = {}
    for ended in every:
        leaves, structure = jax.tree.flatten(ended)
        kinds.setdefault((structure, tuple((leaf.shape[1:], str(leaf.dtype)) for leaf in leaves)), []).append(ended)
    return [_first_of_each(jax.tree.map(lambda *leaves: np.concatenate(leaves), *same)) for same in kinds.values()]


def _first_of_each(ended: Ended) -> Ended:
    rows = np.unique(ended.trial, return_index=True)[1]
    return jax.tree.map(lambda leaf: leaf[rows], ended)
