"""Learning-rate schedules, `count -> value`, with the names of optax; every number in them may be traced.

`count` is the number of steps done before, so the first step has count 0. A schedule is a pytree whose leaves are its
numbers: another peak or length does not trigger recompilation, and `jax.vmap` over its constructor is a batch of
schedules.
"""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

from jaxmlp.checks import check_non_negative, check_positive, check_rate, is_concrete, require
from jaxmlp.leaves import Static, bind
from jaxmlp.types import Array, Scalar, Schedule

__all__ = [
    "constant_schedule",
    "cosine_decay_schedule",
    "cosine_onecycle_schedule",
    "exponential_decay",
    "step_schedule",
    "warmup_cosine_decay_schedule",
]


def constant_schedule(value: Scalar) -> Schedule:
    """The same value at every step.

    Args:
      value: at least 0.

    Returns:
      A schedule `count -> value`.

    Raises:
      ValueError: for a concrete value out of range.

    Example:
      >>> constant_schedule(0.1)(1000)
      0.1
    """
    return bind(_constant, value=check_non_negative("constant_schedule", value=value))


def _constant(count, *, value):
    return value


def step_schedule(init_value: Scalar, step_size: Scalar, factor: Scalar = 0.1) -> Schedule:
    """Multiplies the value by `factor` after every `step_size` steps.

        value = init_value * factor^floor(count / step_size)

    The classic choice for image classifiers: divide the learning rate by 10 two or three times during training.

    Args:
      init_value: the first value, at least 0.
      step_size: in steps, above 0.
      factor: at least 0.

    Returns:
      A schedule `count -> value`.

    Raises:
      ValueError: for a concrete number out of range.

    Example:
      >>> schedule = step_schedule(1.0, 10, 0.5)
      >>> [float(schedule(count)) for count in (0, 9, 10, 25)]
      [1.0, 1.0, 0.5, 0.25]

    References:
      He et al. 2016, *Deep Residual Learning for Image Recognition*, https://arxiv.org/abs/1512.03385, divides its
      rate by 10 on plateaus. As `StepLR` of PyTorch; `exponential_decay` with `staircase` gives the same values.
    """
    numbers = checked(check_non_negative, "step_schedule", init_value=init_value, factor=factor)
    return bind(_step, **numbers, step_size=check_positive("step_schedule", step_size=step_size))


def _step(count, *, init_value, step_size, factor):
    return init_value * jnp.power(factor, jnp.floor(real(count) / real(step_size)))


def exponential_decay(
    init_value: Scalar,
    transition_steps: Scalar,
    decay_rate: Scalar,
    transition_begin: Scalar = 0,
    staircase: bool = False,
    end_value: Scalar | None = None,
) -> Schedule:
    """Multiplies the value by `decay_rate` over every `transition_steps` steps, smoothly or in steps.

        value = init_value * decay_rate^(max(count - transition_begin, 0) / transition_steps)

    Use it to halve a rate at regular intervals, or with a rate above 1 to search for the largest stable learning rate.

    Args:
      init_value: the first value, at least 0.
      transition_steps: in steps, above 0.
      decay_rate: above 0; the value decays for a rate below 1 and grows for a rate above 1.
      transition_begin: in steps, at least 0; the value is constant before.
      staircase: round the exponent down to a whole number.
      end_value: the lower bound of a decay and the upper bound of a growth; None for no bound.

    Returns:
      A schedule `count -> value`.

    Raises:
      ValueError: for a concrete number out of range.

    Example:
      >>> schedule = exponential_decay(1.0, 10, 0.5)
      >>> [round(float(schedule(count)), 3) for count in (0, 5, 10, 20)]
      [1.0, 0.707, 0.5, 0.25]

    References:
      The `exponential_decay` of optax, https://optax.readthedocs.io/, with the same arguments.
    """
    function = "exponential_decay"
    numbers = checked(check_non_negative, function, init_value=init_value, transition_begin=transition_begin)
    rates = checked(check_positive, function, transition_steps=transition_steps, decay_rate=decay_rate)
    end_value = None if end_value is None else check_non_negative(function, end_value=end_value)
    return bind(_exponential, **numbers, **rates, end_value=end_value, staircase=Static(bool(staircase)))


def _exponential(count, *, init_value, transition_steps, decay_rate, transition_begin, staircase, end_value):
    transitions = jnp.maximum(real(count) - real(transition_begin), 0.0) / real(transition_steps)
    value = init_value * jnp.power(decay_rate, jnp.floor(transitions) if staircase else transitions)
    if end_value is None:
        return value
    return jnp.where(decay_rate < 1.0, jnp.maximum(value, end_value), jnp.minimum(value, end_value))


def cosine_decay_schedule(
    init_value: Scalar, decay_steps: Scalar, alpha: Scalar = 0.0, exponent: Scalar = 1.0
) -> Schedule:
    """Half a cosine from init_value down to alpha * init_value over decay_steps, constant afterwards.

        value = init_value * ((1 - alpha) * (0.5 * (1 + cos(pi * count / decay_steps)))^exponent + alpha)

    A good default if the number of steps is known: there is no other number to tune.

    Args:
      init_value: the first value, at least 0.
      decay_steps: in steps, above 0.
      alpha: the last value as a fraction of the first, at least 0.
      exponent: above 0.

    Returns:
      A schedule `count -> value`.

    Raises:
      ValueError: for a concrete number out of range.

    Example:
      >>> schedule = cosine_decay_schedule(1.0, 100)
      >>> [round(float(schedule(count)), 3) for count in (0, 25, 50, 100)]
      [1.0, 0.854, 0.5, 0.0]

    References:
      Loshchilov & Hutter 2017, *SGDR*, https://arxiv.org/abs/1608.03983, without its restarts, as in optax.
    """
    function = "cosine_decay_schedule"
    values = checked(check_non_negative, function, init_value=init_value, alpha=alpha)
    return bind(_cosine, **values, **checked(check_positive, function, decay_steps=decay_steps, exponent=exponent))


def _cosine(count, *, init_value, decay_steps, alpha, exponent):
    half_cosine = _fall(real(count) / real(decay_steps)) ** exponent
    return init_value * ((1 - alpha) * half_cosine + alpha)


def warmup_cosine_decay_schedule(
    init_value: Scalar,
    peak_value: Scalar,
    warmup_steps: Scalar,
    decay_steps: Scalar,
    end_value: Scalar = 0.0,
    exponent: Scalar = 1.0,
) -> Schedule:
    """A straight line up to peak_value, then half a cosine down to end_value.

    The warm-up lets adaptive optimizers gather their averages before they take large steps.

    Args:
      init_value: the first value, at least 0.
      peak_value: the value after warmup_steps, above 0.
      warmup_steps: in steps, at least 0.
      decay_steps: the length of the whole schedule in steps, warm-up included; above warmup_steps.
      end_value: the last value, at least 0.
      exponent: of the cosine, above 0.

    Returns:
      A schedule `count -> value`.

    Raises:
      ValueError: for a concrete number out of range.

    Example:
      >>> schedule = warmup_cosine_decay_schedule(0.0, 1.0, 10, 110)
      >>> [round(float(schedule(count)), 3) for count in (0, 5, 10, 60, 110)]
      [0.0, 0.5, 1.0, 0.5, 0.0]

    References:
      The warm-up: Goyal et al. 2017, https://arxiv.org/abs/1706.02677. The cosine: Loshchilov & Hutter 2017,
      https://arxiv.org/abs/1608.03983. Together as in optax.
    """
    function = "warmup_cosine_decay_schedule"
    starts = {"init_value": init_value, "warmup_steps": warmup_steps, "end_value": end_value}
    peaks = {"peak_value": peak_value, "decay_steps": decay_steps, "exponent": exponent}
    numbers = checked(check_non_negative, function, **starts) | checked(check_positive, function, **peaks)
    if is_concrete(warmup_steps) and is_concrete(decay_steps):
        warmup, length = float(warmup_steps), float(decay_steps)
        require(length > warmup, function, "decay_steps", f"be above warmup_steps = {warmup}", length)
    return bind(_warmup_cosine, **numbers)


def _warmup_cosine(count, *, init_value, peak_value, warmup_steps, decay_steps, end_value, exponent):
    count, warmup = real(count), real(warmup_steps)
    # Without a warm-up the line is never taken; the maximum only keeps its division finite.
    line = init_value + (peak_value - init_value) * count / jnp.maximum(warmup, 1.0)
    curve = _cosine(
        count - warmup,
        init_value=peak_value,
        decay_steps=real(decay_steps) - warmup,
        alpha=end_value / peak_value,
        exponent=exponent,
    )
    return jnp.where(count < warmup, line, curve)


def cosine_onecycle_schedule(
    transition_steps: Scalar,
    peak_value: Scalar,
    pct_start: Scalar = 0.3,
    div_factor: Scalar = 25.0,
    final_div_factor: Scalar = 1e4,
) -> Schedule:
    """One cycle: half a cosine from peak_value / div_factor up to the peak, another one down to nearly 0.

    The last value is peak_value / (div_factor * final_div_factor). Use it for short trainings with a large peak.

    Args:
      transition_steps: the length of the whole schedule in steps, above 0.
      peak_value: the largest value, above 0.
      pct_start: the fraction of the steps before the peak, from 0 to below 1.
      div_factor: the peak divided by the first value, above 0.
      final_div_factor: the first value divided by the last, above 0.

    Returns:
      A schedule `count -> value`.

    Raises:
      ValueError: for a concrete number out of range.

    Example:
      >>> schedule = cosine_onecycle_schedule(100, 1.0)
      >>> [round(float(schedule(count)), 3) for count in (0, 30, 100)]
      [0.04, 1.0, 0.0]

    References:
      Smith & Topin 2018, *Super-Convergence*, https://arxiv.org/abs/1708.07120. As in optax, the peak falls on a whole
      step, floor(pct_start * transition_steps).
    """
    function = "cosine_onecycle_schedule"
    peak = checked(check_positive, function, transition_steps=transition_steps, peak_value=peak_value)
    factors = checked(check_positive, function, div_factor=div_factor, final_div_factor=final_div_factor)
    return bind(_onecycle, **peak, **factors, pct_start=check_rate(function, pct_start=pct_start))


def _onecycle(count, *, transition_steps, peak_value, pct_start, div_factor, final_div_factor):
    count, length = real(count), jnp.floor(real(transition_steps))
    top = jnp.floor(real(pct_start) * real(transition_steps))
    start, end = peak_value / div_factor, peak_value / (div_factor * final_div_factor)
    rise = peak_value + (start - peak_value) * _fall(count / jnp.maximum(top, 1.0))
    fall = end + (peak_value - end) * _fall((count - top) / jnp.maximum(length - top, 1.0))
    return jnp.where(count < top, rise, fall)


def checked(check: Callable[..., Any], function: str, **numbers: Scalar) -> dict[str, Any]:
    """The numbers by name, each checked."""
    return {name: check(function, **{name: number}) for name, number in numbers.items()}


def _fall(progress: Array) -> Array:
    """Half a cosine: 1 at progress 0, 0 at progress 1, constant outside."""
    return 0.5 * (1.0 + jnp.cos(jnp.pi * jnp.clip(progress, 0.0, 1.0)))


def real(value: Any) -> Array:
    """An array of JAX's default floating dtype."""
    return jnp.asarray(value, jnp.result_type(float))
