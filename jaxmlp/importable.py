"""Functions as JSON: the name under which another process imports them, and the numbers and settings bound to them."""

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial

from jaxmlp.checks import require
from jaxmlp.leaves import Static, as_partial, bind, unbound
from jaxmlp.programs import Weak

__all__ = ["as_json", "from_json"]

# Public modules first: private ones may be named otherwise in another version.
_PUBLIC = ("jaxmlp", "jax.nn", "jax.numpy", "jax.lax")

_REAL = (jnp.floating, jnp.integer, jnp.bool_)


def as_json(function: str, bound: Callable[..., Any]) -> dict[str, Any]:
    """A function and what is bound to it, fit for JSON.

    Args:
      function: the function that the user called, for errors.
      bound: a function of a module, or what `bind` or `jax.tree_util.Partial` made of one; what is bound may be
        numbers, arrays, texts, dtypes, None and further such functions.

    Returns:
      A dict that `from_json` reads.

    Raises:
      ValueError: for a function that another process cannot import, or bound values of another kind.
    """
    inner, arguments, numbers, flags = unbound(as_partial(bound))
    return {
        "function": _name(function, inner),
        "arguments": [_value_as_json(function, value) for value in arguments],
        "numbers": {name: _value_as_json(function, value) for name, value in numbers.items()},
        "flags": {name: _value_as_json(function, value) for name, value in flags.items()},
    }


def from_json(function: str, content: dict[str, Any]) -> Partial:
    """The function whose `as_json` is `content`.

    Raises:
      ValueError: if it cannot be imported here.
    """
    numbers = {name: _value(function, value) for name, value in content["numbers"].items()}
    flags = {name: Static(_value(function, value)) for name, value in content["flags"].items()}
    bound = bind(_imported(function, content["function"]), **numbers, **flags)
    return Partial(bound.func, *(_value(function, value) for value in content["arguments"]), **bound.keywords)


def _name(function: str, inner: Any) -> str:
    """`module:name` of a function that can be imported by it."""
    inner = inner.reference() if isinstance(inner, Weak) else inner
    path = getattr(inner, "__qualname__", getattr(inner, "__name__", ""))
    own = getattr(inner, "__module__", None)
    for module in (*_PUBLIC, *([own] if own and own != "__main__" else [])):
        if _found(sys.modules.get(module), path) is inner:
            return f"{module}:{path}"
    rule = "be importable by another process: defined at the top level of a module that is not the script itself"
    require(False, function, "the functions of the network", rule, f"{path or inner} of {own}")
    raise AssertionError


def _found(place: Any, path: str) -> Any:
    for part in path.split("."):
        place = getattr(place, part, None)
    return place


def _imported(function: str, name: str) -> Callable[..., Any]:
    module, _, path = name.partition(":")
    try:
        found = _found(import_module(module), path)
    except ImportError as error:
        rule = "be importable here, as in the process that saved it"
        raise ValueError(f"{function}: {name} must {rule}, got {error}") from error
    require(callable(found), function, name, "be a function that can be imported here", found)
    return found


def _value_as_json(function: str, value: Any) -> Any:
    """Numbers, texts and None as they are; anything else as a dict that says what it is."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (np.dtype, type)) and _is_dtype(value):
        return {"dtype": jnp.dtype(value).name}
    if callable(value):
        return as_json(function, value)
    rule = "be numbers, arrays, texts, dtypes or functions, which a file can hold"
    dtype: Any = value.dtype if isinstance(value, (jax.Array, np.ndarray, np.generic)) else None
    is_real = dtype is not None and any(jnp.issubdtype(dtype, kind) for kind in _REAL)
    require(is_real, function, "what is bound to a function", rule, value)
    return {"array": np.asarray(value).tolist(), "dtype": str(dtype)}


def _is_dtype(value: Any) -> bool:
    try:
        return bool(jnp.dtype(value).name)
    except TypeError:
        return False


def _value(function: str, content: Any) -> Any:
    if not isinstance(content, dict):
        return content
    if "function" in content:
        return from_json(function, content)
    dtype = jnp.dtype(content["dtype"])
    return np.array(content["array"], dtype)[()] if "array" in content else dtype
