"""What are the four steps of training, and do they lower the loss?

Forward, loss, backward and update are written out one by one and applied to two moons: a network 2-8-1 of tanh units,
gradient descent on all 140 points, 600 epochs, 30 seeds. The figure shows one seed at three epochs. The course:
training repeats these four steps; each round lowers the loss a little, and many rounds bring it down.
"""

from functools import partial

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import jaxmlp
from experiments import verdicts
from experiments.experiment import Finding
from experiments.figures import COLORS, LOOK

SIZES, ACTIVATION = (2, 8, 1), "tanh"
OPTIMIZER = jaxmlp.gd(0.5)
SHOWN = (0, 20, -1)
ARROWS = 10  # updates are drawn longer by this factor


def run(seeds=30, epochs=600):
    data = jaxmlp.load("moons", rows=200).train
    keys = jax.vmap(jax.random.key)(jnp.arange(seeds))
    history, losses = jax.jit(jax.vmap(partial(train, data, epochs)))(keys)
    losses = np.asarray(losses)
    library = np.array([train_with_library(data, epochs, key) for key in keys])
    return Finding(
        [
            verdicts.equal(
                "the four steps end at the loss of the library's train_step", losses[:, -1] - library, within=1e-4
            ),
            verdicts.share("every epoch lowers the loss", np.all(np.diff(losses) < 0, axis=1), at_least=0.85),
            verdicts.mean(
                f"{epochs} epochs at least halve the loss (ratio)", losses[:, -1] / losses[:, 0], at_most=0.5
            ),
        ],
        {"loss": {f"epoch {epoch % (epochs + 1)}": losses[:, epoch] for epoch in SHOWN}},
        {"four_steps": draw(data, jax.tree.map(lambda leaf: leaf[0], history), losses[0])},
    )


def train(data, epochs, key):
    """The parameters before every epoch and after the last, and their losses."""
    params = jaxmlp.init(key, SIZES, weight_init="glorot_normal")

    def epoch(carry, _):
        params, opt_state = carry
        _, loss, grads = look(params, data)
        return update(params, opt_state, grads), (params, loss)

    (params, _), (history, losses) = jax.lax.scan(epoch, (params, OPTIMIZER.init(params)), length=epochs)
    history = jax.tree.map(lambda past, last: jnp.concatenate([past, last[None]]), history, params)
    return history, jnp.append(losses, look(params, data)[1])


def look(params, data):
    """The first three steps: forward, loss, backward."""
    logits = forward(params, data.inputs)
    loss, pullback = jax.vjp(lambda params: loss_of(forward(params, data.inputs), data.targets), params)
    return logits, loss, pullback(jnp.ones_like(loss))[0]


def forward(params, inputs):
    return jaxmlp.apply(params, inputs, ACTIVATION)


def loss_of(logits, targets):
    return jaxmlp.binary_cross_entropy(logits, targets)


def update(params, opt_state, grads):
    """The fourth step."""
    updates, opt_state = OPTIMIZER.update(grads, opt_state, params)
    return jaxmlp.apply_updates(params, updates), opt_state


def train_with_library(data, epochs, key):
    """The final loss of the same training by `make_train_step`."""
    params = jaxmlp.init(key, SIZES, weight_init="glorot_normal")
    train_step = jaxmlp.make_train_step(library_loss, OPTIMIZER)
    state = jaxmlp.init_state(params, OPTIMIZER, key)
    for _ in range(epochs):
        state, _ = train_step(state, data)
    return float(library_loss(state.params, data, key))


def library_loss(params, batch, key):
    return jaxmlp.binary_cross_entropy(jaxmlp.apply(params, batch.inputs, ACTIVATION), batch.targets)


def draw(data, history, losses):
    with plt.rc_context(LOOK):
        figure, axes = plt.subplots(len(SHOWN), 4, figsize=(11.5, 7.2), sharex="col", sharey="col")
        for row, epoch in zip(axes, SHOWN, strict=True):
            epoch = epoch % len(losses)
            draw_epoch(row, data, jax.tree.map(lambda leaf, epoch=epoch: leaf[epoch], history))
            row[0].set_ylabel(f"epoch {epoch}\n$x_2$", fontsize=12)
            row[1].text(0.03, 0.97, f"mean {losses[epoch]:.3f}", transform=row[1].transAxes, va="top")
        titles = (
            "1 forward: P(label 1)",
            "2 loss of each point",
            "3 backward: error signal ∂L/∂z",
            f"4 update (drawn x {ARROWS})",
        )
        for axis, title in zip(axes[0], titles, strict=True):
            axis.set_title(title, fontsize=12)
        for axis in axes[-1, :3]:
            axis.set_xlabel("$x_1$")
        axes[-1, 3].set_xlabel("first weight of a hidden unit")
        for axis in axes[:, 3]:
            axis.set_ylabel("second weight")
    return figure


def draw_epoch(axes, data, params):
    x, labels = np.asarray(data.inputs), np.asarray(data.targets)
    logits, _, grads = look(params, data)
    each = np.asarray(jnp.logaddexp(0.0, logits[:, 0]) - labels.astype(np.float32) * logits[:, 0])
    signals = np.asarray(jaxmlp.diagnostics.error_signals(params, data, loss_of, ACTIVATION)[-1])[:, 0]
    side = np.linspace(-2.9, 2.9, 81, dtype=np.float32)
    plane = jax.nn.sigmoid(forward(params, jnp.asarray(np.stack(np.meshgrid(side, side), -1))))[..., 0]
    axes[0].contourf(side, side, plane, np.linspace(0, 1, 11), cmap="RdBu_r", vmin=-0.3, vmax=1.3)
    axes[0].contour(side, side, plane, [0.5], colors="black", linewidths=1.2)
    for label, marker in enumerate("os"):
        own = labels == label
        axes[0].scatter(*x[own].T, s=10, color=COLORS[label], marker=marker)
        axes[1].scatter(*x[own].T, s=4 + 60 * each[own], color=COLORS[label], marker=marker, alpha=0.6, linewidth=0)
        colors = {"c": len(x) * signals[own], "cmap": "PuOr", "vmin": -1, "vmax": 1}
        axes[2].scatter(*x[own].T, s=22, marker=marker, edgecolor="0.5", linewidth=0.4, **colors)
    w, step = np.asarray(params[0]["w"]), -0.5 * ARROWS * np.asarray(grads[0]["w"])
    axes[3].quiver(*w, *step, angles="xy", scale_units="xy", scale=1, width=0.009, color=COLORS[2])
    axes[3].plot(*w, "o", color="black", markersize=4)
    mean_step = np.linalg.norm(step / ARROWS, axis=0).mean()
    axes[3].text(0.03, 0.97, f"mean step {mean_step:.1g}", transform=axes[3].transAxes, va="top")
    reach = max(4.0, 1.1 * np.abs(w).max())
    axes[3].set(xlim=(-reach, reach), ylim=(-reach, 1.3 * reach))
    for axis in axes[:3]:
        axis.set(xlim=(-2.3, 2.3), ylim=(-2.3, 2.9))
        axis.grid(visible=False)
