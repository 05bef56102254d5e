"""How the time of jaxmlp grows with width, depth, batch, seeds and devices."""

from benchmarks.limits import limit
from benchmarks.ratios import spread
from benchmarks.tasks import Task

WIDTHS = (8, 32, 128, 512, 2048)
DEPTHS = (1, 2, 4, 8, 16)
BATCHES = (8, 32, 128, 512, 2048)
SEEDS = (1, 4, 16, 64, 256)
STEPS = 32
MIDDLE = Task((64, 128, 10), 64, 64 * STEPS)


def laws():
    """A dict from the name of a law to {value: (peer, task, method, arguments, steps)}."""
    return {
        "width": {width: single(MIDDLE._replace(sizes=(64, width, width, 10))) for width in WIDTHS},
        "depth": {depth: single(MIDDLE._replace(sizes=(64, *[128] * depth, 10))) for depth in DEPTHS},
        "batch": {batch: single(MIDDLE._replace(batch=batch, rows=batch * STEPS)) for batch in BATCHES},
        "seeds": {count: many("jaxmlp", count) for count in SEEDS},
        "seeds, 1 device": {count: many("jaxmlp, 1 device", count) for count in SEEDS},
    }


def single(task):
    return "jaxmlp", task, "run", [1], STEPS


def many(peer, count):
    return peer, MIDDLE, "seeds", [count, 4], STEPS * 4 * count


def scaling(processes, effort):
    """Microseconds per step of one training along each law, with the limit of the machine."""
    rows = []
    for law, points in laws().items():
        jobs = {
            value: (peer, [task, method, arguments]) for value, (peer, task, method, arguments, _) in points.items()
        }
        for peer, job in jobs.values():
            processes.prepare(job, [peer])
        for value, rounds in processes.in_turns(jobs, effort.repeats, effort.least_s).items():
            _, task, _, _, steps = points[value]
            microseconds = spread([1e6 * second / steps for second in rounds])
            bound = 1e6 * limit(task, processes.machine)
            rows.append({"law": law, "value": value, "us_a_step": microseconds, "limit_us": bound})
    return rows
