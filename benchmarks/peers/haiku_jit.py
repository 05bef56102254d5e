"""haiku: a transformed function, jitted, with donated state."""

from functools import partial

import haiku as hk
import jax
import jax.numpy as jnp
import optax

from benchmarks.peers.jax_loop import JaxLoop
from benchmarks.tasks import LEARNING_RATE, made_params


class Haiku(JaxLoop):
    def set_up(self):
        network = hk.without_apply_rng(hk.transform(lambda inputs: hk.nets.MLP(self.task.sizes[1:])(inputs)))
        self.network, self.optimizer = network, optax.adam(LEARNING_RATE)

        def loss_fn(params, inputs, labels):
            logits = network.apply(params, inputs)
            return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

        @partial(jax.jit, donate_argnums=0)
        def train_step(state, inputs, labels):
            params, opt_state = state
            loss, grads = jax.value_and_grad(loss_fn)(params, inputs, labels)
            updates, opt_state = self.optimizer.update(grads, opt_state)
            return (optax.apply_updates(params, updates), opt_state), loss

        self.train_step = train_step
        self.evaluate = jax.jit(lambda state, inputs, labels: loss_fn(state[0], inputs, labels))

    def fresh(self):
        made = self.network.init(jax.random.key(0), jnp.zeros((1, self.task.sizes[0])))
        values = [{name: jnp.asarray(value) for name, value in layer.items()} for layer in made_params(self.task)]
        params = dict(zip(made, values, strict=True))
        return params, self.optimizer.init(params)
