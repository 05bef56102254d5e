"""`train_many`: a population in one call."""

import os
import time
import warnings
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxmlp.checks import require
from jaxmlp.data import Data
from jaxmlp.data.resampling import make_pool
from jaxmlp.population.crew import Workers, checked_workers
from jaxmlp.population.directory import Directory
from jaxmlp.population.dispatch import Dispatch, Queue, Shared, in_mixed_order
from jaxmlp.population.ended import Ended
from jaxmlp.population.engine import AtRest, Half, Pace, make_halves, segments
from jaxmlp.population.executors import make_engine
from jaxmlp.population.identity import describe
from jaxmlp.population.packing import packed
from jaxmlp.population.plans import entries_of
from jaxmlp.population.progress import Progress, Reporter, Tally
from jaxmlp.population.pruning import Rungs, SuccessiveHalving
from jaxmlp.population.shards import checked_shard
from jaxmlp.population.signals import interruptible
from jaxmlp.population.study import Origin, Study
from jaxmlp.population.trials import learner_of, make_groups
from jaxmlp.population.work import Work, make_work, own_settings
from jaxmlp.run import Settings
from jaxmlp.types import Scalar

_SECONDS_BETWEEN_CHECKPOINTS = 60.0


@own_settings()
def train_many(
    recipe: Any,
    data: Data,
    *,
    seeds: int | Sequence[int],
    epochs: int | Sequence[int],
    batch_size: int | Sequence[int] | None = None,
    patience: Scalar | None = None,
    min_delta: Scalar = 0.0,
    monitor: str = "loss",
    mode: str = "min",
    order: str = "reshuffled",
    remainder: str = "drop",
    evaluate_initial: bool = False,
    evaluate_test: bool = False,
    folds: int | None = None,
    splits: int | None = None,
    bootstraps: int | None = None,
    grid: Mapping[str, Any] | None = None,
    trials: Sequence[Mapping[str, Any]] | None = None,
    directory: str | os.PathLike[str] | None = None,
    shard: tuple[int, int] | None = None,
    pruner: SuccessiveHalving | None = None,
    lanes: int | None = None,
    devices: Sequence[Any] | None = None,
    executor: Any = None,
    progress: bool = True,
    callback: Callable[[Progress], Any] | None = None,
    **grids: Any,
) -> Study:
    """Trains a population: every combination of hyperparameters with every seed, each trial stopping by itself.

    A trial is what `fit(jax.random.key(seed), recipe(**hyperparameters), data, ...)` does, to the bit on CPU, whatever
    runs beside it and wherever it runs. Trials go through lanes (see `jaxmlp.population.lanes`): one that ends makes
    room for the next. One that diverges is frozen at its last finite parameters, and stays in the study. A population
    is compiled and runs on its own mesh, also under `jax.disable_jit` and `jax.set_mesh`.

    Main arguments:

    Args:
      recipe: a function from hyperparameters to a `Learner`, all of one structure: only numbers may differ. A recipe
        that makes functions of its own, as with optax, is traced, and must not branch on its hyperparameters. Or a
        batch of learners, as from `jax.vmap(recipe)(...)`. Or a dict of such functions, for different optimizers or
        sizes in one study; each gets the grids that its arguments name.
      data: a `Data` of train, validation and test.
      seeds: a count, for 0, 1, 2, ..., or a list of different integers from 0 to 2**32 - 1. The same seed means the
        same initial weights, batches and dropout for all hyperparameters.
      epochs: the maximum number of epochs, at least 1; or a list of them, as a further grid.
      **grids: for each hyperparameter a list of values; trials are the product of all grids and seeds. Values need not
        be numbers: `hidden=[(64,), (128, 128)]`, `activation=["relu", "tanh"]`, `optimizer=[jaxmlp.adam, jaxmlp.gd]`.
        Trials are sorted by the program that they need, and each program is compiled once. A dict from texts to
        values gives values the names that the table shows.

    Other arguments:

    Args:
      batch_size: rows per step, as in `fit`; or a list of them, as a further grid.
      patience: epochs without improvement before a trial stops, as in `fit`.
      min_delta: what counts as an improvement, as in `fit`.
      monitor: the validation metric to watch, as in `fit`.
      mode: "min" or "max", as in `fit`.
      order: "reshuffled", "fixed" or "given", as in `fit`.
      remainder: "drop", "keep" or "carry", as in `fit`.
      evaluate_initial: whether to evaluate before the first step too, as `initial_...` in the table.
      evaluate_test: whether to evaluate on the test split after every epoch too, into the history; after the last one
        it is evaluated in any case.
      folds: a count, at least 2, for cross-validation as a further grid: a trial validates on one fold of the training
        and validation rows, and trains on the others. The test rows stay. Folds keep the proportions of classes and
        have the same size; if the rows do not divide, a few are held out in two folds. `study.out_of_fold()` predicts
        every row by the trials that have not seen it.
      splits: a count of random splits as a further grid: all rows split anew in the same sizes, as `resplit` does.
      bootstraps: a count of bootstraps as a further grid: as many training rows as there are, drawn with replacement;
        validation and test rows stay. In all three, a trial scales its rows by its own training rows, the rows are in
        memory once, and the data of a trial, for `fit`, are `study.data(trial)`.
      grid: a dict of further grids, for hyperparameters that are named like an argument of this function.
      trials: a list of dicts of hyperparameters in place of grids, as in random search; each runs with every seed.
      directory: where to keep the study. Trials are on disk as they end; Ctrl-C and SIGTERM save those in progress
        too; the same call continues from there. A call with further seeds, values, recipes, splits or bootstraps runs
        only what is new; `load_study` reads all trials of all calls. None to keep it in memory only.
      shard: `(index, count)`: run only every count-th trial, from index on. By default what `jax.distributed` or a
        SLURM array says, else all. Processes that share a directory are merged by `load_study(directory)`.
      pruner: such as `successive_halving()`; None to run every trial to its own end.
      lanes: how many trials are in progress at once, at least 1, rounded up to a few for each device; None to choose
        by memory and kind of device. On workers, for each worker.
      devices: a list of devices; None for all local ones.
      executor: where to run trials, if not in this process: anything with `submit` in the sense of
        `concurrent.futures`, such as a pool of spawned processes, loky's or mpi4py's, or a `dask.distributed.Client`;
        or `workers(executor, ...)`, with options. Each worker uses the devices that it has, and needs no file system in
        common: this process alone writes. A worker that dies costs only what it had in progress, which runs again
        elsewhere; trials that kill three workers in a row are left out, with a warning.
      progress: whether to write a line of progress to the standard error.
      callback: a function of a `Progress`, called after every segment, for TensorBoard and the like.

    Returns:
      A `Study` of this process's share.

    Raises:
      ValueError, TypeError: for arguments that break these rules. OSError: for a directory that cannot be written.

    Example:
      >>> import jaxmlp
      >>> def recipe(learning_rate):
      ...     return jaxmlp.classifier((2, 8, 2), optimizer=jaxmlp.adam(learning_rate))
      >>> data = jaxmlp.load("moons")
      >>> study = train_many(recipe, data, seeds=2, epochs=5, learning_rate=[0.01, 0.1], progress=False)
      >>> study
      Study(4 of 4 trials done)
    """
    sizes: dict[str, Any] = {"batch_size": batch_size, "epochs": epochs}
    axes = {name: value for name, value in sizes.items() if _is_list(value)}
    samples = _checked_samples(folds=folds, splits=splits, bootstraps=bootstraps)
    source = data if samples is None else make_pool(data, *samples)
    groups, rows = make_groups(recipe, seeds, trials, _all_grids(grid, grids, axes), axes, samples)
    crew = checked_workers(executor, devices)
    devices = jax.local_devices() if devices is None else list(devices)
    index, count = checked_shard(shard)
    asked = (order, remainder, evaluate_initial, evaluate_test)
    settings = Settings(sizes["epochs"], sizes["batch_size"], patience, min_delta, monitor, mode, *asked)
    works = [make_work(group, source, devices, settings) for group in groups]
    is_described, mixed = directory is not None or crew is not None, crew is not None and crew.mixed
    description: dict[str, Any] = {"programs": {}, "trials": rows}
    if is_described:
        description |= describe(works, source, pruner, mixed)
        description["entries"] = entries_of(works, description["programs"], rows)
    store = Directory(directory, description, works)
    mine = set(range(index, len(rows), count))
    tally = Tally(works[0].program.plan, len(mine), _only(store.ended, mine))
    reporter, longest = Reporter(progress, callback), max(work.program.plan.epochs for work in works)
    session = _Session(mine, store, tally, reporter, None if pruner is None else Rungs(pruner, longest))
    try:
        if crew is not None:
            _run_on_workers(works, crew, source, Shared(settings, pruner, lanes, description, mixed), session)
        else:
            for work in works:
                _run_group(work, description["programs"].get(work.group.name, "")[:16], lanes, session)
    finally:
        reporter.close(tally.progress(running=0))
    return Study(description, _only(store.ended, mine), Origin(partial(learner_of, groups), data, source))


class _Session(NamedTuple):
    """What all groups of a call share: the trials of this process, and where their results go."""

    mine: set[int]
    store: Directory
    tally: Tally
    reporter: Reporter
    rungs: Rungs | None


def _run_group(work: Work, program: str, lanes: int | None, session: _Session) -> None:
    """Runs what is left of a group: takes the trials that ended, stores, prunes, reports, saves, and stops if asked."""
    mine, store, tally, reporter, rungs = session
    wanted = {int(trial) for trial in work.group.indices} & mine - store.done
    if not wanted:
        return
    halves, queue = _resumed(program, work, wanted, lanes, store)
    # With a pruner the length of a segment decides who reaches a rung first, and must not depend on the clock.
    pace = Pace(work.program, None if rungs is None else rungs.first)
    checkpointed = time.monotonic()
    for half in halves:
        _prune(half, session)  # what was decided before an interruption
    with interruptible(store.path is not None) as interruption:

        def pause() -> bool:
            return bool(interruption) or time.monotonic() - checkpointed > _SECONDS_BETWEEN_CHECKPOINTS

        for event in segments(halves, queue, pace, pause):
            if isinstance(event, AtRest):
                store.save_lanes(program, work, event.halves)
                checkpointed = time.monotonic()
                interruption.leave()
                continue
            if event.ended is not None:
                store.add(event.ended)
                tally.add(event.ended)
            _prune(event.half, session)
            reporter.report(tally.progress(running=sum(half.running for half in halves)))
        interruption.leave()
    store.drop_lanes()


def _run_on_workers(works: list[Work], crew: Workers, data: Any, shared: Shared, session: _Session) -> None:
    """Has workers run what is left of all groups: takes the trials that ended, stores, reports, and stops if asked."""
    mine, store, tally, reporter, rungs = session
    wanted = mine - store.done
    places = [[i for i, trial in enumerate(work.group.indices) if int(trial) in wanted] for work in works]
    engine = make_engine(crew, packed("data", data))
    dispatch = Dispatch(works, Queue(list(map(in_mixed_order, places)), engine.pace), shared, engine, rungs)
    lost: list[int] = []
    with crew.interruptible(store.path is not None) as interruption:
        for returned in dispatch.returned(stop=lambda: bool(interruption)):
            if returned.ended is None:
                lost += returned.trials.tolist()
                continue
            if rungs is not None:
                rungs.adopt(returned.verdicts)
                rungs.learn(store.new_verdicts())
                store.save_verdicts(rungs.own)
            store.add(returned.ended)
            tally.add(returned.ended)
            reporter.report(tally.progress(running=dispatch.running))
        interruption.leave()
    if lost:
        warnings.warn(
            f"train_many: trials {sorted(lost)} killed three workers in a row and were left out", stacklevel=4
        )


def _resumed(
    program: str, work: Work, wanted: set[int], lanes: int | None, store: Directory
) -> tuple[list[Half], deque[int]]:
    """The lanes of a group, saved trials in their places, and the queue of all others."""
    saved = store.load_lanes(program, work, wanted)
    queue = deque(i for i, trial in enumerate(work.group.indices) if int(trial) in wanted and i not in saved)
    return make_halves(work, work.lanes_per_half(lanes, len(work.group.seeds)), queue, saved), queue


def _prune(half: Half, session: _Session) -> None:
    """Judges the trials that a half carries; a verdict is on disk before it takes effect."""
    rungs, store = session.rungs, session.store
    if rungs is None:
        return
    rungs.learn(store.new_verdicts())
    known = len(rungs.own)
    half.judge(rungs)
    if len(rungs.own) > known:
        store.save_verdicts(rungs.own)


def _checked_samples(**counts: int | None) -> tuple[str, int] | None:
    """Which way to make many data sets of one was asked for, and how many."""
    asked = {name: count for name, count in counts.items() if count is not None}
    require(len(asked) < 2, "train_many", " and ".join(asked), "not be given together", asked)
    return next(iter(asked.items()), None)


def _is_list(setting: Any) -> bool:
    return isinstance(setting, (list, tuple, range)) or np.ndim(setting) == 1


def _all_grids(grid: Mapping[str, Any] | None, grids: dict[str, Any], axes: dict[str, Any]) -> dict[str, Any]:
    named = {} if grid is None else dict(grid)
    twice = sorted(named.keys() & (grids.keys() | axes.keys()))
    require(not twice, "train_many", "grid", "not repeat hyperparameters that are given as keywords", twice)
    return {**named, **grids}


def _only(every: list[Ended], mine: set[int]) -> list[Ended]:
    """The trials of this process's share."""
    chosen = [[int(trial) in mine for trial in ended.trial] for ended in every]
    kept = [
        ended if all(rows) else jax.tree.map(lambda leaf, rows=rows: leaf[rows], ended)
        for ended, rows in zip(every, chosen, strict=True)
    ]
    return [ended for ended in kept if len(ended.trial)]
