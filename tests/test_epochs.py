"""The loop of `fit` and of the lanes: what counts as an improvement, when a run stops, and what is recorded."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import Partial

import jaxmlp
from jaxmlp import Batch, Data, Learner, Result, Status, fit
from jaxmlp.epochs import Plan, Stopping, advance, finish, forward, start

INF, NAN = float("inf"), float("nan")
ONE_ROW = Data(*[Batch(jnp.ones((1, 1)), jnp.ones((1, 1)))] * 3)


@pytest.fixture(scope="module", autouse=True)
def compiled_quickly():
    """These programs run for microseconds; what is compiled here must not serve other tests."""
    jax.clear_caches()
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)
    jax.clear_caches()


def no_steps(key):
    return {"steps": jnp.float32(0.0)}


def minus_steps(params, batch, key):
    return -params["steps"]


def from_script(losses, params, batch):
    now = losses[params["steps"].astype(jnp.int32) - 1]
    return {"loss": now, "score": -now}


def scripted(losses):
    """A learner whose parameter counts steps, and whose validation loss follows a script, a number for each step."""
    evaluate = Partial(from_script, jnp.asarray(losses, jnp.float32))
    return Learner(Partial(no_steps), Partial(minus_steps), evaluate, jaxmlp.gd(1.0))


def run(losses, patience=None, min_delta=0.0, **options):
    return fit(
        jax.random.key(0),
        scripted(losses),
        ONE_ROW,
        epochs=len(losses),
        patience=patience,
        min_delta=min_delta,
        **options,
    )


def test_small_steps_add_up_to_an_improvement_over_the_best():
    """No step of 0.25 exceeds min_delta, but every third loss is better than the last best one by more than 0.5."""
    losses = [4.0, 3.75, 3.5, 3.25, 3.0, 2.75, 2.5, 2.25]
    for patience in (None, 3):
        result = run(losses, patience, min_delta=0.5)
        assert (int(result.status), int(result.epochs), int(result.best_epoch)) == (Status.FINISHED, 8, 6)
    assert float(result.params["steps"]) == 7.0
    stopped = run(losses, patience=2, min_delta=0.5)
    assert (int(stopped.status), int(stopped.epochs), int(stopped.best_epoch)) == (Status.STOPPED, 3, 0)


def test_an_improvement_of_exactly_min_delta_is_none():
    assert int(run([4.0, 3.5, 3.0, 3.5, 4.0], min_delta=0.5).best_epoch) == 2  # 3.0 is 1 below the best, 3.5 was 0.5
    assert int(run([4.0, 3.5, 3.5, 4.0], min_delta=0.5).best_epoch) == 0
    assert int(run([4.0, 4.0, 4.0]).best_epoch) == 0


def test_a_worse_loss_does_not_become_the_one_to_beat():
    assert int(run([1.0, 3.0, 2.0, 1.5, 1.25]).best_epoch) == 0
    assert int(run([1.0, 3.0, 2.0, 0.5, 0.75]).best_epoch) == 3


def test_if_more_is_better_min_delta_counts_upwards():
    losses = [-4.0, -3.75, -3.5, -3.25, -3.0, -4.5]  # the score rises from 4 downwards, then to 4.5
    result = run(losses, min_delta=0.25, monitor="score", mode="max")
    assert int(result.best_epoch) == 5
    assert int(run(losses[:5], min_delta=0.25, monitor="score", mode="max").best_epoch) == 0
    assert int(run(losses, min_delta=0.25, monitor="score", mode="min").best_epoch) == 4


@pytest.mark.parametrize(
    ("patience", "epochs", "best", "status"),
    [(1, 2, 0, Status.STOPPED), (2, 3, 0, Status.STOPPED), (2.5, 8, 6, Status.FINISHED), (3, 8, 6, Status.FINISHED)],
)
def test_patience_is_the_number_of_epochs_without_improvement(patience, epochs, best, status):
    result = run([4.0, 5.0, 5.0, 3.0, 3.5, 3.0, 2.0, 9.0], patience)
    assert (int(result.epochs), int(result.best_epoch), int(result.status)) == (epochs, best, status)
    assert (float(result.params["steps"]), int(result.kept_epoch)) == (best + 1, best)


def test_out_of_epochs_and_out_of_patience_at_once_is_stopped():
    assert int(run([1.0, 2.0, 2.0], patience=2).status) == Status.STOPPED
    assert int(run([1.0, 2.0, 2.0], patience=3).status) == Status.FINISHED


@pytest.mark.parametrize("patience", [None, 2])
@pytest.mark.parametrize("bad", [NAN, INF, -INF])
def test_an_epoch_with_a_bad_metric_is_not_complete(bad, patience):
    result = run([4.0, 3.0, 5.0, bad, 1.0], patience)
    assert (int(result.status), int(result.cause), int(result.epochs), int(result.best_epoch)) == (
        Status.DIVERGED,
        3,
        3,
        1,
    )
    np.testing.assert_array_equal(result.history["validation_loss"], [4.0, 3.0, 5.0, NAN, NAN])
    np.testing.assert_array_equal(result.history["train_loss"], [0.0, -1.0, -2.0, NAN, NAN])
    assert (float(result.params["steps"]), int(result.kept_epoch)) == ((4.0, 2) if patience is None else (2.0, 1))
    assert result.reason == "diverged: the monitored metric became non-finite at step 4"


def test_a_bad_metric_that_is_not_monitored_does_no_harm():
    learner = scripted([3.0, 2.0])
    both = learner._replace(
        evaluate=lambda params, batch: {**learner.evaluate(params, batch), "score": jnp.float32(NAN)}
    )
    result = fit(jax.random.key(0), both, ONE_ROW, epochs=2)
    assert (int(result.status), int(result.best_epoch)) == (Status.FINISHED, 1)


def test_a_run_that_is_bad_from_the_first_epoch_keeps_its_initial_parameters():
    learner = scripted([1.0])._replace(loss=lambda params, batch, key: params["steps"] * jnp.float32(NAN))
    for patience in (None, 1):
        result = fit(jax.random.key(0), learner, ONE_ROW, epochs=3, patience=patience)
        assert (int(result.epochs), int(result.best_epoch), int(result.kept_epoch), int(result.steps)) == (0, -1, -1, 0)
        assert float(result.params["steps"]) == 0.0


@pytest.mark.parametrize(
    ("status", "cause", "text"),
    [
        (Status.FINISHED, 0, "finished its 6 epochs"),
        (Status.STOPPED, 0, "stopped early after 6 epochs; the best was epoch index 2"),
        (Status.PRUNED, 0, "pruned after 6 epochs"),
        (Status.DIVERGED, 1, "diverged: the loss became non-finite at step 17"),
        (Status.DIVERGED, 2, "diverged: a parameter became non-finite at step 17"),
        (Status.DIVERGED, 3, "diverged: the monitored metric became non-finite at step 17"),
    ],
)
def test_the_reason_in_words(status, cause, text):
    params, history = [jnp.zeros((40, 50)), jnp.zeros(7)], {"train_loss": 0, "validation_loss": 0}
    result = Result(params, history, *(jnp.int32(number) for number in (2, 3, 6, 17, status, cause)), {})
    assert result.reason == text
    assert repr(result) == f"Result({text}; 2,007 parameters, history of train_loss, validation_loss)"


def test_a_batch_of_results_shows_its_shape():
    numbers = jnp.zeros((2, 3), jnp.int32)
    assert repr(Result([], {}, *[numbers] * 6, {})) == "Result(a batch of shape (2, 3))"


started, forwarded, advanced = (jax.jit(function, static_argnums=0) for function in (start, forward, advance))


def pieces(losses, patience):
    plan = Plan("fit", len(losses), 1, "loss", "min")
    patience = None if patience is None else jnp.float32(patience)
    return plan, scripted(losses), ONE_ROW, Stopping(patience, jnp.float32(0.0))


@pytest.mark.parametrize("patience", [None, 3])
def test_a_run_in_pieces_is_a_run(patience):
    losses = [5.0, 3.0, 4.0, 2.0, 2.5, 2.25, 3.0, 9.0]
    plan, learner, data, stopping = pieces(losses, patience)
    state: Any = started(plan, jax.random.key(0), learner, data, stopping)
    epochs = []
    for piece in (0, 1, 3, 2, 100, 1):
        state = forwarded(plan, learner, data, stopping, state, jnp.int32(piece))
        epochs.append(int(state.epoch))
    assert epochs == ([0, 1, 4, 6, 8, 8] if patience is None else [0, 1, 4, 6, 7, 7])
    whole = run(losses, patience)
    jax.tree.map(np.testing.assert_array_equal, finish(state), whole)


def test_a_run_before_its_first_epoch():
    plan, learner, data, stopping = pieces([1.0, 2.0], None)
    state = started(plan, jax.random.key(0), learner, data, stopping)
    assert (int(state.epoch), int(state.status), int(state.cause), int(state.best_epoch)) == (0, Status.RUNNING, 0, -1)
    assert float(state.best) == INF and state.best_params is None
    assert {name: values.shape for name, values in state.history.items()} == {
        "train_loss": (2,), "validation_loss": (2,), "validation_score": (2,)
    }  # fmt: skip
    assert all(np.isnan(values).all() for values in state.history.values())
    for one in (state, advanced(plan, learner, data, stopping, state)):
        assert not any(getattr(leaf, "weak_type", False) for leaf in jax.tree.leaves(one))


def test_the_train_metrics_of_an_epoch_are_means_over_its_steps():
    rows = Batch(jnp.arange(7.0)[:, None], jnp.zeros((7, 1)))
    learner = Learner(
        init=lambda key: {"w": jnp.float32(1.0)},
        loss=lambda params, batch, key: (
            params["w"],
            {"largest": jnp.max(batch.inputs), "size": jnp.float32(len(batch.inputs))},
        ),
        evaluate=lambda params, batch: {"loss": params["w"], "sum": jnp.sum(batch.inputs)},
        optimizer=jaxmlp.gd(0.25),
    )
    result = fit(jax.random.key(0), learner, Data(rows, rows, rows), epochs=2, batch_size=2)
    # Three steps of two rows each, the seventh row waits: w falls by 0.25 each step.
    np.testing.assert_array_equal(result.history["train_loss"], [0.75, 0.0])
    np.testing.assert_array_equal(result.history["train_size"], [2.0, 2.0])
    np.testing.assert_array_equal(result.history["validation_sum"], [21.0, 21.0])
    assert int(result.steps) == 6
    assert np.all(result.history["train_largest"] >= 3.0)  # the mean of the larger one of three pairs out of 0 to 6


class Halved(NamedTuple):
    """A state that declares half of the parameters."""

    count: jax.Array

    def evaluation_params(self, params):
        return jax.tree.map(lambda p: p / 2, params)


def halving():
    """Trains like gradient descent at rate 1, and is judged at half of its parameters."""
    optimizer = jaxmlp.gd(1.0)

    def update(grads, state, params=None):
        return optimizer.update(grads, optimizer.init(params), params)[0], Halved(state.count + 1)

    return lambda params: Halved(jnp.zeros((), jnp.int32)), update


@pytest.mark.parametrize(("patience", "kept", "epochs"), [(None, 2.0, 4), (2, 1.0, 4)])
def test_a_model_is_judged_kept_and_returned_where_its_optimizer_says(patience, kept, epochs):
    def distance(params, batch):  # from 1, which half of the steps reach after two
        return {"loss": jnp.abs(params["steps"] - 1.0)}

    learner = Learner(no_steps, minus_steps, distance, halving())
    options: dict[str, Any] = {"epochs": 4, "patience": patience, "evaluate_initial": True}
    result = fit(jax.random.key(0), learner, ONE_ROW, **options)
    np.testing.assert_array_equal(result.history["validation_loss"], [0.5, 0.0, 0.5, 1.0][:epochs])
    assert float(result.params["steps"]) == kept and float(result.initial["validation_loss"]) == 1.0
    np.testing.assert_array_equal(result.history["train_loss"], [0.0, -1.0, -2.0, -3.0])  # at the parameters it trains
    study = jaxmlp.train_many(lambda: learner, ONE_ROW, seeds=1, progress=False, **options)
    assert float(study.params(0)["steps"]) == kept
    assert study.table()["test_loss"].tolist() == [abs(kept - 1.0)]
