"""An error in words for reverse mode through a loop of unknown length, in place of JAX's own."""

from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from jaxmlp.checks import require
from jaxmlp.types import PyTree

__all__ = ["forward_only"]

# The identity; it leaves nothing in the compiled program. Reverse mode begins with the last operation of a function,
# so that this one, put behind a loop, is asked before the loop is.
_forward_only = Primitive("forward_only")


def forward_only(function: str, tree: PyTree) -> PyTree:
    """The tree, with derivatives in forward mode only: reverse mode raises an error of the named function.

    Example:
      >>> jax.jacfwd(lambda x: forward_only("f", x**2))(3.0).item()
      6.0
    """

    def one(leaf: Any) -> Any:
        return _forward_only.bind(leaf, function=function) if jnp.issubdtype(leaf.dtype, jnp.inexact) else leaf

    return jax.tree.map(one, tree)


def _refused(cotangent: Any, leaf: Any, *, function: str) -> Any:
    rule = (
        "be taken in forward mode, by jax.jvp or jax.jacfwd, as the number of epochs is not known before the run ends"
    )
    require(False, function, "the derivative", rule, "reverse mode")


_forward_only.def_impl(lambda leaf, function: leaf)
_forward_only.def_abstract_eval(lambda leaf, function: leaf)
ad.deflinear2(_forward_only, _refused)
batching.defvectorized(_forward_only)
mlir.register_lowering(_forward_only, lambda context, leaf, function: [leaf])
