"""What makes a study this study and no other: every number that shaped its results."""

import hashlib
import json
import os
import platform
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import jax
import jax.numpy as jnp
import numpy as np

from jaxmlp.data.resampling import Pool
from jaxmlp.population.work import Work
from jaxmlp.types import PyTree

FORMAT = 3
# Of traced programs: to write one as text takes 20 to 100 ms, and a comparison asks forty times for each optimizer.
_hashes: WeakKeyDictionary[Any, str] = WeakKeyDictionary()
# What these flags change is not arithmetic.
_HARMLESS_FLAGS = ("--xla_dump", "--xla_force_host_platform_device_count", "--xla_gpu_cuda_data_dir")
_INSTRUCTIONS = re.compile(r"avx\w*|fma\d?|amx\w*|f16c|asimd\w*|sve\w*|bf16|i8mm")

_WORDS = {
    "version": "this format",
    "settings": "these epochs, batch size, order, remainder, monitor, mode, patience, min_delta and evaluations",
    "data": "these data",
    "pruner": "this pruner",
    "jax": "this version of JAX",
    "platform": "this platform and instruction set, which round differently",
    "flags": "these XLA flags and JAX settings, which may change rounding",
}
# A trial that has ended keeps what it returns, not the state of its optimizer, from which it could go on.
_LONGER = "more epochs need another directory"


def describe(works: list[Work], data: PyTree, pruner: Any, mixed: bool = False) -> dict[str, Any]:
    """The description of a study, fit for JSON: what all of its trials share."""
    plan, stopping = works[0].program.plan, jax.device_get(works[0].stopping)
    settings = {name: value for name, value in plan._asdict().items() if name != "function"}
    here = surroundings(works[0].program.mesh.devices.flat[0])
    settings["min_delta"] = float(stopping.min_delta)
    settings["patience"] = None if stopping.patience is None else float(stopping.patience)
    settings |= dict.fromkeys(works[0].group.settings, "of each trial")
    return {
        "version": FORMAT,
        "settings": settings,
        "data": arrays_hash(data.rows if isinstance(data, Pool) else data),
        "sent": arrays_hash(data),
        "pruner": None if pruner is None else list(pruner),
        **(dict.fromkeys(here, "any") if mixed else here),
    }


def surroundings(device: Any) -> dict[str, Any]:
    """What decides about rounding besides the program: JAX, the processor, flags."""
    return {
        "jax": f"{jax.__version__}, jaxlib {version('jaxlib')}",
        "platform": _platform(device),
        "flags": _flags(),
    }


def common(description: dict[str, Any]) -> dict[str, Any]:
    """What all trials of a study share: its identity. Trials may be added."""
    return {name: description[name] for name in (*_WORDS, "saved") if name in description}


def in_words(surroundings: dict[str, Any]) -> str:
    """What a trial ran on, as one line."""
    flags = [f"{name}={value}" for name, value in surroundings["flags"].items() if value not in ("None", "False", [])]
    return "; ".join([f"JAX {surroundings['jax']}", surroundings["platform"], *flags]).replace("/", " ")


def check_same(path: Path, found: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Raises an error that says what differs unless both describe the same study."""
    for part, words in _WORDS.items():
        # As text, for a NaN among the hyperparameters is not equal to itself.
        if json.dumps(found.get(part), sort_keys=True) != json.dumps(wanted[part], sort_keys=True):
            here, there = difference(wanted[part], found.get(part))
            text = f"train_many: directory must hold a study of {words}, got {path}: {there} there, {here} here"
            raise ValueError(f"{text}; {_LONGER}" if part == "settings" and "'epochs'" in here else text)


def difference(ours: Any, theirs: Any) -> tuple[str, str]:
    """Both sides in short; of two dicts only the entries that differ."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        names = [name for name in {**ours, **theirs} if ours.get(name) != theirs.get(name)]
        ours, theirs = ({name: side.get(name) for name in names} for side in (ours, theirs))
    return _short(ours), _short(theirs)


def _short(value: Any, most: int = 160) -> str:
    text = str(value)
    return text if len(text) <= most else text[:most] + "..."


def arrays_hash(tree: PyTree) -> str:
    """SHA-256 of shapes, dtypes and bytes of all arrays of a pytree."""
    digest = hashlib.sha256()
    for leaf in jax.tree.leaves(tree):
        array = np.asarray(jax.device_get(leaf))
        digest.update(f"{array.shape}{array.dtype}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def program_hash(work: Work) -> str:
    """SHA-256 of one trial's program, as JAX passes it to the compiler: arithmetic, shapes and constants."""
    numbers = jax.tree.map(lambda column: column[0], work.group.numbers)
    data = work.data
    if isinstance(data, Pool):  # how many data sets there are is not part of a trial
        data = data._replace(samples=jax.tree.map(lambda table: table[:1], data.samples))
    arguments = (numbers, work.group.seeds[0], data, work.stopping)
    # Shapes only: where arrays are placed is not part of what a study is.
    shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(jnp.shape(leaf), jnp.result_type(leaf)), arguments)
    traced = work.compiled.one_epoch.trace(*shapes)  # the same object for the same program and shapes
    found = _hashes.get(traced.jaxpr)
    if found is None:
        found = _hashes[traced.jaxpr] = hashlib.sha256(traced.lower().as_text().encode()).hexdigest()
    return found


def _platform(device: Any) -> str:
    """The kind of processor, as far as it decides about rounding."""
    if device.platform != "cpu":
        return f"{device.platform}, {device.device_kind}"
    return ", ".join(["cpu", platform.machine(), *_instruction_sets()])


def _instruction_sets() -> list[str]:
    """The vector instructions of this processor, sorted; empty where the system does not say."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return [platform.processor()]
    line = re.search(r"^(?:flags|Features)\s*:(.*)$", text, re.MULTILINE)
    words = line.group(1).split() if line else []
    return sorted({word for word in words if _INSTRUCTIONS.fullmatch(word)})


def _flags() -> dict[str, Any]:
    """XLA flags and JAX settings that may change rounding without changing the program's text."""
    flags = sorted(flag for flag in os.environ.get("XLA_FLAGS", "").split() if not flag.startswith(_HARMLESS_FLAGS))
    names = ("jax_disable_most_optimizations", "jax_optimization_level", "jax_exec_time_optimization_effort")
    return {"XLA_FLAGS": flags, **{name: str(jax.config.values.get(name)) for name in names}}
