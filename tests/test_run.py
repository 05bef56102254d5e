"""A whole run: epochs, early stopping, divergence, purity."""

import chex
import equinox as eqx
import flax.nnx as nnx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.tree_util import Partial

import jaxmlp
from jaxmlp import Batch, Data, Learner, Status, fit, init_state, make_train_step
from jaxmlp.result import Cause
from jaxmlp.shuffle import epoch_order


def line(rows=10, noise=0.0):
    """Rows on a line, in train, validation and test alike."""
    x = jnp.linspace(-1.0, 1.0, rows)[:, None]
    t = 2.0 * x + 0.5 + noise * jnp.sin(17.0 * x)
    return Data(Batch(x, t), Batch(x[::2], t[::2]), Batch(x[1::2], t[1::2]))


def straight(optimizer=None, **options):
    return jaxmlp.regressor((1, 1), optimizer=jaxmlp.gd(0.1) if optimizer is None else optimizer, **options)


def scripted(losses, optimizer=None):
    """A learner whose parameter counts epochs of one step, and whose validation loss follows a script."""

    losses = jnp.asarray(losses, jnp.float32)

    def evaluate(params, batch):
        now = losses[params["epochs"].astype(jnp.int32) - 1]
        return {"loss": now, "score": -now}

    return Learner(
        init=lambda key: {"epochs": jnp.float32(0.0)},
        loss=lambda params, batch, key: -params["epochs"],
        evaluate=evaluate,
        optimizer=jaxmlp.gd(1.0) if optimizer is None else optimizer,
    )


ONE_ROW = Data(*[Batch(jnp.ones((1, 1)), jnp.ones((1, 1)))] * 3)


def test_a_run_is_the_jitted_step_over_the_shuffled_batches_of_each_epoch():
    data, learner, key = line(), straight(), jax.random.key(5)
    result = fit(key, learner, data, epochs=3, batch_size=4)
    init_key, order_key, train_key = jax.random.split(key, 3)
    state = init_state(learner.init(init_key), learner.optimizer, train_key)
    step = make_train_step(learner.loss, learner.optimizer)
    for epoch in range(3):
        rows = epoch_order(jax.random.fold_in(order_key, epoch), 10)
        losses = []
        for batch in (rows[:4], rows[4:8]):  # two rows wait for the next epoch
            state, metrics = step(state, Batch(data.train.inputs[batch], data.train.targets[batch]))
            losses.append(float(metrics["loss"]))
        np.testing.assert_allclose(result.history["train_loss"][epoch], np.mean(losses), rtol=1e-5)
        metrics = learner.evaluate(state.params, data.validation)
        np.testing.assert_allclose(result.history["validation_loss"][epoch], metrics["loss"], rtol=1e-5)
        np.testing.assert_allclose(result.history["validation_r2"][epoch], metrics["r2"], rtol=1e-5)
    chex.assert_trees_all_close(result.params, state.params, rtol=1e-5)
    assert (int(result.epochs), int(result.steps), int(result.status)) == (3, 6, Status.FINISHED)
    assert result.reason == "finished its 3 epochs"


def test_patience_stops_and_the_best_parameters_come_back():
    #            0    1    2    3    4    5    6
    losses = [5.0, 3.0, 4.0, 3.5, 2.9, 3.0, 3.1, 0.1]
    result = fit(jax.random.key(0), scripted(losses), ONE_ROW, epochs=8, patience=2)
    assert (int(result.status), int(result.epochs), int(result.best_epoch)) == (Status.STOPPED, 4, 1)
    assert float(result.params["epochs"]) == 2.0
    np.testing.assert_array_equal(result.history["validation_loss"], [5.0, 3.0, 4.0, 3.5, *[np.nan] * 4])
    assert result.reason == "stopped early after 4 epochs; the best was epoch index 1"


def test_one_more_epoch_of_patience_finds_the_better_epoch():
    losses = [5.0, 3.0, 4.0, 3.5, 2.9, 3.0, 3.1, 3.2]
    result = fit(jax.random.key(0), scripted(losses), ONE_ROW, epochs=8, patience=3)
    assert (int(result.status), int(result.best_epoch), int(result.epochs)) == (Status.STOPPED, 4, 8)
    assert float(result.params["epochs"]) == 5.0


def test_min_delta_is_how_much_better_counts_as_better():
    losses = [5.0, 4.9, 4.8, 4.0, 4.0, 4.0]
    result = fit(jax.random.key(0), scripted(losses), ONE_ROW, epochs=6, patience=2, min_delta=0.5)
    assert (int(result.status), int(result.best_epoch), int(result.epochs)) == (Status.STOPPED, 0, 3)
    result = fit(jax.random.key(0), scripted(losses), ONE_ROW, epochs=6, patience=3, min_delta=0.5)
    assert int(result.best_epoch) == 3


def test_an_equal_loss_is_no_improvement():
    result = fit(jax.random.key(0), scripted([1.0, 1.0, 1.0, 1.0]), ONE_ROW, epochs=4, patience=2)
    assert (int(result.best_epoch), int(result.epochs)) == (0, 3)


def test_without_patience_the_last_parameters_come_back_and_the_best_epoch_is_known():
    result = fit(jax.random.key(0), scripted([1.0, 2.0, 3.0]), ONE_ROW, epochs=3)
    assert (int(result.status), int(result.best_epoch), float(result.params["epochs"])) == (Status.FINISHED, 0, 3.0)


def test_more_can_be_better():
    losses = [5.0, 3.0, 4.0, 6.0]
    learner = scripted(losses)
    least = fit(jax.random.key(0), learner, ONE_ROW, epochs=4, patience=9, monitor="loss", mode="min")
    most = fit(jax.random.key(0), learner, ONE_ROW, epochs=4, patience=9, monitor="score", mode="max")
    worst = fit(jax.random.key(0), learner, ONE_ROW, epochs=4, patience=9, monitor="loss", mode="max")
    assert (int(least.best_epoch), int(most.best_epoch), int(worst.best_epoch)) == (1, 1, 3)


@jax.custom_jvp
def gradient_breaks(count, broken):
    return count


@gradient_breaks.defjvp
def _(primals, tangents):
    return primals[0], jnp.where(primals[1], jnp.nan, 1.0) * tangents[0]


def bad_from(step, cause):
    """A learner that counts its steps and breaks at one: its loss, or its gradient and so its parameter."""

    def loss(params, batch, key):
        broken = jax.lax.stop_gradient(params["count"]) >= step
        if cause == Cause.LOSS:
            return jnp.where(broken, jnp.nan, 0.0) - params["count"]
        return -gradient_breaks(params["count"], broken)

    return Learner(
        init=lambda key: {"count": jnp.float32(0.0)},
        loss=loss,
        evaluate=lambda params, batch: {"loss": -params["count"]},
        optimizer=jaxmlp.gd(1.0),
    )


FIVE_ROWS = Data(*[Batch(jnp.ones((5, 1)), jnp.ones((5, 1)))] * 3)


@pytest.mark.parametrize("cause", [Cause.LOSS, Cause.PARAMETERS])
@pytest.mark.parametrize("step", [0, 3, 4, 5, 12])
def test_a_run_that_diverges_is_frozen_at_its_last_finite_state(step, cause):
    result = fit(jax.random.key(0), bad_from(step, cause), FIVE_ROWS, epochs=4, batch_size=1)
    assert (int(result.status), int(result.cause), int(result.steps)) == (Status.DIVERGED, cause, step)
    assert float(result.params["count"]) == step
    assert int(result.epochs) == step // 5
    assert np.isfinite(result.history["validation_loss"]).sum() == step // 5
    what = {Cause.LOSS: "the loss", Cause.PARAMETERS: "a parameter"}[cause]
    assert result.reason == f"diverged: {what} became non-finite at step {step}"


def test_a_diverged_run_with_patience_gives_its_best_epoch():
    result = fit(jax.random.key(0), bad_from(12, Cause.LOSS), FIVE_ROWS, epochs=4, batch_size=1, patience=3)
    assert (float(result.params["count"]), int(result.best_epoch)) == (10.0, 1)
    result = fit(jax.random.key(0), bad_from(3, Cause.LOSS), FIVE_ROWS, epochs=4, batch_size=1, patience=3)
    assert (float(result.params["count"]), int(result.best_epoch)) == (3.0, -1)


def test_a_monitored_metric_that_is_not_finite_ends_the_run():
    result = fit(jax.random.key(0), scripted([3.0, jnp.nan, 1.0]), ONE_ROW, epochs=3, patience=5)
    assert (int(result.status), int(result.cause), int(result.epochs)) == (Status.DIVERGED, Cause.VALIDATION, 1)
    assert result.reason.startswith("diverged: the monitored metric")


def test_vmap_over_keys_is_a_loop_also_when_one_run_diverges_and_one_stops():
    learner, keys = straight(jaxmlp.adam(0.3)), jax.random.split(jax.random.key(0), 3)
    many = jax.vmap(lambda key: fit(key, learner, line(), epochs=20, batch_size=4, patience=2))(keys)
    for i, key in enumerate(keys):
        one = fit(key, learner, line(), epochs=20, batch_size=4, patience=2)
        assert int(many.epochs[i]) == int(one.epochs)
        np.testing.assert_allclose(many.history["validation_loss"][i], one.history["validation_loss"], rtol=1e-3)


def test_vmap_over_a_batch_of_learners_is_a_loop_and_a_bad_one_hurts_nobody():
    rates = jnp.array([0.1, 1e9, 0.01])
    learners = jax.vmap(lambda rate: straight(jaxmlp.gd(rate), l2=rate * 1e-3))(rates)
    many = jax.vmap(lambda learner: fit(jax.random.key(1), learner, line(), epochs=3, batch_size=2))(learners)
    assert many.status.tolist() == [Status.FINISHED, Status.DIVERGED, Status.FINISHED]
    for i in (0, 1, 2):
        one = fit(jax.random.key(1), straight(jaxmlp.gd(rates[i]), l2=rates[i] * 1e-3), line(), epochs=3, batch_size=2)
        assert int(one.steps) == int(many.steps[i])
        chex.assert_trees_all_close(jax.tree.map(lambda leaf, i=i: leaf[i], many.params), one.params, rtol=1e-5)


def test_fit_inside_jit_is_fit():
    run = jax.jit(lambda key, rate: fit(key, straight(jaxmlp.gd(rate)), line(), epochs=4))
    chex.assert_trees_all_close(
        run(jax.random.key(0), 0.1).params, fit(jax.random.key(0), straight(), line(), epochs=4).params, rtol=1e-5
    )


def test_one_trace_for_any_number_seed_patience_and_newly_built_learner():
    traces = []

    def counted(predictions, targets):
        traces.append(1)
        return jaxmlp.mse(predictions, targets)

    def run(seed, rate, patience):
        schedule = jaxmlp.cosine_decay_schedule(rate, 100 * rate)
        learner = straight(jaxmlp.adam(schedule, b2=1 - rate), l1=rate, l2=rate, max_norm=1 + rate, loss=counted,
                           dropout_rate=rate, input_dropout_rate=rate, bias=rate)  # fmt: skip
        fit(jax.random.key(seed), learner, line(), epochs=2, patience=patience, min_delta=rate)

    run(0, 0.1, 1)
    first = len(traces)
    for seed, rate, patience in ((1, 0.2, 2), (2, jnp.float32(0.3), 3), (3, np.float64(0.4), 4.0)):
        run(seed, rate, patience)
    assert len(traces) == first


def flax_learner(optimizer):
    model = nnx.Linear(1, 1, rngs=nnx.Rngs(0))
    graph, _ = nnx.split(model)

    def init(key):
        return nnx.split(nnx.Linear(1, 1, rngs=nnx.Rngs(params=key)))[1]

    def loss(params, batch, key):
        return jnp.mean((nnx.merge(graph, params)(batch.inputs) - batch.targets) ** 2)

    return Learner(init, loss, lambda params, batch: {"loss": loss(params, batch, None)}, optimizer)


def equinox_learner(optimizer):
    _, rest = eqx.partition(eqx.nn.Linear(1, 1, key=jax.random.key(0)), eqx.is_array)

    def init(key):
        return eqx.filter(eqx.nn.Linear(1, 1, key=key), eqx.is_array)

    def loss(params, batch, key):
        return jnp.mean((jax.vmap(eqx.combine(params, rest))(batch.inputs) - batch.targets) ** 2)

    return Learner(init, loss, lambda params, batch: {"loss": loss(params, batch, None)}, optimizer)


@pytest.mark.parametrize("make", [flax_learner, equinox_learner])
@pytest.mark.parametrize("optimizer", [jaxmlp.gd(0.3), optax.sgd(0.3)], ids=["ours", "optax"])
def test_other_peoples_models_train(make, optimizer):
    result = fit(jax.random.key(0), make(optimizer), line(), epochs=30, batch_size=5, patience=30)
    w, b = sorted(float(leaf.ravel()[0]) for leaf in jax.tree.leaves(result.params))[::-1]
    np.testing.assert_allclose((w, b), (2.0, 0.5), atol=1e-3)


def test_functions_with_numbers_of_their_own_are_learners_too():
    def loss(slope, params, batch, key):
        return (params["x"] - slope) ** 2

    learner = Learner(
        lambda key: {"x": jnp.float32(0.0)}, Partial(loss, 3.0), lambda p, b: {"loss": p["x"]}, jaxmlp.gd(0.5)
    )
    assert float(fit(jax.random.key(0), learner, ONE_ROW, epochs=1).params["x"]) == 3.0


NAN = Batch(jnp.array([[1.0], [jnp.nan]]), jnp.ones((2, 1)))
FINE = Batch(jnp.ones((2, 1)), jnp.ones((2, 1)))


@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        ({"key": jax.random.PRNGKey(0)}, TypeError, r"fit: key must be a typed key.*uint32\[2\]"),
        ({"key": jax.random.key(0, impl="rbg")}, ValueError, "fit: key must be a threefry key .*rbg"),
        ({"learner": 3}, TypeError, "fit: learner must have init, loss, evaluate and optimizer.* got 3"),
        ({"learner": straight()._replace(loss=1)}, TypeError, "fit: learner.loss must be a function, got 1"),
        ({"learner": straight()._replace(optimizer=1)}, TypeError, "fit: optimizer must be a pair .* got 1"),
        ({"data": FINE}, TypeError, "fit: data must be a Data with train and validation, got Batch"),
        ({"data": Data(NAN, FINE, FINE)}, ValueError, "fit: data.train.inputs must hold no NaN and no infinity, got 1"),
        ({"data": Data(FINE, NAN, FINE)}, ValueError, "fit: data.validation.inputs must hold no NaN and no infinity, got 1"),
        ({"data": Data(FINE, Batch(jnp.ones((0, 1)), jnp.ones((0, 1))), FINE)}, ValueError,
         r"fit: data.validation.inputs must have at least one row, got \(0, 1\)"),
        ({"data": Data(Batch(jnp.ones((2, 1)), jnp.ones((3, 1))), FINE, FINE)}, ValueError,
         r"fit: data.train must have as many inputs as targets, got \[2, 3\]"),
        ({"data": Data(Batch(jnp.ones((2, 3)), jnp.ones((2, 1))), FINE, FINE)}, ValueError,
         r"regressor: data.train.inputs must be of shape \(n, 1\), got \(2, 3\)"),
        ({"epochs": 0}, ValueError, "fit: epochs must be a whole number of at least 1, got 0"),
        ({"epochs": 2.5}, ValueError, "fit: epochs must be a whole number of at least 1, got 2.5"),
        ({"batch_size": 11}, ValueError, r"fit: batch_size must be at most 10 \(the training rows\), got 11"),
        ({"batch_size": 0}, ValueError, "fit: batch_size must be a whole number of at least 1, got 0"),
        ({"patience": 0}, ValueError, "fit: patience must be at least 1, got 0"),
        ({"patience": float("nan")}, ValueError, "fit: patience must be a finite number of at least 0, got nan"),
        ({"min_delta": -1.0}, ValueError, "fit: min_delta must be a finite number of at least 0, got -1.0"),
        ({"monitor": "accuracy"}, ValueError, "fit: monitor must be one of loss, r2, got 'accuracy'"),
        ({"mode": "best"}, ValueError, "fit: mode must be one of min, max, got 'best'"),
    ],
)  # fmt: skip
def test_wrong_input_is_refused(changes, error, text):
    arguments = {"key": jax.random.key(0), "learner": straight(), "data": line(), "epochs": 2, **changes}
    with pytest.raises(error, match=text):
        fit(arguments.pop("key"), arguments.pop("learner"), arguments.pop("data"), **arguments)


def test_fit_runs_where_python_may_not_look_at_the_device():
    learner, data = straight(), jax.device_put(line())
    fit(jax.random.key(0), learner, data, epochs=2)
    key = jax.random.key(1)
    with jax.transfer_guard_device_to_host("disallow"):
        fit(key, learner, data, epochs=2)


def test_no_key_is_used_twice():
    learner = straight(input_dropout_rate=0.25)
    with jax.debug_key_reuse(True):
        fit(jax.random.key(0), learner, line(rows=4), epochs=2, batch_size=2)


def test_the_default_batch_is_64_rows_or_all_where_there_are_fewer():
    assert int(fit(jax.random.key(0), straight(), line(rows=200), epochs=1).steps) == 3
    assert int(fit(jax.random.key(0), straight(), line(rows=10), epochs=2).steps) == 2
