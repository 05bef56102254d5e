"""Names for the types in public signatures."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import jax
import numpy as np

Array: TypeAlias = jax.Array
ArrayLike: TypeAlias = jax.Array | np.ndarray | np.bool_ | np.number | bool | int | float
"""What `jnp.asarray` takes: a JAX or NumPy array, or a number."""

Key: TypeAlias = jax.Array
"""A typed PRNG key of shape (), as from `jax.random.key`."""

Scalar: TypeAlias = float | jax.Array | np.ndarray | np.number
"""A number, or an array or tracer of shape ()."""

Schedule: TypeAlias = Callable[[Any], Any]
"""`count -> value`; `count` is the number of steps done before."""

ScalarOrSchedule: TypeAlias = Scalar | Schedule

DTypeLike: TypeAlias = Any
"""A floating dtype such as `jnp.bfloat16`, or None for the default."""

PyTree: TypeAlias = Any
"""Any nesting of lists, tuples, dicts and registered classes with arrays as leaves."""

Params: TypeAlias = Any
"""A pytree of arrays, of whatever structure the model has."""

Layers: TypeAlias = Sequence[Mapping[str, Array]]
"""The parameters of a network of `init`: one `{"w": (inputs, outputs), "b": (outputs,)}` per layer."""

Activation: TypeAlias = Callable[[Any], Any]
"""An elementwise function of one array."""

WeightInit: TypeAlias = Callable[..., Any]
"""`(key, shape, dtype) -> array`, as in `jax.nn.initializers`."""

LossFn: TypeAlias = Callable[..., Any]
"""`(params, batch, key) -> scalar`, or `-> (scalar, {name: scalar})`."""

Metrics: TypeAlias = dict[str, Array]

OptimizerLike: TypeAlias = tuple[Callable[..., Any], Callable[..., Any]]
"""A pair `(init, update)`: an `Optimizer`, an optax `GradientTransformation`, or a plain tuple."""

Mask: TypeAlias = Any
"""None, a tree of bools shaped like the parameters, or a function from params to such a tree."""
