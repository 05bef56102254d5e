"""How large the steps of an optimizer are: a wrapper that measures them while it trains."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxmlp.checks import require
from jaxmlp.diagnostics.landscape import distance, norm, update_ratio
from jaxmlp.leaves import bind
from jaxmlp.optimizers.base import Optimizer, accepted, apply_updates, as_optimizer
from jaxmlp.types import Array, OptimizerLike, Params, PyTree

__all__ = ["measured"]

_NAMES: tuple[str, ...] = ("gradient_norm", "update_norm", "update_ratio", "distance")


class MeasuredState(NamedTuple):
    """The state of `measured`.

    Attributes:
      inner: the state of the optimizer.
      start: the parameters that training began with.
      metrics: {name: ()} of the last step.
    """

    inner: PyTree
    start: Params
    metrics: dict[str, Array]

    def step_metrics(self) -> dict[str, Array]:
        """The metrics of the last step, for the history."""
        return self.metrics


def measured(optimizer: OptimizerLike) -> Optimizer:
    """An optimizer that takes the same steps and measures them.

        gradient_norm = |g|,   update_norm = |u|,   update_ratio = |u| / |params|,   distance = |params + u - start|

    `make_train_step` returns these among its metrics; `fit` and `train_many` put their means over the steps of each
    epoch into the history, as `train_gradient_norm` and so on. Use it to see why training stalls or diverges. It costs
    a few passes over the parameters at every step, and keeps a copy of the start.

    Args:
      optimizer: a pair (init, update).

    Returns:
      An `Optimizer`; its update needs the params.

    Raises:
      TypeError: for an optimizer that is not a pair. ValueError: in `update`, for missing params.

    Example:
      >>> import jaxmlp
      >>> learner = jaxmlp.classifier((2, 8, 2), optimizer=measured(jaxmlp.adam(0.01)))
      >>> result = jaxmlp.fit(jax.random.key(0), learner, jaxmlp.load("moons"), epochs=3)
      >>> bool((jnp.diff(result.history["train_distance"]) > 0).all())
      True
    """
    inner = as_optimizer("measured", optimizer)
    return Optimizer(bind(_measured_init, init=inner.init), bind(_measured_update, update=inner.update))


def _measured_init(params, *, init):
    # NaN until the first step; in the dtype of what a step measures, so that the state keeps its type.
    metrics = jax.eval_shape(lambda: _measure(params, params, params, params))
    return MeasuredState(init(params), params, {name: jnp.full((), jnp.nan, m.dtype) for name, m in metrics.items()})


def _measured_update(grads, state, params=None, *, update, **extra):
    require(params is not None, "measured.update", "params", "be given, as their distance is measured", params)
    updates, inner = update(grads, state.inner, params, **accepted(update, extra))
    return updates, MeasuredState(inner, state.start, _measure(grads, updates, params, state.start))


def _measure(grads, updates, params, start):
    after = apply_updates(params, updates)
    values = norm(grads), norm(updates), update_ratio(updates, params), distance(after, start)
    return dict(zip(_NAMES, values, strict=True))
