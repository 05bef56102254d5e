"""Shared by the peers on JAX: the idiomatic loop around a jitted step with donated state."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.tasks import BATCHES, made_data, made_order


def ready_batches(task):
    """Batches on the device, (inputs, labels) each."""
    (inputs, labels), _ = made_data(task)
    return [jax.device_put((inputs[rows], labels[rows])) for rows in made_order(task, BATCHES)]


class JaxLoop:
    """A loop around a step.

    A peer defines `fresh() -> state` and, jitted, `train_step(state, inputs, labels) -> (state, loss)` and
    `evaluate(state, inputs, labels) -> loss`.
    """

    def __init__(self, task):
        self.task = task
        self.train, self.validation = made_data(task)
        self.on_device = jax.device_put(self.validation)
        self.batches = ready_batches(task)
        self.set_up()
        self.state = self.fresh()

    def set_up(self):
        raise NotImplementedError

    def losses(self, order):
        state, losses = self.fresh(), []
        for rows in order:
            state, loss = self.train_step(state, self.train[0][rows], self.train[1][rows])
            losses.append(float(loss))
        return losses

    def step(self, count):
        state = self.state
        for inputs, labels in itertools.islice(itertools.cycle(self.batches), count):
            state, _ = self.train_step(state, inputs, labels)
        self.state = jax.block_until_ready(state)

    def run(self, epochs):
        """Shuffles on the host, where slices of NumPy arrays are cheapest; losses stay on the device until the end."""
        state, rng, seen = self.fresh(), np.random.default_rng(0), []
        inputs, labels = self.train
        for _ in range(epochs):
            order = rng.permutation(len(labels))
            for start in range(0, self.task.steps * self.task.batch, self.task.batch):
                rows = order[start : start + self.task.batch]
                state, _ = self.train_step(state, inputs[rows], labels[rows])
            seen.append(self.evaluate(state, *self.on_device))
        jax.block_until_ready((state, seen))


def forward(params, inputs, dropout=None, key=None):
    """The network in plain JAX: ReLU between the layers, `jax.random.bernoulli` for dropout."""
    for number, layer in enumerate(params[:-1]):
        inputs = jax.nn.relu(inputs @ layer["w"] + layer["b"])
        if dropout is not None:
            keep = jax.random.bernoulli(jax.random.fold_in(key, number), 1 - dropout, inputs.shape)
            inputs = jnp.where(keep, inputs / (1 - dropout), 0)
    return inputs @ params[-1]["w"] + params[-1]["b"]
