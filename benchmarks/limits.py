"""The limits of the machine: the duration of a step that consists of its matrix products or memory traffic only."""

import statistics

from benchmarks.tasks import NETWORKS

SIDE = 2048  # of the square matrices in the product that is timed
SIZES = (2**16, 2**20, 2**24, 2**28)  # bytes of the arrays read and written; caches are faster than memory


def measured(processes, effort):
    """The rate of matrix products by XLA and by NumPy, and the bandwidth of caches and memory by bytes."""
    jobs = {name: ("machine", [NETWORKS[0], name, []]) for name in ("product", "blas_product")}
    jobs |= {size: ("machine", [NETWORKS[0], "copy", [size]]) for size in SIZES}
    for name, job in jobs.values():
        processes.prepare(job, [name])
    rounds = processes.in_turns(jobs, effort.repeats, 0.3)
    seconds = {name: statistics.median(values) for name, values in rounds.items()}
    return {
        "gflops_xla": 2 * SIDE**3 / seconds["product"] / 1e9,
        "gflops_numpy": 2 * SIDE**3 / seconds["blas_product"] / 1e9,
        "gigabytes_a_second": {str(size): 2 * size / seconds[size] / 1e9 for size in SIZES},
    }


def limit(task, machine):
    """The minimum duration of a step of Adam in seconds: arithmetic at the higher rate, or bytes at the bandwidth."""
    rate = max(machine["gflops_xla"], machine["gflops_numpy"]) * 1e9
    size = next((size for size in SIZES if size >= task.least_bytes), SIZES[-1])
    return max(task.operations / rate, task.least_bytes / (machine["gigabytes_a_second"][str(size)] * 1e9))
