"""Do the same optimizers also train a network that learns by reward?

Reinforcement learning: a policy network 4-32-2 balances a pole on a cart (Barto, Sutton & Anderson 1983, with the
constants of OpenAI's CartPole-v0: 200 steps of 0.02 s). Its loss is that of the policy gradient (REINFORCE, Williams
1992): -log pi(action | state) times the standardized return from that state on, over 16 episodes per update. The
environment is pure JAX and part of the loss, and the start states are the data, so that training needs no change. The
course: besides supervised and unsupervised learning there is learning by reward, with the same networks and optimizers.
"""

from functools import partial

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from jax.tree_util import Partial

import jaxmlp
from experiments import verdicts
from experiments.experiment import Finding
from experiments.figures import BAND, INK, LOOK, STYLES, color_of, panel

OPTIMIZERS = {"momentum": (jaxmlp.momentum, 0.1), "RMSProp": (jaxmlp.rmsprop, 0.01), "Adam": (jaxmlp.adam, 0.01)}
SIZES = (4, 32, 2)
STEPS, EPISODES = 200, 16
DISCOUNT = 0.99
GRAVITY, CART, POLE, HALF_LENGTH, FORCE, SECONDS = 9.8, 1.0, 0.1, 0.5, 10.0, 0.02
LIMITS = 2.4, 12 * np.pi / 180  # meters from the middle, radians from the upright
SOLVED = 195


def run(seeds=20, epochs=150, optimizers=OPTIMIZERS):
    starts = np.random.default_rng(0).uniform(-0.05, 0.05, (3, EPISODES, SIZES[0])).astype(np.float32)
    train_starts, validation, test = (jaxmlp.Batch(part, np.zeros(EPISODES, np.int32)) for part in starts)
    data = jaxmlp.Data(train_starts, validation, test)
    keys = jax.vmap(jax.random.key)(jnp.arange(seeds))
    results = {name: train(keys, policy(make(rate)), data, epochs) for name, (make, rate) in optimizers.items()}
    curves = {name: np.asarray(result.history["train_seconds"]) for name, (result, _) in results.items()}
    tests = {name: np.asarray(balanced) for name, (_, balanced) in results.items()}
    return Finding(judge(curves, tests), {"seconds_balanced_on_test": tests}, {"cartpole": draw(curves)})


def policy(optimizer):
    return jaxmlp.Learner(Partial(start), Partial(loss), Partial(evaluate), optimizer)


def start(key):
    return jaxmlp.init(key, SIZES)


@partial(jax.jit, static_argnames="epochs")
def train(keys, learner, data, epochs):
    """Trains all seeds at once: (results, seconds that the trained policies balance from new starts)."""

    def one(key):
        result = jaxmlp.fit(key, learner, data, epochs=epochs)
        return result, evaluate(result.params, data.test)["seconds"]

    return jax.vmap(one)(keys)


def loss(params, batch, key):
    """The policy gradient loss: actions followed by more reward than average become more likely."""
    noise = jax.random.uniform(key, (STEPS, len(batch.inputs)))
    states, rights, alive = jax.lax.stop_gradient(play(params, batch.inputs, noise))
    ahead = jnp.arange(STEPS)[None, :] - jnp.arange(STEPS)[:, None]
    returns = jnp.where(ahead >= 0, DISCOUNT ** jnp.maximum(ahead, 0).astype(jnp.float32), 0) @ alive
    count = jnp.sum(alive)
    centerd = (returns - jnp.sum(returns * alive) / count) * alive
    advantage = centerd / (jnp.sqrt(jnp.sum(jnp.square(centerd)) / count) + 1e-6)
    log_policy = jax.nn.log_softmax(jaxmlp.apply(params, states))
    chosen = jnp.where(rights, log_policy[..., 1], log_policy[..., 0])
    return -jnp.sum(chosen * advantage) / count, {"seconds": seconds_of(alive)}


def evaluate(params, batch):
    """The score of the greedy policy, which always takes the more likely action."""
    _, _, alive = play(params, batch.inputs, jnp.full((STEPS, len(batch.inputs)), 0.5))
    return {"loss": -seconds_of(alive), "seconds": seconds_of(alive)}


def seconds_of(alive):
    return SECONDS * jnp.mean(jnp.sum(alive, axis=0))


def play(params, starts, noise):
    """Plays episodes side by side: states (steps, episodes, 4), whether to push right, and 1.0 while the pole is up."""

    def step(carry, noise):
        state, alive = carry
        logits = jaxmlp.apply(params, state)
        right = noise < jax.nn.sigmoid(logits[:, 1] - logits[:, 0])
        after = move(state, jnp.where(right, FORCE, -FORCE))
        upright = (jnp.abs(after[:, 0]) < LIMITS[0]) & (jnp.abs(after[:, 2]) < LIMITS[1])
        return (after, jnp.where(upright, alive, 0)), (state, right, alive)

    return jax.lax.scan(step, (starts, jnp.ones(len(starts))), noise)[1]


def move(state, force):
    """One Euler step of cart and pole: position, velocity, angle, angular velocity."""
    x, v, angle, spin = state.T
    sine, cosine, mass = jnp.sin(angle), jnp.cos(angle), CART + POLE
    push = (force + POLE * HALF_LENGTH * spin**2 * sine) / mass
    turn = (GRAVITY * sine - cosine * push) / (HALF_LENGTH * (4 / 3 - POLE * cosine**2 / mass))
    pull = push - POLE * HALF_LENGTH * turn * cosine / mass
    return jnp.stack([x + SECONDS * v, v + SECONDS * pull, angle + SECONDS * spin, spin + SECONDS * turn], axis=1)


def judge(curves, tests):
    first = next(iter(curves.values()))[:, 0]  # equal for all optimizers: same seeds, same weights
    untrained = verdicts.mean("before training the pole falls within a second", first, at_most=1, unit=" s")
    claim = "{} learns to balance to the end of an episode on most seeds"
    return [untrained] + [
        verdicts.share(claim.format(name), seconds >= SECONDS * SOLVED, at_least=0.5) for name, seconds in tests.items()
    ]


def draw(curves):
    seeds = len(next(iter(curves.values())))
    with plt.rc_context(LOOK):
        figure, axis = panel("Time until the pole falls", BAND.format(seeds), height=3.3)
        for (name, curve), style in zip(curves.items(), STYLES, strict=False):
            low, middle, high = np.quantile(curve, (0.1, 0.5, 0.9), axis=0)
            steps = np.arange(1, len(middle) + 1)
            axis.plot(steps, middle, color=color_of(name), linestyle=style, linewidth=1.8, label=name)
            axis.fill_between(steps, low, high, color=color_of(name), alpha=0.15, linewidth=0)
        axis.axhline(SECONDS * STEPS, color=INK, linewidth=1)
        axis.text(1, SECONDS * STEPS + 0.04, "end of an episode", va="bottom")
        axis.set(xlabel=f"updates, {EPISODES} episodes each", ylabel="time until the pole falls, s", ylim=(0, 4.5))
        axis.set_yticks(range(5))  # chosen by Matplotlib, their labels would change after the layout is made
        axis.legend(loc="lower right")
    return figure
