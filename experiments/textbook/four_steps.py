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
from experiments.figures import COLORS, INK, LOOK, panels

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
        draw(data, jax.tree.map(lambda leaf: leaf[0], history), losses[0]),
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
    """A figure for each step, with a panel for each epoch."""
    titles = {
        "forward": ("1. Forward: the probability of label 1", "Blue: 0, red: 1, line: one half; dots: training rows."),
        "loss": ("2. Loss of each row", "The larger a dot, the larger its loss; above, the mean in nats."),
        "backward": (
            "3. Backward: the error signal ∂L/∂z",
            "Violet: the weighted sum should fall, orange: rise; the darker, the more.",
        ),
        "update": (
            "4. Update of the hidden units' weights",
            f"Dots: weights; arrows: their steps, {ARROWS} times as long; above, the mean length.",
        ),
    }
    epochs = [epoch % len(losses) for epoch in SHOWN]
    looks = [look_at(data, jax.tree.map(lambda leaf, epoch=epoch: leaf[epoch], history)) for epoch in epochs]
    with plt.rc_context(LOOK):
        figures = {}
        for name, draw_one in STEPS.items():
            figure, every = panels(*titles[name], 2.2, 1, len(SHOWN), sharex=True, sharey=True)
            for axis, epoch, seen in zip(every[0], epochs, looks, strict=True):
                axis.set_title(f"epoch {epoch}", fontsize=10.5)
                axis.grid(visible=False)
                axis.set(aspect="equal", xlim=(-2.3, 2.3), ylim=(-2.3, 2.3), xticks=(-2, 0, 2), yticks=(-2, 0, 2))
                draw_one(axis, seen)
            axes = (
                ("first weight", "second weight") if name == "update" else ("first input $x_1$", "second input $x_2$")
            )
            every[0, 1].set_xlabel(axes[0])
            every[0, 0].set_ylabel(axes[1])
            figures[f"four_steps_{name}"] = figure
    return figures


def look_at(data, params):
    """All that the figures show of one epoch."""
    x, labels = np.asarray(data.inputs), np.asarray(data.targets)
    logits, _, grads = look(params, data)
    side = np.linspace(-2.3, 2.3, 81, dtype=np.float32)
    return {
        "rows": [x[labels == label] for label in (0, 1)],
        "labels": labels,
        "losses": np.asarray(jnp.logaddexp(0.0, logits[:, 0]) - labels.astype(np.float32) * logits[:, 0]),
        "signals": np.asarray(jaxmlp.diagnostics.error_signals(params, data, loss_of, ACTIVATION)[-1])[:, 0] * len(x),
        "side": side,
        "plane": jax.nn.sigmoid(forward(params, jnp.asarray(np.stack(np.meshgrid(side, side), -1))))[..., 0],
        "weights": np.asarray(params[0]["w"]),
        "step": -0.5 * np.asarray(grads[0]["w"]),
    }


def draw_forward(axis, seen):
    side = seen["side"]
    axis.contourf(side, side, seen["plane"], np.linspace(0, 1, 11), cmap="RdBu_r", vmin=-0.3, vmax=1.3)
    axis.contour(side, side, seen["plane"], [0.5], colors=INK, linewidths=1.2)
    for label, (rows, marker) in enumerate(zip(seen["rows"], "os", strict=True)):
        axis.scatter(*rows.T, s=7, color=COLORS[label], marker=marker, edgecolor="white", linewidth=0.3)


def draw_loss(axis, seen):
    for label, (rows, marker) in enumerate(zip(seen["rows"], "os", strict=True)):
        size = 2 + 30 * seen["losses"][seen["labels"] == label]
        axis.scatter(*rows.T, s=size, color=COLORS[label], marker=marker, alpha=0.6, linewidth=0)
    axis.set_title(f"{axis.get_title()}\n{seen['losses'].mean():.3f}", fontsize=10.5)


def draw_backward(axis, seen):
    for label, (rows, marker) in enumerate(zip(seen["rows"], "os", strict=True)):
        colors = {"c": seen["signals"][seen["labels"] == label], "cmap": "PuOr", "vmin": -1, "vmax": 1}
        axis.scatter(*rows.T, s=11, marker=marker, edgecolor="0.5", linewidth=0.3, **colors)


def draw_update(axis, seen):
    w, step = seen["weights"], ARROWS * seen["step"]
    axis.quiver(*w, *step, angles="xy", scale_units="xy", scale=1, width=0.02, color=COLORS[2])
    axis.plot(*w, "o", color=INK, markersize=3)
    reach = max(4.0, 1.1 * np.abs(w).max())
    axis.set(xlim=(-reach, reach), ylim=(-reach, reach), xticks=(-4, 0, 4), yticks=(-4, 0, 4))
    mean_step = np.linalg.norm(seen["step"], axis=0).mean()
    axis.set_title(f"{axis.get_title()}\n{mean_step:.1g}", fontsize=10.5)


STEPS = {"forward": draw_forward, "loss": draw_loss, "backward": draw_backward, "update": draw_update}
