"""A study's directory.

study.json             what all trials share; later calls must match it
plan-<id>.json         the trials that a call has added
trials-<id>            trials that ended in one segment, written as they end
lanes-<program>-<id>   lanes in progress, so that an interrupted trial need not begin again
rungs-<id>.json        what a pruner decided, one file per process

Every name is unique and every file carries the study's identity: processes never overwrite each other, and a file of
another study is noticed. Files name trials by what they are; here, as in the call, they are numbered.
"""

from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxmlp.population.ended import Ended, as_array, as_ids, ended_files, read_ended, write_ended
from jaxmlp.population.engine import Half, Saved
from jaxmlp.population.identity import check_same, common
from jaxmlp.population.lanes import plain
from jaxmlp.population.plans import check_plan, id_of, read_plans, write_plan
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
      ended: the trials of this call that have ended, by whichever process.
      done: the set of their numbers.
    """

    def __init__(self, path: Any, description: dict[str, Any], works: list[Work]) -> None:
        self.path: Path | None = None if path is None else Path(path).expanduser()
        self.identity: str = identity_of(common(description))
        self._ids: list[str] = []
        self._numbers: dict[str, int | None] = {}  # of all trials of the study; None for those not of this call
        self._strangers: dict[str, int] = {}
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
        entries = description["entries"]
        if (path / DESCRIPTION).exists():
            check_same(path, read_description(path), description)
            files = ended_files(path)  # before the plans: a trial is planned before it ends
            self._plan(path, entries)
            likes = {int(trial): work.shape.run.state.params for work in works for trial in work.group.indices}
            self.ended = read_ended(files, self.identity, self._numbers, likes)
        else:
            write_json(path / DESCRIPTION, common(description))
            self._plan(path, entries)
        remove_old_temporaries(path)

    def _plan(self, path: Path, entries: list[dict[str, Any]]) -> None:
        """Numbers the trials of this call, and writes down those that are new."""
        found = read_plans(path, self.identity)
        check_plan(path, found, entries)
        known = [id_of(entry) for entry in found]
        self._ids = [id_of(entry) for entry in entries]
        self._numbers = dict.fromkeys(known) | {one: number for number, one in enumerate(self._ids)}
        new = [entry for entry, one in zip(entries, self._ids, strict=True) if one not in set(known)]
        if new:
            write_plan(path, self.identity, new, len(known))

    def _named(self, trials: Any) -> np.ndarray:
        """The ids of trials of these numbers."""
        return as_array(self._ids[int(trial)] for trial in trials)

    def add(self, ended: Ended) -> None:
        """Keeps trials that have ended."""
        self.ended.append(ended)
        self.done.update(ended.trial.tolist())
        if self.path is not None:
            write_ended(self.path, ended, self.identity, self._named(ended.trial))

    def save_lanes(self, program: str, work: Work, halves: list[Half]) -> None:
        """Keeps the lanes in progress of a group, in place of those saved before."""
        saved = {trial: one for turn, half in enumerate(halves) for trial, one in half.saved(turn).items()}
        if self.path is None or not saved:
            return
        leaves = zip(*(one.leaves for one in saved.values()), strict=True)
        arrays = {f"leaf/{i}": np.stack(rows) for i, rows in enumerate(leaves)}
        arrays["id"] = self._named(work.group.indices[list(saved)])
        for name in ("half", "lane", "epochs"):
            arrays[name] = np.asarray([getattr(one, name) for one in saved.values()])
        path = self.path / (unique(f"lanes-{program}") + ENDING)
        write_arrays(path, arrays, self.identity)
        self._delete_lanes()
        self._lanes = {path}

    def load_lanes(self, program: str, work: Work, wanted: set[int]) -> dict[int, Saved]:
        """The saved lanes of wanted trials, by their number in the group; of several, the most advanced one."""
        place = {int(trial): i for i, trial in enumerate(work.group.indices)}
        found: dict[int, Saved] = {}
        for path in [] if self.path is None else sorted(self.path.glob(f"lanes-{program}-*{ENDING}")):
            arrays = read_arrays(path, self.identity, _LOST_LANES)
            leaves = _checked_leaves(path, arrays, work)
            for row, trial in enumerate(self._numbers.get(one) for one in as_ids(arrays["id"])):
                half, lane, epochs = (int(arrays[name][row]) for name in ("half", "lane", "epochs"))
                one = Saved(half, lane, epochs, [leaf[row] for leaf in leaves])
                if trial is not None and trial in wanted:
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
            named = [(self._ids[verdict.trial], *verdict[1:]) for verdict in verdicts]
            write_json(self.path / self._rungs, {"study": self.identity, "verdicts": named})

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
            found += [Verdict(self._number(one), *others) for one, *others in content["verdicts"]]
        return found

    def _number(self, one: str) -> int:
        """A trial's number; one below 0 for a trial that is not of this call."""
        number = self._numbers.get(one)
        return self._strangers.setdefault(one, -1 - len(self._strangers)) if number is None else number


def _checked_leaves(path: Path, arrays: dict[str, np.ndarray], work: Work) -> list[np.ndarray]:
    """The leaves of saved lanes, of exactly the shapes and dtypes that lanes have."""
    expected = jax.tree.leaves(jax.eval_shape(plain, work.shape))
    leaves = [arrays.get(f"leaf/{i}") for i in range(len(expected))]
    rows = len(arrays.get("id", ()))
    for leaf, like in zip(leaves, expected, strict=True):
        if leaf is None or leaf.shape != (rows, *like.shape) or leaf.dtype != like.dtype:
            raise DamagedFileError(path, "lanes of another shape", _LOST_LANES)
    return leaves  # pyright: ignore[reportReturnType]
