"""A study grows: the same directory with more seeds, values and recipes runs only what is new, to the same table."""

import shutil

import jax
import numpy as np
import pytest

import jaxmlp
from jaxmlp import load_study, train_many
from jaxmlp.population.plans import entries_of, id_of, plain_entries, read_plans
from jaxmlp.population.trials import make_groups
from jaxmlp.storage import DamagedFileError

OPTIONS = {"epochs": 3, "batch_size": 16, "progress": False}


def tiny(rate):
    return jaxmlp.classifier((2, 3, 2), optimizer=jaxmlp.gd(rate))


def other(rate):
    return jaxmlp.classifier((2, 3, 2), optimizer=jaxmlp.gd(2 * rate))


@pytest.fixture(scope="module")
def data():
    return jaxmlp.load("moons", rows=60)


@pytest.fixture
def ran(monkeypatch):
    """The trials that are put into lanes, as (rate, seed)."""
    found = []
    fill = jaxmlp.population.engine.Half.fill

    def filled(half, queue):
        fill(half, queue)
        group = half.work.group
        for place in half.trial[half.fresh]:
            found.append(
                (
                    round(float(group.numbers.optimizer.update.keywords["learning_rate"][place]), 3),
                    int(group.seeds[place]),
                )
            )

    monkeypatch.setattr("jaxmlp.population.engine.Half.fill", filled)
    return found


def test_more_seeds_values_and_recipes_run_only_what_is_new(tmp_path, data, ran):
    def grow(recipe=tiny, **options):
        ran.clear()
        grown = train_many(recipe, data, directory=tmp_path, **options, **OPTIONS)
        fresh = train_many(recipe, data, **options, **OPTIONS)
        assert grown.table().equals(fresh.table())
        trials = range(0, len(grown.done), 3)
        jax.tree.map(np.testing.assert_array_equal, grown.params(list(trials)), fresh.params(list(trials)))
        return sorted(ran[: len(ran) - len(fresh.done)])

    assert grow(seeds=2, rate=[0.1]) == [(0.1, 0), (0.1, 1)]
    assert grow(seeds=[3, 1, 0], rate=[0.2, 0.1]) == [(0.1, 3), (0.2, 0), (0.2, 1), (0.2, 3)]
    assert grow(seeds=[1], rate=[0.2]) == []  # a part of it
    assert grow({"two": other, "one": tiny}, seeds=1, rate=[0.1]) == [(0.1, 0), (0.2, 0)]
    assert grow(seeds=1, rate=[0.1, 0.1]) == [(0.1, 0)]  # a trial that is asked for twice is a second trial
    every = load_study(tmp_path).table()
    assert len(every) == 9 and every["seed"].tolist() == [0, 1, 3, 1, 0, 3, 0, 0, 0]
    assert every["recipe"].iloc[-3:].tolist()[:2] == ["two", "one"] and every["status"].eq("finished").all()


def test_a_grown_study_is_saved_and_loaded(tmp_path, data):
    for seeds in (1, 2):
        train_many(tiny, data, directory=tmp_path / "one", seeds=seeds, rate=[0.1], **OPTIONS)
    load_study(tmp_path / "one").save(tmp_path / "two")
    assert load_study(tmp_path / "two").table().equals(load_study(tmp_path / "one").table())


def test_a_trial_that_is_there_with_other_numbers_is_refused(tmp_path, data):
    train_many(tiny, data, directory=tmp_path, seeds=1, rate=[0.1], **OPTIONS)
    before = {path.name for path in tmp_path.iterdir()}
    with pytest.raises(
        ValueError, match="study of these learners: their numbers differ, .* for {'rate': 0.1, 'seed': 0}"
    ):
        train_many(other, data, directory=tmp_path, seeds=3, rate=[0.1], **OPTIONS)
    assert {path.name for path in tmp_path.iterdir()} == before


def test_a_study_whose_plan_is_lost_or_of_another_is_refused(tmp_path, data):
    for name, rate in (("ours", 0.1), ("theirs", 0.2)):
        train_many(
            tiny, data, directory=tmp_path / name, seeds=1, rate=[rate], mode="min" if rate < 0.2 else "max", **OPTIONS
        )
    plans = [next((tmp_path / name).glob("plan-*")) for name in ("ours", "theirs")]
    shutil.copy(plans[1], tmp_path / "ours")
    with pytest.raises(DamagedFileError, match="plan-.* got a file of another study; restore it"):
        load_study(tmp_path / "ours")
    (tmp_path / "ours" / plans[1].name).unlink()
    plans[0].unlink()
    with pytest.raises(DamagedFileError, match="trials-.* got a file of another study; delete it"):
        load_study(tmp_path / "ours")


def test_plans_are_read_in_the_order_of_growth_and_once(tmp_path, data):
    for seeds in (1, 3, 6):
        train_many(tiny, data, directory=tmp_path, seeds=seeds, rate=[0.1], **OPTIONS)
    (last,) = [path for path in tmp_path.glob("plan-*") if '"after": 3' in path.read_text()]
    shutil.copy(last, tmp_path / "plan-0000.json")  # as if two processes had planned the same
    identity = jaxmlp.storage.identity_of(jaxmlp.storage.read_description(tmp_path))
    assert [entry["row"]["seed"] for entry in read_plans(tmp_path, identity)] == list(range(6))


def test_an_entry_says_what_a_trial_is():
    grids = {"rate": [0.1, 0.2]}
    groups, rows = make_groups(tiny, 2, None, grids)
    work = type("Work", (), {"group": groups[0], "data": None})
    entries = entries_of([work], {"": "text"}, rows)
    assert entries[2] == {"row": {"rate": 0.2, "seed": 0}, "numbers": entries[3]["numbers"], "program": "text"}
    assert len({id_of(entry) for entry in entries}) == 4 and len({entry["numbers"] for entry in entries}) == 2
    assert len(id_of(entries[0])) == 32
    assert plain_entries([{"a": 1}, {"b": 2}, {"a": 1}, {"a": 1}])[2:] == [
        {"row": {"a": 1}, "copy": 1},
        {"row": {"a": 1}, "copy": 2},
    ]


def test_more_bootstraps_are_an_extension(tmp_path, data):
    options = {"directory": tmp_path, "seeds": 1, "rate": [0.1], **OPTIONS}
    train_many(tiny, data, bootstraps=1, **options)
    assert len(train_many(tiny, data, bootstraps=2, **options).done) == 2
    assert len(load_study(tmp_path).done) == 2
