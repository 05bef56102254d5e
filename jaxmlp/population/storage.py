"""Arrays and descriptions on disk: never pickle, never half a file.

A file is written under another name and renamed, so that a reader finds the old one, the new one, or none. Arrays are
NumPy's zip format, whose checksums notice damage; dtypes that it does not know, such as bfloat16, travel as integers.
"""

import json
import os
import zipfile
from pathlib import Path

import jax.numpy as jnp
import numpy as np

_NUMPY_KINDS = "biufc"


def write_arrays(path, arrays):
    """Writes a dict of arrays as one file, whole or not at all."""
    foreign = {name: str(array.dtype) for name, array in arrays.items() if array.dtype.kind not in _NUMPY_KINDS}
    plain = {
        name: array.view(f"u{array.dtype.itemsize}") if name in foreign else array for name, array in arrays.items()
    }
    header = np.frombuffer(json.dumps(foreign).encode(), np.uint8)
    _replace(path, lambda file: np.savez(file, __foreign__=header, **plain))


def read_arrays(path):
    """The dict of arrays of a file; a damaged file is a ValueError that names it."""
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
    except (zipfile.BadZipFile, ValueError, EOFError, OSError, KeyError) as error:
        raise ValueError(f"load_study: {path} must be a whole file of arrays, got damage: {error}") from error
    foreign = json.loads(arrays.pop("__foreign__").tobytes())
    return {name: array.view(jnp.dtype(foreign[name])) if name in foreign else array for name, array in arrays.items()}


def write_json(path, content):
    """Writes JSON, whole or not at all."""
    text = json.dumps(content, indent=1, allow_nan=True)
    _replace(path, lambda file: file.write(text.encode()))


def read_json(path):
    """The content of a JSON file; a damaged one is a ValueError that names it."""
    try:
        return json.loads(Path(path).read_text())
    except ValueError as error:
        raise ValueError(f"load_study: {path} must be JSON, got damage: {error}") from error


def _replace(path, write):
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(temporary, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        message = f"train_many: directory must be writable, got {path}: {error.strerror}; what was saved before is safe"
        raise OSError(error.errno, message) from error
