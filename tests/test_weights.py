"""Weights of rows and classes in losses, metrics and learners: against scikit-learn, by hand, and by what must not matter."""

import re

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sklearn.cluster
import sklearn.metrics
import sklearn.utils.class_weight

import jaxmlp
from jaxmlp import Batch, Data, balanced_weights, classifier, regressor
from jaxmlp.leaves import bind

KEY = jax.random.key(3)
RNG = np.random.default_rng(0)
Y = RNG.normal(size=(7, 3))
T = 2 * RNG.normal(size=(7, 3)) + 1
LABELS = np.array([0, 2, 1, 1, 2, 0, 1])
BITS = np.array([[1, 0, 1], [0, 0, 1], [1, 1, 1], [0, 1, 0], [1, 0, 0], [0, 0, 0], [1, 1, 0]])
W = np.array([0.5, 2.0, 0.0, 1.0, 3.0, 0.25, 1.5])

LOSSES = {
    "mse": (jaxmlp.mse, T),
    "sse": (jaxmlp.sse, T),
    "huber": (bind(jaxmlp.huber, delta=0.7), T),
    "cross_entropy": (jaxmlp.cross_entropy, LABELS),
    "smoothed": (bind(jaxmlp.cross_entropy, label_smoothing=0.3), LABELS),
    "one-hot": (jaxmlp.cross_entropy, np.eye(3)[LABELS]),
    "binary_cross_entropy": (jaxmlp.binary_cross_entropy, BITS),
    "perceptron": (jaxmlp.perceptron, BITS),
}
METRICS = {
    "accuracy": (jaxmlp.accuracy, LABELS),
    "one-hot accuracy": (jaxmlp.accuracy, np.eye(3)[LABELS]),
    "multi-label accuracy": (lambda p, t, weights=None: jaxmlp.accuracy(p, t, multi_label=True, weights=weights), BITS),
    "r2": (jaxmlp.r2, T),
}
MEANS = {name: pair for name, pair in (LOSSES | METRICS).items() if name not in ("sse", "r2")}
each_loss = pytest.mark.parametrize(("loss", "targets"), LOSSES.values(), ids=LOSSES)
each_mean = pytest.mark.parametrize(("mean", "targets"), MEANS.values(), ids=MEANS)
each = pytest.mark.parametrize(("function", "targets"), (LOSSES | METRICS).values(), ids=LOSSES | METRICS)


def refuses(error, text):
    """The block raises `error` with exactly this text (JAX may add a note below it)."""
    return pytest.raises(error, match=rf"^{re.escape(text)}(\n|$)")


def close(left, right, rtol=1e-12):
    np.testing.assert_allclose(left, right, rtol=rtol, atol=1e-300)


# Losses and metrics.


@each_mean
def test_a_weighted_mean_is_the_mean_of_the_rows_own_values(mean, targets, x64):
    of_rows = np.array([mean(Y[i : i + 1], targets[i : i + 1]) for i in range(7)])
    close(mean(Y, targets, weights=W), (W * of_rows).sum() / W.sum())


def test_a_weighted_sum_of_squares(x64):
    close(jaxmlp.sse(Y, T, weights=W), (W[:, None] * (Y - T) ** 2).sum())


def test_weighted_inertia_is_that_of_scikit_learn(x64):
    k_means = sklearn.cluster.KMeans(2, n_init=1, random_state=0).fit(Y, sample_weight=W)
    close(jaxmlp.inertia(Y, k_means.cluster_centers_, weights=W), k_means.inertia_)


def test_weighted_metrics_are_those_of_scikit_learn(x64):
    close(jaxmlp.mse(Y, T, weights=W), sklearn.metrics.mean_squared_error(T, Y, sample_weight=W))
    close(jaxmlp.r2(Y, T, weights=W), sklearn.metrics.r2_score(T, Y, sample_weight=W))
    close(jaxmlp.r2(Y[:, 0], T[:, 0], weights=W), sklearn.metrics.r2_score(T[:, 0], Y[:, 0], sample_weight=W))
    close(jaxmlp.accuracy(Y, LABELS, weights=W), sklearn.metrics.accuracy_score(LABELS, Y.argmax(1), sample_weight=W))
    multi_label = jaxmlp.accuracy(Y, BITS, multi_label=True, weights=W)
    close(multi_label, 1 - sklearn.metrics.hamming_loss(BITS, Y > 0, sample_weight=W))
    close(jaxmlp.accuracy(Y, BITS, multi_label=True), 1 - sklearn.metrics.hamming_loss(BITS, Y > 0))


@each
def test_equal_weights_weigh_nothing(function, targets, x64):
    equal = function(Y, targets) * (3.0 if function is jaxmlp.sse else 1.0)
    close(function(Y, targets, weights=np.full(7, 3.0)), equal)


@each
def test_an_integer_weight_repeats_a_row(function, targets, x64):
    counts = np.array([1, 0, 3, 1, 2, 0, 1])
    repeated = function(np.repeat(Y, counts, axis=0), np.repeat(targets, counts, axis=0))
    close(function(Y, targets, weights=counts), repeated)


@each
@pytest.mark.parametrize("bad", [np.inf, np.nan])
def test_a_row_of_weight_0_does_not_contribute_whatever_it_holds(function, targets, bad, x64):
    spoiled, others = Y.copy(), np.arange(7) != 2
    spoiled[2] = bad
    wrong = np.array(targets)
    wrong[2] = bad if wrong.dtype.kind == "f" else -1
    expected = function(Y[others], targets[others], weights=W[others])
    close(function(spoiled, wrong, weights=W), expected)
    close(jax.jit(function)(spoiled, wrong, weights=W), expected)


@each_loss
def test_the_gradient_of_a_row_of_weight_0_is_0(loss, targets, x64):
    spoiled, others = Y.copy(), np.arange(7) != 2
    spoiled[2] = np.inf
    gradient = jax.grad(lambda y: loss(y, targets, weights=W))(spoiled)
    assert (gradient[2] == 0).all()
    close(gradient[others], jax.grad(lambda y: loss(y, targets[others], weights=W[others]))(Y[others]))


@each
def test_weights_of_0_alone_give_0_and_a_gradient_of_0(function, targets):
    nothing = np.zeros(7, np.float32)
    assert function(Y, targets, weights=nothing) == 0
    assert not jax.grad(lambda y: function(y, targets, weights=nothing))(jnp.asarray(Y, jnp.float32)).any()


@each_mean
@pytest.mark.parametrize("unit", [2.0**126, 2.0**-124])
def test_the_unit_of_weights_does_not_matter_however_large_or_small(mean, targets, unit):
    weights = np.asarray(W, np.float32)
    assert mean(Y, targets, weights=weights * np.float32(unit)) == mean(Y, targets, weights=weights)


@each
def test_weights_may_be_traced_and_of_another_dtype(function, targets):
    y = jnp.asarray(Y, jnp.float32)
    expected = function(y, targets, weights=np.asarray(W, np.float32))
    for weights in (W, W.astype(np.float16), jnp.asarray(W, jnp.bfloat16)):
        close(jax.jit(function)(y, targets, weights=weights), expected, rtol=1e-5)
    assert function(y.astype(jnp.float16), targets, weights=W).dtype == function(y.astype(jnp.float16), targets).dtype


def test_half_precision_sums_many_weights():
    errors = np.ones(100_000, np.float16)
    assert jaxmlp.mse(errors, np.zeros_like(errors), weights=np.full(100_000, 3, np.float16)) == 1


def test_r2_of_a_constant_among_the_rows_that_count():
    weights, targets = np.array([1.0, 1.0, 0.0]), np.array([2.0, 2.0, 5.0])
    assert jaxmlp.r2(np.array([2.0, 2.0, 9.0]), targets, weights=weights) == 1
    assert jaxmlp.r2(np.array([2.0, 2.5, 5.0]), targets, weights=weights) == 0


@pytest.mark.parametrize(
    ("weights", "text"),
    [
        (np.ones((7, 1)), "weights must be of shape (7,), got (7, 1)"),
        (np.ones(3), "weights must be of shape (7,), got (3,)"),
        (1.0, "weights must be of shape (7,), got ()"),
        (np.array([1, 1, 1, -2, 1, 1, 1]), "weights must be finite and at least 0, got -2.0"),
        (np.array([1, 1, 1, np.nan, 1, 1, 1]), "weights must be finite and at least 0, got nan"),
        (np.array([1, 1, 1, np.inf, 1, 1, 1]), "weights must be finite and at least 0, got inf"),
    ],
)
def test_weights_are_checked(weights, text):
    for name, function, targets in (("mse", jaxmlp.mse, T), ("r2", jaxmlp.r2, T)):
        with refuses(ValueError, f"{name}: {text}"):
            function(Y, targets, weights=weights)
    with refuses(ValueError, f"accuracy: {text}"):
        jaxmlp.accuracy(Y, LABELS, weights=weights)
    with refuses(ValueError, f"cross_entropy: {text}"):
        jaxmlp.cross_entropy(Y, LABELS, weights=weights)


# Weights of classes.


def test_balanced_weights_are_those_of_scikit_learn():
    labels = np.array([0, 0, 0, 1, 2, 2])
    expected = sklearn.utils.class_weight.compute_class_weight("balanced", classes=np.arange(3), y=labels)
    close(balanced_weights(labels), expected)
    close(balanced_weights(jnp.asarray(labels, jnp.int8)), expected)
    close(balanced_weights([0, 1, 1], weights=[3.0, 1.0, 1.0]), [5 / 6, 5 / 4])
    for bad, text in (
        ([0, 2], "labels must have rows of every class, got 'none of [1]'"),
        ([0.5, 1.0], "labels must be integer labels (n,), not empty, got ((2,), 'float64')"),
        ([0, -1], "labels must be at least 0 and below 2147483647 (the classes), got -1"),
    ):
        with refuses(ValueError, f"balanced_weights: {text}"):
            balanced_weights(bad)
    with refuses(ValueError, "balanced_weights: weights must be of shape (2,), got (3,)"):
        balanced_weights([0, 1], weights=[1, 1, 1])


def loss_of(learner, params, batch):
    out = learner.loss(params, batch, KEY)
    return out[0] if isinstance(out, tuple) else out


X = RNG.normal(size=(7, 2)).astype(np.float32)
WEIGHTED = Batch(X, LABELS, np.asarray(W, np.float32))


@pytest.mark.parametrize(
    "form", [{1: 4.0, 2: 0.5}, [1.0, 4.0, 0.5], np.array([1.0, 4.0, 0.5]), (1, jnp.float32(4), 0.5)]
)
def test_class_weights_shape_the_training_loss_only(form):
    learner = classifier((2, 4, 3), optimizer=jaxmlp.gd(0.1), class_weight=form)
    params = learner.init(KEY)
    logits = jaxmlp.apply(params, X)
    by_class = np.array([1.0, 4.0, 0.5])[LABELS]
    for batch, weights in ((WEIGHTED, by_class * W), (Batch(X, LABELS), by_class)):
        loss, metrics = learner.loss(params, batch, KEY)
        assert loss == jaxmlp.cross_entropy(logits, LABELS, weights=weights)
        accuracy = jaxmlp.accuracy(logits, LABELS, weights=batch.weights)
        assert metrics == {"accuracy": accuracy}
        plain = {"loss": jaxmlp.cross_entropy(logits, LABELS, weights=batch.weights), "accuracy": accuracy}
        assert learner.evaluate(params, batch) == plain


def test_class_weights_of_one_output_and_of_one_hot_labels():
    learner = classifier((2, 1), optimizer=jaxmlp.gd(0.1), class_weight={1: 5.0})
    params, bits = learner.init(KEY), LABELS % 2
    expected = jaxmlp.binary_cross_entropy(jaxmlp.apply(params, X)[:, 0], bits, weights=np.where(bits == 1, 5.0, 1.0))
    assert loss_of(learner, params, Batch(X, bits)) == expected
    assert loss_of(learner, params, Batch(X, bits[:, None])) == expected
    learner = classifier((2, 3), optimizer=jaxmlp.gd(0.1), class_weight=[1.0, 2.0, 7.0])
    params, one_hot = learner.init(KEY), np.eye(3, dtype=np.int32)[LABELS]
    loss = loss_of(learner, params, Batch(X, one_hot))
    close(loss, loss_of(learner, params, Batch(X, LABELS)), rtol=1e-6)


def test_class_weights_are_leaves_that_may_be_traced():
    def learner(rare):
        return classifier((2, 3), optimizer=jaxmlp.gd(0.1), class_weight={2: rare})

    params = learner(1.0).init(KEY)
    assert jax.tree.structure(learner(1.0)) == jax.tree.structure(learner(2.0))
    losses = jax.vmap(lambda rare: loss_of(learner(rare), params, WEIGHTED))(jnp.array([1.0, 6.0]))
    close(losses, [loss_of(learner(1.0), params, WEIGHTED), loss_of(learner(6.0), params, WEIGHTED)], rtol=1e-6)


@pytest.mark.parametrize(
    ("class_weight", "error", "text"),
    [
        ([1.0, 2.0], ValueError, "have 3 numbers, one for each class, got (2,)"),
        ({"cat": 2.0}, ValueError, "have integer labels of at least 0 and below 3 (the classes), got ['cat']"),
        ({3: 2.0}, ValueError, "have integer labels of at least 0 and below 3 (the classes), got [3]"),
        ([1.0, -2.0, 1.0], ValueError, "be a finite number of at least 0, got -2.0"),
        (np.array([1.0, np.nan, 1.0]), ValueError, "be finite and at least 0, got nan"),
        (
            "balanced",
            TypeError,
            "be numbers, one for each class, or a dict {label: number} (balanced_weights(labels) makes such numbers), "
            "got 'balanced'",
        ),
    ],
)
def test_class_weights_are_checked(class_weight, error, text):
    with refuses(error, f"classifier: class_weight must {text}"):
        classifier((2, 3), optimizer=jaxmlp.gd(0.1), class_weight=class_weight)


def test_class_weights_need_a_single_class_per_row():
    with refuses(
        ValueError,
        "classifier: class_weight must be None for multi_label=True, whose rows have no single class, got [1]",
    ):
        classifier((2, 1), optimizer=jaxmlp.gd(0.1), class_weight=[1], multi_label=True)


# Learners.


def test_weights_of_rows_reach_every_loss_and_metric():
    learner = regressor((2, 3), optimizer=jaxmlp.gd(0.1), loss=jaxmlp.huber, l2=0.1)
    params, batch = learner.init(KEY), Batch(X, T, W)
    y = jaxmlp.apply(params, X)
    huber = jaxmlp.huber(y, T, weights=W)
    assert learner.evaluate(params, batch) == {"loss": huber, "r2": jaxmlp.r2(y, T, weights=W)}
    close(loss_of(learner, params, batch), huber + 0.1 * jaxmlp.l2(params), rtol=1e-6)
    learner = classifier((2, 3), optimizer=jaxmlp.gd(0.1), label_smoothing=0.2)
    loss, metrics = learner.loss(params, WEIGHTED, KEY)
    assert loss == jaxmlp.cross_entropy(y, LABELS, 0.2, weights=W)
    assert metrics["accuracy"] == jaxmlp.accuracy(y, LABELS, weights=W)


def test_a_loss_that_takes_no_weights_is_refused_only_if_there_are_some():
    def own(predictions, targets):
        return jnp.mean(jnp.abs(predictions - targets))

    learner = regressor((2, 3), optimizer=jaxmlp.gd(0.1), loss=own)
    params = learner.init(KEY)
    assert learner.evaluate(params, Batch(X, T))["loss"] == own(jaxmlp.apply(params, X), jnp.asarray(T, jnp.float32))
    rule = "accept weights=, as the losses of jaxmlp do, because rows or classes have weights, got 'own()'"
    data = Data(*[Batch(X, np.asarray(T, np.float32), np.ones(7, np.float32))] * 3)
    with refuses(TypeError, f"regressor: loss must {rule}"):
        jaxmlp.fit(KEY, learner, data, epochs=1)
    learner = classifier((2, 3), optimizer=jaxmlp.gd(0.1), loss=lambda z, t: jnp.mean(z), class_weight=[1, 2, 3])
    with refuses(TypeError, f"classifier: loss must {rule.replace('own()', '<lambda>()')}"):
        learner.loss(params, Batch(X, LABELS), KEY)


@pytest.mark.parametrize(
    ("weights", "text"),
    [
        (np.ones(6, np.float32), "be of shape (7,), got (6,)"),
        (np.array([1, 1, 1, -2, 1, 1, 1], np.float32), "be finite and at least 0, got -2.0"),
        (np.zeros(7, np.float32), "be above 0 for at least one row, got 0.0"),
    ],
)
def test_a_learner_checks_the_weights_of_its_data(weights, text):
    plain = Batch(X, LABELS)
    data = Data(plain, plain._replace(weights=weights), plain)
    with refuses(ValueError, f"classifier: data.validation.weights must {text}"):
        classifier((2, 3), optimizer=jaxmlp.gd(0.1)).check(data)
    real = Batch(X, np.asarray(T, np.float32))
    with refuses(ValueError, f"regressor: data.train.weights must {text}"):
        regressor((2, 3), optimizer=jaxmlp.gd(0.1)).check(Data(real._replace(weights=weights), real, real))


def test_many_classes_of_labels_in_one_row_need_multi_label():
    batch = Batch(X, np.array(BITS, np.int32))
    rule = "have one 1 in each row (use multi_label=True if several may be 1), got [2]"
    with refuses(ValueError, f"classifier: data.train.targets must {rule}"):
        classifier((2, 3), optimizer=jaxmlp.gd(0.1)).check(Data(batch, batch, batch))


def test_a_multi_label_classifier_is_binary_cross_entropy_of_every_output():
    learner = classifier((2, 4, 3), optimizer=jaxmlp.gd(0.1), multi_label=True)
    params = learner.init(KEY)
    logits = jaxmlp.apply(params, X)
    for batch in (Batch(X, BITS), Batch(X, BITS, W)):
        loss, metrics = learner.loss(params, batch, KEY)
        assert loss == jaxmlp.binary_cross_entropy(logits, BITS, weights=batch.weights)
        assert metrics == {"accuracy": jaxmlp.accuracy(logits, BITS, multi_label=True, weights=batch.weights)}
        assert learner.evaluate(params, batch) == {"loss": loss, **metrics}


@pytest.mark.parametrize(
    ("targets", "text"),
    [
        (LABELS, "be of shape (n, 3), got (7,)"),
        (BITS[:, :2], "be of shape (n, 3), got (7, 2)"),
        (BITS + 1, "be 0 or 1 throughout, got [2]"),
        (np.where(BITS == 1, 0.5, 0.0), "be 0 or 1 throughout, got [0.5]"),
    ],
)
def test_multi_label_targets_are_checked(targets, text):
    batch = Batch(X, targets)
    with refuses(ValueError, f"classifier: data.train.targets must {text}"):
        classifier((2, 3), optimizer=jaxmlp.gd(0.1), multi_label=True).check(Data(batch, batch, batch))


def test_multi_label_is_a_bool():
    with refuses(TypeError, "classifier: multi_label must be True or False, got 3"):
        classifier((2, 3), optimizer=jaxmlp.gd(0.1), multi_label=3)  # pyright: ignore[reportArgumentType]


# Runs.


def test_rows_of_weight_0_change_no_bit_of_what_training_learns():
    rows = jaxmlp.load("moons", rows=60)
    weights = np.where(np.arange(len(rows.train.inputs)) % 3 == 0, 0.0, 1.5).astype(np.float32)
    spoiled = jnp.where(weights[:, None] == 0, 100.0, rows.train.inputs)
    learner = classifier((2, 8, 2), optimizer=jaxmlp.adam(0.05), class_weight=[1.0, 3.0])
    train = rows.train._replace(weights=jnp.asarray(weights))
    runs = [
        jaxmlp.fit(KEY, learner, rows._replace(train=batch), epochs=3)
        for batch in (train, train._replace(inputs=spoiled))
    ]
    chex.assert_trees_all_equal(*(run.params for run in runs))
    plain = jaxmlp.fit(KEY, learner, rows, epochs=3)
    assert any((a != b).any() for a, b in zip(jax.tree.leaves(plain), jax.tree.leaves(runs[0]), strict=True))


def test_weighted_trials_equal_fit_to_the_bit():
    data = jaxmlp.load("moons", rows=80)
    batches = [batch._replace(weights=1 + jnp.arange(len(batch.inputs)) % 4 / 2) for batch in data]
    data = Data(*batches)

    def recipe(rare):
        return classifier((2, 8, 2), optimizer=jaxmlp.adam(0.03), class_weight={1: rare})

    options = {"epochs": 4, "batch_size": 16, "patience": 2}
    study = jaxmlp.train_many(recipe, data, seeds=2, rare=[0.5, 4.0], progress=False, **options)
    for trial, row in enumerate(study.trials):
        alone = jaxmlp.fit(jax.random.key(row["seed"]), recipe(row["rare"]), data, **options)
        chex.assert_trees_all_equal(study.params(trial), alone.params)
        test = recipe(1.0).evaluate(alone.params, data.test)
        assert study.table().loc[trial, "test_loss"] == pytest.approx(float(test["loss"]), rel=1e-6)
