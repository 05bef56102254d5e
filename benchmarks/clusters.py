"""How well a study spreads over workers: measured with two of them, simulated with up to 4,096.

    python -m benchmarks.clusters                     measures (a quarter of an hour on two quiet cores) and simulates
    python -m benchmarks.clusters --seeds 40 --rounds 2    a shorter study
    python -m benchmarks.clusters --simulate          only simulates, with what results/clusters.json holds

One study with early stopping runs in turns in one process with two devices, and on two one-core workers of Dask; their
tables must be equal. The simulation draws trials from those that were measured, and knows four costs: the time of an
epoch, that of a block on its worker, that of a block on the driver, which serves one block at a time, and how long a
message takes.
"""

import argparse
import heapq
import json
import os
import platform
import time
from pathlib import Path

import jax
import matplotlib
import numpy as np

import jaxmlp
from benchmarks.ratios import ratio
from experiments.figures import COLORS, LOOK, MARKERS, STYLES, legend_above, panel, save

RATES = [0.0003, 0.001, 0.01, 0.03]
WORKERS = [8 * 2**i for i in range(10)]
TRIALS = 100_000
LONGER = (1, 10, 100)  # than the trials that were measured
LATENCY_S = 0.002  # of a message between machines
LEAST_S, MOST_S, FIRST, IN_FLIGHT = 0.5, 20.0, 4, 2  # how `train_many` cuts blocks


def recipe(learning_rate):
    return jaxmlp.classifier((64, 128, 10), optimizer=jaxmlp.adam(learning_rate))


def study(seeds, **options):
    return jaxmlp.train_many(
        recipe, jaxmlp.load("digits"), seeds=seeds, epochs=60, batch_size=64, patience=3, learning_rate=RATES,
        progress=False, **options,
    )  # fmt: skip


class Timed:
    """A client of Dask that notes each block's trials, and the seconds that it takes here and on its worker."""

    def __init__(self, client):
        self.client, self.futures = client, []

    def __getattr__(self, name):
        return getattr(self.client, name)

    def submit(self, function, *arguments, **options):
        began = time.thread_time()
        future = self.client.submit(function, *arguments, **options)
        if len(arguments) == 3:
            future = Answered(future, len(arguments[1].seeds), time.thread_time() - began)
            self.futures.append(future)
        return future


class Answered:
    """The future of a block."""

    def __init__(self, future, trials, seconds):
        self.future, self.trials, self.here, self.there = future, trials, seconds, 0.0
        self.done, self.exception, self.cancel = future.done, future.exception, future.cancel

    def result(self):
        began = time.thread_time()
        answer = self.future.result()
        self.here, self.there = self.here + time.thread_time() - began, answer.seconds
        return answer


def measure(seeds, rounds):
    """Wall times of both ways in turns, and what blocks cost."""
    import distributed

    options = {"threads_per_worker": 1, "dashboard_address": ":0", "memory_limit": None}
    with distributed.LocalCluster(n_workers=2, **options) as cluster, distributed.Client(cluster) as client:
        for executor in (None, client):
            study(8, executor=executor)  # compiles
        walls, blocks, tables = {"process": [], "workers": []}, [], []
        for number in range(rounds):
            for way in list(walls)[:: 1 if number % 2 == 0 else -1]:
                timed = Timed(client)
                began = time.perf_counter()
                found = study(seeds, executor=timed if way == "workers" else None)
                walls[way].append(time.perf_counter() - began)
                tables.append(found.table())
                if way == "workers":
                    blocks += [(one.trials, one.there, one.here) for one in timed.futures]
        assert all(table.equals(tables[0]) for table in tables)
    epochs = tables[0]["epochs"].tolist()
    busy = sum(there for _, there, _ in blocks) / rounds
    per_block = (2 * np.mean(walls["workers"]) - busy) / (len(blocks) / rounds)
    return {
        "environment": environment(),
        "trials": len(epochs),
        "seconds": walls,
        "ratio": ratio(walls["workers"], walls["process"]),
        "blocks": blocks,
        "epochs": epochs,
        "epoch_s": busy / sum(epochs),
        "worker_s_per_block": max(0.0, float(per_block)),
        "driver_s_per_block": float(np.median([here for *_, here in blocks])),
    }


def environment():
    return {
        "when": time.strftime("%Y-%m-%d %H:%M"),
        "processor": platform.processor() or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "load": os.getloadavg()[1],
        "python": platform.python_version(),
        "jax": jax.__version__,
        "jaxmlp": jaxmlp.__version__,
    }


def simulated(measured, longer, workers, trials=TRIALS):
    """Efficiency, seconds, and the share of the time in which some worker has nothing left to do."""
    lengths = np.random.default_rng(0).choice(measured["epochs"], trials) * measured["epoch_s"] * longer
    total, mean = np.concatenate([[0.0], np.cumsum(lengths)]), lengths.mean()
    place, driver_free = 0, 0.0
    free, idle, ends = [0.0] * workers, [], []

    def send(worker, now):
        """The driver cuts a block for a worker, if any is left."""
        nonlocal place, driver_free
        if place == trials:
            if not running[worker]:
                idle.append(now)
            return
        share = -(-(trials - place) // (IN_FLIGHT * workers))
        size = min(max(share, round(LEAST_S / mean)), max(1, round(MOST_S / mean))) if ends else min(share, FIRST)
        size = min(size, trials - place)
        driver_free = max(driver_free, now) + measured["driver_s_per_block"]
        begin = max(free[worker], driver_free + LATENCY_S)
        free[worker] = begin + measured["worker_s_per_block"] + total[place + size] - total[place]
        place += size
        running[worker] += 1
        heapq.heappush(events, (free[worker] + LATENCY_S, worker))

    events, running = [], [0] * workers
    for worker in [*range(workers)] * IN_FLIGHT:
        send(worker, 0.0)
    while events:
        now, worker = heapq.heappop(events)
        running[worker] -= 1
        ends.append(now)
        send(worker, now)
    return {
        "longer": longer,
        "workers": workers,
        "seconds": float(ends[-1]),
        "efficiency": float(total[-1] / (workers * ends[-1])),
        "tail": float(1.0 - min(idle) / ends[-1]),
        "blocks": len(ends),
    }


def draw(measured, rows, folder):
    """Efficiency and tail over workers, a line for each size of a study."""
    parts = {
        "efficiency": ("Time of trials / (workers x time)", "efficiency, %"),
        "tail": ("Time with an idle worker", "share of the time, %"),
    }
    with matplotlib.rc_context(LOOK):
        for name, (title, label) in parts.items():
            shown, axes = panel(title, f"Simulated: {TRIALS:,} trials, a line for each length of a trial.")
            for place, longer in enumerate(LONGER):
                mine = [row for row in rows if row["longer"] == longer]
                seconds = longer * np.mean(measured["epochs"]) * measured["epoch_s"]
                look = {"color": COLORS[place], "linestyle": STYLES[place], "marker": MARKERS[place], "markersize": 5}
                shares = [100 * row[name] for row in mine]
                axes.plot([row["workers"] for row in mine], shares, label=f"{seconds:.2g} s", **look)
            axes.set_xscale("log", base=2)
            axes.set_xticks(WORKERS, [f"{count:,}" for count in WORKERS], rotation=45)
            axes.set(ylim=(-3, 103), xlabel="one-core workers", ylabel=label)
            legend_above(axes, columns=3)
            save(shown, folder / f"clusters_{name}.png")


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m benchmarks.clusters", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=500, help="of each of four learning rates")
    parser.add_argument("--rounds", type=int, default=3, help="in each of which both ways have a turn")
    parser.add_argument("--simulate", action="store_true", help="with what was measured before")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args(arguments)
    file = options.out / "clusters.json"
    if options.simulate:
        measured = json.loads(file.read_text())
    else:
        jaxmlp.use_cpu_devices(2)
        measured = measure(options.seeds, options.rounds)
    rows = [simulated(measured, longer, workers) for longer in LONGER for workers in WORKERS]
    measured["simulated"] = rows
    file.write_text(json.dumps(measured, indent=1))
    draw(measured, rows, options.out)
    for row in rows:
        print("x {longer:>3}, {workers:>5,} workers: {seconds:9.1f} s, efficiency {efficiency:.2f}".format(**row))
    shown = ("seconds", "ratio", "worker_s_per_block", "driver_s_per_block", "epoch_s")
    print({name: measured[name] for name in shown})


if __name__ == "__main__":
    main()
