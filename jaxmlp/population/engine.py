"""The engine: the host's side of the lanes. It fills them, reads what has ended, saves it, and starts the next segment.

Lanes come in two halves that take turns: while the devices run the segment of one, the host reads the other's.
"""

import time
from collections import deque
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxmlp.population.lanes import Lane, Orders, Program, idle_lanes, segment
from jaxmlp.population.study import flat
from jaxmlp.population.trials import Group
from jaxmlp.run import Status, Stopping

HALVES = 2
SECONDS_A_SEGMENT = 0.5
# Under vmap a trial that ends waits for the segment's end: segments stay short beside a whole run there.
SEGMENTS_A_RUN = 20


class Work(NamedTuple):
    """All that the lanes of a group need to run."""

    group: Group
    program: Program
    shape: Lane
    data: Any
    stopping: Stopping


class Half:
    """One half of the lanes: where they are, and which of the group's trials each carries (-1: none)."""

    def __init__(self, work, count):
        self.work = work
        self.lanes = idle_lanes(work.shape, count, work.program.mesh)
        self.trial = np.full(count, -1)
        self.fresh = np.zeros(count, bool)
        self.prune = np.zeros(count, bool)
        self.epochs = 0

    @property
    def busy(self):
        return bool((self.trial >= 0).any())

    def fill(self, queue):
        """Puts the next trials of the queue into free lanes, device by device in turn."""
        for lane in _in_turn(len(self.trial), self.work.program.mesh.size):
            if self.trial[lane] < 0 and queue:
                self.trial[lane], self.fresh[lane] = queue.popleft(), True

    def resume(self, saved):
        """Moves saved lanes, from a dict from trial to leaves, into free lanes."""
        if not saved:
            return
        leaves, structure = jax.tree.flatten(_plain(self.lanes))
        leaves = [np.array(leaf) for leaf in leaves]
        for lane in _in_turn(len(self.trial), self.work.program.mesh.size):
            if self.trial[lane] < 0 and saved:
                trial, rows = saved.popitem()
                self.trial[lane] = trial
                for leaf, row in zip(leaves, rows, strict=True):
                    leaf[lane] = row
        sharding = jax.tree.leaves(self.lanes)[0].sharding
        self.lanes = jax.device_put(_typed(structure.unflatten(leaves), self.work.shape), sharding)

    def dispatch(self, epochs):
        """Starts a segment and returns at once: the devices work while the host goes on."""
        group = self.work.group
        chosen = np.maximum(self.trial, 0)
        orders = Orders(
            begin=self.fresh.copy(),
            numbers=jax.tree.map(lambda column: column[chosen], group.numbers),
            seed=group.seeds[chosen],
            prune=self.prune.copy(),
        )
        self.epochs = epochs
        self.lanes = segment(
            self.work.program, self.lanes, orders, self.work.data, self.work.stopping, jnp.int32(epochs)
        )
        self.fresh[:] = False
        self.prune[:] = False

    def collect(self):
        """Waits for the segment, and returns the trials that have ended as a chunk of arrays, their lanes now free."""
        status = np.asarray(self.lanes.run.status)
        ended = np.flatnonzero((self.trial >= 0) & (status != Status.RUNNING))
        if len(ended) == 0:
            return None
        chunk = _chunk(jax.device_get(_results(self.lanes)), ended)
        chunk["trial"] = self.work.group.indices[self.trial[ended]]
        self.trial[ended] = -1
        return chunk

    def saved(self):
        """The busy lanes, as a dict from trial to the leaves of its lane."""
        leaves = jax.tree.leaves(jax.device_get(_plain(self.lanes)))
        return {int(self.trial[lane]): [leaf[lane] for leaf in leaves] for lane in np.flatnonzero(self.trial >= 0)}


def run_group(work, lanes, queue, saved, hooks):
    """Runs all trials of a queue. `hooks` has `ended(chunk)`, `looked(halves)`, which may ask to stop, and `prune`."""
    halves = [Half(work, lanes * work.program.mesh.size) for _ in range(HALVES)]
    pace = Pace(work.program)
    for half in halves:
        half.resume(saved)
    queue.extend(saved)  # where there were more lanes before: these begin anew
    for half in halves:
        half.fill(queue)
        if half.busy:
            half.dispatch(pace.epochs)
    turns = deque(half for half in halves if half.busy)
    while turns:
        half = turns.popleft()
        chunk = half.collect()
        pace.measure(half.epochs)
        if chunk is not None:
            hooks.ended(chunk)
        hooks.prune(half)
        if hooks.looked(halves):
            break
        half.fill(queue)
        if half.busy:
            half.dispatch(pace.epochs)
            turns.append(half)


class Pace:
    """How many epochs a segment has: as many as take about half a second."""

    def __init__(self, program):
        self.most = max(1, program.plan.epochs // SEGMENTS_A_RUN) if program.batched else program.plan.epochs
        self.epochs = 1
        self.last = None

    def measure(self, epochs):
        """Takes the time since the last segment ended, which is that of one segment: the halves take turns."""
        now = time.monotonic()
        if self.last is not None:
            factor = np.clip(SECONDS_A_SEGMENT / max(now - self.last, 1e-6), 0.5, 4.0)
            self.epochs = int(np.clip(round(epochs * factor), 1, self.most))
        self.last = now


def _in_turn(count, devices):
    """The lanes of a half, one of each device after the other, so that few trials are spread over all devices."""
    return np.arange(count).reshape(devices, -1).T.ravel()


def _results(lanes):
    """The part of the lanes that is kept of a trial, still on the device."""
    return lanes._replace(
        run=lanes.run._replace(state=lanes.run.state._replace(opt_state=None, key=None), order_key=None)
    )


def _chunk(lanes, ended):
    """The ended lanes as a dict of arrays with a row each."""
    run = jax.tree.map(lambda leaf: leaf[ended], lanes.run)
    restored = np.zeros(len(ended), bool) if run.best_params is None else run.best_epoch >= 0
    params = run.state.params
    if run.best_params is not None:
        params = jax.tree.map(lambda best, last: np.where(_column(restored, best), best, last), run.best_params, params)
    chunk = {"status": run.status, "cause": run.cause, "epochs": run.epoch, "steps": run.state.step}
    chunk |= {"best_epoch": run.best_epoch, "restored": restored}
    test = {name: values[ended] for name, values in lanes.test.items()}
    return chunk | flat("history", run.history) | flat("test", test) | flat("params", params)


def _column(flags, like):
    return flags.reshape((-1,) + (1,) * (like.ndim - 1))


def _is_key(leaf):
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _plain(tree):
    """Typed keys as their words."""
    return jax.tree.map(lambda leaf: jax.random.key_data(leaf) if _is_key(leaf) else leaf, tree)


def _typed(tree, like):
    """Words as typed keys again."""
    return jax.tree.map(lambda leaf, twin: jax.random.wrap_key_data(leaf) if _is_key(twin) else leaf, tree, like)


def best_so_far(values, mode):
    """The best of finished trials' monitored values; NaN where there is none."""
    values = np.asarray(values)
    values = values[np.isfinite(values)]
    return float("nan") if values.size == 0 else float(values.min() if mode == "min" else values.max())
