"""The settings that docstrings name for other libraries' conventions give their steps, written here by hand."""

import math

import pytest

import jaxmlp
from tests.optimizers.test_optimizers import updates_of

GRADIENTS = (0.5, -2.0, 0.1, 0.8, -1.1, 0.0, 0.3)
RATE = 0.1


def amsgrad_of_pytorch(b1=0.9, b2=0.999, eps=1e-8):
    m = v = largest = 0.0
    for t, g in enumerate(GRADIENTS, 1):
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
        largest = max(largest, v)
        yield -RATE / (1 - b1**t) * m / (math.sqrt(largest) / math.sqrt(1 - b2**t) + eps)


def amsgrad_of_the_paper(b1=0.9, b2=0.7, eps=0.01):
    m = v = largest = 0.0
    for g in GRADIENTS:
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
        largest = max(largest, v)
        yield -RATE * m / (math.sqrt(largest) + eps)


def rmsprop_of_tensorflow_1(decay=0.9, momentum=0.7, eps=1e-10):
    v, trace = 1.0, 0.0
    for g in GRADIENTS:
        v = decay * v + (1 - decay) * g * g
        trace = momentum * trace + RATE * g / math.sqrt(v + eps)
        yield -trace


def rmsprop_of_pytorch(decay=0.99, momentum=0.7, eps=1e-8):
    v = trace = 0.0
    for g in GRADIENTS:
        v = decay * v + (1 - decay) * g * g
        trace = momentum * trace + g / (math.sqrt(v) + eps)
        yield -RATE * trace


def adagrad_of_pytorch(eps=1e-10):
    s = 0.0
    for g in GRADIENTS:
        s += g * g
        yield -RATE * g / (math.sqrt(s) + eps)


def adadelta_of_keras(rho=0.95, eps=1e-7):
    square = steps = 0.0
    for g in GRADIENTS:
        square = rho * square + (1 - rho) * g * g
        step = math.sqrt(steps + eps) / math.sqrt(square + eps) * g
        steps = rho * steps + (1 - rho) * step * step
        yield -1e-3 * step


def radam_of_the_paper(b1=0.9, b2=0.8):
    m = v = 0.0
    limit = 2 / (1 - b2) - 1
    for t, g in enumerate(GRADIENTS, 1):
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
        mean, rho = m / (1 - b1**t), limit - 2 * t * b2**t / (1 - b2**t)
        if rho > 4:  # from the fifth step on
            ratio = math.sqrt((rho - 4) * (rho - 2) * limit / ((limit - 4) * (limit - 2) * rho))
            yield -RATE * ratio * mean * math.sqrt((1 - b2**t) / v)
        else:
            yield -RATE * mean


def adamax_of_the_paper(b1=0.9, b2=0.999):
    m = u = 0.0
    for t, g in enumerate(GRADIENTS, 1):
        m, u = b1 * m + (1 - b1) * g, max(b2 * u, abs(g))
        yield -RATE / (1 - b1**t) * m / u


CONVENTIONS = {
    amsgrad_of_pytorch: jaxmlp.amsgrad(RATE, maximum_first=True),
    amsgrad_of_the_paper: jaxmlp.amsgrad(
        RATE, b2=0.7, eps=0.01, bias_correction_mu=False, bias_correction_nu=False, maximum_first=True
    ),
    rmsprop_of_tensorflow_1: jaxmlp.rmsprop(RATE, eps=1e-10, initial_scale=1.0, momentum=0.7),
    rmsprop_of_pytorch: jaxmlp.rmsprop(RATE, decay=0.99, eps_in_sqrt=False, momentum=0.7),
    adagrad_of_pytorch: jaxmlp.adagrad(RATE, initial_accumulator_value=0.0, eps=0.0),
    adadelta_of_keras: jaxmlp.adadelta(learning_rate=1e-3, rho=0.95, eps=1e-7),
    radam_of_the_paper: jaxmlp.radam(RATE, b2=0.8, threshold=4.0, eps=0.0),
    adamax_of_the_paper: jaxmlp.adamax(RATE, eps=0.0),
}


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("by_hand", CONVENTIONS, ids=lambda rule: rule.__name__)
def test_another_convention(by_hand):
    assert updates_of(CONVENTIONS[by_hand], GRADIENTS) == pytest.approx(list(by_hand()), rel=1e-8)


@pytest.mark.usefixtures("x64")
def test_amsgrads_two_maxima_differ_unless_nothing_is_corrected():
    first, last = (updates_of(jaxmlp.amsgrad(RATE, maximum_first=flag), GRADIENTS) for flag in (True, False))
    assert abs(first[2]) > 1.1 * abs(last[2])  # after -2.0 the corrected maximum stays, the correction of it fades
    plain = {"bias_correction_mu": False, "bias_correction_nu": False}
    first, last = (updates_of(jaxmlp.amsgrad(RATE, **plain, maximum_first=flag), GRADIENTS) for flag in (True, False))
    assert first == last
