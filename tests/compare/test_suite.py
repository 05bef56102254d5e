"""The failure-mode suite: its losses and solutions by hand, how it runs and tunes, and what it writes."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

import jaxmlp
from jaxmlp.__main__ import main
from jaxmlp.compare import UserError, run_suite, write_suite_report
from jaxmlp.compare.suite import GROUPS, TASKS
from jaxmlp.compare.suite.report import markdown, overall
from jaxmlp.compare.suite.results import EACH, ONE, share
from jaxmlp.compare.suite.running import chosen, errors_of, is_passed
from jaxmlp.compare.suite.task import ROTATION, Noise

BY_NAME = {task.name: task for task in TASKS}
QUIET = Noise(jnp.zeros(8), jnp.full(8, 0.5))
TIMES = (0.25, 0.9)
every_task = pytest.mark.parametrize("task", TASKS, ids=BY_NAME)


def draws(rows):
    normal, uniform = jax.random.split(jax.random.key(0))
    return Noise(jax.random.normal(normal, (rows, 8)), jax.random.uniform(uniform, (rows, 8)))


def test_names_are_unique_and_every_kind_has_several_tasks():
    assert len(BY_NAME) == len(TASKS) >= 40
    assert all(sum(task.group == group for task in TASKS) >= 3 for group in GROUPS)


@every_task
def test_the_solution_has_no_error_and_no_gradient_on_average(task):
    noise = draws(20_000)
    for time in TIMES:
        x = task.solution(time)
        assert x.shape == (8,) and float(task.error_at(x, time)) == pytest.approx(0.0, abs=1e-5)
        if "kink" in task.name:
            continue  # there is no gradient at the tip
        grads = np.asarray(jax.jit(jax.vmap(jax.grad(task.loss), (None, 0, None)))(x, noise, time), np.float64)
        error = grads.std(axis=0) / np.sqrt(len(grads))
        assert (np.abs(grads.mean(axis=0)) < 5 * error + 1e-4).all()


@every_task
def test_the_solution_is_lower_than_what_is_around_it(task):
    noise, time = draws(4000), 0.9
    x = task.solution(time)
    sizes = 0.1 * jnp.maximum(jnp.abs(x), 0.1)
    steps = sizes[None] * jax.random.normal(jax.random.key(1), (20, 8))

    def rise(step):
        return jnp.mean(jax.vmap(lambda one: task.loss(x + step, one, time) - task.loss(x, one, time))(noise))

    # Where a single draw in a hundred weighs most, the mean over draws is no guide to the sign.
    if task.name not in ("heavy_tails", "skewed_noise"):
        assert (jax.lax.map(rise, steps) > -2e-3).all()


@every_task
def test_no_start_passes_and_starts_differ_by_seed(task):
    starts = jax.vmap(task.start)(jax.random.split(jax.random.key(0), 5))
    assert starts.shape == (5, 8) and len(np.unique(np.asarray(starts)[:, 0])) == 5
    assert (jax.vmap(lambda x: task.error_at(x, 1.0))(starts) > 1.5 * task.tolerance).all()


@pytest.mark.parametrize(
    ("name", "point", "value"),
    [
        ("axes_1e2", 2.0, 2.0 * sum(10 ** (-2 + 2 * k / 7) for k in range(8))),
        ("plateau", 3.0, 8 * 0.9),
        ("flat_bottom", 3.0, 8 * 81 / 4),
        ("far_away", 2.0, 8 * 5**0.5),
        ("cliff", 4.0, 8 * (0.08 + 50)),
        ("cliff", 2.0, 8 * (0.02 + 25)),
        ("wall", 0.25, 8 * (np.exp(-2) + 0.25)),
        ("lopsided", -0.5, 8 * 12.5),
        ("lopsided", 0.5, 8 * 0.125),
        ("kink", -0.75, 6.0),
        ("curved_valley", 2.0, 4 * (1 + 100 * 4)),
        ("saddle", 2.0, 4 * (2 - 2 + 4)),
        ("inflection", 2.0, 8 * (4 - 8 / 3)),
        ("deep_chain", 0.5, 2 * 0.5 * (1 / 16 - 1) ** 2),
        ("ripples", np.pi / 10, 8 * (0.5 * (np.pi / 10) ** 2 + 0.2)),
        ("tiny_loss", 2.0, 2e-6 * sum(10 ** (-1 + k / 7) for k in range(8))),
        ("units", 0.0, 4.0),
        ("noise", 3.0, 36.0),
        ("skewed_noise", 3.0, 36.0 - 24.0),
        ("multiplied", 3.0, 36.0),
        ("flipped_signs", 3.0, 36.0),
        ("outliers", 3.0, 36.0),
        ("rare_and_common", 3.0, 2.0 * 2),  # uniform draws of 0.5 show the two features seen in more than half of steps
        ("very_rare", 3.0, 0.0),
        ("drift", 3.0, 4 * (3 - 1.25) ** 2),
        ("jump", 3.0, 16.0),
        ("quieter", 3.0, 16.0),
    ],
)
def test_losses_by_hand_at_a_point_with_equal_coordinates(name, point, value):
    loss = BY_NAME[name].loss(jnp.full(8, point, jnp.float32), QUIET, 0.25)
    assert float(loss) == pytest.approx(value, rel=1e-4)


def test_losses_by_hand_elsewhere():
    x = jnp.arange(1.0, 9.0)
    z = np.asarray(ROTATION, np.float64) @ np.arange(1.0, 9.0)
    assert np.allclose(ROTATION @ ROTATION.T, np.eye(8), atol=1e-6) and np.abs(ROTATION).max() < 0.9
    h = 10 ** (-2 + 2 * np.arange(8) / 7)
    assert float(BY_NAME["rotated_1e2"].loss(x, QUIET, 0.25)) == pytest.approx(0.5 * (h * z**2).sum(), rel=1e-4)
    assert float(BY_NAME["rotated_kinks"].loss(x, QUIET, 0.25)) == pytest.approx((h * np.abs(z)).sum(), rel=1e-4)
    assert float(BY_NAME["rotated_1e2"].error_at(x, 0.25)) == pytest.approx(np.abs(z).max(), rel=1e-4)
    noise = Noise(jnp.arange(8.0), QUIET.uniform)
    as_curved = 0.5 * (h * z**2).sum() + 0.3 * (np.sqrt(h) * np.arange(8.0) * z).sum()
    assert float(BY_NAME["as_curved"].loss(x, noise, 0.25)) == pytest.approx(as_curved, rel=1e-4)
    assert float(BY_NAME["much_noise"].loss(x, noise, 0.25)) == pytest.approx(102 + 3 * 168, rel=1e-5)
    for name, late in (("louder", 1e3), ("quieter", 1e-3)):
        after = BY_NAME[name].loss(jnp.full(8, 2.0), QUIET, 0.75)
        assert float(after) == pytest.approx(late * 36, rel=1e-5)
    # A fifth of the run is half a turn of the valley, a tenth a quarter: then v is along it, and u across.
    turning = BY_NAME["turning_valley"].loss(jnp.repeat(jnp.array([2.0, 3.0]), 4), QUIET, 0.1)
    assert float(turning) == pytest.approx(0.5 * 4 * (0.01 * 9 + 4), rel=1e-4)
    assert np.allclose(BY_NAME["circle"].solution(0.05), [0.0] * 4 + [1.0] * 4, atol=1e-6)
    assert float(BY_NAME["saddle"].error_at(jnp.repeat(jnp.array([0.0, -1.0]), 4), 0.0)) == 0.0
    assert float(BY_NAME["wrong_sign"].error_at(jnp.full(8, 0.5), 0.0)) == pytest.approx(15 / 16)


def test_gradient_descent_on_a_bowl_follows_its_formula_for_each_rate_and_seed():
    task = BY_NAME["axes_1e1"]
    rates = np.array([[0.1], [0.1], [1.0]])
    errors = errors_of(jaxmlp.gd, (task,), rates, np.array([3, 4, 4]), steps=50, lanes=2)
    h = np.geomspace(0.1, 1.0, 8)
    for row, (rate, seed) in enumerate(((0.1, 3), (0.1, 4), (1.0, 4))):
        key = jax.random.split(jax.random.split(jax.random.key(seed))[0], 1)[0]
        start = np.asarray(task.start(key), np.float64)
        known = np.mean([np.abs((1 - rate * h) ** k * start).max() for k in range(46, 51)])
        assert errors[row, 0] == pytest.approx(known, rel=1e-4)


def test_a_task_that_diverges_disturbs_no_other():
    tasks = (BY_NAME["noise"], BY_NAME["flat_bottom"], BY_NAME["saddle"])
    tame, wild = (
        errors_of(
            jaxmlp.adagrad if rate < 1 else jaxmlp.gd, tasks, np.array([[0.1, rate, 0.1]]), np.array([0]), steps=40
        )
        for rate in (0.1, 100.0)
    )
    alone = errors_of(jaxmlp.gd, tasks, np.array([[0.1, 0.1, 0.1]]), np.array([0]), steps=40)
    assert not np.isfinite(wild[0, 1]) and not is_passed(wild, tasks)[0, 1]
    assert wild[0, [0, 2]] == pytest.approx(alone[0, [0, 2]], rel=1e-5) and tame[0, 0] != alone[0, 0]


class Knows(NamedTuple):
    """A state that says where it is judged."""

    count: int

    def evaluation_params(self, params):
        return jnp.zeros_like(params)


def test_an_optimizer_is_judged_where_it_says():
    still = jaxmlp.Optimizer(lambda params: Knows(0), lambda grads, state, params=None: (0 * grads, state))
    errors = errors_of(lambda rate: still, (BY_NAME["kink"], BY_NAME["wall"]), np.ones((1, 2)), np.array([0]), steps=10)
    assert errors[0] == pytest.approx([0.0, np.log(8) / 8])


def test_noise_moves_on_from_step_to_step_and_differs_by_seed():
    errors = errors_of(jaxmlp.gd, (BY_NAME["noise"],), np.full((400, 1), 0.5), np.arange(400), steps=20)
    # Gradient descent at rate 0.5 has a standard deviation of 0.58 per coordinate; the largest of eight is 1.05.
    assert errors.mean() == pytest.approx(0.577 * 1.829, rel=0.1) and len(np.unique(errors)) == 400


def test_rates_are_chosen_by_passes_first_and_errors_second():
    tasks = (BY_NAME["jump"], BY_NAME["kink"])  # tolerances 0.1 and 0.02
    errors = np.array([
        [[0.09, 0.03], [0.09, 0.021]],
        [[0.11, 0.01], [0.001, 0.5]],
        [[0.05, np.nan], [0.06, 0.01]],
    ])  # fmt: skip
    each, one = chosen(errors, tasks)
    assert each.tolist() == [2, 1] and one == 2
    # One more run that passed outweighs any size of the others.
    assert chosen(np.array([[[1e-9], [0.2]], [[0.1], [0.1]]]), tasks[:1])[1] == 1


def test_shares_and_their_intervals():
    assert share([True] * 10)["low"] == pytest.approx(0.025 ** (1 / 10))
    found = share(np.array([[True, False], [False, False]]))
    assert (found["passed"], found["runs"], found["pass_rate"], found["low"] > 0) == (1, 4, 0.25, True)


@pytest.fixture(scope="module")
def found():
    def broken(learning_rate):
        raise RuntimeError("not today")

    tasks = [BY_NAME[name] for name in ("axes_1e1", "axes_1e6", "jump")]
    optimizers = {"adam": "adam@0.01..0.3", "slow": "gd@1e-9", "gd": jaxmlp.gd, "a|b": broken}
    return run_suite(optimizers, tasks=tasks, seeds=4, tuning_seeds=2, rates=[0.02, 0.3])


def test_what_the_suite_finds(found):
    assert found.optimizers == ("adam", "slow", "gd", "a|b") and found.troubles == {"a|b": "RuntimeError: not today"}
    table = found.table().set_index(["optimizer", "tuning", "task"]).sort_index()
    assert len(table) == 3 * 2 * 3
    assert table.loc[("adam", EACH, "axes_1e6"), ["passed", "runs", "learning_rate"]].tolist() == [4, 4, 0.01]
    assert table.loc[("gd", EACH, "axes_1e6"), "pass_rate"] == 0 and table.loc[("gd", ONE, "jump"), "pass_rate"] == 1
    assert (table.loc[("slow", ONE), "learning_rate"] == 1e-9).all() and (table.loc["slow", "passed"] == 0).all()
    groups = found.groups().set_index(["optimizer", "tuning", "group"]).sort_index()
    row = groups.loc[("gd", EACH, "all")]
    assert (row["passed"], row["runs"]) == (8, 12) and row["low"] < row["pass_rate"] == 8 / 12 < row["high"]
    assert groups.loc[("gd", EACH, "conditioning"), "passed"] == 4
    headings, rows = overall(found)
    assert len(headings) == 4 and [row[0] for row in rows] == ["adam", "gd", "slow"]
    assert rows[1][1] == "67 (35 to 90)"


def test_the_report_and_its_tables(found, tmp_path):
    page = write_suite_report(found, tmp_path / "out").read_text(encoding="utf-8")
    assert (
        r"a\|b could not run: RuntimeError: not today" in page
        and "3 tasks, 4 fresh seeds each; 2 learning rates from 0.02 to 0.3." in page
    )
    assert "| gd | 67 (35 to 90) |" in page and "| axes_1e6 | 100 | 0 | 0 |" in page and "| task | kind |" in page
    assert len(pd.read_csv(tmp_path / "out" / "passes.csv")) == 18 and (tmp_path / "out" / "groups.csv").exists()
    assert markdown(["a", "b"], [["x|y", "1"]]) == ["| a | b |", "| --- | ---: |", "| x\\|y | 1 |"]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"seeds": 1}, "seeds must be at least 2, got 1"),
        ({"tuning_seeds": 0}, "tuning_seeds must be at least 1, got 0"),
        ({"rates": []}, "rates must be at least 1, got 0"),
        ({"optimizers": "adamm"}, "unknown optimizer 'adamm'"),
    ],
)
def test_wrong_arguments_get_clear_words(options, text):
    with pytest.raises(UserError, match=text):
        run_suite(**{"optimizers": "gd", **options})


def test_the_command(monkeypatch, tmp_path, capsys):
    from jaxmlp.compare.suite import suite_command

    def few(optimizers, **options):
        return run_suite(optimizers, tasks=[BY_NAME["jump"]], **options)

    monkeypatch.setattr(suite_command, "run_suite", few)
    line = ["--optimizers", "gd", "--seeds", "2", "--tuning-seeds", "1", "--rates", "3", "--low", "0.01", "--high", "1"]
    main(["suite", *line, "--out", str(tmp_path)])
    said = " ".join(capsys.readouterr().out.split())
    assert "gd" in said and "100 (16 to 100)" in said and (tmp_path / "README.md").exists()
    main(["suite", "--list"])
    assert "turning_valley: a valley that turns (changes)" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="must rise from --low to --high, got 1 to 0.1"):
        main(["suite", "--low", "1", "--high", "0.1"])
    with pytest.raises(SystemExit, match="seeds must be at least 2"):
        main(["suite", "--seeds", "1"])
