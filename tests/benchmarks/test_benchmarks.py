"""The benchmarks: their arithmetic, the proof of equal work, and the handling of missing or wrong peers."""

import contextlib
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import benchmarks.measures as measures
from benchmarks.clusters import simulated
from benchmarks.drawing import figures
from benchmarks.gpu import gpu
from benchmarks.limits import limit
from benchmarks.processes import Processes
from benchmarks.ratios import fastest, ratio, spread
from benchmarks.report import markdown
from benchmarks.tasks import NETWORKS, OPTIMIZERS, Task, made_data, made_order, made_params

ROOT = Path(__file__).parents[2]
TINY = Task((3, 5, 4), 8, 32, 16)
EFFORT = measures.Effort(2, 0.0, (2,), (2,), (TINY,), ("adam",))
MACHINE = {
    "gflops_xla": 100.0,
    "gflops_numpy": 150.0,
    "gigabytes_a_second": {"65536": 10.0, "1048576": 8.0, "16777216": 6.0, "268435456": 40.0},
}


def test_the_arithmetic_of_a_step():
    # Forward 3*5 + 5*4 = 35, weight gradients 35, error signals of the second layer only 20; each times 2 and 8 rows.
    assert TINY.operations == 2 * 8 * (35 + 35 + 20)
    # 44 parameters, seven times; a batch of 8 rows of 3 inputs and a label.
    assert TINY.least_bytes == 4 * (7 * (15 + 5 + 20 + 4) + 8 * 4)
    assert TINY.steps == 4
    assert limit(TINY, MACHINE) == pytest.approx(TINY.least_bytes / 10e9)
    assert limit(NETWORKS[3], MACHINE) == pytest.approx(NETWORKS[3].operations / 150e9)


def test_all_peers_get_the_same_numbers():
    (inputs, labels), (more, _) = made_data(TINY)
    assert inputs.shape == (32, 3) and more.shape == (16, 3) and set(labels) <= set(range(4))
    assert np.array_equal(inputs, made_data(TINY)[0][0])
    assert [layer["w"].shape for layer in made_params(TINY)] == [(3, 5), (5, 4)]
    order = made_order(TINY, 6)
    assert order.shape == (6, 8)
    assert sorted(order[:4].ravel()) == list(range(32))


def test_ratios_are_medians_over_rounds():
    assert ratio([1, 2, 9], [2, 2, 3])["median"] == 1
    assert ratio([1.0, 1.0], [2.0, 4.0]) == {"median": 0.375, "low": 0.25, "high": 0.5}
    many = ratio(np.full(9, 2.0), np.linspace(3.9, 4.1, 9))
    assert many["low"] < many["median"] == 0.5 < many["high"]
    assert spread([3, 1, 2]) == {"median": 2, "least": 1, "most": 3}
    times = {"a": [1, 9, 9], "b": [2, 2, 2], "c": [1, 1, 1]}
    assert fastest(times, ["a", "b", "d"]) == "b" and fastest(times, ["d"]) is None


@pytest.fixture(scope="module")
def processes():
    said = []
    with Processes(["jaxmlp", "optax, scan", "equinox", "updates", "machine"], said.append) as running:
        running.machine = MACHINE
        yield running
    assert not said, said


def test_peers_have_the_same_losses(processes):
    (row,) = measures.check(processes, EFFORT)
    assert set(row["difference"]) == {"optax, scan", "equinox"}
    assert max(row["difference"].values()) < 1e-5
    assert set(row["first_s"]) == {"jaxmlp", "optax, scan", "equinox"} and min(row["first_s"].values()) > 0


def test_a_peer_whose_losses_differ_is_lost():
    said = []
    processes = Processes([], said.append)
    losses = {"jaxmlp": [2.0, 1.0], "optax": [2.0, 1.0059], "haiku": [2.0, 1.0061], "torch": [2.0, float("nan")]}
    processes.ask = lambda name, **order: {"losses": losses[name], "first_s": 1.0} if name in losses else None
    (row,) = measures.check(processes, EFFORT)
    assert row["difference"]["optax"] == pytest.approx(2.95e-3)
    assert set(processes.lost) == {"haiku", "torch"}
    assert said[0] == "without haiku: its losses on 3-5-4 differ from jaxmlp's by 3.0e-03 of the first"


@pytest.mark.parametrize("part", ["step", "run", pytest.param("seeds", marks=pytest.mark.slow)])
def test_a_comparison_has_times_ratios_and_the_machines_limit(processes, part):
    (row,) = getattr(measures, part)(processes, EFFORT)
    assert {"jaxmlp", "optax, scan"} <= set(row["us_a_step"])
    for name, one in row["ratio"].items():
        times = row["us_a_step"]
        assert one["low"] <= one["median"] <= one["high"]
        least, most = times["jaxmlp"]["least"] / times[name]["most"], times["jaxmlp"]["most"] / times[name]["least"]
        assert least <= one["median"] <= most
    assert row["limit_us"] == pytest.approx(1e6 * limit(TINY, MACHINE))
    assert row["best"]["fastest peer"] in row["ratio"]


@pytest.mark.slow
def test_on_a_gpu_precisions_are_requested_by_name(processes):
    rows = gpu(processes, EFFORT, seeds=(1, 3), networks=(TINY,), epochs=1)
    assert [(row["precision"], row["seeds"]) for row in rows if row["peer"] == "jaxmlp"] == [
        (precision, count) for precision in ("float32", "tf32", "bfloat16") for count in (1, 3)
    ]
    assert all(row["nets_a_second"]["median"] > 0 for row in rows)


def test_a_peer_that_is_unavailable_or_differs_leaves_with_a_message():
    said = []
    with Processes(["jaxmlp", "optax", "torch, CUDA graph"], said.append) as processes:
        # Either reason is fine on this machine: not installed, or no GPU.
        processes.ask("torch, CUDA graph", prepare=[TINY, "step", [1]])
        if processes.running.get("torch, CUDA graph") is None:
            assert "torch, CUDA graph" in processes.lost
        processes.lose("optax", "its losses differ")
        assert said[-1] == "without optax: its losses differ"
        assert processes.ask("optax", prepare=[TINY, "step", [1]]) is None


def test_a_peer_ends_with_the_processes_that_it_started():
    with Processes(["scikit-learn"]) as processes:
        assert processes.prepare([TINY, "seeds", [2, 1]], ["scikit-learn"])
        process = processes.running["scikit-learn"].process
    # If the peer's own pool were still alive, its pipes would be open and closing would never return.
    assert process.returncode == -signal.SIGKILL


linux = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads the states of processes from /proc")


def states(group):
    """The states of the processes of a group, one letter each, without zombies."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, of, *_ = path.read_text().rpartition(")")[2].split()
            found += [state] if int(of) == group and state != "Z" else []
    return "".join(sorted(found))


def states_in_time(group, wanted):
    """Waits for the states, because signals take effect some time after they were sent."""
    for _ in range(1000):
        if states(group) == wanted:
            break
        time.sleep(0.01)
    return states(group)


@linux
def test_a_peer_is_suspended_while_it_waits(processes):
    processes.ask("equinox", memory=[])
    assert states_in_time(processes.running["equinox"].process.pid, "T") == "T"


@linux
def test_suspended_peers_and_their_children_end_when_the_command_is_killed():
    code = f"""
import time
from benchmarks.processes import Processes
from benchmarks.tasks import Task
processes = Processes(["scikit-learn"])
assert processes.prepare([{TINY!r}, "seeds", [2, 1]], ["scikit-learn"])
print(processes.running["scikit-learn"].process.pid, flush=True)
time.sleep(600)"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=ROOT) as running:
        group = int(running.stdout.readline())
        before = states(group)
        running.kill()
    assert len(before) >= 3  # at least the peer and its two processes
    assert states_in_time(group, "") == ""


def test_each_round_starts_with_another_peer():
    turns = []

    class Listening(Processes):
        def ask(self, name, **order):
            turns.append(name)
            return {"seconds": float(len(turns))}

    jobs = {label: (label, []) for label in "abc"}
    seconds = Listening([]).in_turns(jobs, 4, 0.0)
    assert "".join(turns) == "abcbcacababc"
    assert seconds["a"] == [1.0, 6.0, 8.0, 10.0]


def test_a_long_measurement_ends_early_but_not_before_three_rounds(monkeypatch):
    monkeypatch.setattr("benchmarks.processes.MOST_S", 0.0)
    processes = Processes([])
    monkeypatch.setattr(processes, "ask", lambda name, **order: {"seconds": 1.0})
    assert processes.in_turns({"a": ("a", [])}, 7, 0.0) == {"a": [1.0, 1.0, 1.0]}


def test_the_updates_of_all_optimizers_can_be_timed():
    from benchmarks.peers.updates import PAIRS

    assert tuple(PAIRS) == OPTIMIZERS


def test_tables_and_figures_of_results():
    times = {"jaxmlp": spread([10.0, 12.0, 11.0]), "optax": spread([20.0, 24.0, 22.0])}
    row = {"measure": "step", "network": "3-5-4", "us_a_step": times, "ratio": {"optax": ratio([1, 1.1], [2, 2.2])}}
    row |= {"best": {"fastest peer": "optax"}, "goal": {"fastest peer": 0.4}, "limit_us": 5.5}
    where = {"when": "2026-01-01", "processor": "a processor", "cores": 2, "device": "cpu", "backend": "cpu"}
    results = {"environment": {**where, "python": "3.11"}, "machine": MACHINE, "peers": {"optax": "0.2"}, "step": [row]}
    text = markdown({**results, "lost": {"torch": "not installed"}})
    assert "| step | 3-5-4 | fastest peer | optax | 0.50 [0.50, 0.50] | 0.4 | **no** |" in text
    assert "| step | 3-5-4 | 11 | 22 | 5.5 (50%) |" in text
    assert "Peak memory" not in text
    checks = [{"network": "3-5-4", "difference": {"optax": 2e-7}, "first_s": {"jaxmlp": 1.25, "optax": 0.5}}]
    text = markdown({**results, "lost": {"torch": "not installed"}, "checks": checks})
    assert "| largest difference of a loss / first loss, 3-5-4 |  | 2e-07 |" in text
    assert "| seconds until the end of twenty steps, 3-5-4 | 1.2 | 0.5 |" in text
    assert "without torch: not installed" in text
    assert set(figures(results)) == {"side_by_side_step"}
    peaks = {"peak_bytes": {"jaxmlp": 3e8, "optax": 4e8}, "epochs": 2}
    many = [row | peaks | {"seeds": count, "measure": f"{count} seeds"} for count in (4, 64)]
    assert "| 64 seeds, 2 epochs | 3-5-4 | 300 | 400 |" in markdown({**results, "lost": {}, "seeds": many})
    shown = {"side_by_side_step", "side_by_side_64_seeds", "seeds_3-5-4"}
    assert set(figures(results | {"seeds": many})) == shown


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--only", "steps"], "--only must be some of step, run, seeds, .*, got steps"),
        (["--without", "jaxmlp"], "--without must be some of jaxmlp; optax; .* got jaxmlp"),
    ],
)
def test_wrong_arguments_get_clear_messages(arguments, text):
    command = [sys.executable, "-m", "benchmarks", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert re.search(text, done.stderr), done.stderr


def test_simulated_workers_lose_time_to_blocks_a_busy_driver_and_the_tail():
    free = {"epochs": [10], "epoch_s": 0.01, "worker_s_per_block": 0.0, "driver_s_per_block": 0.0}
    assert 0.99 < simulated(free, 1, 8, trials=8000)["efficiency"] < 1.0
    costly = simulated(free | {"worker_s_per_block": 0.5}, 1, 8, trials=8000)
    assert costly["seconds"] == pytest.approx((800 + 0.5 * costly["blocks"]) / 8, rel=0.02)
    slow = simulated(free | {"driver_s_per_block": 3.0}, 1, 8, trials=8000)
    assert slow["seconds"] > 3.0 * slow["blocks"]
    alone = simulated(free, 100, 64, trials=65)  # one worker has two trials of ten seconds
    assert alone["seconds"] == pytest.approx(20.0, abs=0.01) and alone["tail"] == pytest.approx(0.5, abs=0.01)
