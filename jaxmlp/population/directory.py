"""A study's directory.

study.json           the description of the study; later calls must match it
trials-<id>          trials that ended in one segment, written as they end
lanes-<group>-<id>   lanes in progress, so that an interrupted trial need not begin again
rungs-<id>.json      what a pruner decided, one file per process

Every name is unique and every file carries the study's identity: processes never overwrite each other, and a file of
another study is noticed.
"""

from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxmlp.population.ended import Ended, read_ended, write_ended
from jaxmlp.population.engine import Half, Saved
from jaxmlp.population.identity import check_same
from jaxmlp.population.lanes import plain
from jaxmlp.population.pruning import Verdict
from jaxmlp.population.work import Work
from jaxmlp.storage import (
    DESCRIPTION,
    ENDING,
    DamagedFileError,
    identity_of,
    read_arrays,
    read_description,
    read_json,
    remove_old_temporaries,
    unique,
    write_arrays,
    write_json,
)

_LOST_LANES = "delete it, and its trials begin again"
_LOST_RUNGS = "delete it, and its trials are judged again"


class Directory:
    """Where a process keeps a study. Without a path everything stays in memory.

    Attributes:
      path: the directory, or None.
      ended: the trials that have ended, by whichever process.
      done: the set of their numbers.
    """

    def __init__(self, path: Any, description: dict[str, Any], works: list[Work]) -> None:
        self.path: Path | None = None if path is None else Path(path).expanduser()
        self.identity: str = identity_of(description)
        self.ended: list[Ended] = []
        self._lanes: set[Path] = set()
        self._rungs = unique("rungs") + ".json"
        self._read: dict[Path, int] = {}
        if self.path is not None:
            self._open(self.path, description, works)
        self.done: set[int] = {int(trial) for ended in self.ended for trial in ended.trial}

    def _open(self, path: Path, description: dict[str, Any], works: list[Work]) -> None:
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            message = f"train_many: directory must be writable, got {path}: {error.strerror}"
            raise OSError(error.errno, message) from error
        if (path / DESCRIPTION).exists():
            check_same(path, read_description(path), description)
            likes = {int(trial): work.shape.run.state.params for work in works for trial in work.group.indices}
            self.ended = read_ended(path, description, likes)
        else:
            write_json(path / DESCRIPTION, description)
        remove_old_temporaries(path)

    def add(self, ended: Ended) -> None:
        """Keeps trials that have ended."""
        self.ended.append(ended)
        self.done.update(ended.trial.tolist())
        if self.path is not None:
            write_ended(self.path, ended, self.identity)

    def save_lanes(self, group: int, work: Work, halves: list[Half]) -> None:
        """Keeps the lanes in progress of a group, in place of those saved before."""
        saved = {trial: one for turn, half in enumerate(halves) for trial, one in half.saved(turn).items()}
        if self.path is None or not saved:
            return
        leaves = zip(*(one.leaves for one in saved.values()), strict=True)
        arrays = {f"leaf/{i}": np.stack(rows) for i, rows in enumerate(leaves)}
        arrays["trial"] = work.group.indices[list(saved)]
        for name in ("half", "lane", "epochs"):
            arrays[name] = np.asarray([getattr(one, name) for one in saved.values()])
        path = self.path / (unique(f"lanes-{group}") + ENDING)
        write_arrays(path, arrays, self.identity)
        self._delete_lanes()
        self._lanes = {path}

    def load_lanes(self, group: int, work: Work, wanted: set[int]) -> dict[int, Saved]:
        """The saved lanes of wanted trials, by their number in the group; of several, the most advanced one."""
        place = {int(trial): i for i, trial in enumerate(work.group.indices)}
        found: dict[int, Saved] = {}
        for path in [] if self.path is None else sorted(self.path.glob(f"lanes-{group}-*{ENDING}")):
            arrays = read_arrays(path, self.identity, _LOST_LANES)
            leaves = _checked_leaves(path, arrays, work)
            for row, trial in enumerate(arrays["trial"].tolist()):
                half, lane, epochs = (int(arrays[name][row]) for name in ("half", "lane", "epochs"))
                one = Saved(half, lane, epochs, [leaf[row] for leaf in leaves])
                if trial in wanted:
                    self._lanes.add(path)
                    found[place[trial]] = max(found.get(place[trial], one), one, key=lambda saved: saved.epochs)
        return found

    def drop_lanes(self) -> None:
        """Forgets the lanes of a group that has ended."""
        self._delete_lanes()
        self._lanes = set()

    def _delete_lanes(self) -> None:
        for path in self._lanes:
            path.unlink(missing_ok=True)

    def save_verdicts(self, verdicts: list[Verdict]) -> None:
        """Keeps the verdicts of this process's pruner, all of them."""
        if self.path is not None and verdicts:
            write_json(self.path / self._rungs, {"study": self.identity, "verdicts": verdicts})

    def new_verdicts(self) -> list[Verdict]:
        """The verdicts of other processes, and of earlier ones, that are new since the last call."""
        found: list[Verdict] = []
        for path in [] if self.path is None else sorted(self.path.glob("rungs-*.json")):
            changed = path.stat().st_mtime_ns
            if path.name == self._rungs or self._read.get(path) == changed:
                continue
            self._read[path] = changed
            content = read_json(path, _LOST_RUNGS)
            if content["study"] != self.identity:
                raise DamagedFileError(path, "a file of another study", _LOST_RUNGS)
            found += [Verdict(*verdict) for verdict in content["verdicts"]]
        return found


def _checked_leaves(path: Path, arrays: dict[str, np.ndarray], work: Work) -> list[np.ndarray]:
    """The leaves of saved lanes, of exactly the shapes and dtypes that lanes have."""
    expected = jax.tree.leaves(jax.eval_shape(plain, work.shape))
    leaves = [arrays.get(f"leaf/{i}") for i in range(len(expected))]
    rows = len(arrays.get("trial", ()))
    for leaf, like in zip(leaves, expected, strict=True):
        if leaf is None or leaf.shape != (rows, *like.shape) or leaf.dtype != like.dtype:
            raise DamagedFileError(path, "lanes of another shape", _LOST_LANES)
    return leaves  # pyright: ignore[reportReturnType]
