"""Trials that have ended: what the engine returns, a directory keeps, and a study shows."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxmlp.result import Result
from jaxmlp.storage import (
    ENDING,
    DamagedFileError,
    flat,
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


def as_array(ids: Iterable[str]) -> np.ndarray:
    """Ids as (n, 16) bytes."""
    return np.array([list(bytes.fromhex(one)) for one in ids], np.uint8).reshape(-1, 16)


def as_ids(array: np.ndarray) -> list[str]:
    """Ids from their bytes."""
    return [row.tobytes().hex() for row in array]


def write_ended(path: Path, ended: Ended, identity: str, ids: np.ndarray) -> None:
    """Writes trials with these (n, 16) ids into a study's directory, as a file of their own."""
    result = ended.result
    arrays = {"id": ids, **{name: np.asarray(getattr(result, name)) for name in _NUMBERS}}
    parts = {"history": result.history, "initial": result.initial, "params": result.params}
    parts |= {"test": ended.test, "surroundings": ended.surroundings}
    for name, part in parts.items():
        arrays |= flat(name, part)
    write_arrays(path / (unique("trials") + ENDING), arrays, identity)


def ended_files(path: Path) -> list[Path]:
    """The files of ended trials of a study's directory."""
    return sorted(path.glob(f"trials-*{ENDING}"))


def read_ended(
    files: list[Path], identity: str, numbers: dict[str, int | None], likes: dict[int, PyTree] | None = None
) -> list[Ended]:
    """The trials of some files.

    Args:
      files: as from `ended_files`.
      identity: of the study that they must belong to.
      numbers: from the ids of the study's trials to their numbers here; trials whose number is None are left out.
      likes: for each trial, a tree of its parameters' structure; None makes nested lists and dicts.

    Raises:
      DamagedFileError: for a file that is damaged, of another study, or not made as such files are.
    """
    every = [_read(file, identity, numbers, likes or {}) for file in files]
    return [ended for ended in every if ended is not None]


def _read(file: Path, identity: str, known: dict[str, int | None], likes: dict[int, PyTree]) -> Ended | None:
    arrays = read_arrays(file, identity, _LOST)
    rows = {len(array) if array.ndim else 0 for array in arrays.values()}
    sound = {"id", *_NUMBERS} <= arrays.keys() and len(rows) == 1 and arrays["id"].size > 0
    if not sound or arrays["id"].shape[1:] != (16,) or arrays["id"].dtype != np.uint8:
        raise DamagedFileError(file, "arrays of another kind", _LOST)
    ids = as_ids(arrays["id"])
    if not known.keys() >= set(ids):
        raise DamagedFileError(file, "a file of another study", _LOST)
    asked = np.array([known[one] is not None for one in ids])
    if not asked.any():
        return None
    arrays = {name: array[asked] for name, array in arrays.items()}
    trial = np.array([known[one] for one in ids if known[one] is not None])
    try:
        params = nested("params", arrays, likes.get(int(trial[0])))
    except KeyError as error:
        raise DamagedFileError(file, f"no array {error}", _LOST) from error
    numbers: dict[str, Any] = {name: arrays[name] for name in _NUMBERS}
    result = Result(params=params, history=nested("history", arrays), initial=nested("initial", arrays), **numbers)
    return Ended(trial, result, nested("test", arrays), nested("surroundings", arrays))


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
