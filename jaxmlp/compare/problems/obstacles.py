"""Digits with an obstacle: a deep narrow network that starts badly, and labels that are wrong."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

import jaxmlp
from jaxmlp.compare.problems.networks import network
from jaxmlp.compare.problems.problem import Problem

_WRONG = 0.4


def deep_narrow(hidden: Sequence[int] = (16,) * 10) -> Problem:
    """Ten hidden layers of 16 tanh units, with weights from U(-1/sqrt(n), 1/sqrt(n)) for n inputs of a unit.

    Signals shrink by a factor of about 0.58 per layer, forward and backward, so that all gradients but those of the
    last biases are close to 0 until an optimizer rescales them. It was the usual initialization until Glorot & Bengio
    2010, "Understanding the difficulty of training deep feedforward neural networks",
    https://proceedings.mlr.press/v9/glorot10a.html, eq. 1.
    """
    shrinking = jax.nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")
    learner = {"activation": "tanh", "weight_init": shrinking}
    about = "digits, a deep narrow network with small initial weights"
    return network("deep_narrow", about, jaxmlp.load("digits"), hidden, epochs=30, target=0.6, learner=learner)


def wrong_labels(hidden: Sequence[int] = (128,)) -> Problem:
    """Digits of whose training labels 40 % are wrong; validation and test labels are right.

    The wrong labels can be memorized, which costs accuracy, and the score is that of the last epoch: an optimizer must
    learn what is common before it learns the exceptions, or stop short of them.

    Source: Zhang et al. 2017, "Understanding deep learning requires rethinking generalization",
    https://arxiv.org/abs/1611.03530; the fraction is that of Rolnick et al. 2017, "Deep Learning is Robust to Massive
    Label Noise", https://arxiv.org/abs/1705.10694, at the lower end.
    """
    digits = jaxmlp.load("digits")

    def draw(seed: int) -> jaxmlp.Data:
        data = jaxmlp.resplit(digits, seed)
        labels = with_wrong_labels(np.asarray(data.train.targets), 10, np.random.default_rng([seed, 3]))
        return jax.device_put(data._replace(train=data.train._replace(targets=jnp.asarray(labels))))

    about = f"digits, {100 * _WRONG:.0f} % of the training labels wrong"
    return network("wrong_labels", about, draw(0), hidden, epochs=30, target=0.9, keep="last", draw=draw)


def with_wrong_labels(labels: np.ndarray, classes: int, random: np.random.Generator) -> np.ndarray:
    """The labels, of which a fixed number is replaced by other classes, drawn uniformly."""
    wrong = random.choice(len(labels), round(_WRONG * len(labels)), replace=False)
    changed = labels.copy()
    changed[wrong] = (labels[wrong] + random.integers(1, classes, len(wrong))) % classes
    return changed
