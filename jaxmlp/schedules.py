"""Learning-rate schedules, `count -> value`, with optax's names; every number in them may be traced.

`count` is the number of steps done before, so the first step is 0. A schedule is a `jax.tree_util.Partial`: its numbers
are leaves, so another peak or length compiles nothing, and a batch of schedules is `jax.vmap` over its maker.
"""

import jax.numpy as jnp
from jax.tree_util import Partial

from jaxmlp.checks import check_non_negative, check_positive, check_rate, is_concrete, require

__all__ = [
    "constant_schedule",
    "cosine_decay_schedule",
    "cosine_onecycle_schedule",
    "exponential_decay",
    "step_schedule",
    "warmup_cosine_decay_schedule",
]


def constant_schedule(value):
    """The same value at every step.

    Args:
      value: at least 0.

    >>> float(constant_schedule(0.1)(1000))
    0.1
    """
    value = check_non_negative("constant_schedule", "value", value)
    return Partial(_constant, value)


def _constant(value, count):
    return value


def step_schedule(init_value, step_size, factor=0.1):
    """The value is multiplied by `factor` after every `step_size` steps: init_value * factor^floor(count / step_size).

    Args:
      init_value: at least 0.
      step_size: in steps, above 0.
      factor: at least 0.

    >>> [round(float(step_schedule(1.0, 10, 0.5)(count)), 3) for count in (0, 9, 10, 25)]
    [1.0, 1.0, 0.5, 0.25]
    """
    init_value = check_non_negative("step_schedule", "init_value", init_value)
    step_size = check_positive("step_schedule", "step_size", step_size)
    factor = check_non_negative("step_schedule", "factor", factor)
    return Partial(_step, init_value, step_size, factor)


def _step(init_value, step_size, factor, count):
    return init_value * jnp.power(factor, jnp.floor(_real(count) / _real(step_size)))


def exponential_decay(init_value, transition_steps, decay_rate, transition_begin=0, staircase=False, end_value=None):
    """init_value * decay_rate^(count / transition_steps), from step `transition_begin` on.

    Args:
      init_value: at least 0.
      transition_steps: in steps, above 0.
      decay_rate: above 0; below 1 it decays, above 1 it grows.
      transition_begin: in steps, at least 0.
      staircase: a flag: only whole transitions count.
      end_value: where it stops, a lower bound for a decay and an upper one for a growth; None: nowhere.

    >>> round(float(exponential_decay(1.0, 10, 0.5)(20)), 3)
    0.25
    """
    init_value = check_non_negative("exponential_decay", "init_value", init_value)
    transition_steps = check_positive("exponential_decay", "transition_steps", transition_steps)
    decay_rate = check_positive("exponential_decay", "decay_rate", decay_rate)
    transition_begin = check_non_negative("exponential_decay", "transition_begin", transition_begin)
    if end_value is not None:
        end_value = check_non_negative("exponential_decay", "end_value", end_value)
    form = Partial(_staircase if staircase else _smooth)
    return Partial(_exponential, form, init_value, transition_steps, decay_rate, transition_begin, end_value)


def _staircase(transitions):
    return jnp.floor(transitions)


def _smooth(transitions):
    return transitions


def _exponential(form, init_value, transition_steps, decay_rate, transition_begin, end_value, count):
    transitions = jnp.maximum(_real(count) - _real(transition_begin), 0.0) / _real(transition_steps)
    value = init_value * jnp.power(decay_rate, form(transitions))
    if end_value is None:
        return value
    return jnp.where(decay_rate < 1.0, jnp.maximum(value, end_value), jnp.minimum(value, end_value))


def cosine_decay_schedule(init_value, decay_steps, alpha=0.0, exponent=1.0):
    """Half a cosine from init_value down to alpha * init_value over decay_steps, constant after.

        init_value * ((1 - alpha) * (0.5 * (1 + cos(pi * count / decay_steps)))^exponent + alpha)

    Args:
      init_value: at least 0.
      decay_steps: in steps, above 0.
      alpha: the end as a fraction of the start, at least 0.
      exponent: above 0.

    >>> round(float(cosine_decay_schedule(1.0, 100)(50)), 3)
    0.5

    Source: Loshchilov & Hutter 2017.
    """
    init_value = check_non_negative("cosine_decay_schedule", "init_value", init_value)
    decay_steps = check_positive("cosine_decay_schedule", "decay_steps", decay_steps)
    alpha = check_non_negative("cosine_decay_schedule", "alpha", alpha)
    exponent = check_positive("cosine_decay_schedule", "exponent", exponent)
    return Partial(_cosine, init_value, decay_steps, alpha, exponent)


def _cosine(init_value, decay_steps, alpha, exponent, count):
    half_cosine = _fall(_real(count) / _real(decay_steps)) ** exponent
    return init_value * ((1 - alpha) * half_cosine + alpha)


def warmup_cosine_decay_schedule(init_value, peak_value, warmup_steps, decay_steps, end_value=0.0, exponent=1.0):
    """A straight line up to peak_value, then half a cosine down to end_value.

    Args:
      init_value: where it starts, at least 0.
      peak_value: reached after warmup_steps, above 0.
      warmup_steps: in steps, at least 0.
      decay_steps: in steps, above warmup_steps: the whole length, the warm-up included.
      end_value: at least 0.
      exponent: of the cosine, above 0.

    >>> schedule = warmup_cosine_decay_schedule(0.0, 1.0, 10, 110)
    >>> [round(float(schedule(count)), 3) for count in (0, 5, 10, 60, 110)]
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    function = "warmup_cosine_decay_schedule"
    init_value = check_non_negative(function, "init_value", init_value)
    peak_value = check_positive(function, "peak_value", peak_value)
    warmup_steps = check_non_negative(function, "warmup_steps", warmup_steps)
    decay_steps = check_positive(function, "decay_steps", decay_steps)
    if is_concrete(warmup_steps) and is_concrete(decay_steps):
        longer = float(decay_steps) > float(warmup_steps)
        require(longer, function, "decay_steps", f"be above warmup_steps = {float(warmup_steps)}", float(decay_steps))
    end_value = check_non_negative(function, "end_value", end_value)
    exponent = check_positive(function, "exponent", exponent)
    return Partial(_warmup_cosine, init_value, peak_value, warmup_steps, decay_steps, end_value, exponent)


def _warmup_cosine(init_value, peak_value, warmup_steps, decay_steps, end_value, exponent, count):
    count, warmup = _real(count), _real(warmup_steps)
    # A warm-up of no steps never takes the line, whose division by one is there for it alone.
    line = init_value + (peak_value - init_value) * count / jnp.maximum(warmup, 1.0)
    curve = _cosine(peak_value, _real(decay_steps) - warmup, end_value / peak_value, exponent, count - warmup)
    return jnp.where(count < warmup, line, curve)


def cosine_onecycle_schedule(transition_steps, peak_value, pct_start=0.3, div_factor=25.0, final_div_factor=1e4):
    """One cycle: half a cosine from peak / div_factor up to the peak, and another down to peak / (div * final_div).

    Args:
      transition_steps: in steps, above 0: the whole length.
      peak_value: above 0.
      pct_start: the fraction of the length that the rise takes, from 0 to below 1.
      div_factor: peak over start, above 0.
      final_div_factor: start over end, above 0.

    >>> schedule = cosine_onecycle_schedule(100, 1.0)
    >>> [round(float(schedule(count)), 3) for count in (0, 30, 100)]
    [0.04, 1.0, 0.0]

    Source: Smith & Topin 2018. As in optax the peak falls on a whole step, floor(pct_start * transition_steps).
    """
    function = "cosine_onecycle_schedule"
    transition_steps = check_positive(function, "transition_steps", transition_steps)
    peak_value = check_positive(function, "peak_value", peak_value)
    pct_start = check_rate(function, "pct_start", pct_start)
    div_factor = check_positive(function, "div_factor", div_factor)
    final_div_factor = check_positive(function, "final_div_factor", final_div_factor)
    return Partial(_onecycle, transition_steps, peak_value, pct_start, div_factor, final_div_factor)


def _onecycle(transition_steps, peak_value, pct_start, div_factor, final_div_factor, count):
    count, length = _real(count), jnp.floor(_real(transition_steps))
    top = jnp.floor(_real(pct_start) * _real(transition_steps))
    start, end = peak_value / div_factor, peak_value / (div_factor * final_div_factor)
    rise = peak_value + (start - peak_value) * _fall(count / jnp.maximum(top, 1.0))
    fall = end + (peak_value - end) * _fall((count - top) / jnp.maximum(length - top, 1.0))
    return jnp.where(count < top, rise, fall)


def _fall(progress):
    """Half a cosine: 1 at progress 0, 0 at progress 1, constant outside."""
    return 0.5 * (1.0 + jnp.cos(jnp.pi * jnp.clip(progress, 0.0, 1.0)))


def _real(value):
    return jnp.asarray(value, jnp.result_type(float))
