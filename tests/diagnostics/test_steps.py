"""An optimizer that measures its steps: the measures by hand, in every place that trains, and no other difference."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxmlp
from jaxmlp.diagnostics import measured

NAMES = {"gradient_norm", "update_norm", "update_ratio", "distance"}


def loss_fn(params, batch, key):
    return 0.5 * jnp.sum(jnp.square(params["x"] - batch))


def test_two_steps_by_hand():
    optimizer = measured(jaxmlp.gd(0.5))
    train_step = jaxmlp.make_train_step(loss_fn, optimizer)
    state = jaxmlp.init_state({"x": jnp.array([3.0, 4.0])}, optimizer, jax.random.key(0))
    state, first = train_step(state, jnp.array([9.0, 12.0]))  # x - batch = (-6, -8): x goes to (6, 8)
    assert {name: float(first[name]) for name in NAMES} == {
        "gradient_norm": 10.0, "update_norm": 5.0, "update_ratio": 1.0, "distance": 5.0,
    }  # fmt: skip
    state, second = train_step(state, jnp.array([6.0, -8.0]))  # x - batch = (0, 16): x goes to (6, 0)
    expected = {"gradient_norm": 16.0, "update_norm": 8.0, "update_ratio": 0.8, "distance": 5.0}
    assert {name: float(second[name]) for name in NAMES} == pytest.approx(expected)
    assert state.params["x"].tolist() == [6.0, 0.0] and float(second["loss"]) == 128.0


def learner(optimizer):
    return jaxmlp.classifier((2, 8, 2), optimizer=optimizer)


@pytest.mark.slow
def test_history_has_means_over_steps_and_training_is_the_same_to_the_bit():
    data, key = jaxmlp.load("moons", rows=200), jax.random.key(3)
    plain = jaxmlp.fit(key, learner(jaxmlp.adam(0.01)), data, epochs=3)
    result = jaxmlp.fit(key, learner(measured(jaxmlp.adam(0.01))), data, epochs=3)
    assert set(result.history) - set(plain.history) == {f"train_{name}" for name in NAMES}
    for name, values in plain.history.items():
        assert (values == result.history[name]).all()
    assert jax.tree.all(jax.tree.map(lambda a, b: bool((a == b).all()), plain.params, result.params))
    # By hand, step by step.
    optimizer, found = jaxmlp.adam(0.01), []
    init_key, order_key, train_key = jax.random.split(key, 3)
    params = start = learner(optimizer).init(init_key)
    state, step = optimizer.init(params), 0
    for epoch in range(3):
        order = jaxmlp.epoch_order(jax.random.fold_in(order_key, epoch), 140)
        for rows in np.asarray(order)[:128].reshape(2, 64):
            batch = jax.tree.map(lambda array, rows=rows: array[rows], data.train)
            grads = jax.grad(lambda p, b=batch: learner(optimizer).loss(p, b, train_key)[0])(params)
            updates, state = optimizer.update(grads, state, params)
            flat = [
                np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)]) for tree in (grads, updates, params)
            ]
            params, step = jaxmlp.apply_updates(params, updates), step + 1
            away = np.concatenate(
                [np.ravel(a - b) for a, b in zip(*map(jax.tree.leaves, (params, start)), strict=True)]
            )
            lengths = [np.linalg.norm(vector) for vector in (*flat, away)]
            found.append([lengths[0], lengths[1], lengths[1] / lengths[2], lengths[3]])
    means = np.array(found).reshape(3, 2, 4).mean(axis=1)
    for place, name in enumerate(("gradient_norm", "update_norm", "update_ratio", "distance")):
        assert result.history[f"train_{name}"] == pytest.approx(means[:, place], rel=1e-3)


@pytest.mark.slow
def test_a_population_measures_too_and_one_that_diverges_is_no_trouble():
    data = jaxmlp.load("moons", rows=100)

    def recipe(learning_rate):
        return learner(measured(jaxmlp.gd(learning_rate)))

    study = jaxmlp.train_many(recipe, data, seeds=2, epochs=2, learning_rate=[0.1, 1e30], progress=False)
    assert np.isfinite(study.history("train_distance").to_numpy()[:2]).all()
    assert "train_update_ratio" in study.table()


@pytest.mark.parametrize(
    "optimizer",
    [
        jaxmlp.chain(jaxmlp.clip(1.0), measured(jaxmlp.adam(0.1))),
        measured(jaxmlp.averaged(jaxmlp.gd(0.1))),
        jaxmlp.averaged(measured(jaxmlp.gd(0.1))),
        measured(jaxmlp.projected(jaxmlp.gd(0.1), lambda params: params)),
    ],
)
def test_it_is_found_wherever_it_is_nested_and_judged_as_what_it_wraps(optimizer):
    state = jaxmlp.init_state({"x": jnp.zeros(2)}, optimizer, jax.random.key(0))
    state, metrics = jaxmlp.make_train_step(loss_fn, optimizer)(state, jnp.ones(2))
    assert set(metrics) == {"loss", *NAMES} and float(metrics["distance"]) == pytest.approx(0.1 * 2**0.5, rel=0.01)


def test_metrics_of_the_loss_keep_their_names_and_measures_must_differ():
    def named(params, batch, key):
        return jnp.sum(params), {"distance": jnp.float32(7.0)}

    def one_step(optimizer, loss):
        state = jaxmlp.init_state(jnp.ones(2), optimizer, jax.random.key(0))
        return jaxmlp.make_train_step(loss, optimizer)(state, ())[1]

    assert float(one_step(measured(jaxmlp.gd(0.1)), named)["distance"]) == 7.0
    twice = jaxmlp.chain(measured(jaxmlp.gd(0.1)), measured(jaxmlp.gd(1.0)))
    with pytest.raises(
        ValueError, match="make_train_step: the optimizer must measure each metric once, got 'gradient_norm'"
    ):
        one_step(twice, named)
    with pytest.raises(
        ValueError, match="measured.update: params must be given, as their distance is measured, got None"
    ):
        measured(jaxmlp.gd(0.1)).update(jnp.ones(2), measured(jaxmlp.gd(0.1)).init(jnp.ones(2)))
    with pytest.raises(TypeError, match=r"measured: optimizer must be a pair \(init, update\)"):
        measured(3)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_the_state_keeps_its_dtypes(dtype, x64):
    params = {"x": jnp.ones(3, dtype), "y": jnp.full(2, 0.5, dtype)}
    optimizer = measured(jaxmlp.gd(0.1))
    state = optimizer.init(params)
    _, after = optimizer.update(params, state, params)
    assert jax.tree.map(lambda a: a.dtype, state) == jax.tree.map(lambda a: a.dtype, after)
