"""Properties that hold for any network, batch and tree: symmetries, means, cuts, compilation and batching."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jaxmlp
from jaxmlp.compare import contestants

FEW = settings(deadline=None, max_examples=4)
SEEDS = st.integers(0, 2**32 - 1)
SIZES = st.lists(st.integers(1, 4), min_size=2, max_size=4)
OPTIMIZERS = {
    "gd": jaxmlp.gd(0.125),
    "momentum": jaxmlp.momentum(0.125, 0.75),
    "nesterov": jaxmlp.nesterov(0.125, 0.75),
    "adagrad": jaxmlp.adagrad(0.125),
    "rmsprop": jaxmlp.rmsprop(0.125, decay=0.75),
    "adadelta": jaxmlp.adadelta(0.125),
    "adam": jaxmlp.adam(0.125, b1=0.75, b2=0.875),
    "nadam": jaxmlp.nadam(0.125, b1=0.75),
    "adamw": jaxmlp.adamw(0.125, weight_decay=0.25),
    "amsgrad": jaxmlp.amsgrad(0.125),
    "radam": jaxmlp.radam(0.125),
    "adamax": jaxmlp.adamax(0.125),
    "lion": jaxmlp.lion(0.125),
    "adan": jaxmlp.adan(0.125, b1=0.75, b2=0.875),
    "ademamix": jaxmlp.ademamix(0.125, b3=0.9375),
    "prodigy": jaxmlp.prodigy(estim_lr0=0.125),
    "schedule_free_sgd": jaxmlp.schedule_free_sgd(0.125, b1=0.75),
    "schedule_free_adamw": jaxmlp.schedule_free_adamw(0.125, b1=0.75),
    "muon": jaxmlp.muon(0.125),
    "shampoo": jaxmlp.shampoo(0.125),
    "soap": jaxmlp.soap(0.125),
}
OF_ALL = ("prodigy",)  # a statistic of all parameters decides how each of them moves


def close(actual, expected, rtol=1e-5, atol=1e-6):
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=rtol, atol=atol), actual, expected)


def drawn(seed, *shape):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


def network(sizes, seed):
    """Parameters of which no two are equal, biases included."""
    numbers = np.random.default_rng(seed)
    ends = itertools.pairwise(sizes)
    shapes = [{"w": (rows, columns), "b": (columns,)} for rows, columns in ends]
    return [
        {name: jnp.asarray(numbers.normal(size=size), jnp.float32) for name, size in layer.items()} for layer in shapes
    ]


@FEW
@given(SIZES, SEEDS)
def test_hidden_units_may_change_places(sizes, seed):
    """Columns of one layer, its biases and the rows of the next layer are permuted alike."""
    params, inputs, chance = network(sizes, seed), drawn(seed + 1, 5, sizes[0]), np.random.default_rng(seed)
    permuted = [dict(layer) for layer in params]
    for here, after in itertools.pairwise(permuted):
        order = chance.permutation(len(here["b"]))
        here["w"], here["b"], after["w"] = here["w"][:, order], here["b"][order], after["w"][order]
    for activation in ("relu", "tanh"):
        outputs = [jaxmlp.apply(one, inputs, activation=activation) for one in (params, permuted)]
        close(outputs[1], outputs[0], rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@FEW
@given(SIZES, SEEDS, st.integers(2, 3))
def test_a_batch_given_several_times_has_the_same_loss_and_gradient(sizes, seed, times):
    params, inputs = network(sizes, seed), drawn(seed + 1, 3, sizes[0])
    targets, labels = drawn(seed + 2, 3, sizes[-1]), jnp.arange(3) % sizes[-1]
    for loss, given_targets in ((jaxmlp.mse, targets), (jaxmlp.cross_entropy, labels)):
        if loss is jaxmlp.cross_entropy and sizes[-1] == 1:
            continue

        def mean_loss(params, inputs, targets, loss=loss):
            return loss(jaxmlp.apply(params, inputs), targets)

        once, often = (
            jax.value_and_grad(mean_loss)(
                params, *(jnp.concatenate([rows] * count) for rows in (inputs, given_targets))
            )
            for count in (1, times)
        )
        close(often, once, rtol=1e-4, atol=1e-5)


def steps(optimizer, tree, gradients):
    """The trees after each step."""
    state, found = optimizer.init(tree), []
    for grads in gradients:
        updates, state = optimizer.update(grads, state, tree)
        tree = jaxmlp.apply_updates(tree, updates)
        found.append(tree)
    return found


@pytest.mark.parametrize("name", [name for name in OPTIMIZERS if name not in OF_ALL])
@settings(deadline=None, max_examples=3)
@given(st.lists(st.integers(1, 3), min_size=2, max_size=4), SEEDS, st.data())
def test_a_tree_cut_in_two_takes_the_same_steps(name, widths, seed, data):
    optimizer, cut = OPTIMIZERS[name], data.draw(st.integers(1, len(widths) - 1))
    first, *rest = ([drawn(seed + 10 * step + i, width) for i, width in enumerate(widths)] for step in range(4))
    whole = steps(optimizer, first, rest)
    parts = [
        steps(optimizer, first[side], [grads[side] for grads in rest]) for side in (slice(None, cut), slice(cut, None))
    ]
    for together, left, right in zip(whole, *parts, strict=True):
        jax.tree.map(np.testing.assert_array_equal, together, left + right)


def test_every_optimizer_takes_part():
    assert set(OPTIMIZERS) == set(contestants.OPTIMIZERS)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_steps_with_and_without_jit_and_under_vmap_agree(name):
    optimizer, trees = OPTIMIZERS[name], [drawn(seed, 3, 2) for seed in range(4)]

    def run(first, *gradients):
        return steps(optimizer, first, gradients)[-1]

    close(list(jax.jit(jax.vmap(run))(*trees)), [run(*(tree[i] for tree in trees)) for i in range(3)])


def learner_of(sizes, rate, dropout_rate):
    optimizer = jaxmlp.chain(jaxmlp.clip_by_global_norm(1.0), jaxmlp.adam(rate))
    return jaxmlp.classifier(sizes, optimizer=optimizer, dropout_rate=dropout_rate, l2=0.01)


DATA = jaxmlp.load("moons", rows=40)


def one_step(dropout_rate, key):
    learner = learner_of((2, 3, 2), 0.05, dropout_rate)
    params = learner.init(key)
    (loss, _), grads = jax.value_and_grad(learner.loss, has_aux=True)(params, DATA.train, key)
    updates, _ = learner.optimizer.update(grads, learner.optimizer.init(params), params)
    return loss, jaxmlp.apply_updates(params, updates)


def one_run(patience, key, rate):
    learner = learner_of((2, 3, 2), rate, 0.25)
    return jaxmlp.fit(key, learner, DATA, epochs=3, batch_size=9, patience=patience).history


def row(tree, i):
    return jax.tree.map(lambda leaf: leaf[i], tree)


@pytest.mark.slow
@pytest.mark.parametrize("dropout_rate", [0.0, 0.25])
def test_a_step_with_and_without_jit_and_under_vmap_agree(dropout_rate):
    step, keys = functools.partial(one_step, dropout_rate), jax.random.split(jax.random.key(3), 3)
    batch, compiled = jax.jit(jax.vmap(step))(keys), jax.jit(step)
    plain = step(keys[0])
    close((compiled(keys[0]), row(batch, 0)), (plain, plain), rtol=1e-4, atol=1e-5)
    for i, key in enumerate(keys):
        close(row(batch, i), compiled(key), rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("patience", [None, 2])
def test_runs_under_jit_and_vmap_agree_with_a_loop(patience):
    run, rates = functools.partial(one_run, patience), jnp.array([0.01, 0.05, 0.2])
    keys = jax.random.split(jax.random.key(5), 3)
    batch = jax.jit(jax.vmap(run))(keys, rates)
    plain = [run(key, rate) for key, rate in zip(keys, rates, strict=True)]
    for i in range(3):
        close(row(batch, i), plain[i], rtol=1e-3, atol=1e-4)
    if patience:
        close(jax.jit(run)(keys[1], rates[1]), plain[1], rtol=1e-3, atol=1e-4)
