"""`train_many`: a population in one call."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import jax
import numpy as np

from jaxmlp.checks import require
from jaxmlp.data import Data
from jaxmlp.data.resampling import make_pool
from jaxmlp.population.crew import checked_workers
from jaxmlp.population.directory import Directory
from jaxmlp.population.dispatch import Shared
from jaxmlp.population.identity import describe, program_hash
from jaxmlp.population.late import Late, Tuner, as_tuner
from jaxmlp.population.origin import Origin
from jaxmlp.population.plans import entries_of
from jaxmlp.population.progress import Progress, Reporter
from jaxmlp.population.pruning import SuccessiveHalving
from jaxmlp.population.running import OnTrial, make_session, only, run_here, run_on_workers
from jaxmlp.population.shards import checked_shard
from jaxmlp.population.study import Study
from jaxmlp.population.trials import learner_of, make_groups
from jaxmlp.population.work import Work, make_work, own_settings
from jaxmlp.run import Settings
from jaxmlp.types import Scalar


@own_settings()
def train_many(
    recipe: Any,
    data: Data,
    *,
    seeds: int | Sequence[int],
    epochs: int | Sequence[int] | None = None,
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
    trials: Iterable[Mapping[str, Any]] | Tuner | None = None,
    directory: str | os.PathLike[str] | None = None,
    shard: tuple[int, int] | None = None,
    pruner: SuccessiveHalving | None = None,
    lanes: int | None = None,
    devices: Sequence[Any] | None = None,
    executor: Any = None,
    progress: bool = True,
    callback: Callable[[Progress], Any] | None = None,
    on_trial: OnTrial | None = None,
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
      epochs: the maximum number of epochs, at least 1; or a list of them, as a further grid. None if each of the
        trials has its own.
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
      trials: a list of dicts of hyperparameters in place of grids; each runs with every seed. `epochs` and `batch_size`
        among them are settings of that trial, which the recipe gets too if it has such arguments. Or any other iterable
        of them, from which a free lane takes the next; or a tuner, such as `hyperband(...)`: an object with `ask()`,
        which returns hyperparameters or None for nothing now, and `tell(number, hyperparameters, rows)`, which gets the
        table's rows of all seeds of the number-th that was asked for. A study that is continued asks and tells a tuner
        made anew the same again.
      directory: where to keep the study. Trials are on disk as they end; Ctrl-C and SIGTERM save those in progress
        too; the same call continues from there. A call with further seeds, values, recipes, splits or bootstraps runs
        only what is new; `load_study` reads all trials of all calls. None to keep it in memory only.
      shard: `(index, count)`: run only every count-th trial, from index on. By default what `jax.distributed` or a
        SLURM array says, else all. Processes that share a directory are merged by `load_study(directory)`.
      pruner: such as `successive_halving()`; None to run every trial to its own end.
      lanes: how many trials are in progress at once, at least 1, rounded up to a few for each device; None to choose
        by memory and kind of device. On workers, for each worker. With a tuner, exactly so many, by default 4 for each
        device: it decides about a trial before those in the other lanes have ended.
      devices: a list of devices; None for all local ones.
      executor: where to run trials, if not in this process: anything with `submit` in the sense of
        `concurrent.futures`, such as a pool of spawned processes, loky's or mpi4py's, or a `dask.distributed.Client`;
        or `workers(executor, ...)`, with options. Each worker uses the devices that it has, and needs no file system in
        common: this process alone writes. A worker that dies costs only what it had in progress, which runs again
        elsewhere; trials that kill three workers in a row are left out, with a warning.
      progress: whether to write a line of progress to the standard error.
      callback: a function of a `Progress`, called after every segment.
      on_trial: a function of a trial's number, its row of the table as a dict, and its history as a dict of arrays,
        called as each trial ends, for TensorBoard, MLflow and the like.

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
    crew, tuner = checked_workers(executor, devices), as_tuner(trials)
    devices = jax.local_devices() if devices is None else list(devices)
    asked = (order, remainder, evaluate_initial, evaluate_test)
    settings = Settings(sizes["epochs"], sizes["batch_size"], patience, min_delta, monitor, mode, *asked)
    shared = {"grids": _all_grids(grid, grids, axes), "settings": axes, "samples": samples}
    groups_of = partial(make_groups, recipe, seeds, **shared)
    work_of = partial(make_work, data=source, devices=devices, settings=settings)
    is_described, mixed = directory is not None or crew is not None, crew is not None and crew.mixed
    late = None if tuner is None else Late(tuner, lambda one: groups_of(trials=[one]), work_of, is_described)
    groups, rows = groups_of(trials=trials) if late is None else ([], late.rows)
    works = [work_of(group) for group in groups] if late is None else late.works
    description = {"programs": {}, "trials": rows}
    if is_described:
        description |= describe(works, source, pruner, mixed) | _trials(works, rows, late)
    store, reporter = Directory(directory, description, works), Reporter(progress, callback)
    session = make_session(store, works, checked_shard(shard), pruner, reporter, (rows, on_trial, late))
    try:
        if crew is not None:
            run_on_workers(works, crew, source, Shared(settings, pruner, lanes, description, mixed), session)
        else:
            run_here(works, description["programs"], lanes, session)
    finally:
        reporter.close(session.tally.progress(running=0))
    origin = Origin(lambda trial: learner_of([work.group for work in works], trial), data, source)
    return Study(description, only(store.ended, session.mine), origin)


def _trials(works: list[Work], rows: list[dict[str, Any]], late: Late | None) -> dict[str, Any]:
    """What a description says of the trials of this call; those that are decided late follow."""
    if late is not None:
        return {"programs": late.programs}
    programs = {work.group.name: program_hash(work) for work in works}
    return {"programs": programs, "entries": entries_of(works, programs, rows)}


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
