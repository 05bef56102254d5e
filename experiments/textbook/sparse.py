"""Do adaptive rates give rare features larger steps, and are rare features learned better for it?

The course says that each weight gets its own rate: small if it moved much, large if it moved little. AdaGrad was made
for sparse data (Duchi, Hazan & Singer 2011): a word that occurs in one of two hundred sentences should not take longer
to learn than common ones. Here 24 features are present in one of 2 to one of 200 rows, as +1 or -1, and linear
regression (no hidden layer) learns their weights, also +1 or -1, from batches of 32 rows.

The own rate of a weight is its path length over the sum of its absolute gradients. The learning rate of each method is
the best of 9 by the mean error of all weights on other seeds.
"""

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import jaxmlp
from experiments import verdicts
from experiments.experiment import Finding
from experiments.figures import LOOK, STYLES, color_of, panel

FREQUENCIES = np.geomspace(0.5, 0.005, 24, dtype=np.float32)
RARE = FREQUENCIES < 0.02
BATCH_SIZE = 32
NOISE = 0.1  # standard deviation of the normal noise of the targets
RATES = np.logspace(-3, 1, 9, dtype=np.float32)
METHODS = {
    "gradient descent": jaxmlp.gd,
    "AdaGrad": jaxmlp.adagrad,
    "RMSProp": jaxmlp.rmsprop,
    "Adam": jaxmlp.adam,
}
ADAPTIVE = tuple(METHODS)[1:]


def run(seeds=40, steps=300):
    truths, batches = make_batches(2 * seeds, steps)
    own_rate, error, rate = {}, {}, {}
    for name, make in METHODS.items():
        every, errors = map(np.asarray, train(make, truths, batches))
        best = np.argmin(np.nan_to_num(errors[seeds:], nan=np.inf).mean(axis=(0, 2)))
        own_rate[name], error[name], rate[name] = every[:seeds, best], errors[:seeds, best], RATES[best]
    return Finding(
        verdicts=[*judged_rates(own_rate), *judged_errors(error), first_step(seeds)],
        numbers={
            "frequencies": FREQUENCIES,
            "learning rate": rate,
            "mean own rate": {name: rates.mean(axis=0) for name, rates in own_rate.items()},
            "mean error": {name: errors.mean(axis=0) for name, errors in error.items()},
        },
        figures=draw(own_rate, error, rate),
    )


def judged_rates(own_rate):
    """Judged by the slope of log rate over log frequency: at -1/2, 100 times rarer means a rate 10 times larger."""
    logs = np.log(FREQUENCIES)
    slopes = {name: np.polyfit(logs, np.log(rates).T, 1)[0] for name, rates in own_rate.items()}
    same = "gradient descent gives every feature the same rate (slope of log rate over log frequency)"
    larger = "{} gives rare features larger rates (slope of log rate over log frequency)"
    return [
        verdicts.equal(same, slopes["gradient descent"], within=1e-3),
        *(verdicts.mean(larger.format(name), slopes[name], at_most=-0.1) for name in ADAPTIVE),
    ]


def judged_errors(error):
    rare = {name: errors[:, RARE].mean(axis=1) for name, errors in error.items()}
    claim = "rare features (in under 2 % of rows) are learned better by {} than by gradient descent (error of weights)"
    return [verdicts.greater(claim.format(name), rare["gradient descent"], rare[name]) for name in ADAPTIVE]


def first_step(seeds, weights=1000):
    """The first update of Adam for gradients of all sizes from 1e-4 to 1e4."""

    def deviations(seed):
        keys = jax.random.split(jax.random.key(seed), 3)
        grads = jax.random.rademacher(keys[0], (weights,), jnp.float32)
        grads *= 10 ** jax.random.uniform(keys[1], (weights,), minval=-4.0, maxval=4.0)
        rate = 10 ** jax.random.uniform(keys[2], minval=-4.0, maxval=0.0)
        adam = jaxmlp.adam(rate)
        updates, _ = adam.update(grads, adam.init(jnp.zeros(weights)))
        return jnp.max(jnp.abs(updates / rate + jnp.sign(grads)))

    claim = "the first step of Adam has the size of the learning rate, against the gradient, for gradients of any size"
    return verdicts.equal(claim, jax.vmap(deviations)(jnp.arange(seeds)), within=1e-3)


def train(make, truths, batches):
    """The own rate of each weight and its final error, both (seeds, rates, features)."""

    def one(truth, batches, rate):
        optimizer = make(rate)

        def step(carry, batch):
            params, state, way, pull = carry
            grads = jax.grad(loss)(params, batch)
            updates, state = optimizer.update(grads, state, params)
            way, pull = way + jnp.abs(updates[0]["w"][:, 0]), pull + jnp.abs(grads[0]["w"][:, 0])
            return (jaxmlp.apply_updates(params, updates), state, way, pull), None

        nothing = jnp.zeros(len(truth))
        params = [{"w": nothing[:, None], "b": jnp.zeros(1)}]
        (params, _, way, pull), _ = jax.lax.scan(step, (params, optimizer.init(params), nothing, nothing), batches)
        return way / pull, jnp.abs(params[0]["w"][:, 0] - truth)

    return jax.jit(jax.vmap(jax.vmap(one, (None, None, 0)), (0, 0, None)))(truths, batches, RATES)


def make_batches(seeds, steps):
    """True weights (seeds, features), and batches (seeds, steps, rows, ...) of fresh rows."""

    def of_seed(seed):
        keys = jax.random.split(jax.random.key(seed), 4)
        truth = jax.random.rademacher(keys[0], FREQUENCIES.shape, jnp.float32)
        shape = (steps, BATCH_SIZE, len(FREQUENCIES))
        present = jax.random.uniform(keys[1], shape) < jnp.asarray(FREQUENCIES)[None, None]
        inputs = jnp.where(present, jax.random.rademacher(keys[2], shape, jnp.float32), 0.0)
        noise = NOISE * jax.random.normal(keys[3], (steps, BATCH_SIZE, 1))
        return truth, jaxmlp.Batch(inputs, inputs @ truth[:, None] + noise)

    return jax.jit(jax.vmap(of_seed))(jnp.arange(seeds))


def loss(params, batch):
    return jaxmlp.mse(jaxmlp.apply(params, batch.inputs), batch.targets)


def draw(own_rate, error, rate):
    relative = {name: rates / rates[:, :1] for name, rates in own_rate.items()}
    labels = {name: f"{name}, rate {rate[name]:.2g}" for name in METHODS}
    with plt.rc_context(LOOK):
        return {
            "sparse_rates": draw_bands(
                "Own learning rate by feature rarity", relative, "own rate / that of\nthe most frequent feature"
            ),
            "sparse_errors": draw_bands(
                "Final error by feature rarity", error, "mean final error of the weight", labels
            ),
        }


def draw_bands(title, values, quantity, labels=None):
    """The means over seeds with their 95 % intervals, by frequency."""
    seeds = len(next(iter(values.values())))
    figure, axes = panel(title, f"Lines: means of {seeds} seeds; bands: 95 % intervals.", height=3.4)
    for (name, every), style in zip(values.items(), STYLES, strict=False):
        low, middle, high = np.transpose([verdicts.mean_interval(column) for column in every.T])
        share, color, label = 100 * FREQUENCIES, color_of(name), (labels or {}).get(name, name)
        axes.plot(share, middle, color=color, linestyle=style, linewidth=2, label=label)
        axes.fill_between(share, low, high, color=color, alpha=0.2, linewidth=0)
    axes.set(xscale="log", yscale="log", xlabel="rows in which the feature is present, %", ylabel=quantity)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.invert_xaxis()
    axes.legend(loc="upper left", fontsize=10.5)
    return figure
