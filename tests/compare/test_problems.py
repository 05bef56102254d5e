"""The problems against their published definitions, and problems of a user's own."""

import gzip
import struct

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxmlp
from jaxmlp.compare import PROBLEMS, Problem, UserError
from jaxmlp.compare.comparison import traced
from jaxmlp.compare.problems import find_problem, quadratic, surfaces

LOCAL = [name for name in PROBLEMS if not name.endswith("_mlp") and name != "fmnist_autoencoder"]


@pytest.mark.parametrize("name", LOCAL)
def test_every_problem_can_be_trained_and_starts_short_of_its_target(name):
    problem = traced(find_problem(name))
    untrained = problem.untrained()
    assert untrained < problem.target if problem.mode == "max" else untrained > problem.target
    assert problem.name == name and problem.about and problem.steps_per_epoch >= 1


def test_quadratic_deep_is_deepobs():
    problem = find_problem("quadratic_deep")
    assert (problem.epochs, problem.batch_size, problem.keep, problem.order) == (100, 128, "last", "fixed")
    assert problem.rows == (1000, 896, 896)
    hessian = quadratic.make_hessian(np.random.RandomState(42))
    eigenvalues = np.linalg.eigvalsh(hessian)
    assert (eigenvalues[:90].min() > 0) and (eigenvalues[:90].max() < 1)
    assert (eigenvalues[90:].min() > 30) and (eigenvalues[90:].max() < 60)
    # Of the numbers that NumPy draws from seed 42: the first eigenvalue, and Q's trace.
    assert np.trace(hessian) == pytest.approx(eigenvalues.sum())
    assert problem.data.train.inputs.shape == (1000, 100) and problem.data.test.inputs.shape == (896, 100)
    assert float(jnp.std(problem.data.train.inputs)) == pytest.approx(0.6, rel=0.01)
    x = np.asarray(problem.data.test.inputs[:5], np.float64)
    theta = np.linspace(-1, 1, 100)
    by_hand = np.mean([0.5 * (theta - row) @ hessian @ (theta - row) for row in x])
    batch = jaxmlp.Batch(jnp.asarray(x, jnp.float32), jnp.zeros(5))
    got = problem.learner(jaxmlp.gd(0.1)).evaluate(jnp.asarray(theta, jnp.float32), batch)["loss"]
    assert float(got) == pytest.approx(by_hand, rel=1e-4)


@pytest.mark.slow
def test_adam_on_quadratic_deep_ends_at_the_published_loss():
    problem = find_problem("quadratic_deep")
    options = {"epochs": problem.epochs, "batch_size": problem.batch_size}

    def loss(key):
        learner = problem.learner(jaxmlp.adam(0.0398))
        result = jaxmlp.fit(key, learner, problem.data, **options)
        return learner.evaluate(result.params, problem.data.test)["loss"]

    losses = jax.vmap(loss)(jax.random.split(jax.random.key(0), 5))
    assert float(losses.mean()) == pytest.approx(87.1, rel=0.01)


@pytest.mark.parametrize(
    ("function", "minima", "value"),
    [
        (surfaces.rosenbrock, [(1.0, 1.0)], 0.0),
        (surfaces.beale, [(3.0, 0.5)], 0.0),
        (surfaces.branin, [(-np.pi, 12.275), (np.pi, 2.275), (9.42478, 2.475)], 0.397887),
        (surfaces.two_wells, [(-1.51426, -0.47305)], 0.0),
    ],
)
def test_surfaces_have_their_minima(function, minima, value):
    for u, v in minima:
        assert float(function(u, v)) == pytest.approx(value, abs=1e-3)
        slope = jax.grad(lambda point: function(point[0], point[1]))(jnp.array([u, v], jnp.float32))
        assert float(jnp.linalg.norm(slope)) < 1e-2


def test_two_wells_has_a_local_well_on_the_right_and_seeds_start_near_it():
    slope = jax.grad(lambda point: surfaces.two_wells(point[0], point[1]))(jnp.array([1.27779, 0.39939], jnp.float32))
    assert float(jnp.linalg.norm(slope)) < 1e-2
    assert float(surfaces.two_wells(1.27779, 0.39939)) == pytest.approx(1.461, abs=1e-3)
    start = find_problem("two_wells").learner(jaxmlp.gd(0.1)).init
    starts = jax.vmap(start)(jax.random.split(jax.random.key(0), 200))
    assert np.allclose(starts.mean(axis=0), (2.6, 1.2), atol=0.1) and np.allclose(starts.std(axis=0), 0.3, atol=0.05)


def test_surfaces_are_noisy_in_training_and_bare_in_testing():
    problem = find_problem("rosenbrock")
    learner = problem.learner(jaxmlp.gd(0.1))
    point = jnp.array([0.5, -0.5])
    assert float(learner.evaluate(point, problem.data.test)["loss"]) == pytest.approx(0.25 + 100 * 0.75**2)
    batch = jaxmlp.Batch(jnp.array([[2.0, 4.0]]), jnp.zeros(1))
    assert float(learner.loss(point, batch, None)) == pytest.approx(0.25 + 100 * 0.75**2 + 1.0 - 2.0)


def idx_folder(folder, rows=240, tests=40):
    """A tiny data set in MNIST's format, its ten classes easy."""
    random = np.random.default_rng(0)
    for stem, count in (("train", rows), ("t10k", tests)):
        labels = (np.arange(count) % 10).astype(np.uint8)
        images = random.integers(0, 50, (count, 4, 5), dtype=np.uint8)
        images[np.arange(count), labels % 4, labels // 4] = 255
        for kind, array, code in (("images-idx3", images, 3), ("labels-idx1", labels, 1)):
            header = struct.pack(">HBB", 0, 8, code) + struct.pack(f">{code}I", *array.shape)
            (folder / f"{stem}-{kind}-ubyte.gz").write_bytes(gzip.compress(header + array.tobytes()))
    return folder


def test_the_networks_of_the_literature(tmp_path):
    problem = find_problem("mnist_mlp", folder=idx_folder(tmp_path))
    assert (problem.epochs, problem.batch_size, problem.keep, problem.tuned_on) == (100, 128, "last", "accuracy")
    assert problem.rows == (200, 40, 40)
    assert len(problem.fresh_data.train.targets) == 240 and problem.steps_per_epoch == 1
    adam = find_problem("adam_mlp", folder=tmp_path)
    fresh = adam.fresh_data
    assert len(fresh.train.targets) == 240 and adam.epochs == 200
    assert fresh.validation is fresh.test is adam.data.test and adam.curves_on == "test"
    assert "20-1000-500-100-10" in problem.about
    narrow = find_problem("mnist_mlp", folder=tmp_path, hidden=(90, 80))
    params = narrow.learner(jaxmlp.adam(1e-3)).init(jax.random.key(0))
    weights = np.asarray(params[1]["w"])
    assert np.abs(weights).max() <= 0.06 and weights.std() == pytest.approx(0.03 * 0.8796, rel=0.03)
    assert all((layer["b"] == 0).all() for layer in params)
    assert float(problem.data.train.inputs.max()) == 1.0 and float(problem.data.train.inputs.min()) == 0.0
    assert problem.order == "fixed" and problem.refit  # all training rows, in one order


def test_the_networks_sizes_and_any_folder(tmp_path):
    folder = idx_folder(tmp_path)
    adam = find_problem("adam_mlp", folder=folder)
    assert "20-1000-1000-10" in adam.about
    assert "20-7-10" in find_problem("fmnist_mlp", folder=folder, hidden=(7,)).about
    assert "20-128-10" in find_problem(str(folder)).about
    adam = find_problem("adam_mlp", folder=folder, hidden=(20, 20))
    batch = adam.data.train
    params = adam.learner(jaxmlp.adam(1e-3)).init(jax.random.key(0))
    losses = [adam.learner(jaxmlp.adam(1e-3)).loss(params, batch, jax.random.key(seed))[0] for seed in range(2)]
    assert losses[0] != losses[1]  # dropout


def test_csv_files_and_data_by_name(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("x,y\n" + "\n".join(f"{i % 7},{(i % 7) / 2 + 0.25}" for i in range(60)))
    problem = find_problem(str(path))
    assert (problem.name, problem.metric, problem.mode) == ("mine", "r2", "max")
    assert find_problem("moons").metric == "accuracy"
    assert "2-2" in find_problem("moons", hidden=()).about.split("; ")[-1]


def test_problems_of_a_users_own(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(
        "import jaxmlp\n"
        "from jaxmlp.compare import Problem\n"
        "def network(optimizer):\n"
        "    return jaxmlp.classifier((2, 4, 2), optimizer=optimizer)\n"
        "moons = Problem('moons', 'two half-moons', jaxmlp.load('moons'), network, epochs=3, target=0.9)\n"
        "def later():\n"
        "    return moons._replace(name='later')\n"
        "def broken():\n"
        "    raise RuntimeError('no data')\n"
    )
    assert find_problem(f"{path}:moons").name == "moons" and find_problem(f"{path}:later").name == "later"
    with pytest.raises(UserError, match="cannot be created: RuntimeError: no data"):
        find_problem(f"{path}:broken")
    with pytest.raises(UserError, match="must be a Problem, or a function that returns one, got module"):
        find_problem(f"{path}:jaxmlp")


def test_problems_that_cannot_be_trained_say_why():
    moons = find_problem("moons")
    with pytest.raises(UserError, match="must evaluate 'f1'; it evaluates accuracy, loss"):
        traced(moons._replace(metric="f1"))
    with pytest.raises(UserError, match="must keep the last epoch"):
        traced(moons._replace(refit=True))
    with pytest.raises(UserError, match="cannot be trained: .*epochs"):
        traced(moons._replace(epochs=0))
    assert isinstance(moons, Problem)


@pytest.mark.parametrize("name", ["digits", "diabetes", "moons", "two_wells", "quadratic_deep"])
def test_a_repetition_has_data_of_its_own(name):
    problem = find_problem(name)
    first, again, other = problem.repetition(1), problem.repetition(1), problem.repetition(2)
    assert first.rows == other.rows == problem.rows and first._replace(data=problem.data) == problem
    inputs = [np.asarray(one.data.train.inputs) for one in (first, again, other, problem)]
    assert np.array_equal(inputs[0], inputs[1])
    assert not np.array_equal(inputs[0], inputs[2]) and not np.array_equal(inputs[0], inputs[3])
    assert {leaf.dtype for leaf in jax.tree.leaves(first.data)} == {
        leaf.dtype for leaf in jax.tree.leaves(problem.data)
    }
    assert np.array_equal(first.data.test.inputs, other.data.test.inputs) == (name == "two_wells")


def test_prescribed_test_rows_stay_in_every_repetition(tmp_path):
    for name in ("mnist_mlp", str(idx_folder(tmp_path))):
        problem = find_problem(name, folder=tmp_path)
        other = problem.repetition(3)
        assert np.array_equal(problem.data.test.targets, other.data.test.targets)
        assert not np.array_equal(problem.data.train.targets, other.data.train.targets)
