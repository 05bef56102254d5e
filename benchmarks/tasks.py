"""The work that is timed: four networks, their data and initial weights, identical in every process."""

import itertools
from typing import NamedTuple

import numpy as np

LEARNING_RATE = 1e-3
OPTIMIZERS = (
    *("gd", "momentum", "nesterov", "adagrad", "rmsprop", "adadelta", "adam"),
    *("nadam", "adamw", "amsgrad", "radam", "adamax", "lion"),
)
BATCHES = 16  # prepared for timing single steps


class Task(NamedTuple):
    """One network and its training: cross-entropy, Adam at 1e-3, float32, ReLU, validation after every epoch.

    Attributes:
      sizes: units of each layer, inputs and outputs included.
      batch: rows per step.
      rows: training rows.
      validation_rows: validation rows.
      dropout: dropout rate, or None.
    """

    sizes: tuple[int, ...]
    batch: int
    rows: int
    validation_rows: int = 256
    dropout: float | None = None

    @property
    def name(self):
        return "-".join(map(str, self.sizes))

    @property
    def steps(self):
        """Steps per epoch."""
        return self.rows // self.batch

    @property
    def operations(self):
        """Multiplications and additions in the matrix products of a step: forward, weight gradients, error signals."""
        pairs = list(itertools.pairwise(self.sizes))
        return 2 * self.batch * (2 * sum(a * b for a, b in pairs) + sum(a * b for a, b in pairs[1:]))

    @property
    def least_bytes(self):
        """Bytes that a step of Adam must move: parameters and two moments read and written, gradients, the batch."""
        parameters = sum(a * b + b for a, b in itertools.pairwise(self.sizes))
        return 4 * (7 * parameters + self.batch * (self.sizes[0] + 1))


NETWORKS = (
    Task((2, 64, 64, 2), 32, 2_048),
    Task((64, 128, 10), 64, 1_280),
    Task((784, 128, 10), 128, 12_800),
    Task((784, 1000, 1000, 10), 128, 2_560),
)


def made_data(task):
    """((inputs, labels) for training, (inputs, labels) for validation): normal inputs, labels by random planes."""
    rng = np.random.default_rng(0)
    inputs = rng.standard_normal((task.rows + task.validation_rows, task.sizes[0]), np.float32)
    labels = (inputs @ rng.standard_normal((task.sizes[0], task.sizes[-1]))).argmax(axis=1).astype(np.int32)
    return (inputs[: task.rows], labels[: task.rows]), (inputs[task.rows :], labels[task.rows :])


def made_params(task):
    """Initial weights (He et al. 2015) and zero biases: a list of `{"w": (in, out), "b": (out,)}` in NumPy."""
    rng = np.random.default_rng(1)
    return [
        {"w": (rng.standard_normal((a, b)) * np.sqrt(2 / a)).astype(np.float32), "b": np.zeros(b, np.float32)}
        for a, b in itertools.pairwise(task.sizes)
    ]


def made_order(task, steps):
    """The rows of each of the first steps, (steps, batch)."""
    rng = np.random.default_rng(2)
    epochs = -(-steps // task.steps)
    orders = [rng.permutation(task.rows)[: task.steps * task.batch] for _ in range(epochs)]
    return np.concatenate(orders).reshape(-1, task.batch)[:steps]
