"""Figures of the experiments are closed after each test."""

import matplotlib.pyplot as plt
import pytest


@pytest.fixture(autouse=True)
def closed_figures():
    """Matplotlib warns when too many figures are open, and warnings are errors."""
    yield
    plt.close("all")
