"""Plans: the trials of a study on disk, each by what it is. A study grows by further plans.

An entry is a trial's row of the table with the hashes of its numbers, its program and, if it has data of its own, of
these. A file of trials, lanes or verdicts names each trial by the hash of its entry, so that its place does not matter.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxmlp.data.resampling import Pool
from jaxmlp.population.identity import arrays_hash
from jaxmlp.population.recipes import Sampled
from jaxmlp.population.work import Work
from jaxmlp.storage import DamagedFileError, read_json, sha256_of, unique, write_json

_LOST = "restore it, or start in another directory"
_WORDS = {
    "data": "these folds, splits or bootstraps",
    "numbers": "these learners: their numbers differ",
    "program": "this recipe: the learner that it makes is another program",
}


def entries_of(
    works: Iterable[Work], programs: dict[str, str], rows: list[dict[str, Any]], seen: Counter[str] | None = None
) -> list[dict[str, Any]]:
    """The entries of trials with these rows; `seen` counts rows that came before."""
    entries = plain_entries(rows, seen)
    for work in works:
        group, samples = work.group, {}
        numbers = group.numbers.numbers if isinstance(group.numbers, Sampled) else group.numbers
        if isinstance(work.data, Pool):
            samples = {int(i): _sample_hash(work.data, int(i)) for i in np.unique(group.numbers.sample)}
        for place, (trial, digest) in enumerate(
            zip(group.indices.tolist(), _hashes(numbers, len(group.seeds)), strict=True)
        ):
            entries[trial] |= {"numbers": digest, "program": programs[group.name]}
            if samples:
                entries[trial]["data"] = samples[int(group.numbers.sample[place])]
    return entries


def plain_entries(rows: Iterable[dict[str, Any]], seen: Counter[str] | None = None) -> list[dict[str, Any]]:
    """Rows as entries; one that comes again is numbered."""
    seen = Counter() if seen is None else seen
    entries = []
    for row in rows:
        text = json.dumps(row, sort_keys=True)
        entries.append({"row": row, "copy": seen[text]} if seen[text] else {"row": row})
        seen[text] += 1
    return entries


def id_of(entry: dict[str, Any]) -> str:
    """What files call a trial: 32 hexadecimal digits."""
    return sha256_of(entry)[:32]


def read_plans(path: Path, identity: str) -> list[dict[str, Any]]:
    """The entries of all plans of a study, in the order in which it grew."""
    plans = []
    for file in sorted(path.glob("plan-*.json")):
        content = read_json(file, _LOST)
        if content["study"] != identity:
            raise DamagedFileError(file, "a file of another study", _LOST)
        plans.append((content["after"], file.name, content["trials"]))
    every = [entry for *_, entries in sorted(plans, key=lambda plan: plan[:2]) for entry in entries]
    return list({id_of(entry): entry for entry in every}.values())  # two processes may have planned the same


def write_plan(path: Path, identity: str, entries: list[dict[str, Any]], after: int) -> None:
    """Writes the entries by which a study grows, `after` so many others."""
    write_json(path / f"{unique('plan')}.json", {"study": identity, "after": after, "trials": entries})


def check_plan(path: Path, found: Iterable[dict[str, Any]], wanted: Iterable[dict[str, Any]]) -> None:
    """Raises an error that says what differs if an entry that is wanted is there as another trial."""
    known = {_label(entry): entry for entry in found}
    for entry in wanted:
        there = known.get(_label(entry), entry)
        for part, words in _WORDS.items():
            if there.get(part) != entry.get(part):
                text = f"{there.get(part)} there, {entry.get(part)} here, for {entry['row']}"
                raise ValueError(f"train_many: directory must hold a study of {words}, got {path}: {text}")


def _label(entry: dict[str, Any]) -> str:
    return json.dumps([entry["row"], entry.get("copy")], sort_keys=True)


def _hashes(numbers: Any, count: int) -> list[str]:
    """For each trial a hash of its numbers: their shapes, dtypes and bytes."""
    leaves = [np.ascontiguousarray(leaf) for leaf in jax.tree.leaves(numbers)]
    head = str([(leaf.shape[1:], str(leaf.dtype)) for leaf in leaves]).encode()
    columns = [leaf.reshape(count, -1).view(np.uint8) for leaf in leaves]
    table = np.concatenate(columns, axis=1) if columns else np.zeros((count, 0), np.uint8)
    return [hashlib.sha256(head + row.tobytes()).hexdigest()[:32] for row in table]


def _sample_hash(pool: Pool, place: int) -> str:
    return arrays_hash(jax.tree.map(lambda table: np.asarray(table)[place], pool.samples))[:32]
