"""Does L1 set useless weights to exactly zero, and does L2 only shrink them?

The course: L1 (lasso) adds the sum of the absolute weights to the loss and sets some weights to exactly zero, which
suits many useless features; L2 (ridge) shrinks weights without zeroing any and shares weight among collinear features.
Of such features L1 picks one.

Each seed is a linear regression of 120 rows and 20 features with noise of standard deviation 1: 4 useful features
(weights 1 and -1), 12 useless ones, and two pairs of twins, correlated 0.95. Of the first pair only one counts (weights
1.5 and 0), of the second both do (0.75 each). The loss is half the mean squared error plus strength times the penalty.

L1 uses the proximal step: after each step of gradient descent a weight moves toward zero by rate times strength and
stops there. The gradient of the absolute value alone steps over zero forever.
"""

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from jax.tree_util import Partial
from sklearn.linear_model import Lasso, Ridge

import jaxmlp
from experiments import verdicts
from experiments.experiment import Finding
from experiments.figures import COLORS, LOOK, STYLES, legend_above, panel

ROWS = 120
LIKENESS = 0.95
TRUTH = np.array([1, -1, 1, -1] + [0] * 12 + [1.5, 0] + [0.75, 0.75], np.float32)
USEFUL, USELESS, ONE_COUNTS, BOTH_COUNT = slice(0, 4), slice(4, 16), slice(16, 18), slice(18, 20)
STRENGTHS = np.logspace(-2.5, 0.5, 19, dtype=np.float32)
CHOSEN = int(np.argmin(np.abs(STRENGTHS - 0.2)))  # theory's choice: near sqrt(2 log(features) / rows), as noise is 1
LEARNING_RATE = 0.2  # below 2 / curvature even at the largest strength
L1, L2, GRADIENT = "L1", "L2", "L1 by its gradient"


def run(seeds=30, steps=2000):
    data = jax.jit(jax.vmap(regression))(jnp.arange(seeds))
    paths = {name: np.asarray(train(name, data, steps)) for name in (L1, L2, GRADIENT)}
    chosen = {name: path[:, CHOSEN] for name, path in paths.items()}
    return Finding(
        verdicts=[*judged_zeros(chosen), judged_shrinking(paths), *judged_twins(chosen), *judged_optima(data, chosen)],
        numbers={
            "strengths": STRENGTHS,
            "mean path": {name: path.mean(axis=0) for name, path in paths.items()},
            "share of exact zeros": {name: (path == 0).mean(axis=(0, 2)) for name, path in paths.items()},
        },
        figures=draw(paths),
    )


def judged_zeros(chosen):
    zero = {name: weights == 0 for name, weights in chosen.items()}
    useless, useful = zero[L1][:, USELESS].mean(axis=1), zero[L1][:, USEFUL].mean(axis=1)
    return [
        verdicts.mean("L1 sets most useless weights to exactly zero (share)", useless, at_least=0.8),
        verdicts.mean("L1 sets no useful weight to zero (share)", useful, at_most=0.05),
        verdicts.mean("L2 sets no weight to exactly zero (share)", zero[L2].mean(axis=1), at_most=0.0),
        verdicts.mean(
            "L1 by its gradient alone sets no weight to exactly zero (share)", zero[GRADIENT].mean(axis=1), at_most=0.0
        ),
    ]


def judged_shrinking(paths):
    """Every larger strength gives a smaller norm."""
    norms = np.linalg.norm(paths[L2], axis=2)
    return verdicts.share(
        "the stronger L2, the smaller the norm of the weights", (np.diff(norms) < 0).all(axis=1), at_least=0.85
    )


def judged_twins(chosen):
    lesser = "smaller weight over larger"
    return [
        verdicts.mean(f"twins share their weight under L2 ({lesser})", evenness(chosen[L2], ONE_COUNTS), at_least=0.4),
        verdicts.mean(f"if one twin counts, L1 picks one ({lesser})", evenness(chosen[L1], ONE_COUNTS), at_most=0.2),
        verdicts.mean(f"if both twins count, L1 picks one ({lesser})", evenness(chosen[L1], BOTH_COUNT), at_most=0.2),
    ]


def evenness(weights, twins):
    """0 if one twin has all the weight, 1 if they share it evenly."""
    sizes = np.abs(weights[:, twins])
    return sizes.min(axis=1) / np.maximum(sizes.max(axis=1), 1e-9)


def judged_optima(data, chosen):
    strength = float(STRENGTHS[CHOSEN])
    models = {
        L1: Lasso(alpha=strength, tol=1e-8, max_iter=100_000),
        L2: Ridge(alpha=ROWS * strength),
    }
    rows = [
        (np.asarray(x, float), np.asarray(y, float)) for x, y in zip(data.inputs, data.targets[..., 0], strict=True)
    ]
    return [
        verdicts.equal(
            f"{name} ends at the weights of scikit-learn's {type(model).__name__}",
            [np.max(np.abs(model.fit(x, y).coef_ - w)) for (x, y), w in zip(rows, chosen[name], strict=True)],
            within=2e-3,
        )
        for name, model in models.items()
    ]


def regression(seed):
    """The data of one seed, with columns of mean 0."""
    keys = jax.random.split(jax.random.key(seed), 3)
    inputs = jax.random.normal(keys[0], (ROWS, len(TRUTH)))
    for first in (ONE_COUNTS.start, BOTH_COUNT.start):
        twin = LIKENESS * inputs[:, first] + np.sqrt(1 - LIKENESS**2) * inputs[:, first + 1]
        inputs = inputs.at[:, first + 1].set(twin)
    inputs -= inputs.mean(axis=0, keepdims=True)
    return jaxmlp.Batch(inputs, inputs @ jnp.asarray(TRUTH)[:, None] + jax.random.normal(keys[1], (ROWS, 1)))


def train(name, data, steps):
    """Weights (seeds, strengths, features) of gradient descent under a penalty."""

    def one(batch, strength):
        def loss(params):
            fit = jaxmlp.mse(jaxmlp.apply(params, batch.inputs), batch.targets) / 2
            penalty = {L1: 0.0, L2: jaxmlp.l2(params) / 2, GRADIENT: jaxmlp.l1(params)}[name]
            return fit + strength * penalty

        optimizer = jaxmlp.gd(LEARNING_RATE)
        if name == L1:
            optimizer = jaxmlp.projected(optimizer, Partial(shrink, LEARNING_RATE * strength))
        params = [{"w": jnp.zeros((len(TRUTH), 1)), "b": jnp.zeros(1)}]

        def step(carry, _):
            params, state = carry
            updates, state = optimizer.update(jax.grad(loss)(params), state, params)
            return (jaxmlp.apply_updates(params, updates), state), None

        (params, _), _ = jax.lax.scan(step, (params, optimizer.init(params)), length=steps)
        return params[0]["w"][:, 0]

    return jax.jit(jax.vmap(jax.vmap(one, (None, 0)), (0, None)))(data, STRENGTHS)


def shrink(amount, params):
    """The proximal step of L1 (soft thresholding): weights move toward zero and stop there; biases stay."""
    return [{**layer, "w": jnp.sign(layer["w"]) * jnp.maximum(jnp.abs(layer["w"]) - amount, 0.0)} for layer in params]


def draw(paths):
    """The weights of one seed by strength, and the share of useless weights that are exactly zero."""
    with plt.rc_context(LOOK):
        return {
            "penalties_l1": draw_path(L1, paths[L1][0]),
            "penalties_l2": draw_path(L2, paths[L2][0]),
            "penalties": draw_shares(paths),
        }


def draw_path(name, path):
    kinds = {
        "useful": (USEFUL, 0, "-"),
        "useless": (USELESS, 6, ":"),
        "twins, one counts": (ONE_COUNTS, 1, "--"),
        "twins, both count": (BOTH_COUNT, 2, "-."),
    }
    figure, axes = panel(f"Weights under {name}", "One seed. Gray line: the strength at which claims are judged.")
    for kind, (columns, color, style) in kinds.items():
        lines = axes.plot(STRENGTHS, path[:, columns], color=COLORS[color], linestyle=style, linewidth=1.6)
        lines[0].set_label(kind)
    axes.axvline(STRENGTHS[CHOSEN], color="gray", linewidth=0.8)
    axes.set(xscale="log", xlabel=f"strength of {name}", ylabel="weight", ylim=(-1.3, 2.0))
    legend_above(axes)
    return figure


def draw_shares(paths):
    seeds = len(paths[L1])
    note = f"Lines: means of {seeds} seeds; band: 10 % to 90 %. Gray line: the strength at which claims are judged."
    figure, axes = panel("Useless weights at exactly zero", note)
    for place, name in enumerate(paths):
        shares = 100 * (paths[name][:, :, USELESS] == 0).mean(axis=2)
        style = {"color": COLORS[place], "linestyle": STYLES[(0, 1, 3)[place]], "linewidth": 2}
        axes.plot(STRENGTHS, shares.mean(axis=0), label=name, **style)
        axes.fill_between(
            STRENGTHS, *np.quantile(shares, (0.1, 0.9), axis=0), color=COLORS[place], alpha=0.15, linewidth=0
        )
    axes.axvline(STRENGTHS[CHOSEN], color="gray", linewidth=0.8)
    axes.set(xscale="log", xlabel="strength", ylabel="useless weights at zero, %", ylim=(-3, 103))
    legend_above(axes, columns=3)
    return figure
