"""A task of the suite: a loss of eight numbers, where it starts, where it must end, and how close."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

DIMENSIONS = 8
_Array: TypeAlias = Any
_CONSTANTS = np.random.default_rng(0)


class Noise(NamedTuple):
    """What a step draws.

    Attributes:
      normal: (8,) standard normal.
      uniform: (8,) uniform from 0 to 1.
    """

    normal: _Array
    uniform: _Array


class Task(NamedTuple):
    """A failure mode as a task: passed if the error, averaged over the last tenth of the steps, is at most `tolerance`.

    Attributes:
      name: unique in the suite.
      group: the kind of difficulty.
      about: what it is, in a few words.
      loss: `(x, noise, time) -> scalar`, differentiated by x (8,); time goes from 0 to 1 in the course of a run.
      start: `key -> x`, the first point of a seed.
      solution: `time -> x`, where the expected gradient is 0 and the error too.
      tolerance: the largest error that passes.
      error: `(x, time) -> scalar`; None for the largest distance of a coordinate from that of the solution.
    """

    name: str
    group: str
    about: str
    loss: Callable[[_Array, Noise, _Array], _Array]
    start: Callable[[_Array], _Array]
    solution: Callable[[_Array], _Array]
    tolerance: float
    error: Callable[[_Array, _Array], _Array] | None = None

    def error_at(self, x: _Array, time: _Array) -> jax.Array:
        """The error of a point at a time."""
        return farthest(x - self.solution(time)) if self.error is None else self.error(x, time)


def still(value: float = 0.0) -> Callable[[_Array], jax.Array]:
    """A solution that does not move, the same in all coordinates."""
    return lambda time: jnp.full((DIMENSIONS,), value, jnp.float32)


def between(low: float, high: float, *, signs: bool = True) -> Callable[[_Array], jax.Array]:
    """Starts whose coordinates have sizes between two numbers, with random signs or positive."""

    def start(key: jax.Array) -> jax.Array:
        sizes = jax.random.uniform(key, (DIMENSIONS,), minval=low, maxval=high)
        if not signs:
            return sizes
        return sizes * jax.random.rademacher(jax.random.fold_in(key, 1), (DIMENSIONS,), sizes.dtype)

    return start


def farthest(difference: _Array) -> jax.Array:
    """The largest size of a coordinate."""
    return jnp.max(jnp.abs(difference))


def spectrum(condition: float) -> np.ndarray:
    """Eight curvatures from 1 / condition to 1, evenly spaced in their logarithm."""
    return np.geomspace(1 / condition, 1.0, DIMENSIONS).astype(np.float32)


ROTATION: np.ndarray = np.linalg.qr(_CONSTANTS.normal(size=(DIMENSIONS, DIMENSIONS)))[0].astype(np.float32)
"""The rotation of all rotated tasks."""
