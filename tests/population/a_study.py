"""A small study for tests that start, interrupt and kill processes: python a_study.py DIRECTORY CACHE [options]."""

import argparse
import contextlib
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor

import jax

import jaxmlp

PLAN = {"epochs": 60, "batch_size": 16, "patience": 8}
GRID = {"learning_rate": [0.001, 0.03, 0.3], "dropout_rate": [0.0, 0.25]}


def recipe(learning_rate, dropout_rate):
    return jaxmlp.classifier((2, 16, 2), optimizer=jaxmlp.adam(learning_rate), dropout_rate=dropout_rate)


class Rounds:
    """Three rounds of six learning rates around the best one so far: a tuner that waits, and that no order changes."""

    def __init__(self):
        self.asked, self.center, self.scores = 0, 0.03, {}

    def ask(self):
        place = self.asked % 6
        if self.asked == 18 or (place == 0 and len(self.scores) < self.asked):
            return None
        if place == 0:
            self.center = min((score, rate) for rate, score in self.scores.items())[1] if self.scores else self.center
        self.asked += 1
        return {"learning_rate": self.center * 2.0 ** (place - 2.5), "dropout_rate": 0.25}

    def tell(self, number, numbers, rows):
        self.scores[numbers["learning_rate"]] = sum(row["validation_loss"] for row in rows)


def study(directory=None, seeds=6, tuned=False, **options):
    data = jaxmlp.load("moons", rows=300)
    options = {"progress": False, "lanes": 8, **PLAN, **({"trials": Rounds()} if tuned else GRID), **options}
    return jaxmlp.train_many(recipe, data, seeds=seeds, directory=directory, **options)


def spawned():
    return ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn"))


def loky_pool():
    import loky

    return loky.ProcessPoolExecutor(2)


@contextlib.contextmanager
def dask_client():
    import distributed

    options = {"threads_per_worker": 1, "dashboard_address": ":0", "memory_limit": None}
    with distributed.LocalCluster(n_workers=2, **options) as cluster, distributed.Client(cluster) as client:
        yield client


def mpi_pool():
    import mpi4py.futures

    return mpi4py.futures.MPIPoolExecutor()


EXECUTORS = {None: contextlib.nullcontext, "spawn": spawned, "loky": loky_pool, "dask": dask_client, "mpi": mpi_pool}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("directory")
    parser.add_argument("cache")
    parser.add_argument("--devices", type=int, default=1)
    parser.add_argument("--lanes", type=int, default=8)
    parser.add_argument("--shard", type=int, nargs=2)
    parser.add_argument("--executor", choices=list(EXECUTORS))
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--tuned", action="store_true")
    parser.add_argument("--coordinator")
    parser.add_argument("--process", type=int)
    parser.add_argument("--slow", type=float, default=0.0, help="seconds to wait after each segment")
    options = parser.parse_args()
    jax.config.update("jax_compilation_cache_dir", options.cache)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_default_matmul_precision", "highest")
    jaxmlp.use_cpu_devices(options.devices)
    if options.coordinator:
        jax.config.update("jax_cpu_collectives_implementation", "gloo")
        jax.distributed.initialize(
            options.coordinator, 2, options.process, coordinator_bind_address=options.coordinator
        )

    def slowly(progress):
        print(progress.done, flush=True)
        time.sleep(options.slow)

    shard = None if options.shard is None else tuple(options.shard)
    what = {"directory": options.directory, "seeds": options.seeds, "tuned": options.tuned, "shard": shard}
    with EXECUTORS[options.executor]() as executor:
        found = study(**what, callback=slowly, lanes=options.lanes, executor=executor)
    print(found, flush=True)


if __name__ == "__main__":
    main()
