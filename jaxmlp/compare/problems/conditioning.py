"""Two quadratics whose answers are known: one ill-conditioned and without noise, one with noise in every gradient.

Their parameters are the point itself. Noise is drawn from the key of the step, so it never repeats; the rows of their
data only count the steps.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial

import jaxmlp
from jaxmlp.compare.problems.problem import Problem

_CONDITION, _DIMENSIONS, _STEPS_PER_EPOCH, _EPOCHS = 1e4, 100, 20, 50
_LEAST = 1e-20  # so that the logarithm of a loss that rounds to 0 is finite


def ill_conditioned() -> Problem:
    """A rotated quadratic in 100 dimensions with eigenvalues from 1e-4 to 1, evenly spaced in their logarithm.

        loss(theta) = 0.5 * theta^T H theta,   theta_0 ~ N(0, I)

    Gradient descent multiplies the error along an eigenvector by (1 - rate * eigenvalue) at every step, so the loss
    after any number of steps is known; momentum is faster by the square root of the condition number (Polyak 1964,
    https://doi.org/10.1016/0041-5553(64)90137-5). The rotation takes from methods with one rate per coordinate what
    they gain on a diagonal H. The score is the logarithm to base 10 of the loss, whose minimum is 0: a mean of losses
    that span many orders of magnitude would show the largest alone.
    """
    eigenvectors, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(_DIMENSIONS, _DIMENSIONS)))
    hessian = jnp.asarray(eigenvectors @ np.diag(eigenvalues()) @ eigenvectors.T, jnp.float32)

    def learner(optimizer: Any) -> jaxmlp.Learner:
        return jaxmlp.Learner(_start, Partial(_height, hessian), Partial(_heights, hessian), optimizer)

    return _of_steps(
        Problem(
            name="ill_conditioned",
            about="a rotated quadratic in 100 dimensions with condition number 10,000, without noise",
            data=_steps(),
            learner=learner,
            epochs=_EPOCHS,
            metric="log10_loss",
            target=-2.0,  # it starts near 0.7
        )
    )


def noisy_quadratic() -> Problem:
    """The noisy quadratic model: curvatures 1, 1/2, 1/3, ..., with gradient noise of the same covariance.

        loss(theta) = 0.5 * sum_i h_i theta_i^2,   h_i = 1 / i,   gradient_i = h_i theta_i + sqrt(h_i) * noise

    A large rate leaves a high noise floor, a small one leaves the flat directions where they start, and no constant
    rate does both well. `expected_loss` gives the expected loss of gradient descent after any number of steps.

    Source: Zhang et al. 2019, "Which Algorithmic Choices Matter at Which Batch Sizes? Insights From a Noisy Quadratic
    Model", https://arxiv.org/abs/1907.04164, with 100 dimensions and batches of one.
    """

    def learner(optimizer: Any) -> jaxmlp.Learner:
        return jaxmlp.Learner(_start, _noisy_height, _bare_height, optimizer)

    return _of_steps(
        Problem(
            name="noisy_quadratic",
            about="a quadratic in 100 dimensions with as much noise as curvature in each",
            data=_steps(),
            learner=learner,
            epochs=_EPOCHS,
            metric="loss",
            target=0.2,  # it starts near 2.6; gradient descent at the best constant rate is expected to end at 0.147
        )
    )


def expected_loss(rate: float, steps: int) -> float:
    """The expected loss of gradient descent at a constant rate on `noisy_quadratic`.

        E[theta_i^2] <- (1 - rate * h_i)^2 E[theta_i^2] + rate^2 h_i

    It tends to the noise floor 0.5 * sum_i rate * h_i / (2 - rate * h_i).

    Args:
      rate: the learning rate.
      steps: the number of steps.
    """
    h = curvatures()
    shrink = (1 - rate * h) ** 2
    floor = rate / (2 - rate * h)
    return float(0.5 * np.sum(h * (floor + shrink**steps * (1 - floor))))


def eigenvalues() -> np.ndarray:
    """The eigenvalues of `ill_conditioned`."""
    return np.geomspace(1 / _CONDITION, 1.0, _DIMENSIONS)


def curvatures() -> np.ndarray:
    """The curvatures h_i of `noisy_quadratic`."""
    return 1.0 / np.arange(1, _DIMENSIONS + 1)


def _of_steps(problem: Problem) -> Problem:
    """What both have in common: one row per step, less is better, scored after the last step."""
    return problem._replace(batch_size=1, mode="min", keep="last")


def _steps() -> jaxmlp.Data:
    rows = jaxmlp.Batch(jnp.zeros((_STEPS_PER_EPOCH, 1)), jnp.zeros(_STEPS_PER_EPOCH))
    return jaxmlp.Data(rows, rows, rows)


def _start(key: jax.Array) -> jax.Array:
    return jax.random.normal(key, (_DIMENSIONS,))


def _height(hessian: jax.Array, theta: jax.Array, batch: Any = None, key: jax.Array | None = None) -> jax.Array:
    return 0.5 * jnp.vdot(theta, jnp.matmul(hessian, theta))


def _heights(hessian: jax.Array, theta: jax.Array, batch: jaxmlp.Batch) -> dict[str, jax.Array]:
    loss = _height(hessian, theta)
    return {"loss": loss, "log10_loss": jnp.log10(jnp.maximum(loss, _LEAST))}


def _noisy_height(theta: jax.Array, batch: jaxmlp.Batch, key: jax.Array) -> jax.Array:
    """A loss whose gradient is that of the quadratic plus noise."""
    h = jnp.asarray(curvatures(), jnp.float32)
    noise = jnp.sqrt(h) * jax.random.normal(key, theta.shape)
    return 0.5 * jnp.vdot(h, jnp.square(theta)) + jnp.vdot(noise, theta)


def _bare_height(theta: jax.Array, batch: jaxmlp.Batch) -> dict[str, jax.Array]:
    return {"loss": 0.5 * jnp.vdot(jnp.asarray(curvatures(), jnp.float32), jnp.square(theta))}
