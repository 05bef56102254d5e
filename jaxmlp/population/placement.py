"""Devices: how many CPU devices there are, and how many lanes fit."""

import os
from typing import Any

import jax

from jaxmlp.checks import check_count, require

HALVES = 2
# On CPU a device goes through its lanes one after the other: a few level out the lengths of trials, more do not help.
_LANES_PER_CPU_DEVICE = 16
_BYTES_PER_CPU_DEVICE = 128e6
# A GPU needs many small networks at once; beyond this many, a larger batch of them gains little.
_MOST_LANES_PER_ACCELERATOR = 1024
# Gradients, activations and the copies that a compiled loop keeps are added to what a lane holds.
_WORKING_COPIES = 3
_SHARE_OF_MEMORY = 0.5


def use_cpu_devices(count: int | None = None) -> int:
    """Makes JAX see `count` CPU devices, one per core by default; call it before JAX does anything.

    `train_many` gives each CPU device its own trials, so that each core works on one device.

    Args:
      count: at least 1; None for the number of cores that this process may use.

    Returns:
      The number of devices.

    Raises:
      RuntimeError: if JAX has already started with another number of CPU devices.

    Example:
      >>> count = jax.local_device_count("cpu")
      >>> use_cpu_devices(count) == count  # the number that it has already is allowed at any time
      True
    """
    count = _cores() if count is None else count
    check_count("use_cpu_devices", count=count)
    try:
        jax.config.update("jax_num_cpu_devices", int(count))
    except RuntimeError as error:
        if jax.local_device_count("cpu") != count:
            message = "use_cpu_devices: must be called before JAX starts: put it right after the imports"
            raise RuntimeError(message) from error
    return int(count)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def lanes_per_half(wanted: int | None, devices: list[Any], trials: int, bytes_per_lane: int) -> int:
    """Lanes for each device and half: as asked for, or as many as are useful, and never more than fit or are needed."""
    if wanted is not None:
        check_count("train_many", lanes=wanted)
    each = _lanes_per_device(wanted, devices, -(-trials // HALVES), HALVES * bytes_per_lane)
    # A loop over a single lane would be compiled away, and its arithmetic be rounded otherwise.
    return max(each, 2) if devices[0].platform == "cpu" else each


def _lanes_per_device(wanted: int | None, devices: list[Any], trials: int, bytes_per_lane: int) -> int:
    megabytes = _WORKING_COPIES * bytes_per_lane / 1e6
    fit = int(_SHARE_OF_MEMORY * _free_bytes(devices) / (_WORKING_COPIES * max(bytes_per_lane, 1)))
    if wanted is not None:
        each = -(-wanted // (HALVES * len(devices)))
        rule = f"be at most {HALVES * fit * len(devices)}, as each needs {megabytes / HALVES:.1f} MB"
        require(each <= fit, "train_many", "lanes", rule, wanted)
        return each
    require(
        fit >= 1, "train_many", "the network", f"fit into memory ({megabytes:.1f} MB for each lane)", f"room for {fit}"
    )
    if devices[0].platform == "cpu":
        # The number of trials does not matter here, so that a second study of the same shapes is not compiled again.
        return int(min(fit, max(2, min(_LANES_PER_CPU_DEVICE, _BYTES_PER_CPU_DEVICE // bytes_per_lane))))
    return min(fit, _MOST_LANES_PER_ACCELERATOR, -(-trials // len(devices)))


def _free_bytes(devices: list[Any]) -> float:
    """Free memory per device, in bytes: CPU devices share that of the machine."""
    stats = devices[0].memory_stats() if devices[0].platform != "cpu" else None
    if stats and "bytes_limit" in stats:
        return stats["bytes_limit"] - stats["bytes_in_use"]
    pages = os.sysconf("SC_AVPHYS_PAGES") if "SC_AVPHYS_PAGES" in os.sysconf_names else 1 << 20
    return pages * os.sysconf("SC_PAGE_SIZE") / len(devices)
