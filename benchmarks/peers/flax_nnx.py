"""flax nnx, split and jitted: module and optimizer are passed as a state, as its performance guide recommends."""

import itertools
from functools import partial

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from benchmarks.peers.jax_loop import JaxLoop
from benchmarks.tasks import LEARNING_RATE, made_params


class Network(nnx.Module):
    def __init__(self, sizes, dropout, rngs):
        pairs = itertools.pairwise(sizes)
        self.layers = nnx.List([nnx.Linear(a, b, rngs=rngs) for a, b in pairs])
        self.dropout = None if dropout is None else nnx.Dropout(dropout, rngs=rngs)

    def __call__(self, inputs):
        for layer in self.layers[:-1]:
            inputs = nnx.relu(layer(inputs))
            inputs = inputs if self.dropout is None else self.dropout(inputs)
        return self.layers[-1](inputs)


def cross_entropy(model, inputs, labels):
    return optax.softmax_cross_entropy_with_integer_labels(model(inputs), labels).mean()


class FlaxNnx(JaxLoop):
    def set_up(self):
        graph, _ = self.split()

        @partial(jax.jit, donate_argnums=0)
        def train_step(state, inputs, labels):
            model, optimizer = nnx.merge(graph, state)
            loss, grads = nnx.value_and_grad(cross_entropy)(model, inputs, labels)
            optimizer.update(model, grads)
            return nnx.state((model, optimizer)), loss

        @jax.jit
        def evaluate(state, inputs, labels):
            model, _ = nnx.merge(graph, state)
            model.eval()
            return cross_entropy(model, inputs, labels)

        self.train_step, self.evaluate = train_step, evaluate

    def split(self):
        model = Network(self.task.sizes, self.task.dropout, nnx.Rngs(0))
        for layer, values in zip(model.layers, made_params(self.task), strict=True):
            layer.kernel.value, layer.bias.value = jnp.asarray(values["w"]), jnp.asarray(values["b"])
        return nnx.split((model, nnx.Optimizer(model, optax.adam(LEARNING_RATE), wrt=nnx.Param)))

    def fresh(self):
        return self.split()[1]
