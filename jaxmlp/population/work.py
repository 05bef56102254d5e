"""Work: a group of trials made ready to run, its program found or compiled and its data on the devices."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxmlp.data import Data
from jaxmlp.data.resampling import Pool, sample_at
from jaxmlp.epochs import Stopping
from jaxmlp.population.lanes import Compiled, Lane, Program, compiled, lane_bytes, make_mesh
from jaxmlp.population.placement import lanes_per_half
from jaxmlp.population.trials import Group
from jaxmlp.programs import permissive
from jaxmlp.run import Settings, prepare


class Work(NamedTuple):
    """All that the lanes of a group need to run.

    Attributes:
      group: the trials.
      program: what is compiled for them.
      compiled: its jitted functions.
      shape: shapes and dtypes of one lane.
      data: train, validation and test data, or a pool of rows, on the devices.
      stopping: when to stop early, on the devices.
    """

    group: Group
    program: Program
    compiled: Compiled
    shape: Lane
    data: Any
    stopping: Stopping

    def lanes_per_half(self, wanted: int | None, trials: int) -> int:
        """Lanes for each device and half, if there are so many trials."""
        each = lane_bytes(self.shape)
        if self.program.sampled and self.program.batched:  # every lane gathers the rows of its trial
            each += lane_bytes(jax.eval_shape(sample_at, self.data, 0))
        return lanes_per_half(wanted, list(self.program.mesh.devices.flat), trials, each)


@contextmanager
def own_settings() -> Iterator[None]:
    """A population is compiled even if `jit` is disabled, and runs on its own mesh."""
    with permissive(), jax.disable_jit(False), jax.set_mesh(None):
        yield


def make_work(group: Group, data: Data | Pool, devices: list[Any], settings: Settings) -> Work:
    """A group with its program, and the arrays that it needs, sent to the devices once.

    Args:
      group: the trials.
      data: as in `train_many`, or a pool of data sets, of which each trial has one.
      devices: where to run them.
      settings: those of the study; the group's own ones take their place.
    """
    settings = settings._replace(**group.settings)
    one = jax.tree.map(lambda column: column[0], group.numbers)
    learner = _example(group, one)
    sampled = isinstance(data, Pool)
    example = sample_at(jax.tree.map(np.asarray, data), 0) if sampled else data
    plan, stopping = prepare("train_many", learner, example, settings, always_test=True)
    mesh = make_mesh(devices)
    everywhere = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
    data, stopping = jax.device_put((data, stopping), everywhere)
    program = Program(group.make, plan, mesh, devices[0].platform != "cpu", sampled)
    jitted = compiled(group.owners, program)
    return Work(group, program, jitted, jitted.first_lane.eval_shape(one, data, stopping), data, stopping)


def _example(group: Group, numbers: Any) -> Any:
    """The group's learner, shapes only."""
    structures = []

    def leaves(numbers):  # JAX keeps the structure of results, and with it functions of the user's, for good
        leaves, structure = jax.tree.flatten(group.make(numbers))
        structures.append(structure)
        return leaves

    shapes = jax.eval_shape(leaves, numbers)
    return structures[-1].unflatten(shapes)
