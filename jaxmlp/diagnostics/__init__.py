"""What happens inside of a network and in training: pure functions, for use under `jax.jit` and `jax.vmap`.

signals    error signals, dead units, gradient norms by layer
landscape  gradient norms, sharpness, lengths of steps
steps      an optimizer that measures its steps
"""

from jaxmlp.diagnostics.landscape import distance, gradient_norm, norm, recorded, sharpness, update_ratio
from jaxmlp.diagnostics.signals import dead_units, error_signals, layer_gradient_norms, pre_activations
from jaxmlp.diagnostics.steps import measured

__all__ = [
    "dead_units",
    "distance",
    "error_signals",
    "gradient_norm",
    "layer_gradient_norms",
    "measured",
    "norm",
    "pre_activations",
    "recorded",
    "sharpness",
    "update_ratio",
]
