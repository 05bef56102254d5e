"""A study's directory.

study.json             what all trials share; later calls must match it
plan-<id>.json         the trials that a call has added
trials-<id>            trials that ended in one segment, written as they end
lanes-<program>-<id>   lanes in progress, so that an interrupted trial need not begin again
rungs-<id>.json        what a pruner decided, one file per process
asked-<number>.json    what a tuner was asked and told, in order

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
_LOST_LOG = "restore it, or start in another directory"
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
        self._lanes: dict[str, set[Path]] = {}
        self._entries: dict[str, dict[str, Any]] = {}
        self.events: list[Any] = []
        self._logs: int = 0
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
        else:
            write_json(path / DESCRIPTION, common(description))
        files = ended_files(path)  # before the plans: a trial is planned before it ends
        self._entries = {id_of(entry): entry for entry in read_plans(path, self.identity)}
        self._numbers = dict.fromkeys(self._entries)
        if "entries" in description:
            self.grow(description["entries"])
        else:  # decided late
            self._read_log(path)
        self.read(works, files)
        remove_old_temporaries(path)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The rows of the trials of this call."""
        return [self._entries[one]["row"] for one in self._ids]

    def read(self, works: list[Work], files: list[Path] | None = None) -> None:
        """Reads the trials that have ended, with the structures that these groups give them."""
        if self.path is not None:
            likes = {int(trial): work.shape.run.state.params for work in works for trial in work.group.indices}
            files = ended_files(self.path) if files is None else files
            self.ended = read_ended(files, self.identity, self._numbers, likes)

    def grow(self, entries: list[dict[str, Any]]) -> None:
        """Numbers further trials of this call, and writes down those that are new to the study."""
        if self.path is None or not entries:
            return
        check_plan(self.path, self._entries.values(), entries)
        new = {one: entry for entry in entries if (one := id_of(entry)) not in self._entries}
        for one in map(id_of, entries):
            if self._numbers.get(one) is None:  # else a tuner asked for it in an earlier call
                self._numbers[one] = len(self._ids)
                self._ids.append(one)
        if new:
            write_plan(self.path, self.identity, list(new.values()), len(self._entries))
            self._entries |= new

    def _read_log(self, path: Path) -> None:
        """What tuners of earlier calls were asked and told; their trials are the first of this call."""
        for file in sorted(path.glob("asked-*.json")):
            content = read_json(file, _LOST_LOG)
            if content["study"] != self.identity:
                raise DamagedFileError(file, "a file of another study", _LOST_LOG)
            self.events += content["events"]
            self._logs += 1
        self._ids = [one for event in self.events if event[0] == "ask" for one in event[1]]
        self._numbers |= {one: number for number, one in enumerate(self._ids)}

    def log(self, events: list[Any]) -> None:
        """Keeps what a tuner was asked and told."""
        if self.path is not None and events:
            name = f"asked-{self._logs:08}.json"
            if (self.path / name).exists():
                rule = "be tuned by one process at a time, and its trials be made anew from there"
                raise ValueError(f"train_many: directory must {rule}, got {name} of another process")
            write_json(self.path / name, {"study": self.identity, "events": events})
            self._logs += 1

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
        self.drop_lanes(program)
        self._lanes[program] = {path}

    def load_lanes(self, program: str, work: Work, wanted: set[int]) -> dict[int, Saved]:
        """The saved lanes of wanted trials, by their number in the group; of several, the most advanced one."""
        place = {int(trial): i for i, trial in enumerate(work.group.indices)}
        found: dict[int, Saved] = {}
        for path in [] if self.path is None else sorted(self.path.glob(f"lanes-{program}-*{ENDING}")):
            arrays = read_arrays(path, self.identity, _LOST_LANES)
            leaves = _checked_leaves(path, arrays, work)
            trials = [self._numbers.get(one) for one in as_ids(arrays["id"])]
            if self.done.issuperset(trials):  # a process was killed before it could drop them
                self._lanes.setdefault(program, set()).add(path)
            for row, trial in enumerate(trials):
                half, lane, epochs = (int(arrays[name][row]) for name in ("half", "lane", "epochs"))
                one = Saved(half, lane, epochs, [leaf[row] for leaf in leaves])
                if trial is not None and trial in wanted:
                    self._lanes.setdefault(program, set()).add(path)
                    found[place[trial]] = max(found.get(place[trial], one), one, key=lambda saved: saved.epochs)
        return found

    def drop_lanes(self, program: str) -> None:
        """Forgets the lanes of a group that has ended."""
        for path in self._lanes.pop(program, ()):
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
