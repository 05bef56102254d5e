"""What is on disk is only ever returned for the study that it belongs to."""

import hashlib
import json
import re
import shutil
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxmlp
from jaxmlp import load_study, train_many
from jaxmlp.population import identity
from jaxmlp.storage import DamagedFileError

RATES = jnp.array([0.1, 0.2])


def tiny(rate):
    return jaxmlp.classifier((2, 3, 2), optimizer=jaxmlp.gd(rate))


def twice(rate):
    return jaxmlp.classifier((2, 3, 2), optimizer=jaxmlp.gd(2 * rate))


def smooth(rate):
    return jaxmlp.classifier((2, 3, 2), optimizer=jaxmlp.gd(rate), activation="tanh")


@pytest.fixture(scope="module")
def data():
    return jaxmlp.load("moons", rows=60)


@pytest.fixture(scope="module")
def finished(tmp_path_factory, data):
    directory = tmp_path_factory.mktemp("finished")
    return directory, small(directory, data)


def small(directory, data, recipe=tiny, **changes):
    arguments = {"seeds": 2, "epochs": 3, "progress": False, **changes}
    if callable(recipe):
        arguments = {"rate": [0.1, 0.2], **arguments}
    return train_many(recipe, data, directory=directory, **arguments)


def refused(directory, data, words, **changes):
    """The same call with these changes is refused in these words, and leaves every file as it was."""
    before = {path: path.read_bytes() for path in directory.iterdir()}
    with pytest.raises(ValueError, match=f"train_many: directory must hold a study of {words}"):
        small(directory, data, **changes)
    assert {path: path.read_bytes() for path in directory.iterdir()} == before


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"recipe": smooth}, "this recipe: the learner that it makes is another program"),
        ({"recipe": twice}, "these learners: their numbers differ"),
        ({"epochs": 4}, "these epochs, .*, got .*'epochs': 3} there, {'epochs': 4} here; more epochs need another directory$"),
        ({"batch_size": 16}, "these epochs, batch size"),
        ({"mode": "max"}, "these epochs, batch size, order, remainder, monitor, mode"),
        ({"monitor": "accuracy"}, "these epochs, batch size, order, remainder, monitor"),
        ({"patience": 2}, "these epochs, batch size, order, remainder, monitor, mode, patience"),
        ({"min_delta": 0.1}, "these epochs, batch size, order, remainder, monitor, mode, patience, min_delta"),
        ({"pruner": jaxmlp.successive_halving()}, "this pruner"),
    ],
)  # fmt: skip
def test_another_study_is_refused(finished, data, changes, words):
    refused(finished[0], data, words, **changes)


def test_other_data_are_refused(finished):
    refused(finished[0], jaxmlp.load("moons", rows=60, seed=1), "these data")


def test_a_batch_of_learners_with_other_numbers_is_another_study(tmp_path, data):
    small(tmp_path, data, recipe=jax.vmap(tiny)(RATES))
    again = small(tmp_path, data, recipe=jax.vmap(tiny)(RATES))
    assert len(again.done) == 4
    refused(tmp_path, data, "these learners: their numbers differ", recipe=jax.vmap(tiny)(2 * RATES))


def test_another_pruner_or_none_is_another_study(tmp_path, data):
    small(tmp_path, data, pruner=jaxmlp.successive_halving(1, 3))
    refused(tmp_path, data, r"this pruner, got .*: \[1, 3\] there, None here")
    refused(tmp_path, data, "this pruner", pruner=jaxmlp.successive_halving(1, 2))


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("XLA_FLAGS", "--xla_cpu_enable_fast_math=true", "these XLA flags"),
        ("XLA_FLAGS", "--xla_cpu_prefer_vector_width=256 --xla_dump_to=/tmp/x", "these XLA flags"),
    ],
)
def test_flags_that_may_change_bits_are_another_study(finished, data, monkeypatch, variable, value, words):
    monkeypatch.setenv(variable, value)
    refused(finished[0], data, words)


def test_flags_that_change_no_bits_do_not_matter(finished, data, monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_force_host_platform_device_count=8 --xla_dump_to=/tmp/x")
    assert small(finished[0], data).table().equals(finished[1].table())


def test_another_instruction_set_is_another_study(finished, data, monkeypatch):
    monkeypatch.setattr(identity, "_instruction_sets", lambda: ["avx"])
    refused(finished[0], data, "this platform and instruction set")


def test_another_processor_is_another_study(finished, data, monkeypatch):
    monkeypatch.setattr("platform.machine", lambda: "vax")
    refused(finished[0], data, "this platform and instruction set")


def test_another_version_of_jax_is_another_study(finished, data, monkeypatch):
    monkeypatch.setattr(jax, "__version__", "0.0.1")
    refused(finished[0], data, "this version of JAX, got .* 0.0.1")


def test_the_number_of_devices_and_lanes_does_not_matter(finished, data):
    again = small(finished[0], data, devices=jax.devices()[:2], lanes=1)
    assert again.table().equals(finished[1].table())


def test_files_of_another_study_are_refused(tmp_path, data):
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    small(ours, data)
    small(theirs, data, rate=[0.3, 0.4])
    stranger = next(theirs.glob("trials-*"))
    shutil.copy(stranger, ours)
    for read in (lambda: load_study(ours), lambda: small(ours, data)):
        with pytest.raises(DamagedFileError, match=f"{stranger.name} must be .* of this study, got a file of another"):
            read()


def test_a_description_of_another_study_is_refused(tmp_path, data):
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    small(ours, data)
    small(theirs, data, mode="max")
    shutil.copy(theirs / "study.json", ours)
    with pytest.raises(DamagedFileError, match="got a file of another study"):
        load_study(ours)


def test_a_study_is_not_saved_over_another(finished, data, tmp_path):
    in_memory = small(None, data)
    in_memory.save(tmp_path / "saved")
    assert load_study(tmp_path / "saved").table().equals(finished[1].table())
    for directory in (tmp_path / "saved", finished[0]):
        with pytest.raises(FileExistsError, match="Study.save: directory must not hold a study already, got"):
            in_memory.save(directory)


def test_two_saved_studies_do_not_mix(data, tmp_path):
    for name in ("one", "two"):
        small(None, data).save(tmp_path / name)
    shutil.copy(next((tmp_path / "one").glob("trials-*")), tmp_path / "two")
    with pytest.raises(DamagedFileError, match="got a file of another study"):
        load_study(tmp_path / "two")


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"content": {}, "sha256": ""}'])
def test_a_broken_description_is_named(tmp_path, content):
    (tmp_path / "study.json").write_text(content)
    with pytest.raises(
        DamagedFileError, match=r"study.json must be an undamaged file .* restore it, or start in another"
    ):
        load_study(tmp_path)


def test_a_description_without_trials_is_named(tmp_path):
    from jaxmlp.storage import write_json

    write_json(tmp_path / "study.json", {"trials": 3})
    with pytest.raises(DamagedFileError, match="got no description of a study"):
        load_study(tmp_path)


def test_the_description_is_readable(finished):
    content, plan = (
        json.loads(path.read_text())["content"]
        for path in (finished[0] / "study.json", next(finished[0].glob("plan-*")))
    )
    assert content["settings"] == {
        "epochs": 3, "batch_size": 42, "order": "reshuffled", "remainder": "drop", "monitor": "loss", "mode": "min",
        "evaluate_initial": False, "evaluate_test": False, "min_delta": 0.0, "patience": None,
    }  # fmt: skip
    assert plan["after"] == 0 and len(plan["trials"]) == 4
    assert plan["trials"][3]["row"] == {"rate": 0.2, "seed": 1} and len(plan["trials"][3]["numbers"]) == 32
    assert content["platform"].startswith("cpu, ")
    assert np.all([len(digest) == 64 for digest in (content["data"], plan["trials"][0]["program"])])


def test_a_hash_of_arrays_covers_values_shapes_and_dtypes():
    one = np.arange(6, dtype=np.float32)
    others = [one + 1, one.reshape(2, 3), one.view(np.int32), one[:5], one[::-1]]
    assert identity.arrays_hash({"w": one}) == identity.arrays_hash([jnp.asarray(one)])  # names are not numbers
    assert len({identity.arrays_hash([array]) for array in (one, *others)}) == 6
    assert identity.arrays_hash(one.reshape(2, 3).T) == identity.arrays_hash(one.reshape(2, 3).T.copy())
    assert identity.arrays_hash([one, others[0]]) != identity.arrays_hash([others[0], one])
    assert identity.arrays_hash([]) == hashlib.sha256().hexdigest()
    assert identity.arrays_hash([np.array([3], np.int8)]) == hashlib.sha256(b"(1,)int8\x03").hexdigest()


CPUINFO = """processor\t: 0
model name\t: one of several
flags\t\t: fpu avx avx2 avx512_bf16 fma f16c sse4_2 amx_tile hypervisor
processor\t: 1
flags\t\t: fpu avx avx2 another
"""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (CPUINFO, ["amx_tile", "avx", "avx2", "avx512_bf16", "f16c", "fma"]),
        ("Features\t: fp asimd asimddp bf16 sve sve2 aes i8mm", ["asimd", "asimddp", "bf16", "i8mm", "sve", "sve2"]),
        ("bugs\t: avx", []),
    ],
)
def test_instruction_sets_are_those_of_the_first_processor(monkeypatch, text, words):
    monkeypatch.setattr("pathlib.Path.read_text", lambda path: text if str(path) == "/proc/cpuinfo" else "")
    assert identity._instruction_sets() == words


def test_a_system_that_does_not_list_its_instruction_sets_names_its_processor(monkeypatch):
    def missing(path):
        raise FileNotFoundError

    monkeypatch.setattr("pathlib.Path.read_text", missing)
    monkeypatch.setattr("platform.processor", lambda: "arm")
    assert identity._instruction_sets() == ["arm"]


def test_the_platform_of_an_accelerator_is_its_kind():
    device = SimpleNamespace(platform="gpu", device_kind="NVIDIA H100")
    assert identity._platform(device) == "gpu, NVIDIA H100"


def test_flags_are_sorted_and_without_harmless_ones(monkeypatch):
    harmless = "--xla_dump_to=/tmp --xla_force_host_platform_device_count=8 --xla_gpu_cuda_data_dir=/usr"
    monkeypatch.setenv("XLA_FLAGS", f"--xla_b=1 {harmless} --xla_a=2")
    assert identity._flags() == {
        "XLA_FLAGS": ["--xla_a=2", "--xla_b=1"],
        "jax_disable_most_optimizations": "False",
        "jax_optimization_level": str(jax.config.values.get("jax_optimization_level")),
        "jax_exec_time_optimization_effort": str(jax.config.values.get("jax_exec_time_optimization_effort")),
    }
    monkeypatch.delenv("XLA_FLAGS")
    assert identity._flags()["XLA_FLAGS"] == []


PARTS = ("version", "settings", "data", "pruner", "jax", "platform", "flags")
DESCRIPTION = {part: {"a": 1, "b": 3} for part in PARTS}


@pytest.mark.parametrize("part", PARTS)
def test_every_part_of_a_description_is_compared(tmp_path, part):
    identity.check_same(tmp_path, {**DESCRIPTION, "saved": 1}, DESCRIPTION)
    text = f"train_many: directory must hold a study of {re.escape(identity._WORDS[part])}, got {tmp_path}: "
    with pytest.raises(ValueError, match=text + re.escape("{'a': 2} there, {'a': 1} here") + "$"):
        identity.check_same(tmp_path, {**DESCRIPTION, part: {"a": 2, "b": 3}}, DESCRIPTION)
    with pytest.raises(ValueError, match=f"{text}None there"):
        identity.check_same(tmp_path, {name: value for name, value in DESCRIPTION.items() if name != part}, DESCRIPTION)


def test_a_nan_equals_itself_in_a_description(tmp_path):
    one, other = ({**DESCRIPTION, "settings": {"patience": float("nan")}} for _ in range(2))
    identity.check_same(tmp_path, one, other)


def test_long_differences_are_cut(tmp_path):
    for length, end in ((160, "a there"), (161, "a... there")):
        with pytest.raises(ValueError, match=f": {'a' * 159}{end}, 1 here$"):
            identity.check_same(tmp_path, {**DESCRIPTION, "jax": "a" * length}, {**DESCRIPTION, "jax": 1})


def test_a_scalar_is_not_an_array_of_one():
    assert identity.arrays_hash([np.float32(1)]) != identity.arrays_hash([np.ones(1, np.float32)])
