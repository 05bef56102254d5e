"""Real engines: pools of processes, loky, Dask, MPI and jobs; workers and drivers that are killed in mid-study."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import dask.config
import distributed
import jax
import loky
import numpy as np
import pytest
import submitit

import jaxmlp
from jaxmlp import load_study
from tests.population import a_study

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
OPTIONS = {"threads_per_worker": 1, "dashboard_address": ":0", "memory_limit": None}
MPIRUN = str(Path(sys.executable).parent / "mpirun")  # of the package openmpi


@pytest.fixture(scope="module")
def alone():
    return a_study.study()


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path_factory):
    """Workers compile once for all tests."""
    cache = tmp_path_factory.getbasetemp() / "compiled"
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(cache))
    monkeypatch.setenv("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


def assert_same(ours, theirs):
    assert ours.table().equals(theirs.table())
    for mine, other in zip(jax.tree.leaves(ours.params()), jax.tree.leaves(theirs.params()), strict=True):
        np.testing.assert_array_equal(mine, other)


def killed_by(processes):
    """A callback that kills a worker when the first trials have ended, and the list of those it has killed."""
    killed = []

    def kill(progress):
        if not killed:
            killed.append(next(iter(processes())))
            os.kill(killed[0], signal.SIGKILL)

    return kill, killed


def pool():
    return ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn"))


@pytest.mark.parametrize("make", [pool, lambda: loky.get_reusable_executor(2)])
def test_a_pool_of_processes_one_of_which_is_killed(alone, make):
    with make() as executor:
        crew = jaxmlp.workers(executor)
        kill, killed = killed_by(lambda: executor._processes)
        study = a_study.study(executor=crew, callback=kill)
        assert killed
        assert_same(study, alone)
        # The pool is broken: another one has taken its place, and serves the next study too.
        assert crew.executor is not executor and type(crew.executor) is type(executor)
        assert_same(a_study.study(executor=crew), alone)


def test_dask_with_a_worker_that_is_killed(alone):
    with distributed.LocalCluster(n_workers=2, **OPTIONS) as cluster, distributed.Client(cluster) as client:
        kill, killed = killed_by(lambda: client.run(os.getpid).values())
        study = a_study.study(executor=client, callback=kill)
        assert killed
        assert_same(study, alone)


def die(learning_rate, file):
    if learning_rate > 0.5:
        with open(file, "a") as lines:
            lines.write("died\n")
        os._exit(1)


def test_a_trial_that_kills_every_worker_of_dask_costs_three_of_them_and_no_other_trial(tmp_path):
    def deadly(learning_rate):
        """Kills its process if the learning rate is above 0.5."""
        learner = jaxmlp.classifier((2, 4, 2), optimizer=jaxmlp.gd(learning_rate))

        def evaluate(params, batch):
            jax.debug.callback(partial(die, file=str(tmp_path / "deaths")), learning_rate)
            return learner.evaluate(params, batch)

        return learner._replace(evaluate=evaluate)

    data, options = jaxmlp.load("moons", rows=60), {"seeds": 1, "epochs": 3, "progress": False}
    rates = [0.1, 0.2, 0.9, 0.3, 0.4, 0.5]
    dask.config.set(
        {"distributed.scheduler.allowed-failures": 1, "distributed.deploy.lost-worker-timeout": "5 minutes"}
    )
    with (
        distributed.LocalCluster(n_workers=2, **OPTIONS) as cluster,
        distributed.Client(cluster) as client,
        pytest.warns(UserWarning, match=r"train_many: trials \[2\] killed three workers in a row"),
    ):
        study = jaxmlp.train_many(deadly, data, learning_rate=rates, executor=client, **options)
    assert study.done == [0, 1, 3, 4, 5]
    assert (tmp_path / "deaths").read_text().count("died") == 3


def test_dask_workers_that_come_and_go(alone):
    """The only worker leaves, with the only copy of the data; another one comes."""
    with (
        distributed.LocalCluster(n_workers=1, **{**OPTIONS, "threads_per_worker": 2}) as cluster,
        distributed.Client(cluster) as client,
    ):
        devices = []

        def exchange(progress):
            if not devices:
                devices.append(client.run(jax.local_device_count))
                cluster.scale(0)
                client.sync(wait_until_empty, client)
                cluster.scale(1)

        assert_same(a_study.study(executor=client, callback=exchange), alone)
        assert list(devices[0].values()) == [2]  # as many as the worker has threads


async def wait_until_empty(client):
    while (await client.scheduler.identity())["total_threads"]:
        time.sleep(0.05)


def test_submitit_runs_blocks_as_jobs(alone, tmp_path):
    executor = submitit.LocalExecutor(tmp_path)
    executor.update_parameters(timeout_min=5)
    assert_same(a_study.study(executor=jaxmlp.workers(executor, count=1)), alone)


def script(directory, *options, before=()):
    """The study as a program of its own."""
    command = [*before, sys.executable, *(("-m", "mpi4py.futures") if before else ()), a_study.__file__]
    environment = {**os.environ, "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    return subprocess.Popen(
        [*command, str(directory), os.environ["JAX_COMPILATION_CACHE_DIR"], *options],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("engine", "number"),
    [("spawn", signal.SIGKILL), ("loky", signal.SIGKILL), ("dask", signal.SIGKILL), ("spawn", signal.SIGINT), ("dask", signal.SIGINT)],
)  # fmt: skip
def test_a_driver_that_dies_resumes_from_its_directory(alone, tmp_path, engine, number):
    process = script(tmp_path, "--executor", engine, "--slow", "0.2")
    assert process.stdout is not None
    process.stdout.readline()  # the first trials have ended
    if number == signal.SIGKILL:
        process.kill()  # and its workers leave by themselves: they have its pipes, which must close
    else:
        os.killpg(process.pid, number)  # as a terminal sends Ctrl-C
    _, errors = process.communicate(timeout=120)
    done = load_study(tmp_path).done
    assert 0 < len(done) < 36
    if number == signal.SIGINT:
        assert process.returncode != 0 and "KeyboardInterrupt: train_many: saved; the same call continues" in errors
    again = script(tmp_path)
    again.communicate(timeout=120)
    assert again.returncode == 0
    assert load_study(tmp_path).table().equals(alone.table())


def test_mpi(alone, tmp_path):
    process = script(tmp_path, "--executor", "mpi", before=(MPIRUN, "--oversubscribe", "-n", "3"))
    _, errors = process.communicate(timeout=200)
    assert process.returncode == 0, errors
    assert load_study(tmp_path).table().equals(alone.table())
