"""Studies on disk: killed, interrupted, shared out, damaged, changed."""

import io
import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxmlp
from jaxmlp import load_study, train_many
from jaxmlp.population.ended import as_array, write_ended
from jaxmlp.population.engine import make_halves
from jaxmlp.population.identity import common
from jaxmlp.population.plans import id_of
from jaxmlp.storage import identity_of
from tests.population import a_study

TRIALS = 36


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return str(tmp_path_factory.mktemp("compiled"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory, cache):
    """The study of one process that nobody disturbed."""
    directory = tmp_path_factory.mktemp("whole")
    succeed(start(directory, cache))
    return load_study(directory)


def start(directory, cache, *options):
    command = [sys.executable, "-m", "tests.population.a_study", str(directory), cache, *map(str, options)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SLURM")}
    root = Path(__file__).parents[2]
    return subprocess.Popen(
        command, cwd=root, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def succeed(process):
    """Waits for a process, which must end well, and returns what it printed."""
    out, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return out


def kill(process):
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL


def assert_same(study, other):
    assert study.done == other.done
    assert study.table().equals(other.table())
    for name in ("train_loss", "validation_loss"):
        assert study.history(name).equals(other.history(name))
    for ours, theirs in zip(jax.tree.leaves(study.params()), jax.tree.leaves(other.params()), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_on_disk_is_what_is_in_memory(whole):
    assert len(whole.done) == TRIALS
    assert whole.table()["epochs"].nunique() > 5
    assert_same(whole, a_study.study(devices=jax.devices()[:1]))


def test_killed_at_random_moments_it_goes_on_to_the_same_table(tmp_path, cache, whole):
    chance = random.Random(20261122)
    for devices in (2, 1):
        process = start(tmp_path, cache, "--devices", devices, "--slow", 0.05)
        process.stdout.readline()  # the first segment has ended
        time.sleep(chance.uniform(0.0, 0.5))
        kill(process)
    succeed(start(tmp_path, cache))
    assert_same(load_study(tmp_path), whole)


@pytest.mark.slow
@pytest.mark.parametrize("options", [("--seeds", 6), ("--seeds", 2, "--tuned")])
def test_killed_while_it_grows_or_is_tuned_it_goes_on_to_the_same_table(tmp_path, cache, whole, options):
    chance, tuned = random.Random(20261128), "--tuned" in options
    if not tuned:
        succeed(start(tmp_path, cache, "--seeds", 1))
    for devices in (1, 2):
        process = start(tmp_path, cache, *options, "--devices", devices, "--slow", 0.05)
        process.stdout.readline()
        time.sleep(chance.uniform(0.0, 0.3))
        kill(process)
        assert len(load_study(tmp_path).done) < TRIALS
    succeed(start(tmp_path, cache, *options))
    ours, theirs = load_study(tmp_path), a_study.study(seeds=2, tuned=True) if tuned else whole
    places = [one.table().sort_values(["learning_rate", "dropout_rate", "seed"]).index for one in (ours, theirs)]
    assert (
        ours.table().loc[places[0]].reset_index(drop=True).equals(theirs.table().loc[places[1]].reset_index(drop=True))
    )
    params = [one.params(list(place)) for one, place in zip((ours, theirs), places, strict=True)]
    jax.tree.map(np.testing.assert_array_equal, *params)


@pytest.mark.parametrize(("name", "placement"), [("SIGINT", ("--devices", 2)), ("SIGTERM", ("--lanes", 1))])
def test_interrupted_it_saves_and_leaves_and_the_same_call_goes_on(tmp_path, cache, whole, name, placement):
    process = start(tmp_path, cache, "--slow", 0.2)
    process.stdout.readline()
    process.send_signal(getattr(signal, name))
    _, errors = process.communicate(timeout=120)
    if name == "SIGINT":
        assert "KeyboardInterrupt: train_many: saved; the same call continues from here" in errors
    else:
        assert process.returncode == 128 + signal.SIGTERM
    assert list(tmp_path.glob("lanes-*"))
    assert len(load_study(tmp_path).done) < TRIALS
    succeed(start(tmp_path, cache, *placement))
    assert_same(load_study(tmp_path), whole)
    assert not list(tmp_path.glob("lanes-*"))


def test_two_processes_share_a_study_and_one_may_die(tmp_path, cache, whole):
    first, second = (start(tmp_path, cache, "--shard", i, 2, "--slow", 0.1 * i) for i in (0, 1))
    second.stdout.readline()
    kill(second)
    succeed(first)
    done = load_study(tmp_path).done
    assert set(range(0, TRIALS, 2)) <= set(done)
    assert len(done) < TRIALS
    succeed(start(tmp_path, cache, "--shard", 1, 2))
    assert_same(load_study(tmp_path), whole)


@pytest.mark.slow
def test_processes_with_different_shards_lose_nothing_of_each_other(tmp_path, cache, whole):
    """Shards (0, 2) and (0, 3) overlap, and both are number 0 of theirs."""
    both = [start(tmp_path, cache, "--shard", 0, count, "--slow", 0.05) for count in (2, 3)]
    for process in both:
        succeed(process)
    assert {*range(0, TRIALS, 2), *range(0, TRIALS, 3)} <= set(load_study(tmp_path).done)
    succeed(start(tmp_path, cache))
    assert_same(load_study(tmp_path), whole)


@pytest.mark.slow
def test_two_processes_on_the_same_trials_lose_nothing(tmp_path, cache, whole):
    first, second = (start(tmp_path, cache, "--slow", 0.05 * i) for i in (1, 3))
    second.stdout.readline()
    kill(second)
    succeed(first)
    assert_same(load_study(tmp_path), whole)


def test_two_processes_under_jax_distributed(tmp_path, cache, whole):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    both = [start(tmp_path, cache, "--coordinator", address, "--process", i) for i in (0, 1)]
    assert all("Study(18 of 36 trials done)" in succeed(process) for process in both)
    assert_same(load_study(tmp_path), whole)


def test_a_slurm_array_is_a_shard(monkeypatch):
    from jaxmlp.population.shards import checked_shard

    assert checked_shard(None) == (0, 1)
    for name, value in {"TASK_COUNT": "4", "TASK_ID": "14", "TASK_MIN": "10", "TASK_STEP": "2"}.items():
        monkeypatch.setenv(f"SLURM_ARRAY_{name}", value)
    assert checked_shard(None) == (2, 4)
    assert checked_shard((0, 3)) == (0, 3)


@pytest.mark.parametrize(
    ("variables", "shard"),
    [
        ({"COUNT": "3", "ID": "2"}, (2, 3)),
        ({"COUNT": "3", "ID": "0", "MIN": "0", "MAX": "2", "STEP": "1"}, (0, 3)),
        ({"COUNT": "3", "ID": "5", "MIN": "3", "MAX": "5"}, (2, 3)),
        ({"COUNT": "4", "ID": "7", "MIN": "1", "MAX": "10", "STEP": "3"}, (2, 4)),
        ({"COUNT": "1", "ID": "9", "MIN": "9", "MAX": "9", "STEP": "1"}, (0, 1)),
    ],
)
def test_the_place_in_a_regular_slurm_array(monkeypatch, variables, shard):
    from jaxmlp.population.shards import checked_shard

    for name, value in variables.items():
        monkeypatch.setenv(f"SLURM_ARRAY_TASK_{name}", value)
    assert checked_shard(None) == shard
    assert [type(number) for number in checked_shard((np.int64(1), np.int64(2)))] == [int, int]


@pytest.mark.parametrize("shard", [(-1, 2), (2, 2), (0, 0), (3, 2)])
def test_a_shard_outside_of_its_range_is_refused(shard):
    with pytest.raises(ValueError, match=r"train_many: shard must be \(index, count\) with 0 <= index < count, got"):
        small(None, shard=shard)


def small(directory, **changes):
    data = changes.pop("data", None)
    arguments = {"recipe": tiny, "seeds": 2, "epochs": 3, "rate": [0.1, 0.2], "progress": False, **changes}
    data = jaxmlp.load("moons", rows=60) if data is None else data
    return train_many(arguments.pop("recipe"), data, directory=directory, **arguments)


def tiny(rate):
    return jaxmlp.classifier((2, 3, 2), optimizer=jaxmlp.gd(rate))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    directory = tmp_path_factory.mktemp("finished")
    return directory, small(directory)


def test_a_finished_study_is_read_not_run_again(finished, monkeypatch):
    directory, study = finished
    monkeypatch.setattr("jaxmlp.population.running.make_halves", None)
    again = small(directory)
    assert again.table().equals(study.table())


def test_a_study_with_a_nan_hyperparameter_is_the_same_study_again(tmp_path):
    def scaled(rate, scale):  # NaN is refused as a rate, but may be passed on as a number of the recipe's own
        return tiny(jnp.where(jnp.isnan(scale), rate, rate * scale))

    first = small(tmp_path, recipe=scaled, scale=[1.0, float("nan")])
    again = small(tmp_path, recipe=scaled, scale=[1.0, float("nan")])
    assert first.table().equals(again.table())
    assert len(first.done) == 8


def test_parameters_come_back_as_they_were(finished):
    directory, study = finished
    params = load_study(directory).params(3)
    assert jax.tree.structure(params) == jax.tree.structure(jaxmlp.init(jax.random.key(0), (2, 3, 2)))
    alone = jaxmlp.fit(jax.random.key(1), tiny(0.2), jaxmlp.load("moons", rows=60), epochs=3)
    np.testing.assert_array_equal(params[1]["w"], alone.params[1]["w"])
    stacked = study.params([0, 3])
    np.testing.assert_array_equal(stacked[1]["w"][1], params[1]["w"])


def test_an_ensemble_is_the_mean_prediction(finished):
    _, study = finished
    inputs = jnp.array([[0.5, -1.0], [2.0, 0.0]])
    mean = np.mean([jaxmlp.apply(study.params(i), inputs) for i in (0, 2)], axis=0)
    np.testing.assert_allclose(study.ensemble(jaxmlp.apply, inputs, [0, 2]), mean, rtol=1e-6)


def test_a_study_can_be_saved_and_loaded(finished, tmp_path):
    _, study = finished
    in_memory = small(None)
    in_memory.save(tmp_path / "saved")
    assert load_study(tmp_path / "saved").table().equals(study.table())


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda s: s.history("loss"), "Study.history: name must be one of train_accuracy, .* got 'loss'"),
        (lambda s: s.params(99), "Study.params: trials must be numbers of trials that have ended, got \\[99\\]"),
        (lambda s: s.params([]), "Study.params: trials must be numbers of trials that have ended, got \\[\\]"),
    ],
)
def test_wrong_questions_are_refused(finished, call, text):
    with pytest.raises(ValueError, match=text):
        call(finished[1])


def test_a_closed_standard_error_ends_nothing(tmp_path, monkeypatch):
    class Closed(io.StringIO):
        def write(self, text):
            raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr(sys, "stderr", Closed())
    assert len(small(tmp_path, progress=True).done) == 4


def test_a_finished_study_is_read_where_nothing_can_be_written(finished, monkeypatch):
    directory, study = finished
    modes = {path: path.stat().st_mode for path in (directory, *directory.iterdir())}

    def refused(*_, **__):
        raise PermissionError(30, "Read-only file system")

    for function in ("replace", "unlink", "mkdir"):
        monkeypatch.setattr(os, function, refused)
    assert small(directory).table().equals(study.table())
    assert load_study(directory).table().equals(study.table())
    assert {path: path.stat().st_mode for path in modes} == modes


def test_a_tilde_is_the_home_directory(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    small("~/studies/one")
    assert (tmp_path / "studies" / "one" / "study.json").exists()
    assert len(load_study("~/studies/one").done) == 4
    small(None).save("~/saved")
    assert (tmp_path / "saved" / "study.json").exists()


def test_a_signal_while_nothing_is_in_progress_ends_the_process_at_once(tmp_path, monkeypatch):
    """Compilation takes seconds: until it is over the signals have their usual handlers."""
    handlers = []
    monkeypatch.setattr(
        "jaxmlp.population.running.make_halves",
        lambda *arguments: handlers.append(signal.getsignal(signal.SIGTERM)) or make_halves(*arguments),
    )
    before = signal.getsignal(signal.SIGTERM)
    inside = []
    small(tmp_path, callback=lambda progress: inside.append(signal.getsignal(signal.SIGTERM)))
    assert handlers == [before]
    assert before not in inside and inside
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_study_of_a_thousand_files_is_read(tmp_path):
    """One file per trial, the worst case."""
    study = small(tmp_path, seeds=500, rate=[0.1, 0.2])
    ended = study._ended[0]
    for path in tmp_path.glob("trials-*"):
        path.unlink()
    shared, entries = common(study.description), study.description["entries"]
    identity = identity_of(shared)
    for row in range(1000):
        one = jax.tree.map(lambda leaf, row=row: leaf[row : row + 1], ended)
        write_ended(tmp_path, one, identity, as_array([id_of(entries[int(one.trial[0])])]))
    again = small(tmp_path, seeds=500, rate=[0.1, 0.2])
    assert again.table().equals(study.table())
    assert load_study(tmp_path).history("train_loss").equals(study.history("train_loss"))


def test_an_irregular_slurm_array_is_refused_in_words(monkeypatch):
    for name, value in {"COUNT": "2", "ID": "7", "MIN": "3", "MAX": "7", "STEP": "1"}.items():
        monkeypatch.setenv(f"SLURM_ARRAY_TASK_{name}", value)
    with pytest.raises(ValueError, match=r"train_many: shard must be given as shard=.* got '2 tasks from 3 to 7"):
        small(None)
    monkeypatch.setenv("SLURM_ARRAY_TASK_STEP", "4")
    assert len(small(None).done) == 2


def test_a_directory_that_cannot_be_made_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="train_many: directory must be writable, got .*file/study"):
        small(tmp_path / "file" / "study")


def test_a_full_disk_is_an_error_and_leaves_nothing_half_written(tmp_path, monkeypatch):
    written = []

    def full(descriptor):
        written.append(descriptor)
        if len(written) > 1:  # the description still fits
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(
        OSError, match="train_many: directory must be writable, .*No space left on device; what was saved"
    ):
        small(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["study.json"]
    monkeypatch.undo()
    assert len(small(tmp_path).done) == 4


def test_no_study_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="load_study: directory must hold a study.json, got"):
        load_study(tmp_path)
