"""A study's directory: its description, its finished trials, and the lanes of an interrupted process.

study.json            what was asked for; whoever comes later must ask for the same
trials-<shard>-<n>    trials that ended in one segment, written as they end
lanes-<shard>         lanes in progress, so that an interrupted trial need not begin again
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxmlp.population.storage import read_arrays, read_json, write_arrays, write_json
from jaxmlp.population.study import DESCRIPTION, read_chunks


class Directory:
    """Where a shard of a study writes. Without a path it keeps everything in memory.

    `chunks` are the trials that have ended, by whichever process, and `done` the set of their numbers.
    """

    def __init__(self, path, shard, description):
        self.path: Any = None if path is None else Path(path)
        self.shard = shard
        self.chunks = []
        if self.path is not None:
            self._open(description)
        self.done = {int(trial) for chunk in self.chunks for trial in chunk["trial"]}

    def _open(self, description):
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OSError(
                error.errno, f"train_many: directory must be writable, got {self.path}: {error.strerror}"
            ) from error
        if (self.path / DESCRIPTION).exists():
            check_same(self.path, read_json(self.path / DESCRIPTION), description)
            self.chunks = read_chunks(self.path)
        else:
            write_json(self.path / DESCRIPTION, description)
        for leftover in self.path.glob(f".trials-{self.shard}-*.part"):
            leftover.unlink(missing_ok=True)

    def add(self, chunk):
        """Keeps trials that have ended."""
        self.chunks.append(chunk)
        self.done.update(chunk["trial"].tolist())
        if self.path is not None:
            # Named by a trial of its own, which no other process and no later run of this one can write.
            write_arrays(self.path / f"trials-{self.shard}-{chunk['trial'].min()}.npz", chunk)

    def save_lanes(self, group, saved):
        """Keeps the lanes in progress of a group: a dict from trial (in the group) to leaves."""
        if self.path is None or not saved:
            return
        leaves = {f"leaf/{i}": np.stack(rows) for i, rows in enumerate(zip(*saved.values(), strict=True))}
        write_arrays(self._lanes(group), {"trial": np.asarray(list(saved)), **leaves})

    def load_lanes(self, group):
        """The lanes that were in progress, as `save_lanes` had them."""
        if self.path is None or not self._lanes(group).exists():
            return {}
        arrays = read_arrays(self._lanes(group))
        leaves = [arrays[f"leaf/{i}"] for i in range(len(arrays) - 1)]
        return {int(trial): [leaf[row] for leaf in leaves] for row, trial in enumerate(arrays["trial"])}

    def drop_lanes(self, group):
        """Forgets the lanes of a group that has ended."""
        if self.path is not None:
            self._lanes(group).unlink(missing_ok=True)

    def _lanes(self, group):
        return self.path / f"lanes-{self.shard}-{group}.npz"


def check_same(path, found, wanted):
    """The same study, or an error that says what differs."""
    for part, words in (
        ("version", "this format"),
        ("plan", "these epochs, batch size, monitor, patience and min_delta"),
        ("trials", "these hyperparameters and seeds"),
        ("data", "these data"),
        ("jax", "this version of JAX"),
        ("programs", "this recipe (the learner that it makes is another program)"),
    ):
        # As text, for a NaN among the hyperparameters is not equal to itself.
        if json.dumps(found.get(part)) != json.dumps(wanted[part]):
            here, there = _short(wanted[part]), _short(found.get(part))
            raise ValueError(
                f"train_many: directory must hold a study of {words}, got {path}: {there} there, {here} here"
            )


def _short(value, most=160):
    text = str(value)
    return text if len(text) <= most else text[:most] + "..."


def data_hash(data):
    """SHA-256 over shapes, dtypes and bytes of all arrays."""
    digest = hashlib.sha256()
    for leaf in jax.tree.leaves(data):
        array = np.ascontiguousarray(jax.device_get(leaf))
        digest.update(f"{array.shape}{array.dtype}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
