"""The engine: the host's side of the lanes. It fills them, reads the trials that have ended, and starts segments.

Lanes come in two halves that take turns: while the devices run the segment of one, the host reads the other.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxmlp.population.ended import Ended
from jaxmlp.population.lanes import Lane, Orders, Program, idle_lanes, plain, typed
from jaxmlp.population.placement import HALVES
from jaxmlp.population.pruning import Rungs
from jaxmlp.population.work import Work
from jaxmlp.result import Result, Status

_SECONDS_PER_SEGMENT = 0.5
# Under vmap a trial that ends waits for the segment's end: segments stay short beside a complete run there.
_SEGMENTS_PER_RUN = 20


class Saved(NamedTuple):
    """A lane in progress, as it is saved.

    Attributes:
      half: the turn of its half of the lanes.
      lane: its place in that half.
      epochs: how many it has completed.
      leaves: the leaves of its `Lane`.
    """

    half: int
    lane: int
    epochs: int
    leaves: list[np.ndarray]


class Half:
    """One half of the lanes: where they are, and which of the group's trials each carries (-1 for none)."""

    def __init__(self, work: Work, count: int) -> None:
        self.work = work
        self.lanes: Lane = idle_lanes(work.shape, count, work.program.mesh)
        self.trial: np.ndarray = np.full(count, -1)
        self.fresh: np.ndarray = np.zeros(count, bool)
        self.prune: np.ndarray = np.zeros(count, bool)
        self.epochs: int = 0
        self.in_flight: bool = False

    @property
    def running(self) -> int:
        """How many lanes carry a trial."""
        return int((self.trial >= 0).sum())

    def fill(self, queue: deque[int]) -> None:
        """Puts the next trials of the queue into free lanes, device by device in turn."""
        for lane in self._free():
            if queue:
                self.trial[lane], self.fresh[lane] = queue.popleft(), True

    def resume(self, saved: dict[int, Saved], exactly: bool, turn: int) -> None:
        """Moves saved lanes into free ones: those of this turn to their old places, or any to any place."""
        leaves, structure = jax.tree.flatten(plain(self.lanes))
        leaves = [np.array(leaf) for leaf in leaves]
        free = deque(self._free())
        for trial in [t for t in sorted(saved) if not exactly or saved[t].half == turn]:
            if exactly or free:
                one = saved.pop(trial)
                lane = one.lane if exactly else free.popleft()
                self.trial[lane] = trial
                for leaf, row in zip(leaves, one.leaves, strict=True):
                    leaf[lane] = row
        sharding = jax.tree.leaves(self.lanes)[0].sharding
        self.lanes = jax.device_put(typed(structure.unflatten(leaves), self.work.shape), sharding)

    def _free(self) -> list[int]:
        """The free lanes, one of each device after the other, so that few trials are spread over all devices."""
        in_turn = np.arange(len(self.trial)).reshape(self.work.program.mesh.size, -1).T.ravel()
        return [int(lane) for lane in in_turn if self.trial[lane] < 0]

    def dispatch(self, epochs: int) -> None:
        """Starts a segment and returns at once: the devices work while the host continues."""
        group = self.work.group
        chosen = np.maximum(self.trial, 0)
        orders = Orders(
            begin=self.fresh.copy(),
            numbers=jax.tree.map(lambda column: column[chosen], group.numbers),
            seed=group.seeds[chosen],
            prune=self.prune.copy(),
        )
        self.epochs = epochs
        self.lanes = self.work.compiled.segment(
            self.lanes, orders, self.work.data, self.work.stopping, jnp.int32(epochs)
        )
        self.fresh[:] = False
        self.prune[:] = False
        self.in_flight = True

    def collect(self) -> Ended | None:
        """Waits for the segment, and takes the trials that have ended out of their lanes."""
        status = np.asarray(self.lanes.run.status)
        self.in_flight = False
        rows = np.flatnonzero((self.trial >= 0) & (status != Status.RUNNING))
        if len(rows) == 0:
            return None
        trials = self.work.group.indices[self.trial[rows]]
        self.trial[rows] = -1
        _, *found = ended_of(trials, self.lanes)
        return Ended(trials, *jax.tree.map(lambda leaf: leaf[rows], jax.device_get(found)))

    def carried(self) -> dict[int, tuple[int, np.ndarray, int]]:
        """For each trial in progress: its lane, its monitored history so far, and its epochs."""
        plan = self.work.program.plan
        history = np.asarray(self.lanes.run.history[f"validation_{plan.monitor}"])
        epochs = np.asarray(self.lanes.run.epoch)
        busy = np.flatnonzero(self.trial >= 0)
        return {int(self.work.group.indices[self.trial[i]]): (int(i), history[i], int(epochs[i])) for i in busy}

    def judge(self, rungs: Rungs) -> None:
        """Has the rungs judge the trials in progress; those that fall end at the next segment."""
        sign = 1.0 if self.work.program.plan.mode == "min" else -1.0
        for trial, (lane, history, epochs) in self.carried().items():
            self.prune[lane] = rungs.falls(trial, sign * history, epochs)

    def saved(self, turn: int) -> dict[int, Saved]:
        """The trials in progress, by their number in the group."""
        leaves = jax.tree.leaves(jax.device_get(plain(self.lanes)))
        epochs, busy = np.asarray(self.lanes.run.epoch), np.flatnonzero(self.trial >= 0)
        return {int(self.trial[i]): Saved(turn, int(i), int(epochs[i]), [leaf[i] for leaf in leaves]) for i in busy}


def ended_of(trials: np.ndarray, lanes: Lane) -> Ended:
    """What lanes hold of trials that have ended in them."""
    run, state = lanes.run, lanes.run.state
    result = Result(
        params=state.params,
        history=run.history,
        best_epoch=run.best_epoch,
        kept_epoch=lanes.kept_epoch,
        epochs=run.epoch,
        steps=state.step,
        status=run.status,
        cause=run.cause,
        initial=run.initial,
    )
    return Ended(trials, result, lanes.test)


class Segment(NamedTuple):
    """A segment that is over: the half that ran it, and the trials that ended in it, if any."""

    half: Half
    ended: Ended | None


class AtRest(NamedTuple):
    """No segment is in flight: all halves, in the order of their turns."""

    halves: list[Half]


def make_halves(work: Work, lanes: int, queue: deque[int], saved: dict[int, Saved]) -> list[Half]:
    """The lanes with their program compiled and saved trials back in their places."""
    halves = [Half(work, lanes * work.program.mesh.size) for _ in range(HALVES)]
    halves[0].dispatch(0)  # an empty segment: compiles before there is anything to lose
    jax.block_until_ready(halves[0].lanes)
    halves[0].in_flight = False
    exactly = all(one.half < HALVES and one.lane < len(halves[0].trial) for one in saved.values())
    if saved:
        for turn, half in enumerate(halves):
            half.resume(saved, exactly, turn)
    queue.extend(saved)  # with fewer lanes than before some find no place: they start anew
    return halves


def segments(
    halves: list[Half], queue: deque[int], pace: "Pace", pause: Callable[[], bool]
) -> Iterator[Segment | AtRest]:
    """Runs all trials of a queue.

    Yields:
      A `Segment` after every segment; and `AtRest`, which is the moment to save the lanes, whenever `pause()` is true
      and no segment is in flight any more.
    """
    ready, in_flight = deque(halves), deque()
    while ready or in_flight:
        if pause() and not in_flight:
            yield AtRest(list(ready))
        while ready and not pause():
            half = ready.popleft()
            half.fill(queue)
            if half.running:
                half.dispatch(pace.epochs)
                in_flight.append(half)
        if in_flight:
            half = in_flight.popleft()
            ended = half.collect()
            pace.measure(half.epochs)
            ready.append(half)
            yield Segment(half, ended)


def late_segments(
    ready: Callable[[], list[tuple[Half, "Pace"]]], pause: Callable[[], bool]
) -> Iterator[Segment | AtRest]:
    """Runs whatever `ready()` has, halves at rest that have trials, until it has none.

    Yields:
      As `segments`; an `AtRest` has no halves.
    """
    in_flight: deque[tuple[Half, Pace]] = deque()
    while True:
        if pause() and not in_flight:
            yield AtRest([])
        if not pause():
            for half, pace in ready():
                half.dispatch(pace.epochs)
                in_flight.append((half, pace))
            if not in_flight:
                return
        if in_flight:
            half, pace = in_flight.popleft()
            ended = half.collect()
            pace.measure(half.epochs)
            yield Segment(half, ended)


class Pace:
    """How many epochs a segment has: as many as take about half a second, or a fixed number."""

    def __init__(self, program: Program, fixed: int | None = None) -> None:
        epochs = program.plan.epochs
        self.most: int = max(1, epochs // _SEGMENTS_PER_RUN) if program.batched else epochs
        self.fixed = fixed
        self.epochs: int = 1 if fixed is None else fixed
        self.last: float | None = None

    def measure(self, epochs: int) -> None:
        """Takes the time since the last segment ended, which is that of one segment: the halves take turns."""
        now = time.monotonic()
        if self.last is not None and self.fixed is None:
            factor = np.clip(_SECONDS_PER_SEGMENT / max(now - self.last, 1e-6), 0.5, 4.0)
            self.epochs = int(np.clip(round(epochs * factor), 1, self.most))
        self.last = now
