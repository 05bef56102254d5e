"""Surfaces in two dimensions: the parameters are the point itself, so that a run can be drawn.

Training follows noisy gradients, of loss(u, v) + u * x + v * y with rows (x, y) ~ N(0, 1), as in DeepOBS; the test rows
are zeros, so the test loss is the surface itself. Rosenbrock, Beale and Branin start at the points of DeepOBS; on the
two wells each seed has its own start near the local well.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial

import jaxmlp
from jaxmlp.compare.problems.problem import Problem

_ROWS, _BATCH, _EPOCHS = 10_000, 128, 50
_Height: TypeAlias = Callable[[Any, Any], Any]
_Start: TypeAlias = Callable[[jax.Array], jax.Array]


def rosenbrock(u: Any, v: Any) -> Any:
    """A curved valley; minimum 0 at (1, 1)."""
    return (1 - u) ** 2 + 100 * (v - u**2) ** 2


def beale(u: Any, v: Any) -> Any:
    """Steep walls around a flat floor; minimum 0 at (3, 0.5)."""
    return (1.5 - u + u * v) ** 2 + (2.25 - u + u * v**2) ** 2 + (2.625 - u + u * v**3) ** 2


def branin(u: Any, v: Any) -> Any:
    """Three equal wells; minimum 0.398."""
    parabola = v - 5.1 / (4 * np.pi**2) * u**2 + 5 / np.pi * u - 6
    return parabola**2 + 10 * (1 - 1 / (8 * np.pi)) * jnp.cos(u) + 10


def two_wells(u: Any, v: Any) -> Any:
    """The global well on the left, minimum 0 near (-1.51, -0.47); a local one on the right, 1.46."""
    point = jnp.stack([u, v])
    left, right = (jnp.sum((point - jnp.array(center)) ** 2) for center in ((-1.6, -0.5), (1.6, 0.5)))
    wells = 2.0 * jnp.exp(-left / (2 * 0.75**2)) + 0.5 * jnp.exp(-right / (2 * 0.75**2))
    return 0.1 * jnp.sum(point**2) - wells + 1.7341


def _start_at(point: Sequence[float], key: jax.Array) -> jax.Array:
    """Every run starts at the point."""
    return jnp.asarray(point, jnp.float32)


def _start_around(point: Sequence[float], spread: float, key: jax.Array) -> jax.Array:
    """Every seed has its own start around the point."""
    return jnp.asarray(point, jnp.float32) + jnp.float32(spread) * jax.random.normal(key, (2,))


def surface(
    name: str, function: Callable[[Any, Any], Any], start: Callable[[jax.Array], jax.Array], target: float
) -> Problem:
    """The problem of descending a function of two numbers.

    Args:
      name: what reports call it.
      function: of two scalars; the first line of its docstring describes the problem.
      start: the first point (2,) of a key.
      target: the height to reach.
    """

    def loss(params: jax.Array, batch: jaxmlp.Batch, key: jax.Array | None = None) -> jax.Array:
        return function(params[0], params[1]) + jnp.vdot(params, jnp.mean(batch.inputs, axis=0))

    def evaluate(params: jax.Array, batch: jaxmlp.Batch) -> dict[str, jax.Array]:
        return {"loss": loss(params, batch)}

    def learner(optimizer: Any) -> jaxmlp.Learner:
        return jaxmlp.Learner(start, loss, evaluate, optimizer)

    return Problem(
        name=name,
        about=(function.__doc__ or name).strip().rstrip(".").lower(),
        data=_noise(),
        learner=learner,
        epochs=_EPOCHS,
        batch_size=_BATCH,
        metric="loss",
        mode="min",
        target=target,
        keep="last",
        draw=_noise,
    )


def _noise(seed: int | None = None) -> jaxmlp.Data:
    """Rows of noise for training and validation, zeros for testing; without a seed always the same."""
    seeds = (42, 44) if seed is None else ([42, seed], [44, seed])
    train, validation = (np.random.RandomState(one).normal(size=(_ROWS, 2)) for one in seeds)
    return jaxmlp.Data(train=_batch(train), validation=_batch(validation), test=_batch(np.zeros((_BATCH, 2))))


def _batch(x: np.ndarray) -> jaxmlp.Batch:
    """A Batch of noise; the targets are zeros and not used."""
    return jaxmlp.Batch(jnp.asarray(x, jnp.float32), jnp.zeros(len(x)))


SURFACES: dict[str, tuple[_Height, _Start, float]] = {
    "rosenbrock": (rosenbrock, Partial(_start_at, (-0.5, 1.5)), 0.1),
    "beale": (beale, Partial(_start_at, (-4.5, 4.5)), 0.1),
    "branin": (branin, Partial(_start_at, (2.5, 12.5)), 0.5),
    "two_wells": (two_wells, Partial(_start_around, (2.6, 1.2), 0.3), 0.1),
}
