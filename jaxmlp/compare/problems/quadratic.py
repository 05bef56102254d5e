"""`quadratic_deep` of DeepOBS: a noisy quadratic in 100 dimensions with the curvature of deep networks' losses.

    loss(theta) = mean over rows x of 0.5 * (theta - x)^T Q (theta - x)

Q has 90 eigenvalues from U(0, 1) and 10 from U(30, 60) in a random rotation; x ~ N(0, 0.6^2). All of it is drawn once,
from the seeds of DeepOBS: it is part of the problem, not of a run. The seed of a run orders the rows, for all epochs
alike. Repetitions of a comparison draw rows of their own; the matrix Q stays.

Source: Schneider, Balles & Hennig 2019, "DeepOBS"; the spectrum is that of Chaudhari et al. 2017.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial

import jaxmlp
from jaxmlp.compare.problems.problem import Problem

_DIMENSIONS, _ROWS, _NOISE, _BATCH = 100, 1000, 0.6, 128


def quadratic_deep() -> Problem:
    """A noisy quadratic in 100 dimensions, as in DeepOBS."""
    hessian = jnp.asarray(make_hessian(np.random.RandomState(42)), jnp.float32)

    def learner(optimizer: Any) -> jaxmlp.Learner:
        return jaxmlp.Learner(_start, Partial(_loss, hessian), Partial(_evaluate, hessian), optimizer)

    return Problem(
        name="quadratic_deep",
        about="a noisy quadratic in 100 dimensions, as in DeepOBS",
        data=_drawn(),
        learner=learner,
        epochs=100,
        batch_size=_BATCH,
        metric="loss",
        mode="min",
        target=90.0,  # the minimum is 87.0 on these test rows; the start 354
        keep="last",
        order="fixed",  # as DeepOBS: reshuffling adds noise of its own
        draw=_drawn,
    )


def _drawn(seed: int | None = None) -> jaxmlp.Data:
    """The rows of DeepOBS without a seed, others with one."""
    # DeepOBS drops an incomplete batch, in evaluation too: 896 of 1,000 rows remain.
    complete = _ROWS // _BATCH * _BATCH
    train, test, validation = (_rows(one if seed is None else [one, seed]) for one in (42, 43, 44))
    test, validation = jax.tree.map(lambda array: array[:complete], (test, validation))
    return jaxmlp.Data(train, validation, test)


def _rows(seed: int | list[int]) -> jaxmlp.Batch:
    """A Batch of noise; the targets are zeros and not used."""
    x = np.random.RandomState(seed).normal(0.0, _NOISE, (_ROWS, _DIMENSIONS))
    return jaxmlp.Batch(jnp.asarray(x, jnp.float32), jnp.zeros(_ROWS))


def _start(key: jax.Array) -> jax.Array:
    """Every run starts at (1, ..., 1)."""
    return jnp.ones(_DIMENSIONS)


def _loss(hessian: jax.Array, theta: jax.Array, batch: jaxmlp.Batch, key: jax.Array | None = None) -> jax.Array:
    """The mean over the batch's rows."""
    away = jnp.expand_dims(theta, 0) - batch.inputs
    return 0.5 * jnp.mean(jnp.sum(jnp.matmul(away, hessian) * away, axis=1))


def _evaluate(hessian: jax.Array, theta: jax.Array, batch: jaxmlp.Batch) -> dict[str, jax.Array]:
    """The same on held-out rows."""
    return {"loss": _loss(hessian, theta, batch)}


def make_hessian(random: np.random.RandomState) -> np.ndarray:
    """R^T diag(eigenvalues) R, drawn in the order of DeepOBS."""
    eigenvalues = np.concatenate([random.uniform(0.0, 1.0, 90), random.uniform(30.0, 60.0, 10)])
    rotation = _random_rotation(random, _DIMENSIONS)
    return rotation.T @ np.diag(eigenvalues) @ rotation


def _random_rotation(random: np.random.RandomState, dimensions: int) -> np.ndarray:
    """A rotation drawn uniformly, dimension by dimension (Diaconis & Shahshahani 1987, the subgroup algorithm)."""
    angle = 2 * np.pi * random.uniform()
    rotation = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    for d in range(2, dimensions):
        axis = random.normal(size=d + 1)
        mirror = np.eye(d + 1)[0] - axis / np.linalg.norm(axis)
        mirror /= np.linalg.norm(mirror)
        larger = np.eye(d + 1)
        larger[1:, 1:] = rotation
        rotation = larger - 2 * np.outer(mirror, mirror @ larger)
    return -rotation
