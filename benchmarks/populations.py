"""The speed of populations, compared with the machine's product rate, one large vmap, and scikit-learn.

    python -m benchmarks.populations            # everything, several minutes
    python -m benchmarks.populations --only arithmetic

All times compared are measured in this run, in turns, and reported as medians with minimum and maximum. Compile time is
included only if a line says so. Results are written to benchmarks/results/populations.json.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jaxmlp
from benchmarks.ratios import spread
from benchmarks.tasks import Task, made_data

RESULTS = Path(__file__).parent / "results" / "populations.json"
# Each with its goal, a share of the machine's product rate.
NETWORKS = (
    (Task((784, 128, 10), 128, 12_800), 0.85),
    (Task((64, 128, 10), 64, 6_400), 0.45),
    (Task((2, 64, 64, 2), 32, 6_400), 0.25),
)
SCIKIT_LEARN = """
import sys, time, warnings
from concurrent.futures import ProcessPoolExecutor
import jaxmlp, numpy as np
from sklearn.neural_network import MLPClassifier
warnings.filterwarnings("ignore")
data = jaxmlp.load("digits")
train, validation = [tuple(np.asarray(array) for array in split[:2]) for split in (data.train, data.validation)]

def once(seed):
    model = MLPClassifier((128,), batch_size=64, random_state=seed)
    for _ in range(30):
        model.partial_fit(*train, classes=range(10))
        model.score(*validation)

if __name__ == "__main__":
    count = int(sys.argv[1])
    with ProcessPoolExecutor(2) as pool:
        list(pool.map(once, range(2)))
        began = time.perf_counter()
        list(pool.map(once, range(count)))
        print((time.perf_counter() - began) / count)
"""


def clock(function):
    """The duration of a call in seconds, the work of the device included."""
    began = time.perf_counter()
    jax.block_until_ready(function())
    return time.perf_counter() - began


def in_turns(functions, repeats):
    """The seconds of each function, called in turns after one warm-up call each."""
    for function in functions.values():
        clock(function)
    rounds = [{name: clock(function) for name, function in functions.items()} for _ in range(repeats)]
    return {name: [seconds[name] for seconds in rounds] for name in functions}


def arithmetic(repeats):
    """The share of the machine's product rate that 64 seeds at once reach, for each network."""
    square = jnp.ones((2048, 2048))
    product = jax.jit(lambda x: x @ x)
    rows = []
    for task, goal in NETWORKS:
        train, rest = (jaxmlp.Batch(*part) for part in made_data(task))
        data = jax.device_put(jaxmlp.Data(train, rest, rest))

        def recipe(learning_rate, task=task):
            return jaxmlp.classifier(task.sizes, optimizer=jaxmlp.adam(learning_rate))

        def study(recipe=recipe, data=data, task=task):
            options = {"epochs": 4, "batch_size": task.batch, "learning_rate": [1e-3], "progress": False}
            return jaxmlp.train_many(recipe, data, seeds=64, **options).params()

        seconds = in_turns({"study": study, "product": lambda: [product(square) for _ in range(20)][-1]}, repeats)
        useful = task.operations * task.steps * 4 * 64
        rates = [useful / s for s in seconds["study"]], [20 * 2 * 2048**3 / s for s in seconds["product"]]
        share = [ours / machine for ours, machine in zip(*rates, strict=True)]
        gflops = {"gflops": spread([r / 1e9 for r in rates[0]]), "machine_gflops": spread([r / 1e9 for r in rates[1]])}
        rows.append({"sizes": task.sizes, "batch": task.batch, "goal": goal, "share": spread(share), **gflops})
        print(f"{task.sizes}, batch {task.batch}: {rates_in_words(rows[-1])}", flush=True)
    return rows


def rates_in_words(row):
    share = row["share"]
    return (
        f"{row['gflops']['median']:.0f} of {row['machine_gflops']['median']:.0f} GFLOP/s, "
        f"{share['median']:.0%} ({share['least']:.0%} to {share['most']:.0%}; goal {row['goal']:.0%})"
    )


def digits_recipe(learning_rate):
    return jaxmlp.classifier((64, 128, 10), optimizer=jaxmlp.adam(learning_rate))


def early_stopping(repeats):
    """A grid of runs of different lengths: `train_many` against one vmap, which takes as long as the longest run."""
    data = jaxmlp.load("digits")
    rates, seeds = np.logspace(-4, -0.5, 16), 16
    plan: dict[str, Any] = {"epochs": 150, "batch_size": 64, "patience": 4}
    epochs = []

    def lanes():
        study = jaxmlp.train_many(digits_recipe, data, seeds=seeds, learning_rate=rates, progress=False, **plan)
        epochs[:] = study.table()["epochs"]
        return study.params()

    keys = jax.vmap(jax.random.key)(jnp.tile(jnp.arange(seeds), len(rates)))
    column = jnp.repeat(jnp.asarray(rates, jnp.float32), seeds)
    one = jax.jit(jax.vmap(lambda key, rate: jaxmlp.fit(key, digits_recipe(rate), data, **plan).params))
    seconds = in_turns({"lanes": lanes, "vmap": lambda: one(keys, column)}, repeats)
    ratio = [ours / theirs for ours, theirs in zip(seconds["lanes"], seconds["vmap"], strict=True)]
    row = {"trials": len(epochs), "epochs": spread([float(e) for e in epochs]), "ratio": spread(ratio), "goal": 0.35}
    row |= {"lanes_s": spread(seconds["lanes"]), "vmap_s": spread(seconds["vmap"])}
    print(
        f"early stopping, {len(epochs)} trials of {min(epochs)} to {max(epochs)} epochs: lanes "
        f"{row['lanes_s']['median']:.1f} s, one vmap {row['vmap_s']['median']:.1f} s, ratio "
        f"{row['ratio']['median']:.2f} (goal 0.35)",
        flush=True,
    )
    return row


def thousand(repeats):
    """1,000 trainings of 64-128-10 on digits, compilation included, against scikit-learn and one vmap."""
    data = jaxmlp.load("digits")
    plan: dict[str, Any] = {"epochs": 30, "batch_size": 64}
    keys = jax.vmap(jax.random.key)(jnp.arange(1000))

    def lanes():
        options: dict[str, Any] = {"seeds": 1000, "learning_rate": [1e-3], "progress": False}
        return jaxmlp.train_many(digits_recipe, data, **options, **plan).params()

    def vmap():
        learner = digits_recipe(1e-3)
        return jax.jit(jax.vmap(lambda key: jaxmlp.fit(key, learner, data, **plan).params))(keys)

    rows = []
    for _ in range(repeats):
        jax.clear_caches()
        rows.append({"lanes_s": clock(lanes), "vmap_s": clock(vmap), "scikit_learn_s": 1000 * scikit_learn(40)})
        print({name: round(seconds, 1) for name, seconds in rows[-1].items()}, flush=True)
    against = {
        "scikit_learn": spread([row["lanes_s"] / row["scikit_learn_s"] for row in rows]),
        "vmap": spread([row["lanes_s"] / row["vmap_s"] for row in rows]),
    }
    print(
        f"1,000 trainings, compilation included: {against['scikit_learn']['median']:.2f} of scikit-learn in two "
        f"processes (of 40 trainings, goal 0.25), {against['vmap']['median']:.2f} of one vmap (goal 0.5)",
        flush=True,
    )
    return {"rounds": rows, "ratio": against, "goal": {"scikit_learn": 0.25, "vmap": 0.5}}


def scikit_learn(count):
    """Seconds per training in scikit-learn, with two processes of one thread each."""
    path = Path(os.environ.get("TMPDIR", "/tmp")) / f"scikit_learn_trainings_{os.getpid()}.py"
    path.write_text(SCIKIT_LEARN)
    one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    environment = {**os.environ, **one_thread, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, str(path), str(count)]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    finally:
        path.unlink()
    return float(done.stdout)


def environment():
    return {
        "jaxmlp": jaxmlp.__version__,
        "jax": jax.__version__,
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "devices": [str(device) for device in jax.devices()],
        "precision": "float32",
        "when": time.strftime("%Y-%m-%d"),
    }


def main(arguments=None):
    parts = {"arithmetic": arithmetic, "early_stopping": early_stopping, "thousand": thousand}
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.populations", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--only", choices=parts)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args(arguments)
    jaxmlp.use_cpu_devices()
    jax.config.update("jax_default_matmul_precision", "highest")
    RESULTS.parent.mkdir(exist_ok=True)
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for name, part in parts.items():
        if options.only in (None, name):
            results[name] = part(options.repeats)
    RESULTS.write_text(json.dumps({**results, "environment": environment()}, indent=1) + "\n")


if __name__ == "__main__":
    main()
