"""Surfaces in two dimensions: the parameters are the point itself, and what a run shows can be drawn.

Training follows gradients with noise, loss(u, v) + u * x + v * y with rows (x, y) ~ N(0, 1), as DeepOBS has it; the
test rows are zeros, so the test loss is the surface itself. Rosenbrock, Beale and Branin start where DeepOBS starts;
on the two wells each seed starts at a place of its own, near the local well.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial

import jaxmlp
from experiments import surfaces as course
from experiments.optimizers.problems.problem import Problem

ROWS, BATCH, EPOCHS = 10_000, 128, 50


def rosenbrock(u, v):
    """A curved valley; minimum 0 at (1, 1)."""
    return (1 - u) ** 2 + 100 * (v - u**2) ** 2


def beale(u, v):
    """Steep walls around a flat floor; minimum 0 at (3, 0.5)."""
    return (1.5 - u + u * v) ** 2 + (2.25 - u + u * v**2) ** 2 + (2.625 - u + u * v**3) ** 2


def branin(u, v):
    """Three equal wells; minimum 0.398."""
    parabola = v - 5.1 / (4 * np.pi**2) * u**2 + 5 / np.pi * u - 6
    return parabola**2 + 10 * (1 - 1 / (8 * np.pi)) * jnp.cos(u) + 10


def two_wells(u, v):
    """The global well on the left, minimum 0 near (-1.51, -0.47); a local one on the right, 1.46."""
    return course.two_wells(jnp.stack([u, v])) + 1.7341


def at(point):
    """Every run starts here."""
    return Partial(_at, point)


def around(point, spread):
    """Each seed starts at its own place around here."""
    return Partial(_around, point, spread)


def _at(point, key):
    return jnp.asarray(point, jnp.float32)


def _around(point, spread, key):
    return jnp.asarray(point, jnp.float32) + jnp.float32(spread) * jax.random.normal(key, (2,))


def surface(name, function, start, target):
    """A problem out of a function of two numbers."""

    def loss(params, batch, key=None):
        return function(params[0], params[1]) + jnp.vdot(params, jnp.mean(batch.inputs, axis=0))

    def evaluate(params, batch):
        return {"loss": loss(params, batch)}

    def learner(optimizer):
        return jaxmlp.Learner(start, loss, evaluate, optimizer)

    return Problem(
        name=name,
        about=(function.__doc__ or name).strip().rstrip(".").lower(),
        data=noise(),
        learner=learner,
        epochs=EPOCHS,
        batch_size=BATCH,
        metric="loss",
        mode="min",
        target=target,
        keep="last",
    )


def noise():
    """Rows of noise to train and validate with, zeros to test with."""
    train, validation = (np.random.RandomState(seed).normal(size=(ROWS, 2)) for seed in (42, 44))
    rows = [jnp.asarray(x, jnp.float32) for x in (train, validation, np.zeros((BATCH, 2)))]
    return jaxmlp.Data(*(jaxmlp.Batch(x, jnp.zeros(len(x))) for x in rows))


SURFACES = {
    "rosenbrock": (rosenbrock, at((-0.5, 1.5)), 0.1),
    "beale": (beale, at((-4.5, 4.5)), 0.1),
    "branin": (branin, at((2.5, 12.5)), 0.5),
    "two_wells": (two_wells, around((2.6, 1.2), 0.3), 0.1),
}
