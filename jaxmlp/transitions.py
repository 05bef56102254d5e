"""Schedules that go from one value to another over a number of steps, and stay there."""

from typing import Any

import jax.numpy as jnp

from jaxmlp.checks import check_fraction, check_non_negative, check_positive
from jaxmlp.leaves import bind
from jaxmlp.schedules import checked, real
from jaxmlp.types import Array, Scalar, Schedule

__all__ = ["half_life_schedule", "linear_schedule"]


def linear_schedule(
    init_value: Scalar, end_value: Scalar, transition_steps: Scalar, transition_begin: Scalar = 0
) -> Schedule:
    """A straight line from init_value to end_value over transition_steps, constant before and afterwards.

        value = end_value + (init_value - end_value) * (1 - (count - transition_begin) / transition_steps)

    Down to 0 over the whole training it is as good a learning rate as a cosine; up from 0, a warm-up.

    Args:
      init_value: the first value, at least 0.
      end_value: the last value, at least 0.
      transition_steps: in steps, above 0.
      transition_begin: in steps, at least 0; the value is constant before.

    Returns:
      A schedule `count -> value`.

    Raises:
      ValueError: for a concrete number out of range.

    Example:
      >>> schedule = linear_schedule(1.0, 0.0, 100)
      >>> [float(schedule(count)) for count in (0, 25, 100, 200)]
      [1.0, 0.75, 0.0, 0.0]

    References:
      Defazio et al. 2023, https://arxiv.org/abs/2310.07831, on why to decay linearly. As in optax.
    """
    function = "linear_schedule"
    others = {"init_value": init_value, "end_value": end_value, "transition_begin": transition_begin}
    steps = check_positive(function, transition_steps=transition_steps)
    return bind(_linear, **checked(check_non_negative, function, **others), transition_steps=steps)


def _linear(count, *, init_value, end_value, transition_steps, transition_begin):
    done = _progress(count, transition_begin, transition_steps)
    return end_value + (init_value - end_value) * (1.0 - done)


def half_life_schedule(init_value: Scalar, end_value: Scalar, transition_steps: Scalar) -> Schedule:
    """Decays of averages from init_value to end_value, such that the length of the memory grows linearly.

        1 / log(value) = (1 - done) / log(init_value) + done / log(end_value),   done = min(count / transition_steps, 1)

    An average of decay b forgets half of its memory in log(1/2) / log(b) steps. On a straight line from 0.9 to 0.9999,
    that number would explode in the last steps. Made for the b3 of `ademamix`.

    Args:
      init_value: the first decay, above 0 and below 1.
      end_value: the last decay, above 0 and below 1.
      transition_steps: in steps, above 0.

    Returns:
      A schedule `count -> value`.

    Raises:
      ValueError: for a concrete number out of range.

    Example:
      >>> schedule = half_life_schedule(0.5, 0.99, 100)
      >>> [round(float(schedule(count)), 3) for count in (0, 50, 100, 200)]
      [0.5, 0.98, 0.99, 0.99]

    References:
      Pagliardini, Ablin & Grangier 2024, section 3, https://arxiv.org/abs/2409.03137.
    """
    function = "half_life_schedule"
    decays = checked(check_fraction, function, init_value=init_value, end_value=end_value)
    return bind(_half_life, **decays, transition_steps=check_positive(function, transition_steps=transition_steps))


def _half_life(count, *, init_value, end_value, transition_steps):
    done = _progress(count, 0.0, transition_steps)
    first, last = 1.0 / jnp.log(init_value), 1.0 / jnp.log(end_value)
    return jnp.exp(1.0 / ((1.0 - done) * first + done * last))


def _progress(count: Any, begin: Scalar, steps: Scalar) -> Array:
    """The part of the steps that is done, from 0 to 1."""
    count, begin, steps = map(real, (count, begin, steps))
    return jnp.clip((count - begin) / steps, 0.0, 1.0)
