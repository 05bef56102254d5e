"""The IDX file format: two zero bytes, a type code, the number of dimensions, their sizes, the values; big-endian.

Described at http://yann.lecun.com/exdb/mnist/
"""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np

from jaxmlp.checks import require

__all__ = ["read_idx", "unpacked"]

_DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def read_idx(path: str | Path) -> np.ndarray:
    """The array in an IDX file, which is decompressed if its name ends in .gz."""
    path = Path(path)
    content = unpacked(path)
    require(content[:2] == b"\0\0" and len(content) >= 4, "load", path.name, "start as an IDX file does", content[:4])
    code, dimensions = content[2], content[3]
    require(code in _DTYPES, "load", path.name, "have a type code of an IDX file", hex(code))
    start = 4 + 4 * dimensions
    require(len(content) >= start, "load", path.name, f"hold a header of {start} bytes", len(content))
    shape = tuple(np.frombuffer(content[4:start], ">u4").tolist())
    values, dtype = content[start:], np.dtype(_DTYPES[code])
    size = math.prod(shape) * dtype.itemsize
    require(len(values) == size, "load", path.name, f"hold {size} bytes of values, as its header says", len(values))
    return np.frombuffer(values, dtype).reshape(shape).astype(dtype.newbyteorder("="))


def unpacked(path: Path) -> bytes:
    """The bytes of a file, decompressed if its name ends in .gz or it starts as gzip files do."""
    content = path.read_bytes()
    if path.suffix.lower() != ".gz" and content[:2] != b"\x1f\x8b":
        return content
    try:
        return gzip.decompress(content)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"load: {path.name} must be an uncorrupted gzip file, got {error}") from error
