"""Training, one step at a time: the state, the learner, and the jitted step.

Training knows a learner only by the functions `init`, `loss`, `evaluate` and an optimizer, so any model can be trained.
"""

from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from jaxmlp.checks import check_key, is_concrete, require
from jaxmlp.leaves import as_partial, described, strong
from jaxmlp.optimizers.base import Optimizer, accepted, apply_updates, as_optimizer
from jaxmlp.optimizers.evaluation import evaluation_params
from jaxmlp.optimizers.reporting import state_metrics
from jaxmlp.programs import Programs, explicit_mesh, weakened
from jaxmlp.threefry import fold_in
from jaxmlp.types import Array, Key, LossFn, Metrics, OptimizerLike, Params, PyTree

__all__ = ["Learner", "TrainState", "init_state", "make_train_step"]


class TrainState(NamedTuple):
    """State carried between training steps.

    Attributes:
      params: the parameters, a pytree of arrays.
      opt_state: the state of the optimizer.
      key: a typed key; step i draws from `fold_in(key, i)`.
      step: () int32, the number of steps done. After 2**31 - 1 it continues at -2**31, which `fold_in` takes as 2**31:
        no key is used twice in 2**32 steps.
    """

    params: Params
    opt_state: PyTree
    key: Key
    step: Array


class Learner(NamedTuple):
    """A model to train: pure functions and an optimizer. A pytree whose leaves are the numbers of all of them.

    Functions written as `jax.tree_util.Partial` may carry numbers as leaves; others are compiled once per object.

    Attributes:
      init: `key -> params`, any pytree of arrays.
      loss: `(params, batch, key) -> scalar`, or `-> (scalar, {name: scalar})`; the key is for dropout and the like.
      evaluate: `(params, batch) -> {name: scalar}`, deterministic; `"loss"` is monitored by default.
      optimizer: a pair `(init, update)`, of jaxmlp or optax.
      check: optional, `data -> None`: raises if the data do not fit; called before anything is compiled.
      outputs: optional, `(params, inputs) -> (n, outputs)`, deterministic: logits or predicted targets, for `predict`.
    """

    init: Callable[..., Params]
    loss: LossFn
    evaluate: Callable[..., Metrics]
    optimizer: OptimizerLike
    check: Callable[..., None] | None = None
    outputs: Callable[..., Array] | None = None

    def __repr__(self) -> str:
        parts = (f"{name}={described(getattr(self, name))}" for name in ("init", "loss"))
        return f"Learner({', '.join(parts)}, optimizer={described(self.optimizer[1])})"


def init_state(params: Params, optimizer: OptimizerLike, key: Key) -> TrainState:
    """The state before the first step.

    Args:
      params: a pytree of arrays. They are copied, so that yours outlive the donated state. Leaves that are not floating
        or complex (integers, keys) have no gradient: the optimizer does not see them, and steps leave them as they are.
      optimizer: a pair `(init, update)`.
      key: a typed key; step i draws from `fold_in(key, i)`.

    Returns:
      A `TrainState`.

    Raises:
      TypeError: for a key that is not typed, an optimizer that is not a pair, or a leaf of params that is not an array.

    Example:
      >>> import jaxmlp
      >>> params = jaxmlp.init(jax.random.key(0), (4, 3))
      >>> int(init_state(params, jaxmlp.adam(1e-3), jax.random.key(1)).step)
      0
    """
    check_key("init_state", key=key)
    optimizer = as_optimizer("init_state", optimizer)
    with jax.transfer_guard("allow"):  # counts, moments and steps start at numbers of the host
        opt_state = optimizer.init(trainable("init_state", params))
        state = TrainState(params, opt_state, key, jnp.zeros((), jnp.int32))
        jax.eval_shape(judged, state)  # an error now, if the model cannot be judged
        return jax.tree.map(partial(jnp.array, copy=True), state)


def make_train_step(
    loss_fn: LossFn, optimizer: OptimizerLike
) -> Callable[[TrainState, PyTree], tuple[TrainState, Metrics]]:
    """A jitted training step: forward, loss, backward, update.

    Args:
      loss_fn: `(params, batch, key) -> scalar`, or `-> (scalar, {name: scalar})`. A `jax.tree_util.Partial` may carry
        numbers; any other function is compiled once, and its program is released with it.
      optimizer: a pair `(init, update)`. One that differs only in its numbers does not trigger recompilation.

    Returns:
      `train_step(state, batch) -> (state, metrics)` with metrics `{"loss": scalar, ...}`. The given state is donated:
      its buffers are reused for the new one, so do not use it again.

    Raises:
      TypeError: for a loss that is not a function, or an optimizer that is not a pair; in the step, for a loss that
        returns anything else than a real scalar, alone or with a dict of scalars.

    Example:
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
    weak_parts, owners = weakened(parts)
    # All numbers travel as one array: each argument of a compiled function costs microseconds a call.
    # A mask of bools becomes numbers, and bools again inside. The numbers of an optimizer may be those of the host.
    with jax.numpy_dtype_promotion("standard"), jax.transfer_guard("allow"):
        numbers, structure = ravel_pytree(strong(weak_parts))
    return partial(_call, _compiled_step(owners, structure, is_concrete(numbers)), numbers, parts)


def _call(
    compiled: Callable[..., Any], numbers: Array, parts: PyTree, state: TrainState, batch: PyTree
) -> tuple[TrainState, Metrics]:
    """One compiled step. `parts` are only kept alive: the program holds its functions weakly."""
    params, opt_state, key, step = state
    # The key goes in but does not come out: returning a typed key costs microseconds, and it never changes.
    params, opt_state, step, metrics = compiled(params, opt_state, step, key, numbers, batch)
    return TrainState(params, opt_state, key, step), metrics


def _jitted_step(structure: Callable[[Array], Any], donate: bool) -> Callable[..., Any]:
    # A derivative by the numbers, taken without `jit`, needs the states in between.
    @partial(jax.jit, donate_argnums=(0, 1, 2) if donate else ())
    def step(params, opt_state, step, key, numbers, batch):
        with jax.numpy_dtype_promotion("standard"):
            loss_fn, optimizer = structure(numbers)
        mesh = explicit_mesh(batch)
        with nullcontext() if mesh is None else jax.sharding.use_abstract_mesh(mesh):
            state, metrics = train_step(loss_fn, optimizer, TrainState(params, opt_state, key, step), batch)
        return state.params, state.opt_state, state.step, metrics

    return step


# One jitted step for all losses and optimizers that differ in numbers only: equal structures share it.
_compiled_step = Programs(_jitted_step)


def train_step(
    loss_fn: LossFn, optimizer: Optimizer, state: TrainState, batch: PyTree, function: str = "make_train_step"
) -> tuple[TrainState, Metrics]:
    """The step of `make_train_step`, as a plain pure function; errors name the `function` that the user called."""

    def with_metrics(free):
        out = loss_fn(_merged(free, state.params), batch, fold_in(state.key, state.step))
        loss, metrics = checked_loss(function, out)
        return loss, {"loss": loss, **metrics}

    free = trainable(function, state.params)
    (_, metrics), grads = jax.value_and_grad(with_metrics, has_aux=True)(free)

    def value_fn(free, obj_fn=None):  # optax's line searches accept no argument that value_fn does not name
        return with_metrics(free)[0]

    extra = {"value": metrics["loss"], "grad": grads, "value_fn": value_fn, "obj_fn": value_fn}
    updates, opt_state = optimizer.update(grads, state.opt_state, free, **accepted(optimizer.update, extra))
    params = _merged(apply_updates(free, updates), state.params)
    # What the optimizer measures goes into the history beside the metrics of the loss, which keep their names.
    metrics = {**state_metrics(function, opt_state), **metrics}
    return TrainState(params, opt_state, state.key, state.step + 1), metrics


def trainable(function: str, params: Params) -> Params:
    """The parameters with None in place of every leaf that has no gradient; an error if a leaf is not an array."""

    def one(path, leaf):
        is_array = isinstance(leaf, (jax.Array, np.ndarray, np.generic, bool, int, float, complex))
        rule = "be an array (give the arrays of a module, as of equinox.partition, and close over the rest)"
        require(is_array, function, "params" + jax.tree_util.keystr(path), rule, leaf, TypeError)
        dtype = leaf.dtype if hasattr(leaf, "dtype") else jnp.result_type(leaf)
        return leaf if jnp.issubdtype(dtype, jnp.inexact) else None

    return jax.tree_util.tree_map_with_path(one, params)


def judged(state: TrainState) -> Params:
    """The parameters at which the model is judged, as the optimizer's state declares them."""
    return evaluation_params(state.opt_state, state.params)


def _merged(free: Params, params: Params) -> Params:
    """The parameters with the trainable ones replaced."""
    return jax.tree.map(lambda new, old: old if new is None else new, free, params, is_leaf=lambda leaf: leaf is None)


def checked_loss(function: str, out: Any) -> tuple[Array, Metrics]:
    """The loss and the metrics that a loss function returned, or an error of the named function."""
    is_pair = isinstance(out, tuple) and len(out) == 2 and isinstance(out[1], dict)
    is_alone = hasattr(out, "dtype") or isinstance(out, (bool, int, float, complex))
    rule = "return a scalar, or a pair (scalar, {name: scalar})"
    require(is_pair or is_alone, function, "loss_fn", rule, _kind(out), TypeError)
    loss, metrics = cast(tuple[Any, Metrics], out if is_pair else (out, {}))
    require(isinstance(loss, jax.Array), function, "loss_fn", "return an array computed from params", loss, TypeError)
    require(loss.shape == (), function, "the loss", "be a scalar", loss.shape)
    is_real = jnp.issubdtype(loss.dtype, jnp.floating)
    require(is_real, function, "the loss", "be a real floating number", str(loss.dtype), TypeError)
    rule = "not be called 'loss', the name of the objective"
    for name, value in metrics.items():
        argument = f"metric {name!r} of loss_fn"
        require(name != "loss", function, argument, rule, name)
        is_number = hasattr(value, "dtype") or isinstance(value, (bool, int, float))
        require(is_number, function, argument, "be a scalar", _kind(value), TypeError)
        require(np.shape(value) == (), function, argument, "be a scalar", np.shape(value))
    return loss, metrics


def _kind(value: Any) -> str:
    """What an error says about a value: its type, and how many parts it has."""
    name = type(value).__name__
    return f"{name} of {len(value)}" if isinstance(value, (tuple, list, dict)) else name
