"""jaxmlp, as its README says."""

import jax
import numpy as np

import jaxmlp
from benchmarks.peers.jax_loop import ready_batches
from benchmarks.tasks import LEARNING_RATE, made_data, made_params

jaxmlp.use_cpu_devices()


class Jaxmlp:
    def __init__(self, task):
        self.task = task
        train, validation = (jaxmlp.Batch(*part) for part in made_data(task))
        self.data = jax.device_put(jaxmlp.Data(train, validation, validation))
        self.learner = self.recipe(LEARNING_RATE)
        self.train_step = jaxmlp.make_train_step(self.loss_fn, self.learner.optimizer)
        self.batches = [jaxmlp.Batch(*batch) for batch in ready_batches(task)]
        self.state = self.fresh()

    def recipe(self, learning_rate):
        optimizer = jaxmlp.adam(learning_rate)
        return jaxmlp.classifier(self.task.sizes, optimizer=optimizer, dropout_rate=self.task.dropout)

    def loss_fn(self, params, batch, key):
        """As in the README; like the peers', without the accuracy that a classifier reports."""
        rate = self.task.dropout
        logits = jaxmlp.apply(params, batch.inputs, dropout_rate=rate, key=None if rate is None else key)
        return jaxmlp.cross_entropy(logits, batch.targets)

    def fresh(self):
        params = jax.tree.map(jax.numpy.asarray, made_params(self.task))
        return jaxmlp.init_state(params, self.learner.optimizer, jax.random.key(0))

    def losses(self, order):
        state, losses = self.fresh(), []
        for rows in order:
            state, metrics = self.train_step(state, jax.tree.map(lambda array: array[rows], self.data.train))  # noqa: B023
            losses.append(float(metrics["loss"]))
        return losses

    def step(self, count):
        state, batches = self.state, self.batches
        for number in range(count):
            state, _ = self.train_step(state, batches[number % len(batches)])
        self.state = jax.block_until_ready(state)

    def run(self, epochs):
        key = jax.random.key(0)
        jax.block_until_ready(jaxmlp.fit(key, self.learner, self.data, epochs=epochs, batch_size=self.task.batch))

    def seeds(self, count, epochs):
        options = {"epochs": epochs, "batch_size": self.task.batch, "learning_rate": [LEARNING_RATE]}
        study = jaxmlp.train_many(self.recipe, self.data, seeds=count, progress=False, **options)
        return np.asarray(study.done)
