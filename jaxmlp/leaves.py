"""Functions that carry their numbers as pytree leaves: the one idea behind optimizers, schedules and learners.

A function bound here is a pytree. Its numbers are the leaves, so a new value does not trigger recompilation, and
`jax.vmap` over them is a batch of functions. Everything else about it (flags, dtypes, names) is structure.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax.tree_util import Partial

from jaxmlp.checks import is_concrete

__all__ = ["Static", "as_partial", "bind", "described", "strong", "unbound"]


@jax.tree_util.register_static
@dataclass(frozen=True)
class Static:
    """A value that belongs to the structure of a function instead of its numbers: a flag, a dtype, a name.

    Args:
      value: hashable; two functions share a compiled program only if their static values are equal.
    """

    value: Any


def bind(function: Callable[..., Any], **arguments: Any) -> Partial:
    """Binds arguments by name: the result is a pytree whose leaves are the numbers among them.

    Args:
      function: called as `function(*args, **arguments)`; equal functions compare equal, so define it at module level.
      **arguments: pytrees, whose leaves may be traced, or `Static` values, which `function` receives unwrapped.

    Returns:
      A `jax.tree_util.Partial`.

    Example:
      >>> def scaled(x, *, factor, negative):
      ...     return -factor * x if negative else factor * x
      >>> tripled = bind(scaled, factor=3.0, negative=Static(True))
      >>> jax.tree.leaves(tripled), tripled(2.0)
      ([3.0], -6.0)
    """
    flags = {name: value.value for name, value in arguments.items() if isinstance(value, Static)}
    numbers = {name: value for name, value in arguments.items() if name not in flags}
    return Partial(_WithFlags(function, tuple(sorted(flags.items()))) if flags else function, **numbers)


@dataclass(frozen=True)
class _WithFlags:
    """A function and its static arguments; equal if both are."""

    function: Callable[..., Any]
    flags: tuple[tuple[str, Any], ...]

    def __call__(self, *args: Any, **numbers: Any) -> Any:
        return self.function(*args, **dict(self.flags), **numbers)


def unbound(function: Partial) -> tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any], dict[str, Any]]:
    """What was bound: the function, its positional arguments, its numbers by name, and its static values by name.

    Example:
      >>> unbound(bind(jnp.clip, max=1.0, min=Static(0)))[2:]
      ({'max': 1.0}, {'min': 0})
    """
    inner = function.func
    flags = dict(inner.flags) if isinstance(inner, _WithFlags) else {}
    inner = inner.function if isinstance(inner, _WithFlags) else inner
    return inner, function.args, dict(function.keywords), flags


def described(function: Callable[..., Any]) -> str:
    """A bound function as a call, `name(number=0.001, ...)`; arrays show their shape instead of their values.

    Example:
      >>> described(bind(jnp.clip, max=1.0))
      'clip(max=1)'
    """
    inner = function.func if isinstance(function, Partial) else function
    flags = dict(inner.flags) if isinstance(inner, _WithFlags) else {}
    inner = inner.function if isinstance(inner, _WithFlags) else inner
    name = getattr(inner, "__name__", type(inner).__name__).strip("_").removesuffix("_update")
    numbers = function.keywords if isinstance(function, Partial) else {}
    shown = [f"{key}={_shown(value)}" for key, value in {**numbers, **flags}.items() if value is not None]
    return f"{name}({', '.join(shown)})"


def _shown(value: Any) -> str:
    if callable(value):
        return described(value)
    if isinstance(value, dict):
        return f"{{{', '.join(f'{name}={_shown(part)}' for name, part in value.items())}}}"
    if type(value) is tuple:
        return f"({', '.join(_shown(part) for part in value)})"
    leaves = jax.tree.leaves(value)
    if isinstance(value, (str, bool)) or not all(
        hasattr(leaf, "dtype") or isinstance(leaf, (int, float)) for leaf in leaves
    ):
        return repr(value)
    if len(leaves) == 1 and jnp.shape(leaves[0]) == () and is_concrete(leaves[0]):
        return f"{leaves[0]:g}"
    return ", ".join(f"{jnp.result_type(leaf)}{list(jnp.shape(leaf))}" for leaf in leaves)


def as_partial(function: Callable[..., Any]) -> Partial:
    """The function as a pytree: a `Partial` is returned unchanged, any other function becomes one without leaves.

    Example:
      >>> jax.tree.leaves(as_partial(jnp.tanh))
      []
    """
    return function if isinstance(function, Partial) else Partial(function)


def strong(tree: Any, array: Callable[..., Any] = jnp.asarray) -> Any:
    """Converts Python numbers to arrays, so that 0.1 and an array of 0.1 share one trace.

    Args:
      tree: a pytree; its JAX arrays and tracers are left alone.
      array: what makes an array of a number and a dtype; `numpy.asarray` where creating a JAX array costs too much.

    Returns:
      The tree with Python's ints and floats in JAX's default floating dtype.

    Example:
      >>> strong({"rate": 1}, array=jnp.asarray)["rate"].dtype
      dtype('float32')
    """
    return jax.tree.map(lambda leaf: leaf if isinstance(leaf, jax.Array) else array(leaf, _dtype_of(leaf)), tree)


def _dtype_of(leaf: Any) -> Any:
    return jnp.result_type(float) if isinstance(leaf, (int, float)) and not isinstance(leaf, bool) else None
