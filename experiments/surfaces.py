"""Surfaces to descend in two dimensions, and the path of an optimizer down one of them."""

import jax
import jax.numpy as jnp

import jaxmlp

GLOBAL_WELL, LOCAL_WELL = (-1.6, -0.5), (1.6, 0.5)
GLOBAL_DEPTH, LOCAL_DEPTH = 2.0, 0.5
WIDTH = 0.75  # of both wells, a Gaussian's deviation
BOWL = 0.1


def two_wells(w):
    """Height of a shallow bowl with a deep well on the left and a shallow one on the right, at w = (x, y)."""
    left, right = (jnp.sum((w - jnp.array(centre)) ** 2) for centre in (GLOBAL_WELL, LOCAL_WELL))
    wells = GLOBAL_DEPTH * jnp.exp(-left / (2 * WIDTH**2)) + LOCAL_DEPTH * jnp.exp(-right / (2 * WIDTH**2))
    return BOWL * jnp.sum(w**2) - wells


def valley(w, condition=100.0, angle=0.5):
    """Height of a straight valley: curvature 1 across, 1 / `condition` along, turned by `angle` in radians.

    Turned, because a valley that lies along a coordinate is undone by a rate for each coordinate.
    """
    along, across = along_and_across(w, angle)
    return (along**2 / condition + across**2) / 2


def along_and_across(w, angle):
    """The coordinates of points (..., 2) in the valley: along its floor, and across."""
    x, y = w[..., 0], w[..., 1]
    return jnp.cos(angle) * x + jnp.sin(angle) * y, jnp.cos(angle) * y - jnp.sin(angle) * x


def descend(optimizer, height, start, steps):
    """The path of an optimizer over a surface, (steps + 1, 2); to be vmapped over starts and optimizers.

    Args:
      optimizer: a pair (init, update).
      height: a function of a point (2,).
      start: (2,), where it begins.
      steps: how many.
    """

    def step(carry, _):
        w, state = carry
        updates, state = optimizer.update(jax.grad(height)(w), state, w)
        w = jaxmlp.apply_updates(w, updates)
        return (w, state), w

    _, path = jax.lax.scan(step, (start, optimizer.init(start)), length=steps)
    return jnp.concatenate([start[None], path])
