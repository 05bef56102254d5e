"""What an optimizer measures: metrics of the last step that its state carries, for the history of a run."""

from typing import Any

import jax

from jaxmlp.checks import require
from jaxmlp.types import Array, PyTree


def state_metrics(function: str, opt_state: PyTree) -> dict[str, Array]:
    """The metrics that the state of an optimizer declares: those of every node with a method `step_metrics()`.

    Args:
      function: the public function that runs it, for error texts.
      opt_state: the state after a step.

    Returns:
      {name: scalar}; empty for a state that declares none.

    Raises:
      ValueError: if two nodes declare a metric of one name.
    """
    found: dict[str, Array] = {}
    for node in jax.tree.leaves(opt_state, is_leaf=_is_measured):
        for name, value in node.step_metrics().items() if _is_measured(node) else ():
            require(name not in found, function, "the optimizer", "measure each metric once", name)
            found[name] = value
    return found


def _is_measured(node: Any) -> bool:
    return callable(getattr(type(node), "step_metrics", None))
