"""One update of each optimizer in jaxmlp and in optax, on the parameters of a network."""

import jax
import jax.numpy as jnp
import optax

import jaxmlp
from benchmarks.tasks import made_params

PAIRS = {
    "gd": {"jaxmlp": lambda: jaxmlp.gd(0.1), "optax": lambda: optax.sgd(0.1)},
    "momentum": {"jaxmlp": lambda: jaxmlp.momentum(0.1, 0.9), "optax": lambda: optax.sgd(0.1, 0.9)},
    "nesterov": {"jaxmlp": lambda: jaxmlp.nesterov(0.1, 0.9), "optax": lambda: optax.sgd(0.1, 0.9, nesterov=True)},
    "adagrad": {"jaxmlp": lambda: jaxmlp.adagrad(0.1), "optax": lambda: optax.adagrad(0.1)},
    "rmsprop": {"jaxmlp": lambda: jaxmlp.rmsprop(1e-3), "optax": lambda: optax.rmsprop(1e-3)},
    "adadelta": {"jaxmlp": lambda: jaxmlp.adadelta(1.0), "optax": lambda: optax.adadelta(1.0)},
    "adam": {"jaxmlp": lambda: jaxmlp.adam(1e-3), "optax": lambda: optax.adam(1e-3)},
    "nadam": {"jaxmlp": lambda: jaxmlp.nadam(1e-3), "optax": lambda: optax.nadam(1e-3)},
    "adamw": {"jaxmlp": lambda: jaxmlp.adamw(1e-3), "optax": lambda: optax.adamw(1e-3)},
    "amsgrad": {"jaxmlp": lambda: jaxmlp.amsgrad(1e-3), "optax": lambda: optax.amsgrad(1e-3)},
    "radam": {"jaxmlp": lambda: jaxmlp.radam(1e-3), "optax": lambda: optax.radam(1e-3)},
    "adamax": {"jaxmlp": lambda: jaxmlp.adamax(1e-3), "optax": lambda: optax.adamax(1e-3)},
    "lion": {"jaxmlp": lambda: jaxmlp.lion(1e-4), "optax": lambda: optax.lion(1e-4)},
}


class Updates:
    def __init__(self, task):
        self.params = jax.tree.map(jnp.asarray, made_params(task))
        self.grads = jax.tree.map(lambda leaf: leaf * 0.01 + 1e-3, self.params)
        self.running = {}

    def update(self, name, whose, count):
        """`count` updates, applied to the parameters; jitted with donated state on both sides."""
        step, state = self.running.get((name, whose)) or self.begin(name, whose)
        for _ in range(count):
            state = step(self.grads, *state)
        self.running[name, whose] = step, jax.block_until_ready(state)

    def begin(self, name, whose):
        optimizer = PAIRS[name][whose]()

        def step(grads, params, state):
            updates, state = optimizer.update(grads, state, params)
            return optax.apply_updates(params, updates), state

        copied = jax.tree.map(jnp.copy, self.params)
        return jax.jit(step, donate_argnums=(1, 2)), (copied, optimizer.init(copied))
