"""What all statistics share, and the public names."""

import sys

import pytest

from jaxmlp import statistics


def test_without_scipy_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(ImportError) as caught:
        statistics.iqm([1.0, 2.0])
    assert str(caught.value) == "iqm: scipy must be installed: pip install 'jaxmlp[experiments]'"


def test_every_public_name_is_documented():
    assert sorted(statistics.__all__) == list(statistics.__all__)
    assert all(getattr(statistics, name).__doc__ for name in statistics.__all__)
