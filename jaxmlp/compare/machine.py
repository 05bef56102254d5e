"""What the numbers of a report depend on besides its rules."""

import os
import platform
import time
from pathlib import Path

import jax

import jaxmlp


def environment() -> dict[str, str]:
    """Versions, devices and the date."""
    return {
        "jaxmlp": jaxmlp.__version__,
        "jax": jax.__version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": f"{processor()}, {os.cpu_count()} cores",
        "devices": f"{jax.device_count()} x {jax.devices()[0].device_kind}",
        "precision": str(jax.config.jax_default_matmul_precision or "default"),  # pyright: ignore
        "date": time.strftime("%Y-%m-%d"),
    }


def processor() -> str:
    """The model of the processor, as the system names it."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:  # not Linux
        text = ""
    named = [line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()
