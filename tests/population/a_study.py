"""A small study for tests that start, interrupt and kill processes: python a_study.py DIRECTORY CACHE [options]."""

import argparse
import time

import jax

import jaxmlp

PLAN = {"epochs": 60, "batch_size": 16, "patience": 8}
GRID = {"learning_rate": [0.001, 0.03, 0.3], "dropout_rate": [0.0, 0.25]}


def recipe(learning_rate, dropout_rate):
    return jaxmlp.classifier((2, 16, 2), optimizer=jaxmlp.adam(learning_rate), dropout_rate=dropout_rate)


def study(directory=None, **options):
    data = jaxmlp.load("moons", rows=300)
    options = {"progress": False, "lanes": 8, **options}
    return jaxmlp.train_many(recipe, data, seeds=6, directory=directory, **PLAN, **GRID, **options)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("directory")
    parser.add_argument("cache")
    parser.add_argument("--devices", type=int, default=1)
    parser.add_argument("--lanes", type=int, default=8)
    parser.add_argument("--shard", type=int, nargs=2)
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
    print(study(options.directory, shard=shard, callback=slowly, lanes=options.lanes), flush=True)


if __name__ == "__main__":
    main()
