"""Workers: an executor with its options, and what several studies that use it at the same time share."""

import inspect
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Executor, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from signal import SIGINT
from typing import Any, TypeVar

from jaxmlp.checks import check_count, check_positive, require
from jaxmlp.population.blocks import contexts_here, in_contexts
from jaxmlp.population.signals import Interruption, interruptible

T = TypeVar("T")
_RULE = "have a method submit, as a concurrent.futures.Executor or a dask.distributed.Client"


class Workers:
    """An executor, and how `train_many` uses it; see `workers`.

    Attributes:
      executor: the executor; another one of its kind after all of its processes have died.
      size: how many workers it has; None if it says so itself.
      mixed: whether workers may differ from this process.
      wait: how many seconds a study waits if there is no worker.
      lives: whether a worker has ever returned anything.
      by_value: whether workers were found to lack modules, so that functions travel instead of their names.
    """

    def __init__(self, executor: Executor | Any, size: int | None, mixed: bool, wait: float) -> None:
        self.executor: Any = executor
        self.size: int | None = size
        self.mixed: bool = mixed
        self.wait: float = wait
        self.lives: bool = False
        self.by_value: bool = False
        self._lock = threading.Lock()
        self._flying = 0
        self._alone: object | None = None
        self._interruption: Interruption | None = None

    def __repr__(self) -> str:
        return f"Workers({self.executor!r}, size={self.size}, mixed={self.mixed}, wait={self.wait:g})"

    def count(self) -> int:
        """How many workers there are now."""
        if self.size is None and is_dask(self.executor):
            return max(1, len(self.executor.nthreads()))
        return self.size or getattr(self.executor, "_max_workers", None) or os.cpu_count() or 1

    def together(self, calls: Sequence[Callable[[], T]], most: int) -> list[T]:
        """Makes calls at the same time, each of which runs studies on these workers.

        One small study cannot keep many workers busy; several can. If a call fails, or on Ctrl-C and SIGTERM, the
        studies of all others are left too.

        Args:
          calls: functions without arguments. Each runs in a thread of its own, under JAX's settings of this one.
          most: how many run at the same time.

        Returns:
          What they return.

        Raises:
          What a call raises.

        Example:
          >>> from concurrent.futures import ThreadPoolExecutor
          >>> workers(ThreadPoolExecutor(2)).together([lambda: "a", lambda: "b"], most=2)
          ['a', 'b']
        """
        contexts = contexts_here()
        with interruptible(True) as interruption, ThreadPoolExecutor(most) as pool:
            self._interruption = interruption
            futures = [pool.submit(partial(in_contexts, contexts, call)) for call in calls]
            try:
                done, _ = wait(futures, return_when=FIRST_EXCEPTION)
                for future in done:
                    future.result()
                return [future.result() for future in futures]
            finally:
                if not all(future.done() for future in futures):
                    interruption.signal = interruption.signal or SIGINT
                for future in futures:
                    future.cancel()
                self._interruption = None

    def interruptible(self, wanted: bool) -> AbstractContextManager[Interruption]:
        """As `signals.interruptible`; studies that run together share one."""
        return nullcontext(self._interruption) if self._interruption is not None else interruptible(wanted)

    def claim(self, study: object, alone: bool = False) -> bool:
        """Whether a study may send a block now.

        A block is sent alone if nothing else is under way; from the first time that a study asks for this until it
        calls `release`, no other study sends any.
        """
        with self._lock:
            if self._alone not in (None, study):
                return False
            self._alone = study if alone else self._alone
            if alone and self._flying:
                return False
            self._flying += 1
            return True

    def landed(self, blocks: int = 1) -> None:
        """Takes back the claims of blocks that are done."""
        with self._lock:
            self._flying -= blocks

    def release(self, study: object) -> None:
        """Lets other studies send blocks again."""
        with self._lock:
            self._alone = None if self._alone is study else self._alone

    def renew(self, broken: Any, error: BaseException) -> None:
        """Replaces a broken pool of processes by one with the same options, unless another study has done so."""
        with self._lock:
            if self.executor is not broken:
                return
            kind = type(broken)
            names = [name for name in inspect.signature(kind).parameters if hasattr(broken, f"_{name}")]
            if "max_workers" not in names:
                raise RuntimeError(f"train_many: executor must outlive its workers, got {error!r}") from error
            self.executor = kind(**{name: getattr(broken, f"_{name}") for name in names})


def workers(executor: Any, *, count: int | None = None, mixed: bool = False, wait: float = 300.0) -> Workers:
    """An executor with options, for `train_many(..., executor=...)` and `compare(..., executor=...)`.

    Args:
      executor: anything with `submit` in the sense of `concurrent.futures`, such as a `ProcessPoolExecutor` whose
        processes are spawned, loky's, `mpi4py.futures.MPIPoolExecutor` or submitit's; or a `dask.distributed.Client`.
      count: how many workers it has, at least 1; None for what it says of itself, or else one for each core.
      mixed: whether workers may differ from this process in processor, JAX version or flags, which may change bits.
        The table then has a column `surroundings`, which says what each trial ran on.
      wait: how many seconds to wait for workers while a Dask client has none, above 0. After ten seconds a warning
        says so; after all of them a study ends with an error, and what has ended is kept.

    Returns:
      A `Workers`; one that is given as executor is returned as it is.

    Raises:
      ValueError, TypeError: for arguments that break these rules.

    Example:
      >>> from concurrent.futures import ThreadPoolExecutor
      >>> workers(ThreadPoolExecutor(2), count=2).size
      2
    """
    if isinstance(executor, Workers):
        return executor
    require(callable(getattr(executor, "submit", None)), "workers", "executor", _RULE, executor, TypeError)
    method = getattr(getattr(executor, "_mp_context", None), "get_start_method", lambda: "spawn")()
    rule = "spawn its processes (mp_context=multiprocessing.get_context('spawn')): JAX does not survive a fork"
    require(method != "fork", "workers", "executor", rule, f"start method {method!r}")
    if count is not None:
        check_count("workers", count=count)
    check_positive("workers", wait=wait)
    return Workers(executor, count, bool(mixed), float(wait))


def checked_workers(executor: Any, devices: Any) -> Workers | None:
    """The workers that `train_many` was given, if any."""
    if executor is None:
        return None
    require(devices is None, "train_many", "devices", "be None with an executor: its workers have their own", devices)
    return workers(executor)


def is_dask(executor: Any) -> bool:
    """Whether an executor is a client of Dask, which need not be installed."""
    return hasattr(executor, "scatter") and hasattr(executor, "nthreads")
