"""Devices: how many CPU devices there are, and how many lanes fit."""

import os

import jax

from jaxmlp.checks import check_count, require

# On CPU a device goes through its lanes one after the other: a few level out the lengths of trials, more do not help.
LANES_PER_CPU_DEVICE = 16
BYTES_PER_CPU_DEVICE = 128e6
# A GPU wants many small networks at once; beyond this many, a batch of them gains little.
MOST_LANES_PER_ACCELERATOR = 1024
# Gradients, activations and the copies that a compiled loop keeps come on top of what a lane holds.
WORKING_COPIES = 3
SHARE_OF_MEMORY = 0.5


def use_cpu_devices(count=None):
    """Makes JAX see `count` CPU devices, one for each core by default: to be called before JAX does anything.

    `train_many` gives each CPU device its own trials, so that one core is one device at work.

    Args:
      count: at least 1; None: the number of cores this process may use.

    Returns:
      The number of devices.

    Raises:
      RuntimeError: where JAX has started already with another number of CPU devices.

    >>> count = jax.local_device_count("cpu")
    >>> use_cpu_devices(count) == count  # the number it has already: allowed at any time
    True
    """
    count = _cores() if count is None else count
    check_count("use_cpu_devices", "count", count)
    try:
        jax.config.update("jax_num_cpu_devices", int(count))
    except RuntimeError as error:
        if jax.local_device_count("cpu") != count:
            message = "use_cpu_devices: must be called before JAX starts: put it right after the imports"
            raise RuntimeError(message) from error
    return int(count)


def _cores():
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def lanes_per_device(function, wanted, devices, trials, bytes_per_lane):
    """Lanes for each device: as asked for, or as many as are worth it; never more than fit or than there are trials."""
    fit = int(SHARE_OF_MEMORY * _free_bytes(devices) / (WORKING_COPIES * max(bytes_per_lane, 1)))
    if wanted is not None:
        check_count(function, "lanes", wanted)
        each = -(-int(wanted) // len(devices))
        rule = f"be at most {fit * len(devices)}, for each needs {WORKING_COPIES * bytes_per_lane / 1e6:.1f} MB"
        require(each <= fit, function, "lanes", rule, wanted)
        return each
    rule = f"fit into memory (a lane needs {WORKING_COPIES * bytes_per_lane / 1e6:.1f} MB)"
    require(fit >= 1, function, "the network", rule, f"room for {fit}")
    if devices[0].platform == "cpu":
        # The number of trials does not enter, so that a second study of the same shapes compiles nothing.
        return int(min(fit, max(2, min(LANES_PER_CPU_DEVICE, BYTES_PER_CPU_DEVICE // bytes_per_lane))))
    return min(fit, MOST_LANES_PER_ACCELERATOR, -(-trials // len(devices)))


def _free_bytes(devices):
    """Free memory a device, in bytes: CPU devices share the machine's."""
    stats = devices[0].memory_stats() if devices[0].platform != "cpu" else None
    if stats and "bytes_limit" in stats:
        return stats["bytes_limit"] - stats["bytes_in_use"]
    pages = os.sysconf("SC_AVPHYS_PAGES") if "SC_AVPHYS_PAGES" in os.sysconf_names else 1 << 20
    return pages * os.sysconf("SC_PAGE_SIZE") / len(devices)
