"""How steep and how curved a loss is, and how far and how fast parameters move: pure functions of pytrees."""

from collections.abc import Callable
from functools import reduce
from typing import Any

import jax
import jax.numpy as jnp

from jaxmlp.checks import check_count, require
from jaxmlp.leaves import Static, as_partial, bind
from jaxmlp.numerics import at_least_float32, power_of_two, promoted
from jaxmlp.training import Learner, trainable
from jaxmlp.types import Array, Params, PyTree

__all__ = ["distance", "gradient_norm", "norm", "recorded", "sharpness", "update_ratio"]


def norm(tree: PyTree) -> Array:
    """The Euclidean norm of all numbers of a pytree together.

    Args:
      tree: a pytree of floating or complex arrays, such as gradients or updates.

    Returns:
      (): real, in at least float32; its squares neither overflow nor underflow.

    Example:
      >>> float(norm({"w": jnp.array([3.0, 0.0]), "b": jnp.array([-4.0])}))
      5.0
    """
    sizes = [at_least_float32(jnp.abs(leaf)) for leaf in jax.tree.leaves(tree)]
    dtype = promoted(jnp.float32, *sizes)
    largest = [jnp.max(size, initial=0).astype(dtype) for size in sizes]
    scale = power_of_two(reduce(jnp.maximum, largest, jnp.zeros((), dtype)))
    squares = (jnp.sum(jnp.square(size.astype(dtype) * (1 / scale))) for size in sizes)
    return scale * jnp.sqrt(sum(squares, jnp.zeros((), dtype)))


def distance(params: Params, start: Params) -> Array:
    """How far parameters are from others, such as those that training began with: the norm of their difference.

    Args:
      params: a pytree of floating arrays.
      start: a pytree of the same structure and shapes.

    Returns:
      (): the Euclidean distance.

    Example:
      >>> float(distance({"w": jnp.array([4.0, 6.0])}, {"w": jnp.array([1.0, 2.0])}))
      5.0
    """
    return norm(jax.tree.map(jnp.subtract, params, start))


def update_ratio(updates: PyTree, params: Params) -> Array:
    """How large an update is beside the parameters that it changes: the norm of one divided by that of the other.

    Around 1e-3 is usual for networks that train well; far above they are shaken, far below they stand still.

    Args:
      updates: a pytree of floating arrays, as an optimizer returns them.
      params: the parameters before the update.

    Returns:
      (): the ratio; infinite if all parameters are 0, NaN if the updates are 0 too.

    Example:
      >>> round(float(update_ratio({"w": jnp.array([0.3, -0.4])}, {"w": jnp.array([30.0, 40.0])})), 6)
      0.01
    """
    return norm(updates) / norm(params)


def gradient_norm(loss: Callable[[Params], Array], params: Params) -> Array:
    """The Euclidean norm of the gradient of a loss.

    Args:
      loss: `params -> scalar`; close over data, as in `lambda params: learner.evaluate(params, batch)["loss"]`.
      params: a pytree of arrays; those that are not floating have no gradient.

    Returns:
      (): the norm.

    Raises:
      TypeError: if loss is not a function.

    Example:
      >>> float(gradient_norm(lambda x: 1.5 * jnp.sum(x**2), jnp.array([1.0, 0.0])))
      3.0
    """
    require(callable(loss), "gradient_norm", "loss", "be a function params -> scalar", loss, TypeError)
    free, of_free = _trainable("gradient_norm", loss, params)
    return norm(jax.grad(of_free)(free))


def sharpness(loss: Callable[[Params], Array], params: Params, *, iterations: int = 30) -> Array:
    """The largest eigenvalue of the Hessian of a loss, by power iteration.

        v <- H v / |H v|,   sharpness = v^T H v

    Gradient descent at a constant rate is unstable where it exceeds 2 / rate, and full-batch training often hovers
    there ("edge of stability"). H is never formed: each iteration is a derivative of the gradient along v, at about
    twice the cost of a gradient. If the eigenvalue of largest size is negative, a second power iteration on H minus
    this eigenvalue finds the largest one. An estimate is at most the true value, and close to it unless the largest
    eigenvalues are close together; more iterations bring it closer.

    Args:
      loss: `params -> scalar`, twice differentiable; see `gradient_norm`.
      params: a pytree of arrays; those that are not floating are constants.
      iterations: of the power iteration, at least 1.

    Returns:
      (): the estimate; negative if the loss curves down in every direction.

    Raises:
      TypeError: if loss is not a function. ValueError: for iterations out of range.

    Example:
      >>> float(sharpness(lambda x: 2.0 * x[0] ** 2 - 3.0 * x[1] ** 2 + x[0], jnp.array([1.0, 2.0])))
      4.0

    References:
      Cohen et al. 2021, *Gradient Descent on Neural Networks Typically Occurs at the Edge of Stability*,
      https://arxiv.org/abs/2103.00065.
    """
    require(callable(loss), "sharpness", "loss", "be a function params -> scalar", loss, TypeError)
    check_count("sharpness", iterations=iterations)
    free, of_free = _trainable("sharpness", loss, params)

    def hessian_times(direction):
        return jax.jvp(jax.grad(of_free), (free,), (direction,))[1]

    def shifted(direction, shift):
        return jax.tree.map(lambda h, v: h - shift.astype(v.dtype) * v, hessian_times(direction), direction)

    largest = _by_power(hessian_times, free, iterations)
    return jax.lax.cond(
        largest < 0,
        lambda: _by_power(lambda direction: shifted(direction, largest), free, iterations) + largest,
        lambda: largest,
    )


def recorded(learner: Learner, *, iterations: int = 30) -> Learner:
    """A learner that also evaluates `gradient_norm` and `sharpness`, of the loss that it evaluates.

    `fit` and `train_many` put them into the history after every epoch, as `validation_gradient_norm` and
    `validation_sharpness`. They are those of the validation rows, so give data whose validation rows are the training
    rows, as from `load(..., validation=0)`, to follow the training loss. Training itself stays as it is.

    Args:
      learner: a `Learner` whose `evaluate` returns a differentiable `"loss"`.
      iterations: of the power iteration of `sharpness`, at least 1; each costs about two gradients per epoch.

    Returns:
      A `Learner`.

    Raises:
      ValueError: for iterations out of range.

    Example:
      >>> import jaxmlp
      >>> learner = recorded(jaxmlp.classifier((2, 8, 2), optimizer=jaxmlp.gd(0.5), activation="tanh"))
      >>> result = jaxmlp.fit(jax.random.key(0), learner, jaxmlp.load("moons", validation=0), epochs=40, batch_size=850)
      >>> bool(result.history["validation_sharpness"][-1] < 2 / 0.5)
      True

    References:
      Cohen et al. 2021, https://arxiv.org/abs/2103.00065.
    """
    check_count("recorded", iterations=iterations)
    evaluate = bind(_evaluate, evaluate=as_partial(learner.evaluate), iterations=Static(iterations))
    return learner._replace(evaluate=evaluate)


def _evaluate(params, batch, *, evaluate, iterations):
    def loss(params):
        return evaluate(params, batch)["loss"]

    shape = {"gradient_norm": gradient_norm(loss, params), "sharpness": sharpness(loss, params, iterations=iterations)}
    return {**evaluate(params, batch), **shape}


def _by_power(times: Callable[[PyTree], PyTree], like: PyTree, iterations: int) -> Array:
    """The eigenvalue of largest size of a symmetric linear function, with its sign."""
    leaves, structure = jax.tree.flatten(like)
    keys = jax.random.split(jax.random.key(0), len(leaves))
    start = [jax.random.normal(key, leaf.shape, leaf.dtype) for key, leaf in zip(keys, leaves, strict=True)]

    def iterate(_, direction):
        return times(_unit(direction))

    last = _unit(jax.lax.fori_loop(1, iterations, iterate, structure.unflatten(start)))
    pairs = zip(jax.tree.leaves(last), jax.tree.leaves(times(last)), strict=True)
    products = [jnp.sum(at_least_float32(v) * at_least_float32(h)) for v, h in pairs]
    dtype = promoted(*products)
    return sum((product.astype(dtype) for product in products), jnp.zeros((), dtype))


def _unit(direction: PyTree) -> PyTree:
    """The direction at length 1; zeros stay zeros."""
    length = norm(direction)
    scale = 1 / jnp.where(length > 0, length, 1.0)
    return jax.tree.map(lambda v: v * scale.astype(v.dtype), direction)


def _trainable(function: str, loss: Callable[[Params], Array], params: Params) -> tuple[Params, Any]:
    """(the parameters that have a gradient, None in place of others; the loss as a function of these)."""

    def of_free(free):
        merged = jax.tree.map(lambda new, old: old if new is None else new, free, params, is_leaf=lambda x: x is None)
        return loss(merged)

    return trainable(function, params), of_free
