"""On a GPU: trainings per second by number of seeds, in three precisions, beside ensembles in PyTorch."""

from benchmarks.limits import limit
from benchmarks.ratios import spread
from benchmarks.tasks import NETWORKS

SEEDS = (1, 8, 64, 512, 1024, 4096, 16_384)
PRECISIONS = ("float32", "tf32", "bfloat16")
TORCH = {"float32": "highest", "tf32": "high"}


def gpu(processes, effort, seeds=SEEDS, networks=NETWORKS[:3], epochs=1):
    """Trainings per second by network, precision and library; a number of seeds that exceeds the memory ends a line."""
    rows = []
    for task in networks:
        for precision in PRECISIONS:
            for name in ("jaxmlp", "torch.func") if precision in TORCH else ("jaxmlp",):
                rows += line(processes, effort, task, precision, name, seeds, epochs)
    return rows


def line(processes, effort, task, precision, name, seeds, epochs):
    """Trainings per second of one library at one precision, for as many seeds as fit into memory."""
    rows = []
    for count in seeds:
        how = precision if name == "jaxmlp" else TORCH[precision]
        job = [task, "seeds", [count, epochs, how]]
        if not processes.prepare(job, [name]):
            break
        seconds = processes.in_turns({name: (name, job)}, effort.repeats, effort.least_s)[name]
        bound = limit(task, processes.machine) * task.steps * epochs
        rates = spread([count / second for second in seconds])
        row = {"network": task.name, "precision": precision, "peer": name, "seeds": count}
        rows.append(row | {"nets_a_second": rates, "share_of_float32_limit": rates["median"] * bound})
    return rows
