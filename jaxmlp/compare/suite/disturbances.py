"""Tasks with disturbed gradients: noise, rare features, scales that shift, and minima that move."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxmlp.compare.suite.task import DIMENSIONS, ROTATION, Noise, Task, between, spectrum, still


def _bowl(x: Any) -> jax.Array:
    return 0.5 * jnp.sum(jnp.square(x))


def _with(noise_of: Callable[[Noise], Any]) -> Callable[[Any, Noise, Any], jax.Array]:
    """A bowl whose gradient has additive noise of mean 0."""
    return lambda x, noise, time: _bowl(x) + jnp.vdot(noise_of(noise), x)


def _times(factor_of: Callable[[Noise], Any]) -> Callable[[Any, Noise, Any], jax.Array]:
    """A bowl whose gradient is multiplied, coordinate by coordinate, by a positive number in the mean."""
    return lambda x, noise, time: jnp.vdot(factor_of(noise), 0.5 * jnp.square(x))


def _cauchy(noise: Noise) -> jax.Array:
    """Symmetric about 0, without a mean or a variance."""
    return 0.1 * jnp.tan(jnp.pi * (0.999 * noise.uniform - 0.4995))


def _skewed(noise: Noise) -> jax.Array:
    """99 once in a hundred steps, else -1."""
    return jnp.where(noise.uniform < 0.01, 99.0, -1.0)


def _flipped(noise: Noise) -> jax.Array:
    return jnp.where(noise.uniform < 0.4, -1.0, 1.0)


def _outliers(noise: Noise) -> jax.Array:
    """Once in fifty steps the whole gradient is 30 times as large and of the opposite sign."""
    return jnp.full((DIMENSIONS,), jnp.where(noise.uniform[0] < 0.02, -30.0, 1.0))


def _as_curved(x: Any, noise: Noise, time: Any) -> jax.Array:
    """Curvatures from 0.01 to 1, rotated, and gradient noise of the same covariance."""
    z, h = jnp.matmul(ROTATION, x), spectrum(100.0)
    return 0.5 * jnp.vdot(h, jnp.square(z)) + 0.3 * jnp.vdot(jnp.sqrt(h) * noise.normal, z)


_START = between(1.0, 3.0)
_NOISY = [
    Task(
        "noise",
        "noise",
        "normal noise as large as the gradient",
        _with(lambda noise: noise.normal),
        _START,
        still(),
        0.3,
    ),
    Task(
        "much_noise",
        "noise",
        "normal noise three times as large",
        _with(lambda noise: 3 * noise.normal),
        _START,
        still(),
        0.6,
    ),
    Task("heavy_tails", "noise", "Cauchy noise", _with(_cauchy), _START, still(), 0.3),
    Task("skewed_noise", "noise", "noise of 99 once in a hundred steps, else -1", _with(_skewed), _START, still(), 0.9),
    Task(
        "as_curved",
        "noise",
        "rotated curvatures from 0.01 to 1, with noise of that covariance",
        _as_curved,
        _START,
        still(),
        0.5,
    ),
    Task(
        "multiplied",
        "noise",
        "gradients times 1 + 3 normal",
        _times(lambda noise: 1 + 3 * noise.normal),
        _START,
        still(),
        0.1,
    ),
    Task("flipped_signs", "noise", "two signs in five are wrong", _times(_flipped), _START, still(), 0.1),
    Task(
        "outliers",
        "noise",
        "one gradient in fifty is reversed and 30 times as large",
        _times(_outliers),
        _START,
        still(),
        0.1,
    ),
]

FREQUENCIES: np.ndarray = np.geomspace(0.02, 1.0, DIMENSIONS).astype(np.float32)


def _rare(frequencies: Any, deviation: float) -> Callable[[Any, Noise, Any], jax.Array]:
    """Coordinates that are seen now and then, each with a target of 1 and noise of its own."""

    def loss(x: Any, noise: Noise, time: Any) -> jax.Array:
        seen = (noise.uniform < frequencies).astype(x.dtype)
        return 0.5 * jnp.vdot(seen, jnp.square(x - 1 - deviation * noise.normal))

    return loss


_FROM_ZERO = between(0.0, 0.1)
_RARE = [
    Task("rare", "rare features", "each feature once in ten steps", _rare(0.1, 0.0), _FROM_ZERO, still(1.0), 0.1),
    Task(
        "very_rare",
        "rare features",
        "each feature once in a hundred steps",
        _rare(0.01, 0.0),
        _FROM_ZERO,
        still(1.0),
        0.3,
    ),
    Task(
        "rare_and_common",
        "rare features",
        "once in 50 steps to every step",
        _rare(FREQUENCIES, 0.0),
        _FROM_ZERO,
        still(1.0),
        0.1,
    ),
    Task(
        "rare_and_noisy", "rare features", "the same with noise", _rare(FREQUENCIES, 1.0), _FROM_ZERO, still(1.0), 0.5
    ),
]


def _around(center: Callable[[Any], Any], deviation: float = 0.0) -> Callable[[Any, Noise, Any], jax.Array]:
    """A bowl around a center that moves."""
    return lambda x, noise, time: _bowl(x - center(time)) + deviation * jnp.vdot(noise.normal, x)


def _jump(when: float) -> Callable[[Any], jax.Array]:
    return lambda time: jnp.full((DIMENSIONS,), jnp.where(time < when, 1.0, -1.0), jnp.float32)


def _drift(time: Any) -> jax.Array:
    return jnp.full((DIMENSIONS,), 5.0 * time, jnp.float32)


def _circle(time: Any) -> jax.Array:
    """Five turns, half of the coordinates a quarter ahead."""
    angle = 10 * jnp.pi * time
    return jnp.repeat(jnp.stack([jnp.cos(angle), jnp.sin(angle)]), DIMENSIONS // 2)


def _rescaled(late: float) -> Callable[[Any, Noise, Any], jax.Array]:
    """The jump, with another scale of the loss afterwards."""
    return lambda x, noise, time: jnp.where(time < 0.5, 1.0, late) * _bowl(x - _jump(0.5)(time))


def _turning(x: Any, noise: Noise, time: Any) -> jax.Array:
    """In four planes a valley with curvatures 1 and 0.01 that makes five half turns."""
    angle = 5 * jnp.pi * time
    u, v = x[: DIMENSIONS // 2], x[DIMENSIONS // 2 :]
    along, across = jnp.cos(angle) * u + jnp.sin(angle) * v, jnp.cos(angle) * v - jnp.sin(angle) * u
    return 0.5 * jnp.sum(0.01 * jnp.square(along) + jnp.square(across))


_MOVING = [
    Task("jump", "changes", "the minimum jumps halfway", _around(_jump(0.5)), _FROM_ZERO, _jump(0.5), 0.1),
    Task(
        "late_jump", "changes", "the minimum jumps after four fifths", _around(_jump(0.8)), _FROM_ZERO, _jump(0.8), 0.1
    ),
    Task("drift", "changes", "the minimum moves on all the time", _around(_drift), _FROM_ZERO, _drift, 0.1),
    Task("noisy_drift", "changes", "the same with noise", _around(_drift, 0.5), _FROM_ZERO, _drift, 0.5),
    Task("circle", "changes", "the minimum goes round five times", _around(_circle), _FROM_ZERO, _circle, 0.2),
    Task("turning_valley", "changes", "a valley that turns", _turning, between(0.5, 1.5), still(), 0.1),
    Task("louder", "changes", "the jump, and the loss times 1,000", _rescaled(1e3), _FROM_ZERO, _jump(0.5), 0.1),
    Task("quieter", "changes", "the jump, and the loss divided by 1,000", _rescaled(1e-3), _FROM_ZERO, _jump(0.5), 0.1),
]

DISTURBANCES: list[Task] = [*_NOISY, *_RARE, *_MOVING]
