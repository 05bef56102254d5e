"""What importing does and does not do."""

import subprocess
import sys

import jaxmlp


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_importing_changes_no_configuration_and_starts_no_backend():
    code = """
import jax
before = dict(jax.config.values)
import jaxmlp
from jax._src import xla_bridge
print(dict(jax.config.values) == before, xla_bridge.backends_are_initialized())
"""
    assert run(code).split() == ["True", "False"]


def test_the_core_needs_jax_and_numpy_only():
    code = """
import sys, jaxmlp
others = ("optax", "sklearn", "pandas", "scipy.stats", "matplotlib", "rich", "pooch", "flax")
print([name for name in others if name in sys.modules])
"""
    assert run(code).strip() == "[]"


def test_every_public_name_is_documented():
    undocumented = [name for name in jaxmlp.__all__ if not (getattr(jaxmlp, name).__doc__ or "").strip()]
    assert undocumented == []


def test_public_names_are_those_of_the_modules():
    assert sorted(jaxmlp.__all__) == list(jaxmlp.__all__)
    assert all(hasattr(jaxmlp, name) for name in jaxmlp.__all__)
