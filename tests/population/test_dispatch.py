"""Studies on workers: how blocks are cut, what goes with them, and what becomes of those that are lost.

The workers here are this process, so that deaths and differences can be arranged.
"""

import os
import pickle
import signal
import threading
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from types import SimpleNamespace

import jax
import numpy as np
import pytest

import jaxmlp
from jaxmlp import load_study, successive_halving, train_many, workers
from jaxmlp.population import blocks, dispatch, executors, packing, running
from jaxmlp.population.directory import Directory
from jaxmlp.population.dispatch import Piece, Queue
from jaxmlp.population.executors import BlockPace
from jaxmlp.population.identity import in_words

GRID = {"learning_rate": [0.01, 0.1, 1.0]}
OPTIONS = {"seeds": 6, "epochs": 6, "batch_size": 16, "patience": 2, "progress": False, **GRID}


def recipe(learning_rate):
    return jaxmlp.classifier((2, 4, 2), optimizer=jaxmlp.gd(learning_rate))


@pytest.fixture(scope="module")
def data():
    return jaxmlp.load("moons", rows=120)


@pytest.fixture(scope="module")
def alone(data):
    return train_many(recipe, data, **OPTIONS)


@pytest.fixture(autouse=True)
def forgetful(monkeypatch):
    """Every test begins with a worker that knows nothing; trials are sent in order, so that they can be told apart."""
    monkeypatch.setattr(running, "in_mixed_order", list)
    blocks._memories.clear()
    packing.unpacked.cache_clear()


def assert_same(ours, theirs):
    assert ours.table().equals(theirs.table())
    for mine, other in zip(jax.tree.leaves(ours.params()), jax.tree.leaves(theirs.params()), strict=True):
        np.testing.assert_array_equal(mine, other)


class Inline(Executor):
    """Runs a block as it is submitted; dies of some trials, every time or so many times."""

    def __init__(self, deadly=(), times=10**9, workers=2):
        self._max_workers = workers
        self.deadly, self.times = set(deadly), times
        self.seen, self.with_data, self.parcels = [], [], []

    def submit(self, function, parcel, block, data):
        future = Future()
        self.seen.append(block)
        self.with_data.append(data is not None)
        self.parcels.append(parcel)
        if self.deadly & set(block.indices.tolist()) and self.times > 0:
            self.times -= 1
            future.set_exception(BrokenExecutor("killed"))
            return future
        try:
            future.set_result(function(parcel, block, data))
        except BaseException as error:
            future.set_exception(error)
        return future

    @property
    def trials(self):
        return [block.indices.tolist() for block in self.seen]

    @property
    def flat(self):
        return [trial for block in self.trials for trial in block]


class Pool(Inline):
    """As a pool of processes: if a worker dies, everything that the pool holds is lost, and so is the pool."""

    made = 0

    def __init__(self, max_workers, deadly=(), times=10**9):
        super().__init__(deadly, times, max_workers)
        self._deadly, self._times = deadly, times
        self.queue, self.broken = [], False
        Pool.made += 1

    def submit(self, function, *arguments):
        if self.broken:
            raise BrokenProcessPool("broken before")
        pool, future = self, Future()

        class Polled(Future):
            def done(self):
                pool.work()
                return super().done()

        future = Polled()
        self.queue.append((future, function, arguments))
        return future

    def work(self):
        while self.queue:
            running = self.queue[: self._max_workers]
            if any(self.deadly & set(arguments[1].indices.tolist()) for _, _, arguments in running):
                self.broken = True
                for future, *_ in self.queue:
                    future.set_exception(BrokenProcessPool("broken"))
                self.queue = []
            for future, function, arguments in running if self.queue else ():
                future.set_result(function(*arguments))
                self.queue.pop(0)

    def shutdown(self, wait=True, *, cancel_futures=False):
        self.closed = True


@pytest.mark.parametrize("make", [Inline, lambda: ThreadPoolExecutor(3), lambda: workers(Inline(), count=5)])
def test_a_study_on_workers_is_the_same_to_the_bit(data, alone, make):
    assert_same(train_many(recipe, data, executor=make(), **OPTIONS), alone)


def test_every_trial_is_run_once_in_blocks_that_shrink(data):
    executor = Inline()
    train_many(recipe, data, executor=executor, **OPTIONS)
    assert sorted(executor.flat) == list(range(18))
    assert [len(block) for block in executor.trials[:4]] == [4, 4, 3, 2]  # 4 until a block has been timed


@pytest.mark.parametrize(("seconds", "sizes"), [
    (None, [10, 10, 10]),  # not timed yet
    (0.01, [100, 90, 81]),  # a tenth of what is left
    (0.1, [20, 20, 20]),  # at most two seconds
    (9.0, [1, 1, 1]),  # a trial takes longer than a block should
    (0.001, [500, 500, 0]),  # at least half a second
])  # fmt: skip
def test_a_block_is_a_share_of_the_queue_within_bounds(seconds, sizes):
    queue = Queue([[], list(range(1000))], BlockPace(10, 0.5, 2.0))
    if seconds is not None:
        queue.measure(Piece(1, [0, 1, 2, 3]), 4 * seconds)
    found = [queue.cut(workers=5) if queue else Piece(1, []) for _ in sizes]
    assert [len(piece.places) for piece in found] == sizes
    assert [place for piece in found for place in piece.places] == list(range(sum(sizes)))
    assert {piece.group for piece in found} == {1} and len(queue) == 1000 - sum(sizes)


def test_blocks_hold_trials_of_all_kinds_and_their_times_are_those_of_all_before():
    mixed = dispatch.in_mixed_order(list(range(100)))
    assert sorted(mixed) == list(range(100)) and {place // 25 for place in mixed[:12]} == {0, 1, 2, 3}
    queue = Queue([list(range(1000))], BlockPace(10, 0.5, 2.0))
    queue.measure(Piece(0, [1]), 0.06)
    queue.measure(Piece(0, [2, 3, 4]), 0.02)  # 0.02 s for each of four
    assert len(queue.cut(workers=5).places) == 100


def test_a_block_holds_trials_of_one_group_and_shares_count_all_groups():
    queue = Queue([[4, 7], list(range(98))], BlockPace(None, 1.0, 9.0))
    pieces = [queue.cut(workers=2) for _ in range(3)]
    assert [(piece.group, len(piece.places)) for piece in pieces] == [(0, 2), (1, 25), (1, 19)]
    assert pieces[0].places == [4, 7]


def test_a_worker_that_dies_costs_only_its_block(data, alone):
    executor = Inline(deadly=[0], times=2)
    assert_same(train_many(recipe, data, executor=executor, **OPTIONS), alone)
    assert [block for block in executor.trials if 0 in block] == [[0, 1, 2, 3]] * 2 + [[0]]
    assert executor.trials[-4:] == [[0], [1], [2], [3]]  # two deaths: its trials run alone, at the end


def test_what_kills_three_workers_is_reported_by_its_trials_and_runs_in_the_next_call(data, alone, tmp_path):
    executor = Inline(deadly=[5, 16])
    with pytest.warns(UserWarning, match=r"train_many: trials \[5, 16\] killed three workers in a row and") as seen:
        study = train_many(recipe, data, executor=executor, directory=tmp_path, **OPTIONS)
    assert seen[0].filename == __file__
    assert [block for block in executor.trials if 5 in block] == [[4, 5, 6, 7], [4, 5, 6, 7], [5]]
    assert set(study.done) == set(range(18)) - {5, 16}
    again = Inline()
    assert_same(train_many(recipe, data, executor=again, directory=tmp_path, **OPTIONS), alone)
    assert again.flat == [5, 16]


def test_a_large_block_is_divided_until_its_deadly_trial_is_found(data, alone, monkeypatch):
    monkeypatch.setattr(executors.Engine, "pace", BlockPace(18, 0.5, 20.0))
    executor = Inline(deadly=[0], workers=1)
    with pytest.warns(UserWarning, match=r"trials \[0\] killed"):
        study = train_many(recipe, data, executor=executor, **OPTIONS)
    assert study.table().equals(alone.table().drop(0))
    nine = list(range(9))
    assert [block for block in executor.trials if 0 in block] == [nine, nine, [0, 1], [0]]


def test_blocks_that_only_shared_a_pool_with_a_deadly_one_are_not_blamed(data, alone):
    Pool.made = 0
    with pytest.warns(UserWarning, match=r"trials \[0\] killed"):
        study = train_many(recipe, data, executor=Pool(2, deadly=[0]), **OPTIONS)
    assert study.table().equals(alone.table().loc[1:])
    assert Pool.made == 4  # three died of it


def test_executors_whose_workers_never_live_are_an_error(data):
    with pytest.raises(
        RuntimeError, match="train_many: executor must have workers that live, got BrokenExecutor: killed"
    ):
        train_many(recipe, data, executor=Inline(deadly=range(18)), **OPTIONS)


class NoWorkers:
    """A client of Dask whose cluster is still empty."""

    scatter = None

    def nthreads(self):
        return {}

    def submit(self, function, *arguments, **options):
        return Future()


def test_waiting_for_workers_is_told_once_and_ends(monkeypatch):
    clock = iter([0.0, 5.0, 20.0, 50.0, 61.0])
    monkeypatch.setattr(executors, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    engine = executors.make_engine(workers(NoWorkers(), wait=60.0), b"")
    assert [engine.count(), engine.has_any()] == [1, False]
    with pytest.warns(UserWarning, match=r"train_many: executor has no workers; waiting up to 60 s for some"):
        engine.count()
    assert engine.count() == 1
    with pytest.raises(
        RuntimeError, match=r"executor must have workers, or be workers\(executor, wait=.* none for 61 s"
    ):
        engine.count()


def test_studies_that_run_together_share_an_interruption_and_run_suspects_one_study_at_a_time():
    crew = workers(Inline())
    first, second = object(), object()
    assert crew.claim(first) and not crew.claim(second, alone=True)  # something is under way
    assert not crew.claim(first)  # the second one waits for it
    crew.landed()
    assert crew.claim(second, alone=True) and not crew.claim(first)
    crew.landed()
    crew.release(second)
    assert crew.claim(first)

    def leave():
        with crew.interruptible(True) as interruption:
            while not interruption:
                pass
            interruption.leave()

    def fail():
        raise OSError("no space")

    with pytest.raises(OSError, match="no space"):
        crew.together([leave, fail, leave], most=2)
    with pytest.raises(KeyboardInterrupt, match="train_many: saved"):
        crew.together([leave, lambda: os.kill(os.getpid(), signal.SIGINT)], most=2)


def test_an_error_of_a_block_is_the_users(data, monkeypatch):
    def fail(*arguments):
        raise OSError("no space")

    monkeypatch.setattr(blocks, "make_halves", fail)
    with pytest.raises(OSError, match="no space"):
        train_many(recipe, data, executor=Inline(), **OPTIONS)


def test_data_go_to_each_worker_once_and_again_to_one_that_asks(data, alone):
    class Forgetful(Inline):
        """The fourth block is the first one of a new worker."""

        def submit(self, *arguments):
            if len(self.seen) == 3:
                blocks._memories.clear()
            return super().submit(*arguments)

    executor = Forgetful()
    assert_same(train_many(recipe, data, executor=executor, **OPTIONS), alone)
    assert executor.with_data[:4] == [True, True, False, False] and sum(executor.with_data) == 3
    asked = executor.trials[3]
    assert executor.trials.count(asked) == 2 and executor.with_data[executor.trials.index(asked, 4)]


def test_a_worker_keeps_the_last_sets_of_data_two_if_they_are_large(monkeypatch):
    for name in ("first", "second", "third"):
        blocks._memory(name, pickle.dumps(name))
    assert list(blocks._memories) == ["first", "second", "third"]
    monkeypatch.setattr(blocks, "_MOST_BYTES", 10)
    for name in ("first", "fourth"):
        assert blocks._memory(name, pickle.dumps(name)).data == name
    assert list(blocks._memories) == ["first", "fourth"]


TRACES = []


def noted(x):
    TRACES.append(1)
    return jax.nn.relu(x)


def counting(learning_rate):
    return jaxmlp.classifier((2, 4, 2), optimizer=jaxmlp.gd(learning_rate), activation=noted)


def test_a_worker_compiles_a_group_once(data):
    executor, seen = Inline(workers=6), []
    train_many(counting, data, executor=executor, callback=lambda progress: seen.append(len(TRACES)), **OPTIONS)
    train_many(counting, data, executor=executor, callback=lambda progress: seen.append(len(TRACES)), **OPTIONS)
    assert len(seen) == len(executor.seen) > 10
    assert len(set(seen)) == 1 and seen[0] > 0


def test_functions_travel_if_their_module_is_missing(data, alone, monkeypatch):
    """A worker without this module says so; the next parcel holds the functions themselves."""
    tries = []

    def unpack(source):
        tries.append(source)
        if len(tries) == 1:
            raise ModuleNotFoundError("No module named 'mine'")
        return packing.unpacked(source)

    monkeypatch.setattr(blocks, "unpacked", unpack)
    own = lambda learning_rate: recipe(learning_rate)._replace(init=own_init)  # noqa: E731
    study = train_many(own, data, executor=Inline(), **OPTIONS)
    assert study.done == list(range(18))
    assert __name__.encode() in tries[0] and b"own_init" in tries[0]
    assert len(tries[-1]) > 1.5 * len(tries[0])


def own_init(key):
    return recipe(0.1).init(key)


def test_a_module_that_stays_missing_is_an_error(data, monkeypatch):
    def unpack(source):
        raise ModuleNotFoundError("No module named 'mine'")

    monkeypatch.setattr(blocks, "unpacked", unpack)
    text = r"train_many: recipe must be importable by workers, .*got ModuleNotFoundError on .*: No module named 'mine'"
    with pytest.raises(ValueError, match=text):
        train_many(recipe, data, executor=Inline(), **OPTIONS)


def test_what_cannot_be_packed_is_an_error(data):
    lock = threading.Lock()

    def locked(key):
        with lock:
            return recipe(0.1).init(key)

    def own(learning_rate):
        return recipe(learning_rate)._replace(init=locked)

    text = "train_many: recipe must be importable by workers, or fit for cloudpickle .* got TypeError: cannot pickle"
    with pytest.raises(TypeError, match=text):
        train_many(own, data, executor=Inline(), **OPTIONS)


OTHER = {"jax": "0.9, jaxlib 0.9", "platform": "cpu, x86_64, sse", "flags": {"XLA_FLAGS": ["--xla_fast"]}}


def test_a_worker_that_rounds_otherwise_is_refused(data, monkeypatch):
    monkeypatch.setattr(blocks, "surroundings", lambda device: OTHER)
    text = r"train_many: executor must have workers that round like .*mixed=True\), got '\{'jax': '0.9.*sse.* on .*, .* here'"
    with pytest.raises(
        ValueError, match="train_many: executor must have workers that round like this process, or be"
    ) as e:
        train_many(recipe, data, executor=Inline(), **OPTIONS)
    assert "sse" in str(e.value) and "0.9" in str(e.value) and text


def test_mixed_workers_are_recorded_with_each_trial(data, alone, tmp_path, monkeypatch):
    kinds = [blocks.surroundings(jax.devices()[0]), OTHER]

    class Mixed(Inline):
        """Every other block runs elsewhere."""

        def submit(self, *arguments):
            blocks._memories.clear()
            monkeypatch.setattr(blocks, "surroundings", lambda device: kinds[len(self.seen) % 2])
            return super().submit(*arguments)

    executor = Mixed(deadly=[17])
    with pytest.warns(UserWarning, match="killed"):
        train_many(recipe, data, executor=workers(executor, mixed=True), directory=tmp_path, **OPTIONS)
    executor.deadly = set()
    study = train_many(recipe, data, executor=workers(executor, mixed=True), directory=tmp_path, **OPTIONS)
    table = study.table()
    other = "JAX 0.9, jaxlib 0.9; cpu, x86_64, sse; XLA_FLAGS=['--xla_fast']"
    assert set(table["surroundings"][table.index < 4]) != set(table["surroundings"][4:8])
    assert set(table["surroundings"]) == {other, in_words(kinds[0])}
    assert table.drop(columns="surroundings").equals(alone.table())
    assert load_study(tmp_path).table().equals(table)
    with pytest.raises(ValueError, match="train_many: directory must hold a study of this version of JAX"):
        train_many(recipe, data, directory=tmp_path, **OPTIONS)


def test_another_program_under_the_same_name_is_refused(data, monkeypatch):
    monkeypatch.setattr(blocks, "program_hash", lambda work: "another")
    with pytest.raises(
        ValueError, match="train_many: recipe must make the same learner on workers: .* got 'another prog"
    ):
        train_many(recipe, data, executor=Inline(), **OPTIONS)


def test_workers_trace_under_the_drivers_settings(data):
    """Here they are in other threads, and JAX's contexts belong to a thread."""
    with jax.enable_x64(True), jax.default_matmul_precision("default"):
        double = jax.tree.map(lambda leaf: leaf.astype(float) if leaf.dtype.kind == "f" else leaf, data)
        alone = train_many(recipe, double, **OPTIONS)
        study = train_many(recipe, double, executor=ThreadPoolExecutor(2), **OPTIONS)
        assert_same(study, alone)


PRUNED = {**OPTIONS, "epochs": 20, "patience": None, "learning_rate": [1e-4, 1e-3, 1e-2, 0.1, 0.3, 1.0]}


def test_rung_values_travel_with_blocks_and_come_back(data, tmp_path):
    executor = Inline(workers=1)
    pruner = successive_halving(first=2, factor=3)
    table = train_many(recipe, data, executor=executor, pruner=pruner, directory=tmp_path, **PRUNED).table()
    pruned = table["status"] == "pruned"
    assert len(table) / 4 <= pruned.sum() < len(table) == 36
    assert {verdict.trial for verdict in executor.seen[2].verdicts if verdict.rung == 2} == set(range(8))
    # All verdicts are on disk, and each stands: it was made once, and its trial ended there.
    verdicts = Directory(tmp_path, load_study(tmp_path).description, []).new_verdicts()
    assert len({(verdict.trial, verdict.rung) for verdict in verdicts}) == len(verdicts) > 36
    for verdict in verdicts:
        assert not verdict.falls or table.loc[verdict.trial, "epochs"] == verdict.rung
    assert {verdict.trial for verdict in verdicts if verdict.falls} == set(table.index[pruned])


@pytest.mark.parametrize("resumed_by", [Inline(), None])
def test_ctrl_c_leaves_and_the_same_call_continues(data, alone, tmp_path, resumed_by):
    def press(progress):
        if progress.done == 4:
            os.kill(os.getpid(), signal.SIGINT)

    executor = Inline()
    with pytest.raises(KeyboardInterrupt, match="train_many: saved; the same call continues from here"):
        train_many(recipe, data, executor=executor, directory=tmp_path, callback=press, **OPTIONS)
    done = load_study(tmp_path).done
    assert 0 < len(done) < 18
    assert_same(train_many(recipe, data, executor=resumed_by, directory=tmp_path, **OPTIONS), alone)
    if resumed_by is not None:
        assert set(done).isdisjoint(resumed_by.flat)


def test_progress_counts_what_is_with_workers(data):
    facts = []
    train_many(recipe, data, executor=Inline(workers=1), callback=facts.append, **OPTIONS)
    assert (facts[0].done, facts[0].running, facts[0].trials) == (4, 4, 18)
    assert (facts[-1].done, facts[-1].running) == (18, 0)


def test_a_share_runs_on_workers_too(data, alone, tmp_path):
    for index in range(2):
        train_many(recipe, data, executor=Inline(), shard=(index, 2), directory=tmp_path, **OPTIONS)
    assert load_study(tmp_path).table().equals(alone.table())


class Forking(Inline):
    class _mp_context:  # noqa: N801
        get_start_method = staticmethod(lambda: "fork")


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda run: run(executor=3), TypeError, "workers: executor must have a method submit, as a .*, got 3"),
        (lambda run: run(executor=Forking()), ValueError,
         "workers: executor must spawn its processes .* got \"start method 'fork'\""),
        (lambda run: workers(Inline(), count=0), ValueError, "workers: count must be a whole number of at least 1, got 0"),
        (lambda run: run(executor=Inline(), devices=jax.devices()), ValueError,
         "train_many: devices must be None with an executor"),
    ],
)  # fmt: skip
def test_wrong_executors_are_refused(data, call, error, text):
    with pytest.raises(error, match=text):
        call(lambda **options: train_many(recipe, data, **options, **OPTIONS))
