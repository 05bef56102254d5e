"""The first result from a cold start, and the second from a warm compilation cache: each in a new process."""

import json
import os
import subprocess
import sys
import tempfile
import time

from benchmarks.ratios import spread

GOAL_S = 4.0
FIT = """
import json, time
began = time.perf_counter()
import jax, jaxmlp
imported = time.perf_counter()
events = {}
jax.monitoring.register_event_listener(lambda event, **_: events.update({event: events.get(event, 0) + 1}))
data = jaxmlp.load("digits")
loaded = time.perf_counter()
learner = jaxmlp.classifier((64, 128, 10), optimizer=jaxmlp.adam(1e-3))
jax.block_until_ready(jaxmlp.fit(jax.random.key(0), learner, data, epochs=10))
ended = time.perf_counter()
misses = events.get("/jax/compilation_cache/cache_misses", 0)
seconds = {"import_s": imported - began, "load_s": loaded - imported, "fit_s": ended - loaded}
print(json.dumps({**seconds, "misses": misses}))
"""
STUDIES = """
import json, time
import jax, jaxmlp
jaxmlp.use_cpu_devices()
compiled = []
listen = lambda event, *_, **__: compiled.append(event) if event.endswith("backend_compile_duration") else None
jax.monitoring.register_event_duration_secs_listener(listen)
data = jaxmlp.load("digits")
recipe = lambda learning_rate: jaxmlp.classifier((64, 128, 10), optimizer=jaxmlp.adam(learning_rate))
rows = []
for rates in ([1e-3, 1e-2], [2e-3, 3e-3, 4e-3]):
    compiled.clear()
    began = time.perf_counter()
    jaxmlp.train_many(recipe, data, seeds=4, epochs=10, learning_rate=rates, progress=False)
    rows.append({"s": time.perf_counter() - began, "compilations": len(compiled)})
print(json.dumps(rows))
"""


def first_result(processes, effort):
    """Seconds from the start of Python to the end of ten epochs on digits; compilations of a second study."""
    with tempfile.TemporaryDirectory() as cache:
        kept = {"JAX_COMPILATION_CACHE_DIR": cache, "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
        alone(FIT, kept)
        rounds = [(alone(FIT, {}), alone(FIT, kept)) for _ in range(-(-effort.repeats // 3))]
    cold, warm = zip(*rounds, strict=True)
    parts = {part: spread([row[part] for row in cold]) for part in ("import_s", "load_s", "fit_s")}
    return {
        "cold_s": spread([row["whole_s"] for row in cold]),
        "goal_s": GOAL_S,
        "parts": parts,
        "cached_s": spread([row["whole_s"] for row in warm]),
        "cache_misses": max(row["misses"] for row in warm),
        "studies": alone(STUDIES, {})["rows"],
    }


def alone(code, extra):
    """Runs a program in a new process: what it prints, and the duration of the whole process in seconds."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **extra}
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    seconds = time.perf_counter() - began
    said = json.loads(done.stdout.splitlines()[-1])
    return {"whole_s": seconds, **(said if isinstance(said, dict) else {"rows": said})}
