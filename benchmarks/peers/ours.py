"""jaxmlp, used as in its README."""

from functools import partial

import jax
import jax.numpy as jnp

import jaxmlp
from benchmarks.peers.jax_loop import ready_batches
from benchmarks.tasks import LEARNING_RATE, made_data, made_params

# The precision of float32 products by its name in JAX; the learner itself requests bfloat16 products.
PRECISIONS = {"float32": "highest", "tf32": "tensorfloat32", "bfloat16": "default"}


class Jaxmlp:
    devices = None

    def __init__(self, task):
        jaxmlp.use_cpu_devices(self.devices)
        self.task = task
        train, validation = (jaxmlp.Batch(*part) for part in made_data(task))
        self.data = jax.device_put(jaxmlp.Data(train, validation, validation))
        self.learner = recipe(LEARNING_RATE, task)
        self.recipes = {name: partial(recipe, task=task, precision=name) for name in PRECISIONS}
        self.train_step = jaxmlp.make_train_step(self.loss_fn, self.learner.optimizer)
        self.batches = [jaxmlp.Batch(*batch) for batch in ready_batches(task)]
        self.state = self.fresh()

    def loss_fn(self, params, batch, key):
        """The loss of the README; like the peers, without the accuracy that a classifier reports."""
        rate = self.task.dropout
        logits = jaxmlp.apply(params, batch.inputs, dropout_rate=rate, key=None if rate is None else key)
        return jaxmlp.cross_entropy(logits, batch.targets)

    def fresh(self):
        params = jax.tree.map(jnp.asarray, made_params(self.task))
        return jaxmlp.init_state(params, self.learner.optimizer, jax.random.key(0))

    def losses(self, order):
        state, losses = self.fresh(), []
        for rows in order:
            batch = jaxmlp.Batch(self.data.train.inputs[rows], self.data.train.targets[rows])
            state, metrics = self.train_step(state, batch)
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

    def seeds(self, count, epochs, precision="float32"):
        options = {"epochs": epochs, "batch_size": self.task.batch, "learning_rate": [LEARNING_RATE]}
        with jax.default_matmul_precision(PRECISIONS[precision]):
            jaxmlp.train_many(self.recipes[precision], self.data, seeds=count, progress=False, **options)

    def shuffle(self, count):
        """The orders of `count` epochs, in one compiled loop as in a run."""
        jax.block_until_ready(_orders(jax.random.key(0), jaxmlp.epoch_order, self.task.rows, count))

    def permutation(self, count):
        """The same by `jax.random.permutation`, for comparison."""
        jax.block_until_ready(_orders(jax.random.key(0), jax.random.permutation, self.task.rows, count))


def recipe(learning_rate, task, precision="float32"):
    dtype = jnp.bfloat16 if precision == "bfloat16" else None
    optimizer = jaxmlp.adam(learning_rate)
    return jaxmlp.classifier(task.sizes, optimizer=optimizer, dropout_rate=task.dropout, dtype=dtype)


@partial(jax.jit, static_argnums=(1, 2, 3))
def _orders(key, order, rows, count):
    return jax.lax.map(lambda key: order(key, rows), jax.random.split(key, count))


class JaxmlpOneDevice(Jaxmlp):
    devices = 1
