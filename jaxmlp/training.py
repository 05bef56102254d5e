"""Training, one step at a time: the state, the learner, and the jitted step.

Training knows a learner only as the functions `init`, `loss`, `evaluate` and an optimizer: any model will do.
"""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from jaxmlp.checks import check_key, require
from jaxmlp.leaves import as_partial, strong
from jaxmlp.optimizers.base import apply_updates, as_optimizer
from jaxmlp.threefry import fold_in

__all__ = ["Learner", "TrainState", "init_state", "make_train_step"]


class TrainState(NamedTuple):
    """All that one step hands to the next: a pytree."""

    params: Any
    opt_state: Any
    key: jax.Array
    step: jax.Array


class Learner(NamedTuple):
    """All that training knows of a model: pure functions and an optimizer; a pytree, its numbers the leaves.

    - `init(key) -> params`, any pytree of arrays.
    - `loss(params, batch, key) -> scalar`, or `(scalar, {name: scalar})`; the key is for dropout and the like.
    - `evaluate(params, batch) -> {name: scalar}`, without randomness; by default `"loss"` is monitored.
    - `optimizer`, a pair `(init, update)`: jaxmlp's or optax's.
    - `check(data)`, optional: raises where the data do not fit; called before anything is compiled.

    Functions written as `jax.tree_util.Partial` may carry numbers as leaves; others are compiled once per object.
    """

    init: Callable[..., Any]
    loss: Callable[..., Any]
    evaluate: Callable[..., Any]
    optimizer: Any
    check: Callable[..., None] | None = None


def init_state(params, optimizer, key):
    """The state before the first step.

    Args:
      params: a pytree of arrays. They are copied, so that yours outlive the donated state.
      optimizer: a pair `(init, update)`.
      key: a typed key; step i uses `fold_in(key, i)`.

    Returns:
      A `TrainState`.

    >>> import jaxmlp
    >>> params = jaxmlp.init(jax.random.key(0), (4, 3))
    >>> int(init_state(params, jaxmlp.adam(1e-3), jax.random.key(1)).step)
    0
    """
    check_key("init_state", "key", key)
    optimizer = as_optimizer("init_state", optimizer)
    state = TrainState(params, optimizer.init(params), key, jnp.zeros((), jnp.int32))
    return jax.tree.map(partial(jnp.array, copy=True), state)


def make_train_step(loss_fn, optimizer):
    """A jitted step: forward, loss, backward, update.

    Args:
      loss_fn: `(params, batch, key) -> scalar`, or `(scalar, {name: scalar})`. A `jax.tree_util.Partial` may carry
        numbers; another function is compiled once.
      optimizer: a pair `(init, update)`. Another one that differs in its numbers only compiles nothing.

    Returns:
      `train_step(state, batch) -> (state, metrics)`, metrics being `{"loss": scalar, ...}`. The given state is donated:
      its buffers are used for the new one, so do not use it again.

    >>> import jaxmlp
    >>> from jaxmlp import Batch
    >>> loss_fn = lambda params, batch, key: jaxmlp.mse(jaxmlp.apply(params, batch.inputs), batch.targets)
    >>> train_step = make_train_step(loss_fn, jaxmlp.gd(0.1))
    >>> params = jaxmlp.init(jax.random.key(0), (2, 1))
    >>> state = init_state(params, jaxmlp.gd(0.1), jax.random.key(1))
    >>> state, metrics = train_step(state, Batch(jnp.ones((8, 2)), jnp.ones((8, 1))))
    >>> int(state.step), list(metrics)
    (1, ['loss'])
    """
    require(callable(loss_fn), "make_train_step", "loss_fn", "be a function", loss_fn, TypeError)
    parts = as_partial(loss_fn), as_optimizer("make_train_step", optimizer)
    # All numbers travel as one array: each argument of a compiled function costs microseconds a call.
    with jax.numpy_dtype_promotion("standard"):  # a mask of bools becomes numbers, and bools again inside
        numbers, structure = ravel_pytree(strong(parts))
    return partial(_call, _compiled_step(structure), numbers)


def _call(compiled_step, numbers, state, batch):
    """The key goes in but does not come out: to return a typed key costs microseconds, and it never changes."""
    params, opt_state, key, step = state
    params, opt_state, step, metrics = compiled_step(params, opt_state, step, key, numbers, batch)
    return TrainState(params, opt_state, key, step), metrics


@lru_cache(maxsize=256)
def _compiled_step(structure):
    """One jitted step for all losses and optimizers that differ in numbers only: equal structures find the same one."""

    @partial(jax.jit, donate_argnums=(0, 1, 2))
    def step(params, opt_state, step, key, numbers, batch):
        with jax.numpy_dtype_promotion("standard"):
            loss_fn, optimizer = structure(numbers)
        state, metrics = train_step(loss_fn, optimizer, TrainState(params, opt_state, key, step), batch)
        return state.params, state.opt_state, state.step, metrics

    return step


def train_step(loss_fn, optimizer, state, batch):
    """The step of `make_train_step`, as a plain pure function."""

    def with_metrics(params):
        out = loss_fn(params, batch, fold_in(state.key, state.step))
        loss, metrics = out if isinstance(out, tuple) else (out, {})
        shape = jnp.shape(loss)
        require(shape == (), "train_step", "the loss", "be a scalar", shape)
        return loss, {"loss": loss, **metrics}

    (_, metrics), grads = jax.value_and_grad(with_metrics, has_aux=True)(state.params)
    updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
    params = apply_updates(state.params, updates)
    return TrainState(params, opt_state, state.key, state.step + 1), metrics
