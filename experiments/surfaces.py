"""Two surfaces in two dimensions, and the path of an optimizer on them."""

import jax
import jax.numpy as jnp

import jaxmlp

GLOBAL_WELL, LOCAL_WELL = (-1.6, -0.5), (1.6, 0.5)
GLOBAL_DEPTH, LOCAL_DEPTH = 2.0, 0.5
WIDTH = 0.75  # standard deviation of the Gaussian that makes each well
BOWL = 0.1
# The bowl shifts the minima away from the centers of the wells.
GLOBAL_MINIMUM, LOCAL_MINIMUM = (-1.5142, -0.4732), (1.2779, 0.3993)


def two_wells(w):
    """The height at w = (x, y) of a wide bowl with a deep well on the left and a shallow well on the right."""
    left, right = (jnp.sum((w - jnp.array(center)) ** 2) for center in (GLOBAL_WELL, LOCAL_WELL))
    wells = GLOBAL_DEPTH * jnp.exp(-left / (2 * WIDTH**2)) + LOCAL_DEPTH * jnp.exp(-right / (2 * WIDTH**2))
    return BOWL * jnp.sum(w**2) - wells


def valley(w, condition=100.0, angle=0.5):
    """The height of a straight valley: curvature 1 across and 1 / `condition` along, rotated by `angle` in radians.

    It is rotated because one learning rate per coordinate would undo a valley that is aligned with a coordinate axis.
    """
    along, across = along_and_across(w, angle)
    return (along**2 / condition + across**2) / 2


def along_and_across(w, angle):
    """The coordinates of points (..., 2) in the valley: (along its floor, across it)."""
    x, y = w[..., 0], w[..., 1]
    return jnp.cos(angle) * x + jnp.sin(angle) * y, jnp.cos(angle) * y - jnp.sin(angle) * x


def descend(optimizer, height, start, steps):
    """The path of an optimizer on a surface. Use `jax.vmap` for many starts or learning rates.

    Args:
      optimizer: a pair (init, update).
      height: a function from a point (2,) to a scalar.
      start: (2,), the first point.
      steps: number of steps.

    Returns:
      (steps + 1, 2), the points, the start included.
    """

    def step(carry, _):
        w, state = carry
        updates, state = optimizer.update(jax.grad(height)(w), state, w)
        w = jaxmlp.apply_updates(w, updates)
        return (w, state), w

    _, path = jax.lax.scan(step, (start, optimizer.init(start)), length=steps)
    return jnp.concatenate([start[None], path])
