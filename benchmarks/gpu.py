"""On a GPU: nets a second against the number of seeds, in three precisions, beside PyTorch's ensembles."""

from benchmarks.limits import limit
from benchmarks.ratios import spread
from benchmarks.tasks import NETWORKS

SEEDS = (1, 8, 64, 512, 1024, 4096, 16_384)
PRECISIONS = ("float32", "tf32", "bfloat16")
TORCH = {"float32": "highest", "tf32": "high"}


def gpu(processes, effort, seeds=SEEDS, networks=NETWORKS[:3], epochs=1):
    """Trainings a second; a number of seeds that no longer fits into memory ends its line."""
    rows = []
    for task in networks:
        for precision in PRECISIONS:
            for name in ("jaxmlp", "torch.func") if precision in TORCH else ("jaxmlp",):
                rows += line(processes, effort, task, precision, name, seeds, epochs)
    return rows


def line(processes, effort, task, precision, name, seeds, epochs):
    """One library's trainings a second at one precision, up to the end of the memory."""
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
