"""Averages along the way of any optimizer, at which the model is judged: exponential, uniform, and lookahead."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxmlp.checks import check_non_negative, check_range, check_rate, is_concrete, require
from jaxmlp.leaves import Static, bind
from jaxmlp.optimizers.base import (
    Optimizer,
    accepted,
    apply_updates,
    as_optimizer,
    cast,
    debiased,
    first_count,
    incremented,
    widened,
)
from jaxmlp.optimizers.evaluation import in_place_of
from jaxmlp.types import Array, OptimizerLike, Params, PyTree, Scalar


class AveragedState(NamedTuple):
    """The state of `averaged` and `swa`.

    Attributes:
      count: () int32, the number of steps done.
      average: the average of the parameters, at which the model is judged, in at least float32.
      inner: the state of the optimizer that is averaged.
    """

    count: Array
    average: PyTree
    inner: PyTree

    def evaluation_params(self, params: Params) -> Params:
        """The average; see `jaxmlp.evaluation_params`."""
        return in_place_of(self.average, params)


def averaged(optimizer: OptimizerLike, decay: Scalar = 0.999, *, debias: bool = True) -> Optimizer:
    """An optimizer whose model is judged at an exponential moving average (EMA) of its parameters.

        a <- a + c * (w - a),   c = (1 - decay) / (1 - decay^t)

    The average forgets the noise of the last steps: at a constant learning rate it is often as good as the parameters
    after a schedule that decays to 0. It spans about 1 / (1 - decay) steps; take a small part of the training. Training
    itself is unchanged. Put everything inside that shapes a step: `averaged(chain(clip(1.0), adam(1e-3)))`.

    Args:
      optimizer: a pair (init, update).
      decay: in [0, 1).
      debias: weigh the steps alone, as above; otherwise c = 1 - decay from the start, and the initial parameters count
        as all steps before the first.

    Returns:
      An `Optimizer` whose state has the average; its update needs the params.

    Raises:
      ValueError: for a concrete decay out of range; in `update`, for missing params.

    Example:
      >>> from jaxmlp.optimizers import evaluation_params, gd
      >>> optimizer = averaged(gd(1.0), decay=0.5)
      >>> params = jnp.float32(0.0)
      >>> state = optimizer.init(params)
      >>> for _ in range(2):  # steps to -1 and -2, the second of twice the weight
      ...     updates, state = optimizer.update(jnp.float32(1.0), state, params)
      ...     params = params + updates
      >>> round(float(evaluation_params(state, params)), 4)
      -1.6667

    References:
      Polyak & Juditsky 1992, https://doi.org/10.1137/0330046, on averages; with a decay, as it is usual for networks,
      Morales-Brotons, Vogels & Hendrikx 2024, https://arxiv.org/abs/2411.18704.
    """
    share = bind(_exponential, decay=check_rate("averaged", decay=decay), debias=Static(bool(debias)))
    return _averaging("averaged", optimizer, share)


def swa(optimizer: OptimizerLike, start: Scalar, period: Scalar = 1) -> Optimizer:
    """An optimizer whose model is judged at the plain average of its parameters (stochastic weight averaging).

        a <- (n * a + w) / (n + 1)   every `period` steps after `start`, n = (t - start) / period

    Up to `start`, a is w. Let it start when the loss has flattened, after about three quarters of the training, at a
    learning rate that stays high. Put everything inside that shapes a step: `swa(chain(clip(1.0), adam(1e-3)), 1000)`.

    Args:
      optimizer: a pair (init, update).
      start: in steps, at least 0; the parameters after this step are the first ones that count.
      period: in steps, at least 1: how often they are averaged.

    Returns:
      An `Optimizer` whose state has the average; its update needs the params.

    Raises:
      ValueError: for a concrete number out of range or not whole; in `update`, for missing params.

    Example:
      >>> from jaxmlp.optimizers import evaluation_params, gd
      >>> optimizer = swa(gd(1.0), start=1)
      >>> params = jnp.float32(0.0)
      >>> state = optimizer.init(params)
      >>> for _ in range(3):  # steps to -1, -2 and -3
      ...     updates, state = optimizer.update(jnp.float32(1.0), state, params)
      ...     params = params + updates
      >>> float(evaluation_params(state, params))
      -2.0

    References:
      Izmailov et al. 2018, algorithm 1, https://arxiv.org/abs/1803.05407.
    """
    share = bind(_uniform, start=_steps("swa", 0.0, start=start), period=_steps("swa", 1.0, period=period))
    return _averaging("swa", optimizer, share)


def _averaging(function: str, optimizer: OptimizerLike, share: Callable[[Array], Array]) -> Optimizer:
    inner = as_optimizer(function, optimizer)
    update = bind(_averaged_update, update=inner.update, share=share, name=Static(function))
    return Optimizer(bind(_averaged_init, init=inner.init), update)


def _averaged_init(params: Params, *, init: Callable[..., Any]) -> AveragedState:
    return AveragedState(first_count(), _copied(params), init(params))


def _averaged_update(grads, state, params=None, *, update, share, name, **extra):
    require(params is not None, f"{name}.update", "params", "be given, as the average needs them", params)
    updates, inner = update(grads, state.inner, params, **accepted(update, extra))
    count = incremented(state.count)
    c = share(count)

    def mixed(a, p):
        return cast(1 - c, a) * a + cast(c, a) * p

    average = jax.tree.map(mixed, state.average, _like(apply_updates(params, updates), state.average))
    return updates, AveragedState(count, average, inner)


def _exponential(count, *, decay, debias):
    """The share of the parameters after step `count` in the average."""
    share = jnp.asarray(1 - decay, jnp.result_type(float))
    return debiased(share, decay, count) if debias else share


def _uniform(count, *, start, period):
    """The share of the parameters after step `count` in the average: 1 up to the start, 0 between two periods."""
    done = count - cast(start, count)
    before = jnp.maximum(done, 0) // cast(period, count)
    share = 1 / (1 + before.astype(jnp.result_type(float)))
    return jnp.where((done < 0) | (done % cast(period, count) == 0), share, 0)


class LookaheadState(NamedTuple):
    """The state of `lookahead`.

    Attributes:
      count: () int32, the number of steps done.
      slow: the slow weights, at which the model is judged, in at least float32.
      inner: the state of the fast optimizer.
    """

    count: Array
    slow: PyTree
    inner: PyTree

    def evaluation_params(self, params: Params) -> Params:
        """The slow weights; see `jaxmlp.evaluation_params`."""
        return in_place_of(self.slow, params)


def lookahead(
    optimizer: OptimizerLike, sync_period: Scalar = 5, slow_step_size: Scalar = 0.5, reset_state: bool = False
) -> Optimizer:
    """Lookahead: k steps forward with the optimizer, then back to a point on the way.

        s <- s + alpha * (w - s),   w <- s   every k steps

    Makes an optimizer less sensitive to its learning rate and to noise, at the cost of a copy of the parameters. The
    model is judged at s.

    Args:
      optimizer: a pair (init, update), which takes the steps of the fast weights w.
      sync_period: k, a whole number of at least 1.
      slow_step_size: alpha, at least 0; 1 leaves the optimizer as it is.
      reset_state: start the optimizer's state anew after every k steps.

    Returns:
      An `Optimizer` whose state has the slow weights; its update needs the params.

    Raises:
      ValueError: for a concrete number out of range or not whole; in `update`, for missing params.

    Example:
      >>> from jaxmlp.optimizers import gd
      >>> optimizer = lookahead(gd(1.0), sync_period=2)
      >>> params, path = jnp.float32(0.0), []
      >>> state = optimizer.init(params)
      >>> for _ in range(4):
      ...     updates, state = optimizer.update(jnp.float32(1.0), state, params)
      ...     params = params + updates
      ...     path.append(float(params))
      >>> path
      [-1.0, -1.0, -2.0, -2.0]

    References:
      Zhang et al. 2019, algorithm 1, https://arxiv.org/abs/1907.08610. As in optax, which keeps the slow weights in
      place of the parameters, as a pair.
    """
    inner = as_optimizer("lookahead", optimizer)
    numbers = {
        "sync_period": _steps("lookahead", 1.0, sync_period=sync_period),
        "slow_step_size": check_non_negative("lookahead", slow_step_size=slow_step_size),
    }
    reset = inner.init if reset_state else None
    return Optimizer(
        bind(_lookahead_init, init=inner.init), bind(_lookahead_update, update=inner.update, reset=reset, **numbers)
    )


def _lookahead_init(params: Params, *, init: Callable[..., Any]) -> LookaheadState:
    return LookaheadState(first_count(), _copied(params), init(params))


def _lookahead_update(grads, state, params=None, *, update, reset, sync_period, slow_step_size, **extra):
    require(params is not None, "lookahead.update", "params", "be given, as the slow weights need them", params)
    updates, inner = update(grads, state.inner, params, **accepted(update, extra))
    count = incremented(state.count)
    back = count % cast(sync_period, count) == 0
    before, forward = _like(params, state.slow), _like(updates, state.slow)

    def moved(s, p, u):
        return jnp.where(back, s + cast(slow_step_size, s) * (p + u - s), s)

    def step(s, p, u):
        return jnp.where(back, (s - cast(p, s)).astype(jnp.result_type(u)), u)

    slow = jax.tree.map(moved, state.slow, before, forward)
    updates = jax.tree.map(step, slow, params, updates)
    if reset is not None:
        anew = reset(apply_updates(params, updates))
        inner = jax.tree.map(lambda new, old: jnp.where(back, new, old), anew, inner)
    return updates, LookaheadState(count, slow, inner)


def _copied(params: Params) -> PyTree:
    """The parameters in at least float32, as arrays of their own: those given may be donated."""
    return jax.tree.map(jnp.array, widened(params))


def _like(tree: PyTree, averages: PyTree) -> PyTree:
    """The arrays in the dtypes of the averages."""
    return jax.tree.map(lambda leaf, average: cast(leaf, average), tree, averages)


def _steps(function: str, least: float, /, **named: Scalar) -> float | Array:
    """A whole number of steps, checked only if it is concrete."""
    rule = f"be a whole number of at least {least:g}"
    value = check_range(function, least, float("inf"), rule, **named)
    ((argument, _),) = named.items()
    require(not is_concrete(value) or float(value).is_integer(), function, argument, rule, value)
    return value
