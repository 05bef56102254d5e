"""Errors that say four things: function, argument, rule, value."""

import jax
import jax.core
import jax.dtypes
import jax.numpy as jnp
import numpy as np


def require(condition, function, argument, rule, value, error: type[Exception] = ValueError):
    """Raise `error` reading "function: argument must rule, got value" unless the condition holds."""
    if not condition:
        raise error(f"{function}: {argument} must {rule}, got {value!r}")


def is_floating(array):
    """True for an array of a floating dtype, bfloat16 included."""
    return jnp.issubdtype(array.dtype, jnp.floating)


def is_concrete(value):
    """True for a value that can be looked at now; False for a tracer of jit, vmap or grad."""
    return not isinstance(value, jax.core.Tracer)


def check_scalar(function, argument, value):
    """A number, or an array or tracer of shape (): a batch of numbers wants `jax.vmap` instead."""
    dtype = getattr(value, "dtype", type(value))
    real = dtype in (bool, int, float) or (isinstance(dtype, np.dtype) and dtype.kind not in "cOSU")
    require(real, function, argument, "be a number", value, TypeError)
    rule = "be a scalar (for a batch of values use jax.vmap)"
    require(np.shape(value) == (), function, argument, rule, np.shape(value))


def check_range(function, argument, value, low, high, rule):
    """low <= value < high, looked at only where the value is concrete (NaN is refused).

    Returns the value as a leaf: Python's and NumPy's numbers as float, JAX's arrays and tracers as they are.
    """
    check_scalar(function, argument, value)
    if is_concrete(value):
        require(low <= float(value) < high, function, argument, rule, float(value))
    return value if isinstance(value, jax.Array) else float(value)


def check_rate(function, argument, value):
    """A fraction dropped: 0 <= rate < 1."""
    return check_range(function, argument, value, 0.0, 1.0, "be at least 0 and below 1")


def check_non_negative(function, argument, value):
    """A finite number of at least 0."""
    return check_range(function, argument, value, 0.0, np.inf, "be a finite number of at least 0")


def check_positive(function, argument, value):
    """A finite number above 0."""
    return check_range(function, argument, value, np.nextafter(0.0, 1.0), np.inf, "be a finite number above 0")


def check_count(function, argument, value):
    """A whole number of at least 1."""
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    require(whole and value >= 1, function, argument, "be a whole number of at least 1", value)


def check_choice(function, argument, value, choices):
    """One of a set of names."""
    known = isinstance(value, str) and value in choices
    require(known, function, argument, f"be one of {', '.join(choices)}", value)


def check_key(function, argument, key):
    """One typed threefry key, as from `jax.random.key`: other kinds repeat themselves under `jax.vmap`."""
    dtype = getattr(key, "dtype", None)
    typed = dtype is not None and jnp.issubdtype(dtype, jax.dtypes.prng_key)
    kind = jax.typeof(key).str_short() if hasattr(key, "dtype") else key
    require(typed, function, argument, "be a typed key, as from jax.random.key(0)", kind, TypeError)
    rule = "be a threefry key (rbg repeats its first key under vmap)"
    require("fry" in str(dtype), function, argument, rule, str(dtype))
    require(key.shape == (), function, argument, "be one key (for a batch of keys use jax.vmap)", key.shape)
