"""Vanishing gradients: the verdicts at a reduced size, and faults that reverse each of them."""

import numpy as np
import pytest

import jaxmlp
from experiments.textbook import vanishing

DEEP = 8


def gradients(monkeypatch, kinds=None):
    """The verdicts on gradients only, as measured or with some kinds of network replaced."""
    for name, kind in (kinds or {}).items():
        monkeypatch.setitem(vanishing.KINDS, name, kind)
    batch = jaxmlp.load("digits").train
    norms = {(name, DEEP): vanishing.gradients(name, DEEP, batch, 3) for name in vanishing.KINDS}
    curves = {(name, depth): np.ones((3, 1)) for name in vanishing.KINDS for depth in (1, DEEP)}
    return [verdict.holds for verdict in vanishing.judge(norms, curves, DEEP)][:4]


def test_sigmoids_vanish_and_others_do_not(monkeypatch):
    assert gradients(monkeypatch) == [True, True, True, False]


def test_with_relu_in_place_of_sigmoid_nothing_vanishes(monkeypatch):
    assert gradients(monkeypatch, {vanishing.SIGMOID: vanishing.KINDS["ReLU, He"]})[0] is False


def test_with_sigmoid_in_place_of_relu_gradients_vanish(monkeypatch):
    sigmoid = vanishing.KINDS[vanishing.SIGMOID]
    assert gradients(monkeypatch, {"ReLU, He": sigmoid, "tanh, Glorot": sigmoid})[1:3] == [False, False]


def test_learning_needs_the_gradient():
    data = jaxmlp.load("digits")
    final = {name: vanishing.train(name, DEEP, data, 0, 4, 0.1)[-1] for name in ("ReLU, He", vanishing.SIGMOID)}
    assert final["ReLU, He"] > final[vanishing.SIGMOID] + 0.3
    assert vanishing.learning("ReLU, He", DEEP, data, 1, 1, (0.1, 1e-9)).shape == (1, 1)


@pytest.mark.parametrize(("relu", "sigmoid", "shallow", "expected"), [
    (0.9, 0.1, 0.9, [True, True, False]),
    (0.1, 0.1, 0.1, [False, False, True]),
])  # fmt: skip
def test_the_verdicts_on_training(relu, sigmoid, shallow, expected):
    norms = {(name, DEEP): np.ones((3, DEEP)) for name in vanishing.KINDS}
    curves = {(name, DEEP): np.full((3, 1), sigmoid) for name in vanishing.KINDS}
    curves |= {("ReLU, He", DEEP): np.full((3, 1), relu), (vanishing.SIGMOID, 1): np.full((3, 1), shallow)}
    assert [verdict.holds for verdict in vanishing.judge(norms, curves, DEEP)][4:] == expected


@pytest.mark.parametrize(("ratio", "expected"), [(2.0, [True, True]), (1.0, [False, False])])
def test_the_verdicts_on_speed(ratio, expected):
    times = {(place, "ReLU"): np.array([1.0, 1.1, 0.9]) for place in ("alone", "step")}
    times |= {(place, "sigmoid"): ratio * times[place, "ReLU"] for place in ("alone", "step")}
    assert [verdict.holds for verdict in vanishing.judge_times(times)] == expected


def test_timings_are_of_both_activations():
    times = vanishing.timings(jaxmlp.load("digits").train, rounds=2, tries=1)
    assert set(times) == {(place, name) for place in ("alone", "step") for name in ("ReLU", "sigmoid")}
    assert all(values.shape == (2,) and np.all(values > 0) for values in times.values())
