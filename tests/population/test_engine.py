"""The engine: which trial goes into which lane, how long segments are, what is saved when, and who ends the process."""

import os
import signal
import threading
from collections import deque
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxmlp
from jaxmlp import Batch, Data, Learner, storage, train_many
from jaxmlp.epochs import Plan
from jaxmlp.population import engine, running
from jaxmlp.population.engine import Half, Pace, Saved, make_halves
from jaxmlp.population.lanes import plain
from jaxmlp.population.signals import interruptible
from jaxmlp.population.trials import make_groups
from jaxmlp.population.work import make_work
from jaxmlp.run import Settings

FOUR = Batch(jnp.arange(4.0)[:, None], jnp.zeros((4, 1)))
TWO = Batch(jnp.ones((2, 1)), jnp.zeros((2, 1)))
ONE = Batch(jnp.ones((1, 1)), jnp.zeros((1, 1)))
DATA = Data(FOUR, TWO, ONE)
QUIET = {"progress": False, "batch_size": 4}


@pytest.fixture(scope="module", autouse=True)
def compiled_quickly():
    """These programs run for microseconds; what is compiled here must not serve other tests."""
    jax.clear_caches()
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)
    jax.clear_caches()


def counter(rate, evaluate=None):
    """A learner with a single parameter: `rate` times the number of its steps, which is its loss on any rows."""
    return Learner(
        init=lambda key: {"w": jnp.float32(0.0)},
        loss=lambda params, batch, key: -params["w"] + 0.0 * jnp.sum(batch.inputs),
        evaluate=evaluate or (lambda params, batch: {"loss": params["w"]}),
        optimizer=jaxmlp.gd(rate),
    )


def work_on(devices, epochs=9, trials=8):
    """A group of trials whose rate is 1, 2, 3, ... on that many devices."""
    groups, _ = make_groups(counter, 1, None, {"rate": [i + 1.0 for i in range(trials)]})
    return make_work(groups[0], DATA, jax.devices()[:devices], Settings(epochs, 4, None, 0.0, "loss", "min"))


def test_free_lanes_are_filled_device_by_device_in_turn():
    half = Half(work_on(devices=2), 6)  # lanes 0, 1, 2 of one device and 3, 4, 5 of the other
    half.trial[1] = 7
    queue = deque([0, 11, 12, 13])
    half.fill(queue)
    assert half.trial.tolist() == [0, 7, 13, 11, 12, -1]
    assert half.fresh.tolist() == [True, False, True, True, True, False]
    assert (half.running, len(queue)) == (5, 0)
    half.fill(deque([14, 15]))
    assert half.trial.tolist() == [0, 7, 13, 11, 12, 14] and half.running == 6


def test_a_segment_takes_over_the_memory_of_the_lanes_before():
    half = Half(work_on(devices=1), 2)
    half.fill(deque([0, 1]))
    for _ in range(2):
        before = jax.tree.leaves(half.lanes)
        half.dispatch(1)
        assert all(leaf.is_deleted() for leaf in before)


def test_a_segment_forgets_its_orders():
    half = Half(work_on(devices=1), 2)
    half.fill(deque([0, 1]))
    half.dispatch(2)
    assert not half.fresh.any() and half.collect() is None
    half.prune[1] = True
    half.dispatch(3)
    assert not half.prune.any()
    ended = half.collect()
    assert (ended.trial.tolist(), ended.result.epochs.tolist()) == ([1], [2])
    assert half.trial.tolist() == [0, -1]
    assert half.carried()[0][2] == 5


def test_what_a_half_carries_is_known_by_the_number_in_the_study():
    work = work_on(devices=1)
    work = work._replace(group=work.group._replace(indices=work.group.indices + 100))
    half = Half(work, 3)
    half.fill(deque([2, 0]))
    half.dispatch(2)
    carried = half.carried()
    assert sorted(carried) == [100, 102]
    lane, history, epochs = carried[102]
    assert (lane, epochs) == (0, 2)
    np.testing.assert_array_equal(history, [3.0, 6.0, *[np.nan] * 7])


@pytest.fixture
def interrupted():
    """A half of three lanes in which trials 0 and 2 (of rates 1 and 3) have done 2 of 9 epochs, and what it saves."""
    half = Half(work_on(devices=1), 3)
    half.fill(deque([0, 5, 2]))
    half.trial[1] = -1
    half.fresh[1] = False
    half.dispatch(2)
    return half, half.saved(1)


def counted_epochs(half):
    return {int(half.trial[i]): int(half.lanes.run.epoch[i]) for i in np.flatnonzero(half.trial >= 0)}


def test_saved_lanes_know_their_place_and_progress(interrupted):
    half, saved = interrupted
    assert {trial: one[:3] for trial, one in saved.items()} == {0: (1, 0, 2), 2: (1, 2, 2)}
    for ours, lanes in zip(saved[2].leaves, jax.tree.leaves(plain(half.lanes)), strict=True):
        np.testing.assert_array_equal(ours, lanes[2])


def test_lanes_resumed_exactly_return_to_their_places_in_their_turn(interrupted):
    half, saved = interrupted
    first, second = Half(half.work, 3), Half(half.work, 3)
    first.resume(saved, exactly=True, turn=0)
    assert first.running == 0 and len(saved) == 2
    second.resume(saved, exactly=True, turn=1)
    assert second.trial.tolist() == [0, -1, 2] and not saved
    assert not second.fresh.any()
    for ours, theirs in zip(*(jax.tree.leaves(plain(one.lanes)) for one in (half, second)), strict=True):
        np.testing.assert_array_equal(ours[jnp.array([0, 2])], theirs[jnp.array([0, 2])])
    second.dispatch(9)
    ended = second.collect()
    assert ended.trial.tolist() == [0, 2]
    np.testing.assert_array_equal(ended.result.params["w"], [9.0, 27.0])
    np.testing.assert_array_equal(ended.result.history["validation_loss"], np.outer([1.0, 3.0], np.arange(1.0, 10.0)))


def test_lanes_resumed_loosely_take_any_free_place_of_any_turn(interrupted):
    half, saved = interrupted
    other = Half(half.work, 3)
    other.trial[0] = 7
    other.resume(saved, exactly=False, turn=0)
    assert other.trial.tolist() == [7, 0, 2] and not saved
    assert other.lanes.run.epoch.tolist() == [0, 2, 2]
    full = Half(half.work, 1)
    saved = half.saved(1)
    full.resume(saved, exactly=False, turn=0)
    assert full.trial.tolist() == [0] and list(saved) == [2]


@pytest.mark.parametrize(
    ("half", "lane", "places"),
    [(1, 2, {(1, 2): 5}), (0, 1, {(0, 1): 5}), (2, 0, {(0, 0): 5}), (1, 3, {(0, 0): 5})],
)
def test_lanes_that_no_longer_exist_are_resumed_loosely(interrupted, half, lane, places):
    source, saved = interrupted
    halves = make_halves(source.work, 3, deque(), {5: Saved(half, lane, 2, saved[2].leaves)})
    found = {
        (turn, int(i)): int(one.trial[i]) for turn, one in enumerate(halves) for i in np.flatnonzero(one.trial >= 0)
    }
    assert found == places


def test_with_fewer_lanes_than_before_the_rest_begins_anew(interrupted):
    half, saved = interrupted
    leaves = saved[2].leaves
    many = {trial: Saved(trial % 2, 4 + trial, 2, leaves) for trial in range(5)}
    queue = deque([6, 7])
    halves = make_halves(half.work, 2, queue, many)
    assert [one.trial.tolist() for one in halves] == [[0, 1], [2, 3]]
    assert list(queue) == [6, 7, 4]


@pytest.fixture
def clock(monkeypatch):
    """The clock of the engine and of checkpoints, which a test moves."""
    now = SimpleNamespace(seconds=50.0)
    fake = SimpleNamespace(monotonic=lambda: now.seconds)
    monkeypatch.setattr(engine, "time", fake)
    monkeypatch.setattr(running, "time", fake)
    return now


def pace(epochs, batched=False, fixed=None):
    return Pace(SimpleNamespace(plan=Plan("", epochs, 1, "loss", "min"), batched=batched), fixed)


@pytest.mark.parametrize(
    ("before", "seconds", "after"),
    [
        (10, 0.5, 10), (10, 0.25, 20), (10, 0.2, 25), (10, 0.125, 40), (10, 0.01, 40), (10, 0.0, 40),
        (10, 1.0, 5), (10, 0.8, 6), (10, 60.0, 5), (1, 60.0, 1), (3, 60.0, 2), (300, 0.1, 1000), (1000, 0.5, 1000),
    ],
)  # fmt: skip
def test_segments_tend_to_half_a_second_within_limits(clock, before, seconds, after):
    """The number of epochs changes by a factor of a half to four at a time, and stays from one to all."""
    one = pace(1000)
    assert one.epochs == 1
    one.measure(before)
    assert one.epochs == 1  # there is no time yet to measure by
    clock.seconds += seconds
    one.measure(before)
    assert one.epochs == after and type(one.epochs) is int


def test_each_segment_is_measured_from_the_end_of_the_one_before(clock):
    one = pace(1000)
    one.measure(8)
    for seconds, epochs in ((0.5, 8), (0.5, 8), (0.25, 16)):
        clock.seconds += seconds
        one.measure(8)
        assert one.epochs == epochs


@pytest.mark.parametrize(("epochs", "most"), [(1000, 50), (39, 1), (40, 2), (20, 1), (3, 1), (1, 1)])
def test_batched_segments_are_at_most_a_twentieth_of_a_run(clock, epochs, most):
    one = pace(epochs, batched=True)
    one.measure(1)
    for _ in range(10):
        one.measure(one.epochs)
    assert one.epochs == most == one.most
    assert pace(epochs).most == epochs


def test_a_fixed_pace_does_not_depend_on_the_clock(clock):
    one = pace(1000, fixed=3)
    for seconds in (0.0, 0.001, 70.0):
        clock.seconds += seconds
        one.measure(3)
        assert one.epochs == 3


def test_test_metrics_are_computed_once_for_each_trial(monkeypatch):
    """Counted by a callback: not in every segment, and not once more for a lane that stays idle."""
    monkeypatch.setattr(Pace, "measure", lambda self, epochs: None)  # segments of one epoch
    seen = []

    def evaluate(params, batch):
        if batch.inputs.shape == ONE.inputs.shape:  # the test rows
            jax.debug.callback(lambda w: seen.append(float(w)), params["w"])
        return {"loss": params["w"]}

    study = train_many(lambda rate: counter(rate, evaluate), DATA, seeds=1, epochs=5, rate=[1.0, 2.0, 4.0], **QUIET)
    jax.effects_barrier()
    assert sorted(seen) == [5.0, 10.0, 20.0]
    assert study.table()["test_loss"].tolist() == [5.0, 10.0, 20.0]


def on_one_device(**options):
    """Four trials of six epochs on one device: two in each half of the lanes."""
    rates = [1.0, 2.0, 3.0, 4.0]
    return train_many(
        counter, DATA, seeds=1, epochs=6, rate=rates, lanes=4, devices=jax.devices()[:1], **options, **QUIET
    )


def lane_files(directory):
    return {path.name for path in directory.glob("lanes-*")}


@pytest.mark.parametrize(("seconds", "saved_before"), [(30.0, [4, 8]), (30.25, [3, 6, 9])])
def test_lanes_are_saved_after_more_than_sixty_seconds(tmp_path, clock, monkeypatch, seconds, saved_before):
    """Twelve segments. After 60 seconds none is started, the half in flight is awaited, and then lanes are saved."""
    monkeypatch.setattr(Pace, "measure", lambda self, epochs: None)
    files = []

    def wait(progress):
        files.append(lane_files(tmp_path))
        clock.seconds += seconds

    study = on_one_device(directory=tmp_path, callback=wait)
    assert [i for i in range(1, 12) if files[i] != files[i - 1]] == saved_before
    assert [len(found) for found in files] == [0] * saved_before[0] + [1] * (12 - saved_before[0])
    assert not lane_files(tmp_path)
    assert study.table()["test_loss"].tolist() == [6.0, 12.0, 18.0, 24.0]


def test_without_a_directory_nothing_waits_for_lanes_to_be_saved(clock):
    def wait(progress):
        clock.seconds += 100.0

    assert on_one_device(callback=wait).table()["test_loss"].tolist() == [6.0, 12.0, 18.0, 24.0]


def press(number):
    os.kill(os.getpid(), number)


@pytest.fixture
def heard():
    """Signals that reach the handlers outside of the block."""
    signals = []
    before = {
        number: signal.signal(number, lambda n, frame: signals.append(n)) for number in (signal.SIGINT, signal.SIGTERM)
    }
    yield signals
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_is_recorded_and_the_second_one_has_its_usual_effect(heard, number):
    other = signal.SIGTERM if number == signal.SIGINT else signal.SIGINT
    with interruptible(True) as interruption:
        assert not interruption
        press(number)
        assert interruption and interruption.signal == number and heard == []
        press(number)
        press(other)
        assert heard == [number, other]
    press(number)
    assert heard == [number, other, number]


def test_a_second_ctrl_c_interrupts_at_once():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt), interruptible(True):  # noqa: PT012
            press(signal.SIGINT)
            press(signal.SIGINT)
            raise AssertionError("not interrupted")
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_handlers_are_restored_when_the_block_fails(heard):
    with pytest.raises(RuntimeError), interruptible(True):
        raise RuntimeError
    press(signal.SIGTERM)
    assert heard == [signal.SIGTERM]


def test_a_handler_that_is_installed_after_the_first_signal_stays(heard):
    with interruptible(True):
        press(signal.SIGTERM)
        signal.signal(signal.SIGTERM, lambda number, frame: heard.append("new"))
    press(signal.SIGTERM)
    assert heard == ["new"]


def test_signals_are_left_alone_if_unwanted_and_outside_of_the_main_thread(heard):
    with interruptible(False) as interruption:
        press(signal.SIGTERM)
    assert heard == [signal.SIGTERM] and not interruption
    found = []

    def elsewhere():
        with interruptible(True) as interruption:
            found.append(signal.getsignal(signal.SIGTERM))
            interruption.leave()

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert found == [signal.getsignal(signal.SIGTERM)]


def test_a_process_ends_as_the_signal_would_have_ended_it(heard):
    with interruptible(True) as interruption:
        interruption.leave()  # nothing happened
        press(signal.SIGTERM)
    with pytest.raises(SystemExit) as left:
        interruption.leave()
    assert left.value.code == 143
    interruption.signal = signal.SIGINT
    with pytest.raises(KeyboardInterrupt, match="train_many: saved; the same call continues from here$"):
        interruption.leave()


@pytest.mark.parametrize(("number", "left"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)])
def test_a_signal_saves_the_lanes_and_the_same_call_goes_on(tmp_path, monkeypatch, number, left):
    monkeypatch.setattr(Pace, "measure", lambda self, epochs: None)
    steps = []

    def interrupt(progress):
        steps.append(progress)
        if len(steps) == 5:
            press(number)

    with pytest.raises(left):
        on_one_device(directory=tmp_path, callback=interrupt)
    assert len(lane_files(tmp_path)) == 1
    assert len(steps) == 6  # the half in flight is awaited, and no other segment begins
    study = on_one_device(directory=tmp_path, callback=steps.append)
    assert study.table()["test_loss"].tolist() == [6.0, 12.0, 18.0, 24.0]
    assert len(steps) == 12  # three more epochs of each half
    assert not lane_files(tmp_path)


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("function", ["fsync", "replace"])
def test_a_crash_during_a_write_leaves_the_old_file_or_none(tmp_path, monkeypatch, function):
    def die(*arguments):
        raise Killed

    path, new = tmp_path / "study.json", tmp_path / "new.json"
    storage.write_json(path, {"old": 1})
    monkeypatch.setattr(os, function, die)
    for one in (path, new):
        with pytest.raises(Killed):
            storage.write_json(one, {"new": 2})
        with pytest.raises(Killed):
            storage.write_arrays(one, {"new": np.ones(3)}, "study")
    assert storage.read_json(path, "") == {"old": 1}
    assert not new.exists()
    assert all(one.name.startswith(".") and one.suffix == ".part" for one in set(tmp_path.iterdir()) - {path})


def test_a_file_is_on_disk_in_full_before_it_gets_its_name(tmp_path, monkeypatch):
    seen, sync = [], os.fsync

    def look(descriptor):
        (temporary,) = tmp_path.iterdir()
        seen.append((temporary.name, temporary.read_text()))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", look)
    storage.write_json(tmp_path / "study.json", [1, 2])
    assert [path.name for path in tmp_path.iterdir()] == ["study.json"]
    ((name, text),) = seen
    assert name.startswith(".study.json-") and text == (tmp_path / "study.json").read_text()


@pytest.mark.parametrize(("hours", "left"), [(23.9, True), (24.1, False)])
def test_a_half_written_file_is_removed_after_a_day(tmp_path, monkeypatch, hours, left):
    path = tmp_path / ".trials.part"
    path.touch()
    monkeypatch.setattr(storage.time, "time", lambda: path.stat().st_mtime + 3600 * hours)
    storage.remove_old_temporaries(tmp_path)
    assert path.exists() == left
