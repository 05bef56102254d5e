"""A problem: everything about a task except the optimizer."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

import jaxmlp


class Problem(NamedTuple):
    """A task on which optimizers are compared.

    Attributes:
      name: what reports call it; unique within a comparison.
      about: what it is, in a few words.
      data: a `jaxmlp.Data`. Hyperparameters are chosen on its validation rows; its test rows give the score, once.
      learner: `learner(optimizer)` returns a `jaxmlp.Learner`, such as `jaxmlp.classifier(sizes, optimizer=optimizer)`;
        if it is a `learner(optimizer, hidden=1.0)`, with hidden layers so many times as wide, their width can be tuned.
      epochs: the budget of each run.
      target: the value of the metric that defines the time to the target, on the rows of the learning curves.
      batch_size: rows per step; None: 64, or all rows if there are fewer.
      metric: the score, a name that the learner evaluates.
      mode: `max` if more of the metric is better, `min` if less is.
      tune_on: the validation metric that chooses the hyperparameters; None: the loss if `keep` is `best`, else
        the metric.
      keep: `best`: a run keeps its best epoch by validation loss; `last`: a run is scored after its last epoch.
      refit: fresh runs train on training and validation rows together. Their learning curves then show the test rows,
        by which nothing is chosen; `keep` must therefore be `last`.
      order: the order of the rows in training, as in `jaxmlp.fit`: "reshuffled", "fixed" or "given".
      draw: `draw(seed)` returns the data of a repetition, of the same shapes, where data are made, as synthetic ones
        are; None: the rows of `data` are split anew (see `jaxmlp.resplit`).
      fixed_test: whether the test rows are prescribed, so that only the other rows are split anew.

    Example:
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
    learner: Callable[..., jaxmlp.Learner]
    epochs: int
    target: float
    batch_size: int | None = None
    metric: str = "accuracy"
    mode: str = "max"
    tune_on: str | None = None
    keep: str = "best"
    refit: bool = False
    order: str = "reshuffled"
    draw: Callable[[int], jaxmlp.Data] | None = None
    fixed_test: bool = False

    def repetition(self, seed: int) -> "Problem":
        """The problem with the data of a repetition: drawn with the seed, or the rows of `data` split anew."""
        if self.draw is not None:
            return self._replace(data=self.draw(seed))
        return self._replace(data=jax.device_put(jaxmlp.resplit(self.data, seed, keep_test=self.fixed_test)))

    @property
    def rows(self) -> tuple[int, int, int]:
        """Rows for training, validation and testing."""
        return len(self.data.train.targets), len(self.data.validation.targets), len(self.data.test.targets)

    def sized(self, batch_size: float = 1.0, hidden: float = 1.0) -> "Problem":
        """The problem with a batch size and a hidden width so many times its own; a batch is of a row at least."""
        found, rows = self, self.rows[0]
        if batch_size != 1.0:
            own = self.batch_size or min(64, rows)
            found = found._replace(batch_size=min(max(round(batch_size * own), 1), rows))
        return found if hidden == 1.0 else found._replace(learner=partial(self.learner, hidden=hidden))

    @property
    def tuned_on(self) -> str:
        """The validation metric that chooses the hyperparameters."""
        return self.tune_on or ("loss" if self.keep == "best" else self.metric)

    @property
    def tuned_mode(self) -> str:
        """`max` if more of that metric is better, `min` if less is."""
        return self.mode if self.tuned_on == self.metric else "min" if self.tuned_on == "loss" else "max"

    @property
    def fresh_data(self) -> jaxmlp.Data:
        """The data of fresh runs."""
        return _refitted(self.data) if self.refit else self.data

    @property
    def steps_per_epoch(self) -> int:
        """Updates per epoch of a fresh run."""
        rows = len(jax.tree.leaves(self.fresh_data.train)[0])
        return rows // (self.batch_size or min(64, rows))

    @property
    def curves_on(self) -> str:
        """The rows on which learning curves and times to the target are measured."""
        return "test" if self.refit else "validation"

    @property
    def label(self) -> str:
        """The metric as a reader knows it."""
        return {"r2": "R²"}.get(self.metric, self.metric.replace("_", " "))

    @property
    def in_percent(self) -> bool:
        """Whether the score is a fraction that is written in percent."""
        return self.metric.endswith("accuracy")

    @property
    def goal(self) -> str:
        """The target as text."""
        return f"{100 * self.target:g} %" if self.in_percent else f"{self.target:g}"

    def written(self, score: float) -> str:
        """A score as text: accuracies in percent, cut to 0 to 100 if an interval goes beyond."""
        return f"{100 * min(max(score, 0), 1):.2f}" if self.in_percent else f"{score:.4g}"

    def untrained(self, metric: str | None = None, split: str = "test") -> float:
        """The score, or another metric, of an untrained network: what a run that diverged counts as."""
        learner = self.learner(jaxmlp.gd(0.0))
        params = learner.init(jax.random.key(0))
        return float(learner.evaluate(params, getattr(self.data, split))[metric or self.metric])


def _refitted(data: jaxmlp.Data) -> jaxmlp.Data:
    """Training and validation rows as one split; the test rows in place of the validation rows."""
    train = jax.tree.map(lambda *arrays: jnp.concatenate(arrays), data.train, data.validation)
    return jaxmlp.Data(train=train, validation=data.test, test=data.test)
