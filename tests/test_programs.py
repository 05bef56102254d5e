"""Compiled programs are shared between equal structures, and released with the functions that they were made of."""

import gc
import weakref

import jax
import jax.numpy as jnp
import optax
import pytest

import jaxmlp
from jaxmlp.programs import Programs, is_crowded, weak, weakened


@pytest.fixture(scope="module")
def data():
    return jaxmlp.load("moons", rows=60)


def closure():
    """A loss that no other function equals."""
    scale = jnp.float32(2.0)

    def loss_fn(params, batch, key):
        return scale * jaxmlp.mse(jaxmlp.apply(params, batch.inputs)[:, 0], batch.targets.astype(jnp.float32))

    return loss_fn


def one_step(loss_fn, optimizer, data):
    params = jaxmlp.init(jax.random.key(0), (2, 3, 1))
    state = jaxmlp.init_state(params, optimizer, jax.random.key(1))
    return jaxmlp.make_train_step(loss_fn, optimizer)(state, data.train)


def collected(reference):
    gc.collect()
    return reference() is None


@pytest.mark.usefixtures("standard_promotion")
@pytest.mark.parametrize("make", [lambda: jaxmlp.adam(0.1), lambda: optax.adam(0.1)])
def test_a_loss_is_collected_after_its_training_step(data, make):
    loss_fn = closure()
    one_step(loss_fn, make(), data)
    reference = weakref.ref(loss_fn)
    del loss_fn
    assert collected(reference)


@pytest.mark.usefixtures("standard_promotion")
def test_a_foreign_optimizer_is_collected_after_its_training_step(data):
    optimizer = optax.adam(0.1)
    one_step(closure(), optimizer, data)
    reference = weakref.ref(optimizer.update)
    del optimizer
    assert collected(reference)


def fitted(data):
    """Weak references to the functions of a learner that has been fitted."""
    loss_fn = closure()

    def evaluate(params, batch):
        return {"loss": loss_fn(params, batch, None)}

    learner = jaxmlp.Learner(lambda key: jaxmlp.init(key, (2, 3, 1)), loss_fn, evaluate, jaxmlp.gd(0.1))
    jaxmlp.fit(jax.random.key(0), learner, data, epochs=1)
    return [weakref.ref(part) for part in learner[:3]]


def test_a_learner_is_collected_after_fit(data):
    assert all(collected(reference) for reference in fitted(data))


def studied(data, batch):
    """Weak references to a recipe and its loss, after a study of the recipe or of a batch of its learners."""

    def own_loss(logits, labels):
        return 2.0 * jaxmlp.cross_entropy(logits, labels)

    def recipe(rate):
        return jaxmlp.classifier((2, 3, 2), optimizer=jaxmlp.gd(rate), loss=own_loss)

    given = jax.vmap(recipe)(jnp.array([0.1, 0.2])) if batch else recipe
    grids = {} if batch else {"rate": [0.1]}
    jaxmlp.train_many(given, data, seeds=1, epochs=1, progress=False, **grids)
    return [weakref.ref(recipe), weakref.ref(own_loss)]


@pytest.mark.parametrize("batch", [False, True])
def test_a_recipe_is_collected_after_its_study(data, batch):
    assert all(collected(reference) for reference in studied(data, batch))


def test_a_program_lives_as_long_as_the_function_that_it_was_made_of(data):
    traces = []
    kept = closure()

    def loss_fn(params, batch, key):
        traces.append(1)
        return kept(params, batch, key)

    for rate in (0.1, 0.2, 0.3):
        one_step(loss_fn, jaxmlp.adam(rate), data)
        gc.collect()
    assert len(traces) == 1


class Scaled:
    """A loss with an attribute, given as a bound method."""

    def __init__(self, scale):
        self.scale = scale

    def loss(self, params, batch, key):
        return self.scale * jnp.sum(params)


def test_a_bound_method_is_another_function_once_its_object_has_changed():
    model = Scaled(2.0)
    losses = []
    for scale in (2.0, 3.0, 5.0):
        model.scale = scale
        state = jaxmlp.init_state(jnp.ones(2), jaxmlp.gd(0.1), jax.random.key(0))
        losses.append(float(jaxmlp.make_train_step(model.loss, jaxmlp.gd(0.1))(state, None)[1]["loss"]))
    assert losses == [4.0, 6.0, 10.0]


def test_a_bound_method_of_an_unchanged_object_is_compiled_once():
    traces = []

    class Counted(Scaled):
        def loss(self, params, batch, key):
            traces.append(1)
            return super().loss(params, batch, key)

    model = Counted(2.0)
    for _ in range(3):
        state = jaxmlp.init_state(jnp.ones(2), jaxmlp.gd(0.1), jax.random.key(0))
        jaxmlp.make_train_step(model.loss, jaxmlp.gd(0.1))(state, None)
    assert len(traces) == 1


def test_the_cache_forgets_the_oldest_program_when_it_is_full(monkeypatch):
    monkeypatch.setattr("jaxmlp.programs._MOST_PROGRAMS", 2)
    monkeypatch.setattr("jaxmlp.programs.is_crowded", lambda: False)  # by the programs of other tests
    made = []
    programs = Programs(lambda name: made.append(name) or name)
    for name in "abacb":
        programs([], name)
    assert made == ["a", "b", "c", "b"]  # a was used after b, so c takes b's place


def test_when_mappings_run_out_the_older_half_goes(monkeypatch, tmp_path):
    """Each kernel of a program takes a mapping, and a comparison of fourteen optimizers once ran out of them."""
    monkeypatch.setattr("jaxmlp.programs.Path", lambda name: tmp_path / name.rpartition("/")[2])
    assert not is_crowded()  # as on systems without these files
    (tmp_path / "max_map_count").write_text("8")
    (tmp_path / "maps").write_text("a mapping\n" * 4)
    cache = Programs(lambda number: [number])
    for number in range(4):
        cache([], number)
    assert not is_crowded() and len(cache._entries) == 4
    (tmp_path / "maps").write_text("a mapping\n" * 5)
    assert is_crowded() and cache([], 3) == [3] and len(cache._entries) == 4  # nothing is compiled
    assert cache([], 4) == [4] and [key for (key,) in cache._entries] == [2, 3, 4]


def test_a_weak_function_calls_and_compares_like_the_function():
    owners = []
    one, same, other = weak(closure, owners), weak(closure, owners), weak(collected, owners)
    assert one == same and hash(one) == hash(same) and one != other
    assert owners == [closure, closure, collected]
    function = jax.tree_util.Partial(jnp.add, 1.0)
    held, owners = weakened({"f": function, "n": 2.0})
    assert float(held["f"](2.0)) == 3.0 and held["n"] == 2.0 and owners == [jnp.add]
