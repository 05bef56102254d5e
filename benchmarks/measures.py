"""The measurements: each function orchestrates the processes of the peers and returns rows of results."""

from typing import NamedTuple

import numpy as np

from benchmarks.goals import ANY, GOALS, LOOP, OTHERS
from benchmarks.limits import limit
from benchmarks.peers import PEERS, TORCH_AND_SCIKIT_LEARN
from benchmarks.ratios import fastest, ratio, spread
from benchmarks.tasks import NETWORKS, OPTIMIZERS, Task, made_order

TOLERANCE = 3e-3  # of the first loss, within CHECKED_STEPS; float32 operations are in a different order
CHECKED_STEPS = 20
STEPS = 100  # per call when single steps are timed
UPDATES = 100
ORDERS = 10  # epochs per call when shuffling is timed
SCANS = ("optax, scan", "optax, scan, sharded")
GROUPS = {
    ANY: [name for name in PEERS if name != "jaxmlp"],
    LOOP: [name for name in PEERS if name not in ("jaxmlp", *SCANS)],
    OTHERS: list(TORCH_AND_SCIKIT_LEARN),
}
MOST_OPERATIONS = 1.6e12  # larger numbers of seeds are not tried
MOST_SCIKIT_LEARN_SEEDS, MOST_TORCH_SEEDS = 8, 64  # with more seeds, each training costs as much as with these


class Effort(NamedTuple):
    """How much is run for each number.

    Attributes:
      repeats: rounds.
      least_s: shortest duration of a timing in seconds.
      epochs: lengths of the complete runs.
      seeds: numbers of trainings at once.
      networks: the tasks.
      optimizers: the optimizers whose updates are timed.
    """

    repeats: int
    least_s: float
    epochs: tuple[int, ...]
    seeds: tuple[int, ...]
    networks: tuple[Task, ...]
    optimizers: tuple[str, ...]


FULL = Effort(5, 0.2, (1, 10), (1, 8, 64, 1024), NETWORKS, OPTIMIZERS)
QUICK = Effort(3, 0.05, (10,), (64,), NETWORKS[:2], ("adam",))


def check(processes, effort):
    """Compares the losses of the peers step by step, from the same weights on the same rows.

    A peer whose losses differ is not timed. Differences are relative to the first loss, because later losses may be so
    small that rounding is a large share of them.
    """
    rows = []
    for task in effort.networks:
        order = made_order(task, CHECKED_STEPS).tolist()
        answers = {name: processes.ask(name, losses=[task, order]) for name in PEERS}
        losses = {name: np.array(said["losses"]) for name, said in answers.items() if said and said.get("losses")}
        first = {name: answers[name]["first_s"] for name in losses}
        ours = losses.pop("jaxmlp")
        different = {name: float(np.max(np.abs(theirs - ours)) / ours[0]) for name, theirs in losses.items()}
        for name, difference in different.items():
            if not difference <= TOLERANCE:
                processes.lose(name, f"its losses on {task.name} differ from jaxmlp's by {difference:.1e} of the first")
        rows.append({"network": task.name, "difference": different, "first_s": first})
    return rows


def compare(processes, effort, measure, task, jobs):
    """Times jaxmlp and every peer that can do the job, in turns.

    Args:
      processes: the running peers.
      effort: how much is run.
      measure: name of the measurement.
      task: the network.
      jobs: a dict from the name of a peer to (method, arguments, steps per call).

    Returns:
      One row of results.
    """
    first, ready = {}, {}
    for name, (method, arguments, _) in jobs.items():
        first |= processes.prepare([task, method, arguments], [name])
        if name in first:
            ready[name] = name, [task, method, arguments]
    seconds = processes.in_turns(ready, effort.repeats, effort.least_s)
    times = {name: [second / jobs[name][2] for second in rounds] for name, rounds in seconds.items()}
    ours = times["jaxmlp"]
    best = {group: fastest(times, names) for group, names in GROUPS.items()}
    return {
        "measure": measure,
        "network": task.name,
        "batch": task.batch,
        "steps_a_call": jobs["jaxmlp"][2],
        "first_s": first,
        "us_a_step": {name: spread([1e6 * second for second in rounds]) for name, rounds in times.items()},
        "ratio": {name: ratio(ours, rounds) for name, rounds in times.items() if name != "jaxmlp"},
        "best": {group: name for group, name in best.items() if name},
        "goal": {group: goals[task.name] for group, goals in GOALS.get(measure, {}).items() if task.name in goals},
        "limit_us": 1e6 * limit(task, processes.machine),
    }


def step(processes, effort):
    """Times one jitted step."""
    jobs = dict.fromkeys(PEERS, ("step", [STEPS], STEPS))
    return [compare(processes, effort, "step", task, jobs) for task in effort.networks]


def run(processes, effort):
    """Times a complete run: shuffled epochs with validation after each."""
    rows = []
    for task in effort.networks:
        for epochs in effort.epochs:
            jobs = dict.fromkeys(PEERS, ("run", [epochs], epochs * task.steps))
            row = compare(processes, effort, "run" if epochs == max(effort.epochs) else "short run", task, jobs)
            rows.append(row | {"epochs": epochs})
    return rows


def seeds(processes, effort):
    """Times many trainings at once, and records their memory."""
    rows = []
    for task in effort.networks:
        epochs = 4 if task.operations < 1e8 else 1
        for count in effort.seeds:
            if count * epochs * task.steps * task.operations < MOST_OPERATIONS:
                jobs = {name: seed_job(name, task, count, epochs) for name in PEERS}
                measure = "1 seed" if count == 1 else f"{count} seeds"
                row = compare(processes, effort, measure, task, jobs)
                memory = {name: processes.ask(name, memory=[]) for name in row["us_a_step"]}
                peaks = {name: answer["peak_bytes"] for name, answer in memory.items() if answer}
                rows.append(row | {"seeds": count, "epochs": epochs, "peak_bytes": peaks})
    return rows


def seed_job(name, task, count, epochs):
    most = {"scikit-learn": MOST_SCIKIT_LEARN_SEEDS, "torch.func": MOST_TORCH_SEEDS}
    count = min(count, most.get(name) or count)
    return "seeds", [count, epochs], count * epochs * task.steps


def dropout(processes, effort):
    """The time that dropout adds to a complete run of one library, as a share of the run without it."""
    epochs = max(effort.epochs)
    rows = []
    for task in effort.networks:
        for name in ("jaxmlp", "optax, scan", "flax nnx", "torch, fused Adam"):
            jobs = {
                rate: (name, [task._replace(dropout=rate), "run", [epochs]]) for rate in (None, 0.5)
            }  # in the same process, in turns
            if all(processes.prepare(job, [name]) for _, job in jobs.values()):
                seconds = processes.in_turns(jobs, effort.repeats, effort.least_s)
                cost = ratio(seconds[0.5], seconds[None])
                added = {key: value - 1 for key, value in cost.items()}
                rows.append({"network": task.name, "peer": name, "added": added, "goal": GOALS["dropout"][task.name]})
    return rows


def shuffling(processes, effort):
    """The share of an epoch spent on its order, with 60,000 rows for the image networks."""
    rows = []
    for task in effort.networks:
        task = task._replace(rows=60_000 if task.sizes[0] == 784 else task.rows)
        short = task._replace(rows=min(task.rows, 12_800))
        jobs = {
            "order": ("jaxmlp", [task, "shuffle", [ORDERS]]),
            "permutation": ("jaxmlp", [task, "permutation", [ORDERS]]),
            "run": ("jaxmlp", [short, "run", [ORDERS]]),
        }
        for name, job in jobs.values():
            processes.prepare(job, [name])
        seconds = processes.in_turns(jobs, effort.repeats, effort.least_s)
        epoch = [second / short.steps * task.steps for second in seconds["run"]]
        shares = {name: ratio(seconds[name], epoch) for name in ("order", "permutation")}
        rows.append({"network": task.name, "rows": task.rows, "share": shares, "goal": GOALS["shuffling"][task.name]})
    return rows


def optimizers(processes, effort):
    """Times the jitted update of each optimizer beside that of optax."""
    rows = []
    for task in effort.networks:
        for name in effort.optimizers:
            jobs = {whose: ("updates", [task, "update", [name, whose, UPDATES]]) for whose in ("jaxmlp", "optax")}
            for worker, job in jobs.values():
                processes.prepare(job, [worker])
            ours, theirs = processes.in_turns(jobs, effort.repeats, effort.least_s / 2).values()
            microseconds = [spread([1e6 * second / UPDATES for second in side]) for side in (ours, theirs)]
            both = dict(zip(("us", "us_optax"), microseconds, strict=True))
            rows.append({"network": task.name, "optimizer": name, **both, "ratio": ratio(ours, theirs)})
    return rows
