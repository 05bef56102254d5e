"""The race ends as the course says, and differently without momentum, the local well or adaptive rates."""

import importlib
from functools import partial

import jax
import numpy as np
import pytest

import experiments.surfaces as surfaces
import jaxmlp
from experiments.textbook import race


@pytest.fixture(autouse=True)
def fresh_programs(monkeypatch):
    """Clears compiled functions, which would not contain a planted fault."""
    jax.clear_caches()
    monkeypatch.setattr(race, "RATES", np.array([0.1, 0.3, 1.0, 1.8], np.float32))
    yield
    jax.clear_caches()


def wells(*names, seeds=6):
    return {name: race.at_best(partial(race.escapes, race.RACERS[name], 200), seeds) for name in names}


def falls(seeds=6, **methods):
    return {name: race.at_best(partial(race.fall, make, 100), seeds)[1] for name, make in methods.items()}


def without_momentum(grads, state, params=None, *, learning_rate, **_):
    updates, plain = jaxmlp.gd(learning_rate).update(grads, state._replace(trace=None))
    return updates, plain._replace(trace=state.trace)


@pytest.mark.slow
def test_the_race():
    finding = race.run(seeds=6, steps=200, valley_steps=100, film_frames=3)
    assert [verdict.holds for verdict in finding.verdicts] == [True, True, True, True, True, False]
    assert set(finding.figures) == {"race", "race_rates", "race_starts", "race_valley", "race.gif", "race.mp4"}
    assert finding.figures["race.gif"][:6] == b"GIF89a" and finding.figures["race.mp4"][4:8] == b"ftyp"
    assert sum(len(finding.figures[film]) for film in ("race.gif", "race.mp4")) < 3_000_000


def test_without_a_local_well_nothing_gets_stuck(monkeypatch):
    monkeypatch.setattr(surfaces, "LOCAL_DEPTH", 0.0)
    found = wells("gradient descent")
    assert race.verdicts_of_wells(found | dict.fromkeys(race.RACERS, found["gradient descent"]))[0].holds is False


def test_without_its_trace_momentum_gets_stuck(monkeypatch):
    monkeypatch.setattr(importlib.import_module("jaxmlp.optimizers.descent"), "_momentum_update", without_momentum)
    found = wells("gradient descent", "momentum")
    assert race.verdicts_of_wells(found | dict.fromkeys(("Adam", "RMSProp"), found["momentum"]))[1].holds is not True
    down = falls(**{"gradient descent": jaxmlp.gd, "momentum": jaxmlp.momentum})
    others = dict.fromkeys(("Nesterov", "Adam", "Nadam", *race.ADAPTIVE), down["momentum"])
    assert race.verdicts_of_valley(down | others)[0].holds is not True


def test_with_momentum_adaptive_rates_do_beat_gradient_descent():
    down = falls(**{"gradient descent": jaxmlp.gd, "Adam": jaxmlp.adam})
    assert (
        race.verdicts_of_valley(down | dict.fromkeys((*race.WITH_MOMENTUM, *race.ADAPTIVE), down["Adam"]))[1].holds
        is True
    )


def test_an_escape_ends_in_the_global_well():
    # From inside the global well gradient descent stays there; from the rim of the local well it never arrives.
    start = np.asarray(surfaces.GLOBAL_WELL, np.float32) + np.float32(0.3)
    end = race.path(jaxmlp.gd(0.1), surfaces.two_wells, start, 100)[-1]
    assert np.linalg.norm(end - surfaces.GLOBAL_WELL) < surfaces.WIDTH
    assert surfaces.two_wells(end) < surfaces.two_wells(
        race.path(jaxmlp.gd(0.1), surfaces.two_wells, (3.0, 1.0), 100)[-1]
    )


@pytest.mark.parametrize("well", ["GLOBAL", "LOCAL"])
def test_the_minima_named_in_the_figures_are_where_gradient_descent_ends(well):
    start = np.asarray(getattr(surfaces, f"{well}_WELL"), np.float32)
    end = race.path(jaxmlp.gd(0.1), surfaces.two_wells, start, 1000)[-1]
    np.testing.assert_allclose(end, getattr(surfaces, f"{well}_MINIMUM"), atol=1e-3)


def test_intervals_are_of_the_starts_at_each_rate():
    escaped = np.zeros((2, 3, 4), bool)
    escaped[:, 1] = True
    low, high = race.intervals_by_rate(escaped).T
    # Wilson's interval of 0 of 8 is 0 to z²/(n + z²) = 3.8415/11.8415 = 0.3244; of 8 of 8 its mirror image.
    np.testing.assert_allclose(low, [0, 1 - 0.3244, 0], atol=1e-4)
    np.testing.assert_allclose(high, [0.3244, 1, 0.3244], atol=1e-4)
