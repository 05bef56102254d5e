"""The batches of an epoch: their order, and the rows that do not fill the last one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxmlp
from jaxmlp import Batch, Cause, Data, Learner, Status, epoch_order, fit
from jaxmlp.batches import ORDERS, REMAINDERS, epoch_batches
from jaxmlp.threefry import fold_in

KEY = jax.random.key(11)


def order_of(order, epoch, rows):
    """The order of an epoch, written down once more."""
    if order == "given":
        return list(range(rows))
    return np.asarray(epoch_order(jax.random.fold_in(KEY, epoch if order == "reshuffled" else 0), rows)).tolist()


def batches_of(order, remainder, epoch, rows=10, batch_size=4):
    batches = epoch_batches(KEY, jnp.int32(epoch), rows, batch_size, order, remainder)
    lists = np.asarray(batches.full).tolist()
    if batches.last is not None and bool(batches.has_last):
        lists.append(np.asarray(batches.last).tolist())
    assert int(batches.steps) == len(lists)
    return lists


@pytest.mark.parametrize("order", ORDERS)
def test_dropped_and_kept_rows(order):
    for epoch in range(3):
        rows = order_of(order, epoch, 10)
        assert batches_of(order, "drop", epoch) == [rows[:4], rows[4:8]]
        assert batches_of(order, "keep", epoch) == [rows[:4], rows[4:8], rows[8:]]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("rows", "batch_size"), [(10, 4), (7, 5), (9, 8), (5, 4), (11, 2)])
def test_carried_rows_are_one_stream(order, rows, batch_size):
    epochs = 9
    stream = [row for epoch in range(epochs) for row in order_of(order, epoch, rows)]
    found = []
    for epoch in range(epochs):
        found += batches_of(order, "carry", epoch, rows, batch_size)
        assert len(found) == (epoch + 1) * rows // batch_size  # no row waits longer than it must
    assert found == [stream[i : i + batch_size] for i in range(0, len(found) * batch_size, batch_size)]


@pytest.mark.parametrize("remainder", REMAINDERS)
def test_rows_that_fill_all_batches_leave_no_remainder(remainder):
    batches = epoch_batches(KEY, jnp.int32(2), 12, 4, "given", remainder)
    assert batches.last is None and batches.steps == 3
    assert batches.full.tolist() == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]


def test_a_late_epoch_carries_what_it_should():
    # 3 rows remain of every 100,003: after 2**31 - 1 epochs, 3 * (2**31 - 1) modulo 50,000 of them.
    batches = epoch_batches(KEY, jnp.int32(2**31 - 1), 100_003, 50_000, "given", "carry")
    carried = 3 * (2**31 - 1) % 50_000
    assert int(batches.full[0, 0]) == 100_003 - carried and int(batches.full[0, carried]) == 0


def summing(rows, batch_size_metric=False):
    """A learner whose loss is the mean of its inputs; its parameter falls by 1 with each step."""

    def loss(params, batch, key):
        return params["w"] * 0 + jnp.mean(batch.inputs) + 0 * key_free(params), {"size": jnp.float32(len(batch.inputs))}

    return Learner(
        init=lambda key: {"w": jnp.float32(0.0)},
        loss=loss,
        evaluate=lambda params, batch: {"loss": jnp.sum(batch.inputs) + params["w"]},
        optimizer=counting(),
    )


def key_free(params):
    return jnp.sum(params["w"])


def counting():
    """An optimizer that adds 1 to every parameter."""
    return (lambda params: (), lambda grads, state, params=None: (jax.tree.map(jnp.ones_like, grads), state))


def data_of(values):
    train = Batch(jnp.asarray(values, jnp.float32)[:, None], jnp.zeros((len(values), 1)))
    return Data(train, Batch(jnp.ones((1, 1)), jnp.zeros((1, 1))), Batch(jnp.full((2, 1), 5.0), jnp.zeros((2, 1))))


def history(remainder, epochs=3, **options):
    values = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]
    return fit(
        KEY, summing(7), data_of(values), epochs=epochs, batch_size=3, order="given", remainder=remainder, **options
    )


def test_dropped_rows_do_not_count():
    result = history("drop")
    np.testing.assert_allclose(result.history["train_loss"], [3.5] * 3)
    assert int(result.steps) == 6


def test_a_smaller_batch_counts_by_its_rows():
    result = history("keep")
    np.testing.assert_allclose(result.history["train_loss"], [4.0] * 3, rtol=1e-6)  # the mean of all seven
    np.testing.assert_allclose(result.history["train_size"], [(3 * 3 + 3 * 3 + 1) / 7] * 3, rtol=1e-6)
    assert int(result.steps) == 9


def test_carried_batches_are_full_ones():
    result = history("carry")
    # 123 456 | 712 345 | 671 234 567
    expected = [(2 + 5) / 2, (10 / 3 + 4) / 2, (14 / 3 + 3 + 6) / 3]
    np.testing.assert_allclose(result.history["train_loss"], expected, rtol=1e-6)
    np.testing.assert_allclose(result.history["train_size"], [3.0] * 3)
    assert int(result.steps) == 7


def test_one_order_for_all_epochs():
    values = np.random.default_rng(0).normal(size=50)
    options = {"epochs": 3, "batch_size": 8, "order": "fixed"}
    fixed = fit(KEY, summing(50), data_of(values), **options).history["train_loss"]
    reshuffled = fit(KEY, summing(50), data_of(values), **options | {"order": "reshuffled"}).history["train_loss"]
    assert fixed[0] == fixed[1] == fixed[2] == reshuffled[0]
    assert len(set(reshuffled.tolist())) == 3
    other = fit(jax.random.key(12), summing(50), data_of(values), **options).history["train_loss"]
    assert other[0] != fixed[0]


@pytest.mark.parametrize("remainder", ["keep", "carry"])
def test_a_last_batch_that_diverges_is_told(remainder):
    values = [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, np.float32(3e38)]
    learner = summing(7)._replace(
        loss=lambda params, batch, key: jnp.sum(batch.inputs) * 10 + params["w"]  # infinite with the seventh row
    )
    result = fit(KEY, learner, data_of(values), epochs=3, batch_size=3, order="given", remainder=remainder)
    assert (int(result.status), int(result.cause)) == (Status.DIVERGED, Cause.LOSS)
    # "keep": the third step of the first epoch. "carry": the first of the second, which is the third of all.
    assert (int(result.epochs), int(result.steps)) == ({"keep": 0, "carry": 1}[remainder], 2)
    assert float(result.params["w"]) == 2.0


def test_carried_last_batch_that_diverges_is_told():
    values = [1.0, 1.0, np.float32(3e38), 1.0, 1.0]
    learner = summing(5)._replace(loss=lambda params, batch, key: jnp.sum(batch.inputs) * 10 + params["w"])
    options = {"epochs": 3, "batch_size": 2, "order": "given", "remainder": "carry"}
    # 11 x1 | 1, in the second step already
    result = fit(KEY, learner, data_of(values), **options)
    assert (int(result.epochs), int(result.steps), float(result.params["w"])) == (0, 1, 1.0)
    values = [1.0, 1.0, 1.0, np.float32(3e38), 1.0]
    # 11 1x: the second step again; only the last batch of the second epoch holds the fifth row twice
    result = fit(KEY, learner, data_of(values), **options)
    assert int(result.steps) == 1
    values = [1.0, 1.0, 1.0, 1.0, 1.0]
    assert int(fit(KEY, learner, data_of(values), **options).steps) == 7


def test_evaluation_before_the_first_step_and_on_test_data():
    plain = history("drop")
    assert plain.initial == {} and "test_loss" not in plain.history
    result = history("drop", evaluate_initial=True, evaluate_test=True)
    assert {name: float(value) for name, value in result.initial.items()} == {
        "validation_loss": 1.0, "test_loss": 10.0
    }  # fmt: skip
    np.testing.assert_array_equal(result.history["validation_loss"], [3.0, 5.0, 7.0])
    np.testing.assert_array_equal(result.history["test_loss"], [12.0, 14.0, 16.0])
    initial = history("drop", evaluate_initial=True).initial
    assert list(initial) == ["validation_loss"]


def test_what_is_out_of_range():
    for options, text in [
        ({"order": "sorted"}, "fit: order must be one of reshuffled, fixed, given, got 'sorted'"),
        ({"remainder": None}, "fit: remainder must be one of drop, keep, carry, got None"),
    ]:
        with pytest.raises(ValueError, match=text):
            fit(KEY, summing(7), data_of([1.0] * 7), epochs=1, **options)

    class Two:
        train, validation = data_of([1.0] * 7)[:2]

    with pytest.raises(TypeError, match="fit: data must have a test split"):
        fit(KEY, summing(7), Two(), epochs=1, evaluate_test=True)  # pyright: ignore[reportArgumentType]


def test_the_stream_of_a_key_is_the_library_s_own():
    rows = epoch_batches(KEY, jnp.int32(4), 6, 6, "reshuffled", "drop").full[0]
    assert rows.tolist() == epoch_order(fold_in(KEY, 4), 6).tolist()


def moons(learning_rate):
    return jaxmlp.classifier((2, 4, 2), optimizer=jaxmlp.adam(learning_rate), dropout_rate=0.1)


@pytest.mark.parametrize(("order", "remainder"), [("fixed", "keep"), ("reshuffled", "carry"), ("given", "drop")])
def test_a_population_does_what_a_run_does(order, remainder):
    data = jaxmlp.load("moons", rows=60)
    options = {
        "epochs": 4, "batch_size": 16, "order": order, "remainder": remainder, "patience": 3,
        "evaluate_initial": True, "evaluate_test": True,
    }  # fmt: skip
    study = jaxmlp.train_many(moons, data, seeds=[3, 5], learning_rate=[0.1, 0.01], progress=False, **options)
    result = fit(jax.random.key(5), moons(0.01), data, **options)
    for name, values in result.history.items():
        np.testing.assert_array_equal(study.history(name).loc[3].to_numpy(), values)
    row = study.table().loc[3]
    assert row["initial_test_loss"] == float(result.initial["test_loss"])
    assert row["test_loss"] == float(result.history["test_loss"][int(result.kept_epoch)])


def test_a_directory_keeps_initial_metrics_and_knows_orders(tmp_path):
    data = jaxmlp.load("moons", rows=60)
    options = {"seeds": 2, "epochs": 2, "learning_rate": [0.1], "progress": False, "directory": tmp_path}
    study = jaxmlp.train_many(moons, data, evaluate_initial=True, order="fixed", **options)
    again = jaxmlp.load_study(tmp_path).table()
    assert again["initial_validation_loss"].tolist() == study.table()["initial_validation_loss"].tolist()
    with pytest.raises(ValueError, match="must hold a study of these epochs, batch size, order, remainder"):
        jaxmlp.train_many(moons, data, evaluate_initial=True, order="given", **options)
