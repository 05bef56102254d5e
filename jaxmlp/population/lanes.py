"""Lanes: places where trials run side by side, and the segment, the compiled function that carries all of them forward.

How lanes share a device depends on the device. On GPU and TPU they are one batch (`vmap`). On CPU each device is one
core and goes through its lanes one after the other (`lax.map`), which is faster there and makes a trial's bits
independent of its neighbors. Several devices share the lanes; the program holds no communication between them.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxmlp.data.resampling import sample_at
from jaxmlp.epochs import Plan, Run, Stopping, advance, finish, forward, start
from jaxmlp.programs import Programs
from jaxmlp.result import Status
from jaxmlp.types import Array, PyTree

AXIS = "lanes"
# Whatever the default generator is: dropout and the order of rows are written for this one.
_IMPL = "threefry2x32"


class Lane(NamedTuple):
    """A trial in progress, or an idle lane, whose run is not running: a pytree; with a leading axis, all lanes.

    Attributes:
      numbers: the hyperparameters of the trial.
      run: its run; once it has ended, `run.state.params` are the parameters kept.
      kept_epoch: as in `Result`, once it has ended.
      test: {name: ()}, the metrics of the kept parameters on the test data, once it has ended.
    """

    numbers: Any
    run: Run
    kept_epoch: Array
    test: dict[str, Array]


class Orders(NamedTuple):
    """What the host tells each lane before a segment.

    Attributes:
      begin: (lanes,) bool: forget the old trial, and begin the one of these numbers and this seed.
      numbers: the hyperparameters, with a leading axis over lanes.
      seed: (lanes,) uint32.
      prune: (lanes,) bool: end the trial here.
    """

    begin: Any
    numbers: Any
    seed: Any
    prune: Any


class Program(NamedTuple):
    """What a segment is compiled for, besides shapes.

    Attributes:
      make: from numbers to a `Learner`.
      plan: the static settings of a run.
      mesh: the devices, as one axis of lanes.
      batched: whether the lanes of a device are one `vmap` instead of a `lax.map`.
      sampled: whether each trial has data of its own, made of the rows of a `Pool`.
    """

    make: Callable[[Any], Any]
    plan: Plan
    mesh: Mesh
    batched: bool
    sampled: bool = False


class Compiled(NamedTuple):
    """The jitted functions of a program.

    Attributes:
      segment: `(lanes, orders, data, stopping, epochs) -> lanes`: every lane forward by at most `epochs` epochs.
      first_lane: `(numbers, data, stopping) -> Lane`, of which only shapes and dtypes are used.
      one_epoch: `(numbers, seed, data, stopping) -> Run`, of which only the program's text is used.
    """

    segment: Callable[..., Any]
    first_lane: Any
    one_epoch: Any


def make_mesh(devices: list[Any]) -> Mesh:
    """The devices as one axis of lanes."""
    return Mesh(np.asarray(devices), (AXIS,), axis_types=(jax.sharding.AxisType.Auto,))


def _jitted(program: Program) -> Compiled:
    return Compiled(
        jax.jit(partial(_segment, program), donate_argnums=0),
        jax.jit(partial(_first_lane, program)),
        jax.jit(partial(_one_epoch, program)),
    )


compiled: Programs = Programs(_jitted)


def _segment(program, lanes, orders, data, stopping, epochs):
    def on_device(lanes, orders, data, stopping, epochs):
        forward = partial(_lane_segment, program, data, stopping, epochs)
        if program.batched:
            return jax.vmap(forward)(lanes, orders)
        return jax.lax.map(lambda pair: forward(*pair), (lanes, orders))

    split, everywhere = PartitionSpec(AXIS), PartitionSpec()
    specs = (split, split, everywhere, everywhere, everywhere)
    # Without `check_vma=False` values made inside would count as shared by the devices, and their gradients be summed.
    return jax.shard_map(on_device, mesh=program.mesh, in_specs=specs, out_specs=split, check_vma=False)(
        lanes, orders, data, stopping, epochs
    )


def _lane_segment(program: Program, data: Any, stopping: Stopping, epochs: Array, lane: Lane, order: Orders) -> Lane:
    numbers = jax.tree.map(partial(jnp.where, order.begin), order.numbers, lane.numbers)
    learner, data = program.make(numbers), _data_of(program, numbers, data)
    run = jax.lax.cond(
        order.begin,
        lambda: start(program.plan, jax.random.key(order.seed, impl=_IMPL), learner, data, stopping),
        lambda: lane.run,
    )
    was_running = run.status == Status.RUNNING
    run = run._replace(status=jnp.where(was_running & order.prune, jnp.int32(Status.PRUNED), run.status))

    run = forward(program.plan, learner, data, stopping, run, epochs)
    ended = was_running & (run.status != Status.RUNNING)
    params, kept_epoch, test = jax.lax.cond(
        ended, lambda: _ended(learner, data, run), lambda: (run.state.params, lane.kept_epoch, lane.test)
    )
    return Lane(numbers, run._replace(state=run.state._replace(params=params)), kept_epoch, test)


def _data_of(program: Program, numbers: Any, data: Any) -> Any:
    """A trial's data; operands of the loops and conditionals that use them: nothing fuses with them."""
    return sample_at(data, numbers.sample) if program.sampled else data


def _ended(learner: Any, data: Any, run: Run) -> tuple[Any, Array, dict[str, Array]]:
    """The parameters kept, their epoch, and their metrics on the test data."""
    result = finish(run)
    metrics = learner.evaluate(result.params, data.test)
    test = {name: jnp.asarray(value, jnp.result_type(float)) for name, value in metrics.items()}
    return result.params, result.kept_epoch, test


def _first_lane(program, numbers, data, stopping):
    learner, data = program.make(numbers), _data_of(program, numbers, data)
    run = start(program.plan, jax.random.key(0, impl=_IMPL), learner, data, stopping)
    _, kept_epoch, test = _ended(learner, data, run)
    return Lane(numbers, run, kept_epoch, test)


def _one_epoch(program, numbers, seed, data, stopping):
    learner, data = program.make(numbers), _data_of(program, numbers, data)
    run = start(program.plan, jax.random.key(seed, impl=_IMPL), learner, data, stopping)
    return advance(program.plan, learner, data, stopping, run)


def idle_lanes(shape: Lane, count: int, mesh: Mesh) -> Lane:
    """That many idle lanes on the devices."""

    def blank(leaf):
        if is_key(leaf):
            return jax.random.wrap_key_data(jnp.zeros((count, *leaf.shape, 2), jnp.uint32), impl=_IMPL)
        return np.zeros((count, *leaf.shape), leaf.dtype)

    lanes = jax.tree.map(blank, shape)
    run = lanes.run._replace(status=np.full(count, Status.FINISHED, np.int32))
    return jax.device_put(lanes._replace(run=run), NamedSharding(mesh, PartitionSpec(AXIS)))


def is_key(leaf: Any) -> bool:
    """Whether an array holds typed PRNG keys."""
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def plain(tree: PyTree) -> PyTree:
    """The tree with typed keys as their words."""
    return jax.tree.map(lambda leaf: jax.random.key_data(leaf) if is_key(leaf) else leaf, tree)


def typed(tree: PyTree, like: PyTree) -> PyTree:
    """The tree with words as typed keys again, as in `like`."""
    return jax.tree.map(
        lambda leaf, twin: jax.random.wrap_key_data(leaf, impl=_IMPL) if is_key(twin) else leaf, tree, like
    )


def lane_bytes(shape: PyTree) -> int:
    """The memory of one lane, in bytes."""
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(shape))
