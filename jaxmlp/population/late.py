"""Trials that are decided late: whenever there is room, a tuner is asked for numbers, and it is told how they fared.

What was asked and told is kept in order. A study that is continued asks and tells a new tuner the same again, which
brings it to where the last one was; its memory is the study's directory.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import numpy as np

from jaxmlp.checks import require
from jaxmlp.population.engine import ended_of
from jaxmlp.population.identity import program_hash
from jaxmlp.population.plans import entries_of, id_of
from jaxmlp.population.tables import row_of_lost
from jaxmlp.population.trials import Group
from jaxmlp.population.work import Work

Event = list[Any]
"""["ask", ids of trials] or ["tell", number of the ask, which of its trials were left out, if any]."""


@runtime_checkable
class Tuner(Protocol):
    """What decides about trials late."""

    def ask(self) -> Mapping[str, Any] | None:
        """The hyperparameters to try next; None for nothing now, and if nothing is in progress, for the end."""

    def tell(self, number: int, numbers: Mapping[str, Any], rows: list[dict[str, Any]]) -> Any:
        """Takes the rows of the table, one for each seed and fold, of what was asked for as the `number`-th, from 0.

        A trial that was left out because it killed its workers has the status "lost", and NaN for its metrics.
        """


class _Given:
    """An iterable of hyperparameters, taken one by one."""

    def __init__(self, trials: Iterable[Mapping[str, Any]]) -> None:
        self._rest = iter(trials)

    def ask(self) -> Mapping[str, Any] | None:
        return next(self._rest, None)

    def tell(self, number: int, numbers: Mapping[str, Any], rows: list[dict[str, Any]]) -> None:
        pass


def as_tuner(trials: Any) -> Tuner | None:
    """Trials that are decided late; None for those that are known at once."""
    if isinstance(trials, Tuner):
        return trials
    if trials is None or isinstance(trials, (list, tuple, Mapping)):
        return None
    rule = "be a list of dicts, an iterable of them, or have ask and tell"
    require(isinstance(trials, Iterable), "train_many", "trials", rule, trials, TypeError)
    return _Given(trials)


class _Asked(NamedTuple):
    numbers: Mapping[str, Any]
    trials: range


class Late:
    """The groups of a study whose trials are decided late; they grow.

    Args:
      tuner: decides.
      groups_of: from hyperparameters to their groups and rows, numbered from 0.
      work_of: makes a group ready to run.
      is_described: whether trials need identities, for a directory or for workers.

    Attributes:
      works: the groups.
      rows: the rows of the trials asked for so far.
      queues: for each group, the places of trials that wait.
      programs: for each group, the hash of its program, by name.
      events: what was asked and told since the last `take_new`.
    """

    def __init__(
        self,
        tuner: Tuner,
        groups_of: Callable[[Mapping[str, Any]], tuple[list[Group], list[dict[str, Any]]]],
        work_of: Callable[[Group], Work],
        is_described: bool,
    ) -> None:
        self._tuner, self._groups_of, self._work_of, self._is_described = tuner, groups_of, work_of, is_described
        self.works: list[Work] = []
        self.rows: list[dict[str, Any]] = []
        self.queues: list[deque[int]] = []
        self.programs: dict[str, str] = {}
        self.events: list[Event] = []
        self._entries: list[dict[str, Any]] = []
        self._asked: list[_Asked] = []
        self._ask_of: dict[int, int] = {}
        self._ended: dict[int, dict[str, Any]] = {}
        self._lost: set[int] = set()
        self._told: set[int] = set()
        self._places: dict[Any, int] = {}
        self._seen: Counter[str] = Counter()
        require(self.ask(), "train_many", "trials", "ask for one trial or more", None)

    @property
    def waiting(self) -> int:
        """How many trials wait."""
        return sum(map(len, self.queues))

    def ask(self) -> bool:
        """Asks for hyperparameters; False if there are none now."""
        numbers = self._tuner.ask()
        if numbers is None:
            return False
        groups, rows = self._groups_of(numbers)
        first = len(self.rows)
        works = [self._take(group, first) for group in groups]
        entries = entries_of(works, self.programs, rows, self._seen) if self._is_described else []
        self.rows += rows
        self._ask_of |= dict.fromkeys(range(first, len(self.rows)), len(self._asked))
        self._asked.append(_Asked(dict(numbers), range(first, len(self.rows))))
        self._entries += entries
        self.events.append(["ask", [id_of(entry) for entry in entries]])
        return True

    def _take(self, group: Group, first: int) -> Work:
        """Adds trials, numbered from `first` on, to the group with their program; the work of these trials alone."""
        leaves, structure = jax.tree.flatten(group.numbers)
        kinds = tuple((np.shape(leaf)[1:], str(leaf.dtype)) for leaf in leaves)
        place = self._places.setdefault((group.make, structure, kinds, tuple(group.settings.items())), len(self.works))
        renumbered = group._replace(name=f"[{place}]", indices=group.indices + first)
        if place == len(self.works):
            self.works.append(self._work_of(renumbered))
            self.queues.append(deque(range(len(group.seeds))))
            if self._is_described:
                self.programs[renumbered.name] = program_hash(self.works[place])
        else:
            work = self.works[place]
            grown = _joined(work.group, renumbered)
            self.works[place] = work._replace(group=grown)
            self.queues[place].extend(range(len(work.group.seeds), len(grown.seeds)))
        return self.works[place]._replace(group=renumbered._replace(indices=group.indices))

    def end(self, rows: Mapping[int, dict[str, Any]]) -> None:
        """Takes the rows of trials that have ended, and tells the tuner of each ask that is complete."""
        self._ended |= rows
        self._tell_of(rows)

    def lose(self, trials: Iterable[int]) -> None:
        """Takes trials that have killed their workers. They run again in the next call; the tuner is told now."""
        self._lost |= set(trials)
        self._tell_of(trials)

    def _tell_of(self, trials: Iterable[int]) -> None:
        """Tells the tuner of the asks of these trials that are complete, and were not told before."""
        for number in sorted({self._ask_of[trial] for trial in trials} - self._told):
            missing = [trial for trial in self._asked[number].trials if trial not in self._ended]
            if self._lost.issuperset(missing):
                self._tell(number, missing)

    def _tell(self, number: int, lost: Sequence[int]) -> None:
        numbers, trials = self._asked[number]
        missing = [trial for trial in trials if trial not in self._ended and trial not in lost]
        rule = "hold the trials that its tuner was told of"
        require(not missing, "train_many", "directory", rule, f"none of trials {missing}")
        rows = [self._row_of_lost(trial) if trial in lost else self._ended[trial] for trial in trials]
        self._tuner.tell(number, numbers, rows)
        self._told.add(number)
        self.events.append(["tell", number, *([list(lost)] if lost else [])])

    def _row_of_lost(self, trial: int) -> dict[str, Any]:
        shape = next(work.shape for work in self.works if trial in work.group.indices)
        return row_of_lost(self.rows[trial], ended_of(np.zeros(()), shape))

    def replay(self, events: Sequence[Event], rows: Mapping[int, dict[str, Any]]) -> None:
        """Brings the tuner to where an earlier one was.

        Args:
          events: of the earlier one.
          rows: those of the trials that have ended.
        """
        self._ended |= rows
        rule = "ask for the same again when a study is continued: make the tuner anew, and give its sampler a seed"
        for i, event in enumerate(events):
            if event[0] == "tell":
                self._tell(event[1], event[2] if len(event) > 2 else [])
            elif i > 0:  # the first one was asked already
                require(self.ask(), "train_many", "trials", rule, None)
            require(self.events[i] == event, "train_many", "trials", rule, self._asked[-1].numbers)
        del self.events[: len(events)]
        self._tell_of(rows)
        for work, queue in zip(self.works, self.queues, strict=True):
            left = [place for place in queue if int(work.group.indices[place]) not in rows]
            queue.clear()
            queue.extend(left)

    def take_new(self) -> tuple[list[dict[str, Any]], list[Event]]:
        """The entries and events since the last call, to be written before their trials run."""
        new = self._entries, self.events
        self._entries, self.events = [], []
        return new


def _joined(group: Group, other: Group) -> Group:
    """The trials of two groups as one."""
    parts = [(one.numbers, one.seeds, one.indices) for one in (group, other)]
    numbers, seeds, indices = jax.tree.map(lambda a, b: np.concatenate([a, b]), *parts)
    return group._replace(numbers=numbers, seeds=seeds, indices=indices)
