"""Which share of a study's trials this process runs."""

import os

import jax

from jaxmlp.checks import require


def checked_shard(shard: tuple[int, int] | None) -> tuple[int, int]:
    """(index, count) as given, or as `jax.distributed` or a SLURM array says, or (0, 1)."""
    if shard is None and jax.process_count() > 1:
        shard = jax.process_index(), jax.process_count()
    if shard is None and "SLURM_ARRAY_TASK_COUNT" in os.environ:
        shard = _of_slurm_array()
    index, count = (0, 1) if shard is None else shard
    rule = "be (index, count) with 0 <= index < count"
    require(0 <= index < count, "train_many", "shard", rule, (index, count))
    return int(index), int(count)


def _of_slurm_array() -> tuple[int, int]:
    """The task's place in a regular array, such as `--array=0-9` or `--array=1-19:2`."""
    names = ("ID", "COUNT", "MIN", "MAX", "STEP")
    task, count, first, last, step = (int(os.environ.get(f"SLURM_ARRAY_TASK_{name}", 0)) for name in names)
    step = step or 1
    known = "SLURM_ARRAY_TASK_MAX" not in os.environ or first + (count - 1) * step == last
    rule = "be given as shard=(index, count) if the SLURM array is not regular (--array=3,7 is not, --array=0-9 is)"
    require(known, "train_many", "shard", rule, f"{count} tasks from {first} to {last} in steps of {step}")
    return (task - first) // step, count
