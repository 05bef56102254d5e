"""Executors of all kinds made to look alike: they send blocks, and say how many workers there are."""

import math
import time
import uuid
import warnings
from collections.abc import Callable
from concurrent.futures import BrokenExecutor
from typing import Any, NamedTuple

from jaxmlp.population.blocks import Block, Parcel, run_block
from jaxmlp.population.crew import Workers, is_dask

_SECONDS_BETWEEN_COUNTS = 1.0
_SECONDS_OF_PATIENCE = 10.0
# By name, so that no engine has to be imported: the errors that say that a worker is gone.
_OF_DEATH = {"BrokenExecutor", "KilledWorker", "UncompletedJobError", "KeyboardInterrupt", "SystemExit"}


class BlockPace(NamedTuple):
    """How large blocks are.

    Attributes:
      first: how many trials a block has before it is known how long they take; None for no bound.
      least: how many seconds a block should take at least: each costs a call.
      most: how many seconds it should take at most: a worker that dies costs its block.
    """

    first: int | None
    least: float
    most: float


class Engine:
    """An executor of `concurrent.futures`, whatever it is made of. One that broke is replaced by another like it.

    Data go along with a block only if its worker asked for them, or if there may be workers that have none yet.
    """

    pace: BlockPace = BlockPace(4, 0.5, 20.0)

    def __init__(self, crew: Workers, data: bytes) -> None:
        self.crew, self.data = crew, data
        self._sent = 0

    def count(self) -> int:
        """How many workers there are."""
        return self.crew.count()

    def has_any(self) -> bool:
        """Whether there is a worker now, as far as that is known."""
        return True

    def submit(self, parcel: Parcel, block: Block, with_data: bool, alone: bool) -> Any:
        """Sends a block; returns its future.

        Args:
          parcel: what all blocks of its group share.
          block: the trials.
          with_data: whether its worker asked for the data.
          alone: whether it must not be tried on a second worker if the first one dies; then there must be one.
        """
        with_data = with_data or self._sent < self.count()
        self._sent += with_data
        executor = self.crew.executor
        try:
            return executor.submit(run_block, parcel, block, self.data if with_data else None)
        except Exception as error:
            if not is_death(error):
                raise
            self.crew.renew(executor, error)
            self._sent = 0
            return self.submit(parcel, block, with_data, alone)


class JobEngine(Engine):
    """Submitit: each block is a job of its own, in a new process that knows nothing."""

    pace = BlockPace(None, 60.0, 900.0)

    def submit(self, parcel: Parcel, block: Block, with_data: bool, alone: bool) -> Any:
        return super().submit(parcel, block, True, alone)


class DaskEngine(Engine):
    """A Dask client: workers come and go, and fetch the data from each other, once each."""

    def __init__(self, crew: Workers, data: bytes) -> None:
        super().__init__(crew, data)
        import dask.config

        # The result of a task, unlike scattered data, is computed anew if all workers that have it are gone.
        with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1TB"}):
            self._future = crew.executor.submit(_itself, data, key=f"data-{uuid.uuid4().hex}")
        self._found: list[str] = []
        self._looked, self._empty_since, self._told = -math.inf, math.inf, False

    def count(self) -> int:
        return self.crew.size or max(1, len(self._addresses()))

    def has_any(self) -> bool:
        return bool(self._addresses(age=0.05))  # one that has died just now would be blamed on the next block

    def _addresses(self, age: float = _SECONDS_BETWEEN_COUNTS) -> list[str]:
        """The workers that there are now, or were at most some seconds ago."""
        now = time.monotonic()
        if now - self._looked > age:
            self._found, self._looked = list(self.crew.executor.nthreads()), now
            self._empty_since = math.inf if self._found else min(self._empty_since, now)
            self._wait(now - self._empty_since)
        return self._found

    def _wait(self, seconds: float) -> None:
        """Says that there is no worker, and gives up in the end."""
        wait = self.crew.wait
        if seconds > wait:
            rule = "have workers, or be workers(executor, wait=...), with more patience"
            raise RuntimeError(f"train_many: executor must {rule}, got none for {seconds:.0f} s")
        if seconds > min(_SECONDS_OF_PATIENCE, 0.5 * wait) and not self._told:
            self._told = True
            warnings.warn(f"train_many: executor has no workers; waiting up to {wait:.0f} s for some", stacklevel=2)

    def submit(self, parcel: Parcel, block: Block, with_data: bool, alone: bool) -> Any:
        chosen = self._addresses()[:1] if alone else []
        options = {"key": f"block-{uuid.uuid4().hex}", "pure": False, "workers": chosen or None}
        future = self.crew.executor.submit(run_block, parcel, block, self._future, **options)
        return _OnOneWorker(future, lambda: chosen[0] in self._addresses()) if chosen else future


class _OnOneWorker:
    """A future of Dask that ends with its worker, while Dask would wait for the worker to come back."""

    def __init__(self, future: Any, lives: Callable[[], bool]) -> None:
        self._future, self._lives, self._is_lost = future, lives, False
        self.result, self.cancel = future.result, future.cancel

    def done(self) -> bool:
        if not self._future.done() and not self._lives():
            self._is_lost = True
            self.cancel()
        return self._is_lost or self._future.done()

    def exception(self) -> BaseException | None:
        return BrokenExecutor("its worker died") if self._is_lost else self._future.exception()


def _itself(data: bytes) -> bytes:
    return data


def make_engine(crew: Workers, data: bytes) -> Engine:
    """The engine for an executor."""
    if is_dask(crew.executor):
        return DaskEngine(crew, data)
    is_submitit = any(base.__module__.startswith("submitit.") for base in type(crew.executor).__mro__)
    return (JobEngine if is_submitit else Engine)(crew, data)


def is_death(error: BaseException) -> bool:
    """Whether an error says that a worker is gone, not that it failed."""
    return any(kind.__name__ in _OF_DEATH for kind in type(error).__mro__)
