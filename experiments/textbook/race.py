"""Which optimizer leaves a local minimum, and which gets down a long valley?

The course races five methods over a surface with a global well on the left and a local well on the right: gradient
descent gets stuck in the local well, momentum and Adam run through it. Here they start at random points on the side of
the local well, in rows from its center to the rim, with 13 learning rates. A run escapes if it ends in the global well.
The map shows all five at one learning rate; a rate means something else to each method, so that verdicts compare each
method at its best rate, and another figure shows all rates.

Then all nine methods of the genealogy descend a straight valley that is a hundred times steeper across than along. SGD
is gradient descent with noisy gradients; the other methods get exact gradients. The best rate of a method is the one
that did best from other starts.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

import jaxmlp
from experiments import race_figures, verdicts
from experiments.experiment import Finding
from experiments.surfaces import GLOBAL_WELL, WIDTH, descend, two_wells, valley

RATES = np.logspace(-2, 1, 13, dtype=np.float32)
VALLEY_RATES = np.logspace(-3, 2, 21, dtype=np.float32)
ROWS = np.linspace(1.6, 4.0, 9)  # edges in x of the rows of starts
HALF_WIDTH = 1.5  # of a row of starts in y
RADIUS = 3.0  # of the circle of starts in the valley
FLOOR = 1e-12  # smallest height relative to the start; below it there is only rounding

RACERS = {
    "gradient descent": jaxmlp.gd,
    "momentum": jaxmlp.momentum,
    "AdaGrad": jaxmlp.adagrad,
    "RMSProp": jaxmlp.rmsprop,
    "Adam": jaxmlp.adam,
}
WITH_MOMENTUM = {"momentum": jaxmlp.momentum, "Nesterov": jaxmlp.nesterov, "Adam": jaxmlp.adam, "Nadam": jaxmlp.nadam}
ADAPTIVE = {"AdaGrad": jaxmlp.adagrad, "RMSProp": jaxmlp.rmsprop, "AdaDelta": jaxmlp.adadelta}
SHOWN_RATE = 0.3  # of all paths on the map
SHOWN_START, VALLEY_START = (3.6, 1.6), (1.8, 2.4)


def run(seeds=30, steps=300, valley_steps=150, film_frames=100):
    wells = {name: at_best(functools.partial(escapes, make, steps), seeds) for name, make in RACERS.items()}
    valleys = {name: at_best(functools.partial(fall, make, valley_steps), seeds) for name, make in genealogy().items()}
    escaped = {name: every for name, (every, _, _) in wells.items()}
    rates = {name: VALLEY_RATES[place] for name, (_, _, place) in valleys.items()}
    falls = {name: reached for name, (_, reached, _) in valleys.items()}
    numbers = {
        "rates": RATES,
        "escaped by rate": {name: every.mean(axis=(0, 2)) for name, every in escaped.items()},
        "escaped by start and rate": {name: every.mean(axis=0).T for name, every in escaped.items()},
        "escaped at the best rate": {name: reached.mean() for name, (_, reached, _) in wells.items()},
        "decades fallen at the best rate": {name: reached.mean() for name, reached in falls.items()},
        "best rate in the valley": rates,
    }
    numbers |= {
        "escaped by rate, 95 % interval": {name: intervals_by_rate(every) for name, every in escaped.items()},
        "decades fallen at the best rate, 95 % interval": {
            name: verdicts.mean_interval(reached)[::2] for name, reached in falls.items()
        },
    }
    paths = {name: path(make(SHOWN_RATE), two_wells, SHOWN_START, steps) for name, make in RACERS.items()}
    down = {name: path(make(rates[name]), valley, VALLEY_START, valley_steps) for name, make in genealogy().items()}
    return Finding(
        verdicts=[*verdicts_of_wells(wells), *verdicts_of_valley(falls)],
        numbers=numbers,
        figures={
            **race_figures.still(paths, SHOWN_RATE, numbers, escaped["Adam"][:, 0].size),
            "race_starts": race_figures.by_start(ROWS, RATES, escaped),
            "race_valley": race_figures.genealogy(down, rates, falls),
            **race_figures.film("race", paths, SHOWN_RATE, film_frames),
        },
    )


def intervals_by_rate(escaped):
    """Wilson's intervals (rates, 2) of the share of starts that escape, from bools (seeds, rates, rows)."""
    return np.array([verdicts.share_interval(starts) for starts in np.swapaxes(escaped, 0, 1)])


def verdicts_of_wells(wells):
    small = wells["gradient descent"][0][:, RATES <= 0.11]
    stuck = "gradient descent with a small learning rate (0.1 or less) does not escape"
    pairs = [("momentum", "gradient descent"), ("Adam", "gradient descent"), ("Adam", "RMSProp")]
    claim = "{} escapes from more starts than {}, each at its best rate"
    return [
        verdicts.mean(stuck, small.mean(axis=(1, 2)), at_most=0.01),
        *(verdicts.greater(claim.format(one, two), wells[one][1], wells[two][1]) for one, two in pairs),
    ]


def verdicts_of_valley(falls):
    """A claim about a family is judged, for each seed, by its member that fell least."""
    plain = falls["gradient descent"]
    claim = "down the valley {} gets lower than gradient descent"
    families = {"every method with momentum": WITH_MOMENTUM, "every method with adaptive rates alone": ADAPTIVE}
    return [
        verdicts.greater(claim.format(words), np.min([falls[name] for name in names], axis=0), plain, unit=" decades")
        for words, names in families.items()
    ]


def genealogy():
    """Nine methods in the order of their publication."""
    sgd = {"SGD": lambda rate: jaxmlp.chain(noisy(0.05), jaxmlp.sgd(rate))}
    order = ("gradient descent", "SGD", "momentum", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam", "Nadam")
    known = {**RACERS, **WITH_MOMENTUM, **ADAPTIVE, **sgd}
    return {name: known[name] for name in order}


def noisy(deviation):
    """Adds normal noise to the gradient, as random batches of data do."""

    def update(grads, key, params=None):
        key, now = jax.random.split(key)
        return grads + deviation * jax.random.normal(now, grads.shape), key

    return jaxmlp.Optimizer(lambda params: jax.random.key(0), update)


def at_best(measure, seeds):
    """What `measure` returns for the seeds; its mean at the best rate, (seeds,); and the index of that rate.

    Rates are the second axis. The best one is chosen on as many other seeds.
    """
    judged, choosing = np.split(measure(range(2 * seeds)), 2)
    place = int(np.argmax(choosing.reshape(*choosing.shape[:2], -1).mean(axis=(0, 2))))
    return judged, judged[:, place].reshape(seeds, -1).mean(axis=1), place


def escapes(make, steps, seeds):
    """(seeds, rates, rows) of bools: whether the run ends in the global well."""
    low = jnp.stack([jnp.asarray(ROWS[:-1]), jnp.full(len(ROWS) - 1, 0.5 - HALF_WIDTH)], axis=1)
    high = jnp.stack([jnp.asarray(ROWS[1:]), jnp.full(len(ROWS) - 1, 0.5 + HALF_WIDTH)], axis=1)

    def end(seed, rate, row):
        start = jax.random.uniform(
            jax.random.fold_in(jax.random.key(seed), row), (2,), minval=low[row], maxval=high[row]
        )
        return descend(make(rate), two_wells, start, steps)[-1]

    ends = over_grid(end, jnp.array(seeds), RATES, jnp.arange(len(low)))
    return np.linalg.norm(np.asarray(ends) - GLOBAL_WELL, axis=-1) < WIDTH


def fall(make, steps, seeds):
    """(seeds, rates): by how many powers of ten the height in the valley falls; 0 if the run diverges."""

    def decades(seed, rate):
        angle = jax.random.uniform(jax.random.key(seed), maxval=2 * jnp.pi)
        start = RADIUS * jnp.stack([jnp.cos(angle), jnp.sin(angle)])
        end = descend(make(rate), valley, start, steps)[-1]
        return -jnp.log10(valley(end) / valley(start) + FLOOR)

    return np.maximum(np.nan_to_num(over_grid(decades, jnp.array(seeds), VALLEY_RATES), nan=0.0), 0.0)


def over_grid(function, *axes):
    """Evaluates a function at all points of a grid, compiled once."""
    for place in reversed(range(len(axes))):
        function = jax.vmap(function, [0 if i == place else None for i in range(len(axes))])
    return jax.jit(function)(*axes)


def path(optimizer, height, start, steps):
    return np.asarray(
        jax.jit(functools.partial(descend, height=height, steps=steps))(optimizer, start=jnp.array(start))
    )
