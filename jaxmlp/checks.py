"""Errors that say four things: the function that the user called, the argument, the rule and the value.

A check takes the argument's name from its keyword, `check_rate("dropout", rate=rate)`, and returns the value.
"""

from collections.abc import Collection
from typing import Any

import jax
import jax.core
import jax.dtypes
import jax.numpy as jnp
import numpy as np

from jaxmlp.types import Key

__all__ = [
    "check_choice",
    "check_count",
    "check_fraction",
    "check_key",
    "check_labels",
    "check_non_negative",
    "check_positive",
    "check_range",
    "check_rate",
    "check_scalar",
    "check_weights",
    "is_concrete",
    "is_floating",
    "require",
]


def require(
    condition: object, function: str, argument: str, rule: str, value: object, error: type[Exception] = ValueError
) -> None:
    """Raises `error` with the text "function: argument must rule, got value" unless the condition holds."""
    if not condition:
        raise error(f"{function}: {argument} must {rule}, got {value!r}")


def is_floating(array: Any) -> bool:
    """True for an array of a floating dtype, bfloat16 included."""
    return jnp.issubdtype(array.dtype, jnp.floating)


def is_concrete(value: object) -> bool:
    """True for a value that is known now; False for a tracer of jit, vmap or grad."""
    return not isinstance(value, jax.core.Tracer)


def _one(named: dict[str, Any]) -> tuple[str, Any]:
    """The name and the value of the one argument to check."""
    ((argument, value),) = named.items()
    return argument, value


def check_scalar(function: str, /, **named: Any) -> Any:
    """A number, or an array or tracer of shape ()."""
    argument, value = _one(named)
    dtype = getattr(value, "dtype", type(value))
    is_real = dtype in (bool, int, float) or (isinstance(dtype, np.dtype) and dtype.kind not in "cOSU")
    require(is_real, function, argument, "be a number", value, TypeError)
    rule = "be a scalar (for a batch of values use jax.vmap)"
    require(np.shape(value) == (), function, argument, rule, np.shape(value))
    return value


def check_range(function: str, low: float, high: float, rule: str, /, **named: Any) -> float | jax.Array:
    """low <= value < high, checked only if the value is concrete; NaN is refused.

    Args:
      function: the function that the user called.
      low: the smallest value allowed.
      high: the bound that the value must stay below.
      rule: what the error says after "must".
      **named: the one argument, by its name.

    Returns:
      The value as a leaf: a float for Python and NumPy numbers; JAX arrays and tracers unchanged.

    Raises:
      ValueError: for a concrete value out of range, or a value that is not a scalar.
      TypeError: for a value that is not a number.
    """
    argument, value = _one(named)
    check_scalar(function, **named)
    if is_concrete(value):
        # An explicit transfer, which guards allow.
        number = float(jax.device_get(value) if isinstance(value, jax.Array) else value)
        require(low <= number < high, function, argument, rule, number)
    return value if isinstance(value, jax.Array) else float(value)


def check_rate(function: str, /, **named: Any) -> float | jax.Array:
    """0 <= value < 1, such as the fraction that dropout drops."""
    return check_range(function, 0.0, 1.0, "be at least 0 and below 1", **named)


def check_fraction(function: str, /, **named: Any) -> float | jax.Array:
    """0 < value < 1, such as a confidence level."""
    return check_range(function, _ABOVE_0, 1.0, "be above 0 and below 1", **named)


def check_non_negative(function: str, /, **named: Any) -> float | jax.Array:
    """A finite number of at least 0."""
    return check_range(function, 0.0, np.inf, "be a finite number of at least 0", **named)


def check_positive(function: str, /, **named: Any) -> float | jax.Array:
    """A finite number above 0."""
    return check_range(function, _ABOVE_0, np.inf, "be a finite number above 0", **named)


_ABOVE_0 = float(np.nextafter(0.0, 1.0))


def check_count(function: str, /, **named: Any) -> int:
    """A whole number of at least 1."""
    argument, value = _one(named)
    is_integer = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    require(is_integer and value >= 1, function, argument, "be a whole number of at least 1", value)
    return int(value)


def check_labels(function: str, classes: int, /, **named: Any) -> Any:
    """Integer labels in [0, classes), checked only if they are concrete."""
    argument, labels = _one(named)
    if is_concrete(labels) and np.size(labels):
        # On the host: np.min of a JAX array is an operation of JAX, which jit would trace.
        on_host = np.asarray(jax.device_get(labels))
        low, high = int(on_host.min()), int(on_host.max())
        wrong = low if low < 0 else high
        require(0 <= wrong < classes, function, argument, f"be at least 0 and below {classes} (the classes)", wrong)
    return labels


def check_weights(function: str, /, **named: Any) -> Any:
    """Finite weights of at least 0, checked only if they are concrete."""
    argument, weights = _one(named)
    if is_concrete(weights) and np.size(weights):
        on_host = np.asarray(jax.device_get(weights))
        low, high = float(on_host.min()), float(on_host.max())
        sound = low >= 0 and high < np.inf  # false for NaN
        require(sound, function, argument, "be finite and at least 0", high if low >= 0 else low)
    return weights


def check_choice(function: str, choices: Collection[str], /, **named: Any) -> str:
    """One of a collection of names."""
    argument, value = _one(named)
    is_known = isinstance(value, str) and value in choices
    require(is_known, function, argument, f"be one of {', '.join(choices)}", value)
    return value


def check_key(function: str, /, **named: Any) -> Key:
    """One typed threefry key, as from `jax.random.key`; keys of other kinds repeat themselves under `jax.vmap`."""
    argument, key = _one(named)
    dtype = getattr(key, "dtype", None)
    is_typed = dtype is not None and jnp.issubdtype(dtype, jax.dtypes.prng_key)
    kind = jax.typeof(key).str_short() if hasattr(key, "dtype") else key
    require(is_typed, function, argument, "be a typed key, as from jax.random.key(0)", kind, TypeError)
    rule = "be a threefry key (rbg repeats its first key under vmap)"
    require("fry" in str(dtype), function, argument, rule, str(dtype))
    require(key.shape == (), function, argument, "be one key (for a batch of keys use jax.vmap)", key.shape)
    return key
