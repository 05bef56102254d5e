"""Transformations that combine with any optimizer: clipping, chaining, projection, caution."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxmlp.checks import check_non_negative, check_positive, require
from jaxmlp.leaves import as_partial, bind
from jaxmlp.numerics import at_least_float32, power_of_two
from jaxmlp.optimizers.base import (
    Optimizer,
    accepted,
    apply_updates,
    as_optimizer,
    cast,
    root,
    squared,
    widened,
)
from jaxmlp.optimizers.evaluation import evaluation_params, in_place_of, is_judged_elsewhere
from jaxmlp.types import OptimizerLike, Params, PyTree, Scalar


def clip(max_delta: Scalar) -> Optimizer:
    """Clips every element of the gradient to [-max_delta, max_delta]; of complex gradients, each part.

    Args:
      max_delta: at least 0; may be traced.

    Returns:
      An `Optimizer` without state, to be put before another by `chain`.

    Raises:
      ValueError: for a concrete bound out of range.

    Example:
      >>> updates, _ = clip(1.0).update({"w": jnp.array([-3.0, 0.5])}, ())
      >>> updates["w"].tolist()
      [-1.0, 0.5]

    References:
      Mikolov 2012, *Statistical Language Models Based on Neural Networks*, section 3.2.2.
    """
    return Optimizer(bind(_stateless), bind(_clip_update, max_delta=check_non_negative("clip", max_delta=max_delta)))


def clip_by_global_norm(max_norm: Scalar) -> Optimizer:
    """Scales the whole gradient so that its norm over all leaves is at most max_norm.

    Args:
      max_norm: at least 0; may be traced.

    Returns:
      An `Optimizer` without state, to be put before another by `chain`.

    Raises:
      ValueError: for a concrete bound out of range.

    Example:
      >>> updates, _ = clip_by_global_norm(1.0).update({"w": jnp.array([3.0, 4.0])}, ())
      >>> [round(float(u), 3) for u in updates["w"]]
      [0.6, 0.8]

    References:
      Pascanu, Mikolov & Bengio 2013, https://arxiv.org/abs/1211.5063.
    """
    max_norm = check_non_negative("clip_by_global_norm", max_norm=max_norm)
    return Optimizer(bind(_stateless), bind(_clip_by_global_norm_update, max_norm=max_norm))


def chain(*optimizers: OptimizerLike) -> Optimizer:
    """One optimizer made of several, each fed with the updates of the one before.

    Args:
      *optimizers: one or more pairs (init, update), gradient clipping first; optax transformations also work.

    Returns:
      An `Optimizer` whose state is the tuple of theirs.

    Raises:
      ValueError: for no optimizer at all. TypeError: for something that is not a pair (init, update).

    Example:
      >>> from jaxmlp.optimizers import gd
      >>> optimizer = chain(clip_by_global_norm(1.0), gd(0.5))
      >>> params = jnp.array([3.0, 4.0])
      >>> updates, state = optimizer.update(params, optimizer.init(params))
      >>> [round(float(u), 3) for u in updates]
      [-0.3, -0.4]
    """
    require(len(optimizers) > 0, "chain", "optimizers", "be one or more pairs (init, update)", optimizers)
    links = [as_optimizer("chain", optimizer) for optimizer in optimizers]
    inits, updates = tuple(link.init for link in links), tuple(link.update for link in links)
    return Optimizer(bind(_chain_init, inits=inits), bind(_chain_update, updates=updates))


def projected(optimizer: OptimizerLike, projection: Callable[[Params], Params]) -> Optimizer:
    """An optimizer that projects the parameters after every step, for constraints such as `max_norm`.

    Args:
      optimizer: a pair (init, update).
      projection: a function from params to params; to give it numbers that may be traced, write it as a
        `jax.tree_util.Partial`, such as `Partial(max_norm, limit=3.0)`.

    Returns:
      An `Optimizer` with the state of the given one; its update needs the params. If the model is judged elsewhere than
      at the params, as with `averaged`, it is judged at the projection of that point.

    Raises:
      TypeError: for a projection that is not a function. ValueError: in `update`, for missing params.

    Example:
      >>> from jaxmlp.optimizers import gd
      >>> positive = projected(gd(1.0), lambda params: jax.tree.map(jax.nn.relu, params))
      >>> updates, _ = positive.update(jnp.float32(5.0), positive.init(0.0), jnp.float32(2.0))
      >>> float(updates)
      -2.0

    References:
      Goldstein 1964, https://doi.org/10.1090/S0002-9904-1964-11178-2 (gradient projection).
    """
    inner = as_optimizer("projected", optimizer)
    require(callable(projection), "projected", "projection", "be a function of params", projection, TypeError)
    projection = as_partial(projection)
    init = bind(_projected_init, init=inner.init, projection=projection)
    return Optimizer(init, bind(_projected_update, update=inner.update, projection=projection))


def cautious(optimizer: OptimizerLike, min_share: Scalar = 1e-3) -> Optimizer:
    """An optimizer that leaves out the steps that point up the present gradient, and enlarges the others.

        phi = 1 where the update and the gradient differ in sign, otherwise 0
        update <- update * phi / max(mean(phi), min_share)

    A momentum may point uphill. For any optimizer that has one, at the same learning rate; the mean is taken over each
    array of parameters by itself. Weight decay inside of the optimizer is left out with the rest of a step.

    Args:
      optimizer: a pair (init, update).
      min_share: bounds the enlargement, above 0.

    Returns:
      An `Optimizer` with the state of the given one.

    Raises:
      ValueError: for a concrete number out of range.

    Example:
      >>> from jaxmlp.optimizers import momentum
      >>> optimizer = cautious(momentum(1.0))
      >>> state = optimizer.init(jnp.zeros(2))
      >>> for gradients in ([2.0, 1.0], [1.0, -0.5]):  # the momentum is [2.8, 0.4]
      ...     updates, state = optimizer.update(jnp.array(gradients), state)
      >>> [round(float(u), 3) + 0.0 for u in updates]
      [-5.6, 0.0]

    References:
      Liang et al. 2024, algorithm 1, https://arxiv.org/abs/2411.16085. As in the authors' code, which bounds the mean
      where the paper adds 1 to the number of ones.
    """
    inner = as_optimizer("cautious", optimizer)
    min_share = check_positive("cautious", min_share=min_share)
    return Optimizer(inner.init, bind(_cautious_update, update=inner.update, min_share=min_share))


def _stateless(params: Params) -> tuple[()]:
    return ()


def _clip_update(grads, state, params=None, *, max_delta, **extra):
    def rule(g):
        if jnp.iscomplexobj(g):
            return jax.lax.complex(rule(g.real), rule(g.imag))
        return jnp.clip(g, cast(-max_delta, g), cast(max_delta, g))

    return jax.tree.map(rule, grads), state


def _clip_by_global_norm_update(grads, state, params=None, *, max_norm, **extra):
    dtype = jnp.result_type(float)
    inverse = 1 / _scale(grads, dtype)
    scaled = jax.tree.map(lambda g: g * cast(inverse, g), widened(grads))
    norm = root(sum((jnp.sum(squared(g), dtype=dtype) for g in jax.tree.leaves(scaled)), jnp.zeros((), dtype)))
    limit, factor = cast(max_norm, norm) * inverse, cast(max_norm, norm) / jnp.where(norm == 0, 1, norm)

    def rule(g, small):
        return jnp.where(norm <= limit, g, (small * cast(factor, small)).astype(jnp.result_type(g)))

    return jax.tree.map(rule, grads, scaled), state


def _scale(grads, dtype):
    """1, or a power of two near the largest element if its square might overflow or vanish."""
    sizes = [jnp.max(abs(part), initial=0).astype(dtype) for g in jax.tree.leaves(widened(grads)) for part in _parts(g)]
    largest = jax.lax.stop_gradient(jnp.max(jnp.stack([jnp.zeros((), dtype), *sizes])))
    is_extreme = (largest > 2.0**50) & (largest < jnp.inf) | (largest < 2.0**-50) & (largest > 0)
    return jnp.where(is_extreme, power_of_two(largest), jnp.ones((), dtype))


def _chain_init(params: Params, *, inits: tuple[Callable[..., Any], ...]) -> tuple[Any, ...]:
    return tuple(init(params) for init in inits)


def _chain_update(grads, state, params=None, *, updates, **extra):
    states = []
    for update, inner in zip(updates, state, strict=True):
        grads, inner = update(grads, inner, params, **accepted(update, extra))
        states.append(inner)
    return grads, tuple(states)


class ProjectedState(NamedTuple):
    """The state of `projected` around an optimizer that is judged elsewhere than at the parameters.

    Attributes:
      judged: the projection of the point at which the optimizer is judged, shaped like the parameters.
      inner: the state of the optimizer.
    """

    judged: PyTree
    inner: PyTree

    def evaluation_params(self, params: Params) -> Params:
        """The projected point; see `jaxmlp.evaluation_params`."""
        return in_place_of(self.judged, params)


def _projected_init(params, *, init, projection):
    state = init(params)
    return ProjectedState(projection(evaluation_params(state, params)), state) if is_judged_elsewhere(state) else state


def _projected_update(grads, state, params=None, *, update, projection, **extra):
    require(params is not None, "projected.update", "params", "be given, as the projection needs them", params)
    elsewhere = isinstance(state, ProjectedState)
    updates, inner = update(grads, state.inner if elsewhere else state, params, **accepted(update, extra))
    goal = projection(apply_updates(params, updates))
    state = ProjectedState(projection(evaluation_params(inner, goal)), inner) if elsewhere else inner
    return jax.tree.map(lambda g, p: g - p, goal, params), state


def _cautious_update(grads, state, params=None, *, update, min_share, **extra):
    updates, state = update(grads, state, params, **accepted(update, extra))

    def rule(u, g):
        # Of signs, as a product of small numbers would vanish; of complex ones, as for two vectors.
        agrees = jnp.real(jnp.conj(jnp.sign(u)) * jnp.sign(cast(g, u))) < 0
        wide = at_least_float32(jnp.asarray(u))
        share = jnp.mean(agrees, dtype=jnp.real(wide).dtype)
        factor = jnp.where(agrees, 1 / jnp.maximum(share, cast(min_share, share)), 0)
        return (wide * cast(factor, wide)).astype(jnp.result_type(u))

    return jax.tree.map(rule, updates, grads), state


def _parts(g):
    return (g.real, g.imag) if jnp.iscomplexobj(g) else (g,)
