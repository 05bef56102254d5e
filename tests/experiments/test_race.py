"""The race comes out as the course says it, and otherwise once momentum, the local well or the adaptive rates are gone."""

import importlib
from functools import partial

import jax
import numpy as np
import pytest

import jaxmlp
from experiments import surfaces
from experiments.textbook import race


@pytest.fixture(autouse=True)
def fresh_programs(monkeypatch):
    """Nothing compiled without the fault is used with it."""
    jax.clear_caches()
    monkeypatch.setattr(race, "RATES", np.array([0.1, 0.3, 1.0, 1.8], np.float32))
    yield
    jax.clear_caches()


def wells(*names, seeds=6):
    return {name: race.at_best(partial(race.escapes, race.RACERS[name], 200), seeds) for name in names}


def falls(seeds=6, **methods):
    return {name: race.at_best(partial(race.fall, make, 100), seeds)[1] for name, make in methods.items()}


def without_momentum(nesterov, learning_rate, decay, grads, state, params=None):
    updates, plain = jaxmlp.gd(learning_rate).update(grads, state._replace(trace=None))
    return updates, plain._replace(trace=state.trace)


def test_the_race():
    finding = race.run(seeds=6, steps=200, valley_steps=100, film_frames=3)
    assert [verdict.holds for verdict in finding.verdicts] == [True, True, True, True, True, False]
    assert set(finding.figures) == {"race", "race_starts", "race_valley", "race.gif", "race.mp4"}
    assert finding.figures["race.gif"][:6] == b"GIF89a" and finding.figures["race.mp4"][4:8] == b"ftyp"
    assert sum(len(finding.figures[film]) for film in ("race.gif", "race.mp4")) < 3_000_000


def test_without_a_local_well_nothing_sticks(monkeypatch):
    monkeypatch.setattr(surfaces, "LOCAL_DEPTH", 0.0)
    found = wells("gradient descent")
    assert race.verdicts_of_wells(found | dict.fromkeys(race.RACERS, found["gradient descent"]))[0].holds is False


def test_without_its_trace_momentum_sticks(monkeypatch):
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
    # From inside the global well plain descent stays there; from the rim of the local one it never arrives.
    start = np.asarray(surfaces.GLOBAL_WELL, np.float32) + np.float32(0.3)
    end = race.path(jaxmlp.gd(0.1), surfaces.two_wells, start, 100)[-1]
    assert np.linalg.norm(end - surfaces.GLOBAL_WELL) < surfaces.WIDTH
    assert surfaces.two_wells(end) < surfaces.two_wells(
        race.path(jaxmlp.gd(0.1), surfaces.two_wells, (3.0, 1.0), 100)[-1]
    )
