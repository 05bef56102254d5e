"""A problem: everything about a task but the optimizer."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

import jaxmlp


class Problem(NamedTuple):
    """A task on which optimizers are compared: data, network, loss, budget, target and metric.

    - `data`: a `jaxmlp.Data`. Learning rates are chosen on its validation rows; its test rows give the score, once.
    - `learner(optimizer)`: a `jaxmlp.Learner`, such as `jaxmlp.classifier(sizes, optimizer=optimizer)`.
    - `epochs`, `batch_size`: the budget of each run; batch_size None: 64, or all rows where there are fewer.
    - `metric`, `mode`: what is scored, a name that the learner evaluates, and whether `max` or `min` of it is good.
    - `target`: the value of the metric whose epoch is the time to target, on the rows of the learning curves.
    - `tune_on`: the validation metric that chooses the learning rate; None: `loss` with `keep` best, else the metric.
    - `keep`: `best`: a run keeps its best epoch by validation loss; `last`: it is scored at its last epoch.
    - `refit`: fresh runs train on training and validation rows together. Their learning curves show the test rows,
      by which nothing is chosen; so `keep` must be `last`.

    >>> import jaxmlp
    >>> moons = Problem(
    ...     "moons", "Two half-moons", jaxmlp.load("moons"),
    ...     lambda optimizer: jaxmlp.classifier((2, 16, 2), optimizer=optimizer), epochs=20, target=0.9,
    ... )
    >>> moons.steps_per_epoch
    10
    """

    name: str
    about: str
    data: jaxmlp.Data
    learner: Callable[[Any], Any]
    epochs: int
    target: float
    batch_size: int | None = None
    metric: str = "accuracy"
    mode: str = "max"
    tune_on: str | None = None
    keep: str = "best"
    refit: bool = False

    @property
    def tuned_on(self):
        """The validation metric that chooses the learning rate."""
        return self.tune_on or ("loss" if self.keep == "best" else self.metric)

    @property
    def tuned_mode(self):
        """Whether less or more of it is good."""
        return self.mode if self.tuned_on == self.metric else "min" if self.tuned_on == "loss" else "max"

    @property
    def fresh_data(self):
        """What fresh runs see."""
        return refitted(self.data) if self.refit else self.data

    @property
    def steps_per_epoch(self):
        """Updates an epoch of a fresh run."""
        rows = len(jax.tree.leaves(self.fresh_data.train)[0])
        return rows // (self.batch_size or min(64, rows))

    @property
    def curves_on(self):
        """The rows that learning curves and times to target are measured on."""
        return "test" if self.refit else "validation"

    @property
    def label(self):
        """The metric in a reader's words."""
        return {"r2": "R²"}.get(self.metric, self.metric)

    def written(self, score):
        """A score in a table: accuracies in per cent, and between 0 and 100 where an interval goes beyond."""
        return f"{100 * min(max(score, 0), 1):.2f}" if self.metric == "accuracy" else f"{score:.4g}"

    def untrained(self, metric=None, split="test"):
        """The score, or another metric, of a network that has learned nothing: what a run that diverged counts as."""
        learner = self.learner(jaxmlp.gd(0.0))
        params = learner.init(jax.random.key(0))
        return float(learner.evaluate(params, getattr(self.data, split))[metric or self.metric])


def refitted(data):
    """Training and validation rows as one; the test rows in place of the validation rows."""
    train = jax.tree.map(lambda *arrays: jnp.concatenate(arrays), data.train, data.validation)
    return jaxmlp.Data(train, data.test, data.test)
