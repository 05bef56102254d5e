"""The driver's side of a study on workers: cuts blocks, sends them, takes what comes back, sends again what was lost.

Blocks are cut from the queue as workers become free (guided self-scheduling, Polychronopoulos & Kuck 1987): large ones
first, small ones last, so that no worker idles at the end. Two for each worker are under way: while it runs one, the
next is there already. Only this process writes; a worker that dies costs only the blocks that it had.

A block that two workers died with is divided, and its parts run alone, one after the other, when all others are done: a
part that kills its worker is divided again, down to the trial that does it, which is left out.
"""

import hashlib
import math
import pickle
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxmlp.population.blocks import Answer, Parcel, block_of, contexts_here
from jaxmlp.population.ended import Ended
from jaxmlp.population.engine import ended_of
from jaxmlp.population.executors import BlockPace, Engine, is_death
from jaxmlp.population.identity import in_words
from jaxmlp.population.packing import packed
from jaxmlp.population.pruning import Rungs, SuccessiveHalving, Verdict
from jaxmlp.population.work import Work
from jaxmlp.run import Settings

_BLOCKS_PER_WORKER = 2
_MOST_DEATHS = 3
_PARTS = 8
_SECONDS_BETWEEN_LOOKS = 0.005


@dataclass(eq=False)
class Piece:
    """A block as the driver knows it.

    Attributes:
      group: the number of its group.
      places: of its trials in the group.
      deaths: how many workers have died of it, in a row.
      with_data: whether a worker asked for the data.
      by_value: whether it was sent with the modules that workers lack.
    """

    group: int
    places: list[int]
    deaths: int = 0
    with_data: bool = False
    by_value: bool = False

    def parts(self) -> "list[Piece]":
        """A few smaller ones, down to single trials, which inherit the deaths."""
        split = [places for places in np.array_split(self.places, _PARTS) if len(places)]
        return [replace(self, places=places.tolist()) for places in split]


def in_mixed_order(places: list[int]) -> list[int]:
    """Neighbors in a study are alike, and take equally long: a block of them would say little about the others."""
    return np.random.default_rng(0).permutation(places).tolist()


class Queue:
    """The trials that are not with a worker yet.

    Args:
      places: for each group, the places of its trials.
      pace: how large blocks are.
    """

    def __init__(self, places: list[list[int]], pace: BlockPace) -> None:
        self._waiting = [deque(some) for some in places]
        self._pace = pace
        self._measured: dict[int, tuple[int, float]] = {}  # for each group, how many trials took how many seconds

    def __len__(self) -> int:
        return sum(map(len, self._waiting))

    def cut(self, workers: int) -> Piece:
        """The next block, group by group: a share of what is left, within its bounds."""
        group = next(number for number, waiting in enumerate(self._waiting) if waiting)
        size = math.ceil(len(self) / (_BLOCKS_PER_WORKER * workers))
        if group in self._measured:
            trials, seconds = self._measured[group]
            seconds = max(seconds, 1e-6) / trials
            size = min(max(size, round(self._pace.least / seconds)), max(1, round(self._pace.most / seconds)))
        elif self._pace.first is not None:
            size = min(size, self._pace.first)
        waiting = self._waiting[group]
        return Piece(group, [waiting.popleft() for _ in range(min(size, len(waiting)))])

    def measure(self, piece: Piece, seconds: float) -> None:
        """Takes the time that a block took."""
        before = self._measured.get(piece.group, (0, 0.0))
        self._measured[piece.group] = before[0] + len(piece.places), before[1] + seconds


class Returned(NamedTuple):
    """A block that is done with.

    Attributes:
      trials: (n,) their numbers in the study.
      ended: these trials; None if they killed every worker that they were given to.
      verdicts: what was decided about them.
    """

    trials: np.ndarray
    ended: Ended | None
    verdicts: tuple[Verdict, ...] = ()


class Shared(NamedTuple):
    """What all parcels of a study have in common; see `Parcel`."""

    settings: Settings
    pruner: SuccessiveHalving | None
    lanes: int | None
    description: dict[str, Any]
    mixed: bool


def make_parcel(work: Work, shared: Shared, workers: int, by_value: bool = False) -> Parcel:
    """What workers get to know of a group."""
    group, description = work.group, shared.description
    own = shared.settings._replace(**group.settings)
    settings: Any = (np.asarray(value) if isinstance(value, jax.Array) else value for value in own)
    surroundings = {name: description[name] for name in ("jax", "platform", "flags")}
    parcel = Parcel(
        key="",
        name=group.name,
        source=packed("recipe", group.source, by_value),
        settings=Settings(*settings),
        pruner=shared.pruner,
        lanes=shared.lanes,
        share=-(-len(group.seeds) // workers),
        data=description["sent"],
        contexts=contexts_here(),
        expected=None if shared.mixed else surroundings,
        program=description["programs"][group.name],
    )
    return parcel._replace(key=hashlib.sha256(pickle.dumps(parcel)).hexdigest())


class Dispatch:
    """A study on its way through workers.

    Args:
      works: its groups.
      queue: the trials to run.
      shared: what workers get to know.
      engine: the workers.
      rungs: what its pruner knows, if it has one.
    """

    def __init__(self, works: list[Work], queue: Queue, shared: Shared, engine: Engine, rungs: Rungs | None) -> None:
        self._works, self._queue, self._shared, self._engine, self._rungs = works, queue, shared, engine, rungs
        self._parcels: dict[tuple[int, bool], Parcel] = {}
        self._again: deque[Piece] = deque()
        self._suspects: deque[Piece] = deque()
        self._flying: dict[Any, Piece] = {}
        self._lost = 0

    @property
    def running(self) -> int:
        """How many trials are with workers."""
        return sum(len(piece.places) for piece in self._flying.values())

    def returned(self, stop: Callable[[], bool]) -> Iterator[Returned]:
        """Runs all trials of the queue, or until `stop()`.

        Yields:
          Blocks that have ended, and trials that have killed three workers in a row.

        Raises:
          What a block raises. RuntimeError: if workers die before they ever return anything.
        """
        crew = self._engine.crew
        try:
            while (self._again or self._queue or self._suspects or self._flying) and not stop():
                self._send()
                for future in self._landed():
                    piece = self._flying.pop(future)
                    crew.landed()
                    returned = self._settled(piece, future)
                    if returned is not None:
                        yield returned
        finally:
            for future in self._flying:
                future.cancel()
            crew.landed(len(self._flying))
            crew.release(self)

    def _send(self) -> None:
        """Keeps all workers busy. Suspects run alone, when there is nothing else to do."""
        engine, crew, workers = self._engine, self._engine.crew, self._engine.count()
        while len(self._flying) < _BLOCKS_PER_WORKER * workers and (self._again or self._queue) and crew.claim(self):
            self._submit(self._again.popleft() if self._again else self._queue.cut(workers))
        if not self._flying and self._suspects and engine.has_any() and crew.claim(self, alone=True):
            self._submit(self._suspects.popleft(), alone=True)
        elif not self._suspects:
            crew.release(self)

    def _submit(self, piece: Piece, alone: bool = False) -> None:
        work, engine = self._works[piece.group], self._engine
        piece.by_value = engine.crew.by_value
        kind = piece.group, piece.by_value
        try:
            if kind not in self._parcels:
                self._parcels[kind] = make_parcel(work, self._shared, engine.count(), piece.by_value)
            block = block_of(work.group, piece.places, [] if self._rungs is None else self._rungs.known)
            self._flying[engine.submit(self._parcels[kind], block, piece.with_data, alone)] = piece
        except BaseException:
            engine.crew.landed()
            raise

    def _landed(self) -> list[Any]:
        """The blocks that are done by now; a short wait if there are none."""
        done = [future for future in self._flying if future.done()]
        if not done:
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        return done

    def _settled(self, piece: Piece, future: Any) -> Returned | None:
        """What became of a block; None if it has to be sent again."""
        error = future.exception()
        if error is not None:
            return self._failed(piece, error)
        answer: Answer = future.result()
        if answer.missing:
            self._supply(piece, answer)
            return None
        self._engine.crew.lives = True
        self._queue.measure(piece, answer.seconds)
        work = self._works[piece.group]
        ended = jax.tree.structure(ended_of(work.group.seeds, work.shape)).unflatten(answer.leaves)
        if self._shared.mixed and answer.surroundings is not None:
            ended = ended._replace(surroundings={in_words(answer.surroundings): np.ones(len(piece.places), bool)})
        return Returned(self._trials(piece), ended, answer.verdicts)

    def _supply(self, piece: Piece, answer: Answer) -> None:
        """Sends a block again with what its worker lacked."""
        self._again.appendleft(piece)
        if answer.missing == "data":
            piece.with_data = True
        elif piece.by_value:
            rule = "be importable by workers, or fit for cloudpickle (pip install 'jaxmlp[cluster]')"
            raise ValueError(f"train_many: recipe must {rule}, got {answer.reason}")
        else:
            self._engine.crew.by_value = True

    def _failed(self, piece: Piece, error: BaseException) -> Returned | None:
        if not is_death(error):
            raise error
        # Dask has counted itself, but counts blocks too that only waited on the workers that died.
        counted = type(error).__name__ == "KilledWorker"
        piece.deaths = max(piece.deaths + 1, _MOST_DEATHS - 1 if counted else 0)
        if piece.deaths < _MOST_DEATHS - 1:
            self._again.append(piece)
            return None
        if len(piece.places) > 1 or piece.deaths < _MOST_DEATHS:
            self._suspects.extend(piece.parts())
            return None
        self._lost += 1
        if self._lost == _MOST_DEATHS and not self._engine.crew.lives:
            message = f"train_many: executor must have workers that live, got {type(error).__name__}: {error}"
            raise RuntimeError(message) from error
        return Returned(self._trials(piece), None)

    def _trials(self, piece: Piece) -> np.ndarray:
        return self._works[piece.group].group.indices[piece.places]
