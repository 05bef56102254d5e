"""Files of a study or model: arrays and descriptions that are complete, undamaged and of one whole, or a clear error.

Arrays are stored in the safetensors format (https://github.com/huggingface/safetensors): a header of names, dtypes and
shapes, then the values; no code can hide in it. Its metadata hold the identity of the study or model and a SHA-256 of
everything else. A file is written under a unique temporary name and renamed: a reader finds a complete file or none.
"""

import hashlib
import json
import os
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from jaxmlp.types import PyTree

_CODES = {"BOOL": "bool", "F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float64", "C64": "complex64"}
_CODES |= {f"{kind}{bits}": f"{name}{bits}" for kind, name in (("I", "int"), ("U", "uint")) for bits in (8, 16, 32, 64)}
_CODES |= {"C128": "complex128", "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2"}
_NAMES = {name: code for code, name in _CODES.items()}
_SECONDS_BEFORE_A_TEMPORARY_IS_OLD = 24 * 3600.0


Whole: TypeAlias = Literal["study", "model"]
"""What files are parts of."""

DESCRIPTION = "study.json"
ENDING = ".safetensors"
_LOST_STUDY = "the study cannot be read without it: restore it, or start in another directory"


class DamagedFileError(ValueError):
    """A file that is incomplete, changed, or of another study or model."""

    def __init__(self, path: Path, what: str, remedy: str, of: Whole = "study") -> None:
        super().__init__(f"load_{of}: {path} must be an undamaged file of this {of}, got {what}; {remedy}")


def write_arrays(path: Path, arrays: dict[str, np.ndarray], identity: str, of: Whole = "study") -> None:
    """Writes a dict of arrays as one file of a study or model."""
    header, start = {}, 0
    for name, array in arrays.items():
        end = start + array.nbytes
        header[name] = {"dtype": _NAMES[array.dtype.name], "shape": array.shape, "data_offsets": [start, end]}
        start = end
    values = [np.ascontiguousarray(array).tobytes() for array in arrays.values()]
    digest = _digest(header, identity, b"".join(values))
    metadata = {of: identity, "sha256": digest}
    text = json.dumps({"__metadata__": metadata, **header}).encode()
    _replace(path, lambda file: file.writelines([len(text).to_bytes(8, "little"), text, *values]), of)


def read_arrays(path: Path, identity: str, remedy: str, of: Whole = "study") -> dict[str, np.ndarray]:
    """The dict of arrays of a file.

    Args:
      path: the file.
      identity: that of the study or model that it must belong to.
      remedy: what to do about a damaged file, for the error.
      of: what it is a part of.

    Raises:
      DamagedFileError: unless the file is complete, unchanged and of that study or model.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DamagedFileError(path, f"{error.strerror}", remedy, of) from error
    try:
        size = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + size])
        metadata = header.pop("__metadata__")
        values = content[8 + size :]
        intact = metadata["sha256"] == _digest(header, metadata[of], values)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedFileError(path, "damage", remedy, of) from error
    if not intact:
        raise DamagedFileError(path, "damage", remedy, of)
    if metadata[of] != identity:
        raise DamagedFileError(path, f"a file of another {of}", remedy, of)
    return {name: _array(values, **entry) for name, entry in header.items()}


def _digest(header: dict[str, Any], identity: str, values: bytes) -> str:
    digest = hashlib.sha256(json.dumps([identity, header], sort_keys=True).encode())
    digest.update(values)
    return digest.hexdigest()


def _array(values: bytes, dtype: str, shape: list[int], data_offsets: list[int]) -> np.ndarray:
    start, end = data_offsets
    return np.frombuffer(values[start:end], jnp.dtype(_CODES[dtype])).reshape(shape)


def write_json(path: Path, content: Any, of: Whole = "study") -> None:
    """Writes JSON with a SHA-256 of it."""
    text = json.dumps({"sha256": sha256_of(content), "content": content}, indent=1)
    _replace(path, lambda file: file.write(text.encode()), of)


def read_json(path: Path, remedy: str, of: Whole = "study") -> Any:
    """The content of a file of `write_json`, or a `DamagedFileError`."""
    try:
        stored = json.loads(path.read_text())
        intact = stored["sha256"] == sha256_of(stored["content"])
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedFileError(path, "damage", remedy, of) from error
    if not intact:
        raise DamagedFileError(path, "damage", remedy, of)
    return stored["content"]


def read_description(directory: Path) -> dict[str, Any]:
    """The description of a study, of the right kind."""
    path = directory / DESCRIPTION
    content = read_json(path, _LOST_STUDY)
    if not isinstance(content, dict) or not {"version", "saved"} & content.keys():
        raise DamagedFileError(path, "no description of a study", _LOST_STUDY)
    return content


def identity_of(description: dict[str, Any]) -> str:
    """A short name of a description, which all files of its study or model carry."""
    return sha256_of(description)


def sha256_of(content: Any) -> str:
    """SHA-256 of what JSON holds; a NaN equals itself here."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def flat(prefix: str, tree: PyTree) -> dict[str, np.ndarray]:
    """A tree as a dict of NumPy arrays named by their paths, such as `params/0/w`."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {f"{prefix}/{_name(path)}": np.asarray(leaf) for path, leaf in leaves}


def nested(prefix: str, arrays: dict[str, np.ndarray], like: PyTree = None) -> PyTree:
    """The tree that `flat` took apart.

    Args:
      prefix: as given to `flat`.
      arrays: a dict that holds its arrays, perhaps among others.
      like: a tree of the same structure; None makes nested lists and dicts of the names alone.

    Raises:
      KeyError: if `like` has a leaf that is not there.
    """
    if like is not None:
        return jax.tree_util.tree_map_with_path(lambda path, _: arrays[f"{prefix}/{_name(path)}"], like)
    start = len(prefix) + 1
    return _nested({name[start:]: array for name, array in arrays.items() if name.startswith(prefix + "/")})


def _name(path: Any) -> str:
    return jax.tree_util.keystr(path, simple=True, separator="/")


def _nested(leaves: dict[str, Any]) -> Any:
    """Integers from 0 are places of a list, other names are keys of a dict."""
    if list(leaves) == [""]:
        return leaves[""]
    heads: dict[str, Any] = {}
    for path, leaf in leaves.items():
        head, _, rest = path.partition("/")
        heads.setdefault(head, {})[rest] = leaf
    children = {head: _nested(rest) for head, rest in heads.items()}
    if children and sorted(children) == sorted(str(i) for i in range(len(children))):
        return [children[str(i)] for i in range(len(children))]
    return children


def unique(name: str) -> str:
    """A file name that no other process will choose, on any machine or in any container."""
    return f"{name}-{uuid.uuid4().hex}"


def remove_old_temporaries(directory: Path) -> None:
    """Removes what killed processes left half-written, but nothing that a live one may still be writing."""
    for path in directory.glob(".*.part"):
        try:
            if time.time() - path.stat().st_mtime > _SECONDS_BEFORE_A_TEMPORARY_IS_OLD:
                path.unlink()
        except OSError:  # another process was faster, or may write here and we may not
            continue


def _replace(path: Path, write: Callable[[BinaryIO], Any], of: Whole) -> None:
    temporary = path.with_name(f".{unique(path.name)}.part")
    try:
        with open(temporary, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        function, safe = {"study": ("train_many", "; what was saved before is safe"), "model": ("save_model", "")}[of]
        message = f"{function}: directory must be writable, got {path}: {error.strerror}{safe}"
        raise OSError(error.errno, message) from error
