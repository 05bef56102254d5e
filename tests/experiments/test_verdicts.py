"""Verdicts can be True, False or None: pinned on numbers computed by hand."""

import numpy as np
import pytest

import experiments.verdicts as verdicts


def test_a_share_is_judged_by_wilsons_interval():
    # Wilson's interval of 0 of 30 is 0 to z²/(n + z²) = 3.8415/33.8415 = 0.1135.
    assert verdicts.share("never", [False] * 30, at_most=0.114).holds is True
    assert verdicts.share("never", [False] * 30, at_most=0.113).holds is None
    assert verdicts.share("never", [False] * 30, at_least=0.5).holds is False
    assert verdicts.share("always", [True] * 30, at_least=0.886).holds is True
    assert verdicts.share("always", [True] * 30, at_most=0.8).holds is False
    assert "3 of 4 seeds, 30% to 95%" in verdicts.share("often", [True, True, True, False], at_least=0.9).evidence


def test_a_mean_is_judged_by_students_interval():
    # Mean 2, deviation 1, t(0.975, 2) = 4.3027: a half width of 2.4841.
    assert verdicts.mean_interval([1, 2, 3]) == pytest.approx((-0.48414, 2, 4.48414), abs=1e-4)
    assert verdicts.mean("small", [1, 2, 3], at_most=4.49).holds is True
    assert verdicts.mean("small", [1, 2, 3], at_most=4.48).holds is None
    assert verdicts.mean("small", [1, 2, 3], at_most=-0.49).holds is False
    assert verdicts.mean("large", [1, 2, 3], at_least=-0.49).holds is True
    assert verdicts.mean("large", [1, 2, 3], at_least=4.49).holds is False


def test_greater_looks_at_pairs():
    noise = np.array([0.0, 100.0, -50.0, 7.0])
    assert verdicts.greater("more", noise + np.array([1.0, 1.1, 0.9, 1.0]), noise).holds is True
    assert verdicts.greater("more", noise, noise + np.array([1.0, 1.1, 0.9, 1.0])).holds is False
    assert verdicts.greater("more", noise + np.array([1, -1, 1, -1]), noise).holds is None
    assert verdicts.greater("more", noise, noise).holds is False
    assert verdicts.greater("more by 2", noise + np.array([1.0, 1.1, 0.9, 1.0]), noise, by=2).holds is False


def test_equal_looks_at_the_worst_seed():
    assert verdicts.equal("same", [0.0, -1e-7], within=1e-6).holds is True
    assert verdicts.equal("same", [0.0, -1e-5], within=1e-6).holds is False
    assert verdicts.equal("same", [0.0, float("nan")], within=1e-6).holds is False


def test_a_verdict_in_words():
    assert str(verdicts.Verdict("pigs fly", False, "0 of 9")) == "NO: pigs fly (0 of 9)"
