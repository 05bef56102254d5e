"""Optimizers by name, with arguments, from modules and files; the protocols' rules; where tuning looks."""

import jax.numpy as jnp
import numpy as np
import optax
import optax.contrib
import pytest

import jaxmlp
from jaxmlp.compare import PROTOCOLS, Contestant, Protocol, UserError
from jaxmlp.compare.comparison import checked_protocol
from jaxmlp.compare.contestants import OPTIMIZERS, parse_contestants
from jaxmlp.compare.rulebook import rules
from jaxmlp.compare.search import SPACE, points


def first_step(contestant, **numbers):
    """Where one step from 0 along gradient 1 leads, and one more."""
    optimizer = contestant(**numbers)
    state, w = optimizer.init(jnp.float32(0.0)), jnp.float32(0.0)
    places = []
    for _ in range(2):
        updates, state = optimizer.update(jnp.float32(1.0), state, w)
        w = w + updates
        places.append(float(w))
    return places


def one(text):
    (contestant,) = parse_contestants(text)
    return contestant


def test_every_optimizer_of_the_package_can_be_named():
    names = {name for name in jaxmlp.__all__ if name in OPTIMIZERS}
    assert names == set(OPTIMIZERS)
    assert [contestant.name for contestant in parse_contestants(",".join(OPTIMIZERS))] == list(OPTIMIZERS)
    assert all(contestant.family == contestant.name for contestant in parse_contestants(",".join(OPTIMIZERS)))


def test_arguments_reach_the_optimizer():
    assert first_step(one("momentum"), learning_rate=0.5) == pytest.approx([-0.5, -0.5 - 0.5 * 1.9])
    assert first_step(one("momentum(decay=0.25)"), learning_rate=0.5) == pytest.approx([-0.5, -0.5 - 0.5 * 1.25])
    assert first_step(one("momentum(0.25)"), learning_rate=0.5) == pytest.approx([-0.5, -0.5 - 0.5 * 1.25])
    assert first_step(one("momentum"), learning_rate=0.5, decay=0.25) == pytest.approx([-0.5, -0.5 - 0.5 * 1.25])


def test_names_rates_and_commas_within_brackets():
    few = parse_contestants("adam(b1=0.8, b2=0.99), momentum(decay=0.99)@1.58e-3 ,tenth=adam@1e-4,optax:lion")
    assert [contestant.name for contestant in few] == [
        "adam(b1=0.8, b2=0.99)",
        "momentum(decay=0.99)@1.58e-3",
        "tenth",
        "lion",
    ]
    assert [contestant.rate for contestant in few] == [None, 1.58e-3, 1e-4, None]
    assert [contestant.family for contestant in few] == [None, None, None, "lion"]
    assert few[0].arguments == ("eps", "eps_root", "mu_dtype", "nesterov")


def test_one_optimizer_around_another():
    halved = one("lookahead(momentum(decay=0.25), 1, slow_step_size=0.5)")
    assert halved.name == "lookahead(momentum(decay=0.25), 1, slow_step_size=0.5)"
    assert first_step(halved, learning_rate=0.5) == pytest.approx([-0.25, -0.25 - 0.25 * 1.25])
    few = parse_contestants("cautious(adam@1e-3),ema=averaged(adamw(b1=0.8), decay=0.99)@1e-2,swa(optax:lion, 100)")
    assert [contestant.name for contestant in few] == ["cautious(adam@1e-3)", "ema", "swa(optax:lion, 100)"]
    assert [contestant.rate for contestant in few] == [1e-3, 1e-2, None]
    assert [contestant.family for contestant in few] == [None, None, None]
    assert "b1" not in few[1].arguments and "b2" in few[1].arguments
    state = few[1](learning_rate=1e-2, b2=0.9).init(jnp.float32(1.0))
    assert type(state).__name__ == "AveragedState"
    assert first_step(one("averaged(cautious(gd))"), learning_rate=0.5) == [-0.5, -1.0]


@pytest.mark.parametrize("given", ["averaged", "averaged()", "averaged(decay=0.9)", "averaged(0.9)"])
def test_around_nothing_is_refused(given):
    with pytest.raises(UserError, match=r"must have another one as its first argument, as in|unknown optimizer"):
        parse_contestants(given)


def test_optimizers_from_a_file_and_from_a_dict(tmp_path):
    (tmp_path / "neighbour.py").write_text("FACTOR = 2.0\n")
    (tmp_path / "mine.py").write_text(
        "import jax\nfrom neighbour import FACTOR\n"
        "def twice(learning_rate):\n"
        "    step = lambda grads, state, params=None: (jax.tree.map(lambda g: -FACTOR * learning_rate * g, grads), state)\n"
        "    return lambda params: (), step\n"
    )
    mine = one(f"{tmp_path}/mine.py:twice")
    assert mine.name == "twice"
    assert first_step(mine, learning_rate=0.5) == pytest.approx([-1.0, -2.0])
    given = parse_contestants(
        {"a": jaxmlp.adam, "b": "momentum(decay=0.5)@0.1", "c": one("gd"), "d": lambda rate: jaxmlp.gd(rate)}
    )
    assert [(contestant.name, contestant.family, contestant.rate) for contestant in given] == [
        ("a", "adam", None), ("b", None, 0.1), ("c", "gd", None), ("d", None, None),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("def broken(:\n", r"broken.py cannot be imported: SyntaxError: .* \(line 1\)"),
        ("x = 1\nimport no_such_module\n", r"ModuleNotFoundError: No module named 'no_such_module' \(line 2\)"),
        ("raise SystemExit(3)\n", r"SystemExit: 3 \(line 1\)"),
        ("def other(learning_rate): ...\n", "has no 'mine'; it has other"),
        ("mine = 3\n", "mine must be a function from a learning rate"),
    ],
)
def test_files_that_cannot_be_used(tmp_path, content, text):
    (tmp_path / "broken.py").write_text(content)
    with pytest.raises(UserError, match=text):
        parse_contestants(f"{tmp_path}/broken.py:mine")


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("", "no optimizer is given"),
        ("adam(b1=x)", "must have plain numbers as arguments"),
        ("adam(b1=0.8", "must have the form"),
        ("adam@fast", "must have a number after @"),
        ("adam@1e-4..fast", "must have a number after @"),
        ("adam@1e-1..1e-4", "must have learning rates that rise from above 0"),
        ("adam@0..1e-4", "must have learning rates that rise from above 0"),
        ("adam@1e-4..1e-3..1e-2", "must have learning rates that rise from above 0"),
        ("no_such_module:adam", "module 'no_such_module' cannot be imported"),
        ("optax:no_such_thing", "optax has no 'no_such_thing'"),
        ("optax:adamm", "optax has no 'adamm'; it has adam(,|$)"),
        ("adam(b3=1)", r"'adam\(b3=1\)' cannot be called .*: got an unexpected keyword argument 'b3'"),
        (
            jaxmlp.adam,
            "optimizers must be a text, a dict from names to functions, or a list of texts, got <function adam",
        ),
        ("optax:contrib.no_such_thing", "optax has no 'contrib.no_such_thing'"),
        ({"a": 3}, "optimizer 'a' must be a function"),
    ],
)
def test_optimizers_that_cannot_be_used(given, text):
    with pytest.raises(UserError, match=text):
        parse_contestants(given)


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS)
def test_fresh_seeds_take_no_part_in_tuning_and_studies_share_nothing(protocol):
    places = [(repetition, study) for repetition in range(protocol.repetitions) for study in range(protocol.studies)]
    reruns = [protocol, protocol._replace(seed=1)]
    seeds = [one.fresh_seeds_of(*place) + one.tuning_seeds_of(*place) for one in reruns for place in places]
    flat = [seed for study in seeds for seed in study]
    assert len(flat) == len(set(flat)) == 2 * len(places) * (protocol.seeds + protocol.tuning_seeds)
    assert protocol.split_seed_of(0) != reruns[1].split_seed_of(0)


def test_the_published_protocols():
    deepobs, algoperf = PROTOCOLS["deepobs"], PROTOCOLS["algoperf"]
    rates = [point["learning_rate"] for point in points(deepobs, one("adam"), 0)]
    assert (rates[0], rates[-1], len(rates), deepobs.seeds) == (pytest.approx(1e-5), pytest.approx(1e2), 36, 10)
    np.testing.assert_allclose(np.diff(np.log10(rates)), 0.2)
    assert (algoperf.score, algoperf.studies) == ("time", 3)
    assert any("misses it counts as infinite" in rule for rule in rules(algoperf))
    assert any("36 trials, on a log grid, with learning rates from 1e-05 to 100" in rule for rule in rules(deepobs))


def test_random_search_gives_every_optimizer_as_many_trials_in_one_space():
    protocol = PROTOCOLS["algoperf"]._replace(trials=20)
    few = {name: points(protocol, one(name), 0) for name in ("gd", "momentum", "adam", "optax:adam")}
    assert {len(trials) for trials in few.values()} == {protocol.trials}
    assert set(few["gd"][0]) == {"learning_rate"} and set(few["adam"][0]) == {"learning_rate", "b1", "b2", "eps"}
    assert few["adam"] == few["optax:adam"] != points(protocol, one("adam"), 1)
    rates = [[trial["learning_rate"] for trial in trials] for trials in few.values()]
    np.testing.assert_allclose(rates, [rates[0]] * 4)
    decays = [trial["decay"] for trial in few["momentum"]]
    assert all(0 <= decay <= 1 - SPACE["decay"].low for decay in decays) and min(decays) < 0.5 < 0.99 < max(decays)
    assert set(points(protocol, one("adam(b1=0.5)"), 0)[0]) == {"learning_rate", "b2", "eps"}


def test_a_given_rate_is_not_tuned():
    assert points(PROTOCOLS["standard"], one("adam@0.01"), 0) == [{"learning_rate": 0.01}]


def test_learning_rates_of_its_own():
    found = parse_contestants("lion@1e-5..1e-2,adam,own=cautious(adamw)@2..8,swa(gd@2..8, 10)")
    assert [one.name for one in found] == ["lion", "adam", "own", "swa(gd@2..8, 10)"]
    assert [one.rates for one in found] == [(1e-5, 1e-2), None, (2.0, 8.0), (2.0, 8.0)]
    standard, random = PROTOCOLS["standard"], PROTOCOLS["valley_small"]
    grid = [point["learning_rate"] for point in points(standard, found[0], 0)]
    np.testing.assert_allclose(np.diff(np.log10(grid)), 0.3)
    assert (grid[0], grid[-1], len(grid)) == (pytest.approx(1e-5), pytest.approx(1e-2), 11)
    rates = [point["learning_rate"] for point in points(random, found[2], 0)]
    assert 2 <= min(rates) < 3 and 7 < max(rates) <= 8
    said = " ".join(rules(standard, found))
    assert "The rates of lion are from 1e-05 to 0.01. The rates of own and swa(gd@2..8, 10) are from 2 to 8." in said


def test_protocols_are_checked():
    assert checked_protocol("standard", {"seeds": 30, "trials": None}).seeds == 30
    assert checked_protocol("standard", {"tune": "all"}).search == "random"
    with pytest.raises(
        UserError, match="a protocol has no 'colour': it has name, .*; what .* is an argument of find_problem"
    ):
        checked_protocol("standard", {"colour": 3})
    with pytest.raises(UserError, match="unknown protocol 3"):
        checked_protocol(3)
    assert checked_protocol(Protocol("mine", repetitions=3, seeds=4)).runs == 12
    assert isinstance(one("adam"), Contestant)


def test_a_module_inside_of_a_module_can_be_named_in_two_ways():
    whole, inner = one("optax:contrib.muon"), one("optax.contrib:muon")
    assert (whole.name, inner.name) == ("contrib.muon", "muon")
    assert whole.make is inner.make is optax.contrib.muon
