"""What every optimizer is made of: the pair `(init, update)`, numbers as leaves, and one rule per leaf."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial

from jaxmlp.checks import check_non_negative, is_concrete, require


class Optimizer(NamedTuple):
    """A pair of pure functions, structurally optax's `GradientTransformation`.

    `init(params) -> state` and `update(grads, state, params) -> (updates, state)`; the new parameters are
    `apply_updates(params, updates)`. Both functions are `jax.tree_util.Partial`s that carry the optimizer's numbers as
    leaves: an optimizer is a pytree, another learning rate compiles nothing, and `jax.vmap(adam)(rates)` is a batch.

    >>> adam = Optimizer(init=lambda params: (), update=lambda grads, state, params=None: (grads, state))
    >>> adam.update({"w": 1.0}, adam.init({"w": 0.0}))
    ({'w': 1.0}, ())
    """

    init: Callable[..., Any]
    update: Callable[..., Any]


@jax.tree_util.register_static
@dataclass(frozen=True)
class Static:
    """A value that is part of a function's structure, not one of its numbers: a flag, a dtype, a name."""

    value: Any


def as_optimizer(function, optimizer):
    """The optimizer itself, or a foreign pair such as optax's, wrapped as it is: compiled once per object."""
    is_pair = callable(getattr(optimizer, "init", None)) and callable(getattr(optimizer, "update", None))
    require(is_pair, function, "optimizer", "be a pair (init, update), such as adam(1e-3)", optimizer, TypeError)
    return Optimizer(as_partial(optimizer.init), as_partial(optimizer.update))


def as_partial(function):
    """The function as a pytree: a `Partial` as it is, any other function as a `Partial` without leaves."""
    return function if isinstance(function, Partial) else Partial(function)


def apply_updates(params, updates):
    """params + updates, leaf by leaf, in the parameters' dtype.

    Args:
      params: a pytree of arrays.
      updates: a pytree of the same structure and shapes.

    Raises:
      ValueError: where a shape differs: nothing is broadcast.

    >>> apply_updates({"w": jnp.float32(1.0)}, {"w": jnp.float32(-0.5)})["w"].item()
    0.5
    """
    check_same_shapes("apply_updates", "updates", updates, params)
    return jax.tree.map(lambda p, u: jnp.asarray(p + u, jnp.result_type(p)), params, updates)


def check_same_shapes(function, argument, tree, like):
    """Leaf for leaf the structure and shapes of `like`, or an error that names the leaf. Costs nothing under jit."""
    structure, expected = jax.tree.structure(tree), jax.tree.structure(like)
    require(structure == expected, function, argument, f"have the parameters' structure {expected}", structure)
    paths = jax.tree_util.tree_leaves_with_path(tree)
    for (path, leaf), twin in zip(paths, jax.tree.leaves(like), strict=True):
        name = argument + jax.tree_util.keystr(path)
        require(np.shape(leaf) == np.shape(twin), function, name, f"be of shape {np.shape(twin)}", np.shape(leaf))


def scheduled(function, argument, value):
    """A number of at least 0, or a schedule `count -> value` as a `Partial`."""
    return as_partial(value) if callable(value) else check_non_negative(function, argument, value)


def at(value, count) -> Any:
    """The value of a number or schedule at a step, counted from 0."""
    return value(count) if callable(value) else value


def zeros(params, dtype=None):
    """Zeros of the parameters' structure, for a moment."""
    return jax.tree.map(lambda p: jnp.zeros_like(p, dtype), params)


def filled(params, value):
    """A number in every place of the parameters' structure, for a moment that starts elsewhere than at zero."""
    return jax.tree.map(lambda p: jnp.full_like(p, value), params)


def first_count():
    """Steps done: none."""
    return jnp.zeros((), jnp.int32)


def cast(value, like):
    """A number in the dtype of an array, so that no leaf is promoted by a traced number."""
    return jnp.asarray(value, jnp.result_type(like))


def ema(decay, average, value):
    """decay * average + (1 - decay) * value; the complement is taken before the cast, where bfloat16 would lose it."""
    dtype = jnp.promote_types(average.dtype, value.dtype)
    return jnp.asarray(decay, dtype) * average + jnp.asarray(1 - decay, dtype) * value


def debiased(moment, decay, count):
    """moment / (1 - decay ** count): the mean of an average that started at zero; the power is taken in float32 up."""
    base = jnp.asarray(decay, jnp.result_type(decay, float))
    power = jax.lax.pow(base, count.astype(base.dtype))
    # Times the reciprocal: of a division by a scalar XLA makes one or the other, as the number of devices has it.
    return moment * cast(1 / (1 - power), moment)


def squared(x):
    """|x| ** 2, real for complex x too."""
    return jnp.square(x) if not jnp.iscomplexobj(x) else jnp.square(x.real) + jnp.square(x.imag)


def map_leaves(function, rule, grads, *moments):
    """Maps `rule(grad, *moments) -> (direction, *moments)` over the leaves; every array keeps its dtype.

    A moment may have another dtype than its gradient (`mu_dtype`, complex parameters), hence the usual promotion.
    """
    for moment in moments:
        check_same_shapes(function, "grads", grads, moment)
    leaves, structure = jax.tree.flatten(jax.tree.map(jnp.asarray, grads))
    olds = list(zip(*map(jax.tree.leaves, moments), strict=True))
    with jax.numpy_dtype_promotion("standard"):
        rows = [rule(g, *old) for g, old in zip(leaves, olds, strict=True)]
    directions = structure.unflatten([row[0].astype(g.dtype) for row, g in zip(rows, leaves, strict=True)])
    news = [
        structure.unflatten([row[1 + i].astype(old[i].dtype) for row, old in zip(rows, olds, strict=True)])
        for i in range(len(moments))
    ]
    return directions, *news


def descend(learning_rate, count, directions):
    """-learning_rate * direction, the last step of every optimizer; a schedule is read at the steps done before."""
    rate = at(learning_rate, count)
    return jax.tree.map(lambda d: cast(-1 * rate, d) * d, directions)


def with_decay(function, weight_decay, mask, directions, params, count):
    """directions + weight_decay * params where the mask allows (Loshchilov & Hutter 2019)."""
    rate = at(weight_decay, count)
    if params is None and is_concrete(rate) and rate == 0:
        return directions
    require(params is not None, function, "params", "be given, as weight decay needs them", params)
    check_same_shapes(function, "params", params, directions)
    decayed = jax.tree.map(lambda d, p: d + cast(rate, d) * p, directions, params)
    chosen = mask.value(params) if isinstance(mask, Static) else mask
    if chosen is None:
        return decayed
    structure, expected = jax.tree.structure(chosen), jax.tree.structure(params)
    require(structure == expected, function, "mask", f"have the parameters' structure {expected}", structure)
    return jax.tree.map(lambda m, new, old: jnp.where(m, new, old), chosen, decayed, directions)


def mask_leaf(mask):
    """A mask as a subtree: None, a tree of bools, or a function of the parameters."""
    return Static(mask) if callable(mask) else mask
