"""Strict numerics for every test: nothing is broadcast or promoted silently, products are true float32.

There are three CPU devices, so that populations can be spread over one, two or three of them.
"""

import gc
import signal

import jax
import pytest

collect_ignore = ["typing"]  # for pyright alone

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_default_matmul_precision", "highest")
if jax.config.jax_platforms in (None, "cpu"):  # pyright: ignore[reportAttributeAccessIssue]
    jax.config.update("jax_num_cpu_devices", 3)
# A shell's background jobs, and all that they start, ignore Ctrl-C, which some tests press.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish():
    """The garbage collector need not visit thousands of collected tests each time."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def x64():
    """Float64 for one test."""
    with jax.enable_x64(True):
        yield


@pytest.fixture
def standard_promotion():
    """JAX's usual dtype promotion, for reference implementations that need it."""
    with jax.numpy_dtype_promotion("standard"):
        yield


@pytest.fixture
def compiled_anew():
    """Compiled functions would outlive a planted fault; and these programs are short, so compile them quickly."""
    jax.clear_caches()
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)
    jax.clear_caches()
