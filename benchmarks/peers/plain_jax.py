"""Plain JAX with optax: a jitted step in a loop, and a complete run as one scan, over seeds by vmap."""

import os
from typing import Any

import jax
import jax.numpy as jnp
import optax

from benchmarks.peers.jax_loop import JaxLoop, forward
from benchmarks.tasks import LEARNING_RATE, made_params


class Optax(JaxLoop):
    def set_up(self):
        optimizer = optax.adam(LEARNING_RATE)
        dropout = self.task.dropout

        def loss_fn(params, inputs, labels, key=None):
            logits = forward(params, inputs, None if key is None else dropout, key)
            return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

        def one_step(state, inputs, labels):
            params, opt_state, key = state
            key, mask_key = (key, None) if dropout is None else jax.random.split(key)
            loss, grads = jax.value_and_grad(loss_fn)(params, inputs, labels, mask_key)
            updates, opt_state = optimizer.update(grads, opt_state)
            return (optax.apply_updates(params, updates), opt_state, key), loss

        self.loss_fn, self.one_step, self.optimizer = loss_fn, one_step, optimizer
        self.train_step = jax.jit(one_step, donate_argnums=0)
        self.evaluate = jax.jit(lambda state, inputs, labels: loss_fn(state[0], inputs, labels))

    def fresh(self):
        params = jax.tree.map(jnp.asarray, made_params(self.task))
        return params, self.optimizer.init(params), None if self.task.dropout is None else jax.random.key(0)


class OptaxScan(Optax):
    """`jit(scan)`, and `jit(vmap(scan))` for seeds, as one writes it by hand."""

    def set_up(self):
        super().set_up()
        self.whole = jax.jit(self.training, static_argnums=1)
        self.many = jax.jit(
            lambda keys, epochs: jax.vmap(lambda key: self.training(key, epochs))(keys), static_argnums=1
        )
        self.on_device_train = jax.device_put(self.train)

    def training(self, key, epochs):
        inputs, labels = self.on_device_train
        init_key, key = jax.random.split(key)
        params = self.init(init_key)
        state = params, self.optimizer.init(params), None if self.task.dropout is None else key

        def step(state, rows):
            return self.one_step(state, inputs[rows], labels[rows])

        def epoch(state, key):
            order = jax.random.permutation(key, len(labels))[: self.task.steps * self.task.batch]
            state, losses = jax.lax.scan(step, state, order.reshape(self.task.steps, self.task.batch))
            return state, (losses.mean(), self.loss_fn(state[0], *self.on_device))

        return jax.lax.scan(epoch, state, jax.random.split(key, epochs))

    def init(self, key):
        keys = jax.random.split(key, len(self.task.sizes) - 1)
        shapes = zip(self.task.sizes, self.task.sizes[1:], strict=False)
        return [
            {"w": jax.random.normal(key, (a, b)) * jnp.sqrt(2 / a), "b": jnp.zeros(b)}
            for key, (a, b) in zip(keys, shapes, strict=True)
        ]

    def run(self, epochs):
        jax.block_until_ready(self.whole(jax.random.key(0), epochs))

    def seeds(self, count, epochs):
        jax.block_until_ready(self.many(jax.vmap(jax.random.key)(jnp.arange(count)), epochs))


class OptaxSharded(OptaxScan):
    """The same with the seeds sharded over one device per core, as an expert would do on a CPU."""

    run: Any = None  # sharding is for seeds only
    step: Any = None

    def __init__(self, task):
        jax.config.update("jax_num_cpu_devices", os.cpu_count())
        super().__init__(task)

    def set_up(self):
        super().set_up()
        mesh = jax.make_mesh((jax.local_device_count(),), ("seeds",), axis_types=(jax.sharding.AxisType.Auto,))
        split, everywhere = (jax.NamedSharding(mesh, jax.P(*axes)) for axes in (("seeds",), ()))
        self.on_device_train, self.on_device = jax.device_put((self.train, self.validation), everywhere)
        whole = jax.vmap(self.training, in_axes=(0, None))
        self.many = jax.jit(whole, static_argnums=1, in_shardings=split, out_shardings=split)
