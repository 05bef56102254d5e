"""scikit-learn's MLPClassifier; seeds run in two processes of one thread each.

For two classes it has a single logistic output: slightly less work, and losses that cannot be compared step by step.
"""

import multiprocessing
import warnings
from concurrent.futures import ProcessPoolExecutor
from functools import cache

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

from benchmarks.tasks import BATCHES, LEARNING_RATE, made_data, made_order, made_params

PROCESSES = 2


def classifier(task, **options):
    return MLPClassifier(
        task.sizes[1:-1], alpha=0, batch_size=task.batch, learning_rate_init=LEARNING_RATE, shuffle=True, **options
    )


def train(task, epochs, seed):
    """One training, with validation after each epoch."""
    (inputs, labels), validation = made_data(task)
    classes, rows = np.arange(task.sizes[-1]), task.steps * task.batch
    with warnings.catch_warnings(), threadpool_limits(None if seed is None else 1):
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = classifier(task, random_state=seed)
        for _ in range(epochs):
            model.partial_fit(inputs[:rows], labels[:rows], classes=classes)
            model.score(*validation)


@cache
def pool():
    """The worker processes, started once."""
    return ProcessPoolExecutor(PROCESSES, multiprocessing.get_context("spawn"))


class ScikitLearn:
    def __init__(self, task):
        self.task = task
        self.train, _ = made_data(task)
        self.model = self.fresh()

    def fresh(self):
        """A model with the common initial weights and a fresh optimizer."""
        model = classifier(self.task, random_state=0)
        order = made_order(self.task, 1)
        model.partial_fit(self.train[0][order[0]], self.train[1][order[0]], classes=np.arange(self.task.sizes[-1]))
        if self.task.sizes[-1] == 2:
            return model
        params = made_params(self.task)
        model.coefs_, model.intercepts_ = [layer["w"] for layer in params], [layer["b"] for layer in params]
        del model._optimizer
        return model

    def losses(self, order):
        if self.task.sizes[-1] == 2:
            return None
        model, losses = self.fresh(), []
        for rows in order:
            model.partial_fit(self.train[0][rows], self.train[1][rows])
            losses.append(float(model.loss_))
        return losses

    def step(self, count):
        for rows in made_order(self.task, BATCHES)[np.arange(count) % BATCHES]:
            self.model.partial_fit(self.train[0][rows], self.train[1][rows])

    def run(self, epochs):
        train(self.task, epochs, None)

    def seeds(self, count, epochs):
        list(pool().map(train, [self.task] * count, [epochs] * count, range(count)))
