"""A study's directory: whose trials count, whose lanes are deleted, and what of several files is taken."""

import os
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxmlp
from jaxmlp import Result
from jaxmlp.population.directory import Directory
from jaxmlp.population.ended import Ended, as_array, ended_files, joined, read_ended, write_ended
from jaxmlp.population.engine import Saved
from jaxmlp.population.identity import common
from jaxmlp.population.plans import id_of, read_plans
from jaxmlp.population.pruning import Rungs, Verdict
from jaxmlp.population.running import only
from jaxmlp.population.trials import make_groups
from jaxmlp.storage import (
    DamagedFileError,
    identity_of,
    read_arrays,
    read_description,
    write_arrays,
)

ENTRIES = [{"row": {"seed": seed}} for seed in range(20)]
DESCRIPTION = {"version": 3, "entries": ENTRIES}
IDENTITY = identity_of(common(DESCRIPTION))
NUMBERS = {id_of(entry): number for number, entry in enumerate(ENTRIES)}


def written(path, trials):
    write_ended(path, trials, IDENTITY, as_array(list(NUMBERS)[trial] for trial in trials.trial))


def read(path, likes=None, numbers=NUMBERS):
    return read_ended(ended_files(path), IDENTITY, numbers, likes)


def ended(*trials, width=2, mark=0.0):
    """Trials whose parameters are their number plus a mark, that many times."""
    rows = np.array(trials)
    numbers = [(rows + i).astype(np.int32) for i in range(6)]
    weights = {"w": np.repeat(rows[:, None] + np.float32(mark), width, axis=1).astype(np.float32)}
    return Ended(rows, Result(weights, {"validation_loss": rows[:, None] / 2}, *numbers, {}), {"loss": rows / 4})


def assert_same(ours, theirs):
    assert jax.tree.structure(ours) == jax.tree.structure(theirs)
    jax.tree.map(np.testing.assert_array_equal, ours, theirs)


def test_only_the_trials_of_this_processes_share_are_returned():
    every = [ended(0, 1, 2, 3), ended(5, 7), ended(8), ended(9, 10)]
    assert_same(only(every, {1, 3, 5, 7, 9, 11}), [ended(1, 3), ended(5, 7), ended(9)])
    assert only(every, set()) == [] == only([], {1})


def test_a_trial_that_was_finished_twice_counts_once_and_the_first_time():
    both = joined([ended(4, 2), ended(2, 3, mark=100.0), ended(4, mark=200.0)])
    assert_same(both, [ended(2, 3, 4)._replace(result=ended(2, 3, 4).result._replace(params={
        "w": np.array([[2.0] * 2, [103.0] * 2, [4.0] * 2], np.float32)
    }))])  # fmt: skip


def test_only_trials_of_the_same_structure_shapes_and_dtypes_are_joined():
    double = ended(6)._replace(result=ended(6).result._replace(params={"w": np.full((1, 2), 6.0)}))
    named = ended(7)._replace(test={})
    every = [ended(1), ended(2, width=3), double, named, ended(0)]
    assert [one.trial.tolist() for one in joined(every)] == [[0, 1], [2], [6], [7]]


def test_ended_trials_come_back_from_disk(tmp_path):
    written(tmp_path, ended(3, 1))
    written(tmp_path, ended(7))
    back = sorted(read(tmp_path), key=lambda one: one.trial[0])
    assert_same(back, [ended(3, 1), ended(7)])
    assert_same(
        read(tmp_path, numbers={**dict.fromkeys(NUMBERS), list(NUMBERS)[3]: 0}),
        [ended(3)._replace(trial=np.array([0]))],
    )


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (lambda arrays: arrays.pop("id"), "arrays of another kind"),
        (lambda arrays: arrays.pop("cause"), "arrays of another kind"),
        (lambda arrays: arrays.update(epochs=np.int32(3)), "arrays of another kind"),
        (lambda arrays: arrays.update(epochs=arrays["epochs"][:1]), "arrays of another kind"),
        (lambda arrays: arrays.update({name: array[:0] for name, array in arrays.items()}), "arrays of another kind"),
        (
            lambda arrays: arrays.update({name: array[:1] for name, array in arrays.items()}, epochs=np.int32(3)),
            "arrays of another kind",
        ),
        (lambda arrays: arrays.update(id=arrays["id"][:, :8]), "arrays of another kind"),
        (lambda arrays: arrays.update(id=arrays["id"] + np.uint8(1)), "a file of another study"),
        (lambda arrays: arrays.pop("params/w"), "no array 'params/w'"),
    ],
)
def test_a_file_of_other_arrays_is_refused_by_name(tmp_path, damage, text):
    written(tmp_path, ended(0, 19))
    (file,) = tmp_path.iterdir()
    likes = {trial: {"w": 0} for trial in range(20)}
    assert_same(read(tmp_path, likes), [ended(0, 19)])
    arrays = read_arrays(file, IDENTITY, "")
    damage(arrays)
    write_arrays(file, arrays, IDENTITY)
    with pytest.raises(
        DamagedFileError,
        match=f"{file.name} must be an undamaged file of this study, got {text}; delete it, and the same call of train_many runs its trials again$",
    ):
        read(tmp_path, likes)


SHAPE = {"epoch": jax.ShapeDtypeStruct((), jnp.int32), "w": jax.ShapeDtypeStruct((2,), jnp.float32)}
WORK = SimpleNamespace(shape=SHAPE, group=SimpleNamespace(indices=np.arange(10, 20)))


def half(turn_of=0, **lanes):
    """A half of the lanes that saves the trials `t3`, `t5`, ... (numbers in the group) with so many epochs."""
    saved = {
        int(name[1:]): Saved(turn_of, lane, epochs, [np.int32(epochs), np.full(2, int(name[1:]), np.float32)])
        for lane, (name, epochs) in enumerate(lanes.items())
    }
    return SimpleNamespace(saved=lambda turn: {trial: one._replace(half=turn) for trial, one in saved.items()})


def opened(path):
    return Directory(path, DESCRIPTION, [])


def lane_files(path):
    return {file.name for file in path.glob("lanes-*")}


@pytest.fixture
def study(tmp_path):
    """A directory that holds a description."""
    opened(tmp_path)
    return tmp_path


@pytest.fixture(autouse=True)
def opened_unchecked(monkeypatch):
    """Descriptions of these tests are shorter than real ones."""
    monkeypatch.setattr("jaxmlp.population.directory.check_same", lambda *arguments: None)


def test_saved_lanes_come_back_under_their_numbers_in_the_group(tmp_path):
    opened(tmp_path).save_lanes("2", WORK, [half(t0=4, t3=7), half(t9=1)])
    (name,) = lane_files(tmp_path)
    assert name.startswith("lanes-2-")
    store = opened(tmp_path)
    found = store.load_lanes("2", WORK, {10, 13, 19})
    assert {trial: one[:3] for trial, one in found.items()} == {0: (0, 0, 4), 3: (0, 1, 7), 9: (1, 0, 1)}
    assert_same(found[3].leaves, [np.int32(7), np.full(2, 3.0, np.float32)])
    assert list(store.load_lanes("2", WORK, {13, 99})) == [3]
    assert store.load_lanes("1", WORK, {10}) == {} == Directory(None, DESCRIPTION, []).load_lanes("2", WORK, {10})


def test_of_several_saved_lanes_of_a_trial_the_most_advanced_is_taken(study):
    for epochs in (3, 8, 5):
        opened(study).save_lanes("0", WORK, [half(t1=epochs)])
    assert len(lane_files(study)) == 3
    assert opened(study).load_lanes("0", WORK, {11})[1].epochs == 8


def test_lanes_that_are_saved_again_replace_the_own_ones_only(study):
    stranger, store = opened(study), opened(study)
    stranger.save_lanes("0", WORK, [half(t1=3)])
    foreign = lane_files(study)
    store.save_lanes("0", WORK, [half(t2=3)])
    first = lane_files(study) - foreign
    store.save_lanes("0", WORK, [half(t2=4)])
    second = lane_files(study) - foreign
    assert len(first) == len(second) == 1 and first != second and foreign <= lane_files(study)
    store.save_lanes("0", WORK, [half(), half()])  # nothing is in progress: nothing is saved
    assert lane_files(study) == foreign | second


def test_lanes_are_dropped_only_if_they_were_saved_or_loaded_here(study):
    for trial in ("t1", "t2"):
        opened(study).save_lanes("0", WORK, [half(**{trial: 3})])
    opened(study).save_lanes("1", WORK, [half(t1=3)])
    store = opened(study)
    before = lane_files(study)
    store.drop_lanes("0")
    assert lane_files(study) == before
    store.load_lanes("0", WORK, {11})  # trial 12 belongs to another process
    store.drop_lanes("0")
    left = lane_files(study)
    assert len(left) == 2 and {name[:8] for name in left} == {"lanes-0-", "lanes-1-"}
    assert list(opened(study).load_lanes("0", WORK, {11, 12})) == [2]
    store.save_lanes("0", WORK, [half(t5=1)])
    store.drop_lanes("0")
    assert lane_files(study) == left
    store.add(ended(12))
    assert store.load_lanes("0", WORK, {13}) == {}
    store.drop_lanes("0")  # of trial 12, whose process was killed before it could
    assert {name[:8] for name in lane_files(study)} == {"lanes-1-"}


def test_lanes_that_were_loaded_are_replaced_by_those_saved_next(study):
    opened(study).save_lanes("0", WORK, [half(t1=3)])
    store = opened(study)
    store.load_lanes("0", WORK, {11})
    store.save_lanes("0", WORK, [half(t1=9)])
    assert len(lane_files(study)) == 1
    assert opened(study).load_lanes("0", WORK, {11})[1].epochs == 9


@pytest.mark.parametrize(
    "shape",
    [
        {**SHAPE, "w": jax.ShapeDtypeStruct((3,), jnp.float32)},
        {**SHAPE, "w": jax.ShapeDtypeStruct((2,), jnp.float16)},
        {**SHAPE, "epoch": jax.ShapeDtypeStruct((1,), jnp.int32)},
        {**SHAPE, "x": jax.ShapeDtypeStruct((), jnp.int32)},
    ],
)
def test_lanes_of_another_shape_are_refused(tmp_path, shape):
    store = opened(tmp_path)
    store.save_lanes("0", WORK, [half(t1=3)])
    other = SimpleNamespace(shape=shape, group=WORK.group)
    with pytest.raises(DamagedFileError, match="got lanes of another shape; delete it, and its trials begin again"):
        store.load_lanes("0", other, {11})


def test_trials_that_have_ended_are_kept_and_known(study):
    store = opened(study)
    store.add(ended(3, 5))
    assert store.done == {3, 5} and opened(study).done == {3, 5}
    memory = Directory(None, DESCRIPTION, [])
    memory.add(ended(1))
    assert memory.done == {1} and memory.path is None
    assert_same(memory.ended, [ended(1)])
    memory.save_lanes("0", WORK, [half(t1=1)])
    memory.save_verdicts([Verdict(1, 2, 0.5, True)])
    assert memory.new_verdicts() == []
    assert opened(study).done == {3, 5}


def test_a_new_directory_gets_a_description_and_loses_what_was_left_half_written(tmp_path):
    path = tmp_path / "a" / "b"
    path.mkdir(parents=True)
    (path / ".old.part").touch()
    os.utime(path / ".old.part", (0, 0))
    opened(str(path))
    names = sorted(file.name for file in path.iterdir())
    assert len(names) == 2 and names[0].startswith("plan-") and names[1] == "study.json"
    assert read_description(path) == common(DESCRIPTION) and read_plans(path, IDENTITY) == ENTRIES


def test_lanes_that_another_process_has_deleted_are_no_error(tmp_path):
    store = opened(tmp_path)
    store.save_lanes("0", WORK, [half(t1=3)])
    next(tmp_path.glob("lanes-*")).unlink()
    store.drop_lanes("0")
    assert not lane_files(tmp_path)


def test_verdicts_of_others_are_read_once_and_own_ones_never(study):
    first, second = opened(study), opened(study)
    first.save_verdicts([])
    assert not list(study.glob("rungs-*"))
    told = [Verdict(3, 1, 0.25, True), Verdict(4, 1, 0.125, False)]
    first.save_verdicts(told[:1])
    assert second.new_verdicts() == told[:1]
    assert second.new_verdicts() == [] == first.new_verdicts()
    first.save_verdicts(told)
    assert second.new_verdicts() == told
    assert opened(study).new_verdicts() == told


@pytest.mark.parametrize(
    ("first", "factor", "epochs", "rungs"),
    [(1, 2, 9, [1, 2, 4, 8]), (1, 2, 8, [1, 2, 4]), (3, 5, 3, []), (3, 5, 4, [3])],
)
def test_rungs_are_those_before_the_last_epoch(first, factor, epochs, rungs):
    assert list(Rungs(jaxmlp.successive_halving(first, factor), epochs).seen) == rungs


@pytest.mark.parametrize(("factor", "values", "falls"), [
    (2, [1.0], False), (2, [1.0, 1.0], False), (2, [1.0, 2.0], True), (2, [2.0, 1.0], False), (2, [1.0, 2.0, 1.5], True),
    (2, [1.0, 2.0, 3.0, 1.5], False), (2, [1.0, 2.0, 3.0, 2.5], True), (4, [4.0, 3.0, 2.0, 1.0], False), (4, [1.0, 2.0, 3.0, 1.5], True),
])  # fmt: skip
def test_a_trial_goes_on_if_it_is_among_the_best_at_its_rung(factor, values, falls):
    rungs = Rungs(jaxmlp.successive_halving(1, factor), 3)
    rungs.learn([Verdict(trial, 1, value, False) for trial, value in enumerate(values[:-1])])
    assert rungs.falls(99, np.array([values[-1], np.nan, np.nan]), 1) == falls
    assert rungs.own == [Verdict(99, 1, values[-1], falls)]


def test_a_pruner_is_made_of_two_whole_numbers():
    assert jaxmlp.successive_halving() == (1, 3)
    assert [type(number) for number in jaxmlp.successive_halving(np.int64(2), np.int32(4))] == [int, int]
    for number in (2.5, "3", None):
        with pytest.raises(ValueError, match="successive_halving: factor must be a whole number of at least 1, got "):
            jaxmlp.successive_halving(factor=number)


def recipe(rate=0.5):
    return jaxmlp.classifier((2, 2), optimizer=jaxmlp.gd(rate))


def test_a_seed_is_a_word_of_32_bits():
    groups, rows = make_groups(recipe, [0, 2**32 - 1], None, {})
    assert groups[0].seeds.tolist() == [0, 2**32 - 1] and groups[0].seeds.dtype == np.uint32
    assert rows == [{"seed": 0}, {"seed": 2**32 - 1}]
    for seed in (2**32, 2**40, -1):
        with pytest.raises(ValueError, match=rf"train_many: seeds must be .* from 0 to 2\*\*32 - 1, got \[0, {seed}\]"):
            make_groups(recipe, [0, seed], None, {})


def test_trials_are_numbered_recipe_by_recipe_combination_by_combination_seed_by_seed():
    def other(decay, rate):
        return jaxmlp.classifier((2, 2), optimizer=jaxmlp.momentum(rate, decay))

    groups, rows = make_groups({"one": recipe, "two": other}, [7, 5], None, {"rate": [0.5, 0.25], "decay": [0.0, 0.75]})
    assert [group.name for group in groups] == ["one", "two"]
    assert [group.indices.tolist() for group in groups] == [[0, 1, 2, 3], [4, 5, 6, 7, 8, 9, 10, 11]]
    assert [group.seeds.tolist() for group in groups] == [[7, 5] * 2, [7, 5] * 4]
    assert rows[:2] == [{"recipe": "one", "rate": 0.5, "seed": 7}, {"recipe": "one", "rate": 0.5, "seed": 5}]
    assert rows[6] == {"recipe": "two", "rate": 0.5, "decay": 0.75, "seed": 7}
    assert rows[11] == {"recipe": "two", "rate": 0.25, "decay": 0.75, "seed": 5}
    rates = [np.asarray(leaf).tolist() for leaf in jax.tree.leaves(groups[0].numbers)]
    assert [0.5, 0.5, 0.25, 0.25] in rates


def test_learners_that_differ_in_numbers_only_are_their_own_numbers():
    (group,), _ = make_groups(recipe, [1, 2], None, {"rate": [0.5, 0.25]})
    assert group.make(group.numbers) is group.numbers
    assert jax.tree.structure(group.numbers.optimizer).num_leaves == len(jax.tree.leaves(jaxmlp.gd(0.5)))
    assert all(len(leaf) == 4 for leaf in jax.tree.leaves(group.numbers))


def test_recipes_that_make_functions_are_given_their_hyperparameters():
    def own(rate):
        optimizer = jaxmlp.Optimizer(lambda params: (), lambda grads, state, params=None: (rate * grads, state))
        return recipe()._replace(optimizer=optimizer)

    (group,), _ = make_groups(own, [1], None, {"rate": [0.5, 0.25]})
    assert group.numbers["hyperparameters"]["rate"].tolist() == [0.5, 0.25]
    assert own in group.owners
    learner = group.make(jax.tree.map(lambda column: column[1], group.numbers))
    assert learner.optimizer[1](np.float32(8.0), ())[0] == 2.0


@pytest.mark.parametrize(
    ("batch", "sizes"),
    [
        (recipe(0.5), r"\[\(\)\]"),
        (
            jax.vmap(recipe)(jnp.ones(2))._replace(evaluate=jax.tree_util.Partial(max, jnp.ones(4))),
            r"\[\(2,\), \(4,\)\]",
        ),
    ],
)
def test_a_batch_of_learners_has_one_leading_axis(batch, sizes):
    text = rf"train_many: a batch of learners must have one leading axis of the same size .* got .*{sizes}"
    with pytest.raises(ValueError, match=text):
        make_groups(batch, 1, None, {})
