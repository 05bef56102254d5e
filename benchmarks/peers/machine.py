"""The machine: the rates of its matrix products and its memory, which limit all times."""

import os

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.limits import SIDE, SIZES


class Machine:
    def __init__(self, task):
        self.square = jnp.ones((SIDE, SIDE))
        self.arrays = {size: (np.ones(size, np.uint8), np.ones(size, np.uint8)) for size in SIZES}
        self.matrix = np.ones((SIDE, SIDE), np.float32)
        with jax.default_matmul_precision("highest"):
            self.multiply = jax.jit(lambda x: x @ x).lower(self.square).compile()

    def product(self):
        """2 SIDE³ operations by XLA."""
        self.multiply(self.square).block_until_ready()

    def blas_product(self):
        """The same product by the BLAS library of NumPy."""
        np.dot(self.matrix, self.matrix)

    def copy(self, size):
        """Reads `size` bytes and writes as many, on one core."""
        np.copyto(*self.arrays[size])


def description():
    """The backend, the device, the processor and the number of cores."""
    device = jax.devices()[0]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"backend": jax.default_backend(), "device": device.device_kind, "processor": _processor(), "cores": cores}


def _processor():
    try:
        with open("/proc/cpuinfo") as lines:
            return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return "unknown"
