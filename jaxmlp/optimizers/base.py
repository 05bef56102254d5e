"""What every optimizer is made of: the pair `(init, update)`, and one rule per leaf."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxmlp.checks import check_non_negative, is_concrete, require
from jaxmlp.leaves import Static, as_partial, described
from jaxmlp.numerics import at_least_float32, promoted
from jaxmlp.types import Array, DTypeLike, Mask, OptimizerLike, Params, PyTree, Scalar, ScalarOrSchedule


class Optimizer(NamedTuple):
    """A pair of pure functions, structurally an optax `GradientTransformation`.

    Both functions are `jax.tree_util.Partial`s that carry the optimizer's numbers as leaves: an optimizer is a pytree,
    a new learning rate does not trigger recompilation, and `jax.vmap(adam)(rates)` is a batch of optimizers.

    Attributes:
      init: `params -> state`.
      update: `(grads, state, params) -> (updates, state)`; the new parameters are `apply_updates(params, updates)`.
        Training offers more by keyword, as optax has it: `value` (the loss), `grad`, `value_fn` and `obj_fn` (the loss
        as a function of the parameters, on the same batch with the same dropout). An update gets those that it names.

    Example:
      >>> identity = Optimizer(init=lambda params: (), update=lambda grads, state, params=None: (grads, state))
      >>> identity.update({"w": 1.0}, identity.init({"w": 0.0}))
      ({'w': 1.0}, ())
    """

    init: Callable[..., Any]
    update: Callable[..., Any]

    def __repr__(self) -> str:
        return f"Optimizer({described(self.update)})"


def as_optimizer(function: str, optimizer: OptimizerLike) -> Optimizer:
    """The optimizer with its functions as pytrees, or an error of the named function.

    A foreign pair, such as one of optax, is wrapped unchanged and compiled once per object.
    """
    attributes = getattr(optimizer, "init", None), getattr(optimizer, "update", None)
    init, update = optimizer if isinstance(optimizer, tuple) and len(optimizer) == 2 else attributes
    is_pair = callable(init) and callable(update)
    require(is_pair, function, "optimizer", "be a pair (init, update), such as adam(1e-3)", optimizer, TypeError)
    return Optimizer(as_partial(init), as_partial(update))


def accepted(update: Callable[..., Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the extra keyword arguments that an update function takes, and that are not bound to it already."""
    if not extra:
        return {}
    try:
        parameters = inspect.signature(update).parameters.values()
    except (TypeError, ValueError):  # a function of C, whose arguments are unknown
        return {}
    bound = getattr(update, "keywords", {})
    free = {name: value for name, value in extra.items() if name not in bound}
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return free
    named = {parameter.name for parameter in parameters if parameter.kind is not parameter.POSITIONAL_ONLY}
    return {name: value for name, value in free.items() if name in named}


def apply_updates(params: Params, updates: PyTree) -> Params:
    """params + updates, leaf by leaf, in the parameters' dtype.

    Args:
      params: a pytree of arrays.
      updates: a pytree of the same structure and shapes.

    Returns:
      The new parameters.

    Raises:
      ValueError: if the structure or a shape differs; nothing is broadcast.

    Example:
      >>> apply_updates({"w": jnp.float32(1.0)}, {"w": jnp.float32(-0.5)})["w"].item()
      0.5
    """
    check_same_shapes("apply_updates", "updates", updates, params)
    with jax.numpy_dtype_promotion("standard"):  # an optimizer may give float32 updates of bfloat16 parameters
        return jax.tree.map(lambda p, u: jnp.asarray(p + u, jnp.result_type(p)), params, updates)


def check_same_shapes(function: str, argument: str, tree: PyTree, like: PyTree) -> None:
    """Raises an error that names the leaf unless structure and shapes are those of `like`. Costs nothing under jit."""
    structure, expected = jax.tree.structure(tree), jax.tree.structure(like)
    require(structure == expected, function, argument, f"have the parameters' structure {expected}", structure)
    paths = jax.tree_util.tree_leaves_with_path(tree)
    for (path, leaf), twin in zip(paths, jax.tree.leaves(like), strict=True):
        name = argument + jax.tree_util.keystr(path)
        require(np.shape(leaf) == np.shape(twin), function, name, f"be of shape {np.shape(twin)}", np.shape(leaf))


def scheduled(function: str, /, **named: ScalarOrSchedule) -> Any:
    """A checked number of at least 0, or a schedule `count -> value` as a `Partial`."""
    (value,) = named.values()
    return as_partial(value) if callable(value) else check_non_negative(function, **named)


def at(value: ScalarOrSchedule, count: Array) -> Any:
    """The value of a number or schedule at a step, counted from 0."""
    return value(count) if callable(value) else value


def zeros(params: Params, dtype: DTypeLike = None) -> PyTree:
    """A zero-initialized moment, shaped like the parameters, in their dtype unless another one is given."""
    return jax.tree.map(lambda p: jnp.zeros_like(p, dtype), params)


def wide(params: Params, value: Scalar = 0.0) -> PyTree:
    """A moment of squares or sizes, shaped like the parameters: real, and in at least float32.

    In bfloat16 0.999 * v rounds back to v, so an average would never decay; in float16 small squares are 0.
    """
    return jax.tree.map(lambda p: jnp.full_like(p, value, _wide_dtype(p)), params)


def _wide_dtype(p: Array) -> Any:
    return promoted(np.real(np.zeros((), jnp.result_type(p))).dtype, "float32")


def common_dtype(params: Params) -> Any:
    """The real dtype that holds a statistic of all parameters: at least float32, and as wide as the widest of them."""
    return promoted("float32", *map(_wide_dtype, jax.tree.leaves(params)))


def first_count() -> Array:
    """Initial step count."""
    return jnp.zeros((), jnp.int32)


def incremented(count: Array) -> Array:
    """count + 1, or the largest integer of its dtype once that is reached."""
    return jnp.minimum(count, jnp.iinfo(count.dtype).max - 1) + 1


def cast(value: Any, array: Array) -> Array:
    """A number in the dtype of an array, so that a traced number never promotes a leaf."""
    return jnp.asarray(value, jnp.result_type(array))


def ema(decay: Scalar, average: Array, value: Array) -> Array:
    """decay * average + (1 - decay) * value; the rest is taken before the cast, which would round it."""
    dtype = jnp.promote_types(average.dtype, value.dtype)
    return jnp.asarray(decay, dtype) * average + jnp.asarray(rest_of(decay), dtype) * value


def rest_of(decay: Scalar) -> Scalar:
    """1 - decay; of a traced decay that was rounded to 1, the smallest rest that its dtype can hold.

    As a decay approaches 1, a debiased average becomes the plain mean; with a rest of 0 it would be 0 / 0.
    """
    if is_concrete(decay):  # and below 1, as the optimizer has checked
        return 1 - decay
    rest = 1 - jnp.asarray(decay, jnp.result_type(decay, float))
    return jnp.where(rest > 0, rest, jnp.finfo(rest.dtype).epsneg.astype(rest.dtype))


def debiased(moment: Array, decay: Scalar, count: Array) -> Array:
    """moment / (1 - decay ** count), the bias correction of an average that started at zero."""
    # Multiply by the reciprocal: XLA rewrites a division by a scalar differently for different numbers of devices.
    return moment * cast(1 / _one_minus_power(decay, count), moment)


def _one_minus_power(decay: Scalar, count: Array) -> Array:
    """1 - decay ** count in at least float32; without cancellation for a decay near 1."""
    base = jnp.asarray(decay, jnp.result_type(decay, float))
    steps = count.astype(base.dtype)
    near_1, rest = complement(decay)
    return jnp.where(near_1, -jnp.expm1(steps * jnp.log1p(-rest)), 1 - jax.lax.pow(base, steps))


def complement(decay: Scalar) -> tuple[Array, Array]:
    """Whether a decay is so near 1 that sums with 1 cancel, and then 1 - decay; 1/2 otherwise, which is harmless.

    The bound is where the plain formulas begin to lose more than one digit in float32, or three in float64.
    """
    base = jnp.asarray(decay, jnp.result_type(decay, float))
    near_1 = base > (0.9991 if base.dtype == jnp.float64 else 0.9)
    return near_1, jnp.where(near_1, jnp.asarray(rest_of(decay), base.dtype), 0.5)


def squared(x: Array) -> Array:
    """|x| ** 2, real for complex x too."""
    return jnp.square(x) if not jnp.iscomplexobj(x) else jnp.square(x.real) + jnp.square(x.imag)


@jax.custom_jvp
def root(x: Array) -> Array:
    """The square root, with derivative 0 at 0 instead of infinity, which times 0 would be NaN."""
    return jnp.sqrt(x)


@root.defjvp
def _root_jvp(primals, tangents):
    ((x,), (dx,)) = primals, tangents
    y = root(x)
    return y, jnp.where(x == 0, 0, dx / (2 * jnp.where(x == 0, 1, y)))


def map_leaves(
    function: str, rule: Callable[..., Any], grads: PyTree, *moments: PyTree, others: tuple[PyTree, ...] = ()
) -> tuple[PyTree, ...]:
    """Maps `rule(grad, *moments, *others) -> (direction, *moments, *others)` over the leaves, in at least float32.

    Moments are shaped like the parameters; `others` hold any tree in the place of a leaf, such as a tuple of matrices
    or None. Both are rounded to their own dtypes, directions by `descend`. A moment may have another dtype than its
    gradient (`mu_dtype`, complex parameters), hence standard promotion.
    """
    for moment in moments:
        check_same_shapes(function, "grads", grads, moment)
    leaves, structure = jax.tree.flatten(jax.tree.map(jnp.asarray, grads))
    olds = list(zip(*map(structure.flatten_up_to, (*moments, *others)), strict=True))
    with jax.numpy_dtype_promotion("standard"):
        rows = [rule(*map(widened, (g, *old))) for g, old in zip(leaves, olds, strict=True)]
    directions = [row[0].astype(promoted(g.dtype, "float32")) for row, g in zip(rows, leaves, strict=True)]
    news = [
        structure.unflatten([like(row[1 + i], old[i]) for row, old in zip(rows, olds, strict=True)])
        for i in range(len(moments) + len(others))
    ]
    return structure.unflatten(directions), *news


def descend(learning_rate: ScalarOrSchedule, count: Array, directions: PyTree, grads: PyTree) -> PyTree:
    """-learning_rate * direction in the dtypes of the gradients, the last step of every optimizer.

    `count` is the number of steps done before.
    """
    rate = at(learning_rate, count)
    return like(jax.tree.map(lambda d: cast(-1 * rate, d) * d, widened(directions)), grads)


def widened(tree: PyTree) -> PyTree:
    """The arrays in at least float32."""
    return jax.tree.map(lambda leaf: at_least_float32(jnp.asarray(leaf)), tree)


def like(tree: PyTree, grads: PyTree) -> PyTree:
    """The arrays in the dtypes of the gradients."""
    return jax.tree.map(lambda leaf, g: leaf.astype(jnp.result_type(g)), tree, grads)


def with_decay(
    directions: PyTree,
    params: Params,
    *,
    function: str,
    count: Array,
    weight_decay: ScalarOrSchedule,
    mask: Mask = None,
) -> PyTree:
    """directions + weight_decay * params where the mask allows it (Loshchilov & Hutter 2019)."""
    rate, directions = at(weight_decay, count), widened(directions)
    if params is None and is_concrete(rate) and rate == 0:
        return directions
    require(params is not None, function, "params", "be given, as weight decay needs them", params)
    check_same_shapes(function, "params", params, directions)
    decayed = jax.tree.map(lambda d, p: d + cast(rate, d) * cast(p, d), directions, params)
    chosen = mask(params) if callable(mask) else mask
    if chosen is None:
        return decayed
    chosen = broadcast(function, "mask", chosen, params)
    return jax.tree.map(lambda m, new, old: jnp.where(m, new, old), chosen, decayed, directions)


def broadcast(function: str, argument: str, mask: PyTree, params: Params) -> PyTree:
    """The mask with a leaf for every parameter; one of its leaves may stand for a whole subtree."""
    try:
        return jax.tree.broadcast(mask, params)
    except ValueError:
        structure, expected = jax.tree.structure(mask), jax.tree.structure(params)
        rule = f"have the parameters' structure {expected}, or be a prefix of it"
        require(False, function, argument, rule, structure)


def mask_leaf(mask: Mask) -> Any:
    """A mask as an argument of `bind`: None, a tree of bools, or a function of the parameters."""
    return Static(mask) if callable(mask) else mask
