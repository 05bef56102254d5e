"""Executors of all kinds made to look alike: they send blocks, and say how many workers there are."""

import inspect
import math
import os
import time
import uuid
from typing import Any, NamedTuple

from jaxmlp.checks import check_count, require
from jaxmlp.population.blocks import Block, Parcel, run_block

_SECONDS_BETWEEN_COUNTS = 1.0
# By name, so that no engine has to be imported: the errors that say that a worker is gone.
_OF_DEATH = {"BrokenExecutor", "KilledWorker", "UncompletedJobError", "KeyboardInterrupt", "SystemExit"}


class Workers(NamedTuple):
    """An executor, and how `train_many` uses it; see `workers`."""

    executor: Any
    size: int | None
    mixed: bool


def workers(executor: Any, *, count: int | None = None, mixed: bool = False) -> Workers:
    """An executor with options, for `train_many(..., executor=...)`.

    Args:
      executor: anything with `submit` in the sense of `concurrent.futures`, such as a `ProcessPoolExecutor` whose
        processes are spawned, loky's, `mpi4py.futures.MPIPoolExecutor` or submitit's; or a `dask.distributed.Client`.
      count: how many workers it has, at least 1; None for what it says of itself, or else one for each core.
      mixed: whether workers may differ from this process in processor, JAX version or flags, which may change bits.
        The table then has a column `surroundings`, which says what each trial ran on.

    Returns:
      A `Workers`.

    Raises:
      ValueError, TypeError: for arguments that break these rules.

    Example:
      >>> from concurrent.futures import ThreadPoolExecutor
      >>> workers(ThreadPoolExecutor(2), count=2).size
      2
    """
    require(callable(getattr(executor, "submit", None)), "workers", "executor", _RULE, executor, TypeError)
    method = getattr(getattr(executor, "_mp_context", None), "get_start_method", lambda: "spawn")()
    rule = "spawn its processes (mp_context=multiprocessing.get_context('spawn')): JAX does not survive a fork"
    require(method != "fork", "workers", "executor", rule, f"start method {method!r}")
    if count is not None:
        check_count("workers", count=count)
    return Workers(executor, count, bool(mixed))


_RULE = "have a method submit, as a concurrent.futures.Executor or a dask.distributed.Client"


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

    def __init__(self, workers: Workers, data: bytes) -> None:
        self.executor: Any = workers.executor
        self.data = data
        self._count = workers.size
        self._sent = 0
        self._is_mine = False

    def count(self) -> int:
        """How many workers there are."""
        return self._count or getattr(self.executor, "_max_workers", None) or os.cpu_count() or 1

    def submit(self, parcel: Parcel, block: Block, with_data: bool) -> Any:
        """Sends a block; returns its future."""
        with_data = with_data or self._sent < self.count()
        self._sent += with_data
        try:
            return self.executor.submit(run_block, parcel, block, self.data if with_data else None)
        except Exception as error:
            if not is_death(error):
                raise
            self._renew(error)
            return self.submit(parcel, block, with_data)

    def _renew(self, error: BaseException) -> None:
        """Replaces a broken pool of processes by one with the same options."""
        kind, old = type(self.executor), self.executor
        names = [name for name in inspect.signature(kind).parameters if hasattr(old, f"_{name}")]
        if "max_workers" not in names:
            raise RuntimeError(f"train_many: executor must outlive its workers, got {error!r}") from error
        self.close()
        self.executor = kind(**{name: getattr(old, f"_{name}") for name in names})
        self._is_mine, self._sent = True, 0

    def close(self) -> None:
        """Ends what was started here."""
        if self._is_mine:
            self.executor.shutdown(wait=False)


class JobEngine(Engine):
    """Submitit: each block is a job of its own, in a new process that knows nothing."""

    pace = BlockPace(None, 60.0, 900.0)

    def submit(self, parcel: Parcel, block: Block, with_data: bool) -> Any:
        return super().submit(parcel, block, True)


class DaskEngine(Engine):
    """A Dask client: workers come and go, and fetch the data from each other, once each."""

    def __init__(self, workers: Workers, data: bytes) -> None:
        super().__init__(workers, data)
        import dask.config

        # The result of a task, unlike scattered data, is computed anew if all workers that have it are gone.
        with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1TB"}):
            self._future = self.executor.submit(_itself, data, key=f"data-{uuid.uuid4().hex}")
        self._counted, self._looked = 1, -math.inf

    def count(self) -> int:
        if time.monotonic() - self._looked > _SECONDS_BETWEEN_COUNTS:
            self._counted, self._looked = max(1, len(self.executor.nthreads())), time.monotonic()
        return self._count or self._counted

    def submit(self, parcel: Parcel, block: Block, with_data: bool) -> Any:
        key = f"block-{uuid.uuid4().hex}"
        return self.executor.submit(run_block, parcel, block, self._future, key=key, pure=False)


def _itself(data: bytes) -> bytes:
    return data


def make_engine(workers: Workers, data: bytes) -> Engine:
    """The engine for an executor."""
    kind = type(workers.executor)
    if hasattr(kind, "scatter") and hasattr(kind, "nthreads"):
        return DaskEngine(workers, data)
    is_submitit = any(base.__module__.startswith("submitit.") for base in kind.__mro__)
    return (JobEngine if is_submitit else Engine)(workers, data)


def is_death(error: BaseException) -> bool:
    """Whether an error says that a worker is gone, not that it failed."""
    return any(kind.__name__ in _OF_DEATH for kind in type(error).__mro__)
