"""At which learning rate does gradient descent diverge, and how far below does it crawl?

On a bowl w'Hw / 2, each step of gradient descent multiplies the distance along each axis of H by 1 - rate * curvature:
it crawls if the rate is small, jumps from wall to wall above 1 / curvature, and diverges above 2 / (the largest
curvature), the edge. This is tried on bowls of ten dimensions (curvatures log-uniform from 0.1 to 10, random rotations
and starts), 300 steps. Then on a network (diabetes, 10-16-1, tanh, all rows at once), both fresh and after 4,000 steps
of training: from which rate on does the loss rise on the way, by 1 % or more, and from which does it end above its
start? Both rates are compared with 2 / (the largest eigenvalue of the Hessian at the start).
Sources: LeCun et al. 1998, "Efficient backprop"; for fresh networks Lewkowycz et al. 2020, "The large learning rate
phase of deep learning: the catapult mechanism", who find that fresh networks tolerate rates above the edge.
"""

from functools import partial

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from jax.flatten_util import ravel_pytree
from jax.tree_util import Partial

import jaxmlp
from experiments import verdicts
from experiments.experiment import Finding
from experiments.figures import BAND, COLORS, INK, LOOK, STYLES, legend_above, panel

SIZES = (10, 16, 1)
DIMENSIONS = 10
SMALL, MIDDLE, LARGE = 0.01, 0.5, 0.95  # rates in units of the edge, 2 / curvature; so are these:
RATES = np.array([*np.geomspace(SMALL, 0.79, 16), *np.arange(0.8, 1.3, 0.01), *np.geomspace(1.3, 10, 20)])
TRAINING = 0.2  # the rate of the training before, in the same unit
BOWL, TRAINED, FRESH = "a bowl", "a trained network", "a fresh network"
PEAK = "a trained network: its highest loss"
RISE = 1.01


def run(seeds=20, steps=300, steps_before=4000):
    batch = jaxmlp.load("diabetes").train
    bowls = [bowl(jax.random.key(seed)) for seed in range(seeds)]
    fresh = [jaxmlp.init(jax.random.key(seed), SIZES, "glorot_normal") for seed in range(seeds)]
    trained = [train(params, batch, steps_before) for params in fresh]
    networks = {TRAINED: trained, FRESH: fresh}
    curves = {BOWL: np.array([bowl_ratios(hessian, start, steps)[0] for hessian, start in bowls])}
    for name, starts in networks.items():
        both = np.array([network_ratios(params, batch, steps) for params in starts])
        curves[name] = both[:, 0]
        if name == TRAINED:
            curves[PEAK] = both[:, 1]
    swings = [swings_from_wall_to_wall(hessian, start) for hessian, start in bowls]
    numbers = {
        "edge, in units of 2 / curvature": {name: edges(name, values).round(3) for name, values in curves.items()},
        "largest curvature, mean": {
            name: np.mean([sharpness(params, batch) for params in starts]) for name, starts in networks.items()
        },
        "rates, in units of 2 / curvature": RATES.round(3),
        "decades above the first loss, median": {
            name: np.median(np.log10(ratios), axis=0).round(3) for name, ratios in curves.items()
        },
    }
    return Finding(judge(curves, swings), numbers, draw(curves, steps))


def judge(curves, swings):
    decades = {rate: np.log10(curves[BOWL][:, np.abs(RATES - rate).argmin()]) for rate in (SMALL, MIDDLE)}
    off = {name: edges(name, values) - 1 for name, values in curves.items()}
    at_edge = "gradient descent diverges above 2 / curvature, within 10 %"
    rises = f"{TRAINED}: the loss rises on the way above 2 / curvature, within 10 %"
    return [
        verdicts.equal("a bowl: gradient descent diverges above 2 / curvature, within 2.5 %", off[BOWL], within=0.025),
        verdicts.greater(
            f"a bowl: at {SMALL} of the edge it crawls, its loss at least a decade above that at {MIDDLE} of the edge",
            decades[SMALL],
            decades[MIDDLE],
            by=1,
            unit=" decades",
        ),
        verdicts.share(f"a bowl: at {LARGE} of the edge it overshoots at every step", swings, at_least=0.8),
        verdicts.equal(rises, off[PEAK], within=0.1),
        verdicts.equal(f"{TRAINED}: {at_edge}", off[TRAINED], within=0.1),
        verdicts.equal(f"{FRESH}: {at_edge}", off[FRESH], within=0.1),
    ]


def edges(name, values):
    """The smallest rate of each row at which the loss is above its start; infinite if there is none."""
    above = values > (RISE if name == PEAK else 1)
    return np.where(above.any(axis=1), RATES[above.argmax(axis=1)], np.inf)


def bowl(key):
    """A random Hessian and a random start."""
    turn_key, curvature_key, start_key = jax.random.split(key, 3)
    turn = jax.random.orthogonal(turn_key, DIMENSIONS)
    curvatures = 10 ** jax.random.uniform(curvature_key, (DIMENSIONS,), minval=-1, maxval=1)
    return (turn * curvatures[None]) @ turn.T, jax.random.normal(start_key, (DIMENSIONS,))


def bowl_loss(hessian, w, batch, key):
    return 0.5 * w @ hessian @ w


def network_loss(params, batch, key):
    return jaxmlp.mse(jaxmlp.apply(params, batch.inputs, "tanh"), batch.targets)


def sharpness(params, batch):
    """The largest eigenvalue of the loss's Hessian."""
    flat, unravel = ravel_pytree(params)
    return float(np.linalg.eigvalsh(hessian_of(unravel, flat, batch))[-1])


@partial(jax.jit, static_argnums=0)
def hessian_of(unravel, flat, batch):
    return jax.hessian(lambda flat: network_loss(unravel(flat), batch, None))(flat)


@partial(jax.jit, static_argnums=4)
def descend(loss, start, batch, rates, steps):
    """Gradient descent at several rates: the final parameters, and all losses (rates, steps)."""

    def at(rate):
        optimizer = jaxmlp.gd(rate)
        train_step = jaxmlp.make_train_step(loss, optimizer)
        state = jaxmlp.init_state(start, optimizer, jax.random.key(0))
        state, metrics = jax.lax.scan(lambda state, _: train_step(state, batch), state, length=steps)
        return state.params, metrics["loss"]

    return jax.vmap(at)(rates)


def train(params, batch, steps):
    rate = jnp.array([TRAINING * 2 / sharpness(params, batch)])
    return jax.tree.map(lambda leaf: leaf[0], descend(Partial(network_loss), params, batch, rate, steps)[0])


def bowl_ratios(hessian, start, steps):
    return ratios(Partial(bowl_loss, hessian), start, None, np.linalg.eigvalsh(hessian)[-1], steps)


def network_ratios(params, batch, steps):
    return ratios(Partial(network_loss), params, batch, sharpness(params, batch), steps)


def ratios(loss, start, batch, curvature, steps):
    """The last loss and the highest loss, both over the first, by rate; an overflow counts as 1e30."""
    _, losses = descend(loss, start, batch, jnp.asarray(RATES * 2 / curvature, jnp.float32), steps)
    losses = np.clip(np.nan_to_num(np.asarray(losses, float), nan=np.inf), 0, 1e30)
    return np.clip(np.stack([losses[:, -1], losses.max(axis=1)]) / losses[:, 0], 1e-12, 1e30)


def swings_from_wall_to_wall(hessian, start, steps=20):
    """Whether at a large rate every step changes sides along the steepest axis."""
    curvatures, axes = np.linalg.eigh(hessian)
    rate = jnp.asarray([LARGE * 2 / curvatures[-1]], jnp.float32)
    sides, w = [], start
    for _ in range(steps):
        sides.append(np.sign(w @ axes[:, -1]))
        w = descend(Partial(bowl_loss, hessian), w, None, rate, 1)[0][0]
    return bool(np.all(np.diff(sides) != 0))


def draw(curves, steps):
    with plt.rc_context(LOOK):
        return {"learning_rate": draw_losses(curves, steps), "learning_rate_bowl": draw_paths()}


def draw_losses(curves, steps):
    seeds = len(next(iter(curves.values())))
    note = f"{BAND.format(seeds)} The edge (dotted): 2 / curvature at the start. Thin line: the first loss."
    figure, axis = panel(f"Loss after {steps} steps by learning rate", note, height=3.6)
    for place, (name, values) in enumerate(curves.items()):
        low, middle, high = np.clip(np.quantile(values, (0.1, 0.5, 0.9), axis=0), 1e-12, 1e6)
        label = "trained: highest loss" if name == PEAK else name
        axis.plot(RATES, middle, label=label, color=COLORS[place], linestyle=STYLES[place], linewidth=2)
        axis.fill_between(RATES, low, high, color=COLORS[place], alpha=0.15, linewidth=0)
    axis.axvline(1, color=INK, linewidth=1.2, linestyle=":")
    axis.axhline(1, color=INK, linewidth=0.6)
    axis.set(xscale="log", yscale="log", ylim=(1e-4, 1e4))
    axis.set(xlabel="learning rate / edge", ylabel="last loss / first loss")
    legend_above(axis)
    return figure


def draw_paths(curvatures=(1.0, 8.0), start=(-1.0, 0.45)):
    figure, axis = panel("Twelve steps on a bowl", "A dot for each step; ellipses: equal loss.")
    hessian = jnp.diag(jnp.array(curvatures))
    x, y = np.meshgrid(np.linspace(-1.15, 0.75, 100), np.linspace(-0.85, 0.85, 100))
    axis.contour(x, y, curvatures[0] * x**2 + curvatures[1] * y**2, levels=8, colors="gray", alpha=0.4, linewidths=0.8)
    for place, rate in enumerate((0.02, MIDDLE, LARGE, 1.02)):
        points = [jnp.array(start)]
        for _ in range(12):
            rates = jnp.array([rate * 2 / curvatures[1]])
            points.append(descend(Partial(bowl_loss, hessian), points[-1], None, rates, 1)[0][0])
        style = {"color": COLORS[place], "linestyle": STYLES[place], "marker": "osD^"[place]}
        axis.plot(*np.array(points).T, label=f"{rate:g}", markersize=4, linewidth=1.4, **style)
    axis.set(xlabel="flat direction", ylabel="steep direction", xticks=(-1, -0.5, 0, 0.5), ylim=(-0.85, 0.85))
    axis.legend(loc="center right", title="rate / edge")
    return figure
