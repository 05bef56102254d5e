"""Lanes: places where trials run side by side, and the segment, the compiled function that carries all of them forward.

How lanes are laid on a device is a matter of the device. On GPU and TPU they are one batch (`vmap`). On CPU each device
is one core and goes through its lanes one after the other (`lax.map`), which is faster there and makes a trial's bits
independent of its neighbours. Several devices share the lanes out; the program holds no communication between them.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxmlp.run import Plan, Run, Status, advance, finish, start

AXIS = "lanes"


class Lane(NamedTuple):
    """A trial in progress, or an idle lane, whose run is not running: a pytree; with a leading axis, all lanes."""

    numbers: Any
    run: Run
    test: dict[str, jax.Array]


class Orders(NamedTuple):
    """What the host tells each lane before a segment."""

    begin: Any  # bool: forget the old trial and begin that of these numbers and this seed
    numbers: Any
    seed: Any
    prune: Any  # bool: end the trial here


class Program(NamedTuple):
    """What a segment is compiled for, besides shapes: static."""

    make: Any
    plan: Plan
    mesh: Mesh
    batched: bool


def make_mesh(devices):
    """The devices as one axis of lanes."""
    return Mesh(np.asarray(devices), (AXIS,), axis_types=(jax.sharding.AxisType.Auto,))


@partial(jax.jit, static_argnums=0, donate_argnums=1)
def segment(program, lanes, orders, data, stopping, epochs):
    """Carries every lane forward by at most `epochs` epochs (a traced number)."""

    def on_device(lanes, orders, data, stopping, epochs):
        forward = partial(_lane_segment, program, data, stopping, epochs)
        if program.batched:
            return jax.vmap(forward)(lanes, orders)
        return jax.lax.map(lambda pair: forward(*pair), (lanes, orders))

    split, whole = PartitionSpec(AXIS), PartitionSpec()
    # Without `check_vma=False` values made inside would count as shared by the devices, and their gradients be summed.
    return jax.shard_map(
        on_device, mesh=program.mesh, in_specs=(split, split, whole, whole, whole), out_specs=split, check_vma=False
    )(lanes, orders, data, stopping, epochs)


def _lane_segment(program, data, stopping, epochs, lane, order):
    numbers = jax.tree.map(partial(jnp.where, order.begin), order.numbers, lane.numbers)
    learner = program.make(numbers)
    run = jax.lax.cond(
        order.begin,
        lambda: start(program.plan, jax.random.key(order.seed), learner, data, stopping),
        lambda: lane.run,
    )
    was_running = run.status == Status.RUNNING
    run = run._replace(status=jnp.where(was_running & order.prune, jnp.int32(Status.PRUNED), run.status))

    def goes_on(carry):
        run, done = carry
        return (run.status == Status.RUNNING) & (done < epochs)

    def one_epoch(carry):
        run, done = carry
        return advance(program.plan, learner, data, stopping, run), done + 1

    run, _ = jax.lax.while_loop(goes_on, one_epoch, (run, jnp.zeros((), jnp.int32)))
    ended = was_running & (run.status != Status.RUNNING)
    test = jax.lax.cond(ended, lambda: _tested(learner, data, run), lambda: lane.test)
    return Lane(numbers, run, test)


def _tested(learner, data, run):
    metrics = learner.evaluate(finish(run).params, data.test)
    return {name: jnp.asarray(value, jnp.result_type(float)) for name, value in metrics.items()}


def lane_shape(make, plan, numbers, data, stopping):
    """The shapes and dtypes of one lane, found without computing anything; a second study finds them traced."""
    return _first_lane.eval_shape(make, plan, numbers, data, stopping)


@partial(jax.jit, static_argnums=(0, 1))
def _first_lane(make, plan, numbers, data, stopping):
    learner = make(numbers)
    run = start(plan, jax.random.key(0), learner, data, stopping)
    return Lane(numbers, run, _tested(learner, data, run))


def idle_lanes(shape, count, mesh):
    """That many idle lanes on the devices."""

    def blank(leaf):
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            return jax.random.wrap_key_data(jnp.zeros((count, *leaf.shape, 2), jnp.uint32))
        return np.zeros((count, *leaf.shape), leaf.dtype)

    lanes = jax.tree.map(blank, shape)
    run = lanes.run._replace(status=np.full(count, Status.FINISHED, np.int32))
    return jax.device_put(lanes._replace(run=run), NamedSharding(mesh, PartitionSpec(AXIS)))


def lane_bytes(shape):
    """The memory of one lane, in bytes."""
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(shape))
