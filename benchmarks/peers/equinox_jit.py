"""equinox: the arrays of a module are the state; its structure is bound into the jitted step."""

import itertools
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import optax

from benchmarks.peers.jax_loop import JaxLoop
from benchmarks.tasks import LEARNING_RATE, made_params


class Network(eqx.Module):
    layers: list

    def __init__(self, sizes, key):
        self.layers = [eqx.nn.Linear(a, b, key=key) for a, b in itertools.pairwise(sizes)]

    def __call__(self, inputs):
        for layer in self.layers[:-1]:
            inputs = jax.nn.relu(layer(inputs))
        return self.layers[-1](inputs)


class Equinox(JaxLoop):
    def set_up(self):
        optimizer = self.optimizer = optax.adam(LEARNING_RATE)
        _, structure = self.split()

        def loss_fn(arrays, inputs, labels):
            logits = jax.vmap(eqx.combine(arrays, structure))(inputs)
            return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

        @partial(jax.jit, donate_argnums=0)
        def train_step(state, inputs, labels):
            arrays, opt_state = state
            loss, grads = jax.value_and_grad(loss_fn)(arrays, inputs, labels)
            updates, opt_state = optimizer.update(grads, opt_state)
            return (eqx.apply_updates(arrays, updates), opt_state), loss

        self.train_step = train_step
        self.evaluate = jax.jit(lambda state, inputs, labels: loss_fn(state[0], inputs, labels))

    def split(self):
        model = Network(self.task.sizes, jax.random.key(0))
        values = [jnp.asarray(value) for layer in made_params(self.task) for value in (layer["w"].T, layer["b"])]
        model = eqx.tree_at(lambda m: [leaf for one in m.layers for leaf in (one.weight, one.bias)], model, values)
        return eqx.partition(model, eqx.is_array)

    def fresh(self):
        arrays, _ = self.split()
        return arrays, self.optimizer.init(arrays)
