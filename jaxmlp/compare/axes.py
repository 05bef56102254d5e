"""What every optimizer can be given, whatever its own arguments: a schedule of its learning rate, and weight decay.

constant       no change
cosine         half a cosine down to 0
linear         a straight line down to 0
onecycle       half a cosine up from a 25th, half a cosine down to 0
trapezoidal    a straight line up, constant, a straight line down over the last tenth

A warm-up is a straight line up over a fraction of the steps; the last two have one by themselves. All numbers are
leaves, the choice of a schedule included, so that a search over them compiles once. Batch size and hidden width are
shapes: each of their few values compiles once.
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax.tree_util import Partial

import jaxmlp
from jaxmlp.compare.contestants import Contestant

SCHEDULES = ("constant", "cosine", "linear", "onecycle", "trapezoidal")
AXES = ("weight_decay", "warmup", "schedule")
# Multiples of the problem's own, few because each is a program of its own.
SIZES, MULTIPLES = ("batch_size", "hidden"), (0.25, 1.0, 4.0)
_WARMUPS = {"onecycle": 0.3, "trapezoidal": 0.1}
_DIVISOR, _COOLDOWN = 25.0, 0.1


def configured(contestant: Contestant, steps: int, schedule: str, numbers: Mapping[str, Any]) -> Any:
    """The optimizer of a contestant with these numbers.

    Args:
      contestant: its own hyperparameters among the numbers are passed on.
      steps: of a whole run.
      schedule: a name in `SCHEDULES`, unless the numbers say which.
      numbers: `learning_rate`, and if they are searched `schedule` (a place in `SCHEDULES`), `warmup` (a fraction of
        the steps), `weight_decay` (of arrays with two dimensions or more, times the learning rate) and others.
    """
    own = {name: value for name, value in numbers.items() if name not in ("learning_rate", *AXES)}
    rate, decay = numbers["learning_rate"], numbers.get("weight_decay")
    if schedule != "constant" or "schedule" in numbers or "warmup" in numbers:
        rate = scheduled(rate, steps, schedule, numbers.get("schedule"), numbers.get("warmup"))
    if decay is None:
        return contestant(rate, **own)
    if {"weight_decay", "mask"} <= set(contestant.arguments):
        return contestant(rate, weight_decay=decay, mask=_matrices, **own)
    rule = Partial(_decay, decay=decay, rate=rate)
    return jaxmlp.chain(contestant(rate, **own), jaxmlp.Optimizer(Partial(_no_steps), rule))


def scheduled(peak: Any, steps: int, name: str, kind: Any = None, warmup: Any = None) -> Any:
    """The schedule `count -> learning rate` of a name, or of a place in `SCHEDULES`, which may be traced."""
    usual = jnp.asarray([_WARMUPS.get(one, 0.0) for one in SCHEDULES])
    kind = jnp.asarray(SCHEDULES.index(name) if kind is None else kind).astype(jnp.int32)
    return Partial(_rate, peak=peak, steps=steps, kind=kind, warmup=usual[kind] if warmup is None else warmup)


def _rate(count: Any, *, peak: Any, steps: Any, kind: Any, warmup: Any) -> jax.Array:
    """The learning rate at a step."""
    done, steps, warmup = (jnp.asarray(value, float) for value in (count, steps, warmup))
    place, share = done / steps, jnp.maximum(warmup, 1e-6)
    left = 1.0 - jnp.clip((place - warmup) / jnp.maximum(1.0 - warmup, 1e-6), 0.0, 1.0)
    ramp = jnp.minimum((done + 1.0) / jnp.maximum(warmup * steps, 1.0), 1.0)
    down = 0.5 * (1.0 - jnp.cos(jnp.pi * left))
    up = 0.5 * (1.0 - jnp.cos(jnp.pi * jnp.minimum(place / share, 1.0)))
    shapes = [
        ramp,
        ramp * down,
        ramp * left,
        jnp.where(place < warmup, 1.0 / _DIVISOR + (1.0 - 1.0 / _DIVISOR) * up, down),
        ramp * jnp.clip((1.0 - place) * (1.0 / _COOLDOWN), 0.0, 1.0),
    ]
    return jnp.asarray(peak, float) * jnp.stack(shapes)[jnp.asarray(kind).astype(jnp.int32)]


def _matrices(params: Any) -> Any:
    """Which parameters decay: weights, not biases."""
    return jax.tree.map(lambda leaf: jnp.ndim(leaf) >= 2, params)


def _no_steps(params: Any) -> jax.Array:
    return jnp.zeros((), jnp.int32)


def _decay(updates: Any, count: jax.Array, params: Any = None, *, decay: Any, rate: Any, **extra: Any) -> Any:
    """Decoupled weight decay after any optimizer: updates - rate * decay * weights (Loshchilov & Hutter 2019)."""
    factor = jnp.asarray(rate(count) if callable(rate) else rate, float) * jnp.asarray(decay, float)

    def rule(update: Any, weights: Any) -> Any:
        return update - factor.astype(update.dtype) * weights if jnp.ndim(weights) >= 2 else update

    return jax.tree.map(rule, updates, params), count + 1
