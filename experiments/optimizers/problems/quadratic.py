"""DeepOBS's `quadratic_deep`: a noisy bowl in 100 dimensions, curved as the losses of deep networks are.

    loss(theta) = mean over rows x of 0.5 * (theta - x)^T Q (theta - x)

Q has 90 eigenvalues from U(0, 1) and 10 from U(30, 60) in a random rotation; x ~ N(0, 0.6^2). All of it is drawn once,
from the seeds that DeepOBS draws it from: it is part of the problem, not of a run. A run's seed orders the rows.

Source: Schneider, Balles & Hennig 2019, "DeepOBS"; the spectrum is that of Chaudhari et al. 2017.
"""

import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial

import jaxmlp
from experiments.optimizers.problems.problem import Problem

DIMENSIONS, ROWS, NOISE, BATCH = 100, 1000, 0.6, 128


def quadratic_deep(folder=None, hidden=None):
    """A noisy quadratic bowl in 100 dimensions, as in DeepOBS."""
    hessian = jnp.asarray(make_hessian(np.random.RandomState(42)), jnp.float32)
    # DeepOBS drops the rows that fill no batch, in testing too: 896 of 1,000.
    whole = ROWS // BATCH * BATCH
    data = jaxmlp.Data(rows(42), rows(44), jaxmlp.Batch(*(array[:whole] for array in rows(43))))

    def learner(optimizer):
        return jaxmlp.Learner(start, Partial(loss, hessian), Partial(evaluate, hessian), optimizer)

    return Problem(
        name="quadratic_deep",
        about="a noisy bowl in 100 dimensions, as in DeepOBS",
        data=data,
        learner=learner,
        epochs=100,
        batch_size=BATCH,
        metric="loss",
        mode="min",
        target=90.0,  # the minimum is 87.0 on these test rows; the start 354
        keep="last",
    )


def rows(seed):
    """A Batch of noise; the targets are nothing but as many zeros."""
    x = np.random.RandomState(seed).normal(0.0, NOISE, (ROWS, DIMENSIONS))
    return jaxmlp.Batch(jnp.asarray(x, jnp.float32), jnp.zeros(ROWS))


def start(key):
    """Every run starts at (1, ..., 1)."""
    return jnp.ones(DIMENSIONS)


def loss(hessian, theta, batch, key=None):
    """The mean over the batch's rows."""
    away = jnp.expand_dims(theta, 0) - batch.inputs
    return 0.5 * jnp.mean(jnp.sum(jnp.matmul(away, hessian) * away, axis=1))


def evaluate(hessian, theta, batch):
    """The same on held-out rows."""
    return {"loss": loss(hessian, theta, batch)}


def make_hessian(random):
    """R^T diag(eigenvalues) R, drawn in DeepOBS's order."""
    eigenvalues = np.concatenate([random.uniform(0.0, 1.0, 90), random.uniform(30.0, 60.0, 10)])
    rotation = random_rotation(random, DIMENSIONS)
    return rotation.T @ np.diag(eigenvalues) @ rotation


def random_rotation(random, dimensions):
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
