"""At which parameters a model is judged: some optimizers train at one point and are evaluated at another."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxmlp.checks import require
from jaxmlp.numerics import at_least_float32
from jaxmlp.optimizers.base import cast, check_same_shapes
from jaxmlp.types import Array, Params, PyTree


def evaluation_params(opt_state: PyTree, params: Params) -> Params:
    """The parameters at which a model is judged: an average for `averaged`, the slow weights for `lookahead`.

    An optimizer declares them by its state. Any node of the state tree with a method `evaluation_params(params)` does,
    wherever it is nested, and the outermost one decides. Of optax's states, `ScheduleFreeState` and `SAMState` are
    recognized. Use it in a training loop of your own; `fit` and `train_many` call it wherever they evaluate.

    Args:
      opt_state: the state of an optimizer.
      params: the parameters that it trains. Leaves without a gradient are returned as they are: the method receives
        None in their place.

    Returns:
      Parameters with the structure, shapes and dtypes of `params`; `params` itself if no node declares any.

    Raises:
      ValueError: for a state with two parts, side by side, that declare parameters; for the state of optax's
        `lookahead`, unless params are its `LookaheadParams`.

    Example:
      >>> from jaxmlp.optimizers import averaged, gd
      >>> optimizer, params = averaged(gd(1.0), decay=0.5, debias=False), jnp.float32(5.0)
      >>> updates, state = optimizer.update(jnp.float32(2.0), optimizer.init(params), params)
      >>> float(params + updates), float(evaluation_params(state, params + updates))
      (3.0, 4.0)
    """
    nodes = _declaring(opt_state)
    if not nodes:
        return params
    names = ", ".join(type(node).__name__ for node, _ in nodes)
    rule = "have one part that says where the model is judged, and any others inside of it"
    require(len(nodes) == 1, "evaluation_params", "opt_state", rule, names)
    free = jax.tree.map(lambda p: p if jnp.issubdtype(jnp.result_type(p), jnp.inexact) else None, params)
    ((_, method),) = nodes
    judged = in_place_of(method(free), params)
    check_same_shapes("evaluation_params", "params", params, judged)
    return judged


def is_judged_elsewhere(opt_state: PyTree) -> bool:
    """True if a node of the state declares at which parameters the model is judged."""
    return bool(_declaring(opt_state))


def in_place_of(averages: PyTree, params: Params) -> Params:
    """The averages in the dtypes of the parameters; parameters that have no average stay as they are."""
    return jax.tree.map(lambda a, p: p if _is_absent(a) else cast(a, p), averages, params, is_leaf=_is_absent)


def aligned(number: Array, array: Array) -> Array:
    """A number for `array`; of a batch of numbers, one for each of its rows."""
    number = jnp.asarray(number)
    return number.reshape(number.shape + (1,) * (array.ndim - number.ndim))


def _is_absent(leaf: Any) -> bool:
    """True in place of a parameter that an optimizer does not see: one without gradient, or masked by optax."""
    return leaf is None or type(leaf).__name__ == "MaskedNode"


def _declaring(opt_state: PyTree) -> list[tuple[Any, Callable[[Params], Params]]]:
    """The outermost nodes that declare where the model is judged, each with its method."""
    outermost = jax.tree.leaves(opt_state, is_leaf=lambda node: _method(node) is not None)
    return [(node, method) for node in outermost if (method := _method(node)) is not None]


def _method(node: Any) -> Callable[[Params], Params] | None:
    """`params -> params`, as a node of a state declares it; None if it does not."""
    kind = type(node)
    if callable(getattr(kind, "evaluation_params", None)):
        return node.evaluation_params
    fields, method = _FOREIGN.get(kind.__name__, ((), None))
    if method is None or not all(hasattr(node, field) for field in fields):
        return None
    return lambda params: method(node, params)


def _schedule_free(state: Any, params: Params) -> Params:
    """x of y = b1 * x + (1 - b1) * z: gradients are taken at y, the model is judged at x."""

    def rule(z, y):
        if _is_absent(z):
            return y
        with jax.numpy_dtype_promotion("standard"):
            y, z = at_least_float32(y), at_least_float32(z)
            b1 = aligned(state.b1, y).astype(y.dtype)
            return (y - (1 - b1) * z) * (1 / b1)

    return jax.tree.map(rule, state.z, params, is_leaf=_is_absent)


def _sharpness_aware(state: Any, params: Params) -> Params:
    """The point from which the adversarial steps of optax's `sam` started."""

    def rule(start, p):
        return p if _is_absent(start) else jnp.where(aligned(state.steps_since_sync == 0, p), p, start)

    outer = params if state.cache is None else jax.tree.map(rule, state.cache, params, is_leaf=_is_absent)
    return evaluation_params(state.opt_state, outer)


def _lookahead_of_optax(state: Any, params: Params) -> Params:
    """The slow half of optax's `LookaheadParams`, as both halves."""
    given = hasattr(params, "slow") and hasattr(params, "fast")
    rule = (
        "hold the slow weights, as optax's LookaheadParams do (or use jaxmlp.lookahead, which keeps them in its state)"
    )
    require(given, "evaluation_params", "params", rule, type(params).__name__)
    return params._replace(fast=params.slow)


# Recognized by name and fields, as optax is not needed here.
_FOREIGN: dict[str, tuple[tuple[str, ...], Callable[[Any, Params], Params]]] = {
    "ScheduleFreeState": (("b1", "z"), _schedule_free),
    "SAMState": (("steps_since_sync", "opt_state", "cache"), _sharpness_aware),
    "LookaheadState": (("fast_state", "steps_since_sync"), _lookahead_of_optax),
}
