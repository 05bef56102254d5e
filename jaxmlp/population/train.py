"""`train_many`: a whole population in one call."""

import hashlib
import os
import signal
import threading
import time
from collections import deque
from functools import partial

import jax
import numpy as np

from jaxmlp.checks import require
from jaxmlp.population.directory import Directory, data_hash
from jaxmlp.population.engine import HALVES, Work, best_so_far, run_group
from jaxmlp.population.lanes import Program, lane_bytes, lane_shape, make_mesh
from jaxmlp.population.placement import lanes_per_device
from jaxmlp.population.progress import Progress, Reporter
from jaxmlp.population.pruning import Rungs
from jaxmlp.population.study import Study
from jaxmlp.population.trials import make_groups
from jaxmlp.run import Status, advance, prepare, start

FORMAT = 1
SECONDS_BETWEEN_CHECKPOINTS = 60.0


def train_many(
    recipe,
    data,
    *,
    seeds,
    epochs,
    batch_size=None,
    patience=None,
    min_delta=0.0,
    monitor="loss",
    mode="min",
    trials=None,
    directory=None,
    shard=None,
    pruner=None,
    lanes=None,
    devices=None,
    progress=True,
    callback=None,
    **grids,
):
    """Trains a population: every combination of hyperparameters with every seed, each trial stopping by itself.

    A trial is what `fit(jax.random.key(seed), recipe(**hyperparameters), data, ...)` does, to the bit on CPU, whatever
    runs beside it and wherever it runs. Trials go through lanes (see `jaxmlp.population.lanes`): one that ends makes
    room for the next. One that diverges is frozen at its last finite parameters, and stays in the study.

    Args:
      recipe: a function from hyperparameters to a `Learner`. They are traced numbers: it must not branch on them. Or a
        batch of learners, as from `jax.vmap(recipe)(...)`. Or a dict of such functions, for different optimizers or
        sizes in one study; each is compiled for itself and gets the grids that its arguments name.
      data: a `Data` of train, validation and test.
      seeds: a count, for 0, 1, 2, ..., or a list of different whole numbers from 0 to 2**32 - 1. The same seed means
        the same initial weights, batches and dropout for all hyperparameters.
      epochs, batch_size, patience, min_delta, monitor, mode: as in `fit`.
      trials: a list of dicts of hyperparameters in place of grids, as in random search; each runs with every seed.
      directory: where to keep the study. Trials are on disk as they end; Ctrl-C and SIGTERM save those in progress
        too; the same call goes on from there. None: in memory only.
      shard: `(index, count)`: run only every count-th trial, from index on. By default what `jax.distributed` or a
        SLURM array says, else all. Processes that share a directory are merged by `load_study(directory)`.
      pruner: such as `successive_halving()`; None: every trial runs to its own end.
      lanes: how many trials are in progress at once, at least 1, rounded up to a few for each device; None: by memory
        and kind of device.
      devices: a list of devices; None: all local ones.
      progress: whether to write a line of progress to the standard error.
      callback: a function of a `Progress`, called after every segment, for TensorBoard and the like.
      **grids: for each hyperparameter a list of numbers; trials are the product of all grids and seeds.

    Returns:
      A `Study` of this process's share.

    Raises:
      ValueError, TypeError: for arguments that break these rules. OSError: for a directory that cannot be written.

    >>> import jaxmlp
    >>> def recipe(learning_rate):
    ...     return jaxmlp.classifier((2, 8, 2), optimizer=jaxmlp.adam(learning_rate))
    >>> data = jaxmlp.load("moons")
    >>> study = train_many(recipe, data, seeds=2, epochs=5, learning_rate=[0.01, 0.1], progress=False)
    >>> study
    Study(4 of 4 trials done)
    """
    groups, rows = make_groups(recipe, seeds, trials, grids)
    devices = jax.local_devices() if devices is None else list(devices)
    index, count = checked_shard(shard)
    works = [_work(group, data, devices, (epochs, batch_size, patience, min_delta, monitor, mode)) for group in groups]
    description = {} if directory is None else _describe(works, rows, data)
    store = Directory(directory, index, description)
    mine = [i for i in range(len(rows)) if i % count == index]
    watch = Watch(store, works, mine, Reporter(progress, callback), pruner)
    with watch:
        for number, work in enumerate(works):
            watch.run(number, work, _lanes(work, lanes, devices))
    return Study({**description, "trials": rows}, _only(store.chunks, mine))


def _work(group, data, devices, settings):
    """A group with its program and the arrays that it needs, on the devices once."""
    one = jax.tree.map(lambda column: column[0], group.numbers)
    learner = _example(group, one)
    plan, stopping = prepare("train_many", learner, data, *settings)
    require(hasattr(data, "test"), "train_many", "data", "have a test split", data, TypeError)
    mesh = make_mesh(devices)
    everywhere = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
    data, stopping = jax.device_put((data, stopping), everywhere)
    shape = lane_shape(group.make, plan, one, data, stopping)
    return Work(group, Program(group.make, plan, mesh, devices[0].platform != "cpu"), shape, data, stopping)


def _example(group, numbers):
    """The group's learner, shapes only: made with traced numbers, as the engine will."""
    try:
        return jax.eval_shape(group.make, numbers)
    except jax.errors.ConcretizationTypeError as error:
        rule = "not branch on a hyperparameter or convert it: they are traced numbers (jnp.where can choose)"
        raise ValueError(f"train_many: recipe must {rule}, got: {str(error).splitlines()[0]}") from error


def _lanes(work, lanes, devices):
    """Lanes for each device and half."""
    trials = len(work.group.seeds)
    wanted = None if lanes is None else -(-lanes // HALVES)
    each = lanes_per_device("train_many", wanted, devices, -(-trials // HALVES), HALVES * lane_bytes(work.shape))
    # A loop over a single lane would be compiled away, and its arithmetic be rounded otherwise.
    return max(each, 2) if devices[0].platform == "cpu" else each


def checked_shard(shard):
    """(index, count) as given, or as `jax.distributed` or a SLURM array says, or (0, 1)."""
    if shard is None and jax.process_count() > 1:
        shard = jax.process_index(), jax.process_count()
    if shard is None and "SLURM_ARRAY_TASK_COUNT" in os.environ:
        first = int(os.environ.get("SLURM_ARRAY_TASK_MIN", 0))
        step = int(os.environ.get("SLURM_ARRAY_TASK_STEP", 1))
        task = int(os.environ["SLURM_ARRAY_TASK_ID"])
        shard = (task - first) // step, int(os.environ["SLURM_ARRAY_TASK_COUNT"])
    index, count = (0, 1) if shard is None else shard
    rule = "be (index, count) with 0 <= index < count"
    require(0 <= index < count, "train_many", "shard", rule, (index, count))
    return int(index), int(count)


def _describe(works, rows, data):
    """What makes a study this study and no other."""
    plan = works[0].program.plan
    stopping = jax.device_get(works[0].stopping)
    settings = {**plan._asdict(), "min_delta": float(stopping.min_delta)}
    settings["patience"] = None if stopping.patience is None else float(stopping.patience)
    return {
        "version": FORMAT,
        "jax": jax.__version__,
        "plan": settings,
        "data": data_hash(data),
        "programs": {work.group.name: _program_hash(work) for work in works},
        "trials": rows,
    }


def _program_hash(work):
    """SHA-256 of one trial's program, as JAX hands it to the compiler: arithmetic, shapes and constants."""
    numbers = jax.tree.map(lambda column: column[0], work.group.numbers)
    arguments = (numbers, work.group.seeds[0], work.data, work.stopping)
    # Shapes only: where the arrays are is no part of what the study is.
    shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), arguments)
    text = _one_epoch.lower(work.group.make, work.program.plan, *shapes).as_text()
    return hashlib.sha256(text.encode()).hexdigest()


@partial(jax.jit, static_argnums=(0, 1))  # jitted here, so that a second study of the program finds it traced
def _one_epoch(make, plan, numbers, seed, data, stopping):
    learner = make(numbers)
    return advance(plan, learner, data, stopping, start(plan, jax.random.key(seed), learner, data, stopping))


def _only(chunks, mine):
    kept = [{name: array[np.isin(chunk["trial"], mine)] for name, array in chunk.items()} for chunk in chunks]
    return [chunk for chunk in kept if len(chunk["trial"])]


class Watch:
    """What the host does between segments: saves, reports, prunes, and ends the study when it is asked to."""

    def __init__(self, store, works, mine, reporter, pruner):
        self.store = store
        self.plan = works[0].program.plan
        self.mine = set(mine)
        self.reporter = reporter
        self.rungs = None if pruner is None else Rungs(pruner, self.plan.epochs)
        self.asked_to_stop = None
        self.began = self.checkpointed = time.monotonic()
        self.before = len(store.done & self.mine)
        self.diverged = 0
        self.best = float("nan")
        self.running = 0
        for chunk in store.chunks:
            self._count(chunk)

    def run(self, number, work, lanes):
        """Runs what is left of a group."""
        if self.asked_to_stop is not None:
            return
        self.group = number
        wanted = self.mine - self.store.done
        left = [i for i, trial in enumerate(work.group.indices) if int(trial) in wanted]
        saved = {trial: rows for trial, rows in self.store.load_lanes(number).items() if trial in left}
        queue = deque(i for i in left if i not in saved)
        if left:
            run_group(work, lanes, queue, saved, self)
        if self.asked_to_stop is None:
            self.store.drop_lanes(number)

    def ended(self, chunk):
        self.store.add(chunk)
        self._count(chunk)

    def _count(self, chunk):
        self.diverged += int((chunk["status"] == Status.DIVERGED).sum())
        history = chunk[f"history/validation_{self.plan.monitor}"]
        self.best = best_so_far([*np.ravel(history), self.best], self.plan.mode)

    def prune(self, half):
        if self.rungs is None or not half.busy:
            return
        run = half.lanes.run
        sign = 1.0 if self.plan.mode == "min" else -1.0
        history, epochs = np.asarray(run.history[f"validation_{self.plan.monitor}"]), np.asarray(run.epoch)
        for lane in np.flatnonzero(half.trial >= 0):
            half.prune[lane] = self.rungs.falls((self.group, half.trial[lane]), sign * history[lane], int(epochs[lane]))

    def looked(self, halves):
        """After every segment; True where the study is to end here."""
        self.running = int(sum((half.trial >= 0).sum() for half in halves))
        self.reporter.report(self._progress())
        if self.asked_to_stop is not None or time.monotonic() - self.checkpointed > SECONDS_BETWEEN_CHECKPOINTS:
            self.checkpointed = time.monotonic()
            self.store.save_lanes(self.group, {k: v for half in halves for k, v in half.saved().items()})
        return self.asked_to_stop is not None

    def _progress(self):
        done = len(self.store.done & self.mine)
        seconds = time.monotonic() - self.began
        rate = (done - self.before) / seconds if seconds > 0 else 0.0
        left = (len(self.mine) - done) / rate if rate > 0 else float("nan")
        return Progress(len(self.mine), done, self.running, self.diverged, self.best, rate, seconds, left)

    def __enter__(self):
        self.old = {}
        if self.store.path is not None and threading.current_thread() is threading.main_thread():
            for name in (signal.SIGINT, signal.SIGTERM):
                self.old[name] = signal.signal(name, self._ask_to_stop)
        return self

    def _ask_to_stop(self, signum, frame):
        self.asked_to_stop = signum

    def __exit__(self, kind, error, trace):
        for name, handler in self.old.items():
            signal.signal(name, handler)
        self.running = 0
        self.reporter.close(self._progress())
        if kind is None and self.asked_to_stop is not None:
            if self.asked_to_stop == signal.SIGINT:
                raise KeyboardInterrupt("train_many: saved; the same call goes on from here")
            raise SystemExit(128 + self.asked_to_stop)
