"""Around an optimizer: clipping, chaining, projection."""

import jax
import jax.numpy as jnp
from jax.tree_util import Partial

from jaxmlp.checks import check_non_negative, require
from jaxmlp.optimizers.base import Optimizer, apply_updates, as_optimizer, as_partial, cast, squared


def clip(max_delta):
    """Clips every element of the gradient to [-max_delta, max_delta].

    Args:
      max_delta: at least 0; may be traced.

    Returns:
      An `Optimizer` without state, to be put before another by `chain`.

    >>> updates, _ = clip(1.0).update({"w": jnp.array([-3.0, 0.5])}, ())
    >>> updates["w"].tolist()
    [-1.0, 0.5]
    """
    return Optimizer(Partial(_stateless), Partial(_clip_update, check_non_negative("clip", "max_delta", max_delta)))


def clip_by_global_norm(max_norm):
    """Scales the whole gradient so that its norm over all leaves is at most max_norm.

    Args:
      max_norm: at least 0; may be traced.

    Returns:
      An `Optimizer` without state, to be put before another by `chain`.

    >>> updates, _ = clip_by_global_norm(1.0).update({"w": jnp.array([3.0, 4.0])}, ())
    >>> [round(float(u), 3) for u in updates["w"]]
    [0.6, 0.8]

    Source: Pascanu, Mikolov & Bengio 2013.
    """
    bound = check_non_negative("clip_by_global_norm", "max_norm", max_norm)
    return Optimizer(Partial(_stateless), Partial(_clip_norm_update, bound))


def chain(*optimizers):
    """One optimizer of several, each fed with the updates of the one before; optax's are welcome.

    Args:
      *optimizers: one or more pairs (init, update), gradient clipping first.

    Returns:
      An `Optimizer` whose state is the tuple of theirs.

    >>> from jaxmlp.optimizers import adam
    >>> optimizer = chain(clip_by_global_norm(1.0), adam(1e-3))
    """
    require(len(optimizers) > 0, "chain", "optimizers", "be one or more pairs (init, update)", optimizers)
    links = [as_optimizer("chain", optimizer) for optimizer in optimizers]
    inits, updates = zip(*links, strict=True)
    return Optimizer(Partial(_chain_init, inits), Partial(_chain_update, updates))


def projected(optimizer, projection):
    """An optimizer that projects the parameters after every step: max-norm, a proximal step.

    Args:
      optimizer: a pair (init, update).
      projection: a function from params to params, such as `jax.tree_util.Partial(max_norm, limit=3.0)`.

    Returns:
      An `Optimizer` with the state of the given one; its update needs the params.

    >>> from jaxmlp.optimizers import gd
    >>> positive = projected(gd(1.0), lambda params: jax.tree.map(jax.nn.relu, params))
    >>> updates, _ = positive.update(jnp.float32(5.0), positive.init(0.0), jnp.float32(2.0))
    >>> float(updates)
    -2.0
    """
    inner = as_optimizer("projected", optimizer)
    require(callable(projection), "projected", "projection", "be a function of params", projection, TypeError)
    return Optimizer(inner.init, Partial(_projected_update, inner.update, as_partial(projection)))


def _stateless(params):
    return ()


def _clip_update(max_delta, grads, state, params=None):
    return jax.tree.map(lambda g: jnp.clip(g, cast(-max_delta, g), cast(max_delta, g)), grads), state


def _clip_norm_update(max_norm, grads, state, params=None):
    real = jnp.result_type(float)
    norm = jnp.sqrt(sum(jnp.sum(squared(g), dtype=real) for g in jax.tree.leaves(grads)))

    def rule(g):
        return jnp.where(norm <= cast(max_norm, norm), g, g * cast(cast(max_norm, norm) / norm, g))

    return jax.tree.map(rule, grads), state


def _chain_init(inits, params):
    return tuple(init(params) for init in inits)


def _chain_update(updates, grads, state, params=None):
    states = []
    for update, inner in zip(updates, state, strict=True):
        grads, inner = update(grads, inner, params)
        states.append(inner)
    return grads, tuple(states)


def _projected_update(update, projection, grads, state, params=None):
    require(params is not None, "projected.update", "params", "be given, as the projection needs them", params)
    updates, state = update(grads, state, params)
    goal = projection(apply_updates(params, updates))
    return jax.tree.map(lambda g, p: g - p, goal, params), state
