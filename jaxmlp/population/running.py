"""The loops that run a study: through lanes here, or on workers; they store, prune, report, save, and stop if asked."""

import math
import sys
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxmlp.checks import require
from jaxmlp.population.crew import Workers
from jaxmlp.population.directory import Directory
from jaxmlp.population.dispatch import Dispatch, Piece, Queue, Shared, in_mixed_order
from jaxmlp.population.ended import Ended
from jaxmlp.population.engine import AtRest, Half, Pace, Segment, late_segments, make_halves, segments
from jaxmlp.population.executors import make_engine
from jaxmlp.population.late import Late
from jaxmlp.population.packing import packed
from jaxmlp.population.progress import Reporter, Tally
from jaxmlp.population.pruning import Rungs, SuccessiveHalving
from jaxmlp.population.signals import interruptible
from jaxmlp.population.tables import rows_of
from jaxmlp.population.work import Work

OnTrial = Callable[[int, dict[str, Any], dict[str, np.ndarray]], Any]
"""Called with a trial's number, its row of the table, and its history, when it ends."""

_SECONDS_BETWEEN_CHECKPOINTS = 60.0
# Each lane is asked for before the trials in the others have ended: few lanes know more.
_LATE_LANES_PER_DEVICE = 4


class Session(NamedTuple):
    """What all groups of a call share: the trials of this process, and where their results go."""

    mine: set[int]
    store: Directory
    tally: Tally
    reporter: Reporter
    rungs: Rungs | None
    rows: list[dict[str, Any]]
    on_trial: OnTrial | None
    late: Late | None

    def add(self, ended: Ended) -> None:
        """Keeps trials that have ended, and tells whoever wants to know."""
        self.store.add(ended)
        self.tally.add(ended)
        if self.on_trial is None and self.late is None:
            return
        found = rows_of(self.rows, ended)
        if self.late is not None:
            self.late.end(found)
        if self.on_trial is not None:
            for i, trial in enumerate(ended.trial.tolist()):
                epochs = int(ended.result.epochs[i])
                history = {name: np.asarray(values[i][:epochs]) for name, values in ended.result.history.items()}
                self.on_trial(trial, found[trial], history)

    def lose(self, trials: list[int]) -> None:
        """Tells the tuner of trials that will not end."""
        if self.late is not None:
            self.late.lose(trials)
            self.ask(0)  # writes down that it was told

    def report(self, running: int) -> None:
        """Reports the progress, with so many trials in progress."""
        self.reporter.report(self.tally.progress(running))

    def ask(self, most: int) -> None:
        """Asks for trials until so many wait, or there are none now; they are on disk before they run."""
        assert self.late is not None
        while self.late.waiting < most and self.late.ask():
            pass
        entries, events = self.late.take_new()
        self.store.grow(entries)
        self.store.log(events)
        self.mine.update(range(len(self.rows)))
        self.tally.trials = len(self.rows)


class _Crew(NamedTuple):
    """The lanes of a group.

    Attributes:
      halves: both of them.
      pace: of its segments.
      program: the name of its files of lanes.
    """

    halves: list[Half]
    pace: Pace
    program: str


def _run(
    events: Callable[[Callable[[], bool]], Iterator[Segment | AtRest]], crews: list[_Crew], session: Session
) -> None:
    """Takes the trials that end in lanes: stores, prunes, reports, saves lanes now and then, and stops if asked.

    Args:
      events: from `pause()` to the events of the lanes, as from `segments` and `late_segments`.
      crews: whose lanes these are; there may be more of them as time goes on.
      session: where the trials go.
    """
    store, checkpointed = session.store, time.monotonic()
    with interruptible(store.path is not None) as interruption:

        def pause() -> bool:
            return bool(interruption) or time.monotonic() - checkpointed > _SECONDS_BETWEEN_CHECKPOINTS

        for event in events(pause):
            if isinstance(event, AtRest):
                for crew in crews:
                    store.save_lanes(crew.program, crew.halves[0].work, event.halves or crew.halves)
                checkpointed = time.monotonic()
                interruption.leave()
                continue
            if event.ended is not None:
                session.add(event.ended)
            _prune(event.half, session)
            session.report(sum(half.running for crew in crews for half in crew.halves))
        interruption.leave()
    for crew in crews:
        store.drop_lanes(crew.program)


def run_group(work: Work, program: str, lanes: int | None, session: Session) -> None:
    """Runs what is left of a group through lanes."""
    wanted = {int(trial) for trial in work.group.indices} & session.mine - session.store.done
    if not wanted:
        return
    queue = deque(place for place, trial in enumerate(work.group.indices) if int(trial) in wanted)
    crew = _make_crew(work, queue, program, work.lanes_per_half(lanes, len(work.group.seeds)), session)
    _run(partial(segments, crew.halves, queue, crew.pace), [crew], session)


def run_on_workers(works: list[Work], crew: Workers, data: Any, shared: Shared, session: Session) -> None:
    """Has workers run what is left of all groups: takes the trials that ended, stores, reports, and stops if asked."""
    store, rungs = session.store, session.rungs
    wanted = session.mine - store.done
    places = [[i for i, trial in enumerate(work.group.indices) if int(trial) in wanted] for work in works]
    engine = make_engine(crew, packed("data", data))
    queue = Queue(list(map(in_mixed_order, places)), engine.pace) if session.late is None else _LateQueue(session)
    dispatch = Dispatch(works, queue, shared, engine, rungs)
    lost: list[int] = []
    with crew.interruptible(store.path is not None) as interruption:
        for returned in dispatch.returned(stop=lambda: bool(interruption)):
            if returned.ended is None:
                lost += returned.trials.tolist()
                session.lose(returned.trials.tolist())
                continue
            if rungs is not None:
                rungs.adopt(returned.verdicts)
                rungs.learn(store.new_verdicts())
                store.save_verdicts(rungs.own)
            session.add(returned.ended)
            session.report(dispatch.running)
        interruption.leave(store.path is not None)
    if lost:
        warnings.warn(
            f"train_many: trials {sorted(lost)} killed three workers in a row and were left out", stacklevel=4
        )


def make_session(
    store: Directory,
    works: list[Work],
    shard: tuple[int, int],
    pruner: SuccessiveHalving | None,
    reporter: Reporter,
    told: tuple[list[dict[str, Any]], OnTrial | None, Late | None],
) -> Session:
    """The session of a call; trials that are decided late are brought to where an earlier call was."""
    rows, _, late = told
    index, count = shard
    if late is not None:
        rule = "be (0, 1) for trials that are decided late: let one process drive workers (executor=)"
        require(count == 1, "train_many", "shard", rule, shard)
        ended = [rows_of(store.rows, one) for one in store.ended]
        late.replay(store.events, {trial: row for some in ended for trial, row in some.items()})
        store.read(works)
    mine = set(range(index, len(rows), count))
    # A tuner may ask for longer trials later.
    longest = max(work.program.plan.epochs for work in works) if late is None else sys.maxsize
    tally = Tally(works[0].program.plan, len(mine), only(store.ended, mine))
    return Session(mine, store, tally, reporter, None if pruner is None else Rungs(pruner, longest), *told)


def run_here(works: list[Work], programs: dict[str, str], lanes: int | None, session: Session) -> None:
    """Runs a study through the lanes of this process's devices."""
    if session.late is not None:
        run_late(lanes, session)
        return
    for work in works:
        run_group(work, programs.get(work.group.name, "")[:16], lanes, session)


def run_late(lanes: int | None, session: Session) -> None:
    """Runs trials that are decided late, of all groups side by side: asks when lanes are free, and tells what ended."""
    crews: list[_Crew] = []
    _run(partial(late_segments, partial(_filled, crews, lanes, session)), crews, session)


def _filled(crews: list[_Crew], lanes: int | None, session: Session) -> list[tuple[Half, Pace]]:
    """The halves at rest that have trials, after asking for as many as there is room for."""
    late = session.late
    assert late is not None
    most = _LATE_LANES_PER_DEVICE * late.works[0].program.mesh.size if lanes is None else lanes
    session.ask(most - sum(half.running for crew in crews for half in crew.halves))
    for place in range(len(crews), len(late.works)):
        work, queue = late.works[place], late.queues[place]
        program = late.programs.get(work.group.name, "")[:16]
        crews.append(_make_crew(work, queue, program, work.lanes_per_half(most, most), session))
    for crew, work, queue in zip(crews, late.works, late.queues, strict=True):
        for half in crew.halves:
            half.work = work
            if not half.in_flight:
                room = max(0, -(-most // len(crew.halves)) - half.running)  # spread over both halves
                half.fill(deque(queue.popleft() for _ in range(min(room, len(queue)))))
    return [(half, crew.pace) for crew in crews for half in crew.halves if half.running and not half.in_flight]


def _make_crew(work: Work, queue: deque[int], program: str, lanes_per_half: int, session: Session) -> _Crew:
    """The lanes of a group, trials of the queue that were saved in their places."""
    saved = session.store.load_lanes(program, work, {int(work.group.indices[place]) for place in queue})
    left = [place for place in queue if place not in saved]
    queue.clear()
    queue.extend(left)
    halves = make_halves(work, lanes_per_half, queue, saved)
    # With a pruner the length of a segment decides who reaches a rung first, and must not depend on the clock.
    pace = Pace(work.program, None if session.rungs is None else session.rungs.first)
    for half in halves:
        _prune(half, session)  # what was decided before an interruption
    return _Crew(halves, pace, program)


class _LateQueue(Queue):
    """The trials of a tuner for workers, asked for when a worker is free."""

    def __init__(self, session: Session) -> None:
        assert session.late is not None
        self._session, self._late = session, session.late

    def __len__(self) -> int:
        if not self._late.waiting:
            self._session.ask(1)
        return self._late.waiting

    def cut(self, workers: int) -> Piece:
        """The next block: what was asked for at once, spread over the workers."""
        group = next(number for number, queue in enumerate(self._late.queues) if queue)
        queue = self._late.queues[group]
        return Piece(group, [queue.popleft() for _ in range(math.ceil(len(queue) / workers))])

    def measure(self, piece: Piece, seconds: float) -> None:
        """Blocks are as large as what was asked for."""


def _prune(half: Half, session: Session) -> None:
    """Judges the trials that a half carries; a verdict is on disk before it takes effect."""
    rungs, store = session.rungs, session.store
    if rungs is None:
        return
    rungs.learn(store.new_verdicts())
    known = len(rungs.own)
    half.judge(rungs)
    if len(rungs.own) > known:
        store.save_verdicts(rungs.own)


def only(every: list[Ended], mine: set[int]) -> list[Ended]:
    """The trials of this process's share."""
    chosen = [[int(trial) in mine for trial in ended.trial] for ended in every]
    kept = [
        ended if all(rows) else jax.tree.map(lambda leaf, rows=rows: leaf[rows], ended)
        for ended, rows in zip(every, chosen, strict=True)
    ]
    return [ended for ended in kept if len(ended.trial)]
