"""Blocks: some trials of a group, run by a worker, which is a process anywhere.

A worker gets the data, a `Parcel` (what all blocks of a group share) and a `Block`. It sends the data to its devices
once, compiles each group once, and remembers both for the blocks to come. It writes nothing: ended trials go back.
"""

import multiprocessing
import os
import pickle
import platform
import sys
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

import jax
import numpy as np

from jaxmlp.checks import require
from jaxmlp.population.ended import joined
from jaxmlp.population.engine import Pace, Segment, make_halves, segments
from jaxmlp.population.identity import difference, program_hash, surroundings
from jaxmlp.population.packing import unpacked
from jaxmlp.population.placement import use_cpu_devices
from jaxmlp.population.pruning import Rungs, SuccessiveHalving, Verdict
from jaxmlp.population.trials import Group, make_group
from jaxmlp.population.work import Work, make_work, own_settings
from jaxmlp.run import Settings

# Settings of JAX that are part of a program: workers trace under the driver's.
_CONTEXTS = ("enable_x64", "default_matmul_precision", "numpy_dtype_promotion", "numpy_rank_promotion")
# Studies that run together, as in a comparison, take turns on a worker, each with its data.
_FEW_DATA, _MOST_BYTES = 2, 256e6

T = TypeVar("T")


class Parcel(NamedTuple):
    """What all blocks of a group share, fit to be pickled.

    Attributes:
      key: a name for all of it.
      name: of the group's recipe.
      source: the group's `Source`, packed.
      settings: those of the study.
      pruner: of the study.
      lanes: how many were asked for.
      share: a worker's share of the group's trials, which decides how many lanes an accelerator has.
      data: the name of the study's data, which is their content's.
      contexts: JAX's settings on the driver.
      expected: the driver's `surroundings`, which decide about rounding; None to take any worker.
      program: the group's program on the driver, by its text.
    """

    key: str
    name: str
    source: bytes
    settings: Settings
    pruner: SuccessiveHalving | None
    lanes: int | None
    share: int
    data: str
    contexts: dict[str, Any]
    expected: dict[str, Any] | None
    program: str


class Block(NamedTuple):
    """Trials for a worker to run.

    Attributes:
      columns: the leaves of their numbers, (n, ...).
      seeds: (n,) uint32.
      indices: (n,) their numbers in the study.
      verdicts: what the study's pruner has decided so far.
    """

    columns: list[np.ndarray]
    seeds: np.ndarray
    indices: np.ndarray
    verdicts: list[Verdict]


class Answer(NamedTuple):
    """What a worker says about a block.

    Attributes:
      missing: what it lacks to run the block, "data" or "modules"; "" if it ran.
      reason: the error of a missing module.
      leaves: those of the block's trials as `Ended`.
      verdicts: what was decided about them.
      seconds: how long they ran, without compilation.
      surroundings: the worker's.
    """

    missing: str
    reason: str = ""
    leaves: tuple[np.ndarray, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    seconds: float = 0.0
    surroundings: dict[str, Any] | None = None


class _Ready(NamedTuple):
    """A group on this worker.

    Attributes:
      work: the group made ready to run; which trials does not matter.
      pace: how long its segments are, from block to block.
      surroundings: those that it was compiled in.
    """

    work: Work
    pace: Pace
    surroundings: dict[str, Any]


class _Memory:
    """Data that this worker has, their size, and the groups made ready to run on them."""

    def __init__(self, data: bytes) -> None:
        self.data, self.size = pickle.loads(data), len(data)
        self.ready: dict[str, _Ready] = {}


_memories: OrderedDict[str, _Memory] = OrderedDict()  # by the name of the data
_one_at_a_time = threading.Lock()


def contexts_here() -> dict[str, Any]:
    """JAX's settings that are part of a program."""
    return {name: getattr(jax.config, f"jax_{name}") for name in _CONTEXTS}


def in_contexts(contexts: dict[str, Any], call: Callable[[], T]) -> T:
    """A call under such settings: those of a thread are unknown to others."""
    with ExitStack() as stack:
        for name, value in contexts.items():
            stack.enter_context(getattr(jax, name)(value))
        return call()


def block_of(group: Group, places: list[int], verdicts: list[Verdict]) -> Block:
    """The trials at these places of a group."""
    columns = [np.asarray(leaf)[places] for leaf in jax.tree.leaves(group.numbers)]
    return Block(columns, group.seeds[places], group.indices[places], verdicts)


def run_block(parcel: Parcel, block: Block, data: bytes | None) -> Answer:
    """Runs trials to their ends on all devices of this process, or says what is missing.

    Args:
      parcel: of their group.
      block: the trials.
      data: the data, packed; None if this worker may know them already.

    Raises:
      ValueError: if the bits here may differ from the driver's.
    """
    _leave_with_driver()
    with _one_at_a_time, own_settings(), _one_lapack_thread():
        _use_threads_of_dask()
        return in_contexts(parcel.contexts, lambda: _run_block(parcel, block, data))


def _run_block(parcel: Parcel, block: Block, data: bytes | None) -> Answer:
    if parcel.data not in _memories and data is None:
        return Answer("data")
    try:
        source, memory = unpacked(parcel.source), _memory(parcel.data, data)
    except (ImportError, AttributeError) as error:
        return Answer("modules", f"{type(error).__name__} on {platform.node()}: {error}")
    group = make_group(parcel.name, source, block.columns, block.seeds, block.indices)
    if parcel.key not in memory.ready:
        memory.ready[parcel.key] = _made_ready(parcel, group, memory)
    return _run(parcel, block, group, memory.ready[parcel.key])


@lru_cache(maxsize=1)
def _leave_with_driver() -> None:
    """A process of a pool ends when the driver is killed: nobody else would tell it to."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(1)

    if multiprocessing.current_process().name != "MainProcess":  # that may well outlive the shell which started it
        threading.Thread(target=watch, daemon=True).start()


def _one_lapack_thread() -> AbstractContextManager[Any]:
    """A worker's cores are its devices'; and the last bits of QR depend on the number of LAPACK's threads."""
    try:
        import scipy.linalg  # noqa: F401 (loads LAPACK, which JAX would load later)
        from threadpoolctl import threadpool_limits
    except ImportError:
        return nullcontext()
    return threadpool_limits(1, user_api="blas")


def _use_threads_of_dask() -> None:
    """A Dask worker of n threads owns n cores: it gets n CPU devices, unless JAX has already started there."""
    distributed = sys.modules.get("distributed")
    with suppress(ValueError, RuntimeError):  # not on a worker of Dask; JAX has started
        if distributed is not None:
            use_cpu_devices(distributed.get_worker().state.nthreads)


def _memory(name: str, data: bytes | None) -> _Memory:
    """What is remembered of data with this name; of new data, nothing yet."""
    if name not in _memories and data is not None:
        _memories[name] = _Memory(data)
        while len(_memories) > _FEW_DATA and sum(one.size for one in _memories.values()) > _MOST_BYTES:
            _memories.popitem(last=False)
    _memories.move_to_end(name)
    return _memories[name]


def _made_ready(parcel: Parcel, group: Group, memory: _Memory) -> _Ready:
    """The group with its program, which must be the driver's."""
    work = make_work(group, memory.data, jax.local_devices(), parcel.settings)
    memory.data = work.data  # on the devices, once for all groups
    here = surroundings(work.program.mesh.devices.flat[0])
    if parcel.expected is not None:
        ours, theirs = difference(parcel.expected, here)
        rule = "have workers that round like this process, or be workers(executor, mixed=True)"
        require(here == parcel.expected, "train_many", "executor", rule, f"{theirs} on {platform.node()}, {ours} here")
        is_same = program_hash(work) == parcel.program
        rule = "make the same learner on workers: their modules are other versions than those of this process"
        require(is_same, "train_many", "recipe", rule, f"another program on {platform.node()}")
    pace = Pace(work.program, None if parcel.pruner is None else parcel.pruner.first)
    return _Ready(work, pace, here)


def _run(parcel: Parcel, block: Block, group: Group, ready: _Ready) -> Answer:
    """Takes the trials that ended, and judges the others, until none is left."""
    work, pace, every = ready.work._replace(group=group), ready.pace, []
    rungs = None if parcel.pruner is None else Rungs(parcel.pruner, work.program.plan.epochs)
    if rungs is not None:
        rungs.learn(block.verdicts)
    queue = deque(range(len(block.seeds)))
    halves = make_halves(work, work.lanes_per_half(parcel.lanes, parcel.share), queue, {})
    began = pace.last = time.monotonic()
    for event in segments(halves, queue, pace, lambda: False):
        assert isinstance(event, Segment)  # it never rests
        if event.ended is not None:
            every.append(event.ended)
        if rungs is not None:
            event.half.judge(rungs)
    (ended,) = joined(every)
    verdicts = () if rungs is None else tuple(rungs.own)
    seconds = time.monotonic() - began
    return Answer("", "", tuple(jax.tree.leaves(ended)), verdicts, seconds, ready.surroundings)
